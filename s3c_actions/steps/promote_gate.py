"""Take a gate to its next stage, and write down by whom, when, and which images may be refused then.

Nothing here weakens a stage: the next one is always stricter, and a namespace is about to be without a constraint at no
moment.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

import msgspec

from s3c_actions.cluster import apply
from s3c_actions.cluster.apply import ApplyTarget
from s3c_actions.cluster.client import ApiError, Cluster, KubernetesObject
from s3c_actions.cluster.gate import constraints, inspection, proof, stages, staging
from s3c_actions.cluster.gate import objects as gate_objects
from s3c_actions.cluster.gate.manifests import CONSTRAINT_KIND
from s3c_actions.core import reading
from s3c_actions.core.errors import InputError, OutsideError, Refused, S3CError
from s3c_actions.core.gate_stage import GateStages, Stage
from s3c_actions.core.moments import format_moment
from s3c_actions.core.progress import Progress
from s3c_actions.core.text import counted
from s3c_actions.report.document import PreviewEntry
from s3c_actions.result.model import AppliedObject, DeployResult

MAX_RECORDS = 10
MAX_RECORD_BYTES = 100_000
"""Bytes of the annotation; Kubernetes allows 256 KiB for all annotations of an object."""
TAKEN_SECONDS = 30.0
_POLL = 0.3
_REVIEW = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
_RESOURCE = constraints.resource(CONSTRAINT_KIND)


class Promotion(msgspec.Struct, frozen=True, kw_only=True):
    """A step of a gate to stricter stages.

    Attributes:
        before, after: the stages.
        namespaces: that go to the next stage; empty: all in the general one.
        stage: that they go to.
        base: the gate's constraint, as the API returned it.
    """

    before: GateStages
    after: GateStages
    namespaces: tuple[str, ...]
    stage: Stage
    base: KubernetesObject


class PromoteTools(msgspec.Struct, frozen=True, kw_only=True):
    """The collaborators of the step; the gate is proved in `namespace` where the promotion names none."""

    cluster: Cluster
    namespace: str
    progress: Progress


def plan(live: Sequence[KubernetesObject], namespaces: Sequence[str], address: str) -> Promotion:
    """Return the step to the next stage.

    Args:
        live: the constraints of the gate.
        namespaces: to take there; empty: all that are in the general stage.
        address: of the cluster, for errors.

    Raises:
        InputError: the cluster has no gate with stages; the namespaces are in several; or there is no next one.
    """
    before = stages.read_stages(live)
    if before is None:
        raise InputError(
            "kubeconfig",
            f"{address} has no gate with stages of s3c.",
            cause="There is none, or its constraints were changed by other means.",
            remedy="Install it, or bring it to a stage, with `s3c gate install --mode`.",
        )
    (base,) = (constraint for constraint in live if constraint["metadata"]["name"] == stages.BASE)
    excluded = set(stages.whole_constraint(base, before)["spec"]["match"]["excludedNamespaces"])
    if left_out := sorted(excluded & {*namespaces}):
        raise InputError("namespaces", f"{', '.join(left_out)} goes around the gate, and has no stage.")
    current = {name: before.of(name) for name in namespaces} or {"": before.default}
    if len({*current.values()}) > 1:
        listed = ", ".join(f"{name} in {stage}" for name, stage in current.items())
        raise InputError("namespaces", f"they are in several stages: {listed}.", remedy="Promote one stage at a time.")
    following = next(iter(current.values())).following
    if following is None:
        raise InputError(
            "namespaces" if namespaces else "task",
            f"{', '.join(namespaces) or 'the gate'} is in the stage deny already: there is no next one.",
            remedy=f"The stages are {before.describe()}; name the namespaces that are in another.",
        )
    return Promotion(
        before=before,
        after=before.changed(namespaces, following),
        namespaces=tuple(namespaces),
        stage=following,
        base=base,
    )


def find_exceptions(preview: PreviewEntry, named: Sequence[str]) -> tuple[str, ...]:
    """Return the images that are not admitted and may be refused, by digest.

    Args:
        preview: of the namespaces that are promoted.
        named: the images that may be refused, as the preview lists them.

    Raises:
        InputError: one that is named is admitted, or is not used.
        Refused: one that is not named would be refused, or could not be judged.
    """
    failing = [image for image in preview.images if image.verdict != "admitted"]
    excepted = {image.image for image in failing if {image.image, *image.names} & {*named}}
    known = {name for image in failing for name in (image.image, *image.names)}
    if unused := [name for name in named if name not in known]:
        raise InputError(
            "except",
            f"{unused[0]} is not refused by this gate, or is not used there.",
            remedy="Name images as `s3c gate preview` lists them.",
        )
    if left := [image for image in failing if image.image not in excepted]:
        first = left[0]
        verb = "would be refused" if first.verdict == "refused" else "could not be judged"
        raise Refused(
            f"Not ready for the next stage: {len(left):,} of {counted(len(preview.images), 'image')}. {first.image} "
            f"{verb}: {first.reason.rstrip('.')}.",
            cause="The stage is as it was.",
            remedy=f"{f'Fix it: `{first.command}`' if first.command else first.remedy or 'Fix it'}; or name each with "
            "`except`. `s3c gate preview` lists all.",
            image=first.image if "@" in first.image else "",
        )
    return tuple(sorted(excepted))


def run(promotion: Promotion, exceptions: Sequence[str], tools: PromoteTools) -> DeployResult:
    """Go to the next stage, and wait until the gate is proved to be in it.

    Args:
        promotion: as `plan` returned it.
        exceptions: images that may be refused, by digest.
        tools: the collaborators.

    Returns:
        The changed objects and the stages; `failure` is the error that ended it half-way.

    Raises:
        InputError: the exceptions are too many to be written down.
        OutsideError: the cluster does not answer or does not allow it, before anything was changed.
    """
    started, applied = time.monotonic(), list[AppliedObject]()
    cluster = tools.cluster
    result = DeployResult()
    with tools.progress.step("promote") as step:
        account = _account(cluster)
        record = _record(promotion, exceptions, account, cluster)
        try:
            if promotion.stage is Stage.DENY:
                applied += _fail_closed(cluster)
            applied += _write(promotion, cluster)
            patch = {"metadata": {"annotations": {stages.PROMOTION: record}}}
            cluster.merge(_RESOURCE, stages.BASE, patch)
            result = _prove(promotion, cluster, tools.namespace)
            step.done(f"{promotion.after.describe()}, by {account}")
        except S3CError as error:
            if not applied:
                raise
            result = DeployResult(failure=error)
    return msgspec.structs.replace(
        result, cluster=cluster.address, applied=tuple(applied), seconds=time.monotonic() - started
    )


def _account(cluster: Cluster) -> str:
    """Return who the API server takes us for (Kubernetes 1.28 and later)."""
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    try:
        user = (cluster.request("POST", _REVIEW, body=body).get("status") or {}).get("userInfo") or {}
    except ApiError as error:
        raise OutsideError(
            "The cluster does not say as whom it knows this account, and a promotion is written down with that.",
            cause="It is older than Kubernetes 1.28, or does not allow selfsubjectreviews.",
            remedy="`s3c gate install --mode` changes a stage without a record.",
            original=error.original,
        ) from error
    return str(user.get("username") or "")


def _record(promotion: Promotion, exceptions: Sequence[str], account: str, cluster: Cluster) -> str:
    """Return the annotation: the promotions, the newest first."""
    annotations = promotion.base["metadata"].get("annotations") or {}
    tried = cluster.merge(_RESOURCE, stages.BASE, {"metadata": {"annotations": {stages.PROMOTION: "[]"}}}, dry_run=True)
    entry = {
        "stage": str(promotion.stage),
        "namespaces": list(promotion.namespaces),
        "at": format_moment(staging.server_time(tried)),
        "by": account,
        "except": list(exceptions),
    }
    records = [entry, *read_records(annotations.get(stages.PROMOTION))][:MAX_RECORDS]
    while len(text := json.dumps(records)) > MAX_RECORD_BYTES and len(records) > 1:
        records.pop()
    if len(text) > MAX_RECORD_BYTES:
        raise InputError("except", f"{len(exceptions):,} exceptions are too many to be written down.")
    return text


def read_records(text: object) -> list[dict[str, Any]]:
    """Return the promotions that an annotation holds, the newest first; none of one that somebody else wrote."""
    try:
        records = reading.parse_json(str(text or "[]"))
    except ValueError:
        return []
    return [record for record in records if isinstance(record, dict)] if isinstance(records, list) else []


def _fail_closed(cluster: Cluster) -> list[AppliedObject]:
    """Have what Gatekeeper cannot answer refused: before anything is in the stage `deny`."""
    applied = []
    for configuration in cluster.list(gate_objects.WEBHOOKS):
        hooks = [dict(hook) for hook in configuration.get("webhooks") or ()]
        own = [hook for hook in hooks if hook.get("name") == gate_objects.WEBHOOK]
        if gate_objects.is_azure_policy(configuration) or all(hook.get("failurePolicy") == "Fail" for hook in own):
            continue
        for hook in own:
            hook["failurePolicy"] = "Fail"
        metadata = configuration["metadata"]
        # The version is that of the list: Gatekeeper may write its certificate into it at the same time.
        patch = {"metadata": {"resourceVersion": metadata["resourceVersion"]}, "webhooks": hooks}
        cluster.merge(gate_objects.WEBHOOKS, str(metadata["name"]), patch)
        kind = "ValidatingWebhookConfiguration"
        applied.append(AppliedObject(kind=kind, namespace="", name=str(metadata["name"]), action="configured"))
    return applied


def _write(promotion: Promotion, cluster: Cluster) -> list[AppliedObject]:
    """Write the constraints of the new stages, and remove those of earlier ones."""
    documents = stages.staged_constraints(stages.whole_constraint(promotion.base, promotion.before), promotion.after)
    applied = []
    for document in documents:
        target = ApplyTarget(document=document, resource=_RESOURCE, namespace="", source="")
        change = apply.apply(cluster, target, apply.read_object(cluster, target), force=True)
        if change.action != "unchanged":
            staging.await_taken(cluster, {**change.after, "kind": CONSTRAINT_KIND})
        applied.append(AppliedObject(kind=target.kind, namespace="", name=target.name, action=change.action))
    removed = staging.remove_stages(cluster, {str(document["metadata"]["name"]) for document in documents})
    applied += [AppliedObject(kind=CONSTRAINT_KIND, namespace="", name=name, action="pruned") for name in removed]
    return applied


def _prove(promotion: Promotion, cluster: Cluster, namespace: str) -> DeployResult:
    """Wait until the gate does what its stages say, in a namespace of each that is there."""
    deadline = time.monotonic() + TAKEN_SECONDS
    while True:
        facts = gate_objects.read_gate_objects(cluster)
        names = [name for name in promotion.namespaces if name in facts.namespaces] or [namespace]
        looked = inspection.inspect(facts, [("", "Pod", name) for name in names], accept=Stage.AUDIT)
        proved = (
            Refused(" ".join(hole.what for hole in looked.holes), remedy=looked.holes[0].remedy)
            if looked.holes
            else staging.prove_stages(cluster, looked)
        )
        if isinstance(proved, proof.GateProof):
            return DeployResult(
                unsigned_denied=proof.ABSENT_IMAGE,
                denial=proved.what,
                constraints=looked.constraints,
                exempt=looked.exempt,
                stages=dict(looked.stages),
            )
        if time.monotonic() > deadline:
            raise proved
        time.sleep(_POLL)
