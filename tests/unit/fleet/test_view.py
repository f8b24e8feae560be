"""What every rendering of a fleet's report shows alike."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from s3c_actions.fleet import view
from s3c_actions.fleet.report_document import ReportedImage, Signature
from tests.support import fleets

REPORT = fleets.report(100, working=80, shards=4)
FAILED = next(image for image in REPORT.images if image.state == "failed")


def failed(name: str, reason: str) -> ReportedImage:
    return replace(FAILED, image=f"{name}@{fleets.digest(1)}", names=(name,), reference="", reason=reason)


def test_every_image_that_waits_has_one_reason_and_the_widest_comes_first() -> None:
    causes = view.causes(REPORT.images)
    listed = [image.image for cause in causes for image in cause.images]
    assert sorted(listed) == sorted(image.image for image in REPORT.images if image.needs_attention)
    sizes = [len(cause.images) for cause in causes]
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize(
    "reason",
    [
        "{name} cannot be read.",
        "{repository} cannot be read.",
        "{repository}@{digest} cannot be read.",
        "{name}@{digest} cannot be read.",
    ],
)
def test_the_same_reason_of_two_images_is_one_whatever_it_calls_them(reason: str) -> None:
    images = [
        failed(
            f"{repository}:1",
            reason.format(name=f"{repository}:1", repository=repository, digest=fleets.digest(1)),
        )
        for repository in ("localhost:5000/a/web", "localhost:5000/a/web-db", "localhost:5000/b")
    ]
    (cause,) = view.causes(images)
    assert cause.reason == "The image cannot be read."
    assert cause.examples == ["localhost:5000/a/web:1", "localhost:5000/a/web-db:1", "localhost:5000/b:1"]


def test_what_a_shard_lacks_and_what_it_refuses_are_two_reasons() -> None:
    images = [failed("a.example/a:1", "no."), replace(failed("a.example/b:1", "no."), state="refused")]
    assert len(view.causes(images)) == 2


@pytest.mark.parametrize(
    ("ends", "soon"),
    [
        ("2026-12-22T07:00:00Z", True),
        ("2026-12-24T07:00:00Z", False),
        ("2026-01-01T00:00:00Z", True),
        ("", False),
        ("soon", False),
        ("2026-12-01T00:00:00", False),
    ],
)
def test_a_signature_that_ends_within_thirty_days(ends: str, soon: bool) -> None:
    image = replace(FAILED, signature=Signature(signer="", ends=ends))
    assert view.ends_soon(image, REPORT) is soon


@pytest.mark.parametrize(
    ("time", "hours"),
    [
        ("2026-11-23T06:30:00Z", 0.5),
        ("2026-11-24T07:00:00Z", -24.0),
        ("", None),
        ("2026-11-23", None),
        ("x" * 999, None),
    ],
)
def test_an_age_in_hours(time: str, hours: float | None) -> None:
    assert view.age_in_hours(time, REPORT.created) == hours
