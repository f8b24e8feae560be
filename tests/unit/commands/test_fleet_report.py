"""`s3c fleet report` from files: what it writes, and what of other jobs it believes."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families

from s3c_actions.fleet import plan as plans
from s3c_actions.fleet import report_document
from s3c_actions.fleet.plan import Plan
from s3c_actions.fleet.report_document import FleetReport
from s3c_actions.result import document
from tests.support import fleets
from tests.support.bare import ended

PLAN = fleets.plan(30, working=20)
SARIF = json.dumps({
    "version": "2.1.0",
    "runs": [{"tool": {"driver": {"name": "s3c"}}, "results": [
        {"message": {"text": "kept"}, "locations": [{"physicalLocation": {"artifactLocation": {"uri": "Dockerfile"}}}]},
        {"message": {"text": "gone"}, "suppressions": [{"kind": "external"}],
         "locations": [{"physicalLocation": {"artifactLocation": {"uri": "Dockerfile"}}}]},
    ]}],
})  # fmt: skip


@pytest.fixture
def folder(alone: Path) -> Path:
    """A folder with the plan, and with the results of its shards below `shards`."""
    write(alone, PLAN)
    return alone


def write(folder: Path, plan: Plan, **changes: Any) -> None:
    (folder / "plan.json").write_bytes(plans.render(plan))
    for result in fleets.results(plan, **changes):
        shard = folder / "shards" / str(result.shard)
        shard.mkdir(parents=True, exist_ok=True)
        (shard / "result.json").write_text(document.render_document(result.document))
        (shard / "report.sarif").write_text(SARIF)


def report(folder: Path, *argv: str, **environment: str) -> tuple[int, str]:
    return ended(("fleet report", "--plan", "plan.json", *argv), folder, **environment)


def read(folder: Path) -> FleetReport:
    return report_document.read(folder / "s3c-out" / "fleet-report.json", field="earlier-report")


def test_one_of_everything_is_written(folder: Path) -> None:
    code, output = report(folder, "--results", "shards")
    out = folder / "s3c-out"
    written = read(folder)
    assert (code, written.exit_code) == (3, 3)
    assert output.splitlines()[1] == f"✘ {written.figures.attention} of 30 images need a decision: " + ", ".join(
        f"{written.figures.states[state]} {state if state != 'unplanned' else 'not planned'}"
        for state in ("failed", "unplanned", "refused")
    )
    result = json.loads((out / "result.json").read_text())
    assert (result["command"], result["exit_code"], result["verdict"]) == ("fleet report", 3, "failed")
    assert len(result["images"]) == 21
    assert {Path(path).name for path in result["files"].values()} == {
        "fleet-report.json", "fleet.html", "fleet.prom", "sarif"
    }  # fmt: skip
    assert (out / "summary.md").read_text().startswith(f"### ❌ {written.figures.attention} of 30 images need")
    assert list(text_string_to_metric_families((out / "fleet.prom").read_text()))
    assert (out / "fleet.html").read_text().lstrip().startswith("<!doctype html>")


def test_a_shard_without_a_result_is_a_failure(folder: Path) -> None:
    (folder / "shards" / "2" / "result.json").unlink()
    code, output = report(folder, "--results", "shards")
    assert code == 3
    assert f"{len(PLAN.shard(2))} no result: It has no result: shard 2 did not end." in output


def test_a_fleet_in_order_ends_well(folder: Path) -> None:
    orderly = fleets.plan(6, working=4, shards=1, unplanned=0)
    (folder / "in-order").mkdir()
    write(folder / "in-order", orderly)
    code, output = ended(("fleet report", "--plan", "in-order/plan.json", "--results", "in-order/shards", "-q"), folder)
    assert (code, output) == (0, "✔ All 6 images are in order\n" + "\n".join(output.splitlines()[1:]) + "\n")


def test_the_policies_of_images_that_need_nothing_are_asked_too(folder: Path) -> None:
    """A night in which no image has work forecasts what one with work does."""
    ordered = fleets.plan(3, working=0, shards=1, unplanned=0)
    current = tuple(replace(image, policy="of-current.yaml") for image in ordered.current)
    (folder / "plan.json").write_bytes(plans.render(replace(ordered, current=current)))
    report(folder, "--results", "shards")
    assert [note for note in read(folder).notes if "of-current.yaml" in note]


def test_json_is_the_result(folder: Path) -> None:
    errors = io.StringIO()
    code, output = ended(("fleet report", "--plan", "plan.json", "--results", "shards", "--json"), folder, errors)
    assert json.loads(output)["exit_code"] == code == 3


def test_what_is_no_result_is_left_out_and_named(folder: Path) -> None:
    (folder / "shards" / "3" / "result.json").write_text('{"version": 1, "images": "all passed"}')
    code, output = report(folder, "--results", "shards")
    assert code == 3
    assert "shards/3/result.json is no result of s3c and is left out." in output
    missing = [image for image in read(folder).images if image.state == "missing"]
    assert {image.shard for image in missing} == {3}
    assert len(missing) == len(PLAN.shard(3))


def test_the_report_of_a_report_does_not_count(folder: Path) -> None:
    report(folder, "--results", "shards")
    for shard in (1, 2, 3, 4):
        (folder / "shards" / str(shard) / "result.json").unlink()
    report(folder, "--results", "s3c-out")
    assert read(folder).figures.states["missing"] == 20


def test_sarif_is_collected_without_what_is_set_aside(folder: Path) -> None:
    report(folder, "--results", "shards")
    collected = sorted((folder / "s3c-out" / "sarif").iterdir())
    patched = sum(image.state == "patched" for image in read(folder).images)
    assert len(collected) == patched
    for path in collected:
        (run,) = json.loads(path.read_text())["runs"]
        assert [result["message"]["text"] for result in run["results"]] == ["kept"]


@pytest.mark.parametrize("name", ["../../secret.sarif", "/etc/passwd", "linked.sarif", "plain.sarif"])
def test_only_sarif_below_a_result_is_collected(folder: Path, name: str) -> None:
    shard = folder / "shards" / "1"
    (folder / "secret.sarif").write_text(SARIF)
    (shard / "linked.sarif").symlink_to(folder / "secret.sarif")
    (shard / "plain.sarif").write_text("not SARIF")
    text = (shard / "result.json").read_text().replace('"report.sarif"', json.dumps(name))
    (shard / "result.json").write_text(text)
    for other in (2, 3, 4):
        (folder / "shards" / str(other) / "report.sarif").unlink()
    code, _ = report(folder, "--results", "shards")
    assert code == 3
    assert not (folder / "s3c-out" / "sarif").exists()


def test_the_trend_of_an_earlier_report_goes_on(folder: Path) -> None:
    report(folder, "--results", "shards")
    (folder / "s3c-out" / "fleet-report.json").rename(folder / "last.json")
    write(folder, replace(PLAN, fleet="e" * 64))
    report(folder, "--results", "shards", "--earlier-report", "last.json")
    assert [point.states for point in read(folder).trend] == [read(folder).figures.states]


@pytest.mark.parametrize(
    ("argv", "field"),
    [
        ((), "results"),
        (("--results", "nowhere"), "results"),
        (("--results", "shards", "--publish-report"), "publish-report"),
        (("--results", "shards", "--earlier-report", "plan.json"), "earlier-report"),
        (("--results", "shards", "--earlier-report", "oci://registry.example"), "earlier-report"),
    ],
)
def test_a_wrong_input_is_named_and_nothing_is_written(folder: Path, argv: tuple[str, ...], field: str) -> None:
    code, output = report(folder, *argv)
    assert code == 2, output
    assert f"--{field}" in output
    assert not (folder / "s3c-out" / "fleet.html").exists()


def test_a_plan_s_policy_is_shown_and_one_elsewhere_is_not_read(folder: Path) -> None:
    policy = """
