"""The location of a socket: unix(7) takes a path of 107 characters, BuildKit 104, and a temp folder may have more."""

from __future__ import annotations

import tempfile
from pathlib import Path


def socket_folder(temp: Path | None) -> Path:
    """A folder with a path short enough for a private folder and a socket in it.

    Args:
        temp: used when it is short enough.
    """
    if temp is not None and _is_short(temp):
        return temp
    system = Path(tempfile.gettempdir())
    return system if _is_short(system) else Path("/tmp")  # noqa: S108 - only a private folder in it is used


def _is_short(place: Path) -> bool:
    return len(str(place)) < 64
