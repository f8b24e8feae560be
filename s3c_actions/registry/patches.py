"""Whether an image is another one with a patch on top, by the layers and the configuration of both.

This says what an image is, not who made it: whoever may push can make one that passes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from s3c_actions.registry.content import ImageConfig

# What an exporter writes anew, or is compared elsewhere (layers, platform).
_REWRITTEN = frozenset({"created", "history", "rootfs", "variant", "moby.buildkit.cache.v0"})
# Copa writes `labels` where the original has none.
_LABELS = frozenset({"Labels", "labels"})
_BASE_LABEL = "BaseImage"


def platform(name: str) -> str:
    """`os/architecture[/variant]` with the variant left out that every arm64 image has.

    Args:
        name: as a configuration or an index has it.
    """
    return name.removesuffix("/v8") if name.endswith("/arm64/v8") else name


def difference(patched: ImageConfig, original: ImageConfig) -> str:
    """The first field in which a patched image is configured otherwise than its original.

    Everything counts but the history, the layers, the labels and the time of creation: how it starts, as whom, with
    which environment.

    Args:
        patched: the image.
        original: what it should be a patch of.

    Returns:
        Such as `config.Entrypoint`; empty when there is none.
    """
    mine, theirs = _compared(patched.document), _compared(original.document)
    places = sorted(mine.keys() | theirs.keys())
    missing = object()
    return next((".".join(one) for one in places if mine.get(one, missing) != theirs.get(one, missing)), "")


def _compared(document: Mapping[str, Any]) -> dict[tuple[str, ...], Any]:
    """What counts, by its path in the document."""
    found: dict[tuple[str, ...], Any] = {}
    found |= {(name,): value for name, value in document.items() if name not in _REWRITTEN | {"config"}}
    # Readers in Go match names without regard to case: any further name counts.
    for name, left_out in (("config", _LABELS), ("rootfs", frozenset({"diff_ids"}))):
        inner = document.get(name)
        if isinstance(inner, dict):
            found |= {(name, key): value for key, value in inner.items() if key not in left_out}
        else:
            found[name,] = inner
    return found


def added(patched: ImageConfig, base: tuple[str, ...]) -> int:
    """How many layers an image has on top of others.

    Args:
        patched: the image.
        base: digests of uncompressed layers, the lowest first.

    Returns:
        Their number; -1 when the image does not begin with those layers.
    """
    return len(patched.diff_ids) - len(base) if base and patched.diff_ids[: len(base)] == base else -1


def base_of(config: ImageConfig) -> str:
    """The image that Copa's label names as the one that was patched, as it stands there; empty without one.

    Args:
        config: of an image; the label is only a claim.
    """
    own = config.document.get("config")
    labels: dict[str, Any] = {}
    for name in sorted(_LABELS):
        value = own.get(name) if isinstance(own, dict) else None
        labels |= value if isinstance(value, dict) else {}
    found = labels.get(_BASE_LABEL)
    return found if isinstance(found, str) else ""
