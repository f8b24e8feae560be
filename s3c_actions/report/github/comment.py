"""The pull-request comment: what a reviewer decides on in ten seconds, from the `result.json` of one or several runs.

It shares its parts with the job summary, and is shorter: no picture, no commands, titles left to the links. A document
may come from a fork: its shape was checked before, and its text is harmless wherever it is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from s3c_actions.report.document import ImageResult, ResultDocument, Verdict
from s3c_actions.report.github import deploy_view, image_view
from s3c_actions.report.render import escape, markdown
from s3c_actions.report.render.markdown import Table, mark_safe

COMMENT_BYTES = 65_000
"""GitHub takes 65,536 characters; the rest is for the hidden marker. Bytes are never fewer than characters."""
_TEMPLATE = "comment.md.j2"
_STEPS = ("scan", "patch", "rescan", "sign", "verify", "admission", "base", "findings")


def render(
    results: Sequence[ResultDocument],
    *,
    run_url: str = "",
    alerts_url: str = "",
    note: str = "",
    limit: int = COMMENT_BYTES,
) -> str:
    """Render the comment's body, without its marker.

    Args:
        results: documents in the order in which the runs ended; all else in them
            is untrusted. Steps of several documents on the same digest become one image.
        run_url: of the workflow run, where the whole summary and the reports are; left out when it is no safe URL.
        alerts_url: of the code-scanning alerts of this pull request.
        note: a sentence shown at the end, such as who vouches for these figures.
        limit: the most bytes of UTF-8.

    Returns:
        Markdown that ends with a newline, within the limit: cut at whole rows, with a count of what was left out and
        where the rest is. Empty when the results tell nothing.
    """
    images = join_documents(results)
    names = image_view.distinct_names(images)
    shown = [image_view.view(one, titles=False) | {"name": name} for one, name in zip(images, names, strict=True)]
    rest = f"the [job summary]({escape.url(run_url)})" if escape.url(run_url) else "the job summary"
    compared = any(image["new"] is not None for image in shown)
    columns = [
        "",
        "Image",
        *(f">{one.capitalize()}" for one in image_view.RATED_SEVERITIES),
        *([">New"] if compared else []),
        "Digest",
    ]
    several = Table(
        title="",
        head=markdown.table_head(*columns),
        rows=[_row(image, compared) for image in shown[: markdown.MAX_ROWS]] if len(shown) > 1 else [],
        count=len(shown),
    )
    errors = [one.error for one in results if one.error is not None]
    values: dict[str, Any] = {
        "images": shown,
        "several": several,
        "details": True,
        "good": not errors and all(image["good"] for image in shown),
        "verdict": image_view.overall_verdict(images) if len(images) > 1 else "",
        "errors": [image_view.error_view(error) for error in errors[:10]],
        "deploys": [deploy_view.deploy_view(one, one.deploy) for one in results if one.deploy is not None],
        "base": _base(images),
        "links": _links(run_url, alerts_url),
        "rest": mark_safe(rest),
        "settings": image_view.describe_settings(results),
        "gate_changes": image_view.describe_gate_changes(results),
        "note": note,
    }
    tables = [table for image in shown for table in image["tables"]]
    text = markdown.render(_TEMPLATE, values, tables, limit)
    if len(text.encode()) > limit:
        values["details"] = False
        text = markdown.render(_TEMPLATE, values, [several], limit)
    return markdown.cut_at_line(text, limit, f"_Cut here: the rest is in {rest}._\n")


def join_documents(results: Sequence[ResultDocument]) -> list[ImageResult]:
    """The images of several documents, the steps on one digest put together.

    A step hands on a digest, and the next one is given it: so the scan, the patch, the signature and the admission of
    an image are one row, also when each was a command of its own.
    """
    images: list[ImageResult] = []
    for image in (image for document in results for image in document.images):
        place = next((number for number, earlier in enumerate(images) if _follows(earlier, image)), None)
        if place is None:
            images.append(image)
        else:
            images[place] = _together(images[place], image)
    return images


def _together(earlier: ImageResult, later: ImageResult) -> ImageResult:
    """What two say of one image, the later one's words where both have some."""
    changes = {step: getattr(later, step) for step in _STEPS if getattr(later, step) is not None}
    if later.findings is not None:
        changes |= {"remaining": later.remaining, "set_aside": later.set_aside}
    if later.reference:
        changes |= {"reference": later.reference, "digest": later.digest}
    return replace(
        earlier, **changes, verdict=_worse(earlier.verdict, later.verdict), error=later.error or earlier.error
    )


def _follows(earlier: ImageResult, later: ImageResult) -> bool:
    """Whether the later one was given what the earlier one handed on."""
    handed = earlier.reference
    return "@" in handed and handed in {later.image, later.reference}


def _worse(one: Verdict, other: Verdict) -> Verdict:
    return max(one, other, key=("passed", "refused", "failed").index)


def _row(image: dict[str, Any], compared: bool) -> str:
    mark = "✅" if image["good"] else "❌"
    cells = list(image["changes"])
    if compared:
        cells.append("" if image["new"] is None else f"**{image['new']:,}**" if image["new"] else "0")
    name, said = escape.markdown(image["name"], 100), escape.markdown(image["verdict"])
    return f"| {mark} | **{name}**<br/>{said} | {' | '.join(cells)} | {image['digest']} |"


def _base(images: Sequence[ImageResult]) -> str:
    """One sentence over several images."""
    bases = [image.base for image in images if image.base is not None]
    if len(images) < 2 or not bases:
        return ""
    names = list(dict.fromkeys(base.name for base in bases))
    against = escape.code(names[0], 100) if len(names) == 1 else "their bases"
    new, fixed = sum(len(base.new) for base in bases), sum(len(base.fixed) for base in bases)
    left = sum(base.left for base in bases)
    return mark_safe(f"Compared with {against}: **{new:,} new**, {fixed:,} fixed, {left:,} unchanged.")


def _links(run_url: str, alerts_url: str) -> list[str]:
    links = (("run", run_url), ("alerts", alerts_url))
    return [mark_safe(f"[{text}]({escape.url(url)})") for text, url in links if escape.url(url)]
