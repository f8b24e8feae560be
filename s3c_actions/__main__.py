"""`s3c` and `python -m s3c_actions`: arguments and environment in, exit code out.

The only reader of the process's environment. How a command ends, with an error or without, is decided in `cli.run`.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from types import FrameType
from typing import TextIO, cast

from s3c_actions import __version__
from s3c_actions.core import startup
from s3c_actions.core.errors import Exit
from s3c_actions.core.folders import search_path, working_folder
from s3c_actions.core.lasting_output import LastingOutput
from s3c_actions.core.secret_handover import HANDOVER_VARIABLE, receive


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: without the program's name; by default what the process was given.

    Returns:
        The exit code, see `errors.Exit`.
    """
    startup.tune_collector()
    arguments = list(sys.argv[1:] if argv is None else argv)
    if "PATH" in os.environ:  # libraries start programs too
        os.environ["PATH"] = search_path(os.environ, working_folder())
    environment = dict(os.environ)
    if argv is None:
        environment |= receive(os.environ)
        environment.pop(HANDOVER_VARIABLE, None)
    # Python has none for a stream that was closed before it started.
    sys.stdin = sys.stdin or open(os.devnull)  # noqa: SIM115, PTH123
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115, PTH123
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115, PTH123
    for stream in (sys.stdout, sys.stderr):
        # Untrusted text must not end us on a terminal of another encoding.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    signal.signal(signal.SIGTERM, _interrupt)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else whoever started us wants it ignored
        signal.signal(signal.SIGINT, _interrupt)
    streams = sys.stdout, sys.stderr
    results, messages = map(LastingOutput, streams)
    sys.stdout, sys.stderr = cast(TextIO, results), cast(TextIO, messages)
    try:
        code = _dispatch(arguments, environment)
        results.flush()
        if results.failure is not None:
            code = max(code, Exit.OUTSIDE_FAILED)
            print(  # noqa: T201
                f"s3c: standard output could not be written: {results.failure.strerror}.      (exit {code:d})",
                file=sys.stderr,
            )
    except KeyboardInterrupt:
        print("s3c: interrupted. What was pushed stays; run it again to go on.", file=sys.stderr)  # noqa: T201
        code = Exit.INTERRUPTED
    finally:
        results.flush()
        messages.flush()
        sys.stdout, sys.stderr = streams
    return code


def _dispatch(arguments: list[str], environment: Mapping[str, str]) -> int:
    first = next((position for position, word in enumerate(arguments) if not word.startswith("-")), None)
    before = arguments[:first]
    command = "" if first is None else arguments[first]
    if {"--version", "-V"} & set(before) or command == "version":
        print(f"s3c {__version__}")  # noqa: T201
        return Exit.DONE
    if first is None or command in ("help", "completion") or {"-h", "--help"} & set(arguments):
        from s3c_actions.cli import words

        return words.run(arguments, environment, sys.stdout, sys.stderr)
    from s3c_actions.cli.run import run

    return run(command, before + arguments[first + 1 :], environment, sys.stdout, sys.stderr)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    process = sys.modules.get("s3c_actions.core.process")  # not imported: no program runs
    if process is not None and hasattr(process, "interrupt"):
        process.interrupt()
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
