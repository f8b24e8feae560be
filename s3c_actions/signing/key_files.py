"""Read certificates and private keys in the forms that people have them in.

PEM may come in base64, once or twice, on one line, with its line ends escaped as in JSON or in a URL, indented as in
YAML, or in UTF-16. Forms that another tool converts are recognized, and the command is shown.
"""

from __future__ import annotations

import base64
import codecs
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

import msgspec

from s3c_actions.core.errors import InputError
from s3c_actions.core.pasted_content import decode_base64
from s3c_actions.signing.certificate_chains import order_chain, split_chains
from s3c_actions.signing.certificates import (
    CertificateError,
    is_authority,
    is_self_signed,
    is_valid_at,
    public_bytes,
    reject_unreadable,
    subject,
)
from s3c_actions.signing.libraries import crypto_exceptions, pkcs12, rsa, serialization, x509

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
    from cryptography.x509 import Certificate

_PEM_BLOCK = rb"-----BEGIN ([A-Z0-9 ]{1,40})-----((?:[^-]|-(?!----))*)-----END \1-----"
_CERTIFICATES = {b"CERTIFICATE", b"X509 CERTIFICATE", b"TRUSTED CERTIFICATE"}
_BYTE_ORDERS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_BARE_BYTE_ORDERS = (("--".encode("utf-16-le"), "utf-16-le"), ("--".encode("utf-16-be"), "utf-16-be"))
_ESCAPED_LINE_END = re.compile(rb"(?:\\{1,4}r)?\\{1,4}n|\\{1,4}r")
# The lines of a block of PEM, whatever is between its label and the dashes.
_EDGES = (re.compile(rb"-----BEGIN [A-Z0-9 ]{1,40}-----"), re.compile(rb"-----END [A-Z0-9 ]{1,40}-----"))
_SHORT_LINE = 200
"""No key or certificate is this short, in any of its forms."""
_PKCS7_SIGNED = bytes.fromhex("06092a864886f70d010702")
_PKCS12_VERSION = bytes.fromhex("020103")


class _Block(msgspec.Struct, frozen=True):
    """A block of PEM: its label, such as `CERTIFICATE`, and its text, with the line ends that PEM asks for."""

    label: bytes
    text: bytes


def read_chain(data: bytes, field: str = "certificate") -> tuple[Certificate, ...]:
    """Return the certificates of a file, in their order.

    Args:
        data: PEM, or one certificate in DER.
        field: the input it came from.

    Raises:
        CertificateError: `unreadable`.
    """
    data = _unwrap(data)
    blocks = _blocks(data)
    try:
        chain = tuple(_certificate(block) for block in blocks if block.label in _CERTIFICATES)
        if chain or blocks:
            return chain or _reject_certificate(field, data, blocks)
        return (x509.load_der_x509_certificate(data),)
    except ValueError as error:
        return _reject_certificate(field, data, blocks, error)


def read_issuers(data: bytes, field: str) -> tuple[Certificate, ...]:
    """Return the certificates of a signer's issuers, in the order of their file; as `read_chain`, with their remedy."""
    try:
        return read_chain(data, field)
    except CertificateError as error:
        if "PKCS#7" not in error.what:  # which is converted in the same way
            error.remedy = "Give a PEM file with the issuers' certificates, the root last, and no key."
        raise


def read_timestamp_roots(data: bytes, field: str) -> tuple[Certificate, ...]:
    """Return the root certificates of time-stamp authorities.

    Args:
        data: PEM, or one certificate in DER.
        field: the input it came from, for errors.

    Raises:
        InputError: one of them is no root: notation accepts no other in a trust store of time-stamp authorities.
    """
    roots = read_chain(data, field)
    for root in roots:
        if not (is_self_signed(root) and is_authority(root)):
            raise InputError(
                field,
                f"{subject(root)} is not the root certificate of a time-stamp authority.",
                cause="It signs time-stamps itself, or another authority issued it.",
                remedy="Give the authority's self-signed root certificate alone.",
            )
    return roots


def read_signing_chain(
    data: bytes, key: PrivateKeyTypes | None = None, field: str = "certificate"
) -> tuple[Certificate, ...]:
    """Return the certificates of one signer, the leaf first and each issued by the next, from a file in any order.

    The leaf is the certificate of the key, of several the first that is valid now; without a key or such a
    certificate, the first that issued none of the others. Certificates that lead nowhere from it are left out.

    Args:
        data: as for `read_chain`.
        key: the signer's private key, if it is known.
        field: the input it came from.

    Raises:
        CertificateError: `unreadable`.
    """
    listed = read_chain(data, field)
    with reject_unreadable(field):
        own = () if key is None else _of_key(listed, key)
        return order_chain(_leaf(own), listed) if own else split_chains(listed)[0]


