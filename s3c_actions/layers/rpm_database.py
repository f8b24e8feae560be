"""Read rpm's database in SQLite (`rpmdb.sqlite`): its table `Packages` holds a header of each package.

https://rpm-software-management.github.io/rpm/manual/format_header.html; the database is untrusted, and is opened in
memory.
"""

from __future__ import annotations

import re
import sqlite3
import struct
from collections.abc import Iterator, Mapping

import msgspec

MAX_PACKAGES = 100_000
MAX_VALUES = 1_000_000
_NAME, _VERSION, _RELEASE, _EPOCH, _LICENCE, _ARCHITECTURE, _SOURCE = 1000, 1001, 1002, 1003, 1014, 1022, 1044
_MODES, _DIGESTS, _FLAGS, _INDEXES, _BASENAMES, _FOLDERS, _ALGORITHM = 1030, 1035, 1037, 1116, 1117, 1118, 5011
_ALGORITHMS = {"1": "md5", "2": "sha1", "8": "sha256"}
_CONFIGURATION = 1
_GHOST = 64
_TEXT_TYPES = frozenset({6, 8, 9})
_NUMBER_FORMATS = {2: "B", 3: "H", 4: "I", 5: "Q"}
_ENTRY = struct.Struct(">IIII")
_WAL_FORMAT, _ROLLBACK_FORMAT = b"\x02\x02", b"\x01\x01"


class InvalidDatabase(ValueError):
    """A database that is none, or a header in it that is malformed; the text is a clause."""


class RpmFile(msgspec.Struct, frozen=True, gc=False):
    """A file of a package; the digest is empty of what is no plain file."""

    algorithm: str
    digest: str
    mode: int
    configuration: bool


class RpmPackage(msgspec.Struct, frozen=True, kw_only=True):
    """An installed package; the version as `[EPOCH:]VERSION-RELEASE`."""

    name: str
    version: str
    architecture: str
    licence: str
    source: str
    files: Mapping[str, RpmFile]


def read_packages(content: bytes) -> Iterator[RpmPackage]:
    """Yield the packages of a database.

    Raises:
        InvalidDatabase: it cannot be read.
    """
    if content[18:20] == _WAL_FORMAT:
        # A database in memory has no write-ahead log; without one, these bytes are all that differs.
        content = content[:18] + _ROLLBACK_FORMAT + content[20:]
    connection = sqlite3.connect(":memory:")
    try:
        connection.deserialize(content)
        connection.execute("PRAGMA trusted_schema = OFF")
        listed = connection.execute("SELECT type, sql FROM sqlite_schema WHERE name = 'Packages'").fetchone()
        # A virtual table is a table too, and runs code of SQLite's on what is in the file.
        if listed is None or listed[0] != "table" or not re.match(r"CREATE TABLE\b", str(listed[1]), re.IGNORECASE):
            raise InvalidDatabase("it has no table of packages")
        for number, (blob,) in enumerate(connection.execute("SELECT blob FROM Packages")):
            if number >= MAX_PACKAGES or not isinstance(blob, bytes):
                raise InvalidDatabase("its table of packages holds something else")
            yield _package(blob)
    except (sqlite3.Error, MemoryError) as error:
        raise InvalidDatabase(str(error)[:100]) from None
    finally:
        connection.close()


def _package(blob: bytes) -> RpmPackage:
    try:
        tags = _tags(blob)
    except (struct.error, ValueError, IndexError) as error:
        raise InvalidDatabase(f"a header in it is malformed: {str(error)[:80]}") from None
    epoch = _first(tags, _EPOCH)
    version = f"{_first(tags, _VERSION)}-{_first(tags, _RELEASE)}"
    return RpmPackage(
        name=_first(tags, _NAME),
        version=f"{epoch}:{version}" if epoch not in ("", "0") else version,
        architecture=_first(tags, _ARCHITECTURE),
        licence=_first(tags, _LICENCE),
        source=_first(tags, _SOURCE).removesuffix(".src.rpm"),
        files=_files(tags),
    )


def _files(tags: Mapping[int, list[str] | list[int]]) -> dict[str, RpmFile]:
    names, folders, indexes = (tags.get(tag, []) for tag in (_BASENAMES, _FOLDERS, _INDEXES))
    digests, modes, flags = (tags.get(tag, []) for tag in (_DIGESTS, _MODES, _FLAGS))
    algorithm = _ALGORITHMS.get(_first(tags, _ALGORITHM) or "1", "")
    if not len(names) == len(indexes) == len(digests) == len(modes) == len(flags):
        raise InvalidDatabase("a header in it names files incompletely")
    files = {}
    for name, index, digest, mode, flag in zip(names, indexes, digests, modes, flags, strict=True):
        if not (isinstance(index, int) and isinstance(mode, int) and isinstance(flag, int)) or index >= len(folders):
            raise InvalidDatabase("a header in it names files wrongly")
        # What a package owns and does not ship has no content that it could state.
        stated = "" if flag & _GHOST else str(digest)
        files[f"{folders[index]}{name}".strip("/")] = RpmFile(
            algorithm if stated else "", stated, mode, bool(flag & _CONFIGURATION)
        )
    return files


def _first(tags: Mapping[int, list[str] | list[int]], tag: int) -> str:
    values = tags.get(tag, [])
    return str(values[0]) if values else ""


_WANTED = frozenset(
    {
        _NAME,
        _VERSION,
        _RELEASE,
        _EPOCH,
        _LICENCE,
        _ARCHITECTURE,
        _SOURCE,
        _MODES,
        _DIGESTS,
        _FLAGS,
        _INDEXES,
        _BASENAMES,
        _FOLDERS,
        _ALGORITHM,
    }
)


def _tags(blob: bytes) -> dict[int, list[str] | list[int]]:
    """Return tag → values of a header: its index, an entry of 16 bytes each, and the store that it points into."""
    count, size = struct.unpack_from(">II", blob)
    store = blob[8 + 16 * count :]
    if len(store) < size:
        raise ValueError("it is cut off")
    tags: dict[int, list[str] | list[int]] = {}
    for number in range(count):
        tag, kind, offset, values = _ENTRY.unpack_from(blob, 8 + 16 * number)
        if tag not in _WANTED:
            continue
        if values > MAX_VALUES or offset > len(store) or tag in tags:
            raise ValueError("it has more values than bytes, or a tag twice")
        if kind in _TEXT_TYPES:
            texts: list[str] = []
            for _ in range(1 if kind == 6 else values):
                end = store.index(b"\0", offset)
                texts.append(store[offset:end].decode("utf-8", "surrogateescape"))
                offset = end + 1
            tags[tag] = texts
        elif kind in _NUMBER_FORMATS:
            tags[tag] = list(struct.unpack_from(f">{values}{_NUMBER_FORMATS[kind]}", store, offset))
    return tags
