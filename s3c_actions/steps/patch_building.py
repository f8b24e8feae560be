"""Push a patched image: first under an unguessable tag, and under its own tag once it has been accepted.

The built image is identified by the digest that the build reports. A tag only states what was pushed last.
"""

from __future__ import annotations

import json
import secrets
import shutil
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from s3c_actions.core.errors import InputError, OutsideError, S3CError
from s3c_actions.core.moments import format_moment
from s3c_actions.core.reference import Reference, is_digest
from s3c_actions.core.text import plural, short_digest
from s3c_actions.registry import OCI_INDEX, Manifest
from s3c_actions.registry.content import compute_digest, invalid_answer, parse_manifest
from s3c_actions.steps.patching import PatchWork, PlatformPart, match_images, patch_difference, patchable_findings

# Other runs may take numbers while this one patches; more than a few mean that somebody takes every number.
_MOST_NUMBERS = 10
TEMPORARY_PREFIX = "s3c-"
"""Prefix of the tag that an image is pushed under until it has been accepted; 128 random bits follow."""
_VERSION = "org.opencontainers.image.version"
_CREATED = "org.opencontainers.image.created"
_PATCHED = "sh.copa.patched"


class PatchTarget(msgspec.Struct, kw_only=True):
    """The tag of a new patch, and what is in the registry because of the patch.

    Attributes:
        tag: the final tag; `held` is the digest that the tag has before, empty when there is no such tag.
        temporary: tag that it is pushed under; of an index, the prefix of the pushed tags.
        pushed: every manifest pushed so far.
        tagged: the manifest that the tag was set to; None until then.
    """

    tag: str
    held: str = ""
    temporary: str = msgspec.field(default_factory=lambda: TEMPORARY_PREFIX + secrets.token_hex(16))
    pushed: list[Manifest] = msgspec.field(default_factory=list)
    tagged: Manifest | None = None


class BuiltPatch(msgspec.Struct, frozen=True, kw_only=True):
    """A patched image: an index, or a single image; `images` are those of the original's parts, in their order."""

    manifest: Manifest
    reference: Reference
    images: list[Reference]


def choose_target(work: PatchWork, existing_tags: Mapping[int, str]) -> PatchTarget:
    """Determine the tag of a new patch; never a tag of another image, unless that is allowed.

    Args:
        work: the original.
        existing_tags: the existing tags of the template.

    Raises:
        InputError: the tag may not be used, or is too long.
        OutsideError: the registry failed.
    """
    template, original, registry = work.settings.tag, work.original, work.tools.registry
    number = max(existing_tags, default=0) + 1
    try:
        tag = template.fill(original, number)
        existing = registry.find(original.tagged(tag))
        while existing is not None and template.numbered:  # taken since the tags were listed
            number += 1
            tag = template.fill(original, number)
            existing = registry.find(original.tagged(tag))
    except ValueError as error:
        raise InputError("patched-tag", f"{error}.", remedy="Give a shorter template.", image=str(original)) from None
    if existing is None:
        return PatchTarget(tag=tag)
    held_digest = existing.descriptor.digest
    if work.settings.overwrite:
        return PatchTarget(tag=tag, held=held_digest)
    remedy = "Use {n} in it, or say that it may be replaced with `overwrite-tag`."
    if tag == original.tag:
        raise InputError("patched-tag", f"{tag} is the original's own tag.", remedy=remedy, image=str(original))
    images, why = match_images(work, existing)
    if not images:
        raise InputError(
            "patched-tag",
            f"{tag} stands for another image in {original.name} ({held_digest}).",
            cause=f"It is not a patch of this original: {why}.",
            remedy=remedy,
            image=str(original),
        )
    return PatchTarget(tag=tag, held=held_digest)


