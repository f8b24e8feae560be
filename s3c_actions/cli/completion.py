"""Completions for shells: scripts that shtab writes from the same declarations as the flags.

A script holds everything: s3c is not started while somebody types.
"""

from __future__ import annotations

import argparse
from typing import Any

import shtab

from s3c_actions.cli.parser import COMMON_INPUTS, SHELLS, WORDS
from s3c_actions.options.command import COMMANDS, FAMILIES, Command, load
from s3c_actions.options.declare import Input
from s3c_actions.options.parse import boolean


def script(shell: str) -> str:
    """Return the script of a shell, one of SHELLS."""
    return shtab.complete(_create_parser(), shell)


def _create_parser() -> argparse.ArgumentParser:
    """Create the parser that shtab reads: commands, flags with their first sentence, choices and files."""
    parser = argparse.ArgumentParser(prog="s3c", add_help=False)
    parser.add_argument("-h", "--help", action="store_true", help="Show what s3c does.")
    parser.add_argument("-V", "--version", action="store_true", help="Show the version.")
    commands = parser.add_subparsers()
    families: dict[str, argparse._SubParsersAction[argparse.ArgumentParser]] = {}
    for name, text in COMMANDS.items():
        first, _, second = name.partition(" ")
        if second and first not in families:
            word = commands.add_parser(first, help=FAMILIES[first], add_help=False)
            families[first] = word.add_subparsers()
        place = families[first] if second else commands
        _add_command(place.add_parser(second or first, help=text, add_help=False), load(name))
    for name, text in WORDS.items():
        word = commands.add_parser(name, help=text, add_help=False)
        if name != "version":
            choices = [*COMMANDS, *WORDS] if name == "help" else SHELLS
            word.add_argument("name", nargs="?", choices=choices)
    return parser


def _add_command(parser: argparse.ArgumentParser, command: Command[Any]) -> None:
    for option in (*command.inputs, *COMMON_INPUTS):
        if option.positional:
            bare = parser.add_argument(
                f"bare {option.name}", nargs="*" if option.many else "?", choices=option.choices or None
            )
            _complete(bare, option)
        _add_flags(parser, option)
    parser.add_argument("-h", "--help", action="store_true", help="Show what it takes.")


def _add_flags(parser: argparse.ArgumentParser, option: Input[Any]) -> None:
    flags = [*([f"-{option.short}"] if option.short else []), option.flag]
    text = option.help.partition(". ")[0].replace("`", "").replace("%", "%%").rstrip(".")
    if option.switch:
        parser.add_argument(*flags, action="store_true", help=text)
        return
    choices = ("true", "false") if option.parse is boolean else option.choices
    flag = parser.add_argument(*flags, help=text, choices=choices or None)
    _complete(flag, option)


def _complete(argument: argparse.Action, option: Input[Any]) -> None:
    """Have files or folders completed where the input names some."""
    if option.metavar == "DIR":
        argument.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
    elif option.is_path or option.secret:
        argument.complete = shtab.FILE  # type: ignore[attr-defined]
