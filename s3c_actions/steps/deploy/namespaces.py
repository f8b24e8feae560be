"""Deploy manifests by signed digests behind a gate that has been proved, and report the result.

Nothing is applied before everything that can be checked in advance is checked: every image exists, is signed by a
trusted signer, and runs on the nodes; the gate has no holes and closes; the API server accepts every object. After
that, the applied objects are reported even when a later object fails.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import msgspec
from msgspec.structs import replace

from s3c_actions.cluster import addresses, apply, custom_definitions, hooks, image_finder, images, prune, rollout
from s3c_actions.cluster import image_places as places
from s3c_actions.cluster import manifests as texts
from s3c_actions.cluster.apply import ApplyTarget, ObjectChange
from s3c_actions.cluster.client import AdmissionDenied, Cluster, ImmutableField, KubernetesObject, Resource
from s3c_actions.cluster.gate import inspection, proof
from s3c_actions.cluster.image_finder import ImageUse
from s3c_actions.cluster.image_paths import ImagePath
from s3c_actions.cluster.images import Replacement
from s3c_actions.cluster.manifests import ManifestFile
from s3c_actions.cluster.mentions import find_mentions
from s3c_actions.core import writing
from s3c_actions.core.errors import InputError, Refused, S3CError
from s3c_actions.core.gate_stage import Stage
from s3c_actions.core.progress import Progress
from s3c_actions.core.reference import Reference
from s3c_actions.core.text import counted
from s3c_actions.result.model import Admission, AppliedObject, DeployResult, VerifyResult

_DELETION = 60.0
_AT_ONCE = 4
_NODES = Resource(path="/api/v1", plural="nodes", namespaced=False)


class DeploySettings(msgspec.Struct, frozen=True, kw_only=True):
    """What to deploy, and how.

    Attributes:
        manifests: as read.
        replacements: images that replace those of their repository.
        image_paths: places of images in custom kinds, besides those that are known.
        require_digests: an image that is still named by tag is an error; otherwise it is a warning.
        output: folder for the rewritten manifests.
        namespace: of objects that name none; empty: the kubeconfig's.
        create_namespace: create namespaces that do not exist.
        require_gate: holes in the gate are errors; otherwise they are warnings.
        accept_paused_gate: deploy while the gate is paused, and admits everything; otherwise that is an error.
        accept_stage: the weakest stage of the gate in which it is deployed; a weaker one is an error.
        prune: label `key=value`: set on every object, and objects that have it and are no longer in the manifests are
            deleted.
        recreate_jobs: delete finished Jobs and create them anew, where what they run has changed.
        timeout: seconds for the rollout.
        rollback: revert the applied changes on a failure.
        force: take over fields that another tool manages.
        dry_run: stop before anything is applied.
    """

    manifests: tuple[ManifestFile, ...]
    replacements: tuple[Replacement, ...]
    output: Path
    image_paths: tuple[ImagePath, ...] = ()
    require_digests: bool = False
    namespace: str = ""
    create_namespace: bool = False
    require_gate: bool = True
    accept_paused_gate: bool = False
    accept_stage: Stage = Stage.DENY
    prune: str = ""
    recreate_jobs: bool = False
    timeout: float = 300.0
    rollback: bool = False
    force: bool = False
    dry_run: bool = False


class DeployTools(msgspec.Struct, frozen=True, kw_only=True):
    """The collaborators of the step.

    Attributes:
        resolve: returns the image's reference by digest, and its platforms; None: no registry is used.
        verify: verifies a pinned reference's signature; raises Refused. None, or a result of None: the gate decides.
        signatures: returns the digests of the signatures of a pinned reference, whoever made them.
        cluster: returns the client, or raises; None: the manifests are rewritten only.
    """

    resolve: Callable[[Reference], tuple[Reference, tuple[str, ...]]] | None
    verify: Callable[[str], VerifyResult | None] | None
    signatures: Callable[[Reference], Sequence[str]]
    cluster: Callable[[], Cluster] | None
    progress: Progress


class _Image(msgspec.Struct, frozen=True, kw_only=True):
    """An image of the manifests: as written there, and its replacement."""

    text: str
    reference: Reference
    platforms: tuple[str, ...]
    places: tuple[str, ...]


class _State(msgspec.Struct):
    """The results so far."""

    result: DeployResult
    verified: dict[str, VerifyResult] = msgspec.field(default_factory=dict)
    changes: list[ObjectChange] = msgspec.field(default_factory=list)
    warnings: list[str] = msgspec.field(default_factory=list)


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
    state = _State(DeployResult())
    try:
        _run(settings, tools, state)
    except S3CError as error:
        if not state.changes and not state.result.admissions:
            raise
        state.result = replace(state.result, failure=error)
    applied = tuple(_applied_object(change) for change in state.changes)
    return replace(
        state.result,
        applied=applied,
        unchanged=bool(applied) and all(change.action == "unchanged" for change in applied),
        warnings=tuple(dict.fromkeys(state.warnings)),
        seconds=time.monotonic() - started,
    ), state.verified


def _run(settings: DeploySettings, tools: DeployTools, state: _State) -> None:
    try:
        used, rewritten = _prepare_manifests(settings, tools, state)
    except S3CError:
        if tools.cluster is not None:
            tools.cluster()  # a faulty kubeconfig is reported first, not after the image has been fixed
        raise
    if tools.cluster is None:
        return
    cluster = tools.cluster()
    state.result = replace(state.result, cluster=cluster.address)
    _check_platforms(used, cluster, state)
    documents = [
        (document, manifest.source)
        for manifest, text in rewritten
        for document in texts.parse_objects(text, manifest.source)
        if hooks.is_applied(document)
    ]
    namespace = settings.namespace or cluster.namespace
    labels = dict([settings.prune.split("=", 1)]) if settings.prune else None
    targets = apply.plan_targets(documents, cluster, namespace, labels)
    if settings.namespace:
        _check_namespace(targets, settings.namespace)
    created = _create_namespaces(settings, targets, cluster, state)
    try:
        _pass_gate(settings, tools, cluster, state, used=used, targets=targets)
        targets = _keep_scaled(tools, cluster, targets)
        recreated = _try_all(settings, tools, cluster, targets, state=state, created=created)
    except BaseException:
        _remove_namespaces(cluster, state, created)
        raise
    if settings.dry_run:
        _remove_namespaces(cluster, state, created)
        return
    try:
        _apply(settings, tools, cluster, targets, state=state, recreated=recreated)
    except S3CError:
        if settings.rollback:
            _roll_back(tools, cluster, state)
        raise
    _find_address(settings, tools, cluster, state)


def _remove_namespaces(cluster: Cluster, state: _State, created: Sequence[ObjectChange]) -> None:
    """Remove the namespaces that were created to try the rest; one that stays is a warning, and listed as created."""
    for change in reversed(created):
        try:
            apply.undo(cluster, change)
        except S3CError as error:
            state.warnings.append(f"{change.target.where} could not be taken back: {error.what}")
        else:
            state.changes.remove(change)


def _prepare_manifests(
    settings: DeploySettings, tools: DeployTools, state: _State
) -> tuple[list[_Image], list[tuple[ManifestFile, str]]]:
    """Return the images, each signed by a trusted signer, and the rewritten manifests: all that needs no cluster."""
    used = _resolve_images(settings, tools, state)
    pinned = {image.text: image.reference.pinned for image in used}
    rewritten = [(manifest, manifest.rewritten(pinned, without_hooks=True)) for manifest in settings.manifests]
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
    _verify_images(used, tools, state)
    return used, rewritten


def _resolve_images(settings: DeploySettings, tools: DeployTools, state: _State) -> list[_Image]:
    """Return the images that are deployed by digest; those that are not are warnings or errors."""
    places, by_tag = _choose_images(settings, state)
    used = []
    with tools.progress.step("images") as step:
        for text, (replacement, locations) in places.items():
            used.append(_resolve_image(text, locations, replacement, tools))
        number = sum(len(locations) for _, locations in places.values())
        step.done(f"{counted(len(used), 'image')} in {counted(number, 'place')}, by digest")
    names = [name for image in settings.replacements for name in (image.name, image.image) if name is not None]
    for manifest in settings.manifests:
        by_tag += [
            f"{manifest.at(use)} names {use.image} by tag: it is not a place of an image, and stays as it is."
            for use in find_mentions(manifest, names, settings.image_paths)
        ]
    if by_tag and settings.require_digests:
        raise InputError(
            image_finder.FIELD,
            " ".join(by_tag),
            cause="`require-digests` is set.",
            remedy="Write them by digest, give them with `image`, or name the places with `image-paths` "
            "(`!KIND.GROUP=PATH` where it is not an image).",
        )
    state.warnings += by_tag
    return used


def _choose_images(
    settings: DeploySettings, state: _State
) -> tuple[dict[str, tuple[Replacement | None, list[str]]], list[str]]:
    """Return each image to deploy with its replacement and its places; and a sentence for each that stays by tag.

    Raises:
        InputError: an image is not a reference; a replacement by tag matches nothing, although its repository is there.
    """
    places: dict[str, tuple[Replacement | None, list[str]]] = {}
    by_tag: list[str] = []
    matched: set[Replacement] = set()
    repositories: dict[str, str] = {}

    def choose(manifest: ManifestFile, use: ImageUse, *, certain: bool) -> None:
        name = images.parse_name(use.image)
        if name is not None:
            repositories.setdefault(name.name, manifest.at(use))
        replacement = None if use.fixed else images.find_replacement(use.image, settings.replacements)
        if replacement is not None:
            matched.add(replacement)
        elif certain and not (use.path and _is_filled_in(use.image)):
            manifest.reference(use)
        elif certain or use.fixed or name is None or not name.digest:
            if sentence := _describe_unpinned(manifest, use, name):
                by_tag.append(sentence)
            return
        places.setdefault(use.image, (replacement, []))[1].append(manifest.at(use))

    for manifest in settings.manifests:
        for use in manifest.uses:
            choose(manifest, use, certain=True)
    for manifest in settings.manifests:
        for use in manifest.candidates:
            if not use.fixed and use.image in places:
                places[use.image][1].append(manifest.at(use))
            else:
                choose(manifest, use, certain=False)
    for replacement in settings.replacements:
        if replacement in matched:
            continue
        if replacement.name is not None and replacement.name.tag and replacement.name.name in repositories:
            raise InputError(
                images.FIELD,
                f"the manifests use no image {replacement.name}, but another tag of it "
                f"({repositories[replacement.name.name]}).",
                remedy=f"Replace every tag with `{replacement.name.name}={replacement.image}`, or name the tag there.",
                image=str(replacement.image),
            )
        state.warnings.append(
            f"The manifests use no image {replacement.shown}: {replacement.image} is deployed nowhere."
        )
    return places, by_tag


def _is_filled_in(image: str) -> bool:
    """Return whether an image of a custom kind is a variable that its controller fills in: `{{inputs.image}}`."""
    return any(mark in image for mark in ("{{", "$(", "${"))


def _describe_unpinned(manifest: ManifestFile, use: ImageUse, name: Reference | None) -> str:
    """Return what stays without a digest, as a sentence; empty where a place that may name an image names none."""
    if not use.image:
        return f"{manifest.at(use)} has no image: whatever fills it in is not known."
    if _is_filled_in(use.image):
        return f"{manifest.at(use)}: the image {use.image} is filled in later."
    if name is None or name.digest or not (name.tag or use.path.endswith(".image")):
        return ""
    return f"{manifest.at(use)} names {use.image} by tag" + (
        ": it is given in parts, and stays as it is." if use.fixed else ": it is not known to be an image to deploy."
    )


def _resolve_image(text: str, locations: list[str], replacement: Replacement | None, tools: DeployTools) -> _Image:
    reference = replacement.image if replacement is not None else Reference.parse(text, field=image_finder.FIELD)
    platforms: tuple[str, ...] = ()
    if tools.resolve is not None:
        try:
            reference, platforms = tools.resolve(reference)
        except S3CError as error:
            error.image = str(reference)
            error.cause = f"It stands in {locations[0]}. {error.cause}".strip()
            raise
    elif not reference.digest:
        raise InputError(
            image_finder.FIELD,
            f"{locations[0]}: {text} has no digest, and no registry is asked.",
            remedy="Give it by digest with `image`, or leave out `resolve: false`.",
            image=text,
        )
    return _Image(text=text, reference=reference.at(reference.digest), platforms=platforms, places=tuple(locations))


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


def _verify_images(used: Sequence[_Image], tools: DeployTools, state: _State) -> None:
    if tools.verify is None:
        state.warnings.append("No `trust-store` is given: whose signatures count is left to the cluster's gate.")
        return
    refused: dict[str, Refused] = {}
    unverified = []
    verify = partial(_verify_image, tools.verify)
    with tools.progress.step("verify") as step, ThreadPoolExecutor(_AT_ONCE) as pool:
        images = list(dict.fromkeys(image.reference.pinned for image in used))
        for pinned, verified in zip(images, pool.map(verify, images), strict=True):
            if isinstance(verified, Refused):
                refused[pinned] = verified
            elif verified is None:
                unverified.append(pinned)
            else:
                state.verified[pinned] = verified
        step.done(
            f"{len(refused)} of {len(refused) + len(state.verified)} images are not signed by whom they should be"
            if refused
            else f"{counted(len(state.verified), 'image')} signed by whom they should be"
        )
    if unverified:
        state.warnings.append(f"Whose signature counts is left to the cluster's gate for {', '.join(unverified)}.")
    if refused:
        state.result = replace(
            state.result,
            admissions=tuple(
                replace(
                    admission,
                    verdict="denied",
                    reason=refused[admission.reference].what,
                    remedy=refused[admission.reference].remedy,
                )
                if admission.reference in refused
                else admission
                for admission in state.result.admissions
            ),
        )
        raise next(iter(refused.values()))


def _verify_image(verify: Callable[[str], VerifyResult | None], pinned: str) -> VerifyResult | Refused | None:
    try:
        return verify(pinned)
    except Refused as error:
        error.image = error.image or pinned
        return error


def _check_platforms(used: Sequence[_Image], cluster: Cluster, state: _State) -> None:
    nodes = {
        f"{info['operatingSystem']}/{info['architecture']}"
        for node in cluster.list(_NODES)
        if (info := (node.get("status") or {}).get("nodeInfo")) and not (node.get("spec") or {}).get("unschedulable")
    }
    for image in used:
        platforms = {"/".join(platform.split("/")[:2]) for platform in image.platforms}
        if not platforms or not nodes:
            continue
        if not platforms & nodes:
            raise InputError(
                images.FIELD,
                f"{image.reference} is for {', '.join(sorted(platforms))}, "
                f"and the nodes are {', '.join(sorted(nodes))}.",
                remedy="Build and sign it for the nodes' platform.",
                image=str(image.reference),
            )
        if missing := sorted(nodes - platforms):
            state.warnings.append(f"{image.reference} does not run on the nodes of {', '.join(missing)}.")


def _check_namespace(targets: Sequence[ApplyTarget], namespace: str) -> None:
    for target in targets:
        if target.namespace and target.namespace != namespace:
            raise InputError(
                "namespace",
                f"{target.source}: {target.kind} {target.name} is in the namespace {target.namespace}, "
                f"not in {namespace}.",
                remedy="Leave `namespace` out, or the namespace in the manifest.",
            )


def _create_namespaces(
    settings: DeploySettings, targets: Sequence[ApplyTarget], cluster: Cluster, state: _State
) -> list[ObjectChange]:
    """Create the namespaces that do not exist, since nothing can be tried in one that does not exist."""
    declared = {entry.name: entry for entry in targets if entry.kind == "Namespace" and entry.group == ""}
    created = []
    for name in sorted({entry.namespace for entry in targets} - {""}):
        if _exists(cluster, name):
            continue
        if name not in declared and not settings.create_namespace:
            raise InputError(
                "namespace",
                f"the namespace {name} is not there.",
                remedy="Make it, or let it be made with `create-namespace: true`.",
            )
        document = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        target = declared.get(name) or ApplyTarget(
            document=document, resource=inspection.NAMESPACES, namespace="", source=""
        )
        change = apply.apply(cluster, target, None, force=settings.force)
        created.append(change)
        state.changes.append(change)
    return created


def _exists(cluster: Cluster, namespace: str) -> bool:
    """Return whether a namespace exists; wait for the end of a namespace that is being deleted."""
    deadline = time.monotonic() + _DELETION
    while (live := cluster.get(inspection.NAMESPACES, namespace)) is not None:
        if not live["metadata"].get("deletionTimestamp"):
            return True
        if time.monotonic() > deadline:
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
    state: _State,
    *,
    used: Sequence[_Image],
    targets: Sequence[ApplyTarget],
) -> None:
    wanted = _kinds_to_check(settings, cluster, used, targets)
    if not wanted:
        return
    with tools.progress.step("gate") as step:
        looked = inspection.inspect(inspection.read_gate_objects(cluster), wanted, accept=settings.accept_stage)
        state.result = replace(
            state.result,
            constraints=looked.constraints,
            exempt=looked.exempt,
            pauses=looked.pauses,
            stages=dict(looked.stages),
        )
        state.warnings += looked.warnings
        if looked.active_pauses:
            paused = inspection.pause_error(looked)
            if not settings.accept_paused_gate:
                raise paused
            # What the pause is for may be a defect of the gate.
            state.warnings += [paused.what, *(hole.what for hole in looked.holes)]
            step.done("paused; deployed all the same, as `accept-paused-gate` asks")
            return
        if looked.holes:
            if settings.require_gate:
                raise inspection.defects_error(looked)
            state.warnings += [hole.what for hole in looked.holes]
            step.done(f"{len(looked.holes)} holes; deployed all the same, as `require-gate` (false) asks")
            return
        references = {image.reference.pinned: image.reference for image in used}
        signatures = _signatures(tools, references.values())
        unsigned = proof.find_unsigned(list(references.values()), signatures)
        proved = ""
        watched = sorted(name for name, stage in looked.stages.items() if stage is not Stage.DENY)
        for namespace in watched:
            state.warnings += _ask_watching_gate(cluster, namespace, looked.stages[namespace], references, state)
        for namespace in sorted({namespace for _, _, namespace in wanted} - {*watched}):
            if unsigned:
                closed_by = proof.prove_closed(cluster, unsigned, namespace, looked.constraints, next(iter(references)))
                state.result = replace(state.result, unsigned_denied=unsigned, denial=closed_by.what)
                proved = f"an unsigned image is denied {closed_by.places_text}"
            try:
                _ask_gate(cluster, namespace, references, tools, state)
            except AdmissionDenied:
                denied = sum(admission.verdict == "denied" for admission in state.result.admissions)
                step.done(f"{denied} of {len(state.result.admissions)} images denied")
                raise
            proof.reject_unsigned(references.values(), signatures)
        if watched and not proved:
            step.done(f"only watches in {', '.join(watched)}; deployed all the same, as `accept-stage` asks")
            return
        if not proved and settings.require_gate:
            raise Refused(
                "The gate was not proved: nothing that is deployed names an image.",
                remedy="Look at the manifests, or deploy them with `require-gate: false`.",
            )
        step.done(f"{proved}; {len(used)} signed admitted" if proved else "there was nothing to try")


def _kinds_to_check(
    settings: DeploySettings, cluster: Cluster, used: Sequence[_Image], targets: Sequence[ApplyTarget]
) -> list[tuple[str, str, str]]:
    """Return group, kind and namespace of everything that creates Pods, for the gate to check.

    For a custom kind these are its Pods: a constraint knows only Kubernetes' own kinds.
    """
    kinds = [
        (target.group, target.kind, target.namespace)
        if places.is_built_in(target.group, target.kind)
        else ("", "Pod", target.namespace)
        for target in targets
        if places.is_built_in(target.group, target.kind) or places.creates_pods(target.document)
    ]
    if used and not any(namespace for _, _, namespace in kinds):
        # Some object has an image, and the namespace of its Pods is unknown.
        candidates = {target.namespace for target in targets} - {""} or {settings.namespace or cluster.namespace}
        kinds += [("", "Pod", namespace) for namespace in candidates]
    return [entry for entry in kinds if entry[2]]


def _signatures(tools: DeployTools, references: Iterable[Reference]) -> Callable[[Reference], Sequence[str]]:
    """Return a function over each image's signatures, looked up once."""
    images_to_list = list(references)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        listed = dict(zip(images_to_list, pool.map(tools.signatures, images_to_list), strict=True))
    return lambda reference: listed[reference]


