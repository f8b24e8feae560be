"""What people see, kept as files: a change of the look shows in the diff. `make golden` writes them anew."""

from __future__ import annotations

import os

import pytest

from s3c_actions.findings.difference import compare_scans
from s3c_actions.findings.model import Severity
from s3c_actions.report import format_registry, formats
from s3c_actions.report.formats import csv_file, text_table
from s3c_actions.report.github import comment, summary
from s3c_actions.report.rendering import Rendering
from s3c_actions.result.model import ImageOutcome, Outcome
from tests.support import ROOT, outcomes
from tests.support.situations import ALERTS, BASELINE, EXPLOITED, FORK, MIXED, RUN, situations

GOLDEN = ROOT / "tests" / "data" / "golden"
SITUATIONS = situations()


def check(name: str, text: str) -> None:
    path = GOLDEN / name
    if os.environ.get("S3C_GOLDEN") == "write":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="")
    with path.open(encoding="utf-8", newline="") as kept:
        assert text == kept.read()


@pytest.mark.parametrize("name", SITUATIONS)
def test_summary(name: str) -> None:
    check(f"summary/{name}.md", summary.render(SITUATIONS[name][0]))


@pytest.mark.parametrize("name", SITUATIONS)
def test_comment(name: str) -> None:
    note = FORK if name == "fork" else ""
    check(f"comment/{name}.md", comment.render(SITUATIONS[name], run_url=RUN, alerts_url=ALERTS, note=note))


def test_no_golden_file_is_left_of_a_situation_that_is_gone() -> None:
    for kind in ("summary", "comment"):
        assert {path.stem for path in (GOLDEN / kind).iterdir()} == set(SITUATIONS)


def test_summary_of_a_command_without_images_is_empty() -> None:
    assert summary.render(outcomes.document(Outcome(command="programs", images=()))) == ""


def test_table() -> None:
    rendering = Rendering(difference=compare_scans(BASELINE, MIXED))
    check("report.txt", text_table.render(MIXED, rendering).decode())


def test_table_with_what_is_exploited() -> None:
    check("exploited.txt", text_table.render(EXPLOITED, Rendering()).decode())


def test_csv() -> None:
    check("report.csv", csv_file.render(MIXED, Rendering()).decode())


def test_csv_with_what_is_exploited() -> None:
    check("exploited.csv", csv_file.render(EXPLOITED, Rendering()).decode())


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
    formats.prepare(format_registry.names())
    summary.prepare()

    def compile_again(*_: object, **__: object) -> None:
        raise AssertionError("a template is compiled that was not prepared")

    monkeypatch.setattr("jinja2.Environment.compile", compile_again)
    assert "CVE-2024-0001" in formats.render("html", MIXED, Rendering()).decode()
    for documents in SITUATIONS.values():
        assert summary.render(documents[0])
