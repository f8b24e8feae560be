"""Evidence made up for tests, and the same as Ratify would hand it to its policy."""

from __future__ import annotations

import json
import random
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec

from s3c_actions.core import artifact_types
from s3c_actions.policy.export import VERIFIER
from s3c_actions.policy.finding_rules import FindingRules, Grace, RefusedFindings
from s3c_actions.policy.judge import Evidence, EvidenceDocument, SignerStatus
from s3c_actions.policy.model import (
    AcceptedFinding,
    BaseRules,
    ExploitationRules,
    LicenseRules,
    PackageRules,
    PlatformRules,
    Policy,
    ReportRules,
    SbomRules,
)
from tests.support import exploitation

REFERENCE = "registry.example/team/app"
SUBJECT = "sha256:" + 64 * "a"
OTHER = "sha256:" + 64 * "b"
LATER = "2099-01-01T00:00:00Z"


def stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def finding(name: str, severity: str = "HIGH", *, package: str = "libssl3", fixed: str = "3.0.2", **more: Any) -> Any:
    facts = {"id": name, "severity": severity, "package": package, "installed": "3.0.1", "fixed": fixed}
    known = {"exploited": False, "exploited-since": "", "epss": "", "since": ""}
    return {"properties": {**facts, "fixable": bool(fixed), "suppressed": False, **known, **more}}


def run(created: datetime, findings: tuple[Any, ...] = (), **stated: Any) -> dict[str, Any]:
    severities = ["CRITICAL", "HIGH", "MEDIUM", "LOW", "UNKNOWN"]
    policy = {"refuse": severities, "deny": [], "fixable-only": False, "packages": [], "licenses": []}
    policy |= {"exploited": True, "epss": "0.00001"}
    statement = {
        "version": 2,
        "subject": SUBJECT,
        "created": stamp(created),
        "database": stamp(created),
        "blind": "",
        "sbom": "",
        "omitted": 0,
        "rest": [],
        "os": "debian 12.5",
        "end-of-life": False,
        "base-created": stamp(created - timedelta(days=10)),
        "exploitation": {"kev": stamp(created), "epss": stamp(created)},
        "contents": [],
        "policy": policy,
        "scope": scope(),
        "uncovered": 0,
        "unscanned": "fail",
        **stated,
    }
    return {"properties": {"s3c": statement, "aliases": True}, "results": list(findings)}


def scope(**stated: Any) -> dict[str, Any]:
    everything = {"scanners": ["secret", "vuln"], "pkg-types": ["library", "os"], "platforms": ["linux/amd64"]}
    return {**everything, "skip-dirs": [], "skip-files": [], "files": [], "stated": True, **stated}


def sarif(*runs: dict[str, Any]) -> bytes:
    return json.dumps({"version": "2.1.0", "runs": list(runs)}).encode()


def document(
    content: bytes | None, trust: SignerStatus = SignerStatus.ALLOWED, number: int = 1, attached: str = ""
) -> EvidenceDocument:
    return EvidenceDocument(digest=f"sha256:{number:064x}", trust=trust, content=content, attached=attached)


def beside(
    reports: tuple[EvidenceDocument, ...] = (),
    sboms: tuple[EvidenceDocument, ...] = (),
    trust: SignerStatus = SignerStatus.ALLOWED,
) -> Evidence:
    return Evidence(reference=f"{REFERENCE}@{SUBJECT}", subject=SUBJECT, trust=trust, reports=reports, sboms=sboms)


