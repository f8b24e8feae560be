"""Answer a query for one image, from the facts of its signed documents. Nothing is read or trusted here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta

import msgspec

from s3c_actions.core.moments import CLOCK_SKEW, parse_moment
from s3c_actions.evidence.packages import Package
from s3c_actions.findings.versions import NotComparable
from s3c_actions.fleet.find.facts import Facts, ReportedFinding
from s3c_actions.fleet.find.query import Query, QueryKind
from s3c_actions.policy import licences

_TERMS = re.compile(r"[()\s]+")


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """What a query found in a document.

    Attributes:
        package, installed: the package and its version.
        source: the package that it was built from, when the query names that one.
        ecosystem: of the package, empty when not known.
        fixed: versions with a fix, as the report states them; empty when it states none.
        advisory, severity: of a vulnerability.
        licence: of the package, when the query asks for one.
        note: what to know of it: that it is exploited; that a finding does not count, and why.
        problem: why it could not be decided whether it is one, in a clause: its version is not comparable.
    """

    package: str
    installed: str
    source: str = ""
    ecosystem: str = ""
    fixed: str = ""
    advisory: str = ""
    severity: str = ""
    licence: str = ""
    note: str = ""
    problem: str = ""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The answer for one image.

    Attributes:
        matches: what was found; each with a `problem` is undecided.
        open: clauses on why there may be more than that; without any, the answer is whole.
    """

    matches: tuple[Match, ...]
    open: tuple[str, ...] = ()


def answer(query: Query, sbom: Facts | None, report: Facts | None, *, now: datetime, maximum_age: timedelta) -> Answer:
    """Answer a query for an image.

    Args:
        query: what is looked for.
        sbom: the newest bill of materials that counts; None when there is none.
        report: the newest scan report that counts; None when there is none.
        now: the time of the query.
        maximum_age: a report that is older does not prove that a vulnerability is absent.
    """
    if query.kind is QueryKind.ADVISORY:
        return _advisory(query, report, now, maximum_age)
    return _contents(query, sbom, report)


def _advisory(query: Query, report: Facts | None, now: datetime, maximum_age: timedelta) -> Answer:
    if report is None:
        return Answer(matches=(), open=("it has no scan report by a trusted signer",))
    matches = tuple(
        Match(
            package=finding.package,
            installed=finding.installed,
            fixed=finding.fixed,
            advisory=finding.id,
            severity=finding.severity,
            note="; ".join(_notes(finding, query.name)),
        )
        for finding in report.findings
        if query.name in _ids(finding)
    )
    gaps = report.completeness
    unlisted = () if query.name in gaps.denied else gaps.unlisted
    if not matches and query.name not in gaps.denied and not query.name.startswith("CVE-"):
        unlisted = (*unlisted, *gaps.unaliased)  # a scanner calls what has a CVE by that
    return Answer(matches=matches, open=(*_age(report, now, maximum_age), *gaps.narrow, *gaps.blind, *unlisted))


def _ids(finding: ReportedFinding) -> tuple[str, ...]:
    return (finding.id.upper(), *(alias.upper() for alias in finding.aliases))


def _notes(finding: ReportedFinding, asked: str) -> Iterator[str]:
    if finding.id.upper() != asked:
        yield f"reported as {finding.id}"
    if finding.exploited_since:
        yield f"exploited (CISA, {finding.exploited_since})"
    if finding.reason:
        yield f"does not count: {finding.reason}"


def _age(report: Facts, now: datetime, maximum_age: timedelta) -> tuple[str, ...]:
    created = parse_moment(report.created)
    if created is None:
        return ("its report does not state when it was made",)
    if created - CLOCK_SKEW > now:
        return (f"its report is dated {report.created}, which is still to come",)
    if now - created > maximum_age:
        days = maximum_age / timedelta(days=1)
        return (f"its report is of {report.created}, older than {days:g} days",)
    return ()


def _contents(query: Query, sbom: Facts | None, report: Facts | None) -> Answer:
    if sbom is None:
        return Answer(matches=(), open=("it has no bill of materials by a trusted signer",))
    find = _licensed if query.kind is QueryKind.LICENCE else _packages
    matches = [_with_fix(match, report) for match in find(query, sbom.packages)]
    return Answer(matches=tuple(dict.fromkeys(matches)), open=report.completeness.narrow if report is not None else ())


def _packages(query: Query, listed: tuple[Package, ...]) -> Iterator[Match]:
    plain = query.name.lower()
    wanted = {ecosystem: _normalize(plain, ecosystem) for ecosystem in {package.ecosystem for package in listed}}
    for package in listed:
        ecosystem, name = package.ecosystem, wanted[package.ecosystem]
        if query.ecosystem not in ("", ecosystem) or query.namespace not in ("", package.namespace):
            continue
        if _is_named(name, package):
            source, version = "", package.version
        elif package.source and _normalize(package.source.lower(), ecosystem) == name:
            source, version = package.source, package.source_version or package.version
        else:
            continue
        match = Match(package=package.full_name, installed=package.version, source=source, ecosystem=ecosystem)
        try:
            if all(bound.admits(ecosystem, version) for bound in query.bounds):
                yield match
        except NotComparable as error:
            yield msgspec.structs.replace(match, problem=str(error))


def _is_named(wanted: str, package: Package) -> bool:
    """Return whether a package has a name; one of Maven is also called by its artifact alone."""
    if _normalize(package.full_name.lower(), package.ecosystem) == wanted:
        return True
    return package.ecosystem == "maven" and package.name.lower() == wanted


def _normalize(lowered: str, ecosystem: str) -> str:
    """Return a name as names of an ecosystem compare: pypi by PEP 503, the others whatever their case."""
    return re.sub(r"[-_.]+", "-", lowered) if ecosystem == "pypi" else lowered


def _licensed(query: Query, listed: tuple[Package, ...]) -> Iterator[Match]:
    wanted = licences.current_identifiers(query.name)
    for package in listed:
        terms = _TERMS.split(package.licences.lower())
        if wanted <= {identifier for term in terms for identifier in licences.granted_identifiers(term)}:
            yield Match(
                package=package.full_name,
                installed=package.version,
                ecosystem=package.ecosystem,
                licence=package.licences,
            )


def _with_fix(match: Match, report: Facts | None) -> Match:
    """Return a match with the versions that the report names as fixed for this package."""
    findings: tuple[ReportedFinding, ...] = report.findings if report is not None else ()
    fixed = dict.fromkeys(
        finding.fixed
        for finding in findings
        if finding.fixed and finding.package == match.package and finding.installed == match.installed
    )
    return msgspec.structs.replace(match, fixed=", ".join(fixed)) if fixed else match
