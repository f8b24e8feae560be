"""JUnit XML, as CI systems read it: a test case that failed for each finding, a skipped one where it is set aside.

The elements and attributes are those that Jenkins, GitLab and Azure Pipelines read; there is no standard.
https://github.com/testmoapp/junitxml
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement, tostring

from s3c_actions.findings.headline import describe_findings, describe_hidden, describe_limits, tally
from s3c_actions.findings.model import Finding, FindingKind, ScanReport
from s3c_actions.report.formats.sentences import describe
from s3c_actions.report.render import escape

if TYPE_CHECKING:
    from s3c_actions.report.rendering import Rendering

_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}")


def render(report: ScanReport, rendering: Rendering) -> bytes:
    """Render a report.

    An image without findings is one test case that passed, as a file without any is an error to CI. Findings that are
    not shown, or not known, are one that was skipped.
    """
    number, numbers = len(report.findings) + len(report.suppressed), tally(report)
    hidden = describe_hidden(numbers)
    counts = {
        "tests": str(max(1, number + bool(hidden))),
        "failures": str(len(report.findings)),
        "errors": "0",
        "skipped": str(len(report.suppressed) + bool(hidden)),
        "time": "0",
    }
    root = Element("testsuites", {"name": "s3c", **counts})
    created = _TIME.match(report.created)
    suite = SubElement(
        root,
        "testsuite",
        {"name": escape.line(report.image), **counts, **({"timestamp": created[0]} if created else {})},
    )
    limits = describe_limits(rendering.scope)
    facts = {"digest": report.digest, "limits": limits, **_origin(report)}
    if any(facts.values()):
        properties = SubElement(suite, "properties")
        for name, value in facts.items():
            if value:
                SubElement(properties, "property", {"name": name, "value": escape.line(value)})
    for finding in report.findings:
        failure = {"type": finding.severity.name, "message": escape.line(describe(report, finding), 1000)}
        SubElement(_case(suite, finding), "failure", failure).text = "\n".join(_lines(finding))
    for finding in report.suppressed:
        SubElement(_case(suite, finding), "skipped", {"message": escape.line(finding.suppressed, 1000)})
    case = {"classname": escape.line(report.image), "time": "0"}
    if hidden:
        unseen = SubElement(suite, "testcase", {**case, "name": "Findings that are not shown"})
        SubElement(unseen, "skipped", {"message": hidden})
    elif not number:
        SubElement(suite, "testcase", {**case, "name": "; ".join(filter(None, (describe_findings(numbers), limits)))})
    data: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return data


def _origin(report: ScanReport) -> dict[str, str]:
    """Return the base image and how many findings are whose; nothing where that is not known."""
    if report.base_image is None:
        return {}
    inherited = str(len(report.inherited or ()))
    return {"base-image": report.base_image.name, "own": str(len(report.own)), "inherited": inherited}


def _case(suite: Element, finding: Finding) -> Element:
    what = " ".join(filter(None, (finding.package, finding.installed))) or finding.place
    name = escape.line(f"[{finding.severity.name}] {finding.id} {what}")
    case = SubElement(
        suite, "testcase", {"classname": escape.line(finding.place or finding.kind), "name": name, "time": "0"}
    )
    if finding.from_base is not None:
        origin = "base" if finding.from_base else "own"
        SubElement(SubElement(case, "properties"), "property", {"name": "origin", "value": origin})
    return case


def _lines(finding: Finding) -> Iterator[str]:
    """Yield the lines of a failure's text."""
    # A secret's description is the line that matched.
    if finding.description and finding.kind is not FindingKind.SECRET:
        yield escape.block(finding.description)
    if finding.remedy:
        yield escape.block(finding.remedy, 1000)
    if url := escape.url(finding.url):
        yield url
