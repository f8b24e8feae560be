"""Match the signed SBOM of an image against today's advisories, to find out whether it has to be scanned again."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from s3c_actions.core import reading, writing
from s3c_actions.core.artifact_types import STATEMENT
from s3c_actions.core.errors import S3CError
from s3c_actions.core.moments import format_moment
from s3c_actions.core.progress import Progress, Silent
from s3c_actions.evidence import sbom
from s3c_actions.findings import coverage, trivy_report, trivy_warnings
from s3c_actions.findings.advisories import MAX_DATABASE_AGE, Database, outdated_reason
from s3c_actions.fleet import match_rules
from s3c_actions.fleet.match_rules import Match, Unchanged
from s3c_actions.policy import judge as judging
from s3c_actions.policy.judge import EvidenceDocument, SignerStatus
from s3c_actions.programs.trivy.arguments import MatchRequest, ScanOptions

if TYPE_CHECKING:
    from s3c_actions.policy.model import Policy
    from s3c_actions.steps.protocols import SbomScanner

MATCH_SECONDS = 60.0
"""So long may the match of one document take; most take less than one."""

_NO_ADVISORIES = "there are no advisories to match its SBOM against"


class _Advisories(msgspec.Struct, frozen=True, kw_only=True):
    """What is matched against, and with what."""

    scanner: str
    database: Database
    updated: datetime


class SbomMatcher:
    """Matches the SBOMs of images; threads may call it at once.

    Args:
        trivy: matches.
        options: where the vulnerability database comes from. It is updated once, before the first match; when that
            fails, nothing is matched.
        at_once: how many are matched at a time.
        temp: a folder for the documents.
        now: the time of the run.
        progress: receives one notice when nothing can be matched.
    """

    def __init__(
        self,
        trivy: SbomScanner,
        options: ScanOptions,
        *,
        at_once: int,
        temp: Path,
        now: datetime,
        progress: Progress,
    ) -> None:
        self._trivy = trivy
        self._options = options
        self._slots = threading.BoundedSemaphore(at_once)
        self._temp = temp
        self._now = now
        self._progress = progress
        self._preparing = threading.Lock()
        self._advisories: _Advisories | str | None = None

    def __call__(
        self,
        policy: Policy,
        reports: tuple[EvidenceDocument, ...],
        read: Callable[[str], EvidenceDocument | None],
        image: str,
    ) -> Unchanged | str:
        """Return that nothing new is known of an image, or why it has to be scanned, in a clause.

        Args:
            policy: the one in force.
            reports: beside the image, with their signers verified; the newest are admitted by the policy.
            read: returns the SBOM of a manifest's digest with who signed it; None where there is none.
            image: pinned, for errors.
        """
        runs = judging.decisive_runs(reports)
        if obstacle := match_rules.find_obstacle(policy, runs):
            return obstacle
        advisories = self._prepare()
        if isinstance(advisories, str):
            return advisories
        reason = next(self._reasons(policy, runs, read, advisories, image), "")
        return reason or Unchanged(database=format_moment(advisories.updated))

    def _reasons(
        self,
        policy: Policy,
        runs: Sequence[Mapping[str, Any]],
        read: Callable[[str], EvidenceDocument | None],
        advisories: _Advisories,
        image: str,
    ) -> Iterator[str]:
        """Yield why an image has to be scanned, a clause each; arguments as of `__call__`."""
        oldest = policy.maximum_database_age or MAX_DATABASE_AGE
        if outdated := outdated_reason(advisories.database, self._now, oldest):
            yield outdated.rstrip(".")
        if reason := match_rules.find_other_tools(runs, advisories.scanner, advisories.updated):
            yield reason
        documents: dict[str, bytes] = {}
        for run in runs:
            stated = run["properties"][STATEMENT]
            if stated["sbom"] not in documents:
                document = read(stated["sbom"])
                if document is None or document.content is None:
                    yield "the SBOM that its report names cannot be read"
                elif document.trust is not SignerStatus.ALLOWED:
                    yield "its SBOM is not signed by whom the policy allows"
                else:
                    documents[stated["sbom"]] = document.content
            try:
                platform = stated["platform"] if len(runs) > 1 else ""
                match = self._match(documents[stated["sbom"]], platform, advisories, image)
            except S3CError as error:
                yield f"its SBOM could not be matched: {error.what.rstrip('.')}"
            except ValueError as error:
                yield f"its SBOM cannot be read: {error}"
            else:
                if reason := match_rules.find_news(policy, run, match, self._now):
                    yield reason

    def _prepare(self) -> _Advisories | str:
        with self._preparing:
            if self._advisories is None:
                try:
                    self._advisories = self._load()
                    why = "there is no vulnerability database." if self._advisories is None else ""
                except S3CError as error:
                    why = error.what
                if self._advisories is None:
                    self._advisories = _NO_ADVISORIES
                    self._progress.notice(f"No SBOM is matched, and every image with an older report is planned: {why}")
            return self._advisories

    def _load(self) -> _Advisories | None:
        scanner = self._trivy.version
        self._trivy.update_database(self._options, self._progress)
        metadata = self._trivy.database()
        if metadata is None:
            return None
        database = Database(updated=metadata.updated_at, sources=self._trivy.sources())
        return _Advisories(scanner=scanner, database=database, updated=metadata.updated_at)

    def _match(self, content: bytes, platform: str, advisories: _Advisories, image: str) -> Match:
        """Match one document.

        Raises:
            S3CError: Trivy could not.
            ValueError: the document is none that Trivy made; a clause.
        """
        document = sbom.read_spdx(content, platform)
        with self._slots, tempfile.TemporaryDirectory(prefix="sbom-", dir=self._temp) as folder:
            path, output = Path(folder) / "sbom.spdx.json", Path(folder) / "report.json"
            writing.write(path, msgspec.json.encode(document))
            request = MatchRequest(sbom=path, output=output, asked=image, timeout=MATCH_SECONDS)
            warnings = self._trivy.match(request, Silent())
            report = trivy_report.read_output(output, image=image)
            data = reading.read_file(output, reading.MAX_REPORT_BYTES)
        observed = coverage.assess_coverage(
            data,
            scanners=("vuln",),
            pkg_types=(),
            database=advisories.database,
            warned=trivy_warnings.assess_warnings(warnings, ("vuln",)),
        )
        return Match(
            report=report,
            listed=sbom.count_packages(document),
            matched=trivy_report.count_packages(data),
            blind=observed.blind.rstrip("."),
            uncovered=sum(source.number for source in observed.uncovered),
        )
