"""The expectations of the distribution specification's conformance suite, held by our client on two real registries.

https://github.com/opencontainers/distribution-spec/tree/v1.1.0/conformance. One registry has the Referrers API, and
one does not. Where the suite has a request that the client never sends, there is no expectation.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from s3c_actions.core.errors import InputError, OutsideError
from s3c_actions.core.reference import Reference
from s3c_actions.registry import OCI_INDEX, OCI_MANIFEST, Descriptor, Registry, Writer
from s3c_actions.registry.credentials import Logins
from tests.support.oci import digest_of
from tests.support.other_registries import DEBIAN, SERVED, real_registries

EMPTY = b"{}"
EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"
NOWHERE = "sha256:" + "9" * 64


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with real_registries(tmp_path_factory.mktemp("registry")) as real:
        yield real


class Place:
    """A repository of one expectation's own, and what is pushed there."""

    def __init__(self, registry: str) -> None:
        self.host = registry
        self.client = Registry(Logins(environment={"HOME": "/nonexistent"}), timeout=10, retries=1)
        self.writer = Writer(self.client, chunk=1000)
        self.repository = Reference.parse(f"{registry}/{uuid.uuid4().hex[:12]}/app")

    def other(self) -> Reference:
        return Reference.parse(f"{self.host}/{uuid.uuid4().hex[:12]}/other")

    def blob(self, content: bytes, media_type: str = LAYER_TYPE) -> dict[str, Any]:
        self.writer.push_blob(self.repository, digest_of(content), content)
        return {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}

    def manifest(self, layers: tuple[bytes, ...] = (b"layer",), **more: Any) -> bytes:
        config = {"config": self.blob(EMPTY, more.pop("config_type", CONFIG_TYPE))}
        document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, **config, "layers": [*map(self.blob, layers)]}
        return json.dumps(document | more).encode()

    def push(self, target: Reference, content: bytes, media_type: str = OCI_MANIFEST) -> Descriptor:
        return self.writer.push_manifest(target, content, media_type)

    def image(self, tag: str = "1", **more: Any) -> Descriptor:
        return self.push(self.repository.tagged(tag), self.manifest(**more))

    def referrer(self, subject: Descriptor | str, kind: str, **more: Any) -> Descriptor:
        digest = subject if isinstance(subject, str) else subject.digest
        described = {"mediaType": OCI_MANIFEST, "digest": digest, "size": 1}
        content = self.manifest(subject=described, artifactType=kind, config_type=EMPTY_TYPE, **more)
        return self.push(self.repository.at(digest_of(content)), content)

    def listed(self, subject: Descriptor | str, kind: str = "") -> set[str]:
        digest = subject if isinstance(subject, str) else subject.digest
        return {referrer.digest for referrer in self.client.referrers(self.repository.at(digest), kind)}


def a_blob_is_pulled(place: Place) -> None:
    content = os.urandom(300)
    place.blob(content)
    assert place.client.blob(place.repository, digest_of(content)) == content
    assert b"".join(place.client.layer(place.repository, digest_of(content), len(content))) == content


def a_blob_that_is_not_there_is_missing(place: Place) -> None:
    place.image()
    assert place.writer.has_blob(place.repository, NOWHERE) is False
    with pytest.raises(OutsideError, match="is missing"):
        place.client.blob(place.repository, NOWHERE)


def a_manifest_is_pulled_by_tag_and_by_digest(place: Place) -> None:
    content = place.manifest()
    pushed = place.push(place.repository.tagged("1"), content)
    for reference in (place.repository.tagged("1"), place.repository.at(pushed.digest)):
        pulled = place.client.manifest(reference)
        assert (pulled.content, pulled.descriptor.digest) == (content, digest_of(content))
        assert pulled.descriptor.media_type == OCI_MANIFEST


def a_manifest_that_is_not_there_is_missing(place: Place) -> None:
    place.image()
    assert place.client.find(place.repository.tagged("absent")) is None
    assert place.client.find(place.repository.at(NOWHERE)) is None
    with pytest.raises(InputError, match="tag absent does not exist"):
        place.client.resolve(place.repository.tagged("absent"))


def a_repository_that_is_not_there_is_missing(place: Place) -> None:
    assert place.client.find(place.repository.tagged("1")) is None


def a_blob_is_pushed_at_once(place: Place) -> None:
    content = os.urandom(999)
    assert place.writer.push_blob(place.repository, digest_of(content), content) is True
    assert place.writer.push_blob(place.repository, digest_of(content), content) is False
    assert place.client.blob(place.repository, digest_of(content)) == content


