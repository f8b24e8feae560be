"""Install the gate, or bring an existing one to its settings, and prove that it closes.

An installation may be repeated: what is as it should be is left alone. In between, whatever Gatekeeper cannot have
answered is denied, never admitted.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

import msgspec
from msgspec.structs import replace

from s3c_actions.cluster import apply, rollout
from s3c_actions.cluster.apply import ApplyTarget, ObjectChange
from s3c_actions.cluster.client import AdmissionDenied, ApiError, Cluster, KubernetesObject, Resource
from s3c_actions.cluster.gate import constraints, inspection, proof, stages, staging
from s3c_actions.cluster.gate import objects as gate_objects
from s3c_actions.cluster.gate.manifests import CONSTRAINT_GROUP, CONSTRAINT_KIND, RATIFY_GROUP
from s3c_actions.core.errors import InputError, OutsideError, Refused, S3CError
from s3c_actions.core.gate_pause import GatePause
from s3c_actions.core.gate_stage import GateStages, Stage
from s3c_actions.core.progress import Progress
from s3c_actions.core.text import join_words, plural
from s3c_actions.policy.export import DIGEST_ANNOTATION as POLICY_DIGEST
from s3c_actions.programs.helm.helm import NAMESPACE, Chart, Helm, HelmRelease
from s3c_actions.result.model import AppliedObject, DeployResult

T = TypeVar("T")

GATEKEEPER, RATIFY = "gatekeeper", "ratify"
DEPLOYMENTS = {GATEKEEPER: "gatekeeper-controller-manager", RATIFY: "ratify"}
ABANDONED_SECONDS = 120.0
"""Seconds after which an unfinished change of Helm is considered killed."""
TAKEN_SECONDS = 30.0
"""Seconds for Ratify to read its objects, and for Gatekeeper's Service to become ready."""
POLL = 0.3
NOTE_SECONDS = 2.0
"""Seconds between polls of the cluster, and of a change that somebody else has begun."""
_DEPLOYMENTS = Resource(path="/apis/apps/v1", plural="deployments", namespaced=True)
_SECRETS = Resource(path="/api/v1", plural="secrets", namespaced=True)


class GateSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The gate of one cluster.

    Attributes:
        charts: Gatekeeper's, then Ratify's, with their values.
        objects: trusted signers, verifiers, constraint; in the order of application.
        namespace: where the gate is proved, besides those that are named for a stage.
        stages: of the gate.
        fails_open: what Gatekeeper cannot answer is admitted, as the values of its chart say.
        timeout: seconds for everything to become ready.
    """

    charts: tuple[Chart, ...]
    objects: tuple[KubernetesObject, ...]
    namespace: str = "default"
    stages: GateStages = GateStages()
    fails_open: bool = False
    timeout: float = 300.0


class GateTools(msgspec.Struct, frozen=True, kw_only=True):
    """The collaborators of the step; `helm` and `cluster` reach the same cluster."""

    helm: Helm
    cluster: Cluster
    progress: Progress


def run(settings: GateSettings, tools: GateTools) -> DeployResult:
    """Install the gate and wait until it is proved to be in force.

    Returns:
        The changes, and the denial that proves the gate; `failure` is the error that ended it half-way.

    Raises:
        InputError: the kubeconfig, a chart or a manifest cannot be used.
        OutsideError: the cluster does not answer.
    """
    installer = _Installer(settings, tools)
    began = time.monotonic()
    try:
        result = installer.run()
    except S3CError as error:
        if not installer.applied:
            raise
        result = DeployResult(failure=error)
    applied = tuple(installer.applied)
    return replace(
        result,
        cluster=tools.cluster.address,
        applied=applied,
        unchanged=bool(applied) and all(item.action == "unchanged" for item in applied),
        seconds=time.monotonic() - began,
    )


class _Installer:
    def __init__(self, settings: GateSettings, tools: GateTools) -> None:
        self.settings = settings
        self.helm, self.cluster, self.progress = tools.helm, tools.cluster, tools.progress
        self.applied: list[AppliedObject] = []
        self.deadline = time.monotonic() + settings.timeout
        self.proved = ""
        self.namespaces: set[str] | None = None

    def run(self) -> DeployResult:
        # Helm repairs manual changes, but only when it is asked to do something.
        looked = self.inspect()
        sound = not looked.holes and not looked.excess and not self.fails_otherwise()
        for chart in self.settings.charts:
            with self.progress.step(chart.name) as step:
                action = self.chart(chart, sound)
                # Once Gatekeeper runs, nothing is admitted without its check.
                self.await_deployment(DEPLOYMENTS[chart.name])
                step.done(f"chart {action}, and it runs")
        with self.progress.step("policy") as step:
            self.leave_refusals_to_validation()
            self.announce_stages()
            for change in [self.apply(document) for document in self.settings.objects]:
                if _group(change.target.document) == RATIFY_GROUP:
                    self.await_taken(change)
                self.end_pause(change)
            self.forget()
            self.forget_stages()
            step.done(_describe_applied(self.applied))
        with self.progress.step("proof") as step:
            result = self.prove()
            step.done(f"{self.proved}, by {', '.join(result.constraints)}")
        return result

    def inspect(self) -> inspection.GateInspection:
        """Return what is found of the gate where it is proved, in whatever stage it is to be."""
        facts = gate_objects.read_gate_objects(self.cluster)
        self.namespaces = {*facts.namespaces}
        names = {self.settings.namespace, *(name for name in self.settings.stages.named if name in facts.namespaces)}
        weakest = min(self.settings.stages.stages, key=lambda stage: stage.rank)
        return inspection.inspect(facts, [("", "Pod", name) for name in sorted(names)], accept=weakest)

    def fails_otherwise(self) -> bool:
        """Return whether Gatekeeper's webhook fails closed where it is to fail open; the contrary is a hole."""
        return self.settings.fails_open and any(
            hook.get("failurePolicy") == "Fail"
            for configuration in gate_objects.list_if_served(self.cluster, gate_objects.WEBHOOKS)
            for hook in configuration.get("webhooks") or ()
            if hook.get("name") == gate_objects.WEBHOOK and not gate_objects.is_azure_policy(configuration)
        )

    def chart(self, chart: Chart, sound: bool) -> str:
        release = self.release(chart.name)
        if sound and release is not None and (release.status, release.fingerprint) == ("deployed", chart.fingerprint):
            action = "unchanged"
        else:
            self.retried(lambda: self.helm.upgrade(chart))
            action = "created" if release is None else "configured"
        self.applied.append(AppliedObject(kind="Chart", namespace=NAMESPACE, name=chart.name, action=action))
        return action

    def release(self, name: str) -> HelmRelease | None:
        """Return the release, once no other change of it is in progress."""
        announced = False
        while (release := self.helm.release(name)) is not None and release.pending:
            if release.age > ABANDONED_SECONDS:
                self.progress.notice(
                    f"A change of {name} was begun {release.age:.0f} s ago and never ended: it is undone."
                )
                secret = f"sh.helm.release.v1.{name}.v{release.revision}"
                self.cluster.delete(_SECRETS, secret, NAMESPACE)
                continue
            if not announced:
                self.progress.notice(f"Another change of {name} is going on: waiting for its end.")
                announced = True
            time.sleep(NOTE_SECONDS)
        return release

    def await_deployment(self, name: str) -> None:
        document: KubernetesObject = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}}
        target = ApplyTarget(document=document, resource=_DEPLOYMENTS, namespace=NAMESPACE, source="")
        change = ObjectChange(target=target, action="configured", before=None, after={})
        rollout.wait_for_rollout(self.cluster, [change], timeout=self.remaining(), note=self.progress.note)

    def apply(self, document: KubernetesObject) -> ObjectChange:
        resource = self.resource(document)
        namespace = str(document["metadata"].get("namespace") or "") if resource.namespaced else ""
        target = ApplyTarget(document=document, resource=resource, namespace=namespace, source="")

        def once() -> ObjectChange:
            try:
                return apply.apply(self.cluster, target, apply.read_object(self.cluster, target), force=True)
            except S3CError as error:
                error.what = f"{target.where}: {error.what}"
                raise

        change = self.retried(once)
        self.applied.append(
            AppliedObject(kind=target.kind, namespace=namespace, name=target.name, action=change.action)
        )
        self.progress.note(f"{target.where} {change.action}")
        return change

    def leave_refusals_to_validation(self) -> None:
        """Have Ratify's mutations leave an image as it is when Ratify does not answer, in place of denying the Pod.

        Validation denies it then, but for a pause, which a denial by mutation would not let through. The chart has no
        value for this; Helm keeps it, since it is in no manifest of the chart.
        """
        patch = {"spec": {"parameters": {"assign": {"externalData": {"failurePolicy": "Ignore"}}}}}
        assigns = gate_objects.list_if_served(self.cluster, gate_objects.ASSIGNS)
        for mutation in filter(gate_objects.asks_ratify, assigns):
            name = str(mutation["metadata"]["name"])
            data = mutation["spec"]["parameters"]["assign"]["externalData"]
            action = "unchanged"
            if data.get("failurePolicy") != "Ignore":
                self.retried(partial(self.cluster.merge, gate_objects.ASSIGNS, name, patch))
                action = "configured"
            self.applied.append(AppliedObject(kind="Assign", namespace="", name=name, action=action))

    def end_pause(self, change: ObjectChange) -> None:
        """End a constraint's pause: another field manager wrote it, so that applying the constraint keeps it."""
        pause = GatePause.of(change.after)
        if _group(change.target.document) != CONSTRAINT_GROUP or pause is None:
            return
        constraints.write_pause(self.cluster, change.after, None)
        self.progress.notice(f"{pause.describe(datetime.now(UTC))} It is taken out: an installed gate is in force.")

    def announce_stages(self) -> None:
        """Say which stages change, before they do."""
        before = stages.read_stages(constraint for constraint, _ in constraints.list_constraints(self.cluster))
        wanted = self.settings.stages
        if missing := sorted({*wanted.named} - self.namespaces if self.namespaces is not None else ()):
            self.progress.warning(
                f"`mode` names {join_words(missing)}, and no such {plural(len(missing), 'namespace')} is there: every "
                f"namespace that it does not name is in the stage {wanted.default}."
            )
        if before is None or before == wanted:
            return
        if wanted.weakened(before):
            self.progress.warning(
                f"The gate is weakened, as `mode` asks: it was in the stages {before.describe()}, and is in "
                f"{wanted.describe()} from now on."
            )
        else:
            self.progress.notice(
                f"The gate goes from the stages {before.describe()} to {wanted.describe()}; `s3c gate promote` does so "
                "only when `s3c gate preview` is clean."
            )

    def forget_stages(self) -> None:
        """Remove the constraints of stages that no namespace is in any more: by now others are about all of theirs."""
        kept = {
            str(document["metadata"]["name"])
            for document in self.settings.objects
            if _group(document) == CONSTRAINT_GROUP
        }
        for name in staging.remove_stages(self.cluster, kept):
            self.applied.append(AppliedObject(kind=CONSTRAINT_KIND, namespace="", name=name, action="pruned"))
            self.progress.note(f"{CONSTRAINT_KIND} {name} of an earlier stage removed")

    def forget(self) -> None:
        """Remove the verifiers of a policy that is no longer this gate's: Ratify would continue to trust by them."""
        verifiers = [
            document
            for document in self.settings.objects
            if document["kind"] == "Verifier" and _group(document) == RATIFY_GROUP
        ]
        if not verifiers:
            return
        current_names, resource = {document["metadata"]["name"] for document in verifiers}, self.resource(verifiers[0])
        for verifier in self.cluster.list(resource):
            name = str(verifier["metadata"]["name"])
            if POLICY_DIGEST in (verifier["metadata"].get("annotations") or {}) and name not in current_names:
                self.cluster.delete(resource, name)
                self.applied.append(AppliedObject(kind="Verifier", namespace="", name=name, action="pruned"))
                self.progress.note(f"Verifier {name} of an earlier policy removed")

    def resource(self, document: KubernetesObject) -> Resource:
        """Return how the cluster serves a kind; a constraint's kind exists once Gatekeeper has read its template."""
        api_version, kind = str(document["apiVersion"]), str(document["kind"])
        deadline = time.monotonic() + (self.remaining() if _group(document) == CONSTRAINT_GROUP else TAKEN_SECONDS)
        while True:
            try:
                return self.cluster.resource(api_version, kind)
            except InputError as error:
                if error.field != "manifests":
                    raise
                if time.monotonic() > deadline:
                    error.original = self.template_errors(kind)
                    raise
            time.sleep(POLL)

    def template_errors(self, kind: str) -> str:
        """Return Gatekeeper's errors on the templates of a kind."""
        errors = []
        for template in gate_objects.read_gate_objects(self.cluster).templates:
            if template["spec"]["crd"]["spec"]["names"]["kind"] == kind:
                errors += [
                    str(error)
                    for pod in (template.get("status") or {}).get("byPod") or ()
                    for error in pod.get("errors") or ()
                ]
        return "\n".join(errors)[:4000]

    def await_taken(self, change: ObjectChange) -> None:
        """Wait until Ratify has read the current version of one of its objects, and accepts it."""
        target = change.target
        deadline = time.monotonic() + TAKEN_SECONDS
        while True:
            status = (apply.read_object(self.cluster, target) or {}).get("status") or {}
            if status.get("issuccess") is True and is_status_current(change, status):
                return
            if time.monotonic() > deadline:
                raise _not_accepted_error(target.document, str(status.get("error") or status.get("brieferror") or ""))
            time.sleep(POLL)

    def prove(self) -> DeployResult:
        """Wait until there are no holes and Ratify's verdict denies an image: it runs before Gatekeeper knows it."""
        deadline = time.monotonic() + min(self.remaining(), max(TAKEN_SECONDS, self.settings.timeout / 2))
        while True:
            looked = self.inspect()
            closed_by = _holes_error(looked) if looked.holes else staging.prove_stages(self.cluster, looked)
            if isinstance(closed_by, proof.GateProof):
                watching = [name for name, stage in looked.stages.items() if stage is not Stage.DENY]
                self.proved = f"an image that is not there is denied {closed_by.places_text}" + (
                    f", but for {', '.join(watching)}, where it would be, and is admitted" if watching else ""
                )
                return DeployResult(
                    unsigned_denied=proof.ABSENT_IMAGE,
                    denial=closed_by.what,
                    constraints=looked.constraints,
                    exempt=looked.exempt,
                    stages=dict(looked.stages),
                    warnings=looked.watching,
                )
            if time.monotonic() > deadline:
                raise closed_by
            time.sleep(POLL)

    def retried(self, task: Callable[[], T]) -> T:
        """Retry what calls Gatekeeper's webhook: it reports ready a moment before its Service leads to it."""
        deadline = time.monotonic() + TAKEN_SECONDS
        while True:
            try:
                return task()
            except S3CError as error:
                temporary = (isinstance(error, AdmissionDenied) and error.unavailable) or (
                    isinstance(error, ApiError) and error.status == 404
                )
                if not (temporary or "failed calling webhook" in error.original) or time.monotonic() > deadline:
                    raise
            time.sleep(POLL)

    def remaining(self) -> float:
        return max(1.0, self.deadline - time.monotonic())


