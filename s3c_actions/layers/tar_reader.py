"""Read the entries of a layer from its stream, as Go's archive/tar does, by which runtimes unpack layers.

https://github.com/opencontainers/image-spec/blob/v1.1.0/layer.md; ustar and its extended headers by POSIX.1-2017, pax.
The standard library's reader is not used: it reads extended headers of any length into memory, takes what other formats
have at the place of a prefix for one, and needs four times as long for a header as for the rest.
"""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

import msgspec
from msgspec.structs import replace

from s3c_actions.layers.decompression import UnreadableLayer
from s3c_actions.layers.model import Checksums, Entry, EntryType

BLOCK = 512
MAX_EXTENDED = 1024 * 1024
"""Most bytes of an extended header, which holds names and extended attributes."""
MAX_NAME = 4096
TOO_LARGE = "it expands to more than is read here"
_ZEROS = bytes(BLOCK)
_FILES = frozenset({tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE})
_TYPES = {
    tarfile.DIRTYPE: EntryType.FOLDER,
    tarfile.SYMTYPE: EntryType.SYMLINK,
    tarfile.CHRTYPE: EntryType.CHARACTER,
    tarfile.BLKTYPE: EntryType.BLOCK,
    tarfile.FIFOTYPE: EntryType.PIPE,
}
_ATTRIBUTE = "SCHILY.xattr."
_SPARSE = "GNU.sparse."


class Member(msgspec.Struct, frozen=True, kw_only=True, gc=False, array_like=True):
    """An entry of a layer.

    Attributes:
        path: without `/` at its ends and without empty and `.` parts; empty for the root.
        escapes: whether the name has a part `..`.
        entry: what it is; of a hard link None.
        link: path that a hard link is another name of.
    """

    path: str
    escapes: bool
    entry: Entry | None
    link: str = ""


class ContentSpool(Protocol):
    """What receives the content of every file of a layer."""

    def write(self, piece: bytes) -> object:
        """Take the next piece of a file's content."""

    def finish(self, sha256: bytes) -> object:
        """Take the end of a file's content, with its digest."""


class LayerStream:
    """The content of a layer, read in order.

    Args:
        pieces: the content, not compressed.
        allowance: the number of bytes that may be read; what is left is in `allowance`.
    """

    def __init__(self, pieces: Iterable[bytes], allowance: int) -> None:
        self._pieces = iter(pieces)
        self._buffer = b""
        self._position = 0
        self._hash = hashlib.sha256()
        self.allowance = allowance
        self.size = 0

    @property
    def digest(self) -> str:
        """Return the digest of what was read."""
        return f"sha256:{self._hash.hexdigest()}"

    def take(self, count: int) -> bytes:
        """Return the next bytes, fewer only at the end."""
        end = self._position + count
        if end <= len(self._buffer):
            taken = self._buffer[self._position : end]
            self._position = end
            return taken
        return b"".join(self.pieces(count))

    def pieces(self, count: int) -> Iterator[bytes]:
        """Yield the next bytes in pieces, fewer only at the end."""
        while count > 0:
            if self._position >= len(self._buffer) and not self._fill():
                return
            piece = self._buffer[self._position : self._position + count]
            self._position += len(piece)
            count -= len(piece)
            yield piece

    def drain(self) -> None:
        """Read to the end."""
        while self._fill():
            pass

    def _fill(self) -> bool:
        piece = b""
        while not piece:
            try:
                piece = next(self._pieces)
            except StopIteration:
                return False
        self._buffer, self._position = piece, 0
        self._hash.update(piece)
        self.size += len(piece)
        self.allowance -= len(piece)
        if self.allowance < 0:
            raise UnreadableLayer(TOO_LARGE)
        return True


class _Extended(msgspec.Struct):
    """What extended headers say of the entry after them."""

    records: dict[str, bytes] = msgspec.field(default_factory=dict)
    name: bytes | None = None
    link: bytes | None = None


