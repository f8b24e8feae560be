"""What is said of one image, and what is marked in it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from s3c_actions.policy.break_glass import JudgedException
from s3c_actions.report.github import comment, summary
from s3c_actions.report.github.image_sentences import MAX_WARNINGS, image_warnings, mirrored_clause, system_sentence
from s3c_actions.result.model import ImageOutcome, Outcome, PolicyJudgement
from tests.support import exceptions, outcomes
from tests.unit.report.github.test_comment import RUN


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


def test_warnings_are_named_once_and_counted_where_there_are_many() -> None:
    scan = outcomes.scan(
        outcomes.report(), warnings=("twice", *(f"number {n}" for n in range(12)), "twice"), blind="blind"
    )
    image = outcomes.document(Outcome(command="scan", images=(ImageOutcome(image="a", scan=scan),))).images[0]
    texts = image_warnings(image)
    assert texts[:2] == ["twice", "number 0"]
    assert len(texts) == MAX_WARNINGS + 1
    assert texts[-1] == "and 4 more warnings: they are in the log"


def test_what_was_not_done_is_not_spoken_of() -> None:
    image = outcomes.document(Outcome(command="scan", images=(ImageOutcome(image="a"),))).images[0]
    assert (system_sentence(image), mirrored_clause(image)) == ("", "")
