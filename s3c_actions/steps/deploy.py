"""Deploys manifests by signed digests behind a gate that has been proved, and says what the cluster made of it.

Nothing is applied before everything that can be known beforehand is known: every image is there, is signed by whom it
should be, and runs on the nodes; the gate has no holes and closes; the API server takes every object. After that, what
was applied is told even when a later object fails.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import msgspec
from msgspec.structs import replace

from s3c_actions.cluster import apply, images, rollout
from s3c_actions.cluster import image_places as places
from s3c_actions.cluster import manifests as texts
from s3c_actions.cluster.apply import Change, Target
from s3c_actions.cluster.client import AdmissionDenied, Cluster, Object, Resource
from s3c_actions.cluster.gate import inspection
from s3c_actions.cluster.images import Replacement
from s3c_actions.cluster.manifests import Manifest
from s3c_actions.core import writing
from s3c_actions.core.errors import InputError, Refused, S3CError
from s3c_actions.core.progress import Progress
from s3c_actions.core.reference import Reference
from s3c_actions.core.text import plural
from s3c_actions.result.model import Admission, AppliedObject, DeployResult, VerifyResult

_DELETION = 60.0
_AT_ONCE = 4
_NODES = Resource(path="/api/v1", plural="nodes", namespaced=False)


class DeploySettings(msgspec.Struct, frozen=True, kw_only=True):
    """What to deploy, and how.

    Attributes:
        manifests: as read.
        replacements: images that take the place of those of their repository.
        output: folder for the rewritten manifests.
        namespace: of objects that name none; empty: the kubeconfig's.
        create_namespace: make namespaces that are not there.
        require_gate: holes in the gate end it; otherwise they are warnings.
        prune: label `key=value`: set on every object, and objects that have it and are no longer there are deleted.
        timeout: seconds for the rollout.
        rollback: on a failure, take back what was applied.
        force: take over fields that another tool manages.
        dry_run: stop before anything is applied.
    """

    manifests: tuple[Manifest, ...]
    replacements: tuple[Replacement, ...]
    output: Path
    namespace: str = ""
    create_namespace: bool = False
    require_gate: bool = True
    prune: str = ""
    timeout: float = 300.0
    rollback: bool = False
    force: bool = False
    dry_run: bool = False


class DeployTools(msgspec.Struct, frozen=True, kw_only=True):
    """What the step works with.

    Attributes:
        resolve: the image's reference by digest, and its platforms; None: no registry is asked.
        verify: a pinned reference's signature; raises Refused. None, or an answer of None: that is left to the gate.
        signatures: digests of the signatures of a pinned reference, whoever made them.
        cluster: gives it, or raises; None: the manifests are rewritten, and that is all.
    """

    resolve: Callable[[Reference], tuple[Reference, tuple[str, ...]]] | None
    verify: Callable[[str], VerifyResult | None] | None
    signatures: Callable[[Reference], Sequence[str]]
    cluster: Callable[[], Cluster] | None
    progress: Progress


class _Image(msgspec.Struct, frozen=True, kw_only=True):
    """One image of the manifests: as it stands there, and what stands there instead."""

    text: str
    reference: Reference
    platforms: tuple[str, ...]
    places: tuple[str, ...]


class _Found(msgspec.Struct):
    """What is known so far."""

    result: DeployResult
    verified: dict[str, VerifyResult] = msgspec.field(default_factory=dict)
    changes: list[Change] = msgspec.field(default_factory=list)
    warnings: list[str] = msgspec.field(default_factory=list)


def run(settings: DeploySettings, tools: DeployTools) -> tuple[DeployResult, Mapping[str, VerifyResult]]:
    """Deploy.

    Args:
        settings: what to deploy.
        tools: the collaborators.

    Returns:
        What was done, with the failure that ended it; and the verified signatures by pinned reference.

    Raises:
        InputError: a manifest, an image or a namespace is wrong: nothing was applied.
        OutsideError: the registry or the cluster failed before anything was applied.
    """
    started = time.monotonic()
    found = _Found(DeployResult())
    try:
        _run(settings, tools, found)
    except S3CError as error:
        if not found.changes and not found.result.admissions:
            raise
        found.result = replace(found.result, failure=error)
    applied = tuple(_applied(change) for change in found.changes)
    return replace(
        found.result,
        applied=applied,
        unchanged=bool(applied) and all(one.action == "unchanged" for one in applied),
        warnings=tuple(dict.fromkeys(found.warnings)),
        seconds=time.monotonic() - started,
    ), found.verified


def _run(settings: DeploySettings, tools: DeployTools, found: _Found) -> None:
    try:
        used, rewritten = _ready(settings, tools, found)
    except S3CError:
        if tools.cluster is not None:
            tools.cluster()  # raises: nobody mends an image first, and is told of the kubeconfig then
        raise
    if tools.cluster is None:
        return
    cluster = tools.cluster()
    found.result = replace(found.result, cluster=cluster.address)
    _check_platforms(used, cluster, found)
    documents = [
        (document, manifest.source) for manifest, text in rewritten for document in texts.objects(text, manifest.source)
    ]
    namespace = settings.namespace or cluster.namespace
    labels = dict([settings.prune.split("=", 1)]) if settings.prune else None
    targets = apply.targets(documents, cluster, namespace, labels)
    if settings.namespace:
        _check_namespace(targets, settings.namespace)
    made = _namespaces(settings, targets, cluster, found)
    try:
        _pass_gate(settings, tools, cluster, found, used=used, targets=targets)
        _dry_run(settings, tools, cluster, targets)
    except BaseException:
        for change in made:
            apply.undo(cluster, change)
            found.changes.remove(change)
        raise
    if settings.dry_run:
        for change in made:
            apply.undo(cluster, change)
            found.changes.remove(change)
        return
    try:
        _apply(settings, tools, cluster, targets, found)
    except S3CError:
        if settings.rollback:
            _roll_back(tools, cluster, found)
        raise
    found.result = replace(found.result, address=rollout.address(cluster, found.changes))


def _ready(
    settings: DeploySettings, tools: DeployTools, found: _Found
) -> tuple[list[_Image], list[tuple[Manifest, str]]]:
    """The images, each signed by whom it should be, and the manifests with them: all that takes no cluster."""
    used = _images(settings, tools)
    pinned = {one.text: one.reference.pinned for one in used}
    rewritten = [(manifest, manifest.rewritten(pinned)) for manifest in settings.manifests]
    found.result = replace(
        found.result,
        manifests=_written(rewritten, settings.output),
        admissions=tuple(
            Admission(image=one.text, reference=one.reference.pinned, verdict="unknown", places=one.places)
            for one in used
        ),
    )
    _verify(used, tools, found)
    return used, rewritten


def _images(settings: DeploySettings, tools: DeployTools) -> list[_Image]:
    places: dict[str, list[str]] = {}
    for manifest in settings.manifests:
        for use in manifest.uses:
            manifest.reference(use)
            places.setdefault(use.image, []).append(manifest.at(use))
    matched: set[Replacement] = set()
    used = []
    with tools.progress.step("images") as step:
        for text, where in places.items():
            used.append(_image(text, where, settings, tools, matched))
        step.done(f"{len(used)} {plural(len(used), 'image')} in {sum(map(len, places.values()))} places, by digest")
    for one in settings.replacements:
        if one not in matched:
            tools.progress.warning(f"The manifests use no image {one.name}: {one.image} is deployed nowhere.")
    return used


def _image(
    text: str,
    where: list[str],
    settings: DeploySettings,
    tools: DeployTools,
    matched: set[Replacement],
) -> _Image:
    given = Reference.parse(text, field=texts.FIELD)
    replacement = images.choose(given, settings.replacements)
    if replacement is not None:
        matched.add(replacement)
    reference = replacement.image if replacement is not None else given
    platforms: tuple[str, ...] = ()
    if tools.resolve is not None:
        try:
            reference, platforms = tools.resolve(reference)
        except S3CError as error:
            error.image = str(reference)
            error.cause = f"It stands in {where[0]}. {error.cause}".strip()
            raise
    elif not reference.digest:
        raise InputError(
            texts.FIELD,
            f"{where[0]}: {text} has no digest, and no registry is asked.",
            remedy="Give it by digest with `image`, or leave out `resolve: false`.",
            image=text,
        )
    return _Image(text=text, reference=reference.at(reference.digest), platforms=platforms, places=tuple(where))


def _written(rewritten: Sequence[tuple[Manifest, str]], folder: Path) -> tuple[Path, ...]:
    written: list[Path] = []
    for manifest, text in rewritten:
        path = folder / manifest.relative
        number = 1
        while path in written:
            number += 1
            path = folder / manifest.relative.with_stem(f"{manifest.relative.stem}-{number}")
        written.append(writing.write(path, manifest.mark + text))
    return tuple(written)


def _verify(used: Sequence[_Image], tools: DeployTools, found: _Found) -> None:
    if tools.verify is None:
        found.warnings.append("No trust-store is given: whose signatures count is left to the cluster's gate.")
        return
    refused: dict[str, Refused] = {}
    left = []
    verify = partial(_verified, tools.verify)
    with tools.progress.step("verify") as step, ThreadPoolExecutor(_AT_ONCE) as pool:
        images = list(dict.fromkeys(one.reference.pinned for one in used))
        for pinned, verified in zip(images, pool.map(verify, images), strict=True):
            if isinstance(verified, Refused):
                refused[pinned] = verified
            elif verified is None:
                left.append(pinned)
            else:
                found.verified[pinned] = verified
        step.done(
            f"{len(refused)} of {len(refused) + len(found.verified)} images are not signed by whom they should be"
            if refused
            else f"{len(found.verified)} images are signed by whom they should be"
        )
    if left:
        found.warnings.append(f"Whose signature counts is left to the cluster's gate for {', '.join(left)}.")
    if refused:
        found.result = replace(
            found.result,
            admissions=tuple(
                replace(one, verdict="denied", reason=refused[one.reference].what, remedy=refused[one.reference].remedy)
                if one.reference in refused
                else one
                for one in found.result.admissions
            ),
        )
        raise next(iter(refused.values()))


def _verified(verify: Callable[[str], VerifyResult | None], pinned: str) -> VerifyResult | Refused | None:
    try:
        return verify(pinned)
    except Refused as error:
        error.image = error.image or pinned
        return error


def _check_platforms(used: Sequence[_Image], cluster: Cluster, found: _Found) -> None:
    nodes = {
        f"{info['operatingSystem']}/{info['architecture']}"
        for one in cluster.list(_NODES)
        if (info := (one.get("status") or {}).get("nodeInfo")) and not (one.get("spec") or {}).get("unschedulable")
    }
    for one in used:
        platforms = {"/".join(platform.split("/")[:2]) for platform in one.platforms}
        if not platforms or not nodes:
            continue
        if not platforms & nodes:
            raise InputError(
                images.FIELD,
                f"{one.reference} is for {', '.join(sorted(platforms))}, and the nodes are {', '.join(sorted(nodes))}.",
                remedy="Build and sign it for the nodes' platform.",
                image=str(one.reference),
            )
        if missing := sorted(nodes - platforms):
            found.warnings.append(f"{one.reference} does not run on the nodes of {', '.join(missing)}.")


def _check_namespace(targets: Sequence[Target], namespace: str) -> None:
    for one in targets:
        if one.namespace and one.namespace != namespace:
            raise InputError(
                "namespace",
                f"{one.source}: {one.kind} {one.name} is in the namespace {one.namespace}, not in {namespace}.",
                remedy="Leave `namespace` out, or the namespace in the manifest.",
            )


def _namespaces(
    settings: DeploySettings, targets: Sequence[Target], cluster: Cluster, found: _Found
) -> tuple[Change, ...]:
    """Make the namespaces that are not there, since nothing can be tried in one that is not."""
    own = {one.name: one for one in targets if one.kind == "Namespace" and one.group == ""}
    made = []
    for name in sorted({one.namespace for one in targets} - {""}):
        if _there(cluster, name):
            continue
        if name not in own and not settings.create_namespace:
            raise InputError(
                "namespace",
                f"the namespace {name} is not there.",
                remedy="Make it, or let it be made with `create-namespace: true`.",
            )
        document = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        target = own.get(name) or Target(document=document, resource=inspection.NAMESPACES, namespace="", source="")
        change = apply.apply(cluster, target, None, force=settings.force)
        made.append(change)
        found.changes.append(change)
    return tuple(made)


def _there(cluster: Cluster, namespace: str) -> bool:
    """Whether a namespace is there; one that is just being deleted is waited for until it is gone."""
    until = time.monotonic() + _DELETION
    while (live := cluster.get(inspection.NAMESPACES, namespace)) is not None:
        if not live["metadata"].get("deletionTimestamp"):
            return True
        if time.monotonic() > until:
            raise InputError(
                "namespace",
                f"the namespace {namespace} is being deleted, for more than {_DELETION:g} s now.",
                cause="Something in it has a finalizer that nobody handles.",
                remedy=f"Look at `kubectl get namespace {namespace} -o yaml`, or deploy to another.",
            )
        time.sleep(0.5)
    return False


def _pass_gate(
    settings: DeploySettings,
    tools: DeployTools,
    cluster: Cluster,
    found: _Found,
    *,
    used: Sequence[_Image],
    targets: Sequence[Target],
) -> None:
    wanted = _wanted(settings, cluster, used, targets)
    if not wanted:
        return
    with tools.progress.step("gate") as step:
        looked = inspection.inspect(inspection.gather(cluster), wanted)
        found.result = replace(found.result, constraints=looked.constraints, exempt=looked.exempt)
        if looked.holes:
            if settings.require_gate:
                raise inspection.refusal(looked)
            found.warnings += [hole.what for hole in looked.holes]
            step.done(f"{len(looked.holes)} holes; deployed all the same, as require-gate: false asks")
            return
        references = {one.reference.pinned: one.reference for one in used}
        signatures = _signatures(tools, references.values())
        unsigned = inspection.unsigned_of(list(references.values()), signatures)
        proved = ""
        for namespace in sorted({namespace for _, _, namespace in wanted}):
            if unsigned:
                proof = inspection.prove(cluster, unsigned, namespace, looked.constraints, next(iter(references)))
                found.result = replace(found.result, unsigned_denied=unsigned, denial=proof.what)
                proved = f"an unsigned image is denied {proof.told}"
            try:
                _admissions(cluster, namespace, references, tools, found)
            except AdmissionDenied:
                denied_ones = sum(one.verdict == "denied" for one in found.result.admissions)
                step.done(f"{denied_ones} of {len(found.result.admissions)} images denied")
                raise
            inspection.refuse_unsigned(references.values(), signatures)
        if not proved and settings.require_gate:
            raise Refused(
                "The gate was not proved: nothing that is deployed names an image.",
                remedy="Look at the manifests, or deploy them with `require-gate: false`.",
            )
        step.done(f"{proved}; {len(used)} signed admitted" if proved else "there was nothing to try")


def _wanted(
    settings: DeploySettings, cluster: Cluster, used: Sequence[_Image], targets: Sequence[Target]
) -> list[tuple[str, str, str]]:
    """What the gate has to look at: group, kind and namespace of whatever Pods come of.

    Of a custom kind its Pods: a constraint knows none but Kubernetes' own.
    """
    found = [
        (one.group, one.kind, one.namespace) if places.built_in(one.group, one.kind) else ("", "Pod", one.namespace)
        for one in targets
        if places.built_in(one.group, one.kind) or places.gets_images(one.document)
    ]
    if used and not any(namespace for _, _, namespace in found):
        # Some object has an image, and nothing tells where its Pods will be.
        there = {one.namespace for one in targets} - {""} or {settings.namespace or cluster.namespace}
        found += [("", "Pod", namespace) for namespace in there]
    return [one for one in found if one[2]]


def _signatures(tools: DeployTools, references: Iterable[Reference]) -> Callable[[Reference], Sequence[str]]:
    """Each image's signatures, looked up once."""
    wanted = list(references)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        listed = dict(zip(wanted, pool.map(tools.signatures, wanted), strict=True))
    return lambda reference: listed[reference]