def is_status_current(change: ObjectChange, status: KubernetesObject) -> bool:
    """Return whether Ratify reported a status after a change: a change does not reset the time of the last fetch.

    The times are in whole seconds, so a status of the same second counts as one after the change.
    """
    fetched = str(status.get("lastfetchedtime") or "")
    before = str(((change.before or {}).get("status") or {}).get("lastfetchedtime") or "")
    if not fetched or change.action == "unchanged" or fetched != before:
        return True
    written = change.after["metadata"].get("managedFields") or ()
    return fetched >= max((str(entry.get("time")) for entry in written if not entry.get("subresource")), default="")


def _not_accepted_error(document: KubernetesObject, ratify_error: str) -> OutsideError:
    kind, name = str(document["kind"]), str(document["metadata"]["name"])
    cause, remedy = "", f"Look at `kubectl describe {kind.lower()} {name}` and at Ratify's log."
    if document["spec"].get("type") == "azurekeyvault":
        cause = "Its identity may not read the vault, or the cluster does not hand it a token: see what Ratify said."
        remedy = "Let it get certificate and secret; federate it with gatekeeper-system:ratify-admin; check the names."
    return OutsideError(
        f"Ratify does not take {kind} {name}.", cause=cause, remedy=remedy, original=ratify_error[:4000]
    )


def _holes_error(looked: inspection.GateInspection) -> Refused:
    return Refused(
        " ".join(hole.what for hole in looked.holes),
        cause="The gate was installed, and is not in force.",
        remedy=looked.holes[0].remedy,
    )


def _group(document: KubernetesObject) -> str:
    return str(document["apiVersion"]).rpartition("/")[0]


def _describe_applied(applied: list[AppliedObject]) -> str:
    actions = [item.action for item in applied if item.kind != "Chart"]
    return ", ".join(f"{actions.count(action)} {action}" for action in dict.fromkeys(actions)) or "nothing to apply"
