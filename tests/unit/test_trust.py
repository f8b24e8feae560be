"""What is written for verifiers, from a certificate in a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from msgspec.structs import replace

from s3c_actions.commands import load
from s3c_actions.errors import InputError
from s3c_actions.inputs import resolve
from s3c_actions.steps.results import Outcome
from s3c_lab.certificates import make, make_authority, pem
from tests.unit.test_signing_inputs import context

GUID = "00000000-0000-4000-8000-000000000000"


def export(folder: Path, **given: str) -> Outcome:
    command = load("trust")
    flags = {name.replace("_", "-"): text for name, text in given.items()}
    return command.run(resolve(command.inputs, flags, {}, lambda _: None), replace(context(folder), output=folder))


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
