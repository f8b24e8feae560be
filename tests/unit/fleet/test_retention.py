"""Which tags are one fleet's, and what is never deleted; more is tested with a registry (contract/test_fleet.py)."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from s3c_actions.core import artifact_types
from s3c_actions.core.errors import OutsideError
from s3c_actions.core.reference import Reference, is_tag
from s3c_actions.fleet import retention, store
from s3c_actions.registry import Descriptor, Manifest, Writer

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
PLACE = Reference.parse("registry.example/fleet:today")
TWO_WEEKS_AGO = NOW - timedelta(days=14)


class Registry:
    """As much of a registry and of what writes to it as is asked: manifests, tags, and lists of referrers."""

    def __init__(self) -> None:
        self.registry = self
        self.manifests: dict[str, Manifest] = {}
        self.tagged: dict[str, str] = {}
        self.listed: dict[str, list[Descriptor]] = {}

    def add(self, kind: str, created: str, *tags: str, subject: str = "", of: str = "") -> str:
        """Add an artifact, listed as one that refers to `subject`, its own unless `of` says otherwise."""
        document: dict[str, Any] = {"artifactType": kind, "annotations": {artifact_types.CREATED: created}}
        if own := of or subject:
            document["subject"] = {"digest": own}
        content = json.dumps(document | {"number": len(self.manifests)}).encode()
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        descriptor = Descriptor(digest=digest, media_type="", size=len(content), artifact_type=kind)
        self.manifests[digest] = Manifest(descriptor=descriptor, document=document, content=content)
        self.tagged |= dict.fromkeys(tags, digest)
        if subject:
            self.listed.setdefault(subject, []).append(descriptor)
        return digest

    def plan(self, days: int, *tags: str) -> str:
        return self.add(store.PLAN, ago(days), *tags)

    def prune(self, digest: str) -> retention.Pruned:
        return retention.prune(cast("Writer", self), PLACE, digest, TWO_WEEKS_AGO)

    def tags(self, _place: Reference) -> tuple[str, ...]:
        return tuple(self.tagged)

    def find(self, reference: Reference) -> Manifest | None:
        return self.manifests.get(reference.digest or self.tagged.get(reference.tag, ""))

    def referrers(self, reference: Reference, _wanted: str = "") -> list[Descriptor]:
        return self.listed.get(reference.digest, [])

    def referrers_index(self, _reference: Reference) -> None:
        return None

    def push_manifest(self, reference: Reference, content: bytes, _media_type: str) -> None:
        self.tagged[reference.tag] = f"sha256:{hashlib.sha256(content).hexdigest()}"

    def delete_manifest(self, reference: Reference) -> bool:
        self.tagged = {tag: digest for tag, digest in self.tagged.items() if digest != reference.digest}
        return self.manifests.pop(reference.digest, None) is not None


def ago(days: int) -> str:
    return (NOW - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.fixture
def registry() -> Registry:
    """With a plan of today, one of yesterday, and an old one."""
    filled = Registry()
    filled.plan(0, "today")
    filled.plan(1, f"today-20261128T120000Z-{1:08x}")
    filled.plan(40, f"today-20261020T120000Z-{2:08x}")
    return filled


@pytest.mark.parametrize(
    ("tag", "series"),
    [
        ("today", "today"),
        ("today-report", "today"),
        ("today-20261129T120000Z-1a2b3c4d", "today"),
        ("s3c-fleet-29391230", "s3c-fleet"),
        ("s3c-fleet-29391230-report", "s3c-fleet"),
        ("s3c-fleet-29391230-20261129T120000Z-1a2b3c4d", "s3c-fleet"),
        ("nightly.2026-11-29", "nightly"),
        ("nightly-20261129-0630", "nightly"),
        ("nightly-20261129T063000Z", "nightly"),
        ("20261129", ""),
        ("2026-11-29", ""),
        ("team-1", "team-1"),
        ("team-2", "team-2"),
        ("team-1-29391230", "team-1"),
        ("team-1-2026-11-29", "team-1"),
        ("100200-300400", "100200"),
        ("v1.2.3", "v1.2.3"),
        ("v10.20.301", "v10.20.301"),
        ("v1.2.3-20261129", "v1.2.3"),
        ("app12345678", "app12345678"),
    ],
)
def test_the_series_of_a_tag(tag: str, series: str) -> None:
    assert retention.series(tag) == series


@pytest.mark.parametrize("tag", ["today", "t" * 128, "t-" + "1" * 126, "1" * 128])
def test_the_tag_of_a_report_is_a_tag(tag: str) -> None:
    assert is_tag(retention.report_tag(tag))
    assert retention.report_tag(tag).endswith("-report")


def test_an_old_plan_goes_with_what_is_beside_it(registry: Registry) -> None:
    today, yesterday, old = registry.tagged.values()
    registry.add(store.RESULT, ago(40), subject=old)
    assert registry.prune(today) == retention.Pruned(plans=1, documents=1)
    assert set(registry.manifests) == {today, yesterday}


def publish(registry: Registry, place: Reference, *days: int) -> list[str]:
    """Publish a plan under the same tag on each of some days."""
    plans = []
    for age in days:
        plans.append(registry.plan(age))
        retention.keep_reachable(cast("Writer", registry), place, plans[-1])
        registry.tagged[place.tag] = plans[-1]
    return plans


@pytest.mark.parametrize("tag", ["n" * 102, "n" * 103, "n" * 128, "n" * 119 + "-29391230", "n.-" * 40 + "-2026-11"])
def test_plans_of_a_long_tag_are_pruned_and_those_of_another_long_name_are_not(tag: str) -> None:
    registry, place = Registry(), PLACE.tagged(tag)
    others = publish(registry, PLACE.tagged(f"{tag[:110]}-other"), 50, 45, 1)
    plans = publish(registry, place, 40, 30, 1, 0)
    reports = {
        fleet: registry.add(store.REPORT, ago(0), retention.report_tag(name), subject=plan)
        for fleet, name, plan in (("own", tag, plans[3]), ("other", f"{tag[:110]}-other", others[2]))
    }
    assert all(is_tag(name) for name in registry.tagged)
    report = retention.find_newest(cast("Any", registry), place, store.REPORT)
    assert report is not None
    assert report.digest == reports["own"]
    assert retention.prune(cast("Writer", registry), place, plans[3], TWO_WEEKS_AGO) == retention.Pruned(plans=2)
    assert set(registry.manifests) == {*others, *plans[2:], *reports.values()}


def test_what_somebody_tagged_to_keep_it_is_kept_with_all_beside_it(registry: Registry) -> None:
    today, _, old = registry.tagged.values()
    registry.tagged["incident"] = old
    registry.add(store.RESULT, ago(40), subject=old)
    before = dict(registry.manifests)
    assert registry.prune(today) == retention.Pruned()
    assert registry.manifests == before


def test_a_report_that_has_another_tag_outlasts_its_plan(registry: Registry) -> None:
    today, _, old = registry.tagged.values()
    report = registry.add(store.REPORT, ago(40), "third-quarter", subject=old)
    registry.add(store.REPORT, ago(1), "today-report", subject=today)
    assert registry.prune(today).plans == 1
    assert report in registry.manifests


def test_where_others_have_too_many_tags_to_look_at_nothing_is_deleted(registry: Registry) -> None:
    today = registry.tagged["today"]
    registry.tagged |= {f"of-others-{number}x": today for number in range(retention.MAX_TAGS + 1)}
    before = dict(registry.manifests)
    with pytest.raises(OutsideError, match="2,001 tags"):
        registry.prune(today)
    assert registry.manifests == before


@pytest.mark.parametrize("kind", [store.RESULT, store.PLAN, "application/x.image"])
def test_what_is_listed_beside_a_plan_and_refers_to_another_is_not_deleted(registry: Registry, kind: str) -> None:
    """In a registry without Referrers API a list is a tag, which whoever may push can write."""
    today, _, old = registry.tagged.values()
    victim = registry.add(kind, ago(3), subject=old, of=today)
    registry.listed[old] = [Descriptor(digest=victim, media_type="", size=1, artifact_type=store.RESULT)]
    assert registry.prune(today) == retention.Pruned(plans=1)
    assert victim in registry.manifests


def test_the_plan_of_the_newest_report_stays(registry: Registry) -> None:
    """Azure Container Registry deletes what refers to a manifest with it."""
    today, _, old = registry.tagged.values()
    registry.add(store.REPORT, ago(40), "today-report", subject=old)
    assert registry.prune(today) == retention.Pruned()
    assert old in registry.manifests


@pytest.mark.parametrize("created", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "soon", ""])
def test_what_is_dated_at_an_end_of_the_calendar_tells_no_age(registry: Registry, created: str) -> None:
    undated = registry.add(store.PLAN, created, "today-20260101")
    assert registry.prune(registry.tagged["today"]).plans == 1
    assert undated in registry.manifests
    listed = retention.list_stored(cast("Any", registry), PLACE)
    assert [stored.created for stored in listed][-1] is None


def test_of_more_tags_than_are_looked_at_the_newest_count(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "MAX_TAGS", 3)
    for number in (99_999_998, 99_999_999, 100_000_000):
        registry.plan(100_000_000 - number + 2, f"nightly-{number}")
    newest = registry.plan(1, "nightly-100000001")
    place = Reference.parse("registry.example/fleet:nightly-100000002")
    stored = list(retention.list_stored(cast("Any", registry), place))
    assert stored[0].reference.digest == newest
    assert len(stored) == 3
    latest = retention.find_newest(cast("Any", registry), place, store.PLAN)
    assert latest is not None
    assert latest.digest == newest


def test_the_tag_that_moves_is_always_looked_at(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "MAX_TAGS", 1)
    (stored,) = retention.list_stored(cast("Any", registry), PLACE)
    assert stored.reference.digest == registry.tagged["today"]
