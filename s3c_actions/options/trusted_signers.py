"""Inputs that say which signers are trusted, and how far."""

from __future__ import annotations

from pathlib import Path

from s3c_actions.core import pasted_content
from s3c_actions.options.common import path, paths
from s3c_actions.options.declare import Input
from s3c_actions.options.parse import choice, lines, some
from s3c_actions.options.vault import VaultOptions, trusted_versions
from s3c_actions.signing import timestamps

LEVELS = ("strict", "permissive", "audit")


class TrustOptions(VaultOptions):
    """The trusted signers: by a trust store, or by a certificate in Azure Key Vault."""

    trust_store: Input[tuple[Path, ...]] = Input(
        name="trust-store",
        basic=("patch", "verify", "trace", "deploy", "gate"),
        help="Certificates to trust: files (PEM or DER) or folders of them, one a line, or the PEM itself. With "
        "`trust-policy`, the folder that holds notation's `x509/TYPE/NAME/`. Needed unless `vault` "
        "names the certificate to trust.",
        parse=some(paths, "a path, or several by lines"),
        takes=(pasted_content.CERTIFICATE,),
        absent=(),
        many=True,
        example="signing-root.crt",
    )
    trust_policy: Input[Path | None] = Input(
        name="trust-policy",
        basic=("verify",),
        help="Notation's trust policy (JSON). Without it, one is made from the inputs below: for every repository, "
        "strict.",
        parse=path,
        example="trustpolicy.json",
    )
    trusted_identity: Input[tuple[str, ...]] = Input(
        name="trusted-identity",
        basic=("verify", "trace", "deploy", "gate"),
        metavar="SUBJECT",
        help="Subject of a signer to trust, one a line; it names at least C, ST and O. Without it, any signer is "
        "trusted whose certificate the trust store leads to.",
        parse=some(lines, "a subject, or several by lines"),
        absent=(),
        many=True,
        example="C=US, ST=WA, O=wabbit-networks.io",
    )
    verification_level = Input(
        name="verification-level",
        metavar="LEVEL",
        help="Level of the policy that is made. Integrity and origin are held at every level; `strict` holds expiry, "
        "time-stamp and revocation as well, `permissive` and `audit` only warn of them.",
        parse=choice(*LEVELS),
        default="strict",
        absent="strict",
        choices=LEVELS,
    )
    trusted_timestamp_root: Input[tuple[Path, ...]] = Input(
        name="trusted-timestamp-root",
        help="Root certificates of time-stamp authorities: files (PEM or DER) or folders of them, one a line, or the "
        "PEM itself. A signature with a time-stamp of theirs outlives its certificate.",
        parse=some(paths, "a path, or several by lines"),
        takes=(pasted_content.CERTIFICATE,),
        absent=(),
        many=True,
        example="digicert-tsa-root.cer",
    )
    verify_timestamp: Input[str] = Input(
        name="verify-timestamp",
        metavar="WHEN",
        help="With `trusted-timestamp-root`: which signatures need a time-stamp. `always` is every one; with "
        "`afterCertExpiry` a signature without a time-stamp counts as long as its certificate is valid.",
        parse=choice(*timestamps.CHECKS),
        default=timestamps.ALWAYS,
        absent=timestamps.ALWAYS,
        choices=timestamps.CHECKS,
    )
    trusted_vault_version: Input[tuple[str, ...]] = Input(
        name="trusted-vault-version",
        metavar="VERSION,…",
        help="With `vault`: versions of the certificate that are trusted, one a line; `newest` is the newest of that "
        "moment. Name the old one and the new one while a certificate is renewed. Without it, the version that "
        "`vault-certificate-version` names, or the newest.",
        parse=trusted_versions,
        absent=(),
        many=True,
        example="newest",
    )
