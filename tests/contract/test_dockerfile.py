"""Dockerfiles are read as BuildKit's own parser reads them: its test data, and files made of what is hard to read."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from s3c_actions.programs.install import gobuild
from s3c_actions.programs.install.pins import BUILDKITD
from s3c_actions.report.formats.dockerfile_parser import parse_instructions
from tests.support import go_judges

Judge = Callable[[Sequence[str]], list[dict[str, Any]]]
PARSER = "frontend/dockerfile/parser"
PIECES = (
    *(
        "FROM debian:12",
        "FROM\tdebian:12 AS a",
        "from a",
        "RUN x",
        "  RUN\ty",
        "COPY --from=a --chown=1 b /c",
        "ADD a b",
    ),
    *(
        'SHELL ["cmd", "/S"]',
        "WORKDIR /a",
        "ONBUILD RUN <<EOF",
        "RUN <<EOF",
        "RUN <<-'EOF' a",
        'RUN cat <<"A" <<B',
        "COPY <<a <<b /",
    ),
    *(
        "RUN echo '<<EOF'",
        'RUN ["a", "<<EOF"]',
        "RUN echo ${x:-<<EOF}",
        "RUN echo ${x[@]} <<EOF",
        "RUN echo 'a <<EOF",
        "RUN a<<EOF",
        "RUN 3<< EOF",
    ),
    *(
        "RUN --mount=type=cache,target='a b' x",
        "RUN -- x",
        "RUN echo ${x:+y} $@ $1 <<EOF",
        "RUN <<E'O'F",
        "RUN <<\\EOF",
    ),
    *(
        "EOF",
        "\tEOF",
        "EOF ",
        "A",
        "B",
        "a",
        "b",
        "# comment",
        "  # comment",
        "",
        "   ",
        "&& z",
        "\ufeff",
        "\u2028",
        "\x1c",
        "é",
    ),
    *("\\", "a\\\\", "`", "RUN dir c:\\", "HEALTHCHECK --interval=1s CMD x", "ENV a=b", "LABEL a=b", "unknown x"),
)
HEADS = (
    "",
    "\ufeff",
    "# escape=`\n",
    "#escape = \\\n",
    "# syntax=docker/dockerfile:1\n# escape=`\n",
    "# x\n# escape=`\n",
    "\n# escape=`\n",
    " # ESCAPE=`\n",
)
ENDS = ("\n", "\n", "\n", "\r\n", " \\\n", "\\\n", "\\ \t\n", "\\\r\n", " `\n", "")


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Judge:
    program = go_judges.build(
        Path(__file__).parent / "dockerfiles" / "main.go", BUILDKITD, tmp_path_factory.mktemp("dockerfiles")
    )

    def answers(texts: Sequence[str]) -> list[dict[str, Any]]:
        return go_judges.ask(program, texts)

    return answers


def ours(text: str) -> list[dict[str, Any]]:
    return [
        {
            "Line": instruction.line,
            "Keyword": instruction.keyword,
            "Flags": len(instruction.flags),
            "Documents": [
                {"Name": document.name, "Content": document.content} for document in instruction.here_documents
            ],
        }
        for instruction in parse_instructions(text)
    ]


def differences(judge: Judge, texts: Sequence[str]) -> tuple[int, list[str]]:
    """How many of the texts are Dockerfiles, and those of them that are read otherwise."""
    answers = judge(texts)
    valid = [
        (text, answer["Instructions"]) for text, answer in zip(texts, answers, strict=True) if not answer["Refused"]
    ]
    return len(valid), [text for text, instructions in valid if ours(text) != instructions]


def test_buildkits_own_files_are_read_as_it_reads_them(judge: Judge, tmp_path: Path) -> None:
    gobuild.copy_folder(BUILDKITD, PARSER, tmp_path / "data", **go_judges.TOOLS)
    texts = [path.read_text() for path in sorted((tmp_path / "data").glob("testfile*/**/Dockerfile"))]
    valid, wrong = differences(judge, texts)
    assert (valid, wrong) == (34, [])


def test_what_is_hard_to_read_is_read_alike(judge: Judge) -> None:
    dice = random.Random(13)
    texts = [
        dice.choice(HEADS) + "".join(dice.choice(PIECES) + dice.choice(ENDS) for _ in range(dice.randint(1, 9)))
        for _ in range(30_000)
    ]
    valid, wrong = differences(judge, texts)
    assert (valid > 10_000, wrong[:3]) == (True, [])
