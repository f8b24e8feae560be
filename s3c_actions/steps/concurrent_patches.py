"""Two runs that patch one image at the same time: one of their patches is signed, and both hand it on.

Registries have no conditional write, so that the numbers of the tags decide: the run whose number is lower, or whose
digest a tag of both names in the end, signs its patch; the other waits for that signature and uses that patch. Its own
stays unsigned. Where the first was killed in between, the wait ends and the other signs its own.

It cannot be excluded that two runs set the same tag within the time of one request: both then sign, and the tag names
one of the two.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from s3c_actions.core.errors import OutsideError
from s3c_actions.registry import Manifest
from s3c_actions.steps.patching import PatchWork, match_images

_LOOK = 2.0
"""Seconds between two looks for a signature; each is a process."""


def find_rivals(work: PatchWork, known: Mapping[int, str], *, tag: str = "", digest: str = "") -> dict[int, str]:
    """Return the tags of patches that other runs have pushed meanwhile and that go before this run's, by number.

    Args:
        work: the original.
        known: the tags of the template that existed when this run began, by number.
        tag: that this run has set; empty before it sets one, and then every other goes before it.
        digest: of this run's patch.

    Raises:
        OutsideError: the registry failed.
    """
    template, original, registry = work.settings.tag, work.original, work.tools.registry
    if work.tools.vouched is None or not template.numbered:
        return {}
    own = next(iter(template.taken(original, (tag,)))) if tag else None
    rivals = {}
    for number, name in sorted(template.taken(original, registry.tags(original)).items()):
        if name == tag:
            current = registry.find(original.tagged(name))
            if current is not None and current.descriptor.digest != digest:
                rivals[number] = name  # set again by a run that had found it free
        elif number not in known and (own is None or number < own):
            rivals[number] = name
    return rivals


def wait_for_signature(work: PatchWork, rivals: Mapping[int, str]) -> dict[int, str]:
    """Return the first of these tags whose image is a patch of the original that a trusted signature covers.

    Args:
        work: the original.
        rivals: tags, by number.

    Returns:
        Number and tag; nothing when none is signed in time.

    Raises:
        S3CError: it could not be determined whether one is signed.
    """
    tools, vouched = work.tools, work.tools.vouched
    patches = {number: tag for number, tag in rivals.items() if _is_patch(work, tag)}
    if vouched is None or not patches:
        return {}
    tools.progress.note(f"another run patched {work.original} at the same time: waiting for its signature")
    ends = time.monotonic() + tools.patience
    while True:
        for number, tag in patches.items():
            manifest = _find(work, tag)
            if manifest is not None and vouched(work.original.at(manifest.descriptor.digest).pinned):
                return {number: tag}
        if time.monotonic() + _LOOK > ends:
            return {}
        time.sleep(_LOOK)


def _is_patch(work: PatchWork, tag: str) -> bool:
    manifest = _find(work, tag)
    return manifest is not None and bool(match_images(work, manifest)[0])


def _find(work: PatchWork, tag: str) -> Manifest | None:
    try:
        return work.tools.registry.find(work.original.tagged(tag))
    except OutsideError:
        return None  # anyone may have pushed something there that is no image
