"""One bar for a whole of pieces: on a terminal, or as lines with percent and time.

What the programs of the pieces print goes to a log.
"""

from __future__ import annotations

import io
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, cast

from s3c_actions.cli.console import LogProgress, TerminalProgress
from s3c_actions.core.progress import ImageProgress, Progress, StepContext
from s3c_actions.report.render.terminal import plain_line
from s3c_lab.pieces import PieceProgress
from s3c_lab.whole import Whole

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

TERMINAL_SECONDS, LINE_SECONDS = 0.5, 20.0
"""Between two updates of the bar: on a terminal, and in a log, where each is a line."""
BAR_WIDTH = 16
"""Of the bar alone, in characters; percent and words follow it."""


class BarProgress(PieceProgress):
    """Progress that shows one bar for all of its pieces while `running`, and steps, notices and warnings as lines.

    Args:
        stream: of the bar and of the lines.
        terminal: the stream is a terminal.
        color: whether to use colours.
        verbose: show notes as lines, too.
        seconds: between two updates; by default as suits the stream.
    """

    def __init__(
        self,
        stream: TextIO,
        *,
        terminal: bool,
        color: bool = True,
        verbose: bool = False,
        seconds: float | None = None,
    ) -> None:
        super().__init__()
        self._stream, self._terminal, self._color = stream, terminal, color
        self._interval = seconds or (TERMINAL_SECONDS if terminal else LINE_SECONDS)
        self._whole = Whole({})
        self._log: TextIO | None = None
        self._activity = ""
        self._rich: RichProgress | None = None
        self._paused = threading.Event()
        self._beside: Progress
        self._alone: Progress
        if terminal:
            above = cast("TextIO", _Above(self))
            self._beside = TerminalProgress(above, color=color, verbose=verbose, patience=threading.TIMEOUT_MAX)
            self._alone = TerminalProgress(stream, color=color, verbose=verbose)
        else:
            self._beside = LogProgress(stream, verbose=verbose, heartbeat=float("inf"))
            self._alone = LogProgress(stream, verbose=verbose)
        self._lines: Progress = self._alone

    @contextmanager
    def running(self, seconds: Mapping[str, float], log: Path) -> Iterator[None]:
        """Show the bar during the block.

        Args:
            seconds: expected of each piece.
            log: receives every note, with its time; made anew.
        """
        self._whole = Whole(seconds)
        log.parent.mkdir(parents=True, exist_ok=True)
        ended = threading.Event()
        ticker = threading.Thread(target=self._tick, args=(ended,), daemon=True)
        with log.open("w", encoding="utf-8", errors="replace") as self._log:
            self._lines = self._beside
            self._start()
            self._update()
            ticker.start()
            try:
                yield
            finally:
                ended.set()
                ticker.join()
                self._stop()
                self._lines = self._alone
        self._log = None

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Show nothing in this block, in which another program uses the terminal."""
        self._paused.set()
        self._stop()
        try:
            yield
        finally:
            self._paused.clear()
            self._start()

    def begin(self, piece: str) -> None:
        """Begin a piece."""
        self._write_log(f"{piece} begins")
        self._whole.begin(piece)

    def report(self, piece: str, share: float) -> None:
        """Report the share of a piece that is done."""
        self._whole.report(piece, share)

    def end(self, piece: str, *, done: bool) -> None:
        """End a piece."""
        self._write_log(f"{piece} {'is done' if done else 'failed'}")
        self._activity = ""
        self._whole.end(piece, done=done)

    def step(self, name: str) -> StepContext:
        """Begin a step, which is a line at its end."""
        return self._lines.step(name)

    def show_heading(self, image: str) -> None:
        """Show the image's name as a line."""
        self._lines.show_heading(image)

    def for_image(self, image: str) -> Progress:
        """Return the progress of one of several images."""
        return ImageProgress(self, image)

    def line(self, text: str) -> None:
        """Show a line of its own."""
        self._lines.line(text)

    def note(self, text: str) -> None:
        """Show the current activity beside the bar, and keep it in the log."""
        self.report_note(text)
        self.relay(text)

    def relay(self, text: str) -> None:
        """Show a note of another process in the same way; it counts for no piece of this one."""
        self._activity = plain_line(text)
        self._write_log(text)
        if not self._paused.is_set():
            self._lines.note(text)

    def notice(self, text: str) -> None:
        """Show a line of its own."""
        self._write_log(text)
        if not self._paused.is_set():
            self._lines.notice(text)

    def warning(self, text: str) -> None:
        """Show a line of its own."""
        self._write_log(f"warning: {text}")
        self._lines.warning(text)

    def state(self) -> str:
        """The bar in words: percent, time and what is being done."""
        left = self._whole.left()
        running = ", ".join(self._whole.running())
        rest = f"about {max(1, round(left / 60))} min left" if left >= 30 else "under 1 min left"
        elapsed = _minutes(self._whole.elapsed())
        doing = ": ".join(part for part in (running, self._activity) if part)
        return f"{self._percent():3} %  {elapsed}, {rest}  {doing}".rstrip()

    def write_above(self, text: str) -> None:
        """Write lines above the bar, or where there is none, as they are."""
        from rich.text import Text

        if self._rich is None:
            self._stream.write(text)
            self._stream.flush()
        else:
            self._rich.console.print(Text.from_ansi(text.removesuffix("\n")), soft_wrap=True)

    def _percent(self) -> int:
        return min(int(100 * self._whole.share()), 100)

    def _start(self) -> None:
        if not self._terminal:
            return
        from rich.console import Console
        from rich.progress import BarColumn, TaskProgressColumn, TextColumn
        from rich.progress import Progress as RichProgress

        console = Console(file=self._stream, no_color=not self._color, highlight=False)
        columns = (BarColumn(BAR_WIDTH), TaskProgressColumn(), TextColumn("{task.description}", markup=False))
        self._rich = RichProgress(*columns, console=console, transient=True)
        self._rich.add_task("", total=100)
        self._rich.start()

    def _stop(self) -> None:
        if self._rich is not None:
            self._rich.stop()
            self._rich = None

    def _tick(self, ended: threading.Event) -> None:
        while not ended.wait(self._interval):
            if not self._paused.is_set():
                self._update()

    def _update(self) -> None:
        if not self._terminal:
            self._stream.write(f"{self.state()[:200]}\n")
            self._stream.flush()
        elif (rich := self._rich) is not None:
            words = self.state().partition(" %")[2].strip()
            width = max(20, shutil.get_terminal_size().columns - BAR_WIDTH - 8)
            rich.update(rich.task_ids[0], completed=self._percent(), description=words[:width])

    def _write_log(self, text: str) -> None:
        if self._log is not None and not self._log.closed:
            self._log.write(f"{time.strftime('%H:%M:%S')} {plain_line(text, 2000)}\n")
            self._log.flush()


class _Above(io.TextIOBase):
    """A stream of text that appears above the bar."""

    def __init__(self, bar: BarProgress) -> None:
        self._bar = bar

    def write(self, text: str) -> int:
        self._bar.write_above(text)
        return len(text)


@contextmanager
def shown_as_bar(progress: Progress, seconds: Mapping[str, float], log: Path) -> Iterator[None]:
    """Show a progress that has a bar as one during the block (`BarProgress.running`); of any other, nothing."""
    with progress.running(seconds, log) if isinstance(progress, BarProgress) else nullcontext():
        yield


@contextmanager
def without_bar(progress: Progress) -> Iterator[None]:
    """Leave the terminal to other programs during the block."""
    with progress.paused() if isinstance(progress, BarProgress) else nullcontext():
        yield


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"
