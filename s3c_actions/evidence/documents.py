"""Read documents attached to an image: reports, bills of materials, OpenVEX, `result.json`.

They come from anyone who may push there, and from other tools as well: of a malformed document the usable part is read,
and a document without one is reported as unusable.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import date
from typing import Any

import msgspec

from s3c_actions.core import reading
from s3c_actions.core.artifact_types import ALIASES, STATEMENT
from s3c_actions.core.errors import InputError
from s3c_actions.core.reference import Reference, is_tag
from s3c_actions.core.text import counted
from s3c_actions.evidence import completeness
from s3c_actions.evidence.completeness import Completeness
from s3c_actions.evidence.untyped import as_map, as_text
from s3c_actions.findings.model import Severity
from s3c_actions.trace.model import AttachedFinding, PatchChange

MAX_FINDINGS = 50_000
MAX_ALIASES = 20
_SEVERITY = re.compile(r"^Severity: *([A-Za-z]+)", re.MULTILINE)
_PACKAGE = re.compile(r"^Package: *(\S.*)$", re.MULTILINE)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_SHARE = re.compile(r"[01]\.[0-9]{5}")
_FIXED = re.compile(r"^Fixed [Vv]ersion: *(\S.*)$", re.MULTILINE)


class UnusableDocument(ValueError):
    """A document that is not of its stated type; the text is a clause that says why."""


class SarifReport(msgspec.Struct, frozen=True, kw_only=True):
    """A SARIF report: its findings, the most severe first, and how many of them have a fix.

    Attributes:
        counted: severities of which it lists every finding; of others it may list none although there are some.
        omitted: the number of further findings it states: a report that is judged in a cluster lists no more than fits.
        created: the time of the scan, of several the first; empty when not stated.
        subject: the digest of its image, empty when not stated.
        suppressed: findings that do not count, each with the reason.
        completeness: what it leaves open.
        sboms: digests of the bills of materials that its runs name.
        aliases: id of a finding → its other ids, as far as the report states them.
        exploited: id of a finding that is known to be exploited → the day on which CISA listed it.
    """

    findings: tuple[AttachedFinding, ...]
    fixable: int
    counted: Collection[Severity] = ()
    omitted: int = 0
    created: str = ""
    subject: str = ""
    scanner: str = ""
    database: str = ""
    suppressed: tuple[AttachedFinding, ...] = ()
    completeness: Completeness = Completeness()
    sboms: tuple[str, ...] = ()
    exploited: Mapping[str, str] = {}
    aliases: Mapping[str, tuple[str, ...]] = {}


def read_sarif(content: bytes) -> SarifReport:
    """Read a SARIF 2.1.0 report, of s3c or of another tool.

    Raises:
        Unusable: it is not such a report.
    """
    document = parse_object(content)
    runs = document.get("runs")
    if not isinstance(runs, list) or not runs or not all(isinstance(run, dict) for run in runs):
        raise UnusableDocument("it is no SARIF report: it has no runs")
    findings: list[AttachedFinding] = []
    suppressed: list[AttachedFinding] = []
    fixable = 0
    for run in runs:
        for finding, has_fix, is_suppressed in _results(run):
            (suppressed if is_suppressed else findings).append(finding)
            fixable += has_fix and not is_suppressed
            if len(findings) + len(suppressed) > MAX_FINDINGS:
                raise UnusableDocument(f"it holds more than {MAX_FINDINGS:,} findings")
    properties = as_map(runs[0].get("properties"))
    statement = as_map(properties.get(STATEMENT))
    driver = as_map(as_map(runs[0].get("tool")).get("driver"))
    return SarifReport(
        findings=tuple(sorted(findings, key=_urgency)),
        fixable=fixable,
        counted=frozenset.intersection(*map(_counted, runs)),
        omitted=sum(_omitted(run) for run in runs),
        created=min(as_text(_statement(run).get("created")) for run in runs) or as_text(properties.get("scanned")),
        subject=as_text(statement.get("subject")) or as_text(properties.get("digest")),
        scanner=f"{as_text(driver.get('name'))} {as_text(driver.get('version'))}".strip(),
        database=as_text(statement.get("database")) or as_text(properties.get("database")),
        suppressed=tuple(suppressed),
        completeness=completeness.assess(runs),
        sboms=tuple(dict.fromkeys(filter(None, (as_text(_statement(run).get("sbom")) for run in runs)))),
        exploited={name: day for run in runs for name, day in _exploited(run)},
        aliases={name: listed for run in runs for name, listed in _aliases(run)},
    )


def _urgency(finding: AttachedFinding) -> tuple[object, ...]:
    return not finding.exploited_since, -finding.severity, finding.package, finding.id


def _exploited(run: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield id and day of each finding that a run states to be exploited, in the names of a statement or a report."""
    for result in run["results"]:
        own = as_map(result.get("properties"))
        if day := _exploited_since(own):
            yield as_text(own.get("id")) or as_text(result.get("ruleId")), day


