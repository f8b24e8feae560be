"""SARIF 2.1.0 for GitHub's code scanning and for Ratify's vulnerability report verifier.

https://docs.github.com/code-security/code-scanning/integrating-with-code-scanning/sarif-support-for-code-scanning

Each run is one image on one platform. An alert is identified by its fingerprint (findings/identity.py). The driver is
named Trivy and every rule's help begins with its `Severity:`, because Ratify 1.4 reads the severity from there, and
only for drivers it knows.
"""

from __future__ import annotations

import hashlib
import importlib
import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from functools import cache, lru_cache
from itertools import islice
from operator import attrgetter
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

import msgspec

from s3c_actions.core.artifact_types import ALIASES, STATEMENT
from s3c_actions.core.libraries import late
from s3c_actions.findings.identity import image_identity, number_occurrences, strip_versions
from s3c_actions.findings.model import IMAGE_CONFIGURATION, Exploitation, Finding, FindingKind, ScanReport, Severity
from s3c_actions.report.formats import dockerfile
from s3c_actions.report.formats.sentences import describe, describe_exploitation
from s3c_actions.report.formats.size_budget import PackedSize
from s3c_actions.report.render import escape

if TYPE_CHECKING:
    import attr
    import sarif_om as om

    from s3c_actions.evidence.statement import Statement
    from s3c_actions.report.rendering import Rendering
else:
    attr = late("attr")
    om = late("sarif_om")  # 0.04 s, with attr

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
INFORMATION_URI = "https://github.com/aquasecurity/trivy"

