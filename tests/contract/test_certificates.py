"""Certificates are judged as notation judges them, and the commands that convert what it does not read work.

notation's judge is its own code, built from the pinned module; the certificates are those of its tests, and
such as it has none of.
"""

from __future__ import annotations

import base64
import itertools
import random
import re
import subprocess
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from s3c_actions.programs.install import gobuild
from s3c_actions.programs.install.pins import NOTATION
from s3c_actions.signing import certificate_chains, certificate_rules, certificates, key_files
from s3c_actions.signing.certificates import CertificateError
from s3c_lab.certificates import Identity, make, make_authority, pem, subject
from s3c_lab.machine import Machine
from tests.support import go_judges

Chain = tuple[x509.Certificate, ...]
Judge = Callable[[Sequence[tuple[Chain, datetime]]], list[str]]
CORE = msgspec.structs.replace(NOTATION, module="github.com/notaryproject/notation-core-go")


@pytest.fixture(scope="module", autouse=True)
def tools() -> None:
    """OpenSSL and OpenSSH, which a bare machine has not."""
    machine = Machine(
        runner=go_judges.TOOLS["runner"], progress=go_judges.TOOLS["progress"], cache=go_judges.TOOLS["cache"]
    )
    machine.install({"openssl": "openssl", "ssh-keygen": "openssh-client"})


@pytest.fixture(scope="module")
def chained() -> Identity:
    return make("leaf", issuer=make_authority("intermediate", issuer=make_authority("root"), path_length=0))


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Judge:
    program = go_judges.build(
        Path(__file__).parent / "certificates" / "main.go", NOTATION, tmp_path_factory.mktemp("certificates")
    )

    def answers(chains: Sequence[tuple[Chain, datetime]]) -> list[str]:
        questions = [
            {
                "Chain": [base64.b64encode(certificate.public_bytes(Encoding.DER)).decode() for certificate in chain],
                "Time": f"{now:%FT%TZ}",
            }
            for chain, now in chains
        ]
        return go_judges.ask(program, questions)

    return answers


def ours(chain: Chain, now: datetime) -> str:
    """Why a chain is refused; empty when it is not. The subject that no policy can name is a rule of ours alone."""
    try:
        certificate_rules.check(chain, now)
    except CertificateError as error:
        return "" if error.rule == "subject" else f"{error.rule}: {error.what} {error.original}"
    return ""


def differences(judge: Judge, chains: Sequence[tuple[Chain, datetime]]) -> tuple[int, list[tuple[str, str, str]]]:
    """How many of the chains notation accepts, and the others' reasons: notation's, ours, and the PEM."""
    verdicts = judge(chains)
    compared = [(verdict, ours(*question), question[0]) for verdict, question in zip(verdicts, chains, strict=True)]
    wrong = [
        (verdict, reason, certificates.encode_pem(chain).decode())
        for verdict, reason, chain in compared
        if bool(verdict) != bool(reason)
    ]
    return sum(not verdict for verdict in verdicts), wrong


def test_notations_own_certificates_get_its_verdicts(judge: Judge, tmp_path: Path) -> None:
    """Each certificate of its tests alone, before each other, and with its issuers; at the time that it is of."""
    gobuild.copy_folder(CORE, "x509", tmp_path / "x509", **go_judges.TOOLS)
    texts = b"\n".join(path.read_bytes() for path in sorted((tmp_path / "x509").rglob("*")) if path.is_file())
    # Go's sources have a line of PEM in each of several strings.
    texts = re.sub(rb'\\n" \+\s*"', b"\n", texts)
    samples = dict.fromkeys(_readable(re.findall(rb"-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----", texts)))
    assert len(samples) > 20
    chains: list[Chain] = [(certificate,) for certificate in samples]
    chains += list(itertools.permutations(samples, 2))
    chains += [certificate_chains.order_chain(certificate, tuple(samples)) for certificate in samples]
    accepted, wrong = differences(judge, [(chain, _moment(chain)) for chain in chains])
    assert (accepted >= 5, wrong) == (True, [])


def _readable(blocks: Sequence[bytes]) -> Iterator[x509.Certificate]:
    for block in blocks:
        try:
            certificate = x509.load_pem_x509_certificate(block)
            certificate.subject, certificate.issuer  # noqa: B018
        except ValueError:
            continue
        yield certificate


def _moment(chain: Chain) -> datetime:
    return max(certificate.not_valid_before_utc for certificate in chain) + timedelta(seconds=1)


