"""Apply the objects, wait until they run, and take back what was applied."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor

from s3c_actions.cluster import apply, prune, rollout
from s3c_actions.cluster.apply import ApplyTarget, ObjectChange
from s3c_actions.cluster.client import Cluster, KubernetesObject
from s3c_actions.core.errors import S3CError
from s3c_actions.result.model import AppliedObject
from s3c_actions.steps.deploy.settings import AT_ONCE, DeploySettings, DeployTools
from s3c_actions.steps.deploy.state import DeployState


def apply_all(
    settings: DeploySettings,
    tools: DeployTools,
    cluster: Cluster,
    targets: Sequence[ApplyTarget],
    *,
    state: DeployState,
    recreated: Collection[ApplyTarget],
) -> None:
    """Apply the objects that are not applied yet, delete what is no longer wanted, and wait for the rollout.

    Args:
        settings: of the deployment.
        tools: the progress.
        cluster: takes the objects.
        targets: the objects.
        state: receives each change when it is made, so that a failure can be reverted and reported.
        recreated: the Jobs to create anew.

    Raises:
        InputError: the cluster rejects an object.
        OutsideError: the cluster failed, or an object does not come up.
    """
    done = {_identify(change.target) for change in state.changes}
    pending = [target for target in targets if _identify(target) not in done]

    def look_up(target: ApplyTarget) -> KubernetesObject | None:
        with apply.naming_object(target):
            return apply.read_object(cluster, target)

    with tools.progress.step("apply") as step:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            before = list(pool.map(look_up, pending))
        for target, live in zip(pending, before, strict=True):
            with apply.naming_object(target):
                change = (
                    apply.recreate(cluster, target, live)
                    if target in recreated
                    else apply.apply(cluster, target, live, force=settings.force)
                )
            state.changes.append(change)
            tools.progress.note(f"{target.where} {change.action}")
        if settings.prune:
            namespaces = sorted({target.namespace for target in targets} - {""})
            state.warnings += prune.prune(cluster, settings.prune, targets, namespaces, state.changes.append)
        step.done(_describe_applied([applied_object(change) for change in state.changes]))
    with tools.progress.step("rollout") as step:
        left = rollout.wait_for_rollout(cluster, state.changes, timeout=settings.timeout, note=tools.progress.note)
        state.warnings += left
        step.done(f"everything is up but for {len(left)} warnings" if left else "everything is up")


def _identify(target: ApplyTarget) -> tuple[str, str, str]:
    return target.resource.url(), target.namespace, target.name


def roll_back(tools: DeployTools, cluster: Cluster, state: DeployState) -> None:
    """Take back the changes, the last first; one that stays is a warning.

    Args:
        tools: the progress.
        cluster: has the objects.
        state: has the changes, and receives those that revert them.
    """
    with tools.progress.step("rollback") as step:
        for change in reversed(list(state.changes)):
            try:
                undone = apply.undo(cluster, change)
            except S3CError as error:
                state.warnings.append(f"{change.target.where} could not be taken back: {error.what}")
                continue
            if undone is not None:
                state.changes.append(undone)
        step.done(
            _describe_applied(
                [applied_object(change) for change in state.changes if change.action in {"removed", "restored"}]
            )
        )


def _describe_applied(applied: Sequence[AppliedObject]) -> str:
    """Describe applied objects: `2 created, 1 configured`; `nothing to do: everything is deployed already`."""
    if applied and all(item.action == "unchanged" for item in applied):
        return "nothing to do: everything is deployed already"
    actions = [item.action for item in applied]
    return ", ".join(f"{actions.count(action)} {action}" for action in dict.fromkeys(actions)) or "nothing"


def applied_object(change: ObjectChange) -> AppliedObject:
    """Return what the result says of a change.

    Args:
        change: of an object of the cluster.
    """
    target = change.target
    return AppliedObject(kind=target.kind, namespace=target.namespace, name=target.name, action=change.action)
