"""What a Dockerfile's instructions are; tests/contract/test_dockerfile.py holds it against BuildKit's own parser."""

from __future__ import annotations

import pytest

from s3c_actions.report.formats.dockerfile_parser import HereDocument, Instruction, parse_instructions


def arguments(text: str) -> list[tuple[int, str, str]]:
    return [(instruction.line, instruction.keyword, instruction.arguments) for instruction in parse_instructions(text)]


@pytest.mark.parametrize(
    ("text", "instructions"),
    [
        ("FROM\tdebian:12\nRUN\tapt-get update\n", [(1, "FROM", "debian:12"), (2, "RUN", "apt-get update")]),
        ("RUN a \\\n\n  && b\nCOPY a /a\n", [(1, "RUN", "a   && b"), (4, "COPY", "a /a")]),
        ("RUN a \\\n # why\n b\n", [(1, "RUN", "a  b")]),
        ("# escape=`\nCOPY a c:\\\nRUN dir `\n c:\\\n", [(2, "COPY", "a c:\\"), (3, "RUN", "dir  c:\\")]),
        ("# a comment\n# escape=`\nRUN a `\nRUN b\n", [(3, "RUN", "a `"), (4, "RUN", "b")]),
        ("\ufefffrom debian:12\r\nrun a\r\n", [(1, "FROM", "debian:12"), (2, "RUN", "a")]),
        ("RUN a\\\\\nRUN b\\", [(1, "RUN", "a\\\\"), (2, "RUN", "b")]),
        ("\n# nothing\n\n", []),
    ],
)
def test_instructions(text: str, instructions: list[tuple[int, str, str]]) -> None:
    assert arguments(text) == instructions


def test_flags_stand_apart() -> None:
    (run,) = parse_instructions("RUN --mount=type=cache,target='/a b' --network=none  npm ci --omit=dev\n")
    assert run.flags == ("--mount=type=cache,target='/a b'", "--network=none")
    assert run.arguments == "npm ci --omit=dev"


def test_here_documents() -> None:
    text = "COPY <<-'ONE' <<TWO /etc/\n\tFROM a\n\tONE\nRUN b\nTWO\nRUN [\"<<THREE\"]\nRUN echo '<<FOUR'\n"
    copy, *others = parse_instructions(text)
    assert copy.here_documents == (HereDocument("ONE", "FROM a\n"), HereDocument("TWO", "RUN b\n"))
    assert [(instruction.line, instruction.here_documents) for instruction in others] == [(6, ()), (7, ())]
    assert others[0].words == ("<<THREE",)


def test_an_unterminated_here_document_takes_the_rest() -> None:
    (run,) = parse_instructions("RUN <<EOF\na\nb\n")
    assert run == Instruction(line=1, keyword="RUN", arguments="<<EOF", here_documents=(HereDocument("EOF", "a\nb\n"),))


@pytest.mark.parametrize("unit", ["${a:-", "'\\\"", "<<a ", "--a='\\", "\\"])
@pytest.mark.slow
def test_nothing_hostile_takes_long_or_fails(unit: str) -> None:
    (run,) = parse_instructions("RUN << " + unit * 50_000)
    assert run.keyword == "RUN"
