"""Nothing that is secret reaches an output: canaries in every input of every command, and in the environment."""

import io
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from s3c_actions.cli import parser
from s3c_actions.cli import run as shell
from s3c_actions.core import folders, pasted_content
from s3c_actions.core.errors import Exit, InputError, OutsideError
from s3c_actions.core.secrets import Secrets
from s3c_actions.options import github as commenting
from s3c_actions.options.command import COMMANDS, load
from s3c_actions.options.common import SubmitOptions
from s3c_actions.options.declare import variable
from s3c_actions.result.model import ImageOutcome, Outcome
from tests.support import bare, canaries
from tests.support.commands import with_function
from tests.unit.test_every_command import LINES

BASES = {line[0]: line for line in reversed(LINES)}
# Not among the lines of `test_every_command`: it asks nobody, and succeeds.
BASES["fleet manifests"] += ("--s3c-image", bare.PINNED, "--store", "registry.example/fleet")
SECRET_VARIABLES = (
    "GITHUB_TOKEN",
    "GH_TOKEN",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    "ACTIONS_RUNTIME_TOKEN",
    "AZURE_CLIENT_SECRET",
    "AZURE_CLIENT_CERTIFICATE_PASSWORD",
    "IDENTITY_HEADER",
    "MSI_SECRET",
    "NOTATION_PASSWORD",
    "TRIVY_PASSWORD",
    "TRIVY_REGISTRY_TOKEN",
    "TRIVY_TOKEN",
    "DOCKER_AUTH_CONFIG",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "SIGNING_KEY",
    "MY_REGISTRY_PASSWORD",
    *(variable(name) for name in folders.SECRET_INPUTS),
)


def inputs_of(name):
    command = load(name)
    return (
        *command.inputs,
        *command.other_inputs,
        *(SubmitOptions.inputs() if command.submits else ()),
        *parser.COMMON_INPUTS,
        *(commenting.CommentingOptions.inputs() if command.comments else ()),
    )


def is_path(option):
    """Whether an input refuses what only a path has to refuse."""
    return not option.secret and option.content(canaries.TEXTS["JSON"].text) == "JSON"


OPEN = [(name, option) for name in COMMANDS for option in inputs_of(name) if not option.secret]
FIRST = {(option.name, option.parse): (name, option) for name, option in reversed(OPEN)}


def base(name, option):
    """A command line that is complete, without the input; its values come from the environment as the action's do."""
    argv = BASES[name]
    values = {}
    bare_words = [
        word for place, word in enumerate(argv[1:], 1) if not word.startswith("--") and not _is_value(argv, place)
    ]
    positional = [each for each in load(name).inputs if each.positional]
    for each, word in zip(positional, bare_words, strict=False):
        values[each.name] = word
    for place, word in enumerate(argv):
        if word.startswith("--"):
            flag, _, text = word[2:].partition("=")
            values[flag] = text or (argv[place + 1] if _is_value(argv, place + 1) else "true")
    values.pop(option.name, None)
    return {variable(key): text for key, text in values.items()}


def _is_value(argv, place):
    switches = {"--deploy", "--issue"}
    before = argv[place - 1] if place < len(argv) else "--deploy"
    return before.startswith("--") and "=" not in before and before not in switches


@pytest.fixture
def runner(alone):
    """The files that a runner gives a step, and its folder for what is temporary."""
    for name in ("output", "summary"):
        (alone / name).touch()
    (alone / "temp").mkdir()
    return {
        "GITHUB_ACTIONS": "true",
        "GITHUB_ACTION_PATH": "/actions",
        "GITHUB_OUTPUT": str(alone / "output"),
        "GITHUB_STEP_SUMMARY": str(alone / "summary"),
        "RUNNER_TEMP": str(alone / "temp"),
    }


def run(folder, runner, name, argv, canary, **environment):
    """Run it; returns the exit code and where the canary was seen."""
    before = canaries.files(folder) - {folder / "output", folder / "summary"}
    code, output = bare.ended((name, *argv), folder, **runner, **environment)
    assert not list((folder / "temp").glob("s3c-run-*"))
    return code, canaries.leaks(canary.pieces, output, folder, before), output


