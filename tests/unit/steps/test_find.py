"""Which documents a query believes: those beside the image now that a trusted signer signed, whatever is kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from s3c_actions.core import artifact_types
from s3c_actions.core.errors import InputError, OutsideError, Refused
from s3c_actions.core.progress import Silent
from s3c_actions.core.reference import Reference
from s3c_actions.fleet.find import facts
from s3c_actions.fleet.find import index as indexes
from s3c_actions.fleet.find.facts import Record
from s3c_actions.fleet.find.query import parse
from s3c_actions.fleet.find.records import RecordStore
from s3c_actions.programs.notation.home import NotationHome
from s3c_actions.programs.notation.notation import AcceptedSignature
from s3c_actions.registry import OCI_MANIFEST, Descriptor, Manifest
from s3c_actions.steps import find
from s3c_actions.steps.find import FindTools, Subject
from tests.support import evidence
from tests.support.findable import purl_package, sarif, spdx

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
OLD, NEW = "2026-11-28T06:00:00Z", "2026-11-29T06:00:00Z"
IMAGE = Reference.parse("registry.example/app@sha256:" + 64 * "a")
OTHER = IMAGE.at("sha256:" + 64 * "b")
HOME = NotationHome(Path("/nowhere"))
VULNERABLE = spdx([purl_package("pkg:deb/debian/openssl@3.0.11-1", "3.0.11-1")])
FIXED = spdx([purl_package("pkg:deb/debian/openssl@3.0.13-1", "3.0.13-1")])
TRUSTED, STRANGER = "trusted", "stranger"


class Registry:
    """Manifests, blobs and referrers in memory; `asked` are the blobs that were read."""

    def __init__(self) -> None:
        self.manifests: dict[str, bytes] = {}
        self.blobs: dict[str, bytes] = {}
        self.listed: dict[str, list[Descriptor]] = {}
        self.signers: dict[str, str] = {}
        self.asked: list[str] = []
        self.down = False

    def attach(
        self,
        content: bytes,
        kind: str = artifact_types.SPDX,
        *,
        created: str = NEW,
        signer: str = TRUSTED,
        subject: str = IMAGE.digest,
        beside: str = IMAGE.digest,
        listed_as: str = "",
    ) -> str:
        """Attach a document; `subject` is what its manifest says, `beside` where it is listed."""
        blob = _digest(content)
        self.blobs[blob] = content
        document = {
            "mediaType": OCI_MANIFEST,
            "artifactType": kind,
            "layers": [{"mediaType": kind, "digest": blob, "size": len(content)}],
            "subject": {"digest": subject},
            "annotations": {artifact_types.CREATED: created},
        }
        manifest = json.dumps(document).encode()
        digest = _digest(manifest)
        self.manifests[digest] = manifest
        annotations = {artifact_types.CREATED: created} if created else {}
        self.listed.setdefault(beside, []).append(_listed(digest, listed_as or kind, annotations))
        if signer:
            self.sign(digest, signer)
        return digest

    def sign(self, digest: str, signer: str) -> str:
        signature = _digest(f"{digest} {signer} {len(self.signers)}".encode())
        self.signers[signature] = signer
        self.listed.setdefault(digest, []).append(_listed(signature, artifact_types.SIGNATURE, {}))
        return signature

    def resolve(self, reference: Reference) -> Descriptor:
        raise InputError("image", f"{reference.digest} does not exist.", image=str(reference))

    def referrers_in_bulk(self, reference: Reference, wanted_type: str = "") -> tuple[Descriptor, ...]:
        if self.down:
            raise OutsideError("The registry is down.")
        listed = self.listed.get(reference.digest, [])
        return tuple(descriptor for descriptor in listed if wanted_type in ("", descriptor.artifact_type))

    def manifest(self, reference: Reference) -> Manifest:
        if reference.digest in self.signers:
            raise ValueError("a signature, which these tests do not read")
        content = self.manifests[reference.digest]
        document = json.loads(content)
        descriptor = _listed(reference.digest, document["artifactType"], document["annotations"])
        return Manifest(descriptor=descriptor, document=document, content=content)

    def layer(self, _reference: Reference, digest: str, _size: int) -> list[bytes]:
        self.asked.append(digest)
        return [self.blobs[digest]]


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _listed(digest: str, kind: str, annotations: Mapping[str, str]) -> Descriptor:
    return Descriptor(digest=digest, media_type=OCI_MANIFEST, size=7, artifact_type=kind, annotations=annotations)


class Notation:
    """Accepts the signatures of one signer; `runs` are the digests it verified."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.runs: list[str] = []
        self.broken = False

    def verify(self, _home: NotationHome, reference: str, _metadata: Mapping[str, str]) -> AcceptedSignature:
        if self.broken:
            raise InputError("trust-store", "it cannot be used.")
        digest = reference.partition("@")[2]
        self.runs.append(digest)
        for signature in self.registry.listed.get(digest, []):
            if self.registry.signers.get(signature.digest) == TRUSTED:
                return AcceptedSignature(signature_digest=signature.digest, policy="s3c")
        raise Refused("Nobody who is trusted signed it.")


