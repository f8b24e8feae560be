"""Images that a test makes in memory, as a source of images: layers of entries of every kind, also hostile ones."""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from s3c_actions.core.errors import InputError, S3CError
from s3c_actions.registry.content import (
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
    Manifest,
    parse_manifest,
    verify_chunks,
)
from s3c_actions.registry.source import ImageSource
from tests.support.oci import CONFIG, INDEX, LAYER, MANIFEST, descriptor, digest_of

STATUS = "var/lib/dpkg/status"


class Layer:
    """A layer being made; every method adds an entry and returns the layer."""

    def __init__(self) -> None:
        self._raw = io.BytesIO()
        self._tar = tarfile.TarFile(fileobj=self._raw, mode="w", format=tarfile.PAX_FORMAT)

    def add(self, name: str, content: bytes = b"", *, kind: bytes = tarfile.REGTYPE, **fields: Any) -> "Layer":
        entry = tarfile.TarInfo(name)
        entry.type, entry.size, entry.mode, entry.mtime = kind, len(content), 0o644, 1_700_000_000
        for field, value in fields.items():
            setattr(entry, field, value)
        self._tar.addfile(entry, io.BytesIO(content))
        return self

    def file(self, name: str, content: bytes | str = b"", mode: int = 0o644, **fields: Any) -> "Layer":
        return self.add(name, content.encode() if isinstance(content, str) else content, mode=mode, **fields)

    def folder(self, name: str, mode: int = 0o755, **fields: Any) -> "Layer":
        return self.add(name, kind=tarfile.DIRTYPE, mode=mode, **fields)

    def symlink(self, name: str, target: str) -> "Layer":
        return self.add(name, kind=tarfile.SYMTYPE, linkname=target, mode=0o777)

    def hardlink(self, name: str, target: str) -> "Layer":
        return self.add(name, kind=tarfile.LNKTYPE, linkname=target)

    def without(self, name: str) -> "Layer":
        folder, slash, last = name.rpartition("/")
        return self.add(f"{folder}{slash}.wh.{last}", mode=0)

    def opaque(self, folder: str) -> "Layer":
        return self.add(f"{folder}/.wh..wh..opq", mode=0)

    def raw(self) -> bytes:
        self._tar.close()
        return self._raw.getvalue()


class MadeImage(ImageSource):
    """An image of one platform, or an index of several.

    Args:
        layers: contents of the layers, not compressed.
        config: how it runs.
        pack: returns how a layer is stored.
    """

    def __init__(
        self,
        layers: list[bytes],
        config: dict[str, Any] | None = None,
        *,
        architecture: str = "amd64",
        name: str = "made",
        pack: Callable[[bytes], bytes] = lambda layer: gzip.compress(layer, 1, mtime=0),
    ) -> None:
        self._name = name
        self.blobs: dict[str, bytes] = {}
        packed = [pack(layer) for layer in layers]
        self.document = {
            "os": "linux",
            "architecture": architecture,
            "config": {"Env": ["PATH=/bin"], **(config or {})},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(layer) for layer in layers]},
        }
        configuration = json.dumps(self.document).encode()
        self.blobs |= {digest_of(blob): blob for blob in (*packed, configuration)}
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": descriptor(CONFIG, configuration),
            "layers": [descriptor(LAYER, layer) for layer in packed],
        }
        self.top = json.dumps(manifest).encode()
        self.blobs[digest_of(self.top)] = self.top

    @classmethod
    def index(cls, *images: "MadeImage") -> "MadeImage":
        index = cls([])
        entries = []
        for image in images:
            index.blobs |= image.blobs
            platform = {"os": "linux", "architecture": image.document["architecture"]}
            entries.append({**descriptor(MANIFEST, image.top), "platform": platform})
        index.top = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).encode()
        index.blobs[digest_of(index.top)] = index.top
        return index

    @property
    def name(self) -> str:
        return self._name

    def image(self) -> Manifest:
        return self.manifest(digest_of(self.top))

    def manifest(self, digest: str) -> Manifest:
        kind = OCI_INDEX if b'"manifests"' in self.blobs[digest] else OCI_MANIFEST
        return parse_manifest(self.blobs[digest], self.refuse, digest=digest, media_type=kind)

    def blob(self, digest: str) -> bytes:
        return self.blobs[digest]

    def layer(self, digest: str, size: int) -> Iterator[bytes]:
        content = self.blobs[digest]
        pieces = (content[start : start + 65536] for start in range(0, len(content), 65536))
        return verify_chunks(pieces, digest, size, self.refuse)

    def referrers(self, digest: str) -> tuple[Descriptor, ...]:
        return ()

    def refuse(self, why: str) -> S3CError:
        return InputError("image", f"{self.name}: {why}.")


def deb_status(*packages: tuple[str, str]) -> str:
    """The status of dpkg with these packages, each name and version."""
    return "".join(
        f"Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {version}\n\n"
        for name, version in packages
    )


def deb(layer: Layer, name: str, files: dict[str, bytes]) -> Layer:
    """Add a Debian package's files and lists to a layer."""
    for path, content in files.items():
        layer.file(path, content)
    folders = sorted({folder for path in files for folder in _folders(path)})
    listed = "".join(f"/{path}\n" for path in [*folders, *files])
    sums = "".join(f"{hashlib.md5(content).hexdigest()}  {path}\n" for path, content in files.items())
    return layer.file(f"var/lib/dpkg/info/{name}.list", f"/.\n{listed}").file(f"var/lib/dpkg/info/{name}.md5sums", sums)


def _folders(path: str) -> list[str]:
    parts = path.split("/")[:-1]
    return ["/".join(parts[: number + 1]) for number in range(len(parts))]


def write_layout(image: MadeImage, folder: Path, *, tag: str = "") -> Path:
    """Write an image as an OCI image layout; returns the folder."""
    for digest, blob in image.blobs.items():
        algorithm, _, encoded = digest.partition(":")
        (folder / "blobs" / algorithm).mkdir(parents=True, exist_ok=True)
        (folder / "blobs" / algorithm / encoded).write_bytes(blob)
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    kind = image.image().descriptor.media_type
    annotations = {"annotations": {"org.opencontainers.image.ref.name": tag}} if tag else {}
    listed = folder / "index.json"
    earlier = json.loads(listed.read_text())["manifests"] if listed.exists() else []
    manifests = [*earlier, descriptor(kind, image.top, **annotations)]
    listed.write_text(json.dumps({"schemaVersion": 2, "manifests": manifests}))
    return folder
