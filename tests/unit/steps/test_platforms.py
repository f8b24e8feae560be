"""Images of several platforms: which are looked at, what is handed on, and how their findings are put together."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from s3c_actions.core.errors import Exit, InputError, OutsideError
from s3c_actions.core.reference import Reference
from s3c_actions.findings.model import Severity
from s3c_actions.programs.notation.notation import Notation
from s3c_actions.programs.trivy.cache import DatabaseMetadata
from s3c_actions.programs.trivy.trivy import Trivy
from s3c_actions.registry import DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, Descriptor, Manifest, Registry, choose
from s3c_actions.registry.content import compute_digest, parse_manifest
from s3c_actions.registry.oci_layout import layout_platforms
from s3c_actions.result.model import SignResult
from s3c_actions.steps import sign as signing
from s3c_actions.steps.merge import merge_scans, union_findings
from s3c_actions.wiring import logins, tracing
from tests.support import outcomes
from tests.support.bare import KEY, ended, furnish, install_programs, silence

NAME = "registry.example/app"
ATTESTATION = {"platform": {"os": "unknown", "architecture": "unknown"}}
CRITICAL = {
    "VulnerabilityID": "CVE-2026-1",
    "PkgName": "openssl",
    "InstalledVersion": "1",
    "FixedVersion": "2",
    "Severity": "CRITICAL",
}
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"


def refuse(why: str) -> OutsideError:
    return OutsideError(why)


class World(Registry):
    """A registry in memory, and a Trivy that finds something in what `bad` names."""

    def __init__(self) -> None:
        self.content: dict[str, tuple[bytes, str]] = {}
        self.tags_: dict[str, str] = {}
        self.bad: set[str] = set()
        self.scanned: list[tuple[str, str]] = []

    def put(self, document: dict[str, Any], kind: str = "") -> dict[str, Any]:
        body = json.dumps(document).encode()
        self.content[compute_digest(body)] = body, kind
        return {"mediaType": kind, "digest": compute_digest(body), "size": len(body)}

    def image(self, architecture: str, *, of: str = CONFIG_TYPE, **platform: Any) -> dict[str, Any]:
        """An image, as an index lists it."""
        config = self.put({"os": "linux", "architecture": architecture, **platform}) | {"mediaType": of}
        listed = {"os": "linux", "architecture": architecture, **platform}
        return self.put({"mediaType": OCI_MANIFEST, "config": config, "layers": []}, OCI_MANIFEST) | {
            "platform": listed
        }

    def index(self, *entries: dict[str, Any]) -> dict[str, Any]:
        return self.put({"mediaType": OCI_INDEX, "manifests": list(entries)}, OCI_INDEX)

    def manifest(self, reference: Reference, *, field: str = "image") -> Manifest:
        digest = reference.digest or self.tags_.get(reference.tag, "")
        if digest not in self.content:
            raise InputError(field, f"{reference} does not exist.")
        body, kind = self.content[digest]
        return parse_manifest(body, refuse, digest=digest, media_type=kind)

    def blob(self, reference: Reference, digest: str) -> bytes:
        return self.content[digest][0]

    def referrers(
        self, reference: Reference, wanted_type: str = "", *, tag_first: bool = False
    ) -> tuple[Descriptor, ...]:
        return ()

    def tags(self, reference: Reference, *, field: str = "image") -> tuple[str, ...]:
        return ()

    def scan(self, request: Any, _progress: Any) -> tuple[str, ...]:
        """As Trivy does: of what is not an index, the one image there is."""
        digest = request.image.rpartition("@")[2]
        self.scanned.append((digest, request.options.platform))
        findings = [CRITICAL] if digest in self.bad else []
        config = json.loads(self.content[json.loads(self.content[digest][0])["config"]["digest"]][0])
        listed = [{"Name": "openssl", "Version": "1"}]
        result = {"Target": "x", "Class": "os-pkgs", "Type": "debian", "Packages": listed, "Vulnerabilities": findings}
        document = {
            "SchemaVersion": 2,
            "CreatedAt": datetime.now(UTC).isoformat(),
            "ArtifactName": request.image,
            "ArtifactType": "container_image",
            "Metadata": {
                "OS": {"Family": "debian", "Name": "13"},
                "RepoDigests": [request.image],
                "ImageConfig": {"os": config["os"], "architecture": config["architecture"]},
            },
            "Results": [result],
        }
        request.output.write_text(json.dumps(document))
        return ()


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def ran(world, tmp_path, identity, monkeypatch) -> Callable[..., tuple[int, str, dict[str, Any]]]:
    def run(*argv: str) -> tuple[int, str, dict[str, Any]]:
        formats = () if argv[0] == "sign" else ("--format", "json,html,sarif")
        code, output = ended((*argv, *formats), tmp_path, S3C_REUSE="false")
        path = tmp_path / "s3c-out" / "result.json"
        images = json.loads(path.read_text())["images"] if path.is_file() else []
        return code, output, images[0] if images else {}

    install_programs(tmp_path)
    furnish(tmp_path, identity)
    monkeypatch.chdir(tmp_path)
    silence(monkeypatch)
    monkeypatch.setattr(logins, "create_registry", lambda *_a, **_n: world)
    monkeypatch.setattr(Trivy, "scan", world.scan)
    monkeypatch.setattr(Trivy, "database", lambda *_: DatabaseMetadata(updated_at=datetime.now(UTC)))
    monkeypatch.setattr(tracing, "trace_image", fail_to_trace)
    return run


def fail_to_trace(*_arguments: Any) -> None:
    raise OutsideError("There is nothing to tell.")


def tagged(world: World, entry: dict[str, Any]) -> str:
    world.tags_["1.0"] = entry["digest"]
    return f"{NAME}:1.0"


GATED = [
    ("scan", "--fail-on", "CRITICAL"),
    ("scan", "--exit-code", "1"),
    ("scan", "--policy", "policy.yaml"),
    ("chain", "--patch=false", "--sign=false"),
]


@pytest.mark.parametrize("argv", GATED, ids=" ".join)
@pytest.mark.parametrize("place", ["listed", "without a platform", "in an index of its own"])
def test_a_gate_looks_at_every_image_that_a_runtime_could_take(ran, world, argv, place) -> None:
    good, bad = world.image("amd64"), world.image("arm64")
    world.bad.add(bad["digest"])
    entry = {
        "listed": bad,
        "without a platform": {key: value for key, value in bad.items() if key != "platform"},
        "in an index of its own": world.index(bad),
    }[place]
    index = world.index(good, entry)
    code, output, image = ran(argv[0], tagged(world, index), *argv[1:])
    assert code == Exit.REFUSED, output
    assert image["reference"] == f"{NAME}@{index['digest']}"
    assert image["findings"]["critical"] == 1
    assert {digest for digest, _ in world.scanned} == {good["digest"], bad["digest"]}
    assert [platform["platform"] for platform in image["scan"]["platforms"]] == ["linux/amd64", "linux/arm64"]


def test_what_is_written_of_an_index(ran, world, tmp_path) -> None:
    index = world.index(world.image("amd64"), world.image("arm64"))
    code, output, image = ran("scan", tagged(world, index), "--fail-on", "LOW")
    assert code == Exit.DONE, output
    assert set(image["files"]) == {"html"}
    assert "linux/amd64, linux/arm64" in Path(image["files"]["html"]).read_text()
    sarifs = [json.loads(Path(platform["files"]["sarif"]).read_text()) for platform in image["scan"]["platforms"]]
    categories = {run["automationDetails"]["id"] for sarif in sarifs for run in sarif["runs"]}
    assert len(categories) == 2
    assert all(Path(platform["files"]["json"]).is_file() for platform in image["scan"]["platforms"])
    assert not (tmp_path / "s3c-out" / "app" / "trivy.json").exists()


def test_without_a_gate_one_platform_is_looked_at_and_handed_on(ran, world) -> None:
    amd64, arm64 = world.image("amd64"), world.image("arm64")
    code, output, image = ran("scan", tagged(world, world.index(amd64, arm64)))
    assert code == Exit.DONE, output
    assert image["reference"] == f"{NAME}@{amd64['digest']}"
    assert world.scanned == [(amd64["digest"], "linux/amd64")]
    assert "linux/amd64 alone is looked at, and handed on by its own digest" in output
    assert any("alone is looked at" in warning for warning in image["scan"]["warnings"])


@pytest.mark.parametrize("argv", [("scan", "--fail-on", "LOW"), ("chain", "--patch=false", "--sign=false")])
def test_a_platform_that_is_asked_for_is_what_is_handed_on(ran, world, argv) -> None:
    amd64, arm64 = world.image("amd64"), world.image("arm64")
    world.bad.add(amd64["digest"])
    image = tagged(world, world.index(amd64, arm64))
    code, output, result = ran(argv[0], image, *argv[1:], "--platform", "linux/arm64")
    assert code == Exit.DONE, output
    assert result["reference"] == f"{NAME}@{arm64['digest']}"
    assert "linux/arm64 alone is looked at" in output


@pytest.mark.parametrize("gate", [(), ("--fail-on", "LOW")])
@pytest.mark.parametrize("variant", [{}, {"variant": "v8"}])
def test_an_index_of_one_image_is_scanned_as_that_image(ran, world, gate, variant) -> None:
    arm64 = world.image("arm64", **variant)
    attestation = world.image("unknown") | ATTESTATION
    index = world.index(arm64, attestation)
    code, output, image = ran("scan", tagged(world, index), *gate)
    assert code == Exit.DONE, output
    assert image["reference"] == f"{NAME}@{index['digest']}"
    assert [digest for digest, _ in world.scanned] == [arm64["digest"]]


@pytest.mark.parametrize("entries", ["none", "an attestation", "an artifact"])
def test_an_index_without_an_image_is_refused(ran, world, entries) -> None:
    artifact = world.image("amd64", of="application/vnd.oci.empty.v1+json")
    del artifact["platform"]
    listed = {"none": (), "an attestation": (world.image("unknown") | ATTESTATION,), "an artifact": (artifact,)}
    code, output, _ = ran("scan", tagged(world, world.index(*listed[entries])), "--fail-on", "LOW")
    assert (code, world.scanned) == (Exit.WRONG_INPUT, []), output


def test_indexes_in_indexes_come_to_an_end(world) -> None:
    index = world.index(world.image("amd64"))
    for _ in range(4):
        index = world.index(index)
    reference = Reference.parse(f"{NAME}@{index['digest']}")
    with pytest.raises(OutsideError, match="indexes over 3 deep"):
        world.flatten(reference, world.resolve(reference))


@pytest.mark.parametrize(
    ("wanted", "listed"),
    [
        ("linux/arm64/v8", "linux/arm64"),
        ("linux/arm64", "linux/arm64/v8"),
        ("linux/arm", "linux/arm/v7"),
        ("linux/arm/v7", "linux/arm/v7"),
    ],
)
def test_a_platform_by_any_of_its_names(wanted, listed) -> None:
    entries = tuple(
        Descriptor(digest=f"sha256:{number:064x}", media_type=DOCKER_MANIFEST, size=1, platform=platform)
        for number, platform in enumerate(("linux/amd64", listed))
    )
    index = Descriptor(digest="sha256:" + "f" * 64, media_type=OCI_INDEX, size=1, manifests=entries)
    assert choose(index, wanted, "app").platform == listed


@pytest.mark.parametrize("nested", [True, False])
def test_a_folder_of_several_platforms_passes_no_gate(ran, world, tmp_path, nested) -> None:
    listed = [world.image("amd64"), world.image("arm64")]
    entries = [world.index(*listed)] if nested else listed
    blobs = tmp_path / "layout" / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    for digest, (body, _) in world.content.items():
        (blobs / digest.partition(":")[2]).write_bytes(body)
    (tmp_path / "layout" / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": entries}))
    assert layout_platforms(str(tmp_path / "layout")) == ("linux/amd64", "linux/arm64")
    code, output, _ = ran("scan", "--input", "layout", "--fail-on", "LOW")
    assert (code, world.scanned) == (Exit.WRONG_INPUT, []), output
    assert "holds images for linux/amd64, linux/arm64" in output


@pytest.fixture
def signed(ran, monkeypatch) -> list[str]:
    """The references that were signed; the signature itself is another test's."""
    done: list[str] = []

    def sign(_signer: Any, reference: str, *_rest: Any) -> SignResult:
        done.append(reference)
        return outcomes.SIGNED

    monkeypatch.setattr(signing, "run", sign)
    monkeypatch.setattr(Notation, "signatures", lambda *_a, **_n: ())
    return done


