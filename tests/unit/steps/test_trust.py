"""What is written for verifiers, from a certificate in a file."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.x509.oid import NameOID

from s3c_actions.core.errors import InputError
from s3c_actions.options.command import load
from s3c_actions.options.declare import read
from s3c_actions.result.model import Outcome
from s3c_lab.certificates import Identity, make, make_authority, pem, subject
from tests.support.contexts import create_context

NOW = datetime.now(UTC)
GUID = "00000000-0000-4000-8000-000000000000"


def export(folder: Path, **given: str) -> Outcome:
    command = load("trust")
    flags = {name.replace("_", "-"): text for name, text in given.items()}
    return command.run(read(command.options, flags, {}, lambda _: None), create_context(folder, output=folder))


def test_a_signer_below_an_authority_is_pinned(tmp_path: Path) -> None:
    authority = make_authority("root")
    signer = make("signing", issuer=authority)
    (tmp_path / "chain.pem").write_bytes(signer.chain_pem())
    exported = export(
        tmp_path, certificate=str(tmp_path / "chain.pem"), trust_name="voting", registry_scope="a.example/x"
    )
    assert set(exported.files) == {"trust-store", "trust-policy", "ratify"}
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
    assert [document["kind"] for document in (provider, verifier, policy)] == [
        "KeyManagementProvider",
        "Verifier",
        "Policy",
    ]


def odd(*more: x509.NameAttribute[str], **parts: str) -> x509.Name:
    return x509.Name([*subject("odd", **parts), *more])


ODD = {
    "emailAddress": odd(x509.NameAttribute(NameOID.EMAIL_ADDRESS, "sec@s3c.example")),
    "UID": odd(x509.NameAttribute(NameOID.USER_ID, "7")),
    "DC": odd(x509.NameAttribute(NameOID.DOMAIN_COMPONENT, "example")),
    "OU twice": odd(*(x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit) for unit in "ab")),
    "no ST": odd(ST=""),
}


@pytest.mark.parametrize("name", ODD.values(), ids=ODD)
def test_everyone_is_trusted_only_where_that_is_the_signer_alone(name: x509.Name, tmp_path: Path) -> None:
    alone, issued = make("odd", subject_name=name), make("odd", subject_name=name, issuer=make_authority("root"))
    for identity in (alone, issued):
        (tmp_path / "chain.pem").write_bytes(identity.chain_pem())
        if identity is issued:
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


def test_two_certificates_of_one_signer_are_trusted_at_once(tmp_path: Path) -> None:
    """While a certificate is renewed; the same subject is named once, and neither admits anybody else."""
    authority = make_authority("root")
    file = tmp_path / "both.pem"

    def exported(*signers: Identity) -> list[str]:
        file.write_bytes(b"".join(signer.chain_pem() for signer in signers))
        export(tmp_path, certificate=str(file))
        (statement,) = json.loads((tmp_path / "trustpolicy.json").read_text())["trustPolicies"]
        return list(statement["trustedIdentities"])

    store = tmp_path / "truststore/x509/ca/s3c/certificates.pem"
    named = "x509.subject:C=US,ST=WA,O=s3c lab,CN=signing"
    assert exported(make("signing", issuer=authority), make("signing", issuer=authority)) == [named]
    assert store.read_bytes() == pem(authority.certificate)
    old, new = make("signing"), make("renewed")
    assert exported(old, new) == [named, named.replace("signing", "renewed")]
    assert store.read_bytes() == pem(old.certificate) + pem(new.certificate)
    # Another authority's signer: each authority could certify the other's subject.
    with pytest.raises(InputError, match="neither the subject nor the authority in common"):
        exported(make("other", issuer=authority), new)


def test_trusted_time_stamps_are_exported_for_notation_and_ratify(tmp_path: Path) -> None:
    root = make_authority("tsa root").chain_pem()
    (tmp_path / "tsa.crt").write_bytes(root)
    ended = make("signing", start=NOW - timedelta(days=9), end=NOW - timedelta(days=1))
    (tmp_path / "signing.crt").write_bytes(ended.chain_pem())
    chain = str(tmp_path / "signing.crt")
    with pytest.raises(InputError, match="expired"):
        export(tmp_path, certificate=chain)
    export(
        tmp_path,
        certificate=chain,
        trusted_timestamp_root=str(tmp_path / "tsa.crt"),
        verify_timestamp="afterCertExpiry",
    )
    (statement,) = json.loads((tmp_path / "trustpolicy.json").read_text())["trustPolicies"]
    assert statement["trustStores"] == ["ca:s3c", "tsa:s3c"]
    assert statement["signatureVerification"] == {"level": "strict", "verifyTimestamp": "afterCertExpiry"}
    assert (tmp_path / "truststore/x509/tsa/s3c/certificates.pem").read_bytes() == root
    signers, stamps, verifier, _ = yaml.safe_load_all((tmp_path / "ratify.yaml").read_text())
    assert stamps["spec"]["parameters"]["value"].encode() == root
    names = signers["metadata"]["name"], stamps["metadata"]["name"]
    parameters = verifier["spec"]["parameters"]
    assert parameters["verificationCertStores"] == {"ca": {names[0]: [names[0]]}, "tsa": {names[1]: [names[1]]}}
    (ratify,) = parameters["trustPolicyDoc"]["trustPolicies"]
    assert ratify["trustStores"] == [f"ca:{names[0]}", f"tsa:{names[1]}"]
    assert ratify["signatureVerification"] == statement["signatureVerification"]


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({}, "task"),
        ({"task": "export"}, "vault"),
        ({"vault": "kv-voting", "vault_certificate": "signing", "certificate": "CERTIFICATE"}, "certificate"),
        ({"certificate": "missing.crt"}, "certificate"),
        (
            {"certificate": "CERTIFICATE", "ratify_client_id": "00000000-0000-4000-8000-000000000000"},
            "ratify-client-id",
        ),
        ({"certificate": "CERTIFICATE", "trust_name": "../x"}, "trust-name"),
        ({"certificate": "CERTIFICATE", "trusted_vault_version": "newest"}, "trusted-vault-version"),
        ({"certificate": "CERTIFICATE", "verify_timestamp": "afterCertExpiry"}, "trusted-timestamp-root"),
        ({"certificate": "CERTIFICATE", "trusted_timestamp_root": "CERTIFICATE"}, "trusted-timestamp-root"),
        ({"certificate": "CERTIFICATE", "task": "import"}, "task"),
        ({"certificate": "CERTIFICATE", "image": "registry.example/app"}, "image"),
        ({"certificate": "CERTIFICATE", "task": "list-signed"}, "image"),
        ({"task": "list-signed", "image": "registry.example/app"}, "vault"),
    ],
)
def test_wrong_input_is_named(given: dict[str, str], field: str, tmp_path: Path) -> None:
    make("signing").write(tmp_path, "signing")
    where = {name: str(tmp_path / "signing.crt") if text == "CERTIFICATE" else text for name, text in given.items()}
    with pytest.raises(InputError) as caught:
        export(tmp_path, **where)
    assert caught.value.field == field
    assert not (tmp_path / "trustpolicy.json").exists()