def as_ratify_has_it(given: Evidence) -> list[dict[str, Any]]:
    """`verifierReports` of Ratify 1.4.6 with a rego-policy, as recorded in tests/data/ratify."""
    reports = [
        _report(artifact_types.SIGNATURE, 10_000 + number, verdict)
        for number, verdict in enumerate(_signatures(given.trust))
    ]
    for kind, documents in ((artifact_types.SARIF, given.reports), (artifact_types.SPDX, given.sboms)):
        for document in documents:
            nested = [
                _report(artifact_types.SIGNATURE, 20_000, v, document.digest) for v in _signatures(document.trust)
            ]
            whole = {"referenceDigest": document.digest, "nestedReports": nested}
            if kind == artifact_types.SPDX:
                reports.append({**_report(kind, 0, {}), **whole, "verifierReports": []})
                continue
            extensions: dict[str, Any] | None = {"createdAt": document.attached} if document.attached else {}
            if document.content is None:
                verdict = {"isSuccess": False, "extensions": extensions or None}
            else:
                text = document.content.decode("utf-8", "replace")
                verdict = {"isSuccess": True, "extensions": {**(extensions or {}), "passthrough": True, "report": text}}
            reports.append({**_report(kind, 0, verdict), **whole})
    return reports


def _signatures(trust: SignerStatus) -> list[dict[str, Any]]:
    """The second stranger's is one that a verifier vouches for which is none of the policy's, as of an earlier one."""
    denied = {"isSuccess": False, "name": VERIFIER}
    return {
        SignerStatus.UNSIGNED: [],
        SignerStatus.STRANGER: [denied, {"isSuccess": True, "name": f"{VERIFIER}-former"}],
        SignerStatus.ALLOWED: [denied, {"isSuccess": True, "name": VERIFIER}],
    }[trust]


def _report(kind: str, number: int, verdict: dict[str, Any], subject: str = SUBJECT) -> dict[str, Any]:
    return {
        "subject": f"{REFERENCE}@{subject}",
        "referenceDigest": f"sha256:{number:064x}",
        "artifactType": kind,
        "verifierReports": [{"message": "", **verdict}],
        "nestedReports": [],
    }


# Generated policies and evidence

_IDS = ("CVE-2024-1000", "CVE-2024-2000", "CVE-2023-3000", "cve-2022-4", "DLA-5-1", "DS-0001")
_CVES = ("CVE-2024-1000", "CVE-2024-2000", "CVE-2023-3000")
_PACKAGES = ("libssl3", "zlib1g", "xz-utils", "")
_REFUSED = ("zlib1g", "xz-utils@5.6.0", "@scope/left-pad")
_LICENCES = ("AGPL-3.0-only", "SSPL-1.0", "LicenseRef-1")
_BASES = ("docker.io/library/*", "registry.example/base:1")
_STATED_BASES: tuple[Any, ...] = (
    *([], list(_BASES[:1]), list(_BASES), ["*"], [7], "docker.io/library/*", {"0": "*"}, None),
)
_CONTENTS = (
    *({"kind": "package", "by": package, "text": f"{package.rpartition('@')[0] or package} 1"} for package in _REFUSED),
    *({"kind": "license", "by": licence, "text": f"adduser ({licence})"} for licence in _LICENCES),
    {"kind": "license", "by": "MIT", "text": "adduser (MIT)"},
    {"kind": "other", "by": "zlib1g", "text": "zlib1g 1"},
)