MAX_RESULTS = 25_000
MAX_SHOWN_RESULTS = 5_000
MAX_BYTES = 10_000_000
_ROWS = 100
MAX_TAGS = 10
EXPLOITED_TAG = "known-exploited"
"""Tag of a rule whose vulnerability is in CISA's catalogue: `tag:known-exploited` filters alerts in code scanning."""
MAX_LINKS = 6
MAX_NAMES = 20
MAX_EVIDENCE = 56_000
MAX_NAME = 255
_MAX_ALIASES = 10
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
        JSON. Over the limits the least severe results are omitted; their number is in the run's `properties.omitted`
        and in a notification.
    """
    findings = [*report.findings, *report.suppressed]
    keep = min(len(findings), MAX_RESULTS)
    while True:
        with PackedSize() as packing:
            run = _build_run(report, rendering, findings[:keep], left_out=findings[keep:], packing=packing)
            data = _encode(_build_log([run]))
            # gzip never increases the size.
            packed = len(data) if len(data) <= MAX_BYTES else packing.size_of(data)
        if packed <= MAX_BYTES or keep == 0:
            return data
        keep = int(keep * 0.95 * MAX_BYTES / packed)


def join(logs: Iterable[bytes]) -> bytes:
    """Return one log with the runs of several, such as one of each platform; each run keeps its own category."""
    documents = [msgspec.json.decode(log) for log in logs]
    runs = [run for document in documents for run in document["runs"]]
    return msgspec.json.encode({**documents[0], "runs": runs})


def drop_suppressed(sarif: bytes) -> bytes:
    """Remove the suppressed results from a file, for the upload to code scanning.

    GitHub does not read `suppressions`, so a finding suppressed with a reason would be an open alert. Without the
    result its alert closes; the report keeps it for every other reader.

    Args:
        sarif: as `render` returned it.
    """
    if b'"suppressions"' not in sarif:
        return sarif
    log = msgspec.json.decode(sarif)
    for run in log["runs"]:
        run["results"] = [result for result in run["results"] if not result.get("suppressions")]
    return msgspec.json.encode(log)


def render_evidence(scans: Sequence[tuple[ScanReport, Statement]], rendering: Rendering) -> bytes:
    """Render scans as the report that is attached to an image and judged there: every finding that the policy counts.

    Ratify 1.4.6 accepts at most 64 KiB from a verifier. So a report lists nothing that passes anyway, and when even
    that is too much, only the most severe findings and the number of the others.

    Args:
        scans: of the image, or of each platform of an index, each with its statement.
        rendering: its Dockerfile is used, and its category when there is one scan.

    Returns:
        JSON, at most MAX_EVIDENCE bytes when encoded as a JSON string.
    """
    counted = [stated.counted(report) for report, stated in scans]
    keep = max(map(len, counted), default=0)
    aliases = True
    while True:
        runs = [
            _build_run(report, rendering, findings[:keep], stated=stated, left_out=findings[keep:], aliases=aliases)
            for (report, stated), findings in zip(scans, counted, strict=True)
        ]
        data = _encode(_build_log(runs))
        escaped = len(data) + data.count(b'"') + data.count(b"\\")
        if escaped <= MAX_EVIDENCE or keep == 0:
            return data
        if aliases:
            aliases = False  # no finding is left out for other names of it
            continue
        keep = min(keep - 1, int(keep * 0.95 * MAX_EVIDENCE / escaped))


def prepare() -> None:
    """Import ahead of time what `render` needs: the imports take most of the time of a small report."""
    importlib.import_module("sarif_om")


def sarif_category(report: ScanReport) -> str:
    """Return the code-scanning category of an image: its repository and platform, never its tag.

    A category that contains the tag would close and open every alert at each release.
    """
    parts = ["s3c", image_identity(report), report.platform.replace("/", "-")]
    return "/".join(escape.line(part, 150) for part in parts if part)


def security_severity(finding: Finding) -> str:
    """Return the CVSS score when it is in the band of Trivy's severity, else the band's middle.

    Distributions rate lower or higher than the score for their own builds; GitHub's label must match their rating.
    """
    return _security_severity(finding.severity, finding.score)


@lru_cache(1_000)
def _security_severity(severity: Severity, score: float | None) -> str:
    low, middle, high = _BANDS[severity]
    return f"{score if score is not None and low <= score <= high else middle:.1f}"


def _build_log(runs: list[Any]) -> Any:
    return om.SarifLog(version="2.1.0", schema_uri=SCHEMA, runs=runs)


def _build_run(
    report: ScanReport,
    rendering: Rendering,
    kept: Sequence[Finding],
    *,
    left_out: Sequence[Finding],
    packing: PackedSize | None = None,
    stated: Statement | None = None,
    aliases: bool = False,
) -> Any:
    rules = _Rules(kept)
    rows = _build_results(report, kept, rules, Places(report, rendering), stated, aliases=aliases)
    results = _encode_rows(rows, packing)
    omitted = len(left_out)
    facts = _facts(report, omitted)
    return om.Run(
        tool=om.Tool(
            driver=om.ToolComponent(
                name="Trivy",
                full_name="Trivy, read by s3c",
                version=report.scanner_version if _VERSION.fullmatch(report.scanner_version) else "0 (unknown)",
                information_uri=INFORMATION_URI,
                rules=_encode_rows(rules.described(brief=stated is not None), packing),
            )
        ),
        automation_details=om.RunAutomationDetails(id=f"{rendering.category or sarif_category(report)}/"),
        invocations=[_invocation(report, len(kept), omitted if stated is None else 0)],
        column_kind="utf16CodeUnits",
        results=results,
        properties=facts
        | (_names(report) if stated is None else {STATEMENT: stated.facts(report, left_out)})
        | ({ALIASES: True} if aliases else {}),
    )


def _build_results(
    report: ScanReport,
    kept: Iterable[Finding],
    rules: _Rules,
    places: Places,
    stated: Statement | None,
    *,
    aliases: bool,
) -> Iterator[dict[str, Any]]:
    """Build the results as plain objects, because there are thousands; sarif_om is used for single objects only."""
    image = image_identity(report)
    # Numbered among all, so that what is left out of the file changes no number.
    every = [*report.findings, *report.suppressed]
    numbered = dict(zip(map(id, every), number_occurrences(every), strict=True))
    for finding in kept:
        identity, occurrence = numbered[id(finding)]
        index, rule = rules.of(finding)
        result = {
            "ruleId": rule,
            "ruleIndex": index,
            "level": _LEVELS[finding.severity],
            "message": {"text": _message(report, finding)},
            "locations": [places.of(finding)],
            "partialFingerprints": {"primaryLocationLineHash": f"{identity.fingerprint(image)}:{occurrence}"},
        }
        if reason := finding.suppressed or (stated.accepted(finding) if stated is not None else ""):
            result["suppressions"] = _suppressions(reason)
        if stated is not None:
            result["properties"] = stated.finding(finding) | (_aliases(finding) if aliases else {})
        else:
            properties = _exploitation(finding.exploitation) if finding.exploitation is not None else {}
            if finding.from_base is not None:
                properties |= {"fromBaseImage": finding.from_base}
            if properties:
                result["properties"] = properties
        yield result


def _encode_rows(rows: Iterator[dict[str, Any]], packing: PackedSize | None) -> Any:
    """Encode rows as a JSON list, a hundred at a time, so that they are compressed while the next are built."""
    pieces = []
    while batch := list(islice(rows, _ROWS)):
        pieces.append(msgspec.json.encode(batch)[1:-1])
        if packing is not None:
            packing.add(pieces[-1])
    return msgspec.Raw(b"[" + b",".join(pieces) + b"]")


def _aliases(finding: Finding) -> dict[str, list[str]]:
    listed = [escape.line(alias, 100) for alias in finding.aliases[:_MAX_ALIASES]]
    return {ALIASES: listed} if listed else {}


def _exploitation(known: Exploitation) -> dict[str, Any]:
    """Return the facts of a result; without an estimate there is no `epss`."""
    facts: dict[str, Any] = {"knownExploited": known.known_exploited}
    if known.known_exploited:
        facts["exploitedSince"] = known.since
        if known.due:
            facts["exploitedDue"] = known.due
        if known.ransomware:
            facts["knownRansomware"] = True
    return facts if known.epss is None else facts | {"epss": known.epss}


def _suppressions(reason: str) -> list[dict[str, str]]:
    return [{"kind": "external", "status": "accepted", "justification": escape.line(reason, 1000)}]


def _invocation(report: ScanReport, kept: int, omitted: int) -> Any:
    notifications = []
    if omitted:
        notifications.append(
            om.Notification(
                level="warning",
                message=om.Message(
                    text=f"{omitted:,} of the least severe findings of {escape.line(report.image)} are left out, "
                    "because code scanning takes no larger file. The JSON report has them all."
                ),
            )
        )
    if kept > MAX_SHOWN_RESULTS:
        notifications.append(
            om.Notification(
                level="note",
                message=om.Message(
                    text=f"Code scanning shows the {MAX_SHOWN_RESULTS:,} most severe of these {kept:,} findings."
                ),
            )
        )
    return om.Invocation(execution_successful=True, tool_execution_notifications=notifications or None)


def _facts(report: ScanReport, omitted: int) -> dict[str, Any]:
    facts = {
        "image": report.image,
        "digest": report.digest,
        "platform": report.platform,
        "os": report.os,
        "scanned": report.created,
        "database": report.database,
        "baseImage": report.base_image.name if report.base_image is not None else "",
    }
    data = report.exploitation_data
    if data is not None:
        facts |= {"kevReleased": data.kev_released, "epssDate": data.epss_date}
    return {name: escape.line(value) for name, value in facts.items() if value} | {
        "findings": {severity.name.lower(): number for severity, number in report.counts.items() if number is not None},
        "suppressed": len(report.suppressed),
        "omitted": omitted,
        **({} if report.total_exploited is None else {"exploited": report.total_exploited}),
    }


def _names(report: ScanReport) -> dict[str, Any]:
    """Return id and names of the image as Trivy's own SARIF has them."""
    names = {
        "imageName": report.image if report.artifact_type == "container_image" else "",
        "imageID": report.image_id,
        "repoTags": [escape.line(tag) for tag in report.repo_tags[:MAX_NAMES]],
        "repoDigests": [escape.line(digest) for digest in report.repo_digests[:MAX_NAMES]],
    }
    return {key: escape.line(value) if isinstance(value, str) else value for key, value in names.items() if value}


