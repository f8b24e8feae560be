"""A BuildKit in a privileged container of Docker's, for one run: what `docker buildx create` makes, without its plugin.

Files go through Docker's API and are not mounted: the daemon may run elsewhere than its socket. The image names an
anonymous volume for BuildKit's state, and both are removed together.
"""

from __future__ import annotations

import ipaddress
import os
import re
import secrets
import socket
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from s3c_actions.core import reading, tempdir
from s3c_actions.core.errors import InputError, S3CError
from s3c_actions.core.process import CompletedProgram, ProgramTimedOut, Runner
from s3c_actions.core.progress import Progress
from s3c_actions.programs.buildkit import errors
from s3c_actions.programs.buildkit.configuration import configuration, mirrors_of
from s3c_actions.programs.install.pins import BUILDKITD

REPOSITORY = "moby/buildkit"
LABEL = "io.github.s3c.owner"
"""Label of our containers: the process that has to remove it, as `identity` returns it."""

PULL_SECONDS = 300.0
START_SECONDS = 60.0
QUERY_SECONDS = 30.0
SETTLE_SECONDS = 0.5
IN_CONTAINER = Path("/.dockerenv")
"""Docker's mark in every container of its own."""
_CONTAINER_ID = re.compile("[0-9a-f]{12}")
_FOLDER = "/etc/s3c"
_PRIVILEGED = ("--privileged",)
# What BuildKit uses of it, for a Docker inside of a container that was not given every capability.
_CAPABLE = (
    *("--cap-add", "SYS_ADMIN", "--cap-add", "NET_ADMIN", "--cap-add", "SYS_PTRACE"),
    *("--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined"),
    *("--security-opt", "systempaths=unconfined", "--volume", "/sys/fs/cgroup:/sys/fs/cgroup"),
)
MAX_BUNDLE = 16 * 1024 * 1024
_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem")
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")


class ContainerRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The BuildKit to run.

    Attributes:
        registries: that it will read and write, as `host[:port]`.
        insecure: those of them that it uses plain HTTP with.
        mirror: URL whose host is asked for the image first, and is then the mirror of docker.io and ghcr.io; or empty.
        config: `buildkitd.toml`; without it, one is written.
        temp: for files that are copied into the container.
    """

    registries: tuple[str, ...] = ()
    insecure: tuple[str, ...] = ()
    mirror: str = ""
    config: Path | None = None
    temp: Path | None = None


@contextmanager
def run_container(request: ContainerRequest, runner: Runner, progress: Progress) -> Iterator[str]:
    """Run BuildKit in a container while the context lasts; container and volume are removed with it.

    Yields:
        Its address, `docker-container://NAME`.

    Raises:
        InputError: `config` cannot be read.
        OutsideError: the image cannot be pulled, or Docker or BuildKit did not start it.
    """
    _remove_leftovers(runner, progress)
    image, from_mirror = _pull(request, runner, progress)
    name = f"s3c-buildkit-{secrets.token_hex(8)}"
    try:
        try:
            _start(name, image, request if from_mirror else msgspec.structs.replace(request, mirror=""), runner)
        except KeyboardInterrupt:
            time.sleep(SETTLE_SECONDS)  # Docker finishes the container that it was asked for, and only then has it
            raise
        progress.note(f"BuildKit: container {name} of {image} (for this run)")
        yield f"docker-container://{name}"
    finally:
        removed = _docker(runner, ["rm", "--force", "--volumes", name])
        if removed.code != 0 and "No such container" not in removed.stderr:
            progress.note(f"BuildKit: container {name} could not be removed: {removed.stderr.strip()[-200:]}")


def identity() -> str:
    """Return what names this process on this machine until its next start: boot, PID namespace, PID and start time."""
    return _identity(os.getpid())


def _identity(pid: int) -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = Path(f"/proc/{pid}/ns/pid").stat().st_ino
        # proc(5): the start time is field 22, and only the second may have blanks and brackets in it.
        started = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
    return f"{boot}/{namespace}/{pid}/{started}"


def is_dead(owner: str) -> bool:
    """Return whether the process that a label names has provably ended: it was one of this boot and PID namespace."""
    here, parts = identity().split("/"), owner.split("/")
    if len(here) != 4 or len(parts) != 4 or parts[:2] != here[:2] or not parts[2].isdecimal() or len(parts[2]) > 9:
        return False
    return not Path(f"/proc/{parts[2]}").exists() or _identity(int(parts[2])) not in ("", owner)


def needs_host_network(places: Collection[str]) -> bool:
    """Return whether any `host[:port]` is this machine's loopback, which a container does not see."""
    return any(_is_loopback(urlsplit(f"//{place}").hostname or "") for place in places)


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    try:
        entries = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM) if host else []
    except (OSError, UnicodeError):
        return False
    addresses = {str(entry[4][0]).partition("%")[0] for entry in entries}
    return bool(addresses) and all(ipaddress.ip_address(address).is_loopback for address in addresses)


def images(mirror: str) -> list[tuple[str, bool]]:
    """Return the names to pull BuildKit by, in order, and whether each is the mirror's."""
    name = f"{REPOSITORY}:v{BUILDKITD.version}"
    host = urlsplit(mirror).netloc.rpartition("@")[2]
    return [*([(f"{host}/{name}", True)] if host else []), (f"docker.io/{name}", False)]


