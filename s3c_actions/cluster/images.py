"""Choose the replacements of a manifest's images: by repository, and by tag where `NAME:TAG=REFERENCE` gives one."""

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
        name: the repository to replace, and with a tag only that tag. A digest is ignored. None with `placeholder`.
        image: the replacement.
        named: whether the name was given: `NAME=REFERENCE`.
        placeholder: a text to replace that is not a reference, such as `${IMAGE}`; else empty.
    """

    name: Reference | None
    image: Reference
    named: bool = False
    placeholder: str = ""

    @classmethod
    def parse(cls, text: str) -> Replacement:
        """Parse `REFERENCE`, which replaces its own repository, or `NAME=REFERENCE`, as in kustomize.

        Raises:
            InputError: naming the part that is not a reference.
        """
        name, equals, image = text.partition("=")
        if not equals:
            own = Reference.parse(text, field=FIELD)
            return cls(name=own.tagged(""), image=own)
        if not (name and image):
            raise InputError(
                FIELD,
                f"{quote_value(text)} is not NAME=REFERENCE: a side of it is empty.",
                remedy="Give `registry/app=registry/app@sha256:…`, or the reference alone.",
            )
        new = Reference.parse(image, field=FIELD)
        try:
            return cls(name=Reference.parse(name, field=FIELD), image=new, named=True)
        except InputError:
            return cls(name=None, image=new, named=True, placeholder=name)

    @property
    def shown(self) -> str:
        """Return what is replaced, for people."""
        return str(self.name) if self.name is not None else self.placeholder


def find_replacement(image: Reference | str, replacements: Iterable[Replacement]) -> Replacement | None:
    """Return the replacement for an image of a manifest; None when there is none.

    `NAME:TAG=REFERENCE` takes precedence over a name without a tag, and matches no other tag.

    Args:
        image: as written; its tag may be a placeholder, such as `registry/app:${TAG}`.
        replacements: to choose from.

    Raises:
        InputError: several match that are not the same image.
    """
    written = str(image)
    name = image if isinstance(image, Reference) else parse_name(image)
    candidates = list(replacements)
    matching = [replacement for replacement in candidates if replacement.placeholder == written]
    if name is not None and not matching:
        same = [
            candidate for candidate in candidates if candidate.name is not None and candidate.name.name == name.name
        ]
        tagged = [candidate for candidate in same if candidate.name is not None and candidate.name.tag]
        untagged = [candidate for candidate in same if candidate not in tagged]
        matching = [
            candidate for candidate in tagged if candidate.name is not None and candidate.name.tag == name.tag
        ] or ([candidate for candidate in untagged if candidate.named] or untagged)
        if len({candidate.image for candidate in matching}) > 1 and name.tag:
            # Several images of one repository by their tags: each for its own.
            matching = [
                candidate for candidate in matching if not candidate.named and candidate.image.tag == name.tag
            ] or matching
    if len({replacement.image for replacement in matching}) > 1:
        raise InputError(
            FIELD,
            f"{image} could become any of {', '.join(str(replacement.image) for replacement in matching)}.",
            remedy="Say which by its tag: `repository:tag=reference`.",
            image=written,
        )
    return matching[0] if matching else None


def parse_name(text: str) -> Reference | None:
    """Return the image of a text; without its tag and digest where these are placeholders; None: it names none."""
    for part in (text, _without_tag(text)):
        try:
            return Reference.parse(part)
        except InputError:
            continue
    return None


def _without_tag(text: str) -> str:
    name = text.partition("@")[0]
    # A placeholder may have a slash or a colon in it: `app:{{ .Values.tag | default "a/b" }}`, `app:${TAG:-1}`.
    head = name.partition("$")[0].partition("{")[0].partition("<")[0]
    slash = head.rfind("/")
    colon = head.find(":", slash + 1)
    return name[:colon] if colon >= 0 else name
