"""Whatever is filtered: no renderer reports 0, nothing or green of a severity that has findings or was not counted."""

from __future__ import annotations

import csv
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from s3c_actions.findings import headline
from s3c_actions.findings.model import Finding, ScanReport, Severity
from s3c_actions.findings.selection import ALL_SEVERITIES, Selection, mark_uncounted, select
from s3c_actions.findings.threshold import Threshold, closed_error
from s3c_actions.report.document import ResultDocument
from s3c_actions.report.formats import csv_file, html_page, junit, text_table
from s3c_actions.report.github import comment, summary
from s3c_actions.report.rendering import Rendering
from s3c_actions.result.document import render_document
from s3c_actions.result.model import ImageOutcome, Outcome, ScanResult
from s3c_actions.result.outputs import output_values
from s3c_actions.steps.scan.summary import summarize
from tests.support import outcomes

NOTHING = re.compile(r"nothing found|no findings|nothing left|✔ ", re.IGNORECASE)
GREEN = re.compile(r"✅|verdict good|empty good|The gate is open")

findings = st.lists(st.tuples(st.sampled_from(ALL_SEVERITIES), st.booleans()), max_size=6)
selections = st.builds(
    Selection,
    severities=st.lists(st.sampled_from(ALL_SEVERITIES), min_size=1, unique=True).map(tuple),
    fixed_only=st.booleans(),
)
thresholds = st.sampled_from([None, Severity.LOW, Severity.HIGH, Severity.CRITICAL])


def report_of(numbers: list[tuple[Severity, bool]]) -> ScanReport:
    return outcomes.report(
        *(
            outcomes.vulnerability(number + 1, severity, fixed="2" if fixed else "", package="lib", installed="1")
            for number, (severity, fixed) in enumerate(numbers)
        )
    )


def scanned(report: ScanReport, selection: Selection, fail_on: Severity | None) -> ScanResult:
    gate = Threshold(fail_on)
    counted = select(report, Selection(fixed_only=selection.fixed_only))
    return outcomes.scan(report, selection=selection, gated=fail_on is not None, refused=gate.refused(counted.findings))


def outcome(result: ScanResult, fail_on: Severity | None) -> Outcome:
    failure = closed_error(result.reference, Threshold(fail_on), result.refused) if result.refused else None
    image = ImageOutcome(image=result.image, reference=result.reference, scan=result, failure=failure)
    return Outcome(command="scan", images=(image,))


def patched(before: ScanResult, after: ScanResult) -> Outcome:
    whole = outcomes.chain()
    assert whole.patch is not None
    patch = replace(whole.patch, before=before, after=after, fixed=(), left=())
    return Outcome(command="patch", images=(ImageOutcome(image=whole.image, reference=whole.reference, patch=patch),))


def rendering_of(result: ScanResult, fail_on: Severity | None) -> Rendering:
    gate = Threshold(fail_on)
    closed = closed_error(result.reference, gate, result.refused).what if result.refused else ""
    return Rendering(gate=gate, judged=result.gated, closed=closed, scope=result.scope)


def texts(result: ScanResult, fail_on: Severity | None) -> dict[str, str]:
    """What people read of a scan."""
    document = outcomes.document(outcome(result, fail_on))
    rendering = rendering_of(result, fail_on)
    page = html_page.render(result.shown, rendering).decode()
    return {
        "terminal": summarize(result),
        "summary": summary.render(document),
        "comment": comment.render([document]),
        "comment of several": comment.render([document, document]),
        "html": page[page.index("<body>") : page.index("<script type")],
        "table": text_table.render(result.shown, rendering).decode(),
        "junit": junit.render(result.shown, rendering).decode(),
    }


def unknown(report: ScanReport, severity: Severity) -> bool:
    """Whether 0 would be a lie of the severity: there are findings, or nobody counted."""
    return severity in report.hidden.uncounted or any(finding.severity is severity for finding in report.findings)


def columns(markdown: str) -> list[list[str]]:
    """The cells of the severities in the table of counts."""
    rows = [line.split("|")[2:6] for line in markdown.splitlines() if re.match(r"\| (found|before|\*\*after)", line)]
    return [[cell.strip(" *") for cell in row] for row in rows]


