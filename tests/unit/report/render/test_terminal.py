"""Colours: of marks, severities and the beginnings of errors; never of a line that has none."""

from __future__ import annotations

import re

import pytest

from s3c_actions.report.render.terminal import highlight, image_title, plain_line
from tests.support.hostile import TEXTS

DIGEST = "sha256:" + "3" * 64


@pytest.mark.parametrize(
    ("text", "colored"),
    [
        ("✘ app:1: no", "<31>✘<0> app:1: no"),
        ("  ✔ trusted", "<32>  ✔<0> trusted"),
        ("● app   66 high, 3 low", "<31>●<0> app   <31>66 high<0>, <34>3 low<0>"),
        ("● app   nothing found", "<2>●<0> app   nothing found"),
        ("  CRITICAL  libssl", "<1;31>  CRITICAL<0>  libssl"),
        ("s3c scan: x", "<31>s3c scan:<0> x"),
        ("warning: old", "<33>warning: old<0>"),
        ("1,024 medium", "<33>1,024 medium<0>"),
        ("highest of them", "highest of them"),
    ],
)
def test_highlight(text: str, colored: str) -> None:
    assert highlight(text) == re.sub(r"<([\d;]+)>", "\x1b[\\1m", colored)


@TEXTS
def test_colors_change_no_text(text: str) -> None:
    line = plain_line(text)
    assert plain_line(highlight(line), 4000) == line


@pytest.mark.parametrize(
    ("options", "title"),
    [
        ({}, "app:1 @ sha256:333333333333…"),
        ({"tag": "1-1"}, "app:1-1 @ sha256:333333333333…"),
        ({"full": True}, "localhost:5000/a/app:1 @ sha256:333333333333…"),
        ({"full": True, "tag": "1-1"}, "localhost:5000/a/app:1-1 @ sha256:333333333333…"),
    ],
)
def test_the_title_of_an_image(options: dict[str, object], title: str) -> None:
    assert image_title("localhost:5000/a/app:1", f"localhost:5000/a/app@{DIGEST}", **options) == title  # type: ignore[arg-type]
    assert image_title("out/app.tar", "out/app.tar") == "app.tar"
