"""What one image of a fleet has come to: a result that is missing or contradicts itself is a failure, never a pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec
from msgspec.structs import replace

from s3c_actions.core.errors import Exit, InputError
from s3c_actions.core.reference import Reference
from s3c_actions.fleet.figures import SEVERITIES, Catalogue, Exceptions
from s3c_actions.fleet.outlook import clip, pinned
from s3c_actions.fleet.plan import CurrentImage, PlannedImage, UnplannedImage
from s3c_actions.fleet.report_document import (
    MAX_COUNT,
    ReportedImage,
    Signature,
    State,
)
from s3c_actions.fleet.shard_results import OTHER_COMMANDS, Chosen, ShardResult, Verdict
from s3c_actions.report.document import ErrorEntry, ImageResult, PatchEntry
from s3c_actions.report.document import Verdict as DocumentVerdict

_RUN_AGAIN = "Run its shard again; what it had finished is not done twice."


class Collected(msgspec.Struct, frozen=True, kw_only=True):
    """What is gathered over all images.

    Attributes:
        admissions: pinned reference → what a cluster's gate said of it.
        patches: digest → the patch that made it, of runs that only patched.
    """

    catalogue: Catalogue
    exceptions: Exceptions
    admissions: Mapping[str, Verdict]
    patches: Mapping[str, PatchEntry]


def _blank(image: str, state: State) -> ReportedImage:
    """Return an image of which nothing else is known."""
    return ReportedImage(
        image=image,
        names=(),
        owner="",
        state=state,
        exit_code=0,
        reason="",
        remedy="",
        reference="",
        shard=0,
        scanned="",
        counts=None,
        fixable=None,
        findings=(),
        fixed=0,
        days_to_fix=None,
        expiring=(),
        signature=None,
        admission="unknown",
    )


def describe_missing(planned: PlannedImage, results: Sequence[ShardResult]) -> ReportedImage:
    """Return an image that has no result, with the error that ended its shard, where that is known.

    Args:
        planned: the image.
        results: of all shards.
    """
    image = replace(
        _blank(planned.image, "missing"),
        names=planned.names,
        owner=planned.owner,
        shard=planned.shard,
        exit_code=int(Exit.OUTSIDE_FAILED),
        reason=f"It has no result: shard {planned.shard} did not end.",
        remedy=_RUN_AGAIN,
    )
    ended = [
        result.document.error
        for result in results
        if result.document.error is not None
        and result.shard in {0, planned.shard}
        and result.document.command not in OTHER_COMMANDS
    ]
    if not ended:
        return image
    return replace(
        image,
        reason=clip(f"{image.reason} A shard ended with: {ended[0].what}"),
        remedy=clip(ended[0].remedy) or image.remedy,
        exit_code=max(image.exit_code, ended[0].exit_code),
    )


def describe_reported(planned: PlannedImage, chosen: Chosen, collected: Collected) -> ReportedImage:
    """Return the entry of an image, by its result.

    Args:
        planned: the image.
        chosen: its newest result.
        collected: receives its findings and the exceptions that they rely on.
    """
    entry, _, created = chosen
    patch, scan = entry.patch or collected.patches.get(entry.digest), entry.last_scan
    newly = patch is not None and patch.patched and not patch.skipped
    image = replace(_judged(planned, entry), names=planned.names, owner=planned.owner, shard=planned.shard)
    if image.state == "passed" and newly:
        image = replace(image, state="patched")
    if patch is not None and newly:
        days = [collected.catalogue.days_to_fix(finding, created) for finding in patch.fixed]
        known_days = [number for number in days if number is not None]
        image = replace(image, fixed=len(patch.fixed), days_to_fix=max(known_days, default=None))
    if scan is not None and entry.findings is not None:
        numbers = {name: entry.findings.of(name.lower()) for name in SEVERITIES}
        counts = {name: min(number, MAX_COUNT) for name, number in numbers.items() if number is not None}
        fixable = Counter(finding.severity for finding in entry.remaining if finding.fixable)
        image = replace(
            image,
            scanned=clip(scan.created),
            counts=counts,
            fixable={name: fixable[name] for name in counts},
            findings=collected.catalogue.add(entry.remaining),
            expiring=collected.exceptions.add(planned.policy, entry.remaining),
        )
    return replace(
        image,
        reference=clip(entry.reference),
        signature=_signature(entry),
        admission=collected.admissions.get(pinned(entry.reference), "unknown"),
    )


def _judged(planned: PlannedImage, entry: ImageResult) -> ReportedImage:
    """Return the image in the state that its result proves: what is not proved to have passed has failed."""
    error = entry.error
    if error is None and entry.verdict == "passed":
        if problem := _contradiction(planned, entry):
            failed = _blank(planned.image, "failed")
            return replace(failed, exit_code=int(Exit.OUTSIDE_FAILED), reason=problem, remedy=_RUN_AGAIN)
        judged = entry.judgement is not None or (entry.last_scan is not None and entry.last_scan.gated is True)
        passed = _blank(planned.image, "passed")
        return passed if judged else replace(passed, reason="No gate judged it.")
    code = error.exit_code if error is not None else int(Exit.REFUSED) if entry.verdict == "refused" else 0
    if code == 0 or (entry.verdict == "failed" and code == Exit.REFUSED):
        code = int(Exit.OUTSIDE_FAILED)
    return replace(
        _blank(planned.image, "refused" if code == Exit.REFUSED else "failed"),
        exit_code=code,
        reason=clip(error.what) if error is not None else "Its result gives no reason.",
        remedy=clip(error.remedy) if error is not None else _RUN_AGAIN,
    )


def result_entry(image: ReportedImage, result: ImageResult | None) -> ImageResult:
    """Return the entry of an image for `result.json`: its own, with the report's error where it has none.

    Args:
        image: as it is reported.
        result: its own entry; None without a result.
    """
    explained = result is not None and result.error is not None and result.verdict != "passed"
    if result is not None and (explained or not image.needs_attention):
        return result
    error = ErrorEntry(
        what=image.reason,
        cause="",
        remedy=image.remedy,
        image=image.image,
        field=None,
        original="",
        exit_code=image.exit_code or int(Exit.OUTSIDE_FAILED),
    )
    verdict: DocumentVerdict = "refused" if image.exit_code == Exit.REFUSED else "failed"
    if result is not None:
        return replace(result, verdict=verdict, error=error, reference="", digest="")
    return ImageResult(
        image=image.image,
        reference="",
        digest="",
        verdict=verdict,
        error=error,
        findings=None,
        remaining=(),
        set_aside=(),
        base=None,
        files={},
        scan=None,
        patch=None,
        rescan=None,
        sign=None,
        attach=None,
        judgement=None,
        verify=None,
        admission=None,
    )


def _contradiction(planned: PlannedImage, entry: ImageResult) -> str:
    """Return why a result that says passed does not prove it, as a sentence; empty when it does."""
    if entry.last_scan is None:
        return "Its result says that it passed, and has no scan."
    try:
        reference = Reference.parse(entry.reference)
        allowed = {planned.reference.name, *([Reference.parse(planned.target).name] if planned.target else [])}
    except InputError:
        return "Its result says that it passed, and names no image by digest."
    if not reference.digest:
        return "Its result says that it passed, and names no image by digest."
    if reference.name not in allowed:
        return clip(f"Its result is about an image of another repository, {reference.name}.")
    return ""


def _signature(entry: ImageResult) -> Signature | None:
    sign, verify = entry.sign, entry.verify
    if sign is not None:
        # With a time-stamp a signature outlives its certificate.
        ends = [sign.expires] if sign.timestamped else [sign.expires, sign.certificate.not_after]
        return Signature(
            signer=clip(sign.certificate.subject), ends=clip(min((end for end in ends if end), default=""))
        )
    return Signature(signer=clip(verify.signer), ends="") if verify is not None else None


def describe_current(image: CurrentImage, admissions: Mapping[str, Verdict]) -> ReportedImage:
    """Return an image that needs nothing: its signed evidence says so, and the plan judged that.

    Args:
        image: of the plan.
        admissions: pinned reference → what a cluster's gate said of it.
    """
    reference = pinned(image.patch) or pinned(image.image)
    return replace(
        _blank(image.image, "current"),
        names=image.names,
        owner=image.owner,
        reason=clip(image.reason),
        reference=reference,
        scanned=clip(image.created),
        counts={name: image.counts[name] for name in SEVERITIES if name in image.counts},
        signature=Signature(signer="", ends=""),
        admission=admissions.get(reference, "unknown"),
    )


def describe_unplanned(image: UnplannedImage) -> ReportedImage:
    """Return an image that could not be planned, with the reason.

    Args:
        image: of the plan.
    """
    return replace(
        _blank(image.image, "unplanned"),
        owner=image.owner,
        exit_code=image.exit_code,
        reason=clip(image.what),
        remedy=clip(image.remedy),
    )
