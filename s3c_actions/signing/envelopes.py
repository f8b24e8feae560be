"""Read the envelopes of Notary Project signatures without trusting them: signer, signed digest and time as claimed.

https://github.com/notaryproject/specifications/blob/main/specs/signature-envelope-jws.md and -cose.md. Nothing read
here is verified; notation decides whether a signature is valid. An envelope comes from anyone who may push to the
repository: its size, depth and every type in it are checked before use.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import cbor2
import msgspec

from s3c_actions.core import reading
from s3c_actions.core.moments import format_moment
from s3c_actions.core.reference import is_digest
from s3c_actions.signing import certificates
from s3c_actions.signing.libraries import crypto_exceptions, x509

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

COSE = "application/cose"
JWS = "application/jose+json"
ENVELOPE_FORMATS = {COSE: "cose", JWS: "jws"}
MAX_ENVELOPE = 1024 * 1024
MAX_CERTIFICATES = 20
MAX_DEPTH = 16

_SIGNING_TIME = "io.cncf.notary.signingTime"
_AUTHENTIC_TIME = "io.cncf.notary.authenticSigningTime"
_EXPIRY = "io.cncf.notary.expiry"
_TIMESTAMP = "io.cncf.notary.timestampSignature"
_AGENT = "io.cncf.notary.signingAgent"
_COSE_SIGN1 = 18
_COSE_CHAIN = 33


class EnvelopeError(ValueError):
    """Content that is not an envelope of a Notary Project signature; the text is a clause that says why."""


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """The claims of an envelope; untrusted.

    Attributes:
        signature_format: `cose` or `jws`.
        target: digest of the artifact that was signed.
        signer, issuer: names of the signing certificate, RFC 4514.
        thumbprint: SHA-256 of the signing certificate, hexadecimal.
        key: SHA-256 of the signing certificate's public key, hexadecimal.
        not_after: when the first certificate of its chain expires, RFC 3339.
        signed_at, expires: RFC 3339, empty when not stated.
        timestamped: whether it contains an RFC 3161 time-stamp.
        metadata: signed along with the digest.
        agent: the name of the program that signed, as claimed.
    """

    signature_format: str
    target: str
    signer: str
    issuer: str
    thumbprint: str
    key: str = ""
    not_after: str = ""
    signed_at: str = ""
    expires: str = ""
    timestamped: bool = False
    metadata: Mapping[str, str] = msgspec.field(default_factory=dict)
    agent: str = ""


def read(content: bytes, media_type: str) -> Envelope:
    """Read an envelope.

    Args:
        content: at most MAX_ENVELOPE bytes.
        media_type: of the signature's layer, COSE or JWS.

    Raises:
        EnvelopeError: it is not an envelope.
    """
    if len(content) > MAX_ENVELOPE:
        raise EnvelopeError(f"it is larger than {MAX_ENVELOPE // 1024} KiB")
    if media_type not in ENVELOPE_FORMATS:
        raise EnvelopeError("it is neither JWS nor COSE")
    payload, protected, unprotected, chain = (_jws if media_type == JWS else _cose)(content)
    target = _mapping(_json(payload, "payload").get("targetArtifact"), "target")
    digest = target.get("digest")
    if not isinstance(digest, str) or not is_digest(digest):
        raise EnvelopeError("it names no digest")
    annotations = target.get("annotations") or {}
    listed = _certificates(chain)
    leaf = listed[0]
    stamp, agent = unprotected.get(_TIMESTAMP), unprotected.get(_AGENT)
    return Envelope(
        signature_format=ENVELOPE_FORMATS[media_type],
        target=digest,
        signer=certificates.subject(leaf),
        issuer=leaf.issuer.rfc4514_string(),
        thumbprint=certificates.thumbprint(leaf),
        key=certificates.key_thumbprint(leaf),
        not_after=format_moment(min(certificate.not_valid_after_utc for certificate in listed)),
        signed_at=normalize_time(protected.get(_SIGNING_TIME) or protected.get(_AUTHENTIC_TIME)),
        expires=normalize_time(protected.get(_EXPIRY)),
        timestamped=bool(stamp),
        metadata={str(key): str(value) for key, value in _mapping(annotations, "metadata").items()},
        agent=agent if isinstance(agent, str) else "",
    )


_Parts = tuple[bytes, Mapping[Any, Any], Mapping[Any, Any], object]


def _jws(content: bytes) -> _Parts:
    document = _json(content, "envelope")
    header = _mapping(document.get("header"), "header")
    chain = header.get("x5c")
    if isinstance(chain, list):
        chain = [_decoded(entry, "certificate") for entry in chain[: MAX_CERTIFICATES + 1]]
    return (
        _decoded(document.get("payload"), "payload"),
        _json(_decoded(document.get("protected"), "protected header"), "protected header"),
        header,
        chain,
    )


def _cose(content: bytes) -> _Parts:
    document = _cbor(content, "envelope")
    parts = document.value if isinstance(document, cbor2.CBORTag) and document.tag == _COSE_SIGN1 else None
    if not isinstance(parts, list | tuple) or len(parts) != 4 or not all(isinstance(parts[n], bytes) for n in (0, 2)):
        raise EnvelopeError("it is no COSE_Sign1")
    protected = _mapping(_cbor(parts[0], "protected header"), "protected header")
    unprotected = _mapping(parts[1], "header")
    chain = unprotected.get(_COSE_CHAIN)
    return parts[2], protected, unprotected, [chain] if isinstance(chain, bytes) else chain


def _cbor(content: bytes, what: str) -> object:
    try:
        # Keys are texts and, for COSE's own parameters, small integers: no hash collisions on purpose.
        return cbor2.loads(content, max_depth=MAX_DEPTH, allow_indefinite=False)
    except Exception as error:  # the library raises ValueError, OverflowError and its own
        raise EnvelopeError(f"its {what} is not CBOR") from error


def _json(content: bytes, what: str) -> Mapping[str, Any]:
    try:
        document = reading.parse_json(content)
    except ValueError:
        raise EnvelopeError(f"its {what} is not JSON") from None
    return _mapping(document, what)


def _mapping(value: object, what: str) -> Mapping[Any, Any]:
    if not isinstance(value, Mapping):
        raise EnvelopeError(f"its {what} is no object")
    return value


def _decoded(value: object, what: str) -> bytes:
    """Decode Base64 in either alphabet, padded or not: JWS uses both."""
    if not isinstance(value, str):
        raise EnvelopeError(f"it has no {what}")
    try:
        text = value.encode("ascii").translate(bytes.maketrans(b"-_", b"+/"))
        return base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise EnvelopeError(f"its {what} is not Base64") from None


def _certificates(chain: object) -> tuple[Certificate, ...]:
    """Return the certificates, leaf first; the names and the key of the leaf can be read."""
    if not isinstance(chain, list | tuple) or not chain or not all(isinstance(entry, bytes) for entry in chain):
        raise EnvelopeError("it holds no certificate")
    if len(chain) > MAX_CERTIFICATES:
        raise EnvelopeError(f"it holds more than {MAX_CERTIFICATES} certificates")
    try:
        listed = tuple(x509.load_der_x509_certificate(entry) for entry in chain)
        leaf = listed[0]
        leaf.issuer.rfc4514_string()  # parsed on access
        certificates.subject(leaf)
        certificates.key_thumbprint(leaf)
    except (ValueError, crypto_exceptions.UnsupportedAlgorithm):
        raise EnvelopeError("its certificate cannot be read") from None
    return listed


def normalize_time(value: object) -> str:
    """Return RFC 3339 in UTC, whole seconds, of such a text or of a date of CBOR; empty when it is neither."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        if not isinstance(moment, datetime) or moment.tzinfo is None:
            return ""
        return format_moment(moment)
    except (ValueError, OverflowError):
        return ""
