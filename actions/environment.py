"""Makes the locked environment, and proves one that is there: `setup.sh` runs it, isolated (`python -I -S`).

Nothing that lies in the cache is believed for lying there. What this machine installed is in its records
(`records.py`); anything else is installed anew from wheels, each held to its hash in requirements/. No command runs in
the workspace.
"""

from __future__ import annotations

import configparser
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from s3c_actions.core.folders import UnsafeFolder, cache_folder, make_private
from s3c_actions.core.records import Records, file_sha256

PIP = ("--quiet", "--disable-pip-version-check", "--require-hashes", "--only-binary", ":all:")


class Failed(Exception):
    """Why there is no environment: a sentence on what happened, and one on what to change."""


def main(option: str) -> None:
    """Print the path of the environment's Python (`--uv`: of uv), and end the process: 0, or 3 with a sentence."""
    code = 3
    try:
        print(_prepare(option))
        sys.stdout.flush()
    except (Failed, UnsafeFolder) as error:
        say(str(error))
    except OSError as error:
        say(f"{error.filename or 'a file'}: {error.strerror}. Name a cache folder this user may write to in S3C_CACHE.")
    except KeyboardInterrupt:
        code = 130
    except Exception as error:
        say(f"the environment could not be set up: {type(error).__name__}: {error}. Please report it.")
    else:
        code = 0
    # What could not be written is not tried again at the end.
    os._exit(code)


def say(text: str) -> None:
    """One line for people."""
    print(f"s3c: {text}", file=sys.stderr, flush=True)


def _prepare(option: str) -> Path:
    if option not in ("", "--dev", "--uv"):
        raise Failed(f"{option} is not an option of setup.sh. Give --dev or --uv.")
    records = Records.of(os.environ)
    named = cache_folder(os.environ)
    cache = named.path
    if cache.exists() and not cache.is_dir():
        raise Failed(f"the cache {cache} is not a folder. Name another in S3C_CACHE.")
    lock = ROOT / "requirements" / ("dev.txt" if option == "--dev" else "runtime.txt")
    environment = cache / "env" / f"{lock.stem}-{sys.implementation.cache_tag}-{file_sha256(lock)[:16]}"
    if option != "--uv" and _usable(environment, records):
        return environment / "bin" / "python"
    if named.notice:
        say(named.notice)
    try:
        make_private(records.folder)
    except UnsafeFolder:
        raise
    except OSError as error:
        raise Failed(
            f"{records.folder}, where s3c records what it installed, cannot be made: {error.strerror}. "
            "Name a private folder in S3C_STATE."
        ) from error
    make_private(cache, os.environ)
    if option == "--uv":
        return Setup(cache, records).uv()
    (cache / "env").mkdir(mode=0o700, exist_ok=True)
    # Two jobs of one machine may come here together: the second waits, then finds it made.
    with _locked(environment.with_name(f"{environment.name}.lock")):
        if not _usable(environment, records):
            if environment.exists():
                say("the environment in the cache is not one that this machine made, or was changed: it is made anew")
            Setup(cache, records).make(environment, lock)
    return environment / "bin" / "python"


def _usable(environment: Path, records: Records) -> bool:
    # A restored cache may hold an environment whose interpreter this machine no longer has.
    return os.access(environment / "bin" / "python", os.X_OK) and records.has_tree(environment)


