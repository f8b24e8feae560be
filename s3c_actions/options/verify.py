"""Inputs of `verify`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from s3c_actions.core import pasted
from s3c_actions.options import Input, choice, lines
from s3c_actions.options.common import IMAGE, ImageOptions, OutputOptions, path, paths
from s3c_actions.options.programs import NOTATION, PROGRAMS_MIRROR
from s3c_actions.options.registry import REGISTRY_INPUTS
from s3c_actions.options.sign import USER_METADATA, CertificateOptions, MetadataOptions, NotationOptions
from s3c_actions.options.vault import CERTIFICATE_INPUTS, VaultOptions

LEVELS = ("strict", "permissive", "audit")


TRUST_STORE: Input[tuple[Path, ...]] = Input(
    name="trust-store",
    help="Certificates to trust: files (PEM or DER) or folders of them, one a line, or the PEM itself. With "
    "`trust-policy`, the folder that holds notation's `x509/TYPE/NAME/`. Needed unless `vault` "
    "names the certificate to trust.",
    parse=paths,
    takes=(pasted.CERTIFICATE,),
    absent=(),
    many=True,
    example="signing-root.crt",
)
TRUST_POLICY: Input[Path | None] = Input(
    name="trust-policy",
    help="Notation's trust policy (JSON). Without it, one is made from the inputs below: for every repository, strict.",
    parse=path,
    example="trustpolicy.json",
)
TRUSTED_IDENTITY: Input[tuple[str, ...]] = Input(
    name="trusted-identity",
    help="Subject of a signer to trust, one a line; it names at least C, ST and O. Without it, any signer is trusted "
    "whose certificate the trust store leads to.",
    parse=lines,
    absent=(),
    many=True,
    example="C=US, ST=WA, O=wabbit-networks.io",
)
LEVEL = Input(
    name="verification-level",
    help="Level of the policy that is made. Integrity and origin are held at every level; `strict` holds expiry, "
    "time-stamp and revocation as well, `permissive` and `audit` only warn of them.",
    parse=choice(*LEVELS),
    default="strict",
    absent="strict",
    choices=LEVELS,
)
TIMESTAMP_ROOTS: Input[tuple[Path, ...]] = Input(
    name="trusted-timestamp-root",
    help="Root certificates of time-stamp authorities, one a line. With one, a signature needs a time-stamp of theirs.",
    parse=paths,
    absent=(),
    many=True,
    example="digicert-tsa-root.cer",
)

TRUST_INPUTS: tuple[Input[Any], ...] = (TRUST_STORE, TRUST_POLICY, TRUSTED_IDENTITY, LEVEL, TIMESTAMP_ROOTS)
INPUTS: tuple[Input[Any], ...] = (
    IMAGE,
    *TRUST_INPUTS,
    *CERTIFICATE_INPUTS,
    USER_METADATA,
    *REGISTRY_INPUTS,
    *NOTATION.all,
    PROGRAMS_MIRROR,
)


class TrustOptions(VaultOptions):
    """Whom to trust: a trust store, or a certificate in Azure Key Vault."""

    trust_store = TRUST_STORE
    trust_policy = TRUST_POLICY
    trusted_identity = TRUSTED_IDENTITY
    verification_level = LEVEL
    trusted_timestamp_root = TIMESTAMP_ROOTS


class VerifyingOptions(TrustOptions, MetadataOptions, NotationOptions):
    """How signatures are verified."""


class VouchingOptions(CertificateOptions, TrustOptions, NotationOptions):
    """Whose signature on an image of an earlier run counts: that of whom is trusted, else of the certificate."""


class VerifyInputs(VerifyingOptions, ImageOptions, OutputOptions, order=INPUTS):
    """Of `verify`."""