version: 1
exceptions: [{id: CVE-2024-0001, until: 2026-11-30, why: it waits, who: web team}]
"""
    (folder / "team.yaml").write_text(policy)
    (folder.parent / "outside.yaml").write_text("secret: abc")
    paths = ["team.yaml", "../outside.yaml", "/etc/passwd", "gone.yaml"]
    images = tuple(replace(image, policy=paths[place % 4]) for place, image in enumerate(PLAN.images))
    write(folder, replace(PLAN, images=images))
    _, output = report(folder, "--results", "shards")
    assert [(exception.policy, exception.id) for exception in read(folder).exceptions] == [
        ("team.yaml", "CVE-2024-0001")
    ]
    for path in paths[1:]:
        assert f"The policy {path} could not be read here" in output
    assert "abc" not in output


def test_outputs_of_an_action(folder: Path) -> None:
    (folder / "output").touch()
    (folder / "summary").touch()
    environment = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_OUTPUT": str(folder / "output"),
        "GITHUB_STEP_SUMMARY": str(folder / "summary"),
    }
    report(folder, "--results", "shards", **environment)
    text = (folder / "output").read_text()
    for name in ("verdict", "fleet-page", "fleet-report", "prometheus", "sarif-folder", "issue"):
        assert f"{name}<<" in text or f"{name}=" in text, name
    assert (folder / "summary").read_text().startswith("### ❌")


def test_a_secret_in_a_result_is_hidden(folder: Path) -> None:
    for path in (folder / "shards").rglob("result.json"):
        path.write_text(
            path.read_text().replace("The registry answered 429", "The registry hunter2hunter2 answered 429")
        )
    report(folder, "--results", "shards", S3C_REGISTRY_PASSWORD="hunter2hunter2")
    for file in (folder / "s3c-out").iterdir():
        if file.is_file():
            assert "hunter2" not in file.read_text(), file.name
    assert "The registry *** answered 429" in (folder / "s3c-out" / "fleet.html").read_text()


def test_a_folder_without_a_result_is_one_of_shards_that_did_not_end(folder: Path) -> None:
    (folder / "empty").mkdir()
    code, _ = report(folder, "--results", "empty")
    assert code == 3
    assert read(folder).figures.states["missing"] == 20
