"""Alerts open, stay and close as they should over a sequence of uploads, by what code scanning makes of our SARIF."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given

from s3c_actions.findings import trivy_report
from s3c_actions.findings.model import Severity
from s3c_actions.report.formats import sarif
from s3c_actions.report.rendering import Rendering
from tests.support import ROOT, builds, reports
from tests.support.builds import BUILDS, OCCURRENCES, Build, Occurrence
from tests.support.github.code_scanning import Alert, Refused, ingest

MAIN, PULL = "refs/heads/main", "refs/pull/7/merge"
RECORDED = {
    path.stem: path.read_bytes() for path in (ROOT / "tests" / "data" / "trivy").glob("*.json")
}  # fmt: skip
EVERY = RECORDED | reports.SHAPES
DOCKERFILE = Rendering(dockerfile="Dockerfile", dockerfile_text="FROM debian:12\nRUN step 7\nRUN step 8\n")


def upload(alerts: tuple[Alert, ...], report: bytes, ref: str = MAIN, **how: Any) -> tuple[Alert, ...]:
    written = sarif.render(trivy_report.parse(report), how.pop("rendering", DOCKERFILE))
    return ingest(alerts, sarif.drop_suppressed(written), ref=ref)


def numbers(alerts: tuple[Alert, ...], state: str = "open", ref: str = MAIN) -> list[int]:
    return sorted(alert.number for alert in alerts if alert.state(ref) == state)


def changed(report: bytes, change: Callable[[dict[str, Any]], object]) -> bytes:
    data = json.loads(report)
    change(data)
    return json.dumps(data).encode()


@pytest.mark.parametrize("name", [*EVERY, pytest.param("large", marks=pytest.mark.slow)])
def test_every_report_is_taken_and_labelled_as_trivy_does(name: str) -> None:
    data = EVERY[name] if name != "large" else reports.large(6_000)
    report = trivy_report.parse(data)
    alerts = upload((), data)
    assert len(alerts) == min(5_000, len(report.findings))
    worst: dict[str, Severity] = {}
    for finding in report.findings:
        worst[finding.id] = max(finding.severity, worst.get(finding.id, Severity.UNKNOWN))
    for alert in alerts:
        # A rule has one severity; those that nobody rated have GitHub's weakest label.
        expected = worst[alert.rule]
        assert alert.severity == ("note" if expected is Severity.UNKNOWN else expected.name.lower())
        assert alert.help


def test_a_new_tag_and_a_rebuild_change_no_alert() -> None:
    before = reports.SHAPES["alpine"]
    first = upload((), before)
    retagged = upload(first, before.replace(b"web:3", b"web:4-rc.1"))
    assert retagged != first  # the message names the tag
    rebuilt = upload(retagged, before.replace(reports.DIFF_IDS[0].encode(), reports.DIFF_IDS[7].encode()))
    assert numbers(first) == numbers(retagged) == numbers(rebuilt) == [1, 2]
    assert [alert.line for alert in rebuilt] == [3, 3]


def test_what_a_patch_fixed_closes_and_comes_back_under_its_number() -> None:
    report = RECORDED["debian"]
    first = upload((), report)

    def patch(data: dict[str, Any]) -> None:
        (result,) = data["Results"]
        result["Vulnerabilities"] = [listed for listed in result["Vulnerabilities"] if listed["Severity"] != "HIGH"]

    patched = upload(first, changed(report, patch))
    assert {alert.severity for alert in patched if alert.state(MAIN) == "fixed"} == {"high"}
    assert sorted(numbers(patched) + numbers(patched, "fixed")) == numbers(first)
    assert numbers(upload(patched, report)) == numbers(first)


def test_images_and_platforms_leave_each_others_alerts_alone() -> None:
    web = reports.SHAPES["alpine"]
    api = web.replace(b"localhost:5000/web", b"localhost:5000/api")
    arm = web.replace(b'"amd64"', b'"arm64"')
    both = upload(upload((), web), api)
    assert numbers(both) == [1, 2, 3, 4]
    platforms = upload(both, arm)
    assert numbers(platforms) == numbers(both)  # the same findings of the same image

    def clean(data: dict[str, Any]) -> None:
        data["Results"] = []

    half = upload(platforms, changed(web, clean))
    assert numbers(half) == numbers(both)  # the other platform still has them
    assert numbers(upload(half, changed(arm, clean)), "fixed") == [1, 2]


def test_a_pull_request_has_a_state_of_its_own() -> None:
    on_main = upload((), reports.SHAPES["alpine"])
    both = upload(on_main, reports.SHAPES["empty"].replace(b"localhost:5000/voting-app", b"localhost:5000/web"), PULL)
    assert numbers(both) == [1, 2]
    assert numbers(both, ref=PULL) == []


def test_what_is_set_aside_closes_its_alert_although_github_reads_no_suppressions() -> None:
    aside = reports.SHAPES["suppressed"]

    def report_it(data: dict[str, Any]) -> None:
        (result,) = data["Results"]
        result["Vulnerabilities"] = [result.pop("ExperimentalModifiedFindings")[0]["Finding"]]

    before = upload((), changed(aside, report_it))
    assert numbers(before) == [1]
    assert numbers(upload(before, aside), "fixed") == [1]
    whole = sarif.render(trivy_report.parse(aside), DOCKERFILE)
    assert numbers(ingest(before, whole, ref=MAIN)) == [1]


def upload_build(
    alerts: tuple[Alert, ...], occurrences: list[Occurrence], build: Build, how: Rendering
) -> tuple[Alert, ...]:
    return upload(alerts, builds.report(occurrences, build), rendering=how)


@pytest.mark.slow
@pytest.mark.parametrize("how", [Rendering(), DOCKERFILE], ids=["image", "Dockerfile"])
@given(OCCURRENCES, OCCURRENCES, BUILDS, BUILDS)
def test_alerts_open_stay_and_close_with_what_they_are_about(
    how: Rendering, kept: list[Occurrence], others: list[Occurrence], first_build: Build, second_build: Build
) -> None:
    first = upload_build((), kept, first_build, how)
    assert len(numbers(first)) == len(kept)
    rebuilt = upload_build(first, kept, second_build, how)
    assert numbers(rebuilt) == numbers(first)
    more = upload_build(rebuilt, [*kept, *others], first_build, how)
    assert len(numbers(more)) == len(kept) + len(others)
    assert set(numbers(first)) <= set(numbers(more))
    less = upload_build(more, kept, second_build, how)
    assert numbers(less) == numbers(first)
    assert len(numbers(less, "fixed")) == len(others)
    assert numbers(upload_build(less, [*others, *kept], second_build, how)) == numbers(more)


@pytest.mark.slow
@given(OCCURRENCES, BUILDS, BUILDS)
def test_the_alert_of_a_finding_keeps_its_subject(
    occurrences: list[Occurrence], first_build: Build, second_build: Build
) -> None:
    """That of a finding of one jar never becomes that of another jar, whatever is removed around it."""
    distinct = list(dict.fromkeys(occurrences))
    jar = Occurrence(kind="jar", rule=0, subject=0, file=0)
    beside = [occurrence for occurrence in distinct if occurrence != jar]
    first = upload_build((), [*beside, jar], first_build, Rendering())
    [number] = [alert.number for alert in first if _is_about(alert, "app/0/package0-")]
    alone = upload_build(first, [jar], second_build, Rendering())
    assert numbers(alone) == [number]
    without = upload_build(alone, beside, second_build, Rendering())
    assert number in numbers(without, "fixed")


def _is_about(alert: Alert, path: str) -> bool:
    return alert.rule == "CVE-2026-0000" and path in alert.message


@pytest.mark.slow
def test_over_the_limit_the_most_severe_are_shown() -> None:
    report = reports.large(30_000)
    alerts = upload((), report)
    assert len(alerts) == 5_000
    assert {alert.severity for alert in alerts} <= {"critical", "high"}


def broken(change: Callable[[dict[str, Any]], object]) -> bytes:
    return changed(sarif.render(trivy_report.parse(reports.SHAPES["alpine"]), DOCKERFILE), change)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda log: log.update(version="2.0.0"), "version"),
        (lambda log: log.update(runs=log["runs"] * 21), "more runs than allowed"),
        (lambda log: log.update(runs=log["runs"] * 2), "2 runs of Trivy"),
        (lambda log: log["runs"][0].update(results=log["runs"][0]["results"] * 12_501), "more results per run"),
        (lambda log: log["runs"][0]["results"][0].update(locations=[]), "at least one location"),
        (lambda log: log["runs"][0]["results"][0].update(message={"text": ""}), "a message"),
        (lambda log: log["runs"][0]["results"][0].update(ruleIndex=1), "is not CVE"),
        (lambda log: _place(log)["artifactLocation"].update(uri="oci://x/y"), "URI scheme"),
        (lambda log: _place(log)["artifactLocation"].update(uri=""), "artifact location"),
        (lambda log: _place(log)["region"].update(startLine=0), "region"),
        (lambda log: _rule(log)["properties"].update({"security-severity": "HIGH"}), "security-severity"),
        (lambda log: _rule(log)["properties"].update(tags=["x"] * 21), "more tags per rule"),
        (lambda log: _rule(log)["shortDescription"].update(text=""), "shortDescription"),
        (lambda log: _rule(log)["shortDescription"].update(text="x" * 1025), "too long"),
    ],
)
def test_what_github_refuses_is_refused(change: Callable[[dict[str, Any]], object], reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        ingest((), broken(change), ref=MAIN)


def _place(log: dict[str, Any]) -> dict[str, Any]:
    place: dict[str, Any] = log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    return place


def _rule(log: dict[str, Any]) -> dict[str, Any]:
    rule: dict[str, Any] = log["runs"][0]["tool"]["driver"]["rules"][0]
    return rule
