"""Judge an image by the evidence beside it in the registry, exactly as the cluster does (evidence.rego).

The counterpart, rule for rule, of evidence.rego: what one of them rejects, the other rejects with the same sentence.
Whatever is missing, stale, unsigned or unreadable denies; of several reports the newest decides, whoever made it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import msgspec

from s3c_actions.core import reading
from s3c_actions.core.artifact_types import STATEMENT
from s3c_actions.core.moments import CLOCK_SKEW
from s3c_actions.core.text import first_names, plural
from s3c_actions.evidence.statement import PREVIOUS_VERSION, VERSION
from s3c_actions.findings.model import ForbiddenContent
from s3c_actions.policy import break_glass, finding_judge, licences
from s3c_actions.policy.break_glass import ExceptionDocument, JudgedException
from s3c_actions.policy.finding_judge import SEVERITY_RANKS
from s3c_actions.policy.image_rules import image_objections, parse_time
from s3c_actions.policy.model import Policy, exception_end
from s3c_actions.policy.objection import Objection

_WORDS = re.compile(r"[()\s]+")
_OF_A_DISTRIBUTION = re.compile(r"pkg:(?:deb|rpm|apk)/")


class SignerStatus(StrEnum):
    """Who signed a document or image, as far as the policy distinguishes signers."""

    ALLOWED = "allowed"
    STRANGER = "stranger"
    UNSIGNED = "unsigned"


class EvidenceDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A document attached to an image.

    Attributes:
        digest: of its manifest.
        trust: who signed it.
        content: None when it could not be fetched.
        attached: the time that its annotation claims; used only when the content states none.
    """

    digest: str
    trust: SignerStatus
    content: bytes | None
    attached: str = ""


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """Everything beside an image that a policy judges.

    Attributes:
        reference: of the image, as used in sentences.
        subject: its digest.
        trust: who signed the image itself.
        reports, sboms: the SARIF and SPDX documents attached to it; an SBOM's content is not used, because the report
            states what the policy rejects in it.
        exceptions: break-glass exceptions and revocations of them.
    """

    reference: str
    subject: str
    trust: SignerStatus
    reports: tuple[EvidenceDocument, ...] = ()
    sboms: tuple[EvidenceDocument, ...] = ()
    exceptions: tuple[ExceptionDocument, ...] = ()


