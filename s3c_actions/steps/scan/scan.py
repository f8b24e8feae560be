"""Scan one image: one run of Trivy, all its reports, the gate, the difference to a baseline."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from s3c_actions.core import startup
from s3c_actions.core.progress import Progress
from s3c_actions.findings.advisories import Database
from s3c_actions.findings.identity import pinned_reference
from s3c_actions.findings.model import ScanReport
from s3c_actions.findings.scope import Scope
from s3c_actions.findings.trivy_warnings import WarningAssessment
from s3c_actions.programs.trivy import ignore
from s3c_actions.registry import Registry
from s3c_actions.report import formats
from s3c_actions.result.model import ScanResult
from s3c_actions.steps import assess
from s3c_actions.steps.scan.reports import add_difference, clear_reports, write_reports
from s3c_actions.steps.scan.settings import ScanSettings
from s3c_actions.steps.scan.summary import summarize
from s3c_actions.steps.scan.target import ScanTarget, resolve_target
from s3c_actions.steps.scan.trivy_run import obtain_report, read_checked

if TYPE_CHECKING:
    from s3c_actions.steps.protocols import Scanner


def run(image: str, settings: ScanSettings, *, trivy: Scanner, registry: Registry, progress: Progress) -> ScanResult:
    """Scan one image.

    Args:
        image: a reference, or the path of an archive or OCI layout when `settings.source` says so.
        settings: how to scan.
        trivy: the program.
        registry: resolves the reference once; everything after works on its digest.
        progress: receives a step of its own.

    Returns:
        The complete report and the one shown; all reports are written, whatever the gate decides.

    Raises:
        InputError: the image, its platform, or a given file does not exist or is not understood.
        OutsideError: a registry, a database or Trivy failed, or gave an unreliable answer.
    """
    started = time.monotonic()
    with progress.step(settings.title) as step:
        clear_reports(settings.folder)
        target = resolve_target(image, settings, registry, progress, gated=settings.criteria(trivy).closes)
        if target.notice:
            progress.notice(target.notice)
            settings = replace(settings, warnings=(*settings.warnings, target.notice))
        warming = startup.warm(then=partial(formats.prepare, settings.formats))
        path, reused, warned = obtain_report(image, target, settings, trivy, progress)
        report = read_checked(path, image, target, settings)
        database = trivy.database() if "vuln" in settings.options.scanners else None
        if database is not None:
            report = replace(report, database=database.updated_at.isoformat())
        warming.join()
        result = _judge(
            path,
            report,
            image=image,
            target=target,
            settings=settings,
            trivy=trivy,
            kept=reused is not None,
            warned=warned,
        )
        for warning in result.warnings:
            if warning not in settings.warnings:
                progress.warning(warning)
        result = write_reports(result, settings, trivy)
        result = replace(result, seconds=time.monotonic() - started)
        reuse_note = (
            "" if reused is None else f" (same digest as before, report reused: {assess.format_age(reused)} old)"
        )
        step.done(summarize(result) + reuse_note)
    return result


def _judge(
    path: Path,
    report: ScanReport,
    *,
    image: str,
    target: ScanTarget,
    settings: ScanSettings,
    trivy: Scanner,
    kept: bool,
    warned: WarningAssessment,
) -> ScanResult:
    reference = target.reference or pinned_reference(report)
    result = assess.assess_scan(
        path,
        report,
        image=image,
        reference=reference,
        scope=_scope(report, settings),
        kept=kept,
        criteria=settings.criteria(trivy),
        database=_database(settings, trivy),
        warned=warned,
        warnings=(*settings.warnings, *unused_entry_notices(report, settings)),
    )
    return add_difference(replace(result, selection=settings.selection), settings)


def _database(settings: ScanSettings, trivy: Scanner) -> Database | None:
    """Return the vulnerability database that Trivy used; None when it did not scan for vulnerabilities."""
    if "vuln" not in settings.options.scanners:
        return None
    stated = trivy.database()
    return Database(updated=stated.updated_at if stated is not None else None, sources=trivy.sources())


MAX_NAMED = 10


def unused_entry_notices(report: ScanReport, settings: ScanSettings) -> tuple[str, ...]:
    """Return a sentence on the entries of ignore files that matched nothing; none after a patch, which fixed it."""
    if not settings.title.startswith("scan"):
        return ()
    looked_for = {*settings.options.scanners, *settings.options.image_config_scanners}
    entries = ignore.unused_entries(settings.ignored, report.suppressed, settings.now, looked_for)
    names = list(dict.fromkeys(f"{entry.id} ({entry.file.name})" for entry in entries))
    if not names:
        return ()
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    number = "1 entry of ignore files sets" if len(names) == 1 else f"{len(names)} entries of ignore files set"
    return (f"{number} nothing aside in this image: {', '.join(names[:MAX_NAMED])}{more}.",)


def _scope(report: ScanReport, settings: ScanSettings) -> Scope:
    """Return what Trivy was configured to cover."""
    options = settings.options
    return Scope(
        scanners=tuple(sorted(options.scanners)),
        pkg_types=tuple(sorted(options.pkg_types or ("os", "library"))),
        platforms=(report.platform,) if report.platform else (),
        skip_dirs=options.skip_dirs,
        skip_files=options.skip_files,
        files=tuple(sorted(settings.files)),
        stated=True,
    )
