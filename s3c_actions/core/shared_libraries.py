"""Which shared libraries the programs of an unpacked image need, and which of them are not there.

Read from the files, as the dynamic linker would (ld.so(8), ELF gABI "Dynamic Section"); nothing is run. The files are
an image's and may be made to mislead: offsets are checked, sizes are bounded, and links are resolved inside the image.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

import msgspec

from s3c_actions.core.rooted_paths import list_files, open_inside, resolve_inside

MAX_HEADERS = 512
MAX_DYNAMIC = 1024 * 1024
MAX_STRINGS = 16 * 1024 * 1024
MAX_NAME = 4096
MAX_NEEDED = 4096
_LOAD, _DYNAMIC, _INTERPRETER = 1, 2, 3
_NEEDED, _STRTAB, _SONAME, _RPATH, _STRSZ, _RUNPATH = 1, 5, 14, 15, 10, 29
_MAX_CONFIGURATION = 64 * 1024
_DEFAULT_FOLDERS = ("lib", "usr/lib", "lib64", "usr/lib64", "usr/local/lib", "lib32", "usr/lib32")


class LinkedFile(msgspec.Struct, frozen=True, kw_only=True):
    """What one ELF file states about its linking.

    Attributes:
        kind: class, byte order and machine, which a library has to share with whatever needs it.
        needed: names of libraries.
        search: folders of RPATH and RUNPATH, as written.
        interpreter: the dynamic linker's path, empty for a library and a static program.
    """

    kind: tuple[int, int, int]
    needed: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    interpreter: str = ""


def read_linking(file: BinaryIO) -> LinkedFile | None:
    """Return what an ELF file states; None for another file, and for one whose headers are inconsistent."""
    try:
        return _read_linking(file)
    except (struct.error, ValueError, OSError, OverflowError):
        return None


def _read_linking(file: BinaryIO) -> LinkedFile | None:
    start = file.read(64)
    if len(start) < 20 or start[:4] != b"\x7fELF" or start[4] not in (1, 2) or start[5] not in (1, 2):
        return None
    wide, order = start[4] == 2, "<" if start[5] == 1 else ">"
    (machine,) = struct.unpack_from(f"{order}H", start, 18)
    kind = (start[4], start[5], machine)
    offset_at, size_at = (32, 54) if wide else (28, 42)
    (table,) = struct.unpack_from(f"{order}{'Q' if wide else 'I'}", start, offset_at)
    size, count = struct.unpack_from(f"{order}HH", start, size_at)
    if not 0 < count <= MAX_HEADERS:
        return LinkedFile(kind=kind)
    headers = _read(file, table, size * count, MAX_DYNAMIC)
    segments = [_segment(headers, number * size, order, wide) for number in range(count)]
    interpreter = next(
        (
            _text(_read(file, segment[1], min(segment[3], MAX_NAME), MAX_NAME))
            for segment in segments
            if segment[0] == _INTERPRETER
        ),
        "",
    )
    dynamic = next((segment for segment in segments if segment[0] == _DYNAMIC), None)
    if dynamic is None:
        return LinkedFile(kind=kind, interpreter=interpreter)
    form = struct.Struct(f"{order}{'qQ' if wide else 'iI'}")
    content = _read(file, dynamic[1], dynamic[3], MAX_DYNAMIC)
    entries = [form.unpack_from(content, at) for at in range(0, len(content) - form.size + 1, form.size)]
    values = dict(reversed(entries))
    strings = _strings(file, segments, values)
    return LinkedFile(
        kind=kind,
        needed=tuple(_text(strings, value) for tag, value in entries if tag == _NEEDED)[:MAX_NEEDED],
        search=tuple(
            folder
            for tag, value in entries
            if tag in (_RPATH, _RUNPATH)
            for folder in _text(strings, value).split(":")
            if folder
        ),
        interpreter=interpreter,
    )


def _segment(headers: bytes, at: int, order: str, wide: bool) -> tuple[int, int, int, int]:
    """Return type, offset in the file, address and size of a program header."""
    if wide:
        kind, _flags, offset, address, _physical, size = struct.unpack_from(f"{order}IIQQQQ", headers, at)
    else:
        kind, offset, address, _physical, size = struct.unpack_from(f"{order}IIIII", headers, at)
    return kind, offset, address, size


def _strings(file: BinaryIO, segments: list[tuple[int, int, int, int]], values: Mapping[int, int]) -> bytes:
    address = values.get(_STRTAB, -1)
    for kind, offset, start, size in segments:
        if kind == _LOAD and start <= address < start + size:
            available = start + size - address
            return _read(file, offset + address - start, min(values.get(_STRSZ, available), available), MAX_STRINGS)
    raise ValueError("no segment holds the names")


def _read(file: BinaryIO, offset: int, size: int, limit: int) -> bytes:
    if size > limit:
        raise ValueError("larger than any linker makes it")
    file.seek(offset)
    return file.read(size)


def _text(data: bytes, at: int = 0) -> str:
    end = data.find(b"\0", at, at + MAX_NAME)
    return data[at : end if end >= 0 else at + MAX_NAME].decode(errors="replace")


class MissingLibrary(msgspec.Struct, frozen=True, order=True):
    """A library that is not in the image: its name, and the file that needs it, as an absolute path in the image."""

    library: str
    needed_by: str


def missing_libraries(root: Path, library_path: str = "") -> frozenset[MissingLibrary]:
    """Return what programs and libraries of an unpacked image need and the image does not have.

    Args:
        root: folder of the unpacked image.
        library_path: `LD_LIBRARY_PATH` of its environment.
    """
    linked = dict(_linked_files(root))
    folders = [*library_path.split(":"), *_DEFAULT_FOLDERS, *_configured_folders(root)]
    linker = _Linker(root, folders)
    missing = set()
    for path, file in linked.items():
        for library in file.needed:
            if not linker.finds(library, path, file):
                missing.add(MissingLibrary(library=library, needed_by=f"/{path}"))
        if file.interpreter and resolve_inside(root, file.interpreter) is None:
            missing.add(MissingLibrary(library=file.interpreter, needed_by=f"/{path}"))
    return frozenset(missing)


class _Linker:
    """Looks for libraries as ld.so does: RPATH and RUNPATH, then the folders of the system."""

    def __init__(self, root: Path, folders: list[str]) -> None:
        self.root = root
        self.folders = [folder.strip("/") for folder in folders if folder]
        self._kinds: dict[str, tuple[int, int, int] | None] = {}

    def finds(self, library: str, path: str, file: LinkedFile) -> bool:
        own = path.rpartition("/")[0]
        if "/" in library:
            return self._kind(library) == file.kind
        search = [
            folder.replace("${ORIGIN}", f"/{own}").replace("$ORIGIN", f"/{own}").replace("$LIB", "lib")
            for folder in file.search
        ]
        # Plugins are loaded by a program that has loaded the library beside them already.
        return any(self._kind(f"{folder}/{library}") == file.kind for folder in (*search, *self.folders, own))

    def _kind(self, path: str) -> tuple[int, int, int] | None:
        if path not in self._kinds:
            with open_inside(self.root, path) as file:
                linking = read_linking(file) if file is not None else None
            self._kinds[path] = linking.kind if linking is not None else None
        return self._kinds[path]


def _linked_files(root: Path) -> Iterator[tuple[str, LinkedFile]]:
    """Yield the ELF files below a folder with their paths, without those of compilers and debuggers."""
    for path in list_files(root):
        if path.endswith((".o", ".debug")) or path.startswith("usr/lib/debug/"):
            continue
        with open_inside(root, path) as file:
            linking = read_linking(file) if file is not None else None
        if linking is not None and (linking.needed or linking.interpreter):
            yield path, linking


def _configured_folders(root: Path) -> Iterator[str]:
    """Yield the folders that the configuration of ld.so, of glibc or musl, names; both list one a line."""
    names = ["etc/ld.so.conf"]
    for folder, suffix in (("etc/ld.so.conf.d", ".conf"), ("etc", ".path")):
        inside = resolve_inside(root, folder)
        if inside is not None and inside.is_dir():
            names += [f"{folder}/{entry.name}" for entry in sorted(inside.iterdir()) if entry.name.endswith(suffix)]
    for name in names:
        with open_inside(root, name) as file:
            text = file.read(_MAX_CONFIGURATION).decode(errors="replace") if file is not None else ""
        for line in text.replace(":", "\n").splitlines():
            folder = line.partition("#")[0].strip()
            if folder.startswith("/"):
                yield folder
