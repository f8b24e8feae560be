"""Render a trace for a terminal: plain text, the verdict first, no line longer than 120 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from s3c_actions.core import artifact_types
from s3c_actions.core.errors import InputError
from s3c_actions.core.reference import Reference
from s3c_actions.core.text import join_words, plural, short_digest
from s3c_actions.findings.headline import RATED, format_count, list_counts
from s3c_actions.findings.model import Severity
from s3c_actions.report.formats.sentences import LIKELY, format_share
from s3c_actions.report.formats.text_table import WIDTH, cut_line, fit_column
from s3c_actions.report.render.escape import line
from s3c_actions.trace.model import (
    AdmissionVerdict,
    Ancestor,
    AttachedDocument,
    AttachedFinding,
    DocumentKind,
    PatchChange,
    Relation,
    SignatureTrust,
    Subject,
    Trace,
    TracedSignature,
    TraceJudgement,
)

T = TypeVar("T")

TRUST_MARKS = {
    SignatureTrust.TRUSTED: "✔",
    SignatureTrust.REFUSED: "✘",
    SignatureTrust.BROKEN: "✘",
    SignatureTrust.UNCHECKED: "·",
}
VERDICT_MARKS = {AdmissionVerdict.ADMITTED: "✔", AdmissionVerdict.DENIED: "✘", AdmissionVerdict.UNKNOWN: "?"}
MAX_FINDINGS = 20
MAX_REMEDY = 2000
MAX_DOCUMENTS = 30
MAX_LABELS = 12
MAX_COMING = 5


def render(story: Trace) -> str:
    """Render a trace; long lists are cut, with the number of omitted items."""
    out = [line(story.reference, 200), verdict_line(story.judgement)]
    out += [f"  {line(reason, WIDTH * 3)}" for reason in story.judgement.reasons]
    out += [f"  refused from {line(text, WIDTH * 3)}" for text in story.judgement.coming[:MAX_COMING]]
    if story.gate is not None:
        out += [f"  ⚠ {line(sentence, WIDTH * 3)}" for sentence in story.gate.sentences]
    out += [row for clause in story.judgement.exceptions for row in _exception_rows(clause)]
    ancestors = [row for ancestor in story.ancestors for row in _ancestor_rows(story, ancestor)]
    out += _section("Where it came from", [*_origin_rows(story.subject), *ancestors])
    if story.change is not None:
        out += _section(f"What the patch changed ({line(story.change.source)})", _change_rows(story.change))
    for subject in story.subjects:
        of_platform = f", {line(subject.platform)} {short_digest(subject.digest)}" if subject in story.platforms else ""
        out += _section(f"Who signed it{of_platform}", _flat_map(_signature_rows, subject.signatures) or ["nobody"])
        out += _section(f"Evidence{of_platform}", _document_rows(subject))
    rows = [cut_line(row) for row in out]
    if story.judgement.remedy:
        # Never cut: it is a command to copy.
        rows.insert(2 + len(story.judgement.reasons), f"  → {line(story.judgement.remedy, MAX_REMEDY)}")
    return "\n".join(rows) + "\n"


def _exception_rows(clause: str) -> list[str]:
    """Return a break-glass exception, wrapped: who decided and why is at its end."""
    return textwrap.wrap(
        line(clause, WIDTH * 20), WIDTH, initial_indent="  ⚠ ", subsequent_indent="    ", break_on_hyphens=False
    )


def verdict_line(judgement: TraceJudgement) -> str:
    """Return the verdict in one line: `✔ admitted, by the policy …`."""
    words = {AdmissionVerdict.UNKNOWN: "not judged"}
    word = words.get(judgement.verdict, judgement.verdict.value)
    by = f", by {line(judgement.by)}" if judgement.by else ""
    return f"{VERDICT_MARKS[judgement.verdict]} {word}{by}"


def format_time(text: str) -> str:
    """Return `2026-11-24 19:18` for RFC 3339 in UTC."""
    return text[:16].replace("T", " ") if text else ""


def short_label(name: str) -> str:
    """Return a label's name without its common prefix."""
    return name.removeprefix("org.opencontainers.image.")


