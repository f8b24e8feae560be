"""A signature read from the registry, and the verdict of the homes that it is shown to."""

from __future__ import annotations

from pathlib import Path

import pytest

from s3c_actions.core.errors import InputError, OutsideError, Refused
from s3c_actions.programs.notation.home import NotationHome
from s3c_actions.steps.trace.signatures import SignatureReader
from s3c_actions.steps.trace.tools import SignatureChecker, TraceTools
from s3c_actions.trace.model import SignatureTrust, TracedSignature
from tests.support.held_registry import HeldRegistry
from tests.support.samples import NOW


class Notation:
    """Answers for each home: an error, or nothing where it accepts; keeps what it was shown."""

    def __init__(self, **answers: Exception | None) -> None:
        self.answers = answers
        self.shown: list[tuple[set[str], str, str]] = []

    def verify_layout(self, home: NotationHome, layout: Path, digest: str, scope: str) -> None:
        self.shown.append(({blob.name for blob in (layout / "blobs" / "sha256").iterdir()}, digest, scope))
        if (error := self.answers[home.folder.name]) is not None:
            raise error


def read(folder: Path, notation: Notation | None, *, target: str = "") -> TracedSignature:
    registry = HeldRegistry()
    image = registry.image()
    homes = tuple(NotationHome(Path(name)) for name in notation.answers) if notation else ()
    checker = SignatureChecker(notation=notation, homes=homes, temp=folder) if notation else None  # type: ignore[arg-type]
    listed = registry.sign(image.digest, target=target)
    reader = SignatureReader(TraceTools(registry=registry, now=NOW, checker=checker))
    signature = reader.read(image, registry.manifest(image), listed)
    assert list(folder.iterdir()) == []
    if notation:
        held = {digest.removeprefix("sha256:") for digest in (image.digest, listed.digest)}
        assert all(held <= blobs for blobs, _, _ in notation.shown)
        assert {shown[1:] for shown in notation.shown} <= {(image.digest, image.name)}
    return signature


def test_without_a_checker_a_signature_is_shown_and_not_judged(tmp_path):
    signature = read(tmp_path, None)
    assert (signature.trust, signature.reason, signature.signature_format) == (SignatureTrust.UNCHECKED, "", "jws")
    assert signature.signer.startswith("CN=release")


def test_one_home_that_accepts_is_enough(tmp_path):
    notation = Notation(first=Refused("It is signed by a stranger."), second=None, third=None)
    signature = read(tmp_path, notation)
    assert (signature.trust, signature.reason) == (SignatureTrust.TRUSTED, "")
    assert len(notation.shown) == 2


def test_a_refusal_by_all_homes_names_each_reason_once(tmp_path):
    notation = Notation(first=Refused("It is old."), second=Refused("It is strange."), third=Refused("It is old."))
    signature = read(tmp_path, notation)
    assert (signature.trust, signature.reason) == (SignatureTrust.REFUSED, "It is old. It is strange.")


def test_a_program_that_fails_is_no_refusal_and_a_wrong_trust_store_is_an_error(tmp_path):
    signature = read(tmp_path, Notation(first=OutsideError("notation ended with 2.")))
    assert (signature.trust, signature.reason) == (SignatureTrust.BROKEN, "notation ended with 2")
    with pytest.raises(InputError):
        read(tmp_path, Notation(first=InputError("trust-store", "It is empty.")))


def test_a_signature_of_another_digest_is_never_shown_to_notation(tmp_path):
    notation = Notation(first=None)
    signature = read(tmp_path, notation, target="sha256:" + 64 * "e")
    assert (signature.trust, notation.shown) == (SignatureTrust.BROKEN, [])
    assert signature.reason == "it was made for another digest and moved here"
