"""What the pictures show: a database patched, an image refused, three images at once, and a page of findings.

The findings are those of recorded reports; what a patch leaves is made up of them.
"""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from s3c_actions.findings import trivy_report
from s3c_actions.findings.difference import compare_scans
from s3c_actions.findings.model import ScanReport, Severity, rank_findings
from s3c_actions.findings.threshold import Threshold, closed_error
from s3c_actions.report.document import ResultDocument
from s3c_actions.report.formats import html_page
from s3c_actions.report.rendering import Rendering
from s3c_actions.result.model import Comparison, ImageOutcome, LeftFinding, Outcome, PatchResult
from tests.support import ROOT, outcomes

DATA = ROOT / "tests" / "data" / "trivy"
GATE = Threshold(Severity.CRITICAL)
RUN = "https://github.example/acme/voting/actions/runs/7"
ALERTS = "https://github.example/acme/voting/security/code-scanning?query=pr%3A7"
LEFT = 6


def recorded(name: str, image: str) -> ScanReport:
    """A recorded report, as of an image of this name."""
    report = trivy_report.parse((DATA / f"{name}.json").read_bytes())
    return replace(report, image=image, digest=outcomes.BEFORE, database="2026-11-23T00:00:00Z")


def patched() -> ImageOutcome:
    """The database: nearly everything fixed, a few that nobody has a fix for, compared with `main`."""
    name = "acr.example/voting-db"
    found = recorded("debian", f"{name}:15.0")
    # Those that nobody has a fix for yet are of the least severe.
    left = tuple(
        msgspec.structs.replace(one, fixed="", status="affected", severity=Severity.LOW)
        for one in found.findings[-LEFT:]
    )
    before = replace(found, findings=rank_findings((*found.findings[:-LEFT], *left)))
    after = replace(found, findings=rank_findings(left), digest=outcomes.AFTER)
    scans = [outcomes.scan(one, reference=f"{name}@{one.digest}") for one in (before, after)]
    patch = PatchResult(
        image=found.image,
        original=scans[0].reference,
        reference=scans[1].reference,
        tag="15.0-1",
        patched=True,
        skipped=False,
        before=scans[0],
        after=replace(scans[1], seconds=0.6),
        fixed=tuple(one for one in before.findings if one.fixed),
        left=tuple(LeftFinding(finding=one, reason="no fix yet") for one in after.findings),
        seconds=9.4,
    )
    certificate = replace(outcomes.SIGNED.certificate, subject="CN=voting.example", issuer="CN=Voting CA")
    signed = replace(outcomes.SIGNED, reference=patch.reference, certificate=certificate)
    return ImageOutcome(
        image=found.image,
        reference=patch.reference,
        scan=scans[0],
        patch=patch,
        sign=signed,
        verify=replace(outcomes.VERIFIED, reference=patch.reference, signer="CN=voting.example", policy="voting"),
        base=Comparison(name="main", difference=compare_scans(before, after)),
    )


def refused() -> ImageOutcome:
    """A library that nobody fixes, which `main` does not have."""
    report = recorded("python", "acr.example/tokens:2.0")
    closing = GATE.refused(report.findings)
    scan = outcomes.scan(report, reference=f"acr.example/tokens@{outcomes.BEFORE}", refused=closing)
    return ImageOutcome(
        image=report.image,
        reference=scan.reference,
        scan=scan,
        failure=closed_error(scan.reference, GATE, closing),
        base=Comparison(name="main", difference=compare_scans(replace(report, findings=report.findings[2:]), report)),
    )


def clean() -> ImageOutcome:
    """An image in which nothing is found."""
    report = outcomes.report(image="acr.example/voting-app:1.4.0")
    scan = outcomes.scan(report, reference=f"acr.example/voting-app@{report.digest}")
    return ImageOutcome(
        image=report.image,
        reference=scan.reference,
        scan=scan,
        base=Comparison(name="main", difference=compare_scans(report, report)),
    )


def document(*images: ImageOutcome) -> ResultDocument:
    """A chain's `result.json`."""
    return outcomes.document(Outcome(command="chain", images=images, seconds=12.4))


def page() -> str:
    """The HTML report of the database before its patch."""
    report = recorded("debian", "acr.example/voting-db:15.0")
    return html_page.render(report, Rendering(gate=Threshold(Severity.HIGH))).decode()
