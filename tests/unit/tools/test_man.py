"""The man page of the declarations; mandoc reads it in tests/contract/test_man.py."""

from __future__ import annotations

import re

from s3c_actions.cli.parser import WORDS
from s3c_actions.options.command import COMMANDS
from tests.support import ROOT
from tools import docs, man


def test_the_page_is_that_of_the_declarations() -> None:
    assert (ROOT / "docs" / "s3c.1").read_text(encoding="utf-8") == man.page(docs.EXIT_CODES)


def test_every_command_and_exit_code_has_its_entry() -> None:
    text = man.page([(0, "done"), (9, "a test")])
    entries = re.findall(r"^\.TP\n\\fB(.+)\\fR$", text, re.MULTILINE)
    assert [*COMMANDS, *WORDS] == entries[: len(COMMANDS) + len(WORDS)]
    assert ".TP\n\\fB9\\fR\nA test.\n" in text
    assert "\\-\\-quiet" in text


def test_no_text_is_a_request_to_the_formatter() -> None:
    assert man._text(".so /etc/passwd \\n 'x' a-b `c`") == "\\&.so /etc/passwd \\en \\(aqx\\(aq a\\-b \\fBc\\fR"
    requests = {line.split()[0] for line in man.page([]).splitlines() if line.startswith((".", "'"))}
    assert requests == {'.\\"', ".TH", ".SH", ".TP", ".B"}
