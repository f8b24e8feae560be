"""Snapshots: what references meant at an earlier time."""

from __future__ import annotations

from pathlib import Path

import pytest

from s3c_actions.core.errors import InputError
from s3c_actions.core.reference import Reference
from s3c_actions.fleet import sources
from s3c_actions.fleet.sources import ImageFacts, SnapshotImage, SnapshotSource

DIGEST = "sha256:" + "a" * 64
IMAGES = {
    "registry.example/team/app:1.0": SnapshotImage(digest=DIGEST, base="sha256:b", size=5, platforms=2),
    "registry.example/team/app:1.1": SnapshotImage(digest=DIGEST),
    "registry.example/other:2": SnapshotImage(digest="sha256:" + "c" * 64),
}


def source() -> SnapshotSource:
    return SnapshotSource(sources.Snapshot(images=IMAGES), "snapshot")


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "snapshot.json"
    path.write_bytes(sources.render_snapshot(IMAGES))
    assert sources.read_snapshot(path, field="snapshot").images == IMAGES
    assert sources.render_snapshot(dict(reversed(IMAGES.items()))) == path.read_bytes()


def test_it_answers_as_a_registry() -> None:
    assert source().repositories("registry.example", "team/") == ("team/app",)
    assert source().tags(Reference.parse("registry.example/team/app")) == ("1.0", "1.1")
    assert source().tags(Reference.parse("registry.example/gone")) == ()
    assert source().digest(Reference.parse("registry.example/other:2")) == "sha256:" + "c" * 64
    pinned = Reference.parse(f"registry.example/elsewhere@{DIGEST}")
    assert source().digest(pinned) == DIGEST
    assert source().facts(pinned) == ImageFacts()
    assert source().facts(Reference.parse(f"registry.example/other@sha256:{'c' * 64}")).platforms == 1


def test_what_is_not_in_it_is_an_error_of_the_input() -> None:
    with pytest.raises(InputError, match="is not in the snapshot") as caught:
        source().digest(Reference.parse("registry.example/other:3"))
    assert caught.value.field == "snapshot"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b'{"images": {"a": {}}}',
        b'{"images": {"a.example/b:1": {"digest": "sha256:0"}}}',
        b'{"images": {}, "other": 1}',
        b'{"version": 2, "images": {}}',
        b"\xff",
    ],
)
def test_what_is_no_snapshot_is_rejected(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "snapshot.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match="is no snapshot"):
        sources.read_snapshot(path, field="snapshot")
    with pytest.raises(InputError, match="cannot be read"):
        sources.read_snapshot(tmp_path / "gone.json", field="snapshot")


def test_a_name_that_is_no_reference_is_rejected() -> None:
    with pytest.raises(InputError):
        SnapshotSource(sources.Snapshot(images={"Not An Image": SnapshotImage(digest=DIGEST)}), "snapshot")