NOW = datetime.now(UTC).replace(microsecond=0)
KEYS: dict[str, Any] = {
    "RSA-1024": lambda: rsa.generate_private_key(65537, 1024),
    "RSA-2048": lambda: rsa.generate_private_key(65537, 2048),
    "RSA-2056": lambda: rsa.generate_private_key(65537, 2056),
    "RSA-3072": lambda: rsa.generate_private_key(65537, 3072),
    "P-224": lambda: ec.generate_private_key(ec.SECP224R1()),
    "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "P-521": lambda: ec.generate_private_key(ec.SECP521R1()),
}
# Bits of keyUsage as DER, some of them contradicting each other, cut off, or of no meaning.
KEY_USAGES: tuple[str, ...] = (
    "03020780",
    "03020780",
    "03020780",
    "030202 84",
    "03020106",
    "03020780",
    "030202c0",
    "0303078001",
    "03020780 00",
)
KEY_USAGES += ("03020700", "030100", "0302", "0303070080", "03030780 80", "04020780", "030208 80", "03020781")
BASIC = (
    "3000",
    "3000",
    "30030101ff",
    "30060101ff020100",
    "30060101ff020101",
    "3003010100",
    "30030101 01",
    "30",
    "0500",
    "30060101ff0201ff",
)
EXTENDED = (
    ExtendedKeyUsageOID.CODE_SIGNING,
    ExtendedKeyUsageOID.SERVER_AUTH,
    ExtendedKeyUsageOID.TIME_STAMPING,
    ExtendedKeyUsageOID.OCSP_SIGNING,
    ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
    x509.ObjectIdentifier("1.2.3.4"),
)


def _der(text: str) -> bytes:
    return bytes.fromhex(text.replace(" ", ""))


