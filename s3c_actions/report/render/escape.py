"""Untrusted text made harmless for each place it is shown in. Every renderer goes through here.

What is not printable by Unicode (controls, ANSI escapes, bidirectional overrides, zero-width characters, lone
surrogates), and what is but shows nothing (fillers, variation selectors, tags), is shown as U+FFFD everywhere, so that
nothing hides and nothing acts.
"""

from __future__ import annotations

import html as _html
import re

# What is printable by Unicode and yet shows nothing, or a blank: two names that differ in it look alike. These are the
# property Default_Ignorable_Code_Point (https://www.unicode.org/Public/16.0.0/ucd/DerivedCoreProperties.txt), and those
# whose glyph is blank: of Braille U+2800, of hieroglyphs U+13441 and U+13442, of Khitan U+16FE4, of music U+1D159.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U00013441\U00013442\U00016fe4\U0001bca0-\U0001bca3"
    "\U0001d159\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_BLANK = {"\n", "\r", "\t", "\v", "\f", "\x85", "\u2028", "\u2029"}


def line(text: str, limit: int = 500) -> str:
    """One line of printable text, cut at `limit` characters."""
    cut = text[:limit] + "…" if len(text) > limit else text
    return cut if is_visible(cut) else " ".join(_printable(cut).split())


def is_visible(text: str) -> bool:
    """Whether every character of a text is shown, and as something that one sees."""
    return text.isprintable() and (text.isascii() or _INVISIBLE.search(text) is None)


def block(text: str, limit: int = 4000) -> str:
    """Printable text that keeps its lines, cut at `limit` characters."""
    cut = text[:limit] + "…" if len(text) > limit else text
    if is_visible(cut):
        return cut
    return "\n".join(_printable(one) for one in cut.splitlines())


def _printable(text: str) -> str:
    return "".join(
        one if is_visible(one) else " " if one in _BLANK or one.isspace() else "\N{REPLACEMENT CHARACTER}"
        for one in text
    )


def html(text: str, limit: int = 500) -> str:
    """For HTML text and quoted attributes."""
    return _html.escape(line(text, limit))


# What has a meaning inside a line of GitHub's Markdown, its tables, its HTML or its mathematics.
_STRUCTURE = re.compile(r"[\\`*_\[\]<>|~&@#$]")
# What opens a block when it stands first in a line: a list, or the underline of a heading.
_BLOCK = re.compile(r"[-+](?=\s|-*$)|=(?==*$)|(?<=\d)[.)](?=\s|$)")
_BLOCK_FIRST = re.compile(r"\s*(?:\d{1,9}(?=[.)])|(?=[-+=]))")
# What GitHub links by itself after Markdown was rendered: entities are no help there, a word joiner is.
_MENTION = re.compile(r"([@#])(?=\w)")
_BARE_LINK = re.compile(r"\b(www)\.|\b(GH)-(?=\d)", re.IGNORECASE)


def _entity(found: re.Match[str]) -> str:
    return f"&#{ord(found[0])};"


def markdown(text: str, limit: int = 300) -> str:
    """Prose for a line of GitHub Markdown: in a paragraph, a list item or a table's cell, at its beginning too.

    Nothing in it formats, links, mentions, opens a tag or a list, or ends a cell.
    """
    cut = line(text, limit)
    if "@" in cut or "#" in cut:
        cut = _MENTION.sub("\\1\N{WORD JOINER}", cut)
    # The URL's colon apart: in the pattern it would cost as much again.
    entities = _STRUCTURE.sub(_entity, cut).replace("://", "&#58;//")
    first = _BLOCK_FIRST.match(entities)
    if first is not None and (block_mark := _BLOCK.match(entities, first.end())):
        entities = f"{entities[: first.end()]}{_entity(block_mark)}{entities[block_mark.end() :]}"
    lower = entities.lower()
    if "www." in lower or "gh-" in lower:
        return _BARE_LINK.sub(lambda found: f"{found[1]}&#46;" if found[1] else f"{found[2]}&#45;", entities)
    return entities


_NO_SPAN = re.compile(r"[`|\\$]")


def code(text: str, limit: int = 200) -> str:
    """An identifier for a line of GitHub Markdown, in a code span, where nothing is linked or mentioned."""
    cut = line(text, limit).strip()
    if not cut:
        return ""
    if _NO_SPAN.search(cut):
        # In a table a code span needs a backslash before its bar, elsewhere the backslash would show.
        return f"<code>{markdown(cut, limit)}</code>"
    return f"`{cut}`"


_SAFE_URL = re.compile(r"https?://[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?:[/?#][A-Za-z0-9._~:/?#@!&+,;=%-]*)?")


def url(text: str) -> str:
    """The URL when it is a plain http(s) one that may stand in a link, else empty.

    No brackets, quotes, blanks or user information: nothing that ends a link early or shows another host than it
    leads to.
    """
    return text if len(text) <= 1000 and _SAFE_URL.fullmatch(text) else ""


def markdown_link(text: str, target: str) -> str:
    """A link whose text is an identifier; the identifier alone when the target is no safe URL."""
    return link(text, url(target))


def link(text: str, safe: str) -> str:
    """`markdown_link` of what `url` returned."""
    return f"[{markdown(text, 200) or 'link'}]({safe})" if safe else code(text)


FORMULA_STARTS = frozenset(
    "=+-@|%\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH PLUS SIGN}\N{FULLWIDTH HYPHEN-MINUS}\N{FULLWIDTH COMMERCIAL AT}"
)
"""What makes a cell that it begins a formula to a spreadsheet."""

MAX_CELL = 2000


def cell(text: str, limit: int = MAX_CELL) -> str:
    """For a CSV cell: what a spreadsheet would take for a formula gets an apostrophe before it.

    https://owasp.org/www-community/attacks/CSV_Injection; the full-width signs count too.
    """
    one = line(text, limit)
    return f"'{one}" if one[:1] in FORMULA_STARTS else one
