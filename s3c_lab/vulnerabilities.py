"""The vulnerability database: Trivy's public one where it is reachable, else one built from Debian's changelogs."""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from s3c_actions.core.errors import OutsideError
from s3c_actions.core.process import ProgramFailed, ProgramTimedOut
from s3c_actions.programs.install.cache import lock_file, open_scratch_folder
from s3c_actions.programs.install.gobuild import find_toolchain, required_go
from s3c_actions.programs.install.locate import locate
from s3c_actions.programs.install.pins import TRIVY
from s3c_lab import advisories, docker_engine
from s3c_lab.advisories import Advisory, fixes, read_installed, write_tracker
from s3c_lab.base import CODENAME, RELEASE, fresh
from s3c_lab.machine import Machine
from s3c_lab.pieces import piece
from s3c_lab.programs import TRIVY_DB

PUBLIC = "mirror.gcr.io"
"""The registry from which Trivy takes its database first."""
PUBLIC_DAYS = 1
BUILT_DAYS = 7

# Runs inside an image: lists its packages, and extracts the changelogs of all that have an update.
_COLLECT = r"""
set -eu
apt-get update -qq
dpkg-query --show --showformat '${Package}\t${source:Package}\t${source:Version}\n' >/out/installed
mkdir /tmp/debs && cd /tmp/debs
apt-get --simulate dist-upgrade | sed -n 's/^Inst \([^ ]*\) \[.*/\1/p' >upgradable
if [ -s upgradable ]; then xargs apt-get download -qq <upgradable; fi
for deb in *.deb; do
    [ -e "$deb" ] || continue
    package=$(dpkg-deb --field "$deb" Package)
    dpkg-deb --fsys-tarfile "$deb" >tree.tar
    # Some packages have a link to the changelog of another one, which is there as well.
    tar --extract --file tree.tar --to-stdout --wildcards './usr/share/doc/*/changelog.Debian.gz' >"/out/$package.gz" ||
        rm "/out/$package.gz"
done
chmod -R a+rX /out
"""


@dataclass(frozen=True)
class Database:
    """A Trivy cache folder's `db`, and its origin as a sentence for people."""

    folder: Path
    origin: str


def database(images: Iterable[str], key: str, machine: Machine) -> Database:
    """Return a recent database, downloaded or built when the cache has none.

    Args:
        images: references whose changelogs are read when it has to be built; Docker can pull them.
        key: changes when the images do.
        machine: whose mirror, programs and cache are used.

    Raises:
        OutsideError: it can neither be downloaded nor built.
    """
    parent = _kept(machine)
    key = hashlib.sha256(key.encode() + Path(advisories.__file__).read_bytes()).hexdigest()[:16]
    with lock_file(parent / ".lock", notice=lambda: machine.progress.note("another lab makes the database")):
        for folder, days in ((parent / "public", PUBLIC_DAYS), (parent / f"built-{key}", BUILT_DAYS)):
            if fresh(folder / "origin", days):
                return _read_database(folder)
        if reachable():
            try:
                return _download_database(parent / "public", machine)
            except OutsideError as error:
                machine.progress.warning(f"Trivy's public database could not be downloaded: {error.what}")
        return _build_database(parent / f"built-{key}", tuple(images), machine)


def is_kept(machine: Machine) -> bool:
    """Whether a recent database is there; that it was built of other images is not looked at."""
    parent = _kept(machine)
    return fresh(parent / "public" / "origin", PUBLIC_DAYS) or any(
        fresh(file, BUILT_DAYS) for file in parent.glob("built-*/origin")
    )


def is_built(machine: Machine) -> bool:
    """Whether `database` will build one, with trivy-db: there is none, and the public one is out of reach."""
    return not is_kept(machine) and not reachable()


def _kept(machine: Machine) -> Path:
    return machine.cache / "lab" / "trivy-db"


def reachable(seconds: float = 3.0) -> bool:
    """Whether the public database's registry answers."""
    try:
        with urllib.request.urlopen(f"https://{PUBLIC}/v2/", timeout=seconds):
            return True
    except urllib.error.HTTPError as error:
        return error.code == 401  # it requires a token, which Trivy obtains
    except (urllib.error.URLError, OSError):
        return False


def collect(installed: str, changelogs: dict[str, str], machine: Machine) -> list[Advisory]:
    """The advisories of one image.

    Args:
        installed: as `read_installed` takes it.
        changelogs: by binary package.
        machine: compares versions.
    """
    packages = read_installed(installed)

    def newer(first: str, second: str) -> bool:
        return machine.runner.run(["dpkg", "--compare-versions", first, "gt", second], check=False).code == 0

    # Binary packages of one source have one changelog.
    by_source = {packages[name].source: name for name in sorted(changelogs) if name in packages}
    return [advisory for name in by_source.values() for advisory in fixes(changelogs[name], packages[name], newer)]


def _read_database(folder: Path) -> Database:
    return Database(folder / "db", (folder / "origin").read_text().strip())