class Setup:
    """Installs into one cache.

    Args:
        cache: the cache folder.
        records: of what is installed.
    """

    def __init__(self, cache: Path, records: Records) -> None:
        self._cache, self._records = cache, records

    def make(self, environment: Path, lock: Path) -> None:
        """Make the environment anew, and put it in its place whole.

        Raises:
            Failed: packages cannot be downloaded, or do not have the locked hashes.
            OSError: the cache or the records cannot be written.
        """
        uv = self.uv()
        say(f"setting up the environment ({lock.stem}, {sys.implementation.cache_tag})")
        with _scratch(environment.parent, environment.name) as scratch:
            new = scratch / "env"
            # Without a cache of uv's own: what lies there would be believed. Relocatable, because it is moved.
            flags = ["--quiet", "--no-config", "--no-cache"]
            index = {**os.environ, **_index(os.environ)}
            base: list[str | Path] = ["--no-project", "--relocatable", "--python", sys.executable]
            self._run([uv, "venv", *flags, *base, new], scratch, index)
            checked = ["--require-hashes", "--only-binary", ":all:", "--link-mode", "copy"]
            packages: list[str | Path] = ["--python", new / "bin" / "python", *checked, "-r", lock]
            self._run([uv, "pip", "install", *flags, *packages], scratch, index)
            python = new / "bin" / "python"
            # Compiled now, because a file that appears later is one that nobody recorded.
            moved = ["-s", str(new), "-p", str(environment)]
            self._run(
                [python, "-I", "-m", "compileall", "-q", "-j", "0", *moved, new / "lib"],
                scratch,
                os.environ,
                check=False,
            )
            (new / ".ready").touch()  # earlier versions look for it, and would make the environment anew
            if environment.exists() or environment.is_symlink():
                environment.rename(scratch / "old")
            new.rename(environment)
        self._records.add_tree(environment)

    def uv(self) -> Path:
        """The pinned uv: the one that was installed here by its wheel's hash, else one from PATH, with a notice.

        Raises:
            Failed: there is nothing to install it with, or it cannot be downloaded.
            OSError: the cache cannot be written.
        """
        want = (ROOT / "requirements" / "uv.in").read_text().strip().removeprefix("uv==")
        home = self._cache / "tools" / f"uv-{want}"
        program = home / "bin" / "uv"
        if self._recorded(program):
            return program
        (self._cache / "tools").mkdir(mode=0o700, exist_ok=True)
        with _locked(home.with_name(f".uv-{want}.lock")), _scratch(home.parent, home.name) as scratch:
            if self._recorded(program):
                return program
            installer = self._installer(scratch)
            if installer is None:
                return self._from_path(want)
            say(f"installing uv {want} (checked by hash)")
            to: list[str | Path] = ["--target", scratch / "uv", "-r", ROOT / "requirements" / "uv.txt"]
            if os.geteuid() == 0:
                to = ["--root-user-action=ignore", *to]
            self._run([*installer, "install", *PIP, "--no-cache-dir", *to], scratch, os.environ)
            if not (scratch / "uv" / "bin" / "uv").is_file():
                raise Failed(f"uv {want} was installed, but there is no uv in it. Please report it.")
            if home.exists() or home.is_symlink():
                home.rename(scratch / "old")
            (scratch / "uv").rename(home)
            self._records.add("uv", file_sha256(program), "wheel")
        return program

    def _recorded(self, program: Path) -> bool:
        return os.access(program, os.X_OK) and bool(self._records.origin("uv", file_sha256(program)))

    def _installer(self, scratch: Path) -> list[str | Path] | None:
        """A pip to install uv with; None: there is none, and none is available."""
        python: list[str | Path] = [sys.executable, "-I"]
        if self._runs([*python, "-m", "pip", "--version"], scratch):
            return [*python, "-m", "pip"]
        if not self._runs([*python, "-c", "import ensurepip, venv"], scratch):
            if os.geteuid() != 0 or shutil.which("apt-get") is None:
                return None
            say("this Python has neither venv nor pip: installing Debian's python3-venv")
            quiet = ["-qq", "-o", "DPkg::Lock::Timeout=300"]
            self._run(["apt-get", "update", *quiet], scratch, os.environ, check=False)
            packages = ["install", "-y", "--no-install-recommends", "python3-venv"]
            seen = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
            self._run(["apt-get", *quiet, *packages], scratch, seen, check=False)
        if not self._runs([*python, "-m", "venv", scratch / "venv"], scratch):
            return None
        return [scratch / "venv" / "bin" / "python", "-I", "-m", "pip"]

    def _from_path(self, want: str) -> Path:
        uv = shutil.which("uv")
        hint = f"Install them (Debian: apt-get install python3-venv), or put uv {want} on PATH."
        if uv is None:
            raise Failed(f"this Python has neither venv nor pip. {hint}")
        printed = subprocess.run([uv, "--version"], cwd="/", capture_output=True, text=True, check=False, timeout=60)
        if printed.stdout.split()[1:2] != [want]:
            raise Failed(f"this Python has neither venv nor pip, and {uv} is not uv {want}. {hint}")
        say(f"{uv} is used: it says that it is uv {want}, and no hash holds it to that")
        return Path(uv)

    def _runs(self, argv: Sequence[str | Path], cwd: Path) -> bool:
        return subprocess.run(argv, cwd=cwd, capture_output=True, stdin=subprocess.DEVNULL, check=False).returncode == 0

    def _run(
        self, argv: Sequence[str | Path], cwd: Path, environment: Mapping[str, str], *, check: bool = True
    ) -> None:
        ended = subprocess.run(
            argv,
            cwd=cwd,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL if not check else sys.stderr,
            stderr=subprocess.DEVNULL if not check else sys.stderr,
            check=False,
        )
        if check and ended.returncode != 0:
            raise Failed(
                f"{Path(argv[0]).name} could not install what s3c needs (see above). Allow it to reach the package "
                "index, or name a mirror in PIP_INDEX_URL and UV_DEFAULT_INDEX."
            )


