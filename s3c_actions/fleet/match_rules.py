"""Whether the signed SBOM of an image, matched against today's advisories, may stand in for a scan of the image.

What an image holds does not change, but what is known of it does. A match of the SBOM finds that, where the SBOM has
all that the scan went by. Wherever it may not, there is work: an image is scanned once too often, never once too few.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct

from s3c_actions.core.artifact_types import STATEMENT
from s3c_actions.core.text import counted, first_names
from s3c_actions.evidence import completeness
from s3c_actions.evidence.statement import Statement
from s3c_actions.findings.model import ScanReport
from s3c_actions.policy.image_rules import parse_time
from s3c_actions.policy.model import Policy
from s3c_actions.report.render import escape

NIGHTS_LEFT = 3
"""So often `rescan-after` has to be left of a report's time: the next night makes a new one, or fails to, and the one
after makes up for it, with time until the third."""
_NOT_IN_SBOM = {
    "alpine": "the package repositories that it is set up with",
    "ubuntu": "whether it has extended support",
}
"""Distribution → by what Trivy chooses its advisories besides release and packages, which no SBOM tells (Trivy 0.74,
pkg/detector/ospkg/alpine/alpine.go and pkg/scan/ospkg/scan.go)."""


class Unchanged(Struct, frozen=True, kw_only=True):
    """Nothing new is known of an image; `database` is the RFC 3339 time of the advisories."""

    database: str


class Match(Struct, frozen=True, kw_only=True):
    """What the match of the SBOM of one platform showed.

    Attributes:
        report: the findings.
        listed: packages in the SBOM.
        matched: those of them that Trivy read.
        blind: why the findings cannot be relied on, a sentence; empty when they can.
        uncovered: packages for which there are no advisories.
    """

    report: ScanReport
    listed: int
    matched: int
    blind: str
    uncovered: int


def longest_age(policy: Policy, rescan_after: timedelta) -> timedelta:
    """Return the age up to which a match may stand in for a scan.

    The cluster's gate goes by the report alone and refuses it from the policy's `maximum-age` on, so the next report
    has to be there before.
    """
    return policy.maximum_age - NIGHTS_LEFT * rescan_after


def find_obstacle(policy: Policy, runs: Sequence[Mapping[str, Any]]) -> str:
    """Return why no match could stand in for a scan of an image, a clause; empty when one could.

    Args:
        policy: the one in force.
        runs: of its newest signed reports, each read and admitted by the policy.
    """
    return next(_obstacles(policy, runs), "")


def _obstacles(policy: Policy, runs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if others := [name for name in policy.report.scanners if name != "vuln"]:
        yield f"the policy asks for the scanner {others[0]}, which no SBOM stands in for"
    if any(policy.findings.asks_exploitation):
        yield "the policy asks what is exploited today, which its report says of its own day"
    if narrow := completeness.assess(runs).narrow:
        yield f"its report does not tell all that its SBOM lacks: {narrow[0]}"
    statements = [run["properties"][STATEMENT] for run in runs]
    for stated in statements:
        if stated["blind"]:
            yield "its scan could not look at everything"
        files = stated["scope"].get("files")
        kinds = [file.get("kind") if isinstance(file, dict) else None for file in files or ()]
        if not isinstance(files, list) or "trivy-config" in kinds or None in kinds:
            yield "its scan was set up by a trivy.yaml, or does not tell"
        if not stated["sbom"]:
            yield "its report names no SBOM"
        if not all(isinstance(stated.get(name), str) for name in ("os", "platform")):
            yield "its report does not tell distribution and platform"
        family = stated["os"].partition(" ")[0]
        if family in _NOT_IN_SBOM:
            yield f"the advisories of {family} depend on {_NOT_IN_SBOM[family]}, which its SBOM does not tell"
    platforms = [stated["platform"] for stated in statements]
    if len(set(platforms)) < len(platforms):
        yield "its report does not tell its platforms apart"


def find_other_tools(runs: Sequence[Mapping[str, Any]], scanner: str, database: datetime) -> str:
    """Return why this scanner and database cannot be compared with those of a report, a clause; empty when they can.

    Args:
        runs: as of `find_obstacle`.
        scanner: the version of Trivy that matches.
        database: when the advisories were built.
    """
    for run in runs:
        stated = run["properties"][STATEMENT]
        if stated.get("scanner") != f"trivy {scanner}":
            return "it was scanned by another version of Trivy"
        before = parse_time(stated["database"])
        if before is None or database < before:
            return "its scan had newer advisories than there are here"
    return ""


def find_news(policy: Policy, run: Mapping[str, Any], match: Match, now: datetime) -> str:
    """Return what a match shows that the signed report does not, or why it shows too little; empty for nothing new.

    Args:
        policy: the one in force.
        run: of the report, about the platform of the match.
        match: of the SBOM that the run names.
        now: the time of the plan.
    """
    return next(_news(policy, run, match, now), "")


def _news(policy: Policy, run: Mapping[str, Any], match: Match, now: datetime) -> Iterator[str]:
    stated = run["properties"][STATEMENT]
    if match.matched != match.listed:
        yield f"of {counted(match.listed, 'package')} in its SBOM {match.matched:,} could be matched"
    if match.blind:
        yield f"the match of its SBOM proves nothing: {match.blind}"
    if escape.line(match.report.os, 100) != stated["os"]:
        yield "its SBOM and its report name different distributions"
    if match.report.os_end_of_life is not stated.get("end-of-life"):
        yield "whether its distribution gets updates is no more what its report says"
    if match.uncovered > stated["uncovered"]:
        yield "fewer of its packages have advisories than at its scan"
    # What a report made now would list, against what the signed one does: what has got a fix or a severity is new.
    now_stated = Statement(subject=stated["subject"], gate=policy.gate(now), blind="", policy="")
    listed = {_key(result): result for result in _counting(run)}
    shown = [now_stated.finding(finding) for finding in match.report.findings]
    new = [fact for fact in map(now_stated.finding, now_stated.counted(match.report)) if _key(fact) not in listed]
    if new:
        yield f"its SBOM shows {counted(len(new), 'new finding')}, {first_names(sorted(map(_describe, new)))}"
    known = {(fact["id"], fact["package"]) for fact in shown}
    lost = sorted(result["id"] for result in listed.values() if (result["id"], result["package"]) not in known)
    if lost:
        yield f"the match of its SBOM does not find what its report lists, {first_names(lost)}"


def _counting(run: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the findings that a report lists and nothing set aside: what did so may count no more."""
    results = [result["properties"] for result in run["results"]]
    return [result for result in results if not result["suppressed"]]


def _key(fact: Mapping[str, Any]) -> tuple[str, str, str, str, bool]:
    return (fact["id"], fact["package"], fact.get("installed", ""), fact["severity"], fact["fixable"])


def _describe(fact: Mapping[str, Any]) -> str:
    fixed = f", fixed in {fact['fixed']}" if fact["fixed"] else ""
    return f"{fact['id']} ({fact['severity']}, {fact['package']}{fixed})"
