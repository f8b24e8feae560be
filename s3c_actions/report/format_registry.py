"""The formats of reports: name, file, and renderer.

A new format that is rendered here needs a module of `report.formats` and a line in FORMATS. The inputs, the help, the
tables of the READMEs, the files that a scan writes and clears, and the tests of hostile text follow from that line.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, cast

import msgspec

if TYPE_CHECKING:
    from s3c_actions.findings.model import ScanReport
    from s3c_actions.report.rendering import Rendering


class Renderer(Protocol):
    """The interface of a module of `report.formats` that renders a format."""

    @property
    def render(self) -> Callable[[ScanReport, Rendering], bytes]:
        """Render a complete report as the file's bytes, UTF-8; the output says what is omitted."""


class Format(msgspec.Struct, frozen=True):
    """One format: with a renderer, or converted by Trivy, or Trivy's own report with neither.

    Attributes:
        name: its value of `--format`.
        file: its file's name in an image's folder.
        renderer: a module of `report.formats`, imported when it is used.
        trivy: its name in `trivy convert`, which creates it from Trivy's own report.
        per_image: for an index it is written for the image of each platform only, not for the whole.
    """

    name: str
    file: str
    renderer: str = ""
    trivy: str = ""
    per_image: bool = False

    def load(self) -> Renderer:
        """Import the module that renders it; `renderer` must not be empty."""
        return cast(Renderer, importlib.import_module(f"s3c_actions.report.formats.{self.renderer}"))


SNAPSHOT = "github"
"""The format of a snapshot for GitHub's dependency graph."""

FORMATS = (
    Format("json", "trivy.json"),
    Format("sarif", "report.sarif", renderer="sarif", per_image=True),
    Format("html", "report.html", renderer="html_page"),
    Format("csv", "report.csv", renderer="csv_file"),
    Format("table", "report.txt", renderer="text_table"),
    Format("junit", "report.junit.xml", renderer="junit"),
    Format("gitlab", "gl-container-scanning-report.json", renderer="gitlab"),
    Format("gitlab-codequality", "gl-code-quality-report.json", renderer="gitlab_codequality"),
    Format("cyclonedx", "sbom.cdx.json", trivy="cyclonedx"),
    Format("spdx", "sbom.spdx.json", trivy="spdx-json"),
    Format(SNAPSHOT, "dependency-snapshot.json", trivy="github"),
    Format("cosign-vuln", "cosign-vuln.json", trivy="cosign-vuln"),
)
"""In the order of the help text."""


def names() -> tuple[str, ...]:
    """Return the values that `--format` accepts."""
    return tuple(form.name for form in FORMATS)


def by_name(name: str) -> Format:
    """Return the format of a name of `names()`."""
    return next(form for form in FORMATS if form.name == name)
