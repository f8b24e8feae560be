"""What a Dockerfile names as the base of its last stage."""

from __future__ import annotations

import pytest

from s3c_actions.report.formats.dockerfile_base import base_names


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("FROM debian:12\nRUN true\n", ("debian:12",)),
        ("FROM --platform=linux/amd64 debian:12 AS base\n", ("debian:12",)),
        ("FROM golang:1 AS build\nFROM debian:12\nCOPY --from=build /a /a\n", ("debian:12",)),
        ("FROM debian:12 AS Base\nFROM base AS more\nFROM MORE\n", ("debian:12",)),
        ("ARG TAG=3.12-slim\nFROM python:${TAG}\n", ("python:3.12-slim",)),
        ('ARG A=3\nARG TAG="$A.12"\nFROM python:$TAG\n', ("python:3.12",)),
        ("FROM python:${TAG:-3.12}\n", ("python:3.12",)),
        ("ARG TAG\nFROM python:${TAG}\n", ()),
        ("FROM python:${TAG}\nARG TAG=3.12\n", ()),
        ("FROM scratch\nCOPY a /a\n", ()),
        ("FROM debian:12\nFROM scratch\n", ()),
        ("FROM a AS a\nFROM a\n", ("a",)),
        ("RUN true\n", ()),
        ("FROM\n", ()),
        ("", ()),
        ("\x00\xff", ()),
        ("".join(f"FROM a AS s{number}\n" for number in range(1000)), ()),
    ],
)
def test_the_last_stage_is_followed_to_its_image(text: str, names: tuple[str, ...]) -> None:
    assert base_names(text) == names
