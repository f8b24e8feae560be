"""The command line, built from the inputs' declarations."""

from __future__ import annotations

import argparse
import difflib
import re
import shutil
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from s3c_actions.core import reading
from s3c_actions.core.errors import InputError
from s3c_actions.core.pasted_content import quote_value
from s3c_actions.options.command import COMMANDS, Command
from s3c_actions.options.common import EverywhereOptions, SubmitOptions
from s3c_actions.options.declare import Input
from s3c_actions.options.parse import boolean

COMMON_INPUTS: tuple[Input[Any], ...] = (EverywhereOptions.quiet, EverywhereOptions.verbose, EverywhereOptions.debug)
"""What every command takes."""
_IN_A_STEP = {"comment": "comment", "upload-sarif": "upload"}
"""Inputs that only an action has, and the command that does the same."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Raise a problem of the command line as an InputError."""
        flag, _, problem = message.removeprefix("argument ").partition(": ")
        problem = re.sub("^ignored explicit argument .*", "it takes no value", problem, flags=re.DOTALL)
        if message.startswith("argument ") and problem:
            if problem == "expected one argument":
                raise InputError(flag.removeprefix("--"), "given without a value.", remedy=f"See `{self.prog} --help`.")
            raise InputError(flag.split("/")[0], f"{problem}.", remedy=f"See `{self.prog} --help`.")
        raise InputError("command line", f"{message}.", remedy=f"See `{self.prog} --help`.")


def overview(version: str) -> str:
    """Return the text of `s3c --help`."""
    width = max(len(name) for name in COMMANDS)
    commands = "\n".join(f"  {name:<{width}}  {text}" for name, text in COMMANDS.items())
    return f"""s3c {version}: scan, patch, sign and verify container images.

Usage: s3c COMMAND [IMAGE…] [--flags]

{commands}

  s3c COMMAND --help   what a command takes, with examples
  s3c --version        the version

Examples:
  s3c scan nginx:1.27 --severity HIGH,CRITICAL --fail-on CRITICAL
  s3c chain registry.example/app:1.0 --key signing.key --certificate signing.crt

Exit codes: 0 done · 1 the policy said no · 2 wrong input · 3 something outside failed · 4 a bug of s3c
"""


def command_name(given: str) -> str:
    """Return the command of a name.

    Raises:
        InputError: no command has that name; the message suggests a similar one.
    """
    if given in COMMANDS:
        return given
    near = difflib.get_close_matches(given, COMMANDS, n=1)
    raise InputError(
        "command",
        f"{quote_value(given)} is not a command of s3c.",
        remedy=(f"Did you mean `s3c {near[0]}`? " if near else "") + f"There are {', '.join(COMMANDS)}.",
    )


def help_text(command: Command[Any]) -> str:
    """Return the text of `s3c COMMAND --help`."""
    return _create_parser(command).format_help()


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
    parser = _create_parser(command)
    declared = (*command.inputs, *_shell_inputs(command))
    parsed, extra = parser.parse_known_intermixed_args(_rewrite_switches(argv, declared))
    if parsed.help:
        return None
    if extra:
        raise _unknown_argument_error(command, extra[0])
    return _input_texts(command, vars(parsed))


def _create_parser(command: Command[Any]) -> _Parser:
    width = min(shutil.get_terminal_size().columns, 110)
    parser = _Parser(
        prog=f"s3c {command.name}",
        description=textwrap.fill(command.help.replace("`", ""), width),
        epilog="Every flag is an environment variable too: --output-dir is S3C_OUTPUT_DIR.\n\nExamples:\n"
        + "\n".join(f"  {example}" for example in command.examples)
        if command.examples
        else None,
        add_help=False,
        allow_abbrev=False,
        formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(prog, max_help_position=30, width=width),
        usage=_usage(command),
    )
    arguments = parser.add_argument_group("Arguments")
    for option in command.inputs:
        if option.positional:
            arguments.add_argument(
                dest=f"bare {option.name}",
                metavar=option.name.upper(),
                nargs="*" if option.many else "?",
                help=_input_help(option),
            )
    inputs = parser.add_argument_group("Inputs")
    for option in command.inputs:
        _add_input(inputs, option)
    for option in command.other_inputs:
        parser.add_argument(option.flag, dest=option.name, action="append", help=argparse.SUPPRESS)
    everywhere = parser.add_argument_group("Everywhere")
    for option in _shell_inputs(command):
        _add_input(everywhere, option)
    everywhere.add_argument("-h", "--help", action="store_true", help="This text.")
    return parser


def _shell_inputs(command: Command[Any]) -> tuple[Input[Any], ...]:
    """Return the inputs that are flags and read by the shell, not by the command."""
    return (*COMMON_INPUTS, *(SubmitOptions.inputs() if command.submits else ()))


def _usage(command: Command[Any]) -> str:
    arguments = [f"[{option.name.upper()}{'…' * option.many}]" for option in command.inputs if option.positional]
    return " ".join([f"s3c {command.name}", *arguments, "[--flags]"])


