"""Marks and verdicts, of one image and of several."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from s3c_actions.core.errors import OutsideError
from s3c_actions.findings.model import Severity
from s3c_actions.report.document import ImageResult, ResultDocument
from s3c_actions.report.github.verdicts import image_verdict, mark, order_by_urgency, overall_mark, overall_verdict
from s3c_actions.result.model import ImageOutcome, Outcome
from tests.support import outcomes
from tests.unit.report.github.test_comment import RENDERERS, mixed


@RENDERERS
def test_what_is_in_the_way_stands_first_and_is_unfolded(render: Callable[[ResultDocument], str]) -> None:
    source = render(mixed())
    assert re.findall(r"^\| (✅|❌) \| \*\*([a-z-]+)", source, re.M) == [
        ("❌", "db"), ("❌", "worker"), ("✅", "voting-app")
    ]  # fmt: skip
    folds = re.findall(r"<details( open)?><summary>(✅|❌) <b>([a-z-]+)</b>", source)
    assert folds == [(" open", "❌", "db"), (" open", "❌", "worker"), ("", "✅", "voting-app")]


def scanned(severity: Severity | None = None, name: str = "a", *, failed: bool = False, **scan: object) -> ImageResult:
    """An image with one finding, or none, as a document has it."""
    report = outcomes.report(*([outcomes.vulnerability(1, severity)] if severity is not None else []))
    failure = OutsideError("The registry did not answer.") if failed else None
    image = ImageOutcome(image=f"localhost:5000/{name}:1", scan=outcomes.scan(report, **scan), failure=failure)
    return outcomes.document(Outcome(command="scan", images=(image,))).images[0]


@pytest.mark.parametrize(
    ("images", "worst"),
    [
        ([scanned()], "✅"),
        ([scanned(), scanned(failed=True)], "❌"),
        ([scanned(Severity.LOW, gated=False), scanned(Severity.HIGH, gated=False)], "🟠"),
        ([scanned(), scanned(Severity.MEDIUM, gated=False)], "🟡"),
        ([], "✅"),
    ],
)
def test_the_worst_mark_is_that_of_all(images: list[ImageResult], worst: str) -> None:
    assert overall_mark(images) == worst
    assert overall_mark(images, failed=True) == "❌"
    assert {mark(image) for image in images} >= ({worst} if images else set())


def test_a_verdict_says_what_was_done_and_what_is_left() -> None:
    assert image_verdict(outcomes.document(Outcome(command="chain", images=(outcomes.chain(),))).images[0]).startswith(
        "patched, signed and verified"
    )
    assert image_verdict(scanned(failed=True)) == "The registry did not answer"
    assert image_verdict(scanned(Severity.HIGH)) == "1 finding (1 high)"


def test_several_images_are_named_where_they_failed_and_counted_where_they_passed() -> None:
    failed, passed = scanned(name="db", failed=True), scanned(Severity.HIGH, name="web")
    assert overall_verdict([passed, failed]) == "1 of 2 images failed (db)"
    assert order_by_urgency([passed, failed]) == [failed, passed]
    assert overall_verdict([passed, passed]) == "2 images: 1 finding (1 high)"
    assert overall_verdict([passed, scanned()]) == "2 images passed"
    assert overall_verdict([passed, scanned(gated=False)]) == "2 images, not judged by any gate"
