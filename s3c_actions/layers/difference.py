"""Compare two file systems, and account for each changed path by a package that changed.

The comparison is of what the layers leave, so that it does not matter in how many layers a change was made, or whether
one was undone by the next. What no changed package and no package manager accounts for is listed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Protocol

import msgspec

from s3c_actions.findings import versions
from s3c_actions.layers.manager_state import RAISED, KnownState, byte_code_source
from s3c_actions.layers.model import Entry, EntryType
from s3c_actions.layers.packages import InstalledPackage, Inventory, PackageFile
from s3c_actions.layers.tree import FileSystem

_PACKAGE_LIST = re.compile(r"var/lib/dpkg/info/[^/]+\.list")


class PackageAction(StrEnum):
    """How a package differs; `changed`: its versions cannot be compared."""

    ADDED = "added"
    REMOVED = "removed"
    UPGRADED = "upgraded"
    DOWNGRADED = "downgraded"
    CHANGED = "changed"
    RELICENSED = "relicensed"


class PackageChange(msgspec.Struct, frozen=True, kw_only=True):
    """A package that differs; every text is untrusted.

    Attributes:
        action: how it differs.
        before, after: its versions; empty where it is not installed.
        licence_before, licence_after: where they differ, else both empty.
    """

    action: PackageAction
    ecosystem: str
    name: str
    architecture: str = ""
    place: str = ""
    before: str = ""
    after: str = ""
    licence_before: str = ""
    licence_after: str = ""


class FileChange(msgspec.Struct, frozen=True, kw_only=True):
    """A change of a file that no changed package accounts for; every text is untrusted.

    Attributes:
        action: `added`, `removed` or `changed`.
        reason: why nothing accounts for it, in a clause.
        package: that the file belongs to; empty when none owns it.
    """

    path: str
    action: str
    reason: str
    package: str = ""


class PrivilegeChange(msgspec.Struct, frozen=True, kw_only=True):
    """A file that runs with other rights than before, as `set-user-ID, capabilities 01…`; empty for none."""

    path: str
    before: str
    after: str


class FilesDifference(msgspec.Struct, frozen=True, kw_only=True):
    """How two file systems differ.

    Attributes:
        packages: by ecosystem and name.
        files: changes that nothing accounts for, by path.
        privileges: by path.
        of_packages, of_managers: number of paths that changed packages, and their managers, account for.
        times: number of paths that were written again with the same content.
        unread: why packages may be missing, in clauses.
    """

    packages: tuple[PackageChange, ...]
    files: tuple[FileChange, ...]
    privileges: tuple[PrivilegeChange, ...]
    of_packages: int
    of_managers: int
    times: int
    unread: tuple[str, ...]


def compare_packages(before: Inventory, after: Inventory) -> tuple[PackageChange, ...]:
    """Return how the packages of two images differ, by ecosystem and name."""
    left, right = _by_key(before.packages), _by_key(after.packages)
    changes: list[PackageChange] = []
    for key in sorted(left.keys() | right.keys()):
        old, new = left.get(key, []), right.get(key, [])
        # Several versions may be installed beside each other: those that both images have are no change.
        only_old = [package for package in old if package.version not in {other.version for other in new}]
        only_new = [package for package in new if package.version not in {other.version for other in old}]
        for index in range(max(len(only_old), len(only_new))):
            left_over, right_over = only_old[index : index + 1], only_new[index : index + 1]
            changes.append(_package_change(left_over[0] if left_over else None, right_over[0] if right_over else None))
        same = {package.version: package for package in old}
        for package in new:
            earlier = same.get(package.version)
            if earlier is not None and earlier.licences and package.licences not in ("", earlier.licences):
                changes.append(_change(PackageAction.RELICENSED, earlier, package))
    return tuple(changes)


def _by_key(packages: Iterable[InstalledPackage]) -> dict[tuple[str, str, str, str], list[InstalledPackage]]:
    listed: dict[tuple[str, str, str, str], list[InstalledPackage]] = {}
    for package in packages:
        listed.setdefault(package.key, []).append(package)
    return listed


def _package_change(old: InstalledPackage | None, new: InstalledPackage | None) -> PackageChange:
    if old is None or new is None:
        return _change(PackageAction.REMOVED if new is None else PackageAction.ADDED, old, new)
    try:
        order = versions.compare_whole(new.ecosystem, new.version, old.version)
    except versions.NotComparable:
        return _change(PackageAction.CHANGED, old, new)
    if order == 0:
        return _change(PackageAction.CHANGED, old, new)
    return _change(PackageAction.UPGRADED if order > 0 else PackageAction.DOWNGRADED, old, new)


def _change(action: PackageAction, old: InstalledPackage | None, new: InstalledPackage | None) -> PackageChange:
    package = new or old
    if package is None:
        raise ValueError("neither of two packages exists")
    licences = (old.licences if old else "", new.licences if new else "")
    # Of an image without the packages' documentation no licence is known, which is no change of it.
    differs = "" not in licences and licences[0] != licences[1]
    return PackageChange(
        action=action,
        ecosystem=package.ecosystem,
        name=package.name,
        architecture=package.architecture,
        place=package.place,
        before=old.version if old else "",
        after=new.version if new else "",
        licence_before=licences[0] if differs else "",
        licence_after=licences[1] if differs else "",
    )


def compare_files(before: FileSystem, after: FileSystem, old: Inventory, new: Inventory) -> FilesDifference:
    """Compare two file systems.

    Args:
        before: the earlier one, with the checksums of what is in layers that only one of the images has.
        after: the later one, likewise.
        old: the packages of the earlier one.
        new: those of the later one.
    """
    changes = compare_packages(old, new)
    return _Comparison(before, after, old, new, changes).run()


class _Unexplained(Protocol):
    """Returns a change that nothing accounts for."""

    def __call__(self, reason: str, package: InstalledPackage | None = None) -> FileChange: ...


class _Comparison:
    def __init__(
        self,
        before: FileSystem,
        after: FileSystem,
        old: Inventory,
        new: Inventory,
        changes: tuple[PackageChange, ...],
    ) -> None:
        self._before, self._after, self._changes = before, after, changes
        self._unread = tuple(dict.fromkeys((*old.unread, *new.unread)))
        versions_changed = [change for change in changes if change.action is not PackageAction.RELICENSED]
        self._changed = {
            (change.ecosystem, change.name, change.architecture, change.place) for change in versions_changed
        }
        self._old_owners = _owners(old)
        self._new_owners = _owners(new)
        self._old_folders, self._new_folders = _folders(old), _folders(new)
        self._with_sums = {
            id(package) for package in new.packages if any(stated.algorithm for stated in package.files.values())
        }
        self._state = KnownState(
            managers=old.managers | new.managers, changed=frozenset(change.name for change in versions_changed)
        )

    def run(self) -> FilesDifference:
        before, after = self._before.entries, self._after.entries
        listed: list[FileChange] = [
            FileChange(path=path, action="changed", reason=why)
            for path, why in {**self._before.irregular, **self._after.irregular}.items()
        ]
        privileges: list[PrivilegeChange] = []
        by_package = by_manager = times = 0
        folders: list[FileChange] = []
        accounted: set[str] = set()
        for path in _differing(before, after):
            old, new = before.get(path), after.get(path)
            if old is not None and new is not None and old.same(new):
                times += 1
                continue
            rights = _rights(old), _rights(new)
            if rights[0] != rights[1]:
                privileges.append(PrivilegeChange(path=path, before=rights[0], after=rights[1]))
            change = self._account(path, old, new)
            if change is None and self._owner(path) is not None:
                by_package += 1
            elif change is None:
                by_manager += 1
            elif _is_only_a_folder(old, new):
                folders.append(change)
                continue
            else:
                listed.append(change)
                continue
            _add_parents(path, accounted)
        # A folder that came or went with what packages have in it is theirs.
        listed += [change for change in folders if change.path not in accounted]
        return FilesDifference(
            packages=self._changes,
            files=tuple(sorted(listed, key=lambda change: change.path)),
            privileges=tuple(sorted(privileges, key=lambda change: change.path)),
            of_packages=by_package,
            of_managers=by_manager,
            times=times,
            unread=self._unread,
        )

    def _owner(self, path: str) -> tuple[InstalledPackage, PackageFile] | None:
        """Return the package that has a path in the later image, else that had it in the earlier one."""
        return (
            self._new_owners.get(path)
            or _folder_owner(path, self._new_folders)
            or self._old_owners.get(path)
            or _folder_owner(path, self._old_folders)
        )

    def _account(self, path: str, old: Entry | None, new: Entry | None) -> FileChange | None:
        """Return the change when nothing accounts for it; None when a changed package or its manager does."""
        action = "added" if old is None else "removed" if new is None else "changed"

        def unexplained(reason: str, package: InstalledPackage | None = None) -> FileChange:
            name = f"{package.ecosystem}:{package.name}" if package is not None else ""
            return FileChange(path=path, action=action, reason=reason, package=name)

        if self._is_known_state(path, old, new):
            return None
        if new is None:
            return self._account_removed(path, unexplained)
        current = self._new_owners.get(path) or _folder_owner(path, self._new_folders)
        if current is None:
            return unexplained("no package owns it")
        package, stated = current
        if package.key not in self._changed:
            if old is not None and old.same_content(new):
                return unexplained("its permissions or owner changed, and its package did not", package)
            return unexplained("its package did not change", package)
        why = self._contradiction(package, stated, old, new)
        return unexplained(why, package) if why else None

    def _is_known_state(self, path: str, old: Entry | None, new: Entry | None) -> bool:
        source = byte_code_source(path)
        owner = self._owner(source) if source else None
        if self._state.covers(path, new, owner is not None and owner[0].key in self._changed):
            return True
        return old is not None and new is not None and self._is_shortened_list(path, old, new)

    def _is_shortened_list(self, path: str, old: Entry, new: Entry) -> bool:
        """Return whether dpkg left out of a package's list what was not there any more, as it does at any upgrade."""
        if not _PACKAGE_LIST.fullmatch(path) or old.content is None or new.content is None or old.mode != new.mode:
            return False
        before, after = (set(entry.content.splitlines()) for entry in (old, new) if entry.content is not None)
        gone = (line.decode("utf-8", "surrogateescape") for line in before - after)
        return after < before and all(self._before.locate(name) not in self._before.entries for name in gone)

    def _account_removed(self, path: str, unexplained: _Unexplained) -> FileChange | None:
        had = self._old_owners.get(path) or _folder_owner(path, self._old_folders)
        has = self._new_owners.get(path)
        if had is None:
            return unexplained("no package owned it")
        if had[0].key not in self._changed:
            return unexplained("its package did not change", had[0])
        return unexplained("its package lists it still", has[0]) if has is not None else None

    def _contradiction(self, package: InstalledPackage, stated: PackageFile, old: Entry | None, new: Entry) -> str:
        """Return why a file is not what its package says, in a clause; empty when it is."""
        gained = _rights(new) if _rights(new) != _rights(old) else ""
        if gained and (new.capabilities or stated.mode is None or stated.mode & 0o7777 != new.mode):
            return f"it has {gained} now, which its package does not state"
        if new.type is not EntryType.FILE or (stated.configuration and old is not None and old.same_content(new)):
            return ""
        if stated.mode is not None and stated.mode & 0o7777 != new.mode:
            return "it has other permissions than its package states"
        if not stated.algorithm:
            known = id(package) in self._with_sums and package.ecosystem != "pypi"
            return "its package does not say what is in it" if known else ""
        same = _digest(new, stated.algorithm) == stated.digest.lower()
        return "" if same else "it is not what its package installed"


