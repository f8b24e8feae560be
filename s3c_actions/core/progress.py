"""The progress shown to people while long work runs. Steps call it; the command line chooses the implementation."""

from __future__ import annotations

import re
from typing import Protocol

_SHARE = re.compile(r"\((\d{1,3}) %\)$")


def format_share(done: int, total: int) -> str:
    """Return the end of a note that reports how much is done, such as `(13 %)`."""
    return f"({100 * done // total} %)"


def parse_share(note: str) -> float | None:
    """Return the share from 0 to 1 that a note ends with (`format_share`); None when it reports none."""
    match = _SHARE.search(note)
    return int(match[1]) / 100 if match else None


class Progress(Protocol):
    """A place to report progress to people. Text passed to it may be untrusted: it escapes it."""

    def step(self, name: str) -> StepContext:
        """Begin a named step (`scan`, `patch`, …); it ends with its duration and the sentence given to `done`."""

    def about(self, image: str) -> None:
        """Set the image that the following steps concern; called when there are several."""

    def note(self, text: str) -> None:
        """Report a line of detail, such as a program's command or its progress."""

    def notice(self, text: str) -> None:
        """Report something a person should know (an old input name, a reused report)."""

    def warning(self, text: str) -> None:
        """Report something a person should change."""


class StepContext(Protocol):
    """One running step."""

    def __enter__(self) -> StepContext: ...

    def __exit__(self, *_: object) -> None: ...

    def done(self, sentence: str) -> None:
        """Set the result of the step, in one short sentence."""


class _SilentStep:
    def __enter__(self) -> _SilentStep:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def done(self, sentence: str) -> None:
        """Ignore the text."""


class Silent:
    """Progress that is not shown, for tests and for use as a library."""

    def step(self, name: str) -> StepContext:
        """Return a step that reports nothing."""
        return _SilentStep()

    def about(self, image: str) -> None:
        """Ignore the text."""

    def note(self, text: str) -> None:
        """Ignore the text."""

    def notice(self, text: str) -> None:
        """Ignore the text."""

    def warning(self, text: str) -> None:
        """Ignore the text."""
