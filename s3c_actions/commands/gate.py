"""`s3c gate`: install the gate, and check that it closes by inspection and by dry runs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from msgspec.structs import replace

from s3c_actions.cluster.gate import inspection, proof, stages
from s3c_actions.cluster.gate import objects as gate_objects
from s3c_actions.cluster.images import Replacement
from s3c_actions.core.artifact_types import SIGNATURE
from s3c_actions.core.errors import InputError
from s3c_actions.core.gate_stage import Stage
from s3c_actions.core.reference import Reference
from s3c_actions.options import gate as inputs
from s3c_actions.options.common import no_task_error
from s3c_actions.result.model import Admission, DeployResult, Outcome
from s3c_actions.steps.deploy.gate_check import judge_admission
from s3c_actions.wiring.context import Context
from s3c_actions.wiring.deploying import deploy_outcome, image_registry, resolve_reference
from s3c_actions.wiring.gate_exit import confirm_uninstall, pause, read_pause, uninstall
from s3c_actions.wiring.gate_preview import preview, promote
from s3c_actions.wiring.install_gate import install, wanted_stages
from s3c_actions.wiring.kubernetes import connect_cluster

if TYPE_CHECKING:
    from s3c_actions.cluster.client import Cluster
    from s3c_actions.registry import Registry


CACHE_SECONDS = 40.0
"""Seconds after which a verdict from before a change of the gate has expired: three caches of 10 s each."""


def run(options: inputs.GateInputs, context: Context) -> Outcome:
    """Do what `task` asks; for `check` and `demo` inspect the gate, prove it, and try the images, all by dry run.

    Raises:
        InputError: an input or an image is wrong.
        Refused: the gate has holes, or is open.
        OutsideError: the registry, the cluster or the gate does not respond.
    """
    started = time.monotonic()
    if not options.given(inputs.GateInputs.task) and not options.image:
        raise no_task_error("gate", inputs.GateInputs.task)
    if options.task in {"pause", "uninstall"}:
        return _open(options, context, started)
    if options.task in {"preview", "promote"}:
        look = preview if options.task == "preview" else promote
        return look(options, context, connect_cluster(options, context), started)
    installing = options.task == "install"
    images = tuple(Replacement.parse(image) for image in options.image)
    if not images and not installing:
        raise InputError(
            inputs.GateInputs.image.name,
            f"`{options.task}` needs an image to try.",
            remedy="Give one that is signed, with `image`, for example registry.example/app@sha256:….",
        )
    registry = image_registry(options, context, (), images)
    references = {str(replacement.image): resolve_reference(registry, replacement.image)[0] for replacement in images}
    cluster = connect_cluster(options, context)
    if not installing:
        outcome = deploy_outcome(
            "gate", _try_images(options, context, cluster, registry, references), {}, time.monotonic() - started
        )
        return outcome if options.task == "check" else drop_failures(outcome)
    installed = install(options, context, cluster)
    if installed.failure is None and references:
        accept = min(wanted_stages(options).stages, key=lambda stage: stage.rank)
        tried = _try_images(options, context, cluster, registry, references, patience=CACHE_SECONDS, accept=accept)
        installed = replace(tried, applied=installed.applied, unchanged=installed.unchanged)
    for warning in installed.warnings if not references else ():
        context.progress.warning(warning)
    outcome = deploy_outcome("gate", installed, {}, time.monotonic() - started)
    if outcome.images or installed.failure is not None:
        return outcome
    what = "as it should be already" if installed.unchanged else "installed"
    watching = any(stage is not Stage.DENY for stage in installed.stages.values())
    effect = f", in the stages {wanted_stages(options).describe()}" if watching else ", and closes"
    return replace(outcome, text=f"✔ the gate of {cluster.address} is {what}{effect}")


def _open(options: inputs.GateInputs, context: Context, started: float) -> Outcome:
    """Pause the gate or end its pause, or remove the gate."""
    if options.task == "pause":
        settings = read_pause(options)
        cluster = connect_cluster(options, context)
        result = pause(settings, context, cluster)
        described = " ".join(gate_pause.describe(datetime.now(UTC)) for gate_pause in result.pauses)
        text = f"⚠ {described}" if described else f"✔ the gate of {cluster.address} is in force"
    else:
        confirm_uninstall(options)
        cluster = connect_cluster(options, context)
        confirm_uninstall(options, cluster.address)
        result = uninstall(options, context, cluster)
        text = (
            f"⚠ the gate of {cluster.address} is removed: it admits every image"
            if result.applied
            else f"✔ {cluster.address} has no gate"
        )
    for warning in result.warnings:
        context.progress.warning(warning)
    outcome = deploy_outcome("gate", result, {}, time.monotonic() - started)
    return outcome if result.failure is not None else replace(outcome, text=text)


def _try_images(
    options: inputs.GateInputs,
    context: Context,
    cluster: Cluster,
    registry: Registry,
    references: Mapping[str, Reference],
    *,
    patience: float = 0.0,
    accept: Stage = Stage.DENY,
) -> DeployResult:
    """Return the gate's verdict on images; a denial counts after `patience` seconds.

    In a stage that only watches, and is accepted, it is the verdict that the stage `deny` would have.
    """
    namespace = options.namespace or cluster.namespace
    with context.progress.step("gate") as step:
        facts = gate_objects.read_gate_objects(cluster)
        inspected = inspection.inspect(facts, [("", "Pod", namespace)], accept=accept)
        for warning in inspected.warnings:
            context.progress.warning(warning)
        if inspected.active_pauses:
            raise inspection.pause_error(inspected)
        if inspected.holes:
            raise inspection.defects_error(inspected)
        preview = inspected.stages.get(namespace) is not Stage.DENY
        constraints = (*inspected.constraints, stages.PREVIEW) if preview else inspected.constraints
        step.done(
            f"only watches in {namespace}: asked what the stage deny would do"
            if preview
            else f"closed for {namespace} by {', '.join(inspected.constraints)}"
        )

    def signatures(reference: Reference) -> list[str]:
        return [signature.digest for signature in registry.referrers(reference, SIGNATURE)]

    unsigned = proof.find_unsigned(list(references.values()), signatures)
    denial = ""
    if unsigned:
        with context.progress.step("proof") as step:
            signed = next(iter(references.values())).pinned
            closed_by = proof.prove_closed(cluster, unsigned, namespace, constraints, signed, preview=preview)
            denial = closed_by.what
            step.done(f"{denial} Tried {closed_by.places_text}.")
    admissions = []
    until = time.monotonic() + patience
    for image, reference in references.items():
        with context.progress.step("try") as step:
            while denied := proof.try_signed_image(
                cluster,
                reference,
                namespace,
                signatures=signatures,
                tell=context.progress.notice,
                preview=preview,
            ):
                if time.monotonic() > until:
                    break
                time.sleep(1)
            admissions.append(
                judge_admission(Admission(image=image, reference=reference.pinned, verdict="unknown"), denied)
            )
            step.done(f"{reference.pinned} is admitted" if denied is None else denied.denials[0].what)
    proof.reject_unsigned(
        (references[admission.image] for admission in admissions if admission.verdict == "admitted"), signatures
    )
    return DeployResult(
        cluster=cluster.address,
        admissions=tuple(admissions),
        unsigned_denied=unsigned,
        denial=denial,
        constraints=inspected.constraints,
        exempt=inspected.exempt,
        pauses=inspected.pauses,
        stages=dict(inspected.stages),
        warnings=inspected.warnings,
    )


def drop_failures(outcome: Outcome) -> Outcome:
    """Remove the failures: a demonstration in which an image is denied has succeeded."""
    images = (
        replace(image, failure=None, reference="" if image.failure else image.reference) for image in outcome.images
    )
    return replace(outcome, images=tuple(images))
