"""`fleet-report.json` read strictly: an earlier one comes from a registry or another job."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from s3c_actions.core.errors import InputError
from s3c_actions.fleet import report_document
from tests.support import fleets

REPORT = fleets.report(nights=3)
WHOLE = json.loads(report_document.render(REPORT))
SCHEMA = jsonschema.Draft202012Validator(report_document.schema())


def parse(content: bytes) -> object:
    return report_document.parse(content, name="fleet-report.json", field="earlier-report")


def test_what_is_rendered_is_read_again_and_is_as_the_schema_has_it() -> None:
    assert parse(report_document.render(REPORT)) == REPORT
    SCHEMA.validate(WHOLE)


def test_a_report_says_what_it_knows_in_these_words() -> None:
    image = next(image for image in WHOLE["images"] if image["state"] == "patched")
    assert {"image", "owner", "days-to-fix", "fixable", "signature", "admission"} <= image.keys()
    assert WHOLE["figures"]["states"]["missing"] == len(fleets.plan(40, working=30).shard(4))


def _set(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    *steps, last = path.split(".")

    def change(document: Any) -> None:
        for step in steps:
            document = document[int(step) if step.isdigit() else step]
        document[int(last) if last.isdigit() else last] = value

    return change


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("version", 2),
        ("surprise", 1),
        ("created", 1),
        ("exit-code", 9),
        ("figures.created", "yesterday"),
        ("figures.created", "2026-11-23T07:00:00"),
        ("figures.plan", "sha256:1"),
        ("figures.states", {"great": 1}),
        ("figures.fixable", {"CRITICAL": -1}),
        ("figures.days-to-fix", -1),
        ("trend.0.created", "2026-99-01T00:00:00Z"),
        ("findings.0.severity", "BAD"),
        ("findings.0.since", "?"),
        ("images.0.state", "fine"),
        ("images.0.findings", [100_000]),
        ("images.0.findings", [-1]),
        ("images.0.expiring", [7]),
        ("images.0.reason", "x" * 1001),
        ("exceptions.0.until", "soon"),
    ],
)
def test_anything_else_is_no_report(path: str, value: Any) -> None:
    document = json.loads(json.dumps(WHOLE))
    _set(path, value)(document)
    with pytest.raises(InputError, match=r"^earlier-report: fleet-report\.json") as caught:
        parse(json.dumps(document).encode())
    assert "fleet-report.json" in caught.value.remedy


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b"\xff", b"{" * 100_000, b'{"version": 1}'])
def test_no_document_at_all(content: bytes) -> None:
    with pytest.raises(InputError):
        parse(content)


def test_a_trend_of_ten_thousand_points_is_none() -> None:
    document = WHOLE | {"trend": WHOLE["trend"] * 200}
    with pytest.raises(InputError, match="400"):
        parse(json.dumps(document).encode())


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"earlier-report: .*gone\.json cannot be read"):
        report_document.read(tmp_path / "gone.json", field="earlier-report")
