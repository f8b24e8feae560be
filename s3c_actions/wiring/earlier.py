"""The output of earlier steps: the reports, the OpenVEX document and the facts of a patch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from s3c_actions.core.errors import InputError
from s3c_actions.options.evidence import EarlierOptions
from s3c_actions.wiring import result_files

if TYPE_CHECKING:
    from s3c_actions.report.document import ImageResult, PatchEntry, ScanEntry


class Earlier(msgspec.Struct, frozen=True, kw_only=True):
    """The output of earlier steps that the inputs name.

    Attributes:
        field: name of the input that gives the reports.
        reports: Trivy's JSON, of each image or of each of its platforms.
        openvex: image → the document on what its patch fixed.
        patches: image → the facts of its patch, as result.json has them.
    """

    field: str
    reports: tuple[Path, ...]
    openvex: Mapping[str, Path]
    patches: Mapping[str, PatchEntry]


def earlier(options: EarlierOptions, references: Mapping[str, str]) -> Earlier:
    """Read the inputs `results`, `report` and `openvex`; the reports themselves are not opened here.

    Args:
        options: of the command.
        references: image as given → `registry/repository@digest`.

    Raises:
        InputError: `results` and `report` are given, or a result cannot be read, or none is of an image, or a file
            that a result names does not exist.
    """
    document = options.openvex
    openvex = dict.fromkeys(references, document) if document is not None else {}
    if not options.results:
        return Earlier(field=EarlierOptions.report.name, reports=options.report, openvex=openvex, patches={})
    if options.report:
        raise InputError(
            EarlierOptions.results.name,
            "it is given beside report, and both name the reports.",
            remedy="Give one of both.",
        )
    documents = result_files.located(options.results)
    entries = [(path, image) for path, result in documents for image in result.images]
    reports: list[Path] = []
    vex_files: dict[str, Path] = {}
    patches: dict[str, PatchEntry] = {}
    for image, reference in references.items():
        digest = reference.rpartition("@")[2]
        of_image = [(path, entry) for path, entry in entries if entry.digest == digest]
        scans = [
            (path, scan) for path, entry in of_image for scan in _scans(entry) if _digest(scan.reference) == digest
        ]
        if not scans:
            available = sorted({entry.reference for _, entry in entries if entry.reference})
            raise InputError(
                EarlierOptions.results.name,
                f"none of them has a scan of {reference}.",
                cause=f"They are of {', '.join(available) or 'no image'}.",
                remedy="Give the reference that the step handed on, or scan this image.",
                image=image,
            )
        reports += _reports(*scans[-1])
        for path, patch in ((path, entry.patch) for path, entry in of_image if entry.patch is not None):
            if patch.patched and _digest(patch.reference) == digest:
                patches[image] = patch
                if patch.vex:
                    vex_files[image] = _find_file(path, patch.vex)
    return Earlier(
        field=EarlierOptions.results.name, reports=tuple(reports), openvex={**vex_files, **openvex}, patches=patches
    )


def check_files(options: EarlierOptions) -> None:
    """Look at the files that the inputs name, before a registry is asked for the images that they are of.

    Raises:
        InputError: a result cannot be read, or a report or the OpenVEX document is not there.
    """
    if options.results:
        result_files.located(options.results)
    document = options.openvex
    for field, files in (
        (EarlierOptions.report.name, options.report),
        (EarlierOptions.openvex.name, (document,) if document is not None else ()),
    ):
        for file in files:
            if not file.is_file():
                problem = "is a folder" if file.is_dir() else "does not exist"
                raise InputError(field, f"{str(file)!r} {problem}.", remedy="Look at the path.")


def _scans(image: ImageResult) -> Iterator[ScanEntry]:
    """Yield the scans of an image, before a patch and after it."""
    yield from (scan for scan in (image.scan, image.rescan) if scan is not None)


def _digest(reference: str) -> str:
    return reference.rpartition("@")[2]


def _reports(result: Path, scan: ScanEntry) -> Iterator[Path]:
    """Yield the path of Trivy's JSON of each platform."""
    for part in scan.platforms or (scan,):
        name = part.files.get("json")
        if not name:
            raise InputError(EarlierOptions.results.name, f"{result} names no JSON report of {part.reference}.")
        yield _find_file(result, name)


def _find_file(result: Path, name: str) -> Path:
    """Find a file that a result names: below the result's folder, which may have moved, else at its original path."""
    parts = [part for part in Path(name).parts if part != "/"]
    candidates = [result.parent.joinpath(*parts[start:]) for start in range(len(parts))] if ".." not in parts else []
    for path in (*candidates, Path(name)):
        if path.is_file():
            return path
    raise InputError(
        EarlierOptions.results.name,
        f"{result} names {name}, which is not there.",
        remedy="Give the folder as the step left it, with the reports in it.",
    )