class _ParsedDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A parsed document: `when` is its time, None for a document without one, which counts as the newest."""

    digest: str
    trust: SignerStatus
    content: Any
    readable: bool
    when: datetime | None


def judge_evidence(policy: Policy, evidence: Evidence, now: datetime) -> tuple[Objection, ...]:
    """Return the policy's objections to an image; an empty tuple means that it is admitted.

    Args:
        policy: the one in force.
        evidence: as in the registry.
        now: the time of the decision, with its zone.
    """
    return tuple(sorted({*_image_signature_refusals(evidence), *_report_refusals(policy, evidence, now)}))


class NewestReport(msgspec.Struct, frozen=True, kw_only=True):
    """A report that decides, of those that can be read.

    Attributes:
        digest: of its manifest.
        created: the time of its scan; of several platforms, the earliest.
        counted: severities of which it lists every finding, the gravest first.
        counts: findings by severity, of those, without suppressed ones.
    """

    digest: str
    created: datetime
    counted: tuple[str, ...]
    counts: Mapping[str, int]


def newest_reports(reports: tuple[EvidenceDocument, ...]) -> tuple[NewestReport, ...]:
    """Return the reports that decide; one that cannot be read is left out, and judge_evidence objects to it."""
    return tuple(
        _describe_report(report, report.when)
        for report in _newest([_parse_document(report) for report in reports])
        if report.readable and report.when is not None
    )


def _describe_report(report: _ParsedDocument, created: datetime) -> NewestReport:
    runs = report.content["runs"]
    stated = [_texts(run["properties"][STATEMENT]["policy"]["refuse"]) for run in runs]
    counted = tuple(name for name in SEVERITY_RANKS if all(name in names for names in stated))
    results = [result["properties"] for run in runs for result in run["results"]]
    listed = [result["severity"] for result in results if not result["suppressed"]]
    return NewestReport(
        digest=report.digest,
        created=created,
        counted=counted,
        counts={name: listed.count(name) for name in counted},
    )


def decisive_documents(reports: tuple[EvidenceDocument, ...]) -> frozenset[str]:
    """Return the digests of the documents that decide: the newest reports, and the SBOMs that they name."""
    newest = _newest([_parse_document(report) for report in reports])
    sbom_digests = {
        run["properties"][STATEMENT]["sbom"] for report in newest if report.readable for run in report.content["runs"]
    }
    return frozenset({report.digest for report in newest} | sbom_digests)


def readable_runs(document: EvidenceDocument) -> list[Mapping[str, Any]]:
    """Return the runs of a report that an allowed signer signed and that can be read; none of another."""
    parsed = _parse_document(document)
    return list(parsed.content["runs"]) if parsed.readable and parsed.trust is SignerStatus.ALLOWED else []


def decisive_runs(reports: tuple[EvidenceDocument, ...]) -> list[Mapping[str, Any]]:
    """Return the runs of the newest reports, with their statements and results; none of a report that is not read."""
    return [
        run
        for report in _newest([_parse_document(report) for report in reports])
        if report.readable
        for run in report.content["runs"]
    ]


def _image_signature_refusals(evidence: Evidence) -> list[Objection]:
    if evidence.trust is SignerStatus.UNSIGNED:
        return [Objection("unsigned-image", f"it has no signature: sign it with `s3c sign {evidence.reference}`")]
    if evidence.trust is SignerStatus.STRANGER:
        text = f"it is signed, but by nobody whom the policy allows: sign it with `s3c sign {evidence.reference}`"
        return [Objection("stranger-image", text)]
    return []


def _report_refusals(policy: Policy, evidence: Evidence, now: datetime) -> list[Objection]:
    remedy = f"attach a new one with `s3c attach {evidence.reference}`"
    documents = [_parse_document(report) for report in evidence.reports]
    if not documents:
        return [Objection("no-report", f"it has no scan report: {remedy}")]
    refusals: list[Objection] = []
    exceptions = break_glass.judge_exceptions(policy, evidence.exceptions, evidence.subject, now)
    for report in _newest(documents):
        report_name = f"its newest scan report ({_short(report.digest)})"
        refusals += _signature_refusals(report.trust, "report", report_name, remedy)
        if not report.readable:
            refusals.append(Objection("unreadable-report", f"{report_name} cannot be read: {remedy}"))
            continue
        runs = [run["properties"][STATEMENT] for run in report.content["runs"]]
        if any(run["subject"] != evidence.subject for run in runs):
            refusals.append(Objection("other-image-report", f"{report_name} is about another image: {remedy}"))
        refusals += _freshness_refusals(policy, runs, report_name, remedy, now)
        refusals += _laxer_report(policy, runs, report_name, remedy)
        refusals += image_objections(policy, runs, report_name, remedy, now)
        refusals += _scope_refusals(policy, runs, report_name, remedy, now)
        for blind in sorted({run["blind"] for run in runs if run["blind"] and not _blindness_accepted(policy, run)}):
            refusals.append(Objection("blind", f"{report_name} could not look at everything: {blind}"))
        results = [result["properties"] for run in report.content["runs"] for result in run["results"]]
        counted = [
            result
            for result in results
            if not result["suppressed"] and not break_glass.excuses(policy, exceptions, result["id"])
        ]
        counting = () if break_glass.excuses_unlisted(policy, exceptions) else runs
        if objections := finding_judge.finding_objections(policy, counted, counting, evidence.reference, now):
            refusals += [*objections, *_ignored_exceptions(exceptions, evidence)]
        refused = {"package": policy.packages.refuse, "license": policy.licenses.refuse}
        stated = [ForbiddenContent(**content) for run in runs for content in run["contents"]]
        refusals += content_objections(content for content in stated if content.by in refused.get(content.kind, ()))
        if policy.needs_sbom:
            for digest in sorted({run["sbom"] for run in runs}):
                refusals += _sbom_refusals(digest, evidence, report_name, remedy)
    return refusals


def _laxer_report(policy: Policy, runs: list[Any], report_name: str, remedy: str) -> list[Objection]:
    """Reject a report made by a laxer policy: it lists what that policy rejects, and may omit what counts now."""
    for run in runs:
        stated = run["policy"]
        if (
            not {*policy.findings.severities, *policy.findings.graces} <= _texts(stated["refuse"])
            or (policy.findings.deny_exploited and stated.get("exploited") is not True)
            or (policy.findings.epss and not finding_judge.reaches(policy.findings.epss, stated.get("epss")))
            or (stated["fixable-only"] and not policy.findings.fixable_only)
            or not {finding.upper() for finding in policy.findings.deny} <= _texts(stated["deny"])
            or not set(policy.packages.refuse) <= _texts(stated["packages"])
            or not set(policy.licenses.refuse) <= _texts(stated["licenses"])
            or (stated.get("scope") == "own" and policy.findings.scope != "own")
            or (policy.findings.scope == "own" and _other_bases(policy, stated))
        ):
            return [Objection("laxer-report", f"{report_name} was made by a policy that refuses less: {remedy}")]
    return []


def _other_bases(policy: Policy, stated: Mapping[str, Any]) -> bool:
    """Return whether findings count as a base's by images that are no base for this policy."""
    bases = stated.get("bases")
    return isinstance(bases, list) and any(base not in policy.findings.bases for base in bases)


