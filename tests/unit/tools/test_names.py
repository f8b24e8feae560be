"""A name that hides what it holds is refused wherever it is bound, and its word anywhere else is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.names import WORDS, find_vague_names, main

BINDINGS = {
    "a variable": "found = 1",
    "a constant": "FOUND = 1",
    "an annotated variable": "class Report:\n    told: str",
    "one of several": "first, *said = [1, 2]",
    "a private name": "_made = 1",
    "a loop": "for one in []: pass",
    "a comprehension": "[one for one in []]",
    "a comprehension within": "[[there for there in row] for row in []]",
    "an assignment expression": "if (found := 1): pass",
    "a context": "with open('file') as there: pass",
    "an error": "try: pass\nexcept OSError as said: pass",
    "a pattern": "match 1:\n    case [about]: pass",
    "an import": "import json as one",
    "an imported name": "from json import found",
    "a parameter": "def show(about): pass",
    "a keyword": "def show(*, told=''): pass",
    "all arguments": "def show(*one, **made): pass",
    "a lambda": "sorted([], key=lambda one: one)",
    "a function": "def made(): pass",
    "a method": "class Report:\n    async def _said(self): pass",
    "a class": "class Told: pass",
}


@pytest.mark.parametrize("code", BINDINGS.values(), ids=BINDINGS)
def test_a_vague_name_is_refused_wherever_it_is_bound(code: str) -> None:
    assert find_vague_names(code, "a.py")


@pytest.mark.parametrize("word", sorted(WORDS))
def test_every_word_is_refused_with_its_place(word: str) -> None:
    code = f"import os\n\n\ndef show(image):\n    {word} = image\n"
    assert find_vague_names(code, "a.py") == [f"a.py:4: `{word}` in `show`"]


@pytest.mark.parametrize(
    "code",
    [
        "not_found = founder = lone = ones = made_folders = 1",
        "print(answer.found, call(one=1), {'told': 'one'}['told'])",
        "def show():\n    '''One is told about what was made there.'''",
        "raise found  # read, not bound",
    ],
)
def test_other_names_and_words_are_not(code: str) -> None:
    assert find_vague_names(code, "a.py") == []


def test_every_file_of_the_folders_is_looked_at(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("one/good.py", "other/deep/bad.py", "other/notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("found = 1\n" if "good" not in name else "finding = 1\n")
    assert main([tmp_path / "one"]) == 0
    assert main([tmp_path / "one", tmp_path / "other"]) == 1
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 1 and printed[0].startswith(f"{tmp_path / 'other' / 'deep' / 'bad.py'}:1: `found` in `top`")
