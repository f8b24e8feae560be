"""The gate is inspected, proved to close and asked about every image, before anything is applied."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from msgspec.structs import replace

from s3c_actions.cluster import image_places as places
from s3c_actions.cluster.apply import ApplyTarget
from s3c_actions.cluster.client import AdmissionDenied, Cluster
from s3c_actions.cluster.gate import inspection, proof
from s3c_actions.cluster.gate import objects as gate_objects
from s3c_actions.core.errors import Refused
from s3c_actions.core.gate_stage import Stage
from s3c_actions.core.reference import Reference
from s3c_actions.result.model import Admission
from s3c_actions.steps.deploy.settings import AT_ONCE, DeploySettings, DeployTools
from s3c_actions.steps.deploy.state import DeployedImage, DeployState


def pass_gate(
    settings: DeploySettings,
    tools: DeployTools,
    cluster: Cluster,
    state: DeployState,
    *,
    used: Sequence[DeployedImage],
    targets: Sequence[ApplyTarget],
) -> None:
    """Inspect the gate, prove that it denies an unsigned image, and ask it about every image.

    Args:
        settings: what of a gate that is paused, only watches or has holes is accepted.
        tools: `signatures` are looked up for the proof.
        cluster: has the gate.
        state: receives the gate's state, the admissions and the warnings.
        used: the images.
        targets: the objects that are to be applied; without one that creates Pods there is nothing to ask.

    Raises:
        Refused: the gate is open, has holes, is paused or only watches, and that is not accepted.
        AdmissionDenied: the gate denies an image.
        OutsideError: the cluster or the registry failed.
    """
    wanted = _kinds_to_check(settings, cluster, used, targets)
    if not wanted:
        return
    with tools.progress.step("gate") as step:
        looked = inspection.inspect(gate_objects.read_gate_objects(cluster), wanted, accept=settings.accept_stage)
        state.result = replace(
            state.result,
            constraints=looked.constraints,
            exempt=looked.exempt,
            pauses=looked.pauses,
            stages=dict(looked.stages),
        )
        state.warnings += looked.warnings
        if looked.active_pauses:
            paused = inspection.pause_error(looked)
            if not settings.accept_paused_gate:
                raise paused
            # What the pause is for may be a defect of the gate.
            state.warnings += [paused.what, *(hole.what for hole in looked.holes)]
            step.done("paused; deployed all the same, as `accept-paused-gate` asks")
            return
        if looked.holes:
            if settings.require_gate:
                raise inspection.defects_error(looked)
            state.warnings += [hole.what for hole in looked.holes]
            step.done(f"{len(looked.holes)} holes; deployed all the same, as `require-gate` (false) asks")
            return
        references = {image.reference.pinned: image.reference for image in used}
        signatures = _signatures(tools, references.values())
        unsigned = proof.find_unsigned(list(references.values()), signatures)
        proved = ""
        watched = sorted(name for name, stage in looked.stages.items() if stage is not Stage.DENY)
        for namespace in watched:
            state.warnings += _ask_watching_gate(cluster, namespace, looked.stages[namespace], references, state)
        for namespace in sorted({namespace for _, _, namespace in wanted} - {*watched}):
            if unsigned:
                closed_by = proof.prove_closed(cluster, unsigned, namespace, looked.constraints, next(iter(references)))
                state.result = replace(state.result, unsigned_denied=unsigned, denial=closed_by.what)
                proved = f"an unsigned image is denied {closed_by.places_text}"
            try:
                _ask_gate(cluster, namespace, references, tools, state)
            except AdmissionDenied:
                denied = sum(admission.verdict == "denied" for admission in state.result.admissions)
                step.done(f"{denied} of {len(state.result.admissions)} images denied")
                raise
            proof.reject_unsigned(references.values(), signatures)
        if watched and not proved:
            step.done(f"only watches in {', '.join(watched)}; deployed all the same, as `accept-stage` asks")
            return
        if not proved and settings.require_gate:
            raise Refused(
                "The gate was not proved: nothing that is deployed names an image.",
                remedy="Look at the manifests, or deploy them with `require-gate: false`.",
            )
        step.done(f"{proved}; {len(used)} signed admitted" if proved else "there was nothing to try")


def _kinds_to_check(
    settings: DeploySettings, cluster: Cluster, used: Sequence[DeployedImage], targets: Sequence[ApplyTarget]
) -> list[tuple[str, str, str]]:
    """Return group, kind and namespace of everything that creates Pods, for the gate to check.

    For a custom kind these are its Pods: a constraint knows only Kubernetes' own kinds.
    """
    kinds = [
        (target.group, target.kind, target.namespace)
        if places.is_built_in(target.group, target.kind)
        else ("", "Pod", target.namespace)
        for target in targets
        if places.is_built_in(target.group, target.kind) or places.creates_pods(target.document)
    ]
    if used and not any(namespace for _, _, namespace in kinds):
        # Some object has an image, and the namespace of its Pods is unknown.
        candidates = {target.namespace for target in targets} - {""} or {settings.namespace or cluster.namespace}
        kinds += [("", "Pod", namespace) for namespace in candidates]
    return [entry for entry in kinds if entry[2]]


def _signatures(tools: DeployTools, references: Iterable[Reference]) -> Callable[[Reference], Sequence[str]]:
    """Return a function over each image's signatures, looked up once."""
    images_to_list = list(references)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        listed = dict(zip(images_to_list, pool.map(tools.signatures, images_to_list), strict=True))
    return lambda reference: listed[reference]


