"""Seal what is kept in a cache: it may be restored, copied or shared, and what another put there is not believed."""

from __future__ import annotations

import hashlib
import hmac


class Seal:
    """The seal of one kind of content.

    Args:
        key: of this machine (`Records.key`); it must not lie in the cache. Nothing has the seal of an empty one.
        kind: what is sealed, and in which form: content of another kind has another seal.
    """

    def __init__(self, key: bytes, kind: str) -> None:
        self._key, self._kind = key, kind

    def of(self, name: bytes, content: bytes) -> bytes:
        """Return the HMAC, of 32 bytes, of content that is kept under a name."""
        text = b"s3c " + self._kind.encode() + b"\0" + name + b"\0" + hashlib.sha256(content).digest()
        return hmac.new(self._key, text, hashlib.sha256).digest()

    def fits(self, seal: bytes, name: bytes, content: bytes) -> bool:
        """Return whether this is the seal of content that is kept under a name."""
        return bool(self._key) and hmac.compare_digest(seal, self.of(name, content))
