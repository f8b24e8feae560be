"""Bind a comparison of bases to the scanner of a run: the same settings, caches and limits, and no gate."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from msgspec.structs import replace

from s3c_actions.core.errors import InputError, S3CError
from s3c_actions.core.progress import showing
from s3c_actions.findings.threshold import Threshold
from s3c_actions.options.base_image import BaseImageOptions
from s3c_actions.steps import base_advice
from s3c_actions.steps.base_advice import AdviceTools

if TYPE_CHECKING:
    from s3c_actions.options.scan import ScanInputs
    from s3c_actions.result.base_advice import BaseAdvice
    from s3c_actions.result.model import ImageOutcome, ScanResult
    from s3c_actions.wiring.scanning import ImageScanner

_numbers = itertools.count()


def check_advice(options: ScanInputs) -> None:
    """Raise InputError when other bases are asked for, and no image counts as a base."""
    if options.base_advice and not options.base_image and options.policy is None:
        raise InputError(
            BaseImageOptions.base_image.name,
            "`base-advice` is asked for, and no image counts as a base.",
            remedy="Name the base, or patterns of bases, such as docker.io/library/*.",
        )


def with_advice(outcome: ImageOutcome, scanner: ImageScanner, most: int) -> ImageOutcome:
    """Return the outcome of a scan with what other bases would change; where that fails a warning says why."""
    if outcome.scan is None:
        return outcome
    try:
        return replace(outcome, base_advice=advise(outcome.scan, scanner, most))
    except S3CError as error:
        scanner.context.progress.warning(f"Other bases of {outcome.image} were not compared. {error.what}")
        return outcome


def advise(result: ScanResult, scanner: ImageScanner, most: int) -> BaseAdvice:
    """Compare the base of a scanned image with other tags; of an index, that of its first platform.

    Args:
        result: of the scan.
        scanner: that made it.
        most: how many tags are compared at most.

    Raises:
        InputError: the base is not known, or was named without a tag.
        OutsideError: the base itself could not be scanned.
    """
    context = scanner.context
    settings = replace(
        scanner.settings,
        gate=Threshold(None),
        policy=None,
        formats=("json",),
        bases=None,
        baseline=None,
        entry_platform="",
        options=replace(scanner.settings.options, platform=""),
    )
    tool = replace(scanner, settings=settings, proposed=None, everything=False)

    def scan(image: str, name: str) -> ScanResult:
        several = context.limits.concurrent
        named = replace(tool, settings=replace(settings, title="base" if several else f"base {name}"))
        folder = context.temp / f"base-{next(_numbers)}"
        if not several:
            return named.scan(image, folder)
        with showing(context.progress.for_image(name)):
            return named.scan(image, folder)

    report = (result.parts[0] if result.parts else result).report
    return base_advice.run(
        report,
        AdviceTools(registry=scanner.registry, scan=scan, now=context.now, jobs=context.limits.jobs, most=most),
    )
