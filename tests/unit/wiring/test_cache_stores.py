"""Layers are kept where the key that signs them can be."""

from s3c_actions.layers.reading import LayerBlob
from s3c_actions.wiring.cache_stores import open_layer_store
from tests.support.contexts import create_context

LAYER = LayerBlob(digest="sha256:1", size=1, diff_id="sha256:2")


def test_what_one_run_keeps_the_next_one_finds(tmp_path):
    environment = {"S3C_STATE": str(tmp_path / "state")}
    first = open_layer_store(create_context(tmp_path, environment))
    assert first is not None
    first.keep(LAYER, [], 2 * 1024**2, checksums=True)
    second = open_layer_store(create_context(tmp_path, environment))
    assert second is not None
    kept = second.find(LAYER, checksums=True)
    assert kept is not None
    assert kept.size == 2 * 1024**2


def test_without_a_key_nothing_is_kept(tmp_path):
    (tmp_path / "state").write_text("a file where the folder would be")
    assert open_layer_store(create_context(tmp_path, {"S3C_STATE": str(tmp_path / "state" / "below")})) is None
