"""Which line of a Dockerfile made a layer, by what builders write into the history."""

from __future__ import annotations

import pytest

from s3c_actions.report.formats import dockerfile
from tests.support import outcomes


def lines(text: str, *history: str) -> list[int]:
    """The line of each history entry's layer, and that of an unknown layer at the end."""
    layers = tuple(map(str, range(len(history))))
    line_of_layer = dockerfile.map_layers_to_lines(text, outcomes.report(diff_ids=layers, history=history))
    return [line_of_layer[layer] for layer in (*layers, "")]


BUILD = """# syntax=docker/dockerfile:1
FROM debian:12 AS build
RUN step 8
FROM debian:12
ENV A=1
RUN step 6 \\
    # a comment

    && done
COPY --chown=1 app /app
RUN <<EOF
FROM nothing
EOF
RUN ["step", "x"]
"""


def test_instructions_of_the_last_stage_have_their_lines() -> None:
    history = (
        "debian",
        "RUN /bin/sh -c step 6 && done # buildkit",
        "COPY --chown=1 app /app # buildkit",
        "RUN /bin/sh -c FROM nothing\n # buildkit",
        "RUN step x # buildkit",
        "copa",
    )
    assert lines(BUILD, *history) == [4, 6, 10, 11, 14, 4, 4]


def test_what_is_no_dockerfile_gives_no_lines() -> None:
    assert dockerfile.map_layers_to_lines("just text", outcomes.report()) == {}


@pytest.mark.parametrize(
    ("text", "history", "expected"),
    [
        # A stage that is built from another: its layers too, and the FROM line of the image outside.
        (
            "FROM debian:12 AS base\nRUN install curl\nFROM base\nCOPY a /a\n",
            ("ADD rootfs", "RUN /bin/sh -c install curl # buildkit", "COPY a /a # buildkit"),
            [1, 2, 4, 1],
        ),
        (
            "FROM x as One\nRUN a\nFROM one AS two\nRUN b\nFROM x AS other\nRUN c\nFROM --platform=arm64 TWO\nRUN d\n",
            ("rootfs", "RUN /bin/sh -c a", "RUN /bin/sh -c b", "RUN /bin/sh -c d"),
            [1, 2, 4, 8, 1],
        ),
        # A stage of the name of its own image is that image.
        ("FROM debian AS debian\nRUN a\n", ("rootfs", "RUN /bin/sh -c a"), [1, 2, 1]),
        # Windows.
        (
            "# escape=`\nFROM nanoserver\nRUN a `\n  b\nRUN c\n",
            ("Apply image", "RUN cmd /S /C a   b # buildkit", "cmd /S /C c"),
            [2, 3, 5, 2],
        ),
        (
            '# escape=`\nFROM servercore\nSHELL ["powershell", "-Command", "$Error = 1;"]\nRUN Get-Item c:\\\n',
            ("Apply", "RUN powershell -Command $Error = 1; Get-Item c:\\ # buildkit"),
            [2, 4, 2],
        ),
        # Docker's own builder.
        (
            "FROM debian\nCOPY a b /c/\nRUN x\nADD u.tar /\n",
            (
                "/bin/sh -c #(nop) ADD file:1f in / ",
                "/bin/sh -c #(nop) COPY multi:2e in /c/ ",
                "/bin/sh -c x",
                "/bin/sh -c #(nop) ADD file:3d in / ",
            ),
            [1, 2, 3, 4, 1],
        ),
        # Build arguments, one with a blank in it.
        ("FROM a\nARG V\nRUN make $V\n", ("rootfs", "RUN |1 V=1 2 /bin/sh -c make $V # buildkit"), [1, 3, 1]),
        # What the base image has of the same kind stays the base image's.
        ("FROM node\nRUN x\n", ("rootfs", "COPY base /opt # buildkit", "RUN /bin/sh -c x # buildkit"), [1, 1, 2, 1]),
        ("FROM node\nCOPY x y\n", ("rootfs", "COPY base /opt # buildkit", "COPY x y # buildkit"), [1, 1, 2, 1]),
        ("FROM node\nCOPY x /y\n", ("rootfs", "COPY x /z/y # buildkit", "COPY x /y # buildkit"), [1, 1, 2, 1]),
        ("FROM node\nCOPY x /y\n", ("rootfs", "COPY base /opt # buildkit"), [1, 1, 1]),
        ("FROM node\nCOPY a /b/\nCOPY c /d\n", ("rootfs", "COPY a /b/ # buildkit"), [1, 2, 1]),
        (
            'FROM node\nCOPY ["a", "/b c"]\nADD d /\n',
            ("rootfs", "COPY a /b c # buildkit", "ADD d / # buildkit"),
            [1, 2, 3, 1],
        ),
        ("FROM node\nWORKDIR /app/\n", ("rootfs", "WORKDIR /base", "WORKDIR /app"), [1, 1, 2, 1]),
        (
            "FROM node\nWORKDIR /app\nWORKDIR sub\nWORKDIR $D\n",
            ("rootfs", "WORKDIR /app", "WORKDIR /app/sub", "WORKDIR /x"),
            [1, 2, 3, 4, 1],
        ),
        (
            "FROM a\nRUN --mount=type=cache,target=/r npm ci\n",
            ("rootfs", "RUN /bin/sh -c npm ci # buildkit"),
            [1, 2, 1],
        ),
        # Here-documents: one that is the whole command, a script of its own, and those that a command reads.
        (
            "FROM a\nRUN <<E\n#!/usr/bin/python3\nE\nRUN cat <<A\nx\nA\n",
            ("rootfs", "RUN /bin/sh -c /dev/pipes/E # buildkit", "RUN /bin/sh -c cat <<A\nx\nA # buildkit"),
            [1, 2, 5, 1],
        ),
        ("FROM a\nCOPY <<E /etc/motd\nhello\nE\n", ("rootfs", "COPY <<E /etc/motd # buildkit"), [1, 2, 1]),
    ],
)
def test_the_line_that_made_a_layer(text: str, history: tuple[str, ...], expected: list[int]) -> None:
    assert lines(text, *history) == expected
