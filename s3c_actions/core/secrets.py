"""Values that must never be shown, and redacting them in a text."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable

from s3c_actions.core import pasted_content

_SHORT = 4
_LEFT = 8


class Secrets:
    """Values that must never be shown, nor by the `repr`. Add a value before its first use.

    Attributes:
        values: to redact wherever they stand.
        short: to redact where they stand by themselves.
    """

    def __init__(self) -> None:
        self.values: set[str] = set()
        self.short: set[str] = set()
        self._variants: set[str] = set()
        self._ordered: tuple[str, ...] | None = None
        # Jobs add and redact at once: an order computed before a value was added must not replace the one after it.
        self._lock = threading.RLock()

    def add(self, value: str) -> None:
        """Redact this value, each line of it, and its forms in a URL, in JSON and in base64.

        A value of fewer than 4 characters is redacted where it stands by itself, not within a word.
        """
        whole = value.strip()
        if not whole:
            return
        lines = {line.strip() for line in value.splitlines() if not line.startswith("-----")}
        with self._lock:
            if len(whole) < _SHORT:
                self.short.add(whole)
            self.values.update(part for part in {value, whole, *lines} if len(part.strip()) >= _SHORT)
            self._variants.update(pasted_content.secret_variants(whole))
            self._ordered = None

    def add_content(self, value: str) -> None:
        """Redact content that was given in the wrong place: its lines, the values in them, and its decoded base64."""
        self.add(value)
        self.add("\n".join(pasted_content.secret_parts(value)))

    def redact(self, text: str) -> str:
        """Return the text with every secret replaced by `***`, the longest first."""
        with self._lock:
            if self._ordered is None:
                self._ordered = tuple(sorted(self.values | self._variants, key=len, reverse=True))
            ordered, short = self._ordered, tuple(self.short)
        for value in ordered:
            if value in text:
                text = text.replace(value, "***")
            if len(value) > _LEFT and (value[:_LEFT] in text or value[-_LEFT:] in text):
                text = _without_rest(text, value)
        for value in short:
            if value in text:
                text = re.sub(rf"(?<![^\W_]){re.escape(value)}(?![^\W_])", "***", text)
        return text

    def occur_in(self, holds: Callable[[str], bool]) -> bool:
        """Return whether a text may contain any secret, or the rest of one that was cut off.

        Args:
            holds: returns whether a part occurs in that text.
        """
        with self._lock:
            forms = self.values | self._variants | self.short
        return any(holds(form[:_LEFT]) or holds(form[-_LEFT:]) for form in forms)


def _without_rest(text: str, secret: str) -> str:
    """Return the text without the rest of a secret that was cut off at its start or end."""
    body, begins, ends = text.rstrip("… \n"), secret[:_LEFT], secret[-_LEFT:]
    at = body.find(begins, max(0, len(body) - len(secret)))
    while at >= 0 and not secret.startswith(body[at:]):
        at = body.find(begins, at + 1)
    if at >= 0:
        text = body[:at] + "***" + text[len(body) :]
    end = text.rfind(ends, 0, len(secret)) + _LEFT
    while end >= _LEFT and not secret.endswith(text[:end]):
        end = text.rfind(ends, 0, end - 1) + _LEFT
    return "***" + text[end:] if end >= _LEFT else text
