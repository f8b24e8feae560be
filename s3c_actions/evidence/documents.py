"""What documents attached to an image say: reports, bills of materials, OpenVEX, `result.json`.

They come from whoever may push there, and from other tools as well: of what is not as expected, the usable part is
taken, and a document that has none is told as such.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from s3c_actions.core import reading
from s3c_actions.core.artifact_types import STATEMENT
from s3c_actions.core.text import counted
from s3c_actions.findings.model import Severity
from s3c_actions.trace.model import Change, Found

MOST_FINDINGS = 50_000
_SEVERITY = re.compile(r"^Severity: *([A-Za-z]+)", re.MULTILINE)
_PACKAGE = re.compile(r"^Package: *(\S.*)$", re.MULTILINE)
_FIXED = re.compile(r"^Fixed [Vv]ersion: *(\S.*)$", re.MULTILINE)


class Unusable(ValueError):
    """A document that is not what its type says; the text is a clause on why."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A SARIF report: its findings the most severe first, and how many of them have a fix.

    Attributes:
        omitted: how many more there are, by its own word: a report that is judged in a cluster lists no more than fits.
        created: when the scan was made, empty when it does not say.
        subject: the digest it is about, empty when it does not say.
    """

    findings: tuple[Found, ...]
    fixable: int
    omitted: int = 0
    created: str = ""
    subject: str = ""
    scanner: str = ""
    database: str = ""


def sarif(content: bytes) -> Report:
    """Read a SARIF 2.1.0 report, of s3c or of another tool.

    Raises:
        Unusable: it is none.
    """
    document = _object(content)
    runs = document.get("runs")
    if not isinstance(runs, list) or not runs or not all(isinstance(run, dict) for run in runs):
        raise Unusable("it is no SARIF report: it has no runs")
    findings: list[Found] = []
    fixable = 0
    for run in runs:
        for found, can in _results(run):
            findings.append(found)
            fixable += can
            if len(findings) > MOST_FINDINGS:
                raise Unusable(f"it holds more than {MOST_FINDINGS:,} findings")
    about = _map(runs[0].get("properties"))
    said = _map(about.get(STATEMENT))
    driver = _map(_map(runs[0].get("tool")).get("driver"))
    return Report(
        findings=tuple(sorted(findings, key=lambda one: (-one.severity, one.package, one.id))),
        fixable=fixable,
        omitted=sum(_omitted(run) for run in runs),
        created=_text(said.get("created")) or _text(about.get("scanned")),
        subject=_text(said.get("subject")) or _text(about.get("digest")),
        scanner=f"{_text(driver.get('name'))} {_text(driver.get('version'))}".strip(),
        database=_text(said.get("database")) or _text(about.get("database")),
    )


def _results(run: Mapping[str, Any]) -> Iterator[tuple[Found, bool]]:
    """Each finding that counts, and whether it has a fix."""
    listed = _map(_map(run.get("tool")).get("driver")).get("rules")
    rules = {_text(one.get("id")): one for one in listed if isinstance(one, dict)} if isinstance(listed, list) else {}
    results = run.get("results")
    if not isinstance(results, list):
        raise Unusable("it is no SARIF report: a run has no results")
    for result in results:
        if not isinstance(result, dict):
            raise Unusable("it is no SARIF report: a result is no object")
        own = _map(result.get("properties"))
        if own.get("suppressed") is True or result.get("suppressions"):
            continue
        name = _text(result.get("ruleId"))
        rule = _map(rules.get(name))
        told = _text(_map(rule.get("help")).get("text"))
        fixed = _text(own.get("fixed")) or _first(_FIXED, told)
        fixed = "" if fixed == "none yet" else fixed
        severity = _text(own.get("severity")) or _first(_SEVERITY, told)
        found = Found(
            id=_text(own.get("id")) or name,
            severity=Severity.of(severity),
            package=_text(own.get("package")) or _first(_PACKAGE, told),
            installed=_text(own.get("installed")),
            fixed=fixed,
            title=_text(_map(rule.get("shortDescription")).get("text"))
            or _text(_map(result.get("message")).get("text")),
            url=_text(rule.get("helpUri")),
        )
        fixable = own.get("fixable")
        yield found, fixable if isinstance(fixable, bool) else bool(fixed)


def _omitted(run: Mapping[str, Any]) -> int:
    about = _map(run.get("properties"))
    said = _map(about.get(STATEMENT)).get("omitted", about.get("omitted"))
    return said if type(said) is int and said > 0 else 0


def spdx(content: bytes) -> str:
    """What a bill of materials in SPDX holds, in a clause.

    Raises:
        Unusable: it is none.
    """
    document = _object(content)
    if not isinstance(document.get("packages"), list) or not _text(document.get("spdxVersion")):
        raise Unusable("it is no SPDX document")
    return counted(len(document["packages"]), "package")


def cyclonedx(content: bytes) -> str:
    """What a bill of materials in CycloneDX holds, in a clause.

    Raises:
        Unusable: it is none.
    """
    document = _object(content)
    if document.get("bomFormat") != "CycloneDX":
        raise Unusable("it is no CycloneDX document")
    components = document.get("components")
    return counted(len(components) if isinstance(components, list) else 0, "component")


def openvex(content: bytes) -> str:
    """What an OpenVEX document states, in a clause.

    Raises:
        Unusable: it is none.
    """
    document = _object(content)
    statements = document.get("statements")
    if "openvex" not in _text(document.get("@context")) or not isinstance(statements, list):
        raise Unusable("it is no OpenVEX document")
    fixed = sum(1 for one in statements if _map(one).get("status") == "fixed")
    return f"{counted(len(statements), 'statement')}, {fixed:,} fixed"


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What a `result.json` tells of the image: the original the patch began with, and what the patch changed."""

    told: str
    original: str = ""
    change: Change | None = None


