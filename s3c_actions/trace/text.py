"""The story of a digest for a terminal: plain text, the verdict first, no line longer than 120 columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from s3c_actions.core.text import plural, short_digest
from s3c_actions.findings.model import Severity
from s3c_actions.report.formats.text_table import WIDTH, cut, fit
from s3c_actions.report.render.escape import line
from s3c_actions.trace.model import (
    Ancestor,
    Change,
    Document,
    Found,
    Judgement,
    Relation,
    Signature,
    Story,
    Subject,
    Trust,
    Verdict,
)

T = TypeVar("T")

MARKS = {Trust.TRUSTED: "✔", Trust.REFUSED: "✘", Trust.BROKEN: "✘", Trust.UNCHECKED: "·"}
VERDICTS = {Verdict.ADMITTED: "✔", Verdict.DENIED: "✘", Verdict.UNKNOWN: "?"}
MOST_FOUND = 20
MOST_DOCUMENTS = 30
MOST_LABELS = 12


def render(story: Story) -> str:
    """Render a story; long lists are cut, with what is left out counted."""
    out = [line(story.reference, 200), verdict(story.judgement)]
    out += [f"  {line(one, WIDTH * 3)}" for one in story.judgement.reasons]
    out += [f"  → {line(story.judgement.remedy, WIDTH * 3)}"] if story.judgement.remedy else []
    out += _section("Where it came from", [*_origin(story.subject), *_all(_ancestor, story.ancestors)])
    if story.change is not None:
        out += _section(f"What the patch changed ({line(story.change.source)})", _change(story.change))
    for subject in story.subjects:
        about = f", {line(subject.platform)} {short_digest(subject.digest)}" if subject in story.platforms else ""
        out += _section(f"Who signed it{about}", _all(_signature, subject.signatures) or ["nobody"])
        out += _section(f"Evidence{about}", _documents(subject))
    return "\n".join(cut(one) for one in out) + "\n"


def verdict(judgement: Judgement) -> str:
    """The verdict in one line: `✔ admitted, by the policy …`."""
    words = {Verdict.UNKNOWN: "not judged"}
    word = words.get(judgement.verdict, judgement.verdict.value)
    return f"{VERDICTS[judgement.verdict]} {word}, by {line(judgement.by)}"


def moment(text: str) -> str:
    """`2026-11-24 19:18` of RFC 3339 in UTC."""
    return text[:16].replace("T", " ") if text else ""


def label(name: str) -> str:
    """A label's name without the prefix that says nothing."""
    return name.removeprefix("org.opencontainers.image.")


def counted(counts: Mapping[Severity, int]) -> str:
    """`67 high, 228 medium`, or `no findings`."""
    return ", ".join(f"{number:,} {one.name.lower()}" for one, number in counts.items() if number) or "no findings"


def told(document: Document) -> str:
    """What a document says, in a clause."""
    if document.problem:
        return document.problem
    if document.counts is not None:
        more = f", {document.omitted:,} more not listed" if document.omitted else ""
        fixable = f"; {document.fixable:,} can be fixed" if document.findings else ""
        return counted(document.counts) + more + fixable
    return document.told or ("not looked into" if not document.read else document.artifact_type or "of no known type")


def _all(do: Callable[[T], list[str]], over: Iterable[T]) -> list[str]:
    return [one for value in over for one in do(value)]


def _section(title: str, lines: Sequence[str]) -> list[str]:
    return ["", title, *(f"  {one}" for one in lines)] if lines else []


def _origin(subject: Subject) -> list[str]:
    facts = []
    if subject.problem:
        facts.append(("problem", subject.problem))
    if subject.created:
        facts.append(("built", moment(subject.created)))
    if subject.platform:
        facts.append(("platform", f"{subject.platform}, {subject.layers} layers"))
    if subject.patched:
        facts.append(("patched", f"{moment(subject.patched)} by Copa"))
    shown = list(subject.labels.items())[:MOST_LABELS]
    facts += [(label(name), text) for name, text in shown]
    return [f"{fit(line(name, 40), 12)} {line(text)}" for name, text in facts]


def _ancestor(one: Ancestor) -> list[str]:
    relation = "original" if one.relation is Relation.PATCHED else "base"
    proof = {True: "its layers are the first of this image", False: "its layers are NOT in this image"}
    about = [f"by {one.said_by}", *([proof[one.proven]] if one.proven is not None else [])]
    about += [one.problem] if one.problem else []
    lines = [f"{relation:<12} {line(one.named)}", f"{'':<12} {line(', '.join(about))}"]
    if one.subject is not None and one.subject.reports:
        lines.append(f"{'':<12} had {told(one.subject.reports[0])}")
    return lines


def _change(change: Change) -> list[str]:
    columns = [one for one in sorted(Severity, reverse=True) if change.before.get(one) or change.after.get(one)]
    lines = []
    if columns:
        lines.append(f"{'':<8}" + "".join(f"{one.title:>10}" for one in columns))
        for name, counts in (("before", change.before), ("after", change.after)):
            lines.append(f"{name:<8}" + "".join(f"{counts.get(one, 0):>10,}" for one in columns))
    packages = len({one.package for one in change.fixed})
    lines.append(
        f"{len(change.fixed):,} fixed in {packages:,} {plural(packages, 'package')}, {len(change.left):,} left, "
        f"{len(change.new):,} new"
    )
    return lines + _found("left", change.left) + _found("new", change.new)


def _found(name: str, found: Sequence[Found]) -> list[str]:
    lines = [
        f"{name:<8}{one.severity.name:<9}{fit(line(one.id), 20)} {fit(line(one.package), 24)} "
        + line(one.reason or (f"fixed in {one.fixed}" if one.fixed else "no fix yet"))
        for one in found[:MOST_FOUND]
    ]
    return lines + ([f"{'':<8}… and {len(found) - MOST_FOUND:,} more"] if len(found) > MOST_FOUND else [])


def _signature(one: Signature) -> list[str]:
    if not one.signer:
        return [f"{MARKS[one.trust]} {short_digest(one.digest)}  {line(one.reason)}"]
    parts = [moment(one.signed_at) or "no time", one.signature_format, f"certificate {one.thumbprint[:16]}"]
    parts += ["time-stamped"] if one.timestamped else []
    parts += [f"until {moment(one.expires)}"] if one.expires else []
    lines = [f"{MARKS[one.trust]} {line(one.signer)}", f"  {', '.join(parts)}"]
    lines += [f"  {line(one.reason)}"] if one.reason else []
    return lines + [f"  {line(name, 60)} = {line(text)}" for name, text in list(one.metadata.items())[:MOST_LABELS]]


def _documents(subject: Subject) -> list[str]:
    documents = subject.documents[:MOST_DOCUMENTS]
    lines = []
    for one in documents:
        mark = "✘" if one.problem else MARKS[one.trust]
        signer = next((signature.signer for signature in one.signatures if signature.trust is one.trust), "")
        signed = f"signed by {signer}" if signer else "not signed" * one.read
        lines.append(
            f"{mark} {one.kind.value:<7} {fit(moment(one.created), 16)}  {fit(line(told(one)), 44)}  {line(signed)}"
        )
    more = len(subject.documents) - len(documents)
    return lines + ([f"… and {more:,} more"] if more else []) or ["none is attached"]
