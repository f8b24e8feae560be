"""What is shown beside the code of a pull request: few, the worst first, each with what to do, at its line."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from s3c_actions.cli import run
from s3c_actions.core.errors import Exit
from s3c_actions.findings.model import Finding, FindingKind, Severity
from s3c_actions.findings.threshold import Exemption, Threshold
from s3c_actions.options.common import OutputOptions
from s3c_actions.report.github import annotations as annotation
from s3c_actions.report.github.annotations import MAX_PER_LEVEL, Annotation
from s3c_actions.report.rendering import Rendering
from s3c_actions.result.model import ImageOutcome, Outcome
from tests.support import outcomes, samples
from tests.support.commands import FunctionCommand
from tests.support.hostile import TEXTS
from tests.support.outcomes import vulnerability
from tests.unit.cli.test_console import commands

DOCKERFILE = "# the app\nFROM debian:12\nRUN step 7\nCOPY app /app\n"
LAYERS: dict[str, Any] = {
    "diff_ids": ("base", "step", "app"),
    "history": ("debian", "RUN /bin/sh -c step 7 # buildkit", "COPY app /app # buildkit"),
}
PLACED = Rendering(dockerfile="web/Dockerfile", dockerfile_text=DOCKERFILE)
OPENSSL: dict[str, Any] = {"package": "openssl", "installed": "3.0.9-1", "layer": "base"}


def of(*findings: Finding, rendering: Rendering = PLACED, **more: Any) -> list[Annotation]:
    return annotation.image_annotations(outcomes.report(*findings, **LAYERS), rendering, **more)


def test_one_for_a_package_at_the_line_that_brought_it() -> None:
    flask = {"package": "flask", "installed": "2.0", "fixed": "2.3", "layer": "app", "path": "app/requirements.txt"}
    annotations = of(
        vulnerability(1, Severity.HIGH, **OPENSSL),
        vulnerability(2, Severity.CRITICAL, **OPENSSL),
        vulnerability(3, Severity.CRITICAL, **OPENSSL),
        vulnerability(4, Severity.HIGH, **flask, result_class="lang-pkgs"),
        vulnerability(5, Severity.HIGH, package="curl", installed="1", layer="unknown"),
    )
    assert [(annotation.level, annotation.title, annotation.path, annotation.line) for annotation in annotations] == [
        ("warning", "openssl 3.0.9-1: 2 critical, 1 high", "web/Dockerfile", 2),
        ("warning", "curl 1: 1 high", "web/Dockerfile", 2),
        ("warning", "flask 2.0: 1 high", "web/Dockerfile", 4),
    ]
    assert annotations[0].text == (
        "CVE-2024-0002, CVE-2024-0003 and CVE-2024-0001 in localhost:5000/voting-app:1.4.0. "
        "Fixed in 3.0.11-1~deb12u2. Patch the image (org/s3c/actions/patch), or build it on an updated base."
    )
    assert annotations[2].text == (
        "CVE-2024-0004 in app/requirements.txt of localhost:5000/voting-app:1.4.0. "
        "Fixed in 2.3. Raise flask where the application asks for it."
    )


def test_without_a_dockerfile_it_names_no_file() -> None:
    for rendering in (Rendering(), Rendering(dockerfile="Dockerfile", dockerfile_text="just text")):
        (only,) = of(vulnerability(1, Severity.HIGH), rendering=rendering)
        assert (only.path, only.line) == ("", 0)


def test_what_is_annotated_and_what_is_not() -> None:
    unfixed = vulnerability(1, Severity.CRITICAL, fixed="", package="a")
    minor = vulnerability(2, Severity.MEDIUM, package="b")
    excepted = vulnerability(3, Severity.CRITICAL, package="c")
    aside = vulnerability(4, Severity.CRITICAL, package="d", suppressed="not reachable")
    now = datetime(2026, 11, 26, tzinfo=UTC)
    exemption = Exemption(
        id=excepted.id, package=None, ends=datetime(2027, 1, 1, tzinfo=UTC), until="2026-12-31", why="", who=""
    )
    report = replace(outcomes.report(unfixed, minor, excepted), suppressed=(aside,))
    gate = Threshold(None, refuse=frozenset(Severity), exemptions=(exemption,), now=now)
    assert annotation.image_annotations(report, Rendering(gate=gate)) == []
    # What closed the gate is annotated whatever it is, and as an error.
    annotations = annotation.image_annotations(report, Rendering(gate=gate), gate.refused(report.findings))
    assert [(annotation.level, annotation.title) for annotation in annotations] == [
        ("error", "a 3.0.9-1: 1 critical"),
        ("error", "b 3.0.9-1: 1 medium"),
    ]
    assert annotations[0].text.endswith(
        "No version fixes it. Take another base image or package, or set it aside with a reason and a date in an "
        "ignore file."
    )
    later = replace(gate, now=datetime(2027, 1, 1, tzinfo=UTC))
    assert len(annotation.image_annotations(report, Rendering(gate=later), later.refused(report.findings))) == 3


def test_what_to_do_by_kind() -> None:
    def text_of(**facts: Any) -> str:
        finding = replace_finding(vulnerability(1, Severity.HIGH), **facts)
        (only,) = of(finding, refused=(finding,))
        return only.text

    assert text_of(kind=FindingKind.SECRET, target="app/key.pem", result_class="secret").endswith(
        "build the image without it."
    )
    misconfigured = text_of(
        kind=FindingKind.MISCONFIGURATION, target="Dockerfile", result_class="config", remedy="Add USER."
    )
    assert misconfigured.endswith("in Dockerfile of localhost:5000/voting-app:1.4.0. Add USER.")
    assert "accept the licence" in text_of(kind=FindingKind.LICENSE, target="app", result_class="license")
    (left,) = of(vulnerability(1, Severity.HIGH), patched=True)
    assert left.text.endswith("The patch did not get it: build the image on an updated base.")
    fixed, unfixed = vulnerability(1, Severity.HIGH, **OPENSSL), vulnerability(2, Severity.HIGH, **OPENSSL, fixed="")
    (both,) = of(fixed, unfixed, refused=(fixed, unfixed))
    assert "Fixed in 3.0.11-1~deb12u2. 1 of them has no fix." in both.text


def replace_finding(finding: Finding, **facts: Any) -> Finding:
    return Finding(**{name: getattr(finding, name) for name in finding.__struct_fields__} | facts)


def test_the_worst_of_all_images_and_none_twice() -> None:
    many = [vulnerability(n, Severity.HIGH, package=f"p{n}") for n in range(20)]
    worst = vulnerability(99, Severity.CRITICAL, package="worst")
    selected = annotation.select_annotations([*of(*many), *of(*many, refused=many), *of(worst), *of(worst)])
    assert [annotation.level for annotation in selected] == ["error"] * MAX_PER_LEVEL + ["warning"] * MAX_PER_LEVEL
    assert [annotation.title for annotation in selected].count("worst 3.0.9-1: 1 critical") == 1
    assert selected[MAX_PER_LEVEL].severity is Severity.CRITICAL


def step(outcome: Outcome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **inputs: str) -> list[str]:
    """The workflow commands of a step that ends so, but for those that only quote."""
    command = FunctionCommand(name="scan", help="", options=OutputOptions, function=lambda *_: outcome, comments=True)
    monkeypatch.setattr(run, "load", lambda _name: command)
    monkeypatch.chdir(tmp_path)
    environment = {"GITHUB_ACTIONS": "true", "HOME": str(tmp_path), "RUNNER_TEMP": str(tmp_path)}
    out = io.StringIO()
    code = run.run("scan", [], environment | {f"S3C_{k.upper()}": v for k, v in inputs.items()}, out, out)
    assert code == max((int(image.failure.exit_code) for image in outcome.images if image.failure), default=Exit.DONE)
    return [line for line in commands(out.getvalue()) if line.startswith(("::error", "::warning"))]


def image(*findings: Finding, closed: bool = False, name: str = "app") -> ImageOutcome:
    report = outcomes.report(*findings, **LAYERS, image=f"localhost:5000/{name}:1")
    scan = outcomes.scan(report, rendering=PLACED, refused=findings if closed else ())
    return ImageOutcome(
        image=scan.image,
        reference=scan.reference,
        scan=scan,
        failure=samples.refused("the gate is closed").failure if closed else None,
    )


def test_a_step_annotates_and_the_verdict_stands_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finding = vulnerability(1, Severity.HIGH, **OPENSSL)
    assert step(samples.outcome(image(finding), command="scan"), tmp_path, monkeypatch) == [
        "::warning title=openssl 3.0.9-1%3A 1 high,file=web/Dockerfile,line=2::CVE-2024-0001 in localhost:5000/app:1. "
        "Fixed in 3.0.11-1~deb12u2. Patch the image (org/s3c/actions/patch), or build it on an updated base."
    ]
    verdict, cause = step(samples.outcome(image(finding, closed=True), command="scan"), tmp_path, monkeypatch)
    assert verdict.startswith("::error title=s3c scan::✘ the gate is closed")
    assert cause.startswith("::error title=openssl 3.0.9-1%3A 1 high,file=web/Dockerfile,line=2::")
    for inputs in ({"annotations": "false"}, {"quiet": "true"}):
        assert step(samples.outcome(image(finding), command="scan"), tmp_path, monkeypatch, **inputs) == []


def test_a_step_of_many_images_stays_within_the_allowance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    findings = [vulnerability(n, Severity.HIGH, package=f"p{n}") for n in range(9)]
    images = [image(*findings, closed=number % 2 == 0, name=f"app{number}") for number in range(24)]
    lines = step(samples.outcome(*images, command="scan"), tmp_path, monkeypatch)
    assert sum(line.startswith("::error") for line in lines) == 10
    assert sum(line.startswith("::warning") for line in lines) == MAX_PER_LEVEL


@TEXTS
def test_hostile_text_in_annotations(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = dict.fromkeys(("id", "package", "installed", "fixed", "target", "path", "title", "remedy"), text)
    hostile = [vulnerability(1, Severity.HIGH, **facts, kind=kind, result_class="lang-pkgs") for kind in FindingKind]
    lines = step(samples.outcome(image(*hostile, closed=True), command="scan"), tmp_path, monkeypatch)
    assert {re.match(r"::([a-z-]+)", line)[1] for line in lines} == {"error"}  # type: ignore[index]
    assert len(lines) <= 1 + len(FindingKind)
    for line in lines:
        assert line.isprintable()
        assert len(line) < 5000
