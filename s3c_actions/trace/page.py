"""Render a trace as one self-contained page: it loads nothing and runs nothing.

Its content security policy allows its style sheet by hash, and no script at all. It can be read on a screen in light
and dark, in print, by keyboard and by a screen reader: the picture's facts are all in the text as well.
"""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from s3c_actions import __version__
from s3c_actions.core.text import short_digest
from s3c_actions.findings.headline import format_count
from s3c_actions.findings.model import Severity
from s3c_actions.report.render import escape, page, template_cache
from s3c_actions.trace import diagram
from s3c_actions.trace import text as story_text
from s3c_actions.trace.model import (
    AdmissionVerdict,
    AttachedDocument,
    AttachedFinding,
    PatchChange,
    SignatureTrust,
    Trace,
)

if TYPE_CHECKING:
    import jinja2

    from s3c_actions.report.rendering import PageLink

TRACE_TEMPLATE = "story.html.j2"
MAX_FINDINGS = 300
MAX_DOCUMENTS = 100
MAX_LABELS = 30

_TRUST = {
    SignatureTrust.TRUSTED: ("good", "✔", "trusted"),
    SignatureTrust.REFUSED: ("bad", "✘", "not trusted"),
    SignatureTrust.BROKEN: ("bad", "✘", "broken"),
    SignatureTrust.UNCHECKED: ("open", "?", "not checked"),
}
_VERDICTS = {
    AdmissionVerdict.ADMITTED: ("good", "✔", "It would be admitted today"),
    AdmissionVerdict.DENIED: ("bad", "✘", "It would be denied today"),
    AdmissionVerdict.UNKNOWN: ("open", "?", "Whether it would be admitted was not judged"),
}


def render(story: Trace, links: tuple[PageLink, ...] = ()) -> bytes:
    """Render a trace; lists of thousands are cut, with the number of omitted items.

    Args:
        story: the trace.
        links: to the other pages of the run that made it.
    """
    style = page.template_source("page.css") + page.template_source("story.css")
    text = (
        _environment()
        .get_template(TRACE_TEMPLATE)
        .render(
            story=story,
            links=links,
            title=story_text.title_of(story),
            picture=diagram.draw(story),
            stacked=diagram.draw_stacked(story),
            describe_original=partial(story_text.describe_original, story),
            verdict=_VERDICTS[story.judgement.verdict],
            change=_change(story.change),
            style=Markup(style),  # noqa: S704 - a file of ours
            policy=Markup(  # noqa: S704 - made here
                f"default-src 'none'; style-src '{page.csp_hash(style)}'; base-uri 'none'; form-action 'none'"
            ),
            version=__version__,
            severities=sorted(Severity, reverse=True),
        )
    )
    return text.encode()


def prepare() -> None:
    """Do the one-time work of `render` in advance."""
    _environment().get_template(TRACE_TEMPLATE)


def _change(change: PatchChange | None) -> dict[str, Any] | None:
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


def _list(name: str, findings: tuple[AttachedFinding, ...], opened: bool) -> dict[str, Any]:
    return {
        "name": name,
        "count": len(findings),
        "rows": findings[:MAX_FINDINGS],
        "more": max(0, len(findings) - MAX_FINDINGS),
        "opened": opened and len(findings) <= 25,
    }


def _findings(document: AttachedDocument) -> dict[str, Any]:
    return _list("Findings", document.findings, False)


@cache
def _environment() -> jinja2.Environment:
    """Return the environment of all pages, with every text reduced to one printable line."""
    environment = page.page_environment().overlay(
        finalize=_printable, bytecode_cache=template_cache.open_template_cache("story")
    )
    # A new dictionary: an overlay shares that of the environment below, and so of all pages.
    environment.filters = environment.filters | {
        "short": short_digest,
        "label": story_text.short_label,
        "moment": story_text.format_time,
        "describe_document": story_text.describe_document,
        "number": format_count,
        "kind": story_text.title_of_document,
        "counted": story_text.describe_counts,
        "trust": _TRUST.__getitem__,
        "url": escape.url,
        "findings": _findings,
        "attacks": story_text.describe_attacks,
    }
    return environment


def _printable(value: object) -> object:
    return escape.line(value, 1000) if type(value) is str else value
