"""`s3c refresh` on what runs on the lab's node and on a list, with GitHub's stand-in for the issue."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from s3c_actions.github import marker
from s3c_lab.certificates import make
from s3c_lab.lab import Lab
from tests.support.cluster import Kubectl
from tests.support.github.server import GitHub
from tests.support.github.state import Token
from tests.support.signing import Ended, s3c


@pytest.fixture
def refresh(lab: Lab, github: GitHub, tmp_path: Path) -> Callable[..., Ended]:
    """Runs the command, its issue in the stand-in's repository."""
    github.state.tokens["run-token"] = Token(permissions=frozenset({"contents:read", "issues:write"}))

    def run(*arguments: str | Path) -> Ended:
        flags = ("--trivy-cache-dir", lab.trivy_cache, "--offline", "--format", "json", "--issue")
        return s3c(tmp_path, "refresh", *arguments, *flags, environment=github.variables())

    return run


def open_issues(github: GitHub) -> list[str]:
    read = [marker.read(issue.body) for issue in github.state.issues.values() if issue.state == "open"]
    return [mark[1] for mark in read if mark]


def test_a_list_its_issue_and_its_end(
    lab: Lab, fresh: Callable[[str], str], github: GitHub, refresh: Callable[..., Ended]
) -> None:
    image = fresh("voting-app")
    ended = refresh(image, "--fail-on", "MEDIUM", "--issue-labels", "security")
    assert ended.code == 0, ended.stderr
    [issue] = github.state.issues.values()
    assert issue.labels == ["security"]
    assert issue.title.startswith("1 deployed image can be patched: ")
    [body] = open_issues(github)
    assert f"`{image}`" in body
    assert f"s3c chain {image}" in body
    assert ended.result["images"][0]["findings"]["fixable"] > 0
    assert f"✘ {image}" in ended.stdout

    github.calls.clear()
    assert refresh(image, "--fail-on", "MEDIUM").code == 0
    assert not github.call_lines("^(POST|PATCH) /repos")

    gone = f"{image.rpartition(':')[0]}:gone"
    lost = refresh(gone, "--fail-on", "MEDIUM")
    assert lost.code == 2
    assert "stays open" in lost.stderr
    assert len(open_issues(github)) == 1

    fixed = refresh(image, "--fail-on", "none")
    assert fixed.code == 0, fixed.stderr
    assert (issue.state, issue.reason) == ("closed", "completed")


def test_signatures_that_end_soon_keep_the_issue_open(
    lab: Lab, fresh: Callable[[str], str], github: GitHub, refresh: Callable[..., Ended], tmp_path: Path
) -> None:
    """Of an image without a finding to fix: it is refused all the same once its certificate has expired."""
    image = fresh("voting-app")
    end = datetime.now(UTC) + timedelta(days=9)
    key, certificate = make("short", end=end).write(tmp_path, "short")
    assert s3c(tmp_path, "sign", image, "--key", key, "--certificate", certificate).code == 0
    ended = refresh(image, "--fail-on", "none")
    assert ended.code == 0, ended.stderr
    [issue] = github.state.issues.values()
    assert (issue.state, issue.title) == ("open", "The signature of 1 deployed image ends soon")
    [body] = open_issues(github)
    assert f"until {end:%Y-%m-%d}" in body
    assert f"ends on {end:%Y-%m-%d}" in ended.stdout
    # Renewed below the same name and signed again, or not looked for that early.
    assert refresh(image, "--fail-on", "none", "--certificate-warning-days", "5").code == 0
    assert issue.state == "closed"
    key, certificate = make("short").write(tmp_path, "renewed")
    assert s3c(tmp_path, "sign", image, "--key", key, "--certificate", certificate).code == 0
    assert "ends on" not in refresh(image, "--fail-on", "none").stdout


@pytest.fixture
def namespace(kubectl: Kubectl) -> Iterator[str]:
    name = f"e2e-{uuid.uuid4().hex[:8]}"
    kubectl("create", "namespace", name)
    yield name
    kubectl("delete", "namespace", name, "--ignore-not-found", "--wait=false")


def test_what_runs_on_the_cluster(
    gated: Lab, signed: str, kubectl: Kubectl, namespace: str, github: GitHub, refresh: Callable[..., Ended]
) -> None:
    flags = ("--kubeconfig", gated.kubeconfig, "--namespaces", namespace, "--fail-on", "MEDIUM")
    nothing = refresh(*flags)
    assert (nothing.code, "nothing runs there" in nothing.stderr) == (2, True)
    kubectl("run", "web", f"--image={signed}", "-n", namespace, "--restart=Never", "--command", "--", "sleep", "1000")
    kubectl("wait", "pod/web", "-n", namespace, "--for=condition=Ready", "--timeout=180s")
    ended = refresh(*flags)
    assert ended.code == 0, ended.stderr
    assert [image["reference"] for image in ended.result["images"]] == [signed]
    [body] = open_issues(github)
    assert f"| `{signed}` | `{namespace}/web` |" in body
