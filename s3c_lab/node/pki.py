"""The keys and certificates of one lab node: an authority of its own, which lives as long as the node."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from s3c_lab.certificates import SERVER_AUTH, make, make_authority, subject

LIFE = timedelta(days=30)
# What clients call the API server: through the published port, on the node, and by its Service.
NAMES = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")
ADDRESSES = ("127.0.0.1", "10.96.0.1")


def node_certificates(node: str) -> Mapping[str, bytes]:
    """New keys and certificates.

    Args:
        node: the name under which the kubelet signs in.

    Returns:
        PEM by file name: `ca.crt`; `apiserver`, `admin` and `kubelet` as `.crt` and `.key`; `service-accounts.key` and
        `.pub`.
    """
    end = datetime.now(UTC) + LIFE
    authority = make_authority("s3c-lab")
    alternatives = (*(x509.DNSName(n) for n in NAMES), *(x509.IPAddress(ip_address(a)) for a in ADDRESSES))
    files = {"ca.crt": authority.chain_pem()}
    for file, name, group in (
        ("apiserver", "kube-apiserver", "s3c lab"),
        ("admin", "s3c-lab-admin", "system:masters"),
        ("kubelet", f"system:node:{node}", "system:nodes"),
    ):
        identity = make(
            name,
            issuer=authority,
            subject_name=subject(name, O=group),
            end=end,
            extended=(SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH),
            alternatives=alternatives if file == "apiserver" else (),
        )
        files[f"{file}.crt"], files[f"{file}.key"] = identity.chain_pem(), identity.key_pem()
    # RS256, which every client that reads service account tokens knows.
    accounts = rsa.generate_private_key(65537, 2048)
    pkcs8, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    files["service-accounts.key"] = accounts.private_bytes(serialization.Encoding.PEM, pkcs8, plain)
    files["service-accounts.pub"] = accounts.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return files
