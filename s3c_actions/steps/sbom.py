"""The bill of materials that Trivy makes of its report."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from s3c_actions.core import reading
from s3c_actions.programs.trivy.trivy import Conversion
from s3c_actions.report.format_registry import by_name

if TYPE_CHECKING:
    from s3c_actions.steps.protocols import Scanner


def make_sbom(report: Path, trivy: Scanner, temp: Path) -> bytes:
    """Return the SPDX document that Trivy creates from its report.

    Args:
        report: Trivy's JSON.
        trivy: the program.
        temp: a folder for it.

    Raises:
        OutsideError: it creates none.
    """
    path = temp / f"spdx-{threading.get_ident()}.json"
    trivy.convert(report, Conversion(name="spdx", form=by_name("spdx").trivy, output=path))
    try:
        return reading.read_file(path, reading.MAX_REPORT_BYTES)
    finally:
        path.unlink(missing_ok=True)
