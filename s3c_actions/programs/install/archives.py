"""Extract one program from a release archive. An archive is untrusted, even one whose checksum matches."""

from __future__ import annotations

import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO

from s3c_actions.core.errors import OutsideError

MAX_PROGRAM = 512 * 1024 * 1024
MAX_MEMBERS = 10_000
CHUNK = 1024 * 1024


class BadArchive(OutsideError):
    """An archive that is damaged, hostile, or does not contain the program."""

    def __init__(self, archive: Path, why: str, *, original: str = "") -> None:
        super().__init__(
            f"The archive {archive.name} cannot be used: {why}.",
            cause="It is damaged, or not the release it is taken for.",
            remedy="Run it again; if it stays so, compare the archive with the project's release page.",
            original=original,
        )


def extract(archive: Path, member: str, into: Path) -> None:
    """Write one regular file of a .tar.gz or .zip archive to `into`, mode 0755.

    Only that member is written, and only to `into`: no name, link or mode in the archive affects any path.

    Raises:
        BadArchive: the member is missing, there twice, not a regular file or larger than MAX_PROGRAM; the archive is
            truncated, or names a path outside of itself.
        OSError: `into` cannot be written.
    """
    try:
        (_extract_zip if _is_zip(archive) else _extract_tar)(archive, member, into)
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        raise BadArchive(archive, "it cannot be read to its end", original=str(error)) from error
    except OSError as error:
        # gzip reports a damaged stream as an OSError without a number; the file system's have one.
        if error.errno is not None:
            raise
        raise BadArchive(archive, "it cannot be read to its end", original=str(error)) from error
    into.chmod(0o755)


def _is_zip(archive: Path) -> bool:
    with archive.open("rb") as start:
        return start.read(2) == b"PK"


def _extract_tar(archive: Path, member: str, into: Path) -> None:
    extracted = False
    with tarfile.open(archive, "r:gz") as tar:
        for count, entry in enumerate(tar):
            _check_name(archive, entry.name, count)
            if _is_member(entry.name, member):
                if extracted:
                    raise BadArchive(archive, f"it holds {member} twice")
                content = tar.extractfile(entry) if entry.isreg() else None
                if content is None:
                    raise BadArchive(archive, f"{member} in it is not a regular file")
                extracted = True
                _copy_member(archive, member, content, entry.size, into)
    if not extracted:
        raise BadArchive(archive, f"{member} is not in it")


def _extract_zip(archive: Path, member: str, into: Path) -> None:
    with zipfile.ZipFile(archive) as packed:
        entries = packed.infolist()
        for count, entry in enumerate(entries):
            _check_name(archive, entry.filename, count)
        matching = [entry for entry in entries if _is_member(entry.filename, member)]
        if len(matching) != 1:
            raise BadArchive(archive, f"it holds {member} twice" if matching else f"{member} is not in it")
        kind = (matching[0].external_attr >> 16) & 0o170000
        if matching[0].is_dir() or kind not in (0, 0o100000):
            raise BadArchive(archive, f"{member} in it is not a regular file")
        with packed.open(matching[0]) as content:
            _copy_member(archive, member, content, matching[0].file_size, into)


def _check_name(archive: Path, name: str, count: int) -> None:
    if count >= MAX_MEMBERS:
        raise BadArchive(archive, f"it holds more than {MAX_MEMBERS:,} files")
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or "\0" in name:
        raise BadArchive(archive, f"it names a file outside of itself ({name[:100]!r})")


def _is_member(name: str, member: str) -> bool:
    return PurePosixPath(name) == PurePosixPath(member)


def _copy_member(archive: Path, member: str, content: IO[bytes], size: int, into: Path) -> None:
    """Copy at most MAX_PROGRAM bytes: a header may lie about the size."""
    written = 0
    with into.open("wb") as out:
        while chunk := content.read(CHUNK):
            written += len(chunk)
            if written > MAX_PROGRAM:
                raise BadArchive(archive, f"{member} in it is larger than {MAX_PROGRAM // 1024**2} MiB")
            out.write(chunk)
    if written != size or not written:
        raise BadArchive(archive, f"{member} in it is cut short ({written:,} of {size:,} bytes)")
