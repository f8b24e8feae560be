"""Normalize bills of materials as evidence: identical for the same scan, and named after the image.

Trivy gives each a random identity and the time of the conversion, so that two of one scan would differ. SPDX 2.3 and
CycloneDX 1.6 demand identities that are unique to a document, and these are: they derive from the image and its scan.
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


def render_spdx(documents: Sequence[tuple[str, bytes]], name: str, created: str) -> bytes:
    """Return one SPDX document of an image, or of all platforms of an index.

    Args:
        documents: platform and Trivy's document of each; of a single image, one.
        name: the image, pinned; the name of the document.
        created: the time of the (oldest) scan, RFC 3339 in UTC and whole seconds.

    Raises:
        OutsideError: a document is not SPDX.
    """
    parts = [(platform, _read(content, "packages")) for platform, content in documents]
    if len(parts) > 1:
        parts = [(platform, _with_platform(part, platform)) for platform, part in parts]
    first = parts[0][1]
    whole = {
        **first,
        "name": name,
        "documentNamespace": f"https://s3c.dev/spdx/{name}-{uuid.uuid5(_NAMESPACE, name + created)}",
        "creationInfo": {**first["creationInfo"], "created": created},
    }
    for key in ("packages", "files", "relationships"):
        listed = [element for _, part in parts for element in part.get(key, ())]
        if listed or key == "packages":
            whole[key] = listed
    licences = {info["licenseId"]: info for _, part in parts for info in part.get("hasExtractedLicensingInfos", ())}
    if licences:
        whole["hasExtractedLicensingInfos"] = [licences[key] for key in sorted(licences)]
    for package in whole["packages"]:
        for note in package.get("annotations", ()):
            note["annotationDate"] = created
    return _encode(whole)


def read_spdx(content: bytes, platform: str = "") -> dict[str, Any]:
    """Return an SPDX document of `render_spdx`, or the part of one on several platforms that is about one of them.

    Args:
        content: the document.
        platform: to take out; empty takes the whole.

    Raises:
        ValueError: it is no SPDX 2.3 that Trivy made, or has nothing on that platform; a clause.
    """
    document = reading.parse_json(content)
    if not isinstance(document, dict) or document.get("spdxVersion") != "SPDX-2.3":
        raise ValueError("it is not SPDX 2.3 in JSON")
    try:
        creators = [str(creator) for creator in document["creationInfo"]["creators"]]
        packages, files = document["packages"], document.get("files", ())
        sound = all(isinstance(element["SPDXID"], str) for element in (*packages, *files))
        related = [
            (str(relationship["spdxElementId"]), str(relationship["relatedSpdxElement"]))
            for relationship in document["relationships"]
        ]
    except (KeyError, TypeError):
        sound = False
    if not sound:
        raise ValueError("it lacks what every document of Trivy's has")
    if not any(creator.startswith("Tool: trivy-") for creator in creators):
        raise ValueError("it was not made by Trivy")
    if not platform:
        return document
    suffix = _suffix(platform)
    kept = {package["SPDXID"] for package in packages if package["SPDXID"].endswith(suffix)}
    if not kept:
        raise ValueError(f"it has nothing on {platform}")
    files = [file for file in files if file["SPDXID"].endswith(suffix)]
    within = {"SPDXRef-DOCUMENT", *kept, *(file["SPDXID"] for file in files)}
    return {
        **document,
        "packages": [package for package in packages if package["SPDXID"] in kept],
        "files": files,
        "relationships": [
            relationship
            for relationship, ends in zip(document["relationships"], related, strict=True)
            if within.issuperset(ends)
        ],
    }


def count_packages(document: Mapping[str, Any]) -> int:
    """Return how many installed packages an SPDX document of Trivy's lists; what holds them is no package here."""
    return sum(str(package["SPDXID"]).startswith("SPDXRef-Package-") for package in document["packages"])


def render_cyclonedx(content: bytes, name: str, created: str) -> bytes:
    """Return the CycloneDX document of one image; arguments and error as in `spdx`."""
    read = _read(content, "metadata")
    whole: dict[str, Any] = _with_replacements(read, _stable_references(read, name + created))
    for key, order in (("components", "bom-ref"), ("dependencies", "ref")):
        if key in whole:
            whole[key] = sorted(whole[key], key=lambda element, order=order: str(element.get(order)))  # type: ignore[misc]
    for dependency in whole.get("dependencies", ()):
        dependency["dependsOn"] = sorted(dependency.get("dependsOn", ()))
    whole["serialNumber"] = uuid.uuid5(_NAMESPACE, f"cyclonedx {name}{created}").urn
    whole["metadata"]["timestamp"] = created
    return _encode(whole)


def _stable_references(document: Mapping[str, Any], seed: str) -> dict[str, str]:
    """Map random references of components to references derived from the components."""
    references: dict[str, str] = {}
    occurrences: Counter[str] = Counter()
    for component in (document["metadata"].get("component") or {}, *document.get("components", ())):
        reference = str(component.get("bom-ref", ""))
        if _RANDOM.fullmatch(reference):
            facts = json.dumps({key: value for key, value in component.items() if key != "bom-ref"}, sort_keys=True)
            references[reference] = str(uuid.uuid5(_NAMESPACE, f"{seed} {facts} {occurrences[facts]}"))
            occurrences[facts] += 1
    return references


def _with_replacements(value: Any, texts: Mapping[str, str]) -> Any:
    """Return a JSON value with these texts replaced."""
    if isinstance(value, dict):
        return {key: _with_replacements(part, texts) for key, part in value.items()}
    if isinstance(value, list):
        return [_with_replacements(part, texts) for part in value]
    return texts.get(value, value) if isinstance(value, str) else value


def _with_platform(document: Mapping[str, Any], platform: str) -> dict[str, Any]:
    """Return the document with a platform in each of its elements' identities, to merge it with others."""
    suffix = _suffix(platform)

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


def _suffix(platform: str) -> str:
    """Return the end of the identities of a platform's elements."""
    return "-" + "".join(letter if letter.isalnum() else "-" for letter in platform)


def _read(content: bytes, needs: str) -> dict[str, Any]:
    try:
        document = reading.parse_json(content)
    except ValueError:
        document = None
    if not isinstance(document, dict) or needs not in document:
        raise OutsideError(
            "Trivy made no bill of materials that can be read.",
            remedy="Run it again; if that does not help, look at Trivy with `s3c programs list`.",
        )
    return document


def _encode(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, indent=1, ensure_ascii=False).encode("utf-8", "replace")
