"""A plan as people see it: short for thousands of images, and one line for what is the same."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from s3c_actions.fleet import plans_text
from s3c_actions.fleet.plan import Plan, UnplannedImage
from tests.unit.fleet.test_plan import PLAN, planned


def test_counts_reasons_and_shards() -> None:
    text = plans_text.render(PLAN, Path("plan.json"))
    assert text == (
        "4 images: 3 to do, 1 current; 1 could not be planned\n\n"
        "to do\n  3  no report is beside it\n\n"
        "current\n  1  its report of today has nothing to fix\n\n"
        "not planned\n  1  It is not there.\n\n"
        "2 shards, 38 s in all\n"
        "  shard  images  time  bases\n"
        "  1      2       25 s  2\n"
        "  2      1       12 s  1\n\n"
        "plan: plan.json\n"
    )


def test_thousands_of_images_are_a_few_lines() -> None:
    images = tuple(
        replace(
            planned(number, shard=number % 100 + 1),
            reason=f"its report of 2026-11-2{number % 9}T01:02:03Z is older than 24 hours",
        )
        for number in range(3000)
    )
    gone = tuple(
        UnplannedImage(image=f"registry.example/gone:{n}", what=f"registry.example/gone:{n} is not there.", exit_code=2)
        for n in range(500)
    )
    plan = Plan(created=PLAN.created, fleet=PLAN.fleet, shards=100, images=images, current=(), unplanned=gone)
    text = plans_text.render(plan, Path("plan.json"))
    assert len(text.splitlines()) < 15
    assert "  3,000  its report of … is older than … hours" in text
    assert "  500  … is not there." in text
    assert "  30–30 images and 6 min–6 min each" in text


def test_reasons_are_one_line_of_printable_text() -> None:
    hostile = replace(planned(1), reason="it is \x1b[31mred\nand more " + "x" * 500)
    plan = Plan(created=PLAN.created, fleet=PLAN.fleet, shards=1, images=(hostile,))
    text = plans_text.render(plan, Path("plan\x1b.json"))
    assert "\x1b" not in text
    assert max(len(row) for row in text.splitlines()) < 130


def test_nothing_to_do_names_no_shards() -> None:
    text = plans_text.render(Plan(created=PLAN.created, fleet=PLAN.fleet, shards=1, images=()), Path("plan.json"))
    assert text == "0 images: 0 to do, 0 current\n\nplan: plan.json\n"


def test_the_summary_of_a_job() -> None:
    assert plans_text.render_markdown(PLAN) == (
        "### ❌ 4 images: 3 to do in 2 shards, 1 current\n\n"
        "| | Images | Why |\n|:--|--:|:--|\n"
        "| to do | 3 | no report is beside it |\n"
        "| current | 1 | its report of today has nothing to fix |\n\n"
        "**1 could not be planned**\n\n"
        "| Image | Owner | What | What to do |\n|:--|:--|:--|:--|\n"
        "| registry.example/gone:1 |  | It is not there. |  |\n"
    )


def test_hostile_texts_make_no_markup_in_the_summary() -> None:
    hostile = "<img src=x onerror=alert(1)>|\n# [x](javascript:y) @octo `a`"
    entries = tuple(
        UnplannedImage(image=f"{number}{hostile}", owner=hostile, what=hostile, remedy=hostile, exit_code=3)
        for number in range(300)
    )
    images = (replace(planned(1), reason=hostile),)
    plan = Plan(created=PLAN.created, fleet=PLAN.fleet, shards=1, images=images, unplanned=entries)
    text = plans_text.render_markdown(plan)
    rows = [row for row in text.splitlines() if row.startswith("| ")]
    assert len(rows) == 1 + 1 + 1 + 200
    assert "<img" not in text
    assert "](javascript" not in text
    assert "100 more stand in" in text