def _leaf(own: Sequence[Certificate]) -> Certificate:
    """Return which of the certificates of one key signs: a renewed one may stand behind the one that has expired."""
    now = datetime.now(UTC)
    return min(own, key=lambda certificate: not is_valid_at(certificate, now))


def _of_key(listed: Sequence[Certificate], key: PrivateKeyTypes) -> list[Certificate]:
    public = public_bytes(key.public_key())
    return [certificate for certificate in listed if _has_key(certificate, public)]


def _has_key(certificate: Certificate, public: bytes) -> bool:
    try:
        return public_bytes(certificate.public_key()) == public
    except (ValueError, crypto_exceptions.UnsupportedAlgorithm):  # `check` says what is wrong with it
        return False


def read_key(data: bytes, password: str = "", field: str = "key") -> PrivateKeyTypes:
    """Return the private key of a file: PKCS#8, PKCS#1 or SEC 1, in PEM or DER.

    Raises:
        CertificateError: `unreadable`; `password` when it is missing or wrong.
    """
    data = _unwrap(data)
    blocks = _blocks(data)
    keys = [block for block in blocks if block.label.endswith(b"PRIVATE KEY")]
    _reject_foreign(data, field)
    if blocks and not keys:
        raise _reject_key(field, data, blocks)
    try:
        key = _load(keys[0].text if keys else data, password)
    except TypeError as error:
        raise _wrong_password(field, "the private key is encrypted and no password was given.") from error
    except ValueError as error:
        if not keys:
            raise _reject_key(field, data, blocks) from error
        if password:
            raise _wrong_password(field, "the password does not open the private key.") from error
        raise _damaged(field, str(error)) from error
    if not _is_consistent(key):
        raise _damaged(field, "its numbers do not belong together")
    return key


def _unwrap(data: bytes) -> bytes:
    """Return PEM or DER without the encodings around it."""
    for mark, encoding in _BYTE_ORDERS:
        if data.startswith(mark):
            data = data[len(mark) :].decode(encoding, "replace").encode()
    for dashes, encoding in _BARE_BYTE_ORDERS:
        if data.startswith(dashes):
            data = data.decode(encoding, "replace").encode()
    if b"-----BEGIN" in data or not data.isascii():
        return unquote_to_bytes(data) if b"%0A" in data.upper() else data
    decoded = decode_base64(data.decode("ascii"))
    return data if decoded is None else _unwrap(decoded)


def _blocks(data: bytes) -> list[_Block]:
    """Return the blocks of a PEM text, with their line ends and blanks put right."""
    if b"\\n" in data:
        data = _ESCAPED_LINE_END.sub(b"\n", data)
    blocks = []
    for match in re.finditer(_PEM_BLOCK, data):
        label, body = match[1], match[2]
        # Headers, such as of an encrypted key of old, are lines with a colon; a blank line ends them.
        lines = [line.strip() for line in body.splitlines()]
        headers = [line for line in lines if b":" in line]
        content = b"".join(b"".join(line.split()) for line in lines if b":" not in line)
        wrapped = [content[start : start + 64] for start in range(0, len(content), 64)]
        parts = [*headers, b"", *wrapped] if headers else wrapped
        blocks.append(
            _Block(label, b"\n".join((b"-----BEGIN %s-----" % label, *parts, b"-----END %s-----" % label, b"")))
        )
    return blocks


def _certificate(block: _Block) -> Certificate:
    """Return the certificate of a block; raise ValueError when it is unreadable."""
    content = base64.b64decode(b"".join(block.text.splitlines()[1:-1]), validate=True)
    if block.label == b"TRUSTED CERTIFICATE":
        content = content[: _der_length(content)]
    return x509.load_der_x509_certificate(content)


def _der_length(content: bytes) -> int:
    """Return the length of the DER value that content begins with; OpenSSL appends data of its own to certificates."""
    if len(content) < 2 or content[1] < 0x80:
        return len(content)
    size = content[1] & 0x7F
    return 2 + size + int.from_bytes(content[2 : 2 + size])


