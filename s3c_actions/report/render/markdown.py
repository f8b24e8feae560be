"""GitHub's Markdown for summary and comment: templates, folded tables, and a size limit.

Templates are sandboxed and escape every value that is not marked safe, so that a forgotten mark affects formatting and
never structure. Tables are cut at whole rows, with a count, to stay within a number of bytes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

import msgspec
from markupsafe import Markup

from s3c_actions.core.libraries import jinja2, jinja2_sandbox
from s3c_actions.report.render import escape

MAX_ROWS = 500


def mark_safe(text: str) -> Markup:
    """Mark Markdown that was built from escaped text."""
    return Markup(text)  # noqa: S704


class Table(msgspec.Struct):
    """A table; `rows` are whole lines, of which `shown` fit: all of them until `render` cuts it.

    Attributes:
        title: of the fold, without the number.
        head: the header row and the line under it.
        count: number of rows in all; only the first MAX_ROWS are created.
        opened: whether it is initially unfolded.
        total: what the rows represent, with its number, when that differs from the number of rows.
    """

    title: str
    head: Markup
    rows: list[str]
    count: int
    opened: bool = False
    total: str = ""
    shown: int = 0

    def __post_init__(self) -> None:
        self.shown = len(self.rows)

    @property
    def text(self) -> Markup:
        """Return the rows that fit, one a line."""
        return mark_safe("\n".join(self.rows[: self.shown]))

    @property
    def omitted(self) -> int:
        """Return the number of rows that do not fit."""
        return self.count - self.shown


def table_head(*columns: str) -> Markup:
    """Return a table's header.

    Args:
        columns: titles, with a `>` before those that are aligned to the right.
    """
    titles = " | ".join(column.removeprefix(">") for column in columns)
    return mark_safe(f"| {titles} |\n|{''.join('--:|' if column.startswith('>') else ':--|' for column in columns)}")


def render(name: str, values: dict[str, Any], tables: Sequence[Table], budget: int) -> str:
    """Render a template, with its tables cut to fit.

    Args:
        name: of the template.
        values: for it.
        tables: in `values`, those that may be cut.
        budget: maximum bytes of UTF-8.

    Returns:
        Markdown that ends with a newline; empty when there is nothing to show.
    """
    template = markdown_environment().get_template(name)
    text = template.render(values)
    if len(text.encode()) > budget:
        for table in tables:
            table.shown = 0
        remaining = budget - len(template.render(values).encode()) - 100 * len(tables)
        # The worst findings are in a table's first rows, so the tables share the remaining bytes.
        for number, table in enumerate(tables):
            share = remaining // (len(tables) - number)
            for row in table.rows:
                size = len(row.encode()) + 1
                if size > share:
                    break
                share, remaining = share - size, remaining - size
                table.shown += 1
        text = template.render(values)
    return tidy(text)


def tidy(text: str) -> str:
    """Return Markdown with one empty line between its parts and a newline at its end; empty when it says nothing."""
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n" if text.strip() else ""


def cut_at_line(markdown: str, room: int, ending: str) -> str:
    """Cut a text to `room` bytes of UTF-8 after a whole line, close open `<details>`, and append `ending`."""
    data = markdown.encode(errors="backslashreplace")
    if len(data) <= room:
        return markdown
    kept = data[: max(0, room - len(ending.encode()) - 200)].rpartition(b"\n")[0].decode(errors="ignore")
    open_details = kept.count("<details") - kept.count("</details>")
    return kept + "\n\n" + "</details>\n" * open_details + f"\n\n{ending}" if kept else ""


def _finalize(value: object) -> object:
    # The output of macros and text marked safe have `__html__`, and pass.
    return (
        mark_safe(escape.markdown(value, 2000)) if isinstance(value, str) and not hasattr(value, "__html__") else value
    )


@cache
def markdown_environment() -> jinja2.Environment:
    """Return the environment of the Markdown templates."""
    from s3c_actions.report.render import template_cache

    return jinja2_sandbox.SandboxedEnvironment(
        loader=jinja2.PackageLoader("s3c_actions.report"),
        bytecode_cache=template_cache.open_template_cache("markdown"),
        # `finalize` runs before the HTML escape, and leaves nothing for it.
        autoescape=True,
        finalize=_finalize,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