def _ask_gate(
    cluster: Cluster, namespace: str, references: Mapping[str, Reference], tools: DeployTools, state: _State
) -> None:
    """Ask the gate about every image; the first denial is raised after all have been asked."""
    first: AdmissionDenied | None = None
    admissions = []
    together = proof.admitted_images(cluster, list(references), namespace)
    for admission in state.result.admissions:
        denied = (
            proof.try_signed_image(
                cluster,
                references[admission.reference],
                namespace,
                signatures=tools.signatures,
                tell=tools.progress.notice,
            )
            if admission.reference not in together
            else None
        )
        admissions.append(judge_admission(admission, denied))
        first = first or denied
    state.result = replace(state.result, admissions=tuple(admissions))
    if first is not None:
        raise first


def _ask_watching_gate(
    cluster: Cluster, namespace: str, stage: Stage, references: Mapping[str, Reference], state: _State
) -> list[str]:
    """Ask a gate that admits everything what it would refuse, and return sentences on that for people."""
    sentences = [f"In {namespace} the gate {stage.effect} (stage {stage}), as `accept-stage` accepts."]
    admissions = []
    knows = proof.try_images(cluster, namespace, proof.ABSENT_IMAGE, preview=True) is not None
    if not knows:
        sentences.append("What the stage deny would refuse is not known: the gate was not installed by this s3c.")
    for admission in state.result.admissions:
        denied = (
            proof.try_images(cluster, namespace, references[admission.reference].pinned, preview=True)
            if knows
            else None
        )
        reason = "" if denied is None else denied.denials[0].reason
        if reason:
            sentences.append(f"The stage deny would refuse {admission.reference} in {namespace}: {reason}.")
        admissions.append(
            replace(
                admission,
                verdict="admitted",
                reason=f"stage {stage}; deny would refuse it: {reason}" if reason else admission.reason,
                remedy=denied.denials[0].remedy if denied is not None else admission.remedy,
            )
        )
    state.result = replace(state.result, admissions=tuple(admissions))
    return sentences


