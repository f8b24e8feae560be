"""Which image of a manifest is replaced by which: by repository, and by tag where one is given."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from s3c_actions.core.errors import InputError
from s3c_actions.core.pasted import quoted
from s3c_actions.core.reference import Reference

FIELD = "image"


class Replacement(msgspec.Struct, frozen=True, kw_only=True):
    """An image to deploy.

    Attributes:
        name: what it replaces: the repository, and with a tag only that tag. A digest does not count.
        image: what stands there instead.
    """

    name: Reference
    image: Reference

    @classmethod
    def parse(cls, text: str) -> Replacement:
        """Read `REFERENCE`, which replaces its own repository (and tag), or `NAME=REFERENCE`, as kustomize has it.

        Raises:
            InputError: naming the part that is no reference.
        """
        name, equals, image = text.partition("=")
        if equals and not (name and image):
            raise InputError(
                FIELD,
                f"{quoted(text)} is not NAME=REFERENCE: a side of it is empty.",
                remedy="Give `registry/app=registry/app@sha256:…`, or the reference alone.",
            )
        new = Reference.parse(image if equals else text, field=FIELD)
        return cls(name=Reference.parse(name, field=FIELD) if equals else new, image=new)


def choose(image: Reference, replacements: Iterable[Replacement]) -> Replacement | None:
    """The replacement for an image of a manifest; None when there is none.

    The one with the image's own tag comes before one without a tag. One with another tag does not match.

    Raises:
        InputError: several match that are not the same image.
    """
    same = [one for one in replacements if one.name.name == image.name]
    matching = [one for one in same if one.name.tag and one.name.tag == image.tag] or [
        one for one in same if not one.name.tag
    ]
    if len({one.image for one in matching}) > 1:
        raise InputError(
            FIELD,
            f"{image} could become any of {', '.join(str(one.image) for one in matching)}.",
            remedy="Say which by its tag: `repository:tag=reference`.",
            image=str(image),
        )
    return matching[0] if matching else None
