"""Notation: signs, inspects and verifies by digest; its errors are translated.

Every run has a configuration folder of its own (`Home`), so that the user's keys, trust stores and policies are neither
read nor changed.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from s3c_actions.core import reading
from s3c_actions.core.errors import InputError, OutsideError, S3CError
from s3c_actions.core.process import ProgramFailed
from s3c_actions.programs.notation import errors
from s3c_actions.programs.notation.home import KEY_NAME

if TYPE_CHECKING:
    from s3c_actions.core.process import CompletedProgram, Runner
    from s3c_actions.programs.install.locate import LateProgram, Program
    from s3c_actions.programs.notation.home import NotationHome

_Translate = Callable[["CompletedProgram"], S3CError]

MAX_SIGNATURES = 1000
_UNSETTLED_PAUSES = (0.2, 0.5, 1.0)
"""Seconds before each further try where another signer was storing the same blob."""
_MEDIA_TYPES = {"application/cose": "cose", "application/jose+json": "jws"}


class SigningRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The content of a new signature.

    Attributes:
        signature_format: `cose` or `jws`.
        metadata: key → value, signed with the digest.
        expiry: seconds after which the signature is no longer valid; 0: never.
        force_referrers_tag: list the signature under the tag of the referrers tag schema even where the registry has
            the Referrers API.
        timestamp_url, timestamp_root: an RFC 3161 authority and the file of its root certificate, or empty and None.
    """

    signature_format: str = "cose"
    metadata: Mapping[str, str] = msgspec.field(default_factory=dict)
    expiry: float = 0.0
    force_referrers_tag: bool = True
    timestamp_url: str = ""
    timestamp_root: Path | None = None


class ListedSignature(msgspec.Struct, frozen=True, kw_only=True):
    """A signature as in its envelope; nothing in it is verified.

    Attributes:
        digest: of the signature's manifest.
        thumbprint: SHA-256 of the signing certificate, hexadecimal.
        signer: subject of the signing certificate.
        expires: RFC 3339, empty without an expiry.
    """

    digest: str
    signature_format: str
    thumbprint: str
    signer: str
    signed_at: str = ""
    expires: str = ""
    timestamped: bool = False
    metadata: Mapping[str, str] = msgspec.field(default_factory=dict)


class AcceptedSignature(msgspec.Struct, frozen=True, kw_only=True):
    """A signature that notation accepted.

    Attributes:
        signature_digest: of the signature's manifest.
        policy: name of the trust policy's statement.
        warnings: what the policy let pass, in notation's words.
    """

    signature_digest: str
    policy: str
    warnings: tuple[str, ...] = ()


