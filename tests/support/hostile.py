"""Text that somebody who wishes us ill would put into an image's label, a package's name or an advisory's title."""

import pytest

HOSTILE = {
    "workflow-command": "::error title=owned::pwned",
    "set-output": "::set-output name=digest::sha256:0",
    "second-line": "fine\n::set-output name=digest::sha256:0",
    "carriage-return": "fine\r::add-mask::a\r\n::stop-commands::x",
    "indented-command": "   ::save-state name=x::y",
    "old-command": "##[set-output name=digest]sha256:0",
    "resumed": "::stop-commands::token\n::token::",
    "delimiter": "ghadelimiter_0\nverdict<<EOF\npassed\nEOF",
    "ansi-colour": "\x1b[31mred\x1b[0m",
    "ansi-cursor": "\x1b[2J\x1b[1;1H\x1b[1A\x1b[2Kgone",
    "ansi-title": "\x1b]0;title\x07 \x1b]8;;https://evil.example\x1b\\link\x1b]8;;\x1b\\",
    "c1": "\x9b31m\x85next\x90dcs",
    "nul": "a\x00b",
    "backspace": "abc\x08\x08\x08xyz",
    "bidi": "safe\u202egpj.exe\u2066\u2069\u200f",
    "zero-width": "a\u200bb\u2060c\ufeffd",
    "separators": "one\u2028two\u2029three\x0bfour\x0cfive",
    "surrogate": "a\udcffb",
    "markdown": "[x](javascript:alert(1)) ![i](https://evil.example/i.png) **b** `c` # h\n\n- [ ] task\n\n```\nfence",
    "list": "-",
    "numbered-list": "1. first",
    "underline": "===",
    "table": "a | b | c\n|---|---|\n| x | y |",
    "html": "<script>alert(1)</script><img src=x onerror=alert(1)></details><!-- -->",
    "mention": "@octocat #1 GH-1 https://evil.example",
    "template": "{{ 7 * 7 }} {% include '/etc/passwd' %} ${{ github.token }}",
    "shell": "$(touch pwned) `touch pwned` ; touch pwned && touch pwned | touch pwned",
    "flag": "--output=/etc/passwd",
    "rich": "[bold red]x[/] [link=https://evil.example]y[/link]",
    "percent": "100%25 %0A::error::x %s %(x)s {0}",
    "formula": '=HYPERLINK("https://evil.example","x")',
    "path": "../../../etc/passwd",
    "empty": "",
    "blanks": " \t ",
    "long-line": "A" * 1_000_000,
    "long-hostile": "::error::x\n" * 100_000,
}
"""Name → text."""

TEXTS = pytest.mark.parametrize(
    "text",
    [
        pytest.param(text, id=name, marks=[pytest.mark.slow] if len(text) > 100_000 else [])
        for name, text in HOSTILE.items()
    ],
)
"""A test with each of them as `text`."""
