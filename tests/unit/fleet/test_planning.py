"""The plan: every digest once, whatever the order, and what cannot be planned beside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from s3c_actions.core.errors import InputError, OutsideError, S3CError
from s3c_actions.core.reference import Reference
from s3c_actions.fleet import plan as plans
from s3c_actions.fleet import planning
from s3c_actions.fleet.currency import Current
from s3c_actions.fleet.plan import Plan
from s3c_actions.fleet.planning import Assessed, Work, WorkFacts
from s3c_actions.fleet.selecting import SelectedImage
from s3c_actions.fleet.sources import ImageFacts

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
CURRENT = Current(
    report="sha256:" + "e" * 64, created="2026-11-29T11:00:00Z", counts={"HIGH": 0}, reason="it is signed"
)


def digest(number: int) -> str:
    return f"sha256:{number:064x}"


class Registries:
    """What references mean; an error for those that are errors."""

    def __init__(self, digests: Mapping[str, str | S3CError], facts: Mapping[str, ImageFacts | S3CError] | None = None):
        self.digests, self._facts = dict(digests), facts or {}
        self.asked: Counter[str] = Counter()

    def digest(self, reference: Reference) -> str:
        self.asked[str(reference)] += 1
        answer = self.digests[str(reference)]
        if isinstance(answer, S3CError):
            raise answer
        return answer

    def facts(self, reference: Reference) -> ImageFacts:
        answer = self._facts.get(reference.pinned, ImageFacts())
        if isinstance(answer, S3CError):
            raise answer
        return answer

    def tags(self, repository: Reference) -> tuple[str, ...]:
        raise NotImplementedError

    def repositories(self, registry: str, prefix: str) -> tuple[str, ...]:
        raise NotImplementedError


def selected(*names: str, **settings: Any) -> list[SelectedImage]:
    return [SelectedImage(name=name, **settings) for name in names]


def test_names_of_one_digest_are_one_entry_called_by_the_tag_that_says_most() -> None:
    names = ["r.example/app:1", "r.example/app:1.2.3", "r.example/app:latest", f"r.example/app@{digest(1)}"]
    resolved = planning.resolve(selected(*names), Registries(dict.fromkeys(names, digest(1))))
    (group,) = resolved.groups
    assert group.image == f"r.example/app:1.2.3@{digest(1)}"
    assert group.names == tuple(sorted(names))
    assert resolved.unplanned == ()


def test_one_digest_in_two_repositories_is_two_entries() -> None:
    names = ["a.example/app:1", "b.example/app:1"]
    resolved = planning.resolve(selected(*names), Registries(dict.fromkeys(names, digest(1))))
    assert [group.reference.pinned for group in resolved.groups] == [f"{name[:-2]}@{digest(1)}" for name in names]


def test_what_failed_outside_is_tried_once_more_and_what_is_not_there_is_not() -> None:
    digests: dict[str, str | S3CError] = {
        "r.example/a:1": digest(1),
        "r.example/b:1": OutsideError("r.example answered HTTP 429."),
        "r.example/c:1": InputError("fleet", "tag 1 does not exist in r.example/c.", remedy="Look at the tag."),
    }
    source = Registries(digests)
    resolved = planning.resolve(selected(*digests, owner="us"), source)
    assert [group.image for group in resolved.groups] == [f"r.example/a:1@{digest(1)}"]
    assert source.asked == {"r.example/a:1": 1, "r.example/b:1": 2, "r.example/c:1": 1}
    assert {(entry.image, entry.exit_code, entry.owner, entry.what) for entry in resolved.unplanned} == {
        ("r.example/b:1", 3, "us", "r.example answered HTTP 429."),
        ("r.example/c:1", 2, "us", "tag 1 does not exist in r.example/c."),
    }


@pytest.mark.parametrize(
    "other", [{"policy": "strict.yaml"}, {"target": "r.example/patched"}, {"platforms": ("linux/arm64",)}]
)
def test_one_digest_with_two_decisions_is_not_planned(other: dict[str, Any]) -> None:
    images = [*selected("r.example/app:1"), *selected("r.example/app:2", **other)]
    resolved = planning.resolve(images, Registries({image.name: digest(1) for image in images}))
    assert resolved.groups == ()
    (entry,) = resolved.unplanned
    assert (entry.image, entry.exit_code) == ("r.example/app:1", 2)
    assert f"`{next(iter(other))}`" in entry.what


def test_two_owners_are_no_contradiction() -> None:
    images = [
        *selected("r.example/app:1", owner="b"),
        *selected("r.example/app:2", owner="a"),
        *selected("r.example/app:3"),
    ]
    for ordered in (images, images[::-1]):
        (group,) = planning.resolve(ordered, Registries({image.name: digest(1) for image in images})).groups
        assert group.selected.owner == "a"


def test_patches_of_two_repositories_do_not_go_to_one_tag() -> None:
    images = selected("a.example/app:1", "b.example/app:1", "b.example/app:2", target="p.example/app")
    resolved = planning.resolve(images, Registries({image.name: digest(n) for n, image in enumerate(images)}))
    assert [group.names[0] for group in resolved.groups] == ["a.example/app:1", "b.example/app:2"]
    (entry,) = resolved.unplanned
    assert (entry.image, entry.exit_code) == ("b.example/app:1", 2)


def groups(count: int) -> tuple[planning.DigestGroup, ...]:
    names = [f"r.example/app{number}:1" for number in range(count)]
    source = Registries({name: digest(number) for number, name in enumerate(names)})
    return planning.resolve(selected(*names), source).groups


def test_what_cannot_be_judged_has_work_to_do() -> None:
    def judge(group: planning.DigestGroup) -> Current | str:
        number = int(group.names[0].partition("app")[2].partition(":")[0])
        if number == 0:
            return CURRENT
        if number == 1:
            return "it has no scan report"
        raise OutsideError("r.example answered HTTP 500.")

    assessed = planning.assess(groups(3), judge, per_registry=2)
    assert [entry.image for entry in assessed.current] == [f"r.example/app0:1@{digest(0)}"]
    assert [entry.reason for entry in assessed.work] == [
        "it has no scan report",
        "its evidence could not be judged: r.example answered HTTP 500.",
    ]


def test_what_was_deleted_in_between_is_not_planned_and_what_does_not_answer_is() -> None:
    work = tuple(Work(group=group, reason="why") for group in groups(3))
    facts: dict[str, ImageFacts | S3CError] = {
        f"r.example/app0@{digest(0)}": InputError("fleet", "it does not exist."),
        f"r.example/app1@{digest(1)}": OutsideError("HTTP 500."),
        f"r.example/app2@{digest(2)}": ImageFacts(base="sha256:b", platforms=2),
    }
    known = planning.look_up_facts(work, Registries({}, facts))
    assert [entry.image for entry in known.unplanned] == ["r.example/app0:1"]
    assert known.facts == {
        f"r.example/app1@{digest(1)}": ImageFacts(),
        f"r.example/app2@{digest(2)}": ImageFacts(base="sha256:b", platforms=2),
    }
    plan = plan_of(Assessed(work=work, current=()), known)
    assert [image.reference.repository for image in plan.images] == ["app2", "app1"]
    assert [entry.image for entry in plan.unplanned] == ["r.example/app0:1"]


def plan_of(assessed: Assessed, known: WorkFacts, **more: Any) -> Plan:
    arguments: dict[str, Any] = {"measured": {}, "shards": 2, "fleet": "0" * 64, "now": NOW, **more}
    return planning.make_plan(assessed, known, (), **arguments)


def test_what_an_image_took_last_is_what_it_is_expected_to_take() -> None:
    work = tuple(Work(group=group, reason="why") for group in groups(3))
    known = planning.look_up_facts(work, Registries({}))
    plan = plan_of(
        Assessed(work=work, current=()),
        known,
        measured={"r.example/app0": 7.0, "r.example/app1:1": 600.0, "r.example/app1": 1.0},
    )
    assert {image.reference.repository: image.seconds for image in plan.images} == {
        "app0": 7.0,
        "app1": 600.0,
        "app2": 60.0,
    }
    assert plan.images[0].reference.repository == "app1"


def test_what_images_took_is_kept_for_the_next_plan_also_of_those_that_are_current() -> None:
    work, current = (Work(group=group, reason="why") for group in groups(2))
    assessed = planning.assess(
        (work.group, current.group), lambda group: CURRENT if "app1" in group.image else "why", per_registry=1
    )
    measured = {"r.example/app0:1": 90.04, "r.example/app1": 600.0, "r.example/app1:1": 20.0, "r.example/gone": 5.0}
    plan = plan_of(assessed, planning.look_up_facts(assessed.work, Registries({})), measured=measured)
    assert [image.image for image in plan.current] == [current.group.image]
    assert plan.measured == {"r.example/app0:1": 90.0, "r.example/app1": 600.0, "r.example/app1:1": 20.0}


def one_in_three(group: planning.DigestGroup) -> Current | str:
    return CURRENT if int(group.image[-1], 16) % 3 == 0 else "it has no report"


@settings(max_examples=30)
@given(st.integers(0, 60), st.integers(0, 256), st.randoms())
def test_the_same_images_in_any_order_give_the_same_plan(count: int, shards: int, random: Random) -> None:
    names = [f"r.example/app{number}:{tag}" for number in range(count) for tag in ("1", "1.0")]
    digests = {name: digest(int(name.partition("app")[2].partition(":")[0])) for name in names}
    rendered = []
    for _ in range(2):
        random.shuffle(names)
        source = Registries(digests)
        resolved = planning.resolve(selected(*names), source)
        assessed = planning.assess(
            resolved.groups,
            lambda group: CURRENT if int(group.image[-1], 16) % 3 == 0 else "it has no report",
            per_registry=4,
        )
        shuffled = list(assessed.work)
        random.shuffle(shuffled)
        assessed = replace(assessed, work=tuple(shuffled))
        plan = plan_of(assessed, planning.look_up_facts(assessed.work, source), shards=shards)
        rendered.append(plans.render(plan))
        entries = [image.image for image in plan.images] + [image.image for image in plan.current]
        assert sorted(Reference.parse(image).digest for image in entries) == sorted(set(digests.values()))
        assert plans.parse(rendered[-1], name="plan") == plan
    assert rendered[0] == rendered[1]