def a_policy(dice: random.Random, now: datetime) -> Policy:
    return Policy(
        version=1,
        findings=FindingRules(
            refuse=_refused_rules(dice),
            deny_exploited=dice.random() < 0.3,
            fixable_only=dice.random() < 0.5,
            deny=tuple(dice.sample(_IDS, dice.choice((0, 0, 1)))),
            **dice.choices(({}, {"bases": _BASES}, {"scope": "own", "bases": _BASES}), (3, 1, 2))[0],
        ),
        exceptions=tuple(
            AcceptedFinding(
                id=dice.choice(_IDS),
                package=dice.choice((None, *_PACKAGES[:2])),
                until=_day(now, dice.choice((-30, -2, 2, 30))),
                why="It is not reached.",
                who="security",
            )
            for _ in range(dice.choice((0, 1, 4)))
        ),
        report=ReportRules(
            maximum_age=dice.choice(("1h", "24h", "7d", "1d12h")),
            maximum_database_age=dice.choice((None, "24h", "7d")),
            scanners=dice.choices((("vuln",), ("vuln", "secret"), ("vuln", "license")), (24, 2, 1))[0],
            pkg_types=dice.choices((("os", "library"), ("os",), ()), (12, 2, 1))[0],
            allow_skipped=dice.random() < 0.3,
            require_stated=dice.random() < 0.15,
            require_covered_sources=dice.random() < 0.2,
            unscanned=dice.choices(("fail", "warn"), (3, 1))[0],
            accept_previous_until=dice.choice((None, None, _day(now, -1), _day(now, 0), _day(now, 30))),
        ),
        exploitation=ExploitationRules(maximum_age=dice.choice(("1h", "3d", "7d"))),
        platform=PlatformRules(end_of_life=dice.choices(("accept", "refuse"), (3, 1))[0]),
        base=BaseRules(maximum_age=dice.choices((None, "90d", "36h"), (6, 2, 1))[0]),
        sbom=SbomRules(required=dice.random() < 0.3),
        packages=PackageRules(
            refuse=tuple(dice.sample(("zlib1g", "xz-utils@5.6.0", "@scope/left-pad"), dice.choice((0, 1))))
        ),
        licenses=LicenseRules(
            refuse=tuple(dice.sample(("AGPL-3.0-only", "SSPL-1.0", "LicenseRef-1", "GPL-2.0"), dice.choice((0, 1, 2))))
        ),
    )


def _refused_rules(dice: random.Random) -> tuple[Any, ...]:
    """Severities, some of them after a grace, and a likelihood."""
    rules: list[Any] = []
    for severity in ("UNKNOWN", "LOW", "MEDIUM", "HIGH", "CRITICAL"):
        if dice.random() < 0.4:
            grace = Grace(grace=dice.choice(("1h", "14d", "90d")))
            graced = msgspec.convert({severity: grace}, RefusedFindings)
            rules.append(graced if dice.random() < 0.4 else severity)
    if dice.random() < 0.25:
        rules.append(RefusedFindings(epss=dice.choice((">=0.1", ">= 0.00042", ">=1"))))
    return tuple(rules)


def a_written_policy(dice: random.Random, now: datetime) -> Policy:
    """A policy that a file may say: nothing in it is denied and excepted."""
    policy = a_policy(dice, now)
    denied = {identifier.upper() for identifier in policy.findings.deny}
    lawful = tuple(exception for exception in policy.exceptions if exception.id.upper() not in denied)
    return msgspec.structs.replace(policy, exceptions=lawful)


def _some(dice: random.Random, words: tuple[str, ...], most: int) -> tuple[str, ...]:
    return tuple(dice.sample(words, dice.randint(0, most)))


def _day(now: datetime, days: int) -> date:
    return (now + timedelta(days=days)).date()


def some_evidence(dice: random.Random, now: datetime) -> Evidence:
    if dice.random() < 0.3:
        return _good_evidence(dice, now)
    sboms = tuple(_an_sbom(dice, 100 + number) for number in range(dice.choice((0, 1, 1, 2))))
    named = ("", f"sha256:{999:064x}") if dice.random() < 0.1 else tuple(sbom.digest for sbom in sboms) or ("",)
    return beside(
        reports=tuple(_a_report(dice, now, number, named) for number in range(dice.choice((0, 1, 1, 1, 2, 3)))),
        sboms=sboms,
        trust=_trust(dice),
    )


def _good_evidence(dice: random.Random, now: datetime) -> Evidence:
    """All as it should be; which of its findings count, is the policy's."""
    created = now - timedelta(minutes=dice.choice((1, 50)))
    sbom = document(None, number=100)
    findings = [
        finding(dice.choice(_IDS), dice.choice(("LOW", "HIGH")), **_exploitation(dice, now))
        for _ in range(dice.choice((0, 0, 1)))
    ]
    everything = {
        "refuse": ["CRITICAL", "HIGH", "MEDIUM", "LOW", "UNKNOWN"],
        "deny": [identifier.upper() for identifier in _IDS],
        "fixable-only": False,
        "packages": list(_REFUSED),
        "licenses": list(_LICENCES),
        "exploited": True,
        "epss": "0.00042",
    }
    report = document(
        sarif(run(created, tuple(findings), sbom=sbom.digest, policy=everything)), attached=stamp(created)
    )
    return beside(reports=(report,), sboms=(sbom,))


