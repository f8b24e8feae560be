"""Export what a verifier needs to trust one signer: notation's files, and Ratify's manifests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from s3c_actions.cluster.gate import manifests
from s3c_actions.core import writing
from s3c_actions.signing import certificates

if TYPE_CHECKING:
    from cryptography import x509

    from s3c_actions.cluster.client import KubernetesObject


class VaultTrust(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate that Ratify fetches itself: the vault's address, its name there, and Ratify's identity."""

    vault: str
    certificate: str
    tenant: str
    client: str


class TrustSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A signer and how it is trusted.

    Attributes:
        chain: the signer's certificates, leaf first.
        field: the input they came from, for errors.
        name: of the trust store and of the policy's statement.
        scopes: repositories, or `*`.
        fetched: Ratify reads the certificate from this vault; None: the manifest contains it.
    """

    chain: tuple[x509.Certificate, ...]
    field: str = "certificate"
    name: str = "s3c"
    scopes: tuple[str, ...] = ("*",)
    fetched: VaultTrust | None = None


def export(settings: TrustSettings, folder: Path) -> dict[str, Path]:
    """Write the files.

    Args:
        settings: the signer to trust.
        folder: receives `truststore/x509/ca/NAME/`, `trustpolicy.json` and `ratify.yaml`.

    Returns:
        `trust-store` (the folder), `trust-policy` and `ratify`, each with its path.

    Raises:
        CertificateError: no trust policy can name this signer; nothing is written.
    """
    identity = certificates.pinned_identity(settings.chain, settings.field)
    anchor = certificates.encode_pem(certificates.trust_anchor(settings.chain))
    store = folder / "truststore" / "x509" / "ca" / settings.name
    writing.write(store / "certificates.pem", anchor)
    policy = folder / "trustpolicy.json"
    writing.write(policy, json.dumps(_policy(settings, identity), indent=2) + "\n")
    provider = (
        manifests.key_vault_store(
            settings.fetched.vault,
            settings.fetched.certificate,
            tenant=settings.fetched.tenant,
            client=settings.fetched.client,
        )
        if settings.fetched is not None
        else manifests.certificate_store(anchor.decode())
    )
    own = manifests.objects_for_identities((identity,), scopes=settings.scopes)
    documents = [provider, *(document for document in own if document["apiVersion"].startswith(manifests.RATIFY_GROUP))]
    ratify = folder / "ratify.yaml"
    writing.write(ratify, _yaml(documents))
    return {"trust-store": folder / "truststore", "trust-policy": policy, "ratify": ratify}


def _yaml(documents: list[KubernetesObject]) -> str:
    """Return YAML with certificates in block scalars, line by line."""
    import yaml

    class Dumper(yaml.SafeDumper):  # type: ignore[misc]
        pass

    def text(dumper: Any, value: str) -> Any:
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)

    Dumper.add_representer(str, text)
    return str(yaml.dump_all(documents, Dumper=Dumper, sort_keys=False, allow_unicode=True))


def _policy(settings: TrustSettings, identity: str) -> dict[str, object]:
    return {
        "version": "1.0",
        "trustPolicies": [
            {
                "name": settings.name,
                "registryScopes": list(settings.scopes),
                "signatureVerification": {"level": "strict"},
                "trustStores": [f"ca:{settings.name}"],
                "trustedIdentities": [identity],
            }
        ],
    }
