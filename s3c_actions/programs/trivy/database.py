"""The sources of the advisories in Trivy's vulnerability database, read from the file itself.

The file is a bbolt database (https://pkg.go.dev/go.etcd.io/bbolt, page.go and meta.go): little-endian pages in a
B+ tree, whose top level names one bucket a source. Only the pages of that level are read.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from pathlib import Path

_MAGIC, _VERSION = 0xED0CDAED, 2
_BRANCH, _LEAF, _META = 0x01, 0x02, 0x04
_IS_BUCKET = 0x01
_PAGE = struct.Struct("<QHHI")  # id, flags, count, overflow
_BRANCH_ELEMENT = struct.Struct("<IIQ")  # position, key's size, page
_LEAF_ELEMENT = struct.Struct("<IIII")  # flags, position, key's size, value's size
_META_FIELDS = struct.Struct(
    "<IIIIQQQQQQ"
)  # magic, version, page size, flags, root, sequence, free, pages, tx, checksum
_BUCKET = struct.Struct("<QQ")  # root page, sequence
_NO_SOURCES = frozenset({"data-source", "vulnerability", "vulnerability-detail", "vulnerability-id", "advisory-detail"})
"""Buckets that are no source of advisories."""


def read_sources(path: Path) -> frozenset[str] | None:
    """The names of the buckets that hold anything.

    Args:
        path: of `trivy.db`.

    Returns:
        None when there is no such file; nothing when it is damaged, because a database that cannot be read holds no
        advisories.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return frozenset(name for name, filled in _buckets(data) if filled and name not in _NO_SOURCES)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError, struct.error):
        return frozenset()


def _buckets(data: mmap.mmap) -> Iterator[tuple[str, bool]]:
    """Each bucket of the top level, and whether it has content."""
    size, root = _newest_meta(data)
    for flags, name, value in _leaves(data, size, root, set()):
        if flags & _IS_BUCKET:
            page, _ = _BUCKET.unpack_from(value)
            _, _, count, _ = _PAGE.unpack_from(data, page * size) if page else _PAGE.unpack_from(value, _BUCKET.size)
            yield name.decode(), count > 0


def _newest_meta(data: mmap.mmap) -> tuple[int, int]:
    """Page size and root page, by the newer of the two meta pages that is whole.

    Raises:
        ValueError: this is no bbolt file.
    """
    best = None
    first = _META_FIELDS.unpack_from(data, _PAGE.size)
    for offset in (0, first[2] if first[0] == _MAGIC else 4096):
        if offset + _PAGE.size + _META_FIELDS.size > len(data):
            continue
        meta = _META_FIELDS.unpack_from(data, offset + _PAGE.size)
        whole = _fnv1a(data[offset + _PAGE.size : offset + _PAGE.size + _META_FIELDS.size - 8]) == meta[-1]
        if meta[0] == _MAGIC and meta[1] == _VERSION and whole and (best is None or meta[8] > best[8]):
            best = meta
    if best is None or not 512 <= best[2] <= 1 << 20:
        raise ValueError("no meta page of bbolt")
    return best[2], best[4]


def _leaves(data: mmap.mmap, size: int, number: int, visited: set[int]) -> Iterator[tuple[int, bytes, bytes]]:
    """Flags, key and value of every leaf element below a page.

    Raises:
        ValueError: the tree is damaged.
    """
    if number in visited:
        raise ValueError("a page that is its own ancestor")
    visited.add(number)
    start = number * size
    _, flags, count, _ = _PAGE.unpack_from(data, start)
    for index in range(count):
        if flags & _BRANCH:
            _, _, page = _BRANCH_ELEMENT.unpack_from(data, start + _PAGE.size + index * _BRANCH_ELEMENT.size)
            yield from _leaves(data, size, page, visited)
        elif flags & _LEAF:
            place = start + _PAGE.size + index * _LEAF_ELEMENT.size
            kind, position, key, value = _LEAF_ELEMENT.unpack_from(data, place)
            begin = place + position
            if begin + key + value > len(data):
                raise ValueError("an element that goes on after the file's end")
            yield kind, data[begin : begin + key], data[begin + key : begin + key + value]
        else:
            raise ValueError("a page that is neither branch nor leaf")


def _fnv1a(data: bytes) -> int:
    """64-bit FNV-1a, bbolt's checksum of a meta page."""
    value = 0xCBF29CE484222325
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return value
