"""An image with everything that refers to it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from s3c_actions.core import artifact_types
from s3c_actions.core.reference import Reference
from s3c_actions.steps.trace import subjects
from s3c_actions.steps.trace.documents import MAX_OTHERS, DocumentReader
from s3c_actions.steps.trace.signatures import SignatureReader
from s3c_actions.steps.trace.subjects import MAX_SIGNATURES, SubjectReader
from s3c_actions.steps.trace.tools import TraceTools
from s3c_actions.trace.model import SignatureTrust, Subject
from tests.support.held_registry import HeldRegistry
from tests.support.samples import NOW


def read(registry: HeldRegistry, image: Reference) -> Subject:
    tools = TraceTools(registry=registry, now=NOW)
    signatures = SignatureReader(tools)
    with ThreadPoolExecutor(2) as pool:
        reader = SubjectReader(tools, DocumentReader(registry, signatures), signatures, pool)
        subject = reader.subject(image, registry.manifest(image), "")
        alone = reader.platform(image, "")
    assert alone == subject
    return subject


def test_what_its_configuration_and_manifest_state():
    registry = HeldRegistry()
    image = registry.image(
        "sha256:1", "sha256:2", labels={"team": "a"}, sh__copa__image__patched="2026-11-02T01:00:00+02:00", note="b"
    )
    subject = read(registry, image)
    assert (subject.reference, subject.platform, subject.layers) == (image.pinned, "linux/amd64", 2)
    assert (subject.created, subject.patched) == ("2026-11-01T10:00:00Z", "2026-11-01T23:00:00Z")
    assert subject.labels == {"team": "a", "note": "b"}
    assert (subject.referrers, subject.unread, subject.problem) == (0, 0, "")


def test_what_is_not_read_is_counted():
    registry = HeldRegistry()
    image = registry.image()
    for number in range(MAX_SIGNATURES + 2):
        registry.sign(image.digest, **{artifact_types.CREATED: f"2026-11-01T00:00:{number:02}Z"})
    for number in range(MAX_OTHERS + 3):
        registry.attach(image.digest, "application/x", b"%d" % number)
    subject = read(registry, image)
    assert len(subject.signatures) == MAX_SIGNATURES
    assert subject.trust is SignatureTrust.UNCHECKED
    assert len(subject.documents) == MAX_OTHERS + 3
    assert (subject.referrers, subject.unread) == (MAX_SIGNATURES + MAX_OTHERS + 5, 5)


def test_what_cannot_be_read_is_a_problem_and_hides_nothing_else():
    registry = HeldRegistry()
    image = registry.image("sha256:1")
    registry.sign(image.digest)
    registry.broken.add(registry.manifest(image).document["config"]["digest"])
    subject = read(registry, image)
    assert (subject.problem, subject.layers, subject.created) == ("it is broken", 0, "")
    registry.broken = {f"referrers {image.digest}"}
    subject = read(registry, image)
    assert subject.problem.startswith("what refers to it could not be listed")
    assert (subject.layers, subject.signatures) == (1, ())


def test_a_date_that_stands_for_none_is_none():
    registry = HeldRegistry()
    config = registry.config(registry.image())
    for moment, shown in (("1970-01-01T00:00:00Z", ""), ("0001-01-01T00:00:00Z", ""), ("2026-11-01", "")):
        config.document["created"] = moment  # type: ignore[index]
        assert subjects._created(config) == shown
