"""Render the deployed images with fixable vulnerabilities as an issue and as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from s3c_actions.core.text import counted, plural
from s3c_actions.findings.model import Finding, Severity, count_by_severity
from s3c_actions.report.formats.sentences import describe_demand
from s3c_actions.report.render import escape

MAX_FINDINGS = 100
MAX_PLACES = 10
MAX_CLAUSES = 3
MAX_LINE = 2000
"""Characters of what is said of an image in the text."""
BODY_BYTES = 60_000


class RefreshedImage(msgspec.Struct, frozen=True, kw_only=True):
    """One deployed image and its scan of today.

    Attributes:
        image: as it is deployed.
        reference: pinned.
        places: the workloads that run it; empty when they are not known.
        findings: those that must be fixed and have a fix, the most severe first.
        refused: clauses about what else is refused and cannot be fixed by a patch; untrusted.
        total: number of findings in all.
        problem: a sentence about why it could not be scanned; empty when it was.
        evidence: a clause about its report in the registry; empty when nothing had to be attached.
        losses: lines on why the policy refuses its next start, each with the day or `today`; untrusted.
        ending: signer → date of the day on which its signature ends, of those that end soon; untrusted.
        exceptions: a clause on each break-glass exception that admits it, with the time left; untrusted.
    """

    image: str
    reference: str = ""
    places: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    refused: tuple[str, ...] = ()
    total: int = 0
    problem: str = ""
    evidence: str = ""
    losses: tuple[str, ...] = ()
    ending: Mapping[str, str] = msgspec.field(default_factory=dict)
    exceptions: tuple[str, ...] = ()

    @property
    def done(self) -> bool:
        """Return whether there is nothing to fix, now or later."""
        return not (self.findings or self.refused or self.problem or self.ending or self.losses or self.exceptions)


def issue_title(images: Sequence[RefreshedImage]) -> str:
    """Return the issue's title."""
    count = sum(1 for image in images if image.findings)
    ending = sum(1 for image in images if image.ending)
    excepted = sum(1 for image in images if image.exceptions)
    losing = sum(1 for image in images if image.losses)
    if not count and excepted:
        return f"Break-glass exceptions of {counted(excepted, 'deployed image')} end soon"
    if not count and not ending:
        return f"{counted(losing, 'deployed image')} {'are' if losing != 1 else 'is'} refused at the next start"
    if not count:
        subject = f"The {plural(ending, 'signature')} of {counted(ending, 'deployed image')}"
        return f"{subject} {'end' if ending != 1 else 'ends'} soon"
    findings = sum(len(image.findings) for image in images)
    exploited = sum(finding.exploited for image in images for finding in image.findings)
    return (
        f"{count} deployed {plural(count, 'image')} can be patched: {counted(findings, 'finding')} "
        f"{'have' if findings != 1 else 'has'} a fix" + (f", {exploited:,} exploited today" if exploited else "")
    )


def issue_body(images: Sequence[RefreshedImage], pauses: Sequence[str] = (), *, run_url: str = "") -> str:
    """Render the issue in GitHub's Markdown: a row for each image, its findings folded, the next step.

    Args:
        images: all that were scanned; those with nothing to fix are counted.
        pauses: a sentence on each pause of the cluster's gate; untrusted.
        run_url: of the run that writes the issue.
    """
    due = [image for image in images if image.findings]
    clean = [image for image in images if image.done]
    failed = [image for image in images if image.problem]
    lines = ["What is deployed was scanned again with today's vulnerability data."]
    if due:
        lines = [
            f"{lines[0]} These images have findings with a fix:",
            "",
            "| Image | Where | Critical | High | Medium | Low |",
            "|---|---|--:|--:|--:|--:|",
            *(_row(image) for image in due),
        ]
    lines += ["", *_ending_lines([image for image in images if image.ending])]
    lines += _loss_lines([image for image in images if image.losses])
    lines += _exception_lines([image for image in images if image.exceptions])
    for image in due:
        lines += _finding_lines(image)
    for image in failed:
        lines += [f"⚠ {escape.code(image.image)} could not be scanned: {escape.markdown(image.problem)}", ""]
    for image in images:
        if image.refused:
            lines += [f"{escape.code(image.image)}: {escape.markdown(', '.join(image.refused), 300)}.", ""]
    for pause in pauses:
        lines += [f"⚠ {escape.markdown(pause, 800)}", ""]
    if clean:
        lines += [f"{len(clean)} other deployed image{'s have' if len(clean) != 1 else ' has'} nothing to fix.", ""]
    lines += (
        [f"**Next:** {escape.code(f's3c chain {due[0].image}', 400)}, then deploy the new digest.", ""] if due else []
    )
    lines.append(
        "This issue is kept up to date by every run, and closed when nothing is left."
        + (f" [Last run]({run_url})" if escape.url(run_url) else "")
    )
    return _cut_to_size(lines)


