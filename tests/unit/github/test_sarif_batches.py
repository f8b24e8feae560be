"""Many SARIF files in few uploads: nothing is lost, and every upload is one that code scanning takes."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from s3c_actions.github import sarif_batches
from s3c_actions.github.code_scanning import SarifFile
from s3c_actions.github.sarif_batches import batch
from tests.support.github import code_scanning

RULE = {"id": "CVE-1", **{name: {"text": "t"} for name in ("shortDescription", "fullDescription", "help")}}


def sarif(number: int, *, category: str = "", tool: str = "s3c", runs: int = 1, text: str = "x") -> SarifFile:
    def run(part: int) -> dict[str, object]:
        return {
            "tool": {"driver": {"name": tool, "rules": [RULE]}},
            "automationDetails": {"id": category or f"s3c/app{number}/linux-{part}/"},
            "results": [
                {
                    "ruleId": "CVE-1",
                    "message": {"text": text},
                    "locations": [{"physicalLocation": {"artifactLocation": {"uri": f"app{number}"}}}],
                }
            ],
        }

    data = json.dumps({"version": "2.1.0", "runs": [run(part) for part in range(runs)]}).encode()
    return SarifFile(path=Path(f"sarif/{number:05}-app.sarif"), data=data, tool=tool, results=runs)


def runs_of(file: SarifFile) -> list[str]:
    return [run["automationDetails"]["id"] for run in json.loads(file.data)["runs"]]


def test_twenty_runs_are_one_upload_and_code_scanning_takes_each() -> None:
    files = [sarif(number) for number in range(45)]
    batches = list(batch(files))
    assert [len(runs_of(upload)) for upload in batches] == [20, 20, 5]
    assert [name for upload in batches for name in runs_of(upload)] == [
        name for file in files for name in runs_of(file)
    ]
    assert sum(upload.results for upload in batches) == 45
    alerts: tuple[code_scanning.Alert, ...] = ()
    for upload in batches:
        alerts = code_scanning.ingest(alerts, upload.data, ref="refs/heads/main")
    assert sum(alert.state("refs/heads/main") == "open" for alert in alerts) == 45
    assert len({category for alert in alerts for _, category in alert.places}) == 45


def test_runs_of_a_file_stay_together() -> None:
    batches = list(batch([sarif(number, runs=7) for number in range(5)]))
    assert [len(runs_of(upload)) for upload in batches] == [14, 14, 7]


def test_a_category_is_in_one_upload_once_and_so_is_a_tool() -> None:
    """Of two tags of one repository the later one counts, as when they are uploaded one by one."""
    same = [sarif(1, category="s3c/app"), sarif(2), sarif(3, category="s3c/app")]
    assert [len(runs_of(upload)) for upload in batch(same)] == [2, 1]
    tools = [sarif(1), sarif(2, tool="trivy"), sarif(3, tool="trivy")]
    assert [(upload.tool, len(runs_of(upload))) for upload in batch(tools)] == [("s3c", 1), ("trivy", 2)]


def test_an_upload_stays_below_the_limit_of_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sarif_batches, "_FULL", 20_000)
    noise = random.Random(1)
    files = [sarif(number, text=noise.randbytes(6_000).hex()) for number in range(6)]
    assert [len(runs_of(upload)) for upload in batch(files)] == [2, 2, 2]


def test_a_file_alone_is_as_it_was_and_none_is_none() -> None:
    only = sarif(1)
    assert list(batch([only])) == [only]
    assert list(batch([])) == []
    (both,) = batch([only, sarif(2)])
    assert str(both.path) == "sarif/00001-app.sarif and 1 more"
