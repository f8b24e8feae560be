"""Names in a policy that would refuse nothing, ever: a look-alike of a name, a pattern, a range of versions.

A misspelt key is an error, and a name that no scan can find is one as well: a rule that matches nothing lets everything
pass, and nobody is told.
"""

from __future__ import annotations

import re
import unicodedata

from s3c_actions.core.patterns import late_pattern

_NUMBERED = late_pattern(r"(?:CVE|GHSA)\b", re.IGNORECASE)
_IDENTIFIER = late_pattern(r"[A-Za-z0-9]+(?:-[A-Za-z0-9]+)+")
_OLD_CHECK = late_pattern(r"AVD-([A-Z]+)-?([0-9]{1,5})", re.IGNORECASE)
_OPERATOR = late_pattern(r"[<>=~^!]|\s+v?[0-9]")
_COLON_VERSION = late_pattern(r"[^:/]+:[0-9]+(?:\.[0-9]+)+.*")


def finding_fault(name: str) -> str:
    """Return why no finding has this identifier, a clause; empty when one may."""
    if fault := _character_fault(name):
        return fault
    if _NUMBERED.match(name) and not _IDENTIFIER.fullmatch(name):
        return "is no identifier such as CVE-2021-44228: each stands in an entry of its own"
    if check := _OLD_CHECK.fullmatch(name):
        return f"is an older name of a check, which reports call {check[1].upper()}-{int(check[2]):04}"
    return ""


def package_fault(entry: str) -> str:
    """Return why no package has this name and version, a clause; empty when one may.

    Args:
        entry: `name` or `name@version`.
    """
    if fault := _character_fault(entry):
        return fault
    name, at, version = entry.rpartition("@")
    if not at or not name:
        name, version = entry, ""
    if entry.startswith("pkg:"):
        return "is a package URL: write the name alone, or name@version"
    if name != name.strip() or version != version.strip():
        return "has a blank beside its name or version"
    if _OPERATOR.search(name) or re.search(r"[<>=\s]", version) or (not at and _COLON_VERSION.fullmatch(name)):
        return "is no name@version: a range of versions is not understood"
    return ""


def _character_fault(name: str) -> str:
    for character in name:
        category = unicodedata.category(character)
        invisible = category in {"Cf", "Zl", "Zp"} or (category == "Zs" and character != " ")
        if invisible or (category == "Pd" and character != "-"):
            return f"has the character U+{ord(character):04X}, which looks like another or is not seen"
    if name != name.strip():
        return "begins or ends with a blank"
    if "*" in name or "?" in name:
        return "is no pattern: `*` and `?` stand for themselves, and nothing is called so"
    return ""
