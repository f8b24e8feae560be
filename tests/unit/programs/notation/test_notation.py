"""What notation says, as recorded (tests/data/notation/record.py), and our messages in its place."""

from __future__ import annotations

import json
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from s3c_actions.core.errors import InputError, OutsideError, Refused, S3CError
from s3c_actions.core.process import CompletedProgram, ProgramFailed, Runner
from s3c_actions.core.transience import is_transient
from s3c_actions.programs.install.locate import Program
from s3c_actions.programs.notation.home import NotationHome, TrustPolicy
from s3c_actions.programs.notation.notation import Notation, SigningRequest
from s3c_actions.registry.oci_layout import OciLayout
from s3c_lab.certificates import make
from tests.support import ROOT

RECORDED = ROOT / "tests" / "data" / "notation"
REFERENCE = "localhost:5000/lab/good@sha256:" + "0" * 64
NAMES = sorted(path.stem for path in RECORDED.glob("*.json"))


@dataclass(frozen=True)
class Player(Runner):
    """Answers with a recording, and keeps the command line and the environment it was asked with."""

    recording: Mapping[str, Any] = field(default_factory=dict)
    asked: list[tuple[list[str], dict[str, str]]] = field(default_factory=list)

    def run(self, argv: Sequence[str | Path], *, extra: Mapping[str, str] | None = None, **_: Any) -> CompletedProgram:
        self.asked.append(([str(argument) for argument in argv], dict(extra or {})))
        ended = CompletedProgram(
            ("notation",), self.recording["code"], self.recording["stdout"], self.recording["stderr"], 0.1
        )
        if ended.code:
            raise ProgramFailed(ended)
        return ended


def player(name: str) -> Player:
    return Player({}, recording=json.loads((RECORDED / f"{name}.json").read_text()))


def notation(playing: Player, **options: Any) -> Notation:
    return Notation(Program(name="notation", path=Path("notation"), version="1.3.2", origin="PATH"), playing, **options)


def failure(name: str, tmp_path: Path) -> S3CError:
    with pytest.raises(S3CError) as caught:
        if name.startswith("sign"):
            notation(player(name)).sign(NotationHome(tmp_path), REFERENCE, SigningRequest())
        else:
            notation(player(name)).verify(NotationHome(tmp_path), REFERENCE)
    return caught.value


