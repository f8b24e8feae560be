"""Images with signed documents beside them, in a registry: what `s3c find` is asked about."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from s3c_actions.core import artifact_types
from s3c_actions.core.reference import Reference
from s3c_actions.programs.notation.home import NotationHome
from s3c_actions.registry import Registry, Writer
from s3c_actions.registry.artifacts import push_artifact
from s3c_actions.registry.credentials import Logins
from tests.support import evidence
from tests.support.signing import push_image

CREATED = "2026-11-29T06:00:00Z"


def registry_client() -> Registry:
    return Registry(Logins(environment={}))


def purl_package(purl: str, version: str, **more: str) -> dict[str, Any]:
    """A package of an SPDX document, as Trivy writes it; `source` is what it was built from."""
    source = more.pop("source", "")
    return {
        "name": purl.partition("@")[0].rpartition("/")[2],
        "SPDXID": f"SPDXRef-{abs(hash((purl, version)))}",
        "versionInfo": version,
        "licenseDeclared": more.pop("licence", "NOASSERTION"),
        **({"sourceInfo": f"built package from: {source}"} if source else {}),
        "externalRefs": [{"referenceType": "purl", "referenceLocator": purl}] if purl else [],
        **more,
    }


def spdx(packages: Iterable[Mapping[str, Any]], created: str = CREATED) -> bytes:
    """A bill of materials in SPDX."""
    document = {"spdxVersion": "SPDX-2.3", "creationInfo": {"created": created}, "packages": list(packages)}
    return json.dumps(document).encode()


def sarif(subject: str, findings: Sequence[Any] = (), created: str = CREATED, **stated: Any) -> bytes:
    """A scan report about a digest."""
    return evidence.sarif(evidence.run(datetime.fromisoformat(created), tuple(findings), subject=subject, **stated))


class Fleet:
    """Pushes images and documents, and signs them by notation.

    Args:
        host: of the registry.
        notation: the program.
        key, certificate: of the signer.
    """

    def __init__(self, host: str, notation: Path, key: Path, certificate: Path) -> None:
        self.host, self.notation, self.key, self.certificate = host, notation, key, certificate
        self.writer = Writer(registry_client())

    def image(self, repository: str, tag: str = "1.0") -> Reference:
        """Push an image; returns it pinned."""
        return Reference.parse(push_image(self.host, repository, tag, author=repository))

    def attach(
        self, image: Reference, artifact_type: str, content: bytes, created: str = CREATED, *, signed: bool = True
    ) -> Reference:
        """Attach a document, and return its manifest's reference."""
        subject = registry_client().resolve(image)
        annotations = {artifact_types.CREATED: created}
        pushed = push_artifact(
            self.writer, image.tagged(""), artifact_type, content, annotations=annotations, subject=subject
        )
        document = image.at(pushed.digest)
        if signed:
            self.sign(document)
        return document

    def sign(self, *references: Reference) -> None:
        """Sign manifests."""
        with tempfile.TemporaryDirectory() as folder:
            home = NotationHome(Path(folder))
            home.use_files(self.key, self.certificate)
            for reference in references:
                argv = [str(self.notation), "sign", "--signature-format", "cose", "--force-referrers-tag=true"]
                ended = subprocess.run(
                    [*argv, "--insecure-registry", reference.pinned],
                    env={**os.environ, **home.environment},
                    check=False,
                    capture_output=True,
                    text=True,
                )
                assert ended.returncode == 0, ended.stderr


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
