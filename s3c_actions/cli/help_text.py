"""The help texts: of s3c as a whole, and of a command, short (`-h`) and complete (`--help`)."""

from __future__ import annotations

import argparse
import re
import shutil
import textwrap
from collections.abc import Sequence
from typing import Any

from s3c_actions.cli.parser import COMMON_INPUTS, WORDS, create_parser
from s3c_actions.options.command import COMMANDS, Command
from s3c_actions.options.declare import Input
from s3c_actions.options.naming import InputNames, flag_names

_WIDEST = 110


def overview(version: str) -> str:
    """Return the text of `s3c --help`."""
    commands = {**COMMANDS, **WORDS}
    width = max(map(len, commands))
    listed = "\n".join(f"  {name:<{width}}  {text}" for name, text in commands.items())
    return f"""s3c {version}: scan, patch, sign and verify container images.

Usage: s3c COMMAND [IMAGE…] [--flags]

{listed}

  s3c COMMAND -h       the inputs that matter most
  s3c COMMAND --help   every input, with examples; s3c help COMMAND too
  s3c --version        the version; -V too

Examples:
  s3c scan nginx:1.27 --severity HIGH,CRITICAL --fail-on CRITICAL
  s3c chain registry.example/app:1.0 --key signing.key --certificate signing.crt

Exit codes: 0 done · 1 the policy said no · 2 wrong input · 3 something outside failed · 4 a bug of s3c
"""


def family_help(first: str, names: Sequence[str]) -> str:
    """Return the text of `s3c WORD --help`, where the names of several commands begin with the word."""
    width = max(map(len, names))
    listed = "\n".join(f"  {name:<{width}}  {COMMANDS[name]}" for name in names)
    return f"""Usage: s3c {first} COMMAND [--flags]

{listed}

  s3c help {first} COMMAND   every input, with examples
"""


def command_help(command: Command[Any], *, full: bool = True) -> str:
    """Return the text of `s3c COMMAND --help`, or with `full=False` of `s3c COMMAND -h`."""
    width = min(shutil.get_terminal_size().columns, _WIDEST)
    basic = [option for option in command.inputs if command.name in option.basic]
    names = InputNames(flag_names((*command.inputs, *COMMON_INPUTS)))
    parser = create_parser(
        command,
        _groups(command) if full else [("", basic)],
        lambda option: names.render(_describe(option, full=full)).replace("`", ""),
    )
    parser.formatter_class = lambda prog: _Formatter(prog, max_help_position=30, width=width)
    parser.description = textwrap.fill(names.render(command.help).replace("`", ""), width)
    parser.epilog = "Every flag is an environment variable too: --output-dir is S3C_OUTPUT_DIR."
    if not full and len(basic) < len(command.inputs):
        parser.epilog += f"\n{len(command.inputs) - len(basic)} more inputs: s3c {command.name} --help"
    if command.examples:
        parser.epilog += "\n\nExamples:\n" + "\n".join(f"  {example}" for example in command.examples)
    return parser.format_help()


def _groups(command: Command[Any]) -> list[tuple[str, list[Input[Any]]]]:
    from s3c_actions.options.input_groups import grouped

    return grouped(option for option in command.inputs if not option.positional)


def _describe(option: Input[Any], *, full: bool) -> str:
    """Return the lines about an input: with `full=False` its first sentence alone."""
    text = option.help if full else _FIRST_SENTENCE.split(option.help, maxsplit=1)[0]
    if option.secret:
        text += f" Read from a file (- is standard input), or from {option.variable}."
    if option.choices:
        text += f" {'Any' if option.many else 'One'} of {', '.join(option.choices)}."
    if option.switch and option.default == "true":
        text += f" On by default: --no-{option.name} turns it off."
    elif option.default and not option.switch:
        text += f" [{option.default}]"
    return text


_FIRST_SENTENCE = re.compile(r"(?<=\.) (?=[A-Z`])")


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Show the value once behind the flags: `-o, --output-dir DIR`."""

    def _format_action_invocation(self, action: argparse.Action) -> str:
        flags = ", ".join(action.option_strings)
        if not action.option_strings or action.nargs == 0:
            return flags or super()._format_action_invocation(action)
        return f"{flags} {self._format_args(action, action.dest.upper())}"
