"""Which images a deployment runs: what replaces those of the manifests, each by its digest."""

from __future__ import annotations

from collections.abc import Iterable

from s3c_actions.cluster import image_finder, image_places, images, loaded_images
from s3c_actions.cluster.client import KubernetesObject
from s3c_actions.cluster.image_finder import ImageUse
from s3c_actions.cluster.images import Replacement
from s3c_actions.cluster.manifests import ManifestFile
from s3c_actions.cluster.mentions import find_mentions
from s3c_actions.core.errors import InputError, S3CError
from s3c_actions.core.reference import Reference
from s3c_actions.core.text import counted
from s3c_actions.steps.deploy.settings import DeploySettings, DeployTools
from s3c_actions.steps.deploy.state import DeployedImage, DeployState


def resolve_images(settings: DeploySettings, tools: DeployTools, state: DeployState) -> list[DeployedImage]:
    """Return the images that are deployed by digest; those that are not are warnings or errors.

    Args:
        settings: of the deployment.
        tools: `resolve` is asked for digests.
        state: receives the warnings.

    Raises:
        InputError: an image is wrong, missing, or stays by tag although `require-digests` is set.
        OutsideError: the registry failed.
    """
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


def check_objects(
    objects: Iterable[tuple[KubernetesObject, str]], used: Iterable[DeployedImage], settings: DeploySettings
) -> None:
    """Check that the objects to apply have no image but those that were found in their text.

    Args:
        objects: each with its source, by digest.
        used: the images to deploy.
        settings: of the deployment.

    Raises:
        InputError: an object has another one: its YAML can be read in two ways.
    """
    pinned = {image.reference.pinned for image in used}
    for document, source in objects:
        custom = not image_places.is_built_in(str(document["apiVersion"]).rpartition("/")[0], str(document["kind"]))
        for image in loaded_images.find_images(document, settings.image_paths):
            if image not in pinned and not (custom and _is_filled_in(image)):
                raise InputError(
                    image_finder.FIELD,
                    f"{source}: {document['kind']} {document['metadata'].get('name')} would run {image}, "
                    "which was not found in the text.",
                    cause="Its YAML can be read in two ways, by tags, merged keys or aliases.",
                    remedy="Write the object out without them.",
                    image=image,
                )


def _choose_images(
    settings: DeploySettings, state: DeployState
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


def _resolve_image(
    text: str, locations: list[str], replacement: Replacement | None, tools: DeployTools
) -> DeployedImage:
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
    return DeployedImage(
        text=text, reference=reference.at(reference.digest), platforms=platforms, places=tuple(locations)
    )
