"""Keep reports for reuse: the same content, scanned in the same way with the same data, gives the same report."""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from s3c_actions.core import reading
from s3c_actions.core.errors import S3CError
from s3c_actions.core.moments import parse_moment
from s3c_actions.core.sealing import Seal
from s3c_actions.findings import trivy_report
from s3c_actions.findings.model import ScanReport
from s3c_actions.options.declare import Group, Input

MAX_KEPT = 200
_THIS_PROCESS = secrets.token_bytes(32)


class KeptReport(msgspec.Struct, frozen=True, kw_only=True):
    """A report that was kept: Trivy's JSON, and its content."""

    path: Path
    report: ScanReport


class ReportStore:
    """A folder of reports, each under the hash of everything it depends on, and authenticated with a key.

    Args:
        folder: created when something is kept.
        key: for the seal; it must not lie in the folder. Without one, only reports of this process are found again.
    """

    FOLDER: ClassVar[str] = "scans"

    def __init__(self, folder: Path, key: bytes = _THIS_PROCESS) -> None:
        self._folder, self._seal = folder, Seal(key, "kept report 1")

    def find(
        self, facts: Mapping[str, object], *, digest: str, now: datetime, within: timedelta | None = None
    ) -> KeptReport | None:
        """Return the report for these facts, if there is an intact one that matches them.

        Args:
            facts: everything a report depends on, as JSON values.
            digest: of the image; the report has to name it.
            now: reports from the future are rejected.
            within: the maximum age; None: any.
        """
        folder = self._folder / _key(facts)
        path = folder / "trivy.json"
        try:
            record = reading.parse_json(reading.read_text_file(folder / "about.json"))
            data = reading.read_file(path, reading.MAX_REPORT_BYTES)
        except (OSError, ValueError):
            return None
        if not isinstance(record, dict) or record.get("facts") != facts:
            return None
        if not self._seal.fits(_seal_of(record), _encode_facts(facts), data):
            return None
        try:
            report = trivy_report.parse(data)
            created = parse_moment(report.created)
        except (ValueError, S3CError):
            return None
        if (
            report.digest != digest
            or created is None
            or created > now
            or (within is not None and now - created > within)
        ):
            return None
        return KeptReport(path=path, report=report)

    def keep(self, facts: Mapping[str, object], report: Path) -> None:
        """Keep a report; do nothing where the cache cannot be written."""
        with suppress(OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            temporary = Path(tempfile.mkdtemp(prefix=".new-", dir=self._folder))
            try:
                shutil.copyfile(report, temporary / "trivy.json")
                seal = self._seal.of(_encode_facts(facts), (temporary / "trivy.json").read_bytes())
                record = {"facts": dict(facts), "signature": seal.hex()}
                (temporary / "about.json").write_text(json.dumps(record), encoding="utf-8")
                target = self._folder / _key(facts)
                shutil.rmtree(target, ignore_errors=True)
                # A parallel run may have stored the same report in between, which is just as good.
                with suppress(OSError):
                    temporary.rename(target)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
            self._prune()

    def _prune(self) -> None:
        entries = sorted(self._folder.iterdir(), key=lambda entry: entry.stat().st_mtime, reverse=True)
        for old in entries[MAX_KEPT:]:
            shutil.rmtree(old, ignore_errors=True)


def _seal_of(record: Mapping[str, object]) -> bytes:
    try:
        return bytes.fromhex(str(record.get("signature")))
    except ValueError:
        return b""


def _key(facts: Mapping[str, object]) -> str:
    return hashlib.sha256(_encode_facts(facts)).hexdigest()


def _encode_facts(facts: Mapping[str, object]) -> bytes:
    return json.dumps(facts, sort_keys=True).encode()


def asked(options: Group, group: type[Group]) -> tuple[tuple[str, str], ...]:
    """Return the facts of every input of a group: its value, and for files the hash of their content.

    Args:
        options: the values.
        group: the inputs that count; they are among those of `options`.

    Returns:
        Name and described value of each input.
    """
    return tuple(
        (option.name, _describe_value(option, getattr(options, option.attribute))) for option in group.inputs()
    )


def _describe_value(option: Input[Any], value: object) -> str:
    if not option.is_path:
        return repr(value)
    paths = value if isinstance(value, tuple) else () if value is None else (value,)
    return repr([_hash_contents(Path(str(path)).expanduser()) or str(path) for path in paths])


def _hash_contents(path: Path) -> str:
    """Return the SHA-256 of a file, or of every file in a folder; empty when there is none."""
    if not path.is_dir():
        return file_hash(path)
    return repr([(str(file.relative_to(path)), file_hash(file)) for file in sorted(path.rglob("*")) if file.is_file()])


def file_hash(path: Path | None) -> str:
    """Return the SHA-256 of a file; empty for none or one that does not exist."""
    if path is None:
        return ""
    try:
        return hashlib.sha256(reading.read_file(path)).hexdigest()
    except OSError:
        return ""
