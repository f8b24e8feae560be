"""Notation plugins, installed where notation finds them: `LIBEXEC/plugins/NAME/notation-NAME`.

https://github.com/notaryproject/specifications/blob/main/specs/plugin-extensibility.md#installation
"""

from __future__ import annotations

import hashlib
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from s3c_actions.core.errors import InputError
from s3c_actions.core.pasted_content import quote_value
from s3c_actions.programs.install.archives import extract
from s3c_actions.programs.install.releases import WrongChecksum, download

if TYPE_CHECKING:
    from s3c_actions.core.progress import Progress

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_PREFIX = "notation-"


def check_plugin_name(name: str) -> str:
    """Check the name of a plugin, which becomes a part of a path; returns it.

    Raises:
        InputError: it is invalid.
    """
    if not _NAME.fullmatch(name):
        raise InputError(
            "plugin",
            f"{quote_value(name)} is not a plugin's name.",
            remedy="Give a name such as `azure-kv`, or the path of an executable called `notation-NAME`.",
        )
    return name


def install_executable(path: Path, libexec: Path) -> str:
    """Install a copy of a plugin's executable; returns the plugin's name.

    Raises:
        InputError: there is no such file, or it is not called `notation-NAME`.
    """
    if not path.is_file():
        raise InputError("plugin", f"{path} is not a file.", remedy="Give the path of the executable `notation-NAME`.")
    if not path.name.startswith(_PREFIX):
        raise InputError(
            "plugin",
            f"{path.name} is not called `notation-NAME`.",
            remedy="Name the executable as the plugin's project does.",
        )
    name = check_plugin_name(path.name.removeprefix(_PREFIX).removesuffix(".exe"))
    executable = _executable_path(libexec, name)
    shutil.copyfile(path, executable)
    executable.chmod(0o755)
    return name


def install_archive(source: str, sha256: str, name: str, libexec: Path, progress: Progress) -> None:
    """Install a plugin's executable out of its release archive (.tar.gz or .zip).

    Args:
        source: address or path of the archive.
        sha256: of the archive, hexadecimal.
        name: of the plugin; the archive holds `notation-NAME`.
        libexec: where it is installed.
        progress: shows the download.

    Raises:
        InputError: there is no such file.
        OutsideError: the download failed, the checksum differs, or the archive is bad or without the plugin.
    """
    executable = _executable_path(libexec, check_plugin_name(name))
    if source.startswith(("http://", "https://")):
        archive = libexec / "plugin-archive"
        download(source, sha256, archive, progress)
    else:
        archive = Path(source)
        _check_checksum(archive, sha256)
    extract(archive, executable.name, executable)


def _executable_path(libexec: Path, name: str) -> Path:
    folder = libexec / "plugins" / name
    folder.mkdir(parents=True)
    return folder / f"{_PREFIX}{name}"


def _check_checksum(archive: Path, sha256: str) -> None:
    try:
        with archive.open("rb") as content:
            actual = hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        raise InputError("plugin-url", f"{archive} cannot be read: {error.strerror}.") from error
    if actual != sha256:
        raise WrongChecksum(str(archive), sha256, actual)