def _exploitation(dice: random.Random, now: datetime) -> dict[str, Any]:
    """What is stated of a finding's exploitation and grace; now and then nothing, or what nobody can read."""
    since = stamp(now - timedelta(days=dice.choice((0, 1, 13, 15, 400))))
    return {
        "exploited": dice.choices((False, True, None, "no"), (20, 4, 1, 1))[0],
        "epss": dice.choices(
            ("", "0.00041", "0.10000", "0.94211", "1.00000", "0.1", None, 0.5), (8, 8, 4, 4, 2, 1, 1, 1)
        )[0],
        "since": dice.choices((since, "", "2026-11-01", LATER, None, 7), (16, 2, 1, 1, 1, 1))[0],
    }


def _rest(dice: random.Random) -> dict[str, Any]:
    """How many findings did not fit in, mostly none; now and then not accounted for."""
    groups: list[dict[str, Any]] = [
        {
            "severity": dice.choice(("CRITICAL", "HIGH", "MEDIUM", "LOW", "UNKNOWN")),
            "fixable": dice.random() < 0.5,
            "count": dice.choice((1, 4800)),
            "exploited": dice.choices((0, 1), (6, 1))[0],
            "denied": dice.choices((0, 1), (6, 1))[0],
            "epss": dice.choice(("", "0.00041", "0.20000")),
        }
        for _ in range(dice.choice((1, 2)))
    ]
    total = sum(group["count"] for group in groups)
    broken = [{**groups[0], key: value} for key, value in (("severity", "GRAVE"), ("epss", "0.2"), ("count", "4"))]
    return dice.choices(
        (
            {"omitted": 0, "rest": []},
            {"omitted": total, "rest": groups},
            {"omitted": total + 1, "rest": groups},
            {"omitted": 4, "rest": None},
            {"omitted": groups[0]["count"], "rest": [dice.choice(broken)]},
        ),
        (40, 4, 1, 1, 1),
    )[0]


def _image_facts(dice: random.Random, created: datetime) -> dict[str, Any]:
    """What is stated of data, platform and base; now and then not, or what nobody can read."""
    old = stamp(created - timedelta(days=5))
    return {
        "os": dice.choices(("debian 12.5", None), (20, 1))[0],
        "end-of-life": dice.choices((False, True, "no"), (20, 2, 1))[0],
        "base-created": dice.choices(
            (stamp(created - timedelta(days=80)), old, LATER, "", "1970-01-01T00:00:00Z"), (8, 8, 1, 1, 1)
        )[0],
        "exploitation": dice.choices(
            (
                {"kev": stamp(created), "epss": stamp(created)},
                {"kev": old, "epss": stamp(created)},
                {"kev": stamp(created), "epss": ""},
                {"kev": "", "epss": old},
                {"kev": LATER, "epss": LATER},
                {"kev": 7},
                None,
            ),
            (20, 2, 1, 1, 1, 1, 1),
        )[0],
    }


def _trust(dice: random.Random) -> SignerStatus:
    return dice.choices((SignerStatus.ALLOWED, SignerStatus.UNSIGNED, SignerStatus.STRANGER), (16, 1, 1))[0]


def _when(dice: random.Random, now: datetime) -> datetime:
    hours = dice.choice((0.1, 0.1, 0.1, 0.5, 0.5, 5, 5, 20, 30, 400, -2, -0.01))
    return now - timedelta(hours=hours)


def _attached(dice: random.Random, now: datetime) -> str:
    return dice.choice((stamp(_when(dice, now)), stamp(now), ""))