def judge_admission(admission: Admission, denied: AdmissionDenied | None) -> Admission:
    """Return an image's admission with the gate's verdict; None: it was admitted."""
    if denied is None:
        return replace(admission, verdict="admitted")
    denial = denied.denials[0]
    return replace(
        admission,
        verdict="denied",
        reason=denial.reason,
        remedy=denial.remedy,
        trace=denial.trace,
        constraint=denial.constraint,
    )


@contextmanager
def _naming_object(target: ApplyTarget) -> Iterator[None]:
    """Add the object and its manifest to errors in the block."""
    try:
        yield
    except S3CError as error:
        error.what = f"{target.where} ({target.source}): {error.what}"
        raise


def _keep_scaled(tools: DeployTools, cluster: Cluster, targets: Sequence[ApplyTarget]) -> tuple[ApplyTarget, ...]:
    """Return the objects, without the replicas that an autoscaler has set."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        kept = list(pool.map(partial(apply.keep_scaled, cluster), targets))
    for _, sentence in kept:
        if sentence:
            tools.progress.notice(sentence)
    return tuple(target for target, _ in kept)


def _try_all(
    settings: DeploySettings,
    tools: DeployTools,
    cluster: Cluster,
    targets: Sequence[ApplyTarget],
    *,
    state: _State,
    created: list[ObjectChange],
) -> Collection[ApplyTarget]:
    """Try every object by dry run; return the Jobs to create anew.

    Objects of kinds that are defined in the same manifests are tried once the definitions are applied.
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
                with _naming_object(target):
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
        with _naming_object(target):
            try:
                cluster.apply(target.resource, target.document, target.namespace, dry_run=True, force=settings.force)
            except ImmutableField:
                if not settings.recreate_jobs or (target.group, target.kind) != ("batch", "Job"):
                    raise
                apply.try_recreation(cluster, target)
                recreated.append(target)

    with tools.progress.step("dry-run") as step, ThreadPoolExecutor(_AT_ONCE) as pool:
        for _ in pool.map(attempt, targets):
            pass  # raises the error of the first that is rejected
        step.done(f"the cluster takes {counted(len(targets), 'object')}")
    return recreated


