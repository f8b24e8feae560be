"""What is not the work of a command: `s3c`, `s3c [COMMAND] --help`, `s3c help [COMMAND]`, `s3c completion SHELL`.

Apart from `cli.run`, so that a help text does not import what runs a command.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TextIO

from s3c_actions import __version__
from s3c_actions.cli import parser
from s3c_actions.cli.help_text import command_help, family_help, overview
from s3c_actions.core.errors import Exit, InputError
from s3c_actions.core.pasted_content import quote_value
from s3c_actions.core.suggest import did_you_mean
from s3c_actions.options.command import load

_HELP = frozenset({"-h", "--help"})


def run(words: Sequence[str], environment: Mapping[str, str], stdout: TextIO, stderr: TextIO) -> int:
    """Print what is asked for; what is wrong is an error in words.

    Args:
        words: the command line: flags alone, `help` or `completion` in the place of a command, or a command whose help
            is asked for.
        environment: the process's.
        stdout: where what is asked for goes.
        stderr: where errors go.

    Returns:
        The exit code, see `errors.Exit`.
    """
    bare = [word for word in words if not word.startswith("-")]
    name, arguments = parser.join_words(bare[0], bare[1:]) if bare else ("", [])
    try:
        stdout.write(_respond(name, arguments, words))
    except InputError as error:
        from s3c_actions.cli.streams import open_console

        console = open_console(environment, stdout, stderr)
        console.error(name if error.field != "command" else "", error)
        console.close()
        if not words:
            stderr.write(f"\n{overview(__version__)}")
        return int(error.exit_code)
    return Exit.DONE


def _respond(name: str, arguments: Sequence[str], words: Sequence[str]) -> str:
    asks_help = bool(_HELP.intersection(words))
    if name == "" and asks_help:
        return overview(__version__)
    if name == "":
        raise parser.reject_flags(words)
    if name == "version":
        return f"s3c {__version__}\n"
    if name not in parser.WORDS:
        return _command_help(name, full="--help" in words)
    unknown = [word for word in words if word.startswith("-") and word not in _HELP]
    if unknown:
        raise InputError("command line", f"`s3c {name}` takes no flags.", remedy=_USAGE[name])
    if name == "help":
        return _help(arguments)
    if asks_help:
        return f"{_USAGE[name]}\n"
    return _completion(arguments)


_USAGE = {
    "help": "Write `s3c help COMMAND`, or `s3c help` for all commands.",
    "completion": f"Write `s3c completion SHELL`; the shells are {', '.join(parser.SHELLS)}.",
}


def _help(arguments: Sequence[str]) -> str:
    name, more = parser.join_words(arguments[0], arguments[1:]) if arguments else ("", [])
    if more:
        raise InputError("command line", "help is shown of one command.", remedy=_USAGE["help"])
    if name in ("", "help"):
        return overview(__version__)
    if name in parser.WORDS:
        return f"{parser.WORDS[name]}\n{_USAGE.get(name, '')}".rstrip() + "\n"
    return _command_help(name)


def _command_help(name: str, *, full: bool = True) -> str:
    """Return the help text of a command, or of the first word of several."""
    if parser.family(name):
        return family_help(name, parser.family(name))
    return command_help(load(parser.command_name(name)), full=full)


def _completion(arguments: Sequence[str]) -> str:
    if len(arguments) != 1:
        raise InputError("command line", "completions are printed for one shell.", remedy=_USAGE["completion"])
    if arguments[0] not in parser.SHELLS:
        raise InputError(
            "command line",
            f"there are no completions for {quote_value(arguments[0])}.",
            remedy=did_you_mean(arguments[0], parser.SHELLS) + _USAGE["completion"],
        )
    from s3c_actions.cli import completion

    return completion.script(arguments[0])