def both(ran: Callable[..., Any], world: World, folder: Path) -> tuple[str, list[str]]:
    """An index, and the reports of its platforms, the second of which is bad."""
    amd64, arm64 = world.image("amd64"), world.image("arm64")
    world.bad.add(arm64["digest"])
    index = f"{NAME}@{world.index(amd64, arm64)['digest']}"
    reports = []
    for number, entry in enumerate((amd64, arm64)):
        ran("scan", f"{NAME}@{entry['digest']}")
        reports.append(str(folder / f"{number}.json"))
        (folder / "s3c-out" / "app" / "trivy.json").rename(reports[-1])
    return index, reports


def test_what_is_signed_without_reports_is_noted_as_not_judged(ran, world, signed) -> None:
    image = f"{NAME}@{world.image('amd64')['digest']}"
    code, output, _ = ran("sign", image, *KEY)
    assert (code, signed) == (Exit.DONE, [image]), output
    assert "not judged" in output


@pytest.mark.parametrize("gate", [("--fail-on", "CRITICAL"), ("--policy", "policy.yaml")])
def test_a_gate_signs_nothing_without_the_report_of_every_platform(ran, world, signed, tmp_path, gate) -> None:
    index, (amd64, _) = both(ran, world, tmp_path)
    code, output, _ = ran("sign", index, *gate, *KEY)
    assert (code, "there is no report to judge the image by" in output) == (Exit.WRONG_INPUT, True), output
    code, output, _ = ran("sign", index, *gate, "--report", amd64, *KEY)
    assert (code, "none of the reports is of" in output) == (Exit.WRONG_INPUT, True), output
    assert signed == []


