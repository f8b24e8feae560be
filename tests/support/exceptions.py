"""Break-glass exceptions made up for tests, and the same as Ratify would hand them to its policy."""

from __future__ import annotations

import json
import random
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from s3c_actions.core import artifact_types
from s3c_actions.core.exception_document import ExceptionGrant, Revocation
from s3c_actions.policy import export
from s3c_actions.policy.break_glass import ExceptionDocument
from s3c_actions.policy.judge import Evidence, SignerStatus
from s3c_actions.policy.model import BaseRules, BreakGlassRules, Permission, Policy, TrustedSigner
from tests.support import evidence

IDS = ("CVE-2024-1", "CVE-2024-2", "CVE-2023-3", "cve-2022-4", "DLA-5-1")
ONCALL = "oncall"


def signer(name: str, *may: Permission) -> TrustedSigner:
    return TrustedSigner(name=name, certificate="-----BEGIN CERTIFICATE-----", may=may)


def grant(now: datetime, *findings: str, hours: float = 24.0, **more: Any) -> ExceptionGrant:
    """An exception that was made a minute ago."""
    created = (now - timedelta(minutes=1)).replace(microsecond=0)
    whole = {
        "subject": evidence.SUBJECT,
        "findings": findings or ("CVE-2024-1",),
        "created": created,
        "until": created + timedelta(hours=hours),
        "who": "Ada of platform",
        "why": "checkout is down, INC-7",
    }
    return ExceptionGrant(**{**whole, **more})


def revocation(now: datetime, *digests: str, **more: Any) -> Revocation:
    whole = {"subject": evidence.SUBJECT, "created": now.replace(microsecond=0), "who": "Ada", "why": "It is fixed."}
    return Revocation(**{**whole, "revokes": digests, **more})


def digest(number: int) -> str:
    return f"sha256:{number:064x}"


def document(
    payload: ExceptionGrant | Revocation | bytes | None, number: int = 1, *, granter: str = ONCALL, signed: bool = True
) -> ExceptionDocument:
    content = payload.encode() if isinstance(payload, ExceptionGrant | Revocation) else payload
    return ExceptionDocument(digest=digest(number), content=content, signed=signed, granter=granter if signed else "")


def as_ratify_has_them(policy: Policy, given: Evidence) -> list[dict[str, Any]]:
    """What tests.support.evidence has of the rest, with the exceptions as Ratify 1.4.6 verifies them by this policy."""
    by_signer = dict(zip((granter.name for granter in policy.granters), export.granter_names(policy), strict=True))
    # Whom the policy trusts with images, and not with exceptions: the signature verifies, and has to count for nothing.
    others = [name for name in export.verifier_names(policy) if name not in by_signer.values()]
    reports = evidence.as_ratify_has_it(given)
    for exception in given.exceptions:
        passed = [{"isSuccess": True, "name": by_signer[exception.granter]}] if exception.granter in by_signer else []
        strange = [{"isSuccess": True, "name": name} for name in others[:1]]
        verdicts = [{"isSuccess": False, "name": "verifier-notation"}, *(passed or strange)] if exception.signed else []
        verified: list[dict[str, Any]] = []
        if policy.granters:
            verified = [{"isSuccess": False, "message": "could not be fetched", "extensions": None}]
        if policy.granters and exception.content is not None:
            text = exception.content.decode("utf-8", "replace")
            verified = [{"isSuccess": True, "extensions": {"passthrough": True, "report": text}}]
        reports.append(
            {
                "subject": f"{evidence.REFERENCE}@{evidence.SUBJECT}",
                "referenceDigest": exception.digest,
                "artifactType": artifact_types.EXCEPTION,
                "verifierReports": verified,
                "nestedReports": [
                    {
                        "subject": f"{evidence.REFERENCE}@{exception.digest}",
                        "referenceDigest": digest(20_000 + number),
                        "artifactType": artifact_types.SIGNATURE,
                        "verifierReports": [verdict],
                        "nestedReports": [],
                    }
                    for number, verdict in enumerate(verdicts)
                ],
            }
        )
    return reports


# Generated policies and exceptions


def a_policy(dice: random.Random, now: datetime) -> Policy:
    signers = dice.choices(
        (
            (signer("release", "sign"),),
            (signer("release", "sign"), signer(ONCALL, "grant-exceptions")),
            (signer(ONCALL, "grant-exceptions"), signer("release", "sign")),
            (signer(ONCALL, "sign", "grant-exceptions"), signer("release", "sign")),
        ),
        (1, 4, 3, 3),
    )[0]
    maximum = dice.choice(("72h", "72h", "24h", "90m"))
    policy = evidence.a_policy(dice, now)
    report = replace(policy.report, maximum_age="7d", maximum_database_age=None, scanners=("vuln",))
    return replace(
        policy, signers=signers, report=report, base=BaseRules(), break_glass=BreakGlassRules(maximum=maximum)
    )


