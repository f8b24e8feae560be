"""Deploy manifests by signed digests behind a gate that has been proved, and report the result.

Nothing is applied before everything that can be checked in advance is checked: every image exists, is signed by a
trusted signer, and runs on the nodes; the gate has no holes and closes; the API server accepts every object. After
that, the applied objects are reported even when a later object fails.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec.structs import replace

from s3c_actions.cluster import addresses, apply, hooks
from s3c_actions.cluster import manifests as texts
from s3c_actions.cluster.client import Cluster, KubernetesObject
from s3c_actions.cluster.manifests import ManifestFile
from s3c_actions.core import writing
from s3c_actions.core.errors import S3CError
from s3c_actions.result.model import Admission, DeployResult, VerifyResult
from s3c_actions.steps.deploy.applying import applied_object, apply_all, roll_back
from s3c_actions.steps.deploy.dry_run import keep_scaled, try_all
from s3c_actions.steps.deploy.gate_check import pass_gate
from s3c_actions.steps.deploy.image_checks import check_platforms, verify_images
from s3c_actions.steps.deploy.images import check_objects, resolve_images
from s3c_actions.steps.deploy.namespaces import check_namespace, create_namespaces, remove_namespaces
from s3c_actions.steps.deploy.settings import DeploySettings, DeployTools
from s3c_actions.steps.deploy.state import DeployedImage, DeployState


def run(settings: DeploySettings, tools: DeployTools) -> tuple[DeployResult, Mapping[str, VerifyResult]]:
    """Deploy.

    Args:
        settings: what to deploy.
        tools: the collaborators.

    Returns:
        The result, with the failure that ended it; and the verified signatures by pinned reference.

    Raises:
        InputError: a manifest, an image or a namespace is wrong: nothing was applied.
        OutsideError: the registry or the cluster failed before anything was applied.
    """
    started = time.monotonic()
    state = DeployState(DeployResult())
    try:
        _run(settings, tools, state)
    except S3CError as error:
        if not state.changes and not state.result.admissions:
            raise
        state.result = replace(state.result, failure=error)
    applied = tuple(applied_object(change) for change in state.changes)
    return replace(
        state.result,
        applied=applied,
        unchanged=bool(applied) and all(change.action == "unchanged" for change in applied),
        warnings=tuple(dict.fromkeys(state.warnings)),
        seconds=time.monotonic() - started,
    ), state.verified


def _run(settings: DeploySettings, tools: DeployTools, state: DeployState) -> None:
    try:
        used, documents = _prepare_manifests(settings, tools, state)
    except S3CError:
        if tools.cluster is not None:
            tools.cluster()  # a faulty kubeconfig is reported first, not after the image has been fixed
        raise
    if tools.cluster is None:
        return
    cluster = tools.cluster()
    state.result = replace(state.result, cluster=cluster.address)
    check_platforms(used, cluster, state)
    namespace = settings.namespace or cluster.namespace
    labels = dict([settings.prune.split("=", 1)]) if settings.prune else None
    targets = apply.plan_targets(documents, cluster, namespace, labels)
    if settings.namespace:
        check_namespace(targets, settings.namespace)
    created = create_namespaces(settings, targets, cluster, state)
    try:
        pass_gate(settings, tools, cluster, state, used=used, targets=targets)
        targets = keep_scaled(tools, cluster, targets)
        recreated = try_all(settings, tools, cluster, targets, state=state, created=created)
    except BaseException:
        remove_namespaces(cluster, state, created)
        raise
    if settings.dry_run:
        remove_namespaces(cluster, state, created)
        return
    try:
        apply_all(settings, tools, cluster, targets, state=state, recreated=recreated)
    except S3CError:
        if settings.rollback:
            roll_back(tools, cluster, state)
        raise
    _find_address(settings, tools, cluster, state)


def _prepare_manifests(
    settings: DeploySettings, tools: DeployTools, state: DeployState
) -> tuple[list[DeployedImage], list[tuple[KubernetesObject, str]]]:
    """Return the images, each signed by a trusted signer, and the objects with their sources; no cluster is asked."""
    used = resolve_images(settings, tools, state)
    pinned = {image.text: image.reference.pinned for image in used}
    rewritten = [(manifest, manifest.rewritten(pinned, without_hooks=True)) for manifest in settings.manifests]
    documents = [
        (document, manifest.source)
        for manifest, text in rewritten
        for document in texts.parse_objects(text, manifest.source)
        if hooks.is_applied(document)
    ]
    check_objects(documents, used, settings)
    for manifest in settings.manifests:
        state.warnings += [
            f"{manifest.source}, line {hook.line}: {hook.what} is left out." for hook in manifest.left_out
        ]
        for hook in manifest.applied_hooks:
            tools.progress.notice(f"{manifest.source}: {hook} is applied as an ordinary object.")
    state.result = replace(
        state.result,
        manifests=_write_manifests(rewritten, settings.output),
        admissions=tuple(
            Admission(image=image.text, reference=image.reference.pinned, verdict="unknown", places=image.places)
            for image in used
        ),
    )
    verify_images(used, tools, state)
    return used, documents


def _write_manifests(rewritten: Sequence[tuple[ManifestFile, str]], folder: Path) -> tuple[Path, ...]:
    written: list[Path] = []
    for manifest, text in rewritten:
        path = folder / manifest.relative
        number = 1
        while path in written:
            number += 1
            path = folder / manifest.relative.with_stem(f"{manifest.relative.stem}-{number}")
        written.append(writing.write(path, manifest.mark + text))
    return tuple(written)


def _find_address(settings: DeploySettings, tools: DeployTools, cluster: Cluster, state: DeployState) -> None:
    """Find where the application is reached. It runs by now: what is missing is a warning."""
    if not addresses.exposing_targets(state.changes):
        return
    with tools.progress.step("address") as step:
        try:
            address, missing = addresses.find_address(
                cluster,
                state.changes,
                timeout=min(settings.timeout, addresses.WAIT_SECONDS),
                note=tools.progress.note,
            )
        except S3CError as error:
            address, missing = "", (f"Where the application is reached was not found out: {error.what}",)
        state.warnings += missing
        state.result = replace(state.result, address=address)
        step.done(address or "none is known")
