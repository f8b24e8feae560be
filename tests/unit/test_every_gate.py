"""Every command that takes or makes a report, on reports that a gate must not take for clean ones.

The programs and the registry stand still here: Trivy hands out the report of the case, and a signature fails the test.
"""

from __future__ import annotations

import ast
import json
import os
from collections.abc import Callable, Set
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

import s3c_actions
from s3c_actions.core.errors import Exit, OutsideError
from s3c_actions.core.reference import Reference
from s3c_actions.core.secrets import Secrets
from s3c_actions.evidence.statement import Statement
from s3c_actions.findings.coverage import Coverage
from s3c_actions.findings.model import ScanReport
from s3c_actions.findings.scope import Scope
from s3c_actions.findings.threshold import Threshold
from s3c_actions.programs.notation.notation import Notation
from s3c_actions.programs.trivy.cache import DatabaseMetadata
from s3c_actions.programs.trivy.trivy import Conversion, Trivy
from s3c_actions.registry import OCI_MANIFEST, Descriptor, ImageConfig, Manifest
from s3c_actions.result import document
from s3c_actions.result.model import AttachResult, ImageOutcome, Outcome, PolicyJudgement, ScanResult
from s3c_actions.steps.assess import Criteria
from s3c_actions.wiring import attaching, logins, tracing
from tests.support import exploitation, samples
from tests.support.bare import KEY, ended, furnish, install_programs, silence
from tests.support.sources import nodes

ROOT = Path(s3c_actions.__file__).parent
DIGEST = "sha256:" + 64 * "a"
LAYER = "sha256:" + 64 * "b"
IMAGE = f"registry.example/voting-app@{DIGEST}"
PACKAGE = {"ID": "telnetd@1", "Name": "telnetd", "Version": "1", "Identifier": {"PURL": "pkg:apk/alpine/telnetd@1"}}
NODE = {"Target": "Node.js", "Class": "lang-pkgs", "Type": "node-pkg", "Packages": [{"Name": "a", "Version": "1"}]}
POLICY = "version: 1\npackages: {refuse: [telnetd]}\n"

JUDGED = frozenset(
    {"gated", "refused", "blind", "overridden", "contents", "objections", "policy", "scope"}
    | {"uncovered", "missing", "outdated"}
)
STATED = {"blind", "contents", "policy", "scope", "uncovered"}
"""What a `Statement` has under the same name."""
READ_BY_A_GATE: dict[type, Set[str]] = {
    ScanResult: JUDGED,
    ScanReport: {"digest", "findings", "created", "database"},
    Coverage: {"blind", "warnings", "uncovered"},
    Statement: {"subject", "gate", "blind", "policy"},
    Criteria: {"gate", "policy", "unscanned_fails", "ignore_unfixed", "now", "bill"},
    PolicyJudgement: {"policy", "refusals"},
    Scope: {"scanners", "pkg_types", "platforms", "skip_dirs", "skip_files", "files", "stated"},
}


def test_one_module_makes_scan_results_and_two_say_what_a_gate_reads() -> None:
    makers, replacers = set(), set()
    for path in ROOT.rglob("*.py"):
        name = path.relative_to(ROOT).as_posix()
        for node in nodes(path):
            if isinstance(node, ast.Call):
                called = getattr(node.func, "attr", getattr(node.func, "id", ""))
                makers |= {name} if called == "ScanResult" else set()
                named = {keyword.arg for keyword in node.keywords}
                replacers |= {name} if called == "replace" and named & (JUDGED - STATED) else set()
    assert makers == {"steps/assess.py"}
    assert replacers == {"steps/merge.py"}


@pytest.mark.parametrize("kind", READ_BY_A_GATE, ids=lambda kind: kind.__name__)
def test_what_a_gate_reads_has_no_default(kind: type) -> None:
    fields, defaults = kind.__struct_fields__, kind.__struct_defaults__  # type: ignore[attr-defined]
    optional = dict(zip(reversed(fields), reversed(defaults), strict=False))
    required = {name for name in fields if optional.get(name, msgspec.NODEFAULT) is msgspec.NODEFAULT}
    assert required >= READ_BY_A_GATE[kind]


def test_a_gate_says_what_it_refuses() -> None:
    with pytest.raises(TypeError):
        Threshold()  # type: ignore[call-arg]


