"""Read a repository's remote and default branch from the files of Git.

Git itself is not run: the repository's own configuration could name programs that it starts.
https://git-scm.com/docs/gitrepository-layout, https://git-scm.com/docs/git-config#_syntax
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from s3c_actions.core import reading

MAX_BRANCHES = 10_000

_REMOTE = re.compile(r'\s*\[\s*remote\s+"([^"\\\r\n]{1,100})"\s*\]\s*(?:[#;].*)?', re.IGNORECASE)
_SECTION = re.compile(r"\s*\[")
_URL = re.compile(r'\s*url\s*=\s*"?([^"\r\n]{1,2000}?)"?\s*', re.IGNORECASE)
_HOST = r"(?P<host>[A-Za-z0-9](?:[A-Za-z0-9.-]{0,250}[A-Za-z0-9])?)"
_PATH = r"/*(?P<path>[A-Za-z0-9._/-]{1,400}?)(?:\.git)?/*"
_ADDRESSES = (
    re.compile(rf"(?:https?|ssh|git)://(?:[^@/\s]*@)?{_HOST}(?::\d{{1,5}})?/{_PATH}"),
    re.compile(rf"(?:[^@/\s]+@)?{_HOST}:(?!//){_PATH}"),
)
_BRANCH = re.compile(r"(?!.*(?:\.\.|//))[A-Za-z0-9_](?:[A-Za-z0-9._/-]{0,198}[A-Za-z0-9_])?")
_HEADS, _TRACKING = "refs/heads/", "refs/remotes/"


class Remote(msgspec.Struct, frozen=True, kw_only=True):
    """Where a repository is hosted.

    Attributes:
        host: such as `github.com`, in lower case.
        owner: the user, organization or group; groups within groups are joined by slashes.
        name: of the repository.
    """

    host: str
    owner: str
    name: str


class Checkout(msgspec.Struct, frozen=True, kw_only=True):
    """What Git's files say of a checkout.

    Attributes:
        remote: `origin`, else the only other remote; None without one that is understood.
        branch: the default branch.
        branch_known: whether Git's files name it; otherwise it is the most probable.
    """

    remote: Remote | None
    branch: str
    branch_known: bool


def read_checkout(root: Path) -> Checkout:
    """Read the files of Git below a checkout's top level; what is missing or cannot be read counts as not there."""
    git = _git_folder(root)
    remotes = {} if git is None else _remotes(_read(git / "config"))
    name = "origin" if "origin" in remotes else next(iter(remotes), "") if len(remotes) == 1 else ""
    branch, known = ("main", False) if git is None else _default_branch(git, name or "origin")
    return Checkout(remote=parse_address(remotes.get(name, "")), branch=branch, branch_known=known)


def parse_address(address: str) -> Remote | None:
    """Return the repository of a remote's address, without the credentials in it; None when it is of no host."""
    for pattern in _ADDRESSES:
        match = pattern.fullmatch(address.strip())
        if match is None:
            continue
        owner, slash, name = match["path"].strip("/").rpartition("/")
        if slash and name not in {".", ".."} and all(owner.split("/")):
            return Remote(host=match["host"].lower(), owner=owner, name=name)
    return None


def _git_folder(root: Path) -> Path | None:
    """Return the folder with `config` and `refs`, which a work tree shares with others; None without one."""
    folder = root / ".git"
    if folder.is_dir():
        return folder
    location = _read(folder).partition("\n")[0]
    if not location.startswith("gitdir:") or "\0" in location:
        return None
    own = root / location.removeprefix("gitdir:").strip()
    shared = _read(own / "commondir").strip()
    return own / shared if shared and "\0" not in shared else own


def _read(path: Path) -> str:
    """Return a file's text; empty when it cannot be read."""
    try:
        return reading.read_text_file(path, errors="replace")
    except OSError:
        return ""


def _remotes(config: str) -> Mapping[str, str]:
    """Return name → address of the remotes in Git's configuration."""
    addresses: dict[str, str] = {}
    remote = ""
    for line in config.splitlines():
        if _SECTION.match(line):
            match = _REMOTE.fullmatch(line)
            remote = match[1] if match is not None else ""
        elif remote and (url := _URL.fullmatch(line)) is not None:
            addresses.setdefault(remote, url[1])
    return addresses


def _default_branch(git: Path, remote: str) -> tuple[str, bool]:
    """Return the default branch, and whether Git's files name it."""
    tracking = f"{_TRACKING}{remote}/"
    named = _symbolic(git / tracking / "HEAD", tracking)
    if named:
        return named, True
    branches = set(_branches(git, tracking)) or set(_branches(git, _HEADS))
    usual = next((name for name in ("main", "master") if name in branches), "")
    current = _symbolic(git / "HEAD", _HEADS)
    if len(branches) <= 1:
        return next(iter(branches), current or "main"), bool(branches or current)
    return usual or current or "main", False


def _symbolic(path: Path, prefix: str) -> str:
    """Return the branch that a symbolic reference leads to; empty when it leads to none."""
    target = _read(path).strip().removeprefix("ref:").strip()
    name = target.removeprefix(prefix)
    return name if target.startswith(prefix) and _BRANCH.fullmatch(name) else ""


def _branches(git: Path, prefix: str) -> Iterator[str]:
    """Yield branches below a prefix, packed ones and those with a file of their own."""
    for line in _read(git / "packed-refs").splitlines()[:MAX_BRANCHES]:
        name = line.partition(" ")[2]
        if name.startswith(prefix) and _BRANCH.fullmatch(name.removeprefix(prefix)):
            yield name.removeprefix(prefix)
    try:
        entries = sorted(path.name for path in (git / prefix).iterdir())[:MAX_BRANCHES]
    except OSError:
        return
    # Of branches in folders (`feature/x`) the default one is hardly any.
    for name in entries:
        if name != "HEAD" and _BRANCH.fullmatch(name) and (git / prefix / name).is_file():
            yield name
