"""The pull-request comment: several documents as one, and a size that is kept."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from s3c_actions.core.errors import OutsideError, Refused
from s3c_actions.findings import trivy_report
from s3c_actions.findings.difference import compare_scans
from s3c_actions.findings.model import FindingKind, Severity
from s3c_actions.policy.break_glass import JudgedException
from s3c_actions.report.document import ResultDocument
from s3c_actions.report.formats import text_table
from s3c_actions.report.github import comment, summary
from s3c_actions.report.rendering import Rendering
from s3c_actions.result.model import Comparison, ImageOutcome, Outcome, PolicyJudgement
from tests.support import builds, exceptions, outcomes
from tests.support.builds import Build, Occurrence

RUN = "https://github.example/org/app/actions/runs/7"


def many(number: int, image: str = "localhost:5000/voting-app:1.4.0") -> ResultDocument:
    report = outcomes.report(*(outcomes.vulnerability(n, Severity.MEDIUM) for n in range(1, number + 1)), image=image)
    return outcomes.document(Outcome(command="scan", images=(ImageOutcome(image=image, scan=outcomes.scan(report)),)))


def rows(source: str) -> list[str]:
    return [line for line in source.splitlines() if line.startswith("| Medium")]


@pytest.mark.parametrize("limit", [3_000, 20_000, comment.COMMENT_BYTES])
def test_a_long_comment_is_cut_at_whole_rows_and_says_where_the_rest_is(limit: int) -> None:
    source = comment.render([many(3_000)], run_url=RUN, limit=limit)
    assert len(source.encode()) <= limit
    assert all(row.endswith(" |") and row.count(" | ") == 3 for row in rows(source))
    assert rows(source)
    assert f"… and {3_000 - len(rows(source)):,} more rows: they are in the [job summary]({RUN})." in source


@pytest.mark.slow
def test_hundreds_of_images_are_a_table_that_is_cut_and_counted() -> None:
    documents = [many(3, f"localhost:5000/app-{number}:1") for number in range(700)]
    source = comment.render(documents, run_url=RUN)
    rows = [line for line in source.splitlines() if line.startswith("| ✅ |")]
    assert len(source.encode()) <= comment.COMMENT_BYTES
    assert len(rows) > 100
    assert f"… and {700 - len(rows):,} more images: they are in the [job summary]({RUN})." in source


def test_steps_on_one_digest_are_one_image_whichever_document_they_came_in() -> None:
    whole = outcomes.chain()
    assert whole.patch is not None
    asked, handed = whole.patch.original, whole.reference
    images = {
        "scan": ImageOutcome(image=whole.image, reference=asked, scan=whole.scan),
        "patch": ImageOutcome(image=asked, reference=handed, patch=whole.patch),
        "sign": ImageOutcome(image=handed, reference=handed, sign=whole.sign, verify=whole.verify),
    }
    parts = [Outcome(command=command, images=(image,)) for command, image in images.items()]
    together = comment.render([outcomes.document(part) for part in parts], run_url=RUN)
    assert together == comment.render([outcomes.document(Outcome(command="chain", images=(whole,)))], run_url=RUN)


@pytest.mark.parametrize(
    ("begins", "stamped", "warned"),
    [
        ("2025-12-01T00:00:00Z", False, True),
        ("2025-12-01T00:00:00Z", True, True),
        ("2026-11-28T00:00:00Z", False, True),
        ("2026-11-28T00:00:00Z", True, False),
        ("", True, True),
    ],
)
def test_a_certificate_that_ends_soon_is_marked_unless_that_is_its_nature(
    begins: str, stamped: bool, warned: bool
) -> None:
    """A signing service's certificate of three days is outlived by its time-stamps; the next one is another."""
    whole = outcomes.chain()
    assert whole.sign is not None
    certificate = replace(whole.sign.certificate, not_before=begins, not_after="2026-12-01T00:00:00Z", days_left=2)
    image = replace(whole, sign=replace(whole.sign, certificate=certificate, timestamped=stamped))
    source = comment.render([outcomes.document(Outcome(command="chain", images=(image,)))], run_url=RUN)
    assert "certificate expires in 2 days" in source
    assert ("⚠️ certificate expires" in source) is warned


def test_links_that_are_none_are_left_out() -> None:
    source = comment.render([many(1)], run_url="javascript:alert(1)", alerts_url="https://a b.example/")
    assert "](javascript" not in source
    assert "[alerts]" not in source


