"""Escape untrusted text for each place where it is shown. Every renderer uses this module.

Characters that are not printable by Unicode (controls, ANSI escapes, bidirectional overrides, zero-width characters,
lone surrogates), and printable ones without a visible glyph (fillers, variation selectors, tags), are replaced by
U+FFFD everywhere, so that nothing is hidden and nothing has an effect.
"""

from __future__ import annotations

import html as _html
import re

from s3c_actions.core.patterns import late_pattern

# Characters printable by Unicode that show nothing, or a blank: two names that differ in them look alike. These are the
# property Default_Ignorable_Code_Point (https://www.unicode.org/Public/16.0.0/ucd/DerivedCoreProperties.txt), and those
# whose glyph is blank: of Braille U+2800, of hieroglyphs U+13441 and U+13442, of Khitan U+16FE4, of music U+1D159.
_INVISIBLE = late_pattern(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U00013441\U00013442\U00016fe4\U0001bca0-\U0001bca3"
    "\U0001d159\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_BLANKS = {"\n", "\r", "\t", "\v", "\f", "\x85", "\u2028", "\u2029"}


def line(text: str, limit: int = 500) -> str:
    """Return one line of printable text, cut at `limit` characters."""
    cut = text[:limit] + "…" if len(text) > limit else text
    return cut if is_visible(cut) else " ".join(_printable(cut).split())


def is_visible(text: str) -> bool:
    """Return whether every character of a text is visible."""
    return text.isprintable() and (text.isascii() or _INVISIBLE.search(text) is None)


def block(text: str, limit: int = 4000) -> str:
    """Return printable text that keeps its lines, cut at `limit` characters."""
    cut = text[:limit] + "…" if len(text) > limit else text
    if is_visible(cut):
        return cut
    return "\n".join(_printable(row) for row in cut.splitlines())


def _printable(text: str) -> str:
    return "".join(
        character
        if is_visible(character)
        else " "
        if character in _BLANKS or character.isspace()
        else "\N{REPLACEMENT CHARACTER}"
        for character in text
    )


def html(text: str, limit: int = 500) -> str:
    """Escape for HTML text and quoted attributes."""
    return _html.escape(line(text, limit))


# Characters with a meaning inside a line of GitHub's Markdown, its tables, its HTML or its mathematics.
_STRUCTURE = late_pattern(r"[\\`*_\[\]<>|~&@#$]")
# Starts of a block at the beginning of a line: a list, or the underline of a heading.
_BLOCK = late_pattern(r"[-+](?=\s|-*$)|=(?==*$)|(?<=\d)[.)](?=\s|$)")
_BLOCK_FIRST = late_pattern(r"\s*(?:\d{1,9}(?=[.)])|(?=[-+=]))")
# GitHub links these after rendering Markdown: entities do not prevent it, a word joiner does.
_MENTION = late_pattern(r"([@#])(?=\w)")
_BARE_LINK = late_pattern(r"\b(www)\.|\b(GH)-(?=\d)", re.IGNORECASE)


def _to_entity(match: re.Match[str]) -> str:
    return f"&#{ord(match[0])};"


def markdown(text: str, limit: int = 300) -> str:
    """Escape prose for a line of GitHub Markdown: in a paragraph, a list item or a table's cell, at its beginning too.

    Nothing in it formats, links, mentions, opens a tag or a list, or ends a cell.
    """
    cut = line(text, limit)
    if "@" in cut or "#" in cut:
        cut = _MENTION.sub("\\1\N{WORD JOINER}", cut)
    # The colon of a URL is replaced separately: in the pattern it would double the time.
    entities = _STRUCTURE.sub(_to_entity, cut).replace("://", "&#58;//")
    block_start = _BLOCK_FIRST.match(entities)
    if block_start is not None and (block_mark := _BLOCK.match(entities, block_start.end())):
        entities = f"{entities[: block_start.end()]}{_to_entity(block_mark)}{entities[block_mark.end() :]}"
    lower = entities.lower()
    if "www." in lower or "gh-" in lower:
        return _BARE_LINK.sub(lambda match: f"{match[1]}&#46;" if match[1] else f"{match[2]}&#45;", entities)
    return entities


_UNSAFE_IN_SPAN = late_pattern(r"[`|\\$]")


def code(text: str, limit: int = 200) -> str:
    """Return an identifier as a code span for a line of GitHub Markdown, where nothing is linked or mentioned."""
    cut = line(text, limit).strip()
    if not cut:
        return ""
    if _UNSAFE_IN_SPAN.search(cut):
        # In a table a code span needs a backslash before its bar, elsewhere the backslash would show.
        return f"<code>{markdown(cut, limit)}</code>"
    return f"`{cut}`"


_SAFE_URL = late_pattern(r"https?://[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?:[/?#][A-Za-z0-9._~:/?#@!&+,;=%-]*)?")


def url(text: str) -> str:
    """Return the URL when it is a plain http(s) URL that is safe in a link, else an empty string.

    Brackets, quotes, blanks and user information are rejected: they could end a link early or show another host than
    the link's.
    """
    return text if len(text) <= 1000 and _SAFE_URL.fullmatch(text) else ""


def markdown_link(text: str, target: str) -> str:
    """Return a link whose text is an identifier; only the identifier when the target is no safe URL."""
    return link(text, url(target))


def link(text: str, safe: str) -> str:
    """Return `markdown_link` for a URL that `url` returned."""
    return f"[{markdown(text, 200) or 'link'}]({safe})" if safe else code(text)


FORMULA_STARTS = frozenset(
    "=+-@|%\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH PLUS SIGN}\N{FULLWIDTH HYPHEN-MINUS}\N{FULLWIDTH COMMERCIAL AT}"
)
"""First characters of a cell that a spreadsheet interprets as a formula."""

MAX_CELL = 2000


def cell(text: str, limit: int = MAX_CELL) -> str:
    """Escape for a CSV cell: an apostrophe goes before what a spreadsheet would interpret as a formula.

    https://owasp.org/www-community/attacks/CSV_Injection; this includes the full-width signs.
    """
    cut = line(text, limit)
    return f"'{cut}" if cut[:1] in FORMULA_STARTS else cut
