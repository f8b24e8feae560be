"""Every kind of report as SARIF, by the standard's schema and by the checker with GitHub's ingestion rules."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import jsonschema
import pytest

from s3c_actions.findings import trivy_report
from s3c_actions.report.formats import sarif
from s3c_actions.report.rendering import Rendering
from tests.contract.test_programs import CLOSED
from tests.support import npm, reports
from tests.support.hostile import HOSTILE
from tests.unit.report.test_hostile import report

HERE = Path(__file__).parent
RECORDED = {path.stem: path.read_bytes() for path in sorted((HERE.parent / "data" / "trivy").glob("*.json"))}
READ = {name: trivy_report.parse(data) for name, data in (RECORDED | reports.SHAPES).items()}
READ |= {"large": trivy_report.parse(reports.large(300))}
READ |= {f"hostile-{name}": report(HOSTILE[name]) for name in ("markdown", "html", "separators", "long-line")}


@pytest.fixture(scope="module")
def multitool() -> Path:
    """The checker's folder, installed from the lock file with its integrity hashes, once for a machine."""
    package = npm.installed(HERE / "sarif-multitool") / "@microsoft" / "sarif-multitool-linux"
    (package / "Sarif.Multitool").chmod(0o755)
    return package


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sarif")
    for name, one in READ.items():
        rendering = Rendering(dockerfile="Dockerfile", dockerfile_text="FROM debian:12\nRUN step 8\n")
        (folder / f"{name}.sarif").write_bytes(sarif.render(one, rendering))
    return folder


def test_the_standards_schema(multitool: Path, written: Path) -> None:
    schema = json.loads((multitool / "sarif-2.1.0.json").read_text(encoding="utf-8-sig"))
    validator = jsonschema.validators.validator_for(schema)(schema)
    for path in written.iterdir():
        problems = [f"{e.json_path}: {e.message:.200}" for e in validator.iter_errors(json.loads(path.read_bytes()))]
        assert not problems, (path.name, problems[:5])


def test_githubs_rules(multitool: Path, written: Path, tmp_path: Path) -> None:
    argv: list[str | Path] = [
        multitool / "Sarif.Multitool",
        "validate",
        *written.iterdir(),
        "--rule-kind",
        "Sarif;Ghas",
    ]
    # It would fetch every link in the files, to see whether it leads somewhere.
    nowhere = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), CLOSED)
    ended = subprocess.run(
        [*argv, "--output", tmp_path / "found.sarif", "--max-file-size-in-kb", "100000"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **nowhere},
    )
    assert "Analysis completed successfully." in ended.stdout, ended.stdout + ended.stderr
    found = json.loads((tmp_path / "found.sarif").read_bytes())["runs"][0]
    said = [f"{one['ruleId']} {one['locations'][0]['physicalLocation']['artifactLocation']}: {one['message']}"
            for one in found.get("results", [])]  # fmt: skip
    assert not said, said[:10]
    assert f"{len(READ)} files scanned" in ended.stdout
