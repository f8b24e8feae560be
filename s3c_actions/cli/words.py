"""What is not the work of a command: `s3c`, `s3c [COMMAND] --help`, `s3c help [COMMAND]`, `s3c completion SHELL`.

Apart from `cli.run`, so that a help text does not import what runs a command.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TextIO

from s3c_actions import __version__
from s3c_actions.cli import parser
from s3c_actions.cli.help_text import command_help, overview
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
    name = next((word for word in words if not word.startswith("-")), "")
    try:
        stdout.write(_respond(name, words))
    except InputError as error:
        from s3c_actions.cli.streams import open_console

        console = open_console(environment, stdout, stderr)
        console.error(name if error.field != "command" else "", error)
        console.close()
        if not words:
            stderr.write(f"\n{overview(__version__)}")
        return int(error.exit_code)
    return Exit.DONE


def _respond(name: str, words: Sequence[str]) -> str:
    arguments = [word for word in words if not word.startswith("-")][1:]
    asks_help = bool(_HELP.intersection(words))
    if name == "" and asks_help:
        return overview(__version__)
    if name == "":
        raise parser.reject_flags(words)
    if name == "version":
        return f"s3c {__version__}\n"
    if name not in parser.WORDS:
        return command_help(load(parser.command_name(name)), full="--help" in words)
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
    if len(arguments) > 1:
        raise InputError("command line", "help is shown of one command.", remedy=_USAGE["help"])
    if not arguments or arguments[0] == "help":
        return overview(__version__)
    if arguments[0] in parser.WORDS:
        return f"{parser.WORDS[arguments[0]]}\n{_USAGE.get(arguments[0], '')}".rstrip() + "\n"
    return command_help(load(parser.command_name(arguments[0])))


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
