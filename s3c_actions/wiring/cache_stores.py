"""The layers that this machine has read already."""

from __future__ import annotations

from typing import TYPE_CHECKING

from s3c_actions.core.records import Records
from s3c_actions.layers.kept_layers import LayerStore

if TYPE_CHECKING:
    from s3c_actions.wiring.context import Context


def open_layer_store(context: Context) -> LayerStore | None:
    """Open the layers kept on this machine; None where the key that signs them cannot be stored."""
    try:
        return LayerStore(context.cache / "layers", Records.of(context.environment).key())
    except OSError:
        return None