def describe_counts(counts: Mapping[Severity, int]) -> str:
    """Describe counts by severity: `67 high, 228 medium`; without any, of which severities there are none."""
    if shown := list_counts(counts):
        return shown
    if {*RATED} <= {*counts}:
        return "no findings"
    absent = join_words([severity.name.lower() for severity in RATED if severity in counts], "or")
    return f"no {absent}; others not listed" if absent else "lists none, not all counted"


def title_of(story: Trace) -> str:
    """Return the name of the traced image for people: `voting-app:1.4.0-1`, without registry and digest."""
    try:
        reference = Reference.parse(story.reference)
    except InputError:
        return story.image.partition("@")[0]
    return f"{reference.short}:{story.tag}" if story.tag else reference.short


_STATEMENTS = {
    artifact_types.PREDICATES[kind]: title
    for kind, title in {
        "intoto-vex": "VEX (in-toto)",
        "intoto-vulns": "vulnerabilities (in-toto)",
        "intoto-spdx": "SBOM (SPDX, in-toto)",
        "intoto-cyclonedx": "SBOM (CycloneDX, in-toto)",
        "provenance": "provenance",
        "vsa": "verification summary",
    }.items()
}
"""Predicate type → what the statement is, for people."""


def title_of_document(document: AttachedDocument) -> str:
    """Return what a document is for people: a bill of materials with its format, a statement by what it states."""
    if document.kind is DocumentKind.STATEMENT:
        return _STATEMENTS.get(document.predicate_type, document.kind.value)
    if document.artifact_type == artifact_types.EXCEPTION:
        return "break-glass exception"
    form = {artifact_types.SPDX: "SPDX", artifact_types.CYCLONEDX: "CycloneDX"}.get(document.artifact_type, "")
    return f"{document.kind.value} ({form})" if form else document.kind.value


def describe_original(story: Trace, ancestor: Ancestor) -> str:
    """Describe an ancestor's findings in a clause: by its newest report, else by the signed result; else empty."""
    if ancestor.subject is not None and ancestor.subject.reports:
        return describe_document(ancestor.subject.reports[0])
    counts = story.original_counts if ancestor.relation is Relation.PATCHED else None
    return f"{describe_counts(counts)}, by the signed result.json" if counts is not None else ""


def describe_attacks(finding: AttachedFinding) -> str:
    """Return what a report states of attacks: `exploited since 2021-12-10, due 2021-12-24, used for ransomware`.

    Of one that is not exploited, the estimate that it will be, where that is likely.
    """
    if not finding.exploited_since:
        likely = finding.epss is not None and finding.epss >= LIKELY
        return f"EPSS {format_share(finding.epss)}" if likely and finding.epss is not None else ""
    due = f", due {finding.exploited_due}" if finding.exploited_due else ""
    return f"exploited since {finding.exploited_since}{due}{', used for ransomware' if finding.ransomware else ''}"


def describe_document(document: AttachedDocument) -> str:
    """Describe the content of a document, in a clause."""
    if document.problem:
        return document.problem
    if document.counts is not None:
        more = f", {document.omitted:,} more not listed" if document.omitted else ""
        fixable = f"; {document.fixable:,} can be fixed" if document.findings else ""
        exploited = sum(bool(finding.exploited_since) for finding in document.findings)
        attacked = f"{exploited:,} exploited, " if exploited else ""
        return attacked + describe_counts(document.counts) + more + fixable
    return document.description or (
        "not looked into" if not document.read else document.artifact_type or "of no known type"
    )


def _flat_map(do: Callable[[T], list[str]], over: Iterable[T]) -> list[str]:
    return [row for value in over for row in do(value)]


def _section(title: str, lines: Sequence[str]) -> list[str]:
    return ["", title, *(f"  {row}" for row in lines)] if lines else []


def _origin_rows(subject: Subject) -> list[str]:
    facts = []
    if subject.problem:
        facts.append(("problem", subject.problem))
    if subject.created:
        facts.append(("built", format_time(subject.created)))
    if subject.platform:
        facts.append(("platform", f"{subject.platform}, {subject.layers} layers"))
    if subject.patched:
        facts.append(("patched", f"{format_time(subject.patched)} by Copa"))
    shown = list(subject.labels.items())[:MAX_LABELS]
    facts += [(short_label(name), text) for name, text in shown]
    return [f"{fit_column(line(name, 40), 12)} {line(text)}" for name, text in facts]


