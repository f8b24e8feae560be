"""A network of our own in which the names of Azure's services lead to stand-ins, so that unmodified clients work.

A network and a mount namespace (namespaces(7)): nothing in it reaches another network, its /etc/hosts has the names,
its system's certificates have our authority beside them, and the stand-ins listen there on 443. They run in the test's
own process, on sockets that were opened inside.
"""

from __future__ import annotations

import ctypes
import os
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from cryptography import x509

from s3c_lab.certificates import SERVER_AUTH, Identity, make, make_authority, pem
from tests.support.azure.web import Application, Sites, serving

T = TypeVar("T")

SYSTEM_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
METADATA_SERVICE = "169.254.169.254"
_CLONE_NEWNET = 0x40000000
_ENTRY = """
ip link set lo up
ip address add {metadata}/32 dev lo
mount --bind {folder}/hosts /etc/hosts
mount --bind {folder}/resolv.conf "$(readlink -f /etc/resolv.conf)"
mount --bind {folder}/bundle.pem {bundle}
echo ready
exec sleep infinity
"""


@dataclass
class World:
    """The namespaces, and who answers in them.

    Attributes:
        folder: has `bundle.pem` (the system's authorities and ours) and `ca.pem` (ours alone).
        sites: who answers, and what was asked.
        pid: of the process that holds the namespaces.
        address: of the loopback network, where the stand-ins answer; a test may have them answer there outside as well.
    """

    folder: Path
    sites: Sites
    pid: int
    authority: Identity = field(repr=False)
    _stack: ExitStack = field(repr=False)
    _tls: ssl.SSLContext = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.sni_callback = _certificates(self)

    @property
    def address(self) -> str:
        return f"127.{64 + (self.pid >> 16) % 64}.{self.pid >> 8 & 255}.{self.pid & 255 or 1}"

    @property
    def bundle(self) -> Path:
        return self.folder / "bundle.pem"

    @property
    def environment(self) -> dict[str, str]:
        """What clients with certificates of their own (Python's `requests`) have to be told."""
        return {"REQUESTS_CA_BUNDLE": str(self.bundle), "SSL_CERT_FILE": str(self.bundle)}

    def inside(self, argv: Sequence[str | Path], cwd: Path) -> list[str]:
        """The command, to be run in here in a folder."""
        enter = ["nsenter", f"--target={self.pid}", "--net", "--mount", "--", "env", f"--chdir={cwd}"]
        return [*enter, *map(str, argv)]

    def answer_for(self, application: Application, *hosts: str) -> None:
        """Have the hosts answered by the application; names only, no `*`."""
        for host in hosts:
            self.sites.applications[host] = application
        with (self.folder / "hosts").open("a") as file:
            file.write("".join(f"{self.address} {host}\n" for host in hosts))

    def listen(self, address: str, port: int) -> socket.socket:
        """A socket that listens in here."""
        return _within(self.pid, lambda: socket.create_server((address, port), backlog=64))

    @property
    def names(self) -> list[str]:
        """The hosts that are answered for."""
        lines = (self.folder / "hosts").read_text().splitlines()
        return [line.partition(" ")[2] for line in lines if line.startswith(self.address)]

    def answer_in(self, pid: int, address: str, port: int = 443) -> None:
        """Have the stand-ins answer in the network of another process as well."""
        self.serve(_within(pid, lambda: socket.create_server((address, port), backlog=64)))

    def serve(self, listening: socket.socket) -> None:
        """Have the stand-ins answer on a socket, by TLS."""
        self._stack.enter_context(serving(listening, self.sites, self._tls))

    def names_alone(self, argv: Sequence[str | Path]) -> list[str]:
        """The command, to be run in this machine's own network, with the names and the authority of in here.

        For programs that need the stand-ins and the outside; the stand-ins answer there from now on.
        """
        self.serve(socket.create_server((self.address, 443)))
        binds = f"mount --bind {self.folder}/hosts /etc/hosts && mount --bind {self.bundle} {SYSTEM_BUNDLE}"
        return ["unshare", "--mount", "sh", "-c", f'{binds} && exec "$@"', "sh", *map(str, argv)]

    def forward(self, port: int) -> None:
        """Let a port of this machine's loopback interface be reached under the same address in here."""
        self._stack.enter_context(_forwarding(self.listen("127.0.0.1", port), port))


