"""By which identity a trust policy names a signer, and nobody besides."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from s3c_actions.signing import certificate_identities, certificate_rules
from s3c_actions.signing.certificates import CertificateError
from s3c_lab.certificates import Identity, make, make_authority, subject
from tests.unit.signing.test_certificate_rules import NOW, broken

ODD = x509.Name([*subject("odd"), x509.NameAttribute(NameOID.USER_ID, "7")])


@pytest.fixture(scope="module")
def root() -> Identity:
    return make_authority("root")


@pytest.mark.parametrize(
    ("name", "identity"),
    [
        (subject("app"), "x509.subject:C=US,ST=WA,O=s3c lab,CN=app"),
        (subject("a, b", O='A+"B"'), r"x509.subject:C=US,ST=WA,O=A\+\"B\",CN=a\, b"),
        (subject(" #x "), r"x509.subject:C=US,ST=WA,O=s3c lab,CN=\ #x\ "),
        (subject("#x"), r"x509.subject:C=US,ST=WA,O=s3c lab,CN=\#x"),
        (subject("app", C=""), ""),
        (subject("app", ST=""), ""),
        (subject("app", O=""), ""),
        (
            x509.Name([*subject("app"), x509.NameAttribute(NameOID.ORGANIZATION_NAME, "again")]),
            "",
        ),
        (
            x509.Name([*subject("app"), x509.NameAttribute(NameOID.EMAIL_ADDRESS, "a@b.example")]),
            "",
        ),
        (x509.Name([*subject("app"), x509.NameAttribute(NameOID.USER_ID, "7")]), ""),
        (x509.Name([*subject("app"), x509.NameAttribute(NameOID.DOMAIN_COMPONENT, "example")]), ""),
        (subject("a=#b"), ""),
        (
            x509.Name(
                [*subject("", CN=""), *(x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit) for unit in "ab")]
            ),
            "",
        ),
        (
            x509.Name(
                [
                    *subject("", CN="").rdns,
                    x509.RelativeDistinguishedName(
                        [
                            x509.NameAttribute(NameOID.COMMON_NAME, "app"),
                            x509.NameAttribute(NameOID.SERIAL_NUMBER, "7"),
                        ]
                    ),
                ]
            ),
            "x509.subject:C=US,ST=WA,O=s3c lab,SERIALNUMBER=7,CN=app",
        ),
    ],
)
def test_a_policy_names_the_subject_or_admits_that_it_cannot(name: x509.Name, identity: str, root: Identity) -> None:
    """Read as Go writes it: tests/contract/test_identities.py holds generated subjects against notation's parser."""
    alone, issued = make("x", subject_name=name), make("x", subject_name=name, issuer=root)
    assert certificate_identities.trusted_identity(alone.certificate) == identity
    # Alone in the trust store, `*` is nobody else.
    assert certificate_identities.pinned_identity(alone.chain) == (identity or "*")
    certificate_rules.check(alone.chain, NOW, alone.key)
    if identity:
        assert certificate_identities.pinned_identity(issued.chain) == identity
        certificate_rules.check(issued.chain, NOW, issued.key)
        return
    error = broken(issued)
    assert (error.rule, "no trust policy can name" in error.what) == ("subject", True)
    assert "CN=root" in error.cause
    assert "self-signed" in error.remedy


def test_an_authority_whose_subject_cannot_be_named_is_never_trusted_with_everyone_below_it() -> None:
    with pytest.raises(CertificateError) as caught:
        certificate_identities.pinned_identity(make("a", authority=True, subject_name=ODD).chain)
    assert caught.value.rule == "subject"


def test_several_certificates_of_one_signer_are_named_once_and_nobody_besides(root: Identity) -> None:
    def pinned(*signers: Identity) -> tuple[str, ...]:
        return certificate_identities.pinned_identities([signer.chain for signer in signers])

    def named(name: str) -> str:
        return f"x509.subject:C=US,ST=WA,O=s3c lab,CN={name}"

    first, renewed, other = make("a", issuer=root), make("a", issuer=root), make("b", issuer=root)
    assert pinned(first, renewed) == (named("a"),)
    assert pinned(first, other) == (named("a"), named("b"))
    assert pinned(make("a"), make("b")) == (named("a"), named("b"))
    # The same subject below another authority is asked for: both are named.
    assert pinned(first, make("a", issuer=make_authority("second"))) == (named("a"),)
    for pair in ((first, make("b", issuer=make_authority("second"))), (first, make("b"))):
        with pytest.raises(CertificateError) as caught:
            pinned(*pair)
        assert caught.value.rule == "subject"
    # A subject that no policy can name is trusted alone only; beside an authority it would be everybody.
    assert pinned(make("odd", subject_name=ODD), make("a")) == ("*",)
    with pytest.raises(CertificateError):
        pinned(make("odd", subject_name=ODD), first)
