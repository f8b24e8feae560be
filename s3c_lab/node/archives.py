"""Container images of static programs, as OCI archives that containerd imports: no daemon, registry or base image."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class StaticImage:
    """An image of static programs alone.

    Attributes:
        reference: with a tag.
        programs: executables, by their absolute path in the image.
        entrypoint: absolute path and arguments.
        user: numeric `uid:gid`.
        environment: by name.
        architecture: Go's name.
    """

    reference: str
    programs: Mapping[str, Path]
    entrypoint: tuple[str, ...]
    user: str
    environment: Mapping[str, str] = field(default_factory=dict)
    architecture: str = "amd64"


def key(image: StaticImage) -> str:
    """Identify the image by its content, in 12 hexadecimal digits."""
    facts = [repr(replace(image, programs={}))]
    for path, program in sorted(image.programs.items()):
        stat = program.stat()
        facts.append(f"{path} {program} {stat.st_size} {stat.st_mtime_ns}")
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:12]


def write(image: StaticImage, into: Path) -> None:
    """Write the image to `into` as an OCI image layout in a tar file (image-spec 1.1).

    The same programs give the same bytes. The layer is not compressed: it is read once, on this machine.
    """
    layer = into.with_suffix(".layer")
    try:
        _write_layer(image, layer)
        layer_digest, layer_size = _file_digest(layer), layer.stat().st_size
        config = _encode_json(
            {
                "architecture": image.architecture,
                "os": "linux",
                "config": {
                    "User": image.user,
                    "Env": [f"{name}={value}" for name, value in sorted(image.environment.items())],
                    "Entrypoint": list(image.entrypoint),
                },
                "rootfs": {"type": "layers", "diff_ids": [layer_digest]},
            }
        )
        manifest = _encode_json(
            {
                "schemaVersion": 2,
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": _descriptor("application/vnd.oci.image.config.v1+json", _content_digest(config), len(config)),
                "layers": [_descriptor("application/vnd.oci.image.layer.v1.tar", layer_digest, layer_size)],
            }
        )
        described = _descriptor("application/vnd.oci.image.manifest.v1+json", _content_digest(manifest), len(manifest))
        index = _encode_json(
            {
                "schemaVersion": 2,
                "mediaType": "application/vnd.oci.image.index.v1+json",
                "manifests": [described | {"annotations": {"io.containerd.image.name": image.reference}}],
            }
        )
        with tarfile.open(into, "w") as archive:
            _add_member(archive, "oci-layout", _encode_json({"imageLayoutVersion": "1.0.0"}))
            _add_member(archive, "index.json", index)
            for blob in (config, manifest):
                _add_member(archive, _blob_path(_content_digest(blob)), blob)
            with layer.open("rb") as content:
                archive.addfile(_member(_blob_path(layer_digest), layer_size), content)
    finally:
        layer.unlink(missing_ok=True)


def _write_layer(image: StaticImage, into: Path) -> None:
    with tarfile.open(into, "w") as archive:
        modes = {str(parent).lstrip("/"): 0o755 for path in image.programs for parent in Path(path).parents}
        modes["tmp"] = 0o1777
        for folder, mode in sorted(modes.items()):
            if not folder:
                continue
            member = _member(folder, 0, mode)
            member.type = tarfile.DIRTYPE
            archive.addfile(member)
        for path, program in sorted(image.programs.items()):
            with program.open("rb") as content:
                archive.addfile(_member(path.lstrip("/"), program.stat().st_size, mode=0o755), content)


def _member(name: str, size: int, mode: int = 0o644) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, mode
    return member


def _add_member(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    archive.addfile(_member(name, len(content)), io.BytesIO(content))


def _blob_path(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def _descriptor(media_type: str, digest: str, size: int) -> dict[str, object]:
    return {"mediaType": media_type, "digest": digest, "size": size}


def _encode_json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True).encode()


def _content_digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
