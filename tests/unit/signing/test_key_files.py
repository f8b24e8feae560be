"""Keys and certificates in the forms that people have them in: read, or named with the command that converts them."""

from __future__ import annotations

import base64
import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from s3c_actions.core.errors import InputError
from s3c_actions.signing import certificate_chains, certificate_rules, certificates, key_files
from s3c_actions.signing.certificates import CertificateError
from s3c_lab.certificates import TIME_STAMPING, Identity, make, make_authority, make_key, pem

NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def chained() -> Identity:
    return make("leaf", issuer=make_authority("intermediate", issuer=make_authority("root"), path_length=0))


def test_keys_are_read_and_passwords_told_apart() -> None:
    identity = make("locked")
    assert key_files.read_key(identity.key_pem("geheim"), "geheim")
    assert key_files.read_key(identity.key_pem(), "not needed")
    for content, password, rule in [
        (identity.key_pem("geheim"), "", "password"),
        (identity.key_pem("geheim"), "wrong", "password"),
        (identity.chain_pem(), "", "unreadable"),
        (identity.key_pem()[:60] + identity.key_pem()[100:], "", "unreadable"),
        (b"", "", "unreadable"),
    ]:
        with pytest.raises(CertificateError) as caught:
            key_files.read_key(content, password)
        assert caught.value.rule == rule
        assert "geheim" not in str(caught.value)


@pytest.mark.parametrize("name", ["d", "dmp1", "dmq1", "iqmp"])
def test_an_rsa_key_whose_numbers_do_not_fit_is_damaged(name: str) -> None:
    key = make_key("RSA-2048")
    assert isinstance(key, rsa.RSAPrivateKey)
    numbers = key.private_numbers()
    parts = {part: getattr(numbers, part) for part in ("p", "q", "d", "dmp1", "dmq1", "iqmp")}
    parts[name] += 2
    changed = rsa.RSAPrivateNumbers(**parts, public_numbers=numbers.public_numbers)
    damaged = Identity(changed.private_key(unsafe_skip_rsa_key_validation=True), ())
    assert key_files.read_key(Identity(key, ()).key_pem())
    with pytest.raises(CertificateError, match="cannot be read") as caught:
        key_files.read_key(damaged.key_pem())
    assert caught.value.rule == "unreadable"


def test_pkcs12_is_read_and_its_chain_put_in_order(chained: Identity) -> None:
    shuffled = Identity(chained.key, (chained.chain[0], chained.chain[2], chained.chain[1]))
    key, chain = key_files.read_pkcs12(shuffled.pkcs12("geheim"), "geheim")
    assert chain == chained.chain
    certificate_rules.check(chain, NOW, key)
    for content, password, rule in [
        (shuffled.pkcs12("geheim"), "wrong", "password"),
        (shuffled.pkcs12("geheim"), "", "password"),
        (b"0\x82nothing", "geheim", "unreadable"),
    ]:
        with pytest.raises(CertificateError) as caught:
            key_files.read_pkcs12(content, password)
        assert caught.value.rule == rule


