"""GitHub's Markdown, as summary and comment are made of it: templates, folded tables, and a size that is kept.

Templates are sandboxed and escape every value that is not marked safe, so that forgetting costs formatting and never
structure. Tables are cut at whole rows, with a count, to stay within a number of bytes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from s3c_actions.report.render import escape

if TYPE_CHECKING:
    import jinja2

MAX_ROWS = 500


def mark_safe(text: str) -> Markup:
    """Mark what was made here, of text that is escaped already."""
    return Markup(text)  # noqa: S704


@dataclass
class Table:
    """A table; `rows` are whole lines, of which `shown` fit.

    Attributes:
        title: for the fold, without the number.
        head: the header row and the line under it.
        count: how many rows there would be; only the first MOST_ROWS are made.
        opened: unfolded to begin with.
        total: how many things the rows stand for, when that is not their number.
    """

    title: str
    head: Markup
    rows: list[str]
    count: int
    opened: bool = False
    total: str = ""
    shown: int = field(init=False)

    def __post_init__(self) -> None:
        self.shown = len(self.rows)

    @property
    def text(self) -> Markup:
        """The rows that fit, one a line."""
        return mark_safe("\n".join(self.rows[: self.shown]))

    @property
    def omitted(self) -> int:
        """How many rows do not."""
        return self.count - self.shown


def table_head(*columns: str) -> Markup:
    """A table's header: columns' titles, a `>` before those whose numbers stand on the right."""
    titles = " | ".join(column.removeprefix(">") for column in columns)
    return mark_safe(f"| {titles} |\n|{''.join('--:|' if column.startswith('>') else ':--|' for column in columns)}")


def render(name: str, values: dict[str, Any], tables: Sequence[Table], budget: int) -> str:
    """Render a template, its tables cut so that it fits.

    Args:
        name: of the template.
        values: for it.
        tables: in `values`, the ones that may be cut: the first has the room first.
        budget: the most bytes of UTF-8.

    Returns:
        Markdown that ends with a newline; empty when there is nothing to tell.
    """
    template = markdown_environment().get_template(name)
    text = template.render(values)
    if len(text.encode()) > budget:
        for table in tables:
            table.shown = 0
        room = budget - len(template.render(values).encode()) - 100 * len(tables)
        # The worst stands in a table's first rows: so the tables share the room.
        for number, table in enumerate(tables):
            share = room // (len(tables) - number)
            for row in table.rows:
                size = len(row.encode()) + 1
                if size > share:
                    break
                share, room = share - size, room - size
                table.shown += 1
        text = template.render(values)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n" if text.strip() else ""


def cut_at_line(markdown: str, room: int, ending: str) -> str:
    """The text in `room` bytes of UTF-8, cut behind a whole line, open `<details>` closed; `ending` tells of it."""
    data = markdown.encode(errors="backslashreplace")
    if len(data) <= room:
        return markdown
    kept = data[: max(0, room - len(ending.encode()) - 200)].rpartition(b"\n")[0].decode(errors="ignore")
    open_details = kept.count("<details") - kept.count("</details>")
    return kept + "\n\n" + "</details>\n" * open_details + f"\n\n{ending}" if kept else ""


def _finalize(value: object) -> object:
    # What a macro made and what was marked safe here has `__html__`, and passes.
    return (
        mark_safe(escape.markdown(value, 2000)) if isinstance(value, str) and not hasattr(value, "__html__") else value
    )


@cache
def markdown_environment() -> jinja2.Environment:
    """Where the templates are."""
    import jinja2
    from jinja2.sandbox import SandboxedEnvironment

    from s3c_actions.report.render import template_cache

    return SandboxedEnvironment(
        loader=jinja2.PackageLoader("s3c_actions.report"),
        bytecode_cache=template_cache.open_template_cache("markdown"),
        # `finalize` comes before HTML's escape, and leaves nothing to it.
        autoescape=True,
        finalize=_finalize,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
