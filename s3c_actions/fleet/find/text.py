"""Show the answer to a query: as a table for people, or as CSV (RFC 4180). Every text of an image is escaped."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from io import StringIO

from s3c_actions.core.text import counted
from s3c_actions.report.formats.text_table import display_width
from s3c_actions.report.render.escape import cell
from s3c_actions.report.render.terminal import image_title, plain_line
from s3c_actions.result.model import FindResult, FoundMatch, UnansweredImage

MAX_PLACES = 3
"""Places of an image that a row of the table names."""
CSV_HEADER = (
    *("answer", "image", "reference", "package", "installed", "fixed", "ecosystem", "source", "advisory", "severity"),
    *("licence", "note", "owner", "places", "evidence"),
)


def render_table(result: FindResult) -> str:
    """Return the answer as text, with everything that is not known for certain at its end."""
    certain = [match for match in result.matches if not match.problem]
    undecided = [match for match in result.matches if match.problem]
    number = len({match.reference for match in certain})
    total = counted(result.images, "image")
    lines = [f"{plain_line(result.query)}: found in {number:,} of {total}"]
    if certain:
        lines += ["", *_align(_rows(certain))]
    if undecided:
        lines += ["", f"Version not comparable: {counted(len(undecided), 'package')}"]
        lines += [
            f"  {_title(match)}  {_package(match)} {plain_line(match.installed)}: {plain_line(match.problem)}"
            for match in undecided
        ]
    if result.unanswered:
        lines += ["", f"Not answered for: {counted(len(result.unanswered), 'image')}"]
        lines += _unanswered(result.unanswered)
    return "\n".join([*lines, ""])


def _rows(matches: Sequence[FoundMatch]) -> list[tuple[str, ...]]:
    columns = ("IMAGE", "SEVERITY", "PACKAGE", "INSTALLED", "FIXED IN", "LICENCE", "NOTE", "OWNER", "WHERE")
    rows = [
        (
            _title(match),
            plain_line(match.severity),
            _package(match),
            plain_line(match.installed),
            plain_line(match.fixed),
            plain_line(match.licence),
            plain_line(match.note),
            plain_line(match.owner),
            _places(match.places),
        )
        for match in matches
    ]
    used = [number for number in range(len(columns)) if any(row[number] for row in rows)]
    return [tuple(row[number] or "–" for number in used) for row in (columns, *rows)]


def _align(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(display_width, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(text + " " * (width - display_width(text)) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _title(image: FoundMatch | UnansweredImage) -> str:
    return image_title(image.image, image.reference, full=True)


def _package(match: FoundMatch) -> str:
    name = plain_line(match.package)
    return f"{name} ({plain_line(match.source)})" if match.source not in ("", match.package) else name


def _places(places: Sequence[str]) -> str:
    shown = ", ".join(plain_line(place) for place in places[:MAX_PLACES])
    return f"{shown} and {len(places) - MAX_PLACES} more" if len(places) > MAX_PLACES else shown


def _unanswered(images: Iterable[UnansweredImage]) -> list[str]:
    """Group images by their reasons, so that a fleet without reports is no wall of text."""
    groups: dict[str, list[str]] = {}
    for image in images:
        where = f" ({_places(image.places)})" if image.places else ""
        groups.setdefault("; ".join(map(plain_line, image.reasons)), []).append(f"{_title(image)}{where}")
    return [line for reason, names in groups.items() for line in (f"  {reason}:", *(f"    {name}" for name in names))]


def render_csv(result: FindResult) -> str:
    """Return a row for each match and for each image that is not answered for; `answer` says which it is."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(CSV_HEADER)
    for match in result.matches:
        values = {
            **{name: getattr(match, name, "") for name in CSV_HEADER},
            "answer": "not comparable" if match.problem else "found",
            "note": match.problem or match.note,
            "places": ", ".join(match.places),
        }
        writer.writerow([cell(str(values[name])) for name in CSV_HEADER])
    for image in result.unanswered:
        values = {
            "answer": "not answered",
            "image": image.image,
            "reference": image.reference,
            "note": "; ".join(image.reasons),
            "owner": image.owner,
            "places": ", ".join(image.places),
        }
        writer.writerow([cell(str(values.get(name, ""))) for name in CSV_HEADER])
    return text.getvalue()
