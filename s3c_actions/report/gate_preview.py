"""What a gate would refuse, for people: as text on a terminal, as GitHub's Markdown, as an issue, and as a page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup
from msgspec import UNSET

from s3c_actions.core.text import counted, short_digest
from s3c_actions.report.document import PreviewEntry, PreviewImage
from s3c_actions.report.render import escape, markdown, page
from s3c_actions.report.render.markdown import MAX_ROWS, Table, mark_safe, table_head

TEMPLATE, PAGE_TEMPLATE = "gate-preview.md.j2", "gate-preview.html.j2"
ISSUE_BYTES = 60_000
SUMMARY_BYTES = 1_000_000
MAX_SHOWN = 100
"""Images that a terminal lists."""
_PLACES = 3
_MARKS = {"refused": "✘", "unknown": "?", "admitted": "✔"}


def describe(preview: PreviewEntry, by: str = "") -> str:
    """Return the whole as a clause: `14 of 212 images would be refused`; `by` says by what."""
    total, refused, unknown = len(preview.images), preview.count("refused"), preview.count("unknown")
    if not total:
        return "no image is used where the gate looks"
    what = f"{refused:,} of {counted(total, 'image')} would be refused{by}"
    return what + (f", and {unknown:,} could not be judged" if unknown else "")


def is_clean(preview: PreviewEntry) -> bool:
    """Return whether everything was judged, and nothing would be refused."""
    return not preview.count("refused") and not preview.count("unknown")


def render_terminal(preview: PreviewEntry) -> str:
    """Render a line on the whole, and for each image that is not admitted its reason and what fixes it."""
    lines = [f"{'✔' if is_clean(preview) else '✘'} {describe(preview, _by(preview))}"]
    shown = [image for image in preview.images if image.verdict != "admitted"]
    for image in shown[:MAX_SHOWN]:
        lines += [
            f"  {_MARKS[image.verdict]} {escape.line(image.image)}: {escape.line(_reason(image))}",
            f"      in {escape.line(_places(image))}" + (f"; {note}" if (note := _note(image)) else ""),
        ]
        lines += [f"      fix: {escape.line(fix)}" for fix in _commands(image) or [image.remedy] if fix]
    if len(shown) > MAX_SHOWN:
        lines.append(f"    and {len(shown) - MAX_SHOWN:,} more")
    if preview.exempt:
        refused = sum(image.verdict == "refused" for image in preview.exempt)
        lines.append(
            f"  apart: {counted(len(preview.exempt), 'image')} of namespaces that go around the gate "
            f"({escape.line(', '.join(preview.exempt_namespaces))}); {refused:,} of them would be refused elsewhere"
        )
    if preview.stages:
        lines.append(f"  stages now: {escape.line(_stages(preview))}")
    return "".join(f"{line}\n" for line in lines)


def render_summary(preview: PreviewEntry, *, run_url: str = "", budget: int = SUMMARY_BYTES) -> str:
    """Render the preview in GitHub's Markdown.

    Args:
        preview: of a cluster.
        run_url: of the run that writes it; empty without one.
        budget: maximum bytes of UTF-8.
    """
    tables = [
        _table("Would be refused", [image for image in preview.images if image.verdict == "refused"], opened=True),
        _table("Could not be judged", [image for image in preview.images if image.verdict == "unknown"], opened=True),
        _table("In namespaces that go around the gate", preview.exempt),
    ]
    shown = [table for table in tables if table.count]
    values: dict[str, Any] = {
        "good": is_clean(preview),
        "sentence": describe(preview, _by(preview)),
        "cluster": preview.cluster,
        "stages": _stages(preview),
        "tables": shown,
        "exempt": ", ".join(preview.exempt_namespaces),
        "run_url": mark_safe(escape.url(run_url)),
    }
    return markdown.render(TEMPLATE, values, shown, budget)


def issue_title(preview: PreviewEntry) -> str:
    """Return the issue's title."""
    return f"Gate: {describe(preview)}"


def render_issue(preview: PreviewEntry, *, run_url: str = "") -> str:
    """Render the issue, without what differs in every run but the run's address."""
    ending = "This issue is kept up to date by every run, and closed when nothing would be refused.\n"
    return render_summary(preview, run_url=run_url, budget=ISSUE_BYTES - len(ending)) + "\n" + ending


