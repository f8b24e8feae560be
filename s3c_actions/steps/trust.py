"""Export what a verifier needs to trust a signer: notation's files, and Ratify's manifests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from s3c_actions.cluster import yaml_text
from s3c_actions.cluster.gate import manifests
from s3c_actions.core import writing
from s3c_actions.signing import certificate_chains, certificate_identities, certificates, timestamps

if TYPE_CHECKING:
    from cryptography import x509


class VaultTrust(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate that Ratify fetches itself.

    Attributes:
        vault: the vault's address.
        certificate: its name there.
        versions: of it; an empty one is the newest at any time.
        issuers: given by the user, PEM: Ratify does not get them from the vault; empty: it does.
        tenant, client: Ratify's identity.
    """

    vault: str
    certificate: str
    versions: tuple[str, ...] = ("",)
    issuers: bytes = b""
    tenant: str
    client: str


class TrustSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A signer and how it is trusted.

    Attributes:
        chains: the signer's certificates, leaf first; several while one is renewed.
        field: the input they came from, for errors.
        name: of the trust store and of the policy's statement.
        scopes: repositories, or `*`.
        fetched: Ratify reads the certificate from this vault; None: the manifest contains it.
        timestamp_roots: root certificates of time-stamp authorities, PEM; empty: no time-stamp counts.
        timestamp_check: when a signature needs a time-stamp of theirs.
    """

    chains: tuple[tuple[x509.Certificate, ...], ...]
    field: str = "certificate"
    name: str = "s3c"
    scopes: tuple[str, ...] = ("*",)
    fetched: VaultTrust | None = None
    timestamp_roots: bytes = b""
    timestamp_check: str = timestamps.ALWAYS


def export(settings: TrustSettings, folder: Path) -> dict[str, Path]:
    """Write the files.

    Args:
        settings: the signer to trust.
        folder: receives `truststore/x509/ca/NAME/` (and `tsa/NAME/`), `trustpolicy.json` and `ratify.yaml`.

    Returns:
        `trust-store` (the folder), `trust-policy` and `ratify`, each with its path.

    Raises:
        CertificateError: no trust policy can name this signer; nothing is written.
    """
    identities = certificate_identities.pinned_identities(settings.chains, settings.field)
    anchors = dict.fromkeys(anchor for chain in settings.chains for anchor in certificate_chains.trust_anchor(chain))
    anchor = certificates.encode_pem(tuple(anchors))
    stores, stamps = folder / "truststore" / "x509", settings.timestamp_roots
    writing.write(stores / "ca" / settings.name / "certificates.pem", anchor)
    if stamps:
        writing.write(stores / "tsa" / settings.name / "certificates.pem", stamps)
    policy = folder / "trustpolicy.json"
    writing.write(policy, json.dumps(_policy(settings, identities), indent=2) + "\n")
    provider = (
        manifests.key_vault_store(
            settings.fetched.vault,
            settings.fetched.certificate,
            settings.fetched.versions,
            tenant=settings.fetched.tenant,
            client=settings.fetched.client,
        )
        if settings.fetched is not None
        else manifests.certificate_store(anchor.decode())
    )
    issuers = settings.fetched.issuers if settings.fetched is not None else b""
    own = manifests.objects_for_identities(
        identities,
        scopes=settings.scopes,
        issuers=bool(issuers),
        timestamp_check=settings.timestamp_check if stamps else "",
    )
    documents = [provider]
    if issuers:
        documents.append(manifests.certificate_store(issuers.decode(), manifests.ISSUERS_STORE_NAME))
    if stamps:
        documents.append(manifests.certificate_store(stamps.decode(), manifests.TIMESTAMP_STORE_NAME))
    documents += [document for document in own if document["apiVersion"].startswith(manifests.RATIFY_GROUP)]
    ratify = folder / "ratify.yaml"
    writing.write(ratify, yaml_text.render(documents))
    return {"trust-store": folder / "truststore", "trust-policy": policy, "ratify": ratify}


def _policy(settings: TrustSettings, identities: tuple[str, ...]) -> dict[str, object]:
    stamped = bool(settings.timestamp_roots)
    return {
        "version": "1.0",
        "trustPolicies": [
            {
                "name": settings.name,
                "registryScopes": list(settings.scopes),
                "signatureVerification": timestamps.signature_verification(
                    "strict", settings.timestamp_check, stamped=stamped
                ),
                "trustStores": [f"ca:{settings.name}", *([f"tsa:{settings.name}"] if stamped else [])],
                "trustedIdentities": list(identities),
            }
        ],
    }