@pytest.fixture
def registry() -> Registry:
    return Registry()


@pytest.fixture
def tools(registry: Registry, tmp_path: Path) -> FindTools:
    return FindTools(
        registry=registry,  # type: ignore[arg-type]
        notation=Notation(registry),  # type: ignore[arg-type]
        homes=(HOME,),
        trust="t",
        store=RecordStore(tmp_path, b"k" * 32),
        maximum_age=timedelta(days=7),
        now=NOW,
        progress=Silent(),
    )


def next_run(tools: FindTools, **changed: Any) -> FindTools:
    """The tools of another run on the same machine."""
    store = RecordStore(tools.store._folder, tools.store._key)
    return replace(tools, **{"store": store, "notation": Notation(tools.registry), **changed})  # type: ignore[arg-type]


def ask(tools: FindTools, query: str = "openssl<3.0.13", image: Reference = IMAGE) -> find.ImageAnswer:
    (answered,) = find.run(parse(query), [Subject(image="app:1.0", reference=image)], tools).images
    return answered


def versions(answered: find.ImageAnswer) -> list[str]:
    return [match.installed for match in answered.answer.matches]


def test_a_signed_document_answers(registry: Registry, tools: FindTools) -> None:
    digest = registry.attach(VULNERABLE)
    answered = ask(tools)
    assert (versions(answered), answered.sbom, answered.failure) == (["3.0.11-1"], digest, None)


@pytest.mark.parametrize(
    ("signer", "reason"), [("", "is not signed"), (STRANGER, "is signed by nobody who is trusted")]
)
def test_a_document_that_nobody_trusted_signed_adds_nothing(
    registry: Registry, tools: FindTools, signer: str, reason: str
) -> None:
    digest = registry.attach(VULNERABLE, signer=signer)
    answered = ask(tools)
    assert answered.answer.matches == ()
    assert answered.answer.open == (
        "it has no bill of materials by a trusted signer",
        f"its bill of materials {digest[:19]} {reason}",
    )
    assert registry.asked == []


@pytest.mark.parametrize("created", [NEW, "2099-01-01T00:00:00Z", "", "soon"])
def test_a_stranger_s_newer_document_hides_nothing(registry: Registry, tools: FindTools, created: str) -> None:
    registry.attach(VULNERABLE, created=OLD)
    registry.attach(FIXED, created=created, signer=STRANGER)
    assert versions(ask(tools)) == ["3.0.11-1"]


def test_the_newest_that_counts_decides(registry: Registry, tools: FindTools) -> None:
    registry.attach(VULNERABLE, created=OLD)
    registry.attach(FIXED, created=NEW)
    answered = ask(tools)
    assert (answered.answer.matches, answered.answer.open) == ((), ())


