"""BuildKit: a daemon of its own, because Copa cannot use the one inside Docker 20.10."""

from __future__ import annotations

import json
import socket
from pathlib import Path

from s3c_actions.core.errors import InputError
from s3c_actions.programs.install.locate import locate
from s3c_actions.programs.install.pins import BUILDKITD
from s3c_lab import daemons
from s3c_lab.machine import Machine

LONGEST_SOCKET = 107
"""unix(7): sun_path has 108 bytes with the final zero."""


def configuration(registry: str) -> str:
    """buildkitd.toml: the registry by plain HTTP, and as the mirror of those with Copa's tooling image."""
    name = json.dumps(registry)  # a JSON string is a TOML string
    return (
        "[worker.oci]\n  enabled = true\n[worker.containerd]\n  enabled = false\n"
        f"[registry.{name}]\n  http = true\n"
        + "".join(f"[registry.{json.dumps(host)}]\n  mirrors = [{name}]\n" for host in ("docker.io", "ghcr.io"))
    )


def start(folder: Path, registry: str, machine: Machine) -> str:
    """Start BuildKit with its state in the folder, wait until it answers, and return its address.

    Args:
        folder: of the lab.
        registry: host and port of the lab's registry.
        machine: what the lab works with.

    Raises:
        InputError: the folder's path is too long for a socket.
        OutsideError: it did not start.
    """
    at = folder / "buildkitd.sock"
    if len(str(at)) > LONGEST_SOCKET:
        raise InputError(
            "S3C_CACHE",
            f"the path {at} is too long for a socket.",
            remedy=f"Move the cache to a path that is {len(str(at)) - LONGEST_SOCKET} characters shorter.",
        )
    program = locate(BUILDKITD, cache=machine.cache, runner=machine.runner, progress=machine.progress)
    machine.require_root()
    machine.install({"runc": "runc"})
    config = folder / "buildkitd.toml"
    config.write_text(configuration(registry))
    at.unlink(missing_ok=True)
    pid_file, log = folder / "buildkitd.pid", folder / "buildkitd.log"
    argv: list[str | Path] = [program.path, "--config", config, "--root", folder / "buildkit", "--addr", f"unix://{at}"]
    # Without separate paths, two labs would use one socket for their traces.
    argv += ["--otel-socket-path", folder / "otel.sock", "--group", str(folder.stat().st_gid)]
    daemons.start(argv, pid_file, log, machine, root=True)
    daemons.await_ready("BuildKit", lambda: answers(at), pid_file, log)
    return f"unix://{at}"


def answers(at: Path) -> bool:
    """Whether something accepts connections on the socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(2)
        try:
            probe.connect(str(at))
        except OSError:
            return False
    return True
