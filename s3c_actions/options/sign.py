"""Inputs of `sign`; those that describe a signature are inputs of `chain` as well."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from s3c_actions.core import pasted_content
from s3c_actions.options import other_actions
from s3c_actions.options.base_image import BaseImageOptions
from s3c_actions.options.command import Command
from s3c_actions.options.common import ImageOptions, JobOptions, OutputOptions, path, path_text
from s3c_actions.options.declare import Group, Input
from s3c_actions.options.evidence import EarlierOptions, EvidenceOptions
from s3c_actions.options.exploitation import ExploitationOptions
from s3c_actions.options.parse import boolean, choice, duration, integer, lines, text
from s3c_actions.options.programs import NotationProgram, ProgramsMirror, TrivyProgram, sha256_text
from s3c_actions.options.registry import REGISTRY_INPUTS, NotationOptions
from s3c_actions.options.report import PolicyOptions, ThresholdOptions, UnscannedOptions
from s3c_actions.options.vault import VAULT_PLUGINS, VaultCertificateOptions, VaultOptions

RESERVED_PREFIX = "io.cncf.notary"


def key_value_lines(value: str) -> Mapping[str, str]:
    """Parse `key=value` lines; each key once, neither part empty."""
    pairs: dict[str, str] = {}
    for line in lines(value):
        key, equals, content = line.partition("=")
        if not equals or not key.strip() or not content.strip():
            raise ValueError("lines of key=value")
        if key.strip() in pairs:
            raise ValueError(
                f"lines of key=value with each key once: {pasted_content.quote_value(key.strip())} is there twice"
            )
        pairs[key.strip()] = content.strip()
    return pairs


def metadata(value: str) -> Mapping[str, str]:
    """Parse `key=value` lines whose keys are not reserved.

    https://github.com/notaryproject/specifications/blob/main/specs/signature-specification.md#payload
    """
    pairs = key_value_lines(value)
    for key in pairs:
        if key.startswith(RESERVED_PREFIX):
            raise ValueError(f"free to use: keys that begin with {RESERVED_PREFIX} are the Notary Project's own")
    return pairs


def whole_seconds(value: str) -> float:
    """Parse a duration of at least a second, in whole seconds."""
    seconds = duration(value)
    if seconds < 1 or seconds != int(seconds):
        raise ValueError("a duration of whole seconds, such as 12h or 30d")
    return seconds


def web_address(value: str) -> str:
    """Parse an http or https address."""
    if not re.fullmatch(r"https?://[^\s/]+\S*", value.strip()):
        raise ValueError("an http:// or https:// address")
    return value.strip()


class MetadataOptions(Group):
    """Metadata that is signed with the image."""

    user_metadata: Input[Mapping[str, str]] = Input(
        name="user-metadata",
        basic=("sign", "verify"),
        help="Facts signed along with the digest, `key=value`, one a line. `verify` asks for them.",
        parse=metadata,
        absent={},
        many=True,
        example="commit=1a2b3c4",
    )


class CertificateOptions(Group):
    """The certificate of the key that signs."""

    certificate: Input[Path | None] = Input(
        name="certificate",
        basic=("chain", "sign", "attach", "trust", "refresh", "exception grant", "exception revoke"),
        help="Certificates of the key, a file's path or the PEM itself: the signing certificate first, each issuer "
        "after it, the root last.",
        parse=path,
        takes=(pasted_content.CERTIFICATE,),
        instead="Give the certificates alone, in PEM, or the path of a file that has them; a private key is `key-pem`.",
        example="signing.crt",
    )


class KeyOptions(CertificateOptions, VaultOptions):
    """The key that signs."""

    key = Input(
        name="key",
        basic=("chain", "sign", "attach", "refresh", "exception grant", "exception revoke"),
        help="Private key in PEM (PKCS#8, PKCS#1 or SEC 1), encrypted or not. Goes with `certificate`.",
        parse=path,
        instead="Give it as `key-pem`, from a secret, or write it to a file and give the file's path.",
        example="signing.key",
    )
    key_pem = Input(
        name="key-pem",
        help="The private key itself in PEM, instead of `key`: for a workflow that keeps it as a secret.",
        parse=text,
        absent="",
        secret=True,
    )
    pkcs12 = Input(
        name="pkcs12",
        basic=("sign",),
        help="Key and certificates in one PKCS#12 file (`.pfx`, `.p12`), instead of `key` and `certificate`.",
        parse=path,
        instead="Write it to a file, out of its base64 (`base64 -d`), and give the file's path; PEM is `key-pem`.",
        example="signing.pfx",
    )
    key_password = Input(
        name="key-password",
        basic=("sign",),
        help="Password of `key`, `key-pem` or `pkcs12`.",
        parse=text,
        absent="",
        secret=True,
    )
    key_name = Input(
        name="key-name",
        metavar="NAME",
        help="Name of a key in notation's own configuration (`notation key list`), instead of a file.",
        parse=text,
        absent="",
        example="wabbit-networks.io",
    )
    plugin = Input(
        name="plugin",
        metavar="NAME",
        help="Notation plugin that signs: the name of an installed one, or the path of its executable, folder or "
        "archive. Goes with `key-id`.",
        parse=path_text,
        absent="",
        example="azure-kv",
        aliases={"plugin-name": "notation-action"},
    )
    plugin_url = Input(
        name="plugin-url",
        help="Address of the plugin's archive (`.tar.gz`, `.zip`). Goes with `plugin-checksum`.",
        parse=web_address,
        absent="",
    )
    plugin_checksum = Input(
        name="plugin-checksum",
        help="SHA-256 of the plugin's archive; without it nothing that was downloaded is run.",
        parse=sha256_text,
        absent="",
    )
    key_id = Input(
        name="key-id",
        metavar="ID",
        help="The key, as the plugin names it.",
        parse=text,
        absent="",
        example="https://kv-voting.vault.azure.net/keys/signing/0123456789abcdef",
    )
    plugin_config: Input[Mapping[str, str]] = Input(
        name="plugin-config",
        help="Settings of the plugin, `key=value`, one a line.",
        parse=key_value_lines,
        absent={},
        many=True,
        example="self_signed=true",
    )
    vault_plugin = Input(
        name="vault-plugin",
        help="Notation plugin that signs with the vault's key: the one that comes with s3c, or the official "
        "`azure-kv`, installed, or downloaded and checked.",
        parse=choice(*VAULT_PLUGINS),
        default="s3c-azure",
        absent="s3c-azure",
        choices=VAULT_PLUGINS,
    )


class SignatureOptions(MetadataOptions):
    """The properties of a signature."""

    signature_format = Input(
        name="signature-format",
        help="Envelope of the signature. COSE is an IETF standard, smaller, and what Azure's and Ratify's guides use; "
        "every verifier of the Notary Project reads both.",
        parse=choice("cose", "jws"),
        default="cose",
        absent="cose",
        choices=("cose", "jws"),
    )
    timestamp_url = Input(
        name="timestamp-url",
        basic=("sign",),
        help="RFC 3161 time-stamp authority: with its time-stamp a signature outlives its certificate. "
        "Goes with `timestamp-root-cert`.",
        parse=web_address,
        absent="",
        example="http://timestamp.digicert.com",
    )
    timestamp_root_cert: Input[Path | None] = Input(
        name="timestamp-root-cert",
        help="Root certificate of the time-stamp authority: a file (PEM or DER), or the PEM itself.",
        parse=path,
        takes=(pasted_content.CERTIFICATE,),
        example="digicert-tsa-root.cer",
    )
    signature_expiry = Input(
        name="signature-expiry",
        help="How long the signature is valid; without it, as long as its certificate (or its time-stamp) makes it.",
        parse=whole_seconds,
        absent=0.0,
        example="90d",
        aliases={"expiry": "notation"},
    )
    force_referrers_tag = Input(
        name="force-referrers-tag",
        help="List the signature under the referrers tag (`sha256-…`), which every registry can do. `false` uses the "
        "registry's Referrers API and falls back to the tag by itself.",
        parse=boolean,
        default="true",
        absent=True,
    )
    certificate_warning_days = Input(
        name="certificate-warning-days",
        metavar="DAYS",
        help="Warn when the signing certificate expires within so many days.",
        parse=integer(0, 3650),
        default="30",
        absent=30,
    )


class SigningOptions(KeyOptions, SignatureOptions, NotationOptions):
    """How images in a registry are signed."""


KEY_INPUTS: tuple[Input[Any], ...] = (
    KeyOptions.key,
    KeyOptions.key_pem,
    CertificateOptions.certificate,
    KeyOptions.pkcs12,
    KeyOptions.key_password,
    KeyOptions.key_name,
    KeyOptions.plugin,
    KeyOptions.plugin_url,
    KeyOptions.plugin_checksum,
    KeyOptions.key_id,
    KeyOptions.plugin_config,
    *VaultCertificateOptions.own(),
    KeyOptions.vault_plugin,
)

SIGNATURE_INPUTS: tuple[Input[Any], ...] = (
    SignatureOptions.signature_format,
    SignatureOptions.timestamp_url,
    SignatureOptions.timestamp_root_cert,
    MetadataOptions.user_metadata,
    SignatureOptions.signature_expiry,
    SignatureOptions.force_referrers_tag,
    SignatureOptions.certificate_warning_days,
)

SIGNING_INPUTS: tuple[Input[Any], ...] = (
    *KEY_INPUTS,
    *SIGNATURE_INPUTS,
    *NotationProgram.own(),
    ProgramsMirror.programs_mirror,
)
"""The inputs, besides its own, that a command needs to sign what it attaches."""


class SignInputs(
    SigningOptions,
    EvidenceOptions,
    EarlierOptions,
    ThresholdOptions,
    BaseImageOptions,
    UnscannedOptions,
    ExploitationOptions,
    TrivyProgram,
    JobOptions,
    ImageOptions,
    OutputOptions,
):
    """The inputs of `sign`."""

    order = (
        ImageOptions.image,
        *KEY_INPUTS,
        *SIGNATURE_INPUTS,
        *EvidenceOptions.own(),
        EarlierOptions.results,
        EarlierOptions.report,
        EarlierOptions.openvex,
        ThresholdOptions.fail_on,
        ThresholdOptions.fixable_only,
        *BaseImageOptions.own(),
        PolicyOptions.policy,
        UnscannedOptions.unscanned,
        *ExploitationOptions.own(),
        *REGISTRY_INPUTS,
        *NotationProgram.own(),
        *TrivyProgram.own(),
        ProgramsMirror.programs_mirror,
        *JobOptions.own(),
    )


COMMAND = Command(
    name="sign",
    help="Signs images by digest with notation, verifies what was signed, and signs nothing twice. "
    "The certificate and all images are checked before the first is signed.",
    options=SignInputs,
    implementation="s3c_actions.commands.sign:run",
    others=other_actions.NOTATION_SIGN,
    examples=(
        "s3c sign localhost:5000/voting-app@sha256:… --key signing.key --certificate signing.crt",
        "s3c sign acr.example/app:1.2 --vault kv-voting --vault-certificate signing",
        "s3c sign acr.example/app:1.2 --plugin azure-kv --key-id https://kv.vault.azure.net/keys/signing/0123",
    ),
)
