"""`s3c scan`: one or several images, each with its reports, its gate and its baseline."""

from __future__ import annotations

from msgspec.structs import replace

from s3c_actions.core.errors import InputError
from s3c_actions.core.reference import Reference
from s3c_actions.options import scan as inputs
from s3c_actions.result.model import ImageOutcome, Outcome
from s3c_actions.steps.scan import closed_gate_error
from s3c_actions.wiring import baseline
from s3c_actions.wiring.context import Context, image_folders
from s3c_actions.wiring.images import for_each_image, unless_exempt
from s3c_actions.wiring.scanning import create_scanner


def run(options: inputs.ScanInputs, context: Context) -> Outcome:
    """Scan image by image; what becomes of one does not keep the others from being scanned.

    Raises:
        InputError: an input is wrong: nothing has been scanned.
        OutsideError: Trivy could not be obtained.
    """
    wanted = _wanted(options)
    places = image_folders(context.output, wanted)
    baselines = baseline.read_baselines(options, context, wanted)
    registries = tuple(image for image, source in wanted.items() if source != "archive")
    scanner = create_scanner(options, context, registries, evidence=False)
    # Without a gate one platform is as good an answer as another.
    scanner = replace(scanner, everything=scanner.everything and scanner.gated)

    def scan(image: str) -> ImageOutcome:
        earlier = baselines.of(image, scanner, places[image])
        result = scanner.look(image, places[image], source=wanted[image], baseline=earlier)
        refused = unless_exempt(closed_gate_error(result, scanner.settings.gate), image, options, context.progress)
        outcome = ImageOutcome(image=image, reference=result.reference, scan=result, failure=refused)
        return baselines.compared(outcome, earlier, scanner)

    return Outcome(command="scan", images=for_each_image(wanted, context.progress, scan))


def _wanted(options: inputs.ScanInputs) -> dict[str, str]:
    """Image or archive → where it is taken from, each once."""
    source = options.image_source
    wanted: dict[str, str] = {}
    for image in options.image:
        Reference.parse(image)
        if image in wanted:
            raise InputError("image", f"{image} is given more than once.", remedy="Give each image once.")
        wanted[image] = source
    for path in options.input:
        wanted[path] = "archive"
    if not wanted:
        raise InputError(
            "image", "no image is given.", remedy="Give a reference, or an archive with --input image.tar."
        )
    return wanted
