"""Write reports in the formats of `report.format_registry`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from s3c_actions.core import writing
from s3c_actions.core.errors import OutsideError
from s3c_actions.core.startup import paused
from s3c_actions.findings.model import ScanReport
from s3c_actions.report.format_registry import Format, by_name
from s3c_actions.report.rendering import Rendering

if TYPE_CHECKING:
    from s3c_actions.programs.trivy.trivy import Conversion


def prepare(names: Iterable[str]) -> None:
    """Import and compile the renderers of formats ahead of time (formats that are not rendered here are skipped)."""
    for form in _rendered_formats(names):
        getattr(form.load(), "prepare", _prepare_nothing)()


def _prepare_nothing() -> None:
    """Do nothing, for a renderer without `prepare`."""


def _rendered_formats(names: Iterable[str]) -> Iterator[Format]:
    return (form for form in map(by_name, names) if form.renderer)


def render(name: str, report: ScanReport, rendering: Rendering) -> bytes:
    """Render a report.

    Args:
        name: of a format that has a renderer.
        report: the findings, complete; the output says what is omitted.
        rendering: further input of the renderer.

    Returns:
        The file's bytes, UTF-8.
    """
    renderer = by_name(name).load()
    with paused():
        return renderer.render(report, rendering)


def write(names: Iterable[str], report: ScanReport, rendering: Rendering, folder: Path) -> dict[str, Path]:
    """Write the reports that are rendered here (other names are skipped) into a folder, created if missing.

    Returns:
        Format → path.

    Raises:
        OutsideError: a file cannot be written.
    """
    written: dict[str, Path] = {}
    for form in _rendered_formats(names):
        path = folder / form.file
        try:
            writing.write(path, render(form.name, report, rendering))
        except OSError as error:
            raise OutsideError(
                f"The {form.name} report could not be written to {path}.",
                cause=f"{error.strerror or error}.",
                remedy="Give another folder with `output-dir`, or make room there.",
                image=report.image,
            ) from error
        written[form.name] = path
    return written


def conversions(names: Iterable[str], folder: Path) -> dict[str, Conversion]:
    """Return the conversions by which Trivy writes reports of these formats into a folder.

    Returns:
        Format → conversion; formats that do not come from `trivy convert` are left out.
    """
    from s3c_actions.programs.trivy.trivy import Conversion

    return {
        form.name: Conversion(name=form.name, form=form.trivy, output=folder / form.file)
        for form in map(by_name, names)
        if form.trivy
    }
