"""SARIF 2.1.0 as GitHub's code scanning reads it, and as Ratify's vulnerability report verifier judges it.

https://docs.github.com/code-security/code-scanning/integrating-with-code-scanning/sarif-support-for-code-scanning

One run for one image on one platform. An alert's identity is its fingerprint: image repository, finding and place, and
nothing that a new tag, a rebuild or a shifted line changes. The driver is named Trivy and every rule's help begins with
its `Severity:`, because Ratify 1.4 reads the severity there, and only of drivers it knows.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from functools import cache, lru_cache
from itertools import islice
from operator import attrgetter
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

import msgspec

from s3c_actions.core.artifact_types import STATEMENT
from s3c_actions.core.errors import InputError
from s3c_actions.core.reference import Reference
from s3c_actions.findings.model import Finding, FindingKind, ScanReport, Severity
from s3c_actions.report.formats import dockerfile
from s3c_actions.report.formats.size_budget import PackedSize
from s3c_actions.report.render import escape

if TYPE_CHECKING:
    from s3c_actions.evidence.statement import Statement
    from s3c_actions.report.formats import Rendering

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
INFORMATION_URI = "https://github.com/aquasecurity/trivy"

MAX_RESULTS = 25_000
MAX_SHOWN_RESULTS = 5_000
MAX_BYTES = 10_000_000
_ROWS = 100
MAX_TAGS = 10
MAX_LINKS = 6
MAX_EVIDENCE = 56_000
MAX_NAME = 255
MAX_DESCRIPTION = 1_024

# security-severity's bands: over 9.0 critical, 7.0 to 8.9 high, 4.0 to 6.9 medium, 0.1 to 3.9 low.
_BANDS = {
    Severity.CRITICAL: (9.1, 9.5, 10.0),
    Severity.HIGH: (7.0, 8.0, 8.9),
    Severity.MEDIUM: (4.0, 5.5, 6.9),
    Severity.LOW: (0.1, 2.0, 3.9),
    Severity.UNKNOWN: (0.0, 0.0, 0.0),
}
_LEVELS = {
    Severity.CRITICAL: "error",
    Severity.HIGH: "error",
    Severity.MEDIUM: "warning",
    Severity.LOW: "note",
    Severity.UNKNOWN: "note",
}
_VERSION = re.compile(r"[0-9]+(?:\.[0-9A-Za-z-]+){1,5}")
_NOUNS = {
    FindingKind.VULNERABILITY: "Vulnerability",
    FindingKind.SECRET: "Secret",
    FindingKind.MISCONFIGURATION: "Misconfiguration",
    FindingKind.LICENSE: "License",
}


def render(report: ScanReport, rendering: Rendering) -> bytes:
    """Render a report as a SARIF file within GitHub's limits.

    Args:
        report: every finding, whatever the gate's threshold.
        rendering: its Dockerfile and category are used.

    Returns:
        JSON. Over the limits the least severe results are left out; how many is in the run's `properties.omitted` and
        in a notification.
    """
    everything = [*report.findings, *report.suppressed]
    keep = min(len(everything), MAX_RESULTS)
    while True:
        with PackedSize() as packing:
            data = _encode(_log([_run(report, rendering, everything[:keep], len(everything) - keep, packing=packing)]))
            # gzip never makes it larger.
            packed = len(data) if len(data) <= MAX_BYTES else packing.size_of(data)
        if packed <= MAX_BYTES or keep == 0:
            return data
        keep = int(keep * 0.95 * MAX_BYTES / packed)


def drop_suppressed(sarif: bytes) -> bytes:
    """The file without its suppressed results: what goes to code scanning.

    GitHub does not read `suppressions`, so what somebody set aside with a reason would be an open alert. Left out, its
    alert closes; the report keeps it for every other reader.

    Args:
        sarif: what `render` returned.
    """
    if b'"suppressions"' not in sarif:
        return sarif
    log = msgspec.json.decode(sarif)
    for run in log["runs"]:
        run["results"] = [result for result in run["results"] if not result.get("suppressions")]
    return msgspec.json.encode(log)


def render_evidence(scans: Sequence[tuple[ScanReport, Statement]], rendering: Rendering) -> bytes:
    """Render scans as the one report that is attached to an image and judged there: all that the policy minds.

    Ratify 1.4.6 takes 64 KiB from a verifier at most. So a report lists nothing that passes anyway, and when even that
    is too much, the most severe of it and how many more there are.

    Args:
        scans: of the image; of an index, one of each of its platforms, each with what is stated of it.
        rendering: its Dockerfile is used, and its category when there is one scan.

    Returns:
        JSON, at most MOST_EVIDENCE bytes when it is a string in JSON.
    """
    minded = [stated.counted(report) for report, stated in scans]
    keep = max(map(len, minded), default=0)
    while True:
        runs = [
            _run(report, rendering, everything[:keep], len(everything[keep:]), stated=stated)
            for (report, stated), everything in zip(scans, minded, strict=True)
        ]
        data = _encode(_log(runs))
        escaped = len(data) + data.count(b'"') + data.count(b"\\")
        if escaped <= MAX_EVIDENCE or keep == 0:
            return data
        keep = min(keep - 1, int(keep * 0.95 * MAX_EVIDENCE / escaped))


def prepare() -> None:
    """Do ahead of time what `render` needs to have done once: importing some modules is most of a small report."""
    import sarif_om  # noqa: F401


def sarif_category(report: ScanReport) -> str:
    """The code-scanning category of an image: its repository and platform, never its tag.

    A category with the tag in it would close and open every alert at each release.
    """
    parts = ["s3c", _identity(report), report.platform.replace("/", "-")]
    return "/".join(escape.line(part, 150) for part in parts if part)


def fingerprint(report: ScanReport, finding: Finding) -> str:
    """The finding's identity across tags, rebuilds and layers, as hexadecimal SHA-256; different in another image."""
    return _fingerprint(_identity(report), finding)


