"""What `s3c find` asks about and whom it trusts, from the options."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from s3c_actions.cluster import deployed, image_paths, manifests
from s3c_actions.core import startup
from s3c_actions.core.errors import InputError, Refused, S3CError
from s3c_actions.core.records import file_sha256
from s3c_actions.core.reference import Reference
from s3c_actions.core.text import counted
from s3c_actions.fleet import model as fleets
from s3c_actions.fleet import selecting, sources, store
from s3c_actions.fleet.find import index as indexes
from s3c_actions.fleet.find.records import RecordStore
from s3c_actions.options import find as inputs
from s3c_actions.options.deploy import ClusterOptions
from s3c_actions.options.trusted_signers import TrustOptions
from s3c_actions.options.vault import VaultCertificateOptions
from s3c_actions.policy import model
from s3c_actions.policy.model import Policy
from s3c_actions.registry.reading import referrers_tag
from s3c_actions.result.model import FindResult, UnansweredImage
from s3c_actions.steps import find, verify
from s3c_actions.steps.find import FindTools, Subject
from s3c_actions.wiring.cache_stores import open_store
from s3c_actions.wiring.context import Context
from s3c_actions.wiring.fleet import credentials_hosts, image_places, read_any
from s3c_actions.wiring.judging import open_policy_judge
from s3c_actions.wiring.kubernetes import connect_cluster
from s3c_actions.wiring.logins import create_logins, create_registry
from s3c_actions.wiring.settings_files import shared_files
from s3c_actions.wiring.signing import create_notation, signing_registry
from s3c_actions.wiring.verifying import names_trust, trust_settings

if TYPE_CHECKING:
    from s3c_actions.fleet.plan import UnplannedImage
    from s3c_actions.fleet.selecting import Expanded
    from s3c_actions.programs.notation.home import NotationHome
    from s3c_actions.registry import Registry
    from s3c_actions.steps.protocols import Verifier

_CLUSTER_INPUTS = (*ClusterOptions.own(), inputs.FindInputs.namespaces)


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """An image as an input names it.

    Attributes:
        image: a reference.
        owner: of it; empty when nobody is named.
        place: where it runs or is named; empty for neither.
        given: whether a person named it, who is told at once when it does not exist.
    """

    image: str
    owner: str = ""
    place: str = ""
    given: bool = False


class Subjects(msgspec.Struct, frozen=True, kw_only=True):
    """The images that are asked about, each digest once, and those whose digest is not known."""

    known: tuple[Subject, ...]
    unknown: tuple[UnansweredImage, ...]


def list_wanted(options: inputs.FindInputs, context: Context) -> tuple[tuple[Wanted, ...], tuple[UnansweredImage, ...]]:
    """Return the images that the inputs name, in their order, and those that are known to have no digest.

    Raises:
        InputError: an input is wrong, or no image is named anywhere.
        OutsideError: the cluster or the plan's registry does not respond.
    """
    wanted = [Wanted(image=image, given=True) for image in options.image]
    for image in options.image:
        Reference.parse(image)
    unknown: list[UnansweredImage] = []
    if options.plan:
        plan, _ = read_any(options.plan, options, context)
        wanted += [Wanted(image=entry.image, owner=entry.owner) for entry in plan.images]
        wanted += [Wanted(image=entry.image, owner=entry.owner) for entry in plan.current]
        unknown += [_unplanned(entry) for entry in plan.unplanned]
    if options.fleet is not None:
        selected = _expand_fleet(options.fleet, options, context)
        wanted += [Wanted(image=entry.name, owner=entry.owner) for entry in selected.images]
        unknown += [_unplanned(entry) for entry in selected.unplanned]
    if options.manifests:
        wanted += _in_manifests(options, context)
    named = bool(options.image or options.plan or options.manifests or options.fleet is not None)
    if not named or any(options.given(option) for option in _CLUSTER_INPUTS):
        running, without_digest = _in_cluster(options, context)
        wanted += running
        unknown += without_digest
    if not wanted and not unknown:
        raise InputError(
            "image",
            "there is no image to ask about.",
            cause="What is given names none." if named else "Nothing runs on the cluster.",
            remedy="Give `image`, `fleet`, `plan` or `manifests`, or the kubeconfig of a cluster that runs something.",
        )
    return tuple(wanted), tuple(unknown)


def _unplanned(image: UnplannedImage) -> UnansweredImage:
    return UnansweredImage(
        image=image.image, owner=image.owner, reasons=(f"its digest could not be looked up: {image.what.rstrip('.')}",)
    )


def _expand_fleet(path: Path, options: inputs.FindInputs, context: Context) -> Expanded:
    fleet = fleets.read(path, name=shared_files(context).names.get(str(path), str(path))).fleet
    hosts = credentials_hosts(fleet, options)
    registry = create_registry(options, create_logins(options, context, hosts))
    return selecting.expand(fleet, sources.RegistrySource(registry, fleets.FIELD), image_places(options, context))


def list_registries(options: inputs.FindInputs, wanted: Iterable[Wanted], place: Reference | None) -> set[str]:
    """Return the registries of the images and of the index.

    Raises:
        InputError: credentials are given, and a file or the cluster names another registry than the one they are for:
            whoever wrote that name would be sent them.
    """
    named = {Reference.parse(image).registry for image in options.image} | ({place.registry} if place else set())
    registries = set(named)
    for use in wanted:
        try:
            registries.add(Reference.parse(use.image).registry)
        except InputError:
            continue  # told of the image when it is looked up
    if options.registry_username and (len(named) > 1 or registries - named):
        raise InputError(
            "registry-username",
            f"the images are in several registries, or none is named by `image` ({', '.join(sorted(registries))}).",
            remedy="Use `docker login` for each, and leave the credentials out.",
        )
    return registries


def _in_manifests(options: inputs.FindInputs, context: Context) -> Iterator[Wanted]:
    files = manifests.read(
        options.manifests,
        cwd=context.cwd,
        stdin=lambda: sys.stdin.buffer.read(manifests.MAX_BYTES + 1),
        image_paths=image_paths.parse_all(options.image_paths),
    )
    for file in files:
        for use in file.uses:
            if use.image:
                yield Wanted(image=str(file.reference(use)), place=f"{file.source}:{use.line}")


def _in_cluster(options: inputs.FindInputs, context: Context) -> tuple[list[Wanted], list[UnansweredImage]]:
    with context.progress.step("cluster") as step:
        listing = deployed.list_deployed(connect_cluster(options, context), options.namespaces)
        step.done(f"{counted(len(listing.running), 'image')} running")
    running = [Wanted(image=image.image, place=place) for image in listing.running for place in image.places]
    unknown = [
        UnansweredImage(image=image.image, reasons=("the cluster does not tell its digest",), places=image.places)
        for image in listing.unknown
    ]
    return running, unknown


def resolve(wanted: Iterable[Wanted], registry: Registry) -> Subjects:
    """Look up the digests of images, and everything that a tag means in repositories.

    Args:
        wanted: by tag or digest; without both, a whole repository.
        registry: of the images.

    Raises:
        InputError: an image that a person named does not exist.
        OutsideError: a registry failed for such an image.
    """
    by_image: dict[str, list[Wanted]] = {}
    for use in wanted:
        by_image.setdefault(use.image, []).append(use)
    subjects: dict[str, Subject] = {}
    unknown: list[UnansweredImage] = []
    # Threads that import a package with circular imports at once may find it half imported.
    startup.warm("requests").join()
    with ThreadPoolExecutor(find.WORKERS) as pool:
        looked_up = list(pool.map(lambda image: _look_up(image, registry), by_image))
    for (image, uses), pinned in zip(by_image.items(), looked_up, strict=True):
        owner = next((use.owner for use in uses if use.owner), "")
        places = tuple(dict.fromkeys(use.place for use in uses if use.place))
        if isinstance(pinned, S3CError):
            if any(use.given for use in uses):
                raise pinned
            unknown.append(UnansweredImage(image=image, reasons=(pinned.what.rstrip("."),), owner=owner, places=places))
            continue
        for name, reference in pinned.items():
            known = subjects.get(reference.pinned)
            subjects[reference.pinned] = Subject(
                image=known.image if known is not None else name,
                reference=reference,
                owner=(known.owner if known is not None else "") or owner,
                places=tuple(dict.fromkeys((*(known.places if known is not None else ()), *places))),
            )
    return Subjects(known=tuple(subjects.values()), unknown=tuple(unknown))


def _look_up(image: str, registry: Registry) -> Mapping[str, Reference] | S3CError:
    """Return the name of each image → its pinned reference; the error when it cannot be looked up."""
    try:
        reference = Reference.parse(image)
        if reference.digest:
            return {image: reference.at(reference.digest)}
        if reference.tag:
            return {image: reference.at(registry.digest(reference, field="image"))}
        tagged = [reference.tagged(tag) for tag in registry.tags(reference)]
        manifests_of = {
            str(candidate): registry.find(candidate) for candidate in tagged if not _is_internal(candidate.tag)
        }
    except S3CError as error:
        error.image = error.image or image
        return error
    return {
        name: reference.at(manifest.descriptor.digest)
        for name, manifest in manifests_of.items()
        if manifest is not None and not manifest.descriptor.artifact_type
    }


def _is_internal(tag: str) -> bool:
    """Return whether a tag is the list of a digest's referrers."""
    algorithm, dash, encoded = tag.partition("-")
    return bool(dash) and algorithm.startswith("sha") and tag == referrers_tag(f"{algorithm}:{encoded}")


