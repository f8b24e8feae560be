"""The files that decide a gate, on a pull request: the target branch's, whatever the checkout says. PyGithub against
GitHub's stand-in, and whole commands."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from s3c_actions.cli import run
from s3c_actions.core.errors import OutsideError
from s3c_actions.github import target_branch
from s3c_actions.github.errors import FailureKind, GitHubError
from tests.support import ROOT
from tests.support.github import events
from tests.support.github.git import Link, Submodule
from tests.support.github.server import GitHub
from tests.support.github.state import READ_ONLY, Token

EITHER = pytest.mark.parametrize("github", ["api.github.com", "ghes-3.19"], indirect=True)
REPORT = ROOT / "tests" / "data" / "trivy" / "debian.json"
STRICT = "version: 1\nfindings:\n  refuse: [CRITICAL, HIGH, MEDIUM, LOW, UNKNOWN]\n"
LAX = "version: 1\nfindings:\n  refuse: []\n"
LABEL = "accept-gate-change"


def branch(github: GitHub, folder: Path, **more: Any) -> Any:
    environment = events.of_pull(github, folder, github.state.pulls[7], **more)
    target = target_branch.find_target_branch(environment, lambda: "run-token", lambda _notice: None)
    assert target is not None
    return target


@EITHER
def test_files_of_the_target_branch_are_read_as_they_are(github: GitHub, tmp_path: Path) -> None:
    large = b"x" * 1_500_000
    github.state.git.commit(
        "main",
        {
            "a file.txt": "one\n",
            "trust/ü.crt": "two",
            "trust/x509/b.crt": "three",
            "large": large,
            "link": Link(b"a file.txt"),
            "out": Link(b"/etc/passwd"),
            "other": Submodule(b"1" * 40),
        },
    )
    target = branch(github, tmp_path)
    assert target.content("a file.txt") == b"one\n"
    assert target.content("nope") is None
    assert target.content("trust") == {"ü.crt": b"two", "x509/b.crt": b"three"}
    assert target.content("large") == large
    assert target.content("link") == b"one\n"
    for path, kind in (("out", "a link"), ("other", "a submodule")):
        with pytest.raises(OutsideError, match=kind) as caught:
            target.content(path)
        assert caught.value.exit_code == 3
    # The branch is looked up once, and all is read from one commit.
    commit = github.state.git.branches["main"]
    assert len(github.call_lines("GET .*/git/ref/heads/main")) == 1
    assert {call.query["ref"][0] for call in github.calls if "/contents/" in call.path} == {commit}


def test_the_commit_of_the_event_is_taken_when_the_branch_is_gone(github: GitHub, tmp_path: Path) -> None:
    commit = github.state.git.commit("main", {"a": "one"})
    del github.state.git.branches["main"]
    environment = events.of_pull(github, tmp_path, github.state.pulls[7])
    event = Path(environment["GITHUB_EVENT_PATH"])
    payload = json.loads(event.read_text())
    target = target_branch.find_target_branch(environment, lambda: "run-token", lambda _notice: None)
    assert target is not None
    with pytest.raises(GitHubError, match="target branch"):
        target.content("a")
    payload["pull_request"]["base"]["sha"] = commit
    event.write_text(json.dumps(payload))
    target = target_branch.find_target_branch(environment, lambda: "run-token", lambda _notice: None)
    assert target is not None
    assert target.content("a") == b"one"


@pytest.mark.parametrize(
    ("roles", "labels", "accepted"),
    [
        ({"boss": "maintain"}, [("set", "boss")], "boss"),
        ({"boss": "admin"}, [("set", "boss")], "boss"),
        ({"colleague": "write"}, [("set", "colleague")], "colleague"),
        ({"developer": "maintain"}, [("set", "developer")], "developer"),
        ({"developer": "write"}, [("set", "developer")], ""),
        ({"helper": "triage"}, [("set", "helper")], ""),
        ({}, [("set", "github-actions[bot]")], ""),
        ({"boss": "admin"}, [], ""),
        ({"boss": "admin"}, [("set", "boss"), ("unset", "boss")], ""),
        ({"boss": "admin", "developer": "write"}, [("set", "boss"), ("unset", "boss"), ("set", "developer")], ""),
    ],
)
def test_a_label_counts_by_who_set_it(
    github: GitHub, tmp_path: Path, roles: dict[str, str], labels: list[tuple[str, str]], accepted: str
) -> None:
    github.state.roles.update(roles)
    pull = github.state.pulls[7]
    pull.label("another", "boss")
    for event, user in labels:
        (pull.label if event == "set" else pull.unlabel)(LABEL, user)
    assert branch(github, tmp_path).accepted(LABEL) == accepted


class Job:
    """A step of a pull request, with a checkout of its own."""

    def __init__(self, github: GitHub, folder: Path, fork: str = "", permissions: frozenset[str] | None = None) -> None:
        self.github, self.folder = github, folder
        self.checkout = folder / "checkout"
        self.checkout.mkdir()
        if fork:
            github.state.pulls[7].head_repository = fork
        if permissions is not None:
            github.state.tokens["run-token"] = Token(permissions=permissions)

    def write(self, name: str, text: str) -> None:
        path = self.checkout / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def run(
        self, monkeypatch: pytest.MonkeyPatch, *argv: str, cwd: str = ".", event: str = "pull_request", **more: str
    ) -> tuple[int, dict[str, Any], str]:
        """Exit code, result.json and log of `s3c report` in the checkout."""
        monkeypatch.chdir(self.checkout / cwd)
        environment = {
            **events.of_pull(self.github, self.folder, self.github.state.pulls[7]),
            "GITHUB_WORKSPACE": str(self.checkout),
            "GITHUB_EVENT_NAME": event,
            "S3C_GITHUB_TOKEN": "run-token",
            "S3C_OUTPUT_DIR": str(self.folder / "out"),
            "S3C_FORMAT": "json",
            **more,
        }
        out, err = io.StringIO(), io.StringIO()
        code = run.run("report", [str(REPORT), *argv], environment, out, err)
        log = out.getvalue() + err.getvalue()
        return code, json.loads((self.folder / "out" / "result.json").read_text()), log


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """The recorded report is not of today."""
    from datetime import UTC, datetime

    created = datetime.fromisoformat(json.loads(REPORT.read_bytes())["CreatedAt"])
    monkeypatch.setattr(
        run, "datetime", type("Then", (), {"now": staticmethod(lambda zone=UTC: created.astimezone(zone))})
    )


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize("event", ["pull_request", "pull_request_target"])
@pytest.mark.parametrize("fork", ["", "stranger/shop"])
def test_a_pull_request_does_not_loosen_its_own_gate(
    github: GitHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fork: str, event: str
) -> None:
    github.state.git.commit("main", {"s3c-policy.yaml": STRICT})
    job = Job(github, tmp_path, fork=fork)
    job.write("s3c-policy.yaml", LAX)
    code, document, log = job.run(monkeypatch, "--policy", "s3c-policy.yaml", event=event)
    assert code == 1, log
    assert document["gate_changes"] == [
        {
            "kind": "policy",
            "path": "s3c-policy.yaml",
            "target_sha256": sha(STRICT),
            "head_sha256": sha(LAX),
            "used": "target",
            "accepted_by": "",
        }
    ]
    assert document["settings"] == [{"kind": "policy", "path": "s3c-policy.yaml", "sha256": sha(STRICT)}]
    assert "s3c-policy.yaml (policy) is another one on main" in log
    summary = (tmp_path / "out" / "summary.md").read_text()
    assert "This pull request changes what its gate is decided with" in summary
    assert sha(STRICT)[:12] in summary
    assert sha(LAX)[:12] in summary


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize(("fork", "by", "code"), [("", "boss", 0), ("", "developer", 1), ("stranger/shop", "boss", 1)])
def test_a_maintainers_label_lets_it_count_but_never_for_a_fork(
    github: GitHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fork: str, by: str, code: int
) -> None:
    github.state.git.commit("main", {"s3c-policy.yaml": STRICT})
    github.state.roles.update({"boss": "maintain", "developer": "write"})
    github.state.pulls[7].label(LABEL, by)
    job = Job(github, tmp_path, fork=fork)
    job.write("s3c-policy.yaml", LAX)
    ended, document, log = job.run(monkeypatch, "--policy", "s3c-policy.yaml", S3C_GATE_LABEL=LABEL)
    assert ended == code, log
    (change,) = document["gate_changes"]
    assert (change["used"], change["accepted_by"]) == (("head", by) if code == 0 else ("target", ""))
    # Without the input no label counts.
    assert job.run(monkeypatch, "--policy", "s3c-policy.yaml")[0] == 1


@pytest.mark.usefixtures("fresh")
def test_what_is_the_same_says_nothing(github: GitHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    github.state.git.commit("main", {"s3c-policy.yaml": LAX})
    job = Job(github, tmp_path)
    job.write("s3c-policy.yaml", LAX)
    code, document, _ = job.run(monkeypatch, "--policy", "s3c-policy.yaml")
    assert (code, document["gate_changes"]) == (0, [])


@pytest.mark.usefixtures("fresh")
def test_the_first_policy_is_the_pull_requests_own(
    github: GitHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    github.state.git.commit("main", {"README.md": "x"})
    job = Job(github, tmp_path)
    job.write("s3c-policy.yaml", STRICT)
    code, document, _ = job.run(monkeypatch, "--policy", "s3c-policy.yaml")
    assert code == 1
    assert document["gate_changes"][0]["used"] == "head"


@pytest.mark.usefixtures("fresh")
def test_a_policy_that_the_pull_request_deletes_still_decides(
    github: GitHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    github.state.git.commit("main", {"s3c-policy.yaml": STRICT})
    code, document, _ = Job(github, tmp_path).run(monkeypatch, "--policy", "s3c-policy.yaml")
    assert code == 1
    assert document["gate_changes"][0]["head_sha256"] == ""


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize("given", ["../ci/s3c-policy.yaml", "{checkout}/ci/s3c-policy.yaml"])
def test_paths_are_those_of_the_repository_wherever_the_command_runs(
    github: GitHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    github.state.git.commit("main", {"ci/s3c-policy.yaml": STRICT})
    job = Job(github, tmp_path)
    job.write("ci/s3c-policy.yaml", LAX)
    job.write("app/Dockerfile", "FROM scratch")
    code, _, log = job.run(monkeypatch, "--policy", given.format(checkout=job.checkout), cwd="app")
    assert code == 1, log


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize("folder", [False, True])
def test_a_link_in_the_place_of_a_file_or_its_folder_is_compared_with_the_file(
    github: GitHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: bool
) -> None:
    github.state.git.commit("main", {"ci/s3c-policy.yaml": STRICT})
    job = Job(github, tmp_path)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "s3c-policy.yaml").write_text(LAX)
    if folder:
        (job.checkout / "ci").symlink_to(tmp_path / "outside")
    else:
        (job.checkout / "ci").mkdir()
        (job.checkout / "ci" / "s3c-policy.yaml").symlink_to(tmp_path / "outside" / "s3c-policy.yaml")
    assert job.run(monkeypatch, "--policy", "ci/s3c-policy.yaml")[0] == 1


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize(
    ("origin", "code"),
    [
        ("https://github.com/octo/policies", 0),
        ("git@github.com:octo/policies.git", 0),
        ("https://github.com/octo/shop", 1),
        ("https://x:y@github.com/Octo/Shop.git", 1),
    ],
)
def test_a_checkout_of_another_repository_is_not_the_pull_requests(
    github: GitHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, origin: str, code: int
) -> None:
    github.state.git.commit("main", {"s3c-policy.yaml": STRICT})
    job = Job(github, tmp_path)
    job.write("other/s3c-policy.yaml", LAX)
    subprocess.run(["git", "init", "-q", job.checkout / "other"], check=True)
    subprocess.run(["git", "-C", job.checkout / "other", "remote", "add", "origin", origin], check=True)
    assert job.run(monkeypatch, "--policy", "other/s3c-policy.yaml")[0] == code


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize("status", [403, 500])
def test_when_the_target_branch_cannot_be_read_nothing_passes(
    github: GitHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    github.state.git.commit("main", {"s3c-policy.yaml": LAX})
    job = Job(github, tmp_path)
    job.write("s3c-policy.yaml", LAX)
    github.fail("GET .*/contents/", status, times=20, message="Resource not accessible by integration")
    monkeypatch.setattr("s3c_actions.github.api.RETRIES", 0)
    code, document, log = job.run(monkeypatch, "--policy", "s3c-policy.yaml")
    assert code == 3, log
    assert "The target branch's files could not be read" in document["error"]["what"]
    if status == 403:
        assert "contents: read" in document["error"]["remedy"]


@pytest.mark.usefixtures("fresh")
def test_without_a_token_nothing_passes(github: GitHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    github.state.git.commit("main", {"s3c-policy.yaml": LAX})
    job = Job(github, tmp_path)
    job.write("s3c-policy.yaml", LAX)
    code, document, _ = job.run(monkeypatch, "--policy", "s3c-policy.yaml", S3C_GITHUB_TOKEN="")
    assert code == 3
    assert "`contents: read`" in document["error"]["remedy"]


@pytest.mark.usefixtures("fresh")
def test_a_token_that_may_only_read_is_enough(github: GitHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    github.state.git.commit("main", {"s3c-policy.yaml": STRICT})
    github.state.roles["boss"] = "admin"
    github.state.pulls[7].label(LABEL, "boss")
    job = Job(github, tmp_path, permissions=READ_ONLY)
    job.write("s3c-policy.yaml", LAX)
    assert job.run(monkeypatch, "--policy", "s3c-policy.yaml", S3C_GATE_LABEL=LABEL)[0] == 0


@pytest.mark.usefixtures("fresh")
def test_other_events_have_no_target(github: GitHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = Job(github, tmp_path)
    job.write("s3c-policy.yaml", LAX)
    github.calls.clear()
    code, document, _ = job.run(monkeypatch, "--policy", "s3c-policy.yaml", event="push")
    assert (code, document["gate_changes"]) == (0, [])
    assert not github.calls


def test_no_permission_is_reported_as_such(github: GitHub, tmp_path: Path) -> None:
    github.state.git.commit("main", {"a": "one"})
    github.state.tokens["run-token"] = Token(permissions=frozenset())
    with pytest.raises(GitHubError) as caught:
        branch(github, tmp_path).content("a")
    assert caught.value.trouble is FailureKind.PERMISSION
