"""A report of Trivy's counts for the image that was asked for alone, and a failure names its first cause."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from s3c_actions.core.errors import InputError, OutsideError, S3CError
from s3c_actions.core.progress import Silent
from s3c_actions.core.reference import Reference
from s3c_actions.steps.scan.target import ScanTarget
from s3c_actions.steps.scan.trivy_run import obtain_report, read_checked
from tests.support import ROOT
from tests.support.samples import DIGEST, scan_settings

REPORT = ROOT / "tests" / "data" / "trivy" / "deb.json"
IMAGE = Reference.parse(json.loads(REPORT.read_text())["Metadata"]["RepoDigests"][0])
REGISTRY = OutsideError("The registry did not answer.")


class Scanning:
    """A Trivy that writes a recorded report, or fails."""

    def __init__(self, error: S3CError | None = None) -> None:
        self.error = error

    def scan(self, request: Any, _progress: Any) -> tuple[str, ...]:
        if self.error is not None:
            raise self.error
        request.output.write_bytes(REPORT.read_bytes())
        return ()


def obtained(folder: Path, trivy: Any, refused: S3CError | None = None) -> tuple[Any, ...]:
    target = ScanTarget(name=IMAGE.pinned, source="docker", refused=refused)
    return obtain_report(str(IMAGE), target, scan_settings(folder), trivy, Silent())


def test_the_report_lies_in_the_images_folder_and_nothing_is_left_elsewhere(tmp_path):
    path, age, _ = obtained(tmp_path, Scanning())
    assert (path, age) == (tmp_path / "out" / "trivy.json", None)
    assert path.read_bytes() == REPORT.read_bytes()
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize(
    ("error", "explained"),
    [
        (InputError("image", "it is not there."), True),
        (OutsideError("The local docker does not answer."), True),
        (InputError("platform", "it has none."), False),
        (OutsideError("The disk is full."), False),
    ],
)
def test_the_registrys_error_explains_what_is_missing_from_docker(tmp_path, error, explained):
    with pytest.raises(S3CError) as raised:
        obtained(tmp_path, Scanning(error), refused=REGISTRY)
    assert raised.value is (REGISTRY if explained else error)
    with pytest.raises(S3CError) as raised:
        obtained(tmp_path, Scanning(error))
    assert raised.value is error


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OutsideError, match="Reports cannot be written") as error:
        obtained(tmp_path, Scanning())
    assert "output-dir" in error.value.remedy


def test_a_report_of_another_digest_or_platform_is_refused(tmp_path):
    target = ScanTarget(name=IMAGE.pinned, source="registry", digest=IMAGE.digest)
    report = read_checked(REPORT, str(IMAGE), target, scan_settings(tmp_path, platform="linux/amd64"))
    assert (report.digest, report.platform) == (IMAGE.digest, "linux/amd64")
    with pytest.raises(InputError, match="has none for linux/arm64"):
        read_checked(REPORT, str(IMAGE), target, scan_settings(tmp_path, platform="linux/arm64"))
    other = ScanTarget(name="x", source="registry", digest=DIGEST)
    with pytest.raises(OutsideError, match=f"Trivy scanned {IMAGE.digest}, not {DIGEST}"):
        read_checked(REPORT, str(IMAGE), other, scan_settings(tmp_path))
