"""An input in a message: by its flag, by the variable that it came from, or as an action's users know it."""

import ast
import re

import pytest

from s3c_actions.core.errors import InputError
from s3c_actions.core.progress import Silent
from s3c_actions.options.command import COMMANDS, load
from s3c_actions.options.declare import variable
from s3c_actions.options.naming import InputNames, NamingProgress, name_on_command_line
from tests.support import ROOT, bare
from tests.support.sources import nodes

INPUTS = load("sign").inputs


def names(*flags: str, **environment: str) -> InputNames:
    return name_on_command_line(INPUTS, (), dict.fromkeys(flags, "x"), environment)


def test_a_command_line_has_flags_and_variables() -> None:
    text = "Give `key` (or `key-pem`) and `certificate`, or `image`."
    assert names().render(text) == "Give `--key` (or `--key-pem-file`) and `--certificate`, or `IMAGE`."
    assert names("key", S3C_KEY="x", S3C_CERTIFICATE="y").render("`key` `certificate`") == "`--key` `S3C_CERTIFICATE`"
    assert InputNames().render(text) == text


def test_an_input_with_its_value_is_written_as_it_is_typed() -> None:
    text = "Set `force-referrers-tag: false`, or `plugin: x.y-1`."
    assert names().render(text) == "Set `--force-referrers-tag=false`, or `--plugin=x.y-1`."
    assert names(S3C_PLUGIN="x").render("`plugin: y`") == "`S3C_PLUGIN=y`"
    assert InputNames().render(text) == text


@pytest.mark.parametrize(
    "text", ["`signed`", "key", "`--key`", "`s3c sign`", "`image: x`", "`id-token: write`", "`key: ${{ x }}`", "'key'"]
)
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
    ("environment", "argv", "shown"),
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
def test_each_way_to_give_an_input_has_its_own_name(environment, argv, shown, alone) -> None:
    """In an action's step, on a command line, in a step that runs a command, and in another CI system."""
    bare_image = {} if argv else {variable("image"): bare.PINNED}
    code, output = bare.ended(("sign", *((bare.PINNED, *argv) if argv else ())), alone, **environment, **bare_image)
    assert (code, shown in output) == (2, True), output


FLAGS = {declared.flag for command in COMMANDS for declared in load(command).inputs}
COMMAND_LINE = re.compile(
    r"\b(?:s3c|trivy|notation|docker|helm|kubectl|az|cosign)\b [a-z|…]|--(?:scanners|pkg-types) \w"
)
"""What shows a whole command line, ours or another program's."""


def product_texts():
    """The texts of the package, without docstrings: place and text."""
    for path in sorted((ROOT / "s3c_actions").rglob("*.py")):
        if path.parent.name in {"options", "cli"}:
            continue
        comments = {id(node.value) for node in nodes(path) if isinstance(node, ast.Expr)}
        for node in nodes(path):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in comments:
                yield f"{path.relative_to(ROOT)}:{node.lineno}", node.value


def test_no_message_writes_a_flag_where_it_means_an_input() -> None:
    """`fail-on`, not --fail-on: in an action there are no flags, and on a command line the name becomes one."""
    texts = [(place, text) for place, text in product_texts() if re.search(r"[a-z] [a-z].* ", text)]
    assert len(texts) > 500
    wrong = {
        place: text
        for place, text in texts
        if FLAGS & {*re.findall(r"--[a-z][a-z0-9-]+", text)} and not COMMAND_LINE.search(text)
    }
    assert wrong == {}