def tried(folder, runner, name, option, canary):
    given = base(name, option)
    code, seen, output = run(folder, runner, name, (), canary, **given, **{variable(option.name): canary.text})
    assert not seen, (seen, output)
    assert "Traceback" not in output
    assert code != Exit.BUG
    return code, output


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_a_key_in_any_input_of_any_command_is_refused_unseen(name, alone, runner):
    for option in inputs_of(name):
        if not option.secret:
            code, output = tried(alone, runner, name, option, canaries.KEYS["key"])
            assert code == Exit.WRONG_INPUT, (option.name, output)
            assert f"{option.name}: it holds a private key" in output, output


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "option", "shape"),
    [
        pytest.param(name, option, shape, id=f"{name} {option.name} {shape}")
        for name, option in FIRST.values()
        for shape in ("PKCS#12 in base64", "kubeconfig", "YAML", "long")
        if is_path(option) or shape not in canaries.TEXTS
    ],
)
def test_content_in_every_input_is_refused_unseen(name, option, shape, alone, runner):
    code, output = tried(alone, runner, name, option, {**canaries.KEYS, **canaries.TEXTS}[shape])
    if not (pasted_content.KUBECONFIG in option.takes and shape == "kubeconfig"):
        assert code == Exit.WRONG_INPUT, output
        assert f"{option.name}: it holds " in output, output


@pytest.mark.parametrize("shape", [*canaries.KEYS, *canaries.TEXTS])
def test_content_of_every_shape_is_recognized_and_hidden(shape):
    canary = {**canaries.KEYS, **canaries.TEXTS}[shape]
    secrets = Secrets()
    secrets.add_content(canary.text)
    assert not [piece for piece in canary.pieces if piece in secrets.redact(f"before {canary.text} behind")]
    for _, option in FIRST.values():
        if shape in canaries.TEXTS and not is_path(option):
            continue
        with pytest.raises(InputError, match=f"^{option.name}: it holds ") as caught:
            option.value(canary.text)
        assert pasted_content.is_secret_kind(option.content(canary.text))
        assert not [piece for piece in canary.pieces if piece in str(caught.value) + str(vars(caught.value))]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "option"),
    [(n, o) for n, o in FIRST.values() if is_path(o)],
    ids=lambda value: str(getattr(value, "name", value)),
)
def test_content_in_a_flag_is_refused_unseen_on_a_terminal_too(name, option, alone, runner):
    for shape in ("key", "kubeconfig in base64", "YAML"):
        canary = {**canaries.KEYS, **canaries.TEXTS}[shape]
        for argv in ((f"--{option.name}={canary.text}",), (f"--{option.name}", canary.text)):
            code, seen, output = run(
                alone,
                {"RUNNER_TEMP": runner["RUNNER_TEMP"]},
                name,
                argv,
                canary,
                **base(name, option),
                S3C_DEBUG="true",
            )
            assert not seen, (seen, output)
            if not (pasted_content.KUBECONFIG in option.takes and "kubeconfig" in shape):
                assert code == Exit.WRONG_INPUT


