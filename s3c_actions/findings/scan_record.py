"""What the run that made a report recorded of it: the `result.json` beside it, bound to the report by its checksum.

A report of Trivy's does not tell which severities it was asked for. The record tells what this program counted, and of
which bytes: a report that was filtered, edited or written again since is another one. It decides what a headline may
claim, never what a gate reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import msgspec

from s3c_actions.core import reading
from s3c_actions.findings.entry import NAMES, SeverityName
from s3c_actions.findings.model import Severity

FILE = "result.json"
_FOLDERS = 4
"""Its own and those above it: a report lies in `output-dir` or below, as in `app/patched/linux-arm64`."""


class _Hidden(msgspec.Struct, frozen=True):
    uncounted: list[SeverityName]


class _Counts(msgspec.Struct, frozen=True):
    hidden: _Hidden | None = None


class _Scan(msgspec.Struct, frozen=True):
    findings: _Counts
    report_sha256: str = ""
    platforms: list[_Scan] = []


class _Image(msgspec.Struct, frozen=True):
    scan: _Scan | None = None
    rescan: _Scan | None = None


class _Result(msgspec.Struct, frozen=True):
    version: int
    images: list[_Image]


_DECODER = msgspec.json.Decoder(_Result)


def checksum(data: bytes) -> str:
    """Return the SHA-256 checksum of a report, in hexadecimal."""
    return sha256(data).hexdigest()


def counted_severities(path: Path, data: bytes) -> frozenset[Severity]:
    """Return the severities that the run which made a report counted; none where no record is of this very report.

    Args:
        path: of the report; the records are looked for in its folder and those above it.
        data: its content.
    """
    own = checksum(data)
    for folder in list(path.absolute().parents)[:_FOLDERS]:
        for scan in _read_scans(folder / FILE):
            if scan.report_sha256 == own:
                uncounted = scan.findings.hidden.uncounted if scan.findings.hidden is not None else ()
                return frozenset(severity for severity in Severity if NAMES[severity] not in uncounted)
    return frozenset()


def _read_scans(path: Path) -> Iterator[_Scan]:
    """Yield the scans of a record and of their platforms; none when it is none of ours."""
    try:
        result = _DECODER.decode(reading.read_file(path, reading.MAX_DOCUMENT_BYTES))
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return
    for image in result.images:
        for scan in (image.scan, image.rescan):
            if scan is not None:
                yield from (scan, *scan.platforms)
