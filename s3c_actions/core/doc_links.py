"""Addresses of the documentation, for messages: an installed package has no folder `docs`."""

from __future__ import annotations

from s3c_actions import REPOSITORY, __version__


def doc_link(page: str) -> str:
    """Return the address of a page.

    Args:
        page: its name in `docs`, with an anchor where one is meant: `sign.md#verify`.
    """
    return f"https://github.com/{REPOSITORY}/blob/v{__version__}/docs/{page}"