def test_a_gate_signs_what_all_platforms_pass(ran, world, signed, tmp_path) -> None:
    index, reports = both(ran, world, tmp_path)
    given = ("--report", reports[0], "--report", reports[1], *KEY)
    code, output, _ = ran("sign", index, "--fail-on", "CRITICAL", *given)
    assert (code, signed) == (Exit.REFUSED, []), output
    assert "Nothing was signed" in output
    code, output, _ = ran("sign", index, "--fail-on", "CRITICAL", "--fixable-only", *given)
    assert (code, signed) == (Exit.REFUSED, []), output
    world.bad.clear()
    index, reports = both_good(ran, world, tmp_path)
    code, output, _ = ran("sign", index, "--fail-on", "LOW", "--report", reports[0], "--report", reports[1], *KEY)
    assert (code, signed) == (Exit.DONE, [index]), output
    assert "not judged" not in output


def both_good(ran: Callable[..., Any], world: World, folder: Path) -> tuple[str, list[str]]:
    index, reports = both(ran, world, folder)
    world.bad.clear()
    digest = json.loads(Path(reports[1]).read_text())["ArtifactName"]
    ran("scan", digest)
    (folder / "s3c-out" / "app" / "trivy.json").rename(reports[1])
    return index, reports


AMD = outcomes.vulnerability(1, Severity.CRITICAL, purl="pkg:deb/debian/a@1?arch=amd64", target="app (debian 12)")
ARM = replace(AMD, purl="pkg:deb/debian/a@1?arch=arm64", target="app@sha256:0 (debian 12)", layer="sha256:1")


