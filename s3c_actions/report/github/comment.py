"""The pull-request comment: the facts for a reviewer's decision, from the `result.json` of one or several runs.

It shares its parts with the job summary, and is shorter: no chart, no commands, no titles beside the links. A document
may come from a fork: it was validated before, and its text is escaped wherever it is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from s3c_actions.report.document import ImageResult, ResultDocument, Verdict
from s3c_actions.report.github import counts_view, deploy_view, gate_files, image_view, verdicts, wording
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
        results: documents in the order in which the runs ended; their content is untrusted. Steps of several documents
            on the same digest become one image. Images that failed or were refused come first, and unfolded.
        run_url: of the workflow run with the whole summary and the reports; omitted when it is no safe URL.
        alerts_url: of the code-scanning alerts of this pull request.
        note: a sentence shown at the end, such as who vouches for these figures.
        limit: maximum bytes of UTF-8.

    Returns:
        Markdown that ends with a newline, within the limit: cut at whole rows, with a count of what was omitted and
        where the rest is. Empty when the results contain nothing to show.
    """
    images = verdicts.order_by_urgency(join_documents(results))
    severities = counts_view.overview_severities(images)
    names = wording.distinct_names(images)
    views = [image_view.view(image, titles=False) | {"name": name} for image, name in zip(images, names, strict=True)]
    rest = f"the [job summary]({escape.url(run_url)})" if escape.url(run_url) else "the job summary"
    compared = any(image["new"] is not None for image in views)
    columns = [
        "",
        "Image",
        *(f">{title}" for title in counts_view.overview_titles(images)),
        *([">New"] if compared else []),
        "Digest",
    ]
    overview = Table(
        title="",
        head=markdown.table_head(*columns),
        rows=[_row(image, len(severities), compared) for image in views[: markdown.MAX_ROWS]] if len(views) > 1 else [],
        count=len(views),
    )
    errors = [document.error for document in results if document.error is not None]
    values: dict[str, Any] = {
        "images": views,
        "several": overview,
        "details": True,
        "mark": verdicts.overall_mark(images, failed=bool(errors)),
        "verdict": verdicts.overall_verdict(images) if len(images) > 1 else "",
        "errors": [wording.error_view(error) for error in errors[:10]],
        "deploys": [
            deploy_view.deploy_view(document, document.deploy) for document in results if document.deploy is not None
        ],
        "base": _base_sentence(images),
        "links": _links(run_url, alerts_url),
        "rest": mark_safe(rest),
        "settings": gate_files.describe_settings(results),
        "gate_changes": gate_files.describe_gate_changes(results),
        "note": note,
    }
    tables = [table for image in views for table in image["tables"]]
    text = markdown.render(_TEMPLATE, values, tables, limit)
    if len(text.encode()) > limit:
        values["details"] = False
        text = markdown.render(_TEMPLATE, values, [overview], limit)
    return markdown.cut_at_line(text, limit, f"_Cut here: the rest is in {rest}._\n")


def join_documents(results: Sequence[ResultDocument]) -> list[ImageResult]:
    """Return the images of several documents, with the steps on the same digest merged.

    A step returns a digest, which is the input of the next step: so the scan, the patch, the signature and the
    admission of an image are one row, also when each was a command of its own.
    """
    images: list[ImageResult] = []
    for image in (image for document in results for image in document.images):
        index = next((position for position, earlier in enumerate(images) if _follows(earlier, image)), None)
        if index is None:
            images.append(image)
        else:
            images[index] = _merge(images[index], image)
    return images


def _merge(earlier: ImageResult, later: ImageResult) -> ImageResult:
    """Merge two results of one image; the later result wins where both have a value."""
    changes = {step: getattr(later, step) for step in _STEPS if getattr(later, step) is not None}
    if later.findings is not None:
        changes |= {"remaining": later.remaining, "set_aside": later.set_aside}
    if later.reference:
        changes |= {"reference": later.reference, "digest": later.digest}
    return replace(
        earlier, **changes, verdict=_worst_verdict(earlier.verdict, later.verdict), error=later.error or earlier.error
    )


def _follows(earlier: ImageResult, later: ImageResult) -> bool:
    """Return whether the input of the later result is the image of the earlier one."""
    result = earlier.reference
    return "@" in result and result in {later.image, later.reference}


def _worst_verdict(earlier: Verdict, later: Verdict) -> Verdict:
    return max(earlier, later, key=("passed", "refused", "failed").index)


def _row(image: dict[str, Any], severities: int, compared: bool) -> str:
    cells = list(image["changes"][:severities])
    if compared:
        cells.append("" if image["new"] is None else f"**{image['new']:,}**" if image["new"] else "0")
    name, verdict = escape.markdown(image["name"], 100), escape.markdown(image["verdict"])
    return f"| {image['mark']} | **{name}**<br/>{verdict} | {' | '.join(cells)} | {image['digest']} |"


def _base_sentence(images: Sequence[ImageResult]) -> str:
    """Return one sentence about the baselines of several images."""
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
