"""Find a program, or install it: explicit path → PATH at the pinned version → cache → release archive → Go module."""

from __future__ import annotations

import copy
import importlib
import json
import os
import re
import shutil
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from s3c_actions.core import reading
from s3c_actions.core.errors import InputError, OutsideError, S3CError
from s3c_actions.core.folders import UnsafeFolder
from s3c_actions.core.pasted_content import quote_value
from s3c_actions.core.patterns import late_pattern
from s3c_actions.core.process import Runner, find
from s3c_actions.core.progress import Progress
from s3c_actions.core.records import Records, file_sha256
from s3c_actions.programs.install.cache import (
    lock_file,
    make_private_folders,
    open_scratch_folder,
    translate_disk_errors,
)
from s3c_actions.programs.install.pins import Pin, Platform
from s3c_actions.programs.install.releases import DownloadFailed

MIRROR_VARIABLE = "S3C_PROGRAMS_MIRROR"
_VERSION = late_pattern(r"v?(\d{1,6}(?:\.\d{1,6}){1,3}(?:[-+][0-9A-Za-z.-]{1,40})?)")


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """A program that can be run.

    Attributes:
        version: as it reports, without a leading `v`; the pin's when it cannot report one.
        origin: `given` (explicit path), `PATH`, `release` (archive with the pinned SHA-256) or `module` (built).
    """

    name: str
    path: Path
    version: str
    origin: str


class LateProgram:
    """A program that is looked for, and installed, when it is used first: what is cheaper to check is checked before.

    Args:
        name: of the program.
        find: returns the program, or raises; called once, and an error is raised again at each use.
    """

    def __init__(self, name: str, find: Callable[[], Program]) -> None:
        self.name, self._find = name, find
        self._lock = threading.Lock()
        self._outcome: Program | S3CError | None = None

    @property
    def path(self) -> Path:
        """The program's path; raises as `find` does."""
        return self._resolve().path

    @property
    def version(self) -> str:
        """The program's version; raises as `find` does."""
        return self._resolve().version

    def _resolve(self) -> Program:
        with self._lock:
            if self._outcome is None:
                try:
                    self._outcome = self._find()
                except S3CError as error:
                    self._outcome = error
            if isinstance(self._outcome, S3CError):
                raise copy.copy(self._outcome)  # each image's failure names its own image
            return self._outcome


class ProgramRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A requested program.

    Attributes:
        explicit: path to use, whatever PATH and the cache have.
        version: another than the pin's; needs `checksum`.
        checksum: SHA-256 of that version's release archive for this platform, or of the file at `explicit`.
    """

    pin: Pin
    explicit: Path | None = None
    version: str = ""
    checksum: str = ""


class ProgramSources(msgspec.Struct, frozen=True, kw_only=True):
    """The sources of programs; replaced in tests.

    Attributes:
        mirror: base URL of a mirror with the paths of every release host; empty: each pin's own host.
        unreachable: hosts that did not answer in this process, each with the reason: they are not waited for again.
    """

    mirror: str
    download: Callable[[str, str, Path, Progress], None]
    extract: Callable[[Path, str, Path], None]
    build: Callable[..., None]
    discard: Callable[[Path], None]
    unreachable: dict[str, str] = msgspec.field(default_factory=dict)


_UNREACHABLE: dict[str, str] = {}


def default_sources(environment: Mapping[str, str], mirror: str = "") -> ProgramSources:
    """Return the real sources.

    Raises:
        InputError: the mirror is not an http or https URL.
    """
    base = (mirror or environment.get(MIRROR_VARIABLE, "")).rstrip("/")
    if base and (urlsplit(base).scheme not in ("http", "https") or not urlsplit(base).hostname):
        raise InputError("programs-mirror", f"{quote_value(base)} is not an http or https URL.")
    return ProgramSources(
        mirror=base,
        download=_import_on_call("releases", "download"),
        extract=_import_on_call("archives", "extract"),
        build=_import_on_call("gobuild", "build"),
        discard=_import_on_call("gobuild", "discard_caches"),
        unreachable=_UNREACHABLE,
    )


def _import_on_call(module: str, name: str) -> Callable[..., None]:
    """Return a function whose module is imported when it is called: most runs install no program."""

    def function(*arguments: Any, **named: Any) -> None:
        getattr(importlib.import_module(f"s3c_actions.programs.install.{module}"), name)(*arguments, **named)

    return function


def locate(
    pin: Pin,
    *,
    explicit: Path | None = None,
    version: str = "",
    checksum: str = "",
    mirror: str = "",
    cache: Path,
    runner: Runner,
    progress: Progress,
) -> Program:
    """Return one program; see `locate_all`."""
    request = ProgramRequest(pin=pin, explicit=explicit, version=version, checksum=checksum)
    return locate_all((request,), cache=cache, runner=runner, progress=progress, mirror=mirror)[0]


def locate_all(
    wanted: Iterable[ProgramRequest],
    *,
    cache: Path,
    runner: Runner,
    progress: Progress,
    mirror: str = "",
    source: ProgramSources | None = None,
) -> tuple[Program, ...]:
    """Return programs that can be run, each found or installed into the cache.

    Several processes may do this at once on one cache: one installs, the others wait and find it.

    Args:
        wanted: the programs, in any order.
        cache: folder that is kept between runs.
        runner: runs the programs to query their versions, and Go; its environment's PATH is searched.
        progress: receives downloads, builds and skipped programs.
        mirror: base URL instead of the release hosts; else the environment's S3C_PROGRAMS_MIRROR.
        source: other sources of programs.

    Raises:
        InputError: a path, version or checksum given is wrong, unpinned or rejected; the cache cannot be written.
        OutsideError: a checksum does not match, the disk is full, or a program can neither be downloaded nor built.
    """
    source = source or default_sources(runner.environment, mirror)
    finder = _Finder(
        cache=cache, runner=runner, progress=progress, source=source, records=open_records(runner.environment)
    )
    programs = []
    try:
        for request in wanted:
            programs.append(finder.find(request))
    finally:
        if finder.built and len(programs) == finder.asked:
            progress.note("removing what Go compiled")  # gigabytes: a minute on a slow disk
            source.discard(cache)
    return tuple(programs)


def find_present(wanted: ProgramRequest, *, cache: Path, runner: Runner, progress: Progress) -> Program | None:
    """Return the program if it is available without installing it.

    Raises:
        InputError: as `locate_all` does.
    """
    return _Finder(
        cache=cache, runner=runner, progress=progress, source=None, records=open_records(runner.environment)
    ).find_present(validate_request(wanted))


def find_used(wanted: ProgramRequest, *, cache: Path, runner: Runner, progress: Progress) -> Program | None:
    """Return the program that is used here, without installing it: as `find_present`, and one on PATH at any version.

    Raises:
        InputError: as `locate_all` does.
    """
    on_path = find(wanted.pin.name, runner.environment) if wanted.pin.any_version else None
    if on_path is None:
        return find_present(wanted, cache=cache, runner=runner, progress=progress)
    version = ""
    with suppress(OutsideError):  # it does not start: what uses it says so
        ended = runner.run([on_path, "--version"], timeout=60, check=False, cwd=Path(os.sep))
        version = wanted.pin.version_in(ended.stdout)
    return Program(name=wanted.pin.name, path=on_path.absolute(), version=version, origin="PATH")


def open_records(environment: Mapping[str, str]) -> Records:
    """Return the records of what this machine installed.

    Raises:
        InputError: there is no folder for them.
    """
    try:
        return Records.of(environment)
    except UnsafeFolder as error:
        raise InputError("S3C_STATE", str(error)) from error


class _Finder(msgspec.Struct, kw_only=True):
    cache: Path
    runner: Runner
    progress: Progress
    source: ProgramSources | None
    records: Records
    built: bool = False
    asked: int = 0

    def find(self, request: ProgramRequest) -> Program:
        self.asked += 1
        request = validate_request(request)
        program = self.find_present(request)
        if program is not None:
            return program
        name = request.pin.name
        home = self._home(request)

        def waiting() -> None:
            self.progress.notice(f"{name} is being installed by another process: waiting for it.")

        with translate_disk_errors(self.cache), lock_file(home.with_name(f"{home.name}.lock"), notice=waiting):
            program = self._cached(request)
            if program is None:
                with self.progress.step("install") as step:
                    program = self._install(request, home)
                    how = "its release archive" if program.origin == "release" else "its Go module"
                    step.done(f"{name} {program.version} from {how}")
            return program

    def find_present(self, request: ProgramRequest) -> Program | None:
        if request.explicit is not None:
            return self._at_given_path(request, request.explicit)
        return (None if request.checksum else self._on_path(request)) or self._cached(request)

    def _at_given_path(self, request: ProgramRequest, path: Path) -> Program:
        pin, name = request.pin, request.pin.name
        if not path.is_file() or not os.access(path, os.X_OK):
            raise InputError(f"{name}-path", f"{path} is not a file that may be executed.")
        if request.checksum and file_sha256(path) != request.checksum:
            raise InputError(
                f"{name}-checksum",
                f"{path} does not have this SHA-256: it has {file_sha256(path)}.",
                remedy=f"Give the checksum of the file at {name}-path.",
            )
        version = self._query_version(pin, path)
        pin.check(version)
        expected = request.version or pin.version
        if version != expected and (request.version or not request.checksum):
            raise InputError(
                f"{name}-path",
                f"{path} is {f'{name} {version}' if version else 'of an unknown version'}, not {name} {expected}.",
                remedy=f"Give {name} {expected}; to use this one all the same, give its SHA-256 in {name}-checksum.",
            )
        return Program(name=name, path=path.absolute(), version=version or expected, origin="given")

    def _on_path(self, request: ProgramRequest) -> Program | None:
        pin = request.pin
        on_path = find(pin.name, self.runner.environment) if pin.asks else None
        if on_path is None:
            return None
        path = on_path.absolute()
        version = self._version_on_path(pin, path)
        if version in pin.refused:
            self.progress.warning(
                f"{path} is {pin.name} {version}: {pin.refused[version]}. It is passed over; remove it."
            )
        elif version != pin.version:
            self.progress.note(
                f"{path} is {pin.name} {version or 'of an unknown version'}, not {pin.version}: passed over"
            )
        if version != pin.version:
            return None
        if pin.release is not None and Platform.here() in pin.release.checksums and not self._known(request, path):
            self.progress.notice(
                f"{path} is used: it says that it is {pin.name} {version}, and no hash holds it to that. "
                f"To hold it to one, give `{pin.name}-path` and `{pin.name}-checksum`."
            )
        return Program(name=pin.name, path=path, version=version, origin="PATH")

    def _known(self, request: ProgramRequest, path: Path) -> bool:
        """Return whether it is, byte for byte, what this machine has installed of the same pin."""
        try:
            return bool(self.records.origin(self._recipe(request), self.records.sha256(path)))
        except OSError:
            return False  # it is executable but not readable

    def _version_on_path(self, pin: Pin, path: Path) -> str:
        """Return the version of a program on PATH, queried once for each state of the file: a query takes 0.1 s."""
        state = path.resolve().stat()
        fingerprint = [str(path), state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns]
        recorded = self.records.remembered(f"path-{pin.name}")
        if recorded.get("seen") == fingerprint and isinstance(recorded.get("version"), str):
            return str(recorded["version"])
        version = self._query_version(pin, path)
        with suppress(OSError):  # without a record, the next run only takes 0.1 s more
            self.records.remember(f"path-{pin.name}", {"seen": fingerprint, "version": version})
        return version

    def _query_version(self, pin: Pin, path: Path) -> str:
        if not pin.asks:
            return ""
        try:
            completed = self.runner.run([path, *pin.asks], timeout=60, check=False, cwd=Path(os.sep))
        except OutsideError:
            return ""
        return pin.version_in(completed.stdout) or pin.version_in(completed.stderr)

    def _home(self, request: ProgramRequest) -> Path:
        version = request.version or request.pin.version
        key = request.checksum[:12] or request.pin.key()
        return self.cache / "programs" / request.pin.name / f"{version}-{Platform.here()}-{key}"

    def _recipe(self, request: ProgramRequest) -> str:
        """Return the key of what is installed and from what, in the records."""
        return f"programs/{request.pin.name}/{self._home(request).name}"

    def _cached(self, request: ProgramRequest) -> Program | None:
        """Return the program in the cache, if this machine installed it and it is unchanged, byte for byte."""
        home = self._home(request)
        path = home / request.pin.name
        try:
            digest = self.records.sha256(path) if os.access(path, os.X_OK) else ""
        except OSError:
            return None
        origin = self.records.origin(self._recipe(request), digest) if digest else ""
        if not origin or _read_json(home / "origin.json").get("sha256") != digest:
            return None
        version = request.version or request.pin.version
        return Program(name=request.pin.name, path=path.absolute(), version=version, origin=origin)

    def _install(self, request: ProgramRequest, home: Path) -> Program:
        pin, version = request.pin, request.version or request.pin.version
        with open_scratch_folder(home.parent, f"{home.name}-", alone=True) as folder:
            path = folder / pin.name
            origin = self._fetch(request, path, folder)
            reported = self._query_version(pin, path)
            if pin.asks and reported != version:
                raise OutsideError(
                    f"What was installed as {pin.name} {version} says it is {reported or 'no version at all'}.",
                    cause="The archive is of another version, or made for another platform.",
                    remedy=f"Compare the version and `{pin.name}-checksum` with the project's release page.",
                )
            digest = file_sha256(path)
            facts = {"version": version, "origin": origin, "size": path.stat().st_size, "sha256": digest}
            (folder / "origin.json").write_text(json.dumps(facts, indent=1))
            for file in folder.iterdir():
                if file.name not in (pin.name, "origin.json"):
                    file.unlink()
            if home.is_symlink():
                home.unlink()
            elif home.exists():
                if os.access(home / pin.name, os.X_OK):
                    self.progress.notice(f"{home / pin.name} is not what this machine installed there: it is replaced.")
                shutil.rmtree(home)
            folder.rename(home)
            self._record(request, digest, origin)
        return Program(name=pin.name, path=(home / pin.name).absolute(), version=version, origin=origin)

    def _record(self, request: ProgramRequest, digest: str, origin: str) -> None:
        try:
            self.records.add(self._recipe(request), digest, origin)
        except OSError as error:
            self.progress.notice(
                f"{request.pin.name} is installed anew by the next run, because {self.records.folder} cannot be "
                f"written ({error.strerror or error}). Name a private folder in S3C_STATE."
            )

    def _fetch(self, request: ProgramRequest, into: Path, folder: Path) -> str:
        """Download or build the program to `into`; return the origin."""
        pin, version, source = request.pin, request.version or request.pin.version, self.source
        assert source is not None  # noqa: S101 - only `present` has none, and it installs nothing
        here = Platform.here()
        path = pin.release.path_of(version, here) if pin.release else None
        checksum = request.checksum or (pin.release.checksums.get(here, "") if pin.release else "")
        base = source.mirror or (pin.release.host if pin.release else "")
        member = pin.release.member_of(version, here) if pin.release else ""
        url, host = f"{base}/{path}", urlsplit(base).netloc
        file = folder / url.rpartition("/")[2] if member else into
        why = "no checksum of its release is pinned" if path and not checksum else ""
        if path and checksum:
            try:
                self._download(url, checksum, file)
                if member:
                    source.extract(file, member, into)
                else:
                    into.chmod(0o755)
            except DownloadFailed as error:
                if error.host_down:
                    source.unreachable[host] = error.why
                if version != pin.version:
                    raise
                why = f"its release cannot be downloaded ({error.why})"
            else:
                return "release"
        if version != pin.version:
            raise OutsideError(
                f"{pin.name} {version} cannot be downloaded: {host} is out of reach, or has no archive for {here}.",
                remedy=f"Use {pin.name} {pin.version}, which can be built, or give a path in {pin.name}-path.",
            )
        reason = f" because {why}" if why else ""
        self.progress.notice(
            f"{pin.name} {version} is built from its Go module{reason}. This takes some minutes, once."
        )
        self.built = True
        source.build(pin, into, cache=self.cache, runner=self.runner, progress=self.progress)
        return "module"

    def _download(self, url: str, checksum: str, into: Path) -> None:
        """Get a release from the kept ones or its host; what an interrupted run left of it is continued.

        Raises:
            DownloadFailed, WrongChecksum: as `releases.download` does; the host did not answer earlier in this process.
        """
        source, host = self.source, urlsplit(url).netloc
        assert source is not None  # noqa: S101 - as in `_fetch`
        kept, part = self.cache / "archives" / checksum, self.cache / "downloads" / checksum
        with lock_file(part.with_name(f"{checksum}.lock")):  # several programs may be in one archive
            if _copy_archived(kept, into, checksum):
                return
            if host in source.unreachable:
                raise DownloadFailed(url, source.unreachable[host])
            self.progress.note(f"downloading {url}")
            source.download(url, checksum, part, self.progress)
            shutil.copyfile(part, into)
            make_private_folders(kept.parent)
            part.replace(kept)


def _copy_archived(archived: Path, into: Path, checksum: str) -> bool:
    """Copy an archive that an earlier run kept, if the copy has the SHA-256, which authenticates a restored one."""
    try:
        shutil.copyfile(archived, into)
        if file_sha256(into) == checksum:
            return True
    except OSError:
        pass
    into.unlink(missing_ok=True)
    return False


def validate_request(request: ProgramRequest) -> ProgramRequest:
    """Return the request with version and checksum normalized.

    Raises:
        InputError: one of them is malformed, or a version has no checksum.
    """
    pin = request.pin
    version, checksum = request.version.strip(), request.checksum.strip().lower().removeprefix("sha256:")
    if checksum and not re.fullmatch(r"[0-9a-f]{64}", checksum):
        raise InputError(f"{pin.name}-checksum", "this is not a SHA-256: it has 64 hexadecimal digits.")
    if version:
        parsed = _VERSION.fullmatch(version)
        if parsed is None:
            raise InputError(f"{pin.name}-version", f"{quote_value(version)} is not a version such as {pin.version}.")
        version = parsed[1]
        pin.check(version)
        if version != pin.version and not checksum:
            raise InputError(
                f"{pin.name}-version",
                f"{pin.name} {version} has no pinned checksum: s3c pins {pin.version}.",
                remedy=f"Leave it at {pin.version}, or give the SHA-256 of the archive in {pin.name}-checksum.",
            )
    return ProgramRequest(pin=pin, explicit=request.explicit, version=version, checksum=checksum)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        document = reading.parse_json(reading.read_text_file(path))
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}
