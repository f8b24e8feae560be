"""The node's pins, against the Go modules they are built from."""

from __future__ import annotations

import re

import pytest
from msgspec.structs import replace

from s3c_actions.programs.install.pins import Pin
from s3c_lab.node.programs import GATE, NODE

OURS = "s3c.invalid/"
PINS = [*NODE, *GATE]


@pytest.mark.parametrize("pin", [p for p in PINS if not p.module.startswith(OURS)], ids=lambda p: p.name)
def test_a_pin_is_what_its_module_requires(pin: Pin) -> None:
    required = pin.recipe[0].read_text()
    assert re.search(
        rf"^(?:require)?\s*{re.escape(pin.module)} v{re.escape(pin.version)}( //.*)?$", required, re.MULTILINE
    )
    if not pin.package.startswith(OURS):
        assert re.search(rf"^(tool |\t){re.escape(pin.package)}$", required, re.MULTILINE)
    assert f"{pin.module} v{pin.version} h1:" in pin.recipe[1].read_text()


@pytest.mark.parametrize("pin", [p for p in PINS if p.package.startswith(OURS)], ids=lambda p: p.name)
def test_our_own_program_comes_with_its_source(pin: Pin) -> None:
    gomod, _, *sources = pin.recipe
    assert gomod.read_text().startswith(f"module {pin.package}\n")
    assert "package main" in sources[0].read_text()


def test_programs_of_one_module_are_told_apart_and_built_of_the_same() -> None:
    kubernetes = [pin for pin in NODE if pin.module == "k8s.io/kubernetes"]
    assert len({pin.recipe for pin in kubernetes}) == 1
    assert len({pin.key() for pin in kubernetes}) == len(kubernetes) == 6


def test_every_way_to_build_has_its_own_key() -> None:
    (pin,) = (pin for pin in NODE if pin.name == "runc")
    others = [replace(pin, cgo=False), replace(pin, tags=()), replace(pin, ldflags=())]
    assert len({pin.key(), *(other.key() for other in others)}) == 4
