"""Process images, several at once; a failure of one does not stop the others."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import nullcontext

from msgspec.structs import replace

from s3c_actions.core import concurrency
from s3c_actions.core.errors import Refused, S3CError
from s3c_actions.core.progress import Progress, showing
from s3c_actions.options.report import ExitCodeOptions
from s3c_actions.result.model import ImageOutcome


def for_each_image(
    images: Collection[str], progress: Progress, do: Callable[[str], ImageOutcome], *, jobs: int = 1
) -> tuple[ImageOutcome, ...]:
    """Call a function for each image, and return the outcomes in the order of the images.

    Args:
        images: as given.
        progress: shows the image's name above its steps when there are several images.
        do: processes one image; an S3CError that it raises becomes the outcome of that image.
        jobs: how many are processed at once.
    """
    several = jobs > 1 and len(images) > 1

    def process(image: str) -> ImageOutcome:
        if len(images) > 1:
            progress.about(image)
        try:
            return do(image)
        except S3CError as error:
            return failed(ImageOutcome(image=image), error)

    def process_beside_others(image: str) -> ImageOutcome:
        with showing(progress.for_image(image)):
            return process(image)

    return tuple(concurrency.for_each(tuple(images), process_beside_others if several else process, jobs=jobs))


def for_each_reference(
    pinned: Mapping[str, str], progress: Progress, do: Callable[[str, str], ImageOutcome], *, jobs: int = 1
) -> tuple[ImageOutcome, ...]:
    """Call a function for each image and its pinned reference, and return the outcomes in the order of the images.

    Args:
        pinned: image as given → `registry/repository@digest`.
        progress: each line names its image where several are processed at once.
        do: processes one image; what it raises ends the whole.
        jobs: how many are processed at once.
    """

    def process(item: tuple[str, str]) -> ImageOutcome:
        image, reference = item
        with showing(progress.for_image(image)) if jobs > 1 else nullcontext():
            return do(image, reference)

    return tuple(concurrency.for_each(tuple(pinned.items()), process, jobs=jobs))


def failed(outcome: ImageOutcome, error: S3CError) -> ImageOutcome:
    """Return the outcome with the error; what was done before stays in it."""
    error.image = error.image or outcome.image
    return replace(outcome, failure=error)


def unless_exempt(refused: Refused | None, image: str, options: ExitCodeOptions, progress: Progress) -> Refused | None:
    """Return the error of a closed gate; with `exit-code` 0, report it as a warning and return None."""
    if refused is None or options.exit_code:
        return refused
    progress.warning(f"{image}: {refused.what} The step goes on, as `exit-code` 0 asks.")
    return None
