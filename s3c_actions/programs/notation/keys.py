"""Keys in the user's own notation configuration, read and never changed.

https://notaryproject.dev/docs/user-guides/how-to/directory-structure/
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from s3c_actions.core import reading
from s3c_actions.core.errors import InputError
from s3c_actions.core.pasted_content import quote_value


@dataclass(frozen=True, kw_only=True)
class NamedKey:
    """A key of `signingkeys.json`: either two files, or a plugin's key.

    Attributes:
        key, certificates: PEM files, None for a plugin's key.
        plugin, key_id, config: of a plugin's key.
        libexec: the folder of the user's plugins.
    """

    libexec: Path
    key: Path | None = None
    certificates: Path | None = None
    plugin: str = ""
    key_id: str = ""
    config: Mapping[str, str] = field(default_factory=dict, repr=False)


def notation_folders(environment: Mapping[str, str]) -> tuple[Path, Path]:
    """The user's configuration and plugin folders, by notation's rules."""
    home = Path(environment.get("HOME") or "/")
    base = home / "Library" / "Application Support" if sys.platform == "darwin" else home / ".config"
    base = Path(environment["XDG_CONFIG_HOME"]) if environment.get("XDG_CONFIG_HOME") else base
    config = Path(environment.get("NOTATION_CONFIG") or base / "notation")
    return config, Path(environment.get("NOTATION_LIBEXEC") or config)


def find(name: str, environment: Mapping[str, str]) -> NamedKey:
    """The key of that name.

    Raises:
        InputError: it does not exist, or the configuration cannot be read.
    """
    config, libexec = notation_folders(environment)
    path = config / "signingkeys.json"
    try:
        keys = reading.parse_json(reading.read_text_file(path))["keys"]
        matches = [entry for entry in keys if entry["name"] == name]
        names = [str(entry["name"]) for entry in keys]
    except FileNotFoundError:
        matches, names = [], []
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            "key-name", f"{path} cannot be read.", cause="It is not what notation writes.", original=str(error)
        ) from error
    if not matches:
        raise InputError(
            "key-name",
            f"{quote_value(name)} is not a key of notation's configuration in {config}.",
            cause=f"It has {', '.join(names)}." if names else "It has none.",
            remedy="Add it with `notation key add`, or give `key` and `certificate`.",
        )
    return _read_entry(matches[0], libexec, path)


def _read_entry(entry: Mapping[str, Any], libexec: Path, path: Path) -> NamedKey:
    if isinstance(entry.get("keyPath"), str) and isinstance(entry.get("certPath"), str):
        return NamedKey(libexec=libexec, key=Path(entry["keyPath"]), certificates=Path(entry["certPath"]))
    if isinstance(entry.get("pluginName"), str) and isinstance(entry.get("id"), str):
        config = entry.get("pluginConfig") or {}
        return NamedKey(libexec=libexec, plugin=entry["pluginName"], key_id=entry["id"], config=config)
    raise InputError("key-name", f"its entry in {path} names neither files nor a plugin.", remedy="Add it anew.")
