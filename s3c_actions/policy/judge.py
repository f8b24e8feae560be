"""Judges an image by the evidence beside it in the registry, exactly as the cluster does (evidence.rego).

The rule for rule counterpart of evidence.rego: what one of them refuses, the other refuses with the same sentence.
Whatever is missing, stale, unsigned or cannot be read denies; of several reports the newest decides, whoever made it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import msgspec

from s3c_actions.core import reading
from s3c_actions.core.artifact_types import STATEMENT
from s3c_actions.core.text import plural
from s3c_actions.evidence.statement import PREVIOUS_VERSION, VERSION
from s3c_actions.findings.model import Content
from s3c_actions.policy import licences
from s3c_actions.policy.model import Policy, ends

SKEW = timedelta(minutes=5)
"""So far ahead may the clock be that dated a report."""
MOST = 5
"""Findings, packages or licences named in one sentence."""
RANKS: Mapping[str, int] = {"CRITICAL": 0, "HIGH": 1, "MEDIUM": 2, "LOW": 3, "UNKNOWN": 4}

_TIME = re.compile(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_WORDS = re.compile(r"[()\s]+")


class Trust(StrEnum):
    """Who signed something, as far as the policy cares."""

    ALLOWED = "allowed"
    STRANGER = "stranger"
    UNSIGNED = "unsigned"


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A document attached to an image.

    Attributes:
        digest: of its manifest.
        trust: who signed it.
        content: None when it could not be fetched.
        attached: the time that its annotation claims; looked at only when the content tells none.
    """

    digest: str
    trust: Trust
    content: bytes | None
    attached: str = ""


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """Everything beside an image that a policy judges.

    Attributes:
        reference: of the image, as sentences name it.
        subject: its digest.
        trust: who signed the image itself.
        reports, sboms: the SARIF and SPDX documents attached to it; an SBOM's content is not looked at, because the
            report states what the policy refuses in it.
    """

    reference: str
    subject: str
    trust: Trust
    reports: tuple[Document, ...] = ()
    sboms: tuple[Document, ...] = ()


class Refusal(msgspec.Struct, frozen=True, order=True):
    """One thing that the policy has against an image.

    Attributes:
        code: kebab-case, for programs: `no-report`, `stale-report`, `finding`, …
        text: a clause, with what would mend it; names from reports are untrusted.
    """

    code: str
    text: str


class _Read(msgspec.Struct, frozen=True, kw_only=True):
    """A document that has been read: `when` its time, None for one that tells none and so counts as the newest."""

    digest: str
    trust: Trust
    content: Any
    readable: bool
    when: datetime | None


def judge(policy: Policy, evidence: Evidence, now: datetime) -> tuple[Refusal, ...]:
    """What the policy has against an image; nothing means that it is admitted.

    Args:
        policy: the one in force.
        evidence: as it lies in the registry.
        now: of the decision, with its zone.
    """
    return tuple(sorted({*_signature(evidence), *_reports(policy, evidence, now)}))


def decisive(reports: tuple[Document, ...]) -> frozenset[str]:
    """The digests of the documents that decide: the newest reports, and the SBOMs that they name."""
    newest = _newest([_read(one) for one in reports])
    named = {run["properties"][STATEMENT]["sbom"] for one in newest if one.readable for run in one.content["runs"]}
    return frozenset({one.digest for one in newest} | named)


def _signature(evidence: Evidence) -> list[Refusal]:
    if evidence.trust is Trust.UNSIGNED:
        return [Refusal("unsigned-image", f"it has no signature: sign it with `s3c sign {evidence.reference}`")]
    if evidence.trust is Trust.STRANGER:
        text = f"it is signed, but by nobody whom the policy allows: sign it with `s3c sign {evidence.reference}`"
        return [Refusal("stranger-image", text)]
    return []


