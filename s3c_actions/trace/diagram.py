"""Draw a trace: a chain of stations from the image's origins to the gate, rendered as SVG by a template.

Signatures hang above the image, documents below it, each with its seal. Everything in the picture is also in the page's
text, so a screen reader gets one sentence for it.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from s3c_actions.core.errors import InputError
from s3c_actions.core.reference import Reference
from s3c_actions.core.text import plural, short_digest
from s3c_actions.findings.headline import RATED
from s3c_actions.findings.model import Severity
from s3c_actions.report.render.escape import line
from s3c_actions.trace import text as story_text
from s3c_actions.trace.model import (
    AdmissionVerdict,
    AttachedDocument,
    Relation,
    SignatureTrust,
    Subject,
    Trace,
    TracedSignature,
)

WIDTH, GAP = 232, 84
HEIGHT = 116
ROW = 46
MAX_ANCESTORS = 2
MAX_ROWS = 4
MAX_PLATFORMS = 4

SEALS = {
    SignatureTrust.TRUSTED: ("good", "✔"),
    SignatureTrust.UNCHECKED: ("open", "?"),
    SignatureTrust.REFUSED: ("bad", "✘"),
    SignatureTrust.BROKEN: ("bad", "✘"),
}
_GATES = {
    AdmissionVerdict.ADMITTED: ("good", "✔ admitted"),
    AdmissionVerdict.DENIED: ("bad", "✘ denied"),
    AdmissionVerdict.UNKNOWN: ("open", "? not judged"),
}


class TextLine(msgspec.Struct, frozen=True):
    """A line of text at a position; `style` is a class of the style sheet."""

    x: float
    y: float
    text: str
    style: str = ""


class Box(msgspec.Struct, frozen=True):
    """A station or a hanging row; `seal` is the class and sign of its seal, empty without one."""

    x: float
    y: float
    width: float
    height: float
    style: str
    texts: tuple[TextLine, ...]
    seal: tuple[str, str] = ("", "")


class Arrow(msgspec.Struct, frozen=True):
    """An arrow from one station to the next, with labels above and below it."""

    x: float
    y: float
    length: float
    above: str = ""
    below: str = ""
    style: str = ""


class Picture(msgspec.Struct):
    """The shapes, and the sentence that describes them."""

    width: float = 0
    height: float = 0
    told: str = ""
    boxes: list[Box] = msgspec.field(default_factory=list)
    arrows: list[Arrow] = msgspec.field(default_factory=list)
    stems: list[tuple[float, float, float]] = msgspec.field(default_factory=list)


def draw(story: Trace) -> Picture:
    """Lay out the picture of a trace."""
    seals = _signature_rows(story.subject.signatures)
    rows = _document_rows(story)
    top = 8 + len(seals) * ROW + (14 if seals else 0)
    picture = Picture(told=describe_trace(story))
    x = 8.0
    middle = top + HEIGHT / 2
    for ancestor in reversed(story.ancestors[:MAX_ANCESTORS]):
        original = ancestor.relation is Relation.PATCHED
        style = "station" if ancestor.subject is not None else "station missing"
        facts = _facts(ancestor.subject) if ancestor.subject is not None else [("soft", ancestor.problem)]
        picture.boxes.append(_station((x, top), "original" if original else "base", ancestor.named, facts, style))
        above, below = ("patched", _fixed_count(story)) if original else ("built on", "")
        style = "bad" if ancestor.proven is False else "" if ancestor.proven else "guess"
        picture.arrows.append(Arrow(x + WIDTH + 4, middle, GAP - 8, above, below, style))
        x += WIDTH + GAP
    picture.boxes.append(_station((x, top), "this image", _pinned(story), _facts(story.subject), "station own"))
    _hang(picture, x, top, seals, rows)
    picture.arrows.append(Arrow(x + WIDTH + 4, middle, GAP - 8, "deploy", ""))
    x += WIDTH + GAP
    style, word = _GATES[story.judgement.verdict]
    why = line((*story.judgement.reasons, f"by {story.judgement.by}")[0], 200)
    texts = [TextLine(18, 26, "GATE TODAY", "label"), TextLine(18, 54, word, "verdict")]
    texts += [TextLine(18, 76 + 16 * n, row, "soft") for n, row in enumerate(_wrap(why, 30, 2))]
    picture.boxes.append(Box(x, top, WIDTH, HEIGHT, f"gate {style}", tuple(texts)))
    picture.width = x + WIDTH + 8
    picture.height = top + HEIGHT + (14 if rows else 0) + len(rows) * ROW + 8
    return picture


def describe_trace(story: Trace) -> str:
    """Describe the picture in one sentence."""
    parts = []
    for ancestor in story.ancestors[:MAX_ANCESTORS]:
        what = "patched from the original" if ancestor.relation is Relation.PATCHED else "built on"
        parts.append(f"{what} {line(ancestor.named, 120)}")
    signatures, documents = len(story.subject.signatures), len(story.subject.documents)
    parts.append(f"{signatures} {plural(signatures, 'signature')} and {documents} attached documents")
    word = (
        "not judged"
        if story.judgement.verdict is AdmissionVerdict.UNKNOWN
        else f"{story.judgement.verdict.value} today"
    )
    return f"The chain of {line(story.image, 120)}: {', '.join(parts)}; {word}."


def _hang(picture: Picture, x: float, top: float, seals: list[Box], rows: list[Box]) -> None:
    stem = x + 24
    for number, box in enumerate(seals):
        picture.boxes.append(_at_position(box, x, 8 + number * ROW))
    if seals:
        picture.stems.append((stem, 8 + ROW - 6, top))
    for number, box in enumerate(rows):
        picture.boxes.append(_at_position(box, x, top + HEIGHT + 14 + number * ROW))
    if rows:
        picture.stems.append((stem, top + HEIGHT, top + HEIGHT + 14 + (len(rows) - 1) * ROW))


def _at_position(box: Box, x: float, y: float) -> Box:
    return Box(x, y, box.width, box.height, box.style, box.texts, box.seal)


def _station(at: tuple[float, float], label: str, reference: str, facts: Sequence[tuple[str, str]], style: str) -> Box:
    name, digest = split_name(reference)
    texts = [TextLine(18, 26, label.upper(), "label"), TextLine(18, 48, line(name, 22), "name")]
    texts += [TextLine(18, 66, digest, "mono")] if digest else []
    texts += [TextLine(18, 85 + 17 * n, line(fact, 30), kind) for n, (kind, fact) in enumerate(facts[:2])]
    return Box(*at, WIDTH, HEIGHT, style, tuple(texts))


def _pinned(story: Trace) -> str:
    """Return the image by tag and digest."""
    return story.image if "@" in story.image else f"{story.image}@{story.subject.digest}"


def split_name(text: str) -> tuple[str, str]:
    """Return `voting-db:15.0` and the beginning of the digest, of a reference."""
    try:
        reference = Reference.parse(text)
    except InputError:
        return text, ""
    tag = f":{reference.tag}" if reference.tag else ""
    return f"{reference.short}{tag}", short_digest(reference.digest)


def _facts(subject: Subject) -> list[tuple[str, str]]:
    """Return two lines for a station: the counts of its newest report, and when it was built."""
    facts = []
    if subject.reports:
        facts.append(_worst_and_counts(subject.reports[0]))
    elif subject.problem:
        facts.append(("bad", subject.problem))
    else:
        facts.append(("soft", "no report attached"))
    when = subject.patched or subject.created
    facts.append(
        ("soft", f"{'patched' if subject.patched else 'built'} {story_text.format_time(when)}" if when else "")
    )
    return facts


def _worst_and_counts(report: AttachedDocument) -> tuple[str, str]:
    known = report.counts or {}
    worst = next((severity for severity, number in known.items() if number), None)
    counts = [f"{number:,} {severity.name.lower()}" for severity, number in known.items() if number]
    if not counts:
        # Green only where every severity is known to have none.
        return "good" if {*RATED} <= {*known} else "soft", story_text.describe_counts(known)
    shown = [*counts[:1], f"{report.omitted:,} more"] if report.omitted else counts[:2]
    return worst.name.lower() if worst is not None and worst is not Severity.UNKNOWN else "soft", " · ".join(shown)


def _fixed_count(story: Trace) -> str:
    return f"{len(story.change.fixed):,} fixed" if story.change is not None else ""


def _signature_rows(signatures: Sequence[TracedSignature]) -> list[Box]:
    shown = signatures[:MAX_ROWS]
    boxes = [
        _row(
            _common_name(signature.signer) or "unreadable signature",
            story_text.format_time(signature.signed_at) or signature.reason,
            signature.trust,
        )
        for signature in shown
    ]
    more = len(signatures) - len(shown)
    return [_more_row(more, "signatures"), *boxes[: MAX_ROWS - 1]] if more else boxes


def _document_rows(story: Trace) -> list[Box]:
    """Return the rows of the newest document of each type."""
    newest: dict[str, AttachedDocument] = {}
    for document in story.subject.documents:
        newest.setdefault(document.artifact_type, document)
    shown = list(newest.values())[:MAX_ROWS]
    boxes = []
    for document in shown:
        trust = SignatureTrust.BROKEN if document.problem else document.trust
        when = story_text.format_time(document.created)
        boxes.append(
            _row(
                f"{document.kind.value} · {when[:10]}" if when else document.kind.value,
                story_text.describe_document(document),
                trust,
            )
        )
    platforms = story.platforms[:MAX_PLATFORMS]
    for subject in platforms:
        description = subject.problem or (
            story_text.describe_document(subject.reports[0]) if subject.reports else "no report attached"
        )
        boxes.append(_row(subject.platform or "unknown platform", description, subject.trust))
    more = len(story.subject.documents) - len(shown) + len(story.platforms) - len(platforms)
    return [*boxes, _more_row(more, "more")] if more else boxes


def _row(first: str, second: str, trust: SignatureTrust) -> Box:
    texts = (TextLine(48, 17, line(first, 23), "row"), TextLine(48, 32, line(second, 26), "soft"))
    return Box(0, 0, WIDTH, ROW - 6, "hanging", texts, SEALS[trust])


def _more_row(number: int, what: str) -> Box:
    return Box(0, 0, WIDTH, ROW - 6, "hanging", (TextLine(48, 25, f"and {number:,} {what}", "soft"),))


def _common_name(subject: str) -> str:
    """Return the common name of a certificate's subject, else the whole subject."""
    for part in subject.split(","):
        if part.startswith("CN="):
            return part.removeprefix("CN=")
    return subject


def _wrap(text: str, width: int, most: int) -> list[str]:
    import textwrap

    lines = textwrap.wrap(text, width)
    return lines if len(lines) <= most else [*lines[: most - 1], line(" ".join(lines[most - 1 :]), width - 1)]
