"""The progress shown to people while long work runs. Steps call it; the command line chooses the implementation."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

from s3c_actions.core.patterns import late_pattern

_SHARE = late_pattern(r"\((\d{1,3}) %\)$")


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

    def show_heading(self, image: str) -> None:
        """Set the image that the following steps concern; called when there are several."""

    def for_image(self, image: str) -> Progress:
        """Return the progress of one of several images that are processed at the same time: its lines name it."""

    def line(self, text: str) -> None:
        """Show a line of its own, such as a step of one of several images."""

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

    def show_heading(self, image: str) -> None:
        """Ignore the text."""

    def for_image(self, image: str) -> Progress:
        """Return itself."""
        return self

    def line(self, text: str) -> None:
        """Ignore the text."""

    def note(self, text: str) -> None:
        """Ignore the text."""

    def notice(self, text: str) -> None:
        """Ignore the text."""

    def warning(self, text: str) -> None:
        """Ignore the text."""


class ImageProgress:
    """Progress of one of several images that are processed at the same time: every line names the image.

    A step is shown when it ends, as one line, so that no line is taken for that of another image's step.

    Args:
        shown: where the lines are shown.
        image: as given.
    """

    def __init__(self, shown: Progress, image: str) -> None:
        self._shown, self._image = shown, image
        name, at, digest = image.partition("@")
        self.label = name if ":" in name.rpartition("/")[2] else f"{name}{at}{digest[:19]}"

    def step(self, name: str) -> StepContext:
        """Begin a step."""
        return _ImageStep(self, name)

    def show_heading(self, image: str) -> None:
        """Do nothing: each line names the image."""

    def for_image(self, image: str) -> Progress:
        """Return the progress of another image."""
        return self._shown.for_image(image)

    def line(self, text: str) -> None:
        """Show a line."""
        self._shown.line(f"{self.label}: {text}")

    def note(self, text: str) -> None:
        """Show a line of detail."""
        self._shown.note(f"{self.label}: {text}")

    def notice(self, text: str) -> None:
        """Show a notice."""
        self._shown.notice(self._with_image(text))

    def warning(self, text: str) -> None:
        """Show a warning."""
        self._shown.warning(self._with_image(text))

    def end_step(self, line: str) -> None:
        """Show a step that has ended."""
        self.line(line)

    def _with_image(self, text: str) -> str:
        return text if self.label in text or self._image in text else f"{self.label}: {text}"


class _ImageStep:
    def __init__(self, progress: ImageProgress, name: str) -> None:
        self._progress, self._name, self._sentence, self._started = progress, name, "", 0.0

    def __enter__(self) -> _ImageStep:
        self._started = time.monotonic()
        return self

    def __exit__(self, kind: object = None, *_: object) -> None:
        sentence = self._sentence or ("failed" if kind is not None else "done")
        self._progress.end_step(f"{self._name:<8} {sentence}  ({time.monotonic() - self._started:.1f} s)")

    def done(self, sentence: str) -> None:
        """Set the sentence that describes the outcome."""
        self._sentence = sentence


_CURRENT: ContextVar[Progress | None] = ContextVar("progress of the image that this thread works on", default=None)


@contextmanager
def showing(progress: Progress) -> Iterator[None]:
    """Show the progress of what this thread does by another one, while the block runs (`RoutedProgress`)."""
    token = _CURRENT.set(progress)
    try:
        yield
    finally:
        _CURRENT.reset(token)


class RoutedProgress:
    """Progress that every collaborator of a run is given: that of the image which the calling thread works on.

    Args:
        shown: used where the thread works on none of several images.
    """

    def __init__(self, shown: Progress) -> None:
        self._shown = shown

    @property
    def _current(self) -> Progress:
        return _CURRENT.get() or self._shown

    def step(self, name: str) -> StepContext:
        """Begin a step."""
        return self._current.step(name)

    def show_heading(self, image: str) -> None:
        """Set the image that the following steps concern."""
        self._current.show_heading(image)

    def for_image(self, image: str) -> Progress:
        """Return the progress of one of several images."""
        return self._shown.for_image(image)

    def line(self, text: str) -> None:
        """Show a line."""
        self._current.line(text)

    def note(self, text: str) -> None:
        """Show a line of detail."""
        self._current.note(text)

    def notice(self, text: str) -> None:
        """Show a notice."""
        self._current.notice(text)

    def warning(self, text: str) -> None:
        """Show a warning."""
        self._current.warning(text)
