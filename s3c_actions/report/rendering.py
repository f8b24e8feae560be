"""The input of a renderer besides the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from s3c_actions.findings.difference import Difference
from s3c_actions.findings.threshold import Threshold

if TYPE_CHECKING:
    from s3c_actions.findings.scope import Scope


class PageLink(msgspec.Struct, frozen=True):
    """A link from one page of a run to another; an empty address stands for the page itself."""

    title: str
    address: str


class Rendering(msgspec.Struct, frozen=True, kw_only=True):
    """The input of a renderer besides the report.

    Attributes:
        gate: so that a page can mark what closes it; nothing is omitted because of it.
        judged: whether a gate judged the scan; without one, no report looks like a verdict.
        closed: why that gate is closed, as a sentence; empty when it is open.
        scope: what the scan looked at; None where it is not known.
        difference: against a baseline.
        dockerfile: path relative to the repository's root, in POSIX form, empty when there is none.
        dockerfile_text: its text, to find the line that created a layer.
        category: SARIF category; empty means the image's own.
        title: of the page, such as the tag of a patched image; empty means the name in the report.
        links: to the other pages of the run.
    """

    gate: Threshold = msgspec.field(default_factory=lambda: Threshold(None))
    judged: bool = False
    closed: str = ""
    scope: Scope | None = None
    difference: Difference | None = None
    dockerfile: str = ""
    dockerfile_text: str = ""
    category: str = ""
    title: str = ""
    links: tuple[PageLink, ...] = ()