class Notation:
    """The notation program.

    Args:
        program: where it is.
        runner: starts it.
        timeout: seconds for each run.
        login: gives the environment variables with which it logs in to registries, called at each start.
        insecure: talk plain HTTP to the registry.
    """

    def __init__(
        self,
        program: Program | LateProgram,
        runner: Runner,
        *,
        timeout: float | None = None,
        login: Callable[[], Mapping[str, str]] = dict,
        insecure: bool = False,
    ) -> None:
        self._program = program
        self._runner = runner
        self._timeout = timeout
        self._insecure = insecure
        self._login = login

    def sign(self, home: NotationHome, reference: str, request: SigningRequest) -> None:
        """Sign with the key of `home` and push the signature.

        Args:
            home: holds the key.
            reference: `registry/repository@digest`.
            request: the content of the signature.

        Raises:
            InputError: the key, the certificate or an option is not accepted.
            OutsideError: the registry, the plugin or the time-stamp authority failed.
        """
        argv = ["sign", *_request_flags(request), f"--force-referrers-tag={str(request.force_referrers_tag).lower()}"]
        for pause in _UNSETTLED_PAUSES:
            try:
                self._run(home, reference, argv, errors.not_signed)
            except errors.UnsettledBlob:
                time.sleep(pause)
            else:
                return
        self._run(home, reference, argv, errors.not_signed)

    def rehearse(self, home: NotationHome, layout: Path, digest: str, request: SigningRequest) -> None:
        """Sign an artifact of an OCI image layout on disk with the key of `home`: nothing leaves this machine.

        Raises:
            InputError, OutsideError: as in `sign`.
        """
        argv = ["sign", "--oci-layout", *_request_flags(request), f"{layout}@{digest}"]
        self._execute(home, argv, errors.not_signed, extra={"NOTATION_EXPERIMENTAL": "1"})

    def verify_layout(self, home: NotationHome, layout: Path, digest: str, scope: str) -> None:
        """Verify an artifact of an OCI image layout on disk, with the signatures in the layout alone.

        Args:
            home: holds policy and trust store.
            layout: its folder.
            digest: of the artifact.
            scope: `registry/repository`, by which the policy's statement is chosen.

        Raises:
            Refused: no signature in it is accepted.
            InputError: the trust policy or trust store cannot be used.
        """
        argv = ["verify", "--verbose", "--oci-layout", f"{layout}@{digest}", "--scope", scope]
        output = self._execute(home, argv, errors.not_verified, extra={"NOTATION_EXPERIMENTAL": "1"}).stdout
        if "Successfully verified signature for" not in output:
            raise errors.rejection([output])

    def signatures(self, home: NotationHome, reference: str) -> tuple[ListedSignature, ...]:
        """The signatures at a digest, unverified, oldest first as far as the registry keeps that order.

        Raises:
            InputError: the digest does not exist.
            OutsideError: the registry failed, or a signature cannot be read.
        """
        argv = ["inspect", "--output", "json", "--max-signatures", str(MAX_SIGNATURES)]
        output = self._run(home, reference, argv, errors.not_signed).stdout
        try:
            document = reading.parse_json(output)
            return tuple(_listed_signature(entry) for entry in document["Signatures"])
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise OutsideError(
                "notation's list of signatures cannot be understood.",
                cause="A signature there is malformed, or this notation writes another format.",
                remedy="Use the pinned version of notation; look at the signatures with `notation inspect`.",
                image=reference,
                original=output[:2000] or str(error),
            ) from error

    def verify(
        self, home: NotationHome, reference: str, metadata: Mapping[str, str] | None = None
    ) -> AcceptedSignature:
        """Verify by the trust policy and trust store of `home`.

        Args:
            home: holds policy and trust store.
            reference: `registry/repository@digest`.
            metadata: required of a signature.

        Raises:
            Refused: no signature is accepted; the message says why.
            InputError: the trust policy or trust store cannot be used.
            OutsideError: the registry failed.
        """
        argv = [
            "verify",
            "--verbose",
            "--max-signatures",
            str(MAX_SIGNATURES),
            *_pair_flags("--user-metadata", metadata or {}),
        ]
        ended = self._run(home, reference, argv, errors.not_verified)
        if "configured to skip signature verification" in ended.stdout:
            raise InputError(
                "trust-policy",
                "its level for this repository is `skip`, so nothing was verified.",
                remedy="Set `signatureVerification.level` to `strict`.",
                image=reference,
            )
        processed = re.findall(r"Processing signature with manifest .*digest: (sha256:[0-9a-f]{64})", ended.stderr)
        policies = re.findall(r"Trust policy configuration: &\{Name:(.+?) RegistryScopes:", ended.stderr)
        if "Successfully verified signature for" not in ended.stdout or not processed or not policies:
            raise OutsideError(
                "notation ended well but did not say which signature it verified.",
                cause="This notation words its output differently.",
                remedy="Use the pinned version of notation.",
                image=reference,
                original=(ended.stdout + ended.stderr)[-2000:],
            )
        warnings = tuple(re.findall(r"^Warning: (.+)$", ended.stderr, re.MULTILINE))
        for warning in warnings:
            # The levels permissive and audit only log failures; an unproven origin is still no verification.
            if re.match(r"(authenticity|integrity) was set to", warning):
                raise errors.rejection([warning], reference)
        return AcceptedSignature(signature_digest=processed[-1], policy=policies[-1], warnings=warnings)

    def _run(self, home: NotationHome, reference: str, argv: list[str], translate: _Translate) -> CompletedProgram:
        if "@sha" not in reference:
            raise ValueError(f"{reference} is not pinned to a digest")
        insecure = ["--insecure-registry"] if self._insecure or reference.startswith("127.") else []
        try:
            return self._execute(home, [*argv, *insecure, reference], translate)
        except S3CError as error:
            error.image = error.image or reference
            raise

    def _execute(
        self, home: NotationHome, argv: list[str], translate: _Translate, extra: Mapping[str, str] | None = None
    ) -> CompletedProgram:
        login = dict(self._login())
        if login:
            # Notation would prefer these over Docker's configuration.
            login |= {"NOTATION_USERNAME": "", "NOTATION_PASSWORD": ""}
        environment = {**home.environment, **login, **(extra or {})}
        try:
            return self._runner.run([self._program.path, *argv], extra=environment, timeout=self._timeout)
        except ProgramFailed as error:
            raise translate(error.completed) from error


def _request_flags(request: SigningRequest) -> list[str]:
    flags = ["--verbose", "--key", KEY_NAME, "--signature-format", request.signature_format]
    if request.expiry:
        flags += ["--expiry", f"{int(request.expiry)}s"]
    if request.timestamp_url:
        flags += ["--timestamp-url", request.timestamp_url, "--timestamp-root-cert", str(request.timestamp_root)]
    return flags + _pair_flags("--user-metadata", request.metadata)


def _pair_flags(flag: str, pairs: Mapping[str, str]) -> list[str]:
    return [part for key, value in pairs.items() for part in (flag, f"{key}={value}")]


def _listed_signature(entry: Mapping[str, Any]) -> ListedSignature:
    signed, unsigned = entry["signedAttributes"], entry.get("unsignedAttributes") or {}
    stamp = unsigned.get("timestampSignature")
    return ListedSignature(
        digest=entry["digest"],
        signature_format=_MEDIA_TYPES[entry["mediaType"]],
        thumbprint=entry["certificates"][0]["SHA256Fingerprint"],
        signer=entry["certificates"][0]["issuedTo"],
        signed_at=signed.get("signingTime", ""),
        expires=signed.get("expiry", ""),
        timestamped=isinstance(stamp, dict) and not stamp.get("error"),
        metadata=entry.get("userDefinedAttributes") or {},
    )