def a_blob_is_pushed_in_chunks(place: Place) -> None:
    content = os.urandom(3500)
    pieces = (content[start : start + 350] for start in range(0, len(content), 350))
    assert place.writer.push_blob(place.repository, digest_of(content), pieces)
    assert place.client.blob(place.repository, digest_of(content)) == content


def a_blob_without_content_is_pushed(place: Place) -> None:
    assert place.writer.push_blob(place.repository, digest_of(b""), b"")
    assert place.client.blob(place.repository, digest_of(b"")) == b""


def a_blob_of_another_digest_is_refused(place: Place) -> None:
    with pytest.raises(OutsideError, match="did not take"):
        place.writer.push_blob(place.repository, NOWHERE, b"other content")
    assert place.writer.has_blob(place.repository, NOWHERE) is False


def a_blob_is_mounted_or_pushed(place: Place) -> None:
    content = os.urandom(100)
    place.blob(content)
    target = place.other()
    if not place.writer.mount(target, digest_of(content), place.repository.repository):
        place.writer.push_blob(target, digest_of(content), content)
    assert place.client.blob(target, digest_of(content)) == content


def a_blob_that_the_origin_lacks_is_not_mounted(place: Place) -> None:
    place.image()
    assert place.writer.mount(place.other(), NOWHERE, place.repository.repository) is False


def a_manifest_has_several_tags(place: Place) -> None:
    content = place.manifest()
    tags = ("1", "1.2.3-a_b", "T" * 128)
    assert {place.push(place.repository.tagged(tag), content).digest for tag in tags} == {digest_of(content)}
    assert {place.client.resolve(place.repository.tagged(tag)).digest for tag in tags} == {digest_of(content)}


def a_tag_is_moved(place: Place) -> None:
    first, second = place.image(), place.image(layers=(b"another",))
    assert place.client.resolve(place.repository.tagged("1")).digest == second.digest
    assert place.client.find(place.repository.at(first.digest)) is not None


def a_manifest_without_layers_is_pushed(place: Place) -> None:
    pushed = place.image(layers=())
    assert place.client.manifest(place.repository.at(pushed.digest)).document["layers"] == []


def an_artifact_of_a_type_of_its_own_is_pushed(place: Place) -> None:
    pushed = place.image(artifactType="application/vnd.example+type", config_type=EMPTY_TYPE)
    resolved = place.client.resolve(place.repository.at(pushed.digest))
    assert resolved.artifact_type == pushed.artifact_type == "application/vnd.example+type"


def an_index_is_pushed_after_what_it_lists(place: Place) -> None:
    image = place.image()
    entry = {"mediaType": OCI_MANIFEST, "digest": image.digest, "size": image.size}
    entry["platform"] = {"os": "linux", "architecture": "arm64", "variant": "v8"}
    content = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]}).encode()
    place.push(place.repository.tagged("index"), content, OCI_INDEX)
    resolved = place.client.resolve(place.repository.tagged("index"))
    assert (resolved.is_index, resolved.platforms) == (True, ("linux/arm64/v8",))


def tags_are_listed(place: Place) -> None:
    for tag in ("b", "a", "C", "1.0"):
        place.image(tag)
    assert set(place.client.tags(place.repository)) == {"b", "a", "C", "1.0"}


def tags_of_no_repository_are_none(place: Place) -> None:
    with pytest.raises(InputError, match="does not exist"):
        place.client.tags(place.repository)


def nothing_refers_to_a_new_manifest(place: Place) -> None:
    assert place.listed(place.image()) == set()


def nothing_refers_to_what_is_not_there(place: Place) -> None:
    place.image()
    assert place.listed(NOWHERE) == set()


def referrers_are_listed_and_filtered(place: Place) -> None:
    subject, other = place.image(), place.image("2", layers=(b"another",))
    first = place.referrer(subject, "application/vnd.example.a", layers=(b"a",))
    second = place.referrer(subject, "application/vnd.example.b", layers=(b"b",))
    place.referrer(other, "application/vnd.example.a", layers=(b"c",))
    assert place.listed(subject) == {first.digest, second.digest}
    assert place.listed(subject, "application/vnd.example.b") == {second.digest}
    assert place.listed(subject, "application/vnd.example.c") == set()


def a_referrer_is_listed_with_its_annotations(place: Place) -> None:
    subject = place.image()
    pushed = place.referrer(subject, "application/vnd.example", annotations={"org.example": "x"})
    (listed,) = place.client.referrers(place.repository.at(subject.digest))
    assert (listed.media_type, listed.size) == (OCI_MANIFEST, pushed.size)
    assert (listed.artifact_type, dict(listed.annotations)) == ("application/vnd.example", {"org.example": "x"})


