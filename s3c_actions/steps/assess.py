"""Turn a report into a `ScanResult`, in one place: scanned now, kept from an earlier run, or given by the user.

Everything a gate reads is judged here and nowhere else: findings, whether the scan could see anything, how much it
covered, which contents a policy rejects, and how old the report is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from s3c_actions.core import reading
from s3c_actions.core.errors import OutsideError
from s3c_actions.core.moments import parse_moment
from s3c_actions.evidence import statement
from s3c_actions.evidence.statement import normalize_time
from s3c_actions.findings import coverage, scan_record
from s3c_actions.findings.advisories import MAX_DATABASE_AGE, Database, outdated_reason
from s3c_actions.findings.coverage import Coverage
from s3c_actions.findings.exploitation import ExploitationFacts, add_exploitation
from s3c_actions.findings.model import ForbiddenContent, ScanReport
from s3c_actions.findings.scope import (
    COVERED_SOURCES,
    DEFAULT_SCOPE,
    PACKAGE_LIST,
    Scope,
    describe_parts,
    missing_parts,
)
from s3c_actions.findings.scope_inference import infer
from s3c_actions.findings.selection import Selection, mark_uncounted, select
from s3c_actions.findings.threshold import Threshold
from s3c_actions.findings.trivy_warnings import WarningAssessment
from s3c_actions.registry.base_images import BaseFinder
from s3c_actions.result.model import ScanResult

if TYPE_CHECKING:
    from s3c_actions.policy.model import Policy
    from s3c_actions.policy.objection import Objection

MAXIMUM_AGE = timedelta(hours=24)
"""Maximum age of a report for a gate, where no policy states one."""

CLOCK_SKEW = timedelta(minutes=5)
"""Tolerated difference between the clocks of two machines."""


class Criteria(msgspec.Struct, frozen=True, kw_only=True):
    """The criteria that a report is judged by.

    Attributes:
        gate: the threshold for findings.
        policy: the policy of the gate, None without one.
        unscanned_fails: whether packages that could not be checked close the gate.
        ignore_unfixed: whether to ignore vulnerabilities without a fix, unless a policy decides.
        now: the time of the run.
        bill: creates the SPDX document of a report of Trivy's; called only when a policy judges contents.
        exploitation: which vulnerabilities are exploited; None where it is not known, which no rule takes for "none".
        fix_history: adds to a report of an image from when on its fixes may have been there; None where graces count
            from publications.
        bases: finds the base of an image, whose findings are counted apart; with None every finding is its own.
    """

    gate: Threshold
    policy: Policy | None
    unscanned_fails: bool
    ignore_unfixed: bool
    now: datetime
    bill: Callable[[Path], bytes]
    exploitation: ExploitationFacts | None = None
    fix_history: Callable[[ScanReport, str], ScanReport] | None = None
    bases: BaseFinder | None = None

    @property
    def closes(self) -> bool:
        """Return whether there is a gate that can be closed."""
        return self.policy is not None or self.gate.closes

    @property
    def maximum_database_age(self) -> timedelta:
        """Return the maximum age of the vulnerability database."""
        stated = self.policy.maximum_database_age if self.policy is not None else None
        return stated or MAX_DATABASE_AGE

    @property
    def maximum_age(self) -> timedelta:
        """Return the maximum age of a report for the gate."""
        return self.policy.maximum_age if self.policy is not None else MAXIMUM_AGE


def assess_scan(
    path: Path,
    report: ScanReport,
    *,
    image: str,
    reference: str,
    scope: Scope,
    kept: bool,
    criteria: Criteria,
    database: Database | None,
    warned: WarningAssessment | None,
    warnings: Iterable[str] = (),
) -> ScanResult:
    """Judge a scan of our own.

    Args:
        path: of Trivy's JSON.
        report: its content.
        image: as requested.
        reference: pinned.
        scope: what the scan was configured to cover.
        kept: whether the report is an earlier run's, so that its age counts.
        criteria: to judge by.
        database: the vulnerability database that was used; None when vulnerabilities were not scanned for.
        warned: the judgement of Trivy's own warnings; None for a kept report, which had no relevant ones.
        warnings: sentences to put before those of the judgement.

    Raises:
        OutsideError: Trivy creates no readable bill of materials.
    """
    data = reading.read_file(path, reading.MAX_REPORT_BYTES)
    observed = coverage.assess_coverage(
        data,
        scanners=scope.scanners,
        pkg_types=scope.pkg_types,
        database=database,
        warned=warned,
    )
    if outdated := outdated_reason(database, criteria.now, criteria.maximum_database_age):
        observed = replace(observed, blind=observed.blind or outdated)
    aged = _age(report, criteria) if kept else ""
    judged = _assess(
        path,
        data,
        report,
        image=image,
        reference=reference,
        scope=scope,
        observed=observed,
        aged=aged,
        criteria=criteria,
        listed=True,
    )
    return replace(judged, reused=kept, warnings=tuple(dict.fromkeys((*warnings, *judged.warnings))))


def assess_given_report(
    path: Path, *, image: str, reference: str, criteria: Criteria, report: ScanReport
) -> ScanResult:
    """Judge a report that the user gave, by what it shows of its scan.

    Args:
        path: of Trivy's JSON.
        image: as requested.
        reference: pinned.
        criteria: to judge by.
        report: the file's content, as `trivy_report.read` returned it.

    Raises:
        OutsideError: Trivy creates no readable bill of materials.
    """
    data = reading.read_file(path, reading.MAX_REPORT_BYTES)
    shown = infer(data)
    observed = coverage.FULL_COVERAGE
    # Only an image must contain something that is recognised; a folder may well contain no packages.
    if not shown.os_left_out and (report.artifact_type == "container_image" or report.os):
        observed = coverage.assess_coverage(data, scanners=("vuln",), pkg_types=(), listed=shown.lists_packages)
    aged = _age(report, criteria)
    return _assess(
        path,
        data,
        mark_uncounted(report, scan_record.counted_severities(path, data)),
        image=image,
        reference=reference,
        scope=shown.scope,
        observed=observed,
        aged=aged,
        criteria=criteria,
        listed=shown.lists_packages,
    )


def _assess(
    path: Path,
    data: bytes,
    report: ScanReport,
    *,
    image: str,
    reference: str,
    scope: Scope,
    observed: Coverage,
    aged: str,
    criteria: Criteria,
    listed: bool,
) -> ScanResult:
    policy = criteria.policy
    report = add_exploitation(report, criteria.exploitation)
    if criteria.fix_history is not None:
        report = criteria.fix_history(report, reference)
    unknown_base: tuple[str, ...] = ()
    if criteria.bases is not None:
        report, unknown_base = criteria.bases.attribute(report, reference)
    if observed.blind:
        report = mark_uncounted(report)
    unseen = missing_parts(scope, DEFAULT_SCOPE)
    required = missing_parts(scope, policy.required_scope) if policy is not None else ()
    if policy is not None and policy.judges_contents and not listed:
        required = (*required, PACKAGE_LIST)
    uncovered = sum(source.number for source in observed.uncovered)
    if policy is not None and policy.report.require_covered_sources and uncovered:
        required = (*required, COVERED_SOURCES)
    notices = (*observed.warnings, observed.blind, _narrow(scope, unseen), aged, *unknown_base)
    # A policy also applies in the cluster, which sees the whole report.
    counted = report if policy is not None else select(report, Selection(fixed_only=criteria.ignore_unfixed))
    return ScanResult(
        image=image,
        reference=reference,
        report=report,
        trivy_json=path,
        report_sha256=scan_record.checksum(data),
        gated=criteria.closes,
        refused=criteria.gate.refused(counted.findings),
        blind=observed.blind if criteria.unscanned_fails else "",
        overridden="" if criteria.unscanned_fails else observed.blind,
        contents=_contents(policy, path, criteria.bill) if policy is not None else (),
        objections=_objections(policy, report, criteria.now) if policy is not None else (),
        policy=policy.digest if policy is not None else "",
        scope=scope,
        uncovered=uncovered,
        missing=required,
        outdated=aged if criteria.closes else "",
        warnings=tuple(notice for notice in notices if notice),
    )


def _narrow(scope: Scope, unseen: tuple[str, ...]) -> str:
    """Return a sentence on what the scan did not cover; empty when it covered as much as usual."""
    if not unseen:
        return ""
    if scope.stated:
        return f"Not looked at, as the inputs ask: {describe_parts(unseen)}."
    return f"The report does not show that {describe_parts(unseen)} were looked at."


def _age(report: ScanReport, criteria: Criteria) -> str:
    """Return a sentence on why a report is out of date; empty when it is recent enough."""
    created = parse_moment(report.created)
    if created is None:
        return "The report does not say when the scan was made."
    if created - CLOCK_SKEW > criteria.now:
        return f"The report is dated {normalize_time(report.created)}, which is still to come."
    if criteria.now - created <= criteria.maximum_age:
        return ""
    # Without its current age, so that the same report has the same text, and the same evidence, tomorrow.
    return f"The report is of {normalize_time(report.created)}, and older than {format_age(criteria.maximum_age)}."


def format_age(age: timedelta) -> str:
    """Return a span of time in its largest whole unit: `3 d`, `20 h`."""
    seconds = max(int(age.total_seconds()), 0)
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _objections(policy: Policy, report: ScanReport, now: datetime) -> tuple[Objection, ...]:
    """Return what a policy's rules on exploitation data, platform and base have against an image."""
    from s3c_actions.policy.image_rules import image_objections

    facts = {**statement.image_facts(report), "created": normalize_time(report.created)}
    source = "the report"
    remedy = "scan with `exploited-data` and `epss-data` of today"
    return tuple(sorted(image_objections(policy, [facts], source, remedy, now)))


def _contents(policy: Policy, path: Path, bill: Callable[[Path], bytes]) -> tuple[ForbiddenContent, ...]:
    """Return the packages and licences of an image that a policy rejects, by the SBOM that would be attached to it."""
    from s3c_actions.policy.judge import forbidden_contents

    if not policy.judges_contents:
        return ()
    try:
        return forbidden_contents(policy, reading.parse_json(bill(path)))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise OutsideError(
            "Trivy made no bill of materials that can be read, so that packages and licences cannot be judged.",
            remedy="Run it again; if that does not help, take packages and licences out of the policy.",
            original=str(error),
        ) from error
