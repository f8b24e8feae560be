import csv
from io import StringIO

from s3c_actions.fleet.find.text import CSV_HEADER, render_csv, render_table
from s3c_actions.result.model import FindResult, FoundMatch, UnansweredImage

PINNED = "registry.example/app@sha256:" + 64 * "a"
AFFECTED = FoundMatch(
    image="registry.example/app:1.0",
    reference=PINNED,
    package="libssl3",
    installed="3.0.11-1",
    source="openssl",
    fixed="3.0.13-1",
    owner="team-a",
    places=("voting/web", "voting/api", "jobs/nightly", "jobs/weekly"),
)
UNDECIDED = FoundMatch(
    image="registry.example/b:1", reference=PINNED, package="app", installed="(devel)", problem="it is no version"
)
UNKNOWN = UnansweredImage(image="registry.example/c:1", reasons=("no report",), places=("x/y",))
RESULT = FindResult(
    query="openssl<3.0.13",
    images=200,
    matches=(AFFECTED, UNDECIDED),
    unanswered=(UNKNOWN, UnansweredImage(image="registry.example/d:1", reasons=("no report",))),
)


def test_the_table():
    assert render_table(RESULT) == (
        "openssl<3.0.13: found in 1 of 200 images\n"
        "\n"
        "IMAGE                                            PACKAGE            INSTALLED  FIXED IN  OWNER   WHERE\n"
        "registry.example/app:1.0 @ sha256:aaaaaaaaaaaa…  libssl3 (openssl)  3.0.11-1   3.0.13-1  team-a  "
        "voting/web, voting/api, jobs/nightly and 1 more\n"
        "\n"
        "Version not comparable: 1 package\n"
        "  registry.example/b:1 @ sha256:aaaaaaaaaaaa…  app (devel): it is no version\n"
        "\n"
        "Not answered for: 2 images\n"
        "  no report:\n"
        "    registry.example/c:1 (x/y)\n"
        "    registry.example/d:1\n"
    )


def test_nothing_found():
    assert render_table(FindResult(query="x", images=1)) == "x: found in 0 of 1 image\n"


def test_csv_has_every_image_that_is_not_clear():
    rows = list(csv.DictReader(StringIO(render_csv(RESULT))))
    assert [row["answer"] for row in rows] == ["found", "not comparable", "not answered", "not answered"]
    assert tuple(rows[0]) == CSV_HEADER
    assert rows[0]["places"] == "voting/web, voting/api, jobs/nightly, jobs/weekly"
    assert rows[1]["note"] == "it is no version"
    assert rows[2]["note"] == "no report"


def test_hostile_texts_are_escaped():
    hostile = "\x1b[31m=cmd()\nx"
    result = FindResult(
        query=hostile,
        images=1,
        matches=(FoundMatch(image=hostile, reference=PINNED, package=hostile, installed=hostile, note=hostile),),
        unanswered=(UnansweredImage(image=hostile, reasons=(hostile,), places=(hostile,)),),
    )
    assert "\x1b" not in render_table(result)
    (affected, unanswered) = csv.DictReader(StringIO(render_csv(result)))
    for row in (affected, unanswered):
        assert not any(cell.startswith(("=", "\x1b")) or "\n" in cell for cell in row.values())


def test_an_answer_is_complete_when_nothing_is_open():
    assert FindResult(query="x", images=1, matches=(AFFECTED,)).complete
    assert not FindResult(query="x", images=1, matches=(UNDECIDED,)).complete
    assert not FindResult(query="x", images=1, unanswered=(UNKNOWN,)).complete
