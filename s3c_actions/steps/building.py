"""Pushes a patched image: first under a tag that nobody can guess, and under its own when it has been accepted.

What was built is known by the digest that the build reports. A tag says only what somebody pushed last.
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
from s3c_actions.core.reference import Reference, is_digest
from s3c_actions.core.text import plural, short_digest
from s3c_actions.registry import OCI_INDEX, Manifest
from s3c_actions.registry.content import digest_of, manifest_of, unbelievable
from s3c_actions.steps.patching import Part, Work, images_of, patchable, unlike

# Other runs may take numbers while this one patches; more than a few mean that somebody takes all of them.
_MOST_NUMBERS = 10
TEMPORARY = "s3c-"
"""Begins the tag that an image is pushed under until it has been accepted; 128 random bits follow."""
_VERSION = "org.opencontainers.image.version"
_CREATED = "org.opencontainers.image.created"
_PATCHED = "sh.copa.patched"


class Place(msgspec.Struct, kw_only=True):
    """Where a new patch goes, and what is in the registry because of it.

    Attributes:
        tag: it is to have; `held` is the digest that the tag stands for before, empty when there is no such tag.
        temporary: tag that it is pushed under; of an index, what the tags pushed begin with.
        pushed: every manifest pushed so far.
        tagged: what the tag was set to; None until then.
    """

    tag: str
    held: str = ""
    temporary: str = msgspec.field(default_factory=lambda: TEMPORARY + secrets.token_hex(16))
    pushed: list[Manifest] = msgspec.field(default_factory=list)
    tagged: Manifest | None = None


class Built(msgspec.Struct, frozen=True, kw_only=True):
    """A patched image: an index, or the one image; `images` are those of the original's parts, in their order."""

    manifest: Manifest
    reference: Reference
    images: list[Reference]


def place(work: Work, taken: Mapping[int, str]) -> Place:
    """Where a new patch may go; never a tag that stands for another image, unless that is asked for.

    Args:
        work: the original.
        taken: the tags there are of the template.

    Raises:
        InputError: the tag may not be used, or is too long.
        OutsideError: the registry failed.
    """
    template, original, registry = work.settings.tag, work.original, work.tools.registry
    number = max(taken, default=0) + 1
    try:
        tag = template.fill(original, number)
        there = registry.find(original.tagged(tag))
        while there is not None and template.numbered:  # taken since the tags were listed
            number += 1
            tag = template.fill(original, number)
            there = registry.find(original.tagged(tag))
    except ValueError as error:
        raise InputError("patched-tag", f"{error}.", remedy="Give a shorter template.", image=str(original)) from None
    if there is None:
        return Place(tag=tag)
    held = there.descriptor.digest
    if work.settings.overwrite:
        return Place(tag=tag, held=held)
    remedy = "Use {n} in it, or say that it may be replaced with `overwrite-tag`."
    if tag == original.tag:
        raise InputError("patched-tag", f"{tag} is the original's own tag.", remedy=remedy, image=str(original))
    images, why = images_of(work, there)
    if not images:
        raise InputError(
            "patched-tag",
            f"{tag} stands for another image in {original.name} ({held}).",
            cause=f"It is not a patch of this original: {why}.",
            remedy=remedy,
            image=str(original),
        )
    return Place(tag=tag, held=held)


def build(work: Work, at: Place) -> Built:
    """Patch every part that has something to patch, and push what comes of it without its tag.

    Args:
        work: the original.
        at: where it goes; what is pushed is added to it.

    Raises:
        OutsideError: Copa or the registry failed, or what was built is no patch of the original.
    """
    original, library = work.original, work.settings.library
    with work.tools.progress.step("patch") as step:
        manifests = []
        for part in work.parts:
            if work.several and not patchable(part.before.report, library):
                manifests.append(work.tools.registry.manifest(part.reference))
                continue
            manifests.append(_versioned(work, part, _built(work, part, at), at))
        image = manifests[0]
        if work.several:
            image = _pushed(work, _listing(work, manifests, at.tag), at)
        packages = {finding.package for part in work.parts for finding in patchable(part.before.report, library)}
        count = f"{len(packages)} {plural(len(packages), 'package')}"
        step.done(f"{count} upgraded → {original.short} @ {short_digest(image.descriptor.digest)}")
    return Built(
        manifest=image,
        reference=original.at(image.descriptor.digest),
        images=[original.at(one.descriptor.digest) for one in manifests],
    )


def _built(work: Work, part: Part, at: Place) -> Manifest:
    """Patch one part, and read what was built by the digest that the build reported."""
    original, tools = work.original, work.tools
    if work.several:
        # With the report of one platform alone, Copa patches that one, and reports its digest.
        folder = Path(tempfile.mkdtemp(prefix="s3c-reports-", dir=work.settings.temp))
        try:
            shutil.copyfile(part.before.trivy_json, folder / f"{part.name}.json")
            digest = tools.patch(original.at(original.digest), folder, at.temporary)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    else:
        digest = tools.patch(part.reference, part.before.trivy_json, at.temporary)
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
    at.pushed.append(manifest)
    why = "it is an index" if manifest.descriptor.is_index else ""
    why = why or unlike(tools.registry.config(original.at(digest)), part)
    if why:
        raise rejected(original, original.at(digest), why)
    return manifest


def _versioned(work: Work, part: Part, manifest: Manifest, at: Place) -> Manifest:
    """The manifest with the right version: Copa makes an annotation of the tag that it pushes to."""
    annotations = manifest.descriptor.annotations
    if at.temporary not in annotations.get(_VERSION, ""):
        return manifest
    before = work.tools.registry.manifest(part.reference).descriptor.annotations.get(_VERSION, "")
    document = {**manifest.document, "annotations": {**annotations, _VERSION: _version(before, at.tag)}}
    return _pushed(work, _manifest(work, document, manifest.descriptor.media_type), at)