def _scope_refusals(policy: Policy, runs: list[Any], report_name: str, remedy: str, now: datetime) -> list[Objection]:
    """Reject a report that covers less than the policy demands."""
    refusals = []
    accepted_until = policy.report.accept_previous_until
    if any(run["version"] == PREVIOUS_VERSION for run in runs) and (
        accepted_until is None or exception_end(accepted_until) <= now
    ):
        text = f"{report_name} is of an earlier version of s3c and does not state how much was scanned: {remedy}"
        refusals.append(Objection("previous-report", text))
    stated = [run for run in runs if run["version"] == VERSION]
    if missing := {gap for run in stated for gap in _missing(policy, run["scope"])}:
        refusals.append(
            Objection(
                "narrow-report", f"{report_name} looked at less than the policy asks, {_join_names(missing)}: {remedy}"
            )
        )
    if (
        policy.report.require_covered_sources
        and (uncovered := max((run["uncovered"] for run in stated), default=0)) > 0
    ):
        text = f"it has {uncovered} {plural(uncovered, 'package')} from sources that publish no advisories"
        refusals.append(Objection("uncovered", f"{text}: replace them, or let the policy accept them"))
    return refusals


def _missing(policy: Policy, scope: Mapping[str, Any]) -> set[str]:
    """Return what the policy demands to be scanned, and was not."""
    missing = {f"not for {name}" for name in policy.report.scanners if name not in scope["scanners"]}
    missing |= {f"not at packages of type {name}" for name in policy.report.pkg_types if name not in scope["pkg-types"]}
    if not policy.report.allow_skipped and (scope["skip-dirs"] or scope["skip-files"]):
        missing.add("not at skipped paths")
    if policy.report.require_stated and not scope["stated"]:
        missing.add("at paths that it does not state")
    return missing


def _blindness_accepted(policy: Policy, run: Mapping[str, Any]) -> bool:
    return run["version"] == VERSION and run["unscanned"] == "warn" and policy.report.unscanned == "warn"


def _texts(values: list[Any]) -> set[str]:
    return {value for value in values if isinstance(value, str)}


