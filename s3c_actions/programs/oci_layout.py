"""OCI image layouts on disk, for what notation does without a registry.

https://github.com/opencontainers/image-spec/blob/v1.1.0/image-layout.md
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@dataclass
class Layout:
    """A layout being filled; digests are SHA-256."""

    folder: Path
    _manifests: list[dict[str, object]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._blobs.mkdir(parents=True)
        (self.folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')

    @property
    def _blobs(self) -> Path:
        return self.folder / "blobs" / "sha256"

    def blobs(self) -> Iterator[bytes]:
        """Everything in it, one after the other."""
        for blob in sorted(self._blobs.iterdir()):
            yield blob.read_bytes()

    def add(self, content: bytes) -> dict[str, object]:
        """Add a blob; returns digest and size, as a descriptor has them."""
        digest = hashlib.sha256(content).hexdigest()
        (self._blobs / digest).write_bytes(content)
        return {"digest": f"sha256:{digest}", "size": len(content)}

    def add_manifest(self, content: bytes, media_type: str = OCI_MANIFEST) -> str:
        """Add a manifest and list it in the index; returns its digest."""
        descriptor = {"mediaType": media_type, **self.add(content)}
        self._manifests.append(descriptor)
        (self.folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": self._manifests}))
        return str(descriptor["digest"])
