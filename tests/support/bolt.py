"""Writes small bbolt files as Trivy's vulnerability database is one, for tests that need one with chosen sources."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

PAGE = 4096
BRANCH, LEAF, META, FREE = 1, 2, 4, 16


def checksum(data: bytes) -> int:
    value = 0xCBF29CE484222325
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) & (2**64 - 1)
    return value


def meta(number: int, transaction: int, root: int, pages: int) -> bytes:
    fields = struct.pack("<IIIIQQQQQ", 0xED0CDAED, 2, PAGE, 0, root, 0, 2, pages, transaction)
    return page(number, META, 0, fields + struct.pack("<Q", checksum(fields)))


def page(number: int, flags: int, count: int, body: bytes = b"") -> bytes:
    return (struct.pack("<QHHI", number, flags, count, 0) + body).ljust(PAGE, b"\0")


def leaf_body(elements: Sequence[tuple[int, bytes, bytes]]) -> bytes:
    heads, data = b"", b""
    for index, (flags, key, value) in enumerate(elements):
        position = 16 * (len(elements) - index) + len(data)
        heads += struct.pack("<IIII", flags, position, len(key), len(value))
        data += key + value
    return heads + data


def inline(*keys: str) -> bytes:
    """A bucket small enough to stand in its parent."""
    elements = [(0, key.encode(), b"{}") for key in keys]
    return struct.pack("<QQ", 0, 0) + struct.pack("<QHHI", 0, LEAF, len(keys), 0) + leaf_body(elements)


def write(path: Path, filled: Iterable[str], empty: Iterable[str] = ()) -> None:
    """A database whose named buckets each hold one key, or none."""
    buckets = sorted([(name, inline("CVE-2026-1")) for name in filled] + [(name, inline()) for name in empty])
    body = leaf_body([(1, name.encode(), value) for name, value in buckets])
    root = page(3, LEAF, len(buckets), body)
    assert len(root) == PAGE, "more buckets than a page holds"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(meta(0, 0, 3, 4) + meta(1, 1, 3, 4) + page(2, FREE, 0) + root)


def metadata(path: Path, updated: str = "2026-11-28T00:00:00Z") -> None:
    facts = {"Version": 2, "NextUpdate": "2030-01-01T00:00:00Z", "UpdatedAt": updated, "DownloadedAt": updated}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(facts))