def _a_report(dice: random.Random, now: datetime, number: int, sboms: tuple[str, ...]) -> EvidenceDocument:
    created = _when(dice, now)
    findings = tuple(
        finding(
            dice.choice(_IDS),
            dice.choice(("UNKNOWN", "LOW", "MEDIUM", "HIGH", "CRITICAL")),
            package=dice.choice(_PACKAGES),
            fixed=dice.choice(("", "2.0-1")),
            suppressed=dice.random() < 0.1,
            fixable=dice.random() < 0.7,
            **_exploitation(dice, now),
            **dice.choices(({}, {"base": True}, {"base": False}, {"base": "true"}, {"base": 1}), (6, 4, 1, 1, 1))[0],
        )
        for _ in range(dice.choice((0, 0, 0, 1, 1, 3, 12)))
    )
    runs = [
        run(
            created + timedelta(minutes=dice.choice((0, 0, 3))),
            findings if not part else (),
            subject=dice.choices((SUBJECT, OTHER), (12, 1))[0],
            sbom=dice.choice(sboms),
            **_rest(dice),
            **_image_facts(dice, created),
            policy={
                "refuse": ["CRITICAL", "HIGH", "MEDIUM", "LOW", *dice.choices((["UNKNOWN"], []), (12, 1))[0]],
                "deny": [identifier.upper() for identifier in _IDS[: dice.choices((9, 3), (12, 1))[0]]],
                "fixable-only": dice.random() < 0.1,
                "packages": list(_REFUSED[: dice.choices((9, 1), (12, 1))[0]]),
                "licenses": list(_LICENCES[: dice.choices((9, 1), (12, 1))[0]]),
                "exploited": dice.choices((True, False, None), (12, 1, 1))[0],
                "epss": dice.choices(("0.00042", "0.50000", ""), (12, 1, 1))[0],
                **dice.choices(({}, {"scope": "all"}, {"scope": "own"}, {"scope": 1}), (3, 3, 1, 1))[0],
                **dice.choices(({}, {"bases": dice.choice(_STATED_BASES)}), (1, 2))[0],
            },
            contents=dice.sample(_CONTENTS, dice.choices((0, 1, 3), (12, 2, 1))[0]),
            blind=dice.choices(("", "the distribution is unknown"), (25, 1))[0],
            database=dice.choice(
                (stamp(created - timedelta(hours=dice.choice((1, 30, 200)))), stamp(created), LATER, "")
            ),
            **_stated(dice),
        )
        for part in range(dice.choice((1, 1, 1, 2)))
    ]
    return document(_spoilt(dice, sarif(*runs)), _trust(dice), number, _attached(dice, now))


def _stated(dice: random.Random) -> dict[str, Any]:
    """How much was scanned; now and then less than everything, or by an earlier version that does not state it."""
    if dice.random() < 0.1:
        return {"version": 1, "scope": None, "uncovered": None, "unscanned": None}
    looked = scope(
        scanners=dice.choices((["secret", "vuln"], ["vuln"], ["secret"], ["vuln", "license"]), (12, 3, 1, 1))[0],
        **{"pkg-types": dice.choices((["library", "os"], ["os"], ["library"], []), (12, 2, 1, 1))[0]},
        **{"skip-dirs": dice.choices(([], ["usr/share/doc"]), (12, 1))[0]},
        **{"skip-files": dice.choices(([], ["**/*.pem"]), (12, 1))[0]},
        stated=dice.random() < 0.95,
    )
    return {
        "version": 2,
        "scope": looked,
        "uncovered": dice.choices((0, 1, 12), (12, 1, 1))[0],
        "unscanned": dice.choices(("fail", "warn"), (3, 1))[0],
    }


def _an_sbom(dice: random.Random, number: int) -> EvidenceDocument:
    return document(None, _trust(dice), number)


