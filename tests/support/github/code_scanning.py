"""What GitHub's code scanning makes of a SARIF file: the file is refused, or alerts open, stay and close.

A pure function, held to "SARIF support for code scanning" and "SARIF results exceed one or more limits" of GitHub's
documentation, and to the errors that users of github/codeql-action report. `suppressions` are no part of what GitHub
reads: a suppressed result is an open alert.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

PACKED_BYTES = 10 * 1024 * 1024
RUNS, RESULTS, RULES, EXTENSIONS, LOCATIONS, RULE_TAGS = 20, 25_000, 25_000, 100, 1_000, 20
SHOWN_RESULTS, SHOWN_TAGS = 5_000, 10
NAME, DESCRIPTION = 255, 1_024


class Refused(Exception):
    """The whole file is refused; `errors` are what the status of the upload tells."""

    def __init__(self, errors: Sequence[str]) -> None:
        super().__init__("; ".join(errors))
        self.errors = tuple(errors)


@dataclass(frozen=True, kw_only=True)
class Alert:
    """One alert of a repository.

    Attributes:
        number: counts from 1 and is never given twice.
        tool, rule, path, fingerprint: its identity.
        severity: the label shown: `critical` … `low` of a security finding, else `error`, `warning`, `note`.
        places: the (ref, category) in whose newest analysis it is found; open on a ref as long as one names it.
        seen: every ref on which it was ever found.
    """

    number: int
    tool: str
    rule: str
    path: str
    fingerprint: str
    line: int
    severity: str
    message: str
    tags: tuple[str, ...] = ()
    help: str = ""
    places: frozenset[tuple[str, str]] = frozenset()
    seen: frozenset[str] = frozenset()

    def state(self, ref: str) -> str:
        """`open` or `fixed` on a ref; empty when it was never there."""
        if any(place == ref for place, _ in self.places):
            return "open"
        return "fixed" if ref in self.seen else ""


@dataclass
class _Refusal:
    errors: list[str] = field(default_factory=list)

    def expect(self, holds: object, error: str) -> bool:
        if not holds:
            self.errors.append(error)
        return bool(holds)

    def limit(self, what: str, number: int, most: int) -> None:
        self.expect(number <= most, f"rejecting SARIF, as there are more {what} than allowed ({number} > {most})")


def ingest(alerts: Sequence[Alert], sarif: bytes, *, ref: str, category: str = "") -> tuple[Alert, ...]:
    """Read an uploaded file.

    Args:
        alerts: of the repository so far.
        sarif: the file, as it was before it was gzipped.
        ref: the upload's, `refs/heads/main` or `refs/pull/7/merge`.
        category: the upload action's input; a run's `automationDetails.id` wins over it.

    Returns:
        The repository's alerts after it. What is no longer found in this tool's analysis of this ref and category is
        fixed there.

    Raises:
        Refused: with the reasons; nothing has changed.
    """
    runs = _checked(sarif, category)
    known = {_identity(alert): alert for alert in alerts}
    analysed = {(run["tool"]["driver"]["name"], _category(run, category)) for run in runs}
    for identity, alert in known.items():
        gone = frozenset(place for place in alert.places if place[0] == ref and (alert.tool, place[1]) in analysed)
        known[identity] = replace(alert, places=alert.places - gone)
    for run in runs:
        place = (ref, _category(run, category))
        for reported in _alerts(run):
            earlier = known.get(_identity(reported))
            number = earlier.number if earlier is not None else len(known) + 1
            places = (earlier.places if earlier is not None else frozenset()) | {place}
            seen = (earlier.seen if earlier is not None else frozenset()) | {ref}
            known[_identity(reported)] = replace(reported, number=number, places=places, seen=seen)
    return tuple(known.values())


def _identity(alert: Alert) -> tuple[str, str, str, str]:
    return (alert.tool, alert.rule, alert.path, alert.fingerprint)


def _category(run: dict[str, Any], given: str) -> str:
    """Up to the last slash of the run's own, which wins."""
    own = str(run.get("automationDetails", {}).get("id", ""))
    return own.rpartition("/")[0] if own else given


def _checked(sarif: bytes, category: str) -> list[dict[str, Any]]:
    refusal = _Refusal()
    if len(gzip.compress(sarif)) > PACKED_BYTES:
        raise Refused(["The SARIF file is too large: over 10 MB when gzipped."])
    try:
        log = json.loads(sarif)
        runs = log["runs"]
    except (ValueError, KeyError, TypeError) as error:
        raise Refused(["Invalid SARIF. JSON syntax error or no runs."]) from error
    refusal.expect(log.get("version") == "2.1.0", f"Invalid SARIF. Unsupported version: {log.get('version')!r}")
    refusal.limit("runs", len(runs), RUNS)
    analyses = Counter((run["tool"]["driver"].get("name"), _category(run, category)) for run in runs)
    for (tool, of), number in analyses.items():
        refusal.expect(number == 1, f"rejecting SARIF, as there are {number} runs of {tool} with the category {of!r}")
    for run in runs:
        _check_run(run, refusal)
    if refusal.errors:
        raise Refused(refusal.errors)
    return list(runs)


