"""Trusted identities, against the parser of the notation-go that notation and Ratify are built with."""

from __future__ import annotations

import base64
import random
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID as N
from cryptography.x509.oid import ObjectIdentifier

from s3c_actions.core.errors import InputError
from s3c_actions.programs.install.pins import NOTATION
from s3c_actions.signing import certificate_identities, identities
from s3c_actions.signing.certificates import CertificateError
from s3c_lab.certificates import Identity, make, make_authority, make_key
from tests.support import go_judges

SEED = 8
HERE = Path(__file__).parent / "identities"
BY_NAME = (
    N.COUNTRY_NAME,
    N.STATE_OR_PROVINCE_NAME,
    N.LOCALITY_NAME,
    N.STREET_ADDRESS,
    N.POSTAL_CODE,
    N.ORGANIZATION_NAME,
    N.ORGANIZATIONAL_UNIT_NAME,
    N.COMMON_NAME,
    N.SERIAL_NUMBER,
)
BY_NUMBER = (
    N.EMAIL_ADDRESS,
    N.DOMAIN_COMPONENT,
    N.USER_ID,
    N.TITLE,
    N.GIVEN_NAME,
    N.SURNAME,
    N.BUSINESS_CATEGORY,
    N.ORGANIZATION_IDENTIFIER,
    N.DN_QUALIFIER,
    N.JURISDICTION_COUNTRY_NAME,
    ObjectIdentifier("1.3.6.1.4.1.55555.1"),
)
CHARACTERS = 'aZ0é株💥 ,+"\\<>;=#\t\n\x00/:*&|()\u00a0\u202e'


@dataclass(frozen=True)
class Answer:
    """As main.go gives it."""

    leaf: str
    readable: bool
    accepted: str
    matches: bool


class Notation:
    """notation's parser, as a program."""

    def __init__(self, program: Path) -> None:
        self.program = program

    def asks(self, *questions: tuple[x509.Certificate | str, str]) -> list[Answer]:
        """How it reads each leaf (a certificate, or its subject as Go writes it) and the identity beside it."""
        lines = [
            (
                {"Identity": identity, "Leaf": leaf}
                if isinstance(leaf, str)
                else {"Identity": identity, "Certificate": base64.b64encode(leaf.public_bytes(Encoding.DER)).decode()}
            )
            for leaf, identity in questions
        ]
        readings = go_judges.ask(self.program, lines)
        return [
            Answer(reading["Leaf"], reading["Readable"], reading["Accepted"], reading["Matches"])
            for reading in readings
        ]


@pytest.fixture(scope="module")
def notation(tmp_path_factory: pytest.TempPathFactory) -> Notation:
    program = go_judges.build(HERE / "main.go", NOTATION, tmp_path_factory.mktemp("identities"))
    return Notation(program)


def text(dice: random.Random) -> str:
    return "".join(dice.choice(CHARACTERS) for _ in range(dice.choice((1, 1, 2, 3, 8))))


def value(dice: random.Random, kind: ObjectIdentifier) -> str:
    if kind in (N.COUNTRY_NAME, N.JURISDICTION_COUNTRY_NAME):
        return dice.choice(("US", "DE"))
    if kind in (N.SERIAL_NUMBER, N.DN_QUALIFIER, N.EMAIL_ADDRESS, N.DOMAIN_COMPONENT):  # of few characters, by ASN.1
        return dice.choice(("7", "a.example", " 7+8 "))
    return text(dice)


def some_subject(dice: random.Random) -> x509.Name:
    """Mostly C, ST and O; attributes missing, doubled, in one relative name, and such as Go has no name for."""
    kinds = [kind for kind in (N.COUNTRY_NAME, N.STATE_OR_PROVINCE_NAME, N.ORGANIZATION_NAME) if dice.random() < 0.95]
    kinds += dice.sample(BY_NAME, dice.choice((0, 1, 2, 3)))
    kinds += dice.sample(BY_NUMBER, dice.choice((0, 0, 0, 1)))
    dice.shuffle(kinds)
    relatives: list[dict[ObjectIdentifier, x509.NameAttribute[str]]] = []
    for kind in kinds:
        attribute = x509.NameAttribute(kind, value(dice, kind))
        if relatives and kind not in relatives[-1] and dice.random() < 0.15:
            relatives[-1][kind] = attribute
        else:
            relatives.append({kind: attribute})
    return x509.Name([x509.RelativeDistinguishedName(relative.values()) for relative in relatives])


