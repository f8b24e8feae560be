"""The command line, built from the inputs' declarations."""

from __future__ import annotations

import argparse
import re
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from s3c_actions.core import reading
from s3c_actions.core.errors import InputError
from s3c_actions.core.pasted_content import quote_value
from s3c_actions.core.suggest import did_you_mean
from s3c_actions.options.command import COMMANDS, Command
from s3c_actions.options.common import EverywhereOptions, SubmitOptions
from s3c_actions.options.declare import Input
from s3c_actions.options.parse import boolean

COMMON_INPUTS: tuple[Input[Any], ...] = (
    EverywhereOptions.quiet,
    EverywhereOptions.json,
    EverywhereOptions.verbose,
    EverywhereOptions.debug,
)
"""What every command takes."""
WORDS: Mapping[str, str] = {
    "help": "Show what a command takes, with examples: s3c help scan.",
    "version": "Show the version.",
    "completion": "Print the completions of bash, zsh or fish.",
}
"""Words in the place of a command that do no work."""
SHELLS = ("bash", "zsh", "fish")
"""Shells that there are completions for."""
_EARLY_FLAGS = ("--version", "-V")
_IN_A_STEP = {"comment": "comment", "upload-sarif": "upload"}
"""Inputs that only an action has, and the command that does the same."""


class Parser(argparse.ArgumentParser):
    """A parser whose errors are InputErrors."""

    def error(self, message: str) -> NoReturn:
        """Raise a problem of the command line as an InputError."""
        flags, _, problem = message.removeprefix("argument ").partition(": ")
        name = flags.split("/")[-1].removeprefix("--")
        problem = re.sub("^ignored explicit argument .*", "it takes no value", problem, flags=re.DOTALL)
        if message.startswith("argument ") and problem:
            if problem == "expected one argument":
                problem = "given without a value"
            raise InputError(name, f"{problem}.", remedy=f"See `{self.prog} --help`.")
        raise InputError("command line", f"{message}.", remedy=f"See `{self.prog} --help`.")


def command_name(given: str) -> str:
    """Return the command of a name.

    Raises:
        InputError: no command has that name; the message suggests a similar one.
    """
    if given in COMMANDS:
        return given
    first, _, second = given.partition(" ")
    listed = family(first) or (*COMMANDS, *WORDS)
    if family(first) and not second:
        problem = "it is the first word of several commands, and none of them is given"
    else:
        problem = f"{quote_value(given)} is not a command of s3c"
    suggestion = did_you_mean(given, listed, "`s3c {}`") if second or not family(first) else ""
    raise InputError("command", f"{problem}.", remedy=f"{suggestion}There are {', '.join(listed)}.")


def family(first: str) -> tuple[str, ...]:
    """Return the commands of two words that begin with a word."""
    return tuple(name for name in COMMANDS if name.startswith(f"{first} "))


def join_words(given: str, argv: Sequence[str]) -> tuple[str, list[str]]:
    """Return the name of a command and its arguments, where its name may have two words.

    Args:
        given: the first word of the command line that is no flag.
        argv: the rest of the command line.
    """
    if family(given):
        for position, word in enumerate(argv):
            if not word.startswith("-"):
                return f"{given} {word}", [*argv[:position], *argv[position + 1 :]]
    return given, list(argv)


def reject_flags(given: Sequence[str]) -> InputError:
    """Return the error of a command line without a command.

    Args:
        given: its words, all of them flags; none at all is an error too.
    """
    remedy = "Give a command: `s3c help` lists them."
    known = {*_EARLY_FLAGS, *(flag for option in COMMON_INPUTS for flag in (option.flag, f"-{option.short}"))}
    unknown = [word for word in given if word.partition("=")[0] not in known]
    if not unknown:
        return InputError("command line", "no command is given.", remedy=remedy)
    word = unknown[0].partition("=")[0]
    return InputError(
        "command line",
        f"{quote_value(word)} is not a flag of s3c, and no command is given.",
        remedy=did_you_mean(word, known) + remedy,
    )


def read(command: Command[Any], argv: Sequence[str]) -> dict[str, str] | None:
    """Read the flags and positional arguments given.

    Args:
        command: declares the inputs.
        argv: what follows the command's name.

    Returns:
        Name or alias of an input → text, for `options.declare.read`; several values are joined by newlines. None
        when help is asked for.

    Raises:
        InputError: an unknown flag, a flag without its value, too many arguments, or a secret on the command line.
    """
    if list(argv) == ["help"]:
        raise InputError(
            "command line",
            "`help` stands where the arguments do.",
            remedy=f"Write `s3c help {command.name}`; an image of that name is help:latest.",
        )
    parser = create_parser(command)
    declared = (*command.inputs, *shell_flags(command))
    parsed, extra = parser.parse_known_intermixed_args(_rewrite_switches(argv, declared))
    if parsed.help:
        return None
    if extra:
        raise _unknown_argument_error(command, extra[0])
    return _input_texts(command, vars(parsed))


