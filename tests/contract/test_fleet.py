"""A fleet in a registry: Debian's real one, which has no Referrers API, and one whose answers a test chooses."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from s3c_actions.core import artifact_types
from s3c_actions.core.errors import InputError, OutsideError
from s3c_actions.core.reference import Reference
from s3c_actions.fleet import model, planning, retention, selecting, store
from s3c_actions.fleet.plan import Plan
from s3c_actions.fleet.selecting import Expanded, Places, SelectedImage
from s3c_actions.fleet.sources import RegistrySource
from s3c_actions.registry import Registry, Writer, catalog
from s3c_actions.registry.artifacts import push_artifact
from s3c_actions.registry.credentials import Logins
from tests.contract.test_registry import MANIFEST, Server, digest_of, reply
from tests.support import oci
from tests.support.debian_registry import debian_registry
from tests.unit.fleet.test_plan import PLAN

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of Debian's docker-registry."""
    with debian_registry(tmp_path_factory.mktemp("registry")) as address:
        yield address


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(Logins(environment={"HOME": str(tmp_path)}), timeout=10)


@pytest.fixture
def server() -> Iterator[Server]:
    chosen = Server()
    yield chosen
    chosen.http.shutdown()
    chosen.http.server_close()


@pytest.fixture
def place(real: str, request: pytest.FixtureRequest) -> Reference:
    """A tag in a repository of the test's own."""
    return Reference.parse(f"{real}/{request.node.originalname.replace('_', '-')}:today")


def test_a_plan_is_kept_with_its_results_and_reports(registry: Registry, place: Reference) -> None:
    writer = Writer(registry)
    assert store.find_plan(registry, place) is None
    pinned = store.push_plan(writer, place, PLAN)
    assert store.push_plan(writer, place, PLAN) == pinned
    assert store.find_plan(registry, place) == store.find_plan(registry, pinned) == PLAN
    assert store.find_stored_plan(registry, place) == (PLAN, pinned)
    assert store.list_results(registry, pinned) == []
    later = NOW + timedelta(microseconds=1)
    store.push_result(writer, pinned, 2, b'{"shard": 2}', now=NOW)
    store.push_result(writer, pinned, 1, b'{"shard": 1, "again": true}', now=later)
    store.push_result(writer, pinned, 1, b'{"shard": 1}', now=NOW)
    store.push_report(writer, pinned, b'{"images": 4}', now=NOW)
    assert store.list_results(registry, pinned) == [(1, b'{"shard": 1, "again": true}'), (2, b'{"shard": 2}')]
    assert store.list_reports(registry, pinned) == [("2026-11-29T12:00:00.000000Z", b'{"images": 4}')]


def test_reports_of_one_second_have_an_order(registry: Registry, place: Reference) -> None:
    pinned = store.push_plan(Writer(registry), place, PLAN)
    pushed = [
        store.push_report(
            Writer(registry),
            pinned,
            b"%d" % number,
            tag=f"today-{number}00000",
            now=NOW + timedelta(microseconds=number),
        )
        for number in range(8)
    ]
    assert [content for _, content in store.list_reports(registry, pinned)] == [b"%d" % number for number in range(8)]
    newest = retention.find_newest(registry, place, store.REPORT)
    assert newest is not None
    assert newest.digest == pushed[-1]


def test_a_tag_moves_on_and_the_earlier_plan_keeps_its_results(registry: Registry, place: Reference) -> None:
    writer = Writer(registry)
    first = store.push_plan(writer, place, PLAN)
    store.push_result(writer, first, 1, b"{}", now=NOW)
    other = Plan(created="2026-11-30T12:00:00Z", fleet="1" * 64, shards=1, images=())
    second = store.push_plan(writer, place, other)
    assert store.find_plan(registry, place) == other
    assert store.list_results(registry, second) == []
    assert store.list_results(registry, first) == [(1, b"{}")]
    store.tag_plan(writer, first, place.tag)
    assert store.find_stored_plan(registry, place) == (PLAN, first)


