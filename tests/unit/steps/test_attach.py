"""Attaching: what is asked for wrongly, what is taken for there already, and what a report holds."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from s3c_actions.core import artifact_types
from s3c_actions.core.progress import Silent
from s3c_actions.core.reference import Reference
from s3c_actions.evidence import sbom
from s3c_actions.evidence.statement import Statement, normalize_time
from s3c_actions.findings.model import Finding, FindingKind, ScanReport, Severity
from s3c_actions.findings.threshold import Exemption, Threshold
from s3c_actions.options.attach import AttachInputs
from s3c_actions.options.declare import read
from s3c_actions.options.evidence import EVIDENCE_KINDS, STATEMENT_KINDS
from s3c_actions.registry import Descriptor, Manifest
from s3c_actions.report.formats import sarif
from s3c_actions.report.rendering import Rendering
from s3c_actions.result.model import SignResult
from s3c_actions.steps import attach
from tests.support.outcomes import certificate

SUBJECT = Descriptor(digest="sha256:" + 64 * "a", media_type="application/vnd.oci.image.manifest.v1+json", size=7)
REFERENCE = Reference.parse(f"registry.example/app@{SUBJECT.digest}")
DOCUMENT = attach.Attachment(
    kind="sarif", content=b"{}", created="2026-11-24T12:00:00Z", annotations={artifact_types.VERSION: "1.0.0"}
)
CERTIFICATE = certificate("CN=s3c")


class Registry:
    """Manifests by digest, and what refers to the one subject."""

    def __init__(self) -> None:
        self.manifests: dict[str, bytes] = {}
        self.listed: list[Descriptor] = []
        self.deleted: list[str] = []

    def add(self, content: bytes, **changes: object) -> str:
        digest = attach._digest(content)
        document = json.loads(content)
        descriptor = Descriptor(
            digest=digest,
            media_type=document["mediaType"],
            size=len(content),
            artifact_type=document["artifactType"],
            annotations=document["annotations"],
        )
        self.manifests[digest] = content
        self.listed.append(replace(descriptor, **changes))
        return digest

    def resolve(self, _reference: Reference) -> Descriptor:
        return SUBJECT

    def referrers(self, reference: Reference, artifact_type: str = "") -> tuple[Descriptor, ...]:
        if reference.digest != SUBJECT.digest:
            return ()
        return tuple(descriptor for descriptor in self.listed if artifact_type in ("", descriptor.artifact_type))

    def manifest(self, reference: Reference) -> Manifest:
        content = self.manifests[reference.digest]
        return Manifest(descriptor=SUBJECT, document=json.loads(content), content=content)

    def push_blob(self, _reference: Reference, _digest: str, _content: bytes) -> bool:
        return True

    def push_manifest(self, _reference: Reference, content: bytes, _kind: str) -> Descriptor:
        return replace(SUBJECT, digest=self.add(content))

    def delete_manifest(self, reference: Reference) -> bool:
        self.deleted.append(reference.digest)
        return True


@pytest.fixture
def registry() -> Registry:
    return Registry()


@pytest.fixture
def tools(registry) -> attach.AttachTools:
    def sign(reference: str) -> SignResult:
        signed.append(reference)
        return SignResult(
            reference=reference,
            signature_digest="sha256:" + 64 * "5",
            certificate=CERTIFICATE,
            signature_format="cose",
            skipped=signed.count(reference) > 1,
            verified=True,
        )

    signed: list[str] = []
    return attach.AttachTools(
        registry=registry, writer=registry, sign=sign, signed=signed.__contains__, progress=Silent()
    )


def test_the_same_document_is_attached_once(registry, tools):
    first = attach.attach(DOCUMENT, attach.find_attach_target(REFERENCE, registry), tools)
    again = attach.attach(DOCUMENT, attach.find_attach_target(REFERENCE, registry), tools)
    assert (first.skipped, again.skipped) == (False, True)
    assert first.digest == again.digest
    newer = replace(DOCUMENT, annotations={artifact_types.VERSION: "2.0.0"})
    assert attach.attach(newer, attach.find_attach_target(REFERENCE, registry), tools).digest == first.digest
    assert len(registry.manifests) == 1


def test_what_only_claims_to_be_the_document_is_never_signed(registry, tools):
    ours = json.loads(DOCUMENT.manifest(SUBJECT))
    ours["layers"][0]["digest"] = "sha256:" + 64 * "e"
    foreign = registry.add(json.dumps(ours).encode())
    assert registry.listed[0].annotations[attach.CONTENT_ANNOTATION] == DOCUMENT.digest
    assert attach.attach(DOCUMENT, attach.find_attach_target(REFERENCE, registry), tools).digest != foreign


def test_only_what_s3c_attached_before_of_the_same_kind_is_pruned(registry, tools):
    old = registry.add(replace(DOCUMENT, created="2026-11-20T12:00:00Z").manifest(SUBJECT))
    registry.add(replace(DOCUMENT, kind="spdx").manifest(SUBJECT))
    registry.add(replace(DOCUMENT, content=b"[]", annotations={}).manifest(SUBJECT))
    place = attach.find_attach_target(REFERENCE, registry)
    done = attach.attach(DOCUMENT, place, tools)
    assert attach.prune([done], place, tools) == (old,)
    assert registry.deleted == [old]


STATEMENT = replace(DOCUMENT, kind="provenance")


def test_a_statement_is_an_artifact_that_tells_what_it_states():
    document = json.loads(STATEMENT.manifest(SUBJECT))
    assert document["artifactType"] == document["layers"][0]["mediaType"] == "application/vnd.in-toto+json"
    for notes in (document["annotations"], document["layers"][0]["annotations"]):
        assert notes["in-toto.io/predicate-type"] == "https://slsa.dev/provenance/v1"
    assert document["layers"][0]["annotations"][artifact_types.TITLE] == "provenance.intoto.json"
    assert artifact_types.PREDICATE_TYPE not in json.loads(DOCUMENT.manifest(SUBJECT))["annotations"]


@pytest.mark.parametrize(
    ("given", "kinds"),
    [
        ("true", EVIDENCE_KINDS),
        ("all", EVIDENCE_KINDS),
        ("none", ()),
        ("intoto", STATEMENT_KINDS),
        ("true,intoto", (*EVIDENCE_KINDS, *STATEMENT_KINDS)),
        ("sarif, vsa,SARIF", ("sarif", "vsa")),
        ("intoto,vsa,spdx", (*STATEMENT_KINDS, "spdx")),
    ],
)
def test_kinds_are_named_one_by_one_or_as_a_group(given, kinds):
    options = read(AttachInputs, {"image": "app:1", "attach": given}, {}, lambda _notice: None)
    assert options.attach == kinds


def test_by_default_no_fact_is_attached_twice():
    options = read(AttachInputs, {"image": "app:1"}, {}, lambda _notice: None)
    assert not set(options.attach) & set(STATEMENT_KINDS)


def test_a_statement_takes_the_place_of_its_own_kind_alone(registry, tools):
    earlier = replace(STATEMENT, created="2026-11-20T12:00:00Z")
    old = registry.add(earlier.manifest(SUBJECT))
    registry.add(replace(earlier, kind="vsa").manifest(SUBJECT))
    registry.add(replace(earlier, annotations={}).manifest(SUBJECT))
    place = attach.find_attach_target(REFERENCE, registry)
    done = attach.attach(STATEMENT, place, tools)
    assert attach.prune([done], place, tools) == (old,)


def finding(number: int, severity: Severity = Severity.HIGH, **more: Any) -> Finding:
    facts = {"package": f"package-{number}", "installed": "1", "fixed": "2", "title": "T" * 300, **more}
    return Finding(kind=FindingKind.VULNERABILITY, id=f"CVE-2026-{number}", severity=severity, **facts)


def evidence_of(*findings: Finding, gate: Threshold) -> dict[str, Any]:
    report = ScanReport(
        image="app", digest=SUBJECT.digest, findings=findings, created="2026-11-24T12:00:00.5+01:00", database=""
    )
    content = sarif.render_evidence(
        [(report, Statement(subject=SUBJECT.digest, gate=gate, blind="", policy=""))], Rendering()
    )
    assert len(json.dumps(content.decode())) < 64 * 1024 - 2048, "Ratify takes no more, with what it says itself"
    (run,) = json.loads(content)["runs"]
    return dict(run)


def test_a_report_lists_what_the_policy_minds_and_no_more():
    accepted = Exemption(
        id="CVE-2026-2",
        package=None,
        ends=datetime(2099, 1, 1, tzinfo=UTC),
        until="2098-12-31",
        why="Not reached.",
        who="security",
    )
    gate = Threshold(None, refuse=frozenset({Severity.HIGH}), fixable_only=True, exemptions=(accepted,))
    run = evidence_of(finding(1), finding(2), finding(3, Severity.LOW), finding(4, fixed=""), gate=gate)
    assert [result["properties"]["id"] for result in run["results"]] == ["CVE-2026-1", "CVE-2026-2"]
    assert "Accepted until 2098-12-31 by security" in run["results"][1]["suppressions"][0]["justification"]
    statement = run["properties"]["s3c"]
    assert statement["created"] == "2026-11-24T11:00:00Z"
    assert (statement["verdict"], statement["refused"], statement["omitted"]) == ("refused", 1, 0)


def test_a_report_has_the_other_ids_of_a_finding_where_they_fit():
    gate = Threshold(None, refuse=frozenset({Severity.HIGH}))
    aliases = tuple(f"GHSA-{number:04}-aaaa-bbbb" for number in range(12))
    run = evidence_of(finding(1, aliases=aliases), finding(2), gate=gate)
    assert [result["properties"].get("aliases") for result in run["results"]] == [list(aliases[:10]), None]
    assert run["properties"]["aliases"] is True
    # No finding is left out for them.
    many = [finding(number, title="", aliases=aliases) for number in range(45)]
    run = evidence_of(*many, gate=gate)
    assert len(run["results"]) == len(many)
    assert not any("aliases" in result["properties"] for result in run["results"])
    assert "aliases" not in run["properties"]


def test_a_report_stays_small_and_counts_what_it_leaves_out():
    run = evidence_of(
        *(finding(number) for number in range(2000)), gate=Threshold(None, refuse=frozenset({Severity.HIGH}))
    )
    statement = run["properties"]["s3c"]
    assert statement["omitted"] == 2000 - len(run["results"])
    assert len(run["results"]) > 20


def test_boms_of_one_scan_are_the_same_and_those_of_an_index_stand_together():
    def trivys(number: int) -> bytes:
        document = {
            "SPDXID": "SPDXRef-DOCUMENT",
            "name": "x",
            "documentNamespace": f"http://trivy.dev/{number}",
            "creationInfo": {"created": f"2026-01-01T00:00:0{number}Z", "creators": ["Tool: trivy"]},
            "packages": [{"name": "a", "SPDXID": "SPDXRef-a", "annotations": [{"annotationDate": str(number)}]}],
            "relationships": [{"spdxElementId": "SPDXRef-DOCUMENT", "relatedSpdxElement": "SPDXRef-a"}],
        }
        return json.dumps(document).encode()

    single = sbom.render_spdx([("linux/amd64", trivys(1))], REFERENCE.pinned, DOCUMENT.created)
    assert single == sbom.render_spdx([("linux/amd64", trivys(2))], REFERENCE.pinned, DOCUMENT.created)
    both = json.loads(
        sbom.render_spdx([("linux/amd64", trivys(1)), ("linux/arm64", trivys(2))], REFERENCE.pinned, DOCUMENT.created)
    )
    assert [package["SPDXID"] for package in both["packages"]] == ["SPDXRef-a-linux-amd64", "SPDXRef-a-linux-arm64"]
    assert [relationship["relatedSpdxElement"] for relationship in both["relationships"]] == [
        "SPDXRef-a-linux-amd64",
        "SPDXRef-a-linux-arm64",
    ]
    assert both["name"] == REFERENCE.pinned


def test_references_in_cyclonedx_are_the_same_for_the_same_scan():
    def trivys(*references: str) -> bytes:
        system, first, second = references
        components = [
            {"bom-ref": system, "type": "operating-system", "name": "debian"},
            {"bom-ref": first, "type": "application", "name": "node"},
            {"bom-ref": second, "type": "application", "name": "node"},
            {"bom-ref": "pkg:deb/debian/zlib1g@1", "type": "library", "name": "zlib1g"},
        ]
        document = {
            "metadata": {"component": {"bom-ref": "pkg:oci/app", "name": "app"}},
            "components": sorted(components, key=lambda component: component["bom-ref"]),
            "dependencies": [
                {"ref": "pkg:oci/app", "dependsOn": sorted(references)},
                {"ref": system, "dependsOn": ["pkg:deb/debian/zlib1g@1"]},
            ],
        }
        return json.dumps(document).encode()

    names = [f"{digit * 8}-0000-4000-8000-{digit * 12}" for digit in "123456"]
    rendered = sbom.render_cyclonedx(trivys(*names[:3]), REFERENCE.pinned, DOCUMENT.created)
    assert rendered == sbom.render_cyclonedx(trivys(*reversed(names[3:])), REFERENCE.pinned, DOCUMENT.created)
    document = json.loads(rendered)
    references = [component["bom-ref"] for component in document["components"]]
    assert len(set(references)) == 4
    assert set(document["dependencies"][-1]["dependsOn"]) | {"pkg:deb/debian/zlib1g@1"} == set(references)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-24T12:00:00.123456789Z", "2026-11-24T12:00:00Z"),
        ("2026-11-24T01:00:00+02:00", "2026-11-23T23:00:00Z"),
        ("2026-11-24T12:00:00", ""),
        ("yesterday", ""),
        ("", ""),
    ],
)
def test_times_are_judged_in_one_form(text, expected):
    assert normalize_time(text) == expected