def _aliases(run: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield id and other ids of each finding that a run states some of."""
    for result in run["results"]:
        own = as_map(result.get("properties"))
        stated = own.get(ALIASES)
        listed = tuple(filter(None, map(as_text, stated[:MAX_ALIASES]))) if isinstance(stated, list) else ()
        if listed:
            yield as_text(own.get("id")) or as_text(result.get("ruleId")), listed


def _exploited_since(own: Mapping[str, Any]) -> str:
    return _day(own.get("exploited-since")) or _day(own.get("exploitedSince")) or _day(own.get("exploited_since"))


def _attacks(own: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a result states of attacks, in the names of a statement, a report or `result.json`."""
    since = _exploited_since(own)
    return {
        "exploited_since": since,
        "exploited_due": _day(own.get("exploitedDue")) or _day(own.get("exploited_due")) if since else "",
        "ransomware": bool(since) and True in (own.get("knownRansomware"), own.get("ransomware")),
        "epss": _share(own.get("epss")),
    }


def _day(value: object) -> str:
    """Return a day that there is, `2021-12-10`; empty for anything else."""
    text = as_text(value)
    try:
        return date.fromisoformat(text).isoformat() if _DAY.fullmatch(text) else ""
    except ValueError:
        return ""


def _share(value: object) -> float | None:
    """Return a number from 0 to 1, which a statement writes as text; None for anything else."""
    share = float(value) if isinstance(value, str) and _SHARE.fullmatch(value) else value
    if isinstance(share, bool) or not isinstance(share, int | float):
        return None
    # Compared first: a whole number of JSON may be larger than any `float`.
    return float(share) if 0 <= share <= 1 else None


def _statement(run: Mapping[str, Any]) -> Mapping[str, Any]:
    return as_map(as_map(run.get("properties")).get(STATEMENT))


def _results(run: Mapping[str, Any]) -> Iterator[tuple[AttachedFinding, bool, bool]]:
    """Yield each finding, whether it has a fix, and whether it is suppressed."""
    listed = as_map(as_map(run.get("tool")).get("driver")).get("rules")
    rules = (
        {as_text(rule_object.get("id")): rule_object for rule_object in listed if isinstance(rule_object, dict)}
        if isinstance(listed, list)
        else {}
    )
    results = run.get("results")
    if not isinstance(results, list):
        raise UnusableDocument("it is no SARIF report: a run has no results")
    for result in results:
        if not isinstance(result, dict):
            raise UnusableDocument("it is no SARIF report: a result is no object")
        own = as_map(result.get("properties"))
        suppressions = result.get("suppressions")
        name = as_text(result.get("ruleId"))
        rule = as_map(rules.get(name))
        help_text = as_text(as_map(rule.get("help")).get("text"))
        fixed = as_text(own.get("fixed")) or _first_match(_FIXED, help_text)
        fixed = "" if fixed == "none yet" else fixed
        severity = as_text(own.get("severity")) or _first_match(_SEVERITY, help_text)
        finding = AttachedFinding(
            id=as_text(own.get("id")) or name,
            severity=Severity.of(severity),
            package=as_text(own.get("package")) or _first_match(_PACKAGE, help_text),
            installed=as_text(own.get("installed")),
            fixed=fixed,
            title=as_text(as_map(rule.get("shortDescription")).get("text"))
            or as_text(as_map(result.get("message")).get("text")),
            url=as_text(rule.get("helpUri")),
            reason=_justification(suppressions),
            **_attacks(own),
        )
        fixable = own.get("fixable")
        yield (
            finding,
            fixable if isinstance(fixable, bool) else bool(fixed),
            own.get("suppressed") is True or bool(suppressions),
        )


def _justification(suppressions: object) -> str:
    """Return the first reason of a result's suppressions (SARIF 2.1.0, 3.35); empty when none is given."""
    listed = suppressions if isinstance(suppressions, list) else []
    return next(filter(None, (as_text(as_map(entry).get("justification")) for entry in listed)), "")


def _counted(run: Mapping[str, Any]) -> frozenset[Severity]:
    """Return the severities of which a run lists every finding, as far as it says so.

    Evidence lists what its policy rejects; a report of ours gives the number of each severity that it knows.
    """
    properties = as_map(run.get("properties"))
    statement = as_map(properties.get(STATEMENT))
    if not statement:
        return frozenset(Severity.of(name) for name in as_map(properties.get("findings")))
    policy = as_map(statement.get("policy"))
    refused = policy.get("refuse")
    if _omitted(run) or as_text(statement.get("blind")) or policy.get("fixable-only") is not False:
        return frozenset()
    return frozenset(Severity.of(as_text(name)) for name in refused) if isinstance(refused, list) else frozenset()


def _omitted(run: Mapping[str, Any]) -> int:
    properties = as_map(run.get("properties"))
    number = as_map(properties.get(STATEMENT)).get("omitted", properties.get("omitted"))
    return number if type(number) is int and number > 0 else 0


def describe_spdx(content: bytes) -> str:
    """Describe the content of a bill of materials in SPDX, in a clause.

    Raises:
        Unusable: it is not one.
    """
    document = parse_object(content)
    if not isinstance(document.get("packages"), list) or not as_text(document.get("spdxVersion")):
        raise UnusableDocument("it is no SPDX document")
    return counted(len(document["packages"]), "package")


def describe_cyclonedx(content: bytes) -> str:
    """Describe the content of a bill of materials in CycloneDX, in a clause.

    Raises:
        Unusable: it is not one.
    """
    document = parse_object(content)
    if document.get("bomFormat") != "CycloneDX":
        raise UnusableDocument("it is no CycloneDX document")
    components = document.get("components")
    return counted(len(components) if isinstance(components, list) else 0, "component")


def describe_openvex(content: bytes) -> str:
    """Describe the content of an OpenVEX document, in a clause.

    Raises:
        Unusable: it is not one.
    """
    document = parse_object(content)
    statements = document.get("statements")
    if "openvex" not in as_text(document.get("@context")) or not isinstance(statements, list):
        raise UnusableDocument("it is no OpenVEX document")
    fixed = sum(1 for statement in statements if as_map(statement).get("status") == "fixed")
    return f"{counted(len(statements), 'statement')}, {fixed:,} fixed"


class AttachedResult(msgspec.Struct, frozen=True, kw_only=True):
    """The facts of a `result.json` about the image.

    Attributes:
        description: the command and its verdict, in a clause.
        original: of the patch, pinned, with the tag it was asked for by; `tag` the one that the patched image got.
        change: by the patch; None when nothing was patched.
    """

    description: str
    original: str = ""
    tag: str = ""
    change: PatchChange | None = None


def read_attached_result(content: bytes, digest: str) -> AttachedResult:
    """Read the facts of one image in a `result.json` (schemas/result-1.json).

    Args:
        content: the document.
        digest: of the image it is attached to.

    Raises:
        Unusable: it is not one, or does not contain that image.
    """
    document = parse_object(content)
    images = document.get("images")
    if document.get("version") != 1 or not isinstance(images, list):
        raise UnusableDocument("it is no result of s3c in version 1")
    image = next((entry for entry in map(as_map, images) if as_text(entry.get("digest")) == digest), None)
    if image is None:
        raise UnusableDocument("it tells nothing of this image")
    summary = f"s3c {as_text(document.get('command'))}: {as_text(image.get('verdict'))}"
    patch = as_map(image.get("patch"))
    if not patch.get("patched"):
        return AttachedResult(description=summary)
    sentences = [as_text(as_map(platform).get("sentence")) for platform in _compared(patch)]
    if any(sentences):
        summary += f"; against its original: {' '.join(filter(None, dict.fromkeys(sentences)))}"
    change = PatchChange(
        source="the attached result.json",
        before=_counts(patch.get("before")),
        after=_counts(patch.get("after")),
        fixed=_read_findings(patch.get("fixed")),
        left=_read_findings(patch.get("left")),
        new=_read_findings(patch.get("new")),
    )
    tag = as_text(patch.get("tag"))
    original = _with_tag(as_text(patch.get("original")), as_text(image.get("image")))
    return AttachedResult(description=summary, original=original, tag=tag if is_tag(tag) else "", change=change)


def _compared(patch: Mapping[str, Any]) -> list[Any]:
    platforms = as_map(patch.get("changes")).get("platforms")
    return platforms if isinstance(platforms, list) else []


def _with_tag(pinned: str, asked: str) -> str:
    """Return a pinned reference with the tag of the one that was asked for, where that is of the same repository."""
    try:
        reference, named = Reference.parse(pinned), Reference.parse(asked)
    except InputError:
        return pinned
    same = named.name == reference.name and named.digest in {"", reference.digest}
    return f"{reference.name}:{named.tag}@{reference.digest}" if same and named.tag and reference.digest else pinned


def compare_attached(before: SarifReport, after: SarifReport, source: str) -> PatchChange:
    """Compare two reports, by id and package.

    Args:
        before: of the original.
        after: of the image.
        source: where both come from, in a clause.
    """
    earlier = {(finding.id, finding.package) for finding in before.findings}
    later = {(finding.id, finding.package) for finding in after.findings}
    return PatchChange(
        source=source,
        before=count_by_severity(before.findings, before.counted),
        after=count_by_severity(after.findings, after.counted),
        fixed=tuple(finding for finding in before.findings if (finding.id, finding.package) not in later),
        left=tuple(finding for finding in after.findings if (finding.id, finding.package) in earlier),
        new=tuple(finding for finding in after.findings if (finding.id, finding.package) not in earlier),
    )


def count_by_severity(
    findings: Iterable[AttachedFinding], counted: Collection[Severity] = tuple(Severity)
) -> dict[Severity, int]:
    """Count findings by severity, the most severe first.

    Args:
        findings: of a document.
        counted: severities of which every finding is listed; others are in the result only when some are listed.
    """
    counts = dict.fromkeys(sorted(Severity, reverse=True), 0)
    for finding in findings:
        counts[finding.severity] += 1
    return {severity: number for severity, number in counts.items() if number or severity in counted}


def _read_findings(value: object) -> tuple[AttachedFinding, ...]:
    listed = value[:MAX_FINDINGS] if isinstance(value, list) else []
    return tuple(
        AttachedFinding(
            id=as_text(entry.get("id")),
            severity=Severity.of(as_text(entry.get("severity"))),
            package=as_text(entry.get("package")),
            installed=as_text(entry.get("installed")),
            fixed=as_text(entry.get("fixed_version")),
            title=as_text(entry.get("title")),
            reason=as_text(entry.get("reason")),
            **_attacks(entry),
        )
        for entry in map(as_map, listed)
    )


def _counts(value: object) -> dict[Severity, int]:
    counts = as_map(value)
    numbers = {severity: counts.get(severity.name.lower()) for severity in sorted(Severity, reverse=True)}
    return {severity: number for severity, number in numbers.items() if type(number) is int and number >= 0}


def parse_object(content: bytes) -> dict[str, Any]:
    """Return a JSON object.

    Raises:
        UnusableDocument: it is not JSON, or no object.
    """
    try:
        document = reading.parse_json(content)
    except ValueError:
        raise UnusableDocument("it is not JSON") from None
    if not isinstance(document, dict):
        raise UnusableDocument("it is no JSON object")
    return document


def _first_match(pattern: re.Pattern[str], text: str) -> str:
    match = pattern.search(text)
    return match[1].strip() if match else ""