def render_text(images: Sequence[RefreshedImage], pauses: Sequence[str] = ()) -> str:
    """Render a line for each pause of the gate, and for each image."""
    lines = [f"⚠ {escape.line(pause)}" for pause in pauses]
    for image in images:
        clauses = ([f"{_count_severities(image.findings)} can be fixed"] if image.findings else []) + list(
            image.refused
        )
        clauses += image.exceptions
        clauses += [f"the signature by {signer} ends on {end}" for signer, end in image.ending.items()]
        clauses += [f"its next start is refused {line}" for line in image.losses[:MAX_CLAUSES]]
        outcome = image.problem or ", ".join(clauses) or "nothing to fix"
        outcome += f"; {image.evidence}" if image.evidence else ""
        lines.append(f"{'✔' if image.done else '✘'} {escape.line(image.image)}   {escape.line(outcome, MAX_LINE)}")
    return "".join(f"{line}\n" for line in lines)


def _ending_lines(images: Sequence[RefreshedImage]) -> list[str]:
    """Return the warning of signatures that end soon, and what to do."""
    if not images:
        return []
    return [
        "⚠ These signatures end soon. From then on the gate refuses every new Pod of the image, also after a restart. "
        "Sign again with a certificate that is valid for longer, best with a time-stamp; renew the certificate first, "
        "if it is the certificate that ends.",
        "",
        *(
            f"- {escape.code(image.image, 300)}: signed by {escape.code(signer, 200)}, until {escape.markdown(end)}"
            for image in images
            for signer, end in list(image.ending.items())[:MAX_PLACES]
        ),
        "",
    ]


def _loss_lines(images: Sequence[RefreshedImage]) -> list[str]:
    """Return which workloads would not start again, when and why."""
    if not images:
        return []
    lines = ["⚠ The gate refuses the next start of these images, also after a restart or on another node:", ""]
    for image in images:
        places = ", ".join(escape.code(place, 120) for place in image.places[:MAX_PLACES])
        lines.append(f"- {escape.code(image.image, 300)}{f' ({places})' if places else ''}")
        lines += [f"  - {escape.markdown(line, 400)}" for line in image.losses[:MAX_PLACES]]
        if len(image.losses) > MAX_PLACES:
            lines.append(f"  - and {len(image.losses) - MAX_PLACES:,} more")
    return [*lines, ""]


def _exception_lines(images: Sequence[RefreshedImage]) -> list[str]:
    """Return the warning of images whose findings a break-glass exception excuses, and for how long."""
    if not images:
        return []
    return [
        "⚠ Break-glass exceptions excuse findings of these images. They end by themselves: from then on the gate "
        "refuses every new Pod of the image again, also after a restart. Fix the findings before.",
        "",
        *(
            f"- {escape.code(image.image, 300)}: {escape.markdown(clause, 600)}"
            for image in images
            for clause in image.exceptions[:MAX_PLACES]
        ),
        "",
    ]


def _row(image: RefreshedImage) -> str:
    counts = count_by_severity(image.findings)
    columns = " | ".join(str(counts[severity]) for severity in sorted(Severity, reverse=True) if severity)
    places = ", ".join(escape.code(place, 120) for place in image.places[:MAX_PLACES])
    more = f" and {len(image.places) - MAX_PLACES} more" if len(image.places) > MAX_PLACES else ""
    return f"| {escape.code(image.image, 300)} | {places}{more} | {columns} |"


def _attacks(finding: Finding) -> str:
    """Return that a finding is exploited, and what CISA asks for; empty for another."""
    if finding.exploitation is None or not finding.exploited:
        return ""
    demand = ", ".join(describe_demand(finding.exploitation))
    return f" **exploited**{f' ({escape.markdown(demand, 60)})' if demand else ''}"


def _finding_lines(image: RefreshedImage) -> list[str]:
    rows = [
        f"| {escape.markdown_link(finding.id, finding.url)}{_attacks(finding)} "
        f"| {finding.severity.title} "
        f"| {escape.code(finding.package)} | {escape.code(finding.installed)} | {escape.code(finding.fixed)} |"
        for finding in image.findings[:MAX_FINDINGS]
    ]
    more = len(image.findings) - len(rows)
    return [
        f"<details><summary>{escape.markdown(image.image)} ({len(image.findings)})</summary>",
        "",
        "| Id | Severity | Package | Installed | Fixed in |",
        "|---|---|---|---|---|",
        *rows,
        *([f"| and {more:,} more | | | | |"] if more else []),
        "",
        "</details>",
        "",
    ]


def _count_severities(findings: Sequence[Finding]) -> str:
    exploited = sum(finding.exploited for finding in findings)
    counts = [f"{count:,} {severity.name.lower()}" for severity, count in count_by_severity(findings).items() if count]
    return ", ".join([*([f"{exploited:,} exploited today"] if exploited else []), *counts])


def _cut_to_size(lines: list[str]) -> str:
    """Cut whole lines to the size limit of an issue, the last rows of findings first."""
    starts = ("| [", "| `", "| <code>")
    while len("\n".join(lines).encode()) > BODY_BYTES:
        rows = [number for number, line in enumerate(lines) if line.startswith(starts) and number > 4]
        if not rows:
            break
        for number in reversed(rows[-max(1, len(rows) // 10) :]):
            del lines[number]
    return "\n".join(lines) + "\n"
