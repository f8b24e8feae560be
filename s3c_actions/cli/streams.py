"""The streams of one run: results on standard output, the rest on standard error or in the log of GitHub Actions."""

from __future__ import annotations

import platform
import shutil
import traceback
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TextIO, cast

import msgspec

from s3c_actions import __version__
from s3c_actions.cli.console import LogProgress, QuietProgress, TerminalProgress, error_lines
from s3c_actions.core.errors import S3CError
from s3c_actions.core.secrets import Secrets
from s3c_actions.report.render.terminal import highlight, plain_line

if TYPE_CHECKING:
    from s3c_actions.core.progress import Progress
    from s3c_actions.github.log import ActionsProgress


LOG_WIDTH = 120
"""Of a line of a result that is not written to a terminal, in columns."""


class Colors(msgspec.Struct, frozen=True, kw_only=True):
    """Which streams take colours."""

    stdout: bool = False
    stderr: bool = False


class Console(msgspec.Struct):
    """The destination of everything that is shown.

    Attributes:
        stdout, stderr: results go to `stdout`, everything else to `stderr`.
        progress: of the steps; `actions` is the same object when it is the log of GitHub Actions.
        secrets: redacted in everything shown.
        quiet: show errors only, and the resulting references.
        debug: show tracebacks of errors too.
        colors: of the streams.
        document_only: nothing but a document goes to `stdout`.
    """

    stdout: TextIO
    stderr: TextIO
    progress: Progress
    secrets: Secrets
    actions: ActionsProgress | None = None
    quiet: bool = False
    debug: bool = False
    colors: Colors = Colors()
    document_only: bool = False

    @property
    def width(self) -> int:
        """The width of a line of a result, in columns."""
        return shutil.get_terminal_size().columns if self.stdout.isatty() else LOG_WIDTH

    def say(self, text: str) -> None:
        """Print lines of a result, unchanged except for control characters and colours; untrusted."""
        if self.document_only:
            self._lines(text, self.stderr)
        else:
            self._lines(text, self.stdout)

    def say_document(self, text: str) -> None:
        """Print a document on standard output, unchanged except for secrets."""
        self.stdout.write(self.secrets.redact(text))
        self.stdout.flush()

    def say_in_group(self, title: str, text: str) -> None:
        """Print lines of a result; in the log of GitHub Actions in a group of this title."""
        if self.actions is None:
            self.say("\n".join([title, *text.splitlines()]))
            return
        self.actions.command("group", plain_line(self.secrets.redact(title)))
        self.say(text)
        self.actions.command("endgroup")

    def write_problem(self, text: str) -> None:
        """Print lines about a problem; untrusted."""
        self._lines(text, self.stderr)

    def error(self, command: str, error: S3CError) -> None:
        """Show an error as `error_lines` formats it; under GitHub Actions as an annotation."""
        lines = [self.secrets.redact(line) for line in error_lines(command, error)]
        if self.debug:
            self.write_problem("".join(traceback.format_exception(error)))
        if self.actions is not None:
            self.actions.annotate("error", "\n".join(lines), title=f"s3c {command}".strip())
        else:
            self.write_problem("\n".join(lines))

    def bug(self, command: str, error: BaseException) -> None:
        """Show a traceback and the versions, for a bug report."""
        message = f"s3c {command}: this is a bug of s3c {__version__}; please report it with what stands above."
        versions = f"s3c {__version__}, {_platform_description()}"
        self.write_problem("".join(traceback.format_exception(error)) + versions)
        if self.actions is not None:
            self.actions.annotate("error", message)
        else:
            self.write_problem(message)

    def close(self) -> None:
        """End the output: nothing more is shown."""
        if self.actions is not None:
            self.actions.close()
        self.stdout.flush()

    def _lines(self, text: str, stream: TextIO) -> None:
        text = self.secrets.redact(text)
        if self.actions is not None:
            self.actions.print(text)
        else:
            show = highlight if (self.colors.stdout if stream is self.stdout else self.colors.stderr) else str
            stream.write("".join(f"{show(plain_line(line, 20_000))}\n" for line in text.splitlines()))
            stream.flush()


_DUMB = ("dumb", "unknown")
"""Values of TERM with which rich draws nothing."""


def is_live(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Return whether progress is drawn in place: on a terminal that can do so, and not in a CI's log.

    Args:
        stream: of the progress.
        environment: of the process; CI and TERM decide.
    """
    return stream.isatty() and not environment.get("CI") and environment.get("TERM") not in _DUMB


def open_console(
    environment: Mapping[str, str],
    stdout: TextIO,
    stderr: TextIO,
    *,
    quiet: bool = False,
    verbose: bool = False,
    debug: bool = False,
    document_only: bool = False,
) -> Console:
    """Choose how a run shows its progress: the log of GitHub Actions, a terminal, a plain log, or nothing.

    Args:
        environment: of the process; GITHUB_ACTIONS, CI, TERM and NO_COLOR decide.
        stdout: for results.
        stderr: for everything else, outside of GitHub Actions.
        quiet: show errors only.
        verbose: show notes too.
        debug: show tracebacks of errors too.
        document_only: nothing but a document goes to `stdout`, and everything else to `stderr`.
    """
    if environment.get("GITHUB_ACTIONS") == "true":
        from s3c_actions.github.log import ActionsProgress, ActionsSecrets

        # The runner reads commands from both streams.
        actions = ActionsProgress(stderr if document_only else stdout, quiet=quiet)
        masks = ActionsSecrets(actions)
        actions.redact = masks.redact
        return Console(stdout, stderr, actions, masks, actions, quiet, debug, document_only=document_only)
    progress: Progress
    secrets = Secrets()
    stream = cast(TextIO, _Redacting(stderr, secrets))
    if quiet:
        progress = QuietProgress(stream)
    elif is_live(stderr, environment):
        progress = TerminalProgress(stream, color=not environment.get("NO_COLOR"), verbose=verbose)
    else:
        progress = LogProgress(stream, verbose=verbose)
    plain = bool(environment.get("NO_COLOR")) or environment.get("TERM") in _DUMB
    colors = Colors(stdout=not plain and stdout.isatty(), stderr=not plain and stderr.isatty())
    return Console(
        stdout, stderr, progress, secrets, quiet=quiet, debug=debug, colors=colors, document_only=document_only
    )


class _Redacting:
    """A stream that redacts secrets in what is written to it."""

    def __init__(self, stream: TextIO, secrets: Secrets) -> None:
        self._stream, self._secrets = stream, secrets

    def write(self, text: str) -> int:
        """Write a text with its secrets redacted."""
        return self._stream.write(self._secrets.redact(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _platform_description() -> str:
    # platform.platform() would start a program.
    return f"Python {platform.python_version()}, {platform.system()} {platform.release()} {platform.machine()}"
