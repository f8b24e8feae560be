"""The pull-request comment: several documents as one, and a size that is kept."""

from __future__ import annotations

import pytest

from s3c_actions.core.errors import OutsideError, Refused
from s3c_actions.findings.model import Severity
from s3c_actions.report.document import ResultDocument
from s3c_actions.report.github import comment, summary
from s3c_actions.result.model import ImageOutcome, Outcome
from tests.support import outcomes

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


def test_links_that_are_none_are_left_out() -> None:
    source = comment.render([many(1)], run_url="javascript:alert(1)", alerts_url="https://a b.example/")
    assert "](javascript" not in source
    assert "[alerts]" not in source


def test_nothing_done_is_no_comment() -> None:
    assert comment.render([outcomes.document(Outcome(command="scan", images=()))], run_url=RUN) == ""
    assert comment.render([], run_url=RUN, note="A note.") == ""


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