def some_evidence(dice: random.Random, now: datetime) -> Evidence:
    """A report with findings, and what lies beside it as exceptions."""
    everything = {
        "refuse": ["CRITICAL", "HIGH", "MEDIUM", "LOW", "UNKNOWN"],
        "deny": [identifier.upper() for identifier in (*IDS, "DS-0001")],
        "fixable-only": False,
        "packages": ["zlib1g", "xz-utils@5.6.0", "@scope/left-pad"],
        "licenses": ["AGPL-3.0-only", "SSPL-1.0", "LicenseRef-1", "GPL-2.0"],
    }
    sbom = evidence.document(None, number=100)
    findings = tuple(
        evidence.finding(dice.choice(IDS), dice.choice(("LOW", "HIGH", "CRITICAL")))
        for _ in range(dice.choice((1, 1, 2, 4)))
    )
    run = evidence.run(
        now - timedelta(minutes=5),
        findings,
        sbom=sbom.digest,
        policy=everything,
        omitted=dice.choices((0, 3), (8, 1))[0],
    )
    trust = dice.choices((SignerStatus.ALLOWED, SignerStatus.UNSIGNED), (12, 1))[0]
    report = evidence.document(evidence.sarif(run), trust)
    amount = dice.choices((0, 1, 2, 4, 51), (1, 6, 6, 4, 1))[0]
    beside = [_an_exception(dice, now, number) for number in range(amount)]
    if beside and dice.random() < 0.2:
        beside.append(replace(dice.choice(beside), digest=digest(dice.choice((999, 2000)))))
    return replace(evidence.beside(reports=(report,), sboms=(sbom,), trust=trust), exceptions=tuple(beside))


def _an_exception(dice: random.Random, now: datetime, number: int) -> ExceptionDocument:
    findings = ("all",) if dice.random() < 0.4 else tuple(dice.sample(IDS, dice.choice((1, 2, 4))))
    hours = dice.choices((1, 24, 72, 72 + 1 / 3600, 96), (6, 6, 3, 1, 1))[0]
    created = now.replace(microsecond=0) - timedelta(minutes=dice.choices((1, 65, 6000, -4, -30), (12, 3, 1, 1, 1))[0])
    payload: ExceptionGrant | Revocation = grant(
        now,
        *findings,
        created=created,
        until=created + timedelta(hours=hours),
        subject=dice.choices((evidence.SUBJECT, evidence.OTHER), (12, 1))[0],
        why=dice.choice(("checkout is down, INC-7", "Größe, 壞, \u202e", "It burns.")),
    )
    if dice.random() < 0.15:
        subject = dice.choices((evidence.SUBJECT, evidence.OTHER), (6, 1))[0]
        payload = revocation(now, *(digest(1000 + dice.randint(0, 3)) for _ in range(2)), subject=subject)
    signed = dice.random() < 0.9
    granter = ONCALL if dice.random() < 0.9 else ""
    return document(_spoilt(dice, payload.encode()), 1000 + number, signed=signed, granter=granter)


def _spoilt(dice: random.Random, content: bytes) -> bytes | None:
    """The document as it is, most of the time; else broken in one of the ways that a reader must not take for sound."""
    if dice.random() < 0.88:
        return content
    whole = json.loads(content)
    ways = [
        lambda: None,
        lambda: content[: len(content) // 2],
        lambda: b"[]",
        lambda: b"null",
        lambda: b'"exception"',
        lambda: content.replace(b'"version":1', b'"version":2'),
        lambda: content.replace(b'"version":1', b'"version":true'),
        lambda: content.replace(b'"version":1', b'"version":1.0'),
        lambda: content.replace(b'"kind":"', b'"kind":"an '),
        lambda: content.replace(b'Z"', b'+00:00"'),
        lambda: content.replace(b'"created":"20', b'"created":"2'),
        lambda: content.replace(b"-", b"-9", 1),
        lambda: json.dumps({**whole, "more": 1}).encode(),
        lambda: json.dumps({**whole, "who": ""}).encode(),
        lambda: json.dumps({**whole, "who": 300 * "é" + "!"}).encode(),
        lambda: json.dumps({**whole, "why": "no"}).encode(),
        lambda: json.dumps({**whole, "why": "line\nline"}).encode(),
        lambda: json.dumps({**whole, "why": "half \ud800"}).encode(),
        lambda: json.dumps({**whole, "why": None}).encode(),
        lambda: json.dumps({**whole, "findings": []}).encode(),
        lambda: json.dumps({**whole, "findings": "all"}).encode(),
        lambda: json.dumps({**whole, "findings": ["all", 1]}).encode(),
        lambda: json.dumps({**whole, "findings": ["CVE-2024-1 "]}).encode(),
        lambda: json.dumps({**whole, "findings": ["CVE-2024-1\n"]}).encode(),
        lambda: json.dumps({**whole, "findings": 51 * ["all"]}).encode(),
        lambda: json.dumps({**whole, "until": whole["created"]}).encode(),
        lambda: json.dumps({**whole, "revokes": ["sha256:1"]}).encode(),
        lambda: content.replace(b'"who":"', b'"who":"\xff'),
        lambda: content + 16_384 * b" ",
        lambda: content[:-1] + b', "more": NaN}',
        lambda: b'{"until":"2020-01-01T00:00:00Z",' + content[1:],
        lambda: b'{"subject":' + content + b"}",
    ]
    spoilt: bytes | None = dice.choice(ways)()
    return spoilt
