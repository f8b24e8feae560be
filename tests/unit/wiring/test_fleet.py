"""Where the input `plan` leads: to a file, or to a registry."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from s3c_actions.core import artifact_types
from s3c_actions.core.errors import InputError, OutsideError
from s3c_actions.core.reference import Reference
from s3c_actions.core.tag_template import TagTemplate
from s3c_actions.fleet import plan as plans
from s3c_actions.fleet.currency import Current
from s3c_actions.fleet.match_rules import Unchanged
from s3c_actions.fleet.planning import DigestGroup
from s3c_actions.fleet.selecting import SelectedImage
from s3c_actions.options.declare import read
from s3c_actions.options.policy import PolicyInputs
from s3c_actions.policy.model import Policy
from s3c_actions.registry import Descriptor
from s3c_actions.steps.judge import PolicyJudge
from s3c_actions.wiring import fleet
from tests.support import evidence as samples
from tests.support.contexts import create_context
from tests.unit.fleet.test_plan import PLAN

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_bytes(plans.render(PLAN))
    options = read(PolicyInputs, {}, {}, lambda _notice: None)
    assert fleet.read_any(str(path), options, create_context(tmp_path)) == (PLAN, None)


@pytest.mark.parametrize("text", ["gone.json", "oci://registry.example/fleet", "oci://"])
def test_what_names_no_plan_is_rejected(tmp_path: Path, text: str) -> None:
    options = read(PolicyInputs, {}, {}, lambda _notice: None)
    with pytest.raises(InputError) as caught:
        fleet.read_any(text, options, create_context(tmp_path))
    assert caught.value.field == "plan"


class Flooded:
    """A registry that lists many reports beside an image."""

    def __init__(self, count: int) -> None:
        self.count = count

    def referrers(self, _reference: Reference, _wanted: str = "") -> tuple[Descriptor, ...]:
        kind = artifact_types.SARIF
        return tuple(
            Descriptor(digest=f"sha256:{n:064x}", media_type="", size=1, artifact_type=kind) for n in range(self.count)
        )


def test_an_image_beside_which_somebody_pushes_reports_is_not_read_for_ever(tmp_path: Path) -> None:
    registry: Any = Flooded(fleet.MAX_REPORTS + 1)
    judge = PolicyJudge(policy=Policy(version=1), registry=registry, notation=registry, homes=(), now=NOW)
    ready = fleet.CurrencyJudge(
        {"": judge}, TagTemplate.parse("{tag}-{n}"), create_context(tmp_path), timedelta(hours=24)
    )
    name = f"r.example/app:1@sha256:{1:064x}"
    group = DigestGroup(image=name, names=(name,), selected=SelectedImage(name=name))
    with pytest.raises(OutsideError, match="has 101 reports, and at most 100 are read"):
        ready(group)


class Old:
    """A judge of one image whose signed report is some days old, and with nothing against it but that."""

    def __init__(self, days: float, *findings: Any) -> None:
        self.policy = Policy(version=1)
        report = samples.document(samples.sarif(samples.run(NOW - timedelta(days=days), findings)))
        self.beside = samples.beside((report,))
        self.verified = 0

    def collect(self, _reference: Reference, *, most: int) -> Any:
        return self.beside

    def verify(self, collected: Any) -> Any:
        self.verified += 1
        return collected


def planned(tmp_path: Path, judge: Old, outcome: Unchanged | str) -> tuple[Current | str, int]:
    """The verdict on the image when a match of its SBOM has this outcome, and how often it was matched."""
    asked: list[str] = []

    def match(_policy: Policy, _reports: Any, _read: Any, image: str) -> Unchanged | str:
        asked.append(image)
        return outcome

    judges: Any = {"": judge}
    matcher: Any = match
    here = create_context(tmp_path, now=NOW)
    ready = fleet.CurrencyJudge(judges, TagTemplate.parse("{tag}-{n}"), here, timedelta(hours=24), matcher)
    name = f"{samples.REFERENCE}@{samples.SUBJECT}"
    verdict = ready._judge(judges[""], Reference.parse(name))
    assert asked in ([], [name])
    return verdict, len(asked)


def test_an_older_report_is_enough_with_a_match_that_shows_nothing_new(tmp_path: Path) -> None:
    judge = Old(days=3)
    verdict, asked = planned(tmp_path, judge, Unchanged(database="2026-11-29T06:00:00Z"))
    assert isinstance(verdict, Current) and "2026-11-29T06:00:00Z shows nothing new" in verdict.reason
    assert (asked, judge.verified) == (1, 1)


def test_what_a_match_shows_is_why_there_is_work(tmp_path: Path) -> None:
    verdict, _ = planned(tmp_path, Old(days=3), "its SBOM shows 1 new finding")
    assert verdict == "its report of 2026-11-26T12:00:00Z is older than 24 hours, and its SBOM shows 1 new finding"


@pytest.mark.parametrize(
    "judge", [Old(days=4), Old(days=8), Old(3, samples.finding("CVE-1"))], ids=["soon", "too-old", "refused"]
)
def test_nothing_is_matched_where_a_match_could_not_help(tmp_path: Path, judge: Old) -> None:
    verdict, asked = planned(tmp_path, judge, Unchanged(database=""))
    assert isinstance(verdict, str)
    assert (asked, judge.verified) == (0, 0)


def test_a_young_report_needs_no_match(tmp_path: Path) -> None:
    verdict, asked = planned(tmp_path, Old(days=0.5), "never")
    assert isinstance(verdict, Current)
    assert asked == 0
