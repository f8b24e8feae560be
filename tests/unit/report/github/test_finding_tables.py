"""The tables of an image: which findings are in which, and where each of them is."""

from __future__ import annotations

from msgspec.structs import replace

from s3c_actions.findings import trivy_report
from s3c_actions.findings.difference import compare_scans
from s3c_actions.findings.model import FindingKind
from s3c_actions.report.formats import text_table
from s3c_actions.report.github import comment, summary
from s3c_actions.report.rendering import Rendering
from s3c_actions.result.model import Comparison, ImageOutcome, Outcome
from tests.support import builds, outcomes
from tests.support.builds import Build, Occurrence
from tests.unit.report.github.test_comment import RUN

JARS = [Occurrence(kind="jar", rule=2, subject=0, file=file) for file in (0, 1)]
KEYS = [Occurrence(kind="secret", rule=0, subject=0, file=0)] * 2


def test_each_occurrence_is_a_row_with_its_place() -> None:
    before = trivy_report.parse(builds.report([JARS[0], KEYS[0]], Build()))
    after = trivy_report.parse(builds.report([*JARS, *KEYS], Build(tag="2.0", version=2)))
    scan = outcomes.scan(after, refused=tuple(f for f in after.findings if f.kind is FindingKind.SECRET))
    base = Comparison(name="main", difference=compare_scans(before, after))
    outcome = Outcome(command="scan", images=(ImageOutcome(image=after.image, scan=scan, base=base),))
    document = outcomes.document(outcome)
    places = ["app/0/package0-1.2.4.jar", "app/1/package0-1.2.4.jar", "/app/0.env:21", "/app/0.env:31"]
    for text in (comment.render([document], run_url=RUN), summary.render(document)):
        rows = [line for line in text.splitlines() if line.startswith("| Critical |")]
        assert len(rows) == 4
        assert sum("**new**" in line for line in rows) == 1
        for place in places:
            assert sum(f"`{place}`" in line for line in rows) == 1
        assert "**2 new**" in text
    table = text_table.render(after, Rendering()).decode()
    assert all(place in table for place in places[:2])
    kept = document.images[0].remaining
    assert {entry.path or f"{entry.target}:{entry.line}" for entry in kept} == {*places}


def test_of_findings_that_look_the_same_as_many_are_shown_as_there_are() -> None:
    same = [Occurrence(kind="config-check", rule=0, subject=0, file=0)] * 3
    before, after = (trivy_report.parse(builds.report(same[:number], Build())) for number in (1, 3))
    base = Comparison(name="main", difference=compare_scans(before, after))
    outcome = Outcome(command="scan", images=(ImageOutcome(image="a", scan=outcomes.scan(after), base=base),))
    text = comment.render([outcomes.document(outcome)], run_url=RUN)
    assert len([line for line in text.splitlines() if line.startswith("| High | `DS000`")]) == 3


def test_a_patch_names_the_file_of_each_package_that_it_upgraded() -> None:
    whole = outcomes.chain()
    assert whole.patch is not None
    fixed = trivy_report.parse(builds.report(JARS, Build())).findings
    image = replace(whole, patch=replace(whole.patch, fixed=fixed))
    text = comment.render([outcomes.document(Outcome(command="chain", images=(image,)))], run_url=RUN)
    assert "Fixed (2 in 1 package)" in text
    for finding in fixed:
        assert f"`package0` in `{finding.path}`" in text
