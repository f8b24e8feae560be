"""Kubeconfigs as people have them: what is wrong in one is said before, or in place of, what follows from it."""

from __future__ import annotations

import base64
import logging
from pathlib import Path

import pytest
import yaml

from s3c_actions.cluster.client import connect
from s3c_actions.core.errors import InputError, OutsideError, S3CError
from s3c_lab.certificates import make

CREDENTIAL = (
    '{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "secret-token"}}'
)


def base64_of(content: bytes) -> str:
    return base64.b64encode(content).decode()


def write(folder: Path, *, user: object = None, **cluster: object) -> str:
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "x",
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1", **cluster}}],
        "users": [] if user is None else [{"name": "u", "user": user}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
    }
    path = folder / "config"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return str(path)


def program(folder: Path, script: str, **others: object) -> dict[str, object]:
    path = folder / "login"
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o700)
    return {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(path), **others}}


def refusal(kubeconfig: str, kind: type[S3CError] = InputError) -> str:
    with pytest.raises(kind) as caught:
        connect(kubeconfig, "", timeout=5)
    return f"{caught.value.what} {caught.value.cause} {caught.value.remedy} {caught.value.original}"


def test_a_user_that_is_missing_is_named(tmp_path):
    assert "the context x names the user u, which is not in it" in refusal(write(tmp_path))


@pytest.mark.parametrize("server", ["ftp://x", "127.0.0.1:6443", None])
def test_an_address_that_is_none_is_wrong_input(tmp_path, server):
    assert "the cluster c has no `server` such as https://HOST" in refusal(write(tmp_path, user={}, server=server))


@pytest.mark.parametrize("hint", ["", "Get it\n   at example.test."])
def test_a_login_program_that_is_not_installed_is_named(tmp_path, hint):
    execution = {"apiVersion": "client.authentication.k8s.io/v1", "command": "kubelogin-none", "installHint": hint}
    handlers = logging.getLogger().handlers[:]
    text = refusal(write(tmp_path, user={"exec": execution}))
    assert logging.getLogger().handlers == handlers
    assert "logs in by the program kubelogin-none, which cannot be started. It is not installed" in text
    assert (hint and "Get it at example.test.") in text


def test_a_login_program_that_fails_is_quoted(tmp_path):
    text = refusal(write(tmp_path, user=program(tmp_path, "echo run az login >&2; exit 7")), OutsideError)
    assert "which gave no credentials" in text
    assert "run az login" in text


@pytest.mark.parametrize("script", ["echo no JSON", "echo {}", f"echo '{CREDENTIAL.replace('token', 'other')}'"])
def test_a_login_program_that_answers_something_else_gives_no_credentials(tmp_path, script):
    assert "which gave no credentials" in refusal(write(tmp_path, user=program(tmp_path, script)), OutsideError)


def test_a_login_program_s_token_is_hidden_and_used(tmp_path):
    hidden: list[str] = []
    kubeconfig = write(tmp_path, user=program(tmp_path, f"echo '{CREDENTIAL}'"))
    cluster = connect(kubeconfig, "", timeout=5, hide=hidden.append)
    assert cluster.address == "https://127.0.0.1:1"
    assert "secret-token" in hidden


def test_a_login_program_without_its_version_makes_a_malformed_kubeconfig(tmp_path):
    assert "missing key 'apiVersion'" in refusal(write(tmp_path, user={"exec": {"command": "true"}}))


def test_certificates_that_are_none_are_wrong_input(tmp_path):
    signer, other = make("u"), make("other")
    certificate, key = base64_of(signer.chain_pem()), base64_of(signer.key_pem())
    for user in (
        {"client-certificate-data": "AAAA", "client-key-data": key},
        {"client-certificate-data": certificate, "client-key-data": base64_of(other.key_pem())},
        {"client-certificate-data": certificate, "client-key-data": base64_of(signer.key_pem("geheim"))},
    ):
        text = refusal(write(tmp_path, user=user))
        assert "its client-certificate and client-key (or …-data) cannot be used" in text
        assert key not in text
    text = refusal(write(tmp_path, user={}, **{"certificate-authority-data": key}))
    assert "its certificate-authority (or …-data) cannot be used" in text
    good = {"client-certificate-data": certificate, "client-key-data": key}
    assert connect(write(tmp_path, user=good, **{"certificate-authority-data": certificate}), "", timeout=5)


def test_nobody_listening_is_said_in_words_alone(tmp_path):
    cluster = connect(write(tmp_path, user={"token": "t"}), "", timeout=5)
    with pytest.raises(OutsideError, match="does not answer") as caught:
        cluster.request("GET", "/version")
    assert "No API server listens there" in caught.value.cause
    assert not caught.value.original
    proxied = connect(write(tmp_path, user={"token": "t"}, **{"proxy-url": "http://127.0.0.1:1"}), "", timeout=5)
    with pytest.raises(OutsideError, match="does not answer") as caught:
        proxied.request("GET", "/version")
    assert "The proxy that `proxy-url` in the kubeconfig" in caught.value.cause