def _apply(
    settings: DeploySettings,
    tools: DeployTools,
    cluster: Cluster,
    targets: Sequence[ApplyTarget],
    *,
    state: _State,
    recreated: Collection[ApplyTarget],
) -> None:
    done = {_identify(change.target) for change in state.changes}
    pending = [target for target in targets if _identify(target) not in done]

    def look_up(target: ApplyTarget) -> KubernetesObject | None:
        with _naming_object(target):
            return apply.read_object(cluster, target)

    with tools.progress.step("apply") as step:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            before = list(pool.map(look_up, pending))
        for target, live in zip(pending, before, strict=True):
            with _naming_object(target):
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
        step.done(describe_applied([_applied_object(change) for change in state.changes]))
    with tools.progress.step("rollout") as step:
        left = rollout.wait_for_rollout(cluster, state.changes, timeout=settings.timeout, note=tools.progress.note)
        state.warnings += left
        step.done(f"everything is up but for {len(left)} warnings" if left else "everything is up")


def _identify(target: ApplyTarget) -> tuple[str, str, str]:
    return target.resource.url(), target.namespace, target.name


def _find_address(settings: DeploySettings, tools: DeployTools, cluster: Cluster, state: _State) -> None:
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


def _roll_back(tools: DeployTools, cluster: Cluster, state: _State) -> None:
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
            describe_applied(
                [_applied_object(change) for change in state.changes if change.action in {"removed", "restored"}]
            )
        )


def describe_applied(applied: Sequence[AppliedObject]) -> str:
    """Describe applied objects: `2 created, 1 configured`; `nothing to do: everything is deployed already`."""
    if applied and all(item.action == "unchanged" for item in applied):
        return "nothing to do: everything is deployed already"
    actions = [item.action for item in applied]
    return ", ".join(f"{actions.count(action)} {action}" for action in dict.fromkeys(actions)) or "nothing"


def _applied_object(change: ObjectChange) -> AppliedObject:
    target = change.target
    return AppliedObject(kind=target.kind, namespace=target.namespace, name=target.name, action=change.action)
