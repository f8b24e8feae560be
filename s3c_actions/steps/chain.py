"""Scan, patch, rescan, sign, verify and deploy one or several images, composed of the other steps in one process.

The order is the guarantee: every reference is looked up before anything is pushed (the key was checked when the signing
step was bound), nothing is signed whose last scan does not pass the gate, and nothing is deployed unless every image
got through.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
from msgspec.structs import replace

from s3c_actions.core.errors import InputError, Refused, S3CError
from s3c_actions.core.progress import Progress
from s3c_actions.findings.threshold import Gate
from s3c_actions.result.model import (
    Admission,
    AttachResult,
    DeployResult,
    ImageOutcome,
    PatchResult,
    ScanResult,
    SignResult,
    VerifyResult,
)
from s3c_actions.steps.scan import refusal


class ChainSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What to do.

    Attributes:
        images: references as people gave them, each once.
        gate: what may be left in an image that is signed.
    """

    images: tuple[str, ...]
    gate: Gate


class ChainSteps(msgspec.Struct, frozen=True, kw_only=True):
    """The other steps, bound to their settings and collaborators.

    Attributes:
        resolve: raises InputError when the image is not there; called for several images only, because a single
            one's scan does it. Only that counts: the digest that everything works on is the scan's.
        scan, patch, sign, verify: take what the step before handed on; a step that is None is left out.
        attach: attaches what is known of an image; also to one that the gate refuses, so that a report that has become
            worse is known to whoever judges the image next.
    """

    resolve: Callable[[str], object]
    scan: Callable[[str], ScanResult]
    patch: Callable[[ScanResult], PatchResult] | None = None
    sign: Callable[[str], SignResult] | None = None
    attach: Callable[[ImageOutcome], AttachResult] | None = None
    verify: Callable[[str], VerifyResult] | None = None


def run(settings: ChainSettings, steps: ChainSteps, progress: Progress) -> tuple[ImageOutcome, ...]:
    """Take every image through the chain.

    One image's failure is kept in its outcome and the others go on, so that one broken image in a list does not hide
    what became of the rest.

    Raises:
        InputError: an image is given twice or is not there: nothing has been pushed.
        OutsideError: a registry cannot be reached: nothing has been pushed.
    """
    twice = sorted({image for image in settings.images if settings.images.count(image) > 1})
    if twice:
        raise InputError("image", f"{', '.join(twice)} is given more than once.", remedy="Give each image once.")
    if len(settings.images) > 1:
        for image in settings.images:
            try:
                steps.resolve(image)
            except S3CError as error:
                error.image = error.image or image
                raise
    outcomes = []
    for image in settings.images:
        if len(settings.images) > 1:
            progress.about(image)
        outcomes.append(_one(image, settings, steps))
    return tuple(outcomes)


def _one(image: str, settings: ChainSettings, steps: ChainSteps) -> ImageOutcome:
    outcome = ImageOutcome(image=image)
    try:
        scan = steps.scan(image)
        outcome = replace(outcome, scan=scan, reference=scan.reference)
        last = scan
        if steps.patch is not None:
            patch = steps.patch(scan)
            last = patch.after or patch.before
            outcome = replace(outcome, patch=patch, reference=patch.reference)
        refused = refusal(replace(last, reference=outcome.reference), settings.gate, consequence="Nothing was signed.")
        if refused is not None:
            if steps.attach is not None:
                outcome = replace(outcome, attach=steps.attach(outcome))
            raise refused
        if steps.sign is not None:
            outcome = replace(outcome, sign=steps.sign(outcome.reference))
        if steps.verify is not None:
            outcome = replace(outcome, verify=steps.verify(outcome.reference))
        if steps.attach is not None:
            outcome = replace(outcome, attach=steps.attach(outcome))
    except S3CError as error:
        error.image = error.image or image
        return replace(outcome, failure=error)
    return outcome


def deploy(
    images: tuple[ImageOutcome, ...],
    deployed: Callable[[Sequence[ImageOutcome]], DeployResult],
    denied: Callable[[Admission], Refused],
    progress: Progress,
) -> tuple[tuple[ImageOutcome, ...], DeployResult | None]:
    """Deploy what came out of the chain.

    Args:
        images: as `run` returned them.
        deployed: the deploy step, bound; given the images.
        denied: the error of an image that is not admitted.
        progress: told when nothing is deployed.

    Returns:
        The images, each with what the cluster's gate said of it; and what was done, with the failure that ended it.
        None: nothing was tried, because an image had failed before.
    """
    failed = [one for one in images if one.failure is not None]
    if failed:
        progress.warning(f"Nothing is deployed: {len(failed)} of {len(images)} images did not get through the chain.")
        return images, None
    if len(images) > 1:
        progress.about("deployment")
    try:
        result = deployed(images)
    except S3CError as error:
        result = DeployResult(failure=error)
    return tuple(_admitted(one, result, denied) for one in images), result


def _admitted(image: ImageOutcome, result: DeployResult, denied: Callable[[Admission], Refused]) -> ImageOutcome:
    """An image with the gate's word on it; where the manifests name it in several ways, a denial counts."""
    found = [one for one in result.admissions if one.reference == image.reference]
    if not found:
        return image
    admission = next((one for one in found if one.verdict == "denied"), found[0])
    failure = denied(admission) if admission.verdict == "denied" else None
    return replace(image, admission=admission, failure=failure)
