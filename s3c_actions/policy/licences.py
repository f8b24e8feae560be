"""Resolve SPDX licence identifiers, including deprecated ones, to current ones.

Packages contain many identifiers that SPDX has deprecated (https://spdx.org/licenses/#deprecated): `AGPL-3.0`,
`AGPL-3.0+`, `GPL-2.0-with-classpath-exception`. Their successors mean the same.
"""

from __future__ import annotations

import re

_GNU = re.compile(r"(a?gpl-[13]\.0|gpl-2\.0|lgpl-(?:2\.[01]|3\.0)|gfdl-1\.[123])(-invariants|-no-invariants)?")
"""Licences whose identifiers got `-only` and `-or-later` in version 3 of the list; in lower case, as all here."""

_SUCCESSORS = {
    "gpl-2.0-with-autoconf-exception": ("gpl-2.0-only", "autoconf-exception-2.0"),
    "gpl-2.0-with-bison-exception": ("gpl-2.0-or-later", "bison-exception-2.2"),
    "gpl-2.0-with-classpath-exception": ("gpl-2.0-only", "classpath-exception-2.0"),
    "gpl-2.0-with-font-exception": ("gpl-2.0-only", "font-exception-2.0"),
    "gpl-2.0-with-gcc-exception": ("gpl-2.0-or-later", "gcc-exception-2.0"),
    "gpl-3.0-with-autoconf-exception": ("gpl-3.0-only", "autoconf-exception-3.0"),
    "gpl-3.0-with-gcc-exception": ("gpl-3.0-only", "gcc-exception-3.1"),
    "ecos-2.0": ("gpl-2.0-or-later", "ecos-exception-2.0"),
    "wxwindows": ("lgpl-2.0-or-later", "wxwindows-exception-3.1"),
    "nunit": ("zlib-acknowledgement",),
    "standardml-nj": ("smlnj",),
    "bzip2-1.0.5": ("bzip2-1.0.6",),
}


def current_identifiers(identifier: str) -> frozenset[str]:
    """Return the current identifiers, all of which are needed for this one: the licence, and its exception if any.

    Args:
        identifier: in any case; an identifier that SPDX does not know is kept.
    """
    word = identifier.lower()
    if word in _SUCCESSORS:
        return frozenset(_SUCCESSORS[word])
    base = word.removesuffix("+")
    if _GNU.fullmatch(base):
        return frozenset({f"{base}-or-later" if base != word else f"{base}-only"})
    return frozenset({word})


def granted_identifiers(identifier: str) -> frozenset[str]:
    """Return the licences that an identifier in a package's expression grants: itself, and those it offers.

    `-or-later` also grants that version: `AGPL-3.0+` offers `AGPL-3.0-only` too.
    """
    identifiers = set(current_identifiers(identifier))
    for word in tuple(identifiers):
        if word.endswith("-or-later"):
            identifiers.add(f"{word.removesuffix('-or-later')}-only")
        elif word.endswith("+"):
            identifiers.add(word.removesuffix("+"))
    return frozenset(identifiers)