def build(work: PatchWork, place: PatchTarget) -> BuiltPatch:
    """Patch every part that has something to patch, and push the result without its tag.

    Args:
        work: the original.
        place: the target; pushed manifests are added to it.

    Raises:
        OutsideError: Copa or the registry failed, or the built image is not a patch of the original.
    """
    original, library = work.original, work.settings.library
    with work.tools.progress.step("patch") as step:
        manifests = []
        for part in work.parts:
            if work.several and not patchable_findings(part.before.report, library):
                manifests.append(work.tools.registry.manifest(part.reference))
                continue
            manifests.append(_with_version(work, part, _patch_part(work, part, place), place))
        image = manifests[0]
        if work.several:
            image = _push(work, _patched_index(work, manifests, place.tag), place)
        packages = {
            finding.package for part in work.parts for finding in patchable_findings(part.before.report, library)
        }
        count = f"{len(packages)} {plural(len(packages), 'package')}"
        step.done(f"{count} upgraded → {original.short} @ {short_digest(image.descriptor.digest)}")
    return BuiltPatch(
        manifest=image,
        reference=original.at(image.descriptor.digest),
        images=[original.at(manifest.descriptor.digest) for manifest in manifests],
    )


def _patch_part(work: PatchWork, part: PlatformPart, place: PatchTarget) -> Manifest:
    """Patch one part, and read the built image by the digest that the build reported."""
    original, tools = work.original, work.tools
    if work.several:
        # With the report of a single platform, Copa patches only that one, and reports its digest.
        folder = Path(tempfile.mkdtemp(prefix="s3c-reports-", dir=work.settings.temp))
        try:
            shutil.copyfile(part.before.trivy_json, folder / f"{part.name}.json")
            digest = tools.patch(original.at(original.digest), folder, place.temporary)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    else:
        digest = tools.patch(part.reference, part.before.trivy_json, place.temporary)
    if not digest:
        raise OutsideError(
            f"Copa found nothing to patch in {original.name}, though the scan found fixable packages.",
            cause="Copa and the scan read the report differently.",
            remedy="Scan it again, and give the operating system's packages (`pkg-types: os`) to the scan.",
            image=str(original),
        )
    manifest = tools.registry.find(original.at(digest)) if is_digest(str(digest)) else None
    if manifest is None:
        raise OutsideError(
            f"Copa ended well, but {original.name}@{digest} is not in the registry.",
            remedy="Run it again; if that does not help, look at the registry's storage.",
            image=str(original),
        )
    place.pushed.append(manifest)
    why = "it is an index" if manifest.descriptor.is_index else ""
    why = why or patch_difference(tools.registry.config(original.at(digest)), part)
    if why:
        raise rejected_error(original, original.at(digest), why)
    return manifest


def _with_version(work: PatchWork, part: PlatformPart, manifest: Manifest, place: PatchTarget) -> Manifest:
    """Return the manifest with the correct version: Copa derives an annotation from the tag that it pushes to."""
    annotations = manifest.descriptor.annotations
    if place.temporary not in annotations.get(_VERSION, ""):
        return manifest
    before = work.tools.registry.manifest(part.reference).descriptor.annotations.get(_VERSION, "")
    document = {**manifest.document, "annotations": {**annotations, _VERSION: _version(before, place.tag)}}
    return _push(work, _manifest(work, document, manifest.descriptor.media_type), place)


def _version(before: str, tag: str) -> str:
    """Return the version of a patched image, as Copa derives it from the original's and the tag."""
    return tag if before in tag else f"{before}-{tag}"


def _patched_index(work: PatchWork, manifests: list[Manifest], tag: str) -> Manifest:
    """Return the original's index with the patched images in place of its own.

    Copa's own index is not used: Copa looks its entries up by tag. Attestations are omitted, as Copa does: they
    describe the original.
    """
    index = work.index
    new = {part.reference.digest: manifest.descriptor for part, manifest in zip(work.parts, manifests, strict=True)}
    entries = [
        {**entry, "digest": patched.digest, "size": patched.size, "mediaType": patched.media_type}
        for entry in index.document["manifests"]
        if (patched := new.get(entry["digest"])) is not None
    ]
    kind = OCI_INDEX if any("oci" in entry["mediaType"] for entry in entries) else index.descriptor.media_type
    document: dict[str, Any] = {"schemaVersion": 2, "mediaType": kind, "manifests": entries}
    if kind == OCI_INDEX:
        stamp = format_moment(work.tools.now)
        annotations = {**index.descriptor.annotations, _CREATED: stamp, _PATCHED: stamp}
        if _VERSION in annotations:
            annotations[_VERSION] = _version(annotations[_VERSION], tag)
        document["annotations"] = annotations
    return _manifest(work, document, kind)


