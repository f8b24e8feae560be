"""The packages of an image, by the databases of its package managers: dpkg, apk, rpm, pip and npm.

What a database says is the image's own claim: whoever made the image wrote it. It says which package a file belongs to
and, but for npm, which content the file had when the package was installed.
"""

from __future__ import annotations

import base64
import binascii
import email.parser
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import msgspec

from s3c_actions.core import reading
from s3c_actions.layers import rpm_database
from s3c_actions.layers.tree import FileSystem

MAX_DATABASE = 256 * 1024 * 1024
MAX_KEPT = 512 * 1024 * 1024
_MAX_LIST = 16 * 1024 * 1024
_MAX_METADATA = 256 * 1024
_DPKG = "var/lib/dpkg"
_APK = ("lib/apk/db/installed", "usr/lib/apk/db/installed")
_RPM = ("var/lib/rpm", "usr/lib/sysimage/rpm", "usr/share/rpm")
_RPM_SQLITE, _RPM_OTHERS = "rpmdb.sqlite", {"Packages": "Berkeley DB", "Packages.db": "ndb"}
_KEPT_IN_DPKG = re.compile(r"(?:status|status\.d/[^/]+|info/[^/]+\.(?:list|md5sums))")


class PackageFile(msgspec.Struct, frozen=True, gc=False):
    """What a package says of a file of its own.

    Attributes:
        algorithm: `md5`, `sha1` or `sha256`; empty when the package does not say what is in it.
        digest: of the content, in hexadecimal.
        mode: permissions, None when it does not state them.
        configuration: whether people are meant to change it.
    """

    algorithm: str = ""
    digest: str = ""
    mode: int | None = None
    configuration: bool = False