def _signature_refusals(trust: SignerStatus, kind: str, document_name: str, remedy: str) -> list[Objection]:
    if trust is SignerStatus.UNSIGNED:
        return [Objection(f"unsigned-{kind}", f"{document_name} is not signed: {remedy}")]
    if trust is SignerStatus.STRANGER:
        return [Objection(f"stranger-{kind}", f"{document_name} is signed by nobody whom the policy allows: {remedy}")]
    return []


def _freshness_refusals(
    policy: Policy, runs: list[Any], report_name: str, remedy: str, now: datetime
) -> list[Objection]:
    refusals = []
    for created, database in sorted({(run["created"], run["database"]) for run in runs}):
        scanned = parse_time(created)
        if scanned is None:
            continue
        if scanned - CLOCK_SKEW > now:
            refusals.append(
                Objection("future-report", f"{report_name} is dated {created}, which is still to come: {remedy}")
            )
        if now - scanned > policy.maximum_age:
            limit = policy.report.maximum_age
            refusals.append(Objection("stale-report", f"{report_name} is of {created}, older than {limit}: {remedy}"))
        oldest = policy.maximum_database_age
        if oldest is None:
            continue
        updated = parse_time(database)
        if updated is None or scanned - updated > oldest:
            limit = f"older than {policy.report.maximum_database_age}"
            text = f"{report_name} was made with a vulnerability database {limit}: {remedy}"
            refusals.append(Objection("stale-database", text))
        elif updated - CLOCK_SKEW > scanned:
            text = f"{report_name} was made with a vulnerability database of {database}, which is later than its scan"
            refusals.append(Objection("stale-database", f"{text}: {remedy}"))
    return refusals


def _ignored_exceptions(exceptions: Iterable[JudgedException], evidence: Evidence) -> list[Objection]:
    """Name the exceptions that do not count, for whoever wonders why the findings are refused nevertheless."""
    ignored = {f"{_short(exception.digest)}: {exception.ignored}" for exception in exceptions if not exception.counts}
    if not ignored:
        return []
    text = f"exceptions beside it do not count, {_join_names(ignored)}: see `s3c exception list {evidence.reference}`"
    return [Objection("ignored-exception", text)]


def _sbom_refusals(digest: str, evidence: Evidence, report_name: str, remedy: str) -> list[Objection]:
    if not digest:
        return [Objection("no-sbom", f"{report_name} names no SBOM (SPDX): {remedy}")]
    sbom = next((document for document in evidence.sboms if document.digest == digest), None)
    sbom_name = f"its SBOM ({_short(digest)})"
    if sbom is None:
        return [Objection("no-sbom", f"{sbom_name} is not there: {remedy}")]
    return _signature_refusals(sbom.trust, "sbom", sbom_name, remedy)


def forbidden_contents(policy: Policy, spdx: Mapping[str, Any]) -> tuple[ForbiddenContent, ...]:
    """Return the packages and licences of an SBOM that the policy rejects.

    Args:
        policy: the one in force.
        spdx: a document of SPDX 2.3, in JSON.
    """
    forbidden = [
        (licence, licences.current_identifiers(licence), licences.unlisted_name(licence))
        for licence in policy.licenses.refuse
    ]
    names = {
        info["licenseId"].lower(): info["name"].lower()
        for info in spdx.get("hasExtractedLicensingInfos") or ()
        if "licenseId" in info and "name" in info
    }
    rejected = set()
    for package in spdx["packages"]:
        name, version = package["name"], package.get("versionInfo", "")
        versions = {"", version, *_upstream_versions(package)}
        for entry, (refused_name, refused_version) in zip(policy.packages.refuse, policy.refused_packages, strict=True):
            if refused_name == name and refused_version in versions:
                rejected.add(ForbiddenContent("package", entry, f"{name} {version}".strip(" ")))
        granted = _licences(package, names)
        for entry, identifiers, unlisted in forbidden:
            if identifiers <= granted or (unlisted and unlisted in granted):
                rejected.add(ForbiddenContent("license", entry, f"{name} ({entry})"))
    return tuple(sorted(rejected))


