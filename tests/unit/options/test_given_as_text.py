"""`certificate`, `trust-store`, `kubeconfig` and `policy` given as text: as good as a path, and gone with the run."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from s3c_actions.cli import run
from s3c_actions.core.errors import Exit
from s3c_actions.options.command import load
from s3c_actions.options.declare import read
from s3c_actions.options.trusted_signers import TrustOptions
from s3c_actions.result.model import Outcome
from tests.support.bare import IMAGE, KUBECONFIG, PINNED, POLICY, ended
from tests.support.commands import with_function

FORMS = {
    "PEM": lambda pem: pem,
    "with other line ends": lambda pem: pem.replace("\n", "\r\n"),
    "on one line": lambda pem: pem.replace("\n", " ").strip(),
    "with escaped line ends": lambda pem: pem.replace("\n", "\\n"),
    "in base64": lambda pem: base64.b64encode(pem.encode()).decode(),
    "with text before it": lambda pem: f"subject=CN = s3c-test\nissuer=CN = s3c-test\n{pem}",
    "DER in base64": lambda pem: "".join(pem.splitlines()[1:-1]),
}


@pytest.fixture
def pem(alone):
    return (alone / "signing.crt").read_text()


def written(folder):
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in {"result.json", "summary.md"}
    }


@pytest.mark.parametrize("form", FORMS)
def test_a_certificate(form, alone, pem):
    code, output = ended(("trust", "export", "--certificate", "signing.crt", "--output-dir", "by-path"), alone)
    assert code == Exit.DONE, output
    code, output = ended(("trust", "export", "--output-dir", "by-text"), alone, S3C_CERTIFICATE=FORMS[form](pem))
    assert code == Exit.DONE, output
    assert written(alone / "by-text") == written(alone / "by-path")


def kept(group, given, folder):
    """The values of a group, and what was written for them."""
    files = {}

    def keep(name, content):
        files[folder / name] = content
        return folder / name

    return read(group, {}, given, lambda _notice: None, keep), files


@pytest.mark.parametrize("form", ["PEM", "on one line", "in base64"])
def test_a_trust_store(form, tmp_path, pem):
    options, files = kept(TrustOptions, {"S3C_TRUST_STORE": FORMS[form](pem)}, tmp_path)
    assert options.trust_store == (tmp_path / "trust-store",)
    assert files == {tmp_path / "trust-store": pem}


def test_a_trust_store_of_texts_and_paths(tmp_path, pem):
    text = f"{pem}roots/\n{pem}one.crt\n"
    options, files = kept(TrustOptions, {"S3C_TRUST_STORE": text}, tmp_path)
    assert options.trust_store == (tmp_path / "trust-store", Path("roots"), Path("one.crt"))
    assert files == {tmp_path / "trust-store": pem * 2}


def test_a_file_for_it_is_this_user_s_alone_and_goes_with_the_run(alone, pem, monkeypatch):
    seen: dict[str, Any] = {}
    verify = load("verify")

    def look(options, context):
        (path,) = options.trust_store
        seen.update(path=path, mode=path.stat().st_mode & 0o777, folder=path.parent.stat().st_mode & 0o777)
        assert path.is_relative_to(context.temp)
        assert pem not in context.environment.values()
        return Outcome(command="verify", images=())

    monkeypatch.setattr(run, "load", lambda _name: with_function(verify, look))
    code, output = ended(("verify", IMAGE), alone, S3C_TRUST_STORE=pem)
    assert code == Exit.DONE, output
    assert (seen["mode"], seen["folder"]) == (0o600, 0o700)
    assert not seen["path"].exists()


@pytest.mark.parametrize("form", [str, lambda text: base64.b64encode(text.encode()).decode()])
@pytest.mark.parametrize(
    "text",
    [
        KUBECONFIG,
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "test",
                "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
                "clusters": [{"name": "test", "cluster": {"server": "http://cluster.example:8080"}}],
                "users": [{"name": "test", "user": {"token": "abcdef"}}],
            }
        ),
    ],
)
@pytest.mark.usefixtures("programs")
def test_a_kubeconfig(form, text, alone):
    (alone / "kubeconfig").unlink()
    code, output = ended(("refresh",), alone, S3C_KUBECONFIG=form(text))
    assert code == Exit.OUTSIDE_FAILED, output
    assert "The cluster at http://cluster.example:8080" in output
    assert "abcdef" not in output


def test_a_kubeconfig_in_the_variable_of_kubectl_is_named(alone):
    code, output = ended(("refresh",), alone, KUBECONFIG=KUBECONFIG)
    assert code == Exit.WRONG_INPUT
    assert "the variable KUBECONFIG holds a kubeconfig, not a path." in output
    assert "cluster.example" not in output


def test_a_policy_whose_certificate_is_relative_to_the_working_folder(alone):
    by_path = ended(("policy", "export", "--policy", "policy.yaml"), alone)
    by_text = ended(("policy", "export"), alone, S3C_POLICY=POLICY)
    assert by_path[0] == Exit.DONE, by_path
    assert by_text == by_path


def test_a_policy_with_its_certificates_in_it(alone, pem):
    indented = pem.strip().replace("\n", "\n      ")
    text = f"version: 1\nsigners:\n  - name: release\n    certificate: |\n      {indented}\n"
    assert ended(("policy", "export"), alone, S3C_POLICY=text)[0] == Exit.DONE


@pytest.mark.usefixtures("programs")
def test_what_is_wrong_with_a_text_is_named_without_a_path_that_nobody_gave(alone):
    code, output = ended(("policy", "check", PINNED), alone, S3C_POLICY="version: 1\nsignrs: []\n")
    assert code == Exit.WRONG_INPUT
    assert "S3C_POLICY: the text given, line 2: at the top" in output
    broken = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
    for argv, variable in ((("verify", IMAGE), "S3C_TRUST_STORE"), (("trust", "export"), "S3C_CERTIFICATE")):
        code, output = ended(argv, alone, **{variable: broken})
        assert code == Exit.WRONG_INPUT, output
        assert "s3c-given-as-text" not in output


@pytest.mark.parametrize(
    ("variable", "command"), [("S3C_CERTIFICATE", "sign"), ("S3C_TRUST_STORE", "verify"), ("S3C_KEY", "sign")]
)
def test_a_key_beside_the_certificate_is_refused(variable, command, alone, pem):
    both = (alone / "signing.key").read_text() + pem
    code, output = ended((command, IMAGE), alone, **{variable: both})
    assert code == Exit.WRONG_INPUT
    assert f"{variable}: it holds a private key, not a path." in output
