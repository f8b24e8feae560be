"""Annotations: what a reviewer sees beside the code of a pull request. Few, the worst first, each with what to do.

One is about a package, not about each of its vulnerabilities. Told is what closed the gate, and what is critical or
high and can be mended; what somebody set aside is not. Where it is shown is where the SARIF report has it: the
Dockerfile's line that brought the layer.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

from s3c_actions.findings.model import Finding, FindingKind, ScanReport, Severity, count_by_severity
from s3c_actions.findings.threshold import enumerate_names
from s3c_actions.report.formats import Rendering, dockerfile
from s3c_actions.report.render import escape

MAX_PER_LEVEL = 5
"""Of each level, in a step: GitHub shows 10 of each in a step, which other errors of ours share, and 50 in a job."""


class Annotation(msgspec.Struct, frozen=True, kw_only=True):
    """One of them. Texts are one printable line each, of untrusted words.

    Attributes:
        level: `error` when it is why the gate is closed, else `warning`.
        severity: of the worst it is about.
        title: package, version, and how many findings of which severity.
        text: the ids, the fixed version and what to do.
        path: of the Dockerfile, relative to the repository's root; empty when none is known.
        line: in it, from 1.
    """

    level: str
    severity: Severity
    title: str
    text: str
    path: str = ""
    line: int = 0


def image_annotations(
    report: ScanReport, rendering: Rendering, refused: Collection[Finding] = (), *, patched: bool = False
) -> list[Annotation]:
    """What is to be told of one image, the worst first.

    Args:
        report: its findings, as they are shown.
        rendering: its Dockerfile, and the gate, whose exemptions set findings aside.
        refused: what closed the gate.
        patched: whether the image went through the patch already.
    """
    closing = {one.key for one in refused}
    excused = rendering.gate.excused
    groups: dict[tuple[str, ...], list[Finding]] = {}
    for finding in report.findings:
        severe = finding.severity >= Severity.HIGH and finding.fixable and not excused(finding)
        if finding.key in closing or severe:
            groups.setdefault(_group(finding, finding.key in closing), []).append(finding)
    lines = dockerfile.map_layers_to_lines(rendering.dockerfile_text, report) if groups else {}
    made = []
    for (level, *_), findings in groups.items():
        first = findings[0]
        made.append(
            Annotation(
                level=level,
                severity=max(one.severity for one in findings),
                title=escape.line(_title(findings), 200),
                text=escape.line(f"{_found(findings, report.image)} {_to_do(findings, patched=patched)}".strip(), 2000),
                path=rendering.dockerfile if lines else "",
                line=lines.get(first.layer, lines[""]) if lines else 0,
            )
        )
    return sorted(made, key=_rank)


def select_annotations(annotations: Sequence[Annotation]) -> list[Annotation]:
    """The ones that are shown of all images together: the worst of each level, and none twice."""
    ranked = sorted(dict.fromkeys(annotations), key=_rank)
    return [one for level in ("error", "warning") for one in [a for a in ranked if a.level == level][:MAX_PER_LEVEL]]


def _rank(annotation: Annotation) -> tuple[bool, int]:
    return annotation.level != "error", -annotation.severity


def _group(finding: Finding, closing: bool) -> tuple[str, ...]:
    level = "error" if closing else "warning"
    if finding.kind is FindingKind.VULNERABILITY:
        return level, finding.package, finding.installed, "" if finding.os_package else finding.path or finding.target
    return level, finding.kind, finding.id, finding.package, finding.target


def _title(findings: Sequence[Finding]) -> str:
    first = findings[0]
    what = f"{first.package} {first.installed}" if first.kind is FindingKind.VULNERABILITY else first.title or first.id
    counts = (f"{n} {severity.name.lower()}" for severity, n in count_by_severity(findings).items() if n)
    return f"{what}: {', '.join(counts)}"


def _found(findings: Sequence[Finding], image: str) -> str:
    first = findings[0]
    where = f"{first.path or first.target} of {image}" if not first.os_package else image
    return f"{enumerate_names(list(dict.fromkeys(one.id for one in findings)))} in {where}."


def _to_do(findings: Sequence[Finding], *, patched: bool) -> str:
    first = findings[0]
    if first.kind is FindingKind.SECRET:
        return "Revoke it, and build the image without it."
    if first.kind is FindingKind.MISCONFIGURATION:
        return first.remedy
    if first.kind is FindingKind.LICENSE:
        return "Take another package, or accept the licence in the policy."
    versions = list(dict.fromkeys(one.fixed for one in findings if one.fixed))
    unfixed = sum(not one.fixed for one in findings)
    told = f"Fixed in {enumerate_names(versions)}." if versions else ""
    if unfixed:
        told += (
            f" {unfixed:,} of them {'has' if unfixed == 1 else 'have'} no fix." if versions else "No version fixes it."
        )
    if not versions:
        how = "Take another base image or package, or set it aside with a reason and a date in an ignore file."
    elif not first.os_package:
        how = f"Raise {first.package} where the application asks for it."
    elif patched:
        how = "The patch did not get it: build the image on an updated base."
    else:
        how = "Patch the image (org/s3c/actions/patch), or build it on an updated base."
    return f"{told.strip()} {how}"
