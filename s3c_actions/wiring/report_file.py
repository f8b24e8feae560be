"""Write one report where the input `output` says: a file of the caller's choice, or standard output."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from s3c_actions.core import reading, writing
from s3c_actions.core.errors import InputError, OutsideError, S3CError
from s3c_actions.options.report import STANDARD_OUTPUT, FormatOptions, ReportFileOptions
from s3c_actions.report.formats import sarif
from s3c_actions.result.model import ImageOutcome, Outcome
from s3c_actions.result.outputs import report_paths


def prepare(options: ReportFileOptions, images: int) -> None:
    """Check the file before anything runs, and remove the one of an earlier run, which must not pass as this run's.

    Args:
        options: of the command.
        images: their number.

    Raises:
        InputError: there are several images, or the path is no file's.
        OutsideError: the earlier file cannot be removed.
    """
    output = options.output
    if output is None:
        return
    if images > 1:
        raise InputError(
            "output",
            f"one file holds the report of one image, and {images} are given.",
            remedy="Give one image, or take the reports from `output-dir`.",
        )
    if output == STANDARD_OUTPUT:
        return
    writing.check(output, "output")
    _reject_input(options, output)
    if output.is_dir():
        raise InputError(
            "output", f"{output} is a folder.", remedy="Give a file's path; the folder of all reports is `output-dir`."
        )
    try:
        writing.remove(output)
    except OSError as error:
        raise _unwritable(output, error) from error


def _reject_input(options: ReportFileOptions, output: Path) -> None:
    """Raise InputError when the file is one that another input names: it would be lost."""
    for option in options.inputs():
        if not option.is_path or option.name == "output":
            continue
        value = getattr(options, option.attribute)
        for path in value if isinstance(value, tuple) else (value,):
            if path and Path(path).resolve() == output.resolve():
                raise InputError("output", f"{output} is what `{option.name}` names.", remedy="Give another path.")


def write(options: ReportFileOptions, outcome: Outcome) -> Outcome:
    """Copy the report to the file, or into the outcome's text for standard output.

    Args:
        options: of the command.
        outcome: of the one image. A closed gate does not matter; where the scan itself failed, nothing is written.

    Returns:
        The outcome; where the image has the report once for each platform, its failure is an InputError.
    """
    output = options.output
    if output is None:
        return outcome
    (image,) = outcome.images or (None,)
    if image is None or image.last_scan is None:
        return outcome
    form = options.format[0] if options.given(FormatOptions.format) else options.without_format
    try:
        data = _read(image, form)
        if data is None:
            return outcome
        if output == STANDARD_OUTPUT:
            return replace(outcome, text=data.decode(errors="replace"))
        try:
            writing.write(output, data)
        except OSError as error:
            raise _unwritable(output, error) from error
    except S3CError as error:
        return outcome if image.failure is not None else replace(outcome, images=(replace(image, failure=error),))
    return outcome


def _read(image: ImageOutcome, form: str) -> bytes | None:
    """Return a report's bytes; None for the OpenVEX document of a patch that fixed nothing.

    Raises:
        InputError: several platforms have one each, and the format has no file for several.
    """
    if form == "openvex":
        vex = image.patch.vex if image.patch is not None else None
        paths: tuple[Path, ...] = (vex,) if vex is not None else ()
    else:
        paths = report_paths(image, form)
    if not paths:
        return None
    if len(paths) > 1 and form != "sarif":
        raise InputError(
            "output",
            f"there is one {form} report for each of the image's {len(paths)} platforms, and one file holds one.",
            remedy=f"Give `platform`, or take them from `output-dir`: {', '.join(map(str, paths))}.",
        )
    documents = [reading.read_file(path, reading.MAX_REPORT_BYTES) for path in paths]
    return documents[0] if len(documents) == 1 else sarif.join(documents)


def _unwritable(path: Path, error: OSError) -> OutsideError:
    return OutsideError(
        f"The report cannot be written to {path}: {error.strerror}.",
        remedy="Give another path as `output`, or make room there.",
    )
