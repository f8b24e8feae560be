"""The unpatched Debian base: debootstrap of the main suite alone, without its updates."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from s3c_actions.core.errors import OutsideError
from s3c_actions.core.process import ProgramFailed
from s3c_actions.programs.install.cache import lock_file, open_scratch_folder
from s3c_lab.machine import Machine


@dataclass(frozen=True)
class Suite:
    """A Debian release: `bookworm` is `12`."""

    codename: str
    release: str


BOOKWORM, TRIXIE = Suite("bookworm", "12"), Suite("trixie", "13")
CODENAME, RELEASE = BOOKWORM.codename, BOOKWORM.release
"""Of the lab's images."""
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
DAYS = 7
"""How long a base counts as current. A point release brings the updates of months, so a week is early enough."""

# Its progress is on standard output; the lab shows standard error.
_TO_STDERR = 'exec "$@" >&2'
_FINISH = """
set -eu
root=$1
printf '#!/bin/sh\\nexit 101\\n' >"$root/usr/sbin/policy-rc.d"
chmod 0755 "$root/usr/sbin/policy-rc.d"
printf 'deb %s %s main\\n' "$2" "$3" >"$root/etc/apt/sources.list"
rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/var/log/* "$root"/debootstrap
cd "$root"
tar --create --file "$4" --numeric-owner --sort=name --exclude='./dev/*' --exclude='./proc/*' --exclude='./sys/*' .
chmod 0644 "$4"
"""


def base(machine: Machine, suite: Suite = BOOKWORM) -> Path:
    """A tarball of the base's root file system, built at most every DAYS days.

    Args:
        machine: whose mirror and cache are used.
        suite: the Debian release.

    Raises:
        OutsideError: debootstrap failed, and there is no older base.
    """
    tarball = base_path(machine, suite)
    with lock_file(tarball.with_name(".lock"), notice=lambda: machine.progress.note("another lab makes the base")):
        if fresh(tarball, DAYS):
            return tarball
        try:
            _build_base(tarball, suite, machine)
        except OutsideError as error:
            if not tarball.exists():
                raise
            machine.progress.warning(f"The Debian base is older than {DAYS} days and could not be made anew: {error}")
        return tarball


def base_path(machine: Machine, suite: Suite = BOOKWORM) -> Path:
    """Where the base of a suite is kept."""
    return machine.cache / "lab" / "base" / f"{suite.codename}-{machine.architecture}.tar"


def fresh(file: Path, days: float) -> bool:
    """Whether the file exists and was written within that many days."""
    return file.exists() and time.time() - file.stat().st_mtime < days * 86400


def _build_base(target: Path, suite: Suite, machine: Machine) -> None:
    machine.require_root()
    machine.install({"debootstrap": "debootstrap"})
    if not KEYRING.exists():
        machine.apt("install", "-y", "-qq", "--no-install-recommends", "debian-archive-keyring")
    mirror, _ = machine.mirrors(suite.codename)
    with open_scratch_folder(target.parent, "base-") as temp:
        root, tarball = temp / "root", temp / "base.tar"
        command = ["debootstrap", "--variant=minbase", "--include=ca-certificates", f"--keyring={KEYRING}"]
        try:
            machine.runner.run(
                machine.as_root(["/bin/sh", "-c", _TO_STDERR, "sh", *command, suite.codename, root, mirror]),
                timeout=1800,
                on_line=machine.progress.note,
            )
            machine.runner.run(
                machine.as_root(["/bin/sh", "-c", _FINISH, "sh", str(root), mirror, suite.codename, str(tarball)])
            )
        except ProgramFailed as error:
            raise OutsideError(
                f"debootstrap could not make a Debian {suite.release} base from {mirror}.",
                cause="The mirror cannot be reached or lacks packages, or the disk is full.",
                remedy="Look at this machine's apt sources and proxy: the lab takes the same mirror.",
                original=error.completed.stdout[-2000:] + error.completed.stderr[-2000:],
            ) from error
        finally:
            machine.unmount_below(root)  # those of a debootstrap that was interrupted
            machine.runner.run(machine.as_root(["rm", "-rf", "--one-file-system", str(root)]), check=False)
        tarball.replace(target)
