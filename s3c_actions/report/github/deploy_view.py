"""What the summary says of a deployment: the verdict, the images, the gate, the objects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from s3c_actions.report.github.image_view import ADMISSIONS, Document, error, name, prose, shortened
from s3c_actions.report.render import escape
from s3c_actions.report.render.markdown import safe

MOST_ROWS = 200
_MARKS = {"admitted": "✅", "denied": "❌", "unknown": "•"}


def view(document: Document) -> dict[str, Any]:
    """The facts for the template; what is not marked safe is escaped there.

    Args:
        document: a `result.json` whose `deploy` is not null.
    """
    deploy, images = document["deploy"], document["images"]
    failed = deploy["error"] is not None or any(image["error"] for image in images)
    return {
        "good": not failed,
        "verdict": _verdict(document),
        "error": error(deploy["error"]) if deploy["error"] is not None else None,
        "address": safe(escape.markdown_link(deploy["address"], deploy["address"])),
        "images": [_image(image) for image in _rows(document)[:MOST_ROWS]],
        "warnings": deploy["warnings"][:MOST_ROWS],
        "facts": _facts(deploy),
        "objects": [
            {"action": one["action"], "kind": one["kind"], "name": f"{one['namespace']}/{one['name']}".lstrip("/")}
            for one in deploy["applied"][:MOST_ROWS]
        ],
        "omitted": max(0, len(deploy["applied"]) - MOST_ROWS),
        "total": len(deploy["applied"]),
    }


def _verdict(document: Document) -> str:
    deploy, images = document["deploy"], document["images"]
    denied = [image for image in images if image["error"] is not None and image["admission"] is not None]
    if denied:
        return _denied(denied, len(images))
    if deploy["error"] is not None:
        return str(deploy["error"]["what"]).rstrip(".")
    if document["command"] == "gate":
        installed = "Nothing to do: the gate is there, and" if deploy["unchanged"] else "The gate is installed, and"
        gate = installed if deploy["applied"] else "The gate"
        return f"{gate} closes" if deploy["gate"]["unsigned_denied"] else f"{gate} was tried"
    if deploy["unchanged"]:
        return "Nothing to do: everything is deployed already"
    if not deploy["applied"]:
        return f"Checked, nothing applied: {len(deploy['admissions'])} images by digest"
    actions = Counter(one["action"] for one in deploy["applied"])
    return "Deployed: " + ", ".join(f"{number} {action}" for action, number in actions.items())


def _denied(denied: Sequence[Document], total: int) -> str:
    admission = denied[0]["admission"]
    if len(denied) == 1 and admission["reason"]:
        return f"{name(denied[0]['image'])} was not admitted: {admission['reason']}"
    return f"{len(denied)} of {total} images denied"


def _rows(document: Document) -> list[Document]:
    """The images that the deployment alone tells of: of a chain those that did not come through it."""
    if document["command"] != "chain":
        return list(document["images"])
    own = {image["reference"] for image in document["images"]}
    others = [one for one in document["deploy"]["admissions"] if one["reference"] not in own]
    return [{"image": one["image"], "reference": one["reference"], "verify": None, "admission": one} for one in others]


def _image(image: Document) -> dict[str, Any]:
    admission = image["admission"]
    verdict = admission["verdict"] if admission is not None else "unknown"
    said = ADMISSIONS[verdict]
    if admission is not None and admission["reason"]:
        said = f"{said}: {admission['reason']}" + (f" (trace {admission['trace']})" if admission["trace"] else "")
    return {
        "mark": _MARKS[verdict],
        "image": safe(escape.code(image["image"])),
        "reference": safe(escape.code(shortened(image["reference"] or image["image"]))),
        "name": name(image["image"]),
        "remedy": prose(admission["remedy"] if admission is not None else ""),
        "signer": image["verify"]["signer"] if image["verify"] is not None else "left to the gate",
        "admission": said,
    }


def _facts(deploy: Document) -> list[str]:
    facts, gate = [], deploy["gate"]
    if gate["unsigned_denied"]:
        facts.append(f"The gate was proved, by an image that nobody signed: {gate['denial']}")
    if gate["constraints"]:
        facts.append(f"In force: {', '.join(gate['constraints'])}.")
    if gate["exempt"]:
        facts.append(f"Namespaces that go around the gate: {', '.join(gate['exempt'])}.")
    return facts