def a_referrer_without_a_type_has_that_of_its_configuration(place: Place) -> None:
    subject = place.image()
    described = {"mediaType": OCI_MANIFEST, "digest": subject.digest, "size": subject.size}
    place.image("2", subject=described, config_type="application/vnd.example.config")
    (listed,) = place.client.referrers(place.repository.at(subject.digest))
    assert listed.artifact_type == "application/vnd.example.config"


def an_index_refers_to_a_subject(place: Place) -> None:
    subject = place.image()
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "artifactType": "application/vnd.example.index"}
    document |= {"manifests": [], "subject": {"mediaType": OCI_MANIFEST, "digest": subject.digest, "size": 1}}
    content = json.dumps(document).encode()
    pushed = place.push(place.repository.at(digest_of(content)), content, OCI_INDEX)
    assert place.listed(subject, "application/vnd.example.index") == {pushed.digest}


def a_subject_may_come_after_its_referrer(place: Place) -> None:
    content = place.manifest()
    referrer = place.referrer(digest_of(content), "application/vnd.example")
    place.push(place.repository.tagged("1"), content)
    assert place.listed(digest_of(content)) == {referrer.digest}


def a_tag_that_is_no_index_is_kept(place: Place) -> None:
    subject = place.image()
    tag = f"sha256-{subject.digest.partition(':')[2]}"
    kept = place.image(tag, layers=(b"somebody's own",))
    if place.client.referrers_by_api(place.repository.at(subject.digest)) is None:
        with pytest.raises(OutsideError, match="is not an index"):
            place.referrer(subject, "application/vnd.example")
        assert place.listed(subject) == set()
    else:
        referrer = place.referrer(subject, "application/vnd.example")
        assert place.listed(subject) == {referrer.digest}
    assert place.client.resolve(place.repository.tagged(tag)).digest == kept.digest


def a_manifest_is_deleted(place: Place) -> None:
    pushed = place.image()
    assert place.writer.delete_manifest(place.repository.at(pushed.digest)) is True
    assert place.client.find(place.repository.at(pushed.digest)) is None
    assert place.writer.delete_manifest(place.repository.at(pushed.digest)) is False


def a_deleted_referrer_is_not_listed(place: Place) -> None:
    subject = place.image()
    kept = place.referrer(subject, "application/vnd.example.a", layers=(b"a",))
    gone = place.referrer(subject, "application/vnd.example.b", layers=(b"b",))
    assert place.writer.delete_manifest(place.repository.at(gone.digest)) is True
    assert place.listed(subject) == {kept.digest}


def a_deleted_tag_leaves_its_manifest(place: Place) -> None:
    pushed = place.image()
    deleted = place.writer.delete_tag(place.repository.tagged("1"))
    assert (place.client.find(place.repository.tagged("1")) is None) is deleted
    assert place.client.find(place.repository.at(pushed.digest)) is not None


Expectation = Callable[[Place], None]
EXPECTATIONS: dict[str, tuple[Expectation, ...]] = {
    "pull": (
        *(a_blob_is_pulled, a_blob_that_is_not_there_is_missing, a_manifest_is_pulled_by_tag_and_by_digest),
        *(a_manifest_that_is_not_there_is_missing, a_repository_that_is_not_there_is_missing),
    ),
    "push": (
        *(a_blob_is_pushed_at_once, a_blob_is_pushed_in_chunks, a_blob_without_content_is_pushed),
        *(
            a_blob_of_another_digest_is_refused,
            a_blob_is_mounted_or_pushed,
            a_blob_that_the_origin_lacks_is_not_mounted,
        ),
        *(a_manifest_has_several_tags, a_tag_is_moved, a_manifest_without_layers_is_pushed),
        *(an_artifact_of_a_type_of_its_own_is_pushed, an_index_is_pushed_after_what_it_lists),
    ),
    "content discovery": (tags_are_listed, tags_of_no_repository_are_none),
    "referrers": (
        *(nothing_refers_to_a_new_manifest, nothing_refers_to_what_is_not_there, referrers_are_listed_and_filtered),
        *(a_referrer_is_listed_with_its_annotations, a_referrer_without_a_type_has_that_of_its_configuration),
        *(an_index_refers_to_a_subject, a_subject_may_come_after_its_referrer),
        a_tag_that_is_no_index_is_kept,
    ),
    "content management": (
        *(a_manifest_is_deleted, a_deleted_referrer_is_not_listed, a_deleted_tag_leaves_its_manifest),
    ),
}


@pytest.mark.parametrize("registry", [DEBIAN, SERVED])
@pytest.mark.parametrize(
    "expectation",
    [pytest.param(each, id=f"{group}: {each.__name__}") for group, members in EXPECTATIONS.items() for each in members],
)
def test_the_client_on_a_registry(addresses: dict[str, str], registry: str, expectation: Expectation) -> None:
    expectation(Place(addresses[registry]))
