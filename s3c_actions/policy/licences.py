"""SPDX licence identifiers: whether there is such a one, and what deprecated ones are called now.

Packages contain many identifiers that SPDX has deprecated (https://spdx.org/licenses/#deprecated): `AGPL-3.0`,
`AGPL-3.0+`, `GPL-2.0-with-classpath-exception`. Their successors mean the same.
"""

from __future__ import annotations

import re

from s3c_actions.core.libraries import packaging_licenses
from s3c_actions.core.patterns import late_pattern

_UNLISTED = "LicenseRef-"
_VERSIONED = late_pattern(r"(?P<name>[A-Za-z-]+?)-?v?(?P<version>[0-9]+(?:\.[0-9]+)*)(?P<later>\+?)")
_FORMS = ("{}-{}-only", "{}-{}.0-only", "{}-{}", "{}-{}.0")
_LATER_FORMS = ("{}-{}-or-later", "{}-{}.0-or-later")
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


def identifier_fault(identifier: str) -> str:
    """Return why no package states this licence, a clause; empty when one may.

    Args:
        identifier: of a licence or an exception in SPDX's list, in any case; or `LicenseRef-NAME`.
    """
    if _is_listed(identifier):
        return ""
    return (
        f"is no identifier in SPDX's list{_suggest(identifier)}; a licence that has none there is "
        f"{_UNLISTED}{identifier[:100]}"
    )


def unlisted_name(identifier: str) -> str:
    """Return NAME of `LicenseRef-NAME`, in lower case; empty for another identifier."""
    lowered = identifier.lower()
    return lowered.removeprefix(_UNLISTED.lower()) if lowered.startswith(_UNLISTED.lower()) else ""


def _is_listed(identifier: str) -> bool:
    for expression in (identifier, f"MIT WITH {identifier}"):  # an exception stands behind a licence alone
        try:
            packaging_licenses.canonicalize_license_expression(expression)
        except packaging_licenses.InvalidLicenseExpression:
            continue
        return True
    return False


def _suggest(identifier: str) -> str:
    match = _VERSIONED.fullmatch(identifier)
    if match is None:
        return ""
    forms = _LATER_FORMS if match["later"] else _FORMS
    near = (form.format(match["name"], match["version"]) for form in forms)
    listed = next((packaging_licenses.canonicalize_license_expression(each) for each in near if _is_listed(each)), "")
    return f" (did you mean {listed}?)" if listed else ""