def report(*results: dict[str, Any], age: timedelta = timedelta(minutes=1), **system: Any) -> bytes:
    """A report of the one image."""
    metadata: dict[str, Any] = {
        "DiffIDs": [LAYER],
        "RepoDigests": [IMAGE],
        "ImageConfig": {"os": "linux", "architecture": "amd64"},
    }
    return json.dumps(
        {
            "SchemaVersion": 2,
            "Trivy": {"Version": "0.74.0"},
            "CreatedAt": (datetime.now(UTC) - age).isoformat(),
            "ArtifactName": IMAGE,
            "ArtifactType": "container_image",
            "Metadata": metadata | ({"OS": system} if system else {}),
            "Results": list(results),
        }
    ).encode()


def packages(*listed: dict[str, Any], kind: str = "alpine") -> dict[str, Any]:
    """The result of a distribution's packages, without a finding."""
    return {"Target": "x", "Class": "os-pkgs", "Type": kind} | ({"Packages": list(listed)} if listed else {})


ALPINE: dict[str, Any] = {"Family": "alpine", "Name": "3.22.0"}
CLEAN = report(packages(PACKAGE), **ALPINE)
BLIND = {
    "a release that is dead": report(packages(PACKAGE), Family="alpine", Name="3.9.6", EOSL=True),
    "nothing recognised": report(),
    "an unknown distribution": report(Family="none", Name=""),
    "an unknown distribution, and libraries": report(NODE, Family="none", Name=""),
    "a distribution without advisories, and libraries": report(NODE, Family="fedora", Name="42"),
    "a package database that was removed": report(packages(), NODE, **ALPINE),
}
AGED = {
    "a day old": report(packages(PACKAGE), age=timedelta(hours=25), **ALPINE),
    "of tomorrow": report(packages(PACKAGE), age=timedelta(hours=-2), **ALPINE),
    "undated": report(packages(PACKAGE), **ALPINE).replace(b'"CreatedAt"', b'"Elsewhere"'),
}


class World:
    """A registry with one image, and a Trivy that hands out the report of the case."""

    def __init__(self, given: bytes) -> None:
        self.given = given
        self.connection = None

    def resolve(self, reference: Reference, *, field: str = "image") -> Descriptor:
        return Descriptor(digest=DIGEST, media_type=OCI_MANIFEST, size=7)

    def config(self, reference: Reference, **_more: str) -> ImageConfig:
        return ImageConfig(manifest=DIGEST, platform="linux/amd64", diff_ids=(LAYER,), labels={}, document={})

    def manifest(self, reference: Reference, *, field: str = "image") -> Manifest:
        return Manifest(descriptor=self.resolve(reference), document={})

    def tags(self, _reference: Reference) -> tuple[str, ...]:
        return ()

    def referrers(self, _reference: Reference, _kind: str = "") -> tuple[Descriptor, ...]:
        return ()

    def scan(self, request: Any, _progress: Any) -> tuple[str, ...]:
        request.output.write_bytes(self.given)
        return ()

    def convert(self, given: Path, conversion: Conversion) -> None:
        listed = [
            {"name": package["Name"], "versionInfo": package["Version"]}
            for result in json.loads(given.read_bytes())["Results"]
            for package in result.get("Packages", ())
        ]
        conversion.output.write_text(json.dumps({"packages": listed}))


def scanned(report: Path, reference: str = IMAGE) -> str:
    """What a scan of the image leaves, whose report is there."""
    scan = replace(samples.scan(), reference=reference, trivy_json=report, files={})
    image = ImageOutcome(image=IMAGE, reference=reference, scan=scan)
    return document.render_document(
        document.build_document(Outcome(command="scan", images=(image,)), datetime.now(UTC), Secrets())
    )


def _signed(*_arguments: Any, **_named: Any) -> None:
    raise AssertionError("it was signed")


@pytest.fixture
def ran(tmp_path, identity, monkeypatch) -> Callable[..., tuple[int, str]]:
    """Run a command line on a report, which is also in report.json."""

    def run(given: bytes, *argv: str) -> tuple[int, str]:
        world = World(given)
        (tmp_path / "report.json").write_bytes(given)
        monkeypatch.setattr(logins, "create_registry", lambda *_a, **_n: world)
        monkeypatch.setattr(Trivy, "scan", world.scan)
        monkeypatch.setattr(Trivy, "convert", world.convert)
        return ended(argv if argv[0] == "sign" else (*argv, "--format", "json"), tmp_path)

    install_programs(tmp_path)
    furnish(tmp_path, identity)
    (tmp_path / "telnetd.yaml").write_text(POLICY)
    (tmp_path / "result.json").write_text(scanned(Path("report.json")))
    monkeypatch.chdir(tmp_path)
    silence(monkeypatch)
    monkeypatch.setattr(Trivy, "database", lambda *_: DatabaseMetadata(updated_at=datetime.now(UTC)))
    monkeypatch.setattr(Notation, "signatures", lambda *_a, **_n: ())
    monkeypatch.setattr(Notation, "sign", _signed)
    monkeypatch.setattr(attaching.Attacher, "attach", lambda *_a: AttachResult(reference=IMAGE, documents=()))
    monkeypatch.setattr(tracing, "trace_image", _no_trace)
    return run


