"""Inputs on the base of an image: which images count as one, and whose findings close the gate."""

from __future__ import annotations

import re

from s3c_actions.core.errors import InputError
from s3c_actions.core.reference import Reference
from s3c_actions.options.declare import Group, Input
from s3c_actions.options.parse import boolean, choice, integer, items

_GLOB = re.compile(r"[*?\[]")


def base_references(value: str) -> tuple[str, ...]:
    """Parse references and patterns of references."""
    entries = items(value)
    if not all(map(is_base_entry, entries)):
        raise ValueError("references, or patterns of them such as docker.io/library/*")
    return entries


def is_base_entry(entry: str) -> bool:
    """Return whether a text is a reference, or a pattern of `registry/repository` or `registry/repository:tag`."""
    if _GLOB.search(entry):
        return not re.search(r"[\s@]", entry) and len(entry) <= 300
    try:
        Reference.parse(entry)
    except InputError:
        return False
    return True


def names_registry(entry: str) -> bool:
    """Return whether an entry is of one registry: with another, whoever builds an image chooses where its base is."""
    first, slash, _ = entry.partition("/")
    return not _GLOB.search(first) if slash else entry != "*"


class BaseImageOptions(Group):
    """The base of the images."""

    base_image: Input[tuple[str, ...]] = Input(
        name="base-image",
        metavar="IMAGE,…",
        help="Images that count as a base: references (`python:3.12-slim`), or patterns (`docker.io/library/*`) for "
        "what annotations, the build's provenance or the Dockerfile name. Findings in the layers of the base are then "
        "counted apart. Without it, or where the image does not begin with those layers, all findings are its own.",
        parse=base_references,
        absent=(),
        example="docker.io/library/*",
        many=True,
    )
    scope = Input(
        name="scope",
        metavar="SCOPE",
        help="Whose findings close the gate of `fail-on`: `all`, or those of its `own` that did not come with the "
        "base (`base-image`). A policy has `scope` of its own.",
        parse=choice("all", "own"),
        default="all",
        choices=("all", "own"),
    )


class CandidateOptions(Group):
    """How many other bases are compared."""

    candidates = Input(
        name="candidates",
        metavar="NUMBER",
        help="Tags of the base's repository that are scanned and compared at most: the same tag as it is now, patch "
        "levels, newer minor and major versions, all of the same variant.",
        parse=integer(1, 20),
        default="6",
        absent=6,
    )


class BaseAdviceOptions(CandidateOptions):
    """Whether a scan compares the base with other tags."""

    base_advice = Input(
        name="base-advice",
        help="Scan other tags of the base (`base-image`) too, and say in comment and summary which would remove how "
        "many findings.",
        parse=boolean,
        default="false",
        absent=False,
        switch=True,
    )