@pytest.mark.parametrize("content", [b"", b"hello", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_what_is_no_certificate_is_said_to_be_none(content: bytes) -> None:
    with pytest.raises(CertificateError) as caught:
        key_files.read_chain(content)
    assert caught.value.rule == "unreadable"


def test_a_der_certificate_is_read() -> None:
    certificate = make("der").certificate

    assert key_files.read_chain(certificate.public_bytes(Encoding.DER)) == (certificate,)


FORMS = {
    "as it is": lambda text: text,
    "base64": base64.b64encode,
    "base64 in lines": base64.encodebytes,
    "line ends escaped": lambda text: text.replace(b"\n", b"\\n"),
    "line ends of Windows escaped": lambda text: text.replace(b"\n", b"\\r\\n"),
    "line ends lost": lambda text: text.replace(b"\n", b" "),
    "line ends of Windows": lambda text: text.replace(b"\n", b"\r\n"),
    "line ends of old": lambda text: text.replace(b"\n", b"\r"),
    "indented": lambda text: b"".join(b"    " + line + b"  \n" for line in text.splitlines()),
    "line ends escaped twice": lambda text: text.replace(b"\n", b"\\\\n"),
    "line ends escaped as in a URL": lambda text: text.replace(b"\n", b"%0A"),
    "escaped as in a URL": lambda text: quote(text, safe="").encode(),
    "base64 twice": lambda text: base64.b64encode(base64.b64encode(text)),
    "in quotes": lambda text: b'"' + text.replace(b"\n", b"\\n") + b'"',
    "byte order mark": lambda text: b"\xef\xbb\xbf" + text,
    "UTF-16": lambda text: text.decode().encode("utf-16"),
    "UTF-16 without a mark": lambda text: text.decode().encode("utf-16-be"),
    "with attributes": lambda text: b"Bag Attributes\n    friendlyName: x\nsubject=C = US\n" + text,
}


@pytest.mark.parametrize("form", FORMS)
def test_pem_is_read_however_it_was_carried(form: str, chained: Identity) -> None:
    carried = FORMS[form]
    assert key_files.read_chain(carried(chained.chain_pem())) == chained.chain
    key = key_files.read_key(carried(chained.key_pem()))
    assert certificates.public_bytes(key.public_key()) == certificates.public_bytes(chained.key.public_key())
    assert key_files.read_key(carried(chained.key_pem("geheim")), "geheim")


@pytest.mark.parametrize("form", ["as it is", "line ends lost", "line ends escaped", "indented"])
@pytest.mark.parametrize("layout", [PrivateFormat.TraditionalOpenSSL, PrivateFormat.PKCS8])
@pytest.mark.slow
def test_older_and_encrypted_layouts_are_read(form: str, layout: PrivateFormat) -> None:
    key = make_key("RSA-2048")
    for secret in ("", "geheim"):
        encryption = BestAvailableEncryption(secret.encode()) if secret else NoEncryption()
        text = key.private_bytes(Encoding.PEM, layout, encryption)
        if secret and form == "line ends lost" and layout is PrivateFormat.TraditionalOpenSSL:
            continue  # its headers need their lines
        assert key_files.read_key(FORMS[form](text), secret)


def test_der_and_its_base64_are_read(chained: Identity) -> None:
    key = chained.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    certificate = chained.certificate.public_bytes(Encoding.DER)
    for carried in (bytes, base64.b64encode):
        assert key_files.read_key(carried(key))
        assert key_files.read_chain(carried(certificate)) == (chained.certificate,)
        assert key_files.read_pkcs12(carried(chained.pkcs12("geheim")), "geheim")[1] == chained.chain


def pem_block(label: str) -> bytes:
    body = base64.encodebytes(bytes(range(256))).decode()
    return f"-----BEGIN {label}-----\n{body}-----END {label}-----\n".encode()


def rejected(reader: object, content: bytes) -> str:
    with pytest.raises(CertificateError) as caught:
        reader(content)  # type: ignore[operator]
    error = caught.value
    assert (error.rule, error.exit_code) == ("unreadable", 2)
    return f"{error.what} {error.remedy}"


def test_swapped_files_are_recognized(chained: Identity) -> None:
    text = rejected(key_files.read_chain, chained.key_pem())
    assert "certificate: it holds a private key and no certificate. Give the certificate here and the key as" in text
    for content in (chained.chain_pem(), chained.certificate.public_bytes(Encoding.DER)):
        assert "key: it holds a certificate and no private key. Give the" in rejected(key_files.read_key, content)
    for reader in (key_files.read_key, key_files.read_chain):
        assert "a PKCS#12 file and no" in rejected(reader, chained.pkcs12("geheim"))
        assert "`pkcs12`" in rejected(reader, chained.pkcs12("geheim"))
    assert "it holds a private key in PEM, and is no PKCS#12 file" in rejected(key_files.read_pkcs12, chained.key_pem())


def test_requests_and_public_keys_are_named(chained: Identity) -> None:
    public = chained.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    assert "it holds a public key and no private key" in rejected(key_files.read_key, public)
    request = b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n"
    assert "a request for a certificate (CSR)" in rejected(key_files.read_chain, request)
    assert "PEM of another kind" in rejected(key_files.read_chain, request.replace(b"CERTIFICATE REQUEST", b"X509 CRL"))


@pytest.mark.parametrize(
    ("content", "phrase"),
    [
        (pem_block("ENCRYPTED SIGSTORE PRIVATE KEY"), "a private key in cosign's own format. Make a key with"),
        (pem_block("ENCRYPTED COSIGN PRIVATE KEY"), "a private key in cosign's own format"),
        (b"\n" + pem_block("OPENSSH PRIVATE KEY"), "OpenSSH's own format. Convert a copy of it"),
        (pem_block("PGP PRIVATE KEY BLOCK"), "a key of OpenPGP. Make a key"),
        (b"PuTTY-User-Key-File-3: ssh-rsa\nEncryption: none\n", "PuTTY's own format. Export it: puttygen"),
        (b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA me@example.test\n", "a public key of OpenSSH"),
        (bytes.fromhex("feedfeed00000002") + bytes(range(200)), "a Java keystore. Convert it, and give that as"),
        (b'{"crv":"P-256","kty":"EC","x":"AA"}', "a JSON Web Key"),
    ],
)
def test_keys_of_other_programs_are_named_with_what_to_do(content: bytes, phrase: str) -> None:
    for carried in (content, base64.b64encode(content)):
        assert phrase in rejected(key_files.read_key, carried)


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b" \n", "It is empty."),
        (pem_block("PRIVATE KEY").rpartition(b"-----END")[0], "its `-----END …-----` line is missing"),
        (pem_block("CERTIFICATE").partition(b"\n")[2], "its `-----BEGIN …-----` line is missing"),
        (b"/etc/ssl/signing.pem\n", "one short line, as a path is"),
        (b"$(SIGNING_KEY)", "a variable that nothing filled in"),
    ],
)
def test_why_nothing_is_in_a_file_is_said(content: bytes, cause: str) -> None:
    for reader in (key_files.read_key, key_files.read_chain):
        with pytest.raises(CertificateError) as caught:
            reader(content)
        assert cause in caught.value.cause
        assert not caught.value.original