def _owners(inventory: Inventory) -> dict[str, tuple[InstalledPackage, PackageFile]]:
    """Return path → its package; of a folder or a file that several own, one that says what is in it, if any."""
    owners: dict[str, tuple[InstalledPackage, PackageFile]] = {}
    for package in inventory.packages:
        for path, stated in package.files.items():
            known = owners.get(path)
            if known is None or (stated.algorithm and not known[1].algorithm):
                owners[path] = package, stated
    return owners


def _folders(inventory: Inventory) -> dict[str, InstalledPackage]:
    return {package.folder: package for package in inventory.packages if package.folder}


def _folder_owner(path: str, folders: Mapping[str, InstalledPackage]) -> tuple[InstalledPackage, PackageFile] | None:
    """Return the package in whose folder a path is, the innermost."""
    folder = path
    while folder and folders:
        package = folders.get(folder)
        if package is not None:
            return package, PackageFile()
        folder = folder.rpartition("/")[0]
    return None


def _differing(before: Mapping[str, Entry], after: Mapping[str, Entry]) -> Iterator[str]:
    """Yield the paths where something was written, by identity first: what both images share is the same object."""
    for path, entry in before.items():
        if after.get(path) is not entry:
            yield path
    for path in after:
        if path not in before:
            yield path


def _add_parents(path: str, known: set[str]) -> None:
    folder = path.rpartition("/")[0]
    while folder and folder not in known:
        known.add(folder)
        folder = folder.rpartition("/")[0]


def _is_only_a_folder(old: Entry | None, new: Entry | None) -> bool:
    """Return whether a folder came or went, with the permissions and the owner that runtimes give one."""
    entry = new if old is None else old if new is None else None
    return (
        entry is not None
        and entry.is_folder
        and (entry.mode, entry.user, entry.group, entry.attributes) == (0o755, 0, 0, ())
    )


def _rights(entry: Entry | None) -> str:
    """Return what raises the rights of whoever runs a file, in words; empty for nothing."""
    if entry is None or entry.is_folder or entry.type is EntryType.SYMLINK:
        return ""
    raised = entry.mode & RAISED
    words = ["set-user-ID"] * bool(raised & 0o4000) + ["set-group-ID"] * bool(raised & 0o2000)
    return ", ".join([*words, *([f"capabilities {entry.capabilities[:80]}"] if entry.capabilities else [])])


def _digest(entry: Entry, algorithm: str) -> str:
    if algorithm == "sha256":
        return entry.sha256.hex()
    if entry.checksums is None:
        return ""
    return (entry.checksums.md5 if algorithm == "md5" else entry.checksums.sha1).hex()
