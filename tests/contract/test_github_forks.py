"""Comments for runs that may not comment: what they left is hostile until it has proved to be a result."""

from __future__ import annotations

import dataclasses
import io
import json
import re
import shutil
import zipfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt
from msgspec.structs import replace

from s3c_actions.cli import run
from s3c_actions.core.errors import Exit
from s3c_actions.core.secrets import Secrets
from s3c_actions.findings import trivy_report
from s3c_actions.github import artifact
from s3c_actions.github.run import WorkflowRun
from s3c_actions.result import document as result
from s3c_actions.result.model import ImageOutcome, Outcome
from tests.contract.test_github_comments import EITHER, client, texts
from tests.support import outcomes, reports, samples
from tests.support.github import events
from tests.support.github.server import GitHub
from tests.support.github.state import READ_ONLY, Artifact, Token
from tests.support.hostile import HOSTILE
from tests.unit.cli.test_run import outputs_of

Comment = Callable[..., tuple[int, str]]
RUN = 77
NOW = datetime(2026, 11, 24, tzinfo=UTC)


def document(outcome: Outcome | None = None) -> bytes:
    result_document = result.build_document(
        outcome or samples.outcome(samples.chained(), command="scan"), NOW, Secrets()
    )
    return result.render_document(result_document).encode()


def archive(*files: bytes, named: Mapping[str, bytes] | None = None) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as packed:
        for number, text in enumerate(files):
            packed.writestr(f"{number}/result.json" if number else "result.json", text)
        for path, text in (named or {}).items():
            packed.writestr(path, text)
    return data.getvalue()


