"""Debian's docker-registry 2.8.2, which keeps its content in files and lists no referrers itself."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from s3c_actions.cli.console import LogProgress
from s3c_actions.cli.run import cache_path
from s3c_actions.core.process import Runner
from s3c_lab import daemons, registry_server
from s3c_lab.machine import Machine, with_system_path


def this_machine() -> Machine:
    """This machine, with the cache of the user who runs the tests."""
    environment = with_system_path(dict(os.environ))
    return Machine(runner=Runner(environment), progress=LogProgress(sys.stderr), cache=cache_path(environment))


@contextmanager
def debian_registry(folder: Path) -> Iterator[str]:
    """The address of a registry whose files are in a folder, until the end of the block."""
    machine, port = this_machine(), registry_server.free_port()
    registry_server.start(folder, port, machine)
    try:
        yield f"localhost:{port}"
    finally:
        daemons.stop(folder / "registry.pid", machine)
