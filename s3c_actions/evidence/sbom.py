"""Bills of materials as evidence: the same for the same scan, and named after the image they are attached to.

Trivy gives each a random identity and the time of the conversion, so that two of one scan would differ. SPDX 2.3 and
CycloneDX 1.6 ask for identities that are unique to a document, and these are: they come of the image and its scan.
"""

from __future__ import annotations

import json
import re
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from s3c_actions.core import reading
from s3c_actions.core.errors import OutsideError

_RANDOM = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NAMESPACE = uuid.UUID("6f2b6b44-8a0c-5b0e-9a43-0d6f0a3c7f11")


def spdx(documents: Sequence[tuple[str, bytes]], name: str, created: str) -> bytes:
    """One SPDX document of an image, or of all platforms of an index.

    Args:
        documents: platform and Trivy's document of each; of a single image, one.
        name: the image, pinned; the document is called so.
        created: when the (oldest) scan was made, RFC 3339 in UTC and whole seconds.

    Raises:
        OutsideError: a document is not SPDX.
    """
    parts = [(platform, _read(content, "packages")) for platform, content in documents]
    if len(parts) > 1:
        parts = [(platform, _renamed(part, platform)) for platform, part in parts]
    first = parts[0][1]
    whole = {
        **first,
        "name": name,
        "documentNamespace": f"https://s3c.dev/spdx/{name}-{uuid.uuid5(_NAMESPACE, name + created)}",
        "creationInfo": {**first["creationInfo"], "created": created},
    }
    for key in ("packages", "files", "relationships"):
        listed = [one for _, part in parts for one in part.get(key, ())]
        if listed or key == "packages":
            whole[key] = listed
    licences = {one["licenseId"]: one for _, part in parts for one in part.get("hasExtractedLicensingInfos", ())}
    if licences:
        whole["hasExtractedLicensingInfos"] = [licences[key] for key in sorted(licences)]
    for package in whole["packages"]:
        for note in package.get("annotations", ()):
            note["annotationDate"] = created
    return _written(whole)


def cyclonedx(content: bytes, name: str, created: str) -> bytes:
    """The CycloneDX document of one image; arguments and error as of `spdx`."""
    read = _read(content, "metadata")
    whole: dict[str, Any] = _changed(read, _steady(read, name + created))
    for key, order in (("components", "bom-ref"), ("dependencies", "ref")):
        if key in whole:
            whole[key] = sorted(whole[key], key=lambda one, order=order: str(one.get(order)))  # type: ignore[misc]
    for one in whole.get("dependencies", ()):
        one["dependsOn"] = sorted(one.get("dependsOn", ()))
    whole["serialNumber"] = uuid.uuid5(_NAMESPACE, f"cyclonedx {name}{created}").urn
    whole["metadata"]["timestamp"] = created
    return _written(whole)


def _steady(document: Mapping[str, Any], of: str) -> dict[str, str]:
    """Random references of components → references that come of what the components are."""
    references: dict[str, str] = {}
    seen: Counter[str] = Counter()
    for one in (document["metadata"].get("component") or {}, *document.get("components", ())):
        reference = str(one.get("bom-ref", ""))
        if _RANDOM.fullmatch(reference):
            about = json.dumps({key: value for key, value in one.items() if key != "bom-ref"}, sort_keys=True)
            references[reference] = str(uuid.uuid5(_NAMESPACE, f"{of} {about} {seen[about]}"))
            seen[about] += 1
    return references


def _changed(value: Any, texts: Mapping[str, str]) -> Any:
    """A JSON value in which these texts have others in their place."""
    if isinstance(value, dict):
        return {key: _changed(part, texts) for key, part in value.items()}
    if isinstance(value, list):
        return [_changed(part, texts) for part in value]
    return texts.get(value, value) if isinstance(value, str) else value


def _renamed(document: Mapping[str, Any], platform: str) -> dict[str, Any]:
    """The document with a platform in each of its elements' identities, so that they stand beside another's."""
    suffix = "-" + "".join(letter if letter.isalnum() else "-" for letter in platform)

    def change(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: change(part) for key, part in value.items()}
        if isinstance(value, list):
            return [change(part) for part in value]
        if isinstance(value, str) and value.startswith("SPDXRef-") and value != "SPDXRef-DOCUMENT":
            return value + suffix
        return value

    changed: dict[str, Any] = change(dict(document))
    return changed


def _read(content: bytes, needs: str) -> dict[str, Any]:
    try:
        document = reading.json_value(content)
    except ValueError:
        document = None
    if not isinstance(document, dict) or needs not in document:
        raise OutsideError(
            "Trivy made no bill of materials that can be read.",
            remedy="Run it again; if that does not help, look at Trivy with `s3c programs list`.",
        )
    return document


def _written(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, indent=1, ensure_ascii=False).encode("utf-8", "replace")
