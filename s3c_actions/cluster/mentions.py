"""Find where manifests still name given images by tag: in variables, arguments and data, where nothing is replaced."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from s3c_actions.cluster.image_finder import ImageUse, is_scalar, scalar_text, sequence
from s3c_actions.cluster.image_paths import ITEM, Classifier, ImagePath, Path
from s3c_actions.cluster.manifests import ManifestFile, compose_documents
from s3c_actions.core.reference import DEFAULT_REGISTRY, Reference


def find_mentions(
    manifest: ManifestFile, names: Iterable[Reference], image_paths: Sequence[ImagePath] = ()
) -> tuple[ImageUse, ...]:
    """Return the texts of a manifest that name images of these repositories by tag, besides its known places.

    Args:
        manifest: as read.
        names: of the repositories; tag and digest are ignored.
        image_paths: places excluded by `image-paths` are passed over.
    """
    spelled = {spelling for name in names for spelling in _spellings(name)}
    if not spelled:
        return ()
    pattern = re.compile(
        rf"(?<![\w./@:-])(?:{'|'.join(map(re.escape, sorted(spelled)))}):[A-Za-z0-9_][\w.-]*(?![\w/@:-])"
    )
    places = (*manifest.uses, *manifest.candidates, *manifest.hook_uses)
    if all(any(use.start <= hit.start() <= use.end for use in places) for hit in pattern.finditer(manifest.text)):
        return ()
    known = {(use.line, use.image) for use in places}
    found = []
    for offset, line, root in compose_documents(manifest.text):
        for kind, name, path, node in _scalars(root, image_paths):
            hit, start = pattern.search(node.value), offset + node.start_mark.index
            if hit is None or any(hook.start <= start < hook.end for hook in manifest.left_out):
                continue
            use = ImageUse(
                line=line + node.start_mark.line + 1,
                kind=kind,
                name=name,
                namespace="",
                container="",
                path=path,
                image=hit[0],
                start=start,
                end=start,
                quote="",
                fixed=True,
            )
            if (use.line, node.value.strip()) not in known:
                found.append(use)
    return tuple(found)


def _spellings(name: Reference) -> Iterator[str]:
    """Yield how a repository is written; short names of Docker Hub are ordinary words, and are not searched."""
    yield name.name
    if name.registry == DEFAULT_REGISTRY and not name.repository.startswith("library/"):
        yield name.repository


def _scalars(root: Any, image_paths: Sequence[ImagePath]) -> Iterator[tuple[str, str, str, Any]]:
    """Yield the texts of a document's objects: kind, name, the place for people, and the node."""
    fields = _fields(root)
    kind, version = scalar_text(fields.get("kind")), scalar_text(fields.get("apiVersion"))
    items = sequence(fields.get("items"))
    if items is not None and kind.endswith("List"):
        for item in items:
            yield from _scalars(item, image_paths)
        return
    name = scalar_text(_fields(fields.get("metadata")).get("name"))
    classifier = Classifier(version.rpartition("/")[0], kind, image_paths)
    for path, scalar in _walk(root, ()):
        if path[:1] != ("status",) and not classifier.is_excluded(path):
            yield kind, name, ".".join(path).replace(f".{ITEM}", ITEM), scalar


def _walk(node: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    if is_scalar(node):
        yield path, node
    for item in sequence(node) or ():
        yield from _walk(item, (*path, ITEM))
    for name, value in _fields(node).items():
        yield from _walk(value, (*path, name))


def _fields(node: Any) -> Mapping[str, Any]:
    if node is None or node.id != "mapping":
        return {}
    return {key.value: value for key, value in node.value if is_scalar(key)}
