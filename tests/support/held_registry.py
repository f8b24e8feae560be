"""A registry in memory: images, what refers to them, and what cannot be read of it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding

from s3c_actions.core import artifact_types
from s3c_actions.core.errors import InputError, OutsideError
from s3c_actions.core.reference import Reference
from s3c_actions.registry import OCI_INDEX, OCI_MANIFEST, Descriptor, ImageConfig, Manifest, Registry
from s3c_actions.registry.content import parse_manifest
from s3c_actions.signing import envelopes
from s3c_lab.certificates import make
from tests.support.oci import descriptor, digest_of

HOST = "registry.test"


class HeldRegistry(Registry):
    """What was put into it, by digest or tag; `broken` are digests that cannot be read."""

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}
        self.tagged: dict[str, str] = {}
        self.refer: dict[str, list[Descriptor]] = {}
        self.broken: set[str] = set()
        self.asked: list[str] = []

    def put(self, content: bytes) -> dict[str, Any]:
        self.held[digest_of(content)] = content
        return descriptor("application/octet-stream", content)

    def put_manifest(self, document: Mapping[str, Any], tag: str = "") -> str:
        content = json.dumps(document).encode()
        self.put(content)
        if tag:
            self.tagged[tag] = digest_of(content)
        return digest_of(content)

    def image(
        self, *diff_ids: str, tag: str = "", labels: Mapping[str, str] | None = None, **annotations: str
    ) -> Reference:
        """Put an image with these layers; `annotations` with `__` in the place of dots."""
        config = {
            "os": "linux",
            "architecture": "amd64",
            "created": "2026-11-01T10:00:00Z",
            "rootfs": {"diff_ids": list(diff_ids)},
            "config": {"Labels": dict(labels or {})},
        }
        digest = self.put_manifest(
            {
                "mediaType": OCI_MANIFEST,
                "config": self.put(json.dumps(config).encode()),
                "layers": [],
                "annotations": {name.replace("__", "."): value for name, value in annotations.items()},
            },
            tag,
        )
        return Reference.parse(f"{HOST}/app@{digest}")

    def index(self, images: Iterable[Reference], tag: str = "") -> Reference:
        entries = [
            {
                "mediaType": OCI_MANIFEST,
                "digest": image.digest,
                "size": len(self.held[image.digest]),
                "platform": {"os": "linux", "architecture": "arm64", "variant": f"v{number}"},
            }
            for number, image in enumerate(images)
        ]
        return Reference.parse(f"{HOST}/app@{self.put_manifest({'mediaType': OCI_INDEX, 'manifests': entries}, tag)}")

    def attach(
        self,
        subject: str,
        kind: str,
        content: bytes,
        *,
        of: str = "",
        media_type: str = "",
        **annotations: str,
    ) -> Descriptor:
        """Attach a document; `of` is the digest that its manifest names, where it is another."""
        named = {name.replace("__", "."): value for name, value in annotations.items()}
        document = {
            "mediaType": OCI_MANIFEST,
            "artifactType": kind,
            "config": self.put(b"{}"),
            "layers": [self.put(content) | ({"mediaType": media_type} if media_type else {})],
            "subject": {"digest": of or subject},
            "annotations": named,
        }
        digest = self.put_manifest(document)
        listed = Descriptor(
            digest=digest,
            media_type=OCI_MANIFEST,
            size=len(self.held[digest]),
            artifact_type=kind,
            annotations=named,
        )
        self.refer.setdefault(subject, []).append(listed)
        return listed

    def sign(self, subject: str, *, target: str = "", **annotations: str) -> Descriptor:
        """Attach a signature that nobody verifies; `target` is the digest that it is over, where it is another."""
        payload = json.dumps({"targetArtifact": {"digest": target or subject}}).encode()
        envelope = {
            "payload": base64.urlsafe_b64encode(payload).decode(),
            "protected": "e30",
            "header": {"x5c": [base64.b64encode(make("release").certificate.public_bytes(Encoding.DER)).decode()]},
            "signature": "",
        }
        content = json.dumps(envelope).encode()
        return self.attach(subject, artifact_types.SIGNATURE, content, media_type=envelopes.JWS, **annotations)

    def manifest(self, reference: Reference, *, field: str = "image") -> Manifest:
        digest = reference.digest or self.tagged.get(reference.tag, "")
        content = self._read(digest)
        if content is None:
            raise InputError(field, f"{reference} is not in its registry.", image=str(reference))
        return parse_manifest(content, OutsideError, digest=digest)

    def config(self, reference: Reference, *, platform: str = "", field: str = "image") -> ImageConfig:
        document = json.loads(self.blob(reference, self.manifest(reference).document["config"]["digest"]))
        return ImageConfig(
            manifest=reference.digest,
            platform=f"{document['os']}/{document['architecture']}",
            diff_ids=tuple(document["rootfs"]["diff_ids"]),
            labels=document["config"]["Labels"],
            document=document,
        )

    def referrers(self, reference: Reference, wanted_type: str = "") -> tuple[Descriptor, ...]:
        if f"referrers {reference.digest}" in self.broken:
            raise OutsideError("The registry's answer cannot be believed: the list of referrers is broken.")
        listed = self.refer.get(reference.digest, ())
        return tuple(entry for entry in listed if wanted_type in {"", entry.artifact_type})

    def blob(self, reference: Reference, digest: str) -> bytes:
        content = self._read(digest)
        assert content is not None, digest
        return content

    def _read(self, digest: str) -> bytes | None:
        self.asked.append(digest)
        if digest in self.broken:
            raise OutsideError("The registry's answer cannot be believed: it is broken.")
        return self.held.get(digest)