@pytest.fixture
def comment(github: GitHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Comment:
    """Runs `s3c comment --from-run` in a `workflow_run` for a fork's pull request 7; returns exit code and log."""
    pull = dataclasses.replace(github.state.pull(7, head_repository="mallory/shop"))
    monkeypatch.chdir(tmp_path)

    def go(*archives: bytes, size: int | None = None, **inputs: str) -> tuple[int, str]:
        github.state.artifacts = [
            Artifact(number, RUN, f"s3c-comment-{number}", data, size=size) for number, data in enumerate(archives, 1)
        ]
        environment = events.environment(
            github, tmp_path, "workflow_run", events.workflow_run(github, pull, run=RUN), run=500
        )
        environment |= {"S3C_FROM_RUN": "true", "S3C_GITHUB_TOKEN": "run-token", "GITHUB_JOB": "comment"}
        environment |= {f"S3C_{name.upper()}": text for name, text in inputs.items()}
        out = io.StringIO()
        code = run.run("comment", [], environment, out, out)
        assert {path.name for path in tmp_path.iterdir()} == {"event.json"}, "something was written"
        return code, out.getvalue()

    return go


@EITHER
def test_what_a_forks_run_left_is_commented_and_updated(github: GitHub, comment: Comment) -> None:
    other = samples.outcome(samples.chained(image="localhost:5000/voting-db:15"), command="scan")
    code, log = comment(archive(document()), archive(document(other)))
    assert code == Exit.DONE, log
    assert len(texts(github)) == 2
    for body in texts(github):
        assert "Made by a run for a fork or Dependabot" in body
        assert f"{github.url}/octo/shop/actions/runs/{RUN}" in body
    assert not github.call_lines("^(GET|POST) .*(contents|git/|tarball|zipball)")
    comment(archive(document()), archive(document(other)))
    assert len(texts(github)) == 2
    refused = samples.outcome(samples.refused(), command="scan")
    assert comment(archive(document(refused)))[0] == Exit.DONE
    assert len(texts(github)) == 2
    # Several of one image, of legs of a matrix, are one comment; so are all, when asked.
    comment(archive(document(), document()), merge="true")
    assert len(texts(github)) == 3


def test_only_failures_begin_a_comment_and_the_next_run_updates_it(github: GitHub, comment: Comment) -> None:
    assert comment(archive(document()), comment="failures")[0] == Exit.DONE
    assert texts(github) == []
    comment(archive(document(samples.outcome(samples.refused(), command="scan"))), comment="failures")
    (body,) = texts(github)
    assert body.startswith("### ❌")
    comment(archive(document()), comment="failures")
    (body,) = texts(github)
    assert body.startswith("### ✅")


def test_a_superseded_run_comments_nowhere(github: GitHub, comment: Comment) -> None:
    github.state.pull(8, branch="change-7", sha=github.state.pulls[7].sha)  # the same branch and commit, not the fork's
    github.state.pulls[7].sha = "f" * 40
    github.state.pulls[9] = github.state.pulls.pop(7)
    code, log = comment(archive(document()))
    assert (code, github.state.comments) == (Exit.DONE, {})
    assert "no open pull request to comment on" in log


def spoiled(**changes: Any) -> bytes:
    return json.dumps(json.loads(document()) | changes).encode()


HOSTILE_ARCHIVES: dict[str, tuple[bytes, str]] = {
    "not an archive": (b"result.json", "an archive cannot be read"),
    "cut": (archive(document())[:-30], "an archive cannot be read"),
    "empty": (archive(), "has 0 files"),
    "another file": (archive(document(), named={"run.sh": b"touch pwned"}), "of another name than result.json"),
    "too many": (archive(*[document()] * 21), "has 21 files"),
    "a bomb": (archive(b" " * (artifact.RESULT_BYTES + 1)), "are over 67,108,864 bytes when unpacked"),
    "not JSON": (archive(b"{"), "is not JSON"),
    "not finite": (archive(document().replace(b'"seconds": 7.5', b'"seconds": NaN')), "accepted: NaN"),
    "larger than numbers are": (
        archive(document().replace(b'"seconds": 7.5', b'"seconds": 1e400')),
        "larger than numbers are",
    ),
    "a number without an end": (
        archive(document().replace(b'"total": 1', b'"total": 1' + b"0" * 400)),
        "more than 18 digits",
    ),
    "nested": (archive(b"[" * 100_000), "is not JSON"),
    "not UTF-8": (archive(b"\xff\xfe\x00"), "is not JSON"),
    "another shape": (archive(b"[]"), "not as schemas/result-1.json has it, at $"),
    "another version": (archive(spoiled(version=2)), "at $.version"),
    "another key": (archive(spoiled(markdown="# Approved")), "at $"),
    "another verdict": (archive(spoiled(verdict="<b>fine</b>")), "at $.verdict"),
    "another command": (archive(spoiled(command="rm")), "at $.command"),
    "a key that names a place": (archive(spoiled(**{"x - at `$.<b>": 1})), "at $."),
    "images of another kind": (archive(spoiled(images=[{"image": "x"}])), "at $.images[0]"),
    "a digest that is none": (
        archive(document().replace(b'"digest": "sha256:', b'"digest": "](javascript:')),
        "at $.images[0].digest",
    ),
}


@pytest.mark.parametrize(("data", "message"), HOSTILE_ARCHIVES.values(), ids=HOSTILE_ARCHIVES)
def test_what_is_no_result_is_refused_and_nothing_of_it_shown(
    github: GitHub, comment: Comment, data: bytes, message: str
) -> None:
    code, log = comment(archive(document()), data)
    assert code == Exit.OUTSIDE_FAILED
    assert message in log
    assert "Approved" not in log
    assert github.state.comments == {}
    assert comment(data, comment_required="false")[0] == Exit.DONE


@pytest.mark.parametrize(
    "path", ["../../result.json", "/etc/result.json", "C:\\result.json/result.json", "a/../result.json"]
)
def test_a_path_is_a_name_and_is_followed_nowhere(github: GitHub, comment: Comment, path: str) -> None:
    assert comment(archive(named={path: document()}))[0] == Exit.DONE
    assert len(texts(github)) == 1


def test_the_size_is_looked_at_before_and_while_downloading(github: GitHub, comment: Comment) -> None:
    packed = archive(document())
    code, log = comment(packed, packed, size=artifact.PACKED_BYTES // 2 + 1)
    assert (code, github.call_lines("zip")) == (Exit.OUTSIDE_FAILED, [])
    assert "are over 16,777,216 bytes" in log
    assert comment(packed, packed, size=artifact.PACKED_BYTES // 2)[0] == Exit.DONE
    # The list says less than comes.
    github.calls.clear()
    padded = archive(document(), named={"x/result.json": b""})
    padded += b"\0" * (artifact.PACKED_BYTES - len(padded) + 1)
    code, log = comment(padded, size=10)
    assert (code, len(github.call_lines("zip"))) == (Exit.OUTSIDE_FAILED, 1)
    assert "are over 16,777,216 bytes" in log


def test_a_result_of_30_000_findings_is_commented(github: GitHub, comment: Comment) -> None:
    report = trivy_report.parse(reports.large())
    image = ImageOutcome(image=report.image, reference=report.image, scan=outcomes.scan(report))
    large = document(Outcome(command="scan", images=(image,)))
    assert len(large) > 13_000_000
    code, log = comment(archive(large))
    assert code == Exit.DONE, log
    (body,) = texts(github)
    assert body.startswith("### ✅ voting-app · 30,000 findings")
    assert re.search(r"… and 2\d,\d{3} more rows: they are in", body), "what is left out is counted"


@pytest.mark.parametrize(("more", "code"), [(0, Exit.DONE), (1, Exit.OUTSIDE_FAILED)])
def test_all_results_of_a_run_may_be_of_64_mib_together(github: GitHub, comment: Comment, more: int, code: int) -> None:
    content = document()
    room = artifact.RESULT_BYTES - len(content)
    padded = content + b" " * (room - len(content) + more)
    ended, log = comment(archive(content), archive(padded))
    assert ended == code, log
    assert len(texts(github)) == (1 if more == 0 else 0)


def test_of_very_many_images_one_comment_tells(
    github: GitHub, comment: Comment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("s3c_actions.commands.comment.MAX_COMMENTS", 3)

    def several(number: int) -> bytes:
        images = [samples.chained(image=f"localhost:5000/app-{index}:1") for index in range(number)]
        return document(samples.outcome(*images, command="scan"))

    comment(archive(several(3)))
    assert len(texts(github)) == 3
    github.state.comments.clear()
    code, log = comment(archive(several(4)))
    assert code == Exit.DONE, log
    assert len(texts(github)) == 1


def test_other_artifacts_are_left_alone(github: GitHub, comment: Comment) -> None:
    assert comment()[0] == Exit.DONE
    name, archive_ = "coverage", archive(b"{}")
    github.state.artifacts = [Artifact(1, RUN, name, archive_), Artifact(2, RUN + 1, f"s3c-comment-{name}", archive_)]
    assert artifact.download_results(client(github), WorkflowRun(repository="octo/shop", id=RUN), "run-token") == []
    assert github.call_lines("zip") == []
    # Ours is found behind any number of others, up to a limit.
    others = [Artifact(number, RUN, f"log-{number}", b"") for number in range(100, 1099)]
    github.state.artifacts = [*others, Artifact(1, RUN, "s3c-comment-1", archive(document()))]
    assert len(artifact.download_results(client(github), WorkflowRun(repository="octo/shop", id=RUN), "run-token")) == 1
    github.state.artifacts.append(Artifact(2, RUN, "log", b""))
    with pytest.raises(artifact.InvalidArtifact, match="over 1000 artifacts"):
        artifact.download_results(client(github), WorkflowRun(repository="octo/shop", id=RUN), "run-token")


def test_a_missing_permission_to_read_artifacts_is_reported(github: GitHub, comment: Comment) -> None:
    github.state.tokens["run-token"] = Token(permissions=READ_ONLY - {"actions:read"})
    code, log = comment(archive(document()))
    assert code == Exit.OUTSIDE_FAILED
    assert "actions: read" in log


def test_it_is_for_workflow_run_alone(github: GitHub, tmp_path: Path) -> None:
    environment = events.of_pull(github, tmp_path, github.state.pulls[7]) | {"S3C_GITHUB_TOKEN": "run-token"}
    for flags, message in (
        (["--from-run"], "not caused by the end of another one"),
        ([], "results: this input is required"),
    ):
        out = io.StringIO()
        assert run.run("comment", flags, environment, out, out) == Exit.WRONG_INPUT
        assert message in out.getvalue()


def test_what_a_forks_job_may_not_merge_is_left_and_merged_later(
    github: GitHub, comment: Comment, tmp_path: Path
) -> None:
    """`s3c comment RESULTS --merge` in a job after a matrix, of a run whose token is read-only."""
    github.state.tokens["run-token"] = Token(permissions=READ_ONLY)
    for number in range(2):
        name = f"localhost:5000/app-{number}"
        image = replace(samples.chained(image=f"{name}:1"), reference=f"{name}@sha256:{number:064}")
        (tmp_path / "results" / str(number)).mkdir(parents=True)
        (tmp_path / "results" / str(number) / "result.json").write_bytes(
            document(samples.outcome(image, command="scan"))
        )
    pull = github.state.pulls[7]
    environment = events.of_pull(github, tmp_path, dataclasses.replace(pull, head_repository="mallory/shop"))
    environment |= {"S3C_GITHUB_TOKEN": "run-token", "GITHUB_OUTPUT": str(tmp_path / "output")}
    out = io.StringIO()
    code = run.run("comment", [str(tmp_path / "results"), "--merge"], environment, out, out)
    assert code == Exit.DONE, out.getvalue()
    assert "::notice" in out.getvalue()
    outputs = outputs_of(tmp_path / "output")
    assert (outputs["comment-url"], github.state.comments) == ("", {})
    assert outputs["comment-artifact"].startswith("s3c-comment-")
    left = sorted(Path(outputs["comment-folder"]).rglob("result.json"))
    assert len(left) == 2
    packed = archive(*(path.read_bytes() for path in left))
    shutil.rmtree(outputs["comment-folder"])
    shutil.rmtree(tmp_path / "results")
    (tmp_path / "output").unlink()
    github.state.tokens["run-token"] = Token()
    assert comment(packed, merge="true")[0] == Exit.DONE
    (body,) = texts(github)
    assert "app-0" in body and "app-1" in body


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_of_a_fork(github: GitHub, comment: Comment, text: str) -> None:
    data = document(samples.outcome(samples.chained(text), samples.refused(text), command="scan"))
    code, log = comment(archive(data))
    assert code == Exit.DONE, log
    assert github.state.of(7)
    for posted in github.state.of(7):
        assert posted.body.count("<!-- s3c-comment") == 1
        assert "<script" not in MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(posted.body).lower()
