"""Process images, several at once; a failure of one does not stop the others."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Collection, Mapping
from contextlib import nullcontext

from msgspec.structs import replace

from s3c_actions import __version__
from s3c_actions.core import concurrency, storage_errors
from s3c_actions.core.errors import BugError, Refused, S3CError
from s3c_actions.core.progress import Progress, showing
from s3c_actions.options.report import ExitCodeOptions
from s3c_actions.result.model import ImageOutcome
from s3c_actions.result.smoke import SmokeRefused
from s3c_actions.wiring.context import Context


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
            progress.show_heading(image)
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
    smoke = error.result if isinstance(error, SmokeRefused) else outcome.smoke
    return replace(outcome, failure=error, smoke=smoke)


def unless_exempt(refused: Refused | None, image: str, options: ExitCodeOptions, progress: Progress) -> Refused | None:
    """Return the error of a closed gate; with `exit-code` 0, report it as a warning and return None."""
    if refused is None or options.exit_code:
        return refused
    progress.warning(f"{image}: {refused.what} The step goes on, as `exit-code` 0 asks.")
    return None


def isolated(do: Callable[[str], ImageOutcome], context: Context) -> Callable[[str], ImageOutcome]:
    """Return the function with every exception of its own as the failure of its one image: a bug stops no other.

    Args:
        do: processes one image.
        context: of the run; the traceback is shown in its log.
    """

    def process(image: str) -> ImageOutcome:
        try:
            return do(image)
        except S3CError as error:
            return failed(ImageOutcome(image=image), error)
        except Exception as error:
            translated = storage_errors.translate(error) if isinstance(error, OSError) else None
            return failed(ImageOutcome(image=image), translated or _bug(error, context))

    return process


def _bug(error: Exception, context: Context) -> BugError:
    for line in context.secrets.redact("".join(traceback.format_exception(error))).splitlines():
        context.progress.line(line)
    return BugError(
        f"A bug of s3c ended it: {type(error).__name__}.",
        remedy=f"Please report it with the traceback from the log, of s3c {__version__}.",
        original=context.secrets.redact(str(error)),
    )
