"""`s3c scan`: scan one or several images, each with its reports, gate and baseline."""

from __future__ import annotations

import re
from pathlib import Path

from msgspec.structs import replace

from s3c_actions.core.errors import InputError
from s3c_actions.core.reference import Reference, is_image_id
from s3c_actions.options import scan as inputs
from s3c_actions.result.model import ImageOutcome, Outcome
from s3c_actions.steps.closed_gate import closed_gate_error
from s3c_actions.steps.scan.target import check_archive
from s3c_actions.wiring import baseline, report_file
from s3c_actions.wiring.base_advice import check_advice, with_advice
from s3c_actions.wiring.context import Context, image_folders, with_jobs
from s3c_actions.wiring.images import for_each_image, unless_exempt
from s3c_actions.wiring.scanning import create_scanner

_ARCHIVE = re.compile(r"\.(?:tar|tgz|tar\.(?:gz|zst|xz))\Z")


def run(options: inputs.ScanInputs, context: Context) -> Outcome:
    """Scan image by image; a failure of one does not stop the others.

    Raises:
        InputError: an input is wrong: nothing has been scanned.
        OutsideError: Trivy could not be obtained.
    """
    requested = _requested_images(options)
    report_file.prepare(options, len(requested))
    check_advice(options)
    context = with_jobs(options, context, max(len(requested), options.candidates if options.base_advice else 0))
    folders = image_folders(context.output, requested)
    baselines = baseline.read_baselines(options, context, requested)
    registries = tuple(image for image, source in requested.items() if source != "archive")
    scanner = create_scanner(options, context, registries, evidence=False)
    # Without a gate the result of any one platform is enough.
    scanner = replace(scanner, everything=scanner.everything and scanner.gated)

    def scan(image: str) -> ImageOutcome:
        earlier = baselines.of(image, scanner, folders[image])
        result = scanner.look(image, folders[image], source=requested[image], baseline=earlier)
        refused = unless_exempt(closed_gate_error(result, scanner.settings.gate), image, options, context.progress)
        outcome = ImageOutcome(image=image, reference=result.reference, scan=result, failure=refused)
        if options.base_advice:
            outcome = with_advice(outcome, scanner, options.candidates)
        return baselines.compared(outcome, earlier, scanner)

    outcomes = for_each_image(requested, context.progress, scan, jobs=context.limits.jobs)
    return report_file.write(options, Outcome(command="scan", images=outcomes))


def _requested_images(options: inputs.ScanInputs) -> dict[str, str]:
    """Return image or archive → the source that it is read from, each once."""
    source = options.image_source
    requested: dict[str, str] = {}
    for image in options.image:
        if _ARCHIVE.search(image) and Path(image).is_file():
            raise InputError("image", f"{image} is a file, and no image's name.", remedy="Give it with `input`.")
        if source == "registry" or not is_image_id(image):
            Reference.parse(image)
        if image in requested:
            raise InputError("image", f"{image} is given more than once.", remedy="Give each image once.")
        requested[image] = source
    for path in options.input:
        check_archive(path)
        requested[path] = "archive"
    if not requested:
        raise InputError(
            "image", "no image is given.", remedy="Give a reference, or an archive with `input`, such as image.tar."
        )
    return requested