def _message(report: ScanReport, finding: Finding) -> str:
    # SARIF 2.1.0, 3.11.5 and 3.11.6: braces are placeholders, brackets links.
    line = escape.line(describe(report, finding), 1000)
    return line.translate(_MESSAGE_ESCAPES) if _needs_escape(line) else line


_MESSAGE_ESCAPES = str.maketrans({"{": "{{", "}": "}}", "[": "\\[", "]": "\\]", "\\": "\\\\"})


def _needs_escape(text: str) -> bool:
    return "{" in text or "}" in text or "[" in text or "]" in text or "\\" in text


class Places:
    """Locations of findings in code scanning: the Dockerfile's line that created the layer, else a relative path."""

    def __init__(self, report: ScanReport, rendering: Rendering) -> None:
        self._image = report.artifact_type == "container_image"
        name = image_identity(report)
        self._fallback = _relative_uri(name.partition("/")[2] or name) or report.artifact_type
        self._dockerfile = _relative_uri(rendering.dockerfile) if rendering.dockerfile else ""
        self._lines = dockerfile.map_layers_to_lines(rendering.dockerfile_text, report)
        self._locations: dict[tuple[str, int, int], dict[str, Any]] = {}

    def of(self, finding: Finding) -> dict[str, Any]:
        """Return the location of a finding, serialised: thousands of findings share a few."""
        if self._image and self._dockerfile:
            key = (self._dockerfile, self._lines.get(finding.layer, self._lines.get("", 1)), 0)
        elif finding.os_package or finding.target == IMAGE_CONFIGURATION:
            key = (self._fallback, 1, 0)
        else:
            # A file of a checkout is shown by GitHub; one in an image is not, and a version in it would move the alert.
            path = strip_versions(finding.place) if self._image else finding.place
            key = (_relative_uri(path) or self._fallback, max(1, finding.line), finding.end_line)
        location = self._locations.get(key)
        if location is None:
            location = self._locations[key] = _location(*key)
        return location


