"""`attach:` on the steps that sign: what each attaches to a real registry, signed by notation, once."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from s3c_actions.core import artifact_types
from s3c_lab.lab import Lab
from tests.support.oci import Repository, copy_image, layer
from tests.support.scanning import HIGH, database, debian
from tests.support.signing import Ended

EVERYTHING = {"sarif", "spdx", "cyclonedx", "vex", "result"}


class Beside:
    """What lies beside a digest, from the registry's referrers tag."""

    def __init__(self, reference: str) -> None:
        name, _, self.digest = reference.partition("@")
        registry, _, repository = name.partition("/")
        self.repository = Repository(registry, repository)

    def listed(self, digest: str = "") -> list[dict[str, Any]]:
        tag = (digest or self.digest).replace(":", "-")
        return list(self.repository.get(tag)["manifests"]) if tag in self.repository.tags() else []

    def digests(self, artifact_type: str) -> list[str]:
        return [referrer["digest"] for referrer in self.listed() if referrer["artifactType"] == artifact_type]

    def documents(self) -> dict[str, str]:
        """Kind → digest of the manifest, each kind once and signed once."""
        by_kind = {kind: self.digests(artifact_type) for kind, artifact_type in artifact_types.TYPES.items()}
        for digest in (document_digest for listed in by_kind.values() for document_digest in listed):
            assert [referrer["artifactType"] for referrer in self.listed(digest)] == [artifact_types.SIGNATURE]
        assert all(len(listed) <= 1 for listed in by_kind.values())
        return {kind: listed[0] for kind, listed in by_kind.items() if listed}

    def document(self, kind: str) -> dict[str, Any]:
        manifest = self.repository.get(self.documents()[kind])
        assert manifest["subject"]["digest"] == self.digest
        return dict(json.loads(self.repository.blob(manifest["layers"][0]["digest"])))

    def state(self) -> dict[str, bytes]:
        """Everything in the repository: each tag with the manifest it stands for."""
        return {tag: self.repository.raw(tag)[0] for tag in self.repository.tags()}


@pytest.fixture
def run(lab: Lab, s3c: Callable[..., Ended], signing_key: tuple[Path, Path]) -> Callable[..., Ended]:
    """Runs a command with a key and the lab's database, and `attach`."""

    def go(
        command: str, image: str, *flags: str | Path, attach: str = "true", code: int = 0, db: Path | None = None
    ) -> Ended:
        # What patches signs nothing: it only has to know whose signature counts.
        key = ("--attach", attach, "--key", signing_key[0]) if command != "patch" else ()
        signer = (*key, "--certificate", signing_key[1])
        look = ("--trivy-cache-dir", db or lab.trivy_cache, "--offline") if command != "sign" else ()
        buildkit = ("--buildkit-addr", lab.buildkit) if command in {"patch", "chain"} else ()
        ended = s3c(command, image, *signer, *look, *buildkit, *flags)
        assert ended.code == code, ended.stderr
        return ended

    return go


def newly_attached(ended: Ended) -> list[str]:
    """The kinds of which a document was attached in this run."""
    return [document["kind"] for document in ended.image["attach"]["documents"] if not document["skipped"]]


def check(beside: Beside, ended: Ended) -> None:
    """The documents are those that the result tells of, and about this image."""
    attached = ended.image["attach"]
    assert {document["kind"]: document["digest"] for document in attached["documents"]} == beside.documents()
    assert ended.image["digest"] == beside.digest
    (scanned,) = beside.document("sarif")["runs"]
    stated = scanned["properties"]["s3c"]
    assert (stated["subject"], stated["image"]) == (beside.digest, beside.digest)
    assert stated["sbom"] == beside.documents()["spdx"]
    assert beside.document("spdx")["name"].endswith(beside.digest)
    assert beside.document("cyclonedx")["bomFormat"] == "CycloneDX"
    (facts,) = beside.document("result")["images"]
    assert facts["digest"] == beside.digest


def test_the_chain_attaches_everything_once(fresh: Callable[[str], str], run: Callable[..., Ended]) -> None:
    image = fresh("voting-app")
    first = run("chain", image)
    beside = Beside(first.image["reference"])
    assert beside.documents().keys() == EVERYTHING
    check(beside, first)
    assert len(beside.digests(artifact_types.SIGNATURE)) == 1
    (facts,) = beside.document("result")["images"]
    assert len(facts["patch"]["fixed"]) == len(first.image["patch"]["fixed"]) > 0
    fixed = {statement["vulnerability"]["name"] for statement in beside.document("vex")["statements"]}
    assert fixed == {finding["id"] for finding in first.image["patch"]["fixed"]}
    story = json.loads(Path(first.image["files"]["trace-json"]).read_text())
    documents = story["subject"]["documents"]
    assert {document["digest"] for document in documents} == set(beside.documents().values())
    assert all([signature["trust"] for signature in document["signatures"]] == ["trusted"] for document in documents)
    assert story["change"]["source"] == "the attached result.json, signed by a trusted signer"

    state = beside.state()
    again = run("chain", image)
    assert newly_attached(again) == []
    assert beside.state() == state


