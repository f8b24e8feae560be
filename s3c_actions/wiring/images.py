"""Image by image: what becomes of one does not keep the others from it."""

from __future__ import annotations

from collections.abc import Callable, Collection

from msgspec.structs import replace

from s3c_actions.core.errors import Refused, S3CError
from s3c_actions.core.progress import Progress
from s3c_actions.options.report import ExitCodeOptions
from s3c_actions.result.model import ImageOutcome


def for_each_image(
    images: Collection[str], progress: Progress, do: Callable[[str], ImageOutcome]
) -> tuple[ImageOutcome, ...]:
    """Do something with each image, in order.

    Args:
        images: as people gave them.
        progress: the name of each stands above its steps when there are several.
        do: with one image; an S3CError that it raises is the outcome of that image.
    """
    outcomes = []
    for image in images:
        if len(images) > 1:
            progress.about(image)
        try:
            outcomes.append(do(image))
        except S3CError as error:
            outcomes.append(failed(ImageOutcome(image=image), error))
    return tuple(outcomes)


def failed(outcome: ImageOutcome, error: S3CError) -> ImageOutcome:
    """The outcome of an image that ended with an error; what was done before stays in it."""
    error.image = error.image or outcome.image
    return replace(outcome, failure=error)


def unless_exempt(refused: Refused | None, image: str, options: ExitCodeOptions, progress: Progress) -> Refused | None:
    """What a closed gate ends the step with: nothing where `exit-code` is 0, and then it is a warning."""
    if refused is None or options.exit_code:
        return refused
    progress.warning(f"{image}: {refused.what} The step goes on, as exit-code 0 asks.")
    return None
