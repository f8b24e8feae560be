"""`s3c fleet report` on a plan in Debian's registry, with its trend there, and its issue on GitHub's stand-in."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from s3c_actions.cli import run
from s3c_actions.core.reference import Reference
from s3c_actions.fleet import report_document, store
from s3c_actions.fleet.plan import Plan
from s3c_actions.fleet.report_document import FleetReport
from s3c_actions.registry import Registry, Writer
from s3c_actions.registry.artifacts import push_artifact
from s3c_actions.registry.credentials import Logins
from s3c_actions.result import document
from tests.support import fleets
from tests.support.debian_registry import debian_registry
from tests.support.github.server import GitHub
from tests.support.github.state import Token

NOW = datetime.now(UTC)
PLAN = fleets.plan(30, working=20)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of Debian's docker-registry."""
    with debian_registry(tmp_path_factory.mktemp("registry")) as address:
        yield address


@pytest.fixture
def place(real: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Reference:
    """A tag in a repository of the test's own; the test works in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return Reference.parse(f"{real}/{request.node.originalname.replace('_', '-')}:nightly")


def registry() -> Registry:
    return Registry(Logins(environment={"HOME": "/nonexistent"}), timeout=10)


def publish(place: Reference, plan: Plan, *, without: tuple[int, ...] = ()) -> None:
    """Publish a plan and the results of its shards."""
    writer = Writer(registry())
    pinned = store.push_plan(writer, place, plan)
    for result in fleets.results(plan, without=without):
        content = document.render_document(result.document).encode()
        store.push_result(writer, pinned, result.shard, content, now=NOW)


def report(*argv: str, **environment: str) -> tuple[int, str]:
    log = io.StringIO()
    code = run.run("fleet", ["report", *argv], {"HOME": str(Path.cwd()), "PATH": "", **environment}, log, log)
    return code, log.getvalue()


def written() -> FleetReport:
    return report_document.read(Path("s3c-out/fleet-report.json"), field="earlier-report")


def test_the_registry_is_all_that_it_needs(place: Reference) -> None:
    publish(place, PLAN, without=(2,))
    code, log = report("--plan", f"oci://{place}")
    assert code == 3, log
    assert written().figures.states["missing"] == len(PLAN.shard(2))
    assert written().figures.images == 30


def test_the_trend_is_in_the_registry(place: Reference) -> None:
    for night in range(3):
        publish(place, replace(PLAN, created=f"2026-11-2{night}T06:30:00Z"))
        code, log = report("--plan", f"oci://{place}", "--publish-report")
        assert code == 3, log
        assert len(written().trend) == night
    # Again on the same plan: no point is added, and the report is beside its plan.
    report("--plan", f"oci://{place}", "--publish-report")
    assert len(written().trend) == 2
    stored = store.find_stored_plan(registry(), place)
    assert stored is not None
    reports = store.list_reports(registry(), stored[1])
    assert report_document.parse(reports[-1][1], name="", field="") == written()
    since = {finding.since for finding in written().findings}
    assert since == {min(since)}
    assert datetime.fromisoformat(min(since)) < datetime.fromisoformat(written().created) + timedelta(seconds=1)


def test_the_trend_goes_on_under_the_tags_of_a_cronjobs_jobs(place: Reference) -> None:
    for night in range(3):
        job = place.tagged(f"s3c-fleet-{29_391_230 + night * 1440}")
        publish(job, replace(PLAN, created=f"2026-11-2{night}T06:30:00Z"))
        code, log = report("--plan", f"oci://{job}", "--publish-report")
        assert code == 3, log
        assert len(written().trend) == night
    other = place.tagged("elsewhere-29391230")
    publish(other, PLAN)
    report("--plan", f"oci://{other}", "--publish-report")
    assert written().trend == ()


def test_a_report_that_somebody_spoilt_ends_the_trend_and_not_the_report(place: Reference) -> None:
    publish(place, PLAN)
    report("--plan", f"oci://{place}", "--publish-report")
    push_artifact(Writer(registry()), place.tagged("nightly-report"), store.REPORT, b'{"version": 1}', annotations={})
    code, log = report("--plan", f"oci://{place}")
    assert code == 3
    assert "The trend begins anew" in log
    assert written().trend == ()
    code, log = report("--plan", f"oci://{place}", "--earlier-report", f"oci://{place.tagged('nightly-report')}")
    assert code == 2
    assert "is no fleet report of this version" in log


def test_something_else_under_the_tag_is_no_report(place: Reference) -> None:
    publish(place, PLAN)
    code, log = report("--plan", f"oci://{place}", "--earlier-report", f"oci://{place}")
    assert code == 2
    assert "is no fleet report" in log
    code, log = report("--plan", f"oci://{place}", "--earlier-report", f"oci://{place.tagged('gone')}")
    assert code == 2
    assert "is not there" in log


@pytest.mark.parametrize("github", ["api.github.com"], indirect=True)
def test_one_issue_is_opened_kept_and_closed(place: Reference, github: GitHub) -> None:
    github.state.tokens["run-token"] = Token(permissions=frozenset({"contents:read", "issues:write"}))
    environment = {
        "GITHUB_TOKEN": "run-token",
        "GITHUB_API_URL": github.api,
        "GITHUB_REPOSITORY": github.state.repository,
    }
    publish(place, PLAN)
    options = ("--plan", f"oci://{place}", "--issue", "--issue-labels", "security")
    code, log = report(*options, **environment)
    assert code == 3, log
    [issue] = github.state.issues.values()
    assert issue.title == f"Fleet: {written().figures.attention} of 30 images need a decision"
    assert issue.labels == ["security"]
    assert "closed when nothing is left" in issue.body
    report(*options, **environment)
    assert len(github.state.issues) == 1
    assert issue.state == "open"
    publish(place, fleets.plan(6, working=4, shards=1, unplanned=0))
    code, log = report(*options, **environment)
    assert code == 0, log
    assert issue.state == "closed"


@pytest.mark.parametrize("github", ["api.github.com"], indirect=True)
def test_a_missing_token_is_reported_before_anything(place: Reference, github: GitHub) -> None:
    code, log = report("--plan", f"oci://{place}", "--issue", GITHUB_REPOSITORY=github.state.repository)
    assert code == 2
    assert "issues: write" in log
    assert not Path("s3c-out/fleet.html").exists()