def render_page(preview: PreviewEntry, *, created: str, version: str) -> bytes:
    """Render a self-contained page, which loads nothing and runs no script.

    Args:
        preview: of a cluster.
        created: the time, RFC 3339.
        version: of s3c.
    """
    style = "".join(page.template_source(name) for name in ("page.css", "fleet.css", "gate-preview.css"))
    groups = [
        ("Would be refused", "bad", [image for image in preview.images if image.verdict == "refused"]),
        ("Could not be judged", "medium", [image for image in preview.images if image.verdict == "unknown"]),
        ("Would be admitted", "good", [image for image in preview.images if image.verdict == "admitted"]),
        ("In namespaces that go around the gate", "plain", list(preview.exempt)),
    ]
    text = (
        page.page_environment()
        .get_template(PAGE_TEMPLATE)
        .render(
            sentence=escape.line(describe(preview)),
            good=is_clean(preview),
            facts=[
                ("cluster", escape.line(preview.cluster)),
                ("asked", created[:16].replace("T", " ")),
                ("judged by", escape.line(_judge(preview))),
                ("stages now", escape.line(_stages(preview)) or "no gate"),
            ],
            groups=[(title, tone, [_row(image) for image in images]) for title, tone, images in groups],
            exempt=[(escape.line(name), escape.line(why)) for name, why in preview.exempt_namespaces.items()],
            version=version,
            style=Markup(style),  # noqa: S704 - a file of ours
            policy=Markup(  # noqa: S704 - made here
                f"default-src 'none'; style-src '{page.csp_hash(style)}'; base-uri 'none'; form-action 'none'"
            ),
        )
    )
    return text.encode()


def _row(image: PreviewImage) -> dict[str, Any]:
    name, _, digest = image.image.partition("@")
    return {
        "name": escape.line(name),
        "digest": escape.line(digest, 90),
        "places": escape.line(_places(image, most=20), 1000),
        "reason": escape.line(_reason(image), 1000),
        "commands": [escape.line(command, 500) for command in _commands(image)],
        "remedy": escape.line(image.remedy),
        "note": _note(image),
    }


def _table(title: str, images: Sequence[PreviewImage], *, opened: bool = False) -> Table:
    return Table(
        title=title,
        head=table_head("Image", "Where", "Why", "Fix"),
        rows=[_line(image) for image in images[:MAX_ROWS]],
        count=len(images),
        opened=opened,
    )


def _line(image: PreviewImage) -> str:
    fix = "<br>".join(escape.code(command, 400) for command in _commands(image)) or escape.markdown(image.remedy)
    note = f" ({note})" if (note := _note(image)) else ""
    cells = (
        escape.code(image.image, 300),
        escape.markdown(_places(image)),
        escape.markdown(_reason(image)) + note,
        fix,
    )
    return f"| {' | '.join(cells)} |"


def _commands(image: PreviewImage) -> list[str]:
    """Return the commands that fix it; a document of an earlier version has the first alone."""
    return [command for command in (image.command,) if command] if image.commands is UNSET else list(image.commands)


def _places(image: PreviewImage, most: int = _PLACES) -> str:
    more = len(image.places) - most
    return ", ".join(image.places[:most]) + (f" and {more:,} more" if more > 0 else "")


def _reason(image: PreviewImage) -> str:
    """Return why an image is not admitted; the commands in it are about the image that it stands beside."""
    return image.reason.replace(f" {image.image}`", "`")


def _note(image: PreviewImage) -> str:
    if image.static:
        return "a static Pod, which its node starts all the same"
    return "" if image.running else "not running now"


def _judge(preview: PreviewEntry) -> str:
    return f"the policy {short_digest(preview.policy)}" if preview.policy else "the installed gate"


def _by(preview: PreviewEntry) -> str:
    return f" by {_judge(preview)}"


def _stages(preview: PreviewEntry) -> str:
    named = (f"{name}={stage}" for name, stage in sorted(preview.stages.items()) if name != "*")
    return ", ".join([preview.stages["*"], *named]) if preview.stages else ""
