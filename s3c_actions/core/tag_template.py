"""Determine the tag of a patched image: a template over the original's tag, numbered or fixed."""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from s3c_actions.core.reference import Reference, is_tag

DEFAULT_TEMPLATE = "{tag}-{n}"
_FIELD = re.compile(r"\{(\w*)\}")
# Digits of a digest that distinguish the images of one repository.
_SHORT = 12


class TagTemplate(msgspec.Struct, frozen=True):
    """A tag with the fields `{tag}` (the original's tag, else the digest's first digits) and `{n}` (1, 2, …)."""

    text: str

    @classmethod
    def parse(cls, text: str) -> TagTemplate:
        """Parse a template.

        Raises:
            ValueError: with the clause that completes "… is not".
        """
        if set(_FIELD.findall(text)) - {"tag", "n"} or text.count("{n}") > 1:
            raise ValueError("a tag, or a template of {tag} and one {n}")
        if not is_tag(_FIELD.sub("1", text)):
            raise ValueError("a tag: it may hold letters, digits, _ . - and the fields {tag} and {n}")
        return cls(text)

    @property
    def numbered(self) -> bool:
        """Return whether each patch gets a number of its own."""
        return "{n}" in self.text

    def fill(self, original: Reference, number: int = 1) -> str:
        """Return the tag of one patch.

        Raises:
            ValueError: it is longer than a tag may be (128 characters).
        """
        tag = original.tag or original.digest.partition(":")[2][:_SHORT]
        filled = self.text.replace("{tag}", tag).replace("{n}", str(number))
        if not is_tag(filled):
            raise ValueError(f"{filled} is longer than a tag may be")
        return filled

    def taken(self, original: Reference, tags: Iterable[str]) -> dict[int, str]:
        """Return the existing tags of this template, by number, the highest first; a fixed name has the number 0."""
        if not self.numbered:
            name = self.fill(original)
            return {0: name} if name in tags else {}
        before, _, after = self.text.partition("{n}")
        tag = original.tag or original.digest.partition(":")[2][:_SHORT]
        pattern = re.compile(
            re.escape(before.replace("{tag}", tag)) + "([1-9][0-9]{0,8})" + re.escape(after.replace("{tag}", tag))
        )
        numbered_tags = {int(match[1]): match[0] for match in map(pattern.fullmatch, tags) if match}
        return dict(sorted(numbered_tags.items(), reverse=True))