def test_nothing_done_is_no_comment() -> None:
    assert comment.render([outcomes.document(Outcome(command="scan", images=()))], run_url=RUN) == ""
    assert comment.render([], run_url=RUN, note="A note.") == ""


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


def mixed(unrated: int = 0) -> ResultDocument:
    """Three images: one patched, one that the gate refuses, one that could not be scanned."""
    refused = outcomes.report(
        outcomes.vulnerability(1, Severity.CRITICAL),
        *(outcomes.vulnerability(9, Severity.UNKNOWN) for _ in range(unrated)),
        image="localhost:5000/worker:1",
    )
    closing = outcomes.scan(refused, refused=refused.findings[:1])
    images = (
        outcomes.chain(),
        ImageOutcome(image="localhost:5000/worker:1", scan=closing, failure=Refused("1 critical finding has a fix.")),
        ImageOutcome(image="localhost:5000/db:1", failure=OutsideError("The registry did not answer.")),
    )
    return outcomes.document(Outcome(command="chain", images=images))


RENDERERS = pytest.mark.parametrize("render", [lambda document: comment.render([document]), summary.render])


def test_an_image_that_break_glass_admits_is_not_shown_as_plainly_admitted() -> None:
    grant = exceptions.grant(outcomes.NOW, "CVE-2024-1", who="@ada <img>", why="down | now")
    granted = JudgedException(digest=exceptions.digest(1), grant=grant, granter="oncall", ignored="")
    over = replace(granted, digest=exceptions.digest(2), ignored="it ended at 2026-11-22T00:00:00Z")
    reference = f"localhost:5000/app@{exceptions.digest(3)}"
    judgement = PolicyJudgement(reference=reference, policy="", refusals=(), exceptions=(granted, over))
    image = ImageOutcome(image=reference, reference=reference, judgement=judgement)
    document = outcomes.document(Outcome(command="policy", images=(image,)))
    text = summary.render(document)
    assert text.count("break-glass exceptions") == 1
    assert f"CVE-2024-1 until {grant.until:%Y-%m-%dT%H}" in text.replace("\\", "").replace("&#58;", ":")
    assert "<img>" not in text
    plain = replace(judgement, exceptions=(over,))
    document = outcomes.document(Outcome(command="policy", images=(replace(image, judgement=plain),)))
    assert "break-glass" not in summary.render(document)


@RENDERERS
def test_what_is_in_the_way_stands_first_and_is_unfolded(render: Callable[[ResultDocument], str]) -> None:
    source = render(mixed())
    assert re.findall(r"^\| (✅|❌) \| \*\*([a-z-]+)", source, re.M) == [
        ("❌", "db"), ("❌", "worker"), ("✅", "voting-app")
    ]  # fmt: skip
    folds = re.findall(r"<details( open)?><summary>(✅|❌) <b>([a-z-]+)</b>", source)
    assert folds == [(" open", "❌", "db"), (" open", "❌", "worker"), ("", "✅", "voting-app")]


@RENDERERS
def test_the_overview_says_what_its_arrows_are(render: Callable[[ResultDocument], str]) -> None:
    (head,) = [line for line in render(mixed()).splitlines() if line.startswith("|") and " Image |" in line]
    assert head.count("<sub>before&nbsp;→&nbsp;after</sub>") == 4
    scan = outcomes.scan(outcomes.report())
    images = tuple(ImageOutcome(image=f"{name}:1", scan=scan) for name in "ab")
    unpatched = outcomes.document(Outcome(command="scan", images=images))
    assert "→" not in render(unpatched)


@RENDERERS
def test_unrated_findings_have_a_column_where_an_image_has_some(render: Callable[[ResultDocument], str]) -> None:
    def cells(source: str, start: str) -> list[str]:
        (row,) = [line for line in source.splitlines() if re.match(start, line)]
        return [cell.strip() for cell in row.strip("|").split("|")]

    with_some = render(mixed(unrated=2))
    place = next(n for n, cell in enumerate(cells(with_some, r"\|  ?\| Image")) if cell.startswith("Unknown"))
    assert cells(with_some, r"\| ❌ \| \*\*worker")[place] == "2"
    assert "→" in cells(with_some, r"\| ✅ \| \*\*voting-app")[place]
    assert "Unknown" not in render(mixed())
