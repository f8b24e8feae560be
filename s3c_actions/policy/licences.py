"""Which licences an SPDX identifier stands for: those of today, whatever its age.

Packages are full of identifiers that SPDX has deprecated (https://spdx.org/licenses/#deprecated): `AGPL-3.0`,
`AGPL-3.0+`, `GPL-2.0-with-classpath-exception`. Their successors mean the same.
"""

from __future__ import annotations

import re

_GNU = re.compile(r"(a?gpl-[13]\.0|gpl-2\.0|lgpl-(?:2\.[01]|3\.0)|gfdl-1\.[123])(-invariants|-no-invariants)?")
"""Whose identifiers got `-only` and `-or-later` in version 3 of the list; in small letters, as all here."""

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


def current(identifier: str) -> frozenset[str]:
    """The identifiers of today, all of which have to be there for it: the licence, and its exception if it has one.

    Args:
        identifier: in any letters; one that SPDX does not know stands for itself.
    """
    word = identifier.lower()
    if word in _SUCCESSORS:
        return frozenset(_SUCCESSORS[word])
    base = word.removesuffix("+")
    if _GNU.fullmatch(base):
        return frozenset({f"{base}-or-later" if base != word else f"{base}-only"})
    return frozenset({word})


def granted(identifier: str) -> frozenset[str]:
    """What may be taken by an identifier in a package's expression: itself, and what it offers to choose from.

    Who may take a version or a later one may take that version: `AGPL-3.0+` offers `AGPL-3.0-only` too.
    """
    found = set(current(identifier))
    for word in tuple(found):
        if word.endswith("-or-later"):
            found.add(f"{word.removesuffix('-or-later')}-only")
        elif word.endswith("+"):
            found.add(word.removesuffix("+"))
    return frozenset(found)
