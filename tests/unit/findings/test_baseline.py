"""What a pull request is compared with: a report, or the result of a run on the base branch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec import to_builtins
from msgspec.structs import replace

from s3c_actions.core.errors import InputError
from s3c_actions.findings import baseline
from s3c_actions.findings.difference import compare_scans
from s3c_actions.findings.identity import identify
from s3c_actions.findings.model import Finding, FindingKind, Severity
from s3c_actions.result.model import ImageOutcome, Outcome
from tests.support import outcomes, reports

SECRET = Finding(
    kind=FindingKind.SECRET,
    id="aws",
    severity=Severity.CRITICAL,
    target="/app/x",
    title="key",
    result_class="secret",
    line=3,
)
OLD = outcomes.report(outcomes.vulnerability(1, Severity.HIGH), outcomes.vulnerability(2, Severity.LOW), SECRET)


def result(tmp_path: Path, *images: ImageOutcome, **changes: Any) -> Path:
    path = tmp_path / "result.json"
    path.write_text(json.dumps(to_builtins(outcomes.document(Outcome(command="scan", images=images))) | changes))
    return path


def scanned(image: str = OLD.image) -> ImageOutcome:
    return ImageOutcome(image=image, scan=outcomes.scan(replace(OLD, image=image), reference="", image=image))


def test_a_result_stands_for_its_report_also_under_another_tag(tmp_path: Path) -> None:
    path = result(tmp_path, scanned("localhost:5000/voting-app:main"))
    read = baseline.read(path, "localhost:5000/voting-app:pr-7")
    rebuilt = replace(OLD, findings=tuple(msgspec_changed(f) for f in OLD.findings))
    change = compare_scans(read, rebuilt)
    assert (change.new, change.fixed, len(change.left)) == ((), (), 3)
    assert [f.severity for f in read.findings] == [Severity.CRITICAL, Severity.HIGH, Severity.LOW]


def msgspec_changed(finding: Finding) -> Finding:
    """As after a rebuild: another version installed, another tag in Trivy's target."""
    if finding.kind is FindingKind.SECRET:
        return finding
    return outcomes.vulnerability(int(finding.id[-4:]), finding.severity, installed="9", target="x:pr-7 (debian 12)")


def test_a_patched_image_is_what_the_patch_left(tmp_path: Path) -> None:
    read = baseline.read(result(tmp_path, outcomes.chain()), "localhost:5000/voting-app@sha256:" + "0" * 64)
    assert [finding.id for finding in read.findings] == ["CVE-2024-0009"]


def test_trivys_report_is_read_as_before(tmp_path: Path) -> None:
    (tmp_path / "trivy.json").write_bytes(reports.SHAPES["alpine"])
    assert len(baseline.read(tmp_path / "trivy.json", "whatever:1").findings) == 2
    assert not baseline.is_result(tmp_path / "trivy.json")


@pytest.mark.parametrize("images", [(), (scanned("other:1"),), (scanned(), scanned("localhost:5000/voting-app:2"))])
def test_a_result_that_does_not_tell_of_the_image_is_refused(tmp_path: Path, images: tuple[ImageOutcome, ...]) -> None:
    path = result(tmp_path, *images)
    assert baseline.is_result(path)
    with pytest.raises(InputError, match=r"baseline: .*image of localhost:5000/voting-app"):
        baseline.read(path, OLD.image)


def test_a_later_version_is_no_result_that_is_understood(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="baseline"):
        baseline.read(result(tmp_path, scanned(), version=2), OLD.image)


def test_keys_that_a_newer_version_adds_are_passed_over(tmp_path: Path) -> None:
    path = result(tmp_path, scanned(), another="x", command="another")
    newer = json.loads(path.read_text())
    newer["images"][0]["another"] = newer["images"][0]["remaining"][0]["another"] = {}
    path.write_text(json.dumps(newer))
    assert [identify(finding) for finding in baseline.read(path, OLD.image).findings] == [
        identify(finding) for finding in OLD.findings
    ]
