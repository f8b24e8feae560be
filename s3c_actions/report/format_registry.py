"""Every form a report can be written in: its name, its file, and what writes it.

A new format that is rendered here is a module of `report.formats` and a line in FORMATS. The inputs, the help, the
tables of the READMEs, the files that a scan writes and clears, and the tests of hostile text follow from that line.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, cast

import msgspec

if TYPE_CHECKING:
    from s3c_actions.findings.model import ScanReport
    from s3c_actions.report.formats import Rendering


class Renderer(Protocol):
    """What a module of `report.formats` with a format has."""

    @property
    def render(self) -> Callable[[ScanReport, Rendering], bytes]:
        """Makes the file's bytes, UTF-8, of a complete report; tells what it leaves out."""


class Format(msgspec.Struct, frozen=True):
    """One format. It has a renderer, or Trivy's name, or is Trivy's own report and has neither.

    Attributes:
        name: the word for it in `--format`.
        file: its file's name in an image's folder.
        renderer: a module of `report.formats`, imported when it is used.
        trivy: what `trivy convert` calls it, which makes it of Trivy's own report.
        per_image: of an index it is written for the image of each platform alone, and not for the whole.
    """

    name: str
    file: str
    renderer: str = ""
    trivy: str = ""
    per_image: bool = False

    def load(self) -> Renderer:
        """The module that renders it; there is one when `renderer` names it."""
        return cast(Renderer, importlib.import_module(f"s3c_actions.report.formats.{self.renderer}"))


FORMATS = (
    Format("json", "trivy.json"),
    Format("sarif", "report.sarif", renderer="sarif", per_image=True),
    Format("html", "report.html", renderer="html_page"),
    Format("csv", "report.csv", renderer="csv_file"),
    Format("table", "report.txt", renderer="text_table"),
    Format("cyclonedx", "sbom.cdx.json", trivy="cyclonedx"),
    Format("spdx", "sbom.spdx.json", trivy="spdx-json"),
)
"""In the order of the help text."""


def names() -> tuple[str, ...]:
    """The words that `--format` takes."""
    return tuple(form.name for form in FORMATS)


def by_name(name: str) -> Format:
    """The format of this name, one of `names()`."""
    return next(form for form in FORMATS if form.name == name)
