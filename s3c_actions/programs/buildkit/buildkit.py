"""Find the BuildKit that Copa builds with, or start one of our own while it is needed.

Addresses are BuildKit's own (`unix://`, `tcp://`, `docker-container://`, `kube-pod://`, …) and Copa's two additions,
`docker://` (the daemon's embedded BuildKit) and `buildx://`.
"""

from __future__ import annotations

import json
import os
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from s3c_actions.core import reading, tempdir
from s3c_actions.core.errors import InputError, OutsideError, S3CError
from s3c_actions.core.process import Runner, find
from s3c_actions.core.progress import Progress
from s3c_actions.programs import sockets
from s3c_actions.programs.buildkit.configuration import configuration
from s3c_actions.programs.buildkit.container import ContainerRequest, run_container

AUTO = "auto"
DEFAULT_SOCKET = "unix:///run/buildkit/buildkitd.sock"
REACH_SECONDS = 10.0
START_SECONDS = 30.0
START_REMEDY = (
    "Start one (`docker buildx create --use`), give its address as `buildkit-addr`, such as "
    "docker-container://NAME, or let s3c start its own with `auto`."
)

# HTTP/2 connection preface and an empty SETTINGS frame (RFC 9113, 3.4): any gRPC server answers with its own SETTINGS.
_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000")
_SETTINGS = 4


class TlsFiles(msgspec.Struct, frozen=True, kw_only=True):
    """Paths of the files for a `tcp://` BuildKit with TLS; None where there is none."""

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None


class BuildKit(msgspec.Struct, frozen=True, kw_only=True):
    """A BuildKit that answered; `origin` is a clause on how it was found."""

    address: str
    origin: str


class BuildKitRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The requested BuildKit.

    Attributes:
        address: one of BuildKit's addresses, or `auto`.
        tls: for a `tcp://` address.
        config: `buildkitd.toml` for a daemon we start; without it a configuration is written for `insecure`.
        insecure: registries that a daemon we start uses plain HTTP with.
        registries: all that it will read and write.
        mirror: URL of the mirror of release archives, whose host is asked for BuildKit's image; or empty.
        temp: for the state of a daemon we start.
    """

    address: str = AUTO
    tls: TlsFiles = msgspec.field(default_factory=TlsFiles)
    config: Path | None = None
    insecure: tuple[str, ...] = ()
    registries: tuple[str, ...] = ()
    mirror: str = ""
    temp: Path | None = None


@contextmanager
def open_buildkit(
    wanted: BuildKitRequest, runner: Runner, progress: Progress, daemon: Callable[[], Path]
) -> Iterator[BuildKit]:
    """Provide a BuildKit that answers, while the context lasts.

    Args:
        wanted: the requested BuildKit.
        runner: for `docker` and for a daemon of our own.
        progress: receives which one is used.
        daemon: finds (or installs) `buildkitd`; called only when one is to be started.

    Raises:
        OutsideError: it does not answer, cannot be used by Copa, or could not be started.
    """
    if wanted.address != AUTO:
        check(wanted.address, wanted.tls, runner)
        yield BuildKit(address=wanted.address, origin="as given")
        return
    existing, reasons = find_usable(runner)
    if existing is not None:
        progress.note(f"BuildKit: {existing.address} ({existing.origin})")
        yield existing
        return
    for reason in reasons:
        progress.note(f"BuildKit: {reason}")
    with ExitStack() as stack:
        yield _start_own(stack, wanted, runner, progress, daemon)


def _start_own(
    stack: ExitStack, wanted: BuildKitRequest, runner: Runner, progress: Progress, daemon: Callable[[], Path]
) -> BuildKit:
    """Start a BuildKit in a container where Docker answers, else, or when that fails, a daemon of our own as root."""
    own = no_daemon_reason(runner)
    if find("docker", runner.environment) is not None and docker_answers(runner):
        request = ContainerRequest(
            registries=wanted.registries,
            insecure=wanted.insecure,
            mirror=wanted.mirror,
            config=wanted.config,
            temp=wanted.temp,
        )
        try:
            address = stack.enter_context(run_container(request, runner, progress))
        except OutsideError as error:
            if own:
                raise
            progress.note(f"BuildKit: {error.what}")
        else:
            return BuildKit(address=address, origin="started for this run")
    if own:
        raise _no_daemon_error(own)
    return stack.enter_context(_run_daemon(wanted, runner, progress, daemon))


def docker_answers(runner: Runner) -> bool:
    """Return whether a Docker daemon answers."""
    return bool((_query(runner, ["docker", "version", "--format", "{{.Server.Version}}"]) or "").strip())


def check(address: str, tls: TlsFiles, runner: Runner) -> None:
    """Check that a BuildKit answers at an address, since Copa would wait for it until its time-out.

    Raises:
        OutsideError: it does not, or Copa cannot work with it.
    """
    scheme, _, rest = address.partition("://")
    if scheme == "unix":
        _shake_hands(address, rest)
    elif scheme == "tcp":
        parts = urlsplit(address)
        if not parts.hostname or not parts.port:
            raise InputError(
                "buildkit-addr", f"{address} names no host and port.", remedy="Example: tcp://127.0.0.1:1234"
            )
        _shake_hands(address, (parts.hostname, parts.port), tls)
    elif scheme == "docker":
        reason = _unusable_docker(runner)
        if reason:
            raise _unusable_error(address, reason)
    elif scheme in {"docker-container", "podman-container", "nerdctl-container"}:
        _inspect(address, scheme.partition("-")[0], rest, runner)
    elif scheme == "buildx":
        reason = _unusable_builder(rest, runner)
        if reason:
            raise _unusable_error(address, reason)


def _shake_hands(address: str, target: str | tuple[str, int], tls: TlsFiles | None = None) -> None:
    """Send a greeting, and read whether a gRPC server answers.

    Args:
        address: for errors.
        target: path of a socket, or host and port.
        tls: with a CA, the greeting is sent by TLS.
    """
    try:
        if isinstance(target, tuple):
            connection = socket.create_connection(target, REACH_SECONDS)
        else:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.settimeout(REACH_SECONDS)
            connection.connect(target)
        with ExitStack() as stack:
            stack.callback(connection.close)
            if isinstance(target, tuple) and tls is not None and tls.ca is not None:
                connection = _tls_context(tls).wrap_socket(connection, server_hostname=target[0])
                stack.callback(connection.close)
            connection.sendall(_HELLO)
            answer = connection.recv(9)
    except ssl.SSLCertVerificationError as error:
        raise OutsideError(
            f"BuildKit at {address} has a certificate that is not trusted: {error.verify_message}.",
            cause="Its certificate is another authority's than `buildkit-ca`, is not for that host, or has expired.",
            remedy="Give the authority's certificate as `buildkit-ca`, and the address by a name in the daemon's "
            "certificate.",
            original=str(error),
        ) from None
    except ssl.SSLError as error:
        raise OutsideError(
            f"BuildKit at {address} refused the connection by TLS.",
            cause="It wants a client certificate (`buildkit-certificate`, `buildkit-key`) of an authority that it "
            "trusts, or does not speak TLS.",
            remedy="Give the client certificate that was issued for this pool; look whether it has expired.",
            original=str(error),
        ) from None
    except TimeoutError:
        raise OutsideError(
            f"BuildKit at {address} did not answer within {REACH_SECONDS:g} s.",
            cause="Probably its daemon hangs, or a firewall drops the packets.",
            remedy=START_REMEDY,
        ) from None
    except OSError as error:
        raise OutsideError(
            f"BuildKit at {address} did not answer.",
            cause="Probably no BuildKit daemon runs there, or this user may not open the socket.",
            remedy=START_REMEDY,
            original=error.strerror or str(error),
        ) from None
    if len(answer) < 4 or answer[3] != _SETTINGS:
        raise OutsideError(
            f"What listens at {address} is not BuildKit.",
            cause="It does not speak gRPC; perhaps it is Docker's own socket, or wants TLS.",
            remedy=START_REMEDY,
        )


def _tls_context(tls: TlsFiles) -> ssl.SSLContext:
    """Return what a gRPC client connects with; whether the files can be used is checked here.

    Raises:
        InputError: a file is no PEM, or key and certificate do not belong together.
    """
    field = "buildkit-ca"
    try:
        context = ssl.create_default_context(cafile=tls.ca)
        context.set_alpn_protocols(["h2"])
        if tls.certificate is not None:
            field = "buildkit-certificate"
            context.load_cert_chain(tls.certificate, tls.key, password=lambda: b"")  # never asked for at the terminal
    except (ssl.SSLError, OSError) as error:
        raise InputError(
            field,
            f"{tls.ca if field == 'buildkit-ca' else tls.certificate} cannot be used: {error}.",
            remedy="Give PEM files; the key is that of the certificate, without a password.",
        ) from None
    return context


def _unusable_error(address: str, reason: str) -> OutsideError:
    return OutsideError(f"BuildKit at {address} cannot be used: {reason}.", remedy=START_REMEDY)


def _query(runner: Runner, argv: list[str]) -> str | None:
    """Return a program's answer to a quick query; None when it fails or does not exist."""
    try:
        completed = runner.run(argv, timeout=REACH_SECONDS, check=False)
    except S3CError:
        return None
    return completed.stdout if completed.code == 0 else None


