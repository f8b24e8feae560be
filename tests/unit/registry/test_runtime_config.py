"""How an image wants to be run, as its configuration says, however hostile that is."""

from typing import Any

import pytest

from s3c_actions.registry import ImageConfig
from s3c_actions.registry.runtime_config import RuntimeConfig, parse_runtime_config


def parsed(config: Any) -> RuntimeConfig:
    document = {"config": config}
    return parse_runtime_config(
        ImageConfig(manifest="sha256:1", platform="linux/amd64", diff_ids=(), labels={}, document=document)
    )


def test_reads_everything() -> None:
    config = {
        "Entrypoint": ["/entry"],
        "Cmd": ["serve", "--all"],
        "Env": ["PATH=/bin", "EMPTY=", "broken"],
        "User": "postgres:postgres",
        "WorkingDir": "/srv",
        "Volumes": {"/var/lib/b": {}, "/var/lib/a": {}},
        "ExposedPorts": {"5432/tcp": {}, "53/udp": {}, "80": {}, "0/tcp": {}, "99999": {}},
        "Healthcheck": {"Test": ["CMD", "pg_isready", "--quiet"]},
        "StopSignal": "SIGINT",
    }
    assert parsed(config) == RuntimeConfig(
        entrypoint=("/entry",),
        command=("serve", "--all"),
        environment=("PATH=/bin", "EMPTY="),
        user="postgres:postgres",
        folder="/srv",
        volumes=("/var/lib/a", "/var/lib/b"),
        ports=(80, 5432),
        health=("pg_isready", "--quiet"),
        stop_signal="SIGINT",
    )
    assert parsed(config).argv == ("/entry", "serve", "--all")


@pytest.mark.parametrize(
    ("test", "command"),
    [
        (["CMD-SHELL", "curl -f localhost"], ("/bin/sh", "-c", "curl -f localhost")),
        (["NONE"], ()),
        ([], ()),
        (["CMD-SHELL"], ()),
        ("CMD true", ()),
        ([1, {}], ()),
    ],
)
def test_health_checks(test: Any, command: tuple[str, ...]) -> None:
    assert parsed({"Healthcheck": {"Test": test}}).health == command


@pytest.mark.parametrize("config", [None, [], "x", {}, dict.fromkeys(("Entrypoint", "Env", "User", "Volumes"), 5)])
def test_other_types_are_left_out(config: Any) -> None:
    assert parsed(config) == RuntimeConfig()
