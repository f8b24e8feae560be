"""Mistakes people make: exit code 2, a message with the field and the change to make, and nothing left half done."""

import os
import re
import signal
import sys
from pathlib import Path

import pytest

from s3c_actions import __main__ as main
from s3c_actions.core.errors import Exit
from s3c_actions.options.command import COMMANDS, load
from tests.support.bare import IMAGE, KEY, PINNED, ended

FILES = {
    "empty": "",
    "binary": "\x89PNG\udcff",
    "list.json": "[]",
    "broken.yaml": "kind: Pod\nspec: [\n",
    "text.yaml": "hello\n",
    "mapping.yaml": "{kind: Deployment, apiVersion: apps/v1, metadata: {name: x}, "
    "spec: {template: {spec: {containers: {}}}}}",
    "key.yaml": "version: 1\nsignrs: []\n",
    "version.yaml": "version: 2\n",
    "date.yaml": "version: 1\nexceptions: [{id: CVE-2026-1, until: tomorrow, why: x, who: y}]\n",
    "severity.yaml": "version: 1\nfindings:\n  refuse: [HIGHT]\n",
    "image.tar": "",
    "signers.yaml": "version: 1\nsigners: release\n",
    "quoted.yaml": "version: '1'\n",
    "number.yaml": "version: 1\nfindings: {fixable-only: 7}\n",
    "month.yaml": "version: 1\nexceptions:\n  - id: CVE-2026-1\n    until: 2026-13-01\n    why: x\n    who: y\n",
    "text.kubeconfig": "hello\n",
    "age.yaml": "version: 1\nreport: {maximum-age: never}\n",
    "signer.yaml": "version: 1\nsigners: [{name: a, certificate: missing.crt}]\n",
    "context.kubeconfig": "apiVersion: v1\nkind: Config\n",
    "broken.kubeconfig": "not: [yaml",
}
TRUST = ("--trust-store", "signing.crt")
CASES: list[tuple[tuple[str, ...], str, str]] = [
    (("scna",), "command", "Did you mean `s3c scan`?"),
    (("scan",), "image", "Give a reference"),
    (("scan", "nginx:1:2"), "image", "registry/repository:tag"),
    (("scan", "nginx@sha256:abc"), "image", "registry/repository@sha256:"),
    (("scan", "image.tar"), "image", "Give it with `--input`"),
    (("scan", "./image.tar"), "image", "Give it with `--input`"),
    (("scan", IMAGE, "--fail-on", "HIGH,CRITICAL"), "fail-on", "but several of them"),
    (
        ("scan", IMAGE, "--policy", "signers.yaml"),
        "policy",
        "line 2: at signers: this is a text, and a list belongs here",
    ),
    (("scan", IMAGE, "--policy", "quoted.yaml"), "policy", "at version: this is a text, and a number belongs here"),
    (("scan", IMAGE, "--policy", "number.yaml"), "policy", "this is a number, and true or false belongs here"),
    (("scan", IMAGE, IMAGE), "image", "Give each image once"),
    (("scan", IMAGE, "--severity", "HIHG"), "severity", "Did you mean HIGH? Choose from UNKNOWN"),
    (("scan", IMAGE, "--severity", "HIGH,CRITCAL"), "severity", "'CRITCAL' is none of them"),
    (("scan", IMAGE, "--severity"), "severity", "given without a value"),
    (("scan", IMAGE, "--fail-on", "all"), "fail-on", "Choose from none, UNKNOWN"),
    (("scan", IMAGE, "--format", "pdf"), "format", "Choose from json, sarif"),
    (("scan", IMAGE, "--platform", "windows"), "platform", "linux/amd64"),
    (("scan", IMAGE, "--timeout", "soon"), "timeout", "90s, 5m or 1h30m"),
    (("scan", IMAGE, "--timeout", "0"), "timeout", "longer than 0"),
    (("scan", IMAGE, "--timeout", "inf"), "timeout", "90s, 5m or 1h30m"),
    (("scan", IMAGE, "--timeout", "99999999999d"), "timeout", "at most 36500d"),
    (("scan", IMAGE, "--comment", "always"), "command line", "s3c comment"),
    (("scan", IMAGE, "--upload-sarif"), "command line", "s3c upload"),
    (("scan", IMAGE, "--sevrity", "HIGH"), "command line", "Did you mean --severity?"),
    (("scan", IMAGE, "--registry-password", "hunter2"), "command line", "S3C_REGISTRY_PASSWORD"),
    (("scan", IMAGE, "--registry-password-file", "empty"), "registry-password", "is empty"),
    (("scan", IMAGE, "--registry-password-file", "hunter2"), "registry-password", "its name is not shown"),
    (("scan", IMAGE, "--output-dir", "empty"), "output-dir", "Give another folder"),
    (("scan", IMAGE, "--output-dir", "/proc/nope"), "output-dir", "Give another folder"),
    (("scan", IMAGE, "--policy", "missing.yaml"), "policy", "Look at the path"),
    (("scan", IMAGE, "--policy", "key.yaml"), "policy", "there is no key 'signrs' here.\n  Did you mean signers?"),
    (("scan", IMAGE, "--policy", "version.yaml"), "policy", "this is not 1, the only version there is"),
    (("scan", IMAGE, "--policy", "date.yaml"), "policy", "at exceptions[0].until: this is no date such as"),
    (("scan", IMAGE, "--policy", "age.yaml"), "policy", "at report.maximum-age: this is no duration such as"),
    (("scan", IMAGE, "--policy", "policy.yaml", "--fail-on", "HIGH"), "fail-on", "Give one of both"),
    (("scan", IMAGE, "--policy", "severity.yaml"), "policy", "severity.yaml, line 3: at findings.refuse[0]: 'HIGHT'"),
    (("scan", IMAGE, "--policy", "severity.yaml"), "policy", "Did you mean HIGH? Choose from"),
    (("scan", IMAGE, "--policy", "month.yaml"), "policy", "month.yaml is not YAML, line 4: a value cannot be read"),
    (("scan", IMAGE, "--policy", "month.yaml"), "policy", "Look at that line"),
    (("scan", IMAGE, "--db-repository", "x y"), "db-repository", "registry.example/mirror/trivy-db:2"),
    (("policy", "check", PINNED, "--policy", "signer.yaml"), "policy", "relative to the policy"),
    (("report", "empty"), "report", "Give the whole of a report"),
    (("report", "list.json"), "report", "Give the whole of a report"),
    (("patch", IMAGE, "--buildkit-addr", "here"), "buildkit-addr", "docker-container://"),
    (("patch", IMAGE, "--buildkit-addr", "auto,tcp://builder:1234"), "buildkit-addr", "docker-container://"),
    (("fleet run", "--plan", "plan.json", "--sign=false", "--patched", "x"), "patched", "the run that patches"),
    (("patch", IMAGE, "--patched-tag", "a tag"), "patched-tag", "{tag}"),
    (("scan", IMAGE, "--attach", "true", *KEY), "attach", "`s3c sign --attach true --results"),
    (("scan", IMAGE, "--key-pem-file", "signing.key"), "key-pem", "`s3c attach`"),
    (("scan", IMAGE, "--notation-path=/usr/bin/notation"), "notation-path", "`s3c attach`"),
    (("patch", IMAGE, *KEY), "key", "`s3c sign --attach true --results"),
    (("patch", IMAGE, "--no-prune-evidence"), "prune-evidence", "`s3c attach`"),
    (("patch", IMAGE, "--plugin-name", "x"), "plugin", "`s3c attach`"),
    (("sign", PINNED), "key", "`--vault` and `--vault-certificate`"),
    (("sign", PINNED, "--key", "signing.key"), "certificate", "Give the key's certificates"),
    (("sign", PINNED, "--key", "missing.key", "--certificate", "signing.crt"), "key", "Look at the path"),
    (("sign", PINNED, "--key", "signing.crt", "--certificate", "signing.crt"), "key", "Give the key here and the"),
    (("sign", PINNED, "--key", "signing.key", "--certificate", "binary"), "certificate", "Give a PEM file"),
    (("sign", PINNED, "--attach", "true", "--report", "missing", *KEY), "report", "Look at the path"),
    (("sign", PINNED, "--attach", "true", "--results", "missing", *KEY), "results", "Look at the path"),
    (("sign", PINNED, "--attach", "true", "--results", "list.json", *KEY), "results", "Give the `result.json`"),
    (("attach", PINNED, "--report", "cache", *KEY), "report", "Look at the path"),
    (("attach", PINNED, "--report", "trivy.json", "--openvex", "missing", *KEY), "openvex", "Look at the path"),
    (("find", "openssl", "--image", PINNED), "policy", "Give `--policy`, `--trust-store`, or"),
    (("find", "openssl", "--image", PINNED, "--policy", "severity.yaml"), "policy", "Did you mean HIGH?"),
    (("verify", PINNED), "trust-store", "Give certificates"),
    (("verify", PINNED, "--trust-store", "missing"), "trust-store", "Look at the path"),
    (("verify", PINNED, "--trust-store", "binary"), "trust-store", "binary holds no certificate that can be read"),
    (("verify", PINNED, "--trust-store", "cache"), "trust-store", "Name a certificate"),
    (
        ("verify", PINNED, "--trust-store", "signing.crt", "--trust-policy", "broken.yaml"),
        "trust-policy",
        "docs/sign.md",
    ),
    (("chain", IMAGE), "key", "set `--sign` to false"),
    (("chain", IMAGE, "--attach", *KEY), "attach", "given without a value"),
    (("chain", IMAGE, "--deploy", *KEY), "manifests", "Name the manifests"),
    (("deploy", "missing"), "manifests", "Look at the path"),
    (("deploy", "broken.yaml"), "manifests", "Look at the indentation"),
    (("deploy", "text.yaml", "--render-only"), "manifests", "there is no Kubernetes object"),
    (("deploy", "mapping.yaml", "--render-only"), "manifests", "Deployment x: containers is not a list"),
    (("deploy", "app.yaml", "--image", "registry.example/app="), "image", "a side of it is empty"),
    (("deploy", "app.yaml", "--kubeconfig", "missing"), "kubeconfig", "name another"),
    (("deploy", "app.yaml", "--kubeconfig", "context.kubeconfig"), "kubeconfig", "Fetch it anew"),
    (
        ("deploy", "app.yaml", "--kubeconfig", "broken.kubeconfig"),
        "kubeconfig",
        "broken.kubeconfig, line 2: it is not YAML",
    ),
    (("deploy", "app.yaml", "--kubeconfig", "text.kubeconfig"), "kubeconfig", "text.kubeconfig is no kubeconfig"),
    (("gate", "check"), "image", "Give one that is signed"),
    (("gate", "install"), "trust-store", "Give the certificate"),
    (("gate", "install", *TRUST, "--ratify-values", "missing"), "ratify-values", "Look at the path"),
    (("gate", "install", *TRUST, "--gatekeeper-chart", "missing"), "gatekeeper-chart", "Look at the path"),
    (("gate", "pause"), "for", "Give `--for`"),
    (("gate", "pause", "--for", "30m"), "reason", "Give `--reason`"),
    (("gate", "pause", "--for", "5h", "--reason", "x"), "for", "Example: 30m"),
    (("gate", "uninstall"), "yes", "Give `--yes`"),
    (("trust", "export"), "vault", "`--certificate`"),
    (("comment", "missing.json", "--pull-request", "7"), "results", "Look at the path"),
    (("comment", "list.json", "--pull-request", "7"), "results", "Give the `result.json` that `s3c scan`"),
    (("upload", "list.json"), "sarif", "s3c scan --format sarif"),
    (("programs", "install", "tryvi"), "program", "Did you mean trivy?"),
]


