"""What people see while long work runs. Steps call it; the shell chooses which one they get."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """A place to tell people how the work goes. Text given to it may be untrusted: it escapes."""

    def step(self, name: str) -> StepContext:
        """Begin a named step (`scan`, `patch`, …); ends with its time and the sentence given to `done`."""

    def about(self, image: str) -> None:
        """The image that the steps to come are about; called when there are several."""

    def note(self, text: str) -> None:
        """A line of what is going on, such as a program's command or its progress."""

    def notice(self, text: str) -> None:
        """Something a person should know (an old input name, a reused report)."""

    def warning(self, text: str) -> None:
        """Something a person should change."""


class StepContext(Protocol):
    """One running step."""

    def __enter__(self) -> StepContext: ...

    def __exit__(self, *_: object) -> None: ...

    def done(self, sentence: str) -> None:
        """What the step found out, in one short sentence."""


class _SilentStep:
    def __enter__(self) -> _SilentStep:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def done(self, sentence: str) -> None:
        """Say nothing."""


class Silent:
    """For tests and for library use."""

    def step(self, name: str) -> StepContext:
        """A step that says nothing."""
        return _SilentStep()

    def about(self, image: str) -> None:
        """Say nothing."""

    def note(self, text: str) -> None:
        """Say nothing."""

    def notice(self, text: str) -> None:
        """Say nothing."""

    def warning(self, text: str) -> None:
        """Say nothing."""
