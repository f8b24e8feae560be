"""Secrets and pasted content reach no comment, no artifact and no call of GitHub's API."""

import io
import json

import pytest

from s3c_actions.cli import run
from s3c_actions.core.errors import Exit, OutsideError
from s3c_actions.options.command import load
from s3c_actions.result.model import ImageOutcome, Outcome
from s3c_lab.certificates import make
from tests.support import bare, canaries
from tests.support.commands import with_function
from tests.support.github import events
from tests.support.github.server import GitHub

COMMANDS = {
    "deploy": {"S3C_MANIFESTS": "app.yaml", "S3C_POLICY": "missing.yaml"},
    "scan": {"S3C_IMAGE": bare.IMAGE, "S3C_TRIVY_PATH": "missing/trivy"},
    "report": {"S3C_REPORT": "missing.json"},
    "sign": {"S3C_IMAGE": bare.IMAGE, "S3C_KEY": "missing.key", "S3C_CERTIFICATE": "signing.crt"},
    "chain": {"S3C_IMAGE": bare.IMAGE, "S3C_KEY": "signing.key", "S3C_CERTIFICATE": "missing.crt"},
    "patch": {"S3C_IMAGE": bare.IMAGE, "S3C_REPORT": "missing.json"},
    "verify": {"S3C_IMAGE": bare.IMAGE, "S3C_TRUST_STORE": "missing.crt"},
}
PASTED = {
    ("deploy", "S3C_KUBECONFIG"): "kubeconfig",
    ("deploy", "S3C_MANIFESTS"): "YAML",
    ("deploy", "S3C_TRUST_STORE"): "key",
    ("scan", "S3C_TRIVY_CONFIG"): "YAML",
    ("scan", "S3C_IMAGE"): "key",
    ("report", "S3C_BASELINE"): "JSON",
    ("sign", "S3C_KEY"): "key",
    ("sign", "S3C_PKCS12"): "PKCS#12 in base64",
    ("chain", "S3C_KEY"): "key in base64",
    ("patch", "S3C_BUILDKIT_KEY"): "key",
    ("verify", "S3C_TRUST_STORE"): "one line of a key",
}


@pytest.fixture
def step(github: GitHub, tmp_path, monkeypatch):
    """Runs a command as a step of a pull request's run, which comments whatever happens."""
    bare.furnish(tmp_path, make("s3c-test"))
    github.state.git.commit("main", {"README.md": "an app\n"})
    monkeypatch.chdir(tmp_path)

    def go(name, **given):
        for file in ("output", "summary"):
            (tmp_path / file).write_text("")
        environment = {
            **events.of_pull(github, tmp_path, github.state.pulls[7]),
            "PATH": "",
            "S3C_CACHE": str(tmp_path / "cache"),
            "KUBECONFIG": str(tmp_path / "kubeconfig"),
            "S3C_COMMENT": "always",
            "S3C_GITHUB_TOKEN": "run-token",
            "GITHUB_OUTPUT": str(tmp_path / "output"),
            "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
        }
        before = canaries.files(tmp_path) - {tmp_path / "output", tmp_path / "summary"}
        log = io.StringIO()
        code = run.run(name, [], {**environment, **COMMANDS[name], **given}, log, log)
        return code, log.getvalue(), before

    return go


@pytest.mark.parametrize(("name", "variable"), PASTED)
def test_pasted_content_reaches_no_comment(name, variable, github, step, tmp_path):
    canary = {**canaries.KEYS, **canaries.TEXTS}[PASTED[name, variable]]
    code, log, before = step(name, **{variable: canary.text})
    assert code == Exit.WRONG_INPUT, log
    calls = json.dumps([call.body for call in github.calls], default=str)
    assert not [piece for piece in canary.pieces if piece in calls]
    assert not canaries.leaks(canary.pieces, log, tmp_path, before)


@pytest.mark.parametrize("name", COMMANDS)
def test_secrets_reach_no_comment(name, github, step, tmp_path):
    secrets = {
        variable: f"{canaries.PASSWORD}{number}"
        for number, variable in enumerate(
            ("S3C_REGISTRY_PASSWORD", "S3C_KEY_PASSWORD", "AZURE_CLIENT_SECRET", "MY_TOKEN")
        )
    }
    # One stands in a value that is echoed, because it is wrong.
    code, log, before = step(name, **secrets, S3C_TIMEOUT=f"x-{secrets['AZURE_CLIENT_SECRET']}")
    assert code == Exit.WRONG_INPUT, log
    calls = json.dumps([call.body for call in github.calls], default=str, ensure_ascii=False)
    pieces = tuple(piece for text in secrets.values() for piece in canaries.pieces(text))
    assert not [piece for piece in pieces if piece in calls]
    assert not canaries.leaks(pieces, log, tmp_path, before)


def bodies(github):
    """The comments that stand there."""
    return "\n".join(comment.body for comment in github.state.of(7))


def test_a_cluster_that_fails_is_commented_on_without_the_kubeconfig_given(github, step, tmp_path):
    canary = canaries.KEYS["kubeconfig"]
    (tmp_path / "app.yaml").write_text(bare.POD % bare.PINNED)
    given = {"S3C_POLICY": "", "S3C_RESOLVE": "false", "S3C_CONTEXT": "kein-context"}
    code, log, before = step("deploy", S3C_KUBECONFIG=canary.text, **given)
    assert code == Exit.WRONG_INPUT, log
    assert "kein-context is not a context of the text given" in bodies(github), log
    assert not [piece for piece in canary.pieces if piece in bodies(github)]
    assert not canaries.leaks(canary.pieces, log, tmp_path, before)


def test_a_failure_that_quotes_secrets_is_commented_on_without_them(github, step, tmp_path, monkeypatch):
    secrets = {"S3C_REGISTRY_PASSWORD": canaries.PASSWORD, "MY_TOKEN": f"{canaries.PASSWORD}-2"}
    quoted = " | ".join(form for text in secrets.values() for form in canaries.forms(text))

    def fail(_values, _context):
        failure = OutsideError(f"It failed: {quoted}", cause=quoted, remedy=quoted, original=quoted)
        return Outcome(command="scan", images=(ImageOutcome(image=bare.IMAGE, failure=failure),), error=quoted)

    scan = load("scan")
    monkeypatch.setattr(run, "load", lambda _name: with_function(scan, fail))
    code, log, before = step("scan", **secrets)
    pieces = tuple(piece for text in secrets.values() for piece in canaries.pieces(text))
    assert code == Exit.OUTSIDE_FAILED, log
    assert "It failed: &#42;&#42;&#42;" in bodies(github)
    assert not [piece for piece in pieces if piece in bodies(github)]
    assert not canaries.leaks(pieces, log, tmp_path, before)
