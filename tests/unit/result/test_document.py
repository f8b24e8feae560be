"""result.json against its published schema, and the outputs, from the same results."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from s3c_actions.core.errors import Exit, InputError, OutsideError, S3CError
from s3c_actions.core.secrets import Secrets
from s3c_actions.result import document as result
from s3c_actions.result import outputs
from s3c_actions.result.model import Comparison, ImageOutcome, Outcome
from s3c_actions.result.smoke import PlatformSmoke, SmokeResult, SmokeVerdict
from tests.support import samples
from tests.support.hostile import TEXTS

NOW = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)
SCHEMA = json.loads((Path(result.__file__).parent.parent / "schemas" / "result-1.json").read_text())


def rendered(outcome: Outcome, error: S3CError | None = None, *secret: str) -> dict[str, Any]:
    secrets = Secrets()
    for hidden in secret:
        secrets.add(hidden)
    text = result.render_document(result.build_document(outcome, NOW, secrets, error))
    assert text.isascii()
    document = json.loads(text)
    jsonschema.Draft202012Validator(SCHEMA).validate(document)
    return document  # type: ignore[no-any-return]


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("text", ["\ud800", "\x7f", "\u202e", '\x00\n"\\', "\U0001f600"])
def test_the_text_is_ascii_whatever_stands_in_it(text) -> None:
    document = {text: [{"a": text, "b": [text], "c": {}}, {"a": 1.5, "b": None, "c": []}]}
    written = result.render_document(document)
    assert written.isascii()
    assert "\x7f" not in written
    assert json.loads(written) == document


def test_what_has_no_parts_of_its_own_is_one_line() -> None:
    document = {"images": [{"id": "CVE-1", "line": 0}, {"id": "CVE-2", "line": 7}], "files": {}, "ok": True}
    assert result.render_document(document) == (
        '{\n  "images": [\n    {"id": "CVE-1", "line": 0},\n    {"id": "CVE-2", "line": 7}\n  ],\n'
        '  "files": {},\n  "ok": true\n}\n'
    )


_TEXT = st.text(st.characters() | st.sampled_from('}{", :id\\'), max_size=12) | st.sampled_from(
    ['}, {"id": ', "}, {", '}, {"', "id", '": "']
)
_ROW: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"id": _TEXT, "b": _TEXT | st.builds(list) | st.integers()}
)


@given(st.lists(_ROW, min_size=1, max_size=4))
def test_like_objects_are_one_a_line_whatever_stands_in_them(rows) -> None:
    written = result.render_document({"rows": rows})
    assert json.loads(written) == {"rows": rows}
    assert [json.loads(line.rstrip(",")) for line in written.splitlines()[2:-2]] == rows


@given(st.text(min_size=4), st.text(), st.text())
def test_a_secret_is_found_wherever_it_stands(secret, before, after) -> None:
    document = {"a": [{"b": f"{before}{secret}{after}"}]}
    secrets = Secrets()
    secrets.add(secret)
    assert result._may_contain_secret(document, secrets)


def test_everything_of_a_chain() -> None:
    document = rendered(samples.outcome(samples.chained()))
    image = document["images"][0]
    assert document["verdict"] == "passed"
    assert image["digest"] == samples.PATCHED
    assert image["findings"] == {
        "critical": 0, "high": 0, "medium": 0, "low": 1, "unknown": 0, "total": 1, "fixable": 0,
    }  # fmt: skip
    assert [finding["id"] for finding in image["patch"]["fixed"]] == ["CVE-2026-0001", "CVE-2026-0002"]
    assert image["patch"]["left"][0]["reason"] == "openssl"
    assert image["patch"]["before"]["high"] == 1
    assert image["sign"]["signature_digest"] == samples.SIGNATURE
    assert image["files"]["sarif"] == "out/after/report.sarif"


@TEXTS
def test_hostile_text_is_data(text) -> None:
    document = rendered(samples.outcome(samples.chained(text), samples.refused(text)))
    assert document["images"][0]["patch"]["fixed"][0]["package"] == text
    assert document["images"][1]["error"]["what"] == text
    assert document["exit_code"] == Exit.REFUSED


def test_an_error_that_ended_it() -> None:
    error = InputError("severity", "'X' is not one of LOW.", remedy="Choose.")
    document = rendered(Outcome(command="scan", images=(), exit_code=2, error=error.what), error)
    assert document["verdict"] == "failed"
    assert document["error"]["field"] == "severity"
    assert document["error"]["what"] == "severity: 'X' is not one of LOW."


def test_secrets_are_replaced_and_the_document_stays_whole() -> None:
    secret = 'pass"wörd\\'
    document = rendered(samples.outcome(samples.chained(f"before {secret} after")), None, secret, "version")
    assert document["images"][0]["patch"]["reason"] == "before *** after"
    assert "rd" not in document["images"][0]["verify"]["signer"]


def test_the_gravest_failure_is_the_exit_code() -> None:
    down = ImageOutcome(image="x", failure=OutsideError("down"))
    outcome = samples.outcome(samples.chained(), samples.refused(), down)
    assert outputs.exit_code(outcome) == Exit.OUTSIDE_FAILED
    assert outputs.outcome_verdict(outcome) == "failed"
    assert [outputs.outcome_verdict(image) for image in outcome.images] == ["passed", "refused", "failed"]
    assert outputs.exit_code(samples.outcome(samples.chained(), samples.refused())) == Exit.REFUSED
    assert outputs.exit_code(Outcome(command="scan", images=(), exit_code=4)) == Exit.BUG


def test_outputs_of_one_image_are_plain() -> None:
    values = outputs.output_values(samples.outcome(samples.chained()), Path("out/result.json"), Path("out/summary.md"))
    assert values == {
        "verdict": "passed",
        "references": f"{samples.NAME}@{samples.PATCHED}",
        "reference": f"{samples.NAME}@{samples.PATCHED}",
        "digest": samples.PATCHED,
        "critical": "0",
        "high": "0",
        "medium": "0",
        "low": "1",
        "unknown": "0",
        "total": "1",
        "fixable": "0",
        "exploited": "",
        "findings-own": "1",
        "findings-base": "",
        "new": "",
        "patched": "true",
        "tag": "1.0-1",
        "fixed": "2",
        "left": "1",
        "smoke": "",
        "unexpected-changes": "",
        "vex": "out/openvex.json",
        "signature-digest": samples.SIGNATURE,
        "thumbprint": "d" * 64,
        "skipped": "false",
        "evidence": "",
        "json": "out/after/trivy.json",
        "sarif": "out/after/report.sarif",
        "html": "out/after/report.html",
        "admission": "",
        "applied": "",
        "unchanged": "",
        "address": "",
        "manifests": "",
        "trace": "",
        "result": "out/result.json",
        "summary": "out/summary.md",
    }


@pytest.mark.parametrize("alone", [True, False])
def test_what_starting_both_images_showed_is_in_document_and_output(alone: bool) -> None:
    platform = PlatformSmoke(
        platform="linux/amd64",
        verdict=SmokeVerdict.DIFFERS,
        differences=("it crashed",),
        runtime="runc",
        seconds=1.23456,
    )
    pinned = f"{samples.NAME}@{samples.PATCHED}"
    smoke = SmokeResult(
        original=f"{samples.NAME}@{samples.DIGEST}", reference=pinned, platforms=(platform,), seconds=2.0
    )
    image = samples.chained()
    assert image.patch is not None
    image = replace(image, smoke=smoke) if alone else replace(image, patch=replace(image.patch, smoke=smoke))
    entry = rendered(samples.outcome(image))["images"][0]["smoke"]
    assert (entry["verdict"], entry["reference"], entry["seconds"]) == ("differs", pinned, 2.0)
    assert entry["platforms"] == [
        {
            "platform": "linux/amd64",
            "verdict": "differs",
            "reason": "",
            "differences": ["it crashed"],
            "checks": [],
            "versions": [],
            "runtime": "runc",
            "seconds": 1.235,
        }
    ]
    assert outputs.output_values(samples.outcome(image))["smoke"] == "differs"
    assert "smoke" not in rendered(samples.outcome(samples.chained()))["images"][0]


def test_what_is_new_is_an_output_where_there_is_a_baseline() -> None:
    image = samples.chained()
    assert image.scan is not None and image.scan.difference is not None
    compared = replace(image, base=Comparison(name="main", difference=image.scan.difference))
    assert outputs.output_values(samples.outcome(compared))["new"] == "1"
    assert outputs.output_values(samples.outcome(image))["new"] == ""
    assert rendered(samples.outcome(compared))["images"][0]["base"]["name"] == "main"


def test_outputs_of_several_images_are_lists_and_only_what_passed_goes_on() -> None:
    values = outputs.output_values(samples.outcome(samples.chained(), samples.refused()))
    assert json.loads(values["digest"]) == [samples.PATCHED, samples.DIGEST]
    assert json.loads(values["critical"]) == [0, 1]
    assert json.loads(values["patched"]) == [True, None]
    assert values["references"] == f"{samples.NAME}@{samples.PATCHED}"
    assert values["verdict"] == "refused"


def test_what_is_not_known_is_empty_never_nothing_found() -> None:
    for images in ((), (ImageOutcome(image="x", failure=OutsideError("down")),)):
        values = outputs.output_values(Outcome(command="scan", images=images, exit_code=3))
        assert values.pop("verdict") == "failed"
        assert set(values.values()) == {""}


def test_each_command_sets_outputs_of_its_own() -> None:
    names = {command: {output.name for output in outputs.command_outputs(command)} for command in ("scan", "sign")}
    assert "signature-digest" in names["sign"] - names["scan"]
    assert "critical" in names["scan"] - names["sign"]
    assert set(outputs.output_values(replace(samples.outcome(samples.chained()), command="sign"))) == names["sign"]