def _location(uri: str, line: int, end_line: int) -> dict[str, Any]:
    location = om.Location(
        physical_location=om.PhysicalLocation(
            artifact_location=om.ArtifactLocation(uri=uri, uri_base_id="%SRCROOT%"),
            region=om.Region(start_line=line, end_line=end_line if end_line > line else None),
        )
    )
    builtins: dict[str, Any] = _to_builtins(location)
    return builtins


def _relative_uri(path: str) -> str:
    """Return a relative URI reference: no scheme, no leading slash, no parent folder."""
    parts = [part for part in escape.line(path, 1000).replace("\\", "/").split("/") if part not in {"", ".", ".."}]
    return quote("/".join(parts), safe="/~@+,=")


class _Rules:
    """The rules of the results kept, in the results' order, so that the most severe come first."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self._findings: dict[tuple[FindingKind, str], list[Finding]] = {}
        for finding in findings:
            self._findings.setdefault((finding.kind, finding.id), []).append(finding)
        self._ids: dict[tuple[FindingKind, str], tuple[int, str]] = {}
        used_names: set[str] = set()
        for number, (kind, text) in enumerate(self._findings):
            name = _rule_id(text)
            if name in used_names:
                name = _rule_id(f"{kind}:{text}")
            while name in used_names:
                name = _rule_id(f"{name}+")
            used_names.add(name)
            self._ids[(kind, text)] = (number, name)

    def of(self, finding: Finding) -> tuple[int, str]:
        """Return the rule's index in the list, and its id: the advisory's, so that a deny list of CVEs matches it."""
        return self._ids[(finding.kind, finding.id)]

    def described(self, *, brief: bool = False) -> Iterator[dict[str, Any]]:
        """Yield every rule; with `brief` without the texts for people."""
        for key, findings in self._findings.items():
            rule = _rule(self._ids[key][1], findings)
            if brief:
                del rule["fullDescription"], rule["help"]["markdown"]
                rule["properties"] = {
                    name: value for name, value in rule["properties"].items() if not name.startswith("cvss")
                }
            yield rule


def _rule_id(text: str) -> str:
    line = escape.line(text, 10_000).strip() or "unnamed"
    if len(line) <= MAX_NAME:
        return line
    return f"{line[:200]}…{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()[:16]}"


def _rule(rule_id: str, findings: Sequence[Finding]) -> dict[str, Any]:
    """Build a reportingDescriptor (SARIF 2.1.0, 3.49) as a plain object: a large report has thousands."""
    # The findings are ranked: the first is the most severe, and its severity is the rule's.
    first = findings[0]
    title = escape.line(first.title, MAX_DESCRIPTION - 300)
    short = f"{rule_id}: {title}" if title else f"{rule_id} in {escape.line(first.package or first.target, 300) or '?'}"
    description = escape.block(first.description, MAX_DESCRIPTION - 1).strip()
    # A secret's description is its match, which differs by finding: it does not describe the rule.
    full = description if description and first.kind is not FindingKind.SECRET else short
    link = escape.url(first.url)
    packages = _distinct_packages(findings) if first.kind is FindingKind.VULNERABILITY else []
    return {
        "id": rule_id,
        "name": _rule_name(first),
        "shortDescription": {"text": short[:MAX_DESCRIPTION]},
        "fullDescription": {"text": full},
        "help": {
            "text": _help_text(rule_id, first, packages, link),
            "markdown": _help_markdown(rule_id, first, packages, full, link),
        },
        **({"helpUri": link} if link else {}),
        "defaultConfiguration": {"level": _LEVELS[first.severity]},
        "properties": {
            "tags": _tags(first.kind, first.severity, first.package_type, first.cwes, exploited=first.exploited),
            "precision": "very-high",
            "security-severity": security_severity(first),
            **_cvss(first),
        },
    }


def _cvss(finding: Finding) -> dict[str, Any]:
    """Return CVSS vectors and scores under the names that Trivy's own SARIF has (pkg/report/sarif.go)."""
    ratings: dict[str, Any] = {}
    if finding.score2 is not None:
        ratings |= {"cvssv2_vector": escape.line(finding.vector2, 200), "cvssv2_score": finding.score2}
    if finding.score is not None:
        version = "cvssv40" if finding.vector.startswith("CVSS:4") else "cvssv3"
        ratings |= {f"{version}_vector": escape.line(finding.vector, 200), f"{version}_baseScore": finding.score}
    return ratings


