"""Comments for runs that may not comment: what they left is hostile until it has proved to be a result."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from s3c_actions import result, shell
from s3c_actions.errors import Exit
from s3c_actions.github import artifact
from s3c_actions.github.run import Run
from s3c_actions.process import Secrets
from s3c_actions.steps.results import Outcome
from tests.contract.test_github_comments import EITHER, client, texts
from tests.github import events
from tests.github.server import GitHub
from tests.github.state import READ_ONLY, Artifact, Token
from tests.hostile import HOSTILE
from tests.unit import samples

Comment = Callable[..., tuple[int, str]]
RUN = 77
NOW = datetime(2026, 11, 24, tzinfo=UTC)


def document(outcome: Outcome | None = None) -> bytes:
    made = result.document(outcome or samples.outcome(samples.chained(), command="scan"), NOW, Secrets())
    return result.text(made).encode()


def archive(*files: bytes, named: Mapping[str, bytes] | None = None) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as made:
        for number, text in enumerate(files):
            made.writestr(f"{number}/result.json" if number else "result.json", text)
        for path, text in (named or {}).items():
            made.writestr(path, text)
    return data.getvalue()


@pytest.fixture
def comment(github: GitHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Comment:
    """Runs `s3c comment --from-run` in a `workflow_run` for a fork's pull request 7; returns exit code and log."""
    pull = replace(github.state.pull(7, head_repository="mallory/shop"))
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
        code = shell.run("comment", [], environment, out, out)
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
    assert not github.made("^(GET|POST) .*(contents|git/|tarball|zipball)")
    comment(archive(document()), archive(document(other)))
    assert len(texts(github)) == 2
    refused = samples.outcome(samples.refused(), command="scan")
    assert comment(archive(document(refused)))[0] == Exit.DONE
    assert len(texts(github)) == 2
    # Several of one image, of legs of a matrix, are one comment; so are all, when asked.
    comment(archive(document(), document()), merge="true")
    assert len(texts(github)) == 3


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
    "a bomb": (archive(b" " * (artifact.RESULT_BYTES + 1)), "is over 8,388,608 bytes"),
    "not JSON": (archive(b"{"), "is not JSON"),
    "not finite": (archive(document().replace(b'"seconds": 7.5', b'"seconds": NaN')), "accepted: NaN"),
    "nested": (archive(b"[" * 100_000), "is not JSON"),
    "not UTF-8": (archive(b"\xff\xfe\x00"), "is not JSON"),
    "another shape": (archive(b"[]"), "not as schemas/result-1.json has it, at $"),
    "another version": (archive(spoiled(version=2)), "at $.version"),
    "another key": (archive(spoiled(markdown="# Approved")), "at $"),
    "another verdict": (archive(spoiled(verdict="<b>fine</b>")), "at $.verdict"),
    "another command": (archive(spoiled(command="rm")), "at $.command"),
    "images of another kind": (archive(spoiled(images=[{"image": "x"}])), "at $.images[0]"),
    "a digest that is none": (
        archive(document().replace(b'"digest": "sha256:', b'"digest": "](javascript:')),
        "at $.images[0].digest",
    ),
}


@pytest.mark.parametrize(("data", "said"), HOSTILE_ARCHIVES.values(), ids=HOSTILE_ARCHIVES)
def test_what_is_no_result_is_refused_and_nothing_of_it_shown(
    github: GitHub, comment: Comment, data: bytes, said: str
) -> None:
    code, log = comment(archive(document()), data)
    assert code == Exit.OUTSIDE_FAILED
    assert said in log
    assert "Approved" not in log
    assert github.state.comments == {}
    assert comment(data, comment_required="false")[0] == Exit.DONE


@pytest.mark.parametrize(
    "path", ["../../result.json", "/etc/result.json", "C:\\result.json/result.json", "a/../result.json"]
)
def test_a_path_is_a_name_and_is_followed_nowhere(github: GitHub, comment: Comment, path: str) -> None:
    assert comment(archive(named={path: document()}))[0] == Exit.DONE
    assert len(texts(github)) == 1


def test_the_size_is_looked_at_before_and_while_downloading(
    github: GitHub, comment: Comment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(artifact, "ARCHIVE_BYTES", 100)
    code, log = comment(archive(document()))
    assert (code, github.made("zip")) == (Exit.OUTSIDE_FAILED, [])
    assert "are read at most" in log
    # The list says less than comes.
    code, log = comment(archive(document()), size=10)
    assert (code, len(github.made("zip"))) == (Exit.OUTSIDE_FAILED, 1)
    assert "one is over 100 bytes" in log


def test_other_artifacts_are_left_alone(github: GitHub, comment: Comment) -> None:
    assert comment()[0] == Exit.DONE
    name, archive_ = "coverage", archive(b"{}")
    github.state.artifacts = [Artifact(1, RUN, name, archive_), Artifact(2, RUN + 1, f"s3c-comment-{name}", archive_)]
    assert artifact.results(client(github), Run(repository="octo/shop", id=RUN), "run-token") == []
    assert github.made("zip") == []


def test_a_token_that_may_not_read_artifacts_is_told(github: GitHub, comment: Comment) -> None:
    github.state.tokens["run-token"] = Token(permissions=READ_ONLY - {"actions:read"})
    code, log = comment(archive(document()))
    assert code == Exit.OUTSIDE_FAILED
    assert "actions: read" in log


def test_it_is_for_workflow_run_alone(github: GitHub, tmp_path: Path) -> None:
    environment = events.of_pull(github, tmp_path, github.state.pulls[7]) | {"S3C_GITHUB_TOKEN": "run-token"}
    for flags, said in (
        (["--from-run"], "not caused by the end of another one"),
        ([], "results: this input is required"),
    ):
        out = io.StringIO()
        assert shell.run("comment", flags, environment, out, out) == Exit.WRONG_INPUT
        assert said in out.getvalue()


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_of_a_fork(github: GitHub, comment: Comment, text: str) -> None:
    data = document(samples.outcome(samples.chained(text), samples.refused(text), command="scan"))
    code, log = comment(archive(data))
    assert code == (Exit.DONE if len(data) <= artifact.RESULT_BYTES else Exit.OUTSIDE_FAILED), log
    for one in github.state.of(7):
        assert one.body.count("<!-- s3c-comment") == 1
        assert "<script" not in MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(one.body).lower()
