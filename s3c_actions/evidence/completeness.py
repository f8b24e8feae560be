"""What a signed scan report leaves open: why a finding that it does not list may be there all the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from s3c_actions.core.artifact_types import ALIASES, STATEMENT
from s3c_actions.core.text import counted, join_words
from s3c_actions.evidence.statement import VERSION
from s3c_actions.evidence.untyped import as_map
from s3c_actions.findings.model import Severity

_PACKAGE_TYPES = ("library", "os")
_SUPPRESSING = frozenset({"ignore-files", "ignore-policy", "vex", "trivy-config"})
"""Kinds of settings files (`findings.scope.SettingsFile`) that suppress findings."""
_UNALIASED = "its report has one id for each vulnerability, which may be another: ask by the CVE's"
_UNSTATED = "it does not state how much was scanned"


class Completeness(msgspec.Struct, frozen=True, kw_only=True):
    """Clauses on what a report leaves open; empty ones leave nothing open.

    Attributes:
        narrow: parts of the image that were not looked at: packages there are in no document of this scan.
        blind: why vulnerabilities of what was looked at may not have been recognized.
        unlisted: findings that are not listed although they were found.
        unaliased: why a finding may be listed by another of its ids alone.
        denied: ids in capitals that are listed in any case, because the policy denies them by name.
    """

    narrow: tuple[str, ...] = ()
    blind: tuple[str, ...] = ()
    unlisted: tuple[str, ...] = ()
    unaliased: tuple[str, ...] = ()
    denied: tuple[str, ...] = ()


def assess(runs: Sequence[Mapping[str, Any]]) -> Completeness:
    """Return what the runs of a SARIF report leave open, by their statements (`evidence.statement`).

    Args:
        runs: at least one; a malformed statement is one that states nothing.
    """
    statements = [as_map(as_map(run.get("properties")).get(STATEMENT)) for run in runs]
    denied = [
        frozenset(name.upper() for name in _texts(as_map(stated.get("policy")).get("deny"))) for stated in statements
    ]
    return Completeness(
        narrow=_each(_narrow(stated) for stated in statements),
        blind=_each(_blind(stated) for stated in statements),
        unlisted=_each(_unlisted(stated) for stated in statements),
        unaliased=() if all(map(_has_aliases, runs)) else (_UNALIASED,),
        denied=tuple(sorted(frozenset.intersection(*denied))) if denied else (),
    )


def _has_aliases(run: Mapping[str, Any]) -> bool:
    return as_map(run.get("properties")).get(ALIASES) is True


def _each(clauses: Iterable[Iterable[str]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(clause for listed in clauses for clause in listed))


def _narrow(stated: Mapping[str, Any]) -> list[str]:
    scope = as_map(stated.get("scope"))
    if stated.get("version") != VERSION or not scope:
        return [_UNSTATED]
    types = _texts(scope.get("pkg-types"))
    clauses = [f"packages of type {name} were not looked at" for name in _PACKAGE_TYPES if name not in types]
    skipped = [*_texts(scope.get("skip-dirs")), *_texts(scope.get("skip-files"))]
    if skipped:
        clauses.append(f"{counted(len(skipped), 'path')} in it {'was' if len(skipped) == 1 else 'were'} skipped")
    if scope.get("stated") is not True:
        clauses.append("paths that it does not state may have been skipped")
    return clauses


def _blind(stated: Mapping[str, Any]) -> list[str]:
    if "vuln" not in _texts(as_map(stated.get("scope")).get("scanners")):
        return ["it is of no scan for vulnerabilities"] if stated.get("scope") else []
    clauses = []
    if stated.get("blind") != "":
        clauses.append(f"not everything could be looked at: {stated.get('blind')}")
    uncovered = stated.get("uncovered")
    if type(uncovered) is not int:
        clauses.append("how many packages have no advisories is not stated")
    elif uncovered > 0:
        clauses.append(
            f"{counted(uncovered, 'package')} in it {'is' if uncovered == 1 else 'are'} from sources that "
            "publish no advisories"
        )
    return clauses


def _unlisted(stated: Mapping[str, Any]) -> list[str]:
    policy = as_map(stated.get("policy"))
    severities = {name for name in _texts(policy.get("refuse")) if name in Severity.__members__}
    clauses = []
    if len(severities) < len(Severity):
        names = [severity.name for severity in sorted(Severity, reverse=True) if severity.name in severities]
        clauses.append(f"it lists findings of severity {join_words(names)} alone" if names else "it lists no findings")
    if policy.get("fixable-only") is not False:
        clauses.append("it lists findings with a fix alone")
    files = as_map(stated.get("scope")).get("files")
    kinds = [as_map(file).get("kind") for file in (files if isinstance(files, list) else ())]
    if suppressing := sorted({kind for kind in kinds if kind in _SUPPRESSING}):
        clauses.append(f"findings that {join_words(suppressing)} suppressed are not in it")
    if stated.get("omitted") != 0:
        clauses.append("some of its findings did not fit in")
    return clauses


def _texts(value: object) -> list[str]:
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []
