"""Draw a trace: a chain of stations from the image's origins to the gate, rendered as SVG by a template.

It is laid out twice, from left to right and for narrow screens from top to bottom; the page shows one of them.

Signatures and documents stand below the chain, in a panel that hangs from the image, each with its seal. Everything in
the picture is also in the page's text, so a screen reader gets one sentence for it.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import msgspec
import msgspec.structs

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
    Counts,
    DocumentKind,
    Relation,
    SignatureTrust,
    Subject,
    Trace,
    TracedSignature,
)

WIDTH, GAP = 232, 84
HEIGHT, DROP = 116, 54
MARGIN = 8.0
"""Around the picture."""
ROW = 46
PANEL, PAD, BETWEEN = 30, 16, 12
"""From the chain to the panel; within the panel, to its border and between two boxes."""
NARROWEST = 252
"""Width of a box in the panel of the shortest chain, and in the column."""
MAX_TITLE, MAX_DESCRIPTION = 25, 27
"""Characters that it has room for: in bold, and below."""
MAX_ANCESTORS = 2
MAX_SIGNATURES = 4
MAX_DOCUMENTS = 8
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
    """An arrow from one station to the next, with labels above and below it; with `down`, beside it."""

    x: float
    y: float
    length: float
    above: str = ""
    below: str = ""
    style: str = ""
    down: bool = False


class Picture(msgspec.Struct):
    """The shapes, and the sentence that describes them."""

    width: float = 0
    height: float = 0
    description: str = ""
    boxes: list[Box] = msgspec.field(default_factory=list)
    arrows: list[Arrow] = msgspec.field(default_factory=list)
    stems: list[tuple[float, float, float]] = msgspec.field(default_factory=list)


class Link(msgspec.Struct, frozen=True):
    """What leads from one station to the next: two labels and the arrow's style."""

    above: str
    below: str = ""
    style: str = ""


def draw(story: Trace) -> Picture:
    """Lay out the picture of a trace, its stations from left to right."""
    picture = Picture(description=describe_trace(story))
    left, top = MARGIN, MARGIN
    origins, (own, deploy) = _origins(story), _own_station(story)
    for station, link in (*origins, (own, deploy)):
        picture.boxes.append(_place(station, left, top))
        picture.arrows.append(
            Arrow(left + WIDTH + 4, top + HEIGHT / 2, GAP - 8, link.above, link.below, style=link.style)
        )
        left += WIDTH + GAP
    picture.boxes.append(_place(_gate(story), left, top))
    picture.width = left + WIDTH + MARGIN
    picture.height = top + HEIGHT + MARGIN
    _hang_panel(picture, story, MARGIN + len(origins) * (WIDTH + GAP) + WIDTH / 2)
    return picture


def draw_stacked(story: Trace) -> Picture:
    """Lay out the picture for a narrow screen: a column, with the panel between the image and the gate."""
    width = NARROWEST + 2 * PAD
    picture = Picture(description=describe_trace(story), width=width + 2 * MARGIN)
    middle, top = picture.width / 2, MARGIN
    own, deploy = _own_station(story)
    for station, link in _origins(story):
        picture.boxes.append(_place(station, MARGIN, top, width))
        picture.arrows.append(_down(middle, top + HEIGHT, link))
        top += HEIGHT + DROP
    picture.boxes.append(_place(own, MARGIN, top, width))
    picture.height = top + HEIGHT + MARGIN
    _hang_panel(picture, story, middle)
    bottom = picture.height - MARGIN
    picture.arrows.append(_down(middle, bottom, deploy))
    picture.boxes.append(_place(_gate(story), MARGIN, bottom + DROP, width))
    picture.height = bottom + DROP + HEIGHT + MARGIN
    return picture


def _place(box: Box, x: float, y: float, width: float = WIDTH) -> Box:
    return msgspec.structs.replace(box, x=x, y=y, width=width)


def _down(x: float, y: float, link: Link) -> Arrow:
    return Arrow(x, y + 4, DROP - 8, link.above, link.below, link.style, down=True)


def _origins(story: Trace) -> list[tuple[Box, Link]]:
    """Return the stations before the image, the oldest first, each with what leads on from it."""
    stations = []
    for ancestor in reversed(story.ancestors[:MAX_ANCESTORS]):
        original = ancestor.relation is Relation.PATCHED
        style = "station" if ancestor.subject is not None else "station missing"
        stated = story.original_counts if original else None
        facts = (
            _facts(ancestor.subject, stated)
            if ancestor.subject is not None
            else [("soft", words) for words in _wrap(line(ancestor.problem, 200), 28, 2)]
        )
        station = _station("original" if original else "base", ancestor.named, facts, style)
        above, below = ("patched", _fixed_count(story)) if original else ("built on", "")
        arrow_style = "bad" if ancestor.proven is False else "" if ancestor.proven else "guess"
        stations.append((station, Link(above, below, arrow_style)))
    return stations


def _own_station(story: Trace) -> tuple[Box, Link]:
    station = _station("this image", _pinned(story), _facts(story.subject, story.counts), "station own")
    return station, Link("deploy")


def _gate(story: Trace) -> Box:
    style, word = _GATES[story.judgement.verdict]
    why = line((*story.judgement.reasons, f"by {story.judgement.by}")[0], 200)
    texts = [TextLine(18, 26, "GATE TODAY", "label"), TextLine(18, 54, word, "verdict")]
    texts += [TextLine(18, 76 + 16 * n, row, "soft") for n, row in enumerate(_wrap(why, 30, 2))]
    return Box(0, 0, WIDTH, HEIGHT, f"gate {style}", tuple(texts))


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