def statements(beside: Beside) -> dict[str, dict[str, Any]]:
    """Kind → the in-toto statement about the image, each signed once."""
    by_kind: dict[str, dict[str, Any]] = {}
    kinds = {predicate: kind for kind, predicate in artifact_types.PREDICATES.items()}
    for listed in beside.listed():
        if listed["artifactType"] != artifact_types.IN_TOTO:
            continue
        assert [referrer["artifactType"] for referrer in beside.listed(listed["digest"])] == [artifact_types.SIGNATURE]
        manifest = beside.repository.get(listed["digest"])
        statement = json.loads(beside.repository.blob(manifest["layers"][0]["digest"]))
        (subject,) = statement["subject"]
        assert f"sha256:{subject['digest']['sha256']}" == beside.digest
        assert statement["predicateType"] == listed["annotations"][artifact_types.PREDICATE_TYPE]
        assert by_kind.setdefault(kinds[statement["predicateType"]], statement) is statement, "each kind once"
    return by_kind


def test_the_chain_states_it_all_for_other_tools(fresh: Callable[[str], str], run: Callable[..., Ended]) -> None:
    image = fresh("voting-app")
    first = run("chain", image, attach="intoto")
    beside = Beside(first.image["reference"])
    stated = statements(beside)
    assert stated.keys() == artifact_types.PREDICATES.keys()
    assert [document["kind"] for document in first.image["attach"]["documents"]] == list(artifact_types.PREDICATES)
    original = first.image["patch"]["original"].partition("@")[2]
    definition = stated["provenance"]["predicate"]["buildDefinition"]
    named = {dependency["name"]: dependency for dependency in definition["resolvedDependencies"]}
    assert f"sha256:{named['original']['digest']['sha256']}" == original
    assert named["vulnerability-database"]["annotations"]["lastUpdate"]
    assert definition["internalParameters"]["upgraded"] == first.image["patch"]["upgraded"]
    programs = stated["provenance"]["predicate"]["runDetails"]["builder"]["version"]
    assert programs.keys() == {"s3c", "copa", "trivy"}
    assert programs == first.image["patch"]["programs"]
    fixed = {statement["vulnerability"]["name"] for statement in stated["intoto-vex"]["predicate"]["statements"]}
    assert fixed == {finding["id"] for finding in first.image["patch"]["fixed"]}
    rescan = json.loads(Path(first.image["files"]["json"]).read_text())
    left = {
        vulnerability["VulnerabilityID"]
        for result in rescan["Results"]
        for vulnerability in result.get("Vulnerabilities") or ()
    }
    assert {vulnerability["id"] for vulnerability in stated["intoto-vulns"]["predicate"]["scanner"]["result"]} == left
    assert stated["vsa"]["predicate"]["verificationResult"] == "PASSED"
    story = json.loads(Path(first.image["files"]["trace-json"]).read_text())
    traced = [document for document in story["subject"]["documents"] if document["kind"] == "in-toto statement"]
    assert len(traced) == len(stated)
    assert {
        (document["problem"], *(signature["trust"] for signature in document["signatures"])) for document in traced
    } == {("", "trusted")}
    # A run that uses the patch again did not make it: it states no other provenance, and nothing twice.
    state = beside.state()
    assert newly_attached(run("chain", image, attach="intoto")) == []
    assert beside.state() == state


