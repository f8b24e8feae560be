"""What one run keeps in the cache the next one finds, where the key that seals it can be kept."""

import pytest

from s3c_actions.fleet.find.records import RecordStore
from s3c_actions.layers.kept_layers import LayerStore
from s3c_actions.layers.reading import LayerBlob
from s3c_actions.steps.reuse import ReportStore
from s3c_actions.wiring.cache_stores import open_store
from tests.support.contexts import create_context

LAYER = LayerBlob(digest="sha256:1", size=1, diff_id="sha256:2")


def test_what_one_run_keeps_the_next_one_finds(tmp_path):
    environment = {"S3C_STATE": str(tmp_path / "state")}
    context = create_context(tmp_path, environment)
    first = open_store(LayerStore, context)
    assert first is not None
    first.keep(LAYER, [], 2 * 1024**2, checksums=True)
    assert [path.name for path in context.cache.iterdir()] == ["layers"]
    second = open_store(LayerStore, create_context(tmp_path, environment))
    assert second is not None
    kept = second.find(LAYER, checksums=True)
    assert kept is not None
    assert kept.size == 2 * 1024**2


@pytest.mark.parametrize("store", [LayerStore, ReportStore, RecordStore])
def test_without_a_key_nothing_is_kept(tmp_path, store):
    (tmp_path / "state").write_text("a file where the folder would be")
    assert open_store(store, create_context(tmp_path, {"S3C_STATE": str(tmp_path / "state" / "below")})) is None


def test_each_store_has_a_folder_of_its_own():
    stores = (LayerStore, ReportStore, RecordStore)
    assert sorted(store.FOLDER for store in stores) == ["find", "layers", "scans"]