def _reports(policy: Policy, evidence: Evidence, now: datetime) -> list[Refusal]:
    mend = f"attach a new one with `s3c attach {evidence.reference}`"
    documents = [_read(one) for one in evidence.reports]
    if not documents:
        return [Refusal("no-report", f"it has no scan report: {mend}")]
    found: list[Refusal] = []
    for one in _newest(documents):
        about = f"its newest scan report ({_short(one.digest)})"
        found += _signed(one.trust, "report", about, mend)
        if not one.readable:
            found.append(Refusal("unreadable-report", f"{about} cannot be read: {mend}"))
            continue
        runs = [run["properties"][STATEMENT] for run in one.content["runs"]]
        if any(run["subject"] != evidence.subject for run in runs):
            found.append(Refusal("other-image-report", f"{about} is about another image: {mend}"))
        found += _freshness(policy, runs, about, mend, now)
        found += _laxer(policy, runs, about, mend)
        found += _scope(policy, runs, about, mend, now)
        for blind in sorted({run["blind"] for run in runs if run["blind"] and not _blindness_accepted(policy, run)}):
            found.append(Refusal("blind", f"{about} could not look at everything: {blind}"))
        results = [result["properties"] for run in one.content["runs"] for result in run["results"]]
        counted = [result for result in results if not result["suppressed"]]
        found += _findings(policy, counted, sum(run["omitted"] for run in runs), evidence, now)
        refused = {"package": policy.packages.refuse, "license": policy.licenses.refuse}
        stated = [Content(**content) for run in runs for content in run["contents"]]
        found += objections(content for content in stated if content.by in refused.get(content.kind, ()))
        if policy.needs_sbom:
            for digest in sorted({run["sbom"] for run in runs}):
                found += _sbom(digest, evidence, about, mend)
    return found


def _laxer(policy: Policy, runs: list[Any], about: str, mend: str) -> list[Refusal]:
    """A report lists what the policy it was made by refuses: by a laxer one it may leave out what counts now."""
    for run in runs:
        stated = run["policy"]
        if (
            not set(policy.findings.refuse) <= _texts(stated["refuse"])
            or (stated["fixable-only"] and not policy.findings.fixable_only)
            or not {one.upper() for one in policy.findings.deny} <= _texts(stated["deny"])
            or not set(policy.packages.refuse) <= _texts(stated["packages"])
            or not set(policy.licenses.refuse) <= _texts(stated["licenses"])
        ):
            return [Refusal("laxer-report", f"{about} was made by a policy that refuses less: {mend}")]
    return []


def _scope(policy: Policy, runs: list[Any], about: str, mend: str, now: datetime) -> list[Refusal]:
    """A report that looked at less than the policy asks says nothing of the rest."""
    found = []
    until = policy.report.accept_previous_until
    if any(run["version"] == PREVIOUS_VERSION for run in runs) and (until is None or ends(until) <= now):
        text = f"{about} is of an earlier version of s3c and does not state how much was scanned: {mend}"
        found.append(Refusal("previous-report", text))
    stated = [run for run in runs if run["version"] == VERSION]
    if missing := {what for run in stated for what in _missing(policy, run["scope"])}:
        found.append(
            Refusal("narrow-report", f"{about} looked at less than the policy asks, {_named(missing)}: {mend}")
        )
    if policy.report.require_covered_sources and (number := max((run["uncovered"] for run in stated), default=0)) > 0:
        text = f"it has {number} {plural(number, 'package')} from sources that publish no advisories"
        found.append(Refusal("uncovered", f"{text}: replace them, or let the policy accept them"))
    return found


def _missing(policy: Policy, scope: Mapping[str, Any]) -> set[str]:
    """What a policy wants to have been looked at, and was not."""
    missing = {f"not for {one}" for one in policy.report.scanners if one not in scope["scanners"]}
    missing |= {f"not at packages of type {one}" for one in policy.report.pkg_types if one not in scope["pkg-types"]}
    if not policy.report.allow_skipped and (scope["skip-dirs"] or scope["skip-files"]):
        missing.add("not at skipped paths")
    if policy.report.require_stated and not scope["stated"]:
        missing.add("at paths that it does not state")
    return missing


def _blindness_accepted(policy: Policy, run: Mapping[str, Any]) -> bool:
    return run["version"] == VERSION and run["unscanned"] == "warn" and policy.report.unscanned == "warn"


def _texts(values: list[Any]) -> set[str]:
    return {one for one in values if isinstance(one, str)}


def _signed(trust: Trust, kind: str, about: str, mend: str) -> list[Refusal]:
    if trust is Trust.UNSIGNED:
        return [Refusal(f"unsigned-{kind}", f"{about} is not signed: {mend}")]
    if trust is Trust.STRANGER:
        return [Refusal(f"stranger-{kind}", f"{about} is signed by nobody whom the policy allows: {mend}")]
    return []


