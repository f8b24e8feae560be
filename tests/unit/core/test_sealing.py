"""A seal fits one content under one name, of one kind and one key."""

from __future__ import annotations

import pytest

from s3c_actions.core.sealing import Seal

SEAL = Seal(b"key", "kept thing 1")


def test_a_seal_fits_what_it_was_made_for():
    assert SEAL.fits(SEAL.of(b"name", b"content"), b"name", b"content")
    assert len(SEAL.of(b"name", b"")) == 32


@pytest.mark.parametrize(
    "seal",
    [
        SEAL.of(b"name", b"other"),
        SEAL.of(b"other", b"content"),
        SEAL.of(b"name\0", b"content"),
        Seal(b"other", "kept thing 1").of(b"name", b"content"),
        Seal(b"key", "kept thing 2").of(b"name", b"content"),
        SEAL.of(b"name", b"content")[:-1],
        b"",
    ],
)
def test_any_other_seal_does_not(seal):
    assert not SEAL.fits(seal, b"name", b"content")


def test_nothing_has_the_seal_of_an_empty_key():
    empty = Seal(b"", "kept thing 1")
    assert not empty.fits(empty.of(b"name", b"content"), b"name", b"content")
