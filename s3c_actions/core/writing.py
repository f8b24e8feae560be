"""Write files safely in the workspace: each file is new, and renamed into place.

A checkout may contain links: as the output folder, or as a file in it. If they were followed, a run would overwrite
whatever its user may write. A link that leads out of the workspace is rejected; any other, and a FIFO, is replaced by
the file. What is no file but an open stream or a character device, such as /dev/stdout or /dev/null, is written to: to
replace it, as root can, would take it from everything else on the machine.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import S_ISBLK, S_ISCHR, S_ISREG

from s3c_actions.core.errors import InputError

_HANDED_OVER = ("/dev/fd/", "/dev/stdout", "/dev/stderr", "/dev/null", "/proc/self/fd/")
_guarded: list[Path] = []


def guarded_folder(environment: Mapping[str, str], cwd: Path) -> Path:
    """Return the folder that others fill.

    It is GITHUB_WORKSPACE, else the top level of the Git checkout, else the working folder.

    Args:
        environment: of the process.
        cwd: its working folder.
    """
    configured = environment.get("GITHUB_WORKSPACE")
    if configured and Path(configured).is_dir():
        return Path(configured).resolve()
    here = cwd.resolve()
    return next((folder for folder in (here, *here.parents) if (folder / ".git").exists()), here)


@contextmanager
def guard_links(root: Path) -> Iterator[None]:
    """Reject links in `root` that lead out of it, in everything written within the block."""
    _guarded.append(root)
    try:
        yield
    finally:
        _guarded.pop()


def check(path: Path, field: str = "output-dir") -> None:
    """Reject a disk, and a path that a link in the workspace redirects out of it.

    Args:
        path: of a file or folder that will be written, whether or not it exists. Outside of the workspace, the caller
            may choose any place.
        field: the input that the path comes from.

    Raises:
        InputError: it is a disk, or it or a folder above it is a link in the workspace that leads out of it.
    """
    _reject_disk(path, field)
    if not _guarded:
        return
    root = _guarded[-1]
    here = Path("/")
    for part in (Path.cwd() / path).parts[1:]:
        if part == "..":
            here = here.parent
            continue
        step = here / part
        if not step.is_symlink():
            here = step
            continue
        try:
            here = step.resolve()
        except (OSError, RuntimeError):  # a link that leads to itself
            here = Path("/")
        if step.is_relative_to(root) and not here.is_relative_to(root):
            raise InputError(
                field,
                f"{step} is a link that leads out of the workspace {root}.",
                cause="It came with the checkout, or an earlier step of the job made it.",
                remedy="Remove the link, or name the folder that it leads to.",
            )


def _reject_disk(path: Path, field: str) -> None:
    with suppress(OSError, ValueError):  # one that does not exist is none
        if S_ISBLK(path.stat().st_mode):
            raise InputError(field, f"{path} is a disk, not a file.", remedy="Give the path of a file.")


def check_inside(output: Path, names: Collection[str]) -> None:
    """Reject a folder in which links lead out of the workspace: its content is overwritten, or uploaded later.

    Args:
        output: where a run writes. Where it is the workspace itself, or a folder around it, other links are ignored,
            and only those with one of `names` count.
        names: of files that a run writes.

    Raises:
        InputError: as `check` does.
    """
    check(output)
    if not _guarded or not output.is_dir():
        return
    if _guarded[-1].is_relative_to(output.resolve()) or Path.cwd().is_relative_to(output.resolve()):
        for name in names:
            check(output / name)
        return
    for place, folders, files in os.walk(output):
        for name in (*folders, *files):
            if (Path(place) / name).is_symlink():
                check(Path(place) / name)


def make_folder(path: Path) -> Path:
    """Create a folder, with its parents, unless it exists.

    Raises:
        InputError: as `check` does.
        OSError: it cannot be created.
    """
    check(path)
    path.mkdir(parents=True, exist_ok=True)
    return path


def write(path: Path, data: bytes | str, *, errors: str = "strict") -> Path:
    """Write a file, replacing whatever has its name; a reader sees either the old file or the whole new one.

    Args:
        path: of the file; its folder is created when it does not exist.
        data: a text is written in UTF-8, its line ends unchanged.
        errors: how to encode characters that UTF-8 does not have, as in `str.encode`.

    Returns:
        The path.

    Raises:
        InputError: as `check` does.
        OSError: it cannot be written.
    """
    content = data.encode("utf-8", errors) if isinstance(data, str) else data
    with _new(path) as descriptor, os.fdopen(descriptor, "wb") as file:
        file.write(content)
    return path


def copy(source: Path, path: Path) -> Path:
    """Copy a file's content; otherwise as `write`."""
    with source.open("rb") as content, _new(path) as descriptor, os.fdopen(descriptor, "wb") as file:
        shutil.copyfileobj(content, file, 1024 * 1024)
    return path


def remove(path: Path) -> None:
    """Remove a file, or the link that has its name; an open stream and a device stay. Raise as `write` does."""
    check(path.parent)
    if not _is_stream(path):
        path.unlink(missing_ok=True)


def _is_stream(path: Path) -> bool:
    """Return whether a path names an open stream or a character device."""
    if str(Path.cwd() / path).startswith(_HANDED_OVER):
        return True
    try:
        return S_ISCHR(path.stat().st_mode)
    except OSError:
        return False


def append(path: Path, text: str) -> None:
    """Append to a file that another program keeps, such as the runner's; create it when it does not exist.

    Raises:
        OSError: it cannot be written, or is a FIFO, a device or a socket: those may block for ever.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o666)
    with os.fdopen(descriptor, "wb") as file:
        if not S_ISREG(os.fstat(descriptor).st_mode) and not str(path).startswith(_HANDED_OVER):
            raise OSError(errno.EINVAL, "it is a FIFO, a device or a socket, not a file", str(path))
        os.set_blocking(descriptor, True)
        file.write(text.encode("utf-8", "backslashreplace"))


@contextmanager
def _new(path: Path) -> Iterator[int]:
    """Create a file beside `path`, renamed to it at the end of the block; yield its descriptor."""
    check(path)
    if _is_stream(path):
        yield os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".s3c-{secrets.token_hex(8)}"
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
    except OSError as error:
        # Users know the file by its own name.
        error.filename = str(path)
        raise
    try:
        yield descriptor
        temporary.replace(path)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError) and error.filename in {None, str(temporary)}:
            error.filename, error.filename2 = str(path), None
        raise
