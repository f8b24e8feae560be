"""Outcomes as the commands make them, for the tests of what is rendered from them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from s3c_actions.core.errors import OutsideError, Refused, S3CError
from s3c_actions.core.secrets import Secrets
from s3c_actions.findings.difference import Difference
from s3c_actions.findings.model import Finding, FindingKind, ScanReport, Severity, rank_findings
from s3c_actions.findings.scope import Scope, SettingsFile
from s3c_actions.layers.comparison import ImageComparison, PlatformComparison
from s3c_actions.layers.configuration import ConfigurationChange
from s3c_actions.layers.difference import FileChange, PackageAction, PackageChange, PrivilegeChange
from s3c_actions.policy.objection import Objection
from s3c_actions.report.document import ResultDocument
from s3c_actions.result import document as result
from s3c_actions.result.gate_change import GateChange, ProposedVerdict
from s3c_actions.result.model import (
    Admission,
    AppliedObject,
    AttachedEvidence,
    AttachResult,
    CertificateFacts,
    Comparison,
    DeployResult,
    ImageOutcome,
    LeftFinding,
    MirrorResult,
    Outcome,
    PatchResult,
    PolicyJudgement,
    ScanResult,
    SignResult,
    VerifyResult,
)
from s3c_actions.result.smoke import PlatformSmoke, SmokeResult, SmokeVerdict

BEFORE = "sha256:" + "65a0dd9b" * 8
AFTER = "sha256:" + "33955bb0" * 8
SIGNATURE = "sha256:" + "0f1e2d3c" * 8
NOW = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)


def vulnerability(number: int, severity: Severity, **changes: Any) -> Finding:
    """One of Debian's."""
    facts: dict[str, Any] = {
        "kind": FindingKind.VULNERABILITY,
        "id": f"CVE-2024-{number:04d}",
        "severity": severity,
        "package": f"lib{'ssl' if number % 2 else 'curl'}{number % 3}",
        "installed": "3.0.9-1",
        "fixed": "3.0.11-1~deb12u2",
        "package_type": "debian",
        "result_class": "os-pkgs",
        "target": "localhost:5000/voting-app:1.4.0 (debian 12.1)",
        "title": "denial of service in the parser",
        "url": f"https://avd.aquasec.com/nvd/cve-2024-{number:04d}",
    }
    return Finding(**facts | changes)


LOOKED_AT = Scope(
    scanners=("secret", "vuln"),
    pkg_types=("library", "os"),
    platforms=("linux/amd64",),
    skip_dirs=(),
    skip_files=(),
    files=(),
    stated=True,
)
PASSED: dict[str, Any] = {
    "gated": True,
    "refused": (),
    "blind": "",
    "overridden": "",
    "contents": (),
    "objections": (),
    "policy": "",
    "scope": LOOKED_AT,
    "uncovered": 0,
    "missing": (),
    "outdated": "",
}
"""What a gate reads of a scan that passes it."""


def report(*findings: Finding, digest: str = BEFORE, **changes: Any) -> ScanReport:
    """Of the voting app."""
    facts: dict[str, Any] = {
        "image": "localhost:5000/voting-app:1.4.0",
        "digest": digest,
        "platform": "linux/amd64",
        "os": "debian 12.1",
        "findings": rank_findings(findings),
        "created": "2026-11-23T06:00:00Z",
        "scanner_version": "0.74.0",
        "database": "",
    }
    return ScanReport(**facts | changes)


def scan(of: ScanReport, **changes: Any) -> ScanResult:
    """That report's scan."""
    facts: dict[str, Any] = {
        "image": of.image,
        "reference": f"localhost:5000/voting-app@{of.digest}",
        "report": of,
        "trivy_json": Path("trivy.json"),
        "seconds": 1.12,
    }
    return ScanResult(**PASSED | facts | changes)


def certificate(subject: str = "CN=s3c-test", **changes: Any) -> CertificateFacts:
    """What is told of a self-signed certificate."""
    facts: dict[str, Any] = {
        "subject": subject,
        "issuer": subject,
        "thumbprint": "0" * 64,
        "not_before": "2026-01-01T00:00:00Z",
        "not_after": "2027-01-01T00:00:00Z",
        "days_left": 100,
        "key": "RSA-2048",
        "self_signed": True,
    }
    return CertificateFacts(**facts | changes)


SIGNED = SignResult(
    reference=f"localhost:5000/voting-app@{AFTER}",
    signature_digest=SIGNATURE,
    certificate=certificate(
        "CN=s3c-test,O=Voting", thumbprint="ab" * 32, not_after="2027-06-23T00:00:00Z", days_left=212
    ),
    signature_format="cose",
    skipped=False,
    verified=True,
    seconds=0.12,
)
VERIFIED = VerifyResult(
    reference=f"localhost:5000/voting-app@{AFTER}",
    policy="s3c",
    signature_digest=SIGNATURE,
    signer="CN=s3c-test,O=Voting",
    seconds=0.08,
)


