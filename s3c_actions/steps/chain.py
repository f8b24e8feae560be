"""Scan, patch, rescan, sign, verify and deploy images, composed of the other steps in one process.

The order is the guarantee: every reference is resolved before anything is pushed (the key was checked when the signing
step was bound), nothing is signed whose last scan does not pass the gate, and nothing is deployed unless every image
succeeded.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import msgspec
from msgspec.structs import replace

from s3c_actions.core import concurrency
from s3c_actions.core.errors import InputError, Refused, S3CError
from s3c_actions.core.progress import Progress, showing
from s3c_actions.findings.threshold import Threshold
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
from s3c_actions.result.smoke import SmokeRefused
from s3c_actions.steps import unexpected_changes
from s3c_actions.steps.closed_gate import closed_gate_error


class ChainSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The images and their gate.

    Attributes:
        images: references as given by the user, each once.
        gate: the threshold for an image that is signed.
        unexpected_changes: what to do about changes that a patch is not expected to make (`unexpected_changes`).
        jobs: how many images are processed at once.
    """

    images: tuple[str, ...]
    gate: Threshold
    unexpected_changes: str
    jobs: int = 1


class ChainSteps(msgspec.Struct, frozen=True, kw_only=True):
    """The other steps, bound to their settings and collaborators.

    Attributes:
        resolve: returns the image by digest, and raises InputError when it does not exist; called for several images
            only, because the scan of a single one does it. The digest that everything works on is the scan's; this one
            says which images are the same, so that they are not patched at the same time.
        scan, patch, sign, verify: receive the result of the step before; a step that is None is skipped.
        attach: attaches what is known of an image; also to one that the gate rejects, so that a report that has become
            worse is known to whoever judges the image next.
    """

    resolve: Callable[[str], str]
    scan: Callable[[str], ScanResult]
    patch: Callable[[ScanResult], PatchResult] | None = None
    sign: Callable[[str], SignResult] | None = None
    attach: Callable[[ImageOutcome], AttachResult] | None = None
    verify: Callable[[str], VerifyResult] | None = None


def run(settings: ChainSettings, steps: ChainSteps, progress: Progress) -> tuple[ImageOutcome, ...]:
    """Take every image through the chain.

    One image's failure is kept in its outcome and the others continue, so that one broken image in a list does not hide
    the results of the rest.

    Raises:
        InputError: an image is given twice or does not exist: nothing has been pushed.
        OutsideError: a registry cannot be reached: nothing has been pushed.
    """
    twice = sorted({image for image in settings.images if settings.images.count(image) > 1})
    if twice:
        raise InputError("image", f"{', '.join(twice)} is given more than once.", remedy="Give each image once.")
    if len(settings.images) == 1:
        return (_run_image(settings.images[0], settings, steps),)

    def resolve(image: str) -> str:
        try:
            return steps.resolve(image)
        except S3CError as error:
            error.image = error.image or image
            raise

    pinned = concurrency.for_each(settings.images, resolve, jobs=settings.jobs)
    outcomes: dict[str, ImageOutcome] = {}

    def run_images(images: Collection[str]) -> None:
        for image in images:
            if settings.jobs > 1:
                with showing(progress.for_image(image)):
                    outcomes[image] = _run_image(image, settings, steps)
            else:
                progress.show_heading(image)
                outcomes[image] = _run_image(image, settings, steps)

    names = dict(zip(settings.images, pinned, strict=True))
    if settings.jobs > 1:
        # Of two tags of one digest, the second uses what the first has patched and signed.
        groups = [[image for image in names if names[image] == digest] for digest in dict.fromkeys(pinned)]
        concurrency.for_each(groups, run_images, jobs=settings.jobs)
    else:
        run_images(settings.images)
    return tuple(outcomes[image] for image in settings.images)


def _run_image(image: str, settings: ChainSettings, steps: ChainSteps) -> ImageOutcome:
    outcome = ImageOutcome(image=image)
    try:
        scan = steps.scan(image)
        outcome = replace(outcome, scan=scan, reference=scan.reference)
        last = scan
        if steps.patch is not None:
            patch = steps.patch(scan)
            last = patch.after or patch.before
            outcome = replace(outcome, patch=patch, reference=patch.reference)
        refused = closed_gate_error(
            replace(last, reference=outcome.reference), settings.gate, consequence="Nothing was signed."
        )
        if refused is not None:
            if steps.attach is not None:
                outcome = replace(outcome, attach=steps.attach(outcome))
            raise refused
        refused = unexpected_changes.refusal(
            outcome.patch.changes if outcome.patch is not None else None,
            settings.unexpected_changes,
            outcome.reference,
            consequence="Nothing was signed.",
        )
        if refused is not None:
            raise refused
        if steps.sign is not None:
            outcome = replace(outcome, sign=steps.sign(outcome.reference))
        if steps.verify is not None:
            outcome = replace(outcome, verify=steps.verify(outcome.reference))
        if steps.attach is not None:
            outcome = replace(outcome, attach=steps.attach(outcome))
    except S3CError as error:
        error.image = error.image or image
        smoke = error.result if isinstance(error, SmokeRefused) else None
        return replace(outcome, failure=error, smoke=smoke)
    return outcome


def deploy(
    images: tuple[ImageOutcome, ...],
    deployed: Callable[[Sequence[ImageOutcome]], DeployResult],
    denied: Callable[[Admission], Refused],
    progress: Progress,
) -> tuple[tuple[ImageOutcome, ...], DeployResult | None]:
    """Deploy the images that the chain returned.

    Args:
        images: as `run` returned them.
        deployed: the deploy step, bound; called with the images.
        denied: returns the error of an image that is not admitted.
        progress: warned when nothing is deployed.

    Returns:
        The images, each with the verdict of the cluster's gate; and the deployment, with the failure that ended it.
        None: nothing was tried, because an image had failed before.
    """
    failed = [image for image in images if image.failure is not None]
    if failed:
        progress.warning(f"Nothing is deployed: {len(failed)} of {len(images)} images did not get through the chain.")
        return images, None
    if len(images) > 1:
        progress.show_heading("deployment")
    try:
        result = deployed(images)
    except S3CError as error:
        result = DeployResult(failure=error)
    return tuple(_with_admission(image, result, denied) for image in images), result


def _with_admission(image: ImageOutcome, result: DeployResult, denied: Callable[[Admission], Refused]) -> ImageOutcome:
    """Return an image with the gate's verdict; where the manifests name it in several ways, a denial wins."""
    admissions = [candidate for candidate in result.admissions if candidate.reference == image.reference]
    if not admissions:
        return image
    admission = next((candidate for candidate in admissions if candidate.verdict == "denied"), admissions[0])
    failure = denied(admission) if admission.verdict == "denied" else None
    return replace(image, admission=admission, failure=failure)
