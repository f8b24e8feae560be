"""Pause the cluster's gate for a limited time, or end a pause.

The times are written into the gate's constraint, whose Rego compares them with the clock: nothing has to run for the
pause to end. They are the API server's time, since a workstation's clock may be wrong.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from s3c_actions.cluster.client import Cluster, KubernetesObject
from s3c_actions.cluster.gate import constraints
from s3c_actions.core.errors import InputError, OutsideError
from s3c_actions.core.gate_pause import GatePause, format_moment
from s3c_actions.core.progress import Progress
from s3c_actions.result.model import AppliedObject, DeployResult

TAKEN_SECONDS = 30.0
"""Seconds for Gatekeeper to take up a constraint."""
_POLL = 0.5
_UNINSTALL = "Where Gatekeeper itself does not run, only `s3c gate uninstall` opens the cluster."


class PauseSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A pause, or its end.

    Attributes:
        length: of the pause; None ends the one that is there.
        reason: why, for people; empty for an end.
    """

    length: timedelta | None
    reason: str = ""


class PauseTools(msgspec.Struct, frozen=True, kw_only=True):
    """The collaborators of the step."""

    cluster: Cluster
    progress: Progress


def run(settings: PauseSettings, tools: PauseTools) -> DeployResult:
    """Pause the gate, or end its pause, and wait until Gatekeeper has taken that up.

    Returns:
        The changed constraints, and their pauses.

    Raises:
        InputError: there is no gate to pause.
        OutsideError: the cluster does not answer or does not allow it; the gate's template knows no pause; or
            Gatekeeper did not take it up (what was written stays, and then does nothing).
    """
    started, cluster = time.monotonic(), tools.cluster
    with tools.progress.step("pause") as step:
        asking = constraints.list_constraints(cluster)
        if not asking:
            raise InputError(
                "kubeconfig",
                f"{cluster.address} has no gate: no constraint there asks Ratify.",
                remedy="Look at the kubeconfig and its context.",
            )
        if settings.length is not None:
            _reject_old_templates(asking)
        applied = [_write(cluster, constraint, settings) for constraint, _ in asking]
        for constraint, action in applied:
            if action != "unchanged":
                _await_taken(cluster, constraint)
        pauses = tuple(pause for constraint, _ in applied if (pause := GatePause.of(constraint)))
        step.done(" ".join(pause.describe(datetime.now(UTC)) for pause in pauses) or "the gate is in force")
    return DeployResult(
        cluster=cluster.address,
        constraints=tuple(str(constraint["metadata"]["name"]) for constraint, _ in applied),
        pauses=pauses,
        applied=tuple(
            AppliedObject(
                kind=str(constraint["kind"]), namespace="", name=str(constraint["metadata"]["name"]), action=action
            )
            for constraint, action in applied
        ),
        unchanged=all(action == "unchanged" for _, action in applied),
        seconds=time.monotonic() - started,
    )


def _write(cluster: Cluster, constraint: KubernetesObject, settings: PauseSettings) -> tuple[KubernetesObject, str]:
    """Write a pause or its end; return the constraint as it is then, and the action."""
    if settings.length is None:
        if GatePause.of(constraint) is None:
            return constraint, "unchanged"
        return constraints.write_pause(cluster, constraint, None), "configured"
    tried = constraints.write_pause(cluster, constraint, _pause(datetime.now(UTC), settings), dry_run=True)
    written = _pause(_server_time(tried), settings)
    paused = constraints.write_pause(cluster, constraint, written)
    if (((paused.get("spec") or {}).get("parameters") or {}).get("pause") or {}) != written:
        raise _old_template_error(str(constraint["metadata"]["name"]))
    return paused, "configured"


def _pause(now: datetime, settings: PauseSettings) -> dict[str, str]:
    since = now.replace(microsecond=0)
    until = since + (settings.length or timedelta())
    return {"since": format_moment(since), "until": format_moment(until), "reason": settings.reason}


def _server_time(changed: KubernetesObject) -> datetime:
    """Return the API server's time, which it notes in an object with each change."""
    times = [str(entry.get("time")) for entry in changed["metadata"].get("managedFields") or () if entry.get("time")]
    try:
        return datetime.fromisoformat(max(times))
    except ValueError:
        raise OutsideError("The API server does not say when it changed the constraint.") from None


def _reject_old_templates(asking: tuple[tuple[KubernetesObject, KubernetesObject], ...]) -> None:
    """Reject, before anything is written, templates that do not read the pause."""
    for constraint, template in asking:
        targets: Any = template["spec"].get("targets") or ()
        if not any("input.parameters.pause" in str(target) for target in targets):
            raise _old_template_error(str(constraint["metadata"]["name"]))


def _old_template_error(name: str) -> OutsideError:
    return OutsideError(
        f"The gate cannot be paused: the template of {name} knows no pause.",
        cause="It was installed by an earlier version of s3c, or by other means.",
        remedy="Bring it to this version with `s3c gate install`, or take the gate away with `s3c gate uninstall`.",
    )


def _await_taken(cluster: Cluster, constraint: KubernetesObject) -> None:
    """Wait until each Gatekeeper Pod that answers the webhook has read the current version of a constraint.

    https://open-policy-agent.github.io/gatekeeper/website/docs/audit#constraint-status
    """
    name, generation = str(constraint["metadata"]["name"]), int(constraint["metadata"].get("generation") or 0)
    deadline = time.monotonic() + TAKEN_SECONDS
    while True:
        live = cluster.get(constraints.resource(str(constraint["kind"])), name) or {}
        pods = [
            pod for pod in (live.get("status") or {}).get("byPod") or () if "webhook" in (pod.get("operations") or ())
        ]
        if pods and all(int(pod.get("observedGeneration") or 0) >= generation for pod in pods):
            return
        if time.monotonic() > deadline:
            raise OutsideError(
                f"{name} is changed, and Gatekeeper has not confirmed within {TAKEN_SECONDS:g} s that it goes by it.",
                cause="It does not run, or is too busy; it goes by it once it has read it.",
                remedy=f"Look at its Pods: `kubectl get pods -n gatekeeper-system`. {_UNINSTALL}",
            )
        time.sleep(_POLL)
