"""Compare how two images run: the configurations (OCI image spec, config.md), field by field."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec

_NAMES = {
    "Entrypoint": "entrypoint",
    "Cmd": "cmd",
    "User": "user",
    "WorkingDir": "workdir",
    "Healthcheck": "healthcheck",
    "StopSignal": "stop signal",
    "Shell": "shell",
    "OnBuild": "on build",
    "ArgsEscaped": "args escaped",
}
_BY_KEY = {"ExposedPorts": "port", "Volumes": "volume", "Labels": "label", "labels": "label"}
# What tells nothing of how the image runs, or is compared by itself.
_LEFT_OUT = frozenset({"created", "history", "rootfs", "config", "container", "container_config", "docker_version"})
# The image that Docker committed a container of: no runtime reads it.
_OWN_LEFT_OUT = frozenset({"Image", "Hostname", "Domainname"})
_BUILD_CACHE = "moby.buildkit.cache.v0"


class ConfigurationChange(msgspec.Struct, frozen=True, kw_only=True):
    """A field that differs, as `env PATH`; a value is text or JSON, None where the field is not there; untrusted."""

    field: str
    before: str | None
    after: str | None


def compare_configurations(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[ConfigurationChange, ...]:
    """Return the fields in which two configurations differ, by name.

    Args:
        before: the earlier document; a member that is not as specified is compared as it stands.
        after: the later one.
    """
    left, right = _fields(before), _fields(after)
    return tuple(
        ConfigurationChange(field=name, before=left.get(name), after=right.get(name))
        for name in sorted(left.keys() | right.keys())
        if left.get(name) != right.get(name)
    )


def _fields(document: Mapping[str, Any]) -> dict[str, str]:
    fields = {name: _shown(value) for name, value in document.items() if name not in _LEFT_OUT and name != _BUILD_CACHE}
    own = document.get("config")
    if own is not None and not isinstance(own, dict):
        return {**fields, "config": _shown(own)}
    for name, value in (own or {}).items():
        if value in (None, "", [], {}, False) or name in _OWN_LEFT_OUT:
            continue  # as runtimes read it, and as some builders write it
        if name == "Env" and isinstance(value, list) and all(isinstance(variable, str) for variable in value):
            # The last of two of a name counts.
            fields |= {f"env {variable.partition('=')[0]}": variable.partition("=")[2] for variable in value}
        elif name in _BY_KEY and isinstance(value, dict):
            fields |= {f"{_BY_KEY[name]} {key}": _shown(inner) for key, inner in value.items()}
        else:
            fields[_NAMES.get(str(name), str(name))] = _shown(value)
    return fields


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)
