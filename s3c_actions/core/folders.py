"""The folders in which s3c keeps state and caches, and the folders from which it runs no program.

Uses the standard library only: `actions/environment.py` imports it before any package is installed.
"""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

STATE_VARIABLE = "S3C_STATE"
CACHE_VARIABLE = "S3C_CACHE"
SECRET_INPUTS = (
    *("registry-password", "source-password", "github-token", "key-pem", "key-password"),
    *("github-pat", "token-setup-trivy"),
)
"""Every input that is declared as a secret, by any command (a test compares it with the declarations)."""
# Used when no element of PATH remains; present on every POSIX system.
_SYSTEM_PATH = "/usr/bin:/bin"
_TOKENS = ("GITHUB_TOKEN", "GH_TOKEN", "ACTIONS_RUNTIME_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_TOKEN")
# The runner's own form of an input; composite actions have none, but a step may be started with them.
_RUNNER_PREFIX = "INPUT_"


class UnsafeFolder(OSError):
    """A private folder that is not private; the text is a sentence."""


class CacheFolder(NamedTuple):
    """The cache folder, and a sentence on why it is not the one that was named; empty when it is that one."""

    path: Path
    notice: str


def account_home() -> Path | None:
    """Return the home folder that the system records for this user, whatever HOME says; None without one."""
    try:
        home = Path(pwd.getpwuid(os.geteuid()).pw_dir)
        status = home.stat()
    except (KeyError, OSError):
        return None
    return home if status.st_uid == os.geteuid() and os.access(home, os.W_OK | os.X_OK) else None


def state_folder(environment: Mapping[str, str]) -> Path:
    """Return the folder where this machine records what it installed: `S3C_STATE`, else in the account's home.

    It is not created. It must lie outside of whatever is restored, copied or shared: its records are trusted.

    Raises:
        Unsafe: no folder is known.
    """
    if environment.get(STATE_VARIABLE):
        return Path(environment[STATE_VARIABLE]).absolute()
    base = environment.get("XDG_STATE_HOME", "")
    if base.startswith("/"):
        return Path(base) / "s3c"
    home = account_home() or Path(_home(environment) or os.sep)
    if home == Path(os.sep):
        raise UnsafeFolder(f"no home folder is known; name a private folder in {STATE_VARIABLE}.")
    return home / ".local" / "state" / "s3c"


def _home(environment: Mapping[str, str]) -> str:
    """Return HOME; empty where it is relative, and another folder in every working folder."""
    home = environment.get("HOME", "")
    return home if home.startswith("/") else ""


def make_private(folder: Path, environment: Mapping[str, str] = MappingProxyType({})) -> Path:
    """Create a folder that only this user may enter (0700), unless it exists.

    Raises:
        Unsafe: it exists, and others may write to it.
        OSError: it cannot be created.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    why = shared_reason(folder, environment)
    if why:
        raise UnsafeFolder(
            f"{folder} is not private: {why}. Correct its owner and mode (0700), or name another folder."
        )
    return folder


def cache_folder(environment: Mapping[str, str]) -> CacheFolder:
    """Return the folder for programs and databases between runs: `S3C_CACHE`, by default the user's cache folder.

    A folder that others may write to is not used: one beside this machine's records replaces it.
    """
    base = environment.get("XDG_CACHE_HOME", "")
    if environment.get(CACHE_VARIABLE):
        named = Path(environment[CACHE_VARIABLE]).absolute()
    elif base.startswith("/"):
        named = Path(base) / "s3c"
    else:
        named = Path(_home(environment) or account_home() or os.sep) / ".cache" / "s3c"
    why = shared_reason(named, environment)
    if not why:
        return CacheFolder(named, "")
    try:
        private = state_folder(environment) / "cache"
    except UnsafeFolder:
        return CacheFolder(named, "")
    return CacheFolder(private, f"The cache {named} is not used: {why}. {private} is used in its place.")


def shared_reason(folder: Path, environment: Mapping[str, str] = MappingProxyType({})) -> str:
    """Return why other users can change the content of a folder; empty when they cannot, or when it does not exist.

    Root does not count as another user, and neither does the user who became root by sudo (SUDO_UID).
    """
    try:
        status, parent = folder.stat(), folder.parent.stat()
    except OSError:
        return ""
    if not stat.S_ISDIR(status.st_mode):
        return ""
    user = os.geteuid()
    trusted = {user, 0}
    sudo = environment.get("SUDO_UID", "")
    if user == 0 and sudo.isdecimal():
        trusted.add(int(sudo))
    if status.st_uid not in trusted:
        return f"it belongs to another user (id {status.st_uid})"
    if status.st_mode & 0o022:
        return f"other users may write to it (mode {stat.S_IMODE(status.st_mode):04o})"
    if parent.st_mode & 0o022 and not parent.st_mode & stat.S_ISVTX:
        return f"other users may replace it (mode {stat.S_IMODE(parent.st_mode):04o} of {folder.parent})"
    return ""


def find_workspace(environment: Mapping[str, str], cwd: Path | None) -> Path | None:
    """Return the caller's checkout: `GITHUB_WORKSPACE`, else the Git top level of the working folder, else that folder.

    None where it would be the whole disk, or the home folder with everything installed in it.
    """
    configured = environment.get("GITHUB_WORKSPACE", "")
    if configured:
        return Path(configured) if Path(configured).is_absolute() and Path(configured) != Path(os.sep) else None
    if cwd is None:
        return None
    top = next((folder for folder in (cwd, *cwd.parents) if (folder / ".git").exists()), cwd)
    home = environment.get("HOME", "")
    if top == Path(os.sep) or (home and Path(home).resolve().is_relative_to(top.resolve())):
        return None
    return top


def search_path(environment: Mapping[str, str], cwd: Path | None) -> str:
    """Return PATH without the elements that the workspace controls: empty, relative, or inside of it.

    Args:
        environment: has PATH, and perhaps GITHUB_WORKSPACE and HOME.
        cwd: the working folder; None when it was removed.
    """
    top = find_workspace(environment, cwd)
    within = () if top is None else (top, top.resolve())

    def is_safe(element: str) -> bool:
        if not element.startswith("/"):
            return False
        forms = (Path(os.path.normpath(element)), Path(element).resolve())
        return not any(form.is_relative_to(folder) for form in forms for folder in within)

    return (
        os.pathsep.join(
            element for element in environment.get("PATH", _SYSTEM_PATH).split(os.pathsep) if is_safe(element)
        )
        or _SYSTEM_PATH
    )


def working_folder() -> Path | None:
    """Return the working folder; None when it was removed."""
    try:
        return Path.cwd()
    except OSError:
        return None


def variable_name(name: str) -> str:
    """Return the environment variable of an input."""
    return "S3C_" + name.upper().replace("-", "_")


def is_secret_variable(name: str) -> bool:
    """Return whether an environment variable holds a secret of any command, or a token of the runner."""
    if name in _TOKENS:
        return True
    words = name.removeprefix(_RUNNER_PREFIX).replace("-", "_")
    return (name.startswith(_RUNNER_PREFIX) and words in _WORDS) or (name.startswith("S3C_") and name[4:] in _WORDS)


_WORDS = frozenset(variable_name(name).removeprefix("S3C_") for name in SECRET_INPUTS)


def program_environment(environment: Mapping[str, str], cwd: Path | None) -> dict[str, str]:
    """Return the environment for programs, without secrets and without PATH elements of the workspace."""
    visible = {name: value for name, value in environment.items() if not is_secret_variable(name)}
    if "PATH" in visible:
        visible["PATH"] = search_path(environment, cwd)
    return visible
