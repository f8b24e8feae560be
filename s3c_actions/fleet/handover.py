"""What a run that patches hands on to a run that signs: a digest for each image, and nothing else.

Patching runs the image's own package manager, so the machine that does it has no key, and what it says is not believed:
the run that signs scans the digest, holds it against the gate and signs it, in the repository that the plan names.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec import Struct

from s3c_actions.core.reference import Reference, is_digest
from s3c_actions.fleet.plan import PlannedImage


class _Image(Struct, frozen=True):
    """What is read of an image's result; the rest of the entry is not looked at."""

    image: str
    verdict: str
    digest: str


class _Result(Struct, frozen=True):
    images: tuple[_Image, ...]


def take_digests(planned: Iterable[PlannedImage], contents: Iterable[bytes]) -> dict[str, Reference]:
    """Return planned image → what is to be signed for it; an image whose patch did not pass is left out.

    Args:
        planned: the images of a shard.
        contents: of the `result.json` files that its patching left; one that is no result hands nothing on.
    """
    digests: dict[str, set[str]] = {}
    for content in contents:
        try:
            result = msgspec.json.decode(content, type=_Result)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
        for entry in result.images:
            if entry.verdict == "passed" and is_digest(entry.digest):
                digests.setdefault(entry.image, set()).add(entry.digest)
    return {
        image.image: _place(image, next(iter(given)))
        for image in planned
        # Two digests for one image: at least one of them is not what was planned.
        if len(given := digests.get(image.image, set())) == 1
    }


def _place(image: PlannedImage, digest: str) -> Reference:
    """Return the place of a digest: the target that the image was copied to and patched in, or its own repository."""
    return (Reference.parse(image.target) if image.target else image.reference).at(digest)
