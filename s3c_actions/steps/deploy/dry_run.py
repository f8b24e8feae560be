"""Every object is tried by dry run before any is applied."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from s3c_actions.cluster import apply, custom_definitions
from s3c_actions.cluster.apply import ApplyTarget, ObjectChange
from s3c_actions.cluster.client import Cluster, ImmutableField
from s3c_actions.core.text import counted
from s3c_actions.steps.deploy.settings import AT_ONCE, DeploySettings, DeployTools
from s3c_actions.steps.deploy.state import DeployState


def keep_scaled(tools: DeployTools, cluster: Cluster, targets: Sequence[ApplyTarget]) -> tuple[ApplyTarget, ...]:
    """Return the objects, without the replicas that an autoscaler has set.

    Args:
        tools: the progress tells whose replicas are kept.
        cluster: has the autoscalers.
        targets: the objects.

    Raises:
        OutsideError: the cluster failed.
    """
    with ThreadPoolExecutor(AT_ONCE) as pool:
        kept = list(pool.map(partial(apply.keep_scaled, cluster), targets))
    for _, sentence in kept:
        if sentence:
            tools.progress.notice(sentence)
    return tuple(target for target, _ in kept)


def try_all(
    settings: DeploySettings,
    tools: DeployTools,
    cluster: Cluster,
    targets: Sequence[ApplyTarget],
    *,
    state: DeployState,
    created: list[ObjectChange],
) -> Collection[ApplyTarget]:
    """Try every object by dry run; return the Jobs to create anew.

    Objects of kinds that are defined in the same manifests are tried once the definitions are applied.

    Args:
        settings: of the deployment.
        tools: the progress.
        cluster: tries the objects.
        targets: the objects.
        state: receives the changes and the warnings.
        created: receives the definitions that are applied for the trial.

    Raises:
        InputError: the cluster rejects an object.
        OutsideError: the cluster failed.
    """
    served = [target for target in targets if not target.undefined]
    undefined = [target for target in targets if target.undefined]
    recreated = _dry_run(settings, tools, cluster, served)
    if undefined and settings.dry_run:
        state.warnings += [
            f"{target.where} was not tried: the definition of its kind is in these manifests, and not on the cluster."
            for target in undefined
        ]
    elif undefined:
        names = {f"{target.resource.plural}.{target.group}" for target in undefined}
        for target in targets:
            if target.kind == custom_definitions.KIND and target.name in names:
                with apply.naming_object(target):
                    change = apply.apply(cluster, target, apply.read_object(cluster, target), force=settings.force)
                created.append(change)
                state.changes.append(change)
                tools.progress.note(f"{target.where} {change.action}")
        kinds = {(str(target.document["apiVersion"]), target.kind) for target in undefined}
        custom_definitions.wait_until_served(cluster, names, sorted(kinds))
        _dry_run(settings, tools, cluster, undefined)
    return recreated


def _dry_run(
    settings: DeploySettings, tools: DeployTools, cluster: Cluster, targets: Sequence[ApplyTarget]
) -> Collection[ApplyTarget]:
    """Let the cluster try every object; return the Jobs that are to be created anew."""
    recreated: list[ApplyTarget] = []

    def attempt(target: ApplyTarget) -> None:
        with apply.naming_object(target):
            try:
                cluster.apply(target.resource, target.document, target.namespace, dry_run=True, force=settings.force)
            except ImmutableField:
                if not settings.recreate_jobs or (target.group, target.kind) != ("batch", "Job"):
                    raise
                apply.try_recreation(cluster, target)
                recreated.append(target)

    with tools.progress.step("dry-run") as step, ThreadPoolExecutor(AT_ONCE) as pool:
        for _ in pool.map(attempt, targets):
            pass  # raises the error of the first that is rejected
        step.done(f"the cluster takes {counted(len(targets), 'object')}")
    return recreated
