"""Remove secrets from the environment, which other processes can read.

The environment that a process was started with is in /proc/PID/environ, readable by every program of the same user,
even by those that we start without it. A process that was started with secrets therefore executes itself again without
them, and reads them from a file that has no name.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import MutableMapping
from contextlib import suppress

from s3c_actions.core.folders import is_secret_variable

HANDOVER_VARIABLE = "S3C_HANDOVER"


def receive(environment: MutableMapping[str, str]) -> dict[str, str]:
    """Return the secrets of this process, removed from its environment.

    When the environment contains any, this does not return: the process executes itself again without them.

    Args:
        environment: `os.environ`.
    """
    descriptor = environment.pop(HANDOVER_VARIABLE, "")
    if descriptor.isdecimal():
        with suppress(OSError, ValueError), os.fdopen(int(descriptor), "r") as file:
            file.seek(0)
            return dict(json.load(file))
    secrets = {name: value for name, value in environment.items() if is_secret_variable(name) and value}
    if secrets:
        with suppress(OSError):
            _restart(secrets, {name: value for name, value in environment.items() if name not in secrets})
    for name in secrets:
        del environment[name]
    return secrets


def _restart(secrets: dict[str, str], environment: dict[str, str]) -> None:
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("s3c")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.write(descriptor, json.dumps(secrets).encode())
    os.set_inheritable(descriptor, True)
    try:
        handed = {**environment, HANDOVER_VARIABLE: str(descriptor)}
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], handed)  # noqa: S606
    finally:
        os.close(descriptor)
