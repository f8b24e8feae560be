"""The findings to compare with: a report of Trivy, or the `result.json` of an earlier run, as of the base branch."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from s3c_actions.core import reading
from s3c_actions.core.errors import InputError
from s3c_actions.core.reference import Reference
from s3c_actions.findings import trivy_report
from s3c_actions.findings.entry import FindingEntry, finding
from s3c_actions.findings.model import Hidden, ScanReport, Severity, rank_findings

FIELD = "baseline"


class _Finding(FindingEntry, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=False):
    """A finding as another version may write it: with keys that this version does not know, or without some it has."""

    path: str = ""
    detail: str | None = None


class _Hidden(msgspec.Struct, frozen=True):
    filtered: dict[str, int] = msgspec.field(default_factory=dict)
    unfixed: dict[str, int] = msgspec.field(default_factory=dict)


class _Numbers(msgspec.Struct, frozen=True):
    """Numbers of findings; of an older version without `hidden`."""

    hidden: _Hidden = msgspec.field(default_factory=_Hidden)


class _Image(msgspec.Struct, frozen=True):
    image: str
    reference: str
    findings: _Numbers | None
    remaining: list[_Finding]


class _Result(msgspec.Struct, frozen=True):
    version: Literal[1]
    images: list[_Image]


def is_result(path: Path) -> bool:
    """Whether a file is a `result.json`, which may hold several images."""
    try:
        msgspec.json.decode(reading.read_json_file(path, reading.MAX_REPORT_BYTES), type=_Result)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    return True


def read(path: Path, image: str) -> ScanReport:
    """Read the findings that an image is compared with.

    Args:
        path: of Trivy's JSON report, or of a `result.json`.
        image: to be compared; its repository is looked up among the images of a `result.json`.

    Raises:
        InputError: the file cannot be read, is neither, or does not hold this image.
    """
    if not is_result(path):
        return trivy_report.read(path, field=FIELD)
    result = msgspec.json.decode(reading.read_json_file(path, reading.MAX_REPORT_BYTES), type=_Result)
    scanned = [entry for entry in result.images if entry.findings is not None]
    matches = [entry for entry in scanned if _name(image) in {_name(entry.image), _name(entry.reference)}]
    if len(matches) != 1:
        names = ", ".join(entry.image for entry in scanned[:5]) or "no image that was scanned"
        raise InputError(
            FIELD,
            f"{str(path)!r} has {names}, and {'no' if not matches else 'more than one'} image of {_name(image)}.",
            remedy="Give the result.json of a run that scanned this image's repository once, or an image to scan.",
        )
    findings = [finding(entry) for entry in matches[0].remaining]
    hidden = matches[0].findings.hidden if matches[0].findings is not None else _Hidden()
    return ScanReport(
        image=matches[0].image,
        digest="",
        findings=rank_findings(findings),
        created="",
        database="",
        hidden=Hidden(
            filtered={Severity.of(name): number for name, number in hidden.filtered.items()},
            unfixed={Severity.of(name): number for name, number in hidden.unfixed.items()},
        ),
    )


def _name(image: str) -> str:
    try:
        return Reference.parse(image).name
    except InputError:
        return image
