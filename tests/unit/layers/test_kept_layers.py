"""Layers that were read are kept, and what somebody changed or left out is read from its image again."""

import os
from pathlib import Path

import pytest
from msgspec.structs import replace

from s3c_actions.layers import kept_layers, packages, reading
from s3c_actions.layers.comparison import compare_images
from s3c_actions.layers.kept_layers import LayerStore
from s3c_actions.layers.tar_reader import Member
from tests.support.made_images import MadeImage
from tests.unit.layers.test_comparison import base, upgrade


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(kept_layers, "LEAST_EXPANDED", 1)


@pytest.fixture
def store(tmp_path):
    return LayerStore(tmp_path / "layers", b"key")


class Counted(MadeImage):
    """An image that counts the layers that are read from it."""

    reads = 0

    def layer(self, digest, size):
        self.reads += 1
        return super().layer(digest, size)


def images():
    return Counted([base()]), Counted([base(), upgrade().raw()])


def reads(store):
    before, after = images()
    comparison = compare_images(before, after, store)
    return before.reads + after.reads, comparison


def files(tmp_path):
    return sorted((tmp_path / "layers").iterdir())


def test_a_comparison_of_kept_layers_is_the_one_of_read_layers(store, tmp_path):
    first, read = reads(store)
    second, kept = reads(store)
    assert (first, second, len(files(tmp_path))) == (2, 0, 2)
    assert kept == read == compare_images(*images())
    assert read.platforms[0].packages


def _change_a_byte(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def _cut_off(path):
    path.write_bytes(path.read_bytes()[:-1])


def _empty(path):
    path.write_bytes(b"")


def _take_another(path):
    (other,) = (file for file in path.parent.iterdir() if file != path)
    path.write_bytes(other.read_bytes())


@pytest.mark.parametrize("change", [_change_a_byte, _cut_off, _empty, _take_another, Path.unlink])
def test_a_layer_that_was_changed_in_the_cache_is_read_again(store, tmp_path, change):
    _, read = reads(store)
    change(files(tmp_path)[0])
    again, comparison = reads(store)
    assert (again, comparison) == (1, read)
    assert reads(store)[0] == 0


def test_a_layer_of_another_key_or_of_other_code_is_read_again(store, tmp_path, monkeypatch):
    _, read = reads(store)
    assert reads(LayerStore(tmp_path / "layers", b"another")) == (2, read)
    monkeypatch.setattr(kept_layers, "_code_digest", lambda: "another")
    assert reads(store) == (2, read)


@pytest.mark.parametrize("field", ["digest", "diff_id", "size"])
def test_a_layer_is_found_as_what_it_is_alone(store, field):
    layer = reading.LayerBlob(digest="sha256:1", size=1, diff_id="sha256:2")
    store.keep(layer, [], 1, checksums=False)
    assert store.find(layer, checksums=False).size == 1
    assert store.find(replace(layer, **{field: 3 if field == "size" else "sha256:3"}), checksums=False) is None
    assert store.find(layer, checksums=True) is None


def test_a_layer_that_cannot_be_read_is_not_kept(store, tmp_path):
    broken = MadeImage([base(), upgrade().raw()[:1000]])
    assert compare_images(MadeImage([base()]), broken, store).platforms[0].unread
    assert len(files(tmp_path)) == 1


def test_limits_hold_for_kept_layers_too(store, monkeypatch):
    reads(store)
    monkeypatch.setattr(reading, "MAX_EXPANDED", 1000)
    counted, comparison = reads(store)
    assert counted == 0
    assert "expands to more than is read here" in comparison.platforms[0].unread[0]


def test_the_limit_of_what_is_kept_in_memory_holds_for_kept_layers_too(store, monkeypatch):
    reads(store)
    monkeypatch.setattr(packages, "MAX_KEPT", 10)
    counted, comparison = reads(store)
    assert counted == 0
    assert "databases of packages are larger" in comparison.platforms[0].unread[0]


def test_what_was_read_beyond_that_limit_is_not_kept(store, tmp_path, monkeypatch):
    monkeypatch.setattr(packages, "MAX_KEPT", 10)
    assert reads(store)[1].platforms[0].unread
    assert not (tmp_path / "layers").exists()


def test_the_layer_that_was_not_used_for_the_longest_time_is_removed_first(store, tmp_path, monkeypatch):
    layers = [reading.LayerBlob(digest=f"sha256:{number}", size=1, diff_id="") for number in range(3)]
    store.keep(layers[0], [], 1, checksums=False)
    (first,) = files(tmp_path)
    monkeypatch.setattr(kept_layers, "MAX_BYTES", 2 * first.stat().st_size)
    os.utime(first, ns=(0, 0))
    store.keep(layers[1], [], 1, checksums=False)
    (second,) = (file for file in files(tmp_path) if file != first)
    os.utime(second, ns=(1, 1))
    assert store.find(layers[0], checksums=False) is not None
    store.keep(layers[2], [], 1, checksums=False)
    assert [store.find(layer, checksums=False) is not None for layer in layers] == [True, False, True]


def test_small_and_huge_layers_and_names_that_are_no_text_are_read_each_time(store, tmp_path, monkeypatch):
    layer = reading.LayerBlob(digest="sha256:1", size=1, diff_id="")
    store.keep(layer, [], 0, checksums=False)
    member = Member(path="\udcff", escapes=False, entry=None)
    store.keep(layer, [member], 1, checksums=False)
    monkeypatch.setattr(kept_layers, "MAX_LAYER_BYTES", 1)
    store.keep(layer, [], 1, checksums=False)
    assert not (tmp_path / "layers").exists()


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path):
    (tmp_path / "layers").write_text("a file")
    assert reads(LayerStore(tmp_path / "layers", b"key"))[0] == 2
