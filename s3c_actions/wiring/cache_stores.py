"""Open what is kept in the cache from one run to the next, with the key of this machine that authenticates it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol, TypeVar

from s3c_actions.core.records import Records

if TYPE_CHECKING:
    from s3c_actions.wiring.context import Context


class CacheStore(Protocol):
    """What is kept in a folder of the cache, and believed only with the key's seal.

    Attributes:
        FOLDER: its name in the cache.
    """

    FOLDER: ClassVar[str]

    def __init__(self, folder: Path, key: bytes) -> None: ...


S = TypeVar("S", bound=CacheStore)


def open_store(store: type[S], context: Context) -> S | None:
    """Open what is kept on this machine; None where the key that seals it cannot be stored."""
    try:
        key = Records.of(context.environment).key()
    except OSError:
        return None
    return store(context.cache / store.FOLDER, key)
