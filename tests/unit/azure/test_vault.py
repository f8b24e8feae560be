"""The chain of a vault's certificate: from its secret, which has the issuers in any order."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
from cryptography import x509

from s3c_actions.azure import clouds
from s3c_actions.azure.clouds import Cloud
from s3c_actions.azure.vault import Vault, vault_host
from s3c_actions.core.errors import InputError
from s3c_actions.core.progress import Silent
from s3c_lab.certificates import Identity, make, make_authority
from tests.support.azure import vault as stand_in
from tests.support.azure.in_process import Network, network
from tests.support.azure.web import json_answer

PEM, PKCS12 = "application/x-pem-file", "application/x-pkcs12"
ROOT = make_authority("root")
SIGNING = make("signing", issuer=make_authority("issuing", issuer=ROOT), authority=False)
LEAF, ISSUING, TOP = SIGNING.chain
# Authorities of the same names, with other keys: renewed, or another's.
OTHER_ROOT = make_authority("root").certificate
OTHER_ISSUING = make_authority("issuing", issuer=ROOT).certificate


@pytest.fixture
def net(monkeypatch: pytest.MonkeyPatch) -> Network:
    return network(monkeypatch)


def read(
    net: Network, identity: Identity, stored: Sequence[x509.Certificate] = (), content_type: str = PEM, **options: bool
) -> tuple[x509.Certificate, ...]:
    key_vault = stand_in.Vault("kv-voting", net.entra, rights={net.application.object: stand_in.ALL})
    key_vault.add("signing", identity, stored=tuple(stored), content_type=content_type, **options)
    net.sites.applications[key_vault.host] = key_vault
    return Vault(key_vault.host, net.identity(), Silent()).certificate("signing").chain


@pytest.mark.parametrize("content_type", [PEM, PKCS12])
@pytest.mark.parametrize("stored", list(itertools.permutations(SIGNING.chain)))
def test_the_chain_follows_the_issuers_whatever_the_order(
    net: Network, content_type: str, stored: tuple[x509.Certificate, ...]
) -> None:
    assert read(net, SIGNING, stored, content_type) == SIGNING.chain


@pytest.mark.parametrize("content_type", [PEM, PKCS12])
def test_the_secret_may_be_without_the_certificate_itself(net: Network, content_type: str) -> None:
    assert read(net, SIGNING, (TOP, ISSUING), content_type) == SIGNING.chain


@pytest.mark.parametrize(
    "stored",
    [
        (OTHER_ISSUING, OTHER_ROOT, TOP, ISSUING, LEAF),
        (LEAF, LEAF, OTHER_ROOT, OTHER_ISSUING, ISSUING, ISSUING, TOP),
        (TOP, LEAF, make("stranger").certificate, ISSUING),
    ],
    ids=["renewed first", "twice", "a stranger's"],
)
def test_of_several_of_one_name_the_one_that_signed_is_taken(
    net: Network, stored: tuple[x509.Certificate, ...]
) -> None:
    assert read(net, SIGNING, stored) == SIGNING.chain


@pytest.mark.parametrize(
    ("stored", "chain"),
    [
        ((LEAF,), (LEAF,)),
        ((TOP, LEAF), (LEAF,)),
        ((ISSUING, LEAF), (LEAF, ISSUING)),
        ((LEAF, OTHER_ISSUING, TOP), (LEAF, OTHER_ISSUING, TOP)),
    ],
    ids=["alone", "no intermediate", "no root", "another's intermediate, which the rules then name"],
)
def test_a_chain_ends_where_an_issuer_is_missing(
    net: Network, stored: tuple[x509.Certificate, ...], chain: tuple[x509.Certificate, ...]
) -> None:
    assert read(net, SIGNING, stored) == chain


def test_a_self_signed_certificate_stands_alone_and_its_secret_is_not_read(net: Network, identity: Identity) -> None:
    assert read(net, identity, (TOP, LEAF)) == (identity.certificate,)
    assert not [request for request in net.sites.requests if request.path.startswith("/secrets")]


def test_the_secret_of_an_exportable_certificate_is_not_read(net: Network) -> None:
    with pytest.raises(InputError, match="exportable") as raised:
        read(net, SIGNING, exportable=True)
    assert raised.value.field == "vault-ca-certs"
    assert not [request for request in net.sites.requests if request.path.startswith("/secrets")]


@pytest.mark.parametrize(
    "document",
    [
        {"value": "", "contentType": PKCS12},
        {"value": "no base64!", "contentType": PKCS12},
        {"value": "bm8gUEtDUyMxMg==", "contentType": PKCS12},
        {"value": "something else", "contentType": PEM},
        {"value": "something else", "contentType": "text/plain"},
        {"value": "something else"},
    ],
)
def test_a_secret_that_gives_no_issuers_is_named(
    net: Network, monkeypatch: pytest.MonkeyPatch, document: dict[str, str]
) -> None:
    monkeypatch.setattr(stand_in.Vault, "_secret", lambda *_: json_answer(document))
    with pytest.raises(InputError, match=r"does not give the issuers|no certificate that can be read") as raised:
        read(net, SIGNING)
    assert raised.value.field in {"vault-ca-certs", "vault-certificate"}


@pytest.mark.parametrize("cloud", clouds.CLOUDS, ids=lambda cloud: cloud.name)
def test_every_clouds_vault_signs(net: Network, identity: Identity, cloud: Cloud) -> None:
    net.sites.applications[cloud.authority] = net.entra
    net.entra.resources.add(f"https://{cloud.vaults}")
    key_vault = stand_in.Vault("kv-voting", net.entra, {net.application.object: stand_in.SIGNER}, domain=cloud.vaults)
    key_vault.add("signing", identity)
    net.sites.applications[key_vault.host] = key_vault
    vault = Vault(vault_host("kv-voting", cloud.vaults), net.identity(cloud=cloud), Silent())
    certificate = vault.certificate("signing")
    assert vault.sign(certificate, "ES256", bytes(32))
    assert certificate.key_id.startswith(f"https://kv-voting.{cloud.vaults}/keys/signing/")
