"""Progress and errors on a terminal and in a log; the Actions log has its own console in github/.

All text given to a console is untrusted: it goes through `plain_line`, so that no image name, title or program output
can move the cursor, colour the text after it, reorder it or begin a line of its own.
"""

from __future__ import annotations

import re
import shutil
import textwrap
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

from s3c_actions.core.errors import Refused, S3CError
from s3c_actions.core.progress import ImageProgress
from s3c_actions.core.text import short_digest
from s3c_actions.report.render.terminal import MAX_CHARACTERS, highlight, image_title, plain_line

if TYPE_CHECKING:
    from rich.status import Status

MAX_LINES = 20


def error_lines(command: str, error: S3CError) -> list[str]:
    """Format an error for users: what happened, the probable cause, what to change, and last the original message.

    A refusal begins with the image that it is of, any other error with the command.

    Args:
        command: such as `patch`; empty before it is known.
        error: its parts may contain untrusted text.
    """
    what = plain_line(error.what)
    source = f"s3c {command}".strip()
    if isinstance(error, Refused) and error.image:
        name = image_title(error.image, "")
        # A sentence about the image itself names it already.
        named = re.search(rf"(?<![\w.-]){re.escape(name.partition(':')[0])}(?![\w.-])", what)
        lines = [f"✘ {what}" if named else f"✘ {name}: {what}"]
        image = f"{source}, {_shorten_digest(plain_line(error.image))}; "
    else:
        lines = [f"{source}: {what}"]
        image = f"image {_shorten_digest(plain_line(error.image))}; " if error.image else ""
    remedy = [plain_line(line) for line in error.remedy.splitlines()[:MAX_LINES] if line.strip()]
    lines += [f"  {line}" for line in ([plain_line(error.cause)] if error.cause else []) + remedy]
    lines[-1] += f"      ({image}exit {int(error.exit_code)})"
    original = [plain_line(line) for line in error.original[-MAX_CHARACTERS * 4 :].splitlines() if line.strip()][
        -MAX_LINES:
    ]
    if original:
        lines += ["  It said:", *(f"    {line}" for line in original)]
    return lines


def _shorten_digest(reference: str) -> str:
    name, at, digest = reference.rpartition("@")
    return f"{name}@{short_digest(digest)}" if at else reference


class _Step:
    """A running step of a TerminalProgress or LogProgress."""

    def __init__(self, name: str, begun: Callable[[str], None], ended: Callable[[str, str, float, bool], None]) -> None:
        self._name, self._begun, self._ended = plain_line(name, 40), begun, ended
        self._sentence = ""
        self._started = 0.0

    def __enter__(self) -> _Step:
        self._started = time.monotonic()
        self._begun(self._name)
        return self

    def __exit__(self, kind: object = None, *_: object) -> None:
        self._ended(self._name, self._sentence, time.monotonic() - self._started, kind is not None)

    def done(self, sentence: str) -> None:
        """Set the sentence that describes the outcome."""
        self._sentence = plain_line(sentence)


