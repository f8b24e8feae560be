"""Deployment and storage records of an organization, against GitHub's stand-in and its API description."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace

from s3c_actions.commands import deploy as deploy_command
from s3c_actions.commands import refresh
from s3c_actions.core.errors import InputError
from s3c_actions.core.progress import Silent
from s3c_actions.core.reference import Reference
from s3c_actions.github import artifact_metadata
from s3c_actions.github.artifact_metadata import Deployment
from s3c_actions.github.errors import FailureKind, GitHubError
from s3c_actions.options.declare import read
from s3c_actions.options.refresh import RefreshInputs
from s3c_actions.report.github.refresh_issue import RefreshedImage
from s3c_actions.result.model import Admission, AppliedObject, DeployResult, ImageOutcome
from s3c_actions.wiring import github_records
from tests.contract.test_github_comments import client
from tests.support.contexts import create_context
from tests.support.github.server import GitHub
from tests.support.github.state import FULL, Token

pytestmark = pytest.mark.parametrize("github", ["api.github.com"], indirect=True)

DIGEST = "sha256:" + 64 * "a"
APP = Reference.parse(f"registry.example/team/voting-app:1.4@{DIGEST}")
DATABASE = Reference.parse(f"registry.example/team/voting-db@sha256:{64 * 'b'}")
RUNNING = [Deployment(image=APP, place="voting/app"), Deployment(image=DATABASE, place="voting/db")]
OWN = "octo/shop"


@pytest.fixture(autouse=True)
def may_write(github: GitHub) -> None:
    github.state.tokens["run-token"] = Token(permissions=FULL | {"artifact-metadata:write"})


def recorded(github: GitHub, deployments: list[Deployment], repository: str = OWN) -> artifact_metadata.Recorded:
    return artifact_metadata.record_deployments(
        client(github), repository, deployments, cluster="aks-voting", environment="production"
    )


def test_each_deployment_is_a_record_that_is_updated(github: GitHub) -> None:
    assert recorded(github, RUNNING).count == 2
    newer = replace(RUNNING[0], image=replace(APP, digest="sha256:" + 64 * "c"))
    assert recorded(github, [newer, RUNNING[1]]).count == 2
    key = ("aks-voting", "production", "voting-app-voting-app")
    assert set(github.state.deployments) == {key, ("aks-voting", "production", "voting-db-voting-db")}
    assert github.state.deployments[key] == {
        "name": "team/voting-app",
        "digest": "sha256:" + 64 * "c",
        "version": "1.4",
        "status": "deployed",
        "deployment_name": "voting-app-voting-app",
        "github_repository": "shop",
    }


def test_names_are_unique_and_long_ones_fit(github: GitHub) -> None:
    long = Reference.parse(f"registry.example/{'a' * 120}/{'b' * 120}/app@{DIGEST}")
    twice = [RUNNING[0], RUNNING[0], Deployment(image=long, place=f"{'n' * 60}/{'w' * 250}")]
    assert recorded(github, twice).count == 2
    assert max(len(name) for _, _, name in github.state.deployments) == 256


def test_more_than_a_call_takes_are_several_calls(github: GitHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artifact_metadata, "MAX_DEPLOYMENTS", 2)
    assert recorded(github, [Deployment(image=APP, place=f"voting/app{number}") for number in range(5)]).count == 5
    assert len(github.call_lines("POST .*deployment-record")) == 3


def test_what_github_skips_is_reported_by_its_name(github: GitHub) -> None:
    result = recorded(github, RUNNING, "octo/another")
    assert (result.count, result.skipped) == (
        0, ("voting-app-voting-app: not found", "voting-db-voting-db: not found")
    )  # fmt: skip


def test_where_an_image_is_stored(github: GitHub) -> None:
    deep = Reference.parse(f"registry.example/{'a' * 130}/app@{DIGEST[:-1]}d")
    assert artifact_metadata.record_storage(client(github), OWN, [APP, APP, DATABASE, deep]).count == 3
    assert github.state.storage[DIGEST] == {
        "name": "team/voting-app",
        "digest": DIGEST,
        "version": "1.4",
        "registry_url": "https://registry.example",
        "repository": "team/voting-app",
        "artifact_url": f"https://registry.example/v2/team/voting-app/manifests/{DIGEST}",
        "status": "active",
        "github_repository": "shop",
        "return_records": False,
    }
    assert "repository" not in github.state.storage[deep.digest]


@pytest.mark.parametrize(
    "write",
    [
        lambda github: recorded(github, RUNNING),
        lambda github: artifact_metadata.record_storage(client(github), OWN, [APP]),
    ],
)
def test_the_error_names_the_permission_that_a_token_lacks(github: GitHub, write: Callable[[GitHub], Any]) -> None:
    github.state.tokens["run-token"] = Token(permissions=FULL)
    with pytest.raises(GitHubError) as raised:
        write(github)
    assert raised.value.trouble is FailureKind.PERMISSION
    assert "artifact-metadata: write" in raised.value.remedy
    github.state.tokens["run-token"] = Token(permissions=FULL | {"artifact-metadata:write"})
    github.state.organization = False
    with pytest.raises(GitHubError, match="could not be recorded"):
        write(github)


# As an input


class KeptWarnings(Silent):
    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warning(self, text: str) -> None:
        self.warnings.append(text)


def record(github: GitHub, folder: Path, *, server: str = "https://aks.example:443", **flags: str) -> list[str]:
    """Records what runs, as a command does; returns the warnings."""
    progress = KeptWarnings()
    run = create_context(folder, github.variables(), progress=progress)
    options = read(RefreshInputs, flags, {}, lambda _notice: None)
    github_records.check(options, options, run, options.repository)
    github_records.record(options, options, run, RUNNING, server=server, repository=options.repository)
    return progress.warnings


def test_nothing_is_recorded_unless_asked(github: GitHub, tmp_path: Path) -> None:
    assert record(github, tmp_path) == []
    assert not github.call_lines("artifacts/metadata")


def test_the_cluster_is_named_after_its_server_or_as_given(github: GitHub, tmp_path: Path) -> None:
    flags = {"github-records": "deployments,storage", "record-environment": "staging"}
    assert record(github, tmp_path, **flags) == []
    assert record(github, tmp_path, **flags, **{"record-cluster": "mine"}) == []
    assert {(cluster, stage) for cluster, stage, _ in github.state.deployments} == {
        ("aks.example", "staging"), ("mine", "staging")
    }  # fmt: skip
    assert len(github.state.storage) == 2


def test_another_repository_is_the_one_given(github: GitHub, tmp_path: Path) -> None:
    (warning,) = record(github, tmp_path, **{"github-records": "deployments", "repository": "octo/another"})
    assert "GitHub did not record 2 deployments: voting-app-voting-app: not found; " in warning


def test_a_failure_is_a_warning(github: GitHub, tmp_path: Path) -> None:
    github.state.tokens["run-token"] = Token(permissions=FULL)
    (warning,) = record(github, tmp_path, **{"github-records": "deployments"})
    assert "artifact-metadata: write" in warning
    (unnamed,) = record(github, tmp_path, server="", **{"github-records": "deployments"})
    assert "record-cluster" in unnamed


def test_a_missing_token_is_reported_before_anything_is_done(github: GitHub, tmp_path: Path) -> None:
    options = read(RefreshInputs, {"github-records": "storage"}, {}, lambda _notice: None)
    with pytest.raises(InputError) as raised:
        github_records.check(options, options, create_context(tmp_path, {"GITHUB_REPOSITORY": OWN}))
    assert raised.value.field == "github-token"
    assert "artifact-metadata: write" in raised.value.remedy


def test_deploy_records_what_runs_of_its_own_images(github: GitHub, monkeypatch: pytest.MonkeyPatch) -> None:
    queried = []

    def listed(_cluster: object, namespaces: list[str]) -> Any:
        queried.append(namespaces)
        return SimpleNamespace(
            running=[
                SimpleNamespace(image=str(APP), places=("voting/app", "voting/worker")),
                SimpleNamespace(image=str(DATABASE), places=("voting/db",)),
            ]
        )

    monkeypatch.setattr(deploy_command, "list_deployed", listed)
    objects = tuple(
        AppliedObject(kind="Deployment", namespace=namespace, name="app", action="created")
        for namespace in ("voting", "", "voting")
    )
    result = DeployResult(
        admissions=(Admission(image="app", reference=APP.pinned, verdict="admitted"),), applied=objects
    )
    running = list(deploy_command._running(result, SimpleNamespace()))  # type: ignore[arg-type]
    assert queried == [["voting"]]
    assert [deployment.place for deployment in running] == ["voting/app", "voting/worker"]
    assert recorded(github, running).count == 2


def test_refresh_records_what_it_found_running(github: GitHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An image that was given, and that no workload is known to run, is no deployment."""
    listed: tuple[object, ...] = ({str(APP): ("voting/app",), str(DATABASE): ()}, {}, (), "https://aks.example:443")
    monkeypatch.setattr(refresh, "_list_images", lambda *_: listed)
    monkeypatch.setattr(refresh, "create_scanner", lambda *_args, **_named: None)
    monkeypatch.setattr(
        refresh, "_refresh_image", lambda image, *_: (ImageOutcome(image=image), RefreshedImage(image=image))
    )
    options = read(RefreshInputs, {"attach": "none", "github-records": "deployments"}, {}, lambda _notice: None)
    refresh.run(options, create_context(tmp_path, github.variables()))
    ((key, record),) = github.state.deployments.items()
    assert key == ("aks.example", "production", "voting-app-voting-app")
    assert record["digest"] == DIGEST
