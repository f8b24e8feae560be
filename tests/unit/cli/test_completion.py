"""The completions' scripts; the shells themselves run them in the contract tests."""

import sys

import pytest

from s3c_actions.cli import completion, words
from s3c_actions.cli.parser import COMMON_INPUTS, SHELLS, WORDS
from s3c_actions.core.errors import Exit
from s3c_actions.options.command import COMMANDS, load


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_has_every_command_and_every_flag(shell) -> None:
    script = completion.script(shell)
    assert all(name in script for name in (*COMMANDS, *WORDS))
    flags = {option.flag for name in COMMANDS for option in (*load(name).inputs, *COMMON_INPUTS)}
    assert {flag for flag in flags if flag.removeprefix("--") not in script} == set()
    assert "CRITICAL" in script, "the choices of --fail-on"


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.slow
def test_it_is_printed_and_nothing_else(shell, capsys) -> None:

    assert words.run(("completion", shell), {}, sys.stdout, sys.stderr) == Exit.DONE
    streams = capsys.readouterr()
    assert (streams.out, streams.err) == (completion.script(shell), "")