@pytest.fixture(scope="module")
def authority() -> Identity:
    return make_authority("root")


def test_every_identity_that_is_written_is_one_that_notation_reads_and_matches(
    notation: Notation, authority: Identity
) -> None:
    """Who is named is matched; who is not named, notation cannot read: no name is given up that it would take."""
    dice, key = random.Random(SEED), make_key()
    signers = [make("x", issuer=authority, key=key, subject_name=some_subject(dice)) for _ in range(1500)]
    written = [certificate_identities.trusted_identity(signer.certificate) for signer in signers]
    named = 0
    questions = ((signer.certificate, identity or "*") for signer, identity in zip(signers, written, strict=True))
    for signer, identity, answer in zip(signers, written, notation.asks(*questions), strict=True):
        assert answer.accepted == "", answer
        assert answer.readable is bool(identity), answer
        named += bool(identity)
        if identity:
            assert answer.matches, answer
            assert identities.covers_identity((identity,), identity)
            assert certificate_identities.pinned_identity(signer.chain) == identity
        else:
            with pytest.raises(CertificateError) as refused:
                certificate_identities.pinned_identity(signer.chain)
            assert (refused.value.rule, refused.value.exit_code) == ("subject", 2)
    assert 300 < named < 1200, "the generator makes too many of one kind"


def test_a_self_signed_certificate_is_pinned_whatever_its_subject(notation: Notation) -> None:
    dice, key = random.Random(SEED), make_key()
    signers = [make("x", key=key, subject_name=some_subject(dice)) for _ in range(500)]
    pinned = [certificate_identities.pinned_identity(signer.chain) for signer in signers]
    questions = ((signer.certificate, identity) for signer, identity in zip(signers, pinned, strict=True))
    for identity, answer in zip(pinned, notation.asks(*questions), strict=True):
        assert answer.accepted == "", answer
        assert (identity == "*") is not answer.readable, answer
    assert {"*"} < set(pinned)


def some_name(dice: random.Random) -> str:
    """A name as people write it: with blanks, escapes and mistakes."""
    kinds = ["C", "ST", "O", *(kind for kind in ("CN", "OU", "L", "S", "c", "1.2.3", "") if dice.random() < 0.15)]
    if dice.random() < 0.2:
        kinds.remove(dice.choice(kinds))
    dice.shuffle(kinds)
    written = ""
    for kind in kinds:
        content = text(dice)
        if dice.random() < 0.8:
            content = certificate_identities._escaped(content)
        elif dice.random() < 0.5:
            content = "".join(f"\\{byte:02x}" for byte in content.encode())
        written += f"{dice.choice(('', '', ' '))}{kind}{dice.choice(('=', '=', '=', ' = ', ''))}{content}"
        written += dice.choice((",", ",", ", ", ", ", ";", "+") if dice.random() < 0.3 else (",",))
    return written[:-1] if dice.random() < 0.95 else written


def accepted(name: str) -> bool:
    try:
        identities.parse(name)
    except ValueError:
        return False
    return True


def test_names_that_people_give_are_read_as_notation_reads_them(notation: Notation) -> None:
    dice = random.Random(SEED)
    names = [some_name(dice) for _ in range(4000)]
    # Pairs that share attributes, so that some are part of others.
    pairs = [(name, name + dice.choice(("", ",CN=a", ",OU=b"))) for name in names]
    pairs += [(dice.choice(pairs)[1], dice.choice(pairs)[1]) for _ in range(1000)]
    good = 0
    answers = notation.asks(*((other, identities.PREFIX + name) for name, other in pairs))
    for (name, other), answer in zip(pairs, answers, strict=True):
        assert accepted(name) is (answer.accepted == ""), (name, answer)
        assert accepted(other) is answer.readable, (other, answer)
        if not (accepted(name) and accepted(other)):
            continue
        good += 1
        covered = (
            identities.covers_identity(identities.identity_entries([name]), other),
            identities.covers_identity(identities.identity_entries([other]), name),
        )
        assert any(covered) is answer.matches, (name, other, answer)
        try:
            identities.identity_entries((name, other))
        except InputError as error:
            assert answer.matches, (error, answer)
        else:
            assert not answer.matches, (name, other, answer)
    assert 500 < good < 4500
