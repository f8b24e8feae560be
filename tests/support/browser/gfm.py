"""Markdown as GitHub shows it: its own parser, then the rules of its sanitiser.

GitHub runs cmark-gfm and then html-pipeline, whose `SanitizationFilter` publishes what is let through; the same lists
are here.
"""

from __future__ import annotations

import cmarkgfm
import nh3
from cmarkgfm.cmark import Options

_TAGS = """
h1 h2 h3 h4 h5 h6 br b i strong em a pre code img tt div ins del sup sub p picture ol ul table thead tbody tfoot
blockquote dl dt dd kbd q samp var hr ruby rt rp li tr td th s strike summary details caption figure figcaption abbr bdo
cite dfn mark small source span time wbr
"""
_EVERYWHERE = """
abbr accept accept-charset accesskey action align alt aria-describedby aria-hidden aria-label aria-labelledby axis
border char charoff charset checked clear cols colspan compact coords datetime dir disabled enctype for frame headers
height
hreflang hspace id ismap label lang maxlength media method multiple name nohref noshade nowrap open progress prompt
readonly rev role rows rowspan rules scope selected shape size span start summary tabindex title type usemap valign
value vspace width itemprop
"""
TAGS = set(_TAGS.split())
ATTRIBUTES = {
    "*": set(_EVERYWHERE.split()),
    "a": {"href"},
    "img": {"src", "longdesc", "loading", "alt"},
    "div": {"itemscope", "itemtype"},
    "source": {"srcset"},
    **{tag: {"cite"} for tag in ("blockquote", "del", "ins", "q")},
}
SCHEMES = {"http", "https", "mailto", "github-windows", "github-mac"}


def parsed(markdown: str) -> str:
    """The HTML that GitHub's parser makes, raw HTML in it as it is."""
    options = Options.CMARK_OPT_UNSAFE | Options.CMARK_OPT_GITHUB_PRE_LANG | Options.CMARK_OPT_FOOTNOTES
    # Without the filter of some tags that is on by default: what comes through is for the sanitiser, and for the tests.
    extensions = ["table", "autolink", "strikethrough", "tasklist"]
    html: str = cmarkgfm.markdown_to_html_with_extensions(markdown, options, extensions)
    return html


def sanitised(html: str) -> str:
    """What GitHub lets through of it."""
    return nh3.clean(
        html,
        tags=TAGS,
        attributes=ATTRIBUTES,
        url_schemes=SCHEMES,
        link_rel=None,
        strip_comments=True,
    )


def rendered(markdown: str) -> str:
    """The HTML that GitHub shows."""
    return sanitised(parsed(markdown))