# Keys of other programs: how their files begin, or what a line of them begins with; what they are, and what to do.
_FOREIGN = (
    (
        rb"-----BEGIN OPENSSH PRIVATE KEY-----",
        "a private key in OpenSSH's own format",
        "Convert a copy of it (this writes the file anew): ssh-keygen -p -m PKCS8 -f KEY",
    ),
    (
        rb"-----BEGIN ENCRYPTED (?:SIGSTORE|COSIGN) PRIVATE KEY-----",
        "a private key in cosign's own format",
        "Make a key with a certificate, such as by `s3c init --key`: cosign's has none, and no tool converts it.",
    ),
    (rb"-----BEGIN PGP ", "a key of OpenPGP", "Make a key with a certificate, such as by `s3c init --key`."),
    (
        rb"PuTTY-User-Key-File-",
        "a private key in PuTTY's own format",
        "Export it: puttygen KEY.ppk -O private-openssh -o KEY, then ssh-keygen -p -m PKCS8 -f KEY",
    ),
    (rb"ssh-(?:rsa|ed25519) |ecdsa-sha2-", "a public key of OpenSSH", "Give the private key, in PEM."),
    (
        rb"\xfe\xed\xfe\xed|\xce\xce\xce\xce",
        "a Java keystore",
        "Convert it, and give that as `pkcs12`: keytool -importkeystore -srckeystore FILE -destkeystore signing.p12 "
        "-deststoretype PKCS12",
    ),
    (rb"""\{[^}]{0,200}["']kty["']\s*:""", "a JSON Web Key", "Convert it to PEM (PKCS#8)."),
)


def _reject_foreign(data: bytes, field: str) -> None:
    """Raise when data is a key of another program's own format."""
    for pattern, kind, remedy in _FOREIGN:
        if re.match(rb"\s*(?:%s)" % pattern, data) or (pattern[:1] == b"-" and re.search(pattern, data)):
            raise CertificateError(
                field,
                "unreadable",
                f"it holds {kind}.",
                cause="notation signs with keys in PKCS#8, and a certificate for them.",
                remedy=remedy,
            )


# Words for what a file holds, by the label of a block that it has.
_CONTENTS = (
    (rb"PRIVATE KEY\Z", "a private key"),
    (rb"(?:X509 |TRUSTED )?CERTIFICATE\Z", "a certificate"),
    (rb"CERTIFICATE REQUEST\Z", "a request for a certificate (CSR)"),
    (rb"PUBLIC KEY\Z", "a public key"),
    (rb"PKCS7|CMS", "a PKCS#7 file"),
    (rb"", "PEM of another kind"),
)


def _describe(data: bytes, blocks: Sequence[_Block]) -> str:
    """Return what a file holds in words; empty when that is unknown."""
    if blocks:
        return next(words for label, words in _CONTENTS if any(re.search(label, block.label) for block in blocks))
    if data[:1] != b"\x30":
        return ""
    if _PKCS7_SIGNED in data[:40]:
        return "a PKCS#7 file"
    return "a PKCS#12 file" if _PKCS12_VERSION in data[2:9] else "a certificate" if _loads_as_certificate(data) else ""


def _loads_as_certificate(data: bytes) -> bool:
    try:
        x509.load_der_x509_certificate(data)
    except ValueError:
        return False
    return True


def _reject_certificate(
    field: str, data: bytes, blocks: Sequence[_Block], error: Exception | None = None
) -> tuple[Certificate, ...]:
    content = "" if any(block.label in _CERTIFICATES for block in blocks) else _describe(data, blocks)
    remedy = {
        "a private key": "Give the certificate here and the key as `key` or `key-pem`: they may be swapped.",
        "a request for a certificate (CSR)": "Give the certificate that the authority issued on it.",
        "a PKCS#7 file": "Convert it (with `-inform DER` if it is binary): "
        "openssl pkcs7 -print_certs -in FILE -out chain.pem",
        "a PKCS#12 file": "Give it as `pkcs12`, which brings the key too, or take the certificates out: "
        "openssl pkcs12 -in FILE -nokeys -out chain.pem",
    }.get(content, "Give a PEM file with the signing certificate and each issuer up to the root.")
    raise CertificateError(
        field,
        "unreadable",
        f"it holds {content} and no certificate." if content else "it holds no certificate that can be read.",
        cause=""
        if content
        else _describe_edges(data)
        or ("" if blocks else "It is something else than X.509 in PEM or DER.")
        or "It is damaged or cut off.",
        remedy=remedy,
        # Of a text that is no PEM, the parser of DER says nothing that helps.
        original="" if content or error is None or not (blocks or data[:1] == b"\x30") else str(error),
    ) from error


def _describe_edges(data: bytes) -> str:
    """Return why data without a block of PEM has none, as a sentence; empty when that is unknown."""
    if not data.strip():
        return "It is empty."
    if len(data) < _SHORT_LINE and b"\n" not in data.strip() and data.isascii() and b"-----" not in data:
        return "It is one short line, as a path is, or a variable that nothing filled in."
    begin, end = (edge.search(data) for edge in _EDGES)
    if bool(begin) == bool(end):
        return ""
    missing = "END" if begin else "BEGIN"
    return f"It is cut off: its `-----{missing} …-----` line is missing."