EXPECTED = {
    "verify-no-signature": (Refused, "It has no signature"),
    "verify-metadata": (Refused, "does not hold the metadata"),
    "verify-stranger": (Refused, "a certificate that the trust store does not lead to"),
    "verify-identity": (Refused, "by another identity than the trusted ones"),
    "verify-no-timestamp": (Refused, "has no time-stamp"),
    "verify-timestamp-untrusted": (Refused, "The time-stamp of its signature is not trusted"),
    "verify-signature-expired": (Refused, "Its signature expired on"),
    "verify-certificate-expired": (Refused, "The certificate it was signed with has expired"),
    "verify-revocation-unknown": (Refused, "is revoked could not be found out"),
    "verify-policy-audit": (Refused, "a certificate that the trust store does not lead to"),
    "verify-leaf-anchor": ("trust-store", "neither an authority's nor self-signed"),
    "verify-store-missing": ("trust-store", "is not there or is empty"),
    "verify-policy-missing": ("trust-policy", "does not accept it"),
    "verify-policy-scope": ("trust-policy", "no statement in it is for this repository"),
    "verify-policy-skip": ("trust-policy", "`skip`"),
    "verify-policy-level": ("trust-policy", "does not accept it"),
    "verify-policy-identity": ("trust-policy", "does not accept it"),
    "verify-policy-store": ("trust-policy", "does not accept it"),
    "verify-registry-down": (OutsideError, "could not be reached"),
    "verify-unknown-host": (OutsideError, "could not be reached"),
    "sign-absent": ("image", "does not exist in the registry"),
    "sign-registry-down": (OutsideError, "could not be reached"),
    "sign-registry-401": (OutsideError, "asks for credentials"),
    "sign-registry-403": (OutsideError, "does not allow this"),
    "sign-registry-429": (OutsideError, "failed by itself"),
    "sign-registry-500": (OutsideError, "failed by itself"),
    "sign-plugin-absent": ("plugin", "is not installed"),
    "sign-plugin-renamed": ("plugin", "calls itself `lab`"),
    "sign-plugin-certificate": ("key-id", "must not contain ServerAuth"),
    "sign-plugin-crash": (OutsideError, "The plugin lab failed"),
    "sign-plugin-denied": (OutsideError, "The plugin lab failed"),
    "sign-timestamp-down": (OutsideError, "authority could not be reached"),
    "sign-timestamp-500": (OutsideError, "gave no time-stamp"),
    "sign-timestamp-untrusted": (OutsideError, "not signed by an authority under the root"),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_what_notation_says_is_put_in_our_words(name: str, tmp_path: Path) -> None:
    kind, phrase = EXPECTED[name]
    error = failure(name, tmp_path)
    assert phrase in error.what
    assert error.remedy
    assert error.image == REFERENCE
    if isinstance(kind, str):
        assert isinstance(error, InputError)
        assert error.field == kind
    else:
        assert type(error) is kind
        assert error.original or name == "verify-policy-audit"


def test_every_recording_is_judged() -> None:
    assert set(NAMES) == {*EXPECTED, "sign-good", "verify-good", "inspect-good", "inspect-none"}


@pytest.mark.parametrize("name", ["sign-good", "verify-good"])
def test_an_unknown_failure_is_a_failure(name: str, tmp_path: Path) -> None:
    playing = Player({}, recording={"code": 1, "stdout": "", "stderr": "Error: the moon is full"})
    with pytest.raises(OutsideError) as caught:
        if name == "sign-good":
            notation(playing).sign(NotationHome(tmp_path), REFERENCE, SigningRequest())
        else:
            notation(playing).verify(NotationHome(tmp_path), REFERENCE)
    assert "the moon is full" in caught.value.original


@pytest.mark.parametrize(
    ("stdout", "stderr"),
    [
        ("", ""),
        ("Successfully verified signature for x", ""),
        ("", "level=info msg=Processing signature with manifest mediaType: m and digest: sha256:" + "0" * 64),
    ],
)
def test_an_end_without_a_verdict_is_no_verification(stdout: str, stderr: str, tmp_path: Path) -> None:
    with pytest.raises(OutsideError):
        notation(Player({}, recording={"code": 0, "stdout": stdout, "stderr": stderr})).verify(
            NotationHome(tmp_path), REFERENCE
        )


def test_what_was_verified(tmp_path: Path) -> None:
    inspected = notation(player("inspect-good")).signatures(NotationHome(tmp_path), REFERENCE)
    verified = notation(player("verify-good")).verify(NotationHome(tmp_path), REFERENCE)
    assert (verified.policy, verified.warnings) == ("s3c", ())
    (signature,) = [signature for signature in inspected if signature.digest == verified.signature_digest]
    assert signature.signer == "CN=ours,O=s3c lab,ST=WA,C=US"
    assert signature.metadata == {"commit": "1a2b"}
    assert (signature.timestamped, signature.expires) == (False, "")
    assert len(signature.thumbprint) == 64
    assert {listed.signature_format for listed in inspected} == {"jws", "cose"}
    assert notation(player("inspect-none")).signatures(NotationHome(tmp_path), REFERENCE) == ()


@pytest.mark.parametrize(
    "output", ["", "[]", "{}", '{"Signatures": [{}]}', '{"Signatures": [{"signedAttributes": 1}]}']
)
def test_a_list_that_cannot_be_understood_is_an_error(output: str, tmp_path: Path) -> None:
    with pytest.raises(OutsideError, match="cannot be understood"):
        notation(Player({}, recording={"code": 0, "stdout": output, "stderr": ""})).signatures(
            NotationHome(tmp_path), REFERENCE
        )


def test_the_command_line_holds_what_is_asked_and_the_login_is_docker_s(tmp_path: Path) -> None:
    playing = player("sign-good")
    request = SigningRequest(
        metadata={"commit": "1a2b", "url": "https://a/?b=c"},
        expiry=3600.0,
        force_referrers_tag=False,
        timestamp_url="http://tsa.example/",
        timestamp_root=Path("/tmp/root.crt"),
    )
    notation(playing, login=lambda: {"DOCKER_CONFIG": "/d"}, insecure=True).sign(
        NotationHome(tmp_path), REFERENCE, request
    )
    ((argv, extra),) = playing.asked
    assert argv[-1] == REFERENCE
    for flag, value in [
        ("--key", "s3c"),
        ("--signature-format", "cose"),
        ("--expiry", "3600s"),
        ("--timestamp-url", "http://tsa.example/"),
        ("--timestamp-root-cert", "/tmp/root.crt"),
    ]:
        assert argv[argv.index(flag) + 1] == value
    assert [argv[i + 1] for i, argument in enumerate(argv) if argument == "--user-metadata"] == [
        "commit=1a2b",
        "url=https://a/?b=c",
    ]
    assert {"--force-referrers-tag=false", "--insecure-registry"} <= set(argv)
    assert (extra["DOCKER_CONFIG"], extra["NOTATION_USERNAME"], extra["NOTATION_PASSWORD"]) == ("/d", "", "")
    assert {extra[name] for name in ("NOTATION_CONFIG", "NOTATION_LIBEXEC")} == {str(tmp_path)}
    assert extra["NOTATION_CACHE"].startswith(str(tmp_path))


def test_a_tag_never_reaches_notation(tmp_path: Path) -> None:
    playing = player("sign-good")
    with pytest.raises(ValueError, match="not pinned"):
        notation(playing).sign(NotationHome(tmp_path), "localhost:5000/app:1.0", SigningRequest())
    assert playing.asked == []


def test_the_home_is_private_and_says_what_to_trust(tmp_path: Path) -> None:
    home = NotationHome(tmp_path)
    home.use_plugin("azure-kv", "https://kv.example/keys/a", {"client_secret": "s"})
    keys = tmp_path / "signingkeys.json"
    assert stat.S_IMODE(keys.stat().st_mode) == 0o600
    assert json.loads(keys.read_text())["keys"] == [
        {
            "name": "s3c",
            "id": "https://kv.example/keys/a",
            "pluginName": "azure-kv",
            "pluginConfig": {"client_secret": "s"},
        }
    ]
    anchor = make("anchor").chain_pem()
    home.trust(anchor, TrustPolicy(identities=("x509.subject: C=US, ST=WA, O=x",), stamped=True), b"TSA")
    (statement,) = json.loads((tmp_path / "trustpolicy.json").read_text())["trustPolicies"]
    assert statement["signatureVerification"] == {"level": "strict", "verifyTimestamp": "always"}
    assert statement["trustStores"] == ["ca:s3c", "tsa:s3c"]
    assert statement["trustedIdentities"] == ["x509.subject: C=US, ST=WA, O=x"]
    stores = tmp_path / "truststore" / "x509"
    assert (stores / "ca" / "s3c" / "certificates.pem").read_bytes() == anchor
    assert (stores / "tsa" / "s3c" / "certificates.pem").read_bytes() == b"TSA"


def test_a_layout_lists_its_manifests(tmp_path: Path) -> None:
    layout = OciLayout(tmp_path / "layout")
    first, second = layout.add_manifest(b"{}"), layout.add_manifest(b"[]", "application/vnd.oci.image.index.v1+json")
    index = json.loads((tmp_path / "layout" / "index.json").read_text())
    assert [entry["digest"] for entry in index["manifests"]] == [first, second]
    assert first == "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    assert sorted(layout.blobs()) == [b"[]", b"{}"]


def test_a_blob_that_another_signer_is_storing_is_waited_for(tmp_path, monkeypatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("s3c_actions.programs.notation.notation.time.sleep", pauses.append)
    unsettled = (
        'Error: failed to push signature: PUT "https://r.test/v2/app/manifests/sha256:1": response status code 400: '
        "digest invalid: provided digest did not match uploaded content; manifest blob unknown: blob unknown to "
        "registry"
    )
    playing = Player({}, recording={"code": 1, "stdout": "", "stderr": unsettled})
    with pytest.raises(OutsideError, match="did not know what it had been sent") as caught:
        notation(playing).sign(NotationHome(tmp_path), REFERENCE, SigningRequest())
    assert is_transient(caught.value)
    assert (len(playing.asked), len(pauses)) == (4, 3)
    (first, *rest) = playing.asked
    assert rest == [first] * 3
