"""The machine of the lab: root where it is needed, Debian's packages, and their mirrors."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from s3c_actions.core.errors import OutsideError
from s3c_actions.core.process import ProgramFailed, Runner, find
from s3c_actions.core.progress import Progress
from s3c_actions.programs.install.cache import lock_file

DEBOOTSTRAP = Path("/usr/sbin/debootstrap")
APT_MINUTES = 15
_SBIN = ("/usr/local/sbin", "/usr/sbin", "/sbin")
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True, kw_only=True)
class Machine:
    """The machine a lab runs on.

    Attributes:
        runner: starts programs; its PATH has the folders of the system's programs.
        cache: folder that is kept between runs.
    """

    runner: Runner
    progress: Progress
    cache: Path

    @property
    def environment(self) -> Mapping[str, str]:
        """The environment of programs."""
        return self.runner.environment

    @property
    def architecture(self) -> str:
        """Debian's name of the processor."""
        return _ARCHITECTURES.get(platform.machine(), platform.machine())

    def find(self, program: str) -> Path | None:
        """The program's path, on PATH."""
        return find(program, self.environment)

    def as_root(self, argv: Sequence[str | Path]) -> list[str]:
        """The command, through sudo where this user is not root."""
        words = [str(word) for word in argv]
        return words if os.geteuid() == 0 else ["sudo", "-n", "-E", *words]

    def require_root(self) -> None:
        """Make sure that `as_root` works.

        Raises:
            OutsideError: this user is not root and may not become it without a password.
        """
        if os.geteuid() == 0:
            return
        cause = "This user is not root, and sudo is not installed."
        if self.find("sudo"):
            if self.runner.run(["sudo", "-n", "true"], check=False).code == 0:
                return
            cause = "This user is not root, and sudo asks for a password."
        raise OutsideError(
            "The lab needs root, to install packages and to run Docker and BuildKit.",
            cause=cause,
            remedy="Run it as root, or run `sudo -v` before it.",
        )

    def install(self, programs: Mapping[str, str]) -> tuple[str, ...]:
        """Install the Debian packages of the missing programs.

        Args:
            programs: package by program.

        Returns:
            The packages installed.

        Raises:
            OutsideError: apt-get is missing or failed.
        """
        missing = tuple(dict.fromkeys(package for program, package in programs.items() if not self.find(program)))
        if missing:
            self.install_packages(missing)
        return missing

    def install_packages(self, missing: Sequence[str]) -> None:
        """Install Debian packages.

        Raises:
            OutsideError: apt-get is missing or failed.
        """
        if not self.find("apt-get"):
            raise OutsideError(
                f"{' and '.join(missing)} must be installed, and there is no apt-get here.",
                remedy=f"Install them by hand, or use a Debian or Ubuntu machine (packages: {' '.join(missing)}).",
            )
        self.require_root()
        self.progress.note(f"apt-get install {' '.join(missing)}")
        try:
            self.apt("update", "-qq")
            self.apt("install", "-y", "-qq", "--no-install-recommends", *missing)
        except ProgramFailed as error:
            raise OutsideError(
                f"apt-get could not install {', '.join(missing)}.",
                cause="The package mirror cannot be reached, or another apt-get is running.",
                remedy=f"Run `apt-get install {' '.join(missing)}` and look at what it says.",
                original=error.original,
            ) from error

    def apt(self, *words: str, cwd: Path | None = None) -> None:
        """Run apt-get as root, without questions and without starting services.

        One at a time of this cache's processes: `update` does not wait for another one.

        Raises:
            ProgramFailed: with its output.
        """
        with lock_file(self.cache / "lab" / ".apt.lock", notice=lambda: self.progress.note("waiting for apt-get")):
            self.runner.run(
                self.as_root(["apt-get", "-o", "DPkg::Lock::Timeout=300", *words]),
                extra={"DEBIAN_FRONTEND": "noninteractive", "NEEDRESTART_SUSPEND": "1"},
                cwd=cwd,
                timeout=APT_MINUTES * 60,
                on_line=self.progress.note,
            )

    def unmount_below(self, folder: Path) -> list[str]:
        """Unmount whatever is mounted below a folder, inner mounts first; returns the mount points that remain."""
        for mount in reversed(mount_points(folder)):
            self.runner.run(self.as_root(["umount", mount]), check=False)
        return mount_points(folder)

    def mirrors(self, codename: str) -> tuple[str, str]:
        """Find the mirrors of a Debian release for this machine: URLs of the archive and of its security archive.

        Args:
            codename: such as `bookworm`; on a machine of another release or distribution, debootstrap knows them.

        Raises:
            OutsideError: neither apt nor debootstrap names an archive.
        """
        targets = ""
        if self.find("apt-get"):
            targets = self.runner.run(
                ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages"],
                check=False,
            ).stdout
        archive, security = read_mirrors(targets.splitlines(), codename)
        if not archive:
            self.install({"debootstrap": "debootstrap"})
            archive = default_mirror(DEBOOTSTRAP)
        if not archive:
            raise OutsideError(
                f"No archive of Debian {codename} is known here.",
                cause="Neither apt's sources nor debootstrap name one.",
                remedy=f"Add Debian {codename} to apt's sources.",
            )
        return archive, security or f"{archive}-security"


def mount_points(folder: Path) -> list[str]:
    """Mount points below a folder, outer ones first (proc(5), mountinfo)."""
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    plain = [point.encode().decode("unicode_escape") for point in points]
    return [point for point in plain if Path(point).is_relative_to(folder)]


def read_mirrors(targets: Iterable[str], codename: str) -> tuple[str, str]:
    """The archive's and the security archive's URL, from lines of URL, suite and component as apt prints them.

    Either is "" when no line names it.
    """
    urls: dict[str, str] = {}
    for line in targets:
        url, _, rest = line.partition(" ")
        if rest.endswith(" main") and url.startswith(("http://", "https://")):
            urls.setdefault(rest.removesuffix(" main"), url.rstrip("/"))
    return urls.get(codename, ""), urls.get(f"{codename}-security", "")


def default_mirror(debootstrap: Path) -> str:
    """The default archive of debootstrap; "" when it names none."""
    try:
        match = re.search(r'^DEF_MIRROR="(http\S+)"$', debootstrap.read_text(), re.MULTILINE)
    except OSError:
        return ""
    return match[1].rstrip("/") if match else ""


def with_system_path(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment with the folders of the system's own programs on PATH: users other than root lack them."""
    path = environment.get("PATH", os.defpath).split(os.pathsep)
    return {**environment, "PATH": os.pathsep.join(dict.fromkeys([*path, *_SBIN]))}
