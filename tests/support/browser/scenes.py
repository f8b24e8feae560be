"""What the pictures show: a database patched, an image refused, three images at once, and a page of findings.

All of them show one run, whose figures README and the guides have as well: the lab's `voting-db:15.0`, of whose 295
findings the patch leaves none. They are those of the recorded report.
"""

from __future__ import annotations

from msgspec.structs import replace

from s3c_actions.core import artifact_types
from s3c_actions.evidence import documents as attached
from s3c_actions.findings import trivy_report
from s3c_actions.findings.difference import compare_scans
from s3c_actions.findings.model import ScanReport, Severity
from s3c_actions.findings.threshold import Threshold, closed_error
from s3c_actions.report.document import ResultDocument
from s3c_actions.report.formats import html_page
from s3c_actions.report.rendering import PageLink, Rendering
from s3c_actions.result.model import Comparison, ImageOutcome, Outcome, PatchResult
from s3c_actions.trace.model import AttachedFinding, DocumentKind, Trace
from tests.support import ROOT, outcomes, stories

DATA = ROOT / "tests" / "data" / "trivy"
GATE = Threshold(Severity.CRITICAL)
RUN = "https://github.example/acme/voting/actions/runs/7"
ALERTS = "https://github.example/acme/voting/security/code-scanning?query=pr%3A7"


def recorded(name: str, image: str) -> ScanReport:
    """A recorded report, as of an image of this name."""
    report = trivy_report.parse((DATA / f"{name}.json").read_bytes())
    return replace(report, image=image, digest=outcomes.BEFORE, database="2026-11-23T00:00:00Z")


def patched() -> ImageOutcome:
    """The database: everything fixed, compared with `main`."""
    name = "acr.example/voting-db"
    before = recorded("debian", f"{name}:15.0")
    after = replace(before, findings=(), digest=outcomes.AFTER)
    scans = [outcomes.scan(one, reference=f"{name}@{one.digest}") for one in (before, after)]
    patch = PatchResult(
        image=before.image,
        original=scans[0].reference,
        reference=scans[1].reference,
        tag="15.0-1",
        patched=True,
        skipped=False,
        before=scans[0],
        after=replace(scans[1], seconds=0.6),
        fixed=before.findings,
        seconds=9.4,
    )
    certificate = replace(outcomes.SIGNED.certificate, subject="CN=voting.example", issuer="CN=Voting CA")
    signed = replace(outcomes.SIGNED, reference=patch.reference, certificate=certificate)
    return ImageOutcome(
        image=before.image,
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


def traced() -> Trace:
    """The database after its patch, with its signature and evidence."""
    story = stories.patched()
    name = "acr.example/voting-db"
    report = recorded("debian", f"{name}:15.0")
    fixed = tuple(
        AttachedFinding(
            id=one.id,
            severity=one.severity,
            package=one.package,
            installed=one.installed,
            fixed=one.fixed,
            title=one.title,
            url=one.url,
        )
        for one in report.findings
    )
    original, base = story.ancestors
    assert original.subject is not None
    assert story.change is not None
    signed = stories.signature(signer="CN=voting.example", issuer="CN=Voting CA")
    documents = (
        stories.report(1, fixable=0, signatures=(signed,)),
        *(
            stories.document(number, *kind, told=told, signatures=(signed,))
            for number, (kind, told) in enumerate(DOCUMENTS.items(), 2)
        ),
    )
    subject = replace(
        story.subject,
        reference=f"{name}@{outcomes.AFTER}",
        labels={"org.opencontainers.image.source": "https://github.com/acme/voting"},
        signatures=(signed,),
        documents=documents,
        referrers=len(documents) + 1,
        unread=0,
    )
    before = replace(original.subject, reference=f"{name}@{outcomes.BEFORE}", documents=(stories.report(9, *fixed),))
    return replace(
        story,
        image=f"{name}:15.0-1",
        tag="15.0-1",
        subject=subject,
        ancestors=(replace(original, named=f"{name}:15.0@{outcomes.BEFORE}", subject=before), base),
        change=replace(
            story.change,
            before=attached.count_by_severity(fixed),
            after=attached.count_by_severity(()),
            fixed=fixed,
            left=(),
        ),
    )


# Without figures: those of the bills of materials are not recorded.
DOCUMENTS = {
    (artifact_types.RESULT, DocumentKind.RESULT): "s3c chain: passed",
    (artifact_types.SPDX, DocumentKind.SBOM): "",
    (artifact_types.CYCLONEDX, DocumentKind.SBOM): "",
    (artifact_types.OPENVEX, DocumentKind.VEX): "99 statements, 99 fixed",
}


def page() -> str:
    """The HTML report of the database before its patch."""
    report = recorded("debian", "acr.example/voting-db:15.0")
    links = (
        PageLink("Before the patch", ""),
        PageLink("After the patch", "patched/report.html"),
        PageLink("Trace", "trace.html"),
        PageLink("Summary", "../summary.md"),
    )
    return html_page.render(report, Rendering(gate=Threshold(Severity.HIGH), links=links)).decode()
