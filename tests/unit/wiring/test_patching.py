"""What is checked of the machine before anything is patched."""

import contextlib
import platform
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from s3c_actions.core.errors import Exit, OutsideError
from s3c_actions.core.reference import Reference
from s3c_actions.registry import Manifest
from s3c_actions.wiring.patching import ImagePatcher
from tests.support.bare import IMAGE, KEY, ended
from tests.support.made_images import Layer, MadeImage
from tests.support.oci import digest_of

SENTENCE = "s3c does not patch on macOS."
PATCHING = [("patch", IMAGE), ("chain", IMAGE, *KEY), ("chain", IMAGE, "--sign=false")]


@pytest.fixture
def macos(alone: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    return alone


@pytest.mark.parametrize("argv", PATCHING, ids=" ".join)
def test_macos_is_rejected_before_anything_is_looked_up(macos: Path, argv: tuple[str, ...]) -> None:
    code, output = ended(argv, macos)
    assert code == Exit.OUTSIDE_FAILED
    assert SENTENCE in output and "set to false" in output and "buildkit-addr" in output
    assert "registry.example could not" not in output and "trivy" not in output.lower()


@pytest.mark.parametrize(
    "argv",
    [
        ("chain", IMAGE, "--patch=false", *KEY),
        ("scan", IMAGE),
        ("sign", IMAGE, *KEY),
        ("verify", IMAGE, "--trust-store", "signing.crt"),
        ("patch", IMAGE, "--buildkit-addr", "tcp://build.example:1234"),
    ],
    ids=" ".join,
)
def test_everything_else_goes_on_there(macos: Path, argv: tuple[str, ...]) -> None:
    assert SENTENCE not in ended(argv, macos)[1]


def test_a_buildkit_elsewhere_that_the_environment_names_is_an_address_too(macos: Path) -> None:
    assert SENTENCE not in ended(("patch", IMAGE), macos, BUILDKIT_HOST="tcp://build.example:1234")[1]


@pytest.mark.parametrize("argv", PATCHING, ids=" ".join)
def test_linux_is_not(alone: Path, argv: tuple[str, ...]) -> None:
    assert SENTENCE not in ended(argv, alone)[1]


def patcher(mode: str, blobs: dict[str, MadeImage], messages: list[str], cache: Path) -> ImagePatcher:
    """A patcher that only compares, on a registry that has these images."""

    def manifest(reference: Reference, *, field: str = "image") -> Manifest:
        if reference.digest not in blobs:
            raise OutsideError("The registry is down.")
        return blobs[reference.digest].image()

    registry = SimpleNamespace(
        manifest=manifest,
        blob=lambda reference, digest: next(image.blobs[digest] for image in blobs.values() if digest in image.blobs),
        layer=lambda reference, digest, size: next(
            image.layer(digest, size) for image in blobs.values() if digest in image.blobs
        ),
    )
    progress = SimpleNamespace(
        warning=messages.append, step=lambda _name: contextlib.nullcontext(SimpleNamespace(done=messages.append))
    )
    given: dict[str, Any] = dict.fromkeys(ImagePatcher.__struct_fields__[:7])
    given |= {
        "options": SimpleNamespace(unexpected_changes=mode),
        "context": SimpleNamespace(progress=progress, cache=cache, environment={"S3C_STATE": str(cache / "state")}),
        "scanner": SimpleNamespace(registry=registry),
    }
    return ImagePatcher(**given)


def test_the_comparison_is_shown_and_warned_of(tmp_path: Path) -> None:
    old = MadeImage([Layer().file("a", "x").raw()])
    new = MadeImage([Layer().file("a", "y").raw()])
    images = {digest_of(image.top): image for image in (old, new)}
    original, patched = (Reference.parse(f"registry.example/app@{digest}") for digest in images)
    for mode, warned in (("warn", True), ("fail", False)):
        messages: list[str] = []
        changes = patcher(mode, images, messages, tmp_path).compare(original, patched)
        assert changes.unexpected == ("/a was changed: no package owns it",)
        assert messages[0] == "No package changed, and 1 other change."
        assert any("unexpected change: /a was changed" in line for line in messages) is warned


def test_a_registry_that_fails_leaves_the_patch_and_proves_nothing(tmp_path: Path) -> None:
    messages: list[str] = []
    original, patched = (Reference.parse(f"registry.example/app@sha256:{digit * 64}") for digit in "ab")
    changes = patcher("warn", {}, messages, tmp_path).compare(original, patched)
    assert not changes.proved
    assert changes.unexpected == ("not every change is known: The registry is down",)
    assert any("The registry is down" in line for line in messages)
