"""The Notary Project's rules for certificates, each broken once with a real certificate."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtensionOID

from s3c_actions.signing import (
    certificate_rules,
    key_files,
)
from s3c_actions.signing.certificates import CertificateError
from s3c_lab.certificates import (
    CODE_SIGNING,
    SERVER_AUTH,
    TIME_STAMPING,
    Identity,
    make,
    make_authority,
    make_key,
    subject,
    usage,
)
from tests.support import ROOT

NOW = datetime.now(UTC)
DAY = timedelta(days=1)
DATA = ROOT / "tests" / "data" / "certificates"


@pytest.fixture(scope="module")
def root() -> Identity:
    return make_authority("root")


@pytest.fixture(scope="module")
def chained(root: Identity) -> Identity:
    return make("leaf", issuer=make_authority("intermediate", issuer=root, path_length=0))


def broken(identity: Identity, *, now: datetime = NOW) -> CertificateError:
    with pytest.raises(CertificateError) as caught:
        certificate_rules.check(identity.chain, now, identity.key)
    assert caught.value.exit_code == 2
    assert caught.value.field == "certificate"
    assert caught.value.what.startswith("certificate: ")
    return caught.value


@pytest.mark.parametrize("spec", ["EC-256", "EC-384", "EC-521", "RSA-2048"])
def test_a_self_signed_signing_certificate_is_good(spec: str) -> None:
    identity = make("good", spec=spec)
    certificate_rules.check(identity.chain, NOW, identity.key)
    assert certificate_rules.key_spec(identity.certificate) == spec


def test_a_chain_is_good(chained: Identity) -> None:
    certificate_rules.check(chained.chain, NOW, chained.key)
    assert len(chained.chain) == 3


@pytest.mark.parametrize(
    ("identity", "rule", "phrase"),
    [
        (make("old", start=NOW - 3 * DAY, end=NOW - DAY), "expired", "expired on"),
        (make("young", start=NOW + DAY, end=NOW + 2 * DAY), "not-yet-valid", "is valid only from"),
        (make("authority", authority=True), "authority", "CA=true"),
        (make("usage", key_usage=usage("key_encipherment")), "key-usage", "does not allow digitalSignature"),
        (
            make("wide", key_usage=usage("digital_signature", "key_encipherment", "crl_sign")),
            "key-usage",
            "keyEncipherment, cRLSign",
        ),
        (make("lax", key_usage_critical=False), "key-usage", "not marked critical"),
        (make("web", extended=(CODE_SIGNING, SERVER_AUTH)), "extended-key-usage", "serverAuth"),
        (make("tsa", extended=(TIME_STAMPING,)), "extended-key-usage", "timeStamping"),
        (make("short", spec="RSA-1024"), "key-size", "1024 bits"),
        (make("odd", spec="RSA-2560"), "key-size", "2560 bits"),
        (make("curve", spec="EC-224"), "key-size", "secp224r1"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_broken_rule_is_named(identity: Identity, rule: str, phrase: str) -> None:
    error = broken(identity)
    assert error.rule == rule
    assert phrase in error.what
    assert error.remedy


def test_other_kinds_of_key_are_refused() -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    name = subject("edwards")
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, NOW - DAY, NOW + DAY)
        .add_extension(usage("digital_signature"), critical=True)
        .sign(key, None)
    )
    assert broken(Identity(key, (signed,))).rule == "key-type"


def test_a_leaf_without_key_usage_is_refused() -> None:
    key, name = make_key(), subject("bare")
    signed = x509.CertificateBuilder(name, name, key.public_key(), 1, NOW - DAY, NOW + DAY).sign(key, SHA256())
    error = broken(Identity(key, (signed,)))
    assert (error.rule, "has no keyUsage" in error.what) == ("key-usage", True)


def test_the_key_has_to_fit() -> None:
    assert broken(Identity(make_key(), make("one").chain)).rule == "key-mismatch"


def test_the_order_of_the_chain_is_held(chained: Identity) -> None:
    leaf, intermediate, root = chained.chain
    assert broken(Identity(chained.key, (intermediate, leaf, root))).rule == "chain-order"
    assert broken(Identity(chained.key, (leaf, root, intermediate))).rule == "chain-order"
    assert broken(Identity(chained.key, (leaf, intermediate, root, root))).rule == "chain-order"


def test_a_chain_has_to_reach_its_root(chained: Identity) -> None:
    error = broken(Identity(chained.key, chained.chain[:2]))
    assert error.rule == "chain-incomplete"
    assert "CN=root" in error.what


def test_an_issuer_of_another_key_is_not_the_issuer(chained: Identity) -> None:
    other = make_authority("intermediate", issuer=make_authority("root"))
    assert broken(Identity(chained.key, (chained.chain[0], *other.chain))).rule == "chain-order"


def test_every_certificate_of_the_chain_has_to_be_valid() -> None:
    old = make("old root", authority=True, start=NOW - 9 * DAY, end=NOW - DAY)
    error = broken(make("leaf", issuer=old))
    assert (error.rule, "CN=old root" in error.what) == ("expired", True)


def test_authorities_hold_their_path_length(root: Identity) -> None:
    narrow = make_authority("narrow", path_length=0)
    below = make_authority("below", issuer=narrow)
    error = broken(make("leaf", issuer=below))
    assert (error.rule, "0 authorities below it, and has 1" in error.what) == ("chain-authority", True)


def test_an_issuer_without_the_right_to_sign_certificates_is_refused() -> None:
    weak = make("weak", authority=True, key_usage=usage("crl_sign"))
    assert broken(make("leaf", issuer=weak)).rule == "chain-authority"


@pytest.mark.parametrize("data", [b"\x05\x00", b"\xff", b"", b"\x03\x03\x07\x00\x01"])
@pytest.mark.parametrize(
    "oid", [ExtensionOID.KEY_USAGE, ExtensionOID.BASIC_CONSTRAINTS, ExtensionOID.EXTENDED_KEY_USAGE]
)
def test_a_malformed_extension_is_wrong_input(oid: x509.ObjectIdentifier, data: bytes) -> None:
    """The last is keyUsage decipherOnly without keyAgreement."""
    key, name = make_key(), subject("odd")
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, NOW - DAY, NOW + DAY)
        .add_extension(x509.UnrecognizedExtension(oid, data), critical=True)
        .sign(key, SHA256())
    )
    assert broken(Identity(key, (signed,))).rule == "unreadable"


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
def test_a_negative_serial_number_is_refused() -> None:
    """cryptography reads them, and Go does not."""
    key, name = make_key(), subject("negative")
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), 0x7EADBEEF, NOW - DAY, NOW + DAY)
        .add_extension(usage("digital_signature"), critical=True)
        .sign(key, SHA256())
    )
    body, inverted = signed.tbs_certificate_bytes, bytes.fromhex("0204feadbeef")
    changed = body.replace(bytes.fromhex("02047eadbeef"), inverted)
    der = signed.public_bytes(Encoding.DER).replace(body, changed)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    signature = b""
    # A signature of the same length stands at the end.
    while len(signature) != len(signed.signature):
        signature = key.sign(changed, ec.ECDSA(SHA256()))
    negative = x509.load_der_x509_certificate(der[: -len(signature)] + signature)
    assert negative.serial_number < 0
    error = broken(Identity(key, (negative,)))
    assert (error.rule, "negative serial number" in error.what) == ("unreadable", True)


def test_a_key_for_pss_alone_is_refused() -> None:
    """OpenSSL makes such ones, and Go cannot read them; a signature with PSS by a plain key is another thing."""
    chain = key_files.read_chain((DATA / "rsa-pss-key.crt").read_bytes())
    with pytest.raises(CertificateError) as caught:
        certificate_rules.check(chain, NOW)
    assert (caught.value.rule, "PSS" in caught.value.what) == ("key-type", True)


def test_whether_it_is_valid_now_may_not_matter() -> None:
    """What a certificate signed before its end is trusted by a time-stamp; every other rule holds."""
    ended = make("ended", start=NOW - 9 * DAY, end=NOW - DAY)
    with pytest.raises(CertificateError, match="expired"):
        certificate_rules.check(ended.chain, NOW)
    certificate_rules.check(ended.chain, None)
    with pytest.raises(CertificateError, match="serverAuth"):
        certificate_rules.check(make("web", end=NOW - DAY / 2, extended=(SERVER_AUTH,)).chain, None)
