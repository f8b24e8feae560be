"""Write the log of a GitHub Actions job: groups, annotations, masks.

https://docs.github.com/actions/reference/workflow-commands-for-github-actions. Everything but our own commands is
printed between `::stop-commands::TOKEN` and `::TOKEN::`, so that no program's output is taken for a command.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TextIO
from uuid import uuid4

from actions_toolkit.command import Command

from s3c_actions.core.progress import ImageProgress
from s3c_actions.core.secrets import Secrets
from s3c_actions.report.render.terminal import plain_line

ANNOTATIONS = 10
"""Number of each type, per step; GitHub drops more."""
ANNOTATION_CHARACTERS = 4096


class ActionsSecrets(Secrets):
    """Secrets that are also masked by the runner, from the moment they are added."""

    def __init__(self, log: ActionsProgress) -> None:
        super().__init__()
        self._log = log

    def add(self, value: str) -> None:
        """Redact and mask this value, and each line of it."""
        with self._lock:
            before = self.values | self.short
            super().add(value)
            added = sorted((self.values | self.short) - before)
        for part in added:
            self._log.command("add-mask", part)


class _Step:
    def __init__(self, log: ActionsProgress, name: str) -> None:
        self._log, self._name, self._sentence, self._started = log, plain_line(name, 40), "", 0.0

    def __enter__(self) -> _Step:
        self._started = time.monotonic()
        self._log._begin(self._name)
        return self

    def __exit__(self, kind: object = None, *_: object) -> None:
        sentence = self._sentence or ("failed" if kind is not None else "done")
        self._log._end(f"{self._name:<8} {sentence}  ({time.monotonic() - self._started:.1f} s)")

    def done(self, sentence: str) -> None:
        """Set the result of the step."""
        self._sentence = plain_line(sentence)


class ActionsProgress:
    """A group for each step, with the programs run and their output; its sentence and time below it.

    Args:
        stream: the step's standard output.
        quiet: omit groups and notes.
    """

    def __init__(self, stream: TextIO, *, quiet: bool = False) -> None:
        self._stream, self._quiet = stream, quiet
        self.redact: Callable[[str], str] = lambda text: text
        """Applied to everything that is shown, but not to the runner's own commands, such as masks."""
        self._lock = threading.RLock()
        self._depth = 0
        self._counts = {"notice": 0, "warning": 0, "error": 0}
        self._token = ""

    def step(self, name: str) -> _Step:
        """Begin a step; groups cannot nest, so a step within a step is a line in its group."""
        return _Step(self, name)

    def show_heading(self, image: str) -> None:
        """Print the image's name above its steps' groups."""
        if not self._quiet:
            self._inert(plain_line(image))

    def for_image(self, image: str) -> ImageProgress:
        """Return the progress of one of several images at once: its steps become groups when they have ended."""
        return _ImageLog(self, image)

    def line(self, text: str) -> None:
        """Print a line."""
        if not self._quiet:
            self._inert(plain_line(text))

    def group(self, name: str, notes: Sequence[str], line: str) -> None:
        """Print a step that has ended, with nothing of others in between."""
        with self._lock:
            self._begin(plain_line(name))
            for note in notes:
                self.note(note)
            self._end(plain_line(line))

    def note(self, text: str) -> None:
        """Print a line in the step's group."""
        if not self._quiet:
            self._inert(f"  {plain_line(text)}")

    def notice(self, text: str) -> None:
        """Write an annotation."""
        if not self._quiet:
            self.annotate("notice", text)

    def warning(self, text: str) -> None:
        """Write an annotation."""
        self.annotate("warning", text)

    def annotate(self, kind: str, text: str, title: str = "s3c", *, path: str = "", line: int = 0) -> None:
        """Write an annotation of kind `notice`, `warning` or `error`, or a line of the log over the limit.

        Args:
            kind: the workflow command.
            text: may have several lines; untrusted.
            title: shown above it; untrusted.
            path: of the file it is shown at, relative to the repository's root.
            line: in it, from 1.
        """
        place = {"file": plain_line(path, 500), "line": str(max(1, line))} if path else {}
        text, title = self.redact(text), self.redact(title)
        lines = "\n".join(plain_line(line) for line in text[: ANNOTATION_CHARACTERS * 4].splitlines())
        with self._lock:
            self._counts[kind] += 1
            if self._counts[kind] > ANNOTATIONS:
                self._inert("\n".join(f"{kind}: {line}" for line in lines.splitlines()))
                return
            self.command(kind, lines[:ANNOTATION_CHARACTERS], title=plain_line(title, 200), **place)

    def command(self, name: str, message: str = "", **properties: str) -> None:
        """Write a workflow command, with everything in it escaped."""
        # The light module of actions_toolkit: importing its core takes 0.1 s more.

        with self._lock:
            self.close()
            self._write(str(Command(name, properties, message)))

    def close(self) -> None:
        """Let the runner process commands again, as it must when this program ends."""
        with self._lock:
            if self._token:
                self._write(f"::{self._token}::")
                self._token = ""

    def _begin(self, name: str) -> None:
        with self._lock:
            self._depth += 1
            if self._quiet:
                return
            if self._depth == 1:
                self.command("group", name)
            else:
                self._inert(f"{name} …")

    def _end(self, line: str) -> None:
        with self._lock:
            self._depth -= 1
            if self._quiet:
                return
            if self._depth == 0:
                self.command("endgroup")
            self._inert(line)

    def print(self, text: str) -> None:
        """Print lines that the runner must not interpret, whatever they contain."""
        self._inert("\n".join(plain_line(line) for line in text.splitlines()))

    def _inert(self, text: str) -> None:
        with self._lock:
            if not self._token:
                token = uuid4().hex
                self.command("stop-commands", token)
                self._token = token
            self._write(self.redact(text))

    def _write(self, text: str) -> None:
        self._stream.write(text + "\n")
        self._stream.flush()


class _ImageLog(ImageProgress):
    """The steps of one of several images at once: groups of different images would run into each other."""

    def __init__(self, log: ActionsProgress, image: str) -> None:
        super().__init__(log, image)
        self._log = log
        self._notes: list[str] = []

    def note(self, text: str) -> None:
        """Keep the line for the group of the step."""
        self._notes.append(text)

    def end_step(self, line: str) -> None:
        """Print the group of the step, and its line."""
        notes, self._notes = self._notes, []
        self._log.group(f"{self.label}: {line.partition(' ')[0]}", notes, f"{self.label}: {line}")