def read_members(
    stream: LayerStream, keeps: Callable[[str, int], bool], *, checksums: bool, spool: ContentSpool | None = None
) -> Iterator[Member]:
    """Yield the entries of a layer in their order; what follows the archive's end is read too, and means nothing.

    Args:
        stream: of the layer.
        keeps: whether the content of a file is kept, by path and size in bytes.
        checksums: whether the digests of package databases are computed.
        spool: receives the content of every file.

    Raises:
        UnreadableLayer: it is no tar archive, is cut off, or holds what runtimes reject or read differently.
    """
    extended = _Extended()
    while True:
        block = stream.take(BLOCK)
        if not block or block == _ZEROS:
            if stream.take(BLOCK) not in (b"", _ZEROS):
                raise UnreadableLayer("its end is one that runtimes reject")
            stream.drain()
            return
        header = _header(block)
        kind = header.type
        if kind == tarfile.XHDTYPE:
            extended.records = _records(_extended(stream, header.size))  # as Go does: the last one counts
        elif kind == tarfile.XGLTYPE:
            _extended(stream, header.size)  # as runtimes do: it is about no entry
        elif kind == tarfile.GNUTYPE_LONGNAME:
            extended.name = _extended(stream, header.size).rstrip(b"\0")
        elif kind == tarfile.GNUTYPE_LONGLINK:
            extended.link = _extended(stream, header.size).rstrip(b"\0")
        else:
            yield _member(stream, header, extended, keeps, checksums=checksums, spool=spool)
            extended = _Extended()