def _fingerprint(identity: str, finding: Finding) -> str:
    return hashlib.sha256("\0".join((identity, *finding.key)).encode("utf-8", "replace")).hexdigest()


def security_severity(finding: Finding) -> str:
    """The CVSS score where it lies in the band of Trivy's severity, else the band's middle.

    Distributions rate lower or higher than the score for their own builds; GitHub's label has to be theirs.
    """
    return _security_severity(finding.severity, finding.score)


@lru_cache(1_000)
def _security_severity(severity: Severity, score: float | None) -> str:
    low, middle, high = _BANDS[severity]
    return f"{score if score is not None and low <= score <= high else middle:.1f}"


def _identity(report: ScanReport) -> str:
    """The image without what changes from build to build."""
    if report.artifact_type == "container_image":
        try:
            return Reference.parse(report.image).name
        except InputError:
            return PurePosixPath(report.image.replace("\\", "/")).name
    return report.image


def _log(runs: list[Any]) -> Any:
    import sarif_om as om

    return om.SarifLog(version="2.1.0", schema_uri=SCHEMA, runs=runs)


def _run(
    report: ScanReport,
    rendering: Rendering,
    kept: Sequence[Finding],
    omitted: int,
    *,
    packing: PackedSize | None = None,
    stated: Statement | None = None,
) -> Any:
    import sarif_om as om

    rules = _Rules(kept)
    results = _written(_results(report, kept, rules, _Places(report, rendering), stated), packing)
    facts = _facts(report, omitted)
    return om.Run(
        tool=om.Tool(
            driver=om.ToolComponent(
                name="Trivy",
                full_name="Trivy, read by s3c",
                version=report.scanner_version if _VERSION.fullmatch(report.scanner_version) else "0 (unknown)",
                information_uri=INFORMATION_URI,
                rules=_written(rules.described(brief=stated is not None), packing),
            )
        ),
        automation_details=om.RunAutomationDetails(id=f"{rendering.category or sarif_category(report)}/"),
        invocations=[_invocation(report, len(kept), omitted if stated is None else 0)],
        column_kind="utf16CodeUnits",
        results=results,
        properties=facts if stated is None else facts | {STATEMENT: stated.facts(report, omitted)},
    )


