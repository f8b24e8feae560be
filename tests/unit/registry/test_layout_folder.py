"""OCI image layouts in folders: what is read, and what is passed over or refused."""

from pathlib import Path

import pytest

from s3c_actions.core.errors import InputError
from s3c_actions.registry.layout_folder import FolderSource
from tests.support.made_images import Layer, MadeImage, write_layout

IMAGE = MadeImage([Layer().file("a", "x").raw()])


def test_an_image_and_all_of_its_content(tmp_path: Path) -> None:
    with FolderSource(write_layout(IMAGE, tmp_path)) as source:
        manifest = source.image()
        assert manifest.content == IMAGE.top
        (layer,) = manifest.document["layers"]
        assert b"".join(source.layer(layer["digest"], layer["size"])) == IMAGE.blobs[layer["digest"]]
        assert source.platform(manifest) == "linux/amd64"


def test_one_of_several_is_named(tmp_path: Path) -> None:
    other = MadeImage([Layer().file("b", "y").raw()])
    write_layout(IMAGE, tmp_path, tag="1")
    write_layout(other, tmp_path, tag="2")
    with FolderSource(tmp_path, "2") as source:
        assert source.image().content == other.top
    with (
        FolderSource(tmp_path, field="after", choice="after") as source,
        pytest.raises(InputError, match="several") as caught,
    ):
        source.image()
    assert caught.value.field == "after"


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    folder = write_layout(IMAGE, tmp_path / "layout")
    (layer,) = [path for path in (folder / "blobs/sha256").iterdir() if path.read_bytes()[:2] == b"\x1f\x8b"]
    layer.rename(tmp_path / "elsewhere")
    layer.symlink_to(tmp_path / "elsewhere")
    with FolderSource(folder) as source, pytest.raises(InputError, match="missing"):
        source.image()


def test_other_content_than_its_name_says(tmp_path: Path) -> None:
    folder = write_layout(IMAGE, tmp_path)
    (layer,) = [path for path in (folder / "blobs/sha256").iterdir() if path.read_bytes()[:2] == b"\x1f\x8b"]
    content = layer.read_bytes()
    layer.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with FolderSource(folder) as source:
        (described,) = source.image().document["layers"]
        with pytest.raises(InputError, match="other content"):
            list(source.layer(described["digest"], described["size"]))


def test_no_layout(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no oci-layout file"):
        FolderSource(tmp_path)
    with pytest.raises(InputError, match="no folder"):
        FolderSource(write_layout(IMAGE, tmp_path) / "oci-layout")
