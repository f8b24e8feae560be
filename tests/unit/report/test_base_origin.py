"""Whose the findings are, in every form: table, page, SARIF, comment, result.json and outputs."""

from __future__ import annotations

import csv
import json
from typing import Any
from xml.etree import ElementTree

import pytest
from msgspec.structs import replace

from s3c_actions.findings.base_image import attribute
from s3c_actions.findings.model import BaseImage, ScanReport, Severity
from s3c_actions.report.formats import csv_file, gitlab, html_page, junit, sarif, text_table
from s3c_actions.report.github.image_view import view
from s3c_actions.report.rendering import Rendering
from s3c_actions.result import outputs
from s3c_actions.result.model import ImageOutcome, Outcome
from tests.support import gitlab_schema, outcomes
from tests.support.hostile import TEXTS

NAME = "docker.io/library/python:3.12-slim"


def report(name: str = NAME, *, known: bool = True) -> ScanReport:
    plain = outcomes.report(
        *(
            replace(outcomes.vulnerability(number, severity), layer=layer)
            for number, (severity, layer) in enumerate(
                [(Severity.HIGH, "sha256:a"), (Severity.HIGH, "sha256:b"), (Severity.LOW, "sha256:a")]
            )
        ),
        diff_ids=("sha256:a", "sha256:b"),
    )
    base = BaseImage(name=name, reference="b.example/x@sha256:0", layers=("sha256:a",), source="the Dockerfile")
    return attribute(plain, base) if known else plain


def outcome(scanned: ScanReport) -> Outcome:
    image = ImageOutcome(image="app", scan=outcomes.scan(scanned))
    return Outcome(command="scan", images=(image,))


def document(scanned: ScanReport) -> Any:
    return outcomes.document(outcome(scanned)).images[0]


def test_the_table_has_two_parts() -> None:
    text = text_table.render(report(), Rendering()).decode()
    assert f"1 of its own (1 high), 2 of its base (1 high, 1 low): {NAME}" in text
    assert "Vulnerabilities of its own (1)" in text
    assert "Vulnerabilities of its base (2)" in text
    assert "of its own" not in text_table.render(report(known=False), Rendering()).decode()


def test_the_page_has_a_filter() -> None:
    page = html_page.render(report(), Rendering()).decode()
    rows = json.loads(page.partition('id="data">')[2].partition("</script>")[0])["rows"]
    assert [row[15] for row in rows] == [0, 1, 0] or sorted(row[15] for row in rows) == [0, 0, 1]
    assert 'id="own"' in page
    assert "not of the base (1)" in page
    assert 'type="checkbox" id="own"' not in html_page.render(report(known=False), Rendering()).decode()


def test_sarif_has_a_property() -> None:
    run = json.loads(sarif.render(report(), Rendering()))["runs"][0]
    assert run["properties"]["baseImage"] == NAME
    assert sorted(result["properties"]["fromBaseImage"] for result in run["results"]) == [False, True, True]
    plain = json.loads(sarif.render(report(known=False), Rendering()))["runs"][0]
    assert not [result for result in plain["results"] if "properties" in result]


def test_the_comment_says_whose_they_are_and_the_result_has_both_parts() -> None:
    result = document(report())
    assert view(result)["origin"] == f"Of these, **1 of its own (1 high)** and 2 of its base (1 high, 1 low), `{NAME}`."
    assert (result.base_image.own, result.base_image.inherited) == ({"HIGH": 1}, {"HIGH": 1, "LOW": 1})
    assert sorted(finding.from_base for finding in result.remaining) == [False, True, True]
    assert view(document(report(known=False)))["origin"] == ""


@pytest.mark.parametrize(("known", "values"), [(True, ("1", "2")), (False, ("3", ""))])
def test_outputs_count_both(known: bool, values: tuple[str, str]) -> None:
    counts = outputs.output_values(outcome(report(known=known)))
    assert (counts["findings-own"], counts["findings-base"]) == values


@TEXTS
def test_a_hostile_name_of_a_base_stays_text(text: str) -> None:
    hostile = report(text)
    assert "<script>alert" not in html_page.render(hostile, Rendering()).decode()
    origin = str(view(document(hostile))["origin"])
    assert "\n" not in origin
    assert origin.startswith("Of these, **1 of its own (1 high)** and 2 of its base (1 high, 1 low), ")
    table = text_table.render(hostile, Rendering()).decode()
    assert all(character.isprintable() or character == "\n" for character in table)


def test_csv_has_a_column_for_it() -> None:
    for known, words in ((True, ["own", "base", "base"]), (False, ["", "", ""])):
        rows = list(csv.DictReader(csv_file.render(report(known=known), Rendering()).decode().splitlines()))
        assert sorted(row["origin"] for row in rows) == sorted(words)


def test_junit_has_a_property_of_each_case_and_the_numbers_of_all() -> None:
    suite = ElementTree.fromstring(junit.render(report(), Rendering())).find("testsuite")
    assert suite is not None
    numbers = {element.get("name"): element.get("value") for element in suite.findall("properties/property")}
    assert (numbers["base-image"], numbers["own"], numbers["inherited"]) == (NAME, "1", "2")
    origins = [element.get("value") for element in suite.findall("testcase/properties/property")]
    assert sorted(filter(None, origins)) == ["base", "base", "own"]
    assert b"origin" not in junit.render(report(known=False), Rendering())


@TEXTS
def test_gitlab_has_a_detail_of_each_vulnerability(text: str) -> None:
    document = json.loads(gitlab.render(report(text), Rendering()))
    gitlab_schema.CONTAINER_SCANNING.validate(document)
    origins = [vulnerability["details"]["origin"]["value"] for vulnerability in document["vulnerabilities"]]
    assert origins.count("the image's own") == 1
    assert sum(origin.startswith("its base image") for origin in origins) == 2
    (message,) = [entry["value"] for entry in document["scan"]["messages"] if "of its base" in entry["value"]]
    assert message.startswith("1 of its own (1 high), 2 of its base (1 high, 1 low)")
    assert "details" not in gitlab.render(report(known=False), Rendering()).decode()
