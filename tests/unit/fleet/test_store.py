"""Places of plans in registries; that they hold what was pushed is tested with a registry (contract/test_fleet.py)."""

from __future__ import annotations

import pytest

from s3c_actions.core.errors import InputError
from s3c_actions.core.reference import Reference
from s3c_actions.fleet import store

DIGEST = "sha256:" + "0" * 64


def test_a_place_is_distinguished_from_a_path() -> None:
    assert store.is_stored("oci://registry.example/fleet:today")
    assert not store.is_stored("plan.json")
    assert not store.is_stored("./oci:/plan.json")


@pytest.mark.parametrize("name", ["registry.example/fleet:today", f"registry.example/fleet@{DIGEST}"])
def test_a_place_is_parsed(name: str) -> None:
    assert store.parse_place(f"oci://{name}") == Reference.parse(name)


@pytest.mark.parametrize("text", ["oci://registry.example/fleet", "oci://", "oci://registry.example/Fleet:1"])
def test_a_place_without_a_name_is_rejected(text: str) -> None:
    with pytest.raises(InputError) as caught:
        store.parse_place(text, field="publish")
    assert caught.value.field == "publish"