def _inspect(address: str, program: str, rest: str, runner: Runner) -> None:
    name = rest.partition("?")[0]
    answer = _query(runner, [program, "container", "inspect", "--format", "{{.State.Running}}", "--", name])
    if answer is None or answer.strip() != "true":
        raise OutsideError(
            f"BuildKit at {address} did not answer.",
            cause=f"No running container {name} was found, or {program} itself cannot be reached.",
            remedy=START_REMEDY,
        )


def _unusable_docker(runner: Runner) -> str:
    """Return why Docker's embedded BuildKit cannot be used; empty when it can.

    Copa needs BuildKit's merge and diff operations, which the daemon has with the containerd image store only. With
    Docker 20.10 Copa does not report that: it hangs until its time-out.
    """
    answer = _query(runner, ["docker", "info", "--format", "{{json .}}"])
    try:
        info = reading.parse_json(answer or "null")
    except ValueError:
        info = None
    if not isinstance(info, dict) or not info.get("ServerVersion"):
        return "no Docker daemon answers"
    version = str(info["ServerVersion"])[:30]
    if not re.match(r"(?:2[4-9]|[3-9]\d|\d{3})\.", version):
        return f"with Docker {version} Copa hangs; it takes Docker 24 or newer with the containerd image store"
    if "io.containerd.snapshotter.v1" not in json.dumps(info.get("DriverStatus")):
        return f"Docker {version} does not use the containerd image store, which Copa needs"
    return ""


def _unusable_builder(name: str, runner: Runner) -> str:
    """Return why a buildx builder (the current one when unnamed) cannot be used; empty when it can."""
    answer = _query(runner, ["docker", "buildx", "inspect", *([name] if name else [])])
    if answer is None:
        return f"docker buildx knows no builder {name}" if name else "docker buildx has no builder"
    driver = re.search(r"^Driver:\s*(\S+)", answer, re.M)
    if driver and driver[1] == "docker":
        return _unusable_docker(runner)
    if not re.search(r"^Status:\s*running", answer, re.M):
        return "the builder does not run (`docker buildx inspect --bootstrap` starts it)"
    return ""


def find_usable(runner: Runner) -> tuple[BuildKit | None, list[str]]:
    """Return the first usable BuildKit of this machine, and why the ones before it cannot be used."""
    reasons: list[str] = []
    for address, origin in (
        (runner.environment.get("BUILDKIT_HOST", ""), "BUILDKIT_HOST"),
        (DEFAULT_SOCKET, "the default socket"),
    ):
        try:
            if address and (address != DEFAULT_SOCKET or Path(DEFAULT_SOCKET[7:]).exists()):
                check(address, TlsFiles(), runner)
                return BuildKit(address=address, origin=origin), reasons
        except S3CError as error:
            reasons.append(error.what)
    if find("docker", runner.environment) is None:
        return None, reasons
    reason = _unusable_builder("", runner)
    if not reason:
        return BuildKit(address="buildx://", origin="docker buildx's current builder"), reasons
    reasons.append(reason)
    return None, reasons


