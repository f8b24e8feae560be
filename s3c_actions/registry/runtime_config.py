"""What an image's configuration says of running it (OCI image spec, config.md; `Healthcheck` is Docker's extension)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from s3c_actions.registry.content import ImageConfig

_MAX_TEXTS = 4096
_PORT = re.compile(r"(\d{1,5})(?:/(tcp|udp|sctp))?")
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class RuntimeConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How an image wants to be run; every text is the image's.

    Attributes:
        entrypoint, command: as configured; together they are what runs.
        environment: variables, `NAME=value`.
        user: name or number, with or without `:group`; empty is root.
        folder: to work in.
        volumes: paths that it writes to.
        ports: exposed TCP ports.
        health: command of the health check; empty without.
        stop_signal: as configured.
    """

    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    user: str = ""
    folder: str = "/"
    volumes: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    health: tuple[str, ...] = ()
    stop_signal: str = ""

    @property
    def argv(self) -> tuple[str, ...]:
        """Return the program and its arguments; empty when the image names none."""
        return self.entrypoint + self.command


def parse_runtime_config(config: ImageConfig) -> RuntimeConfig:
    """Return what a configuration says; what has another type than the specification says is left out."""
    own = config.document.get("config")
    document: Mapping[str, Any] = own if isinstance(own, dict) else {}
    shell = _texts(document.get("Shell")) or ("/bin/sh", "-c")
    user, folder, signal = (document.get(key) for key in ("User", "WorkingDir", "StopSignal"))
    return RuntimeConfig(
        entrypoint=_texts(document.get("Entrypoint")),
        command=_texts(document.get("Cmd")),
        environment=tuple(text for text in _texts(document.get("Env")) if "=" in text),
        user=user if isinstance(user, str) else "",
        folder=folder if isinstance(folder, str) and folder else "/",
        volumes=tuple(sorted(_keys(document.get("Volumes")))),
        ports=_ports(_keys(document.get("ExposedPorts"))),
        health=_health(document.get("Healthcheck"), shell),
        stop_signal=signal if isinstance(signal, str) else "",
    )


def _texts(value: object) -> tuple[str, ...]:
    return tuple(text for text in value if isinstance(text, str))[:_MAX_TEXTS] if isinstance(value, list) else ()


def _keys(value: object) -> tuple[str, ...]:
    return tuple(key for key in value if isinstance(key, str))[:_MAX_TEXTS] if isinstance(value, dict) else ()


def _ports(texts: tuple[str, ...]) -> tuple[int, ...]:
    matches = [match for text in texts if (match := _PORT.fullmatch(text)) and match[2] in (None, "tcp")]
    return tuple(sorted({int(match[1]) for match in matches if 0 < int(match[1]) < 65536}))


def _health(value: object, shell: tuple[str, ...]) -> tuple[str, ...]:
    test = _texts(value.get("Test")) if isinstance(value, dict) else ()
    if test[:1] == ("CMD",):
        return test[1:]
    if test[:1] == ("CMD-SHELL",) and len(test) > 1:
        return (*shell, test[1])
    return ()
