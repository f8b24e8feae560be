"""Find the patches of an image that earlier runs pushed, by tag, layers and configuration; no scan is made.

It says what the images are, not who built them: whoever uses one looks at its signature.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from s3c_actions.core.errors import S3CError
from s3c_actions.registry import patch_detection
from s3c_actions.registry.content import normalize_platform
from s3c_actions.steps.patching import base_layers

if TYPE_CHECKING:
    from s3c_actions.core.reference import Reference
    from s3c_actions.core.tag_template import TagTemplate
    from s3c_actions.registry import ImageConfig, Registry

LOOK_BACK = 3
"""How many patches are looked at, the newest first."""


def find_patches(
    original: Reference, tags: Iterable[str], template: TagTemplate, registry: Registry, place: Reference
) -> Iterator[tuple[str, Reference]]:
    """Yield tag and pinned reference of each patch of an image, the newest first.

    Args:
        original: with its digest, and the tag that it was patched by.
        tags: of the repository that patches are pushed to.
        template: of the tags of patches.
        registry: of both repositories.
        place: the repository that patches are pushed to.

    Raises:
        InputError: the original is there no more.
        OutsideError: the registry could not be reached, or gave an invalid answer about the original.
    """
    taken = [tag for tag in template.taken(original, tags).values() if tag != original.tag][:LOOK_BACK]
    if not taken:
        return
    platforms = _platforms(original.at(original.digest), registry)
    for tag in taken:
        try:
            descriptor = registry.resolve(place.tagged(tag))
            patched = _platforms(place.at(descriptor.digest), registry)
            is_patch = patched.keys() == platforms.keys() and all(
                _is_patch(patched[name], platforms[name], original, registry) for name in platforms
            )
        except S3CError:  # anyone may have pushed something to that tag
            continue
        if is_patch:
            yield tag, place.at(descriptor.digest)


def _platforms(reference: Reference, registry: Registry) -> dict[str, ImageConfig]:
    """Return platform → configuration of an image, or of each image of an index."""
    descriptor = registry.resolve(reference)
    entries = registry.flatten(reference, descriptor).images if descriptor.is_index else (descriptor,)
    configs = {}
    for entry in entries:
        config = registry.config(reference.at(entry.digest))
        configs[normalize_platform(entry.platform or config.platform)] = config
    return configs


def _is_patch(patched: ImageConfig, original: ImageConfig, reference: Reference, registry: Registry) -> bool:
    """Return whether an image is another one, or that one with layers on top of its own or its base's."""
    if patched.manifest == original.manifest:
        return True  # Copa does not change a platform that has nothing to patch
    if patch_detection.configuration_difference(patched, original):
        return False
    foundations = base_layers(reference, original, registry)
    return any(patch_detection.count_added_layers(patched, base) > 0 for base in foundations)
