"""Inputs of sign and verify: combinations and values that are refused, before anything is started."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from s3c_actions.commands import deploy, verify
from s3c_actions.core.errors import InputError
from s3c_actions.core.progress import Silent
from s3c_actions.options import sign as inputs
from s3c_actions.options import verify as verify_inputs
from s3c_actions.options.command import load
from s3c_actions.options.declare import read
from s3c_actions.steps.sign import KeyFiles, Pkcs12, PluginKey
from s3c_actions.steps.verify import matches_identities, prepare
from s3c_actions.wiring import signing as command
from s3c_actions.wiring import verifying as verify_command
from s3c_actions.wiring.context import Context
from s3c_lab.certificates import make, make_authority, subject
from tests.support.contexts import create_context

IMAGE = "localhost:5000/app@sha256:" + "a" * 64


def values(**given: str) -> inputs.SigningOptions:
    flags = {"image": IMAGE, **{name.replace("_", "-"): text for name, text in given.items()}}
    secret = {
        declared.variable: flags.pop(declared.name)
        for declared in inputs.SigningOptions.inputs()
        if declared.secret and declared.name in flags
    }
    return read(inputs.SigningOptions, flags, secret, lambda _notice: None)


def key_of(given: inputs.KeyOptions, here: Context) -> KeyFiles | Pkcs12 | PluginKey:
    with command.open_key_source(given, here) as key:
        return key


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({}, "key"),
        ({"key": "a", "pkcs12": "b"}, "key"),
        ({"key": "a", "key_pem": "b", "certificate": "c"}, "key"),
        ({"plugin": "a", "key_name": "b"}, "key-name"),
        ({"key": "/dev/null"}, "certificate"),
        ({"key": "missing.key", "certificate": "/dev/null"}, "key"),
        ({"key_pem": "-----", "certificate": "missing.crt"}, "certificate"),
        ({"pkcs12": "missing.pfx"}, "pkcs12"),
        ({"plugin": "azure-kv"}, "key-id"),
        ({"plugin": "a", "key_id": "b", "plugin_url": "https://plugins.example/a.tar.gz"}, "plugin-checksum"),
        ({"plugin": "a", "key_id": "b", "plugin_checksum": "0" * 64}, "plugin-url"),
        ({"plugin": "./missing/notation-a", "key_id": "b"}, "plugin"),
        ({"plugin": "..", "key_id": "b"}, "plugin"),
        ({"key_name": "wabbit"}, "key-name"),
        ({"vault": "kv-voting"}, "vault-certificate"),
        ({"vault_certificate": "signing"}, "vault"),
        ({"vault": "kv-voting", "vault_certificate": "signing", "key": "a"}, "key"),
        ({"vault": "kv-voting", "vault_certificate": "signing", "vault_ca_certs": "missing.pem"}, "vault-ca-certs"),
        ({"vault": "kv-voting", "vault_certificate": "signing", "azure_identity": "environment"}, "azure-identity"),
    ],
)
def test_a_key_that_is_missing_incomplete_or_named_twice(given: dict[str, str], field: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        key_of(values(**given), create_context(tmp_path, {"HOME": str(tmp_path)}))
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("signature-format", "pkcs7"),
        ("timestamp-url", "timestamp.example"),
        ("user-metadata", "novalue"),
        ("user-metadata", "a=1\na=2"),
        ("user-metadata", "io.cncf.notary.x=1"),
        ("signature-expiry", "-1h"),
        ("signature-expiry", "0"),
        ("signature-expiry", "1.5s"),
        ("plugin-checksum", "abc"),
        ("plugin-config", "=x"),
        ("force-referrers-tag", "perhaps"),
        ("certificate-warning-days", "-1"),
        ("vault", "http://kv"),
        ("vault", "k"),
        ("vault", "kv--voting"),
        ("vault", "a-name-that-is-much-too-long-for-a-vault"),
        ("vault-certificate", "signing/1"),
        ("vault-certificate-version", "latest"),
        ("vault-plugin", "other"),
    ],
)
def test_a_malformed_input_is_named(name: str, text: str) -> None:
    with pytest.raises(InputError) as caught:
        read(inputs.SigningOptions, {"image": IMAGE, name: text}, {}, lambda _notice: None)
    assert caught.value.field == name


def test_metadata_may_hold_equals_signs_and_commas() -> None:
    given = values(user_metadata="url=https://ci.example/?a=1,2\ncommit = 1a2b")
    assert given.user_metadata == {"url": "https://ci.example/?a=1,2", "commit": "1a2b"}


def test_keys_are_found(tmp_path: Path) -> None:
    (tmp_path / "k").write_bytes(b"KEY")
    (tmp_path / "c").write_bytes(b"CERT")
    here = create_context(tmp_path, {"HOME": str(tmp_path), "NOTATION_CONFIG": str(tmp_path)})
    files = key_of(values(key=str(tmp_path / "k"), certificate=str(tmp_path / "c")), here)
    assert isinstance(files, KeyFiles)
    assert (files.key, files.certificates, files.key_field) == (b"KEY", b"CERT", "key")
    pem = key_of(values(key_pem="SECRET-KEY", certificate=str(tmp_path / "c"), key_password="pass"), here)
    assert isinstance(pem, KeyFiles)
    assert (pem.key, pem.password, pem.key_field) == (b"SECRET-KEY", "pass", "key-pem")
    assert "SECRET-KEY" not in repr(pem) and "pass" not in repr(pem).replace("password", "")
    bag = key_of(values(pkcs12=str(tmp_path / "k"), key_password="geheim"), here)
    assert isinstance(bag, Pkcs12)
    assert "geheim" not in repr(bag)
    plugin = key_of(values(plugin="azure-kv", key_id="id", plugin_config="a=b"), here)
    assert plugin == PluginKey(plugin="azure-kv", libexec=tmp_path, key_id="id", config={"a": "b"})
    assert "'b'" not in repr(plugin)


def test_keys_of_notations_own_configuration(tmp_path: Path) -> None:
    (tmp_path / "k").write_bytes(b"KEY")
    files = {"name": "files", "keyPath": str(tmp_path / "k"), "certPath": str(tmp_path / "k")}
    vault = {"name": "vault", "id": "i", "pluginName": "azure-kv", "pluginConfig": {"a": "b"}}
    (tmp_path / "signingkeys.json").write_text(json.dumps({"keys": [files, {"name": "odd"}, vault]}))
    here = create_context(tmp_path, {"NOTATION_CONFIG": str(tmp_path), "NOTATION_LIBEXEC": "/opt/notation"})
    local = key_of(values(key_name="files"), here)
    assert isinstance(local, KeyFiles)
    assert (local.key, local.key_field) == (b"KEY", "key-name")
    remote = key_of(values(key_name="vault", plugin_config="c=d"), here)
    assert remote == PluginKey(
        plugin="azure-kv", libexec=Path("/opt/notation"), key_id="i", config={"a": "b", "c": "d"}
    )
    with pytest.raises(InputError, match="names neither files nor a plugin"):
        key_of(values(key_name="odd"), here)
    with pytest.raises(InputError, match="files, odd, vault"):
        key_of(values(key_name="other"), here)
    (tmp_path / "signingkeys.json").write_text("{")
    with pytest.raises(InputError, match="cannot be read"):
        key_of(values(key_name="files"), here)


def test_images_are_given_once(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="more than once"):
        command.resolve_images((IMAGE, IMAGE.replace("@", ":1.0@")), values(), create_context(tmp_path))


def trust(**given: str) -> verify_inputs.VerifyInputs:
    flags = {"image": IMAGE, **{name.replace("_", "-"): text for name, text in given.items()}}
    return read(verify_inputs.VerifyInputs, flags, {}, lambda _notice: None)


@pytest.mark.parametrize(
    ("policy", "more", "field"),
    [
        ("{", {}, "trust-policy"),
        ("[]", {}, "trust-policy"),
        ("{}", {"trusted_identity": "C=US"}, "trusted-identity"),
        ("{}", {"verification_level": "audit"}, "verification-level"),
        ("{}", {"trusted_timestamp_root": "x"}, "trusted-timestamp-root"),
        ("{}", {"verify_timestamp": "afterCertExpiry"}, "verify-timestamp"),
    ],
)
def test_a_policy_is_read_and_stands_alone(policy: str, more: dict[str, str], field: str, tmp_path: Path) -> None:
    file = tmp_path / "trustpolicy.json"
    file.write_text(policy)
    with pytest.raises(InputError) as caught:
        verify_command.given_trust_settings(trust(trust_store="x", trust_policy=str(file), **more), {})
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"vault": "kv-voting"}, "vault-certificate"),
        ({"vault_certificate": "signing"}, "vault"),
        ({"vault": "kv-voting", "vault_certificate": "signing", "trust_store": "x"}, "vault"),
        ({"vault": "kv-voting", "vault_certificate": "signing", "trust_policy": "POLICY"}, "vault"),
        ({"trusted_identity": "C=US, ST=WA, O=x"}, "trust-store"),
        ({"verification_level": "audit"}, "trust-store"),
        ({"trusted_timestamp_root": "x"}, "trust-store"),
        ({"trusted_vault_version": "newest"}, "trust-store"),
        ({"trust_store": "x", "verify_timestamp": "afterCertExpiry"}, "trusted-timestamp-root"),
        ({"trust_policy": "POLICY"}, "trust-store"),
    ],
)
@pytest.mark.parametrize("named", ["deploy", "trace"])
def test_deploy_and_trace_are_given_whom_to_trust_wholly_or_not_at_all(
    named: str, given: dict[str, str], field: str, tmp_path: Path
) -> None:
    (tmp_path / "policy.json").write_text("{}")
    (tmp_path / "pod.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n")
    flags = {"image": IMAGE, **{name.replace("_", "-"): text for name, text in given.items()}}
    flags = {name: text.replace("POLICY", str(tmp_path / "policy.json")) for name, text in flags.items()}
    if named == "deploy":
        flags["manifests"] = str(tmp_path / "pod.yaml")
    command = load(named)
    with pytest.raises(InputError) as caught:
        command.run(read(command.options, flags, {}, lambda _notice: None), create_context(tmp_path))
    assert caught.value.field == field


def test_deploy_looks_at_signatures_itself_or_behind_a_gate(tmp_path: Path) -> None:
    (tmp_path / "pod.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n")
    flags = {"manifests": str(tmp_path / "pod.yaml"), "require-gate": "false"}
    given = read(load("deploy").options, flags, {}, lambda _notice: None)
    with pytest.raises(InputError) as caught:
        deploy.run(given, create_context(tmp_path))
    assert caught.value.field == "trust-store"
    assert "`vault`" in caught.value.remedy


class Notices(Silent):
    """Keeps what a person should know."""

    def __init__(self) -> None:
        self.kept: list[str] = []

    def notice(self, text: str) -> None:
        self.kept.append(text)


@pytest.mark.parametrize(
    ("stores", "given", "trusted", "notice"),
    [
        (("alone",), "", ["*"], ""),
        (("alone", "renewed"), "", ["*"], ""),
        (("root",), "", ["*"], "everyone is trusted whom CN=root"),
        (("alone", "root"), "", ["*"], "everyone is trusted whom CN=root"),
        (("root",), "*", ["*"], ""),
        (("root",), "C=US, ST=WA, O=x, CN=a", ["x509.subject: C=US, ST=WA, O=x, CN=a"], ""),
        (("root", "other"), "C=US, ST=WA, O=x, CN=a\nC=US, ST=WA, O=x, CN=b", None, "several authorities"),
        (("root", "alone"), "C=US, ST=WA, O=x, CN=a\nC=US, ST=WA, O=x, CN=b", None, "several authorities"),
        (("root",), "CN=a", None, "it names no C and no ST and no O"),
        (("root",), "*\nC=US, ST=WA, O=x, CN=a", None, "give it alone"),
    ],
)
def test_whom_a_trust_store_and_identities_trust(
    stores: tuple[str, ...], given: str, trusted: list[str] | None, notice: str, tmp_path: Path
) -> None:
    for name, identity in (
        ("alone", make("alone")),
        ("renewed", make("alone")),
        ("root", make_authority("root")),
        ("other", make_authority("other")),
    ):
        (tmp_path / f"{name}.crt").write_bytes(identity.chain_pem())
    more = {"trusted_identity": given} if given else {}
    store = "\n".join(str(tmp_path / f"{name}.crt") for name in stores)
    settings = verify_command.given_trust_settings(trust(trust_store=store, **more), {})
    progress = Notices()
    if trusted is None:
        with pytest.raises(InputError, match=re.escape(notice)) as caught, prepare(settings, tmp_path, progress):
            pass
        assert caught.value.field == "trusted-identity"
        return
    with prepare(settings, tmp_path, progress) as home:
        (statement,) = json.loads((home.folder / "trustpolicy.json").read_text())["trustPolicies"]
    assert statement["trustedIdentities"] == trusted
    assert [notice in text for text in progress.kept] == ([True] if notice else [])


@pytest.mark.parametrize(
    ("given", "named"),
    [("", True), ("*", True), ("C=US, ST=WA, O=s3c lab", True), ("C=US, ST=WA, O=s3c lab, CN=other", False)],
)
def test_whether_the_trusted_identities_name_a_certificate(given: str, named: bool) -> None:
    settings = verify_command.given_trust_settings(
        trust(trust_store="x", **({"trusted_identity": given} if given else {})), {}
    )
    assert matches_identities(settings, make("release").certificate) is named
    # No identity but `*` is one of a subject that notation cannot read.
    unnamed = make("x", subject_name=subject("release", ST="")).certificate
    assert matches_identities(settings, unnamed) is (given in ("", "*"))


def test_verify_needs_something_to_trust(tmp_path: Path) -> None:
    for given, field in (
        ({}, "trust-store"),
        ({"vault": "kv-voting"}, "vault-certificate"),
        ({"vault": "kv-voting", "vault_certificate": "signing", "trust_store": "x"}, "vault"),
    ):
        with pytest.raises(InputError) as caught:
            verify.run(trust(**given), create_context(tmp_path))
        assert caught.value.field == field