def chain() -> ImageOutcome:
    """Patched, signed and verified, one finding left."""
    fixed = [vulnerability(number, Severity.HIGH if number < 4 else Severity.MEDIUM) for number in range(1, 7)]
    left = vulnerability(9, Severity.LOW, fixed="", status="affected", package="zlib1g", title="old bug")
    before, after = report(*fixed, left), report(left, digest=AFTER)
    patched = PatchResult(
        image=before.image,
        original=f"localhost:5000/voting-app@{BEFORE}",
        reference=f"localhost:5000/voting-app@{AFTER}",
        tag="1.4.0-1",
        patched=True,
        skipped=False,
        before=scan(before),
        after=scan(after, seconds=0.6),
        fixed=tuple(fixed),
        left=(LeftFinding(finding=left, reason="Debian has no fix yet"),),
        changes=compared(f"localhost:5000/voting-app@{BEFORE}", f"localhost:5000/voting-app@{AFTER}"),
        seconds=6.2,
    )
    return ImageOutcome(
        image=before.image,
        reference=patched.reference,
        scan=patched.before,
        patch=patched,
        sign=SIGNED,
        verify=VERIFIED,
    )


def deployed(text: str = "", *, denied: bool = False) -> Outcome:
    """The voting app deployed, or denied; with this text in every place that is not ours to choose."""
    app, place = text or "localhost:5000/voting-app:1.4.0", text or "app.yaml, line 12 (Deployment app, container web)"
    admission = Admission(image=app, reference=text or VERIFIED.reference, verdict="admitted", places=(place,))
    if denied:
        why = Refused(
            text or f"{VERIFIED.reference} was not admitted: it has no signature.", image=text or VERIFIED.reference
        )
        reason, trace = text or "it has no signature", text or "54ab39d7"
        admission = replace(admission, verdict="denied", reason=reason, remedy=text or "Sign it.", trace=trace)
    applied = [
        AppliedObject(kind=text or kind, namespace=text or namespace, name=text or "shop", action=action)
        for kind, namespace, action in (("Namespace", "", "created"), ("Deployment", "shop", "configured"))
    ]
    return Outcome(
        command="deploy",
        images=(
            ImageOutcome(
                image=app,
                reference=admission.reference,
                verify=replace(VERIFIED, signer=text) if text else VERIFIED,
                admission=admission,
                failure=why if denied else None,
            ),
        ),
        deploy=DeployResult(
            cluster=text or "https://cluster.example",
            manifests=(Path("s3c-out/manifests/app.yaml"),),
            admissions=(admission,),
            unsigned_denied=text or f"localhost:5000/voting-app@{SIGNATURE}",
            denial=text or "it was not admitted: it has no signature (constraint ratify-verification).",
            constraints=(text or "ratify-verification",),
            exempt={text or "kube-system": text or "the constraint does not match it"},
            applied=() if denied else tuple(applied),
            address="" if denied else text or "http://voting.example",
            warnings=(text,) if text else (),
            failure=why if denied else None,
        ),
    )


def document(outcome: Outcome, error: S3CError | None = None) -> ResultDocument:
    """Its `result.json`."""
    return result.build_document(outcome, NOW, Secrets(), error)


def settings(text: str) -> tuple[SettingsFile, ...]:
    """Files that decided, with a text for their names."""
    text = text if text.strip() else "x"
    return (
        SettingsFile(kind="ignore-files", path=text, sha256="a" * 64),
        SettingsFile(kind="vex", path=text, sha256=""),
    )


def changes(text: str) -> tuple[GateChange, ...]:
    """Files that a pull request changes, with a text for what is somebody else's."""
    text = text if text.strip() else "x"
    fields: dict[str, Any] = {"kind": "policy", "path": text, "target_sha256": "a" * 64, "head_sha256": "b" * 64}
    return (
        GateChange(**fields, used="target"),
        GateChange(**fields, used="head"),
        GateChange(**fields, used="head", accepted_by=text),
    )


