"""A registry behind a login, with an image in it: what a fleet meets that it may not read."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from s3c_lab import registry_server
from tests.support.debian_registry import this_machine
from tests.support.oci import Repository
from tests.support.signing import own_registry

USER, PASSWORD = "robot", "s3cret,with:comma"
# Of bcrypt, as Apache's htpasswd writes it, with the password above.
HTPASSWD = f"{USER}:$2b$05$abcdefghijklmnopqrstuuOzFEOgokQwBHv5waFc6z4mq06fl65KW\n"


@contextmanager
def private_registry(folder: Path, name: str, push: Callable[[Repository], object]) -> Iterator[str]:
    """`localhost:PORT` of a registry that answers nobody without a login, until the end of the block.

    Args:
        folder: of its files.
        name: of the repository that it has.
        push: fills it, while nobody has to log in.
    """
    program = registry_server.program(this_machine())
    with own_registry(folder, program) as host:
        push(Repository(host, name))
    (folder / "htpasswd").write_text(HTPASSWD)
    with own_registry(folder, program, f"auth: {{htpasswd: {{realm: private, path: {folder}/htpasswd}}}}") as host:
        yield host


def login(folder: Path, host: str) -> dict[str, str]:
    """The variables of whoever has logged in to it with `docker login`, with the configuration in a folder."""
    folder.mkdir()
    known = {host: {"auth": base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()}}
    (folder / "config.json").write_text(json.dumps({"auths": known}))
    return {"DOCKER_CONFIG": str(folder)}
