"""From when on a fix may have been there, by the signed reports of a repository: what a grace counts from.

A signed report that lists a vulnerability without a fix shows that none was there at that time, so that a fix came
later. A signed report that lists it with a fix states the time that was found then, and of several the earliest counts.
Neither a new digest nor a deleted report moves that time to a later one: what is deleted can only take proofs away, and
without any the publication of the vulnerability counts, which is never later than what the proofs show.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec
from msgspec.structs import replace

from s3c_actions.core.artifact_types import STATEMENT
from s3c_actions.evidence.statement import normalize_moment, normalize_time
from s3c_actions.findings.exploit_facts import grace_start
from s3c_actions.findings.identity import identify, image_identity
from s3c_actions.findings.model import Finding, FindingKind, ScanReport

_YEARLY_RELEASES = frozenset({"alma", "centos", "debian", "oracle", "redhat", "rocky"})
"""Families whose release is the first number of their version; what follows are its updates."""

_Key = tuple[str, str]


class FixHistory(msgspec.Struct, frozen=True, kw_only=True):
    """What signed reports show. Keys are a finding's fingerprint in its repository, and its distribution's release.

    Attributes:
        stated: the earliest time that a report states from which there may have been a fix.
        unfixed: the latest time at which a report shows that there was no fix.
    """

    stated: Mapping[_Key, datetime] = msgspec.field(default_factory=dict)
    unfixed: Mapping[_Key, datetime] = msgspec.field(default_factory=dict)

    def apply(self, report: ScanReport) -> ScanReport:
        """Return a report whose vulnerabilities with a fix have the time from which that fix may have been there."""
        if not self.stated and not self.unfixed:
            return report
        image, release = image_identity(report), release_of(report.os)
        return replace(
            report, findings=tuple(self._apply(finding, report, image, release) for finding in report.findings)
        )

    def _apply(self, finding: Finding, report: ScanReport, image: str, release: str) -> Finding:
        if finding.kind is not FindingKind.VULNERABILITY or not finding.fixable:
            return finding
        key = (identify(finding).fingerprint(image), release)
        since = self.stated.get(key) or self.unfixed.get(key)
        if since is None:
            return finding
        published = grace_start(replace(finding, fix_since=""))
        if published is not None and key not in self.stated:
            since = max(since, published)
        created = _moment(normalize_time(report.created))
        return replace(finding, fix_since=normalize_moment(min(since, created) if created is not None else since))


def read_history(runs: Iterable[Mapping[str, Any]]) -> FixHistory:
    """Return what the runs of signed reports show.

    Args:
        runs: of reports that can be read (`policy.judge.readable_runs`), each signed by whom the policy allows and
            about the digest that it is attached to.
    """
    stated: dict[_Key, datetime] = {}
    unfixed: dict[_Key, datetime] = {}
    for run in runs:
        statement = run["properties"][STATEMENT]
        looked = _time_of_knowledge(statement)
        release = release_of(statement["os"]) if isinstance(statement.get("os"), str) else None
        if looked is None or release is None:
            continue
        for result in run["results"]:
            fingerprint, facts = _fingerprint(result), result["properties"]
            if not fingerprint:
                continue
            key, since = (fingerprint, release), _moment(facts.get("since"))
            if not facts["fixable"]:
                unfixed[key] = max(looked, unfixed.get(key, looked))
            elif since is not None:
                stated[key] = min(since, stated.get(key, since))
    return FixHistory(stated=stated, unfixed=unfixed)


def release_of(os: str) -> str:
    """Return a distribution and its release without updates: `debian 12`, `alpine 3.19`, `ubuntu 22.04`.

    Whether there is a fix depends on the release: an older one may never get it.
    """
    family, _, version = os.partition(" ")
    if family in _YEARLY_RELEASES:
        return f"{family} {version.partition('.')[0]}"
    if family == "alpine":
        return f"{family} {'.'.join(version.split('.')[:2])}"
    return os


def _time_of_knowledge(statement: Mapping[str, Any]) -> datetime | None:
    """Return the time whose fixes a scan knew: that of its database, which is older than the scan."""
    times = (_moment(statement["created"]), _moment(statement["database"]))
    known = [time for time in times if time is not None]
    return min(known) if len(known) == len(times) else None


def _fingerprint(result: Mapping[str, Any]) -> str:
    prints = result.get("partialFingerprints")
    text = prints.get("primaryLocationLineHash") if isinstance(prints, dict) else None
    return text.partition(":")[0] if isinstance(text, str) else ""


def _moment(text: Any) -> datetime | None:
    if not isinstance(text, str) or normalize_time(text) != text or not text:
        return None
    return datetime.fromisoformat(text)
