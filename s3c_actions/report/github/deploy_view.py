"""The view of a deployment in summary and comment: verdict, images, gate, objects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec

from s3c_actions.core.text import counted
from s3c_actions.report.document import AdmissionEntry, DeployEntry, ImageResult, ResultDocument
from s3c_actions.report.github.verdicts import ADMISSIONS
from s3c_actions.report.github.wording import error_view, render_prose, short_name, short_reference
from s3c_actions.report.render import escape
from s3c_actions.report.render.markdown import mark_safe

MAX_ROWS = 200
_MARKS = {"admitted": "✅", "denied": "❌", "unknown": "•"}


class _Row(msgspec.Struct, frozen=True, kw_only=True):
    """One image of a deployment; `signer` is None where its signature was not verified."""

    image: str
    reference: str
    signer: str | None = None
    admission: AdmissionEntry | None


def deploy_view(document: ResultDocument, deploy: DeployEntry) -> dict[str, Any]:
    """Return the values for the template, which escapes what is not marked safe.

    Args:
        document: a `result.json`.
        deploy: the deployment in it.
    """
    images = document.images
    failed = deploy.error is not None or any(image.error for image in images)
    return {
        "good": not failed,
        "verdict": _verdict(document, deploy),
        "error": error_view(deploy.error) if deploy.error is not None else None,
        "address": mark_safe(escape.markdown_link(deploy.address, deploy.address)),
        "images": [_image_view(row) for row in _deployed_images(document, deploy)[:MAX_ROWS]],
        "warnings": deploy.warnings[:MAX_ROWS],
        "facts": _facts(deploy),
        "objects": [
            {"action": applied.action, "kind": applied.kind, "name": f"{applied.namespace}/{applied.name}".lstrip("/")}
            for applied in deploy.applied[:MAX_ROWS]
        ],
        "omitted": max(0, len(deploy.applied) - MAX_ROWS),
        "total": len(deploy.applied),
    }


def _verdict(document: ResultDocument, deploy: DeployEntry) -> str:
    images = document.images
    denials = [(image, image.admission) for image in images if image.error is not None and image.admission is not None]
    if denials:
        return _describe_denials(denials, len(images))
    if deploy.error is not None:
        return deploy.error.what.rstrip(".")
    if document.command == "gate":
        return _gate_verdict(deploy)
    if deploy.unchanged:
        return "Nothing to do: everything is deployed already"
    if not deploy.applied:
        return f"Checked, nothing applied: {counted(len(deploy.admissions), 'image')} by digest"
    actions = Counter(applied.action for applied in deploy.applied)
    return "Deployed: " + ", ".join(f"{count} {action}" for action, count in actions.items())


def _gate_verdict(deploy: DeployEntry) -> str:
    if any(applied.action == "removed" for applied in deploy.applied):
        return "The gate is removed: the cluster admits every image"
    watching = sorted({stage for stage in (deploy.gate.stages or {}).values() if stage != "deny"})
    if deploy.applied and all(applied.kind != "Chart" for applied in deploy.applied):
        if watching:
            return f"The gate is in the stage {', '.join(watching)}"
        return "The gate is paused" if deploy.gate.pauses else "The gate is in force"
    installation = "Nothing to do: the gate is there, and" if deploy.unchanged else "The gate is installed, and"
    gate = installation if deploy.applied else "The gate"
    if watching:
        return f"{gate} only watches: stage {', '.join(watching)}"
    return f"{gate} closes" if deploy.gate.unsigned_denied else f"{gate} was tried"


def _describe_denials(denials: Sequence[tuple[ImageResult, AdmissionEntry]], total: int) -> str:
    image, admission = denials[0]
    if len(denials) == 1 and admission.reason:
        return f"{short_name(image.image)} was not admitted: {admission.reason}"
    return f"{len(denials)} of {total} images denied"


def _deployed_images(document: ResultDocument, deploy: DeployEntry) -> list[_Row]:
    """Return the images that only the deployment shows: of a chain those that it did not process."""
    if document.command != "chain":
        return [
            _Row(
                image=image.image,
                reference=image.reference,
                signer=image.verify.signer if image.verify is not None else None,
                admission=image.admission,
            )
            for image in document.images
        ]
    references = {image.reference for image in document.images}
    admissions = [admission for admission in deploy.admissions if admission.reference not in references]
    return [_Row(image=admission.image, reference=admission.reference, admission=admission) for admission in admissions]


def _image_view(row: _Row) -> dict[str, Any]:
    admission = row.admission
    verdict = admission.verdict if admission is not None else "unknown"
    answer = ADMISSIONS[verdict]
    if admission is not None and admission.reason:
        answer = f"{answer}: {admission.reason}" + (f" (trace {admission.trace})" if admission.trace else "")
    return {
        "mark": _MARKS[verdict],
        "image": mark_safe(escape.code(row.image)),
        "reference": mark_safe(escape.code(short_reference(row.reference or row.image))),
        "name": short_name(row.image),
        "remedy": render_prose(admission.remedy if admission is not None else ""),
        "signer": row.signer if row.signer is not None else "left to the gate",
        "admission": answer,
    }


def _facts(deploy: DeployEntry) -> list[str]:
    facts, gate = [], deploy.gate
    if gate.unsigned_denied:
        facts.append(f"The gate was proved, by an image that nobody signed: {gate.denial}")
    if gate.constraints:
        facts.append(f"In force: {', '.join(gate.constraints)}.")
    if gate.exempt:
        facts.append(f"Namespaces that go around the gate: {', '.join(gate.exempt)}.")
    facts += [
        f"In {namespace} the gate is in the stage {stage}: every image is admitted."
        for namespace, stage in (gate.stages or {}).items()
        if stage != "deny"
    ]
    facts += [
        f"Pause of {pause.constraint}: from {pause.since} until {pause.until}: {pause.reason.rstrip('.')}."
        for pause in gate.pauses or ()
    ]
    return facts
