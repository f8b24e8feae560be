"""`s3c attach`: attach evidence to images, from a new scan or from existing reports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from s3c_actions.core.errors import InputError, S3CError
from s3c_actions.core.reference import Reference
from s3c_actions.options import attach as inputs
from s3c_actions.result.model import ImageOutcome, Outcome
from s3c_actions.steps.closed_gate import closed_gate_error
from s3c_actions.wiring.attaching import attacher_for_scanner, read_reports
from s3c_actions.wiring.context import Context, image_folders, with_jobs
from s3c_actions.wiring.earlier import check_files, earlier
from s3c_actions.wiring.images import failed, for_each_image, unless_exempt
from s3c_actions.wiring.patching import reject_platform
from s3c_actions.wiring.scanning import create_scanner
from s3c_actions.wiring.signing import open_signing_key, registries_of

if TYPE_CHECKING:
    from s3c_actions.wiring.scanning import ImageScanner


def run(options: inputs.AttachInputs, context: Context) -> Outcome:
    """Scan and attach image by image; a failure of one does not stop the others.

    Raises:
        InputError: an input, the key or a report is wrong: nothing has been attached.
        OutsideError: a program could not be obtained.
    """
    reject_platform(options)
    if not options.attach:
        raise InputError("attach", "there is nothing to attach.", remedy="Leave it out, or name the documents.")
    check_files(options)
    images = options.image
    context = with_jobs(options, context, len(images))
    folders = image_folders(context.output, images)
    scanner = create_scanner(options, context, images, evidence=True)
    with open_signing_key(options, context, registries_of(options.image)) as signer:
        settings = scanner.settings
        tool = attacher_for_scanner(options, context, signer, scanner)
        references = {image: _pin(image, scanner) for image in images} if options.results else {}
        previous = earlier(options, references or dict.fromkeys(images, ""))
        given_scans = read_reports(previous.reports, images, scanner.registry, settings.criteria(scanner.trivy))

        def attach(image: str) -> ImageOutcome:
            scan = given_scans.get(image) or scanner.look(image, folders[image])
            outcome = ImageOutcome(image=image, reference=scan.reference, scan=scan)
            try:
                outcome = replace(outcome, attach=tool.of(previous, image).attach(outcome, "attach"))
            except S3CError as error:
                return failed(outcome, error)
            refused = unless_exempt(closed_gate_error(scan, settings.gate), image, options, context.progress)
            return replace(outcome, failure=refused)

        outcomes = for_each_image(images, context.progress, attach, jobs=context.limits.jobs)
        return Outcome(command="attach", images=outcomes)


def _pin(image: str, scanner: ImageScanner) -> str:
    reference = Reference.parse(image)
    try:
        return reference.at(scanner.registry.resolve(reference).digest).pinned
    except S3CError as error:
        error.image = error.image or image
        raise
