"""Installs the gate, or brings the one that is there to its settings, and proves that it closes.

What is installed may be installed again: what is as it should be is left alone. In between, whatever Gatekeeper cannot
have answered is denied, never admitted.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import msgspec
from msgspec.structs import replace

from s3c_actions.cluster import apply, rollout
from s3c_actions.cluster.apply import Change, Target
from s3c_actions.cluster.client import AdmissionDenied, ApiError, Cluster, Object, Resource
from s3c_actions.cluster.gate import inspection
from s3c_actions.cluster.gate.manifests import CONSTRAINT_GROUP, RATIFY_GROUP
from s3c_actions.core.errors import InputError, OutsideError, Refused, S3CError
from s3c_actions.core.progress import Progress
from s3c_actions.policy.export import DIGEST as POLICY_DIGEST
from s3c_actions.programs.helm.helm import NAMESPACE, Chart, Helm, Release
from s3c_actions.result.model import AppliedObject, DeployResult

T = TypeVar("T")

GATEKEEPER, RATIFY = "gatekeeper", "ratify"
DEPLOYMENTS = {GATEKEEPER: "gatekeeper-controller-manager", RATIFY: "ratify"}
ABANDONED = 120.0
"""Seconds after which a change that Helm has begun and not ended is taken for one that was killed."""
TAKEN = 30.0
"""Seconds for Ratify to read what it is told, and for Gatekeeper's Service to lead to it."""
POLL = 0.3
PATIENCE = 2.0
"""Seconds between looks at the cluster, and at a change that somebody else has begun."""
_DEPLOYMENTS = Resource(path="/apis/apps/v1", plural="deployments", namespaced=True)
_SECRETS = Resource(path="/api/v1", plural="secrets", namespaced=True)


class GateSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The gate of one cluster.

    Attributes:
        charts: Gatekeeper's, then Ratify's, with their values.
        objects: whom to trust, how to verify, what is asked about; in the order in which they are applied.
        namespace: where the gate is proved.
        timeout: seconds for everything to come up.
    """

    charts: tuple[Chart, ...]
    objects: tuple[Object, ...]
    namespace: str = "default"
    timeout: float = 300.0


class GateTools(msgspec.Struct, frozen=True, kw_only=True):
    """What the step works with; `helm` and `cluster` reach the same cluster."""

    helm: Helm
    cluster: Cluster
    progress: Progress


def run(settings: GateSettings, tools: GateTools) -> DeployResult:
    """Install the gate and wait until it is proved to be in force.

    Returns:
        What was changed, and the denial that proves the gate; `failure` is what ended it half-way.

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
        unchanged=bool(applied) and all(one.action == "unchanged" for one in applied),
        seconds=time.monotonic() - began,
    )


