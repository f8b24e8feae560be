"""GitLab's container scanning report, for `artifacts:reports:container_scanning`.

Its schema is version 15.0.7 of
https://gitlab.com/gitlab-org/security-products/security-report-schemas/-/blob/master/dist/container-scanning-report-format.json
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec

import s3c_actions
from s3c_actions.core.text import counted
from s3c_actions.findings.base_image import describe_origin
from s3c_actions.findings.headline import describe_exploited, describe_hidden, tally
from s3c_actions.findings.identity import image_identity, number_occurrences
from s3c_actions.findings.model import Finding, FindingKind, ScanReport, count_by_severity
from s3c_actions.report.formats.sentences import describe_exploitation
from s3c_actions.report.render import escape

if TYPE_CHECKING:
    from s3c_actions.report.rendering import Rendering

VERSION = "15.0.7"
_SCHEMA = (
    "https://gitlab.com/gitlab-org/security-products/security-report-schemas/-/raw/"
    f"v{VERSION}/dist/container-scanning-report-format.json"
)
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}")
_CVSS = re.compile(r"CVSS:3\.[01]/AV:[NALP]/AC:[LH]/PR:[NLH]/UI:[NR]/S:[UC]/C:[NLH]/I:[NLH]/A:[NLH]")
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://gitlab.com/gitlab-org/security-products#s3c")
_KINDS = {"CVE-": "cve", "GHSA-": "ghsa", "USN-": "usn", "RHSA-": "rhsa", "ELSA-": "elsa"}
_MAX_NAME, _MAX_SOLUTION, _MAX_LINKS = 255, 7000, 20


def render(report: ScanReport, rendering: Rendering) -> bytes:
    """Render the vulnerabilities of a report.

    What is suppressed is left out, because GitLab would open it; secrets, misconfigurations and licences are none of
    its container scanning's. `scan.messages` has their number.
    """
    created = _TIME.match(report.created)
    time = created[0] if created else "1970-01-01T00:00:00"
    document = {
        "version": VERSION,
        "schema": _SCHEMA,
        "scan": {
            "type": "container_scanning",
            "status": "success",
            "start_time": time,
            "end_time": time,
            "analyzer": _program("s3c", "s3c", s3c_actions.__version__),
            "scanner": _program("trivy", "Trivy", escape.line(report.scanner_version) or "unknown"),
            "messages": [{"level": "info", "value": text} for text in _messages(report)],
        },
        "vulnerabilities": list(_vulnerabilities(report)),
        "remediations": [],
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=1)


def _program(name: str, title: str, version: str) -> dict[str, Any]:
    vendor = {"trivy": "Aqua Security"}.get(name, name)
    return {"id": name, "name": title, "version": version, "vendor": {"name": vendor}}


def _messages(report: ScanReport) -> Iterator[str]:
    numbers = tally(report)
    if exploited := describe_exploited(numbers):
        yield f"{exploited}."
    if hidden := describe_hidden(numbers):
        yield f"{hidden[0].upper()}{hidden[1:]}."
    others = sum(finding.kind is not FindingKind.VULNERABILITY for finding in report.findings)
    if report.base_image is not None:
        own, inherited = describe_origin(count_by_severity(report.own), count_by_severity(report.inherited or ()))
        yield f"{own}, {inherited}: {escape.line(report.base_image.name, 300)}"
    if others:
        yield f"{counted(others, 'finding')} of other kinds: see the other reports."
    if report.suppressed:
        yield f"{counted(len(report.suppressed), 'finding')} set aside, with the reasons in the other reports."


def _vulnerabilities(report: ScanReport) -> Iterator[dict[str, Any]]:
    image = image_identity(report)
    numbered = zip(report.findings, number_occurrences(report.findings), strict=True)
    for finding, (identity, occurrence) in numbered:
        if finding.kind is not FindingKind.VULNERABILITY:
            continue
        text = finding.description or finding.title
        title = f"{finding.id}: {finding.title}" if finding.title else f"{finding.id} in {finding.package}"
        row: dict[str, Any] = {
            "id": str(uuid.uuid5(_NAMESPACE, f"{identity.fingerprint(image)}:{occurrence}")),
            "name": escape.line(title, _MAX_NAME - 1),
            # GitLab reads Markdown here.
            "description": escape.markdown(". ".join(filter(None, (describe_exploitation(finding), text))), 4000),
            "severity": finding.severity.title,
            "solution": escape.line(_solution(finding), _MAX_SOLUTION - 1),
            "identifiers": list(_identifiers(finding)),
            "links": [{"url": url} for url in _links(finding)],
            "location": {
                "dependency": {
                    "package": {"name": escape.line(finding.package)},
                    "version": escape.line(finding.installed),
                },
                "operating_system": escape.line(report.os) or "unknown",
                "image": escape.line(report.image) or "unknown",
            },
        }
        if _CVSS.fullmatch(finding.vector):
            row["cvss_vectors"] = [{"vendor": escape.line(finding.source) or "unknown", "vector": finding.vector}]
        if finding.from_base is not None:
            row["details"] = {"origin": {"name": "Origin", "type": "text", "value": _origin(report, finding)}}
        yield row


def _origin(report: ScanReport, finding: Finding) -> str:
    if not finding.from_base:
        return "the image's own"
    base = report.base_image.name if report.base_image is not None else ""
    return escape.line(f"its base image {base}".rstrip(), 500)


def _solution(finding: Finding) -> str:
    if finding.fixed:
        return f"Upgrade {finding.package} from {finding.installed} to {finding.fixed}."
    return "No version fixes it yet."


def _identifiers(finding: Finding) -> Iterator[dict[str, str]]:
    name = escape.line(finding.id) or "unnamed"
    kind = next((kind for start, kind in _KINDS.items() if name.upper().startswith(start)), "trivy")
    url = escape.url(finding.url)
    yield {"type": kind, "name": name, "value": name, **({"url": url} if url else {})}
    for cwe in finding.cwes:
        if number := re.fullmatch(r"CWE-(\d{1,6})", cwe):
            address = f"https://cwe.mitre.org/data/definitions/{number[1]}.html"
            yield {"type": "cwe", "name": cwe, "value": number[1], "url": address}


def _links(finding: Finding) -> list[str]:
    urls = dict.fromkeys(escape.url(url) for url in (finding.url, *finding.references))
    return [url for url in urls if url][:_MAX_LINKS]