def _no_trace(*_arguments: Any) -> None:
    raise OutsideError("There is nothing to trace.")


GIVEN = [
    ("report", "report.json"),
    ("patch", IMAGE, "--report", "report.json"),
    ("attach", IMAGE, "--report", "report.json", *KEY),
    ("sign", IMAGE, "--report", "report.json", *KEY),
    ("sign", IMAGE, "--report", "report.json", "--attach", "sarif", *KEY),
    ("sign", IMAGE, "--results", "result.json", "--attach", "true", *KEY),
    ("attach", IMAGE, "--results", "result.json", *KEY),
]
SCANNED = [
    ("scan", IMAGE),
    ("patch", IMAGE),
    ("attach", IMAGE, *KEY),
    ("chain", IMAGE, *KEY),
    ("chain", IMAGE, "--patch=false", *KEY),
    ("chain", IMAGE, "--sign=false"),
]


def _named(argv: tuple[str, ...]) -> str:
    return " ".join(word.removeprefix(IMAGE) for word in argv if word not in KEY)


@pytest.mark.parametrize("given", BLIND.values(), ids=BLIND)
@pytest.mark.parametrize("argv", [*GIVEN, *SCANNED], ids=_named)
def test_an_image_that_cannot_be_looked_at_gets_through_no_gate(ran, argv, given) -> None:
    code, output = ran(given, *argv, "--fail-on", "CRITICAL")
    assert code in {Exit.REFUSED, Exit.WRONG_INPUT, Exit.OUTSIDE_FAILED}, output
    assert "passed" not in output


@pytest.mark.parametrize("argv", [*GIVEN, *SCANNED], ids=_named)
def test_packages_that_a_policy_refuses_get_through_no_gate(ran, argv) -> None:
    code, output = ran(CLEAN, *argv, "--policy", "telnetd.yaml")
    assert (code, "telnetd" in output) == (Exit.REFUSED, True), output


VULNERABLE: dict[str, Any] = packages(PACKAGE) | {
    "Vulnerabilities": [
        {
            "VulnerabilityID": "CVE-2021-44228",
            "PkgName": "busybox",
            "InstalledVersion": "1",
            "Severity": "LOW",
            "PublishedDate": "2021-12-10T10:15:00Z",
        }
    ]
}
FUTURE = "2099-01-01T00:00:00Z"


def dated(moment: str, *, of: str) -> bytes:
    """A report with a moment as one of its times."""
    given = json.loads(report(VULNERABLE, **ALPINE))
    given["Metadata"]["ImageConfig"]["history"] = [{"created": moment if of == "base" else "2021-12-10T10:15:00Z"}]
    if of == "scan":
        given["CreatedAt"] = moment
    if of == "publication":
        given["Results"][0]["Vulnerabilities"][0]["PublishedDate"] = moment
    return json.dumps(given).encode()