def _results(
    report: ScanReport, kept: Iterable[Finding], rules: _Rules, places: _Places, stated: Statement | None
) -> Iterator[dict[str, Any]]:
    """Thousands of them: they are written as they are, objects of sarif_om only for what there is one of."""
    identity = _identity(report)
    seen: dict[str, int] = {}
    for finding in kept:
        mark = _fingerprint(identity, finding)
        seen[mark] = number = seen.get(mark, 0) + 1
        index, rule = rules.of(finding)
        result = {
            "ruleId": rule,
            "ruleIndex": index,
            "level": _LEVELS[finding.severity],
            "message": {"text": _message(report, finding)},
            "locations": [places.of(finding)],
            "partialFingerprints": {"primaryLocationLineHash": f"{mark}:{number}"},
        }
        if reason := finding.suppressed or (stated.accepted(finding) if stated is not None else ""):
            result["suppressions"] = _suppressions(reason)
        if stated is not None:
            result["properties"] = stated.finding(finding)
        yield result


def _written(rows: Iterator[dict[str, Any]], packing: PackedSize | None) -> Any:
    """The list of them in JSON, a hundred at a time, so that they are compressed while the next are made."""
    pieces = []
    while some := list(islice(rows, _ROWS)):
        pieces.append(msgspec.json.encode(some)[1:-1])
        if packing is not None:
            packing.add(pieces[-1])
    return msgspec.Raw(b"[" + b",".join(pieces) + b"]")


def _suppressions(reason: str) -> list[dict[str, str]]:
    return [{"kind": "external", "status": "accepted", "justification": escape.line(reason, 1000)}]


def _invocation(report: ScanReport, kept: int, omitted: int) -> Any:
    import sarif_om as om

    told = []
    if omitted:
        told.append(
            om.Notification(
                level="warning",
                message=om.Message(
                    text=f"{omitted:,} of the least severe findings of {escape.line(report.image)} are left out, "
                    "because code scanning takes no larger file. The JSON report has them all."
                ),
            )
        )
    if kept > MAX_SHOWN_RESULTS:
        told.append(
            om.Notification(
                level="note",
                message=om.Message(
                    text=f"Code scanning shows the {MAX_SHOWN_RESULTS:,} most severe of these {kept:,} findings."
                ),
            )
        )
    return om.Invocation(execution_successful=True, tool_execution_notifications=told or None)


def _facts(report: ScanReport, omitted: int) -> dict[str, Any]:
    facts = {
        "image": report.image,
        "digest": report.digest,
        "platform": report.platform,
        "os": report.os,
        "scanned": report.created,
        "database": report.database,
    }
    return {name: escape.line(value) for name, value in facts.items() if value} | {
        "findings": {severity.name.lower(): number for severity, number in report.counts.items()},
        "suppressed": len(report.suppressed),
        "omitted": omitted,
    }


def _message(report: ScanReport, finding: Finding) -> str:
    severity = finding.severity.title
    image = report.image
    if finding.kind is FindingKind.VULNERABILITY:
        what = f"{finding.package} {finding.installed} in {image} has {finding.id} ({severity})"
        where = f", at {finding.path or finding.target}" if not finding.os_package else ""
        end = f"Fixed in {finding.fixed}" if finding.fixed else f"No fix yet ({finding.status or 'affected'})"
        text = f"{what}{where}: {finding.title}. {end}." if finding.title else f"{what}{where}. {end}."
    elif finding.kind is FindingKind.SECRET:
        text = f"{finding.title or finding.id} ({severity}) in {finding.target} of {image}: {finding.description}"
    elif finding.kind is FindingKind.MISCONFIGURATION:
        text = f"{finding.title or finding.id} ({severity}) in {finding.target}: {finding.description}"
    else:
        package = f"{finding.package} ({finding.target})" if finding.package else finding.target
        text = f"{package} in {image} is under {finding.id}: {finding.category or 'unknown'} ({severity})."
    # SARIF 2.1.0, 3.11.5 and 3.11.6: braces are placeholders, brackets links.
    one = escape.line(text, 1000)
    return one.translate(_MESSAGE) if _needs_escape(one) else one


_MESSAGE = str.maketrans({"{": "{{", "}": "}}", "[": "\\[", "]": "\\]", "\\": "\\\\"})


def _needs_escape(text: str) -> bool:
    return "{" in text or "}" in text or "[" in text or "]" in text or "\\" in text