def _freshness(policy: Policy, runs: list[Any], about: str, mend: str, now: datetime) -> list[Refusal]:
    found = []
    for created, database in sorted({(run["created"], run["database"]) for run in runs}):
        made = _stamp(created)
        if made is None:
            continue
        if made - SKEW > now:
            found.append(Refusal("future-report", f"{about} is dated {created}, which is still to come: {mend}"))
        if now - made > policy.maximum_age:
            limit = policy.report.maximum_age
            found.append(Refusal("stale-report", f"{about} is of {created}, older than {limit}: {mend}"))
        oldest = policy.maximum_database_age
        if oldest is None:
            continue
        updated = _stamp(database)
        if updated is None or made - updated > oldest:
            limit = f"older than {policy.report.maximum_database_age}"
            text = f"{about} was made with a vulnerability database {limit}: {mend}"
            found.append(Refusal("stale-database", text))
    return found


def _findings(policy: Policy, results: list[Any], omitted: int, evidence: Evidence, now: datetime) -> list[Refusal]:
    denied, refused, expired = set(), set(), set()
    for one in results:
        item = (RANKS[one["severity"]], one["id"], one["package"], _told(one))
        if one["id"].upper() in {name.upper() for name in policy.findings.deny}:
            denied.add(item)
            continue
        if one["severity"] not in policy.findings.refuse or (policy.findings.fixable_only and not one["fixable"]):
            continue
        excused = [e for e in policy.exceptions if e.id == one["id"] and e.package in {None, one["package"]}]
        if any(ends(e.until) > now for e in excused):
            continue
        if excused:
            expired.add((one["id"], one["package"], max(e.until for e in excused).isoformat()))
        refused.add(item)
    mend = f"patch it with `s3c patch {evidence.reference}`, or rebuild it"
    found = []
    if denied:
        found.append(Refusal("denied-finding", f"it has what the policy denies by name, {_listed(denied)}: {mend}"))
    if number := len(refused) + omitted:
        told = (f", {_listed(refused)}" + " and others" * bool(omitted)) if refused else ""
        found.append(Refusal("finding", f"it has {number} {plural(number, 'refused finding')}{told}: {mend}"))
    for name, package, until in sorted(expired):
        where = f" in {package}" if package else ""
        text = f"the exception for {name}{where} ended on {until}: mend the finding, or renew the exception"
        found.append(Refusal("expired-exception", text))
    return found


def _told(one: Mapping[str, Any]) -> str:
    parts = [one["severity"], *([one["package"]] if one["package"] else [])]
    if one["fixed"]:
        parts.append(f"fixed in {one['fixed']}")
    elif not one["fixable"]:
        parts.append("without a fix")
    return f"{one['id']} ({', '.join(parts)})"


def _sbom(digest: str, evidence: Evidence, about: str, mend: str) -> list[Refusal]:
    if not digest:
        return [Refusal("no-sbom", f"{about} names no SBOM (SPDX): {mend}")]
    found = next((one for one in evidence.sboms if one.digest == digest), None)
    named = f"its SBOM ({_short(digest)})"
    if found is None:
        return [Refusal("no-sbom", f"{named} is not there: {mend}")]
    return _signed(found.trust, "sbom", named, mend)


def refused_contents(policy: Policy, spdx: Mapping[str, Any]) -> tuple[Content, ...]:
    """The packages and licences of an SBOM that the policy refuses.

    Args:
        policy: the one in force.
        spdx: a document of SPDX 2.3, in JSON.
    """
    wanted = [(one, licences.current(one)) for one in policy.licenses.refuse]
    names = {
        one["licenseId"].lower(): one["name"].lower()
        for one in spdx.get("hasExtractedLicensingInfos") or ()
        if "licenseId" in one and "name" in one
    }
    found = set()
    for one in spdx["packages"]:
        name, version = one["name"], one.get("versionInfo", "")
        for entry, (refused, of) in zip(policy.packages.refuse, policy.refused_packages, strict=True):
            if refused == name and of in {"", version}:
                found.add(Content("package", entry, f"{name} {version}".strip(" ")))
        under = _licences(one, names)
        for entry, meant in wanted:
            if meant <= under:
                found.add(Content("license", entry, f"{name} ({entry})"))
    return tuple(sorted(found))


def _licences(package: Mapping[str, Any], names: Mapping[str, str]) -> set[str]:
    """The identifiers in a package's licence expressions, as SPDX has them now; those it has none for by name."""
    text = f"{package.get('licenseConcluded', '')} {package.get('licenseDeclared', '')}".lower()
    words = set(_WORDS.split(text))
    words |= {word for one in words if one in names for word in _WORDS.split(names[one])}
    return {licence for word in words for licence in licences.granted(word)}


