"""Create OpenVEX documents, which state the vulnerabilities that a patched image no longer has.

https://github.com/openvex/spec/blob/main/OPENVEX-SPEC.md (0.2.0). Only what a rescan has proved is stated: Copa's own
document states what was requested, covers one platform of a multi-platform image, and is not written on a re-run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from datetime import datetime
from urllib.parse import quote

from s3c_actions.core.reference import Reference
from s3c_actions.findings.model import Finding, FindingKind

CONTEXT = "https://openvex.dev/ns/v0.2.0"


_DOCKER_HUB = {"docker.io": "index.docker.io"}
"""Registry → its other name, by which Trivy and what else is built on go-containerregistry knows it."""


def package_url(image: Reference, registry: str = "") -> str:
    """Return the package URL of an image by digest (purl-spec, type `oci`); `registry` is another name of its own."""
    name = quote(f"{registry or image.registry}/{image.repository}", safe="")
    return f"pkg:oci/{quote(image.short)}@{quote(image.digest, safe='')}?repository_url={name}"


def render_openvex(image: Reference, fixed: Iterable[Finding], now: datetime, version: str) -> bytes:
    """Return the document, as JSON.

    Args:
        image: the patched image, pinned.
        fixed: findings of the original that the patched image does not have.
        now: the time of the statements, with its zone.
        version: of this toolkit.
    """
    components: dict[str, list[str]] = {}
    for finding in fixed:
        if finding.kind is FindingKind.VULNERABILITY:
            purls = components.setdefault(finding.id, [])
            purls += [finding.purl] if finding.purl and finding.purl not in purls else []
    identities = [package_url(image)]
    if image.registry in _DOCKER_HUB:
        identities.append(package_url(image, _DOCKER_HUB[image.registry]))
    statements = [
        {
            "vulnerability": {"name": name},
            "products": [
                {"@id": identity, "subcomponents": [{"@id": purl} for purl in sorted(purls)]} for identity in identities
            ],
            "status": "fixed",
        }
        for name, purls in sorted(components.items())
    ]
    content = json.dumps(statements, sort_keys=True).encode()
    whole = {
        "@context": CONTEXT,
        "@id": f"https://openvex.dev/docs/public/vex-{hashlib.sha256(content).hexdigest()}",
        "author": "s3c",
        "timestamp": now.isoformat(timespec="seconds"),
        "version": 1,
        "tooling": f"s3c {version}",
        "statements": statements,
    }
    return json.dumps(whole, indent=2).encode()
