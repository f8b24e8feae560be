"""The bill of materials that Trivy makes of its report, and nothing of it left behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from s3c_actions.core.errors import OutsideError
from s3c_actions.steps.sbom import make_sbom


class Converting:
    """A Trivy that writes a document, or fails after it has begun to."""

    def __init__(self, *, fails: bool = False) -> None:
        self.fails = fails
        self.asked: list[tuple[Path, str]] = []

    def convert(self, report: Path, conversion: Any) -> None:
        self.asked.append((report, conversion.form))
        conversion.output.write_bytes(b'{"spdxVersion": "SPDX-2.3"}')
        if self.fails:
            raise OutsideError("Trivy failed.")


def test_the_document_is_returned_and_its_file_removed(tmp_path):
    trivy: Any = Converting()
    assert make_sbom(tmp_path / "trivy.json", trivy, tmp_path) == b'{"spdxVersion": "SPDX-2.3"}'
    assert trivy.asked == [(tmp_path / "trivy.json", "spdx-json")]
    assert list(tmp_path.iterdir()) == []


def test_a_failure_of_trivy_is_one(tmp_path):
    trivy: Any = Converting(fails=True)
    with pytest.raises(OutsideError, match="Trivy failed"):
        make_sbom(tmp_path / "trivy.json", trivy, tmp_path)