class _Places:
    """Where code scanning shows a finding: the Dockerfile's line that brought its layer, else a relative path."""

    def __init__(self, report: ScanReport, rendering: Rendering) -> None:
        self._image = report.artifact_type == "container_image"
        self._fallback = _relative(_identity(report).partition("/")[2] or _identity(report))
        self._dockerfile = _relative(rendering.dockerfile) if rendering.dockerfile else ""
        self._lines = dockerfile.map_layers_to_lines(rendering.dockerfile_text, report)
        self._made: dict[tuple[str, int, int], dict[str, Any]] = {}

    def of(self, finding: Finding) -> dict[str, Any]:
        """The location, serialised: thousands of findings share a few."""
        if self._image and self._dockerfile:
            key = (self._dockerfile, self._lines.get(finding.layer, self._lines.get("", 1)), 0)
        elif finding.os_package:
            key = (self._fallback, 1, 0)
        else:
            key = (_relative(finding.path or finding.target) or self._fallback, max(1, finding.line), finding.end_line)
        made = self._made.get(key)
        if made is None:
            made = self._made[key] = _location(*key)
        return made


def _location(uri: str, line: int, end_line: int) -> dict[str, Any]:
    import sarif_om as om

    location = om.Location(
        physical_location=om.PhysicalLocation(
            artifact_location=om.ArtifactLocation(uri=uri, uri_base_id="%SRCROOT%"),
            region=om.Region(start_line=line, end_line=end_line if end_line > line else None),
        )
    )
    plain: dict[str, Any] = _plain(location)
    return plain


def _relative(path: str) -> str:
    """A relative URI reference: no scheme, no leading slash, no way up."""
    parts = [part for part in escape.line(path, 1000).replace("\\", "/").split("/") if part not in {"", ".", ".."}]
    return quote("/".join(parts), safe="/~@+,=")