class _Installer:
    def __init__(self, settings: GateSettings, tools: GateTools) -> None:
        self.settings = settings
        self.helm, self.cluster, self.progress = tools.helm, tools.cluster, tools.progress
        self.applied: list[AppliedObject] = []
        self.until = time.monotonic() + settings.timeout
        self.proved = ""

    def run(self) -> DeployResult:
        # Helm mends what somebody changed by hand, but only when it is asked to do something.
        sound = not self.looked().holes
        for chart in self.settings.charts:
            with self.progress.step(chart.name) as step:
                action = self.chart(chart, sound)
                # From Gatekeeper on nothing is admitted that it does not look at.
                self.await_deployment(DEPLOYMENTS[chart.name])
                step.done(f"chart {action}, and it runs")
        with self.progress.step("policy") as step:
            for change in [self.apply(document) for document in self.settings.objects]:
                if _group(change.target.document) == RATIFY_GROUP:
                    self.await_taken(change)
            self.forget()
            step.done(_told(self.applied))
        with self.progress.step("proof") as step:
            result = self.prove()
            step.done(f"{self.proved}, by {', '.join(result.constraints)}")
        return result

    def looked(self) -> inspection.Gate:
        return inspection.inspect(inspection.gather(self.cluster), [("", "Pod", self.settings.namespace)])

    def chart(self, chart: Chart, sound: bool) -> str:
        release = self.release(chart.name)
        if sound and release is not None and (release.status, release.fingerprint) == ("deployed", chart.fingerprint):
            action = "unchanged"
        else:
            self.retried(lambda: self.helm.upgrade(chart))
            action = "created" if release is None else "configured"
        self.applied.append(AppliedObject(kind="Chart", namespace=NAMESPACE, name=chart.name, action=action))
        return action

    def release(self, name: str) -> Release | None:
        """The release as it is, once nobody is at it any more."""
        told = False
        while (release := self.helm.release(name)) is not None and release.pending:
            if release.age > ABANDONED:
                self.progress.notice(
                    f"A change of {name} was begun {release.age:.0f} s ago and never ended: it is undone."
                )
                secret = f"sh.helm.release.v1.{name}.v{release.revision}"
                self.cluster.delete(_SECRETS, secret, NAMESPACE)
                continue
            if not told:
                self.progress.notice(f"Another change of {name} is going on: waiting for its end.")
                told = True
            time.sleep(PATIENCE)
        return release

    def await_deployment(self, name: str) -> None:
        document: Object = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}}
        target = Target(document=document, resource=_DEPLOYMENTS, namespace=NAMESPACE, source="")
        change = Change(target=target, action="configured", before=None, after={})
        rollout.wait(self.cluster, [change], timeout=self.left(), note=self.progress.note)

    def apply(self, document: Object) -> Change:
        resource = self.resource(document)
        namespace = str(document["metadata"].get("namespace") or "") if resource.namespaced else ""
        target = Target(document=document, resource=resource, namespace=namespace, source="")

        def once() -> Change:
            try:
                return apply.apply(self.cluster, target, apply.look_up(self.cluster, target), force=True)
            except S3CError as error:
                error.what = f"{target.where}: {error.what}"
                raise

        change = self.retried(once)
        self.applied.append(
            AppliedObject(kind=target.kind, namespace=namespace, name=target.name, action=change.action)
        )
        self.progress.note(f"{target.where} {change.action}")
        return change

    def forget(self) -> None:
        """Remove the verifiers of a policy that is no longer this gate's: Ratify would go on trusting by them."""
        ours = [one for one in self.settings.objects if one["kind"] == "Verifier" and _group(one) == RATIFY_GROUP]
        if not ours:
            return
        wanted, resource = {one["metadata"]["name"] for one in ours}, self.resource(ours[0])
        for one in self.cluster.list(resource):
            name = str(one["metadata"]["name"])
            if POLICY_DIGEST in (one["metadata"].get("annotations") or {}) and name not in wanted:
                self.cluster.delete(resource, name)
                self.applied.append(AppliedObject(kind="Verifier", namespace="", name=name, action="pruned"))
                self.progress.note(f"Verifier {name} of an earlier policy removed")

    def resource(self, document: Object) -> Resource:
        """How the cluster serves a kind; that of a constraint is known once Gatekeeper has read its template."""
        api_version, kind = str(document["apiVersion"]), str(document["kind"])
        until = time.monotonic() + (self.left() if _group(document) == CONSTRAINT_GROUP else TAKEN)
        while True:
            try:
                return self.cluster.resource(api_version, kind)
            except InputError as error:
                if error.field != "manifests":
                    raise
                if time.monotonic() > until:
                    error.original = self.template_errors(kind)
                    raise
            time.sleep(POLL)

    def template_errors(self, kind: str) -> str:
        """What Gatekeeper says of the templates of a kind."""
        said = []
        for one in inspection.gather(self.cluster).templates:
            if one["spec"]["crd"]["spec"]["names"]["kind"] == kind:
                said += [
                    str(error)
                    for pod in (one.get("status") or {}).get("byPod") or ()
                    for error in pod.get("errors") or ()
                ]
        return "\n".join(said)[:4000]

    def await_taken(self, change: Change) -> None:
        """Wait until Ratify has read one of its own objects as it is now, and can do what it says."""
        target = change.target
        until = time.monotonic() + TAKEN
        while True:
            status = (apply.look_up(self.cluster, target) or {}).get("status") or {}
            if status.get("issuccess") is True and told_after(change, status):
                return
            if time.monotonic() > until:
                raise _not_taken(target.document, str(status.get("error") or status.get("brieferror") or ""))
            time.sleep(POLL)

    def prove(self) -> DeployResult:
        """Wait until there are no holes and Ratify's verdict denies an image: it runs before Gatekeeper knows it."""
        until = time.monotonic() + min(self.left(), max(TAKEN, self.settings.timeout / 2))
        while True:
            looked = self.looked()
            proof = (
                _holes(looked)
                if looked.holes
                else inspection.prove_absent(self.cluster, self.settings.namespace, looked.constraints)
            )
            if isinstance(proof, inspection.Proof):
                self.proved = f"an image that is not there is denied {proof.told}"
                return DeployResult(
                    unsigned_denied=inspection.NOT_THERE,
                    denial=proof.what,
                    constraints=looked.constraints,
                    exempt=looked.exempt,
                )
            if time.monotonic() > until:
                raise proof
            time.sleep(POLL)

    def retried(self, task: Callable[[], T]) -> T:
        """Do what Gatekeeper's webhook is asked about: it tells it is ready a moment before its Service leads to it."""
        until = time.monotonic() + TAKEN
        while True:
            try:
                return task()
            except S3CError as error:
                passing = (isinstance(error, AdmissionDenied) and error.unavailable) or (
                    isinstance(error, ApiError) and error.status == 404
                )
                if not (passing or "failed calling webhook" in error.original) or time.monotonic() > until:
                    raise
            time.sleep(POLL)

    def left(self) -> float:
        return max(1.0, self.until - time.monotonic())