def _upstream_versions(package: Mapping[str, Any]) -> set[str]:
    """Return the version of a distribution's package without its epoch, and without its revision too.

    https://www.debian.org/doc/debian-policy/ch-controlfields.html#version; `1:5.6.0-2` of RPM and `5.6.0-r2` of
    Alpine are made alike. A policy that names what its authors published means all that distributions made of it.
    """
    located = (ref.get("referenceLocator") for ref in package.get("externalRefs") or () if isinstance(ref, Mapping))
    if not any(isinstance(text, str) and _OF_A_DISTRIBUTION.match(text) for text in located):
        return set()
    version = str(package.get("versionInfo") or "")
    epoch, colon, later = version.partition(":")
    plain = later if colon and epoch.isdecimal() else version
    return {plain, plain.rpartition("-")[0] or plain}


def _licences(package: Mapping[str, Any], names: Mapping[str, str]) -> set[str]:
    """Return the current SPDX identifiers in a package's licence expressions, resolving licences given by name."""
    text = f"{package.get('licenseConcluded', '')} {package.get('licenseDeclared', '')}".lower()
    terms = set(_WORDS.split(text))
    terms |= {term for reference in terms if reference in names for term in _WORDS.split(names[reference])}
    return {licence for term in terms for licence in licences.granted_identifiers(term)}


def content_objections(contents: Iterable[ForbiddenContent]) -> list[Objection]:
    """Return the refusals for rejected contents."""
    listed = list(contents)
    packages = {content.text for content in listed if content.kind == "package"}
    licences = {content.text for content in listed if content.kind == "license"}
    refusals = []
    if packages:
        text = f"it holds what the policy refuses, {_join_names(packages)}: remove it from the image"
        refusals.append(Objection("package", text))
    if licences:
        text = f"it holds packages under refused licences, {_join_names(licences)}: remove them from the image"
        refusals.append(Objection("license", text))
    return refusals


def _parse_document(document: EvidenceDocument) -> _ParsedDocument:
    content = _json(document.content)
    times = _times(content)
    stamps = [parse_time(time) for time in times] if times else []
    valid_stamps = [stamp for stamp in stamps if stamp is not None]
    readable = bool(stamps) and len(valid_stamps) == len(stamps)
    when = min(valid_stamps) if readable else parse_time(document.attached)
    return _ParsedDocument(digest=document.digest, trust=document.trust, content=content, readable=readable, when=when)


def _json(content: bytes | None) -> Any:
    """Parse as Go does: bytes that are not UTF-8 are replaced, and NaN is not JSON."""
    if content is None:
        return None
    try:
        return reading.parse_json(content.decode("utf-8", "replace"), parse_constant=_no_number)
    except ValueError:
        return None


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is not JSON")


def _newest(documents: list[_ParsedDocument]) -> list[_ParsedDocument]:
    """Return the newest documents, including those of the same moment; one without a time could be the newest."""
    latest = datetime.max.replace(tzinfo=UTC)
    times = [document.when or latest for document in documents]
    return [document for document, when in zip(documents, times, strict=True) if when == max(times)]


def _times(content: Any) -> list[str] | None:
    """Return when each run was made; None when it is not a report of s3c."""
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
    """Return whether a statement is of the previous version, or states how much was scanned."""
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
    return isinstance(values, list) and all(isinstance(value, str) for value in values)


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
        and facts["severity"] in SEVERITY_RANKS
        and all(isinstance(facts.get(name), bool) for name in ("fixable", "suppressed"))
    )


def _dig(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _short(digest: str) -> str:
    return digest[:19]


def _join_names(items: set[str]) -> str:
    return first_names(sorted(items))
