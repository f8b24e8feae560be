"""Decide whether an image is another one with a patch on top, by the layers and the configuration of both.

This says what an image is, not who built it: anyone who may push can build an image that passes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from s3c_actions.registry.content import ImageConfig

# Fields that an exporter rewrites, or that are compared elsewhere (layers, platform).
_REWRITTEN = frozenset({"created", "history", "rootfs", "variant", "moby.buildkit.cache.v0"})
# Copa writes `labels` where the original has none.
_LABELS = frozenset({"Labels", "labels"})
_BASE_LABEL = "BaseImage"


def platform_without_variant(name: str) -> str:
    """Return `os/architecture[/variant]` without the variant that every arm64 image has.

    Args:
        name: as in a configuration or an index.
    """
    return name.removesuffix("/v8") if name.endswith("/arm64/v8") else name


def configuration_difference(patched: ImageConfig, original: ImageConfig) -> str:
    """Return the first field in which the configuration of a patched image differs from its original.

    Everything is compared but the history, the layers, the labels and the time of creation: entry point, user,
    environment and the like.

    Args:
        patched: the image.
        original: the image it should be a patch of.

    Returns:
        Such as `config.Entrypoint`; empty when there is none.
    """
    patched_fields, original_fields = _compared_fields(patched.document), _compared_fields(original.document)
    paths = sorted(patched_fields.keys() | original_fields.keys())
    missing = object()
    return next(
        (".".join(path) for path in paths if patched_fields.get(path, missing) != original_fields.get(path, missing)),
        "",
    )


def _compared_fields(document: Mapping[str, Any]) -> dict[tuple[str, ...], Any]:
    """Return the compared fields, by their path in the document."""
    fields: dict[tuple[str, ...], Any] = {}
    fields |= {(name,): value for name, value in document.items() if name not in _REWRITTEN | {"config"}}
    # Readers in Go match names regardless of case: every other name is compared.
    for name, left_out in (("config", _LABELS), ("rootfs", frozenset({"diff_ids"}))):
        inner = document.get(name)
        if isinstance(inner, dict):
            fields |= {(name, key): value for key, value in inner.items() if key not in left_out}
        else:
            fields[name,] = inner
    return fields


def count_added_layers(patched: ImageConfig, base: tuple[str, ...]) -> int:
    """Return how many layers an image has on top of a base.

    Args:
        patched: the image.
        base: digests of uncompressed layers, the lowest first.

    Returns:
        Their number; -1 when the image does not begin with those layers.
    """
    return len(patched.diff_ids) - len(base) if base and patched.diff_ids[: len(base)] == base else -1


def base_image(config: ImageConfig) -> str:
    """Return the image that Copa's label names as the one that was patched, verbatim; empty without the label.

    Args:
        config: of an image; the label is only a claim.
    """
    own = config.document.get("config")
    labels: dict[str, Any] = {}
    for name in sorted(_LABELS):
        value = own.get(name) if isinstance(own, dict) else None
        labels |= value if isinstance(value, dict) else {}
    base = labels.get(_BASE_LABEL)
    return base if isinstance(base, str) else ""
