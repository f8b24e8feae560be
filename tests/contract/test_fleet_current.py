"""What `s3c fleet plan` leaves out: only what the real notation finds signed by whom the policy names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from s3c_actions.core import artifact_types
from s3c_actions.core.reference import Reference
from s3c_actions.fleet import plan as plans
from s3c_actions.fleet import report_document, store
from s3c_actions.registry import Registry, Writer
from s3c_actions.registry.artifacts import push_artifact
from s3c_actions.registry.credentials import Logins
from s3c_lab.certificates import make
from tests.support import evidence, oci
from tests.support.debian_registry import debian_registry
from tests.support.signing import Ended, s3c

NOW = datetime.now(UTC)
POLICY = "version: 1\nsigners: [{name: lab, certificate: lab.crt}]\nfindings: {refuse: [HIGH, CRITICAL]}\n"
# Row → why it has work to do; empty: it is current.
TABLE = {
    "clean": "",
    "no-report": "it has no scan report",
    "stale": "is older than 24 hours",
    "dirty": "it has 1 refused finding",
    "unsigned": "it has no signature",
    "unsigned-report": "is not signed",
    "stranger-report": "is signed by nobody whom the policy allows",
    "other-image": "is about another image",
    "omitted": "it has 2 refused findings",
    "newer-unsigned": "is not signed",
    "patched": "",
    "patched-by-stranger": "it has no scan report",
}


@dataclass
class World:
    """A registry with an image for each row, signed and with reports as its name says."""

    registry: str
    folder: Path
    client: Registry

    def run(self, *arguments: str, code: int = 0, **environment: str) -> Ended:
        ended = s3c(self.folder, *arguments, environment=environment)
        assert ended.code == code, ended.stderr
        return ended

    def sign(self, references: list[str], key: str = "lab") -> None:
        self.run("sign", *references, "--key", f"{key}.key", "--certificate", f"{key}.crt")

    def image(self, row: str, tag: str = "1.0", *layers: bytes) -> str:
        """Push an image, and return its reference by digest."""
        repository = oci.Repository(self.registry, f"rows/{row}")
        files = [oci.layer({"row": row.encode()}), *(oci.layer({"more": content}) for content in layers)]
        return f"{self.registry}/rows/{row}@{repository.image(files, tag)['digest']}"

    def report(self, image: str, *runs: dict[str, Any], created: datetime = NOW) -> str:
        """Attach a report, and return its reference by digest."""
        reference = Reference.parse(image)
        annotations = {artifact_types.CREATED: evidence.stamp(created)}
        pushed = push_artifact(
            Writer(self.client),
            reference.tagged(""),
            artifact_types.SARIF,
            evidence.sarif(*runs),
            annotations=annotations,
            subject=self.client.resolve(reference),
        )
        return reference.at(pushed.digest).pinned


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    here = tmp_path_factory.mktemp("fleet")
    for name in ("lab", "stranger"):
        make(name).write(here, name)
    (here / "s3c-policy.yaml").write_text(POLICY)
    with debian_registry(tmp_path_factory.mktemp("registry")) as address:
        world = World(address, here, Registry(Logins(environment={"HOME": str(here)}), timeout=10))
        fill(world)
        yield world


def fill(world: World) -> None:
    """Push, attach and sign what the table says; each key signs all of its own in one run."""
    young, old = NOW - timedelta(hours=1), NOW - timedelta(hours=30)
    images = {row: world.image(row) for row in TABLE}
    patches = {row: world.image(row, "1.0-1", b"patch") for row in ("patched", "patched-by-stranger")}
    subjects = {row: Reference.parse(image).digest for row, image in images.items()}

    def run(row: str, findings: tuple[Any, ...] = (), created: datetime = young, **stated: Any) -> dict[str, Any]:
        return evidence.run(created, findings, **{"subject": subjects[row], **stated})

    finding = evidence.finding("CVE-2024-1")
    reports = {
        "clean": world.report(images["clean"], run("clean")),
        "stale": world.report(images["stale"], run("stale", created=old), created=old),
        "dirty": world.report(images["dirty"], run("dirty", (finding,))),
        "unsigned": world.report(images["unsigned"], run("unsigned")),
        "other-image": world.report(images["other-image"], run("other-image", subject=subjects["clean"])),
        "omitted": world.report(images["omitted"], run("omitted", omitted=2)),
        "newer-unsigned": world.report(images["newer-unsigned"], run("newer-unsigned", created=old), created=old),
    }
    world.report(images["unsigned-report"], run("unsigned-report"))
    world.report(images["newer-unsigned"], run("newer-unsigned"))
    stranger = world.report(images["stranger-report"], run("stranger-report"))
    of_patches = [
        world.report(patch, evidence.run(young, subject=Reference.parse(patch).digest)) for patch in patches.values()
    ]
    unsigned = {"unsigned", "patched", "patched-by-stranger"}
    world.sign(
        [image for row, image in images.items() if row not in unsigned]
        + [*reports.values(), patches["patched"], of_patches[0]]
    )
    world.sign([stranger, patches["patched-by-stranger"], of_patches[1]], "stranger")


def fleet(world: World, *rows: str) -> None:
    lines = [f"  - image: {world.registry}/rows/{row}:1.0" for row in rows]
    (world.folder / "fleet.yaml").write_text(
        "\n".join(["version: 1", "defaults: {policy: s3c-policy.yaml}", "images:", *lines]) + "\n"
    )


def test_only_what_is_proved_current_is_left_out(world: World) -> None:
    fleet(world, *TABLE)
    ended = world.run("fleet", "plan", "--shards", "3", "--output", "plan.json")
    plan = plans.read(world.folder / "plan.json")
    reasons = {image.reference.repository.partition("/")[2]: image.reason for image in plan.images}
    assert reasons.keys() == {row for row, why in TABLE.items() if why}, ended.stderr
    assert {row: why for row, why in reasons.items() if TABLE[row] not in why} == {}
    assert {Reference.parse(image.image).repository for image in plan.current} == {"rows/clean", "rows/patched"}
    by_row = {Reference.parse(image.image).repository: image for image in plan.current}
    assert "of its patch 1.0-1" in by_row["rows/patched"].reason
    assert by_row["rows/clean"].counts["HIGH"] == 0
    assert ended.result["plan"]["current"] == 2


def test_the_report_forecasts_what_the_policy_refuses_of_each(world: World) -> None:
    fleet(world, *TABLE)
    (world.folder / "s3c-policy.yaml").write_text(POLICY + "report: {maximum-age: 3d}\n")
    try:
        world.run("fleet", "plan", "--output", "ahead.json")
        (world.folder / "no-results").mkdir(exist_ok=True)
        ended = world.run("fleet", "report", "--plan", "ahead.json", "--results", "no-results", code=3)
    finally:
        (world.folder / "s3c-policy.yaml").write_text(POLICY)
    report = report_document.read(world.folder / "s3c-out" / "fleet-report.json", field="earlier-report")
    losses = {Reference.parse(image.image).repository.partition("/")[2]: image.losses for image in report.images}
    assert None not in losses.values(), report.notes
    now = {row for row, forecast in losses.items() if forecast and forecast[0].now}
    assert now == {row for row, why in TABLE.items() if why} - {"stale"}
    assert losses["clean"] == losses["patched"] == ()
    (stale,) = losses["stale"] or ()
    assert (stale.now, "older than 3d" in stale.reasons[0]) == (False, True), "no result renews its report"
    assert datetime.fromisoformat(stale.at) == (NOW - timedelta(hours=30)).replace(microsecond=0) + timedelta(days=3)
    assert f"{len(now) + 1} images are refused at the next start: {len(now)} now, 1 from" in ended.stdout
    (patched,) = [image for image in report.images if image.image.startswith(f"{world.registry}/rows/patched:")]
    assert patched.reference != f"{world.registry}/rows/patched@{Reference.parse(patched.image).digest}"
    assert world.run(
        "fleet", "report", "--plan", "ahead.json", "--results", "no-results", "--forecast-days", "0", code=3
    )
    report = report_document.read(world.folder / "s3c-out" / "fleet-report.json", field="earlier-report")
    assert report.figures.losing is None


def test_without_a_policy_nothing_counts(world: World) -> None:
    fleet(world, "clean")
    text = (world.folder / "fleet.yaml").read_text().replace("defaults: {policy: s3c-policy.yaml}\n", "")
    (world.folder / "fleet.yaml").write_text(text)
    world.run("fleet", "plan", "--output", "none.json")
    assert [image.reason for image in plans.read(world.folder / "none.json").images] == [
        "no policy names whose evidence counts"
    ]
    world.run("fleet", "plan", "--policy", "s3c-policy.yaml", "--output", "given.json")
    assert plans.read(world.folder / "given.json").images == ()
    world.run("fleet", "plan", "--policy", "s3c-policy.yaml", "--everything", "--output", "all.json")
    assert len(plans.read(world.folder / "all.json").images) == 1


def test_a_younger_rescan_after_makes_it_work_again(world: World) -> None:
    fleet(world, "clean")
    with (world.folder / "fleet.yaml").open("a") as file:
        file.write("rescan-after: 30m\n")
    world.run("fleet", "plan", "--output", "younger.json")
    (image,) = plans.read(world.folder / "younger.json").images
    assert "is older than 0.5 hours" in image.reason


def test_a_published_plan_is_found_and_what_its_shards_took_counts(world: World) -> None:
    fleet(world, "dirty", "stale")
    place = f"{world.registry}/fleet:today"
    first = world.run("fleet", "plan", "--publish", f"oci://{place}", "--shards", "2")
    published = Reference.parse(first.result["plan"]["published"])
    plan = store.find_plan(world.client, Reference.parse(place))
    assert plan is not None
    assert store.find_stored_plan(world.client, Reference.parse(place)) == (plan, published)
    slow = next(image.image for image in plan.images if "stale" in image.image)
    content = json.dumps({"images": [{"image": slow, "scan": {"seconds": 300}}]}).encode()
    store.push_result(Writer(world.client), published, 1, content, now=NOW)
    world.run("fleet", "plan", "--publish", f"oci://{place}", "--shards", "2", "--output", "next.json")
    seconds = {image.reference.repository: image.seconds for image in plans.read(world.folder / "next.json").images}
    assert seconds == {"rows/stale": 300.0, "rows/dirty": 60.0}
    # The first is where it was, under a tag of its own.
    tags = [tag for tag in world.client.tags(published) if tag.startswith("today-")]
    assert [world.client.digest(published.tagged(tag)) for tag in tags] == [published.digest]
    ended = world.run("fleet", "plan", "--publish", f"oci://{place}", "--prune-plans", "23h", code=2)
    assert "at least 24h" in ended.stderr


def test_nights_with_tags_of_their_own_learn_from_each_other(world: World) -> None:
    fleet(world, "dirty", "stale")

    def night(number: int) -> tuple[dict[str, float], Reference]:
        flags = ("--publish", f"oci://{world.registry}/nights:night-{number}", "--output", "plan.json")
        published = world.run("fleet", "plan", *flags, "--shards", "2").result["plan"]["published"]
        images = plans.read(world.folder / "plan.json").images
        return {image.image: image.seconds for image in images}, Reference.parse(published)

    seconds, published = night(29391230)
    slow = next(name for name in seconds if "stale" in name)
    assert seconds[slow] == 60.0
    content = json.dumps({"images": [{"image": slow, "scan": {"seconds": 300}}]}).encode()
    store.push_result(Writer(world.client), published, 1, content, now=NOW)
    assert night(29391231)[0] == {**seconds, slow: 300.0}
    # No shard of the second night has left anything; what the first had is not forgotten.
    assert night(29391232)[0] == {**seconds, slow: 300.0}