def _version(before: str, tag: str) -> str:
    """The version of a patched image, as Copa makes it of the original's and the tag."""
    return tag if before in tag else f"{before}-{tag}"


def _listing(work: Work, manifests: list[Manifest], tag: str) -> Manifest:
    """The original's index with the patched images in place of its own.

    Copa's own index is not taken: Copa looks its entries up by tag. Attestations are left out, as by Copa: they are of
    the original.
    """
    index = work.index
    new = {part.reference.digest: one.descriptor for part, one in zip(work.parts, manifests, strict=True)}
    entries = [
        {**entry, "digest": made.digest, "size": made.size, "mediaType": made.media_type}
        for entry in index.document["manifests"]
        if (made := new.get(entry["digest"])) is not None
    ]
    kind = OCI_INDEX if any("oci" in one["mediaType"] for one in entries) else index.descriptor.media_type
    document: dict[str, Any] = {"schemaVersion": 2, "mediaType": kind, "manifests": entries}
    if kind == OCI_INDEX:
        stamp = work.tools.now.strftime("%Y-%m-%dT%H:%M:%SZ")
        annotations = {**index.descriptor.annotations, _CREATED: stamp, _PATCHED: stamp}
        if _VERSION in annotations:
            annotations[_VERSION] = _version(annotations[_VERSION], tag)
        document["annotations"] = annotations
    return _manifest(work, document, kind)


def _manifest(work: Work, document: Mapping[str, Any], media_type: str) -> Manifest:
    content = json.dumps(document).encode()
    refuse = partial(unbelievable, work.original)
    return manifest_of(content, refuse, digest=digest_of(content), media_type=media_type)


def _pushed(work: Work, manifest: Manifest, at: Place) -> Manifest:
    target = work.original.at(manifest.descriptor.digest)
    work.tools.writer.push_manifest(target, manifest.content, manifest.descriptor.media_type)
    at.pushed.append(manifest)
    return manifest


def set_tag(work: Work, image: Manifest, at: Place) -> str:
    """Set the tag of a patch that was accepted.

    Registries know no condition for this: what moves the tag in the moment between the look and the push is replaced.
    The digest handed on is the same either way.

    Args:
        work: the original.
        image: the patch.
        at: where it goes.

    Returns:
        The tag: with the next number when somebody took this one.

    Raises:
        OutsideError: the tag no longer stands for what was to be replaced, or the registry failed.
    """
    template, original, registry = work.settings.tag, work.original, work.tools.registry
    tag, held, number, now = at.tag, at.held, 0, ""
    for _ in range(_MOST_NUMBERS):
        there = registry.find(original.tagged(tag))
        now = there.descriptor.digest if there is not None else ""
        if now in (held, image.descriptor.digest):
            work.tools.writer.push_manifest(original.tagged(tag), image.content, image.descriptor.media_type)
            at.tag, at.tagged = tag, image
            return tag
        if not template.numbered:
            break
        number = max([number, *template.taken(original, registry.tags(original))]) + 1
        tag, held = template.fill(original, number), ""
    raise OutsideError(
        f"Tag {tag} of {original.name} was {f'moved to {now}' if now else 'deleted'} while the image was patched.",
        cause="Somebody else pushed there at this moment.",
        remedy=f"It was left alone. Run this again, so that what is there now is patched; what was built lies there as "
        f"{image.descriptor.digest}.",
        image=str(original),
    )


def clean_up(work: Work, at: Place) -> None:
    """Delete the temporary tags where the registry lets us; what they stood for stays.

    A failure is only noted: the tags do no harm.

    Args:
        work: the original.
        at: where the patch went.
    """
    original, tools = work.original, work.tools
    mine = {one.descriptor.digest for one in at.pushed}
    originals = {part.reference.digest for part in work.parts}
    deleted = False
    try:
        for tag in tools.registry.tags(original):
            there = tools.registry.find(original.tagged(tag)) if tag.startswith(at.temporary) else None
            if there is None:
                continue
            # Copa's index lists what it built beside the original's other platforms.
            listed = {one.digest for one in there.descriptor.images}
            if (listed <= mine | originals) if listed else (there.descriptor.digest in mine):
                deleted = tools.writer.delete_tag(original.tagged(tag)) or deleted
            elif mine:
                tools.progress.warning(
                    f"{original.name}:{tag} was moved to {there.descriptor.digest} while the image was patched. What "
                    "this run built is not affected; look at who may push there."
                )
        # Some registries delete the manifest with its tag, and then the other tags of it.
        for one in at.pushed if deleted else ():
            if tools.registry.find(original.at(one.descriptor.digest)) is None:
                _pushed(work, one, Place(tag=at.tag))
        if deleted and at.tagged is not None and tools.registry.find(original.tagged(at.tag)) is None:
            image = at.tagged
            tools.writer.push_manifest(original.tagged(at.tag), image.content, image.descriptor.media_type)
    except S3CError as error:
        tools.progress.note(f"Tags {at.temporary}… may stay in {original.name}: {error.what}")


def rejected(original: Reference, reference: Reference, why: str) -> OutsideError:
    """The error of a patch that is not handed on.

    Args:
        original: that was patched.
        reference: of what was built, pinned.
        why: in a clause.
    """
    return OutsideError(
        f"The patch of {original.name} did not work: {why}.",
        cause="The package sources in the image do not offer the fixed versions, or Copa upgraded something else.",
        remedy=f"What was built lies in the registry as {reference.digest}; it got no tag and is not handed on as "
        "patched. Look at the package sources in the image. `allow-partial` accepts a patch that mends only some.",
        image=str(original),
    )
