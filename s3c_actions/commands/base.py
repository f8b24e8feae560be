"""`s3c base`: find the base of images, and compare it with other tags of its repository."""

from __future__ import annotations

from msgspec.structs import replace

from s3c_actions.core.errors import S3CError
from s3c_actions.core.reference import Reference
from s3c_actions.options import base as inputs
from s3c_actions.report.base_advice import render_table
from s3c_actions.result.document import base_advice_entry
from s3c_actions.result.model import ImageOutcome, Outcome
from s3c_actions.steps.closed_gate import closed_gate_error
from s3c_actions.wiring import baseline
from s3c_actions.wiring.base_advice import advise
from s3c_actions.wiring.context import Context, image_folders, with_jobs
from s3c_actions.wiring.images import failed, for_each_image, unless_exempt
from s3c_actions.wiring.scanning import create_scanner


def run(options: inputs.BaseInputs, context: Context) -> Outcome:
    """Scan each image, find its base and compare; a failure of one image does not stop the others.

    Raises:
        InputError: an input is wrong: nothing has been scanned.
        OutsideError: Trivy could not be obtained.
    """
    images = tuple(dict.fromkeys(options.image))
    for image in images:
        Reference.parse(image)
    # The tags of one base are scanned at once, and the images one after another.
    context = with_jobs(options, context, max(len(images), options.candidates))
    folders = image_folders(context.output, images)
    baselines = baseline.read_baselines(options, context, images)
    scanner = create_scanner(options, context, images, evidence=False)
    scanner = replace(scanner, everything=scanner.everything and scanner.gated)

    def compare(image: str) -> ImageOutcome:
        earlier = baselines.of(image, scanner, folders[image])
        result = scanner.look(image, folders[image], baseline=earlier)
        refused = unless_exempt(closed_gate_error(result, scanner.settings.gate), image, options, context.progress)
        outcome = ImageOutcome(image=image, reference=result.reference, scan=result, failure=refused)
        try:
            outcome = replace(outcome, base_advice=advise(result, scanner, options.candidates))
        except S3CError as error:
            return failed(outcome, refused or error)
        return baselines.compared(outcome, earlier, scanner)

    outcomes = for_each_image(images, context.progress, compare)
    tables = [
        render_table(base_advice_entry(outcome.base_advice)) for outcome in outcomes if outcome.base_advice is not None
    ]
    return Outcome(command="base", images=outcomes, text="\n".join(tables))
