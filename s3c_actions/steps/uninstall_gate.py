"""Remove the gate from a cluster: the emergency exit when nothing can start any more.

The webhooks go first, by the API server alone, so that the cluster is open even if the rest fails. Where Gatekeeper has
other policies than the gate's, it stays with them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

import msgspec

from s3c_actions.cluster.client import Cluster, KubernetesObject, Resource
from s3c_actions.cluster.gate import constraints
from s3c_actions.cluster.gate import objects as gate_objects
from s3c_actions.cluster.gate.manifests import RATIFY_GROUP
from s3c_actions.core.errors import S3CError
from s3c_actions.core.progress import Progress
from s3c_actions.programs.helm.helm import NAMESPACE, Helm
from s3c_actions.result.model import AppliedObject, DeployResult

GATEKEEPER, RATIFY = "gatekeeper", "ratify"
_RATIFY_KINDS = ("KeyManagementProvider", "Verifier", "Policy", "Store")
_PROVIDERS = ("ratify-provider", gate_objects.MUTATION_PROVIDER)
_RATIFY_VERSION = "v1beta1"
_DEPLOYMENTS = Resource(path="/apis/apps/v1", plural="deployments", namespaced=True)


class UninstallTools(msgspec.Struct, frozen=True, kw_only=True):
    """The collaborators of the step; `helm` obtains the program, which may take minutes, once the webhooks are gone."""

    cluster: Cluster
    helm: Callable[[], Helm]
    progress: Progress


def run(tools: UninstallTools) -> DeployResult:
    """Remove webhooks, constraints, templates, Ratify's objects and both charts; what is not there is no error.

    Custom resource definitions and the namespace stay, as Helm leaves them.

    Returns:
        What was removed; `failure` is the error that ended it half-way.

    Raises:
        OutsideError: the cluster does not answer, or does not allow it: nothing was removed.
    """
    started = time.monotonic()
    removal = _Removal(tools)
    failure: S3CError | None = None
    try:
        removal.run()
    except S3CError as error:
        if not removal.removed:
            raise
        failure = error
    return DeployResult(
        cluster=tools.cluster.address,
        applied=tuple(removal.removed),
        unchanged=not removal.removed,
        warnings=tuple(removal.warnings),
        failure=failure,
        seconds=time.monotonic() - started,
    )


class _Removal:
    def __init__(self, tools: UninstallTools) -> None:
        self.tools, self.cluster = tools, tools.cluster
        self.removed: list[AppliedObject] = []
        self.warnings: list[str] = []

    def run(self) -> None:
        asking = constraints.list_constraints(self.cluster)
        templates = gate_objects.list_if_served(self.cluster, gate_objects.CONSTRAINT_TEMPLATES)
        own = [template for template in templates if gate_objects.asks_provider(template)]
        others = sorted(str(template["metadata"]["name"]) for template in templates if template not in own)
        with self.tools.progress.step("webhooks") as step:
            if others:
                self.warnings.append(
                    f"Gatekeeper stays, and its webhooks: it has other policies ({', '.join(others)}). "
                    f"`helm uninstall {GATEKEEPER} -n {NAMESPACE}` takes it away with them."
                )
                step.done("kept for other policies")
            else:
                for resource, webhook in (
                    (gate_objects.WEBHOOKS, gate_objects.WEBHOOK),
                    (gate_objects.MUTATING_WEBHOOKS, gate_objects.MUTATING_WEBHOOK),
                ):
                    self.delete(resource, self.webhooks(resource, webhook))
                step.done("removed: the cluster admits every image" if self.removed else "there are none")
        with self.tools.progress.step("policy") as step:
            before = len(self.removed)
            for constraint, _ in asking:
                kind = str(constraint["kind"])
                self.delete(constraints.resource(kind), [{**constraint, "kind": kind}])
            self.delete(
                gate_objects.CONSTRAINT_TEMPLATES, [{**template, "kind": "ConstraintTemplate"} for template in own]
            )
            for kind in _RATIFY_KINDS:
                plural = f"{kind.lower()[:-1]}ies" if kind.endswith("y") else f"{kind.lower()}s"
                resource = Resource(path=f"/apis/{RATIFY_GROUP}/{_RATIFY_VERSION}", plural=plural, namespaced=False)
                objects = gate_objects.list_if_served(self.cluster, resource)
                self.delete(resource, [{**live, "kind": kind} for live in objects])
            # The chart makes these by a hook, which Helm does not undo.
            providers = gate_objects.list_if_served(self.cluster, gate_objects.PROVIDERS)
            own_providers = [provider for provider in providers if provider["metadata"]["name"] in _PROVIDERS]
            self.delete(gate_objects.PROVIDERS, [{**provider, "kind": "Provider"} for provider in own_providers])
            step.done(f"{len(self.removed) - before} removed")
        with self.tools.progress.step("charts") as step:
            step.done(self.charts((RATIFY,) if others else (RATIFY, GATEKEEPER)))

    def webhooks(self, resource: Resource, webhook: str) -> list[KubernetesObject]:
        """Return the configurations of Gatekeeper's webhook, without those of a cloud's own Gatekeeper."""
        kind = "ValidatingWebhookConfiguration" if resource is gate_objects.WEBHOOKS else "MutatingWebhookConfiguration"
        return [
            {**configuration, "kind": kind}
            for configuration in gate_objects.list_if_served(self.cluster, resource)
            if any(entry.get("name") == webhook for entry in configuration.get("webhooks") or ())
            and not gate_objects.is_azure_policy(configuration)
        ]

    def charts(self, names: Iterable[str]) -> str:
        """Uninstall releases; return what was done, in a clause."""
        helm = self.tools.helm()
        done = []
        for name in names:
            if helm.release(name) is None:
                continue
            helm.uninstall(name)
            self.removed.append(AppliedObject(kind="Chart", namespace=NAMESPACE, name=name, action="removed"))
            done.append(name)
        left = [
            str(deployment["metadata"]["name"])
            for deployment in self.cluster.list(_DEPLOYMENTS, NAMESPACE)
            if not deployment["metadata"].get("deletionTimestamp")
            and str(deployment["metadata"]["name"]).startswith(tuple(names))
        ]
        if left:
            self.warnings.append(
                f"{', '.join(left)} in {NAMESPACE} stays: it was not installed by Helm. "
                f"`kubectl delete deployment -n {NAMESPACE} {' '.join(left)}` removes it."
            )
        return f"{' and '.join(done)} uninstalled" if done else "none is there"

    def delete(self, resource: Resource, documents: Iterable[KubernetesObject]) -> None:
        for document in documents:
            name = str(document["metadata"]["name"])
            self.cluster.delete(resource, name)
            self.removed.append(AppliedObject(kind=str(document["kind"]), namespace="", name=name, action="removed"))
            self.tools.progress.note(f"{document['kind']} {name} removed")