def result(content: bytes, digest: str) -> Result:
    """Read the facts of one image in a `result.json` (schemas/result-1.json).

    Args:
        content: the document.
        digest: of the image it is attached to.

    Raises:
        Unusable: it is none, or tells nothing of that image.
    """
    document = _object(content)
    images = document.get("images")
    if document.get("version") != 1 or not isinstance(images, list):
        raise Unusable("it is no result of s3c in version 1")
    about = next((one for one in map(_map, images) if _text(one.get("digest")) == digest), None)
    if about is None:
        raise Unusable("it tells nothing of this image")
    told = f"s3c {_text(document.get('command'))}: {_text(about.get('verdict'))}"
    patch = _map(about.get("patch"))
    if not patch.get("patched"):
        return Result(told=told)
    change = Change(
        source="the attached result.json",
        before=_counts(patch.get("before")),
        after=_counts(patch.get("after")),
        fixed=_found(patch.get("fixed")),
        left=_found(patch.get("left")),
        new=_found(patch.get("new")),
    )
    return Result(told=told, original=_text(patch.get("original")), change=change)


def compare(before: Report, after: Report, source: str) -> Change:
    """What changed between two reports, by id and package.

    Args:
        before: of the original.
        after: of the image.
        source: where both are from, in a clause.
    """
    earlier = {(one.id, one.package) for one in before.findings}
    later = {(one.id, one.package) for one in after.findings}
    return Change(
        source=source,
        before=count(before.findings),
        after=count(after.findings),
        fixed=tuple(one for one in before.findings if (one.id, one.package) not in later),
        left=tuple(one for one in after.findings if (one.id, one.package) in earlier),
        new=tuple(one for one in after.findings if (one.id, one.package) not in earlier),
    )


def count(findings: tuple[Found, ...]) -> dict[Severity, int]:
    """Findings by severity, each severity present, the most severe first."""
    counts = dict.fromkeys(sorted(Severity, reverse=True), 0)
    for one in findings:
        counts[one.severity] += 1
    return counts


def _found(value: object) -> tuple[Found, ...]:
    listed = value[:MOST_FINDINGS] if isinstance(value, list) else []
    return tuple(
        Found(
            id=_text(one.get("id")),
            severity=Severity.of(_text(one.get("severity"))),
            package=_text(one.get("package")),
            installed=_text(one.get("installed")),
            fixed=_text(one.get("fixed_version")),
            title=_text(one.get("title")),
            reason=_text(one.get("reason")),
        )
        for one in map(_map, listed)
    )


def _counts(value: object) -> dict[Severity, int]:
    said = _map(value)
    numbers = {severity: said.get(severity.name.lower()) for severity in sorted(Severity, reverse=True)}
    return {severity: number if type(number) is int and number >= 0 else 0 for severity, number in numbers.items()}


def _object(content: bytes) -> dict[str, Any]:
    try:
        document = reading.json_value(content)
    except ValueError:
        raise Unusable("it is not JSON") from None
    if not isinstance(document, dict):
        raise Unusable("it is no JSON object")
    return document


def _map(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _first(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return found[1].strip() if found else ""
