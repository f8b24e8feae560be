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
from s3c_actions.options.common import EverywhereOptions
from s3c_actions.options.declare import Input
from s3c_actions.options.parse import boolean

COMMON_INPUTS: tuple[Input[Any], ...] = (EverywhereOptions.quiet, EverywhereOptions.verbose, EverywhereOptions.debug)
"""What every command takes."""
_IN_A_STEP = {"comment": "comment", "upload-sarif": "upload"}
"""Inputs that only an action has, and the command that does the same."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Tell what is wrong with the command line as the input error that it is."""
        flag, _, said = message.removeprefix("argument ").partition(": ")
        said = re.sub("^ignored explicit argument .*", "it takes no value", said, flags=re.DOTALL)
        if message.startswith("argument ") and said:
            if said == "expected one argument":
                raise InputError(flag.removeprefix("--"), "given without a value.", remedy=f"See `{self.prog} --help`.")
            raise InputError(flag.split("/")[0], f"{said}.", remedy=f"See `{self.prog} --help`.")
        raise InputError("command line", f"{message}.", remedy=f"See `{self.prog} --help`.")


def overview(version: str) -> str:
    """The text of `s3c --help`."""
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
    """The command meant by a word.

    Raises:
        InputError: there is none of that name; the message suggests one.
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
    """The text of `s3c COMMAND --help`."""
    return _parser(command).format_help()


def read(command: Command[Any], argv: Sequence[str]) -> dict[str, str] | None:
    """The flags and bare arguments given.

    Args:
        command: whose inputs they are.
        argv: what follows the command's name.

    Returns:
        Name or alias of an input → text, for `options.declare.read`; several values are joined by newlines. None
        when help is asked for.

    Raises:
        InputError: an unknown flag, a flag without its value, too many arguments, or a secret on the command line.
    """
    parser = _parser(command)
    declared = (*command.inputs, *COMMON_INPUTS)
    found, extra = parser.parse_known_intermixed_args(_without_values(argv, declared))
    if found.help:
        return None
    if extra:
        raise _unknown(command, extra[0])
    return _texts(command, vars(found))


def _parser(command: Command[Any]) -> _Parser:
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
    bare = parser.add_argument_group("Arguments")
    for one in command.inputs:
        if one.positional:
            bare.add_argument(
                dest=f"bare {one.name}", metavar=one.name.upper(), nargs="*" if one.many else "?", help=_help(one)
            )
    own = parser.add_argument_group("Inputs")
    for one in command.inputs:
        _add(own, one)
    everywhere = parser.add_argument_group("Everywhere")
    for one in COMMON_INPUTS:
        _add(everywhere, one)
    everywhere.add_argument("-h", "--help", action="store_true", help="This text.")
    return parser


def _usage(command: Command[Any]) -> str:
    bare = [f"[{one.name.upper()}{'…' * one.many}]" for one in command.inputs if one.positional]
    return " ".join([f"s3c {command.name}", *bare, "[--flags]"])


def _add(group: argparse._ArgumentGroup, one: Input[Any]) -> None:
    if one.secret:
        group.add_argument(one.flag, dest=one.name, metavar="FILE", help=_help(one), action="append")
        return
    for name in (one.name, *one.aliases):
        shown = argparse.SUPPRESS if name != one.name or one.positional else _help(one)
        if one.switch:
            group.add_argument(f"--{name}", dest=name, action="append_const", const="true", help=shown)
            group.add_argument(f"--no-{name}", dest=name, action="append_const", const="false", help=argparse.SUPPRESS)
        else:
            group.add_argument(f"--{name}", dest=name, metavar=_metavar(one), action="append", help=shown)


def _metavar(one: Input[Any]) -> str:
    if one.parse is boolean:
        return "true|false"
    if one.choices and len("|".join(one.choices)) <= 24 and not one.many:
        return "|".join(one.choices)
    return "VALUE,…" if one.many else "VALUE"


def _help(one: Input[Any]) -> str:
    text = one.help
    if one.secret:
        text += f" Read from a file (- is standard input), or from {one.variable}."
    if one.choices:
        text += f" One of {', '.join(one.choices)}." if not one.many else f" Of {', '.join(one.choices)}."
    if one.switch and one.default == "true":
        text += f" On by default: --no-{one.name} turns it off."
    elif one.default and not one.switch:
        text += f" [{one.default}]"
    return text.replace("%", "%%").replace("`", "")


def _without_values(argv: Sequence[str], declared: Iterable[Input[Any]]) -> list[str]:
    """Turn `--switch=false` into `--no-switch`, because a bare switch must not take the argument behind it."""
    switches = {f"--{name}": one for one in declared if one.switch for name in (one.name, *one.aliases)}
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
            one = switches[flag]
            try:
                yes = boolean(text)
            except ValueError as error:
                raise InputError(one.name, f"{quote_value(text)} is not {error}.") from None
            rewritten.append(flag if yes else f"--no-{flag[2:]}")
        else:
            rewritten.append(argument)
    return rewritten


def _texts(command: Command[Any], found: Mapping[str, Any]) -> dict[str, str]:
    texts: dict[str, str] = {}
    for one in (*command.inputs, *COMMON_INPUTS):
        bare = found.get(f"bare {one.name}")
        values = [bare] if isinstance(bare, str) else list(bare or [])
        for name in (one.name, *one.aliases):
            values += found.get(name) or []
            if not values:
                continue
            if len(values) > 1 and not one.many and not one.switch:
                raise InputError(one.name, "given more than once.", remedy="Give it once.")
            if "" in values and not one.switch:
                raise InputError(
                    one.name, "given without a value.", remedy=f"Leave {one.flag} out, or give it a value."
                )
            texts[name] = _secret(one, values[0]) if one.secret else values[-1] if one.switch else "\n".join(values)
            values = []
    return texts


def _secret(one: Input[Any], name: str) -> str:
    try:
        text = reading.read_text_file(Path("/dev/stdin" if name == "-" else name))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            one.name,
            f"the file {quote_value(name)} cannot be read: "
            f"{getattr(error, 'strerror', None) or 'it is not UTF-8 text'}.",
            remedy=f"Give {one.flag} a file that holds the value alone, or set {one.variable}.",
        ) from None
    if not text.strip():
        raise InputError(one.name, f"the file {quote_value(name)} is empty.")
    return text.rstrip("\r\n")


def _unknown(command: Command[Any], argument: str) -> InputError:
    """The error of an argument nobody declared; its value may be a secret and is not shown."""
    flag = argument.partition("=")[0]
    if not re.fullmatch(r"--?[A-Za-z0-9][A-Za-z0-9_-]{0,37}", flag):
        return InputError(
            "command line", f"there is an argument too many: {quote_value(argument)}.", remedy=_see(command)
        )
    if command.removed is not None:
        for one in command.removed.inputs:
            if flag in {one.flag, *(f"--{no}{name}" for name in (one.name, *one.aliases) for no in ("", "no-"))}:
                return command.removed.error(one, command.name)
    for one in command.inputs:
        if one.secret and flag == f"--{one.name}":
            return InputError(
                one.name,
                "a secret is not taken from the command line, where every process of this machine can read it.",
                remedy=f"Set {one.variable}, or give {one.flag} FILE.",
            )
    after = _IN_A_STEP.get(flag.removeprefix("--").removeprefix("no-"))
    if after:
        raise InputError(
            "command line",
            f"{flag} is an input of the action, not a flag of `s3c {command.name}`.",
            remedy=f"On a command line run `s3c {after}` after it.",
        )
    flags = [one.flag for one in (*command.inputs, *COMMON_INPUTS)]
    near = difflib.get_close_matches(flag, flags, n=1)
    suggestion = f"Did you mean {near[0]}? " if near else ""
    return InputError(
        "command line", f"{flag} is not a flag of `s3c {command.name}`.", remedy=suggestion + _see(command)
    )


def _see(command: Command[Any]) -> str:
    return f"See `s3c {command.name} --help`."
