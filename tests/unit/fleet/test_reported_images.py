"""What one image of a fleet has come to: nothing is taken for good that is not proved to be."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from s3c_actions.fleet.shard_results import ShardResult
from s3c_actions.report.document import AdmissionEntry, ErrorEntry, ImageResult
from tests.support import fleets
from tests.unit.fleet.test_summarize import ONE_IMAGE, PATCHED, changed, join, only, result_of


def test_a_patched_image_has_its_findings_signature_and_time_to_fix() -> None:
    image = only(join(PATCHED, [result_of(PATCHED)]).report)
    assert image.state == "patched"
    assert image.reference == f"{fleets.name(1)}@{fleets.digest(1, patched=True)}"
    assert (image.fixed, image.scanned) == (3, "2026-11-23T06:00:00Z")
    assert image.signature is not None
    assert image.signature.signer == "CN=fleet.example"
    assert image.days_to_fix is not None
    assert round(image.days_to_fix) == 315  # since 12 January


def test_the_admission_is_that_of_what_is_deployed() -> None:
    result = result_of(PATCHED)
    image = only(join(PATCHED, [result]).report)
    assert image.admission == "admitted"
    denied = AdmissionEntry(
        image="app",
        reference=image.reference,
        verdict="denied",
        places=(),
        reason="",
        remedy="",
        trace="",
        constraint="",
    )
    entry = replace(result.document.images[0], image=image.reference, admission=denied)
    later = replace(result.document, command="deploy", created="2026-11-24T00:00:00Z", images=(entry,))
    asked = ShardResult(source="deploy/result.json", document=later)
    assert only(join(PATCHED, [asked, result]).report).admission == "denied"


FAULTS: dict[str, Callable[[ImageResult], ImageResult]] = {
    "no scan": lambda entry: replace(entry, scan=None, rescan=None),
    "no digest": lambda entry: replace(entry, reference="registry.example/app:1"),
    "no reference": lambda entry: replace(entry, reference="../../etc/passwd"),
    "another repository": lambda entry: replace(entry, reference=f"evil.example/app@{fleets.digest(7)}"),
    "failed without a reason": lambda entry: replace(entry, verdict="failed"),
    "passed with an error": lambda entry: replace(
        entry,
        error=ErrorEntry(what="x.", cause="", remedy="", image="", field=None, original="", exit_code=4),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_result_that_contradicts_itself_is_a_failure(fault: str) -> None:
    joined = join(PATCHED, [changed(result_of(PATCHED), FAULTS[fault])])
    image = only(joined.report)
    assert image.state == "failed"
    assert image.exit_code >= 3
    assert image.reason
    assert joined.report.exit_code == image.exit_code
    entry = joined.entries[0]
    assert entry.error is not None
    assert (entry.verdict, entry.error.exit_code) == ("failed", image.exit_code)


def test_a_target_of_the_plan_is_no_other_repository() -> None:
    plan = replace(PATCHED, images=(replace(PATCHED.images[0], target="mirror.example/app"),))
    moved = f"mirror.example/app@{fleets.digest(7)}"
    result = changed(result_of(plan), lambda entry: replace(entry, reference=moved))
    assert only(join(plan, [result]).report).state == "patched"


def test_a_refusal_is_no_failure() -> None:
    plan = replace(ONE_IMAGE, images=(fleets.planned(19, 1),))
    image = only(join(plan, [result_of(plan)]).report)
    assert (image.state, image.exit_code, image.remedy) == ("refused", 1, "Build the image on a newer base.")


def test_the_error_that_ended_a_shard_explains_what_is_missing() -> None:
    ended = result_of(PATCHED).document
    error = ErrorEntry(
        what="The database could not be downloaded.",
        cause="",
        remedy="Try later.",
        image="",
        field=None,
        original="",
        exit_code=4,
    )
    result = ShardResult(source="", document=replace(ended, images=(), error=error), shard=1)
    image = only(join(PATCHED, [result]).report)
    assert image.state == "missing"
    assert image.reason.endswith("A shard ended with: The database could not be downloaded.")
    assert (image.remedy, image.exit_code) == ("Try later.", 4)
    elsewhere = replace(result, shard=2)
    assert only(join(PATCHED, [elsewhere]).report).reason == "It has no result: shard 1 did not end."
