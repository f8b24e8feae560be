"""Which documents are read, and what makes one a problem and not a document."""

from __future__ import annotations

import json

import pytest

from s3c_actions.core import artifact_types
from s3c_actions.registry import OCI_MANIFEST, Descriptor
from s3c_actions.steps.trace.documents import MAX_DOCUMENTS, MAX_OTHERS, DocumentReader, choose_documents
from s3c_actions.steps.trace.signatures import SignatureReader
from s3c_actions.steps.trace.tools import TraceTools
from s3c_actions.trace.model import AttachedDocument, DocumentKind, SignatureTrust
from tests.support.held_registry import HeldRegistry
from tests.support.samples import NOW

VEX = {"@context": "https://openvex.dev/ns/v0.2.0", "statements": []}


def listed(number: int, artifact_type: str) -> Descriptor:
    return Descriptor(digest=f"sha256:{number:064x}", media_type=OCI_MANIFEST, size=2, artifact_type=artifact_type)


@pytest.mark.parametrize(
    ("types", "number"),
    [
        ((artifact_types.SARIF,), MAX_DOCUMENTS),
        ((artifact_types.IN_TOTO,), MAX_OTHERS),
        (("application/a", "application/b"), MAX_OTHERS),
    ],
)
def test_the_newest_of_each_type_are_read_and_of_unknown_types_together(types, number):
    documents = [listed(place, types[place % len(types)]) for place in range(MAX_OTHERS + 5)]
    alone = listed(1000, artifact_types.OPENVEX)
    chosen = choose_documents([*documents, alone])
    assert chosen == {entry.digest for entry in [*documents[:number], alone]}


def reader(registry: HeldRegistry) -> DocumentReader:
    return DocumentReader(registry, SignatureReader(TraceTools(registry=registry, now=NOW)))


def read(registry: HeldRegistry, artifact_type: str, content: bytes, **more: str) -> AttachedDocument:
    image = registry.image()
    return reader(registry).read(image, registry.attach(image.digest, artifact_type, content, **more))


def test_a_document_is_read_with_what_its_manifest_states():
    registry = HeldRegistry()
    stated = {artifact_types.CREATED: "2026-11-02T01:00:00+02:00", artifact_types.SCANNER: "Trivy 0.74.0"}
    document = read(registry, artifact_types.OPENVEX, json.dumps(VEX).encode(), **stated)
    assert (document.kind, document.read, document.problem) == (DocumentKind.VEX, True, "")
    assert (document.created, document.scanner) == ("2026-11-01T23:00:00Z", "Trivy 0.74.0")
    assert document.description.startswith("0 statements")
    assert document.signatures == ()


def test_its_own_signatures_are_read_and_limited():
    registry = HeldRegistry()
    image = registry.image()
    attached = registry.attach(image.digest, artifact_types.OPENVEX, json.dumps(VEX).encode())
    for day in range(1, MAX_DOCUMENTS + 3):
        registry.sign(attached.digest, **{artifact_types.CREATED: f"2026-11-{day:02}T00:00:00Z"})
    signatures = reader(registry).read(image, attached).signatures
    assert [signature.listed[8:10] for signature in signatures] == ["07", "06", "05", "04", "03"]
    assert {signature.trust for signature in signatures} == {SignatureTrust.UNCHECKED}


def test_what_is_attached_to_another_digest_is_a_problem():
    elsewhere = "sha256:" + 64 * "e"
    document = read(HeldRegistry(), artifact_types.OPENVEX, json.dumps(VEX).encode(), of=elsewhere)
    assert document.problem == "its manifest refers to another digest"
    assert document.description == ""


def test_content_that_is_no_such_document_is_a_problem_and_one_of_another_type_is_not_read():
    assert read(HeldRegistry(), artifact_types.SARIF, b"[]").problem
    other = read(HeldRegistry(), "application/x", b"[]")
    assert (other.kind, other.problem, other.content) == (DocumentKind.OTHER, "", "")


def test_a_result_is_kept_for_what_it_says_of_the_patch():
    registry = HeldRegistry()
    image = registry.image()
    result = {"version": 1, "command": "scan", "images": [{"digest": image.digest}]}
    attached = registry.attach(image.digest, artifact_types.RESULT, json.dumps(result).encode())
    documents = reader(registry)
    document = documents.read(image, attached)
    assert document.problem == ""
    assert list(documents.results) == [attached.digest]
    assert documents.results[attached.digest].description == document.description