def objections(contents: Iterable[Content]) -> list[Refusal]:
    """What is said of refused contents."""
    listed = list(contents)
    packages = {one.text for one in listed if one.kind == "package"}
    licences = {one.text for one in listed if one.kind == "license"}
    found = []
    if packages:
        text = f"it holds what the policy refuses, {_named(packages)}: remove it from the image"
        found.append(Refusal("package", text))
    if licences:
        text = f"it holds packages under refused licences, {_named(licences)}: remove them from the image"
        found.append(Refusal("license", text))
    return found


def _read(one: Document) -> _Read:
    content = _json(one.content)
    told = _times(content)
    stamps = [_stamp(text) for text in told] if told else []
    known = [stamp for stamp in stamps if stamp is not None]
    readable = bool(stamps) and len(known) == len(stamps)
    when = min(known) if readable else _stamp(one.attached)
    return _Read(digest=one.digest, trust=one.trust, content=content, readable=readable, when=when)


def _json(content: bytes | None) -> Any:
    """What Go reads: what is not UTF-8 is replaced, and NaN is no JSON."""
    if content is None:
        return None
    try:
        return reading.json_value(content.decode("utf-8", "replace"), parse_constant=_no_number)
    except ValueError:
        return None


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is not JSON")


def _newest(documents: list[_Read]) -> list[_Read]:
    """The newest, and those of the same moment. One that tells no time could be the newest."""
    latest = datetime.max.replace(tzinfo=UTC)
    times = [one.when or latest for one in documents]
    return [one for one, when in zip(documents, times, strict=True) if when == max(times)]


def _stamp(text: Any) -> datetime | None:
    if not isinstance(text, str) or not _TIME.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _times(content: Any) -> list[str] | None:
    """When each run was made; None when it is no report of ours."""
    runs = _dig(content, "runs")
    if not isinstance(runs, list) or not runs or not all(_is_run(run) for run in runs):
        return None
    return [run["properties"][STATEMENT]["created"] for run in runs]


def _is_run(run: Any) -> bool:
    statement, results = _dig(run, "properties", STATEMENT), _dig(run, "results")
    if not isinstance(statement, dict) or not isinstance(results, list):
        return False
    omitted, stated, contents = (statement.get(name) for name in ("omitted", "policy", "contents"))
    return (
        _states_scope(statement)
        and all(isinstance(statement.get(name), str) for name in ("subject", "created", "blind", "database", "sbom"))
        and isinstance(omitted, int | float)
        and not isinstance(omitted, bool)
        and isinstance(stated, dict)
        and all(isinstance(stated.get(name), list) for name in ("refuse", "deny", "packages", "licenses"))
        and isinstance(stated.get("fixable-only"), bool)
        and isinstance(contents, list)
        and all(_is_content(content) for content in contents)
        and all(_is_result(result) for result in results)
    )


def _states_scope(statement: Mapping[str, Any]) -> bool:
    """Whether it is of the previous version, or states how much was scanned."""
    version, scope, uncovered = (statement.get(name) for name in ("version", "scope", "uncovered"))
    if isinstance(version, bool) or version not in (PREVIOUS_VERSION, VERSION):
        return False
    if version == PREVIOUS_VERSION:
        return True
    return (
        isinstance(scope, dict)
        and all(_are_texts(scope.get(name)) for name in ("scanners", "pkg-types", "skip-dirs", "skip-files"))
        and isinstance(scope.get("stated"), bool)
        and isinstance(uncovered, int | float)
        and not isinstance(uncovered, bool)
        and statement.get("unscanned") in ("fail", "warn")
    )


def _are_texts(values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(one, str) for one in values)


def _is_content(content: Any) -> bool:
    return (
        isinstance(content, dict)
        and content.keys() == {"kind", "by", "text"}
        and all(isinstance(text, str) for text in content.values())
    )


def _is_result(result: Any) -> bool:
    facts = _dig(result, "properties")
    return (
        isinstance(facts, dict)
        and all(isinstance(facts.get(name), str) for name in ("id", "package", "fixed", "severity"))
        and facts["severity"] in RANKS
        and all(isinstance(facts.get(name), bool) for name in ("fixable", "suppressed"))
    )


def _dig(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _short(digest: str) -> str:
    return digest[:19]


def _listed(items: set[tuple[int, str, str, str]]) -> str:
    return _first([item[3] for item in sorted(items)])


def _named(items: set[str]) -> str:
    return _first(sorted(items))


def _first(items: list[str]) -> str:
    rest = len(items) - MOST
    return ", ".join(items[:MOST]) + (f" and {rest} more" if rest > 0 else "")
