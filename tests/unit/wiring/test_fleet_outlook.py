"""Which policies a fleet's report asks about which images, and what it makes of the evidence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from msgspec.structs import replace

from s3c_actions.core.errors import OutsideError
from s3c_actions.core.reference import Reference
from s3c_actions.fleet.outlook import Subject
from s3c_actions.options import declare
from s3c_actions.options.fleet_report import FleetReportInputs
from s3c_actions.policy import model
from s3c_actions.policy.judge import Evidence
from s3c_actions.steps.judge import PolicyJudge
from s3c_actions.wiring import fleet_outlook
from s3c_actions.wiring.fleet_outlook import PolicyOutlook, look_ahead
from tests.support import evidence
from tests.support import exceptions as granted
from tests.support.contexts import create_context

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
SCANNED = NOW - timedelta(hours=1)
REPORT = evidence.document(
    evidence.sarif(evidence.run(SCANNED, (evidence.finding("CVE-2026-1", since=evidence.stamp(NOW)),)))
)
EVIDENCE = evidence.beside((REPORT,))
POLICY = replace(
    model.parse("version: 1\nfindings: {refuse: [{HIGH: {grace: 3d}}]}\nreport: {maximum-age: 7d}"),
    signers=(granted.signer("release", "sign"), granted.signer(granted.ONCALL, "grant-exceptions")),
)
SUBJECT = Subject(image="app", reference=EVIDENCE.reference, policy="s3c-policy.yaml", renewed=False)


class Judge:
    """As much of a judge as is asked, with this beside every image."""

    def __init__(self, attached: Evidence | OutsideError) -> None:
        self.policy, self.now, self.registry = POLICY, NOW, None
        self.attached = attached

    def collect(self, _reference: Reference, *, most: int) -> Evidence:
        assert most > 0
        if isinstance(self.attached, OutsideError):
            raise self.attached
        return self.attached

    def verify(self, collected: Evidence) -> Evidence:
        return collected


@pytest.fixture(autouse=True)
def _signature_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    ends = {evidence.SUBJECT: NOW + timedelta(days=5), REPORT.digest: NOW + timedelta(days=2)}
    monkeypatch.setattr(
        "s3c_actions.evidence.signatures.find_ends", lambda _registry, reference: {"one": ends[reference.digest]}
    )


def codes(attached: Evidence, *, renewed: bool) -> list[tuple[int, list[str]]]:
    """Days from now → what is objected from then on."""
    judge = cast("PolicyJudge", Judge(attached))
    ahead = look_ahead(judge, replace(SUBJECT, renewed=renewed), NOW + timedelta(days=14))
    return [((change.at - NOW).days, [objection.code for objection in change.objections]) for change in ahead.changes]


def test_what_the_fleet_renews_does_not_end() -> None:
    assert codes(EVIDENCE, renewed=False) == [
        (2, ["ended-signature"]),
        (3, ["finding"]),
        (5, ["ended-signature"]),
        (6, ["stale-report"]),
    ]
    assert codes(EVIDENCE, renewed=True) == [(3, ["finding"]), (5, ["ended-signature"])]


def test_what_is_refused_now_comes_first_and_exceptions_are_judged() -> None:
    assert codes(evidence.beside(), renewed=True)[0] == (0, ["no-report"])
    documents = (
        granted.document(granted.grant(NOW, "CVE-2026-1")),
        granted.document(granted.grant(NOW), 2, granter=""),
    )
    judge = cast("PolicyJudge", Judge(replace(EVIDENCE, exceptions=documents)))
    exceptions = look_ahead(judge, SUBJECT, NOW + timedelta(days=14)).exceptions
    assert [(exception.counts, exception.granter) for exception in exceptions] == [(True, granted.ONCALL), (False, "")]


def outlook(
    folder: Path, monkeypatch: pytest.MonkeyPatch, attached: Evidence | OutsideError, **given: str
) -> tuple[PolicyOutlook, list[tuple[str, ...]]]:
    opened: list[tuple[str, ...]] = []

    @contextmanager
    def opener(_options: object, _context: object, _policy: object, hosts: Any) -> Iterator[Judge]:
        opened.append(tuple(sorted(hosts)))
        yield Judge(attached)

    monkeypatch.setattr(fleet_outlook, "open_policy_judge", opener)
    options = declare.read(FleetReportInputs, {"plan": "plan.json", **given}, {}, lambda _old: None)
    policies = {"s3c-policy.yaml": POLICY, "unsigned.yaml": model.parse("version: 1")}
    hosts = {"registry.example"} if "registry-username" in given else None
    return PolicyOutlook(options, create_context(folder, now=NOW), policies, hosts), opened


def test_policies_that_name_signers_are_asked_once_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ask, opened = outlook(tmp_path, monkeypatch, EVIDENCE)
    others = [replace(SUBJECT, image=name, policy=name) for name in ("unsigned.yaml", "gone.yaml")]
    answers = ask([SUBJECT, replace(SUBJECT, image="other"), *others])
    assert set(answers) == {"app", "other"}
    assert opened == [("registry.example",)]


def test_nobody_is_asked_without_days_or_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ask, opened = outlook(tmp_path, monkeypatch, EVIDENCE, **{"forecast-days": "0"})
    assert ask([SUBJECT]) == {}
    ask, opened = outlook(tmp_path, monkeypatch, EVIDENCE)
    assert ask([]) == {}
    assert opened == []


def test_credentials_go_to_no_registry_that_a_plan_alone_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"registry-username": "me", "registry-password": "secret"}
    ask, opened = outlook(tmp_path, monkeypatch, EVIDENCE, **given)
    ask([replace(SUBJECT, reference=EVIDENCE.reference.replace("registry.example", "elsewhere.example"))])
    assert opened == [("registry.example",)]


def test_what_fails_is_a_problem_of_its_image_and_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ask, _ = outlook(tmp_path, monkeypatch, OutsideError("registry.example did not answer."))
    assert ask([SUBJECT])["app"].problem == "registry.example did not answer."

    def refuse(*_given: object) -> None:
        raise OutsideError("notation could not be obtained.")

    monkeypatch.setattr(fleet_outlook, "open_policy_judge", refuse)
    assert ask([SUBJECT])["app"].problem == "notation could not be obtained."