def create_parser(
    command: Command[Any],
    groups: Sequence[tuple[str, Iterable[Input[Any]]]] = (),
    describe: Callable[[Input[Any]], str] = lambda option: option.help,
) -> Parser:
    """Create the parser of a command.

    Args:
        command: declares the inputs.
        groups: heading and inputs that the help text lists; the other flags are understood, and not listed.
        describe: returns what the help text says of an input.
    """
    parser = Parser(
        prog=f"s3c {command.name}",
        description=command.help,
        usage=_usage(command),
        add_help=False,
        allow_abbrev=False,
        # As by default, but argparse makes a formatter for each flag, and each would ask for the terminal's width.
        formatter_class=partial(argparse.HelpFormatter, width=shutil.get_terminal_size().columns - 2),
    )
    arguments = parser.add_argument_group("Arguments")
    for option in command.inputs:
        if option.positional:
            arguments.add_argument(
                dest=f"bare {option.name}",
                metavar=option.name.upper(),
                nargs="*" if option.many else "?",
                help=_escape(describe(option)) if groups else None,
            )
    listed: set[str] = set()
    for heading, options in groups:
        group = parser.add_argument_group(heading or "Inputs")
        for option in options:
            listed.add(option.name)
            _add_input(group, option, describe)
    for option in command.inputs:
        if option.name not in listed:
            _add_input(parser, option)
    for option in command.other_inputs:
        parser.add_argument(option.flag, dest=option.name, action="append", help=argparse.SUPPRESS)
    everywhere = parser.add_argument_group("Everywhere")
    for option in shell_flags(command):
        _add_input(everywhere, option, describe if groups else None)
    everywhere.add_argument("-h", dest="help", action="store_true", help="Show the inputs that matter most.")
    everywhere.add_argument("--help", dest="help", action="store_true", help="Show every input.")
    return parser


def shell_flags(command: Command[Any]) -> tuple[Input[Any], ...]:
    """Return the inputs that are flags and read by the shell, not by the command."""
    return (*COMMON_INPUTS, *(SubmitOptions.inputs() if command.submits else ()))


def _usage(command: Command[Any]) -> str:
    arguments = [f"[{option.name.upper()}{'…' * option.many}]" for option in command.inputs if option.positional]
    return " ".join([f"s3c {command.name}", *arguments, "[--flags]"])


def _add_input(
    group: argparse._ActionsContainer, option: Input[Any], describe: Callable[[Input[Any]], str] | None = None
) -> None:
    """Add the flags of an input; without `describe`, the help text does not list them."""
    listed = describe is not None and not option.positional
    shown = _escape(describe(option)) if describe is not None and listed else argparse.SUPPRESS
    if option.secret:
        group.add_argument(option.flag, dest=option.name, metavar="FILE", help=shown, action="append")
        return
    for name in option.names:
        flags = [f"-{option.short}"] if option.short and name == option.name else []
        flags.append(f"--{name}")
        text = shown if name == option.name else argparse.SUPPRESS
        if option.switch:
            group.add_argument(*flags, dest=name, action="append_const", const="true", help=text)
            group.add_argument(f"--no-{name}", dest=name, action="append_const", const="false", help=argparse.SUPPRESS)
        else:
            value = _describe_value(option) if listed else None  # it takes time, and every command line is parsed
            group.add_argument(*flags, dest=name, metavar=value, action="append", help=text)


def _describe_value(option: Input[Any]) -> str:
    """Return what the help text has in the place of an input's value, such as `SEVERITY,…`."""
    if option.metavar:
        return option.metavar
    if option.parse is boolean:
        return "true|false"
    if option.choices and len("|".join(option.choices)) <= 24 and not option.many:
        return "|".join(option.choices)
    if option.is_path:
        return "FILE"
    clause = _describe_rejection(option)
    return next((noun for words, noun in _NOUNS.items() if words in clause), "TEXT")


_NOUNS = {
    "duration": "DURATION",
    "http": "URL",
    "SHA-256": "SHA256",
    "key=value": "KEY=VALUE",
    "whole number": "NUMBER",
    "pause": "DURATION",
}
"""Words of a parser's clause on what a value is not → what it is."""


def _describe_rejection(option: Input[Any]) -> str:
    try:
        option.parse("\t?")
    except ValueError as error:
        return str(error)
    return ""


def _escape(text: str) -> str:
    return text.replace("%", "%%")