def hostile(text: str) -> ImageOutcome:
    """A chain that failed in the end, with this text in every place that is not ours to choose."""
    text = text if text.strip() else "x"
    fields: dict[str, Any] = {
        "id": text,
        "package": text,
        "installed": text,
        "fixed": text,
        "target": text,
        "title": text,
        "url": text,
        "remedy": text,
        "status": text,
    }
    findings = [
        Finding(kind=kind, severity=Severity.HIGH, suppressed="", **fields)
        for kind in (FindingKind.VULNERABILITY, FindingKind.SECRET)
    ]
    aside = Finding(kind=FindingKind.VULNERABILITY, severity=Severity.LOW, suppressed=text, **fields)
    of = report(*findings, suppressed=(aside,), os=text, os_end_of_life=True, image=text)
    of_scan = scan(
        of,
        image=text,
        reference=text,
        refused=of.findings[:1],
        difference=Difference(fixed=of.findings, new=of.findings, left=()),
        blind=text,
        proposed=ProposedVerdict(verdict="refused", refused=1, reason=text),
    )
    patched = PatchResult(
        image=text,
        original=text,
        reference=text,
        tag=text,
        patched=True,
        skipped=False,
        reason=text,
        before=of_scan,
        after=of_scan,
        fixed=of.findings,
        left=tuple(LeftFinding(finding=finding, reason=text) for finding in of.findings),
        new=of.findings,
        upgraded={text: text},
        changes=hostile_comparison(text),
        smoke=SmokeResult(
            original=f"{text} @sha256:{'0' * 64}",
            reference=f"{text} @sha256:{'0' * 64}",
            platforms=(
                PlatformSmoke(
                    platform=text,
                    verdict=SmokeVerdict.DIFFERS,
                    differences=(text, text),
                    checks=(text,),
                    versions=(text,),
                    runtime=text,
                ),
                PlatformSmoke(platform=text, verdict=SmokeVerdict.NOT_TRIED, reason=text),
            ),
        ),
    )
    certificate = replace(SIGNED.certificate, subject=text, key=text)
    return ImageOutcome(
        image=text,
        reference=f"{text} @sha256:{'0' * 64}",
        scan=of_scan,
        patch=patched,
        sign=replace(SIGNED, certificate=certificate, signature_digest=text, expires=text),
        verify=replace(VERIFIED, signer=text, policy=text),
        admission=Admission(
            image=text, reference=text, verdict="denied", places=(text,), reason=text, trace=text, constraint=text
        ),
        attach=AttachResult(
            reference=text,
            documents=(
                AttachedEvidence(
                    kind=text,
                    artifact_type=text,
                    digest=text,
                    size=1,
                    created=text,
                    signature_digest=text,
                    skipped=False,
                ),
            ),
            pruned=(text,),
        ),
        judgement=PolicyJudgement(reference=text, policy=text, refusals=(Objection(text, text),)),
        mirror=MirrorResult(
            image=text,
            source=text,
            reference=text,
            tag=text,
            replaced=text,
            platforms=(text,),
            skipped=False,
            referrers=1,
        ),
        base=Comparison(name=text, difference=Difference(fixed=of.findings, new=of.findings, left=())),
        failure=OutsideError(text, cause=text, remedy=text, original=text),
    )


def compared(before: str, after: str, *, stray: bool = False) -> ImageComparison:
    """A patched image compared with its original: packages upgraded, and perhaps a file that nothing accounts for."""
    packages = tuple(
        PackageChange(
            action=PackageAction.UPGRADED,
            ecosystem="deb",
            name=name,
            architecture="amd64",
            before="3.0.9-1",
            after="3.0.11-1~deb12u2",
        )
        for name in ("libcurl0", "libcurl1", "libcurl2", "libssl0", "libssl1", "libssl2")
    )
    files = (FileChange(path="etc/cron.d/update", action="added", reason="no package owns it"),) if stray else ()
    platform = PlatformComparison(
        platform="linux/amd64",
        before=before.rpartition("@")[2],
        after=after.rpartition("@")[2],
        packages=packages,
        files=files,
        of_packages=12,
        of_managers=9,
        times=3,
        shared_layers=4,
        added_layers=1,
        size_before=54_000_000,
        size_after=58_100_000,
    )
    return ImageComparison(before=before, after=after, platforms=(platform,))


def hostile_comparison(text: str) -> ImageComparison:
    """A comparison whose every text is what a stranger chose."""
    package = PackageChange(
        action=PackageAction.DOWNGRADED,
        ecosystem=text,
        name=text,
        architecture=text,
        place=text,
        before=text,
        after=text,
        licence_before=text,
        licence_after=text,
    )
    platform = PlatformComparison(
        platform=text,
        before=text,
        after=text,
        configuration=(ConfigurationChange(field=text, before=text, after=text),),
        packages=(package,),
        files=(FileChange(path=text, action="added", reason=text, package=text),),
        privileges=(PrivilegeChange(path=text, before=text, after=text),),
        unread=(text,),
    )
    return ImageComparison(
        before=text, after=text, platforms=(platform,), removed=(text,), added=(text,), unread=(text,)
    )
