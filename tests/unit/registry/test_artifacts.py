"""Artifacts whose manifests do not hold one document of a bounded size: rejected before anything is fetched."""

from __future__ import annotations

from typing import Any

import pytest

from s3c_actions.core.errors import OutsideError
from s3c_actions.core.reference import Reference
from s3c_actions.registry import OCI_MANIFEST, Descriptor, Manifest, Registry
from s3c_actions.registry.artifacts import read_artifact
from s3c_actions.registry.credentials import Logins

DIGEST = "sha256:" + "0" * 64
LAYER = {"mediaType": "application/x.test", "digest": DIGEST, "size": 10}


@pytest.mark.parametrize(
    "layers",
    [
        None,
        [],
        {},
        [LAYER, LAYER],
        ["text"],
        [{**LAYER, "digest": "sha256:0"}],
        [{**LAYER, "digest": 1}],
        [{**LAYER, "size": "10"}],
        [{**LAYER, "size": -1}],
        [{**LAYER, "size": 11}],
    ],
)
def test_what_is_not_one_document_is_rejected(layers: Any) -> None:
    descriptor = Descriptor(digest=DIGEST, media_type=OCI_MANIFEST, size=10)
    manifest = Manifest(descriptor=descriptor, document={"layers": layers})
    reference = Reference.parse(f"registry.example/app@{DIGEST}")
    with pytest.raises(OutsideError, match="cannot be believed"):
        read_artifact(Registry(Logins(environment={})), reference, manifest, 10)