def test_the_same_finding_of_two_platforms_is_one() -> None:
    assert union_findings([[AMD], [ARM]]) == (AMD,)


def test_what_differs_between_platforms_stays_as_each_has_it() -> None:
    lower = replace(ARM, severity=Severity.LOW, fixed="")
    for both in ([[AMD], [lower]], [[lower], [AMD]]):
        assert [(finding.severity, finding.fixed) for finding in union_findings(both)] == [
            (Severity.CRITICAL, AMD.fixed),
            (Severity.LOW, ""),
        ]


def test_what_one_platform_has_twice_is_there_twice() -> None:
    assert len(union_findings([[AMD, AMD], [ARM]])) == 2
    assert len(union_findings([[AMD], [ARM, ARM]])) == 2
    assert len(union_findings([[AMD, replace(AMD, path="app/b.jar")], [ARM]])) == 2


def test_the_whole_is_what_its_platforms_are() -> None:
    aside = replace(AMD, id="CVE-2026-9", suppressed="by us")
    amd64 = outcomes.report(AMD, created="2026-11-23T06:00:00Z", platform="linux/amd64")
    arm64 = outcomes.report(
        replace(ARM, severity=Severity.LOW, fixed=""),
        created="2026-11-22T06:00:00Z",
        platform="linux/arm64",
        suppressed=(aside,),
    )
    scans = [
        outcomes.scan(amd64, refused=(AMD,)),
        outcomes.scan(arm64, blind="Nothing was checked.", missing=("os",), outdated="Old."),
    ]
    whole = merge_scans("app", Reference.parse(f"{NAME}@{outcomes.AFTER}"), scans)
    assert len(whole.report.findings) == len(whole.shown.findings) == 2
    assert (whole.report.counts[Severity.CRITICAL], whole.report.counts[Severity.LOW]) == (1, 1)
    assert len(whole.report.fixable) == 1
    assert whole.shown.suppressed == (aside,)
    assert whole.report.created == arm64.created
    assert whole.refused == (AMD,)
    assert whole.blind == "linux/arm64: Nothing was checked."
    assert (whole.missing, whole.outdated) == (("os",), "linux/arm64: Old.")
    assert not whole.files


def test_the_whole_is_as_old_as_its_oldest_part_whatever_the_form_of_its_time() -> None:
    for times, oldest in (
        (("2026-11-23T06:00:00.5Z", "2026-11-23T06:00:00Z"), "2026-11-23T06:00:00Z"),
        (("2026-11-23T06:00:00Z", ""), ""),
    ):
        scans = [outcomes.scan(outcomes.report(AMD, created=time, database=time)) for time in times]
        whole = merge_scans("app", Reference.parse(f"{NAME}@{outcomes.AFTER}"), scans)
        assert (whole.report.created, whole.report.database) == (oldest, oldest)
