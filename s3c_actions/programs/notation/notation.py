"""Notation: signs, inspects and verifies by digest; what it says is translated.

Every run has a configuration folder of its own (`Home`), so that the user's keys, trust stores and policies are neither
read nor changed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from s3c_actions.core import reading
from s3c_actions.core.errors import InputError, OutsideError, Refused, S3CError
from s3c_actions.core.process import ProgramFailed
from s3c_actions.programs.notation.home import KEY_NAME

if TYPE_CHECKING:
    from s3c_actions.core.process import Completed, Runner
    from s3c_actions.programs.install.locate import Program
    from s3c_actions.programs.notation.home import Home

_Translate = Callable[["Completed"], S3CError]

MAX_SIGNATURES = 1000
_MEDIA_TYPES = {"application/cose": "cose", "application/jose+json": "jws"}


class SigningRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a signature is to hold.

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


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """A signature as its envelope has it; nothing in it is verified by having been read.

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


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """What notation accepted.

    Attributes:
        signature_digest: of the signature's manifest.
        policy: name of the trust policy's statement.
        warnings: what the policy let pass, as notation words it.
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
        login: gives the environment variables with which it logs in to registries, asked at each start.
        insecure: talk plain HTTP to the registry.
    """

    def __init__(
        self,
        program: Program,
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

    def sign(self, home: Home, reference: str, request: SigningRequest) -> None:
        """Sign with the key of `home` and push the signature.

        Args:
            home: holds the key.
            reference: `registry/repository@digest`.
            request: what the signature is to hold.

        Raises:
            InputError: the key, the certificate or an option is not accepted.
            OutsideError: the registry, the plugin or the time-stamp authority failed.
        """
        argv = ["sign", *_request_flags(request), f"--force-referrers-tag={str(request.force_referrers_tag).lower()}"]
        self._run(home, reference, argv, _not_signed)

    def rehearse(self, home: Home, layout: Path, digest: str, request: SigningRequest) -> None:
        """Sign an artifact of an OCI image layout on disk with the key of `home`: nothing leaves this machine.

        Raises:
            InputError, OutsideError: as in `sign`.
        """
        argv = ["sign", "--oci-layout", *_request_flags(request), f"{layout}@{digest}"]
        self._execute(home, argv, _not_signed, extra={"NOTATION_EXPERIMENTAL": "1"})

    def verify_layout(self, home: Home, layout: Path, digest: str, scope: str) -> None:
        """Verify an artifact of an OCI image layout on disk, with the signatures that lie there and no others.

        Args:
            home: holds policy and trust store.
            layout: its folder.
            digest: of the artifact.
            scope: `registry/repository`, by which the policy's statement is chosen.

        Raises:
            Refused: no signature there is accepted.
            InputError: the trust policy or trust store cannot be used.
        """
        argv = ["verify", "--verbose", "--oci-layout", f"{layout}@{digest}", "--scope", scope]
        said = self._execute(home, argv, _not_verified, extra={"NOTATION_EXPERIMENTAL": "1"}).stdout
        if "Successfully verified signature for" not in said:
            raise _refused("", said)

    def signatures(self, home: Home, reference: str) -> tuple[Signature, ...]:
        """The signatures at a digest, unverified, oldest first as far as the registry keeps them so.

        Raises:
            InputError: the digest is not there.
            OutsideError: the registry failed, or a signature cannot be read.
        """
        argv = ["inspect", "--output", "json", "--max-signatures", str(MAX_SIGNATURES)]
        said = self._run(home, reference, argv, _not_signed).stdout
        try:
            document = reading.json_value(said)
            return tuple(_signature(one) for one in document["Signatures"])
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise OutsideError(
                "notation's list of signatures cannot be understood.",
                cause="A signature there is malformed, or this notation writes another format.",
                remedy="Use the pinned version of notation; look at the signatures with `notation inspect`.",
                image=reference,
                original=said[:2000] or str(error),
            ) from error

    def verify(self, home: Home, reference: str, metadata: Mapping[str, str] | None = None) -> Verified:
        """Verify by the trust policy and trust store of `home`.

        Args:
            home: holds policy and trust store.
            reference: `registry/repository@digest`.
            metadata: what a signature has to hold to count.

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
            *_pairs("--user-metadata", metadata or {}),
        ]
        ended = self._run(home, reference, argv, _not_verified)
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
            # The levels permissive and audit only log what fails; an unproven origin is no verification all the same.
            if re.match(r"(authenticity|integrity) was set to", warning):
                raise _refused(reference, warning)
        return Verified(signature_digest=processed[-1], policy=policies[-1], warnings=warnings)

    def _run(self, home: Home, reference: str, argv: list[str], translate: _Translate) -> Completed:
        if "@sha" not in reference:
            raise ValueError(f"{reference} is not pinned to a digest")
        insecure = ["--insecure-registry"] if self._insecure or reference.startswith("127.") else []
        try:
            return self._execute(home, [*argv, *insecure, reference], translate)
        except S3CError as error:
            error.image = error.image or reference
            raise

    def _execute(
        self, home: Home, argv: list[str], translate: _Translate, extra: Mapping[str, str] | None = None
    ) -> Completed:
        login = dict(self._login())
        if login:
            # Notation would take these before what stands in Docker's configuration.
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
    return flags + _pairs("--user-metadata", request.metadata)


def _pairs(flag: str, pairs: Mapping[str, str]) -> list[str]:
    return [part for key, value in pairs.items() for part in (flag, f"{key}={value}")]


def _signature(one: Mapping[str, Any]) -> Signature:
    signed, unsigned = one["signedAttributes"], one.get("unsignedAttributes") or {}
    stamp = unsigned.get("timestampSignature")
    return Signature(
        digest=one["digest"],
        signature_format=_MEDIA_TYPES[one["mediaType"]],
        thumbprint=one["certificates"][0]["SHA256Fingerprint"],
        signer=one["certificates"][0]["issuedTo"],
        signed_at=signed.get("signingTime", ""),
        expires=signed.get("expiry", ""),
        timestamped=isinstance(stamp, dict) and not stamp.get("error"),
        metadata=one.get("userDefinedAttributes") or {},
    )


class _Known(msgspec.Struct, frozen=True):
    """A failure of notation's that is known: how it shows, and what to say; with a field it is that input's fault."""

    pattern: str
    what: str
    cause: str
    remedy: str
    field: str = ""

    def told(self, said: str) -> S3CError | None:
        """The error, when this is what notation said; `what` may hold groups of the pattern."""
        found = re.search(self.pattern, said, re.IGNORECASE)
        if not found:
            return None
        what = found.expand(self.what)
        if self.field:
            return InputError(self.field, what, cause=self.cause, remedy=self.remedy, original=_last(said))
        return OutsideError(what, cause=self.cause, remedy=self.remedy, original=_last(said))


_TIMESTAMP = "Without a time-stamp the signature ends with the certificate: nothing was pushed."
_SIGN = (
    _Known(
        r"plugin executable file is either not found|plugin \S+ not found",
        "the plugin is not installed where notation looks for it.",
        "Its name is misspelt, or it was never installed.",
        "Give its path or an archive with `plugin-url` and `plugin-checksum`.",
        "plugin",
    ),
    _Known(
        r"plugin executable file name must be \S*?notation-(\S+?)\\?\" instead",
        r"the plugin calls itself `\1`, which is another name than its file's.",
        "Its file was renamed.",
        "Name the file `notation-NAME` as the plugin calls itself.",
        "plugin",
    ),
    _Known(
        r"failed to check root certificate|is not a root certificate|found more than one certificates",
        "it is not the one root certificate of a time-stamp authority.",
        "It holds several certificates, an intermediate one, or one that is no authority's.",
        "Give the authority's self-signed root certificate alone, in PEM or DER.",
        "timestamp-root-cert",
    ),
    _Known(
        r"timestamp: .*(connection refused|no such host|timeout|deadline exceeded|network is unreachable)",
        "The time-stamp authority could not be reached.",
        "It is down, its address is wrong, or a firewall is in between.",
        f"Look at `timestamp-url`, or try again. {_TIMESTAMP}",
    ),
    _Known(
        r"timestamp: .*(x509|certificate|unknown authority)",
        "The time-stamp is not signed by an authority under the root certificate given.",
        "`timestamp-root-cert` belongs to another authority, or the authority's certificate breaks the rules.",
        f"Give the root certificate of the authority at `timestamp-url`. {_TIMESTAMP}",
    ),
    _Known(
        r"timestamp: ",
        "The time-stamp authority gave no time-stamp.",
        "It refused the request or answered with something else.",
        f"Look at `timestamp-url`: it has to be an RFC 3161 service. {_TIMESTAMP}",
    ),
)
_PLUGIN = (
    _Known(
        r"failed to sign with the plugin \S+ certificate-chain is invalid, "
        r"(?:invalid self-signed certificate\. Error: )?([^\n]+)",
        r"the plugin's certificate cannot sign images: \1.",
        "It was issued for another purpose, or its chain is incomplete.",
        "Give the key of a signing certificate: critical keyUsage digitalSignature alone, codeSigning at most.",
        "key-id",
    ),
    _Known(
        r"(?:describe-key|generate-signature|generate-envelope|get-plugin-metadata) command for plugin ([^\s:]+)",
        r"The plugin \1 failed.",
        "The key is not there, this identity may not use it, or its service cannot be reached.",
        "Look at what the plugin said, at `key-id` and `plugin-config`.",
    ),
)
_REGISTRY = (
    _Known(
        r"manifest descriptor: \S+: not found|MANIFEST_UNKNOWN|NAME_UNKNOWN",
        "it does not exist in the registry.",
        "It was deleted, never pushed, or the name is misspelt.",
        "Push it first, or look at the name and the digest.",
        "image",
    ),
    _Known(
        r"connection refused|no such host|network is unreachable|connection reset|EOF\b",
        "The registry could not be reached.",
        "It is down, its name or port is wrong, or the network is.",
        "Look at the image's registry and try again.",
    ),
    _Known(
        r"timeout|deadline exceeded",
        "The registry did not answer in time.",
        "It is overloaded, or a firewall drops the connection.",
        "Try again, or give more time with `timeout`.",
    ),
    _Known(
        r"server gave HTTP response to HTTPS client",
        "The registry speaks plain HTTP.",
        "It is a test registry without a certificate.",
        "Set `insecure-registry: true` if that is meant.",
    ),
    _Known(
        r"tls:|x509: certificate signed by unknown authority|failed to verify certificate",
        "The registry's TLS certificate is not trusted.",
        "It is self-signed, or signed by an authority this machine does not know.",
        "Add the authority to this machine's certificates.",
    ),
    _Known(
        r"response status code 401|unauthorized|basic credential not found|credential required",
        "The registry asks for credentials, and those given were not accepted.",
        "Nobody is logged in, or user name, password or token are wrong or expired.",
        "Give `registry-username` and `registry-password`, or log in first (`docker login`).",
    ),
    _Known(
        r"response status code 403|denied|forbidden",
        "The registry does not allow this.",
        "The credentials may read but not push, or not use this repository.",
        "Give the identity the right to push (such as AcrPush), signatures included.",
    ),
    _Known(
        r"response status code (5\d\d)|response status code (429)",
        "The registry failed by itself.",
        "It has an outage or refuses because of too many requests.",
        "Try again later.",
    ),
)
_TRUST = (
    _Known(
        r"the trust store \S+ of type \S+ does not exist|no x509 certificates were found in trust store",
        "a store that the trust policy names is not there or is empty.",
        "The policy's `trustStores` and the folders below `x509/` have different names.",
        "Put the certificates into `x509/TYPE/NAME/`, as the policy names them.",
        "trust-store",
    ),
    _Known(
        r"is not a CA certificate or self-signed signing certificate",
        "it holds a certificate that is neither an authority's nor self-signed.",
        "A signing certificate issued by an authority cannot be a trust anchor.",
        "Trust the authority's certificate, and pin the signer with `trusted-identity`.",
        "trust-store",
    ),
    _Known(
        r"failed to (?:read|validate) the trusted certificate|trusted certificate .* is not a regular file"
        r"|trusted certificate .* is invalid|not a regular directory",
        "a certificate in it cannot be used.",
        "It is not X.509 in PEM or DER, a symbolic link, or no root certificate where one is asked for.",
        "Put regular files with authorities' certificates there.",
        "trust-store",
    ),
    _Known(
        r"no applicable trust policy|does not have an applicable trust policy|has no applicable",
        "no statement in it is for this repository.",
        "Its `registryScopes` name other repositories.",
        'Add the repository to `registryScopes`, or a statement for `"*"`.',
        "trust-policy",
    ),
    _Known(
        r"trust ?policy.*(malformed|invalid|missing|unsupported|not present|must|cannot|duplicate)"
        r"|trust policy statement|distinguished name \(DN\)",
        "notation does not accept it.",
        "It breaks the rules for trust policies; the original message says which.",
        "Mend what the message names.",
        "trust-policy",
    ),
)


def _not_signed(completed: Completed) -> S3CError:
    said = f"{completed.stderr}\n{completed.stdout}"
    return _translated(said, (*_SIGN, *_PLUGIN, *_REGISTRY)) or ProgramFailed(
        completed, what="notation could not sign.", remedy="Look at what it said."
    )


_UNREADABLE_SUBJECT = "parsing the certificate subject from the digital signature"


def _not_verified(completed: Completed) -> S3CError:
    said = f"{completed.stderr}\n{completed.stdout}"
    rejected = re.findall(
        r"level=warning msg=\"?Signature (sha256:[0-9a-f]{64}) failed verification with error: (.+?)\"?$",
        said,
        re.MULTILINE,
    )
    # A wrong trust store rejects every signature too: it is told as what it is, wrong input. The subject of whoever
    # signed is not ours: that it cannot be read is a reason to reject the signature.
    ours = "\n".join(line for line in said.splitlines() if _UNREADABLE_SUBJECT not in line)
    known = _translated(ours, _TRUST)
    if known:
        return known
    if "no signature is associated with" in said:
        return Refused(
            "It has no signature.",
            cause="It was never signed, was pushed anew after signing, or its signatures were not copied along.",
            remedy="Sign it with `s3c sign`, or give the digest that was signed.",
            original=_last(said),
        )
    if rejected:
        return _refused("", "\n".join(reason for _digest, reason in rejected))
    return _translated(said, _REGISTRY) or ProgramFailed(
        completed, what="notation could not verify.", remedy="Look at what it said."
    )


class _Reason(msgspec.Struct, frozen=True):
    pattern: str
    what: str
    remedy: str


# From the nearest to acceptance to the farthest: of several signatures, the reason that helps is the nearest one's.
_REASONS = (
    _Reason(
        r"unable to find specified metadata",
        "Its signature does not hold the metadata asked for.",
        "Sign it with that `user-metadata`, or ask for what is there.",
    ),
    _Reason(
        r"no timestamp countersignature",
        "Its signature has no time-stamp, and the trust policy asks for one.",
        "Sign it again with `timestamp-url`.",
    ),
    _Reason(
        r"timestamp",
        "The time-stamp of its signature is not trusted.",
        "Give the root certificate of the authority that made it as `timestamp-root-cert`.",
    ),
    _Reason(
        r"is revoked",
        "The certificate it was signed with is revoked.",
        "Sign it again with a certificate that is valid.",
    ),
    _Reason(
        r"revocation status is unknown|unable to check revocation",
        "Whether the certificate it was signed with is revoked could not be found out.",
        "Let this machine reach the authority's OCSP or CRL address, and try again.",
    ),
    _Reason(
        r"verification time is after certificate|was expired at",
        "The certificate it was signed with has expired, and no trusted time-stamp shows that it was signed before.",
        "Sign it again with a valid certificate, best with `timestamp-url`.",
    ),
    _Reason(
        r"verification time is before certificate|was not valid when",
        "The certificate it was signed with is not valid yet.",
        "Look at this machine's clock, or wait.",
    ),
    _Reason(
        r"digital signature has expired on \\*\"([^\"\\]+)",
        r"Its signature expired on \1.",
        "Sign it again, with a later expiry or none.",
    ),
    _Reason(
        r"content descriptor mismatch",
        "The signature found at this digest was made for another image.",
        "Somebody may have moved a signature here: sign the image anew and look at who pushed it.",
    ),
    _Reason(
        r"signature is invalid|unable to parse the digital signature|malformed|envelope",
        "Its signature is damaged or was tampered with.",
        "Do not use it; sign the image anew and look at who pushed the signature.",
    ),
    _Reason(
        _UNREADABLE_SUBJECT,
        "It is signed by a certificate whose subject no trust policy can name.",
        "Sign it with one that has C, ST and O, each attribute once, and no emailAddress, UID or DC.",
    ),
    _Reason(
        r"does not match the X\.509 trusted identities",
        "It is signed by another identity than the trusted ones.",
        "Sign it with the right certificate, or add the signer to `trusted-identity`.",
    ),
    _Reason(
        r"does not contain any trusted certificate|not produced by a trusted signer|authenticity was set to",
        "It is signed by a certificate that the trust store does not lead to.",
        "Sign it with a trusted certificate, or add the signer's authority to the trust store.",
    ),
)


def _refused(reference: str, reasons: str) -> Refused:
    """The verdict on rejected signatures, told by the reason that comes first in `_REASONS`."""
    for reason in _REASONS:
        found = re.search(reason.pattern, reasons, re.IGNORECASE)
        if found:
            return Refused(found.expand(reason.what), remedy=reason.remedy, image=reference, original=reasons[:4000])
    return Refused(
        "None of its signatures was accepted.",
        remedy="Look at the reasons that notation gives.",
        image=reference,
        original=reasons[:4000],
    )


def _translated(said: str, known: tuple[_Known, ...]) -> S3CError | None:
    # The log's own lines hold names that come from outside; only its errors are judged.
    errors = "\n".join(line for line in said.splitlines() if not line.startswith("level=info"))
    for one in known:
        error = one.told(errors)
        if error is not None:
            return error
    return None


def _last(said: str) -> str:
    """Notation's own error, without the log around it."""
    errors = [line for line in said.splitlines() if line.startswith(("Error:", "level=error"))]
    return ("\n".join(errors) or said.strip())[-2000:]
