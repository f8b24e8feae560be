"""The man page, read by mandoc."""

from __future__ import annotations

import re
import subprocess

from s3c_actions.cli.parser import COMMON_INPUTS
from s3c_actions.options.command import COMMANDS
from tests.support import ROOT, debian

PAGE = ROOT / "docs" / "s3c.1"


def test_mandoc_finds_no_fault_and_shows_every_command_and_flag() -> None:
    mandoc = debian.program("mandoc", "mandoc")
    linted = subprocess.run(
        [mandoc, "-Tlint", "-Wstyle", "-Ios=s3c", PAGE], capture_output=True, text=True, check=False, timeout=60
    )
    assert (linted.returncode, linted.stdout, linted.stderr) == (0, "", "")
    shown = subprocess.run(
        [mandoc, "-Tascii", "-Owidth=200", PAGE], capture_output=True, text=True, check=True, timeout=60
    )
    plain = re.sub(".\b", "", shown.stdout)  # bold is a character printed twice
    for name, help_text in COMMANDS.items():
        assert f"{name} {help_text}" in " ".join(plain.split())
    for option in COMMON_INPUTS:
        assert option.flag in plain
