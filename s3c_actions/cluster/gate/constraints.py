"""The constraints of a gate: those whose template asks Ratify, and their pauses."""

from __future__ import annotations

from collections.abc import Mapping

from s3c_actions.cluster.client import Cluster, KubernetesObject, Resource
from s3c_actions.cluster.gate import objects as gate_objects
from s3c_actions.cluster.gate import sentences, stages
from s3c_actions.core.gate_pause import GatePause
from s3c_actions.core.gate_stage import Stage


def list_constraints(cluster: Cluster) -> tuple[tuple[KubernetesObject, KubernetesObject], ...]:
    """Return the constraints whose template asks an external data provider, each with its template.

    Needs less than an inspection: to list constraint templates and constraints.

    Raises:
        OutsideError: the cluster does not answer, or does not allow listing them.
    """
    templates = [
        template
        for template in gate_objects.list_if_served(cluster, gate_objects.CONSTRAINT_TEMPLATES)
        if gate_objects.asks_provider(template)
    ]
    return tuple(
        (constraint, template)
        for template in templates
        for constraint in gate_objects.list_constraints(cluster, str(gate_objects.template_kind(template)))
    )


def write_pause(
    cluster: Cluster, constraint: KubernetesObject, pause: Mapping[str, str] | None, *, dry_run: bool = False
) -> KubernetesObject:
    """Write a pause into a constraint, or take it out (None); return the constraint as it is then.

    Args:
        cluster: that has it.
        constraint: with its `kind`.
        pause: `since`, `until` and `reason`.
        dry_run: change nothing.

    Raises:
        OutsideError: the cluster does not answer, or does not allow it.
    """
    kind, name = str(constraint["kind"]), str(constraint["metadata"]["name"])
    patch = {"spec": {"parameters": {"pause": pause}}}
    return {**cluster.merge(resource(kind), name, patch, dry_run=dry_run), "kind": kind}


def resource(kind: str) -> Resource:
    """Return how constraints of a kind are served."""
    return Resource(path=gate_objects.CONSTRAINTS, plural=kind.lower(), namespaced=False)


def describe_watching(cluster: Cluster) -> tuple[str, ...]:
    """Return a sentence on each constraint of the gate that only watches. Raise as `list_constraints` does."""
    return tuple(
        sentences.describe_watching(constraint, stage)
        for constraint, _ in list_constraints(cluster)
        if (stage := stages.constraint_stage(constraint)) is not None and stage is not Stage.DENY
    )


def read_pauses(cluster: Cluster) -> tuple[GatePause, ...]:
    """Return the pauses of the gate, in force or not. Raise as `list_constraints` does."""
    pauses = (
        GatePause.of(constraint) for constraint, _ in list_constraints(cluster) if not stages.is_preview(constraint)
    )
    return tuple(pause for pause in pauses if pause is not None)