def _rewrite_switches(argv: Sequence[str], declared: Iterable[Input[Any]]) -> list[str]:
    """Turn `--switch=false` into `--no-switch`, because a bare switch must not consume the argument after it."""
    switches = {f"--{name}": option for option in declared if option.switch for name in option.names}
    switches |= {f"-{option.short}": option for option in declared if option.switch and option.short}
    rewritten: list[str] = []
    for position, argument in enumerate(argv):
        if argument == "--":
            return rewritten + list(argv[position:])
        before = argv[position - 1] if position else ""
        if before in switches and argument.lower() in {"true", "false"}:
            raise InputError(
                switches[before].name,
                f"{argument!r} stands behind {before}, which takes no value there, and would be taken for an argument.",
                remedy=f"Write {before} or --no-{switches[before].name}, "
                f"or {switches[before].flag}={argument.lower()}.",
            )
        flag, equals, text = argument.partition("=")
        if equals and flag in switches:
            option = switches[flag]
            try:
                enabled = boolean(text)
            except ValueError as error:
                raise InputError(option.name, f"{quote_value(text)} is not {error}.") from None
            rewritten.append(option.flag if enabled else f"--no-{option.name}")
        else:
            rewritten.append(argument)
    return rewritten


def _input_texts(command: Command[Any], parsed: Mapping[str, Any]) -> dict[str, str]:
    texts: dict[str, str] = {}
    for option in (*command.inputs, *command.other_inputs, *shell_flags(command)):
        positional = parsed.get(f"bare {option.name}")
        values = [positional] if isinstance(positional, str) else list(positional or [])
        for name in option.names:
            values += parsed.get(name) or []
            if not values:
                continue
            if len(values) > 1 and not option.many and not option.switch:
                raise InputError(option.name, "given more than once.", remedy="Give it once.")
            if "" in values and not option.switch:
                raise InputError(
                    option.name, "given without a value.", remedy=f"Leave {option.flag} out, or give it a value."
                )
            texts[name] = (
                _read_secret(option, values[0]) if option.secret else values[-1] if option.switch else "\n".join(values)
            )
            values = []
    return texts


def _read_secret(option: Input[Any], name: str) -> str:
    try:
        text = reading.read_text_file(Path("/dev/stdin" if name == "-" else name))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            option.name,
            f"{_describe_file(name)} cannot be read: {reading.describe(error)}.",
            remedy=f"Give {option.flag} a file that holds the value alone, or set {option.variable}.",
        ) from None
    if not text.strip():
        raise InputError(option.name, f"{_describe_file(name)} is empty.")
    return text.rstrip("\r\n")


def _describe_file(name: str) -> str:
    """Return the file of a secret for people; not its name where that may be the secret itself."""
    path = Path(name)
    try:
        is_path = path.exists() or (str(path.parent) not in {".", "..", path.anchor} and path.parent.is_dir())
    except (OSError, ValueError):  # longer than a path can be, or with a NUL byte
        is_path = False
    return f"the file {quote_value(name)}" if is_path else "the file that is given (its name is not shown)"


def _unknown_argument_error(command: Command[Any], argument: str) -> InputError:
    """Return the error of an undeclared argument; its value may be a secret and is not shown."""
    flag = argument.partition("=")[0]
    if not re.fullmatch(r"--?[A-Za-z0-9][A-Za-z0-9_-]{0,37}", flag):
        return InputError(
            "command line", f"there is an argument too many: {quote_value(argument)}.", remedy=_see_help(command)
        )
    if command.removed is not None:
        for option in command.removed_inputs():
            if flag in {
                option.flag,
                *(f"--{prefix}{name}" for name in option.names for prefix in ("", "no-")),
            }:
                return command.removed.error(option, command.name)
    for option in command.inputs:
        if option.secret and flag == f"--{option.name}":
            return InputError(
                "command line",
                f"{flag}: a secret is not taken from the command line, where every process here can read it.",
                remedy=f"Set {option.variable}, or give {option.flag} FILE.",
            )
    step_command = _IN_A_STEP.get(flag.removeprefix("--").removeprefix("no-"))
    if step_command:
        raise InputError(
            "command line",
            f"{flag} is an input of the action, not a flag of `s3c {command.name}`.",
            remedy=f"On a command line run `s3c {step_command}` after it.",
        )
    without = flag.removeprefix("--no-")
    for option in command.inputs:
        if flag.startswith("--no-") and without in option.names and option.parse is boolean:
            return InputError(option.name, "it takes a value.", remedy=f"Write `{option.flag} false`.")
    if flag in _EARLY_FLAGS:
        return InputError("command line", f"{flag} stands before a command.", remedy="Write `s3c version`.")
    declared = (*command.inputs, *shell_flags(command))
    flags = [name for option in declared for name in (option.flag, *(f"--{alias}" for alias in option.aliases))]
    return InputError(
        "command line",
        f"{flag} is not a flag of `s3c {command.name}`.",
        remedy=did_you_mean(flag, flags) + _see_help(command),
    )


def _see_help(command: Command[Any]) -> str:
    return f"See `s3c {command.name} --help`."
