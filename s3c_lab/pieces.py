"""Pieces of a whole in the lab's progress: begun and ended where they are done, shown or handed on by the progress."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, TextIO

from s3c_actions.core.progress import ImageProgress, Progress, StepContext, parse_share


class PieceProgress:
    """A progress that knows pieces; its notes report the share of the piece that was begun last in this process."""

    def __init__(self) -> None:
        self._open: list[str] = []

    def begin(self, piece: str) -> None:
        """Begin a piece."""
        raise NotImplementedError

    def report(self, piece: str, share: float) -> None:
        """Report the share of a piece that is done."""
        raise NotImplementedError

    def end(self, piece: str, *, done: bool) -> None:
        """End a piece."""
        raise NotImplementedError

    def relay(self, text: str) -> None:
        """Show a note of another process, which reports its shares itself."""
        raise NotImplementedError

    @contextmanager
    def piece(self, name: str) -> Iterator[None]:
        """Begin a piece, and end it with the block: done, unless that raises."""
        self.begin(name)
        self._open.append(name)
        done = False
        try:
            yield
            done = True
        finally:
            self._open.remove(name)
            self.end(name, done=done)

    def report_note(self, text: str) -> None:
        """Report the share that a note ends with, if it does."""
        share = parse_share(text)
        if share is not None and self._open:
            self.report(self._open[-1], share)


def piece(progress: Progress, name: str) -> AbstractContextManager[None]:
    """A piece of the whole that the progress shows; of any other progress, nothing."""
    return progress.piece(name) if isinstance(progress, PieceProgress) else nullcontext()


class EventProgress(PieceProgress):
    """Progress for another process of the lab: a line of JSON for each event, which `read_event` understands.

    Args:
        stream: of the lines.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        self._lock = threading.Lock()

    def begin(self, piece: str) -> None:
        """Hand on the beginning."""
        self._write(event="begin", piece=piece)

    def report(self, piece: str, share: float) -> None:
        """Hand on the share."""
        self._write(event="report", piece=piece, share=share)

    def end(self, piece: str, *, done: bool) -> None:
        """Hand on the end."""
        self._write(event="end", piece=piece, done=done)

    def step(self, name: str) -> StepContext:
        """Return a step, whose sentence becomes a note."""
        return _NotedStep(self, name)

    def show_heading(self, image: str) -> None:
        """Hand on a note."""
        self.relay(image)

    def for_image(self, image: str) -> Progress:
        """Return the progress of one of several images."""
        return ImageProgress(self, image)

    def line(self, text: str) -> None:
        """Hand on a note."""
        self.relay(text)

    def note(self, text: str) -> None:
        """Hand on a note, and the share that it reports."""
        self.report_note(text)
        self.relay(text)

    def relay(self, text: str) -> None:
        """Hand on a note."""
        self._write(event="note", text=text)

    def notice(self, text: str) -> None:
        """Hand on a note: the process that shows it has notices of its own."""
        self.note(text)

    def warning(self, text: str) -> None:
        """Hand on a warning."""
        self._write(event="warning", text=text)

    def _write(self, **event: object) -> None:
        with self._lock:
            self._stream.write(json.dumps(event) + "\n")
            self._stream.flush()


class _NotedStep:
    def __init__(self, progress: EventProgress, name: str) -> None:
        self._progress, self._name = progress, name

    def __enter__(self) -> _NotedStep:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def done(self, sentence: str) -> None:
        """Hand the sentence on."""
        self._progress.note(f"{self._name}: {sentence}")


def read_event(line: str, progress: Progress) -> None:
    """Show an event of an EventProgress on a progress; a line that is none, such as a traceback's, is a note."""
    note = progress.relay if isinstance(progress, PieceProgress) else progress.note
    try:
        event: dict[str, Any] = json.loads(line)
        kind = event["event"]
        if kind == "warning":
            progress.warning(event["text"])
        elif kind == "note":
            note(str(event["text"]))
        elif isinstance(progress, PieceProgress):
            if kind == "begin":
                progress.begin(event["piece"])
            elif kind == "report":
                progress.report(event["piece"], float(event["share"]))
            elif kind == "end":
                progress.end(event["piece"], done=bool(event["done"]))
    except (ValueError, TypeError, KeyError):
        note(line)