def _rule_name(finding: Finding) -> str:
    if finding.kind is FindingKind.VULNERABILITY:
        return "OsPackageVulnerability" if finding.os_package else "LanguageSpecificPackageVulnerability"
    return _NOUNS[finding.kind]


@lru_cache(10_000)
def _tags(
    kind: FindingKind, severity: Severity, package_type: str, cwes: tuple[str, ...], *, exploited: bool
) -> tuple[str, ...]:
    tags = ["security", _NOUNS[kind].lower(), severity.name, *([EXPLOITED_TAG] if exploited else [])]
    if package_type:
        tags.append(escape.line(package_type, 50))
    tags += [f"external/cwe/{escape.line(cwe, 20).lower()}" for cwe in cwes]
    return tuple(dict.fromkeys(tags))[:MAX_TAGS]


def _help_text(rule_id: str, first: Finding, packages: Sequence[Finding], link: str) -> str:
    # Ratify uses the first "Severity: WORD" of this text: nothing untrusted may precede it.
    lines = [f"Severity: {first.severity.name}", f"{_NOUNS[first.kind]}: {rule_id}"]
    if first.kind is FindingKind.VULNERABILITY:
        lines += [f"Package: {escape.line(package.package, 200)}" for package in packages[:10]]
        lines.append(f"Fixed version: {escape.line(first.fixed, 200) or 'none yet'}")
    if first.remedy:
        lines.append(f"Resolution: {escape.line(first.remedy, 500)}")
    if link:
        lines.append(f"Link: {link}")
    return "\n".join(lines)


def _help_markdown(rule_id: str, first: Finding, packages: Sequence[Finding], full: str, link: str) -> str:
    lines = [f"**{_NOUNS[first.kind]} {escape.link(rule_id, link)}** · {first.severity.title}", ""]
    if attacks := describe_exploitation(first):
        lines += [f"**{attacks}.**", ""]
    if first.kind is FindingKind.VULNERABILITY:
        lines += ["| Package | Installed | Fixed in | Severity |", "|---|---|---|---|"]
        for package in packages[:10]:
            fixed = (
                escape.code(package.fixed)
                if package.fixed
                else escape.markdown(package.status.replace("_", " ") or "no fix")
            )
            lines.append(
                f"| {escape.code(package.package)} | {escape.code(package.installed)} | {fixed} "
                f"| {package.severity.title} |"
            )
        lines.append("")
        if len(packages) > 10:
            lines += [f"… and {len(packages) - 10:,} more packages.", ""]
    lines += [f" {escape.markdown(full, 1200)}", ""]
    if first.remedy:
        lines += [f"**Resolution:** {escape.markdown(first.remedy, 500)}", ""]
    links = [link] if link else []
    for reference in first.references:
        if len(links) == MAX_LINKS:
            break
        if reference not in links and escape.url(reference):
            links.append(reference)
    lines += [f"- <{package}>" for package in links]
    return "\n".join(lines).rstrip()


def _distinct_packages(findings: Sequence[Finding]) -> list[Finding]:
    """Return one finding for each package and version."""
    return list({(finding.package, finding.installed, finding.fixed): finding for finding in findings}.values())


@cache
def _sarif_fields(kind: Hashable) -> tuple[Callable[[Any], tuple[Any, ...]], tuple[tuple[str, Any], ...]]:
    """Return a getter of all attributes, and the SARIF property and default of each: sarif_om has no serialiser."""
    fields = attr.fields(cast(type, kind))
    properties = tuple(
        (field.metadata["schema_property_name"], None if field.default is attr.NOTHING else field.default)
        for field in fields
    )
    if len(fields) == 1:
        return (lambda value: (getattr(value, fields[0].name),)), properties
    return attrgetter(*(field.name for field in fields)), properties


def _to_builtins(value: Any) -> Any:
    """Convert objects of sarif_om, also in lists, to dictionaries; other values are unchanged."""
    if isinstance(value, list):
        return value if value and type(value[0]) in _BUILTIN_TYPES else [_to_builtins(member) for member in value]
    if not hasattr(value, "__attrs_attrs__"):
        return value
    read, properties = _sarif_fields(cast(Hashable, type(value)))
    return {
        name: member if type(member) in _BUILTIN_TYPES else _to_builtins(member)
        for (name, default), member in zip(properties, read(value), strict=True)
        if member is not None and member != default
    }


_BUILTIN_TYPES = {str, int, bool, dict}


def _encode(log: Any) -> bytes:
    return msgspec.json.encode(_to_builtins(log))
