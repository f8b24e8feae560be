"""Read an OCI image layout in a folder, as Docker and skopeo write it; what holds for an archive holds for it too."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator

from s3c_actions.core.errors import InputError
from s3c_actions.registry.archive import CHUNK_BYTES, MAX_MEMBERS, ArchiveMember, ArchiveSource

_BLOB = re.compile(r"blobs/[a-z0-9]+/[0-9a-f]{32,128}")


class FolderSource(ArchiveSource):
    """A folder with one image, or with several of which one is named; arguments and errors as of an archive."""

    def _list_members(self) -> dict[str, ArchiveMember]:
        """Return `oci-layout`, `index.json` and the blobs; every other file, and every link, is passed over."""
        if not stat.S_ISDIR(os.fstat(self._file).st_mode):
            raise InputError(self._field, f"{self._path} is no folder.", remedy="Give the folder of the layout.")
        members: dict[str, ArchiveMember] = {}
        names = ["oci-layout", "index.json"]
        for algorithm in ("sha256", "sha512"):
            try:
                with os.scandir(self._path / "blobs" / algorithm) as entries:
                    names += [f"blobs/{algorithm}/{entry.name}" for entry in entries]
            except FileNotFoundError:
                continue
            except OSError as error:
                raise self.refuse(f"blobs/{algorithm} cannot be read ({error.strerror})") from None
        if len(names) > MAX_MEMBERS:
            raise self.refuse(f"it has more than {MAX_MEMBERS} files")
        for name in names:
            if name.startswith("blobs/") and not _BLOB.fullmatch(name):
                continue
            try:
                status = (self._path / name).lstat()
            except FileNotFoundError:
                continue
            if stat.S_ISREG(status.st_mode):
                members[name] = ArchiveMember(0, status.st_size, name)
        return members

    def _pieces(self, member: ArchiveMember) -> Iterator[bytes]:
        try:
            file = os.open(self._path / member.name, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError as error:
            raise self.refuse(f"{member.name} cannot be read ({error.strerror})") from None
        with os.fdopen(file, "rb", buffering=0) as opened:
            while piece := opened.read(CHUNK_BYTES):
                yield piece
