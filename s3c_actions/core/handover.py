"""Secrets out of the environment that other processes can read.

What a process was started with stands in /proc/PID/environ for every program of the same user, also for those that we
start without it. So a process that was started with secrets starts itself anew without them, and takes them from a file
that has no name.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import MutableMapping
from contextlib import suppress

from s3c_actions.core.folders import is_secret

VARIABLE = "S3C_HANDOVER"


def receive(environment: MutableMapping[str, str]) -> dict[str, str]:
    """The secrets of this process, which are not in its environment any more.

    Where there are any in it, this does not return: the process begins anew without them.

    Args:
        environment: `os.environ`.
    """
    number = environment.pop(VARIABLE, "")
    if number.isdecimal():
        with suppress(OSError, ValueError), os.fdopen(int(number), "r") as file:
            file.seek(0)
            return dict(json.load(file))
    secrets = {name: value for name, value in environment.items() if is_secret(name) and value}
    if secrets:
        with suppress(OSError):
            _begin_anew(secrets, {name: value for name, value in environment.items() if name not in secrets})
    for name in secrets:
        del environment[name]
    return secrets


def _begin_anew(secrets: dict[str, str], environment: dict[str, str]) -> None:
    if hasattr(os, "memfd_create"):
        number = os.memfd_create("s3c")
    else:
        with tempfile.TemporaryFile() as file:
            number = os.dup(file.fileno())
    os.write(number, json.dumps(secrets).encode())
    os.set_inheritable(number, True)
    try:
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**environment, VARIABLE: str(number)})  # noqa: S606
    finally:
        os.close(number)