def told_after(change: Change, status: Object) -> bool:
    """Whether Ratify told a status after a change: of what it fetches it tells when, and a change leaves that there.

    It tells whole seconds, so one of the second of the change is taken for one after it.
    """
    fetched = str(status.get("lastfetchedtime") or "")
    before = str(((change.before or {}).get("status") or {}).get("lastfetchedtime") or "")
    if not fetched or change.action == "unchanged" or fetched != before:
        return True
    written = change.after["metadata"].get("managedFields") or ()
    return fetched >= max((str(one.get("time")) for one in written if not one.get("subresource")), default="")


def _not_taken(document: Object, said: str) -> OutsideError:
    kind, name = str(document["kind"]), str(document["metadata"]["name"])
    cause, remedy = "", f"Look at `kubectl describe {kind.lower()} {name}` and at Ratify's log."
    if document["spec"].get("type") == "azurekeyvault":
        cause = "Its identity may not read the vault, or the cluster does not hand it a token: see what Ratify said."
        remedy = "Let it get certificate and secret; federate it with gatekeeper-system:ratify-admin; check the names."
    return OutsideError(f"Ratify does not take {kind} {name}.", cause=cause, remedy=remedy, original=said[:4000])


def _holes(looked: inspection.Gate) -> Refused:
    return Refused(
        " ".join(hole.what for hole in looked.holes),
        cause="The gate was installed, and is not in force.",
        remedy=looked.holes[0].remedy,
    )


def _group(document: Object) -> str:
    return str(document["apiVersion"]).rpartition("/")[0]


def _told(applied: list[AppliedObject]) -> str:
    own = [one.action for one in applied if one.kind != "Chart"]
    return ", ".join(f"{own.count(action)} {action}" for action in dict.fromkeys(own)) or "nothing to apply"