class _Trust(msgspec.Struct, frozen=True):
    notation: Verifier
    homes: tuple[NotationHome, ...]
    policy: Policy


@contextmanager
def open_tools(options: inputs.FindInputs, context: Context, registries: Collection[str]) -> Iterator[FindTools]:
    """Open what the step needs: the registry, the trusted signers, and what is kept of earlier queries.

    Raises:
        InputError: nobody is trusted, or a policy or certificate cannot be used.
        OutsideError: notation could not be obtained, or a vault denied access.
    """
    with _open_trust(options, context, registries) as trust:
        yield FindTools(
            registry=signing_registry(options, context, registries),
            notation=trust.notation,
            homes=trust.homes,
            trust=hash_trust(trust.homes),
            store=_open_store(context),
            maximum_age=trust.policy.maximum_age,
            now=context.now,
            progress=context.progress,
        )


def read_policy(options: inputs.FindInputs) -> Policy | None:
    """Return the policy that says whom to trust; None where other inputs do.

    Raises:
        InputError: nobody is trusted, both say so, or the policy cannot be used.
    """
    path = options.policy
    if path is not None:
        # The vault may hold the key that signs the index.
        vault: tuple[Any, ...] = () if options.publish_index else VaultCertificateOptions.own()
        given = next((option for option in (*TrustOptions.own(), *vault) if options.given(option)), None)
        if given is not None:
            raise InputError(given.name, "it is given beside policy, which says whom to trust.", remedy="Give one.")
        return model.read(path)
    if not names_trust(options):
        raise InputError(
            "policy",
            "nobody is trusted.",
            cause="Only signed documents are asked, and neither a policy nor a trust store says whose count.",
            remedy="Give `policy`, `trust-store`, or `vault` and `vault-certificate`.",
        )
    return None


