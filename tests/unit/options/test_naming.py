"""An input in a message: by its flag, by the variable that it came from, or as an action's users know it."""

import pytest

from s3c_actions.core.errors import InputError
from s3c_actions.core.progress import Silent
from s3c_actions.options.command import load
from s3c_actions.options.declare import variable
from s3c_actions.options.naming import InputNames, NamingProgress, name_on_command_line
from tests.support import bare

INPUTS = load("sign").inputs


def names(*flags: str, **environment: str) -> InputNames:
    return name_on_command_line(INPUTS, (), dict.fromkeys(flags, "x"), environment)


def test_a_command_line_has_flags_and_variables() -> None:
    text = "Give `key` (or `key-pem`) and `certificate`, or `image`."
    assert names().render(text) == "Give `--key` (or `--key-pem-file`) and `--certificate`, or `IMAGE`."
    assert names("key", S3C_KEY="x", S3C_CERTIFICATE="y").render("`key` `certificate`") == "`--key` `S3C_CERTIFICATE`"
    assert InputNames().render(text) == text


@pytest.mark.parametrize("text", ["`signed`", "key", "`--key`", "`s3c sign`", "`key: x`", "'key'"])
def test_nothing_else_is_renamed(text) -> None:
    assert names().render(text) == text


def test_an_error_is_named_once() -> None:
    error = InputError("key", "it is missing.", remedy="Give `key`.", original="`key`: wrong")
    for _ in range(2):
        names().name_inputs(error)
        assert (error.what, error.remedy, error.original) == ("--key: it is missing.", "Give `--key`.", "`key`: wrong")
    assert error.field == "key"


def test_notices_and_steps_are_named_too() -> None:
    seen: list[str] = []

    class Heard(Silent):
        notice = warning = staticmethod(seen.append)  # type: ignore[assignment]

    progress = NamingProgress(Heard(), names())
    progress.notice("`key`")
    progress.warning("`pkcs12`")
    with progress.step("sign") as step:
        step.done("`key`")
    assert seen == ["`--key`", "`--pkcs12`"]


@pytest.mark.parametrize(
    ("around", "argv", "shown"),
    [
        ({}, ("--key", "signing.key"), "s3c sign: --certificate: it is missing, and `--key`"),
        ({"S3C_KEY": "signing.key"}, (), "s3c sign: --certificate: it is missing, and `S3C_KEY`"),
        (
            {"S3C_KEY": "signing.key", "GITHUB_ACTIONS": "true", "GITHUB_ACTION_PATH": "/a"},
            (),
            "s3c sign: certificate: it is missing, and `key`",
        ),
        (
            {"GITHUB_ACTIONS": "true", "GITHUB_ACTION_PATH": "/a"},
            ("--key", "signing.key"),
            "s3c sign: --certificate: it is missing, and `--key`",
        ),
        (
            {"S3C_KEY": "signing.key", "GITHUB_ACTIONS": "true"},
            (),
            "s3c sign: --certificate: it is missing, and `S3C_KEY`",
        ),
    ],
)
def test_each_way_to_give_an_input_has_its_own_name(around, argv, shown, alone) -> None:
    """In an action's step, on a command line, in a step that runs a command, and in another CI system."""
    bare_image = {} if argv else {variable("image"): bare.PINNED}
    code, said = bare.ended(("sign", *((bare.PINNED, *argv) if argv else ())), alone, **around, **bare_image)
    assert (code, shown in said) == (2, True), said
