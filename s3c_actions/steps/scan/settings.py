"""How to scan an image, and how to judge the result."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from s3c_actions.findings.exploitation import ExploitationFacts
from s3c_actions.findings.model import ScanReport
from s3c_actions.findings.scope import SettingsFile
from s3c_actions.findings.selection import EVERYTHING, Selection
from s3c_actions.findings.threshold import Threshold
from s3c_actions.programs.trivy.arguments import ScanOptions
from s3c_actions.registry.base_images import BaseFinder
from s3c_actions.steps.assess import Criteria
from s3c_actions.steps.reuse import ReportStore
from s3c_actions.steps.sbom import make_sbom

if TYPE_CHECKING:
    from s3c_actions.policy.model import Policy
    from s3c_actions.programs.trivy.ignore import IgnoreEntry
    from s3c_actions.steps.protocols import Scanner


class ScanSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How to scan, and how to judge the result.

    Attributes:
        options: for Trivy.
        folder: for the image's reports.
        entry_platform: the platform that an index states for the image, passed to Trivy.
        temp: removed after the run.
        now: for what expires and for the age of a kept report.
        cwd: where Trivy finds its default files.
        title: the name of this scan for people: `scan` or `rescan`.
        store: of kept reports; None always scans and keeps nothing.
        reuse_within: maximum age of a kept report; None: any.
        source: `auto`, one of `programs.trivy.arguments.SOURCES`, or `archive`.
        docker: whether a Docker may answer here, on which `auto` falls back.
        lacks_local: whether the local Docker answers that it has no such image.
        formats: names of `report.format_registry`.
        selection: of the findings shown in reports for people; with `limit_sarif` its severities in SARIF too.
            Vulnerabilities without a fix that it leaves out do not close the gate either, unless a policy is the gate.
        gate: the threshold, for every severity whether shown or not.
        policy: the policy of the gate, None without one; it judges packages and licences too.
        unscanned_fails: packages that could not be checked close a gate.
        ignored: entries of the ignore files.
        files: that suppress findings, narrow the scan or decide its gate.
        bases: finds the base of the image; None without any that counts as one.
        warnings: initial sentences of the result.
        fix_history: as of `Criteria`.
        exploitation: as of `Criteria`. A kept report is Trivy's alone, so that new data counts for it too.
    """

    options: ScanOptions
    folder: Path
    temp: Path
    now: datetime
    cwd: Path
    gate: Threshold
    policy: Policy | None
    unscanned_fails: bool
    title: str = "scan"
    entry_platform: str = ""
    store: ReportStore | None = None
    reuse_within: timedelta | None = None
    source: str = "auto"
    docker: Callable[[], bool] = lambda: False
    lacks_local: Callable[[str], bool] = lambda _image: False
    formats: tuple[str, ...] = ("json",)
    selection: Selection = EVERYTHING
    limit_sarif: bool = False
    baseline: ScanReport | None = None
    dockerfile: str = ""
    dockerfile_text: str = ""
    category: str = ""
    ignored: tuple[IgnoreEntry, ...] = ()
    files: tuple[SettingsFile, ...] = ()
    bases: BaseFinder | None = None
    warnings: tuple[str, ...] = ()
    exploitation: ExploitationFacts | None = None
    fix_history: Callable[[ScanReport, str], ScanReport] | None = None

    def criteria(self, trivy: Scanner) -> Criteria:
        """Return the criteria for every report of this run, scanned or given.

        Args:
            trivy: creates bills of materials.
        """
        return Criteria(
            gate=self.gate,
            policy=self.policy,
            unscanned_fails=self.unscanned_fails,
            ignore_unfixed=self.selection.fixed_only,
            now=self.now,
            bill=lambda report: make_sbom(report, trivy, self.temp),
            exploitation=self.exploitation,
            fix_history=self.fix_history,
            bases=self.bases,
        )