def _docker(runner: Runner, arguments: list[str], seconds: float = QUERY_SECONDS) -> CompletedProgram:
    try:
        return runner.run(["docker", *arguments], timeout=seconds, check=False)
    except ProgramTimedOut as error:
        text = f"{error.original}\ndocker {arguments[0]}: deadline exceeded"
        return CompletedProgram(argv=("docker", *arguments), code=1, stdout="", stderr=text, seconds=seconds)


def _remove_leftovers(runner: Runner, progress: Progress) -> None:
    listed = _docker(
        runner, ["ps", "--all", "--filter", f"label={LABEL}", "--format", f'{{{{.Names}}}} {{{{.Label "{LABEL}"}}}}']
    )
    for line in listed.stdout.splitlines() if listed.code == 0 else ():
        name, _, owner = line.strip().partition(" ")
        if name.startswith("s3c-buildkit-") and is_dead(owner):
            progress.note(f"BuildKit: container {name} of a run that was killed is removed")
            _docker(runner, ["rm", "--force", "--volumes", name])


def _pull(request: ContainerRequest, runner: Runner, progress: Progress) -> tuple[str, bool]:
    failures: list[S3CError] = []
    names = images(request.mirror)
    for image, from_mirror in names:
        if _docker(runner, ["image", "inspect", "--format", "{{.Id}}", image]).code == 0:
            return image, from_mirror
    for image, from_mirror in names:
        progress.note(f"BuildKit: pulling {image}")
        pulled = _docker(runner, ["pull", "--quiet", image], PULL_SECONDS)
        if pulled.code == 0:
            return image, from_mirror
        failures.append(errors.not_started(pulled.stderr or pulled.stdout, image))
        progress.note(f"BuildKit: {failures[-1].what}")
    # The mirror's, which somebody named, is what has to be looked at; Docker Hub's alone would hide it.
    failures[0].original = "\n".join(failure.original for failure in failures)
    raise failures[0]


def _start(name: str, image: str, request: ContainerRequest, runner: Runner) -> None:
    environment = runner.environment
    host = urlsplit(request.mirror).netloc.rpartition("@")[2]
    given = _read_config(request.config) if request.config is not None else ""
    proxies = [
        urlsplit(environment[variable]).netloc.rpartition("@")[2]
        for variable in _PROXIES
        if environment.get(variable) and variable.lower() != "no_proxy"
    ]
    places = [*request.registries, *proxies, *([host] if host else []), *mirrors_of(given)]
    argv = ["create", "--name", name, "--label", f"{LABEL}={identity()}", "--rm"]
    argv += ["--userns", "host"]  # where Docker maps users, a privileged container has to be outside of the map
    argv += _network(places, runner)
    # By name alone: a proxy's password is not in the command line.
    argv += [word for variable in _PROXIES if environment.get(variable) for word in ("--env", variable)]
    with tempdir.open_run_folder(request.temp) as folder:
        files = folder / "s3c"
        files.mkdir(mode=0o700)
        http = request.mirror.startswith("http://")
        text = given or configuration(request.insecure, mirror=host, mirror_http=http)
        (files / "buildkitd.toml").write_text(text, encoding="utf-8")
        bundle = _bundle(environment)
        if bundle:
            (files / "ca.pem").write_bytes(bundle)
            argv += ["--env", f"SSL_CERT_FILE={_FOLDER}/ca.pem"]
        for rights in (_PRIVILEGED, _CAPABLE):
            command = [*argv, *rights, image, "--config", f"{_FOLDER}/buildkitd.toml"]
            _must(_docker(runner, command), image)
            _must(_docker(runner, ["cp", str(files), f"{name}:{_FOLDER}"]), image)
            started = _docker(runner, ["start", name], START_SECONDS)
            if "unable to apply caps" not in started.stderr:
                break
            _docker(runner, ["rm", "--force", "--volumes", name])
        _must(started, image)
    deadline = time.monotonic() + START_SECONDS
    while True:
        ready = _docker(runner, ["exec", name, "buildctl", "debug", "workers"])
        if ready.code == 0:
            return
        # A container that ended is gone (`--rm`), so its log is read while it may still be there.
        log = _docker(runner, ["logs", "--tail", "30", name])
        if "No such container" in log.stderr + ready.stderr or time.monotonic() > deadline:
            raise errors.not_started(f"{ready.stderr}\n{log.stdout}\n{log.stderr}", image)
        time.sleep(0.2)


def _network(places: Collection[str], runner: Runner) -> list[str]:
    """Return flags for a network in which the places have the addresses that they have here."""
    own = socket.gethostname()
    # A job's container, beside which ours is to run: in its network are its loopback and its service containers.
    may_be_known = IN_CONTAINER.exists() and _CONTAINER_ID.fullmatch(own)
    if may_be_known and _docker(runner, ["container", "inspect", "--format", "{{.Id}}", own]).code == 0:
        return ["--network", f"container:{own}"]
    return ["--network", "host"] if needs_host_network(places) else []


def _read_config(path: Path) -> str:
    try:
        return reading.read_text_file(path)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            "buildkit-config", f"{path} cannot be read: {error}.", remedy="Give a buildkitd.toml in UTF-8."
        ) from error


def _must(ended: CompletedProgram, image: str) -> None:
    if ended.code != 0:
        raise errors.not_started(ended.stderr or ended.stdout, image)


def _bundle(environment: Mapping[str, str]) -> bytes:
    """Return the certificates that this machine trusts, so that BuildKit trusts the same registries; empty if none."""
    for path in (environment.get("SSL_CERT_FILE", ""), *_BUNDLES):
        with suppress(OSError):
            if path:
                return reading.read_file(Path(path), MAX_BUNDLE)
    return b""
