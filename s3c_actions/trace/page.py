"""Render a trace as one self-contained page: it loads nothing and runs nothing.

Its content security policy allows its style sheet by hash, and no script at all. It can be read on a screen in light
and dark, in print, by keyboard and by a screen reader: the picture's facts are all in the text as well.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from s3c_actions import __version__
from s3c_actions.core.text import short_digest
from s3c_actions.findings.model import Severity
from s3c_actions.report.render import escape, page
from s3c_actions.trace import diagram
from s3c_actions.trace import text as story_text
from s3c_actions.trace.model import Change, Document, Found, Story, Trust, Verdict

if TYPE_CHECKING:
    import jinja2

TEMPLATE = "story.html.j2"
MOST_FOUND = 300
MOST_DOCUMENTS = 100
MOST_LABELS = 30

_TRUST = {
    Trust.TRUSTED: ("good", "✔", "trusted"),
    Trust.REFUSED: ("bad", "✘", "not trusted"),
    Trust.BROKEN: ("bad", "✘", "broken"),
    Trust.UNCHECKED: ("open", "?", "not checked"),
}
_VERDICTS = {
    Verdict.ADMITTED: ("good", "✔", "It would be admitted today"),
    Verdict.DENIED: ("bad", "✘", "It would be denied today"),
    Verdict.UNKNOWN: ("open", "?", "Whether it would be admitted was not judged"),
}


def render(story: Story) -> bytes:
    """Render a trace; lists of thousands are cut, with the number of omitted items."""
    style = page.source("page.css") + page.source("story.css")
    text = (
        _environment()
        .get_template(TEMPLATE)
        .render(
            story=story,
            title=diagram.named(story.image)[0],
            picture=diagram.draw(story),
            verdict=_VERDICTS[story.judgement.verdict],
            change=_change(story.change),
            style=Markup(style),  # noqa: S704 - a file of ours
            policy=Markup(  # noqa: S704 - made here
                f"default-src 'none'; style-src '{page.fingerprint(style)}'; base-uri 'none'; form-action 'none'"
            ),
            version=__version__,
            severities=sorted(Severity, reverse=True),
        )
    )
    return text.encode()


def prepare() -> None:
    """Do the one-time work of `render` in advance."""
    _environment().get_template(TEMPLATE)


def _change(change: Change | None) -> dict[str, Any] | None:
    """Return the patch's difference: severities that occur, and lists, each with the number of omitted items."""
    if change is None:
        return None
    columns = [
        severity
        for severity in sorted(Severity, reverse=True)
        if change.before.get(severity) or change.after.get(severity)
    ]
    lists = [("Fixed", change.fixed, False), ("Left", change.left, True), ("New", change.new, True)]
    return {
        "source": change.source,
        "columns": columns,
        "rows": [("before", change.before), ("after", change.after)],
        "lists": [_list(name, findings, opened) for name, findings, opened in lists if findings],
        "packages": len({finding.package for finding in change.fixed}),
        "fixed": len(change.fixed),
        "left": len(change.left),
        "new": len(change.new),
    }


def _list(name: str, findings: tuple[Found, ...], opened: bool) -> dict[str, Any]:
    return {
        "name": name,
        "count": len(findings),
        "rows": findings[:MOST_FOUND],
        "more": max(0, len(findings) - MOST_FOUND),
        "opened": opened and len(findings) <= 25,
    }


def _findings(document: Document) -> dict[str, Any]:
    return _list("Findings", document.findings, False)


@cache
def _environment() -> jinja2.Environment:
    """Return the environment of all pages, with every text reduced to one printable line."""
    from s3c_actions.report.render import template_cache

    environment = page.environment().overlay(finalize=_printable, bytecode_cache=template_cache.kept("story"))
    environment.filters |= {
        "short": short_digest,
        "label": story_text.label,
        "moment": story_text.moment,
        "told": story_text.told,
        "counted": story_text.counted,
        "trust": _TRUST.__getitem__,
        "url": escape.url,
        "findings": _findings,
    }
    return environment


def _printable(value: object) -> object:
    return escape.line(value, 1000) if type(value) is str else value