def _manifest(work: PatchWork, document: Mapping[str, Any], media_type: str) -> Manifest:
    content = json.dumps(document).encode()
    refuse = partial(invalid_answer, work.original)
    return parse_manifest(content, refuse, digest=compute_digest(content), media_type=media_type)


def _push(work: PatchWork, manifest: Manifest, place: PatchTarget) -> Manifest:
    target = work.original.at(manifest.descriptor.digest)
    work.tools.writer.push_manifest(target, manifest.content, manifest.descriptor.media_type)
    place.pushed.append(manifest)
    return manifest


def set_tag(work: PatchWork, image: Manifest, place: PatchTarget) -> str:
    """Set the tag of an accepted patch.

    Registries have no conditional write for this: if the tag is moved between the check and the push, that change is
    lost. The returned digest is the same either way.

    Args:
        work: the original.
        image: the patch.
        place: its target.

    Returns:
        The tag: with the next number when another run took this one.

    Raises:
        OutsideError: the tag no longer has the digest that was to be replaced, or the registry failed.
    """
    template, original, registry = work.settings.tag, work.original, work.tools.registry
    tag, held_digest, number, digest = place.tag, place.held, 0, ""
    for _ in range(_MOST_NUMBERS):
        current = registry.find(original.tagged(tag))
        digest = current.descriptor.digest if current is not None else ""
        if digest in (held_digest, image.descriptor.digest):
            work.tools.writer.push_manifest(original.tagged(tag), image.content, image.descriptor.media_type)
            place.tag, place.tagged = tag, image
            return tag
        if not template.numbered:
            break
        number = max([number, *template.taken(original, registry.tags(original))]) + 1
        tag, held_digest = template.fill(original, number), ""
    raise OutsideError(
        f"Tag {tag} of {original.name} was {f'moved to {digest}' if digest else 'deleted'} "
        "while the image was patched.",
        cause="Somebody else pushed there at this moment.",
        remedy=f"It was left alone. Run this again, so that what is there now is patched; what was built lies there as "
        f"{image.descriptor.digest}.",
        image=str(original),
    )


def delete_temporary_tags(work: PatchWork, place: PatchTarget) -> None:
    """Delete the temporary tags where the registry supports that; their manifests stay.

    A failure is only noted: the tags do no harm.

    Args:
        work: the original.
        place: the target of the patch.
    """
    original, tools = work.original, work.tools
    pushed = {manifest.descriptor.digest for manifest in place.pushed}
    originals = {part.reference.digest for part in work.parts}
    deleted = False
    try:
        for tag in tools.registry.tags(original):
            current = tools.registry.find(original.tagged(tag)) if tag.startswith(place.temporary) else None
            if current is None:
                continue
            # Copa's index lists the images it built and the original's other platforms.
            listed = {image.digest for image in current.descriptor.images}
            if (listed <= pushed | originals) if listed else (current.descriptor.digest in pushed):
                deleted = tools.writer.delete_tag(original.tagged(tag)) or deleted
            elif pushed:
                tools.progress.warning(
                    f"{original.name}:{tag} was moved to {current.descriptor.digest} while the image was patched. What "
                    "this run built is not affected; look at who may push there."
                )
        # Some registries delete the manifest with its tag, and with it its other tags.
        for manifest in place.pushed if deleted else ():
            if tools.registry.find(original.at(manifest.descriptor.digest)) is None:
                _push(work, manifest, PatchTarget(tag=place.tag))
        if deleted and place.tagged is not None and tools.registry.find(original.tagged(place.tag)) is None:
            image = place.tagged
            tools.writer.push_manifest(original.tagged(place.tag), image.content, image.descriptor.media_type)
    except S3CError as error:
        tools.progress.note(f"Tags {place.temporary}… may stay in {original.name}: {error.what}")


def rejected_error(original: Reference, reference: Reference, why: str) -> OutsideError:
    """Return the error of a patch that is not accepted.

    Args:
        original: the image that was patched.
        reference: of the built image, pinned.
        why: in a clause.
    """
    return OutsideError(
        f"The patch of {original.name} did not work: {why}.",
        cause="The package sources in the image do not offer the fixed versions, or Copa upgraded something else.",
        remedy=f"What was built lies in the registry as {reference.digest}; it got no tag and is not handed on as "
        "patched. Look at the package sources in the image. `allow-partial` accepts a patch that fixes only some.",
        image=str(original),
    )