def _reject_key(field: str, data: bytes, blocks: Sequence[_Block]) -> CertificateError:
    content = _describe(data, blocks)
    remedy = {
        "a certificate": "Give the key here and the certificate as `certificate`: they may be swapped.",
        "a public key": "Give the private key that it was made from.",
        "a PKCS#12 file": "Give it as `pkcs12`.",
    }.get(content, "Give the private key in PEM; for a .pfx or .p12 file use `pkcs12`.")
    return CertificateError(
        field,
        "unreadable",
        f"it holds {content} and no private key." if content else "it holds no private key.",
        cause="" if content else _describe_edges(data) or "It is cut off, or in an encoding that is not known.",
        remedy=remedy,
    )


def _load(encoded: bytes, password: str) -> PrivateKeyTypes:
    """Load a key; raise TypeError when its password is missing, ValueError for every other fault."""
    reader = serialization.load_pem_private_key if encoded.startswith(b"-----") else serialization.load_der_private_key

    def load(secret: bytes | None) -> PrivateKeyTypes:
        # Proving the factors of an RSA key prime takes 0.1 s. It guards against a key made by an attacker;
        # this is the signer's own key, `_is_consistent` detects damage, and every signature is verified after signing.
        try:
            return reader(encoded, secret, unsafe_skip_rsa_key_validation=True)
        except crypto_exceptions.UnsupportedAlgorithm as error:
            raise ValueError(str(error)) from error

    if not password:
        return load(None)
    try:
        return load(password.encode())
    except TypeError:  # the key is not encrypted
        return load(None)


def _is_consistent(key: PrivateKeyTypes) -> bool:
    """Return whether the numbers of an RSA key fit each other (RFC 8017, 3.2); other kinds are checked on loading."""
    if not isinstance(key, rsa.RSAPrivateKey):
        return True
    numbers = key.private_numbers()
    p, q, d, e = numbers.p, numbers.q, numbers.d, numbers.public_numbers.e
    return (
        min(p, q) > 1
        and p * q == numbers.public_numbers.n
        and e * d % (p - 1) == e * d % (q - 1) == 1
        and (numbers.dmp1, numbers.dmq1) == (d % (p - 1), d % (q - 1))
        and q * numbers.iqmp % p == 1
    )


def _damaged(field: str, original: str) -> CertificateError:
    return CertificateError(
        field,
        "unreadable",
        "the private key cannot be read.",
        cause="It is damaged or cut off.",
        remedy="Compare it with the file that it was copied from: `openssl pkey -in KEY -noout -check` tells more.",
        original=original,
    )


def read_pkcs12(data: bytes, password: str = "") -> tuple[PrivateKeyTypes, tuple[Certificate, ...]]:
    """Return the private key and the chain of a PKCS#12 file (.pfx, .p12), with the chain in order, leaf first.

    Args:
        data: the file, or its base64.
        password: empty for none.

    Raises:
        CertificateError: `unreadable` or `password`.
    """
    data = _unwrap(data)
    if content := _describe(data, blocks) if (blocks := _blocks(data)) else "":
        raise CertificateError(
            "pkcs12",
            "unreadable",
            f"it holds {content} in PEM, and is no PKCS#12 file.",
            remedy="Give PEM as `key` (or `key-pem`) and `certificate`.",
        )
    try:
        bag = pkcs12.load_pkcs12(data, password.encode() or None)
    except ValueError as error:
        if "password" in str(error).lower() or "mac" in str(error).lower():
            raise _wrong_password("pkcs12", "the password does not open it.") from error
        raise CertificateError(
            "pkcs12",
            "unreadable",
            "it cannot be read.",
            cause="It is damaged, or not PKCS#12.",
            remedy="Export key and certificates anew, such as with `openssl pkcs12 -export`.",
            original=str(error),
        ) from error
    if bag.key is None or bag.cert is None:
        raise CertificateError(
            "pkcs12",
            "unreadable",
            f"it holds no {'private key' if bag.key is None else 'certificate that fits its key'}.",
            remedy="Export it anew with key and certificate.",
        )
    with reject_unreadable("pkcs12"):
        listed = [bag.cert.certificate, *(extra.certificate for extra in bag.additional_certs)]
        return bag.key, order_chain(_leaf(_of_key(listed, bag.key) or listed[:1]), listed)


def read_pkcs12_certificates(data: bytes) -> tuple[Certificate, ...]:
    """Return the certificates of a PKCS#12 file without a password, in any order; raise ValueError when unreadable."""
    bag = pkcs12.load_pkcs12(data, None)
    own = (bag.cert,) if bag.cert is not None else ()
    return tuple(entry.certificate for entry in (*own, *bag.additional_certs))


def encode_key_pem(key: PrivateKeyTypes) -> bytes:
    """Return the private key as unencrypted PKCS#8 PEM: for a file that only its owner reads, removed after use."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _wrong_password(field: str, what: str) -> CertificateError:
    return CertificateError(
        field,
        "password",
        what,
        remedy="Give it as S3C_KEY_PASSWORD in the environment (in a workflow: `key-password:` from a secret).",
    )