def test_a_document_of_another_image_counts_for_none(registry: Registry, tools: FindTools) -> None:
    registry.attach(FIXED, subject=OTHER.digest)
    answered = ask(tools)
    assert "its manifest refers to another digest" in " ".join(answered.answer.open)


def test_a_list_that_calls_a_report_a_bill_of_materials_is_not_believed(registry: Registry, tools: FindTools) -> None:
    registry.attach(sarif(IMAGE.digest), artifact_types.SARIF, listed_as=artifact_types.SPDX)
    assert "is none: it is application/sarif+json" in " ".join(ask(tools).answer.open)


def test_a_signed_document_that_cannot_be_read_lets_an_older_one_answer(registry: Registry, tools: FindTools) -> None:
    registry.attach(b"{}", created=NEW)
    assert "cannot be read: it is neither SPDX nor CycloneDX" in " ".join(ask(tools).answer.open)
    registry.attach(VULNERABLE, created=OLD)
    assert versions(ask(next_run(tools))) == ["3.0.11-1"]


def test_more_documents_than_are_tried_leave_it_open(
    registry: Registry, tools: FindTools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(find, "MAX_CANDIDATES", 2)
    registry.attach(VULNERABLE, created=OLD)
    for number in range(2):
        registry.attach(f'{{"n": {number}}}'.encode(), created=NEW, signer=STRANGER)
    answered = ask(tools)
    assert answered.answer.matches == ()
    assert answered.answer.open[-1] == "of 3 documents the 2 newest were looked at"


def test_an_image_that_does_not_exist_or_cannot_be_asked_has_a_failure(registry: Registry, tools: FindTools) -> None:
    assert isinstance(ask(tools, image=OTHER).failure, InputError)
    registry.down = True
    assert isinstance(ask(tools).failure, OutsideError)


def test_trust_that_cannot_be_used_is_an_error_of_the_whole(registry: Registry, tools: FindTools) -> None:
    registry.attach(VULNERABLE)
    tools.notation.broken = True  # type: ignore[attr-defined]
    with pytest.raises(InputError, match="trust-store"):
        ask(tools)


def test_what_was_read_is_not_read_or_verified_again(registry: Registry, tools: FindTools) -> None:
    registry.attach(VULNERABLE)
    ask(tools)
    registry.asked.clear()
    again = next_run(tools)
    assert versions(ask(again)) == ["3.0.11-1"]
    assert (registry.asked, again.notation.runs) == ([], [])  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "changed", [{"now": NOW + timedelta(days=1)}, {"trust": "u"}, {"now": NOW - timedelta(minutes=6)}]
)
def test_after_a_day_or_by_other_signers_it_is_verified_again(
    registry: Registry, tools: FindTools, changed: dict[str, Any]
) -> None:
    digest = registry.attach(FIXED)
    ask(tools)
    again = next_run(tools, **changed)
    ask(again)
    assert again.notation.runs == [digest]  # type: ignore[attr-defined]


def test_a_signature_that_ended_since_is_verified_again(registry: Registry, tools: FindTools) -> None:
    digest = registry.attach(FIXED)
    ask(tools)
    record = tools.store.find(digest, "t")
    assert record is not None
    ends = ("2026-11-29T12:30:00Z", "2027-11-29T12:30:00Z")
    tools.store.keep(replace(record, verification=replace(record.verification, ends=ends)))
    for minutes, runs in ((29, []), (30, [digest])):
        again = next_run(tools, now=NOW + timedelta(minutes=minutes))
        ask(again)
        assert again.notation.runs == runs  # type: ignore[attr-defined]


def test_a_finding_needs_a_signature_that_is_there_now(registry: Registry, tools: FindTools) -> None:
    digest = registry.attach(VULNERABLE)
    ask(tools)
    del registry.listed[digest]
    answered = ask(next_run(tools))
    assert answered.answer.matches == ()
    assert any("is not signed" in reason for reason in answered.answer.open)


