import gzip
import json

import msgspec
import pytest

from s3c_actions.core.errors import OutsideError
from s3c_actions.core.reference import Reference
from s3c_actions.fleet.find import index as indexes
from s3c_actions.fleet.find.facts import Record
from s3c_actions.registry import OCI_MANIFEST, Descriptor, Manifest, Writer
from tests.unit.fleet.find.test_records import OTHER, RECORD

PLACE = Reference.parse("registry.example/fleet:index")
INDEX = indexes.build([RECORD], trust="t", created="2026-11-29T06:00:00Z")


class Registry(Writer):
    """Takes one artifact, and gives it back."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.pushed = b""

    def push_blob(self, _target, digest, content):
        self.blobs[digest] = content
        return True

    def push_manifest(self, _target, content, _media_type):
        self.pushed = content
        return Descriptor(digest=OTHER, media_type=OCI_MANIFEST, size=len(content))

    def layer(self, _reference, digest, _size):
        return [self.blobs[digest]]

    def manifest(self, **changed):
        document = {**json.loads(self.pushed), **changed}
        kind = document["artifactType"]
        descriptor = Descriptor(digest=OTHER, media_type=OCI_MANIFEST, size=7, artifact_type=kind)
        return Manifest(descriptor=descriptor, document=document)


@pytest.fixture
def registry():
    registry = Registry()
    assert indexes.push(INDEX, PLACE, registry) == OTHER
    return registry


def holding(registry, content):
    for digest, blob in registry.blobs.items():
        if blob != b"{}":
            registry.blobs[digest] = content
    return indexes.pull(registry.manifest(), PLACE, registry)


def test_what_was_pushed_is_pulled(registry):
    assert indexes.pull(registry.manifest(), PLACE, registry) == INDEX
    (layer,) = json.loads(registry.pushed)["layers"]
    assert layer["mediaType"] == "application/vnd.s3c.index.v1+json+gzip"
    assert json.loads(registry.pushed)["artifactType"] == "application/vnd.s3c.index.v1+json"


def test_the_same_records_make_the_same_bytes(registry):
    again = Registry()
    indexes.push(INDEX, PLACE, again)
    assert again.blobs == registry.blobs


def test_only_what_this_machine_read_is_in_it():
    foreign = msgspec.structs.replace(RECORD, source=OTHER)
    assert indexes.build([foreign], trust="t", created="x").records == ()


def test_records_are_sorted_by_document():
    other = Record(facts=msgspec.structs.replace(RECORD.facts, evidence=OTHER), verification=RECORD.verification)
    first = indexes.build([RECORD, other], trust="t", created="x")
    assert first == indexes.build([other, RECORD], trust="t", created="x")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "cut off"),
        (b"text", "not gzip"),
        (gzip.compress(b"text"), "no index of this version"),
        (gzip.compress(b"\xff"), "no index of this version"),
        (gzip.compress(msgspec.json.encode(INDEX))[:-4], "cut off"),
        (gzip.compress(msgspec.json.encode(INDEX)) + b"more", "cut off"),
        (gzip.compress(msgspec.json.encode({"version": 1, "records": []})), "no index of this version"),
        (gzip.compress(msgspec.json.encode(msgspec.structs.replace(INDEX, extraction=0))), "another version of s3c"),
    ],
    ids=["empty", "text", "no JSON", "no UTF-8", "cut off", "more", "keys", "extraction"],
)
def test_what_is_no_index_is_reported(registry, content, reason):
    with pytest.raises(ValueError, match=reason):
        holding(registry, content)


def test_a_bomb_is_not_unpacked(registry, monkeypatch):
    monkeypatch.setattr(indexes, "MAX_BYTES", 1000)
    with pytest.raises(ValueError, match="larger than an index may be"):
        holding(registry, gzip.compress(b" " * 10_000))


def test_another_artifact_is_no_index(registry):
    with pytest.raises(ValueError, match="it is application/spdx"):
        indexes.pull(registry.manifest(artifactType="application/spdx+json"), PLACE, registry)
    with pytest.raises(OutsideError, match="does not hold one document"):
        indexes.pull(registry.manifest(layers=[]), PLACE, registry)
