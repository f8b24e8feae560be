"""Trivy's report of one image: that of a new run, or a kept one that says the same."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from s3c_actions.core import writing
from s3c_actions.core.errors import InputError, OutsideError
from s3c_actions.core.progress import Progress
from s3c_actions.findings import trivy_report, trivy_warnings
from s3c_actions.findings.model import ScanReport
from s3c_actions.findings.trivy_warnings import WarningAssessment
from s3c_actions.programs.trivy.arguments import ScanRequest
from s3c_actions.report.format_registry import by_name
from s3c_actions.steps.scan.reuse_facts import reuse_facts
from s3c_actions.steps.scan.settings import ScanSettings
from s3c_actions.steps.scan.target import ScanTarget

if TYPE_CHECKING:
    from s3c_actions.steps.protocols import Scanner


def obtain_report(
    image: str, target: ScanTarget, settings: ScanSettings, trivy: Scanner, progress: Progress
) -> tuple[Path, timedelta | None, WarningAssessment]:
    """Return Trivy's JSON in the image's folder, the age of a kept report, and the judgement of Trivy's warnings.

    Args:
        image: as given.
        target: what Trivy scans of it.
        settings: of the scan, with the store of kept reports.
        trivy: the program.
        progress: of Trivy.

    Returns:
        The age is None for a new report.

    Raises:
        InputError: the image does not exist where it was looked for.
        OutsideError: Trivy failed, or the folder cannot be written.
    """
    path = settings.folder / by_name("json").file
    store = settings.store
    before = reuse_facts(target.pinned, settings, trivy) if store is not None else None
    _make_folder(settings.folder)
    if store is not None and before is not None:
        kept = store.find(before, digest=target.digest, now=settings.now, within=_maximum_kept_age(settings, trivy))
        if kept is not None:
            with _writing_to(path):
                writing.write(path, kept.data)
            return path, settings.now - datetime.fromisoformat(kept.report.created), trivy_warnings.NO_WARNINGS
    new = settings.temp / f"trivy-{threading.get_ident()}.json"
    new.unlink(missing_ok=True)
    try:
        options = replace(settings.options, platform=target.platform or settings.options.platform)
        request = ScanRequest(image=target.name, source=target.source, output=new, options=options, asked=image)
        warned = trivy_warnings.assess_warnings(trivy.scan(request, progress), settings.options.scanners)
    except InputError as error:
        # The registry's error explains more than the absence from the local Docker.
        if target.refused is not None and error.field == "image":
            raise target.refused from error
        raise
    except OutsideError as error:
        if target.refused is not None and "local docker" in error.what:
            raise target.refused from error
        raise
    with _writing_to(path):
        writing.copy(new, path)
    new.unlink(missing_ok=True)
    after = reuse_facts(target.pinned, settings, trivy) if store is not None else None
    # Only reports without warnings are kept: a kept report is later used as one.
    if store is not None and after is not None and before in (None, after) and warned == trivy_warnings.NO_WARNINGS:
        store.keep(after, path)
    return path, None, warned


def _maximum_kept_age(settings: ScanSettings, trivy: Scanner) -> timedelta | None:
    """Return how old a kept report may be: one that the gate would reject is not looked for."""
    criteria = settings.criteria(trivy)
    limits = [settings.reuse_within, criteria.maximum_age if criteria.closes else None]
    return min((limit for limit in limits if limit is not None), default=None)


def read_checked(path: Path, image: str, target: ScanTarget, settings: ScanSettings) -> ScanReport:
    """Return the report, checked to be of the requested digest and platform.

    Args:
        path: of Trivy's JSON.
        image: as given.
        target: what Trivy was to scan.
        settings: of the scan.

    Raises:
        InputError: the image is for another platform.
        OutsideError: Trivy scanned another image, or its report is not understood.
    """
    report = trivy_report.read_output(path, image=image)
    requested = settings.options.platform
    if requested and report.platform and not _same_platform(requested, report.platform):
        raise InputError(
            "platform",
            f"the image has none for {requested}: it is for {report.platform} alone.",
            remedy=f"Leave the platform out, or give {report.platform}.",
            image=image,
        )
    if target.digest and report.digest and report.digest != target.digest:
        raise OutsideError(
            f"Trivy scanned {report.digest}, not {target.digest}.",
            cause="Its registry answered with another image, or a mirror in trivy.yaml has another one.",
            remedy="Scan again.",
            image=image,
        )
    archive = settings.source == "archive"
    return replace(report, image=image, archive=archive, digest=target.digest or report.digest)


def _same_platform(requested: str, actual: str) -> bool:
    return all(
        requested_part == actual_part
        for requested_part, actual_part in zip(requested.split("/"), actual.split("/"), strict=False)
    )


def _make_folder(folder: Path) -> None:
    try:
        writing.make_folder(folder)
    except OSError as error:
        raise _unwritable(folder, error) from error


@contextmanager
def _writing_to(target: Path) -> Iterator[None]:
    """Report what keeps a file from being written."""
    try:
        yield
    except OSError as error:
        raise _unwritable(target.parent, error) from error


def _unwritable(folder: Path, error: OSError) -> OutsideError:
    return OutsideError(
        f"Reports cannot be written to {folder}: {error.strerror}.",
        remedy="Give another folder with `output-dir`, or make room there.",
    )
