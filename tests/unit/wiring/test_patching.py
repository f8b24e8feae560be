"""What is checked of the machine before anything is patched."""

import platform
from pathlib import Path

import pytest

from s3c_actions.core.errors import Exit
from tests.support.bare import IMAGE, KEY, ended

SENTENCE = "s3c does not patch on macOS."
PATCHING = [("patch", IMAGE), ("chain", IMAGE, *KEY), ("chain", IMAGE, "--sign=false")]


@pytest.fixture
def macos(alone: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    return alone


@pytest.mark.parametrize("argv", PATCHING, ids=" ".join)
def test_macos_is_rejected_before_anything_is_looked_up(macos: Path, argv: tuple[str, ...]) -> None:
    code, said = ended(argv, macos)
    assert code == Exit.OUTSIDE_FAILED
    assert SENTENCE in said and "set to false" in said and "buildkit-addr" in said
    assert "registry.example could not" not in said and "trivy" not in said.lower()


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