def _add_input(group: argparse._ArgumentGroup, option: Input[Any]) -> None:
    if option.secret:
        group.add_argument(option.flag, dest=option.name, metavar="FILE", help=_input_help(option), action="append")
        return
    for name in (option.name, *option.aliases):
        shown = argparse.SUPPRESS if name != option.name or option.positional else _input_help(option)
        if option.switch:
            group.add_argument(f"--{name}", dest=name, action="append_const", const="true", help=shown)
            group.add_argument(f"--no-{name}", dest=name, action="append_const", const="false", help=argparse.SUPPRESS)
        else:
            group.add_argument(f"--{name}", dest=name, metavar=_metavar(option), action="append", help=shown)


def _metavar(option: Input[Any]) -> str:
    if option.parse is boolean:
        return "true|false"
    if option.choices and len("|".join(option.choices)) <= 24 and not option.many:
        return "|".join(option.choices)
    return "VALUE,…" if option.many else "VALUE"


def _input_help(option: Input[Any]) -> str:
    text = option.help
    if option.secret:
        text += f" Read from a file (- is standard input), or from {option.variable}."
    if option.choices:
        text += f" One of {', '.join(option.choices)}." if not option.many else f" Of {', '.join(option.choices)}."
    if option.switch and option.default == "true":
        text += f" On by default: --no-{option.name} turns it off."
    elif option.default and not option.switch:
        text += f" [{option.default}]"
    return text.replace("%", "%%").replace("`", "")


def _rewrite_switches(argv: Sequence[str], declared: Iterable[Input[Any]]) -> list[str]:
    """Turn `--switch=false` into `--no-switch`, because a bare switch must not consume the argument after it."""
    switches = {f"--{name}": option for option in declared if option.switch for name in (option.name, *option.aliases)}
    rewritten: list[str] = []
    for position, argument in enumerate(argv):
        if argument == "--":
            return rewritten + list(argv[position:])
        before = argv[position - 1] if position else ""
        if before in switches and argument.lower() in {"true", "false"}:
            raise InputError(
                switches[before].name,
                f"{argument!r} stands behind {before}, which takes no value there, and would be taken for an argument.",
                remedy=f"Write {before} or --no-{before[2:]}, or {before}={argument.lower()}.",
            )
        flag, equals, text = argument.partition("=")
        if equals and flag in switches:
            option = switches[flag]
            try:
                enabled = boolean(text)
            except ValueError as error:
                raise InputError(option.name, f"{quote_value(text)} is not {error}.") from None
            rewritten.append(flag if enabled else f"--no-{flag[2:]}")
        else:
            rewritten.append(argument)
    return rewritten


def _input_texts(command: Command[Any], parsed: Mapping[str, Any]) -> dict[str, str]:
    texts: dict[str, str] = {}
    for option in (*command.inputs, *command.other_inputs, *_shell_inputs(command)):
        positional = parsed.get(f"bare {option.name}")
        values = [positional] if isinstance(positional, str) else list(positional or [])
        for name in (option.name, *option.aliases):
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
            f"the file {quote_value(name)} cannot be read: "
            f"{getattr(error, 'strerror', None) or 'it is not UTF-8 text'}.",
            remedy=f"Give {option.flag} a file that holds the value alone, or set {option.variable}.",
        ) from None
    if not text.strip():
        raise InputError(option.name, f"the file {quote_value(name)} is empty.")
    return text.rstrip("\r\n")


def _unknown_argument_error(command: Command[Any], argument: str) -> InputError:
    """Return the error of an undeclared argument; its value may be a secret and is not shown."""
    flag = argument.partition("=")[0]
    if not re.fullmatch(r"--?[A-Za-z0-9][A-Za-z0-9_-]{0,37}", flag):
        return InputError(
            "command line", f"there is an argument too many: {quote_value(argument)}.", remedy=_see_help(command)
        )
    if command.removed is not None:
        for option in command.removed.inputs:
            if flag in {
                option.flag,
                *(f"--{prefix}{name}" for name in (option.name, *option.aliases) for prefix in ("", "no-")),
            }:
                return command.removed.error(option, command.name)
    for option in command.inputs:
        if option.secret and flag == f"--{option.name}":
            return InputError(
                option.name,
                "a secret is not taken from the command line, where every process of this machine can read it.",
                remedy=f"Set {option.variable}, or give {option.flag} FILE.",
            )
    step_command = _IN_A_STEP.get(flag.removeprefix("--").removeprefix("no-"))
    if step_command:
        raise InputError(
            "command line",
            f"{flag} is an input of the action, not a flag of `s3c {command.name}`.",
            remedy=f"On a command line run `s3c {step_command}` after it.",
        )
    flags = [option.flag for option in (*command.inputs, *_shell_inputs(command))]
    near = difflib.get_close_matches(flag, flags, n=1)
    suggestion = f"Did you mean {near[0]}? " if near else ""
    return InputError(
        "command line", f"{flag} is not a flag of `s3c {command.name}`.", remedy=suggestion + _see_help(command)
    )


def _see_help(command: Command[Any]) -> str:
    return f"See `s3c {command.name} --help`."