def _hang_panel(picture: Picture, story: Trace, stem: float) -> None:
    """Add the panel below the chain, as wide as it, with a heading for each group of boxes that there is."""
    groups = [
        ("SIGNED BY", _signature_boxes(story.subject.signatures)),
        ("EVIDENCE", _document_boxes(story.subject.documents)),
        ("PLATFORMS", _platform_boxes(story.platforms)),
    ]
    groups = [(heading, boxes) for heading, boxes in groups if boxes]
    if not groups:
        return
    width = picture.width - 2 * MARGIN
    columns = int((width - 2 * PAD + BETWEEN) // (WIDTH + BETWEEN))
    box_width = (width - 2 * PAD - (columns - 1) * BETWEEN) / columns
    top = picture.height - MARGIN + PANEL
    y = top + PAD
    placed: list[Box] = []
    headings: list[TextLine] = []
    for heading, boxes in groups:
        headings.append(TextLine(PAD, y - top + 8, heading, "label"))
        y += 20
        for number, box in enumerate(boxes):
            left = MARGIN + PAD + number % columns * (box_width + BETWEEN)
            height = y + number // columns * ROW
            placed.append(msgspec.structs.replace(box, x=left, y=height, width=box_width))
        y += -(-len(boxes) // columns) * ROW + 10
    height = y - top - 16 + PAD
    picture.stems.append((stem, top - PANEL, top))
    picture.boxes += [Box(MARGIN, top, width, height, "panel", tuple(headings)), *placed]
    picture.height = top + height + MARGIN


def _station(label: str, reference: str, facts: Sequence[tuple[str, str]], style: str) -> Box:
    name, digest = split_name(reference)
    texts = [TextLine(18, 26, label.upper(), "label"), TextLine(18, 48, line(name, 22), "name")]
    texts += [TextLine(18, 66, digest, "mono")] if digest else []
    texts += [TextLine(18, 85 + 17 * n, line(fact, 30), kind) for n, (kind, fact) in enumerate(facts[:2])]
    return Box(0, 0, WIDTH, HEIGHT, style, tuple(texts))


def _pinned(story: Trace) -> str:
    """Return the image by tag and digest."""
    name, _, digest = story.reference.rpartition("@")
    return f"{name}:{story.tag}@{digest}" if story.tag else story.reference


def split_name(text: str) -> tuple[str, str]:
    """Return `voting-db:15.0` and the beginning of the digest, of a reference."""
    try:
        reference = Reference.parse(text)
    except InputError:
        return text, ""
    tag = f":{reference.tag}" if reference.tag else ""
    return f"{reference.short}{tag}", short_digest(reference.digest)


def _facts(subject: Subject, stated: Counts | None) -> list[tuple[str, str]]:
    """Return two lines for a station: the counts of its newest report, and when it was built.

    Args:
        subject: of the station.
        stated: its counts by the signed result, for when no report is attached.
    """
    facts = []
    if subject.reports:
        facts.append(_worst_and_counts(subject.reports[0].counts or {}, subject.reports[0].omitted))
    elif stated is not None:
        facts.append(_worst_and_counts(stated, 0))
    elif subject.problem:
        return [("bad", words) for words in _wrap(line(subject.problem, 200), 26, 2)]
    else:
        facts.append(("soft", "no report attached"))
    when = subject.patched or subject.created
    facts.append(
        ("soft", f"{'patched' if subject.patched else 'built'} {story_text.format_time(when)}" if when else "")
    )
    return facts


def _worst_and_counts(known: Counts, omitted: int) -> tuple[str, str]:
    worst = next((severity for severity, number in known.items() if number), None)
    counts = [f"{number:,} {severity.name.lower()}" for severity, number in known.items() if number]
    if not counts:
        # Green only where every severity is known to have none.
        return "good" if {*RATED} <= {*known} else "soft", story_text.describe_counts(known)
    shown = [*counts[:1], f"{omitted:,} more"] if omitted else counts[:2]
    return worst.name.lower() if worst is not None and worst is not Severity.UNKNOWN else "soft", " · ".join(shown)


def _fixed_count(story: Trace) -> str:
    return f"{len(story.change.fixed):,} fixed" if story.change is not None else ""


def _signature_boxes(signatures: Sequence[TracedSignature]) -> list[Box]:
    boxes = [
        _box(
            _common_name(signature.signer) or "unreadable signature",
            story_text.format_time(signature.signed_at) or signature.reason,
            signature.trust,
        )
        for signature in signatures
    ]
    return _fit_boxes(boxes, MAX_SIGNATURES, "more signatures")


def _document_boxes(documents: Sequence[AttachedDocument]) -> list[Box]:
    """Return a box for each document: first, of each type, the one that counts, then the others in their order."""
    chosen: dict[str, AttachedDocument] = {}
    for document in sorted(documents, key=_counts_less):
        chosen.setdefault(document.predicate_type or document.artifact_type, document)
    order = [*chosen.values()]
    order.sort(key=lambda document: _KINDS.index(document.kind))
    digests = {document.digest for document in order}
    order += [document for document in documents if document.digest not in digests]
    boxes = []
    for document in order:
        title = story_text.title_of_document(document)
        dated = f"{title} · {story_text.format_time(document.created)[:10]}"
        first = dated if document.created and len(dated) <= MAX_TITLE else title
        trust = SignatureTrust.BROKEN if document.problem else document.trust
        boxes.append(_box(first, story_text.describe_document(document), trust))
    return _fit_boxes(boxes, MAX_DOCUMENTS, "more documents")


_KINDS = (
    DocumentKind.REPORT,
    DocumentKind.RESULT,
    DocumentKind.SBOM,
    DocumentKind.VEX,
    DocumentKind.STATEMENT,
    DocumentKind.OTHER,
)


def _counts_less(document: AttachedDocument) -> bool:
    """Return whether a document gives way to another one of its type: it is unusable, or nobody trusted signed it."""
    return bool(document.problem) or document.trust is not SignatureTrust.TRUSTED


def _platform_boxes(platforms: Sequence[Subject]) -> list[Box]:
    boxes = []
    for subject in platforms:
        description = subject.problem or (
            story_text.describe_document(subject.reports[0]) if subject.reports else "no report attached"
        )
        boxes.append(_box(subject.platform or "unknown platform", description, subject.trust))
    return _fit_boxes(boxes, MAX_PLATFORMS, "more platforms")


def _fit_boxes(boxes: list[Box], most: int, what: str) -> list[Box]:
    """Return the boxes, or as many as fit beside one that counts the others: it never stands for a single one."""
    if len(boxes) <= most:
        return boxes
    left = len(boxes) - (most - 1)
    rest = Box(0, 0, WIDTH, ROW - 6, "hanging", (TextLine(48, 25, f"and {left:,} {what}", "soft"),))
    return [*boxes[: most - 1], rest]


def _box(first: str, second: str, trust: SignatureTrust) -> Box:
    texts = (TextLine(48, 17, line(first, MAX_TITLE), "row"), TextLine(48, 32, line(second, MAX_DESCRIPTION), "soft"))
    return Box(0, 0, WIDTH, ROW - 6, "hanging", texts, SEALS[trust])


def _common_name(subject: str) -> str:
    """Return the common name of a certificate's subject, else the whole subject."""
    for part in subject.split(","):
        if part.startswith("CN="):
            return part.removeprefix("CN=")
    return subject


def _wrap(text: str, width: int, most: int) -> list[str]:
    lines = textwrap.wrap(text, width)
    return lines if len(lines) <= most else [*lines[: most - 1], line(" ".join(lines[most - 1 :]), width - 1)]
