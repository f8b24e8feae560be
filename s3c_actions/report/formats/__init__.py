"""The forms a report can be written in. Those that come from Trivy itself are not here but in `programs.trivy`."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import cast

import msgspec

from s3c_actions.core import writing
from s3c_actions.core.errors import OutsideError
from s3c_actions.core.startup import paused
from s3c_actions.findings.difference import Difference
from s3c_actions.findings.model import ScanReport
from s3c_actions.findings.threshold import Gate

FILES: Mapping[str, str] = {
    "json": "trivy.json",
    "sarif": "report.sarif",
    "html": "report.html",
    "csv": "report.csv",
    "table": "report.txt",
    "cyclonedx": "sbom.cdx.json",
    "spdx": "sbom.spdx.json",
}
"""Format → the name of its file in an image's folder."""

_RENDERERS = {"sarif": "sarif", "html": "html_page", "csv": "csv_file", "table": "text_table"}

RENDERED = tuple(_RENDERERS)
"""The formats that `render` makes of the finding model; the others come from Trivy."""


class Rendering(msgspec.Struct, frozen=True, kw_only=True):
    """What a renderer may need besides the report.

    Attributes:
        gate: so that a page can mark what closes it; nothing is left out because of it.
        difference: against a baseline.
        dockerfile: path relative to the repository's root, in POSIX form, empty when there is none.
        dockerfile_text: its text, to find the line that brought a layer.
        category: SARIF category; empty means the image's own.
    """

    gate: Gate = msgspec.field(default_factory=lambda: Gate(None))
    difference: Difference | None = None
    dockerfile: str = ""
    dockerfile_text: str = ""
    category: str = ""


def prepare(names: Iterable[str]) -> None:
    """Import and compile ahead of time what renders these formats (those that are not rendered here are skipped)."""
    for name in names:
        if name in _RENDERERS:
            getattr(_renderer(name), "prepare", _nothing)()


def _nothing() -> None:
    """What a renderer prepares that has nothing to."""


def _renderer(name: str) -> ModuleType:
    return importlib.import_module(f"s3c_actions.report.formats.{_RENDERERS[name]}")


def render(name: str, report: ScanReport, rendering: Rendering) -> bytes:
    """Render a report.

    Args:
        name: one of RENDERED.
        report: the findings, complete; renderers tell what they leave out.
        rendering: what goes with it.

    Returns:
        The file's bytes, UTF-8.
    """
    renderer = _renderer(name)
    with paused():
        return cast(Callable[[ScanReport, Rendering], bytes], renderer.render)(report, rendering)


def write(names: Iterable[str], report: ScanReport, rendering: Rendering, folder: Path) -> dict[str, Path]:
    """Write the reports of these names that are rendered here (others are skipped) into a folder, made if need be.

    Returns:
        Format → path.

    Raises:
        OutsideError: a file cannot be written.
    """
    written: dict[str, Path] = {}
    for name in names:
        if name not in _RENDERERS:
            continue
        path = folder / FILES[name]
        try:
            writing.write(path, render(name, report, rendering))
        except OSError as error:
            raise OutsideError(
                f"The {name} report could not be written to {path}.",
                cause=f"{error.strerror or error}.",
                remedy="Give another folder with --output-dir, or make room there.",
                image=report.image,
            ) from error
        written[name] = path
    return written