@pytest.mark.slow
@given(findings, selections, thresholds, st.booleans())
def test_nothing_is_reported_as_nothing(
    numbers: list[tuple[Severity, bool]], selection: Selection, fail_on: Severity | None, given_report: bool
) -> None:
    report = mark_uncounted(report_of(numbers)) if given_report else report_of(numbers)
    result = scanned(report, selection, fail_on)
    shown = {severity: any(finding.severity is severity for finding in result.shown.findings) for severity in Severity}
    known_everywhere = headline.tally(report).counted
    any_unknown = any(unknown(report, severity) for severity in Severity)
    for name, text in texts(result, fail_on).items():
        if any_unknown:
            assert not NOTHING.search(re.sub(r"no [a-z, ]+ findings|✔ The gate is open", "", text)), (name, text)
        for match in re.findall(r"no ([a-z, ]+) findings", text):
            for severity in re.split(r", | or ", match):
                assert not unknown(report, Severity.of(severity)), (name, text)
        if fail_on is None or (given_report and not result.refused and not known_everywhere):
            assert not GREEN.search(text), (name, text)
    document = outcomes.document(outcome(result, fail_on))
    (row,) = columns(summary.render(document))
    outputs = output_values(outcome(result, fail_on))
    (image,) = document.images
    assert image.findings is not None
    for severity, cell in zip(headline.RATED, row, strict=True):
        cells = [cell, outputs[severity.name.lower()], image.findings.of(severity.name.lower())]
        if unknown(report, severity) and not shown[severity]:
            assert cells == ["–", "", None]
        if severity not in selection.severities:
            assert cells == ["–", "", None]
    for total in ("total", "fixable"):
        if outputs[total] == "0":
            assert total == "fixable" or not any_unknown
            assert not report.hidden.uncounted
            assert total == "total" or not report.fixable


@given(findings, selections)
def test_a_table_says_what_it_does_not_list(numbers: list[tuple[Severity, bool]], selection: Selection) -> None:
    result = scanned(report_of(numbers), selection, None)
    rows = list(csv.DictReader(io.StringIO(csv_file.render(result.shown, Rendering()).decode())))
    listed = [row for row in rows if row["kind"] != csv_file.HIDDEN]
    noted = [row for row in rows if row["kind"] == csv_file.HIDDEN]
    assert len(listed) == len(result.shown.findings)
    assert len(listed) + sum(int(row["title"].split()[0]) for row in noted) == len(result.report.findings)


@given(findings, findings, selections)
def test_before_and_after_a_patch(
    before: list[tuple[Severity, bool]], after: list[tuple[Severity, bool]], selection: Selection
) -> None:
    scans = [scanned(mark_uncounted(report_of(before)), selection, None), scanned(report_of(after), selection, None)]
    text = summary.render(outcomes.document(patched(*scans)))
    for result, row in zip(scans, columns(text), strict=True):
        for severity, cell in zip(headline.RATED, row, strict=True):
            number = sum(finding.severity is severity for finding in result.shown.findings)
            assert cell == ("–" if severity not in selection.severities else cell)
            assert cell != "0" or not unknown(result.report, severity)
            assert cell in {"–", str(number)}
    assert not GREEN.search(text)


def test_the_limits_of_a_scan_stand_in_the_headline() -> None:
    scope = replace(outcomes.LOOKED_AT, scanners=("vuln",), pkg_types=("os",), skip_dirs=("usr/share",))
    result = outcomes.scan(report_of([]), scope=scope)
    sentence = "packages of programming languages not looked at, secrets not looked for, 1 path skipped"
    for name, text in texts(result, Severity.HIGH).items():
        assert sentence in " ".join(text.split()), name


def read_again(document: ResultDocument) -> ResultDocument:
    import msgspec

    return msgspec.json.decode(render_document(document), type=ResultDocument)


def test_the_document_states_what_is_hidden_and_an_unfiltered_one_is_what_it_was() -> None:
    report = report_of([(Severity.HIGH, True), (Severity.LOW, False)])
    filtered = outcomes.document(outcome(scanned(report, Selection(severities=(Severity.HIGH,)), None), None))
    (image,) = read_again(filtered).images
    assert image.findings is not None
    assert image.findings.tally.hidden.filtered[Severity.LOW] == 1
    assert image.findings.low is None
    assert '"hidden"' not in render_document(outcomes.document(outcome(scanned(report, Selection(), None), None)))


def worst_marks(finding: Finding) -> str:
    result = outcomes.scan(outcomes.report(finding), gated=False)
    return summary.render(outcomes.document(outcome(result, None))).splitlines()[0]


@pytest.mark.parametrize(
    ("severity", "mark"),
    [(Severity.CRITICAL, "🔴"), (Severity.HIGH, "🟠"), (Severity.MEDIUM, "🟡"), (Severity.LOW, "🔵")],
)
def test_without_a_gate_the_worst_severity_has_its_colour(severity: Severity, mark: str) -> None:
    assert worst_marks(outcomes.vulnerability(1, severity)).startswith(f"### {mark} voting-app · 1 finding")
