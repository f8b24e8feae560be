"""`s3c` in a process of its own, forked from one that has imported everything: importing is most of a short run.

How `s3c` starts is tested where it is started as people do it: in tests/contract, and by the actions under act.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import importlib
import json
import os
import pkgutil
import select
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import IO, Any, NoReturn

import s3c_actions
from s3c_actions.__main__ import main
from tests.support import ROOT

LATE = (
    *("actions_toolkit.core", "azure.core.pipeline.transport", "azure.identity", "azure.keyvault.certificates"),
    *("azure.keyvault.keys.crypto", "cbor2", "cryptography.hazmat.primitives.serialization.pkcs12"),
    *("cryptography.x509", "docker", "github", "jinja2", "kubernetes.client", "kubernetes.config"),
    *("requests", "rich.console", "ruamel.yaml", "sarif_om", "yaml"),
)
"""What functions import when they need it."""
_MOST = 1 << 20
_CLONE_NEWNS, _CLONE_NEWNET = 0x20000, 0x40000000


def run(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    stdin: str | None = None,
    timeout: float = 300,
    namespaces: int = 0,
) -> subprocess.CompletedProcess[str]:
    """Run `s3c` with these arguments, as `subprocess.run` runs a command.

    Args:
        argv: without the program's name.
        cwd: the working folder.
        env: the whole environment.
        stdin: what it reads.
        timeout: in seconds.
        namespaces: a process in whose network and mount namespace it runs; 0 for this process's own.

    Raises:
        subprocess.TimeoutExpired: it took longer than `timeout` seconds; it has been killed.
    """
    request = json.dumps({"argv": list(argv), "cwd": str(cwd), "env": dict(env), "namespaces": namespaces}).encode()
    with (
        tempfile.TemporaryFile() as given,
        tempfile.TemporaryFile() as stdout,
        tempfile.TemporaryFile() as stderr,
        socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection,
    ):
        given.write((stdin or "").encode())
        given.seek(0)
        connection.connect(_server())
        socket.send_fds(connection, [request], [file.fileno() for file in (given, stdout, stderr)])
        connection.settimeout(timeout)
        pid = int(connection.recv(_MOST))
        try:
            code = int(connection.recv(_MOST))
        except TimeoutError:
            os.kill(pid, 9)
            expired = subprocess.TimeoutExpired(list(argv), timeout)
            expired.add_note("\n".join(_content(file)[-3000:] for file in (stdout, stderr)))
            raise expired from None
        outputs = [_content(file) for file in (stdout, stderr)]
        return subprocess.CompletedProcess(list(argv), code, *outputs)


def _content(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


@cache
def _server() -> str:
    """The address of this process's server, which ends with it."""
    ours, its = socket.socketpair()
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.support.warm", str(its.fileno())],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        pass_fds=[its.fileno()],
    )
    its.close()
    _KEPT.append((ours, child))
    return "\0" + ours.recv(_MOST).decode()


_KEPT: list[tuple[socket.socket, subprocess.Popen[bytes]]] = []
"""The end that tells a server, by closing, that this process has ended."""


def _serve(client: socket.socket) -> None:
    """Fork for every request, until whoever started us has ended."""
    for module in pkgutil.walk_packages(s3c_actions.__path__, "s3c_actions."):
        importlib.import_module(module.name)
    for name in LATE:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # what is never looked at is not copied
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        name = f"s3c-warm-{os.getpid()}"
        listener.bind("\0" + name)
        listener.listen(16)
        client.sendall(name.encode())
        while client not in select.select([client, listener], [], [])[0]:
            connection, _ = listener.accept()
            data, fds, _, _ = socket.recv_fds(connection, _MOST, 3)
            if os.fork() == 0:
                listener.close()
                client.close()
                _keep(connection, json.loads(data), fds)
            connection.close()
            for fd in fds:
                os.close(fd)
            with suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass


def _keep(connection: socket.socket, request: Mapping[str, Any], fds: Sequence[int]) -> NoReturn:
    """Have a child run the command, and tell first its process id, then how it ended."""
    pid = os.fork()
    if pid == 0:
        connection.close()
        for place, fd in enumerate(fds):
            os.dup2(fd, place)
            os.close(fd)
        if request["namespaces"]:
            _enter(request["namespaces"])
        os.chdir(request["cwd"])
        os.environ.clear()
        os.environ.update(request["env"])
        sys.argv = ["s3c", *request["argv"]]
        # A command that is given a secret starts itself once more.
        sys.orig_argv = [sys.executable, "-m", "s3c_actions", *request["argv"]]
        _exit(main())
    connection.send(str(pid).encode())
    connection.send(str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])).encode())
    os._exit(0)


def _enter(pid: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    kinds = (("net", _CLONE_NEWNET), ("mnt", _CLONE_NEWNS))
    # All are opened first: behind another mount namespace this path may be another's.
    entered = [(os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY), kind) for name, kind in kinds]
    for descriptor, kind in entered:
        if libc.setns(descriptor, kind) != 0:
            raise OSError(ctypes.get_errno(), "setns")
        os.close(descriptor)


def _exit(code: int) -> NoReturn:
    """End as Python does, but for taking apart all that was imported."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    with suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