@contextmanager
def _open_trust(options: inputs.FindInputs, context: Context, registries: Collection[str]) -> Iterator[_Trust]:
    policy = read_policy(options)
    if policy is not None:
        with open_policy_judge(options, context, policy, registries) as judge:
            yield _Trust(judge.notation, judge.homes, policy)
        return
    settings = trust_settings(options, context, {})
    with verify.prepare(settings, context.temp, context.progress) as home:
        yield _Trust(create_notation(options, context, registries), (home,), Policy(version=1))


def hash_trust(homes: Iterable[NotationHome]) -> str:
    """Return a hash of what notation's configurations trust, whatever their order and their folders' names."""
    return hashlib.sha256("".join(sorted(_hash_home(home.folder) for home in homes)).encode()).hexdigest()


def _hash_home(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(folder).as_posix()}\0{file_sha256(path)}\n".encode())
    return digest.hexdigest()


def _open_store(context: Context) -> RecordStore:
    # Without a key, what is read is kept for this run alone.
    return open_store(RecordStore, context) or RecordStore(context.cache / RecordStore.FOLDER, b"")


@contextmanager
def naming(place: Reference) -> Iterator[None]:
    """Name an artifact in errors that are of no image."""
    try:
        yield
    except S3CError as error:
        error.image = error.image or str(place)
        raise


def import_index(options: inputs.FindInputs, tools: FindTools) -> None:
    """Take over what an index says of documents that are not known here, if a trusted signer signed it.

    Raises:
        InputError: the index's reference is malformed.
        OutsideError: there is no index, or the registry failed.
    """
    place = index_place(options)
    manifest = tools.registry.find(place)
    if manifest is None:
        raise indexes.not_found_error(place)
    pinned = place.at(manifest.descriptor.digest)
    with tools.progress.step("index") as step:
        earlier = tools.store.find_index(pinned.digest, tools.trust)
        if earlier is not None and find.is_recent(earlier, tools.trust, tools.now):
            step.done("known")
            return
        verification = find.verify(pinned, tools)
        if isinstance(verification, str):
            tools.progress.warning(f"The index {place} is not used: it {verification}.")
            step.done("not used")
            return
        try:
            index = indexes.pull(manifest, pinned, tools.registry)
        except ValueError as error:
            tools.progress.warning(f"The index {place} is not used: {error}.")
            step.done("not used")
            return
        if index.trust != tools.trust:
            tools.progress.warning(
                f"The index {place} is not used: its documents were verified by other trusted signers than yours."
            )
            step.done("not used")
            return
        taken = 0
        for record in index.records:
            known = tools.store.find(record.facts.evidence, tools.trust)
            if known is None or known.source or not find.is_recent(known.verification, tools.trust, tools.now):
                tools.store.keep(replace(record, source=pinned.digest))
                taken += 1
        tools.store.keep_index(pinned.digest, verification)
        step.done(f"{counted(taken, 'document')} of {len(index.records):,} taken over")


def index_place(options: inputs.FindInputs) -> Reference:
    """Return the reference of the index.

    Raises:
        InputError: none is given, or it has no tag.
    """
    if not options.index:
        raise InputError("index", "it is missing, and `publish-index` is given.", remedy="Say where it is pushed to.")
    reference = Reference.parse(options.index.removeprefix(store.SCHEME), field="index")
    if not reference.tag and not reference.digest:
        raise InputError("index", f"{options.index} has no tag.", remedy="Give it as registry/repository:tag.")
    return reference


def incomplete_error(result: FindResult) -> Refused:
    """Return the error of `require-complete`."""
    undecided = {match.reference for match in result.matches if match.problem}
    return Refused(
        f"{counted(len(result.unanswered) + len(undecided), 'image')} cannot be answered for.",
        remedy="Attach signed documents to them with `s3c attach`, or leave `require-complete` out.",
    )
