"""What a run without a key hands on is a digest, in the repository that the plan names."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from s3c_actions.fleet.handover import take_digests
from s3c_actions.fleet.plan import PlannedImage

ORIGINAL, PATCHED, OTHER = (f"sha256:{letter * 64}" for letter in "abc")
APP = PlannedImage(
    image=f"registry.example/app:1.0@{ORIGINAL}", names=("registry.example/app:1.0",), seconds=1, reason="new", shard=1
)


def result(*entries: dict[str, Any]) -> bytes:
    return json.dumps({"images": entries}).encode()


def entry(
    digest: object = PATCHED, image: object = APP.image, verdict: object = "passed", **more: Any
) -> dict[str, Any]:
    return {"image": image, "verdict": verdict, "digest": digest, **more}


def taken(*contents: bytes, image: PlannedImage = APP) -> dict[str, str]:
    return {name: str(reference) for name, reference in take_digests([image], contents).items()}


def test_the_digest_is_taken_and_nothing_else_of_the_entry() -> None:
    claimed = entry(reference=f"evil.example/x@{OTHER}", patch={"tag": "evil"})
    assert taken(result(claimed)) == {APP.image: f"registry.example/app@{PATCHED}"}


def test_an_image_with_a_target_is_there_whether_it_was_patched_or_not() -> None:
    elsewhere = replace(APP, target="mirror.example/patched/app")
    assert taken(result(entry()), image=elsewhere) == {APP.image: f"mirror.example/patched/app@{PATCHED}"}
    assert taken(result(entry(ORIGINAL)), image=elsewhere) == {APP.image: f"mirror.example/patched/app@{ORIGINAL}"}


def test_an_image_that_did_not_pass_or_is_not_planned_is_left_out() -> None:
    assert taken(result(entry(verdict="failed"))) == {}
    assert taken(result(entry(verdict="refused"))) == {}
    assert taken(result(entry(image=f"registry.example/else:1.0@{ORIGINAL}"))) == {}


def test_two_digests_for_one_image_are_none() -> None:
    assert taken(result(entry(), entry(OTHER))) == {}
    assert taken(result(entry()), result(entry(OTHER))) == {}
    assert taken(result(entry(), entry())) == {APP.image: f"registry.example/app@{PATCHED}"}


def test_what_is_no_result_hands_nothing_on() -> None:
    whole = result(entry())
    assert taken(b"", b"[]", b'{"images": 1}', b"\xff", whole[:-5]) == {}
    assert taken(b"", whole) != {}


@given(st.text() | st.none() | st.integers() | st.lists(st.text()))
def test_no_digest_but_a_digest_is_taken(hostile: object) -> None:
    assert taken(result(entry(hostile))) == {}
