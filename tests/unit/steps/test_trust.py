"""What is written for verifiers, from a certificate in a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.x509.oid import NameOID
from msgspec.structs import replace

from s3c_actions.core.errors import InputError
from s3c_actions.options.command import load
from s3c_actions.options.declare import read
from s3c_actions.result.model import Outcome
from s3c_lab.certificates import make, make_authority, pem, subject
from tests.unit.wiring.test_signing import context

GUID = "00000000-0000-4000-8000-000000000000"


def export(folder: Path, **given: str) -> Outcome:
    command = load("trust")
    flags = {name.replace("_", "-"): text for name, text in given.items()}
    return command.run(read(command.options, flags, {}, lambda _: None), replace(context(folder), output=folder))


def test_a_signer_below_an_authority_is_pinned(tmp_path: Path) -> None:
    authority = make_authority("root")
    signer = make("signing", issuer=authority)
    (tmp_path / "chain.pem").write_bytes(signer.chain_pem())
    told = export(tmp_path, certificate=str(tmp_path / "chain.pem"), trust_name="voting", registry_scope="a.example/x")
    assert set(told.files) == {"trust-store", "trust-policy", "ratify"}
    anchor = (tmp_path / "truststore" / "x509" / "ca" / "voting" / "certificates.pem").read_bytes()
    assert anchor == pem(authority.certificate)
    (statement,) = json.loads((tmp_path / "trustpolicy.json").read_text())["trustPolicies"]
    assert statement == {
        "name": "voting",
        "registryScopes": ["a.example/x"],
        "signatureVerification": {"level": "strict"},
        "trustStores": ["ca:voting"],
        "trustedIdentities": ["x509.subject:C=US,ST=WA,O=s3c lab,CN=signing"],
    }
    text = (tmp_path / "ratify.yaml").read_text()
    assert "value: |\n" in text
    provider, verifier, policy = yaml.safe_load_all(text)
    assert provider["spec"]["parameters"]["value"] == anchor.decode()
    assert [one["kind"] for one in (provider, verifier, policy)] == ["KeyManagementProvider", "Verifier", "Policy"]


def odd(*more: x509.NameAttribute[str], **parts: str) -> x509.Name:
    return x509.Name([*subject("odd", **parts), *more])


ODD = {
    "emailAddress": odd(x509.NameAttribute(NameOID.EMAIL_ADDRESS, "sec@s3c.example")),
    "UID": odd(x509.NameAttribute(NameOID.USER_ID, "7")),
    "DC": odd(x509.NameAttribute(NameOID.DOMAIN_COMPONENT, "example")),
    "OU twice": odd(*(x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, one) for one in "ab")),
    "no ST": odd(ST=""),
}


@pytest.mark.parametrize("name", ODD.values(), ids=ODD)
def test_everyone_is_trusted_only_where_that_is_the_signer_alone(name: x509.Name, tmp_path: Path) -> None:
    alone, issued = make("odd", subject_name=name), make("odd", subject_name=name, issuer=make_authority("root"))
    for one in (alone, issued):
        (tmp_path / "chain.pem").write_bytes(one.chain_pem())
        if one is issued:
            break
        export(tmp_path, certificate=str(tmp_path / "chain.pem"), registry_scope="a.example/x")
        (statement,) = json.loads((tmp_path / "trustpolicy.json").read_text())["trustPolicies"]
        provider, verifier, _ = yaml.safe_load_all((tmp_path / "ratify.yaml").read_text())
        (ratify,) = verifier["spec"]["parameters"]["trustPolicyDoc"]["trustPolicies"]
        for policy in (statement, ratify):
            assert (policy["trustedIdentities"], policy["registryScopes"]) == (["*"], ["a.example/x"])
        own = pem(alone.certificate)
        assert provider["spec"]["parameters"]["value"].encode() == own
        assert (tmp_path / "truststore" / "x509" / "ca" / "s3c" / "certificates.pem").read_bytes() == own
    folder = tmp_path / "issued"
    with pytest.raises(InputError) as caught:
        export(folder, certificate=str(tmp_path / "chain.pem"))
    assert (caught.value.field, caught.value.exit_code) == ("certificate", 2)
    assert not folder.exists() or not list(folder.iterdir())


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({}, "vault"),
        ({"vault": "kv-voting", "vault_certificate": "signing", "certificate": "CERTIFICATE"}, "certificate"),
        ({"certificate": "missing.crt"}, "certificate"),
        (
            {"certificate": "CERTIFICATE", "ratify_client_id": "00000000-0000-4000-8000-000000000000"},
            "ratify-client-id",
        ),
        ({"certificate": "CERTIFICATE", "trust_name": "../x"}, "trust-name"),
        ({"certificate": "CERTIFICATE", "task": "import"}, "task"),
    ],
)
def test_wrong_input_is_named(given: dict[str, str], field: str, tmp_path: Path) -> None:
    make("signing").write(tmp_path, "signing")
    where = {name: str(tmp_path / "signing.crt") if text == "CERTIFICATE" else text for name, text in given.items()}
    with pytest.raises(InputError) as caught:
        export(tmp_path, **where)
    assert caught.value.field == field
    assert not (tmp_path / "trustpolicy.json").exists()
