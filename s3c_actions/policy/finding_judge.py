"""What a policy has against the findings of a signed report, those that it only counts included.

The counterpart, rule for rule, of `findings` in evidence.rego.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from s3c_actions.core.moments import CLOCK_SKEW
from s3c_actions.core.text import first_names, plural
from s3c_actions.options.parse import duration
from s3c_actions.policy.image_rules import parse_time
from s3c_actions.policy.model import Policy, exception_end
from s3c_actions.policy.objection import Objection

SEVERITY_RANKS: Mapping[str, int] = {"CRITICAL": 0, "HIGH": 1, "MEDIUM": 2, "LOW": 3, "UNKNOWN": 4}

_SCORE = re.compile(r"(0\.[0-9]{5}|1\.00000)?")
_ListedFinding = tuple[int, str, str, str]


def finding_objections(
    policy: Policy,
    findings: Sequence[Mapping[str, Any]],
    statements: Sequence[Mapping[str, Any]],
    reference: str,
    now: datetime,
) -> list[Objection]:
    """Return the objections to the findings of a report.

    Args:
        policy: the one in force.
        findings: listed in the report and not suppressed, as `evidence.statement.Statement.finding` makes them.
        statements: on each scan; they count the findings that are not listed.
        reference: of the image, in sentences.
        now: the time of the decision.
    """
    denied: set[_ListedFinding] = set()
    exploited: set[_ListedFinding] = set()
    refused: set[_ListedFinding] = set()
    expired: set[tuple[str, str, str]] = set()
    for finding in findings:
        item = _item(policy, finding)
        if finding["id"].upper() in {name.upper() for name in policy.findings.deny}:
            denied.add(item)
        elif policy.findings.deny_exploited and finding.get("exploited") is True:
            exploited.add(item)
        elif rejects(policy, finding, now):
            matching = matching_exceptions(policy, finding)
            if any(exception_end(exception.until) > now for exception in matching):
                continue
            if matching:
                expired.add((finding["id"], finding["package"], max(entry.until for entry in matching).isoformat()))
            refused.add(item)
    unknown = sum(_lacks_facts(policy, finding) for finding in findings)
    omitted = sum(count_refusable(policy, stated) for stated in statements)
    remedy = f"patch it with `s3c patch {reference}`, or rebuild it"
    objections = []
    if denied:
        objections.append(
            Objection("denied-finding", f"it has what the policy denies by name, {_join(denied)}: {remedy}")
        )
    if exploited:
        text = f"it has what is known to be exploited, {_join(exploited)}: {remedy}"
        objections.append(Objection("exploited-finding", text))
    if unknown:
        text = f"of {unknown} {plural(unknown, 'finding')} it is not known how they are exploited"
        objections.append(
            Objection("unknown-exploitation", f"{text}: attach a new report with `s3c attach {reference}`")
        )
    if count := len(refused) + omitted:
        listing = (f", {_join(refused)}" + " and others" * bool(omitted)) if refused else ""
        objections.append(Objection("finding", f"it has {count} {plural(count, 'refused finding')}{listing}: {remedy}"))
    for name, package, until in sorted(expired):
        where = f" in {package}" if package else ""
        text = f"the exception for {name}{where} ended on {until}: fix the finding, or renew the exception"
        objections.append(Objection("expired-exception", text))
    return objections


def rejects(policy: Policy, finding: Mapping[str, Any], now: datetime) -> bool:
    """Return whether the severity or the likelihood of a finding is refused, exceptions left aside."""
    if policy.findings.fixable_only and not finding["fixable"]:
        return False
    if policy.findings.scope == "own" and finding.get("base") is True:
        return False
    if finding["severity"] in policy.findings.severities:
        return True
    if policy.findings.epss and reaches(finding.get("epss"), policy.findings.epss):
        return True
    starts, ends = parse_time(finding.get("since")), grace_end(policy, finding)
    in_grace = starts is not None and ends is not None and starts - CLOCK_SKEW <= now < ends
    return finding["severity"] in policy.findings.graces and not in_grace


def grace_end(policy: Policy, finding: Mapping[str, Any]) -> datetime | None:
    """Return from when on the grace of its severity no longer lets a finding pass; None without one."""
    grace = policy.findings.graces.get(finding["severity"])
    start = parse_time(finding.get("since"))
    return start + timedelta(seconds=duration(grace)) if grace is not None and start is not None else None


def matching_exceptions(policy: Policy, finding: Mapping[str, Any]) -> list[Any]:
    """Return the exceptions of a policy that name a finding, ended or not."""
    return [
        exception
        for exception in policy.exceptions
        if exception.id == finding["id"] and exception.package in {None, finding["package"]}
    ]


def reaches(score: Any, threshold: Any) -> bool:
    """Return whether a score is at least as high as another; both as `exploit_facts.epss_text`, else it is not."""
    if not all(isinstance(text, str) and text and _SCORE.fullmatch(text) for text in (score, threshold)):
        return False
    return bool(score >= threshold)


def _lacks_facts(policy: Policy, finding: Mapping[str, Any]) -> bool:
    score = finding.get("epss")
    return bool(
        (policy.findings.deny_exploited and not isinstance(finding.get("exploited"), bool))
        or (policy.findings.epss and not (isinstance(score, str) and _SCORE.fullmatch(score)))
    )


def count_refusable(policy: Policy, stated: Mapping[str, Any]) -> Any:
    """Return how many findings a report does not list that a rule could refuse.

    Args:
        policy: the one in force.
        stated: the statement on a scan. Without groups (`evidence.rest`) that account for all of them, all count.
    """
    omitted, rest = stated["omitted"], stated.get("rest")
    if not isinstance(rest, list) or not all(_is_group(group) for group in rest):
        return omitted
    if sum(group["count"] for group in rest) != omitted:
        return omitted
    return sum(group["count"] for group in rest if _is_refusable(policy, group))


def _is_refusable(policy: Policy, group: Mapping[str, Any]) -> bool:
    if (policy.findings.deny and group["denied"]) or (policy.findings.deny_exploited and group["exploited"]):
        return True
    if policy.findings.fixable_only and not group["fixable"]:
        return False
    return (
        group["severity"] in policy.findings.severities
        or group["severity"] in policy.findings.graces
        or bool(policy.findings.epss and reaches(group["epss"], policy.findings.epss))
    )


def _is_group(group: Any) -> bool:
    return (
        isinstance(group, dict)
        and isinstance(group.get("severity"), str)
        and group["severity"] in SEVERITY_RANKS
        and isinstance(group.get("fixable"), bool)
        and all(_is_count(group.get(name)) for name in ("count", "exploited", "denied"))
        and isinstance(group.get("epss"), str)
        and _SCORE.fullmatch(group["epss"]) is not None
    )


def _is_count(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def _item(policy: Policy, finding: Mapping[str, Any]) -> _ListedFinding:
    return (
        SEVERITY_RANKS[finding["severity"]],
        finding["id"],
        finding["package"],
        _describe_finding(policy, finding),
    )


def _describe_finding(policy: Policy, finding: Mapping[str, Any]) -> str:
    parts = [finding["severity"], *([finding["package"]] if finding["package"] else [])]
    if finding["fixed"]:
        parts.append(f"fixed in {finding['fixed']}")
    elif not finding["fixable"]:
        parts.append("without a fix")
    if policy.findings.deny_exploited and finding.get("exploited") is True:
        parts.append("exploited")
    if policy.findings.epss and reaches(finding.get("epss"), policy.findings.epss):
        parts.append(f"EPSS {finding['epss']}")
    if finding["severity"] in policy.findings.graces:
        parts.append(
            f"grace counted from {finding['since'][:10]}" if parse_time(finding.get("since")) else "without a grace"
        )
    return f"{finding['id']} ({', '.join(parts)})"


def _join(items: set[_ListedFinding]) -> str:
    return first_names([item[3] for item in sorted(items)])
