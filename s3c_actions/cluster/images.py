"""Choose the replacements of a manifest's images: by repository, and by tag where one is given."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from s3c_actions.core.errors import InputError
from s3c_actions.core.pasted_content import quote_value
from s3c_actions.core.reference import Reference

FIELD = "image"


class Replacement(msgspec.Struct, frozen=True, kw_only=True):
    """An image to deploy.

    Attributes:
        name: the repository to replace, and with a tag only that tag. A digest is ignored.
        image: the replacement.
    """

    name: Reference
    image: Reference

    @classmethod
    def parse(cls, text: str) -> Replacement:
        """Parse `REFERENCE`, which replaces its own repository (and tag), or `NAME=REFERENCE`, as in kustomize.

        Raises:
            InputError: naming the part that is not a reference.
        """
        name, equals, image = text.partition("=")
        if equals and not (name and image):
            raise InputError(
                FIELD,
                f"{quote_value(text)} is not NAME=REFERENCE: a side of it is empty.",
                remedy="Give `registry/app=registry/app@sha256:…`, or the reference alone.",
            )
        new = Reference.parse(image if equals else text, field=FIELD)
        return cls(name=Reference.parse(name, field=FIELD) if equals else new, image=new)


def find_replacement(image: Reference, replacements: Iterable[Replacement]) -> Replacement | None:
    """Return the replacement for an image of a manifest; None when there is none.

    One with the image's own tag takes precedence over one without a tag. One with another tag does not match.

    Raises:
        InputError: several match that are not the same image.
    """
    same = [replacement for replacement in replacements if replacement.name.name == image.name]
    matching = [replacement for replacement in same if replacement.name.tag and replacement.name.tag == image.tag] or [
        replacement for replacement in same if not replacement.name.tag
    ]
    if len({replacement.image for replacement in matching}) > 1:
        raise InputError(
            FIELD,
            f"{image} could become any of {', '.join(str(replacement.image) for replacement in matching)}.",
            remedy="Say which by its tag: `repository:tag=reference`.",
            image=str(image),
        )
    return matching[0] if matching else None