class InstalledPackage(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A package; every text is untrusted.

    Attributes:
        ecosystem: as in its package URL: `deb`, `apk`, `rpm`, `pypi`, `npm`.
        version: with its epoch.
        place: folder of a language's package, which may be installed in several; empty of a distribution's.
        licences: as the package states them; empty when it does not.
        files: path in the image → what the package says of it.
        folder: everything in it is the package's; empty where `files` are listed.
    """

    ecosystem: str
    name: str
    version: str
    architecture: str = ""
    place: str = ""
    source: str = ""
    licences: str = ""
    files: Mapping[str, PackageFile] = msgspec.field(default_factory=dict)
    folder: str = ""

    @property
    def key(self) -> tuple[str, str, str, str]:
        """Return what stays when the package is upgraded."""
        return self.ecosystem, self.name, self.architecture, self.place


class Inventory(msgspec.Struct, frozen=True, kw_only=True):
    """The packages of an image.

    Attributes:
        packages: all of them.
        managers: the ecosystems of the package managers that have a database.
        unread: why packages may be missing, in clauses.
    """

    packages: tuple[InstalledPackage, ...]
    managers: frozenset[str]
    unread: tuple[str, ...] = ()


def keeps(path: str, size: int) -> bool:
    """Return whether the content of a file is needed to list the packages."""
    name = path.rpartition("/")[2]
    if path.startswith(f"{_DPKG}/"):
        limit = MAX_DATABASE if name == "status" else _MAX_LIST
        return size <= limit and _KEPT_IN_DPKG.fullmatch(path[len(_DPKG) + 1 :]) is not None
    if path in _APK or (name == _RPM_SQLITE and path.rpartition("/")[0] in _RPM):
        return size <= MAX_DATABASE
    if path.endswith(".dist-info/RECORD"):
        return size <= _MAX_LIST
    return size <= _MAX_METADATA and (
        (name == "copyright" and path.startswith("usr/share/doc/"))
        or path.endswith(".dist-info/METADATA")
        or (name == "package.json" and "node_modules/" in path)
    )


class Keeper:
    """Decides which content is kept of an image, as `keeps` does, and no more than MAX_KEPT bytes of all its layers.

    Attributes:
        exceeded: whether something was not kept because of that.
    """

    def __init__(self) -> None:
        self._remaining = MAX_KEPT
        self.exceeded = False

    def __call__(self, path: str, size: int) -> bool:
        """Return whether the content of a file is kept, by path and size in bytes."""
        if not keeps(path, size):
            return False
        self._remaining -= size
        self.exceeded |= self._remaining < 0
        return self._remaining >= 0


def list_packages(files: FileSystem) -> Inventory:
    """List the packages of an image.

    Args:
        files: of the image, with the content of those that `keeps` names.

    Raises:
        UnreadableLayer: symbolic links in the image go round.
    """
    packages: list[InstalledPackage] = []
    managers: set[str] = set()
    unread: list[str] = []
    readers: tuple[tuple[str, Callable[[FileSystem], Iterator[InstalledPackage]]], ...] = (
        ("deb", _dpkg),
        ("apk", _apk),
        ("rpm", _rpm),
        ("pypi", _python),
        ("npm", _npm),
    )
    for ecosystem, reader in readers:
        try:
            listed = list(reader(files))
        except _UnreadableDatabase as error:
            unread.append(str(error))
            continue
        if listed:
            managers.add(ecosystem)
        packages += listed
    return Inventory(packages=tuple(packages), managers=frozenset(managers), unread=tuple(unread))


class _UnreadableDatabase(ValueError):
    """A database that cannot be read; the text is a clause."""


def _stanzas(content: bytes) -> Iterator[dict[str, str]]:
    """Yield the paragraphs of a control file (deb-control(5)): field → value, lines that go on joined by newlines."""
    fields: dict[str, list[str]] = {}
    last = ""
    for line in [*content.decode("utf-8", "replace").split("\n"), ""]:
        if not line.strip():
            if fields:
                yield {name: "\n".join(lines) for name, lines in fields.items()}
            fields, last = {}, ""
        elif line[0] in " \t":
            if last:
                fields[last].append(line.strip())
        else:
            last, _, value = line.partition(":")
            last = last.lower()
            fields[last] = [value.strip()]


def _dpkg(files: FileSystem) -> Iterator[InstalledPackage]:
    """List Debian's packages: of `status`, and of images without dpkg, as Distroless', of `status.d`."""
    status = files.entries.get(files.locate(f"{_DPKG}/status"))
    if status is not None and status.size and status.content is None:
        raise _UnreadableDatabase("dpkg's status is larger than what is read here, or no file")
    info = files.resolve(f"{_DPKG}/info")
    for fields in _stanzas(status.content if status is not None and status.content else b""):
        if fields.get("status", "").split()[-1:] not in (["installed"], ["triggers-pending"], ["triggers-awaited"]):
            continue
        name, architecture = fields.get("package", ""), fields.get("architecture", "")
        prefix = next(
            (p for p in (f"{info}/{name}:{architecture}", f"{info}/{name}") if f"{p}.list" in files.entries), ""
        )
        yield _debian_package(files, fields, prefix, f"{prefix}.list" if prefix else "")
    for path, entry in tuple(files.below(files.resolve(f"{_DPKG}/status.d"))):
        if path.endswith(".md5sums") or entry.content is None:
            continue
        for fields in _stanzas(entry.content):
            if fields.get("package"):
                yield _debian_package(files, fields, path, "")


def _debian_package(files: FileSystem, fields: Mapping[str, str], prefix: str, listed: str) -> InstalledPackage:
    sums: dict[str, str] = {}
    for line in _lines(files.read(f"{prefix}.md5sums") if prefix else None):
        digest, _, path = line.partition(" ")
        sums[path.strip().removeprefix("./").lstrip("/")] = digest
    names = {path: PackageFile("md5", digest) for path, digest in sums.items()}
    for path in _lines(files.read(listed) if listed else None):
        names.setdefault(path.strip("/"), PackageFile())
    for line in fields.get("conffiles", "").split("\n"):
        path, _, rest = line.strip().partition(" ")
        if path:
            names[path.strip("/")] = PackageFile("md5", rest.split(" ")[0], None, True)
    name = fields.get("package", "")
    return InstalledPackage(
        ecosystem="deb",
        name=name,
        version=fields.get("version", ""),
        architecture=fields.get("architecture", ""),
        source=fields.get("source", "").split(" ")[0],
        licences=_debian_licences(files.read(f"usr/share/doc/{name}/copyright")),
        files={files.locate(path): stated for path, stated in names.items() if path not in ("", ".")},
    )


def _debian_licences(copyright_file: bytes | None) -> str:
    """Return the licences that a machine-readable copyright file names (DEP 5); empty for another."""
    if copyright_file is None or b"copyright-format" not in copyright_file[:2000]:
        return ""
    names = {
        fields["license"].split("\n")[0].strip() for fields in _stanzas(copyright_file) if fields.get("license")
    } - {""}
    return ", ".join(sorted(names))[:1000]


def _lines(content: bytes | None) -> Iterable[str]:
    return content.decode("utf-8", "surrogateescape").splitlines() if content else ()


def _apk(files: FileSystem) -> Iterator[InstalledPackage]:
    """List Alpine's packages, by https://wiki.alpinelinux.org/wiki/Apk_spec."""
    path = next((files.locate(candidate) for candidate in _APK if files.locate(candidate) in files.entries), "")
    entry = files.entries.get(path)
    if entry is None:
        return
    if entry.content is None:
        raise _UnreadableDatabase("apk's database is larger than what is read here, or no file")
    for block in entry.content.decode("utf-8", "surrogateescape").split("\n\n"):
        fields: dict[str, str] = {}
        owned: dict[str, PackageFile] = {}
        folder = last = ""
        for line in block.splitlines():
            key, _, value = line.partition(":")
            if key == "F":
                folder = last = value
                owned[value] = PackageFile()
            elif key == "R":
                last = f"{folder}/{value}" if folder else value
                owned[last] = PackageFile()
            elif key == "Z" and value.startswith("Q1"):
                owned[last] = PackageFile("sha1", _hexadecimal(value[2:]), owned[last].mode)
            elif key in {"a", "M"} and last in owned:
                digits = value.split(":")[-1]
                mode = int(digits, 8) if re.fullmatch("[0-7]{1,5}", digits) else None
                owned[last] = PackageFile(owned[last].algorithm, owned[last].digest, mode)
            else:
                fields.setdefault(key, value)
        if fields.get("P"):
            yield InstalledPackage(
                ecosystem="apk",
                name=fields["P"],
                version=fields.get("V", ""),
                architecture=fields.get("A", ""),
                source=fields.get("o", ""),
                licences=fields.get("L", ""),
                files={files.locate(name): _with_mode(stated) for name, stated in owned.items() if name},
            )


def _with_mode(stated: PackageFile) -> PackageFile:
    """Return what apk says of a file, which it names a mode of only when that is not the usual one."""
    if not stated.algorithm or stated.mode is not None:
        return stated
    return PackageFile(stated.algorithm, stated.digest, 0o644)


def _hexadecimal(encoded: str) -> str:
    try:
        return base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_").hex()
    except (binascii.Error, ValueError):
        return "none"


def _rpm(files: FileSystem) -> Iterator[InstalledPackage]:
    for folder in dict.fromkeys(files.resolve(path) for path in _RPM):
        for name, form in _RPM_OTHERS.items():
            other = files.entries.get(f"{folder}/{name}")
            if other is not None and other.size:
                raise _UnreadableDatabase(f"rpm's database is in the form {form}, which is not read here")
        entry = files.entries.get(f"{folder}/{_RPM_SQLITE}")
        if entry is None:
            continue
        journal = files.entries.get(f"{folder}/{_RPM_SQLITE}-wal")
        if entry.content is None or (journal is not None and journal.size):
            raise _UnreadableDatabase("rpm's database is larger than what is read here, or not closed")
        try:
            headers = list(rpm_database.read_packages(entry.content))
        except rpm_database.InvalidDatabase as error:
            raise _UnreadableDatabase(f"rpm's database cannot be read ({error})") from None
        for header in headers:
            yield InstalledPackage(
                ecosystem="rpm",
                name=header.name,
                version=header.version,
                architecture=header.architecture,
                source=header.source,
                licences=header.licence,
                files={
                    files.locate(path): PackageFile(file.algorithm, file.digest, file.mode, file.configuration)
                    for path, file in header.files.items()
                },
            )


def _python(files: FileSystem) -> Iterator[InstalledPackage]:
    """List Python's distributions (https://packaging.python.org/specifications/recording-installed-packages)."""
    for path, entry in files.entries.items():
        if not path.endswith(".dist-info/METADATA") or entry.content is None:
            continue
        fields = email.parser.BytesHeaderParser().parsebytes(entry.content)
        distribution = path.rpartition("/")[0]
        place = distribution.rpartition("/")[0]
        yield InstalledPackage(
            ecosystem="pypi",
            name=re.sub(r"[-_.]+", "-", str(fields.get("Name", ""))).lower(),
            version=str(fields.get("Version", "")),
            place=place,
            licences=str(fields.get("License-Expression") or fields.get("License") or "").split("\n")[0][:200],
            files=_python_files(files, f"{distribution}/RECORD", place),
        )


def _python_files(files: FileSystem, record: str, place: str) -> dict[str, PackageFile]:
    owned: dict[str, PackageFile] = {record: PackageFile()}
    for line in _lines(files.read(record)):
        path, _, rest = line.rpartition(",")[0].rpartition(",")
        algorithm, _, digest = rest.partition("=")
        parts: list[str] = [] if path.startswith("/") else place.split("/")
        for part in path.strip('"').split("/"):
            if part == "..":
                del parts[-1:]
            elif part not in ("", "."):
                parts.append(part)
        stated = PackageFile("sha256", _hexadecimal(digest)) if algorithm == "sha256" else PackageFile()
        owned["/".join(parts)] = stated
    return owned


_NPM = re.compile(r"(?:^|/)node_modules/(?:@[^/]+/)?[^/@.][^/]*/package\.json$")


def _npm(files: FileSystem) -> Iterator[InstalledPackage]:
    for path, entry in files.entries.items():
        if entry.content is None or _NPM.search(path) is None:
            continue
        try:
            document = reading.parse_json(entry.content)
        except ValueError:
            continue
        if not isinstance(document, dict) or not isinstance(document.get("name"), str):
            continue
        folder = path.rpartition("/")[0]
        yield InstalledPackage(
            ecosystem="npm",
            name=document["name"],
            version=_plain(document.get("version")),
            place=folder.rpartition("node_modules/")[0].rstrip("/"),
            licences=_plain(document.get("license")),
            folder=folder,
        )


def _plain(value: Any) -> str:
    return value[:200] if isinstance(value, str) else ""