class TerminalProgress:
    """Show one line for each step with its sentence and time, and a spinner while it runs.

    Args:
        stream: a terminal.
        color: whether to use colours.
        verbose: whether to show which programs run and what they print.
        patience: seconds before the spinner appears, so that quick steps do not start it.
    """

    def __init__(self, stream: TextIO, *, color: bool = True, verbose: bool = False, patience: float = 0.3) -> None:
        self._stream, self._color, self._verbose, self._patience = stream, color, verbose, patience
        self._lock = threading.RLock()
        self._running: list[str] = []
        self._status: Status | None = None
        self._timer: threading.Timer | None = None

    def step(self, name: str) -> _Step:
        """Begin a step."""
        return _Step(name, self._begin, self._end)

    def show_heading(self, image: str) -> None:
        """Show the image's name above its steps."""
        self._line(self._paint("1", plain_line(image)))

    def for_image(self, image: str) -> ImageProgress:
        """Return the progress of one of several images at once."""
        return ImageProgress(self, image)

    def line(self, text: str) -> None:
        """Show a line of its own."""
        self._line(plain_line(text))

    def note(self, text: str) -> None:
        """Show the current activity: beside the spinner, or as a line of its own when verbose."""
        text = plain_line(text)
        with self._lock:
            if self._verbose:
                self._line(self._dim(f"  {text}"))
            elif self._status is not None and self._running:
                self._status.update(self._label(text))

    def notice(self, text: str) -> None:
        """Show a line of its own."""
        self._line(f"note: {plain_line(text)}")

    def warning(self, text: str) -> None:
        """Show a line of its own."""
        self._line(self._paint("33", f"warning: {plain_line(text)}"))

    def _begin(self, name: str) -> None:
        with self._lock:
            self._running.append(name)
            if self._status is None and self._timer is None:
                self._timer = threading.Timer(self._patience, self._spin)
                self._timer.daemon = True
                self._timer.start()

    def _end(self, name: str, sentence: str, seconds: float, failed: bool) -> None:
        with self._lock:
            self._running.pop()
            if not self._running:
                self._rest()
            if sentence or not failed:
                width = max(60, min(shutil.get_terminal_size().columns, 110)) - 20
                lines = textwrap.wrap(sentence, width, break_long_words=False, break_on_hyphens=False) or [""]
                first_line = f"{name:<8} {lines[0]:<{width}}  {seconds:6.1f} s"
                self._line("\n".join([first_line, *(" " * 9 + line for line in lines[1:])]))
            else:
                self._line(f"{name:<8} " + self._paint("31", "failed") + f" after {seconds:.1f} s")

    def _spin(self) -> None:
        from rich.console import Console
        from rich.status import Status

        with self._lock:
            if self._running and self._status is None:
                console = Console(file=self._stream, no_color=not self._color, highlight=False)
                self._status = Status(self._label(""), console=console)
                self._status.start()

    def _rest(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._status is not None:
            self._status.stop()
            self._status = None

    def _label(self, note: str) -> str:
        from rich.markup import escape as escape_markup

        width = max(20, shutil.get_terminal_size().columns - 20)
        return escape_markup(f"{' > '.join(self._running)}  {note[:width]}")

    def _line(self, text: str) -> None:
        with self._lock:
            if self._status is not None:
                self._status.stop()
            lines = (highlight(line) if self._color and "\x1b" not in line else line for line in text.split("\n"))
            self._stream.write("\n".join(lines) + "\n")
            self._stream.flush()
            if self._status is not None:
                self._status.start()

    def _dim(self, text: str) -> str:
        return self._paint("2", text)

    def _paint(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._color else text


class LogProgress:
    """Show plain lines for a CI log or a file; a long step shows at intervals that it still runs.

    Args:
        stream: to write lines to.
        verbose: whether to show every note.
        heartbeat: minimum seconds between notes otherwise.
    """

    def __init__(self, stream: TextIO, *, verbose: bool = False, heartbeat: float = 10.0) -> None:
        self._stream, self._verbose, self._heartbeat = stream, verbose, heartbeat
        self._lock = threading.RLock()
        self._running: list[str] = []
        self._last = time.monotonic()

    def step(self, name: str) -> _Step:
        """Begin a step."""
        return _Step(name, self._begin, self._end)

    def show_heading(self, image: str) -> None:
        """Show the image's name above its steps."""
        self._line(plain_line(image))

    def for_image(self, image: str) -> ImageProgress:
        """Return the progress of one of several images at once."""
        return ImageProgress(self, image)

    def line(self, text: str) -> None:
        """Show a line of its own."""
        self._line(plain_line(text))

    def note(self, text: str) -> None:
        """Show a line, when verbose or when none was shown for `heartbeat` seconds."""
        if self._verbose:
            self._line(f"  {plain_line(text)}")
        elif time.monotonic() - self._last >= self._heartbeat:
            self._line(f"  {f'{self._running[-1]}: ' if self._running else ''}{plain_line(text)}")

    def notice(self, text: str) -> None:
        """Show a line of its own."""
        self._line(f"note: {plain_line(text)}")

    def warning(self, text: str) -> None:
        """Show a line of its own."""
        self._line(f"warning: {plain_line(text)}")

    def _begin(self, name: str) -> None:
        self._running.append(name)
        self._last = time.monotonic()
        if self._verbose:
            self._line(f"{name} …")

    def _end(self, name: str, sentence: str, seconds: float, failed: bool) -> None:
        self._running.pop()
        outcome = sentence or ("failed" if failed else "done")
        self._line(f"{name:<8} {outcome}  ({seconds:.1f} s)")

    def _line(self, text: str) -> None:
        with self._lock:
            self._last = time.monotonic()
            self._stream.write(text + "\n")
            self._stream.flush()


class QuietProgress:
    """Show warnings only."""

    def __init__(self, stream: TextIO) -> None:
        self._log = LogProgress(stream)

    def step(self, name: str) -> _Step:
        """Begin a step that shows nothing."""
        return _Step(name, lambda _name: None, lambda _name, _sentence, _seconds, _failed: None)

    def show_heading(self, image: str) -> None:
        """Show nothing."""

    def for_image(self, image: str) -> ImageProgress:
        """Return the progress of one of several images at once, of which warnings are shown."""
        return ImageProgress(self, image)

    def line(self, text: str) -> None:
        """Show nothing."""

    def note(self, text: str) -> None:
        """Show nothing."""

    def notice(self, text: str) -> None:
        """Show nothing."""

    def warning(self, text: str) -> None:
        """Show a line."""
        self._log.warning(text)
