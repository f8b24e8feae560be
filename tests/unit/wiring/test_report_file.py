"""The file that `output` names: written from the first format, never at the cost of something else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from s3c_actions.core.errors import InputError, Refused
from s3c_actions.options import declare
from s3c_actions.options.patch import PatchInputs
from s3c_actions.options.report import ReportInputs
from s3c_actions.options.scan import ScanInputs
from s3c_actions.result.model import ImageOutcome, Outcome
from s3c_actions.wiring import report_file
from tests.support import outcomes


def given(group: type[Any], **texts: str) -> Any:
    return declare.read(group, {name.replace("_", "-"): text for name, text in texts.items()}, {}, lambda _: None)


@pytest.fixture
def scanned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ImageOutcome:
    monkeypatch.chdir(tmp_path)
    scan = outcomes.scan(outcomes.report())
    files = {}
    for name in ("table", "sarif", "csv"):
        files[name] = tmp_path / f"report.{name}"
        files[name].write_text(f"the {name}")
    return ImageOutcome(image="app:1", scan=replace(scan, files=files, parts=()))


def outcome(*images: ImageOutcome) -> Outcome:
    return Outcome(command="scan", images=images)


def test_without_the_input_nothing_is_written(scanned: ImageOutcome) -> None:
    before = outcome(scanned)
    assert report_file.write(given(ScanInputs), before) is before


@pytest.mark.parametrize(
    ("texts", "expected"),
    [({}, "the table"), ({"format": "sarif,csv"}, "the sarif"), ({"format": "csv,sarif"}, "the csv")],
)
def test_it_is_the_first_format(scanned: ImageOutcome, tmp_path: Path, texts: dict[str, str], expected: str) -> None:
    options = given(ScanInputs, output="new/trivy-results.sarif", **texts)
    report_file.prepare(options, 1)
    assert report_file.write(options, outcome(scanned)) == outcome(scanned)
    assert (tmp_path / "new" / "trivy-results.sarif").read_text() == expected


def test_a_closed_gate_does_not_matter(scanned: ImageOutcome, tmp_path: Path) -> None:
    options = given(ScanInputs, output="out.txt")
    refused = replace(scanned, failure=Refused("no"))
    assert report_file.write(options, outcome(refused)) == outcome(refused)
    assert (tmp_path / "out.txt").read_text() == "the table"


def test_a_dash_is_standard_output(scanned: ImageOutcome, tmp_path: Path) -> None:
    options = given(ScanInputs, output="-")
    report_file.prepare(options, 1)
    assert report_file.write(options, outcome(scanned)).text == "the table"
    assert not (tmp_path / "-").exists()


def test_a_scan_that_failed_leaves_no_file_of_an_earlier_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out.txt").write_text("of an earlier run")
    options = given(ScanInputs, output="out.txt")
    report_file.prepare(options, 1)
    failed = outcome(ImageOutcome(image="app:1", failure=Refused("no")))
    assert report_file.write(options, failed) == failed
    assert not (tmp_path / "out.txt").exists()


def test_several_images_are_rejected(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="2 are given"):
        report_file.prepare(given(ScanInputs, output="out.txt"), 2)


def test_a_folder_is_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "reports").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        report_file.prepare(given(ScanInputs, output="reports"), 1)


@pytest.mark.parametrize("name", ["report", "baseline"])
def test_what_another_input_names_is_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "trivy.json").write_text("{}")
    options = given(ReportInputs, **{"report": "other.json", name: "trivy.json"}, output="./trivy.json")
    with pytest.raises(InputError, match=f"what `{name}` names"):
        report_file.prepare(options, 1)
    assert (tmp_path / "trivy.json").exists()


def test_several_platforms_are_one_sarif_file_and_no_other(scanned: ImageOutcome, tmp_path: Path) -> None:
    assert scanned.scan is not None
    parts = []
    for number in (1, 2):
        path = tmp_path / f"{number}.sarif"
        path.write_text(json.dumps({"version": "2.1.0", "runs": [{"automationDetails": {"id": f"{number}/"}}]}))
        parts.append(replace(scanned.scan, files={"sarif": path}))
    several = outcome(replace(scanned, scan=replace(scanned.scan, files={}, parts=tuple(parts))))
    report_file.write(given(ScanInputs, output="all.sarif", format="sarif"), several)
    runs = json.loads((tmp_path / "all.sarif").read_text())["runs"]
    assert [run["automationDetails"]["id"] for run in runs] == ["1/", "2/"]
    [image] = report_file.write(given(ScanInputs, output="all.json", format="json"), several).images
    assert isinstance(image.failure, InputError)
    assert "one json report for each of the image's 2 platforms" in image.failure.what


def test_of_a_patch_it_is_the_openvex_document(scanned: ImageOutcome, tmp_path: Path) -> None:
    patched = outcomes.chain()
    assert patched.patch is not None
    vex = tmp_path / "vex.json"
    vex.write_text("the vex")
    options = given(PatchInputs, output="out.json", image="app:1")
    report_file.write(options, outcome(replace(patched, patch=replace(patched.patch, vex=vex))))
    assert (tmp_path / "out.json").read_text() == "the vex"
    report_file.prepare(options, 1)
    report_file.write(options, outcome(replace(patched, patch=replace(patched.patch, vex=None))))
    assert not (tmp_path / "out.json").exists()
