"""Find the images in objects as the API server gets them, for a comparison with those found in the text.

What is verified is what cluster/image_finder.py finds in the nodes of the YAML; what is applied is what the loader
makes of the same text. A text that the two read differently would deploy an image that nobody has looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from s3c_actions.cluster import image_paths, image_places
from s3c_actions.cluster.image_paths import ITEM, Certainty, Classifier, ImagePath, Path


def find_images(document: Mapping[str, Any], paths: Sequence[ImagePath] = ()) -> Iterator[str]:
    """Yield the images of an object, at every place that surely names one.

    Args:
        document: as the API server gets it; no list of objects.
        paths: places of images in custom kinds, besides those that are known.
    """
    group, kind = str(document["apiVersion"]).rpartition("/")[0], str(document["kind"])
    if image_paths.is_own_group(group):
        for template in image_places.TEMPLATE_PATHS:
            pod: Any = document
            for step in template:
                pod = pod.get(step) if isinstance(pod, Mapping) else None
            if isinstance(pod, Mapping):
                yield from (named.image for named in image_places.pod_images(pod) if named.image.strip())
    classifier = Classifier(group, kind, paths)
    if classifier.is_extended or not image_paths.is_own_group(group):
        yield from _walk(document, (), classifier)


def _walk(value: object, path: Path, classifier: Classifier) -> Iterator[str]:
    if isinstance(value, str):
        if value.strip() and classifier.classify(path) is Certainty.IMAGE:
            yield value.strip()
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _walk(inner, (*path, name), classifier)
    elif isinstance(value, list):
        for inner in value:
            yield from _walk(inner, (*path, ITEM), classifier)
