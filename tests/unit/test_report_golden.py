"""What people see, kept as files: a change of the look shows in the diff. `S3C_GOLDEN=write` writes them anew."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from s3c_actions.errors import InputError, OutsideError
from s3c_actions.report import csv_file, formats, summary, text_table
from s3c_actions.report.difference import compare
from s3c_actions.report.gate import Gate, closed
from s3c_actions.report.model import Severity
from s3c_actions.steps.results import Admission, AppliedObject, DeployResult, ImageOutcome, Outcome
from tests import outcomes

GOLDEN = Path(__file__).parent.parent / "data" / "golden"
MIXED = outcomes.report(
    outcomes.vulnerability(1, Severity.CRITICAL),
    outcomes.vulnerability(2, Severity.HIGH, fixed="", status="will_not_fix", title="a | b <i>c</i> @someone #1"),
    outcomes.vulnerability(3, Severity.LOW),
    suppressed=(outcomes.vulnerability(4, Severity.MEDIUM, suppressed="not reachable (vex.json)"),),
)
BASELINE = outcomes.report(outcomes.vulnerability(3, Severity.LOW), outcomes.vulnerability(5, Severity.HIGH))
GATE = Gate(Severity.HIGH)


def scanned() -> ImageOutcome:
    refused = GATE.refused(MIXED.findings)
    scan = outcomes.scan(MIXED, refused=refused, difference=compare(BASELINE, MIXED))
    return ImageOutcome(
        image=MIXED.image, reference=scan.reference, scan=scan, failure=closed(scan.reference, GATE, refused)
    )


def nothing_to_patch() -> ImageOutcome:
    clean = outcomes.scan(outcomes.report())
    patch = outcomes.chain().patch
    assert patch is not None
    skipped = replace(
        patch, patched=False, skipped=True, before=clean, after=None, fixed=(), left=(), reference=clean.reference
    )
    return ImageOutcome(image=MIXED.image, reference=clean.reference, patch=skipped)


DOWN = OutsideError(
    "The registry localhost:5000 did not answer within 30 s.",
    cause="Probably it is not running.",
    remedy="Start it, or look at the network.",
    original="dial tcp 127.0.0.1:5000: connect: connection refused",
)


def deployed(failure: OutsideError | None = None) -> Outcome:
    """A chain with its deployment, whose manifests use another image as well."""
    image = outcomes.chain()
    verdict = "admitted" if failure is None else "unknown"
    own = Admission(image="localhost:5000/voting-db:15.0", reference=image.reference, verdict=verdict)
    other = replace(own, image="redis:7", reference=f"docker.io/library/redis@sha256:{'d' * 64}")
    deploy = DeployResult(
        cluster="https://127.0.0.1:6443",
        admissions=(own, other),
        unsigned_denied=f"{MIXED.image}@sha256:{'e' * 64}",
        denial="it has no signature",
        constraints=("ratify-verification",),
        applied=(AppliedObject(kind="Deployment", namespace="shop", name="voting-app", action="created"),),
        address="http://votes.example",
        failure=failure,
    )
    return Outcome(command="chain", images=(replace(image, admission=own),), deploy=deploy)


SITUATIONS = {
    "chain": Outcome(command="chain", images=(outcomes.chain(),)),
    "chain-deployed": deployed(),
    "chain-deploy-failed": deployed(DOWN),
    "gate-closed": Outcome(command="scan", images=(scanned(),)),
    "nothing-found": Outcome(
        command="scan", images=(ImageOutcome(image=MIXED.image, scan=outcomes.scan(outcomes.report())),)
    ),
    "nothing-to-patch": Outcome(command="patch", images=(nothing_to_patch(),)),
    "signed": Outcome(
        command="sign",
        images=(ImageOutcome(image=MIXED.image, reference=outcomes.SIGNED.reference, sign=outcomes.SIGNED),),
    ),
    "deployed": outcomes.deployed(),
    "denied": outcomes.deployed(denied=True),
    "several": Outcome(
        command="chain",
        images=(outcomes.chain(), scanned(), ImageOutcome(image="localhost:5000/voting-db:15.0", failure=DOWN)),
    ),
}


def check(name: str, made: str) -> None:
    path = GOLDEN / name
    if os.environ.get("S3C_GOLDEN") == "write":
        path.write_text(made, encoding="utf-8", newline="")
    with path.open(encoding="utf-8", newline="") as kept:
        assert made == kept.read()


@pytest.mark.parametrize("name", SITUATIONS)
def test_summary(name: str) -> None:
    check(f"{name}.md", summary.render(outcomes.document(SITUATIONS[name])))


def test_summary_of_an_error_before_any_image() -> None:
    error = InputError("severity", "'AWFUL' is not made of LOW, HIGH.", remedy="Choose from LOW, HIGH.")
    check("error.md", summary.render(outcomes.document(Outcome(command="scan", images=()), error)))


def test_summary_of_a_command_without_images_is_empty() -> None:
    assert summary.render(outcomes.document(Outcome(command="programs", images=()))) == ""


def test_table() -> None:
    rendering = formats.Rendering(difference=compare(BASELINE, MIXED))
    check("report.txt", text_table.render(MIXED, rendering).decode())


def test_csv() -> None:
    check("report.csv", csv_file.render(MIXED, formats.Rendering()).decode())


@pytest.mark.parametrize("budget", [3_000, 10_000, 60_000])
def test_summary_is_cut_at_whole_rows_with_a_count(budget: int) -> None:
    many = outcomes.report(*(outcomes.vulnerability(number, Severity.MEDIUM) for number in range(1, 1001)))
    outcome = Outcome(command="scan", images=(ImageOutcome(image=many.image, scan=outcomes.scan(many)),))
    source = summary.render(outcomes.document(outcome), budget=budget)
    rows = [line for line in source.splitlines() if line.startswith("| Medium")]
    assert len(source.encode()) <= budget
    assert all(row.endswith(" |") and row.count(" | ") == 4 for row in rows)
    assert rows
    assert f"… and {1000 - len(rows):,} more rows" in source
    assert source.count("<details") == source.count("</details>")


def test_what_is_prepared_is_not_compiled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A summary or page compiles nothing once `prepare` has run, as it does while the first program does its work."""
    formats.prepare(("json", *formats.RENDERED))
    summary.prepare()

    def compile_again(*_: object, **__: object) -> None:
        raise AssertionError("a template is compiled that was not prepared")

    monkeypatch.setattr("jinja2.Environment.compile", compile_again)
    assert "CVE-2024-0001" in formats.render("html", MIXED, formats.Rendering()).decode()
    for outcome in SITUATIONS.values():
        assert summary.render(outcomes.document(outcome))