RULES = {
    "a base of days to come": (dated(FUTURE, of="base"), "base: {maximum-age: 90d}", "", "still to come"),
    "a grace of days to come": (
        dated(FUTURE, of="publication"),
        "findings: {refuse: [{LOW: {grace: 14d}}]}",
        "",
        "CVE-2021-44228",
    ),
    "no data on what is exploited": (CLEAN, "findings: {refuse: [], deny-exploited: true}", "none", "(KEV)"),
    "no scores": (CLEAN, 'findings: {refuse: [{epss: ">=0.1"}]}', "none", "(EPSS)"),
    "a base that states no age": (CLEAN, "base: {maximum-age: 90d}", "", "when its base was made"),
    "a grace that is over": (
        report(VULNERABLE, **ALPINE),
        "findings: {refuse: [{LOW: {grace: 14d}}]}",
        "",
        "CVE-2021-44228",
    ),
    "what is exploited": (
        report(VULNERABLE, **ALPINE),
        "findings: {refuse: [], deny-exploited: true, fixable-only: true}",
        "kev.json",
        "CVE-2021-44228",
    ),
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("argv", [*GIVEN, *SCANNED], ids=_named)
def test_rules_on_exploitation_grace_and_base_close_every_gate(ran, tmp_path, argv, rule) -> None:
    given, policy, kev, why = RULES[rule]
    (tmp_path / "rule.yaml").write_text(f"version: 1\n{policy}\n")
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    (tmp_path / "kev.json").write_bytes(exploitation.kev({"CVE-2021-44228": "2021-12-10"}, released=now))
    data = ("--exploited-data", kev, "--epss-data", "none") if kev else ()
    code, output = ran(given, *argv, "--policy", "rule.yaml", *data)
    assert code == Exit.REFUSED, output
    if why != "CVE-2021-44228":
        assert why in output


@pytest.mark.parametrize("of", ["scan", "publication", "base"])
@pytest.mark.parametrize(
    "moment", ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-23:00"]
)
def test_a_time_at_the_end_of_all_days_closes_the_gate_that_needs_it(ran, tmp_path, moment, of) -> None:
    rule = "base: {maximum-age: 90d}" if of == "base" else "findings: {refuse: [{LOW: {grace: 14d}}]}"
    (tmp_path / "rule.yaml").write_text(f"version: 1\n{rule}\n")
    code, output = ran(dated(moment, of=of), "report", "report.json", "--policy", "rule.yaml")
    assert code == Exit.REFUSED, output


def test_a_report_from_a_pipe_is_judged_as_a_file_or_refused(ran) -> None:
    for argv, code in ((("report",), Exit.REFUSED), (("patch", IMAGE, "--report"), Exit.WRONG_INPUT)):
        ours, theirs = os.pipe()
        os.write(theirs, BLIND["nothing recognised"])
        os.close(theirs)
        exit_code, text = ran(CLEAN, *argv, f"/dev/fd/{ours}", "--fail-on", "LOW")
        os.close(ours)
        assert exit_code == code, text


@pytest.mark.parametrize("given", AGED.values(), ids=AGED)
@pytest.mark.parametrize("argv", GIVEN, ids=_named)
def test_a_report_of_another_day_gets_through_no_gate(ran, argv, given) -> None:
    code, output = ran(given, *argv, "--fail-on", "CRITICAL")
    assert code == Exit.REFUSED, output
    assert any(word in output for word in ("older than 1 d", "still to come", "does not say when")), output


def test_a_policy_says_how_old_a_report_may_be(ran, tmp_path) -> None:
    (tmp_path / "week.yaml").write_text("version: 1\nreport: {maximum-age: 7d}\n")
    (tmp_path / "hour.yaml").write_text("version: 1\nreport: {maximum-age: 1h}\n")
    argv = ("report", "report.json")
    assert ran(AGED["a day old"], *argv, "--policy", "week.yaml")[0] == Exit.DONE
    code, output = ran(report(packages(PACKAGE), age=timedelta(hours=2), **ALPINE), *argv, "--policy", "hour.yaml")
    assert (code, "older than 1 h" in output) == (Exit.REFUSED, True), output


@pytest.mark.parametrize("given", AGED.values(), ids=AGED)
def test_without_a_gate_an_old_report_is_a_notice(ran, given) -> None:
    code, output = ran(given, "report", "report.json")
    assert code == Exit.DONE, output
    assert "The report" in output


@pytest.mark.parametrize("argv", [*GIVEN[:3], GIVEN[-1], *SCANNED[:3]], ids=_named)
def test_a_clean_image_gets_through(ran, argv) -> None:
    code, output = ran(CLEAN, *argv, "--fail-on", "LOW")
    assert code == Exit.DONE, output


@pytest.mark.parametrize("attach", ["sarif", "none"])
def test_a_closed_gate_is_attached_and_not_signed(ran, tmp_path, attach) -> None:
    refused = ("sign", IMAGE, "--results", "result.json", "--policy", "telnetd.yaml", "--attach", attach, *KEY)
    code, output = ran(CLEAN, *refused)
    assert (code, "Nothing was signed" in output) == (Exit.REFUSED, True), output
    (image,) = json.loads((tmp_path / "s3c-out" / "result.json").read_text())["images"]
    assert (image["verdict"], image["sign"], image["attach"] is not None) == ("refused", None, attach == "sarif")


def test_results_of_another_digest_are_wrong_input(ran, tmp_path) -> None:
    other = IMAGE.replace("a" * 64, "c" * 64)
    argv = ("sign", IMAGE, "--attach", "true", *KEY, "--results", "result.json")
    (tmp_path / "result.json").write_text(scanned(Path("report.json"), other))
    code, output = ran(CLEAN, *argv)
    assert (code, f"results: none of them has a scan of {IMAGE}." in output) == (Exit.WRONG_INPUT, True), output
    # A result that says so of a report of another digest.
    (tmp_path / "result.json").write_text(scanned(Path("report.json")))
    code, output = ran(CLEAN.replace(b"a" * 64, b"c" * 64), *argv)
    assert (code, f"none of the reports is of {IMAGE}" in output) == (Exit.WRONG_INPUT, True), output
