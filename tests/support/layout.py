"""Makes OCI image layouts by hand: what a build writes into a tar archive, and what nobody should."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
EMPTY = "application/vnd.oci.empty.v1+json"
REF_NAME = "org.opencontainers.image.ref.name"

Document = dict[str, Any]


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


class Layout:
    """A layout that is written in the end; `files` may be changed before that in every way."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}'}
        self.images: list[Document] = []

    def put(self, content: bytes, media_type: str, **more: Any) -> Document:
        """Add a blob; its descriptor."""
        digest = digest_of(content)
        self.files[self.path(digest)] = content
        return {"mediaType": media_type, "digest": digest, "size": len(content), **more}

    def put_json(self, document: Document, **more: Any) -> Document:
        return self.put(json.dumps(document).encode(), str(document["mediaType"]), **more)

    def image(self, marker: bytes = b"", *, architecture: str = "amd64", **more: Any) -> Document:
        """Add an image of one layer; its descriptor, with its platform."""
        layer = gzip.compress(b"layer of " + architecture.encode() + marker, mtime=0)
        config = {
            "architecture": architecture,
            "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": [digest_of(gzip.decompress(layer))]},
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self.put(json.dumps(config).encode(), CONFIG),
            "layers": [self.put(layer, LAYER)],
        }
        return self.put_json(manifest, platform={"os": "linux", "architecture": architecture}, **more)

    def index(self, *images: Document, **more: Any) -> Document:
        return self.put_json({"schemaVersion": 2, "mediaType": INDEX, "manifests": list(images)}, **more)

    def referrer(self, subject: Document, kind: str) -> Document:
        """Add an artifact about another, and list it."""
        empty = self.put(b"{}", EMPTY)
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": kind,
            "config": empty,
            "layers": [empty],
            "subject": {key: subject[key] for key in ("mediaType", "digest", "size")},
        }
        self.images.append(self.put_json(manifest, artifactType=kind))
        return self.images[-1]

    def named(self, image: Document, *names: str) -> Document:
        """List an image, once for each name as BuildKit does it, or without one."""
        annotated: list[Document] = [{"annotations": {REF_NAME: name}} for name in names]
        self.images += [{**image, **annotation} for annotation in annotated or [{}]]
        return image

    @staticmethod
    def path(digest: str) -> str:
        return f"blobs/{digest.replace(':', '/')}"

    def write(self, path: Path, *, more: Mapping[tarfile.TarInfo, bytes] | None = None, prefix: str = "") -> Path:
        """Write the archive, with folders as BuildKit has them; `more` are members of any kind."""
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": self.images}
        files = {"index.json": json.dumps(index).encode(), **self.files}
        with tarfile.open(path, "w") as tar:
            for folder in ("blobs/", "blobs/sha256/"):
                entry = tarfile.TarInfo(prefix + folder)
                entry.type = tarfile.DIRTYPE
                tar.addfile(entry)
            members = {tarfile.TarInfo(prefix + name): content for name, content in files.items()}
            for entry, content in {**members, **(more or {})}.items():
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
        return path