@pytest.mark.parametrize(
    "argv",
    [
        ("%s",),
        ("scan", "%s"),
        ("scan", "image", "--%s"),
        ("scan", "image", "--key%s=x"),
        ("scan", "image", "--quiet=%s"),
        ("scan", "image", "--no-quiet=%s"),
        ("scan", "image", "--help=%s"),
        ("scan", "--reuse", "%s"),
        ("sign", "image", "--key-pem", "%s"),
        ("sign", "image", "--key-pem=%s"),
        ("sign", "image", "--key-pem-file", "%s"),
        ("report", "trivy.json", "%s"),
        ("scan", "image", "--severity", "HIGH,%s"),
        ("sign", "image", "--user-metadata", "a=1\n%s"),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("shape", ["key", "key in base64", "kubeconfig", "JSON", "long"])
def test_content_anywhere_on_a_command_line_is_not_echoed(argv, shape, alone, runner):
    canary = {**canaries.KEYS, **canaries.TEXTS}[shape]
    name, *rest = (word.replace("%s", canary.text) for word in argv)
    code, seen, output = run(alone, runner, name, tuple(rest), canary)
    assert not seen, (seen, output)
    assert code == Exit.WRONG_INPUT


LONG = "/".join(["kanarie-in-a-folder", *("der-name-ist-lang",) * 12, "file.txt"])


OUTPUT_PATHS = {("fleet plan", "output")}
"""Inputs that say where to write what an output of the step and `files` of result.json then name."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "option"),
    [(n, o) for n, o in OPEN if is_path(o) and o.name not in {"output-dir", "source"}],
    ids=lambda value: str(getattr(value, "name", value)),
)
def test_a_message_shows_forty_characters_of_a_path(name, option, alone, runner):
    windows = tuple(
        LONG[start : start + pasted_content.MAX_SHOWN + 1] for start in range(len(LONG) - pasted_content.MAX_SHOWN)
    )
    canary = canaries.Canary(text=LONG, pieces=tuple(dict.fromkeys(windows)))
    argv = {variable(option.name): LONG, **base(name, option)}
    _, seen, output = run(alone, runner, name, (), canary, **argv)
    if (name, option.name) in OUTPUT_PATHS:  # the step's output and result.json have it whole, for the next step
        seen = [leak for leak in seen if not leak.startswith(("output: ", "s3c-out/result.json: "))]
    assert not seen, (option.name, seen[:3], output)


@pytest.mark.parametrize("value", ["x" * 50, "kanarie " * 10, "https://user@host.example/" + "x" * 50])
def test_a_message_shows_forty_characters_of_a_value_that_is_malformed(value, alone, runner):
    for name, option in FIRST.values():
        try:
            option.value(value)
        except InputError as error:
            shown = re.findall(r"'[^']*'|\"[^\"]*\"", error.what)
            assert all(len(part) <= pasted_content.MAX_SHOWN + 2 for part in shown), (name, option.name, error.what)
            assert value not in str(error)


FILE = re.compile(r"[\w.-]*\.(json|ya?ml|crt|cer|pem|toml|key|pfx|rego|tar|sarif)$|^~|/$|^/")
NO_FILES = {
    "skip-dirs": "in the image",
    "skip-files": "in the image",
    "smoke-writable": "in the image",
    "deploy": "a switch",
    "trusted-identity": "a subject",
}


def test_no_input_that_names_files_forgets_to_look():
    for name, option in OPEN:
        if FILE.search(option.example or option.default or "") and option.name not in NO_FILES:
            assert is_path(option), f"{name}: {option.name} names a file: give it a parser of inputs.common"


def test_the_secret_inputs_are_known_to_whom_hides_them():
    assert {option.name for name in COMMANDS for option in inputs_of(name) if option.secret} == set(
        folders.SECRET_INPUTS
    )


# Secrets


@pytest.fixture
def chatty(monkeypatch, alone):
    """Programs and hosts that fail, and say every secret while they do, in every form they may have got it in."""
    transcript = {"text": "nothing yet", "argv": ""}

    def refused(*_arguments, **_named):
        raise ConnectionRefusedError(111, transcript["text"])

    def no_program(argv, *_arguments, **_named):
        transcript["argv"] += "\0".join(map(str, argv))
        raise FileNotFoundError(2, transcript["text"])

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(subprocess, "Popen", no_program)
    return transcript


@pytest.mark.slow
@pytest.mark.parametrize("line", LINES, ids=" ".join)
@pytest.mark.usefixtures("programs")
def test_secrets_reach_no_output_of_any_command(line, alone, runner, chatty):
    secrets = {name: f"{canaries.PASSWORD}{number}" for number, name in enumerate(SECRET_VARIABLES)}
    secrets["HTTPS_PROXY"] = f"http://me:{secrets['TRIVY_TOKEN']}x@proxy.example:3128"
    del secrets["S3C_KEY_PEM"], secrets["S3C_KEY_PASSWORD"]  # the key is in a file
    hidden = tuple(secrets.values())
    if "registry-username" in {option.name for option in load(line[0]).inputs}:
        secrets["S3C_REGISTRY_USERNAME"] = "user"
    chatty["text"] = " | ".join(form for text in hidden for form in canaries.forms(text))
    pieces = tuple(piece for text in hidden for piece in canaries.pieces(text))
    for around in (runner, {"RUNNER_TEMP": runner["RUNNER_TEMP"], "S3C_DEBUG": "true"}):
        code, seen, output = run(alone, around, line[0], line[1:], canaries.Canary(text="", pieces=pieces), **secrets)
        assert not seen, (seen, output)
        assert code in {Exit.WRONG_INPUT, Exit.OUTSIDE_FAILED} or line[0] == "programs", output
    assert not any(piece in chatty["argv"] for piece in pieces)


@pytest.mark.parametrize("variable_name", [variable(name) for name in folders.SECRET_INPUTS])
@pytest.mark.parametrize("length", [1, 2, 3, 4, 20])
@pytest.mark.parametrize("action", [True, False])
def test_whatever_a_command_says_is_redacted(variable_name, length, action, alone, runner, monkeypatch):
    secret = "q7Z!x9W?k3V%m5B~r2C&"[:length]
    command = load(
        "sign"
        if "KEY" in variable_name
        else "mirror"
        if "SOURCE" in variable_name
        else "propose"
        if "GITHUB" in variable_name
        else "scan"
    )
    message = f"first {secret} then user:{secret}@host and ({secret})"

    def talk(_values, context):
        assert secret not in context.environment.values()
        for tell in (
            context.progress.note,
            context.progress.notice,
            context.progress.warning,
            context.progress.show_heading,
        ):
            tell(message)
        with context.progress.step("try") as step:
            step.done(message)
        failure = OutsideError(message, cause=message, remedy=message, original=message, image="registry.example/app:1")
        return Outcome(
            command=command.name,
            images=(ImageOutcome(image="registry.example/app:1", failure=failure),),
            text=message,
            error=message,
        )

    monkeypatch.setattr(shell, "load", lambda _name: with_function(command, talk))
    name = next(line for line in LINES if line[0] == command.name)
    around = runner if action else {"RUNNER_TEMP": runner["RUNNER_TEMP"], "S3C_VERBOSE": "true"}
    code, output = bare.ended(name, alone, **around, **{variable_name: secret})
    assert code == Exit.OUTSIDE_FAILED
    before = canaries.files(alone) - canaries.files(alone / "s3c-out") - {alone / "output", alone / "summary"}
    pieces = (f"first {secret}", f"user:{secret}", f"({secret})")
    assert not canaries.leaks(pieces, output, alone, before)
    assert "first ***" in output


def test_a_bug_s_traceback_is_redacted(alone, runner, monkeypatch):
    def fail(_values, _context):
        raise RuntimeError(f"cannot use {canaries.PASSWORD!r} of {'; '.join(canaries.forms(canaries.PASSWORD))}")

    scan = load("scan")
    monkeypatch.setattr(shell, "load", lambda _name: with_function(scan, fail))
    canary = canaries.Canary(text="", pieces=canaries.pieces(canaries.PASSWORD))
    code, seen, output = run(alone, runner, "scan", ("image",), canary, S3C_REGISTRY_PASSWORD=canaries.PASSWORD)
    assert code == Exit.BUG
    assert "RuntimeError: cannot use" in output
    assert not seen, seen


def test_a_canary_that_is_shown_is_found(alone, runner):
    """The tests above can fail: without the mask, or without the look at what is pasted, they do."""
    canary = canaries.Canary(text="", pieces=("registry.example/Kanarie",))
    _, seen, output = run(alone, runner, "scan", ("registry.example/Kanarie",), canary)
    places = {place.partition(": ")[0] for place in seen}
    assert places == {"log", "s3c-out/result.json", "s3c-out/summary.md", "summary"}, output


@pytest.mark.parametrize("secret", ["hunter2-hunter2", "pässwört?/&", 'a"b\\c-d-and-more', canaries.PASSWORD])
def test_every_form_of_a_secret_is_hidden(secret):
    secrets = Secrets()
    secrets.add(secret)
    for form in canaries.forms(secret):
        shown = secrets.redact(f"<{form}>")
        assert not [piece for piece in canaries.pieces(secret) if piece in shown]


def test_a_short_secret_is_hidden_where_it_stands_alone():
    secrets = Secrets()
    secrets.add("abc")
    assert secrets.redact("abc user:abc@host 'abc' abcdef xabc") == "*** user:***@host '***' abcdef xabc"
    secrets.add("dTphYmM=")
    assert secrets.redact("Basic dTphYmM=") == "Basic ***"


def test_output_that_ends_in_the_middle_is_redacted_by_main(alone, monkeypatch, capsys):
    from s3c_actions import __main__ as main

    monkeypatch.setattr("signal.signal", lambda *_handler: None)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    monkeypatch.setenv("S3C_KEY", canaries.KEYS["key"].text)
    monkeypatch.setenv("GITHUB_ACTIONS", "")
    assert main.main(["sign", "registry.example/app:1", "--certificate", "signing.crt"]) == Exit.WRONG_INPUT
    captured = capsys.readouterr()
    assert not [piece for piece in canaries.KEYS["key"].pieces if piece in captured.out + captured.err]
    assert "S3C_KEY: it holds a private key, not a path." in captured.err
    assert "`--key-pem-file`" in captured.err
    assert Path("s3c-out/result.json").is_file()


@pytest.mark.parametrize("cut", [8, 12, 30])
def test_what_is_left_of_a_secret_where_a_text_was_cut_off_is_hidden(cut):
    secrets = Secrets()
    secrets.add("geheim-" * 9)
    assert secrets.redact("it said " + ("geheim-" * 9)[:cut] + "…") == "it said ***…"
    assert secrets.redact(("geheim-" * 9)[-cut:] + " it said") == "*** it said"


@pytest.mark.slow
@pytest.mark.parametrize(
    "hostile", ["\n", "- ", "{", "eyJ-", "glpat-", "-----BEGIN CERTIFICATE-----", 'a: "', "=", "a/"]
)
def test_a_hostile_value_is_looked_at_in_no_time(hostile):
    value = hostile * (120_000 // len(hostile))
    for _, option in FIRST.values():
        option.content(value[:2000])
    pasted_content.quote_value(value)
    pasted_content.normalize_certificates(value)
    secrets = Secrets()
    secrets.add_content(value)
    assert secrets.redact("nothing of it") == "nothing of it"