def test_sign_attaches_what_the_patch_left(
    fresh: Callable[[str], str], run: Callable[..., Ended], tmp_path: Path
) -> None:
    image = fresh("voting-db")
    first = run("patch", image)
    beside = Beside(first.image["reference"])
    assert beside.documents() == {}
    assert beside.digests(artifact_types.SIGNATURE) == []
    left = tmp_path / "left"
    shutil.copytree(tmp_path / "s3c-out", left)
    reference = first.image["reference"]
    attached = run("attach", reference, "--results", left)
    assert beside.documents().keys() == EVERYTHING
    check(beside, attached)
    assert beside.digests(artifact_types.SIGNATURE) == [], "evidence vouches for no image"
    (facts,) = beside.document("result")["images"]
    assert len(facts["patch"]["fixed"]) == len(first.image["patch"]["fixed"]) > 0
    report, openvex = Path(first.image["files"]["json"]), tmp_path / "fixed.openvex.json"
    openvex.write_bytes((report.parent.parent / "fixed.openvex.json").read_bytes())
    kept = tmp_path / "trivy.json"
    kept.write_bytes(report.read_bytes())

    # The job that signs states how the other one made the patch.
    run("attach", reference, "--results", left, attach="provenance")
    assert statements(beside)["provenance"]["predicate"]["runDetails"]["builder"]["version"].keys() >= {"copa", "trivy"}

    # What signs takes an earlier patch only when a signature covers it.
    run("sign", reference, attach="false")
    state = beside.state()
    again = run("patch", image)
    assert (again.image["reference"], again.image["patch"]["skipped"]) == (reference, True)
    assert beside.state() == state

    tag = first.image["patch"]["tag"]
    copy = copy_image(f"{image.rpartition(':')[0]}:{tag}", f"{beside.repository.name}-copy")
    signed = run("sign", copy, "--report", kept, "--openvex", openvex)
    other = Beside(signed.image["reference"])
    assert other.digest == beside.digest
    assert other.documents().keys() == EVERYTHING
    check(other, signed)
    assert len(other.digests(artifact_types.SIGNATURE)) == 1
    state = other.state()
    assert newly_attached(run("sign", copy, "--report", kept, "--openvex", openvex)) == []
    assert other.state() == state
    nothing = run("sign", copy, code=2)
    assert "attach: there is no report to make evidence of" in nothing.stderr
    another = run("sign", image, "--results", left, code=2)
    assert "results: none of them has a scan of" in another.stderr

    third = copy_image(f"{image.rpartition(':')[0]}:{tag}", f"{beside.repository.name}-results")
    signed = run("sign", third, "--results", left, "--fail-on", "HIGH", "--fixable-only")
    last = Beside(signed.image["reference"])
    assert last.documents().keys() == EVERYTHING
    check(last, signed)
    assert signed.image["sign"]["judged"]
    (facts,) = last.document("result")["images"]
    assert facts["patch"]["original"] == first.image["patch"]["original"]
    fixed = {statement["vulnerability"]["name"] for statement in last.document("vex")["statements"]}
    assert fixed == {finding["id"] for finding in first.image["patch"]["fixed"]}
    state = last.state()
    assert newly_attached(run("sign", third, "--results", left, "--fail-on", "HIGH", "--fixable-only")) == []
    assert last.state() == state


def test_what_the_gate_refuses_gets_its_report_and_no_signature(
    repository: Repository, run: Callable[..., Ended], tmp_path: Path
) -> None:
    """Of an index, so that no platform's image is vouched for either."""
    platforms = [
        repository.image(
            [layer({**debian(), "etc/arch": architecture.encode()})], architecture, architecture=architecture
        )
        for architecture in ("amd64", "arm64")
    ]
    pushed = repository.index(platforms, "1")
    image = f"{repository.registry}/{repository.name}@{pushed['digest']}"
    db = database(tmp_path / "made")
    for _ in range(2):
        ended = run("chain", image, "--patch=false", "--fail-on", "HIGH", attach="sarif", code=1, db=db)
        assert "Nothing was signed" in ended.stderr
        beside = Beside(image)
        assert beside.documents().keys() == {"sarif"}
        results = [result["properties"]["id"] for run in beside.document("sarif")["runs"] for result in run["results"]]
        assert results == [HIGH, HIGH]
        for manifest in (pushed, *platforms):
            kinds = [referrer["artifactType"] for referrer in beside.listed(manifest["digest"])]
            assert kinds == [artifact_types.SARIF], "a report, and no signature"
    # Once it has passed and is signed, so are its platforms.
    passed = run("chain", image, "--patch=false", "--fail-on", "none", attach="sarif", db=db)
    assert passed.image["sign"]["verified"]
    for manifest in (pushed, *platforms):
        assert artifact_types.SIGNATURE in {
            referrer["artifactType"] for referrer in Beside(image).listed(manifest["digest"])
        }


def test_sign_attaches_the_scan_of_every_platform_and_signs_what_passes(
    repository: Repository, run: Callable[..., Ended], s3c: Callable[..., Ended], tmp_path: Path
) -> None:
    platforms = [
        repository.image(
            [layer({**debian(), "etc/arch": architecture.encode()})], architecture, architecture=architecture
        )
        for architecture in ("amd64", "arm64")
    ]
    pushed = repository.index(platforms, "1")
    image = f"{repository.registry}/{repository.name}@{pushed['digest']}"
    left = tmp_path / "left"
    look = ("--trivy-cache-dir", database(tmp_path / "made"), "--offline")
    scan = s3c("scan", image, "--fail-on", "HIGH", "--exit-code", "0", *look)
    assert scan.code == 0, scan.stderr
    shutil.copytree(tmp_path / "s3c-out", left)
    refused = run("sign", image, "--results", left, "--fail-on", "HIGH", attach="sarif", code=1)
    assert "Nothing was signed" in refused.stderr
    beside = Beside(image)
    for manifest in (pushed, *platforms):
        assert [referrer["artifactType"] for referrer in beside.listed(manifest["digest"])] == [artifact_types.SARIF]
    signed = run("sign", image, "--results", left, "--fail-on", "CRITICAL", attach="sarif")
    assert signed.image["sign"]["judged"]
    for manifest in (pushed, *platforms):
        assert artifact_types.SIGNATURE in {referrer["artifactType"] for referrer in beside.listed(manifest["digest"])}
