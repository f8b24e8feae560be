"""The files that are written of one scan."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from s3c_actions.core import writing
from s3c_actions.findings.difference import compare_scans
from s3c_actions.findings.selection import Selection, select
from s3c_actions.report import format_registry, formats
from s3c_actions.report.format_registry import by_name
from s3c_actions.report.rendering import Rendering
from s3c_actions.result.model import ScanResult
from s3c_actions.steps.closed_gate import closed_gate_error
from s3c_actions.steps.scan.settings import ScanSettings

if TYPE_CHECKING:
    from s3c_actions.steps.protocols import Scanner


def clear_reports(folder: Path) -> None:
    """Remove the reports of an earlier run, so that they are not mistaken for this one's.

    Args:
        folder: of the image's reports.
    """
    for form in format_registry.FORMATS:
        writing.remove(folder / form.file)


def add_difference(result: ScanResult, settings: ScanSettings) -> ScanResult:
    """Return a scan with its difference to the baseline, and the settings for rendering its reports.

    Args:
        result: of the scan.
        settings: of the scan, with the baseline.
    """
    difference = None
    if settings.baseline is not None:
        difference = compare_scans(select(settings.baseline, settings.selection), result.shown)
    closed = closed_gate_error(result, settings.gate)
    rendering = Rendering(
        gate=settings.gate,
        judged=result.gated,
        closed=closed.what if closed is not None else "",
        scope=result.scope,
        difference=difference,
        dockerfile=settings.dockerfile,
        dockerfile_text=settings.dockerfile_text,
        category=settings.category,
    )
    return replace(result, difference=difference, rendering=rendering)


def assemble_reports(whole: ScanResult, settings: ScanSettings) -> ScanResult:
    """Complete the merged scans of an index's platforms: write the reports for people that cover all of them.

    Trivy's JSON, SARIF and bills of materials stay those of each platform: programs read them, one image each.

    Args:
        whole: as `merging.merged` returned it.
        settings: of the scans; `folder` is the index's.

    Raises:
        OutsideError: a report cannot be written.
    """
    whole = add_difference(whole, settings)
    wanted = [name for name in settings.formats if not by_name(name).per_image]
    files = formats.write(wanted, whole.shown, whole.rendering or Rendering(), settings.folder)
    return replace(whole, files=files)


def write_reports(result: ScanResult, settings: ScanSettings, trivy: Scanner) -> ScanResult:
    """Write every requested report, from the one scan.

    Args:
        result: of the scan, with the settings for rendering.
        settings: the formats, and what is shown in them.
        trivy: converts its report.

    Returns:
        The scan with the paths of its files.

    Raises:
        OutsideError: a report cannot be written, or Trivy failed.
    """
    rendering = result.rendering or Rendering()
    fixed_only = settings.selection.fixed_only
    sarif = select(result.report, settings.selection if settings.limit_sarif else Selection(fixed_only=fixed_only))
    files = {"json": result.trivy_json} if "json" in settings.formats else {}
    sboms = formats.conversions(settings.formats, settings.folder)
    with trivy.converting(result.trivy_json, sboms.values()) as wait_for_conversion:
        files |= formats.write(
            [name for name in settings.formats if name == "sarif"], sarif, rendering, settings.folder
        )
        files |= formats.write(
            [name for name in settings.formats if name != "sarif"], result.shown, rendering, settings.folder
        )
        wait_for_conversion()
    files |= {name: sbom.output for name, sbom in sboms.items()}
    return replace(result, files={name: files[name] for name in settings.formats})