def test_a_chain_is_read_in_any_order(chained: Identity) -> None:
    for order in itertools.permutations((*chained.chain, chained.chain[1])):
        text = b"".join(map(pem, order))
        assert key_files.read_signing_chain(text, chained.key) == chained.chain
        assert key_files.read_signing_chain(text) == chained.chain


def test_of_several_issuers_of_one_name_the_one_that_signed_is_taken() -> None:
    root = make_authority("root")
    renewed = make_authority("intermediate", issuer=root)
    other = make_authority("intermediate", issuer=root)
    leaf = make("leaf", issuer=renewed)
    text = b"".join(map(pem, (*other.chain, *leaf.chain)))
    assert key_files.read_signing_chain(text, leaf.key) == leaf.chain


def test_of_several_certificates_of_one_authority_the_valid_one_is_taken() -> None:
    """Renewed with the same key, the name and the signature fit both."""
    root = make_authority("root")
    renewed = make_authority("intermediate", issuer=root)
    past, future = NOW - timedelta(days=1), NOW + timedelta(days=9)
    expired = make("intermediate", issuer=root, key=renewed.key, authority=True, start=past - timedelta(9), end=past)
    early = make("intermediate", issuer=root, key=renewed.key, authority=True, start=future, end=future + timedelta(9))
    leaf = make("leaf", issuer=renewed)
    for order in itertools.permutations([*leaf.chain, expired.certificate, early.certificate]):
        assert key_files.read_signing_chain(b"".join(map(pem, order)), leaf.key) == leaf.chain
    crowded = replace(leaf, chain=(leaf.certificate, expired.certificate, early.certificate, *leaf.chain[1:]))
    assert key_files.read_pkcs12(crowded.pkcs12("geheim"), "geheim")[1] == leaf.chain
    without = b"".join(map(pem, (leaf.certificate, expired.certificate, root.certificate)))
    chain = key_files.read_signing_chain(without, leaf.key)
    with pytest.raises(CertificateError) as caught:
        certificate_rules.check(chain, NOW)
    assert caught.value.rule == "expired"


