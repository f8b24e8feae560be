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
from s3c_actions.cluster.gate import constraints, stages, staging
from s3c_actions.core.errors import InputError, OutsideError
from s3c_actions.core.gate_pause import GatePause
from s3c_actions.core.moments import format_moment
from s3c_actions.core.progress import Progress
from s3c_actions.result.model import AppliedObject, DeployResult

TAKEN_SECONDS = 30.0
"""Seconds for Gatekeeper to take up a constraint."""


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
        asking = tuple(
            (constraint, template)
            for constraint, template in constraints.list_constraints(cluster)
            if not stages.is_preview(constraint)
        )
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
                staging.await_taken(cluster, constraint, seconds=TAKEN_SECONDS)
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
    written = _pause(staging.server_time(tried), settings)
    paused = constraints.write_pause(cluster, constraint, written)
    if (((paused.get("spec") or {}).get("parameters") or {}).get("pause") or {}) != written:
        raise _old_template_error(str(constraint["metadata"]["name"]))
    return paused, "configured"


def _pause(now: datetime, settings: PauseSettings) -> dict[str, str]:
    since = now.replace(microsecond=0)
    until = since + (settings.length or timedelta())
    return {"since": format_moment(since), "until": format_moment(until), "reason": settings.reason}


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