class Maker:
    """Makes certificates that are sometimes right."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.keys = {name: make_key() for name, make_key in KEYS.items()}

    def chain(self) -> Chain:
        names = [subject(f"c{number}") for number in range(self.dice.choice((1, 1, 2, 2, 3, 3, 4)))]
        keys = [self.keys[self.dice.choice(("P-256", "P-256", "RSA-2048", *KEYS))] for _ in names]
        chain = []
        for place, name in enumerate(names):
            above = min(place + 1, len(names) - 1)
            chain.append(self._certificate(place, name, names[above], keys[place], keys[above]))
        if self.dice.random() < 0.1:
            self.dice.shuffle(chain)
        if self.dice.random() < 0.1:
            chain.insert(self.dice.randrange(len(chain)), self.dice.choice(chain))
        if len(chain) > 1 and self.dice.random() < 0.1:
            chain.pop()
        return tuple(chain)

    def _odd(self, probability: float = 0.06) -> bool:
        return self.dice.random() < probability

    def _certificate(
        self, place: int, name: x509.Name, issuer: x509.Name, key: Any, issuer_key: Any
    ) -> x509.Certificate:
        dice = self.dice
        start = NOW - timedelta(days=1) if not self._odd(0.03) else NOW + timedelta(days=1)
        end = (
            NOW + timedelta(days=30)
            if not self._odd(0.03)
            else max(start, NOW - timedelta(hours=1)) + timedelta(minutes=1)
        )
        builder = x509.CertificateBuilder(
            name, name if self._odd(0.03) else issuer, key.public_key(), x509.random_serial_number(), start, end
        )
        constraints = dice.choice(BASIC) if self._odd(0.15) else "30030101ff" if place else "3000"
        usages = dice.choice(KEY_USAGES) if self._odd(0.2) else "03020106" if place else "03020780"
        for oid, content, critical in (
            (ExtensionOID.BASIC_CONSTRAINTS, constraints, not self._odd()),
            (ExtensionOID.KEY_USAGE, usages, not self._odd()),
        ):
            if not self._odd():
                builder = builder.add_extension(x509.UnrecognizedExtension(oid, _der(content)), critical)
        if not place and self._odd(0.5):
            uses = (
                [ExtendedKeyUsageOID.CODE_SIGNING] if not self._odd(0.2) else dice.sample(EXTENDED, dice.randint(1, 3))
            )
            builder = builder.add_extension(x509.ExtendedKeyUsage(uses), self._odd())
        if self._odd():
            builder = builder.add_extension(
                x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), b"?"), self._odd(0.5)
            )
        if self._odd():
            names = x509.UnrecognizedExtension(
                ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
                _der(dice.choice(("3000", "3003820161", "30048202", "300382017f"))),
            )
            builder = builder.add_extension(names, critical=False)
        return self._signed(builder, issuer_key)

    def _signed(self, builder: x509.CertificateBuilder, key: Any) -> x509.Certificate:
        algorithm = self.dice.choice((hashes.SHA256, hashes.SHA256, hashes.SHA384, hashes.SHA512))()
        if not isinstance(key, rsa.RSAPrivateKey) or self._odd(0.8):
            return builder.sign(key, algorithm)
        if key.key_size < 1040:
            algorithm = hashes.SHA256()
        salt = self.dice.choice((algorithm.digest_size, algorithm.digest_size, 20, 0))
        mask = self.dice.choice((algorithm, algorithm, hashes.SHA256()))
        return builder.sign(key, algorithm, rsa_padding=padding.PSS(padding.MGF1(mask), salt))


def test_hostile_certificates_get_notations_verdicts(judge: Judge) -> None:
    maker = Maker(random.Random(7))
    chains = []
    for _ in range(3_000):
        try:
            chain = maker.chain()
        except (ValueError, UnsupportedAlgorithm):
            continue
        chains.append((chain, NOW))
    accepted, wrong = differences(judge, chains)
    # Go reads extensions that are not DER: a default that is written out, and octets after the end. We do not.
    wrong = [
        difference
        for difference in wrong
        if not difference[1].startswith("unreadable: ") or not re.search("EncodedDefault|ExtraData", difference[1])
    ]
    assert (accepted > 300, wrong) == (True, [])


def test_a_self_signed_certificate_with_sha1_is_accepted_alone(judge: Judge, tmp_path: Path) -> None:
    """cryptography makes none any more; OpenSSL does."""
    usage = ("-addext", "keyUsage=critical,digitalSignature", "-addext", "basicConstraints=critical,CA:FALSE")
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -sha1 -days 9 -subj /C=US/ST=WA/O=o/CN=n"
    )
    run(b"", *command.split(), *usage, "-keyout", str(tmp_path / "key"), "-out", str(tmp_path / "crt"))
    (certificate,) = key_files.read_chain((tmp_path / "crt").read_bytes())
    root = make_authority("root").certificate
    now = certificate.not_valid_before_utc + timedelta(minutes=1)  # on a busy machine the module was imported long ago
    chains = [((certificate,), now), ((certificate, root), now)]
    assert differences(judge, chains) == (1, [])


def rejected(reader: object, content: bytes) -> str:
    with pytest.raises(CertificateError) as caught:
        reader(content)  # type: ignore[operator]
    error = caught.value
    assert (error.rule, error.exit_code) == ("unreadable", 2)
    return f"{error.what} {error.remedy}"


def run(given: bytes, *command: str) -> bytes:
    return subprocess.run(command, input=given, capture_output=True, check=True).stdout


def test_labels_of_openssl_are_read(chained: Identity) -> None:
    trusted = run(pem(chained.certificate), "openssl", "x509", "-trustout", "-addtrust", "codeSigning")
    assert b"TRUSTED CERTIFICATE" in trusted
    assert key_files.read_chain(trusted) == (chained.certificate,)
    assert key_files.read_chain(pem(chained.certificate).replace(b"CERT", b"X509 CERT")) == (chained.certificate,)


def test_what_a_tool_converts_is_named_with_its_command(chained: Identity, tmp_path: Path) -> None:
    """The commands are run, and what they write is read."""
    key = chained.key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    text = rejected(key_files.read_key, key)
    assert "OpenSSH" in text
    (file := tmp_path / "KEY").write_bytes(key)
    file.chmod(0o600)
    command = re.search(r"ssh-keygen .*", text)
    assert command is not None
    subprocess.run([*command[0].split(), "-N", "", "-P", ""], cwd=tmp_path, check=True, capture_output=True)
    assert key_files.read_key(file.read_bytes())

    (tmp_path / "chain").write_bytes(chained.chain_pem())
    for form in ("PEM", "DER"):
        bundle = run(b"", "openssl", "crl2pkcs7", "-nocrl", "-certfile", str(tmp_path / "chain"), "-outform", form)
        text = rejected(key_files.read_chain, bundle)
        assert "it holds a PKCS#7 file and no certificate" in text
        (tmp_path / "FILE").write_bytes(bundle)
        command = re.search(r"openssl .*", text)
        assert command is not None
        subprocess.run([*command[0].split(), "-inform", form], cwd=tmp_path, check=True, capture_output=True)
        assert set(key_files.read_chain((tmp_path / "chain.pem").read_bytes())) == set(chained.chain)