def test_of_an_authority_that_another_one_certified_the_chain_to_a_root_is_taken() -> None:
    """A new root is certified by the old one as well, until everybody trusts it."""
    old, new = make_authority("old"), make_authority("new")
    crossed = make("new", issuer=old, key=new.key, authority=True)
    leaf = make("leaf", issuer=make_authority("intermediate", issuer=new))
    for order in itertools.permutations([*leaf.chain, crossed.certificate]):
        assert key_files.read_signing_chain(b"".join(map(pem, order)), leaf.key) == leaf.chain
    by_old = (*leaf.chain[:2], crossed.certificate, old.certificate)
    for order in itertools.permutations(by_old):
        assert key_files.read_signing_chain(b"".join(map(pem, order)), leaf.key) == by_old


def test_of_several_certificates_of_the_key_the_valid_one_signs() -> None:
    authority, key = make_authority("root"), make_key()
    past = NOW - timedelta(days=1)
    expired = make("app", issuer=authority, key=key, start=past - timedelta(days=9), end=past)
    renewed = make("app", issuer=authority, key=key)
    for order in itertools.permutations((expired.certificate, *renewed.chain)):
        assert key_files.read_signing_chain(b"".join(map(pem, order)), key) == renewed.chain
    crowded = replace(renewed, chain=(expired.certificate, *renewed.chain))
    assert key_files.read_pkcs12(crowded.pkcs12("geheim"), "geheim")[1] == renewed.chain
    assert key_files.read_signing_chain(expired.chain_pem(), key) == expired.chain


def test_the_leaf_is_the_certificate_of_the_key() -> None:
    authority = make_authority("root")
    old, new = (make("app", issuer=authority, end=NOW + timedelta(days=days)) for days in (3, 90))
    text = old.chain_pem() + new.chain_pem()
    assert key_files.read_signing_chain(text, new.key) == new.chain
    assert key_files.read_signing_chain(text, old.key) == old.chain
    assert certificate_chains.split_chains(key_files.read_chain(text)) == (old.chain, new.chain)


@pytest.mark.parametrize("unit", [b"-----BEGIN A-----", b"-----BEGIN A-----\n-----END ", b"-", b"\\n", b"A" * 64])
@pytest.mark.slow
def test_nothing_hostile_takes_long(unit: bytes) -> None:
    for reader in (key_files.read_key, key_files.read_chain, key_files.read_pkcs12):
        assert rejected(reader, unit * 100_000)


def test_only_a_root_is_trusted_for_time_stamps() -> None:
    root = make_authority("tsa root")
    signer = make("tsa", issuer=root, extended=(TIME_STAMPING,), extended_critical=True)
    other = make_authority("other root")
    both = pem(root.certificate) + pem(other.certificate)
    assert key_files.read_timestamp_roots(both, "field") == (root.certificate, other.certificate)
    # Neither the certificate that signs time-stamps, nor a self-signed one that is no authority.
    for wrong in (pem(signer.certificate), pem(root.certificate) + pem(signer.certificate), make("x").chain_pem()):
        with pytest.raises(InputError, match="not the root certificate") as error:
            key_files.read_timestamp_roots(wrong, "trusted-timestamp-root")
        assert (error.value.field, error.value.exit_code) == ("trusted-timestamp-root", 2)
    with pytest.raises(InputError):
        key_files.read_timestamp_roots(b"", "trusted-timestamp-root")
