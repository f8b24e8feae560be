"""Names, digests, durations, sentences and errors of images, as summary and comment show them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from markupsafe import Markup

from s3c_actions.report.document import ErrorEntry, ImageResult
from s3c_actions.report.render import escape
from s3c_actions.report.render.markdown import mark_safe


def short_name(reference: str) -> str:
    """Return an image's short name: the last part, without tag and digest."""
    return reference.partition("@")[0].rstrip("/").rpartition("/")[2].partition(":")[0] or reference


def distinct_names(images: Sequence[ImageResult]) -> list[str]:
    """Return the short names of images, in full where two short names are equal."""
    names = [short_name(image.image) for image in images]
    return [name if names.count(name) == 1 else image.image for name, image in zip(names, images, strict=True)]


def error_view(error: ErrorEntry) -> dict[str, str]:
    """Return the values of an error for the templates; `details` are the lines under what happened."""
    return {
        "what": error.what,
        "image": mark_safe(escape.code(error.image)) if error.image else "",
        "details": _error_details(error),
    }


def render_error(command: str, error: ErrorEntry) -> Markup:
    """Render the error that ended a command, without a template: wrong input does not wait for their library."""
    heading = f"### ❌ s3c {escape.markdown(command, 2000)} · {escape.markdown(error.what, 2000)}\n\n"
    image = f"{escape.code(error.image)}\n\n" if error.image else ""
    return mark_safe(f"{heading}{image}{_error_details(error)}")


def _error_details(error: ErrorEntry) -> Markup:
    remedy, cause = render_prose(error.remedy), render_prose(error.cause)
    lines = [f"**What to do:** {remedy}", ""] if remedy else []
    lines += [f"> {cause}"] if cause else []
    if error.original:
        lines += [">"] if cause else []
        lines.append(f"> <sub>{escape.markdown(error.original[:2000], 2000)}</sub>")
    return mark_safe("".join(f"{line}\n" for line in lines))


def render_prose(text: str, limit: int = 2000) -> Markup:
    """Render sentences with the text between backticks as code, so that a command can be copied unchanged."""
    parts = escape.line(text, limit).split("`")
    if len(parts) % 2 == 0:
        return mark_safe(escape.markdown(text, limit))
    return mark_safe(
        "".join(
            escape.code(part, limit) if index % 2 else escape.markdown(part, limit) for index, part in enumerate(parts)
        )
    )


def brief_digest(digest: str) -> str:
    """Return a short digest, `sha256:33955bb0…`; empty when the text is no digest."""
    return f"{digest[:15]}…" if re.fullmatch(r"sha(256|384|512):[0-9a-f]{64,128}", digest) else ""


def short_reference(reference: str) -> str:
    """Return a reference with a short digest."""
    name_of, _, digest = reference.rpartition("@")
    return f"{name_of}@{brief_digest(digest)}" if brief_digest(digest) else reference


def format_seconds(value: float) -> str:
    """Format a duration for people."""
    return f"{value:.1f} s" if value < 90 else f"{int(value // 60)} min {int(value % 60)} s"


def format_size(count: int) -> str:
    """Format a number of bytes for people."""
    return f"{count / 2**20:,.1f} MiB" if count >= 2**20 else f"{count / 2**10:,.1f} KiB"