def _ask_gate(
    cluster: Cluster, namespace: str, references: Mapping[str, Reference], tools: DeployTools, state: DeployState
) -> None:
    """Ask the gate about every image; the first denial is raised after all have been asked."""
    first: AdmissionDenied | None = None
    admissions = []
    together = proof.admitted_images(cluster, list(references), namespace)
    for admission in state.result.admissions:
        denied = (
            proof.try_signed_image(
                cluster,
                references[admission.reference],
                namespace,
                signatures=tools.signatures,
                tell=tools.progress.notice,
            )
            if admission.reference not in together
            else None
        )
        admissions.append(judge_admission(admission, denied))
        first = first or denied
    state.result = replace(state.result, admissions=tuple(admissions))
    if first is not None:
        raise first


def _ask_watching_gate(
    cluster: Cluster, namespace: str, stage: Stage, references: Mapping[str, Reference], state: DeployState
) -> list[str]:
    """Ask a gate that admits everything what it would refuse, and return sentences on that for people."""
    sentences = [f"In {namespace} the gate {stage.effect} (stage {stage}), as `accept-stage` accepts."]
    admissions = []
    knows = proof.try_images(cluster, namespace, proof.ABSENT_IMAGE, preview=True) is not None
    if not knows:
        sentences.append("What the stage deny would refuse is not known: the gate was not installed by this s3c.")
    for admission in state.result.admissions:
        denied = (
            proof.try_images(cluster, namespace, references[admission.reference].pinned, preview=True)
            if knows
            else None
        )
        reason = "" if denied is None else denied.denials[0].reason
        if reason:
            sentences.append(f"The stage deny would refuse {admission.reference} in {namespace}: {reason}.")
        admissions.append(
            replace(
                admission,
                verdict="admitted",
                reason=f"stage {stage}; deny would refuse it: {reason}" if reason else admission.reason,
                remedy=denied.denials[0].remedy if denied is not None else admission.remedy,
            )
        )
    state.result = replace(state.result, admissions=tuple(admissions))
    return sentences


def judge_admission(admission: Admission, denied: AdmissionDenied | None) -> Admission:
    """Return an image's admission with the gate's verdict.

    Args:
        admission: before the gate was asked.
        denied: the gate's denial; None: it admitted the image.
    """
    if denied is None:
        return replace(admission, verdict="admitted")
    denial = denied.denials[0]
    return replace(
        admission,
        verdict="denied",
        reason=denial.reason,
        remedy=denial.remedy,
        trace=denial.trace,
        constraint=denial.constraint,
    )
