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
from tests.support.github import fingerprints
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
    for name, scan_report in READ.items():
        rendering = Rendering(dockerfile="Dockerfile", dockerfile_text="FROM debian:12\nRUN step 8\n")
        (folder / f"{name}.sarif").write_bytes(sarif.render(scan_report, rendering))
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
    validation = json.loads((tmp_path / "found.sarif").read_bytes())["runs"][0]
    complaints = [
        f"{result['ruleId']} {result['locations'][0]['physicalLocation']['artifactLocation']}: {result['message']}"
        for result in validation.get("results", [])
    ]
    assert not complaints, complaints[:10]
    assert f"{len(READ)} files scanned" in ended.stdout


@pytest.mark.parametrize(
    ("text", "hashes"),
    [
        # Of codeql-action's own test, src/fingerprints.test.ts.
        ("", "c129715d7a2bc9a3:1"),
        (" a\nb\n  \t\tc\n d", "271789c17abda88f:1 54703d4cd895b18:1 180aee12dab6264:1 a23a3dc5e078b07b:1"),
        (
            " hello; \t\nworld!!!\r\n\n\r  \t\tGreetings\r End\r\n",
            "e9496ae3ebfced30:1 fb7c023a8b9ccb3f:1 ce8ba1a563dcdaca:1 e20e36e16fcb0cc8:1 b3edc88f2938467e:1 "
            "c8e28b0b4002a3a0:1 c129715d7a2bc9a3:1",
        ),
        (
            "Lorem ipsum dolor sit amet.\n" * 10,
            " ".join(f"a7f2ff13bc495cf2:{number}" for number in range(1, 7))
            + " a7f2ff1481e87703:1 a9cf91f7bbf1862b:1 55ec222b86bcae53:1 cc97dc7b1d7d8f7b:1 c129715d7a2bc9a3:1",
        ),
    ],
)
def test_the_upload_actions_fingerprints_are_computed_as_it_does(text: str, hashes: str) -> None:
    assert fingerprints.line_hashes(text) == hashes.split()


def test_in_the_checkout_the_upload_action_would_warn_and_beside_it_does_not(written: Path, tmp_path: Path) -> None:
    checkout, folder = tmp_path / "checkout", tmp_path / "sarif"
    checkout.mkdir()
    folder.mkdir()
    (checkout / "Dockerfile").write_text("FROM debian:12\nRUN step 8\n")
    warned = 0
    for path in written.iterdir():
        log = json.loads(path.read_bytes())
        ours = json.dumps(log)
        assert fingerprints.add_fingerprints(log, folder) == []
        assert json.dumps(log) == ours
        warned += len(fingerprints.add_fingerprints(log, checkout))
        assert json.dumps(log) == ours
    assert warned > 300