def _install_database(temp: Path, target: Path, origin: str) -> Database:
    if not (temp / "db" / "trivy.db").is_file() or not (temp / "db" / "metadata.json").is_file():
        raise OutsideError("The vulnerability database was not written.", original=str(sorted(temp.rglob("*")))[:500])
    (temp / "origin").write_text(origin + "\n")
    for old in target.parent.glob(target.name.partition("-")[0] + "*"):
        shutil.rmtree(old)
    temp.chmod(0o755)
    temp.replace(target)
    return _read_database(target)


def _download_database(target: Path, machine: Machine) -> Database:
    trivy = locate(TRIVY, cache=machine.cache, runner=machine.runner, progress=machine.progress)
    with open_scratch_folder(target.parent, "public-") as temp:
        try:
            machine.runner.run(
                [trivy.path, "image", "--download-db-only", "--cache-dir", temp, "--no-progress"],
                timeout=600,
                on_line=machine.progress.note,
            )
        except (ProgramFailed, ProgramTimedOut) as error:
            raise OutsideError("Trivy could not download its database.", original=error.original) from error
        return _install_database(temp, target, "Trivy's public database")


def _build_database(target: Path, images: tuple[str, ...], machine: Machine) -> Database:
    known: dict[tuple[str, str], Advisory] = {}
    with open_scratch_folder(target.parent, "built-") as temp:
        for number, image in enumerate(images):
            machine.progress.note(f"reading the changelogs of the updates of {image}")
            folder = temp / f"image-{number}"
            folder.mkdir()
            _collect_changelogs(image, folder, machine)
            changelogs = {
                file.name.removesuffix(".gz"): gzip.decompress(file.read_bytes()).decode(errors="replace")
                for file in folder.glob("*.gz")
            }
            for advisory in collect((folder / "installed").read_text(), changelogs, machine):
                known[advisory.cve, advisory.source] = advisory
            shutil.rmtree(folder)
        if not known:
            raise OutsideError(
                "No vulnerability was found in the changelogs of Debian's updates.",
                cause="The security archive has no updates for the base, or cannot be reached.",
                remedy="Look at this machine's apt sources: the lab takes the same mirror.",
            )
        write_tracker(known.values(), temp, codename=CODENAME, release=RELEASE)
        with piece(machine.progress, "trivy-db"):
            program = locate(TRIVY_DB, cache=machine.cache, runner=machine.runner, progress=machine.progress)
        # It asks Go for the names of the standard library's packages before it reads its arguments.
        go = find_toolchain(
            required_go(TRIVY_DB), cache=machine.cache, runner=machine.runner, progress=machine.progress
        )
        try:
            machine.runner.run(
                [program.path, "build", "--only-update", "debian", "--cache-dir", temp, "--output-dir", temp / "db"],
                extra={
                    "PATH": os.pathsep.join([str(go.path.parent), machine.environment.get("PATH", "")]),
                    "GOTOOLCHAIN": "local",
                    "GOCACHE": str(temp / "go"),
                },
                timeout=600,
                on_line=machine.progress.note,
            )
        except ProgramFailed as error:
            raise OutsideError("trivy-db could not build the database.", original=error.original) from error
        shutil.rmtree(temp / "vuln-list-debian")
        shutil.rmtree(temp / "go", ignore_errors=True)
        packages = len({advisory.source for advisory in known.values()})
        return _install_database(
            temp,
            target,
            f"built by trivy-db from Debian's changelogs ({len(known)} vulnerabilities in {packages} packages)",
        )


def _collect_changelogs(image: str, out: Path, machine: Machine) -> None:
    from docker.errors import DockerException

    with docker_engine.connect(machine) as docker:
        try:
            docker.images.pull(image)
            try:
                container = docker.containers.create(
                    image,
                    entrypoint=["/bin/sh", "-c", _COLLECT],
                    user="0",
                    network_mode="host",
                    volumes={str(out): {"bind": "/out", "mode": "rw"}},
                )
                try:
                    container.start()
                    code = int(container.wait(timeout=docker_engine.TIMEOUT)["StatusCode"])
                    output = container.logs(stdout=False).decode(errors="replace")
                finally:
                    container.remove(force=True, v=True)  # with the volume that the image declares
            finally:
                docker.images.remove(image, force=True)
        except DockerException as error:
            raise OutsideError(f"Docker could not look into {image}.", image=image, original=str(error)) from error
    if code:
        raise OutsideError(
            f"The updates of {image} could not be read.",
            cause="The package mirror cannot be reached from a container.",
            remedy="Look at this machine's apt sources: the lab takes the same mirror.",
            image=image,
            original=output,
        )


def copy(database: Database, cache: Path) -> None:
    """Put the database into a Trivy cache folder, by hard links where possible: nothing writes to it in place."""
    target = cache / "db"
    if target.exists():
        shutil.rmtree(target)
    target.mkdir(parents=True)
    for file in database.folder.iterdir():
        try:
            (target / file.name).hardlink_to(file)
        except OSError:
            shutil.copy2(file, target / file.name)
