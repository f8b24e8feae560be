"""OCI image layouts on disk, for operations of notation without a registry.

https://github.com/opencontainers/image-spec/blob/v1.1.0/image-layout.md
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from s3c_actions.core import reading
from s3c_actions.core.reference import is_digest

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_REF_NAME = "org.opencontainers.image.ref.name"
_MAX_INDEX = 4 * 1024 * 1024
_MAX_NESTING = 3


class OciLayout(msgspec.Struct):
    """A layout being filled; digests are SHA-256."""

    folder: Path
    _manifests: list[dict[str, object]] = []

    def __post_init__(self) -> None:
        self._blobs.mkdir(parents=True)
        (self.folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')

    @property
    def _blobs(self) -> Path:
        return self.folder / "blobs" / "sha256"

    def blobs(self) -> Iterator[bytes]:
        """Yield every blob."""
        for blob in sorted(self._blobs.iterdir()):
            yield blob.read_bytes()

    def add(self, content: bytes) -> dict[str, object]:
        """Add a blob; return its digest and size, in the form of a descriptor."""
        digest = hashlib.sha256(content).hexdigest()
        (self._blobs / digest).write_bytes(content)
        return {"digest": f"sha256:{digest}", "size": len(content)}

    def add_manifest(self, content: bytes, media_type: str = OCI_MANIFEST) -> str:
        """Add a manifest and list it in the index; return its digest."""
        descriptor = {"mediaType": media_type, **self.add(content)}
        self._manifests.append(descriptor)
        (self.folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": self._manifests}))
        return str(descriptor["digest"])


def layout_platforms(name: str) -> tuple[str, ...]:
    """Return the platforms of the images in an OCI layout that Trivy is asked to scan; Trivy scans the first one.

    Args:
        name: the folder, `folder:tag` or `folder@digest`, as in pkg/fanal/image/oci.go of Trivy 0.74.

    Returns:
        An empty tuple for what is not such a folder: Trivy then reports why. Two placeholders where it cannot be read,
        because Trivy might be able to read it.
    """
    folder, at, wanted = name.partition("@")
    if not at:
        folder, _, wanted = (name, "", "") if Path(name).is_dir() else name.rpartition(":")
    try:
        return tuple(
            platform
            for entry in _entries(Path(folder) / "index.json")
            if wanted in {"", entry["digest"], (entry.get("annotations") or {}).get(_REF_NAME)}
            for platform in _platforms(Path(folder), entry, _MAX_NESTING)
        )
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ("what cannot be read", "what more there is")


def _entries(path: Path) -> list[dict[str, Any]]:
    return list(reading.parse_json(reading.read_file(path, _MAX_INDEX))["manifests"])


def _platforms(folder: Path, entry: dict[str, Any], depth: int) -> Iterator[str]:
    if not str(entry["mediaType"]).endswith(("image.index.v1+json", "manifest.list.v2+json")):
        platform = entry.get("platform") or {}
        if platform.get("os") != "unknown":
            parts = (platform.get("os"), platform.get("architecture"), platform.get("variant"))
            yield "/".join(str(part) for part in parts if part) or "an unnamed platform"
        return
    if depth == 0 or not is_digest(entry["digest"]):
        yield from ("what lies deeper", "what lies deeper still")
        return
    algorithm, _, encoded = entry["digest"].partition(":")
    for nested_entry in _entries(folder / "blobs" / algorithm / encoded):
        yield from _platforms(folder, nested_entry, depth - 1)
