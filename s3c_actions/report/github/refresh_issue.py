"""What is vulnerable and can be fixed among what is deployed: as an issue, and as text."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from s3c_actions.core.text import counted, plural
from s3c_actions.findings.model import Finding, Severity, count_by_severity
from s3c_actions.report.render import escape

MAX_FINDINGS = 100
MAX_PLACES = 10
BODY_BYTES = 60_000


class RefreshedImage(msgspec.Struct, frozen=True, kw_only=True):
    """One image that is deployed, scanned today.

    Attributes:
        image: as it is deployed.
        reference: pinned.
        places: what runs it; empty when nobody said.
        findings: those that are to be mended and have a fix, the most severe first.
        refused: what else is refused and cannot be mended by a patch, in clauses; untrusted.
        total: how many findings there are in all.
        problem: why it could not be scanned, in a sentence; empty when it was.
        evidence: what became of its report in the registry, in a clause; empty when nothing was to be attached.
    """

    image: str
    reference: str = ""
    places: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    refused: tuple[str, ...] = ()
    total: int = 0
    problem: str = ""
    evidence: str = ""

    @property
    def done(self) -> bool:
        """Whether there is nothing to mend, now or later."""
        return not self.findings and not self.refused and not self.problem


def issue_title(images: Sequence[RefreshedImage]) -> str:
    """The issue's title."""
    number = sum(1 for one in images if one.findings)
    findings = sum(len(one.findings) for one in images)
    return (
        f"{number} deployed {plural(number, 'image')} can be patched: {counted(findings, 'finding')} "
        f"{'have' if findings != 1 else 'has'} a fix"
    )


def issue_body(images: Sequence[RefreshedImage], *, run_url: str = "") -> str:
    """The issue's text in GitHub's Markdown: a row for each image, its findings folded, the next step.

    Args:
        images: all that were looked at; those with nothing to mend are counted.
        run_url: of the run that says it.
    """
    due = [one for one in images if one.findings]
    clean = [one for one in images if one.done]
    failed = [one for one in images if one.problem]
    lines = [
        "What is deployed was scanned again with today's vulnerability data. These images have findings with a fix:",
        "",
        "| Image | Where | Critical | High | Medium | Low |",
        "|---|---|--:|--:|--:|--:|",
        *(_row(one) for one in due),
        "",
    ]
    for one in due:
        lines += _findings(one)
    for one in failed:
        lines += [f"⚠ {escape.code(one.image)} could not be scanned: {escape.markdown(one.problem)}", ""]
    for one in images:
        if one.refused:
            lines += [f"{escape.code(one.image)}: {escape.markdown(', '.join(one.refused), 300)}.", ""]
    if clean:
        lines += [f"{len(clean)} other deployed image{'s have' if len(clean) != 1 else ' has'} nothing to mend.", ""]
    lines += (
        [f"**Next:** {escape.code(f's3c chain {due[0].image}', 400)}, then deploy the new digest.", ""] if due else []
    )
    lines.append(
        "This issue is kept up to date by every run, and closed when nothing is left."
        + (f" [Last run]({run_url})" if escape.url(run_url) else "")
    )
    return _within(lines)


def render_text(images: Sequence[RefreshedImage]) -> str:
    """A line for each image."""
    lines = []
    for one in images:
        said = ([f"{_counted(one.findings)} can be fixed"] if one.findings else []) + list(one.refused)
        told = one.problem or ", ".join(said) or "nothing to mend"
        told += f"; {one.evidence}" if one.evidence else ""
        lines.append(f"{'✔' if one.done else '✘'} {escape.line(one.image)}   {escape.line(told)}")
    return "".join(f"{line}\n" for line in lines)


def _row(one: RefreshedImage) -> str:
    counts = count_by_severity(one.findings)
    numbers = " | ".join(str(counts[severity]) for severity in sorted(Severity, reverse=True) if severity)
    places = ", ".join(escape.code(place, 120) for place in one.places[:MAX_PLACES])
    more = f" and {len(one.places) - MAX_PLACES} more" if len(one.places) > MAX_PLACES else ""
    return f"| {escape.code(one.image, 300)} | {places}{more} | {numbers} |"


def _findings(one: RefreshedImage) -> list[str]:
    rows = [
        f"| {escape.markdown_link(finding.id, finding.url)} | {finding.severity.title} "
        f"| {escape.code(finding.package)} | {escape.code(finding.installed)} | {escape.code(finding.fixed)} |"
        for finding in one.findings[:MAX_FINDINGS]
    ]
    more = len(one.findings) - len(rows)
    return [
        f"<details><summary>{escape.markdown(one.image)} ({len(one.findings)})</summary>",
        "",
        "| Id | Severity | Package | Installed | Fixed in |",
        "|---|---|---|---|---|",
        *rows,
        *([f"| and {more:,} more | | | | |"] if more else []),
        "",
        "</details>",
        "",
    ]


def _counted(findings: Sequence[Finding]) -> str:
    return ", ".join(
        f"{number:,} {severity.name.lower()}" for severity, number in count_by_severity(findings).items() if number
    )


def _within(lines: list[str]) -> str:
    """Whole lines, the last rows of findings left out first, within what an issue may hold."""
    starts = ("| [", "| `", "| <code>")
    while len("\n".join(lines).encode()) > BODY_BYTES:
        rows = [number for number, line in enumerate(lines) if line.startswith(starts) and number > 4]
        if not rows:
            break
        for number in reversed(rows[-max(1, len(rows) // 10) :]):
            del lines[number]
    return "\n".join(lines) + "\n"
