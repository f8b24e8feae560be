"""Find where manifests still name images by tag: in variables, arguments and data, where nothing is replaced.

Of the given images every mention counts, also within a text. Any other text counts where all of it is an image of a
registry with a tag, perhaps behind `--flag=`, `NAME=` or `docker://`, or where it is the value of a variable such as
`RELATED_IMAGE_PROXY`.
"""

from __future__ import annotations

import itertools
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from s3c_actions.cluster import images
from s3c_actions.cluster.image_finder import ImageUse, find_alias, is_scalar, scalar_text, sequence
from s3c_actions.cluster.image_paths import ITEM, Classifier, ImagePath, Path
from s3c_actions.cluster.manifests import ManifestFile, compose_documents
from s3c_actions.core.errors import InputError
from s3c_actions.core.reference import DEFAULT_REGISTRY, Reference

_TAG = r"[A-Za-z0-9_][\w.-]*+"
# KubeVirt's importer has images behind it. Behind `oci://` may be a chart, so that given images alone are looked for.
_DOCKER = "docker://"
_START = r"(?<![\w./@:-])"
# The registry is named, so that no other text with a colon is taken for an image; of a taint, the tag is an effect.
_IMAGE = re.compile(
    rf"(?:{_START}|(?<={_DOCKER}))(?:[\w-]++\.[\w.-]*+(?::\d++)?|[\w-]++:\d++|localhost)(?:/[a-z0-9][\w.-]*+)++"
    rf":(?!(?:Prefer)?No(?:Schedule|Execute)\b){_TAG}(?![\w/@:-])",
    re.ASCII,
)
_OPTION = re.compile(r"-{0,2}[\w./-]++=", re.ASCII)
# https://sdk.operatorframework.io/docs/best-practices/: variables of an operator's images are RELATED_IMAGE_NAME.
_VARIABLE = re.compile(r"RELATED_IMAGE_\w+|(?:\w*_)?IMAGE", re.ASCII)


def find_mentions(
    manifest: ManifestFile, names: Iterable[Reference], image_paths: Sequence[ImagePath] = ()
) -> tuple[ImageUse, ...]:
    """Return the texts of a manifest that name images by tag, besides its known places.

    Args:
        manifest: as read.
        names: of the given images' repositories; tag and digest are ignored.
        image_paths: places excluded by `image-paths` are passed over.
    """
    spelled = sorted({spelling for name in names for spelling in _spellings(name)})
    given = (
        re.compile(
            rf"(?:{_START}|(?<={_DOCKER})|(?<=oci://))(?:{'|'.join(map(re.escape, spelled))}):{_TAG}(?![\w/@:-])"
        )
        if spelled
        else None
    )
    # A text such as `name=image` stands where an image may, and is none.
    named = (use for use in manifest.candidates if use.fixed or images.parse_name(use.image) is not None)
    places = (*manifest.uses, *named, *manifest.hook_uses)
    hits = itertools.chain.from_iterable(
        pattern.finditer(manifest.text) for pattern in (given, _IMAGE, _VARIABLE) if pattern
    )
    spans = sorted((use.start, use.end) for use in places)
    starts, ends = [start for start, _ in spans], list(itertools.accumulate((end for _, end in spans), max))

    begins = frozenset(starts)

    def is_known(position: int) -> bool:
        before = bisect_right(starts, position)
        return before > 0 and position <= ends[before - 1]

    def is_place(start: int, end: int) -> bool:
        # Before a place's own characters may be a tag.
        following = bisect_left(starts, start)
        return following < len(starts) and starts[following] < max(end, start + 1)

    def is_replaced(start: int, offset: int, key: Any) -> bool:
        """Return whether it is an alias, and a place."""
        return (
            key is not None and start < offset + key.index and find_alias(manifest.text, offset + key.index) in begins
        )

    if all(is_known(hit.start()) for hit in hits):
        return ()
    seen: set[int] = set()
    mentions = []
    for offset, line, root in compose_documents(manifest.text):
        for kind, name, path, node, variable, key in _scalars(root, image_paths):
            start = offset + node.start_mark.index
            # An alias is visited as the text that it stands for.
            if start in seen or is_place(start, offset + node.end_mark.index) or is_replaced(start, offset, key):
                continue
            hit = given.search(node.value) if given else None
            image = hit[0] if hit else _tagged_image(node.value, variable) if path[:1] != ("metadata",) else ""
            if not image or any(hook.start <= start < hook.end for hook in manifest.left_out):
                continue
            use = ImageUse(
                line=line + node.start_mark.line + 1,
                kind=kind,
                name=name,
                namespace="",
                container="",
                path=".".join(path).replace(f".{ITEM}", ITEM),
                image=image,
                start=start,
                end=start,
                quote="",
                fixed=True,
            )
            seen.add(start)
            mentions.append(use)
    return tuple(mentions)


def _spellings(name: Reference) -> Iterator[str]:
    """Yield how a repository is written; short names of Docker Hub are ordinary words, and are not searched."""
    yield name.name
    if name.registry == DEFAULT_REGISTRY and not name.repository.startswith("library/"):
        yield name.repository


def _tagged_image(text: str, variable: str) -> str:
    """Return the image that a text is, if it is one with a tag; else an empty text."""
    image = text.strip().removeprefix(_DOCKER)
    if not _VARIABLE.fullmatch(variable):
        prefix = _OPTION.match(image)
        image = image[prefix.end() :] if prefix else image
        if not _IMAGE.fullmatch(image):
            return ""
    try:
        named = Reference.parse(image)
    except InputError:
        return ""
    return image if named.tag and not named.digest else ""


def _scalars(root: Any, image_paths: Sequence[ImagePath]) -> Iterator[tuple[str, str, Path, Any, str, Any]]:
    """Yield the texts of a document's objects.

    Yields:
        Kind, name, place, node, the variable that it is the value of, and where its key ends.
    """
    fields = _values(root)
    kind, version = scalar_text(fields.get("kind")), scalar_text(fields.get("apiVersion"))
    items = sequence(fields.get("items"))
    if items is not None and kind.endswith("List"):
        for item in items:
            yield from _scalars(item, image_paths)
        return
    name = scalar_text(_values(fields.get("metadata")).get("name"))
    classifier = Classifier(version.rpartition("/")[0], kind, image_paths)
    for path, scalar, variable, key in _walk(root, ()):
        if path[:1] != ("status",) and not classifier.is_excluded(path):
            yield kind, name, path, scalar, variable, key


def _walk(node: Any, path: Path, variable: str = "", key: Any = None) -> Iterator[tuple[Path, Any, str, Any]]:
    if is_scalar(node):
        yield path, node, variable, key
    for item in sequence(node) or ():
        yield from _walk(item, (*path, ITEM))
    fields = _fields(node)
    for name, (end, value) in fields.items():
        variable = scalar_text(fields["name"][1]) if name == "value" and "name" in fields else name
        yield from _walk(value, (*path, name), variable, end)


def _fields(node: Any) -> Mapping[str, tuple[Any, Any]]:
    """Return where each key of a mapping ends, and its value."""
    if node is None or node.id != "mapping":
        return {}
    return {key.value: (key.end_mark, value) for key, value in node.value if is_scalar(key)}


def _values(node: Any) -> Mapping[str, Any]:
    return {name: value for name, (_, value) in _fields(node).items()}