def dated(days: int, fleet: str = "0") -> Plan:
    created = (NOW - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return Plan(created=created, fleet=fleet * 64, shards=1, images=())


def publish(writer: Writer, place: Reference, plan: Plan) -> Reference:
    """Publish a plan as `fleet plan` does, with a result and a report beside it."""
    pinned = store.push_plan(writer, place.tagged(""), plan)
    retention.keep_reachable(writer, place, pinned.digest)
    store.push_plan(writer, place, plan)
    store.push_result(writer, pinned, 1, b"{}", now=NOW)
    store.push_report(writer, pinned, b"{}", now=NOW)
    return pinned


def test_what_a_tag_leaves_behind_is_kept_for_a_while_and_then_deleted_with_all_beside_it(
    registry: Registry, place: Reference
) -> None:
    writer = Writer(registry)
    nights = [publish(writer, place, dated(days)) for days in (40, 30, 13, 1, 0)]
    signature = attached(writer, nights[0], artifact_types.SIGNATURE)
    own = attached(writer, nights[0], "application/x.of-somebody-else")
    pruned = retention.prune(writer, place, nights[-1].digest, NOW - timedelta(days=14))
    assert (pruned.plans, pruned.documents) == (2, 2 * 2 + 1)
    assert [registry.find(night) is not None for night in nights] == [False, False, True, True, True]
    assert registry.find(place.at(signature)) is None
    assert registry.find(place.at(own)) is not None
    for night in nights[2:]:
        assert store.list_results(registry, night) == [(1, b"{}")]
    assert store.find_stored_plan(registry, place) == (dated(0), nights[-1])
    assert retention.prune(writer, place, nights[-1].digest, NOW - timedelta(days=14)).plans == 0
    # Of the plans that are gone, no tag is left but the list of what refers to the one, which somebody else uses.
    left = [tag for tag in registry.tags(place) if not tag.startswith("sha256-")]
    assert len(left) == 3
    assert len(registry.tags(place)) == 3 + 3 + 1


def test_the_newest_plan_besides_and_the_newest_report_outlast_any_age(registry: Registry, place: Reference) -> None:
    """A fleet that rested for months goes on with its trend, and with what its images took."""
    writer = Writer(registry)
    jobs = [place.tagged(f"s3c-fleet-{number}") for number in (29_389_790, 29_391_230, 29_392_670, 29_394_110)]
    nights = [publish(writer, job, dated(days)) for job, days in zip(jobs, (91, 90, 89, 0), strict=True)]
    report = push_artifact(
        writer,
        place.tagged(retention.report_tag(jobs[1].tag)),
        store.REPORT,
        b"{}",
        annotations={artifact_types.CREATED: (NOW - timedelta(days=90)).isoformat()},
        subject=registry.resolve(nights[1]),
    )
    assert retention.find_newest(registry, jobs[-1], store.REPORT) == place.at(report.digest)
    assert retention.prune(writer, jobs[-1], nights[-1].digest, NOW - timedelta(days=14)).plans == 1
    assert [registry.find(night) is not None for night in nights] == [False, True, True, True]
    assert retention.find_newest(registry, jobs[-1], store.REPORT) == place.at(report.digest)
    assert retention.find_newest(registry, place.tagged("s3c-fleet-29399999"), store.PLAN) == nights[-1]


def test_another_fleets_plans_and_what_tells_no_age_are_not_touched(registry: Registry, place: Reference) -> None:
    writer = Writer(registry)
    other = publish(writer, place.tagged("team-1"), dated(90))
    undated = push_artifact(writer, place.tagged("today-20260101"), store.PLAN, b"{}", annotations={})
    image = push_artifact(writer, place.tagged("today-20260102"), "application/x.other", b"{}", annotations={})
    mine = [publish(writer, place, dated(days)) for days in (3, 2, 0)]
    assert retention.prune(writer, place, mine[-1].digest, NOW - timedelta(days=1)).plans == 1
    for digest in (other.digest, undated.digest, image.digest, mine[1].digest):
        assert registry.find(place.at(digest)) is not None


def test_the_same_plan_again_leaves_no_second_tag(registry: Registry, place: Reference) -> None:
    writer = Writer(registry)
    for _ in range(2):
        publish(writer, place, dated(1))
    assert [tag for tag in registry.tags(place) if not tag.startswith("sha256-")] == [place.tag]


def attached(writer: Writer, plan: Reference, artifact_type: str) -> str:
    subject = writer.registry.resolve(plan)
    place = plan.tagged("")
    return push_artifact(writer, place, artifact_type, b"{}", annotations={}, subject=subject).digest


@pytest.mark.parametrize("shard", ["0", "257", "-1", "x", "", "1\n", "²"])
def test_a_result_of_no_shard_is_left_out(registry: Registry, place: Reference, shard: str) -> None:
    writer = Writer(registry)
    pinned = store.push_plan(writer, place, PLAN)
    subject = registry.resolve(pinned)
    annotations = {store.SHARD: shard}
    push_artifact(writer, place.tagged(""), store.RESULT, b"{}", annotations=annotations, subject=subject)
    store.push_result(writer, pinned, 2, b"{}", now=NOW)
    assert store.list_results(registry, pinned) == [(2, b"{}")]


def test_what_is_no_plan_is_rejected(registry: Registry, place: Reference) -> None:
    push_artifact(Writer(registry), place, "application/x.other", b"{}", annotations={})
    with pytest.raises(InputError, match="is no plan"):
        store.find_plan(registry, place)
    push_artifact(Writer(registry), place, store.PLAN, b"{}", annotations={})
    with pytest.raises(InputError, match="is no plan of this version"):
        store.find_plan(registry, place)


def test_a_result_beside_no_plan_is_rejected(registry: Registry, place: Reference) -> None:
    with pytest.raises(InputError, match="does not exist"):
        store.push_result(Writer(registry), place.at("sha256:" + "0" * 64), 1, b"{}", now=NOW)


def test_a_registry_out_of_reach_is_an_outside_error(registry: Registry) -> None:
    with pytest.raises(OutsideError):
        store.find_plan(registry, Reference.parse("localhost:1/fleet:today"))


def image(real: str, name: str, tag: str, *layers: bytes) -> str:
    """Push an image of text layers; returns its digest."""
    blobs = [oci.layer({"layer": content}) for content in layers]
    return str(oci.Repository(real, name).image(blobs, tag)["digest"])


def planned(source: RegistrySource, text: str) -> tuple[planning.Resolved, Expanded]:
    places = Places(running=lambda _: ((), ()), manifests=lambda _: ((), ()))
    expanded = selecting.expand(model.parse(f"version: 1\n{text}"), source, places)
    return planning.resolve(expanded.images, source), expanded


def test_a_catalog_is_expanded_over_its_pages(real: str, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "PAGE", 2)
    digests = {
        f"{real}/cat/app{number}:1.{number}": image(real, f"cat/app{number}", f"1.{number}", b"x")
        for number in range(7)
    }
    image(real, "cattle/app", "1.0", b"x")
    image(real, "cat/app0", "0.9", b"old")
    source = RegistrySource(registry, "fleet")
    assert len(catalog.list_repositories(registry, real, "cat/", field="fleet")) == 7
    resolved, expanded = planned(source, f"images: [{{catalog: '{real}/cat/'}}]")
    assert {group.names[0]: group.reference.digest for group in resolved.groups} == digests
    assert (expanded.unplanned, resolved.unplanned) == ((), ())


def test_layers_and_platforms_of_a_digest_are_known(real: str, registry: Registry) -> None:
    repository = oci.Repository(real, "facts")
    base, upper = oci.layer({"base": b"x"}), oci.layer({"upper": b"y" * 1000})
    images = [repository.image([base, upper], name, architecture=name) for name in ("amd64", "arm64")]
    index = repository.index(images, "both")
    source = RegistrySource(registry, "fleet")
    reference = Reference.parse(f"{real}/facts@{index['digest']}")
    facts = source.facts(reference)
    assert (facts.platforms, facts.base) == (2, oci.digest_of(base))
    assert facts.size >= len(base) + len(upper)
    assert source.facts(reference.at(images[0]["digest"])).platforms == 1
    assert source.digest(reference.tagged("both")) == index["digest"]


def test_what_was_deleted_in_between_is_reported(real: str, registry: Registry) -> None:
    digest = image(real, "deleted/app", "1", b"x")
    image(real, "deleted/stays", "1", b"x")
    source = RegistrySource(registry, "fleet")
    resolved, _ = planned(source, f"images: [{{image: '{real}/deleted/app:1'}}, {{image: '{real}/deleted/stays:1'}}]")
    oci.Repository(real, "deleted/app").delete(digest)
    work = tuple(planning.Work(group=group, reason="why") for group in resolved.groups)
    known = planning.look_up_facts(work, source)
    assert [entry.image for entry in known.unplanned] == [f"{real}/deleted/app:1"]
    assert known.unplanned[0].exit_code == 2
    plan = planning.make_plan(
        planning.Assessed(work=work, current=()), known, (), measured={}, shards=0, fleet="0" * 64, now=NOW
    )
    assert [entry.names[0] for entry in plan.images] == [f"{real}/deleted/stays:1"]


def test_a_tag_that_is_not_there_names_those_that_are(real: str, registry: Registry) -> None:
    image(real, "tags/app", "1.2", b"x")
    resolved, _ = planned(RegistrySource(registry, "fleet"), f"images: [{{image: '{real}/tags/app:1.3'}}]")
    (entry,) = resolved.unplanned
    assert entry.exit_code == 2
    assert "tags there: 1.2" in entry.what


def names(server: Server, count: int) -> list[str]:
    return [f"{server.name}/app:{number}" for number in range(count)]


def selected(references: list[str]) -> list[SelectedImage]:
    return [SelectedImage(name=name) for name in references]


def tagged(server: Server, count: int, wrap: Callable[[Callable[[Any], None]], Callable[[Any], None]]) -> None:
    """Have images under the tags 0, 1, …; `wrap` makes the answers worse."""
    headers = {"Content-Type": "application/vnd.oci.image.manifest.v1+json"}
    for number in range(count):
        digest = f"sha256:{number:064x}"
        server.answers[f"/v2/app/manifests/{number}"] = wrap(
            reply(200, b"", {**headers, "Docker-Content-Digest": digest})
        )


def test_a_storm_of_429_makes_all_threads_wait(server: Server, tmp_path: Path) -> None:
    """The registry takes 20 requests, then answers 429 for a second, and 429 again to whoever does not wait."""
    lock, taken, impatient = threading.Lock(), [0], [0]
    until = [0.0]

    def wrap(answer: Callable[[Any], None]) -> Callable[[Any], None]:
        def limited(handler: Any) -> None:
            with lock:
                now = time.monotonic()
                if now < until[0]:
                    impatient[0] += 1
                    refuse = True
                else:
                    taken[0] += 1
                    refuse = taken[0] % 20 == 0
                    if refuse:
                        until[0] = now + 1
            (reply(429, b"", {"Retry-After": "1"}) if refuse else answer)(handler)

        return limited

    tagged(server, 60, wrap)
    registry = Registry(Logins(environment={"HOME": str(tmp_path)}), timeout=10, retries=5)
    resolved = planning.resolve(selected(names(server, 60)), RegistrySource(registry, "fleet"))
    assert resolved.unplanned == ()
    assert [group.reference.digest for group in resolved.groups] == [f"sha256:{number:064x}" for number in range(60)]
    assert taken[0] < 60 + 10
    assert impatient[0] <= 8 * (taken[0] - 60)  # those that were on their way


def test_a_storm_that_does_not_end_fails_its_own_images_alone(server: Server, tmp_path: Path) -> None:
    refuse = reply(429, b"", {"Retry-After": "0"})
    tagged(server, 6, lambda answer: answer)
    for number in (1, 4):
        server.answers[f"/v2/app/manifests/{number}"] = refuse
    registry = Registry(Logins(environment={"HOME": str(tmp_path)}), timeout=10, retries=1)
    resolved = planning.resolve(selected(names(server, 6)), RegistrySource(registry, "fleet"))
    assert len(resolved.groups) == 4
    assert [(entry.image, entry.exit_code) for entry in resolved.unplanned] == [
        (f"{server.name}/app:1", 3),
        (f"{server.name}/app:4", 3),
    ]


@pytest.mark.parametrize(
    "headers",
    [{}, {"Docker-Content-Digest": "sha256:0"}, {"Docker-Content-Digest": "x" * 9000}, {"Content-Type": "text/html"}],
)
def test_a_head_that_says_too_little_is_followed_by_a_get(
    server: Server, tmp_path: Path, headers: dict[str, str]
) -> None:
    server.image()
    get = server.answers["/v2/app/manifests/1"]

    def answer(handler: Any) -> None:
        (reply(200, b"", headers) if handler.command == "HEAD" else get)(handler)

    server.answers["/v2/app/manifests/1"] = answer
    registry = Registry(Logins(environment={"HOME": str(tmp_path)}), timeout=10)
    assert registry.digest(Reference.parse(f"{server.name}/app:1")) == digest_of(MANIFEST)
    assert [method for method, *_ in server.requests] == ["HEAD", "GET"]


def test_a_digest_that_is_another_is_not_believed(server: Server, tmp_path: Path) -> None:
    tagged(server, 2, lambda answer: answer)
    wanted = f"sha256:{9:064x}"
    server.answers[f"/v2/app/manifests/{wanted}"] = server.answers["/v2/app/manifests/1"]
    registry = Registry(Logins(environment={"HOME": str(tmp_path)}), timeout=10)
    with pytest.raises(OutsideError, match="cannot be believed"):
        registry.digest(Reference.parse(f"{server.name}/app@{wanted}"))
