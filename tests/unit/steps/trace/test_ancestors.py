"""Where an image claims to come from, followed in its own registry."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from s3c_actions.core.reference import Reference
from s3c_actions.steps.trace.ancestors import MAX_ANCESTORS, AncestorReader
from s3c_actions.steps.trace.documents import DocumentReader
from s3c_actions.steps.trace.signatures import SignatureReader
from s3c_actions.steps.trace.subjects import SubjectReader
from s3c_actions.steps.trace.tools import TraceTools
from s3c_actions.trace.model import Ancestor, Relation
from tests.support.held_registry import HOST, HeldRegistry
from tests.support.samples import NOW

PATCHED = {"sh__copa__image__patched": "2026-11-02T00:00:00Z"}


def follow(registry: HeldRegistry, image: Reference, original: str = "") -> tuple[Ancestor, ...]:
    tools = TraceTools(registry=registry, now=NOW)
    signatures = SignatureReader(tools)
    with ThreadPoolExecutor(2) as pool:
        reader = SubjectReader(tools, DocumentReader(registry, signatures), signatures, pool)
        subject = reader.subject(image, registry.manifest(image), "")
        return AncestorReader(reader, registry, image).read([subject], original)


def based_on(registry: HeldRegistry, base: Reference, *layers: str) -> Reference:
    return registry.image(
        *layers,
        org__opencontainers__image__base__name=base.name,
        org__opencontainers__image__base__digest=base.digest,
    )


def test_a_patch_and_the_base_of_its_original_are_followed_with_what_the_layers_prove():
    registry = HeldRegistry()
    base = registry.image("sha256:1")
    original = based_on(registry, base, "sha256:1", "sha256:2")
    patched = registry.image("sha256:1", "sha256:3", labels={"BaseImage": original.pinned}, **PATCHED)
    first, second = follow(registry, patched)
    assert (first.relation, first.said_by, first.proven) == (Relation.PATCHED, "the label BaseImage", False)
    assert (second.relation, second.named, second.proven) == (Relation.BASE, f"{base.name}@{base.digest}", True)
    assert second.said_by == "the annotation org.opencontainers.image.base.name"


def test_the_attached_result_counts_before_the_label_and_a_label_without_a_patch_not_at_all():
    registry = HeldRegistry()
    original = registry.image("sha256:1")
    (ancestor,) = follow(registry, registry.image("sha256:1", labels={"BaseImage": "x"}, **PATCHED), original.pinned)
    assert (ancestor.named, ancestor.said_by) == (original.pinned, "the attached result.json")
    assert follow(registry, registry.image("sha256:1", labels={"BaseImage": "x"})) == ()


@pytest.mark.parametrize(
    ("named", "problem"),
    [
        ("other.test/app:1", "it lies in another registry"),
        (f"{HOST}/app:gone", "not in its registry"),
        ("not a reference", "reference"),
    ],
)
def test_what_cannot_be_followed_is_named_with_the_reason(named, problem):
    registry = HeldRegistry()
    asked = registry.image(labels={"BaseImage": named}, **PATCHED)
    (ancestor,) = follow(registry, asked)
    assert (ancestor.named, ancestor.subject) == (named, None)
    assert problem in ancestor.problem


def test_a_circle_ends_and_a_long_line_is_cut():
    registry = HeldRegistry()
    alone = registry.image("sha256:1", tag="own", labels={"BaseImage": f"{HOST}/app:own"}, **PATCHED)
    assert follow(registry, alone) == ()
    image = registry.image("sha256:1")
    for _ in range(MAX_ANCESTORS + 2):
        image = based_on(registry, image, "sha256:1")
    assert len(follow(registry, image)) == MAX_ANCESTORS