class _Rules:
    """The rules of the results kept, in the results' order, so that the most severe come first."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self._findings: dict[tuple[FindingKind, str], list[Finding]] = {}
        for finding in findings:
            self._findings.setdefault((finding.kind, finding.id), []).append(finding)
        self._ids: dict[tuple[FindingKind, str], tuple[int, str]] = {}
        taken: set[str] = set()
        for number, (kind, text) in enumerate(self._findings):
            name = _rule_id(text)
            if name in taken:
                name = _rule_id(f"{kind}:{text}")
            while name in taken:
                name = _rule_id(f"{name}+")
            taken.add(name)
            self._ids[(kind, text)] = (number, name)

    def of(self, finding: Finding) -> tuple[int, str]:
        """The rule's place in the list, and its id: the advisory's, so that a deny list of CVEs finds it."""
        return self._ids[(finding.kind, finding.id)]

    def described(self, *, brief: bool = False) -> Iterator[dict[str, Any]]:
        """Every rule; in brief, without what only people read."""
        for key, findings in self._findings.items():
            rule = _rule(self._ids[key][1], findings)
            if brief:
                del rule["fullDescription"], rule["help"]["markdown"]
            yield rule


def _rule_id(text: str) -> str:
    one = escape.line(text, 10_000).strip() or "unnamed"
    if len(one) <= MAX_NAME:
        return one
    return f"{one[:200]}…{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()[:16]}"


def _rule(rule_id: str, findings: Sequence[Finding]) -> dict[str, Any]:
    """A reportingDescriptor (SARIF 2.1.0, 3.49), written as it is: a large report has as many as results."""
    # The findings are ranked: the first is the most severe, and its severity is the rule's.
    first = findings[0]
    title = escape.line(first.title, MAX_DESCRIPTION - 300)
    short = f"{rule_id}: {title}" if title else f"{rule_id} in {escape.line(first.package or first.target, 300) or '?'}"
    described = escape.block(first.description, MAX_DESCRIPTION - 1).strip()
    # A secret's description is its match: another one for each finding, so not the rule's.
    full = described if described and first.kind is not FindingKind.SECRET else short
    link = escape.url(first.url)
    packages = _packages(findings) if first.kind is FindingKind.VULNERABILITY else []
    return {
        "id": rule_id,
        "name": _name(first),
        "shortDescription": {"text": short[:MAX_DESCRIPTION]},
        "fullDescription": {"text": full},
        "help": {
            "text": _help_text(rule_id, first, packages, link),
            "markdown": _help_markdown(rule_id, first, packages, full, link),
        },
        **({"helpUri": link} if link else {}),
        "defaultConfiguration": {"level": _LEVELS[first.severity]},
        "properties": {
            "tags": _tags(first.kind, first.severity, first.package_type, first.cwes),
            "precision": "very-high",
            "security-severity": security_severity(first),
        },
    }


def _name(finding: Finding) -> str:
    if finding.kind is FindingKind.VULNERABILITY:
        return "OsPackageVulnerability" if finding.os_package else "LanguageSpecificPackageVulnerability"
    return _NOUNS[finding.kind]


@lru_cache(10_000)
def _tags(kind: FindingKind, severity: Severity, package_type: str, cwes: tuple[str, ...]) -> tuple[str, ...]:
    tags = ["security", _NOUNS[kind].lower(), severity.name]
    if package_type:
        tags.append(escape.line(package_type, 50))
    tags += [f"external/cwe/{escape.line(cwe, 20).lower()}" for cwe in cwes]
    return tuple(dict.fromkeys(tags))[:MAX_TAGS]


def _help_text(rule_id: str, first: Finding, packages: Sequence[Finding], link: str) -> str:
    # Ratify takes the first "Severity: WORD" of this text: nothing untrusted may stand before it.
    lines = [f"Severity: {first.severity.name}", f"{_NOUNS[first.kind]}: {rule_id}"]
    if first.kind is FindingKind.VULNERABILITY:
        lines += [f"Package: {escape.line(one.package, 200)}" for one in packages[:10]]
        lines.append(f"Fixed version: {escape.line(first.fixed, 200) or 'none yet'}")
    if first.remedy:
        lines.append(f"Resolution: {escape.line(first.remedy, 500)}")
    if link:
        lines.append(f"Link: {link}")
    return "\n".join(lines)


def _help_markdown(rule_id: str, first: Finding, packages: Sequence[Finding], full: str, link: str) -> str:
    lines = [f"**{_NOUNS[first.kind]} {escape.link(rule_id, link)}** · {first.severity.title}", ""]
    if first.kind is FindingKind.VULNERABILITY:
        lines += ["| Package | Installed | Fixed in | Severity |", "|---|---|---|---|"]
        for one in packages[:10]:
            fixed = escape.code(one.fixed) if one.fixed else escape.markdown(one.status.replace("_", " ") or "no fix")
            lines.append(
                f"| {escape.code(one.package)} | {escape.code(one.installed)} | {fixed} | {one.severity.title} |"
            )
        lines.append("")
        if len(packages) > 10:
            lines += [f"… and {len(packages) - 10:,} more packages.", ""]
    lines += [f" {escape.markdown(full, 1200)}", ""]
    if first.remedy:
        lines += [f"**Resolution:** {escape.markdown(first.remedy, 500)}", ""]
    links = [link] if link else []
    for other in first.references:
        if len(links) == MAX_LINKS:
            break
        if other not in links and escape.url(other):
            links.append(other)
    lines += [f"- <{one}>" for one in links]
    return "\n".join(lines).rstrip()


def _packages(findings: Sequence[Finding]) -> list[Finding]:
    """One finding for each package and version."""
    return list({(one.package, one.installed, one.fixed): one for one in findings}.values())


@cache
def _fields(kind: Hashable) -> tuple[Callable[[Any], tuple[Any, ...]], tuple[tuple[str, Any], ...]]:
    """Reader of all attributes, and each one's SARIF property and default: sarif_om brings no serialiser."""
    import attr

    fields = attr.fields(cast(type, kind))
    named = tuple(
        (one.metadata["schema_property_name"], None if one.default is attr.NOTHING else one.default) for one in fields
    )
    if len(fields) == 1:
        return (lambda value: (getattr(value, fields[0].name),)), named
    return attrgetter(*(one.name for one in fields)), named


def _plain(value: Any) -> Any:
    """What is no object of sarif_om or a list of them goes as it is."""
    if isinstance(value, list):
        return value if value and type(value[0]) in _SIMPLE else [_plain(member) for member in value]
    if not hasattr(value, "__attrs_attrs__"):
        return value
    read, named = _fields(cast(Hashable, type(value)))
    return {
        name: member if type(member) in _SIMPLE else _plain(member)
        for (name, default), member in zip(named, read(value), strict=True)
        if member is not None and member != default
    }


_SIMPLE = {str, int, bool, dict}


def _encode(log: Any) -> bytes:
    return msgspec.json.encode(_plain(log))
