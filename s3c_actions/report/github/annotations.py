"""Annotations beside the code of a pull request: few, the worst first, each with advice.

An annotation is about a package, not about each of its vulnerabilities. Annotated are findings that closed the gate,
and critical, high or exploited ones that can be fixed; suppressed findings are not. The location is the same as in the
SARIF report: the Dockerfile's line that created the layer.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

from s3c_actions import REPOSITORY
from s3c_actions.findings.model import Finding, FindingKind, ScanReport, Severity, count_by_severity
from s3c_actions.findings.threshold import enumerate_names
from s3c_actions.report.formats import dockerfile
from s3c_actions.report.render import escape
from s3c_actions.report.rendering import Rendering

MAX_PER_LEVEL = 5
"""Of each level, in a step: GitHub shows 10 of each in a step, including our other errors, and 50 in a job."""


class Annotation(msgspec.Struct, frozen=True, kw_only=True):
    """One annotation. Its texts are one printable line each, of untrusted content.

    Attributes:
        level: `error` when it closes the gate, else `warning`.
        severity: of its worst finding.
        title: package, version, and the number of findings by severity.
        text: the ids, the fixed version and the advice.
        path: of the Dockerfile, relative to the repository's root; empty when none is known.
        line: in the Dockerfile, from 1.
        exploited: whether one of its findings is known to be exploited.
    """

    level: str
    severity: Severity
    title: str
    text: str
    path: str = ""
    line: int = 0
    exploited: bool = False


def image_annotations(
    report: ScanReport, rendering: Rendering, refused: Collection[Finding] = (), *, patched: bool = False
) -> list[Annotation]:
    """Return the annotations of one image, the worst first.

    Args:
        report: its findings, as they are shown.
        rendering: its Dockerfile, and the gate, whose exemptions suppress findings.
        refused: the findings that closed the gate.
        patched: whether the image was already patched.
    """
    closing = set(refused)
    excused = rendering.gate.is_exempt
    groups: dict[tuple[str, ...], list[Finding]] = {}
    for finding in report.findings:
        severe = (finding.severity >= Severity.HIGH or finding.exploited) and finding.fixable and not excused(finding)
        if finding in closing or severe:
            groups.setdefault(_group_key(finding, finding in closing), []).append(finding)
    lines = dockerfile.map_layers_to_lines(rendering.dockerfile_text, report) if groups else {}
    annotations = []
    for (level, *_), findings in groups.items():
        first = findings[0]
        annotations.append(
            Annotation(
                level=level,
                severity=max(finding.severity for finding in findings),
                exploited=any(finding.exploited for finding in findings),
                title=escape.line(_title(findings), 200),
                text=escape.line(
                    f"{_describe_findings(findings, report.image)} {_advice(findings, patched=patched)}".strip(), 2000
                ),
                path=rendering.dockerfile if lines else "",
                line=lines.get(first.layer, lines[""]) if lines else 0,
            )
        )
    return sorted(annotations, key=_rank)


def select_annotations(annotations: Sequence[Annotation]) -> list[Annotation]:
    """Select the annotations to show of all images together: the worst of each level, without duplicates."""
    ranked = sorted(dict.fromkeys(annotations), key=_rank)
    return [
        selected
        for level in ("error", "warning")
        for selected in [annotation for annotation in ranked if annotation.level == level][:MAX_PER_LEVEL]
    ]


def _rank(annotation: Annotation) -> tuple[bool, bool, int]:
    return annotation.level != "error", not annotation.exploited, -annotation.severity


def _group_key(finding: Finding, closing: bool) -> tuple[str, ...]:
    level = "error" if closing else "warning"
    if finding.kind is FindingKind.VULNERABILITY:
        return level, finding.package, finding.installed, "" if finding.os_package else finding.place
    return level, finding.kind, finding.id, finding.package, finding.target


def _title(findings: Sequence[Finding]) -> str:
    first = findings[0]
    subject = (
        f"{first.package} {first.installed}" if first.kind is FindingKind.VULNERABILITY else first.title or first.id
    )
    counts = (f"{count} {severity.name.lower()}" for severity, count in count_by_severity(findings).items() if count)
    return f"{subject}: {', '.join(counts)}"


def _describe_findings(findings: Sequence[Finding], image: str) -> str:
    first = findings[0]
    place = f"{first.place} of {image}" if not first.os_package else image
    exploited = list(dict.fromkeys(finding.id for finding in findings if finding.exploited))
    attacks = f" Known to be exploited: {enumerate_names(exploited)}." if exploited else ""
    return f"{enumerate_names(list(dict.fromkeys(finding.id for finding in findings)))} in {place}.{attacks}"


def _advice(findings: Sequence[Finding], *, patched: bool) -> str:
    first = findings[0]
    if first.kind is FindingKind.SECRET:
        return "Revoke it, and build the image without it."
    if first.kind is FindingKind.MISCONFIGURATION:
        return first.remedy
    if first.kind is FindingKind.LICENSE:
        return "Take another package, or accept the licence in the policy."
    versions = list(dict.fromkeys(finding.fixed for finding in findings if finding.fixed))
    unfixed = sum(not finding.fixed for finding in findings)
    fix = f"Fixed in {enumerate_names(versions)}." if versions else ""
    if unfixed:
        fix += (
            f" {unfixed:,} of them {'has' if unfixed == 1 else 'have'} no fix." if versions else "No version fixes it."
        )
    if not versions:
        advice = "Take another base image or package, or set it aside with a reason and a date in an ignore file."
    elif not first.os_package:
        advice = f"Raise {first.package} where the application asks for it."
    elif patched:
        advice = "The patch did not get it: build the image on an updated base."
    else:
        advice = f"Patch the image ({REPOSITORY}/actions/patch), or build it on an updated base."
    return f"{fix.strip()} {advice}"
