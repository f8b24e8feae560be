"""The files that package managers and the scripts of packages write, and no package's list names.

A table on purpose: what is not in it is listed as a change that nothing accounts for. A plain file of a manager may not
be executable, and nothing in the table may raise the rights of who runs it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from s3c_actions.layers.model import Entry, EntryType

_EXECUTABLE = 0o111
RAISED = 0o6000
"""The set-user-ID and set-group-ID bits."""

_STATE: Mapping[str, str] = {
    "deb": r"var/lib/dpkg/(?:status|available|diversions|statoverride|alternatives/[^/]+)(?:-old|-new)?"
    r"|var/lib/dpkg/(?:lock|lock-frontend|arch|cmethopt|info/format)|var/lib/dpkg/triggers/.*|var/lib/dpkg/updates(?:/.*)?"
    r"|var/lib/apt/.*|var/cache/apt/.*|var/log/apt/.*|var/cache/debconf/.*"
    r"|var/log/(?:dpkg|alternatives|bootstrap)\.log|var/cache/ldconfig/aux-cache|etc/ld\.so\.cache",
    "apk": r"(?:usr/)?lib/apk/(?:db/.*|exec)|etc/apk/world|var/cache/apk/.*|var/log/apk\.log|etc/ld\.so\.cache"
    r"|(?:usr/)?lib/ld-musl-[^/]+\.path",
    "rpm": r"(?:var/lib|usr/lib/sysimage|usr/share)/rpm/.*"
    r"|(?:var/lib|var/cache|usr/lib/sysimage)/(?:dnf|libdnf5|tdnf|yum)/.*"
    r"|var/log/(?:dnf|tdnf|yum|hawkey)[^/]*\.log|var/cache/ldconfig/aux-cache|etc/ld\.so\.cache",
}
"""Ecosystem → files of its package manager, by their path."""

_SCRIPTS = re.compile(
    r"var/lib/dpkg/(?:info/(?P<name>[a-z0-9][a-z0-9+.-]*?)(?::[a-z0-9-]+)?\.[a-z0-9]+"
    r"|status\.d/(?P<only>[a-z0-9][a-z0-9+.-]*?)(?:\.md5sums)?)"
)
_CACHES: tuple[tuple[str, str], ...] = (
    (r"ca-certificates.*|p11-kit-trust", r"etc/ssl/certs(?:/.*)?|etc/ssl/cert\.pem|etc/ca-certificates\.conf.*"),
    (r"ca-certificates.*", r"etc/pki/ca-trust/extracted/.*|etc/pki/java/cacerts"),
    (
        r"libglib2\.0.*|glib.*",
        r"usr/lib/(?:.*/)?gio/modules/giomodule\.cache|usr/share/glib-2\.0/schemas/gschemas\.compiled",
    ),
    (r"libgdk-pixbuf.*|gdk-pixbuf.*|librsvg.*", r"usr/lib/.*/gdk-pixbuf-2\.0/.*/loaders\.cache"),
    (r"libc-bin|libc6|locales|glibc.*", r"usr/lib/locale/locale-archive|usr/lib.*/gconv/gconv-modules\.cache"),
    (r"fontconfig.*|fonts-.*", r"var/cache/fontconfig/.*"),
    (r"shared-mime-info", r"usr/share/mime/.*"),
)
"""Package → files that its scripts write when it is installed or upgraded, both by patterns."""
_BYTE_CODE = re.compile(r"(?P<folder>.*/|)__pycache__/(?P<module>[^/.]+)\.[a-z0-9-]+(?:\.opt-[12])?\.pyc")


class KnownState(msgspec.Struct, frozen=True, kw_only=True):
    """Which files of package managers and scripts may change, given the packages that did.

    Attributes:
        managers: ecosystems of the package managers in the image.
        changed: names of the packages that changed, without their ecosystem.
    """

    managers: frozenset[str]
    changed: frozenset[str]

    def covers(self, path: str, entry: Entry | None, source_changed: bool) -> bool:
        """Return whether a change of a file is known to go with a change of packages.

        Args:
            path: of the file.
            entry: what is there now; None when it was removed.
            source_changed: whether the source of a file of Python's byte code belongs to a package that changed.
        """
        if entry is not None and (entry.mode & RAISED or entry.capabilities):
            return entry.is_folder and not entry.mode & 0o4000 and self._is_state(path)
        plain = entry is None or entry.is_folder or not entry.mode & _EXECUTABLE
        script = _SCRIPTS.fullmatch(path)
        if script is not None:
            return "deb" in self.managers and (script["name"] or script["only"]) in self.changed
        if entry is not None and entry.type not in (EntryType.FILE, EntryType.FOLDER, EntryType.SYMLINK):
            return False
        if entry is not None and entry.type is EntryType.SYMLINK:
            return self._is_cache(path) or ("apk" in self.managers and self._is_applet(entry))
        if _BYTE_CODE.fullmatch(path):
            return plain and source_changed
        return plain and (self._is_state(path) or self._is_cache(path))

    def _is_state(self, path: str) -> bool:
        return any(re.fullmatch(_STATE[name], path) for name in self.managers if name in _STATE)

    def _is_cache(self, path: str) -> bool:
        return any(
            re.fullmatch(files, path) and any(re.fullmatch(package, name) for name in self.changed)
            for package, files in _CACHES
        )

    def _is_applet(self, entry: Entry) -> bool:
        """Return whether a link is one of those that busybox makes of itself."""
        return entry.target in {"/bin/busybox", "/usr/bin/busybox"} and "busybox" in self.changed


def byte_code_source(path: str) -> str:
    """Return the source that a file of Python's byte code is made of (PEP 3147); empty for another file."""
    match = _BYTE_CODE.fullmatch(path)
    return f"{match['folder']}{match['module']}.py" if match else ""
