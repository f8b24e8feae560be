"""The picture of a chain: what it names, what it never hides, and that nothing leaves it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from s3c_actions.core import artifact_types
from s3c_actions.trace import diagram
from s3c_actions.trace import page as story_page
from s3c_actions.trace import text as story_text
from s3c_actions.trace.diagram import Box, Picture
from s3c_actions.trace.model import AttachedDocument, DocumentKind, SignatureTrust, Trace
from tests.support import stories

TYPES = {
    artifact_types.SARIF: DocumentKind.REPORT,
    artifact_types.RESULT: DocumentKind.RESULT,
    artifact_types.SPDX: DocumentKind.SBOM,
    artifact_types.CYCLONEDX: DocumentKind.SBOM,
    artifact_types.OPENVEX: DocumentKind.VEX,
}


def with_documents(*documents: AttachedDocument) -> Trace:
    story = stories.patched()
    return replace(story, subject=replace(story.subject, documents=documents))


def one_of_each(number: int = 0, **changes: Any) -> tuple[AttachedDocument, ...]:
    return tuple(
        stories.document(number + place, name, kind, description=f"{kind.value} {number + place}", **changes)
        for place, (name, kind) in enumerate(TYPES.items())
    )


def rows(picture: Picture) -> list[str]:
    return [box.texts[0].text for box in picture.boxes if box.style == "hanging"]


def station(picture: Picture, label: str) -> list[str]:
    (box,) = [box for box in picture.boxes if box.texts and box.texts[0].text == label]
    return [line.text for line in box.texts[1:]]


STORIES = pytest.mark.parametrize(
    "story", [stories.patched(), stories.denied(), stories.paused(), stories.hostile("x" * 300)]
)


@STORIES
@pytest.mark.parametrize("draw", [diagram.draw, diagram.draw_stacked])
def test_nothing_leaves_the_picture_and_no_two_boxes_meet(story: Trace, draw: Callable[[Trace], Picture]) -> None:
    picture = draw(story)
    for box in picture.boxes:
        assert 0 <= box.x <= box.x + box.width <= picture.width
        assert 0 <= box.y <= box.y + box.height <= picture.height
    boxes = [box for box in picture.boxes if box.style != "panel"]

    def apart(first: Box, second: Box) -> bool:
        return (
            first.x + first.width <= second.x
            or second.x + second.width <= first.x
            or first.y + first.height <= second.y
            or second.y + second.height <= first.y
        )

    assert all(apart(first, second) for place, first in enumerate(boxes) for second in boxes[:place])


@STORIES
def test_the_column_has_everything_that_the_chain_has(story: Trace) -> None:
    across, down = diagram.draw(story), diagram.draw_stacked(story)
    assert down.description == across.description
    assert {(box.style, box.texts, box.seal) for box in down.boxes} == {
        (box.style, box.texts, box.seal) for box in across.boxes if box.style != "panel"
    } | {(box.style, box.texts, box.seal) for box in down.boxes if box.style == "panel"}
    assert [(arrow.above, arrow.below, arrow.style) for arrow in down.arrows] == [
        (arrow.above, arrow.below, arrow.style) for arrow in across.arrows
    ]
    tops = [box.y for box in down.boxes if box.style.startswith(("station", "panel", "gate"))]
    assert tops == sorted(tops)
    assert down.width < 320  # of the narrowest phone


def test_the_picture_is_filled() -> None:
    """Boxes and the arrows between them take most of it."""
    picture = diagram.draw(with_documents(*one_of_each()))
    covered = sum(box.width * box.height for box in picture.boxes if box.style != "hanging")
    between = sum(arrow.length * diagram.HEIGHT for arrow in picture.arrows)
    assert (covered + between) / (picture.width * picture.height) > 0.8


def test_stations_are_named_by_their_tags() -> None:
    picture = diagram.draw(stories.patched())
    assert station(picture, "ORIGINAL")[0] == "voting-app:1.4.0"
    assert station(picture, "THIS IMAGE")[0] == "voting-app:1.4.0-1"
    source = story_page.render(stories.patched()).decode()
    assert "<h1>voting-app:1.4.0-1</h1>" in source
    assert "<title>voting-app:1.4.0-1 · trace</title>" in source


def test_without_a_tag_the_title_is_the_name_alone() -> None:
    source = story_page.render(stories.denied()).decode()
    assert "<h1>voting-app</h1>" in source


def test_the_signed_result_stands_for_reports_that_are_not_attached() -> None:
    whole = stories.patched()
    (original, base) = whole.ancestors
    assert original.subject is not None
    bare = replace(original, subject=replace(original.subject, documents=()))
    story = replace(whole, ancestors=(bare, base), subject=replace(whole.subject, documents=()))
    picture = diagram.draw(story)
    assert station(picture, "ORIGINAL")[2] == "7 high · 15 medium"
    assert station(picture, "THIS IMAGE")[2] == "1 low"
    assert "had 7 high, 15 medium, 1 low, by the signed result.json" in story_text.render(story)
    assert "7 high, 15 medium, 1 low, by the signed result.json" in story_page.render(story).decode()
    # A result that nobody signed, or that somebody signed who is not trusted, stands for nothing.
    for trust in (None, SignatureTrust.REFUSED, SignatureTrust.BROKEN):
        assert whole.change is not None
        picture = diagram.draw(replace(story, change=replace(whole.change, trust=trust)))
        assert station(picture, "ORIGINAL")[2] == "no report attached"


def test_every_kind_of_document_is_shown_however_many_there_are() -> None:
    # Thirty notes of a stranger are newer than what counts.
    notes = tuple(
        stories.document(number, "application/vnd.note", DocumentKind.OTHER, signatures=())
        for number in range(100, 130)
    )
    shown = rows(diagram.draw(with_documents(*notes, *one_of_each())))
    for title in ("report", "result", "SBOM (SPDX)", "SBOM (CycloneDX)", "VEX"):
        assert any(row.partition(" · ")[0] == title for row in shown)
    assert "and 28 more documents" in shown


def test_a_document_that_counts_goes_before_a_newer_one_that_does_not() -> None:
    newer = one_of_each(50, signatures=(stories.STRANGER,))
    picture = diagram.draw(with_documents(*newer, *newer, *one_of_each()))
    shown = [box.texts[1].text for box in picture.boxes if box.style == "hanging" and len(box.texts) > 1]
    assert {document.description for document in one_of_each()} <= set(shown)


@pytest.mark.parametrize("number", range(diagram.MAX_DOCUMENTS + 4))
def test_what_is_counted_is_never_a_single_one(number: int) -> None:
    documents = tuple(
        stories.document(place, f"application/vnd.note{place}", DocumentKind.OTHER) for place in range(number)
    )
    shown = [row for row in rows(diagram.draw(with_documents(*documents))) if row.startswith(("other", "and"))]
    assert len(shown) == min(number, diagram.MAX_DOCUMENTS)
    more = [row for row in shown if row.startswith("and")]
    left = number - diagram.MAX_DOCUMENTS + 1
    assert more == ([f"and {left} more documents"] if left > 1 else [])


def test_both_formats_of_a_bill_of_materials_are_named_everywhere() -> None:
    story = with_documents(*one_of_each())
    for rendered in (story_page.render(story).decode(), story_text.render(story)):
        assert "SBOM (SPDX)" in rendered
        assert "SBOM (CycloneDX)" in rendered