def _spoilt(dice: random.Random, content: bytes) -> bytes | None:
    """The content as it is, most of the time; else broken in one of the ways that a reader must not take for clean."""
    if dice.random() < 0.85:
        return content
    whole = json.loads(content)
    runs = whole.get("runs")
    ways = [
        lambda: None,
        lambda: content[: len(content) // 2],
        lambda: b"[]",
        lambda: b"null",
        lambda: content.replace(b'"created": "20', b'"created": "19'),
        lambda: content.replace(b'Z"', b'+00:00"'),
        lambda: content.replace(b'"severity": "', b'"severity": "VERY '),
        lambda: content.replace(b'"fixable": true', b'"fixable": "yes"'),
        lambda: content.replace(b'"contents": [', b'"contents": [null, '),
        lambda: content.replace(b'"omitted"', b'"left"'),
        lambda: content.replace(b'"deny"', b'"denied"'),
        lambda: content.replace(b'"s3c"', b'"s4c"'),
        lambda: content.replace(b'"version": 2', b'"version": 3'),
        lambda: content.replace(b'"version": 2', b'"version": true'),
        lambda: content.replace(b'"scope"', b'"looked-at"'),
        lambda: content.replace(b'"skip-dirs": [', b'"skip-dirs": [1, '),
        lambda: content.replace(b'"stated": ', b'"stated": 1, "else": '),
        lambda: content.replace(b'"unscanned": "', b'"unscanned": "not '),
        lambda: content.replace(b'"uncovered": ', b'"uncovered": "x", "else": '),
        lambda: content.replace(b'"rest"', b'"remaining"'),
        lambda: content.replace(b'"exploited"', b'"attacked"'),
        lambda: content.replace(b'"since"', b'"from"'),
        lambda: content.replace(b'"results"', b'"result"'),
        lambda: content.replace(b'"packages"', b'"package"'),
        lambda: content[:-1] + b', "more": NaN}',
        lambda: json.dumps({**whole, "runs": [] if runs else {}, "packages": {}}).encode(),
        lambda: json.dumps({**whole, "runs": runs and [*runs, None], "packages": [None]}).encode(),
    ]
    spoilt: bytes | None = dice.choice(ways)()
    return spoilt


# Generated scans: what Trivy would have found, for the gate in CI and for the report that is attached


def a_scan(dice: random.Random, now: datetime, policy: Policy) -> bytes:
    """Trivy's JSON on an image: findings, packages and licences that policies mind, or what this one accepts."""
    vulnerabilities = [_a_vulnerability(dice, now) for _ in range(dice.choice((0, 0, 0, 0, 1, 1, 3, 12)))]
    if policy.exceptions and policy.findings.severities and dice.random() < 0.3:
        vulnerabilities = [
            {
                **_a_vulnerability(dice, now),
                "VulnerabilityID": exception.id,
                "PkgName": exception.package or "libssl3",
                "Severity": dice.choice(policy.findings.severities),
            }
            for exception in policy.exceptions
        ]
    system = ({"Family": "debian", "Name": "12.5"}, {"Family": "debian", "Name": "8.11", "EOSL": True}, None)
    results = [
        {
            "Target": f"{REFERENCE} (debian)",
            "Class": "os-pkgs",
            "Type": "debian",
            # Never none at all: of such a report no SBOM is made, so that there is nothing to attach.
            "Packages": [
                _a_package(dice, name)
                for name in ("zlib1g", "libssl3", "xz-utils")
                if dice.random() < 0.8 or name == "zlib1g"
            ],
            "Vulnerabilities": vulnerabilities,
            "ExperimentalModifiedFindings": [_set_aside(dice, now) for _ in range(dice.choice((0, 0, 0, 1)))],
        },
        {
            "Target": "Node.js",
            "Class": "lang-pkgs",
            "Type": "node-pkg",
            "Packages": [_a_package(dice, "@scope/left-pad")] if dice.random() < 0.4 else [],
        },
    ]
    if dice.random() < 0.1:
        severity = dice.choice(("HIGH", "CRITICAL"))
        results.append(
            {"Target": "/app/key", "Class": "secret", "Secrets": [{"RuleID": "DS-0001", "Severity": severity}]}
        )
    metadata = {
        "OS": dice.choices(system, (20, 1, 1))[0],
        "RepoDigests": [f"{REFERENCE}@{SUBJECT}"],
        "ImageConfig": {"architecture": "amd64", "os": "linux", "history": _a_history(dice, now)},
    }
    document = {
        "SchemaVersion": 2,
        "Trivy": {"Version": "0.74.0"},
        "CreatedAt": stamp(now),
        "ArtifactName": f"{REFERENCE}@{SUBJECT}",
        "ArtifactType": "container_image",
        "Metadata": {key: value for key, value in metadata.items() if value is not None},
        "Results": results,
    }
    return json.dumps(document).encode()


def _a_package(dice: random.Random, name: str) -> dict[str, Any]:
    version = dice.choice(("5.6.0", "1.2.13"))
    kind = "npm" if name.startswith("@") else "deb/debian"
    licences = dice.choices((["MIT"], ["GPL-2.0"], ["AGPL-3.0-only"], ["MIT OR SSPL-1.0"]), (8, 1, 1, 1))[0]
    return {
        "ID": f"{name}@{version}",
        "Name": name,
        "Version": version,
        "Licenses": licences,
        "Identifier": {
            "PURL": f"pkg:{kind}/{name.replace('@', '%40')}@{version}",
            "UID": f"{name}{version}".encode().hex(),
        },
    }


def exploitation_data(dice: random.Random, now: datetime) -> dict[str, bytes | None]:
    """The two files on exploitation, input → content; now and then old or not there."""
    ages = [timedelta(days=dice.choices((0, 5, 400), (12, 2, 1))[0], minutes=2) for _ in range(2)]
    listed = {"CVE-2021-44228": "2021-12-10"} | {cve: "2026-01-01" for cve in _CVES if dice.random() < 0.15}
    scores = {"CVE-2021-44228": "0.9"} | {
        cve: dice.choice(("0.00041", "0.1", "0.94211", "1")) for cve in _CVES if dice.random() < 0.6
    }
    catalogue = exploitation.kev(listed, released=stamp(now - ages[0]))
    return {
        "exploited-data": dice.choices((catalogue, None), (12, 1))[0],
        "epss-data": dice.choices((exploitation.epss(scores, day=stamp(now - ages[1])[:10]), None), (12, 1))[0],
    }


def _a_history(dice: random.Random, now: datetime) -> list[dict[str, Any]]:
    """Of the base's layers and one's own; now and then without times, as reproducible builds leave them out."""
    base = stamp(now - timedelta(days=dice.choice((1, 30, 80, 100))))
    base = dice.choices((base, "1970-01-01T00:00:00Z", "0001-01-01T00:00:00Z"), (12, 1, 1))[0]
    return [
        {"created": base, "created_by": "ADD rootfs", "empty_layer": False},
        {"created": stamp(now), "created_by": "COPY app"},
    ]


def _a_vulnerability(dice: random.Random, now: datetime) -> dict[str, Any]:
    published = stamp(now - timedelta(days=dice.choice((0, 13, 15, 400)), minutes=2))
    return {
        **({"PublishedDate": published} if dice.random() < 0.9 else {}),
        "VulnerabilityID": dice.choice(_IDS),
        "PkgName": dice.choice(_PACKAGES[:3]),
        "InstalledVersion": "1.0-1",
        "FixedVersion": dice.choice(("", "2.0-1")),
        "Severity": dice.choice(("UNKNOWN", "LOW", "MEDIUM", "HIGH", "CRITICAL")),
    }


def _set_aside(dice: random.Random, now: datetime) -> dict[str, Any]:
    how = {"Type": "vulnerability", "Status": "ignored", "Statement": "not reached", "Source": ".trivyignore"}
    return {**how, "Finding": {**_a_vulnerability(dice, now), "PkgName": "set-aside"}}
