"""The inputs of `init`."""

import pytest

from s3c_actions.core.errors import InputError
from s3c_actions.options.init import InitInputs


@pytest.mark.parametrize("text", ["ghcr.io/acme/shop", "myregistry.azurecr.io/shop/", "localhost:5000/x"])
def test_a_prefix_is_a_registry_and_a_path(text):
    assert InitInputs.image_prefix.value(text) == text.rstrip("/")


@pytest.mark.parametrize(
    "text", ["app", "ghcr.io/Acme/x", "ghcr.io/a:1", "ghcr.io/a@sha256:" + "0" * 64, "https://x/y"]
)
def test_anything_else_is_none(text):
    with pytest.raises(InputError, match="image-prefix"):
        InitInputs.image_prefix.value(text)


def test_a_pin_is_a_commit_or_the_tag():
    assert InitInputs.pin.value("A" * 40) == "a" * 40
    assert InitInputs.pin.value("tag") == "tag"
    with pytest.raises(InputError, match="pin"):
        InitInputs.pin.value("v1.0.0")