class _Header(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A block of 512 bytes before an entry; a name without its trailing NULs."""

    name: str
    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    type: bytes
    linkname: str
    devmajor: int = 0
    devminor: int = 0


def _header(block: bytes) -> _Header:
    kind = block[156:157]
    ustar = block[257:265] == b"ustar\x0000"
    # Of other formats these bytes are no part of the name, which some readers take them for.
    if len(block) != BLOCK or block[508:512] == b"tar\0" or (not ustar and block[345:500].strip(b"\0")):
        raise UnreadableLayer("it is no tar archive, or one of a format that readers understand differently")
    # The checksum counts its own eight bytes as spaces.
    if sum(block) - sum(block[148:156]) + 256 != _number(block[148:156]):
        raise UnreadableLayer("it is no tar archive: the checksum of a header in it is wrong")
    name = block[:100].partition(b"\0")[0]
    if ustar and block[345]:
        name = block[345:500].partition(b"\0")[0] + b"/" + name
    is_device = kind in b"34"
    return _Header(
        name=name.decode("utf-8", "surrogateescape"),
        mode=_number(block[100:108]),
        uid=_number(block[108:116]),
        gid=_number(block[116:124]),
        size=_number(block[124:136]),
        mtime=_number(block[136:148]),
        type=kind,
        linkname=block[157:257].partition(b"\0")[0].decode("utf-8", "surrogateescape") if block[157] else "",
        devmajor=_number(block[329:337]) if is_device else 0,
        devminor=_number(block[337:345]) if is_device else 0,
    )


def _number(field: bytes) -> int:
    """Return a number in octal, or in base 256 where its first bit is set, as GNU tar writes large ones."""
    digits = field.rstrip(b"\0 ")
    if digits.isdigit() and not digits.strip(b"01234567"):
        return int(digits, 8)
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    text = field.partition(b"\0")[0].strip(b" ")
    if text.strip(b"01234567"):
        raise UnreadableLayer("it is no tar archive: a number in a header is none")
    return int(text or b"0", 8)


def _extended(stream: LayerStream, size: int) -> bytes:
    if size > MAX_EXTENDED:
        raise UnreadableLayer(f"a header in it is longer than {MAX_EXTENDED // 1024} KiB")
    content = stream.take(_padded(size))
    if len(content) != _padded(size):
        raise UnreadableLayer("it is cut off")
    return content[:size]


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK


def _records(content: bytes) -> dict[str, bytes]:
    """Return the records of an extended header, each a line `LENGTH KEY=VALUE`."""
    records: dict[str, bytes] = {}
    while content:
        digits, space, _ = content[:21].partition(b" ")
        length = int(digits) if digits.isdigit() else 0
        record = content[len(digits) + 1 : length]
        key, equals, value = record[:-1].partition(b"=")
        if not space or not equals or length > len(content) or not record.endswith(b"\n"):
            raise UnreadableLayer("an extended header in it is malformed")
        name = key.decode("utf-8", "surrogateescape")
        if name.startswith(_SPARSE):
            raise UnreadableLayer("it holds a sparse file, which readers expand differently")
        if value:
            records[name] = value
        else:
            records.pop(name, None)
        content = content[length:]
    return records


def _member(
    stream: LayerStream,
    header: _Header,
    extended: _Extended,
    keeps: Callable[[str, int], bool],
    *,
    checksums: bool,
    spool: ContentSpool | None,
) -> Member:
    records = extended.records
    name = _text(extended.name or records.get("path"), header.name)
    link = _text(extended.link or records.get("linkpath"), header.linkname)
    path, escapes = _clean(name)
    if header.type == tarfile.LNKTYPE:
        linked, leads_out = _clean(link)
        return Member(path=path, escapes=escapes or leads_out, entry=None, link=linked)
    plain = _plain_entry(header, records)
    if header.type in _TYPES or (header.type == tarfile.AREGTYPE and name.endswith("/")):
        kind = _TYPES.get(header.type, EntryType.FOLDER)
        is_device = kind in {EntryType.CHARACTER, EntryType.BLOCK}
        entry = replace(
            plain,
            type=kind,
            target=link if kind is EntryType.SYMLINK else "",
            device=(header.devmajor, header.devminor) if is_device else (0, 0),
        )
        return Member(path=path, escapes=escapes, entry=entry)
    if header.type == tarfile.GNUTYPE_SPARSE:
        raise UnreadableLayer("it holds a sparse file, which readers expand differently")
    if header.type not in _FILES:
        raise UnreadableLayer(f"it holds an entry of the type {header.type!r}, which no runtime unpacks")
    size = _integer(records, "size", header.size)
    entry = _file(stream, plain, size, keep=keeps(path, size), checksums=checksums, spool=spool)
    return Member(path=path, escapes=escapes, entry=entry)


def _plain_entry(header: _Header, records: dict[str, bytes]) -> Entry:
    """Return what a header says of a file but its size and content."""
    if not records:
        return Entry(
            type=EntryType.FILE,
            mode=header.mode & 0o7777,
            user=header.uid,
            group=header.gid,
            modified=header.mtime,
        )
    attributes = (
        (key.removeprefix(_ATTRIBUTE), value.hex()) for key, value in records.items() if key.startswith(_ATTRIBUTE)
    )
    return Entry(
        type=EntryType.FILE,
        mode=header.mode & 0o7777,
        user=_integer(records, "uid", header.uid),
        group=_integer(records, "gid", header.gid),
        modified=_time(records, header.mtime),
        attributes=tuple(sorted(attributes)),
    )


def _file(
    stream: LayerStream, plain: Entry, size: int, *, keep: bool, checksums: bool, spool: ContentSpool | None
) -> Entry:
    sha256, kept = hashlib.sha256(), bytearray()
    others = (hashlib.md5(usedforsecurity=False), hashlib.sha1(usedforsecurity=False)) if checksums else ()
    received = 0
    for piece in stream.pieces(size):
        received += len(piece)
        sha256.update(piece)
        for other in others:
            other.update(piece)
        if keep:
            kept.extend(piece)
        if spool is not None:
            spool.write(piece)
    padding = _padded(size) - size
    if received != size or len(stream.take(padding)) != padding:
        raise UnreadableLayer("it is cut off")
    if spool is not None:
        spool.finish(sha256.digest())
    return Entry(
        type=EntryType.FILE,
        mode=plain.mode,
        user=plain.user,
        group=plain.group,
        modified=plain.modified,
        attributes=plain.attributes,
        size=size,
        sha256=sha256.digest(),
        checksums=Checksums(others[0].digest(), others[1].digest()) if others else None,
        content=bytes(kept) if keep else None,
    )


def _text(stated: bytes | None, of_header: str) -> str:
    text = of_header if stated is None else stated.decode("utf-8", "surrogateescape")
    if "\0" in text or len(text) > MAX_NAME:
        raise UnreadableLayer("a name in it is longer than any, or has a NUL")
    return text


def _clean(name: str) -> tuple[str, bool]:
    """Return a name as a path below the root, and whether a part of it led elsewhere."""
    if "." not in name and "//" not in name and not name.startswith("/"):
        return name.rstrip("/"), False
    parts: list[str] = []
    escapes = False
    for part in name.split("/"):
        if part == "..":
            escapes = True
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts), escapes


def _integer(records: dict[str, bytes], key: str, of_header: int) -> int:
    if key not in records:
        return of_header
    value = records[key]
    if not value.isdigit() or len(value) > 18:
        raise UnreadableLayer(f"an extended header in it has a wrong {key}")
    return int(value)


def _time(records: dict[str, bytes], of_header: float) -> float:
    try:
        return float(records["mtime"]) if "mtime" in records else of_header
    except ValueError:
        raise UnreadableLayer("an extended header in it has a wrong mtime") from None
