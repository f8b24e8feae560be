"""Put SARIF files of many images together, as many in one upload as code scanning takes.

Each run keeps its category, by which code scanning tells the images apart: a run whose category is in a batch already
starts another one. https://docs.github.com/code-security/reference/code-scanning/sarif-files/sarif-support
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from s3c_actions.core import reading
from s3c_actions.github.code_scanning import MAX_BYTES, RUNS, SarifFile

_FULL = MAX_BYTES * 9 // 10
"""Packed bytes of files that are put together: their pack differs a little from the sum of their own."""


def batch(files: Sequence[SarifFile]) -> Iterator[SarifFile]:
    """Yield files that hold the runs of those given, in their order, each within code scanning's limits.

    Args:
        files: as `code_scanning.read` returned them, so that each is within the limits by itself.
    """
    pending: list[SarifFile] = []
    runs: list[Any] = []
    size = 0
    for file in files:
        own = reading.parse_json(file.data)["runs"]
        packed = len(gzip.compress(file.data, mtime=0))
        categories = {_category(run) for run in runs}
        apart = any(_category(run) in categories for run in own) or file.tool != (pending or [file])[0].tool
        if pending and (apart or len(runs) + len(own) > RUNS or size + packed > _FULL):
            yield _joined(pending, runs)
            pending, runs, size = [], [], 0
        pending.append(file)
        runs += own
        size += packed
    if pending:
        yield _joined(pending, runs)


def _joined(files: Sequence[SarifFile], runs: Sequence[Any]) -> SarifFile:
    if len(files) == 1:
        return files[0]
    head = {key: value for key, value in reading.parse_json(files[0].data).items() if key != "runs"}
    data = json.dumps({**head, "runs": list(runs)}, separators=(",", ":")).encode()
    return SarifFile(
        path=Path(f"{files[0].path} and {len(files) - 1} more"),
        data=data,
        tool=files[0].tool,
        results=sum(file.results for file in files),
    )


def _category(run: Any) -> str:
    details = run.get("automationDetails")
    return str(details.get("id", "")) if isinstance(details, dict) else ""