def _ancestor_rows(story: Trace, ancestor: Ancestor) -> list[str]:
    relation = "original" if ancestor.relation is Relation.PATCHED else "base"
    proof = {True: "its layers are the first of this image", False: "its layers are NOT in this image"}
    notes = [f"by {ancestor.said_by}", *([proof[ancestor.proven]] if ancestor.proven is not None else [])]
    notes += [ancestor.problem] if ancestor.problem else []
    lines = [f"{relation:<12} {line(ancestor.named)}", f"{'':<12} {line(', '.join(notes))}"]
    if had := describe_original(story, ancestor):
        lines.append(f"{'':<12} had {had}")
    return lines


def _change_rows(change: PatchChange) -> list[str]:
    columns = [
        severity
        for severity in sorted(Severity, reverse=True)
        if change.before.get(severity) or change.after.get(severity)
    ]
    lines = []
    if columns:
        lines.append(f"{'':<8}" + "".join(f"{severity.title:>10}" for severity in columns))
        for name, counts in (("before", change.before), ("after", change.after)):
            lines.append(f"{name:<8}" + "".join(f"{format_count(counts.get(severity)):>10}" for severity in columns))
    packages = len({finding.package for finding in change.fixed})
    lines.append(
        f"{len(change.fixed):,} fixed in {packages:,} {plural(packages, 'package')}, {len(change.left):,} left, "
        f"{len(change.new):,} new"
    )
    return lines + _finding_rows("left", change.left) + _finding_rows("new", change.new)


def _finding_rows(name: str, findings: Sequence[AttachedFinding]) -> list[str]:
    lines = []
    for finding in findings[:MAX_FINDINGS]:
        lines.append(
            f"{name:<8}{finding.severity.name:<9}{fit_column(line(finding.id), 20)} "
            f"{fit_column(line(finding.package), 24)} "
            + line(finding.reason or (f"fixed in {finding.fixed}" if finding.fixed else "no fix yet"))
        )
        if attacks := describe_attacks(finding):
            lines.append(f"{'':<17}{attacks}")
    return lines + ([f"{'':<8}… and {len(findings) - MAX_FINDINGS:,} more"] if len(findings) > MAX_FINDINGS else [])


def _signature_rows(signature: TracedSignature) -> list[str]:
    if not signature.signer:
        return [f"{TRUST_MARKS[signature.trust]} {short_digest(signature.digest)}  {line(signature.reason)}"]
    parts = [
        format_time(signature.signed_at) or "no time",
        signature.signature_format,
        f"certificate {signature.thumbprint[:16]}",
    ]
    parts += ["time-stamped"] if signature.timestamped else []
    parts += [f"until {format_time(signature.expires)}"] if signature.expires else []
    lines = [f"{TRUST_MARKS[signature.trust]} {line(signature.signer)}", f"  {', '.join(parts)}"]
    lines += [f"  {line(signature.reason)}"] if signature.reason else []
    return lines + [
        f"  {line(name, 60)} = {line(text)}" for name, text in list(signature.metadata.items())[:MAX_LABELS]
    ]


def _document_rows(subject: Subject) -> list[str]:
    documents = subject.documents[:MAX_DOCUMENTS]
    lines = []
    for document in documents:
        mark = "✘" if document.problem else TRUST_MARKS[document.trust]
        signer = next((signature.signer for signature in document.signatures if signature.trust is document.trust), "")
        signed = f"signed by {signer}" if signer else "not signed" * document.read
        lines.append(
            f"{mark} {title_of_document(document):<16} {fit_column(format_time(document.created), 16)}  "
            f"{fit_column(line(describe_document(document)), 42)}  "
            f"{line(signed)}"
        )
    more = len(subject.documents) - len(documents)
    return lines + ([f"… and {more:,} more"] if more else []) or ["none is attached"]
