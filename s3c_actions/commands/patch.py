"""`s3c patch`: patch one or several images with Copa, and scan each before and after."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from s3c_actions.core import reading
from s3c_actions.core.errors import InputError
from s3c_actions.core.reference import Reference
from s3c_actions.findings import trivy_report
from s3c_actions.findings.coverage import lists_os_packages
from s3c_actions.findings.scope_inference import infer
from s3c_actions.options import patch as inputs
from s3c_actions.result.model import ImageOutcome, Outcome, ScanResult
from s3c_actions.steps.closed_gate import closed_gate_error
from s3c_actions.steps.merge import merge_scans
from s3c_actions.steps.unexpected_changes import refusal
from s3c_actions.wiring import baseline, report_file
from s3c_actions.wiring.context import Context, image_folders, with_jobs
from s3c_actions.wiring.images import for_each_image, unless_exempt
from s3c_actions.wiring.scanning import create_scanner
from s3c_actions.wiring.vouching import by_options

if TYPE_CHECKING:
    from s3c_actions.wiring.scanning import ImageScanner
    from s3c_actions.wiring.vouching import VouchCheck
from s3c_actions.wiring.patching import check_system, open_patcher, reject_platform
from s3c_actions.wiring.signing import registries_of


def run(options: inputs.PatchInputs, context: Context) -> Outcome:
    """Patch image by image; a failure of one does not stop the others.

    Raises:
        InputError: an input is wrong: nothing has been pushed.
        OutsideError: a program could not be obtained.
    """
    check_system(options, context)
    images = options.image
    _check_images(options, images)
    report_file.prepare(options, len(images))
    context = with_jobs(options, context, len(images))
    folders = image_folders(context.output, images)
    baselines = baseline.read_baselines(options, context, images)
    scanner = create_scanner(options, context, images, evidence=False)
    with (
        _open_vouch_check(options, context) as vouched,
        open_patcher(options, context, scanner, images, vouched) as patcher,
    ):

        def patch(image: str) -> ImageOutcome:
            earlier = baselines.of(image, scanner, folders[image])
            before = _given_scan(options.report, image, scanner)
            result = patcher.patch(image, folders[image], before)
            refused = closed_gate_error(result.after or result.before, scanner.settings.gate)
            refused = refused or refusal(result.changes, options.unexpected_changes, result.reference)
            refused = unless_exempt(refused, image, options, context.progress)
            outcome = ImageOutcome(image=image, reference=result.reference, patch=result, failure=refused)
            return baselines.compared(outcome, earlier, scanner)

        outcomes = for_each_image(images, context.progress, patch, jobs=context.limits.jobs)
        return report_file.write(options, Outcome(command="patch", images=outcomes))


@contextmanager
def _open_vouch_check(options: inputs.PatchInputs, context: Context) -> Iterator[VouchCheck | None]:
    """Open the check whether an earlier patch may be reused; None: its content decides.

    Raises:
        InputError: `reuse-patched` requires a trusted signer, and the other inputs name none.
    """
    reuse = options.reuse_patched
    if reuse == "never":
        yield lambda _reference: False
        return
    if reuse == "content":
        yield None
        return
    with by_options(options, context, registries_of(options.image)) as vouched:
        if vouched is None and reuse:
            raise InputError(
                inputs.PatchInputs.reuse_patched.name,
                "it is `signed`, and nothing says whose signature counts.",
                remedy="Give `trust-store`, `certificate`, or `vault` and `vault-certificate`.",
            )
        yield vouched


def _check_images(options: inputs.PatchInputs, images: tuple[str, ...]) -> None:
    for image in images:
        Reference.parse(image)
        if images.count(image) > 1:
            raise InputError("image", f"{image} is given more than once.", remedy="Give each image once.")
    if options.report and len(images) > 1:
        raise InputError("report", f"it is one image's, and {len(images)} are given.", remedy="Give one image with it.")
    reject_platform(options)


def _given_scan(paths: tuple[Path, ...], image: str, scanner: ImageScanner) -> ScanResult | None:
    """Return the scan that the reports given represent, with the image's digest in the registry.

    None where they lack packages or platforms: then the image is scanned.

    Raises:
        InputError: a report cannot be read, is not Trivy's, or lacks the operating system's packages.
    """
    if not paths:
        return None
    reports = {}
    for path in paths:
        report = trivy_report.read(path)
        data = reading.read_file(path, reading.MAX_REPORT_BYTES)
        if not lists_os_packages(data):
            raise InputError(
                "report",
                f"{path} says nothing of the operating system's packages.",
                cause="It was made with `--pkg-types library` without the scanner `vuln`, or of an unknown system.",
                remedy="Make it with `--scanners vuln --pkg-types os`, or give none to have the image scanned.",
                image=image,
            )
        # Without the list of packages, an image whose package database was removed looks as if it had none to patch.
        if "os" not in infer(data).scope.pkg_types:
            scanner.context.progress.notice(f"{path} lists no packages: {image} is scanned instead.")
            return None
        reports[report.digest] = path, report
    reference = Reference.parse(image)
    descriptor = scanner.registry.resolve(reference)
    pinned = reference.at(descriptor.digest)
    images = scanner.registry.flatten(reference, descriptor).images if descriptor.is_index else ()
    if len(images) < 2:
        if len(paths) > 1:
            raise InputError("report", f"{len(paths)} are given, and {image} is one image.", image=image)
        ((path, report),) = reports.values()
        return _warn(scanner.given(path, report, image=image, reference=pinned.pinned), scanner)
    missing = [platform.platform for platform in images if platform.digest not in reports]
    if missing:
        scanner.context.progress.notice(
            f"No report given is of {', '.join(missing)} of {image}: all of its platforms are scanned instead."
        )
        return None
    parts = []
    for platform in images:
        path, report = reports[platform.digest]
        platform_reference = reference.at(platform.digest).pinned
        parts.append(
            _warn(scanner.given(path, report, image=platform_reference, reference=platform_reference), scanner)
        )
    return merge_scans(image, pinned, parts)


def _warn(result: ScanResult, scanner: ImageScanner) -> ScanResult:
    for sentence in result.warnings:
        scanner.context.progress.warning(sentence)
    return result
