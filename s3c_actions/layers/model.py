"""An entry of an image's file system."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class EntryType(StrEnum):
    """What an entry is."""

    FILE = "file"
    FOLDER = "folder"
    SYMLINK = "symbolic link"
    CHARACTER = "character device"
    BLOCK = "block device"
    PIPE = "pipe"


class Checksums(msgspec.Struct, frozen=True, gc=False):
    """The digests by which the databases of package managers name a file's content."""

    md5: bytes
    sha1: bytes


class Entry(msgspec.Struct, frozen=True, kw_only=True, gc=False, array_like=True, omit_defaults=True):
    """What is at a path; every text is untrusted.

    Attributes:
        mode: permissions, with the set-user-ID, set-group-ID and sticky bits.
        user, group: numeric.
        size: in bytes; `sha256` is the digest of the content.
        target: of a symbolic link.
        device: major and minor number.
        attributes: extended ones, sorted; in hexadecimal.
        modified: seconds since 1970.
        checksums: of a file's content, where they were asked for.
        content: of a file that was asked to be kept.
        implied: a folder that no layer states, and a runtime creates for what is in it.
    """

    type: EntryType
    mode: int = 0o755
    user: int = 0
    group: int = 0
    size: int = 0
    sha256: bytes = b""
    target: str = ""
    device: tuple[int, int] = (0, 0)
    attributes: tuple[tuple[str, str], ...] = ()
    modified: float = 0.0
    checksums: Checksums | None = None
    content: bytes | None = None
    implied: bool = False

    @property
    def is_folder(self) -> bool:
        """Return whether it may hold others."""
        return self.type is EntryType.FOLDER

    @property
    def text_size(self) -> int:
        """Return the number of characters of its texts."""
        return len(self.target) + sum(len(name) + len(value) for name, value in self.attributes)

    @property
    def capabilities(self) -> str:
        """Return the file capabilities, as they are stored; empty without any."""
        return next((value for name, value in self.attributes if name == "security.capability"), "")

    def same_content(self, other: Entry) -> bool:
        """Return whether nothing but times, owner and permissions may differ."""
        return (self.type, self.size, self.sha256, self.target, self.device) == (
            other.type,
            other.size,
            other.sha256,
            other.target,
            other.device,
        )

    def same(self, other: Entry) -> bool:
        """Return whether nothing but the time of modification may differ."""
        return self.same_content(other) and (self.mode, self.user, self.group, self.attributes) == (
            other.mode,
            other.user,
            other.group,
            other.attributes,
        )
