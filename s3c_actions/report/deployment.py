"""What the summary says of a deployment: the verdict, the images, the gate, the objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from s3c_actions.report import escape

if TYPE_CHECKING:
    from s3c_actions.steps.results import DeployResult, ImageOutcome, Outcome

MOST_ROWS = 200
_MARKS = {"admitted": "✅", "denied": "❌", "unknown": "•"}


def view(outcome: Outcome) -> dict[str, Any]:
    """The facts for the template; what is not marked safe is escaped there.

    Args:
        outcome: of a command that has `deploy`.
    """
    deploy = outcome.deploy
    if deploy is None:
        raise ValueError("nothing was deployed")
    failed = deploy.failure is not None or any(image.failure for image in outcome.images)
    error = deploy.failure
    return {
        "good": not failed,
        "verdict": _verdict(outcome, deploy),
        "error": None
        if error is None
        else {"what": error.what, "cause": error.cause, "remedy": error.remedy, "original": error.original[:2000]},
        "address": deploy.address,
        "images": [_image(image) for image in outcome.images[:MOST_ROWS]],
        "warnings": list(deploy.warnings),
        "facts": _facts(deploy),
        "objects": [
            {"action": one.action, "kind": one.kind, "name": f"{one.namespace}/{one.name}".lstrip("/")}
            for one in deploy.applied[:MOST_ROWS]
        ],
        "omitted": max(0, len(deploy.applied) - MOST_ROWS),
        "total": len(deploy.applied),
    }


def _verdict(outcome: Outcome, deploy: DeployResult) -> str:
    if deploy.failure is not None:
        return deploy.failure.what.rstrip(".")
    denied = sum(image.failure is not None for image in outcome.images)
    if denied:
        return f"{denied} of {len(outcome.images)} images denied"
    if outcome.command == "gate":
        return "The gate closes" if deploy.unsigned_denied else "The gate was tried"
    if deploy.unchanged:
        return "Nothing to do: everything is deployed already"
    if not deploy.applied:
        return f"Checked, nothing applied: {len(outcome.images)} images by digest"
    actions = [one.action for one in deploy.applied]
    return "Deployed: " + ", ".join(f"{actions.count(one)} {one}" for one in dict.fromkeys(actions))


def _image(image: ImageOutcome) -> dict[str, Any]:
    admission = image.admission
    verdict = admission.verdict if admission is not None else "unknown"
    said = {"admitted": "admitted", "denied": "denied", "unknown": "not asked"}[verdict]
    if admission is not None and admission.reason:
        said = f"{said}: {admission.reason}" + (f" (trace {admission.trace})" if admission.trace else "")
    return {
        "mark": _MARKS[verdict],
        "image": Markup(escape.code(image.image)),  # noqa: S704 escaped just here
        "reference": Markup(escape.code(admission.reference if admission is not None else image.reference)),  # noqa: S704
        "signer": image.verify.signer if image.verify is not None else "left to the gate",
        "admission": said,
    }


def _facts(deploy: DeployResult) -> list[str]:
    facts = []
    if deploy.unsigned_denied:
        facts.append(f"The gate was proved, by an image that nobody signed: {deploy.denial}")
    if deploy.constraints:
        facts.append(f"In force: {', '.join(deploy.constraints)}.")
    if deploy.exempt:
        facts.append(f"Namespaces that go around the gate: {', '.join(deploy.exempt)}.")
    return facts