def _admissions(
    cluster: Cluster, namespace: str, references: Mapping[str, Reference], tools: DeployTools, found: _Found
) -> None:
    """Ask the gate about every image; the first denial is raised after all have been asked."""
    first: AdmissionDenied | None = None
    asked = []
    together = inspection.admitted(cluster, list(references), namespace)
    for one in found.result.admissions:
        denied = (
            inspection.ask(
                cluster,
                references[one.reference],
                namespace,
                signatures=tools.signatures,
                tell=tools.progress.notice,
            )
            if one.reference not in together
            else None
        )
        asked.append(judged(one, denied))
        first = first or denied
    found.result = replace(found.result, admissions=tuple(asked))
    if first is not None:
        raise first


def judged(admission: Admission, denied: AdmissionDenied | None) -> Admission:
    """An image's admission with what the gate said; None: it was admitted."""
    if denied is None:
        return replace(admission, verdict="admitted")
    why = denied.denials[0]
    return replace(
        admission,
        verdict="denied",
        reason=why.reason,
        remedy=why.remedy,
        trace=why.trace,
        constraint=why.constraint,
    )


@contextmanager
def _about(target: Target) -> Iterator[None]:
    """Errors in the block tell which object they are about, and where it stands."""
    try:
        yield
    except S3CError as error:
        error.what = f"{target.where} ({target.source}): {error.what}"
        raise


