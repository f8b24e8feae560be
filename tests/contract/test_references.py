"""References are read as distribution/reference reads them: its tests' literals, and texts hard to read."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from s3c_actions.core.errors import InputError
from s3c_actions.core.reference import Reference
from s3c_actions.programs.install import gobuild
from s3c_lab.programs import BUILDCTL
from tests.support import go_judges

Parts = tuple[str, str, str, str] | None
Judge = Callable[[Sequence[str]], list[Parts]]
HEX = "0123456789abcdef" * 4
REGISTRIES = (
    *("", "", "docker.io/", "index.docker.io/", "localhost/", "localhost:5000/", "reg.test/", "reg.test:443/"),
    *("REG.test/", "Reg/", "127.0.0.1:5000/", "[::1]/", "[fe80::1]:5000/", "reg_x.test/", "-reg.test/", "reg-.test/"),
    *("reg..test/", "reg.test./", "reg:/", ":5000/", "reg.test:x/", "reg/", "/", "[::1/", "é.test/", "xn--e.test/"),
    "[::1%eth0]/",
)
NAMES = (
    *(
        "app",
        "a/b/c",
        "library/app",
        "a.b",
        "a_b",
        "a__b",
        "a___b",
        "a--b",
        "a-.b",
        ".a",
        "a.",
        "A",
        "a/B",
        "a//b",
        "a/",
    ),
    *(HEX, HEX[:-1], HEX.upper(), f"x/{HEX}", "sha256", "app@", "a b", "é", "0", "a" * 255, "a" * 256, ""),
    *("a/_b", "a/-/b"),
)
TAGS = (
    "",
    "",
    ":1",
    ":latest",
    ":",
    ":_x",
    ":-x",
    ":.x",
    ":X-._1",
    ":" + "t" * 128,
    ":" + "t" * 129,
    ":é",
    ":1:2",
    ": 1",
)
DIGESTS = (
    *("", "", f"@sha256:{HEX}", f"@sha256:{HEX.upper()}", f"@sha256:{HEX[:-1]}", f"@sha256:{HEX}0", f"@{HEX}", "@"),
    *(f"@sha384:{HEX}{HEX[:32]}", f"@sha512:{HEX}{HEX}", f"@md5:{HEX[:32]}", f"@sha256+b64:{HEX}", f"@SHA256:{HEX}"),
    *(f"@sha256:{HEX}@sha256:{HEX}", f"@sha256:{HEX}:1", f"@sha256:{'g' * 64}", f"@sha512:{HEX}"),
)


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Judge:
    program = go_judges.build(
        Path(__file__).parent / "references" / "main.go", BUILDCTL, tmp_path_factory.mktemp("references")
    )

    def answers(texts: Sequence[str]) -> list[Parts]:
        read = go_judges.ask(program, texts)
        return [
            None if answer["Refused"] else (answer["Domain"], answer["Path"], answer["Tag"], answer["Digest"])
            for answer in read
        ]

    return answers


def ours(text: str) -> Parts:
    try:
        read = Reference.parse(text)
    except InputError:
        return None
    return read.registry, read.repository, read.tag, read.digest


def deliberate(text: str, theirs: Parts) -> bool:
    """Whether s3c reads a text otherwise on purpose: it refuses more, and knows Docker Hub by one more name."""
    if theirs is None:
        return False
    domain, path, tag, _ = theirs
    image_id = path == "library/sha256" and re.fullmatch("[0-9a-f]{64}", tag)
    return bool(image_id or not domain or re.search(r":\d{6,}$", domain) or domain == "registry-1.docker.io")


def differences(judge: Judge, texts: Sequence[str]) -> tuple[int, list[Any]]:
    """How many of the texts are references, and those that are read otherwise."""
    answers = judge(texts)
    different = [
        (text, theirs, ours(text))
        for text, theirs in zip(texts, answers, strict=True)
        if ours(text) != theirs and not deliberate(text, theirs)
    ]
    return sum(answer is not None for answer in answers), different


def test_the_literals_of_its_own_tests_are_read_alike(judge: Judge, tmp_path: Path) -> None:
    module = msgspec.structs.replace(BUILDCTL, module="github.com/distribution/reference")
    gobuild.copy_folder(module, ".", tmp_path / "data", **go_judges.TOOLS)
    source = "".join(file.read_text() for file in sorted((tmp_path / "data").glob("*_test.go")))
    texts = sorted({json.loads(text) for text in re.findall(r'"(?:[^"\\\n]|\\["\\/bfnrt])*"', source)})
    valid, different = differences(judge, texts)
    assert valid > 150
    assert different == []


def test_what_is_hard_to_read_is_read_alike(judge: Judge) -> None:
    dice = random.Random(11)
    texts = {"".join(map(dice.choice, (REGISTRIES, NAMES, TAGS, DIGESTS))) for _ in range(20_000)}
    valid, different = differences(judge, sorted(texts))
    assert valid > 300
    assert different[:5] == []


@pytest.mark.parametrize(
    ("text", "theirs"),
    [
        (f"sha256:{HEX}", ("docker.io", "library/sha256", HEX, "")),
        ("registry-1.docker.io/a/b", ("registry-1.docker.io", "a/b", "", "")),
        ("reg.test:123456/a", ("reg.test:123456", "a", "", "")),
    ],
)
def test_what_differs_on_purpose(judge: Judge, text: str, theirs: Parts) -> None:
    assert judge([text]) == [theirs]
    assert ours(text) == (("docker.io", "a/b", "", "") if text.startswith("registry-1") else None)