def _index(environment: Mapping[str, str]) -> dict[str, str]:
    """Where uv finds packages, from what pip is told: uv reads neither pip's variables nor its files."""
    if any(environment.get(name) for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL")):
        return {}
    wanted = {"index-url": "UV_DEFAULT_INDEX", "extra-index-url": "UV_INDEX", "find-links": "UV_FIND_LINKS"}
    pip = _pip_settings(environment)
    variables = {}
    for name, variable in wanted.items():
        values = pip.get(name, "").split()
        if name == "find-links":
            values = [value for value in values if "://" in value or Path(value).is_dir()]
        if values:
            variables[variable] = ("," if name == "find-links" else " ").join(values)
    if pip.get("trusted-host"):
        variables["UV_INSECURE_HOST"] = " ".join(pip["trusted-host"].split())
    return variables


def _pip_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """What pip's files and variables say, the strongest last: system, user, PIP_CONFIG_FILE, variables."""
    home = Path(environment.get("HOME") or "/nonexistent")
    system = [
        Path(folder) / "pip" / "pip.conf"
        for folder in environment.get("XDG_CONFIG_DIRS", "/etc/xdg").split(":")
        if folder
    ]
    user = Path(environment.get("XDG_CONFIG_HOME") or home / ".config")
    files = [*system, Path("/etc/pip.conf"), home / ".pip" / "pip.conf", user / "pip" / "pip.conf"]
    if environment.get("PIP_CONFIG_FILE"):
        named = Path(environment["PIP_CONFIG_FILE"])
        files = [] if named == Path(os.devnull) else [*files, named]
    settings: dict[str, str] = {}
    for file in files:
        parser = configparser.RawConfigParser()
        try:
            parser.read(file, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError):
            continue  # pip says so when it runs
        for section in ("global", "install"):
            if parser.has_section(section):
                settings |= {key.replace("_", "-"): value for key, value in parser.items(section)}
    for name, value in environment.items():
        if name.startswith("PIP_") and value:
            settings[name.removeprefix("PIP_").lower().replace("_", "-")] = value
    return settings


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _scratch(parent: Path, name: str) -> Iterator[Path]:
    """A folder on the same disk, under the lock that goes with the name; what killed runs left is removed."""
    for old in parent.glob(f".new-{name}-*"):
        shutil.rmtree(old, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f".new-{name}-", dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
