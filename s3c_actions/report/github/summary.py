"""The job summary and `summary.md`: the verdict first, the facts under it, long lists folded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from s3c_actions.report.document import ResultDocument
from s3c_actions.report.github import counts_view, gate_files, image_view, verdicts, wording
from s3c_actions.report.render import escape, markdown

if TYPE_CHECKING:
    from s3c_actions.report.rendering import PageLink

SUMMARY_BYTES = 1_000_000
_TEMPLATE = "summary.md.j2"
_PARTS = "parts.md.j2"


def render(document: ResultDocument, *, budget: int = SUMMARY_BYTES) -> str:
    """Render what a command did; of several images those that failed or were refused come first, and unfolded.

    Args:
        document: a `result.json`, of one image, several or none.
        budget: maximum bytes of UTF-8; the least severe rows are omitted first, and counted.

    Returns:
        Markdown that ends with a newline; empty when there is nothing to show.
    """
    ordered = verdicts.order_by_urgency(document.images)
    images: list[dict[str, Any]] = [
        image_view.view(image) | {"name": name}
        for image, name in zip(ordered, wording.distinct_names(ordered), strict=True)
    ]
    deploy = None
    if document.deploy is not None:
        from s3c_actions.report.github.deploy_view import deploy_view

        deploy = deploy_view(document, document.deploy)
    error = wording.render_error(document.command, document.error) if document.error is not None else ""
    settings = gate_files.describe_settings([document])
    gate_changes = gate_files.describe_gate_changes([document])
    if not (images or deploy or settings or gate_changes):
        return markdown.tidy(error)
    values = {
        "command": document.command,
        "images": images,
        "titles": counts_view.overview_titles(ordered),
        "error": error,
        "verdict": verdicts.overall_verdict(document.images) if len(images) > 1 else "",
        "mark": verdicts.overall_mark(document.images),
        "settings": settings,
        "gate_changes": gate_changes,
        "deploy": deploy,
    }
    return markdown.render(_TEMPLATE, values, [table for image in images for table in image["tables"]], budget)


def render_links(images: Sequence[tuple[str, tuple[PageLink, ...]]]) -> str:
    """Render the links to the pages of a run, a line for each image that has some; empty without any.

    Args:
        images: name of each image, which is untrusted, and its links, whose addresses are URL-encoded.
    """
    lines = []
    for image, links in images:
        line = " · ".join(f"[{escape.markdown(link.title)}]({link.address})" for link in links)
        if line:
            lines.append(f"- {escape.code(wording.short_name(image))}: {line}\n")
    return "\n**Pages**\n\n" + "".join(lines) if lines else ""


def prepare() -> None:
    """Load ahead of time what `render` caches."""
    for name in (_TEMPLATE, _PARTS):
        markdown.markdown_environment().get_template(name)
