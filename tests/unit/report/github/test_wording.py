"""Names, digests and sentences as people read them."""

from __future__ import annotations

import pytest

from s3c_actions.report.github.wording import (
    brief_digest,
    distinct_names,
    format_seconds,
    format_size,
    render_prose,
    short_name,
    short_reference,
)
from s3c_actions.result.model import ImageOutcome, Outcome
from tests.support import outcomes

DIGEST = "sha256:" + 64 * "a"


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("registry.test:5000/team/app:1.4", "app"),
        (f"registry.test/app@{DIGEST}", "app"),
        ("registry.test/app/", "app"),
        ("app", "app"),
        ("", ""),
    ],
)
def test_the_short_name_of_an_image(reference: str, name: str) -> None:
    assert short_name(reference) == name


def test_two_images_of_one_name_are_shown_in_full() -> None:
    named = tuple(ImageOutcome(image=name) for name in ("a.test/app:1", "b.test/app:1", "b.test/web:1"))
    images = outcomes.document(Outcome(command="scan", images=named)).images
    assert distinct_names(images) == ["a.test/app:1", "b.test/app:1", "web"]


def test_a_digest_is_shortened_and_what_is_none_is_not_shown_as_one() -> None:
    assert brief_digest(DIGEST) == "sha256:aaaaaaaa…"
    assert [brief_digest(text) for text in ("", "sha256:aa", DIGEST.upper(), f"{DIGEST}\n")] == [""] * 4
    assert short_reference(f"registry.test/app@{DIGEST}") == "registry.test/app@sha256:aaaaaaaa…"
    assert short_reference("registry.test/app@latest") == "registry.test/app@latest"


def test_backticks_are_code_where_each_is_closed() -> None:
    assert render_prose("Run `s3c sign <x>`.") == "Run `s3c sign <x>`."
    assert "<x>" not in render_prose("Run `s3c <x>.")


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.04, "0.0 s"), (89.96, "90.0 s"), (90, "1 min 30 s"), (3601, "60 min 1 s")]
)
def test_durations(seconds: float, shown: str) -> None:
    assert format_seconds(seconds) == shown


@pytest.mark.parametrize(("count", "shown"), [(512, "0.5 KiB"), (2**20, "1.0 MiB"), (2**31, "2,048.0 MiB")])
def test_sizes(count: int, shown: str) -> None:
    assert format_size(count) == shown
