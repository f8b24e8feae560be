"""The location of a socket: unix(7) takes a path of 107 characters, BuildKit 104, and a temp folder may have more."""

from __future__ import annotations

import tempfile
from pathlib import Path


def socket_folder(temp: Path | None) -> Path:
    """A folder with a path short enough for a private folder and a socket in it.

    Args:
        temp: used when it is short enough.
    """
    places = (temp, Path(tempfile.gettempdir()), Path("/tmp"))  # noqa: S108 - only a private folder in it is used
    return next(place for place in places if place is not None and len(str(place)) < 64)
