"""Results of steps, with a text of the test's choice in every place that is not ours to choose."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from s3c_actions.core.errors import Refused
from s3c_actions.findings.difference import Difference
from s3c_actions.findings.model import Finding, FindingKind, ScanReport, Severity
from s3c_actions.findings.threshold import Threshold
from s3c_actions.programs.trivy.arguments import ScanOptions
from s3c_actions.result.model import (
    ImageOutcome,
    LeftFinding,
    Outcome,
    PatchResult,
    ScanResult,
    SignResult,
    VerifyResult,
)
from s3c_actions.steps.scan.settings import ScanSettings
from tests.support.outcomes import PASSED, certificate

DIGEST = "sha256:" + "a" * 64
PATCHED = "sha256:" + "b" * 64
SIGNATURE = "sha256:" + "c" * 64
NAME = "localhost:5000/voting-app"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def finding(text: str = "openssl", severity: Severity = Severity.HIGH, number: int = 1, fixed: str = "1.1") -> Finding:
    return Finding(
        kind=FindingKind.VULNERABILITY,
        id=f"CVE-2026-{number:04d}",
        severity=severity,
        package=text,
        installed="1.0",
        fixed=fixed,
        title=text,
        target=text,
        result_class="os-pkgs",
    )


def report(*findings: Finding, text: str = "debian 12.5", digest: str = DIGEST) -> ScanReport:
    return ScanReport(
        image=f"{NAME}:1.0",
        digest=digest,
        platform="linux/amd64",
        os=text,
        findings=findings,
        created="2026-11-23T06:00:00Z",
        scanner_version="0.74.0",
        database="2026-11-23T00:00:00Z",
        labels={"title": text},
    )


def scan(*findings: Finding, text: str = "debian 12.5", digest: str = DIGEST, folder: Path = Path("out")) -> ScanResult:
    return ScanResult(
        image=f"{NAME}:1.0",
        reference=f"{NAME}@{digest}",
        report=report(*findings, text=text, digest=digest),
        trivy_json=folder / "trivy.json",
        files={"sarif": folder / "report.sarif", "html": folder / "report.html"},
        difference=Difference(fixed=(), new=findings[:1], left=findings[1:]),
        seconds=1.25,
        **PASSED,
    )


def scan_settings(folder: Path, *, settings: dict[str, Any] | None = None, **options: Any) -> ScanSettings:
    """How an image is scanned for vulnerabilities, without a gate; `options` are Trivy's, `settings` the others."""
    return ScanSettings(
        **{
            "options": ScanOptions(**{"scanners": ("vuln",), **options}),
            "folder": folder / "out",
            "temp": folder,
            "now": NOW,
            "cwd": folder,
            "gate": Threshold(None),
            "policy": None,
            "unscanned_fails": True,
            **(settings or {}),
        }
    )


def chained(text: str = "openssl", image: str = f"{NAME}:1.0") -> ImageOutcome:
    """An image that went through all of the chain: two findings fixed, one left."""
    before = (finding(text, number=1), finding(text, Severity.MEDIUM, 2), finding(text, Severity.LOW, 3, fixed=""))
    patch = PatchResult(
        image=image,
        original=f"{NAME}@{DIGEST}",
        reference=f"{NAME}@{PATCHED}",
        tag="1.0-1",
        patched=True,
        skipped=False,
        reason=text,
        before=scan(*before, text=text),
        after=scan(before[2], text=text, digest=PATCHED, folder=Path("out/after")),
        fixed=before[:2],
        left=(LeftFinding(finding=before[2], reason=text),),
        vex=Path("out/openvex.json"),
        seconds=6.2,
    )
    return ImageOutcome(
        image=image,
        reference=f"{NAME}@{PATCHED}",
        scan=scan(*before, text=text),
        patch=patch,
        sign=signed(text),
        verify=VerifyResult(
            reference=f"{NAME}@{PATCHED}",
            policy=text,
            signature_digest=SIGNATURE,
            signer=text,
            metadata={"build": text},
            seconds=0.1,
        ),
    )


def signed(text: str) -> SignResult:
    return SignResult(
        reference=f"{NAME}@{PATCHED}",
        signature_digest=SIGNATURE,
        certificate=certificate(text, thumbprint="d" * 64, days_left=39),
        signature_format="cose",
        skipped=False,
        verified=True,
        metadata={"build": text},
    )


def refused(text: str = "openssl") -> ImageOutcome:
    """An image whose gate is closed."""
    scanned = scan(finding(text, Severity.CRITICAL), text=text)
    failure = Refused(text, cause=text, remedy=text, image=text, original=text)
    return ImageOutcome(image=f"{NAME}:2.0", reference=scanned.reference, scan=scanned, failure=failure)


def outcome(*images: ImageOutcome, command: str = "chain") -> Outcome:
    return Outcome(command=command, images=images, seconds=7.5)