def _worker(runner: Runner) -> str | None:
    return next((name for name in ("runc", "crun") if find(name, runner.environment)), None)


def no_daemon_reason(runner: Runner) -> str:
    """Return why a daemon of our own cannot be started; empty when it can."""
    if os.uname().sysname != "Linux":
        return "a daemon of our own runs on Linux only"
    if os.geteuid() != 0:
        return f"a daemon of our own needs root, and this is the user {os.geteuid()}"
    if _worker(runner) is None:
        return "a daemon of our own needs runc, which is not on PATH (Debian: `apt-get install runc`)"
    return ""


@contextmanager
def _run_daemon(
    wanted: BuildKitRequest, runner: Runner, progress: Progress, daemon: Callable[[], Path]
) -> Iterator[BuildKit]:
    """Run a daemon of our own, with its state in a temporary folder that is removed with it."""
    worker = _worker(runner) or "runc"
    program = daemon()
    with tempdir.open_run_folder(sockets.socket_folder(wanted.temp)) as folder:
        config = wanted.config or folder / "buildkitd.toml"
        if wanted.config is None:
            config.write_text(configuration(wanted.insecure), encoding="utf-8")
        address, log = f"unix://{folder}/buildkitd.sock", folder / "buildkitd.log"
        argv = [str(program), "--config", str(config), "--root", str(folder / "state"), "--addr", address]
        argv += ["--otel-socket-path", str(folder / "otel.sock"), "--containerd-worker=false"]
        argv += ["--oci-worker=true", "--oci-worker-binary", worker]
        # When we are killed, the kernel ends the daemon too.
        setpriv = find("setpriv", runner.environment)
        if setpriv:
            argv = [str(setpriv), "--pdeathsig", "TERM", "--", *argv]
        with runner.background(argv, log=log) as ended:
            deadline = time.monotonic() + START_SECONDS
            while not _answers(address, runner):
                if ended() is not None or time.monotonic() > deadline:
                    log_end = log.read_text(errors="replace")[-1500:].strip()
                    raise OutsideError(
                        "The BuildKit daemon that s3c started "
                        + (f"ended with exit code {ended()}." if ended() is not None else "did not become ready."),
                        cause="Probably this machine or container does not allow it mounts or namespaces.",
                        remedy="Give `buildkit-addr` the address of a BuildKit that runs elsewhere.",
                        original=runner.secrets.redact(log_end),
                    )
                time.sleep(0.05)
            progress.note(f"BuildKit: {address} (started for this run)")
            yield BuildKit(address=address, origin="started for this run")


def _answers(address: str, runner: Runner) -> bool:
    try:
        check(address, TlsFiles(), runner)
    except OutsideError:
        return False
    return True


def _no_daemon_error(reason: str) -> OutsideError:
    return OutsideError(
        f"No BuildKit was found, no Docker answers, and {reason}.",
        remedy="Start Docker and let this user use it (the group docker), or give `buildkit-addr` the address of a "
        "BuildKit.",
    )


def can_run_platform(platform: str, path: str) -> bool:
    """Return whether programs of a platform run here, natively or by QEMU; determined as Copa itself does.

    Args:
        platform: `os/architecture[/variant]`.
        path: the PATH on which QEMU may be.
    """
    system, _, rest = platform.partition("/")
    architecture = rest.partition("/")[0]
    if system != "linux":
        return False
    if architecture == host_architecture():
        return True
    qemu = "qemu-" + {"amd64": "x86_64", "arm64": "aarch64", "386": "i386"}.get(architecture, architecture)
    try:
        for entry in Path("/proc/sys/fs/binfmt_misc").iterdir():
            if entry.name not in {"register", "status"} and qemu in entry.read_text(errors="replace"):
                return True
    except OSError:
        pass
    return find(f"{qemu}-static", {"PATH": path}) is not None


def host_architecture() -> str:
    """Return the machine's architecture, in Go's terms."""
    words = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}
    machine = os.uname().machine
    return words.get(machine, machine)
