"""How another base is shown: a table with what is known, and no recommendation of what is worse or at its end."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec import UNSET

from s3c_actions.report.base_advice import better_options, describe_gain, render_table
from s3c_actions.report.document import BaseAdviceEntry, BaseOptionEntry
from s3c_actions.report.github.image_view import view
from s3c_actions.result.model import ImageOutcome, Outcome
from tests.support import outcomes
from tests.support.hostile import TEXTS


def option(tag: str, change: Any = "", **more: Any) -> BaseOptionEntry:
    facts: dict[str, Any] = {
        "reference": "",
        "created": "",
        "days": 10,
        "findings": {"HIGH": 5, "LOW": 2},
        "fixed": None if not change else 3,
        "new": None if not change else 1,
        "size": 50_000_000,
        "os": "debian 12.5",
        "os_end_of_life": False,
        "same_as": "",
        "problem": "",
    }
    return BaseOptionEntry(tag=tag, change=change, **{**facts, **more})


def advice(*options: BaseOptionEntry, **more: Any) -> BaseAdviceEntry:
    facts: dict[str, Any] = {"repository": "docker.io/library/python", "platform": "linux/amd64", "notices": ()}
    return BaseAdviceEntry(**{**facts, "current": option("3.12-slim"), "options": options, **more})


SAME = option("3.12-slim", "same tag", findings={"HIGH": 3})
MINOR = option("3.13-slim", "minor version", findings={"HIGH": 1}, size=45_000_000)


def test_the_best_without_a_new_version_and_the_best_are_named() -> None:
    assert better_options(advice(SAME, MINOR)) == [SAME, MINOR]
    assert describe_gain(SAME) == "removes 3 findings of the base and brings 1"
    assert describe_gain(option("x", "patch", fixed=1_234, new=0)) == "removes 1,234 findings of the base"


@pytest.mark.parametrize(
    "worse",
    [
        option("3.13-slim", "minor version", findings={"HIGH": 5, "LOW": 2}),
        option("3.13-slim", "minor version", findings={"CRITICAL": 1}),
        option("3.13-slim", "minor version", findings={}, os_end_of_life=True),
        option("3.13-slim", "minor version", findings=UNSET, fixed=None, new=None, problem="Trivy failed"),
    ],
)
def test_what_is_no_better_is_not_recommended(worse: BaseOptionEntry) -> None:
    assert better_options(advice(worse)) == []
    assert "No tag that was compared has fewer findings." in render_table(advice(worse))


def test_a_newer_version_that_is_no_better_than_the_same_tag_is_not_recommended() -> None:
    assert better_options(advice(SAME, option("4", "major version", findings={"HIGH": 3}))) == [SAME]


def test_the_table_has_what_is_known() -> None:
    table = render_table(
        advice(
            SAME,
            option("3.12.9-slim", "patch", findings={"HIGH": 3}, same_as="3.12-slim"),
            MINOR,
            option(
                "4-slim", "major version", findings=UNSET, fixed=None, new=None, size=None, days=None, problem="gone"
            ),
        )
    ).splitlines()
    assert table[0] == "docker.io/library/python (linux/amd64)"
    assert table[2].split()[:3] == ["TAG", "CHANGE", "AGE"]
    assert table[3].split() == ["3.12-slim", "in", "use", "10", "d", "0", "5", "0", "2", "50.0", "MB"]
    assert table[5].endswith("same image as 3.12-slim")
    assert "45.0 MB (-5.0)" in table[6]
    assert table[7].split() == ["4-slim", "major", "version", "–", "–", "–", "–", "–", "–", "gone"]
    assert table[-2:] == [
        "3.12-slim (same tag): removes 3 findings of the base and brings 1.",
        "3.13-slim (minor version): removes 3 findings of the base and brings 1.",
    ]


def shown(entry: BaseAdviceEntry) -> str:
    image = outcomes.document(Outcome(command="base", images=(ImageOutcome(image="app"),))).images[0]
    return str(view(msgspec.structs.replace(image, base_advice=entry))["advice"])


def test_the_comment_has_one_line() -> None:
    assert shown(advice(SAME, MINOR)) == (
        "Of `docker.io/library/python`, `3.12-slim` (same tag) removes 3 findings of the base and brings 1 and "
        "`3.13-slim` (minor version) removes 3 findings of the base and brings 1."
    )
    assert shown(advice()) == "No tag of `docker.io/library/python` has fewer findings."


@TEXTS
def test_hostile_texts_stay_text(text: str) -> None:
    entry = advice(
        option(text, "patch", findings={}, os=text, os_end_of_life=False, problem=text, same_as=text),
        current=option(text),
        repository=text,
        platform=text,
        notices=(text,),
    )
    table = render_table(entry)
    assert all(character.isprintable() or character == "\n" for character in table)
    assert len(table) < 20_000
    line = shown(entry)
    assert "\n" not in line