def _dry_run(settings: DeploySettings, tools: DeployTools, cluster: Cluster, targets: Sequence[Target]) -> None:
    def attempt(one: Target) -> None:
        with _about(one):
            cluster.apply(one.resource, one.document, one.namespace, dry_run=True, force=settings.force)

    with tools.progress.step("dry-run") as step, ThreadPoolExecutor(_AT_ONCE) as pool:
        for _ in pool.map(attempt, targets):
            pass  # raises of the first that is refused
        step.done(f"the cluster takes all {len(targets)} objects")


def _apply(
    settings: DeploySettings, tools: DeployTools, cluster: Cluster, targets: Sequence[Target], found: _Found
) -> None:
    done = {change.target for change in found.changes}
    left = [one for one in targets if one not in done]

    def look_up(one: Target) -> Object | None:
        with _about(one):
            return apply.look_up(cluster, one)

    with tools.progress.step("apply") as step:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            before = list(pool.map(look_up, left))
        for one, there in zip(left, before, strict=True):
            with _about(one):
                change = apply.apply(cluster, one, there, force=settings.force)
            found.changes.append(change)
            tools.progress.note(f"{one.where} {change.action}")
        if settings.prune:
            namespaces = sorted({one.namespace for one in targets} - {""})
            apply.prune(cluster, settings.prune, targets, namespaces, found.changes.append)
        step.done(told([_applied(change) for change in found.changes]))
    with tools.progress.step("rollout") as step:
        rollout.wait(cluster, found.changes, timeout=settings.timeout, note=tools.progress.note)
        unwatched = rollout.unwatched(found.changes)
        found.warnings += [
            f"{one.where} is applied and not watched: whether its Pods are admitted and come up is not known. "
            f"Look at it: `kubectl describe {one.resource.plural} {one.name}"
            + (f" -n {one.namespace}`." if one.namespace else "`.")
            for one in unwatched
        ]
        step.done(
            f"everything is up but for {len(unwatched)} objects that are not watched"
            if unwatched
            else "everything is up"
        )


def _roll_back(tools: DeployTools, cluster: Cluster, found: _Found) -> None:
    with tools.progress.step("rollback") as step:
        for change in reversed(list(found.changes)):
            try:
                undone = apply.undo(cluster, change)
            except S3CError as error:
                found.warnings.append(f"{change.target.where} could not be taken back: {error.what}")
                continue
            if undone is not None:
                found.changes.append(undone)
        step.done(told([_applied(change) for change in found.changes if change.action in {"removed", "restored"}]))


def told(applied: Sequence[AppliedObject]) -> str:
    """`2 created, 1 configured`; `nothing to do: everything was deployed already`."""
    if applied and all(one.action == "unchanged" for one in applied):
        return "nothing to do: everything is deployed already"
    actions = [one.action for one in applied]
    return ", ".join(f"{actions.count(action)} {action}" for action in dict.fromkeys(actions)) or "nothing"


def _applied(change: Change) -> AppliedObject:
    target = change.target
    return AppliedObject(kind=target.kind, namespace=target.namespace, name=target.name, action=change.action)