@pytest.fixture
def folder(alone, programs):
    for name, text in FILES.items():
        (alone / name).write_text(text, errors="surrogateescape")
    return alone


def label(argv: tuple[str, ...], field: str) -> str:
    """How the message names an input that stands on a command line: by its flag, but for a bare argument."""
    inputs = load(argv[0]).inputs if argv[0] in COMMANDS else ()
    return next((option.flag for option in inputs if option.name == field and not option.positional), field)


def relative_paths(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.mark.parametrize(("argv", "field", "remedy"), CASES, ids=[" ".join(argv) for argv, _, _ in CASES])
def test_a_mistake(argv, field, remedy, folder):
    before = relative_paths(folder)
    code, output = ended(argv, folder)
    assert code == Exit.WRONG_INPUT, output
    assert re.search(rf"^s3c ?[a-z ]*: {re.escape(label(argv, field))}: ", output, re.MULTILINE), output
    assert remedy in output
    assert "Traceback" not in output
    assert relative_paths(folder) - before <= {"s3c-out", "s3c-out/result.json", "s3c-out/summary.md"}


@pytest.mark.parametrize(
    ("variable", "value", "field"),
    [
        ("S3C_CACHE", "/proc/nope", "S3C_CACHE"),
        ("S3C_CACHE", "empty", "S3C_CACHE"),
        ("RUNNER_TEMP", "/nonexistent", "RUNNER_TEMP"),
        ("S3C_SEVERITY", "HIHG", "S3C_SEVERITY"),
    ],
)
def test_a_mistake_in_the_environment(variable, value, field, folder):
    code, output = ended(("scan", IMAGE), folder, **{variable: value})
    assert code == Exit.WRONG_INPUT, output
    assert f"s3c scan: {field}: " in output


@pytest.mark.parametrize(
    ("argv", "needed"),
    [
        (("comment", "result.json", "--pull-request", "7"), "`pull-requests: write`"),
        (("upload", "report.sarif", "--commit", "4" * 40, "--ref", "refs/heads/main"), "`security-events: write`"),
        (("propose", "app.yaml", "--image", PINNED), "`contents: write` and `pull-requests: write`"),
        (("refresh", PINNED, "--issue"), "`issues: write`"),
    ],
)
def test_without_a_token_the_permissions_it_needs_are_named(argv, needed, folder):
    code, output = ended(argv, folder, GITHUB_TOKEN="")
    assert code == Exit.WRONG_INPUT, output
    assert "github-token-file: this input is required." in output
    assert f"The token needs {needed}." in output


@pytest.mark.parametrize("variable", ["GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"])
def test_a_file_of_the_runner_that_cannot_be_written_is_named(variable, folder):
    code, output = ended(("scan", IMAGE), folder, GITHUB_ACTIONS="true", **{variable: "/nonexistent/file"})
    assert code == Exit.OUTSIDE_FAILED, "the registry that does not answer is graver"
    assert f"s3c scan: {variable}: the runner's file /nonexistent/file" in output


def test_a_file_where_the_reports_of_an_image_go(folder):
    (folder / "s3c-out").mkdir()
    (folder / "s3c-out" / "voting-app").touch()
    code, output = ended(("scan", IMAGE), folder)
    assert code == Exit.WRONG_INPUT, output
    assert "s3c scan: --output-dir: s3c-out/voting-app" in output


def test_a_working_folder_that_was_removed(folder):
    gone = folder / "gone"
    gone.mkdir()
    os.chdir(gone)
    gone.rmdir()
    code, output = ended(("scan", IMAGE), folder)
    os.chdir(folder)
    assert code == Exit.WRONG_INPUT, output
    assert "s3c scan: working folder: it was removed." in output


@pytest.mark.parametrize(
    ("manifests", "message"), [("-", "there are no manifests"), ("text.yaml", "no Kubernetes object")]
)
def test_standard_input_that_is_closed_is_empty(manifests, message, folder, monkeypatch, capsys):
    monkeypatch.setattr(signal, "signal", lambda *_handler: None)
    monkeypatch.setattr(sys, "stdin", None)
    assert main.main(["deploy", manifests, "--render-only"]) == Exit.WRONG_INPUT
    assert message in capsys.readouterr().err


def test_output_that_nobody_reads_is_no_verdict(folder, monkeypatch):
    monkeypatch.setattr(signal, "signal", lambda *_handler: None)
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    assert main.main(["programs", "list"]) == Exit.DONE


UNREAD = [
    (("report", "trivy.json", "--fail-on", "LOW"), Exit.REFUSED, True),
    (("report", "trivy.json", "--fail-on", "LOW", "--json"), Exit.REFUSED, True),
    (("report", "trivy.json", "--fail-on", "LOW", "--quiet"), Exit.REFUSED, False),
    (("report", "trivy.json"), Exit.DONE, True),
    (("report", "missing.json"), Exit.WRONG_INPUT, False),
    (("report", "missing.json", "--json"), Exit.WRONG_INPUT, True),
    (("scna",), Exit.WRONG_INPUT, False),
    (("--version",), Exit.DONE, True),
    (("help", "scan"), Exit.DONE, True),
]


@pytest.mark.parametrize("full", [False, True], ids=["gone", "full"])
@pytest.mark.parametrize("closed", [("stdout",), ("stderr",), ("stdout", "stderr")], ids=" ".join)
@pytest.mark.parametrize(("argv", "code", "prints"), UNREAD, ids=[" ".join(argv) for argv, _, _ in UNREAD])
def test_a_verdict_stands_whoever_reads_it(argv, code, prints, closed, full, folder, monkeypatch, capsys):
    """A reader that has gone changes no exit code; results that cannot be stored are a failure besides."""
    monkeypatch.setattr(signal, "signal", lambda *_handler: None)
    for name in closed:
        reader, writer = os.pipe()
        os.close(reader)
        if full:
            os.close(writer)
            writer = os.open("/dev/full", os.O_WRONLY)
        monkeypatch.setattr(sys, name, os.fdopen(writer, "w"))
    before = sys.stdout, sys.stderr
    ended = main.main(list(argv))
    lost = full and "stdout" in closed and prints
    assert ended == (max(code, Exit.OUTSIDE_FAILED) if lost else code)
    assert (sys.stdout, sys.stderr) == before


def test_output_that_cannot_be_written_is_no_verdict(folder, monkeypatch, capfd):
    monkeypatch.setattr(signal, "signal", lambda *_handler: None)
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        code = main.main(["programs", "list"])
    assert code == Exit.OUTSIDE_FAILED
    assert "No space left on device" in capfd.readouterr().err


@pytest.mark.parametrize("command", ["scan", "patch"])
@pytest.mark.parametrize(
    ("name", "text", "rejected"), [("ATTACH", "sarif", True), ("PRUNE_EVIDENCE", "true", True), ("KEY", "k", False)]
)
def test_a_variable_that_asks_a_step_to_attach_is_rejected(folder, command, name, text, rejected) -> None:
    """One that only names the key may be there for `sign`, which another step of the job runs."""
    code, output = ended((command, IMAGE), folder, **{f"S3C_{name}": text})
    assert ("is not an input of" in output, code == Exit.WRONG_INPUT) == (rejected, rejected), output
