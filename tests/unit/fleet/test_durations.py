"""How long images took, from documents that anyone may have left."""

from __future__ import annotations

import json

import pytest

from s3c_actions.fleet.durations import MAX_SECONDS, measured_seconds

DIGEST = "sha256:" + "0" * 64


def test_the_steps_of_an_image_are_added() -> None:
    content = json.dumps(
        {"images": [{"image": f"r.example/app:1@{DIGEST}", "scan": {"seconds": 2}, "patch": {"seconds": 40.5}}]}
    ).encode()
    assert measured_seconds([content]) == {"r.example/app": 42.5, "r.example/app:1": 42.5}


def test_what_is_stated_in_all_counts_and_the_longest_of_a_repository() -> None:
    contents = [
        json.dumps({"images": [{"image": f"r.example/app:{tag}", "seconds": seconds, "scan": {"seconds": 1}}]}).encode()
        for tag, seconds in (("1", 10), ("2", 30))
    ]
    expected = {"r.example/app": 30.0, "r.example/app:1": 10.0, "r.example/app:2": 30.0}
    assert measured_seconds(contents) == measured_seconds(reversed(contents)) == expected


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b'{"images": {}}',
        b'{"images": [1, null, {}]}',
        b'{"images": [{"image": "not an image", "seconds": 5}]}',
        b'{"images": [{"image": "r.example/app:1", "seconds": -5}]}',
        b'{"images": [{"image": "r.example/app:1", "seconds": true}]}',
        b'{"images": [{"image": "r.example/app:1", "seconds": 1e300}]}',
        b'{"images": [{"image": "r.example/app:1", "scan": {"seconds": "x"}}]}',
        b'{"images": [{"image": "r.example/app:1", "seconds": NaN}]}',
    ],
)
def test_what_cannot_be_used_is_left_out(content: bytes) -> None:
    assert measured_seconds([content]) == {}


def test_no_image_takes_longer_than_a_day() -> None:
    steps = {f"step{number}": {"seconds": MAX_SECONDS} for number in range(9)}
    content = json.dumps({"images": [{"image": "r.example/app:1", **steps}]}).encode()
    assert set(measured_seconds([content]).values()) == {MAX_SECONDS}