def test_a_document_that_is_listed_no_more_does_not_count(registry: Registry, tools: FindTools) -> None:
    registry.attach(FIXED)
    ask(tools)
    registry.listed[IMAGE.digest] = [_listed(registry.attach(b"{}", beside=OTHER.digest), "other", {})]
    assert ask(next_run(tools)).answer.open == ("it has no bill of materials by a trusted signer",)


def test_what_is_kept_of_another_image_is_not_taken(registry: Registry, tools: FindTools) -> None:
    digest = registry.attach(FIXED)
    ask(tools)
    registry.listed[OTHER.digest] = registry.listed[IMAGE.digest]
    answered = ask(next_run(tools), image=OTHER)
    assert answered.sbom == ""
    assert any(digest[:19] in reason for reason in answered.answer.open)


def test_the_report_answers_for_a_vulnerability(registry: Registry, tools: FindTools) -> None:
    digest = registry.attach(sarif(IMAGE.digest, [evidence.finding("CVE-2024-5535")]), artifact_types.SARIF)
    answered = ask(tools, "CVE-2024-5535")
    assert ([match.severity for match in answered.answer.matches], answered.report) == (["HIGH"], digest)
    assert (answered.reported, ask(tools, "CVE-2024-1111").answer.open) == (NEW, ())


# What an index says.


def indexed(registry: Registry, tools: FindTools, content: bytes, *, lie: bytes | None = None) -> FindTools:
    """Another machine's tools, which took over an index of this document; `lie` is what the index says it holds."""
    digest = registry.attach(content)
    (record,) = find.collect([Subject(image="app", reference=IMAGE)], tools).records
    (entry,) = indexes.build([record], trust="t", created=NEW).records
    if lie is not None:
        read = facts.extract(lie, artifact_types.SPDX, evidence=digest, subject=IMAGE.digest)
        entry = Record(facts=read, verification=entry.verification)
    other = next_run(tools, store=RecordStore(tools.store._folder / "other", b"o" * 32))
    other.store.keep(replace(entry, source="sha256:" + 64 * "1"))
    registry.asked.clear()
    return other


def test_an_index_saves_reading_what_holds_nothing(
    registry: Registry, tools: FindTools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(find, "AUDITED", 0)
    other = indexed(registry, tools, FIXED)
    answered = ask(other)
    assert (answered.answer.matches, answered.answer.open) == ((), ())
    assert (registry.asked, other.notation.runs) == ([], [])  # type: ignore[attr-defined]


def test_what_an_index_finds_is_read_where_it_is(registry: Registry, tools: FindTools) -> None:
    other = indexed(registry, tools, VULNERABLE)
    assert versions(ask(other)) == ["3.0.11-1"]
    assert len(registry.asked) == len(other.notation.runs) == 1  # type: ignore[attr-defined]


def test_a_poisoned_index_adds_no_finding(registry: Registry, tools: FindTools) -> None:
    answered = ask(indexed(registry, tools, FIXED, lie=VULNERABLE))
    assert (answered.answer.matches, answered.answer.open) == ((), ())


def test_a_poisoned_index_that_is_audited_hides_none(registry: Registry, tools: FindTools) -> None:
    assert versions(ask(indexed(registry, tools, VULNERABLE, lie=FIXED))) == ["3.0.11-1"]


def test_an_index_vouches_for_no_document_that_is_not_there(registry: Registry, tools: FindTools) -> None:
    other = indexed(registry, tools, FIXED)
    registry.listed[IMAGE.digest] = []
    assert isinstance(ask(other).failure, InputError)


def test_an_index_is_made_of_what_this_machine_read(registry: Registry, tools: FindTools) -> None:
    other = indexed(registry, tools, FIXED, lie=VULNERABLE)
    (record,) = find.collect([Subject(image="app", reference=IMAGE)], other).records
    assert (record.source, [package.version for package in record.facts.packages]) == ("", ["3.0.13-1"])
    assert len(registry.asked) == 1
