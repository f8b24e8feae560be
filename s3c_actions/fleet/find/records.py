"""Keep what was read of signed documents on this machine: authenticated, and complete for each trust of its own."""

from __future__ import annotations

import hashlib
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import ClassVar, TypeVar

import msgspec

from s3c_actions.core import reading
from s3c_actions.core.sealing import Seal
from s3c_actions.fleet.find.facts import EXTRACTION, Record, Verification

T = TypeVar("T", Record, Verification)

MAX_KEPT = 20_000
"""Documents of 10,000 images: a bill of materials and a report of each."""
_PRUNED_TO = MAX_KEPT * 9 // 10
_SEAL_BYTES = 32


class RecordStore:
    """A folder of records, each under the hash of document, trust and way of reading, and authenticated with a key.

    Args:
        folder: created when something is kept.
        key: for the seal; it must not lie in the folder. Without one, records are kept for this run alone.
    """

    FOLDER: ClassVar[str] = "find"

    def __init__(self, folder: Path, key: bytes) -> None:
        self._folder, self._key, self._seal = folder, key, Seal(key, "find record 2")
        self._of_this_run: dict[str, Record] = {}

    def find(self, evidence: str, trust: str) -> Record | None:
        """Return what is kept of a document; None when nothing is, or when somebody else wrote or moved it.

        Args:
            evidence: digest of the document's manifest.
            trust: hash of the trusted signers.
        """
        name = _name(evidence, trust)
        return self._of_this_run.get(name) or self._read(name, Record)

    def keep(self, record: Record) -> None:
        """Keep a record in place of an earlier one, for this run alone where the cache cannot be written."""
        name = _name(record.facts.evidence, record.verification.trust)
        self._of_this_run[name] = record
        self._write(name, record)

    def find_index(self, digest: str, trust: str) -> Verification | None:
        """Return how an index was verified whose records were all taken over; None when they were not."""
        return self._read(_name(digest, trust), Verification)

    def keep_index(self, digest: str, verification: Verification) -> None:
        """Keep that the records of an index were all taken over."""
        self._write(_name(digest, verification.trust), verification)

    def _read(self, name: str, kind: type[T]) -> T | None:
        try:
            data = reading.read_file(self._folder / name, reading.MAX_DOCUMENT_BYTES)
        except OSError:
            return None
        seal, content = data[:_SEAL_BYTES], data[_SEAL_BYTES:]
        if not self._seal.fits(seal, name.encode(), content):
            return None
        try:
            return msgspec.json.decode(content, type=kind)
        except msgspec.DecodeError:
            return None

    def _write(self, name: str, kept: Record | Verification) -> None:
        if not self._key:
            return
        content = msgspec.json.encode(kept)
        with suppress(OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor, temporary = tempfile.mkstemp(prefix=".new-", dir=self._folder)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(self._seal.of(name.encode(), content) + content)
                Path(temporary).replace(self._folder / name)
            finally:
                Path(temporary).unlink(missing_ok=True)

    def prune(self) -> None:
        """Delete the oldest records when there are too many; do nothing where that is not possible."""
        with suppress(OSError):
            entries = [entry for entry in os.scandir(self._folder) if entry.is_file(follow_symlinks=False)]
            if len(entries) <= MAX_KEPT:
                return
            entries.sort(key=lambda entry: entry.stat(follow_symlinks=False).st_mtime)
            for entry in entries[: len(entries) - _PRUNED_TO]:
                Path(entry.path).unlink(missing_ok=True)


def _name(evidence: str, trust: str) -> str:
    return hashlib.sha256(f"{EXTRACTION}\0{evidence}\0{trust}".encode()).hexdigest()
