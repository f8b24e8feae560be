"""What a policy has against an image besides its findings: data on exploitation, end of life, age of the base.

The counterpart of `image_rules` in evidence.rego. The gate in CI judges the same facts by it before they are signed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from s3c_actions.core.moments import CLOCK_SKEW, DAY_SKEW
from s3c_actions.options.parse import duration
from s3c_actions.policy.model import Policy
from s3c_actions.policy.objection import Objection

_TIME = re.compile(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")


def image_objections(
    policy: Policy, statements: Sequence[Mapping[str, Any]], report_name: str, remedy: str, now: datetime
) -> list[Objection]:
    """Return the objections to an image by the facts that its report states.

    Args:
        policy: the one in force.
        statements: on each scan, as `evidence.statement.image_facts` makes them, with `created`; what they lack or
            state in another form is not known, which denies.
        report_name: of the report, in sentences.
        remedy: for a report that lacks data, in sentences.
        now: the time of the decision.
    """
    objections = []
    for stated in statements:
        objections += _data_objections(policy, stated, report_name, remedy, now)
        if policy.platform.end_of_life == "refuse":
            objections += _platform_objections(stated, report_name, remedy)
        if policy.base.maximum_age is not None:
            objections += _base_objections(policy.base.maximum_age, stated, report_name, now)
    return objections


def _data_objections(
    policy: Policy, stated: Mapping[str, Any], report_name: str, remedy: str, now: datetime
) -> list[Objection]:
    needed = [
        *([("kev", "which vulnerabilities are exploited (KEV)")] if policy.findings.deny_exploited else []),
        *([("epss", "how likely vulnerabilities are exploited (EPSS)")] if policy.findings.epss else []),
    ]
    data = stated.get("exploitation")
    limit = policy.exploitation.maximum_age
    objections = []
    for key, what in needed:
        dated = data.get(key) if isinstance(data, dict) else None
        released = parse_time(dated)
        scanned = parse_time(stated.get("created"))
        if released is None or scanned is None:
            text = f"{report_name} does not state {what}: {remedy}"
            objections.append(Objection("no-exploitation-data", text))
            continue
        if released - DAY_SKEW > now:
            # Later than the scan it may be: a kept report is judged by the data of the day.
            text = f"{report_name} states {what} by data of {dated}, which is still to come: {remedy}"
            objections.append(Objection("future-exploitation-data", text))
        if scanned - released > timedelta(seconds=duration(limit)):
            text = f"{report_name} states {what} by data older than {limit}: {remedy}"
            objections.append(Objection("stale-exploitation-data", text))
    return objections


def _platform_objections(stated: Mapping[str, Any], report_name: str, remedy: str) -> list[Objection]:
    ended, name = stated.get("end-of-life"), stated.get("os")
    if not isinstance(ended, bool) or not isinstance(name, str):
        text = f"{report_name} does not state whether its platform is supported: {remedy}"
        return [Objection("unknown-platform", text)]
    if not ended:
        return []
    text = f"no fixes are published any more for its platform, {name}: base it on a newer release"
    return [Objection("end-of-life", text)]


def _base_objections(limit: str, stated: Mapping[str, Any], report_name: str, now: datetime) -> list[Objection]:
    created = parse_time(stated.get("base-created"))
    if created is None:
        text = f"{report_name} does not state when its base was made: build it on a base that states it"
        return [Objection("unknown-base", text)]
    if created - CLOCK_SKEW > now:
        text = f"its base is of {stated['base-created']}, which is still to come: build it on one that states its age"
        return [Objection("unknown-base", text)]
    if now - created <= timedelta(seconds=duration(limit)):
        return []
    text = f"its base is of {stated['base-created']}, older than {limit}: rebuild it on today's"
    return [Objection("old-base", text)]


def parse_time(text: Any) -> datetime | None:
    """Return a time of a statement, in UTC; None for anything that is not exactly one, or before the year 2000."""
    if not isinstance(text, str) or not _TIME.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