def _check_run(run: dict[str, Any], refusal: _Refusal) -> None:
    driver, results = run["tool"]["driver"], run.get("results") or []
    rules = driver.get("rules") or []
    refusal.expect(driver.get("name"), "expected the tool's name")
    refusal.limit("results per run", len(results), RESULTS)
    refusal.limit("rules per run", len(rules), RULES)
    refusal.limit("tool extensions per run", len(run["tool"].get("extensions") or []), EXTENSIONS)
    for rule in rules:
        refusal.expect(rule.get("id"), "expected an id of every rule")
        refusal.expect(len(rule.get("name", "")) <= NAME, f"the name of {rule.get('id')} is too long")
        for text in ("shortDescription", "fullDescription"):
            description = rule.get(text, {}).get("text", "")
            refusal.expect(description, f"expected {text} of {rule.get('id')}")
            refusal.expect(len(description) <= DESCRIPTION, f"{text} of {rule.get('id')} is too long")
        properties = rule.get("properties", {})
        refusal.limit("tags per rule", len(properties.get("tags") or []), RULE_TAGS)
        score = properties.get("security-severity")
        refusal.expect(score is None or _score(score) is not None, f"security-severity {score!r} is not valid")
    for result in results:
        _check_result(result, rules, refusal)


def _check_result(result: dict[str, Any], rules: list[dict[str, Any]], refusal: _Refusal) -> None:
    refusal.expect(result.get("message", {}).get("text"), "expected a message")
    index = result.get("ruleIndex")
    if index is not None and refusal.expect(0 <= index < len(rules), f"no rule has the index {index}"):
        refusal.expect(rules[index]["id"] == result.get("ruleId"), f"the rule {index} is not {result.get('ruleId')}")
    locations = result.get("locations") or []
    refusal.limit("locations per result", len(locations), LOCATIONS)
    if not refusal.expect(locations, "locationFromSarifResult: expected at least one location"):
        return
    place = locations[0].get("physicalLocation", {})
    uri = place.get("artifactLocation", {}).get("uri", "")
    if refusal.expect(uri, "locationFromSarifResult: expected artifact location"):
        scheme = urlsplit(uri).scheme
        refusal.expect(
            scheme in {"", "file"}, f'locationFromSarifResult: expected a URI scheme of "file", not {scheme!r}'
        )
        refusal.expect(not uri.startswith("/") and ".." not in uri.split("/"), f"{uri!r} is not in the repository")
    region = place.get("region", {})
    start = region.get("startLine", 1)
    refusal.expect(start >= 1 and region.get("endLine", start) >= start, f"no such region: {region}")


def _score(text: object) -> float | None:
    """Of `security-severity`: a string that holds a number from 0.0 to 10.0."""
    if not isinstance(text, str):
        return None
    try:
        score = float(text)
    except ValueError:
        return None
    return score if 0 <= score <= 10 else None


def _alerts(run: dict[str, Any]) -> Iterator[Alert]:
    """What is kept: the most severe 5,000 results, each by its first location."""
    driver = run["tool"]["driver"]
    rules = {rule["id"]: rule for rule in driver.get("rules") or []}

    def urgency(result: dict[str, Any]) -> float:
        score = _score(rules.get(result["ruleId"], {}).get("properties", {}).get("security-severity"))
        return -(score if score is not None else {"error": 0.03, "warning": 0.02}.get(result.get("level", ""), 0.01))

    for result in sorted(run.get("results") or [], key=urgency)[:SHOWN_RESULTS]:
        rule = rules.get(result["ruleId"], {})
        place = result["locations"][0]["physicalLocation"]
        yield Alert(
            number=0,
            tool=driver["name"],
            rule=result["ruleId"],
            path=place["artifactLocation"]["uri"],
            fingerprint=result.get("partialFingerprints", {}).get("primaryLocationLineHash", ""),
            line=place.get("region", {}).get("startLine", 1),
            severity=_label(rule, result),
            message=result["message"]["text"],
            tags=tuple((rule.get("properties", {}).get("tags") or [])[:SHOWN_TAGS]),
            help=rule.get("help", {}).get("markdown") or rule.get("help", {}).get("text", ""),
        )


def _label(rule: dict[str, Any], result: dict[str, Any]) -> str:
    properties = rule.get("properties", {})
    score = _score(properties.get("security-severity"))
    if score is None or "security" not in (properties.get("tags") or []) or score == 0:
        return str(result.get("level") or rule.get("defaultConfiguration", {}).get("level") or "warning")
    return "critical" if score > 9.0 else "high" if score >= 7.0 else "medium" if score >= 4.0 else "low"
