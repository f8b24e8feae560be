"""Where a socket can lie: unix(7) takes a path of 107 characters, BuildKit 104, and a temp folder may have more."""

from __future__ import annotations

import tempfile
from pathlib import Path


def socket_folder(temp: Path | None) -> Path:
    """A folder in which a folder of our own leaves room for a socket's name.

    Args:
        temp: taken when it is short enough.
    """
    places = (temp, Path(tempfile.gettempdir()), Path("/tmp"))  # noqa: S108 - only a folder of our own in it is used
    return next(one for one in places if one is not None and len(str(one)) < 64)