@contextmanager
def world(folder: Path) -> Iterator[World]:
    """A new world; needs root."""
    folder.mkdir(parents=True, exist_ok=True)
    authority = make_authority("s3c stand-ins for Azure")
    (folder / "ca.pem").write_bytes(pem(authority.certificate))
    (folder / "bundle.pem").write_bytes(SYSTEM_BUNDLE.read_bytes() + pem(authority.certificate))
    (folder / "hosts").write_text("127.0.0.1 localhost\n")
    (folder / "resolv.conf").write_text("nameserver 127.0.0.1\n")
    entry = _ENTRY.format(folder=folder, metadata=METADATA_SERVICE, bundle=SYSTEM_BUNDLE)
    with ExitStack() as stack:
        holder = subprocess.Popen(
            ["unshare", "--net", "--mount", "sh", "-ec", entry],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        stack.callback(holder.wait)
        stack.callback(holder.kill)
        assert holder.stdout is not None
        assert holder.stdout.readline() == "ready\n"
        new_world = World(folder, Sites(), holder.pid, authority, stack)
        new_world.serve(new_world.listen("0.0.0.0", 443))
        stack.enter_context(serving(new_world.listen(METADATA_SERVICE, 80), new_world.sites))
        yield new_world


def _certificates(of: World) -> Callable[[ssl.SSLObject, str, ssl.SSLContext], None]:
    """Gives each connection a certificate for the name it asks for."""
    contexts: dict[str, ssl.SSLContext] = {}
    lock = threading.Lock()

    def choose(connection: ssl.SSLObject, name: str, _: ssl.SSLContext) -> None:
        with lock:
            if name not in contexts:
                identity = make(
                    name,
                    issuer=of.authority,
                    extended=(SERVER_AUTH,),
                    authority=False,
                    alternatives=(x509.DNSName(name),),
                )
                key, certificate = identity.write(of.folder / "tls", name)
                contexts[name] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                contexts[name].load_cert_chain(certificate, key)
        connection.context = contexts[name]

    return choose


def _within(pid: int, make_it: Callable[[], T]) -> T:
    """Do something in the network of another process, in a thread that ends with it."""
    results: list[T] = []
    failed: list[BaseException] = []

    def enter() -> None:
        try:
            libc = ctypes.CDLL(None, use_errno=True)
            descriptor = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
            try:
                if libc.setns(descriptor, _CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
            finally:
                os.close(descriptor)
            results.append(make_it())
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return results[0]


@contextmanager
def _forwarding(listening: socket.socket, port: int) -> Iterator[None]:
    def pump(source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def forward(inner: socket.socket) -> None:
        try:
            outer = socket.create_connection(("127.0.0.1", port), timeout=30)
        except OSError:
            inner.close()
            return
        outer.settimeout(None)
        back = threading.Thread(target=pump, args=(outer, inner), daemon=True)
        back.start()
        pump(inner, outer)
        back.join()
        inner.close()
        outer.close()

    def accept() -> None:
        while True:
            try:
                inner, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=forward, args=(inner,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()


def environment_without_azure(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without what tells of a real identity, of a real job, or of a real proxy."""
    dropped = ("AZURE_", "ACTIONS_", "GITHUB_", "RUNNER_", "S3C_", "IDENTITY_", "MSI_", "DOCKER_CONFIG")
    kept = {
        name: value
        for name, value in environment.items()
        if not name.startswith(dropped) and "proxy" not in name.lower()
    }
    return kept | {name: environment[name] for name in ("S3C_CACHE", "S3C_PYTHON") if name in environment}
