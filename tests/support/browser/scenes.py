"""What the pictures show: a database patched and refused, three images at once, a page of findings, a gate's preview.

All of them show one run, whose figures README and the guides have as well: the lab's `voting-db:15.0`, of whose 295
findings the patch leaves none. They are those of the recorded report, and so are the versions of the packages. What
was not recorded is made up, and goes through the same code: a catalogue that lists one of the findings as exploited,
and what was seen of the two images when they were started.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec.structs import replace

from s3c_actions import __version__
from s3c_actions.cluster.used_images import ImageUse
from s3c_actions.core import artifact_types
from s3c_actions.core.exception_document import ExceptionGrant
from s3c_actions.core.text import short_digest
from s3c_actions.evidence import documents as attached
from s3c_actions.findings import trivy_report, versions
from s3c_actions.findings.difference import compare_scans
from s3c_actions.findings.exploitation import ExploitationFacts, KevCatalogue, add_exploitation
from s3c_actions.findings.model import Finding, ScanReport, Severity
from s3c_actions.findings.threshold import Threshold, closed_error
from s3c_actions.layers.comparison import ImageComparison, PlatformComparison
from s3c_actions.layers.difference import FileChange, PackageAction, PackageChange
from s3c_actions.policy import break_glass, model
from s3c_actions.policy.break_glass import JudgedException
from s3c_actions.policy.judge import Evidence, SignerStatus, judge_evidence
from s3c_actions.registry.runtime_config import RuntimeConfig
from s3c_actions.report import gate_preview
from s3c_actions.report.document import PreviewEntry, ResultDocument
from s3c_actions.report.formats import html_page
from s3c_actions.report.rendering import PageLink, Rendering
from s3c_actions.result.document import render_document
from s3c_actions.result.model import Comparison, ImageOutcome, Outcome, PatchResult
from s3c_actions.result.smoke import SmokeResult
from s3c_actions.steps import judge, preview_gate, smoke_comparison, unexpected_changes
from s3c_actions.steps.smoke_comparison import Observation
from s3c_actions.trace.model import AttachedFinding, DocumentKind, Trace
from tests.support import ROOT, evidence, outcomes, stories

DATA = ROOT / "tests" / "data" / "trivy"
GATE = Threshold(Severity.CRITICAL)
RUN = "https://github.example/acme/voting/actions/runs/7"
ALERTS = "https://github.example/acme/voting/security/code-scanning?query=pr%3A7"


DATABASE = "acr.example/voting-db"
POLICY = """\
version: 1
findings: {deny-exploited: true, refuse: [CRITICAL], fixable-only: true}
report: {maximum-age: 24h}
"""
ATTACKED = ExploitationFacts(
    catalogue=KevCatalogue(released="2026-11-22T15:00:10Z", added={"CVE-2026-63072": "2026-11-22"}), scores=None
)


def recorded(name: str, image: str) -> ScanReport:
    """A recorded report, as of an image of this name."""
    report = trivy_report.parse((DATA / f"{name}.json").read_bytes())
    return replace(report, image=image, digest=outcomes.BEFORE, database="2026-11-23T00:00:00Z")


def attacked(name: str, image: str) -> ScanReport:
    """The same, with what the catalogue says of its findings."""
    return add_exploitation(recorded(name, image), ATTACKED)


def upgraded(before: ScanReport, *strays: FileChange) -> ImageComparison:
    """The packages of a report upgraded to the newest version that fixes one of its findings.

    Args:
        before: the original's.
        strays: what else changed.
    """
    newest: dict[str, Finding] = {}
    for finding in before.findings:
        if finding.package not in newest or versions.compare("deb", newest[finding.package].fixed, finding.fixed) < 0:
            newest[finding.package] = finding
    packages = tuple(
        PackageChange(
            action=PackageAction.UPGRADED,
            ecosystem="deb",
            name=name,
            architecture="amd64",
            before=finding.installed,
            after=finding.fixed,
        )
        for name, finding in sorted(newest.items())
    )
    platform = PlatformComparison(
        platform="linux/amd64",
        before=outcomes.BEFORE,
        after=outcomes.AFTER,
        packages=packages,
        files=strays,
        shared_layers=4,
        added_layers=1,
    )
    names = [f"{DATABASE}@{digest}" for digest in (outcomes.BEFORE, outcomes.AFTER)]
    return ImageComparison(before=names[0], after=names[1], platforms=(platform,))


def works() -> SmokeResult:
    """The database and its patch, started beside each other: both are healthy and listen."""
    config = RuntimeConfig(entrypoint=("voting-db",), environment=(), ports=(5432,), user="postgres")
    seen = Observation(config=config, up=True, ready=True, healthy=True, ports=frozenset({5432}))
    result = replace(smoke_comparison.compare(seen, seen), platform="linux/amd64", runtime="runc")
    return SmokeResult(
        original=f"{DATABASE}@{outcomes.BEFORE}", reference=f"{DATABASE}@{outcomes.AFTER}", platforms=(result,)
    )


def patched() -> ImageOutcome:
    """The database: everything fixed, compared with `main`."""
    name = DATABASE
    before = attacked("debian", f"{name}:15.0")
    after = replace(before, findings=(), digest=outcomes.AFTER)
    scans = [outcomes.scan(report, reference=f"{name}@{report.digest}") for report in (before, after)]
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
        changes=upgraded(before),
        smoke=works(),
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


def changed() -> ImageOutcome:
    """The database again, whose patch came with a file that no package accounts for: nothing is signed."""
    whole = patched()
    assert whole.patch is not None
    stray = FileChange(path="etc/cron.d/update", action="added", reason="no package owns it")
    changes = upgraded(attacked("debian", f"{DATABASE}:15.0"), stray)
    failure = unexpected_changes.refusal(changes, "fail", whole.reference, consequence="Nothing was signed.")
    return replace(whole, patch=replace(whole.patch, changes=changes), sign=None, verify=None, failure=failure)


def exploited() -> ImageOutcome:
    """The database before its patch, under a policy that refuses what is exploited or critical."""
    report = attacked("debian", f"{DATABASE}:15.0")
    gate = Threshold(None, refuse=frozenset({Severity.CRITICAL}), deny_exploited=True)
    closing = gate.refused(report.findings)
    scan = outcomes.scan(report, reference=f"{DATABASE}@{outcomes.BEFORE}", refused=closing)
    return ImageOutcome(
        image=report.image, reference=scan.reference, scan=scan, failure=closed_error(scan.reference, gate, closing)
    )


def refused() -> ImageOutcome:
    """A library that nobody fixes, which `main` does not have."""
    report = attacked("python", "acr.example/tokens:2.0")
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
    report = attacked("debian", f"{name}:15.0")
    fixed = tuple(
        AttachedFinding(
            id=finding.id,
            severity=finding.severity,
            package=finding.package,
            installed=finding.installed,
            fixed=finding.fixed,
            title=finding.title,
            url=finding.url,
        )
        for finding in report.findings
    )
    original, base = story.ancestors
    assert original.subject is not None
    assert story.change is not None
    signed = stories.signature(signer="CN=voting.example", issuer="CN=Voting CA")
    result = attached.read_attached_result(render_document(document(patched())).encode(), outcomes.AFTER)
    documents = (
        stories.report(1, fixable=0, signatures=(signed,)),
        stories.document(
            6, artifact_types.RESULT, DocumentKind.RESULT, description=result.description, signatures=(signed,)
        ),
        *(
            stories.document(number, *kind, description=text, signatures=(signed,))
            for number, (kind, text) in enumerate(DOCUMENTS.items(), 2)
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


def excused() -> Trace:
    """The database before its patch, which the policy of `exploited` admits for a night: somebody excused it."""
    story = traced()
    before = story.ancestors[0]
    assert before.subject is not None
    signed = stories.signature(signer="CN=voting.example", issuer="CN=Voting CA")
    oncall = stories.signature(signer="CN=oncall", issuer="CN=Voting CA")
    beside = stories.document(8, artifact_types.EXCEPTION, DocumentKind.OTHER, signatures=(oncall,))
    granted = JudgedException(
        digest="sha256:" + "b7d4c05e" * 8,
        grant=ExceptionGrant(
            subject=outcomes.BEFORE,
            findings=("CVE-2026-63072",),
            created=outcomes.NOW - timedelta(hours=1),
            until=outcomes.NOW + timedelta(hours=7),
            who="Ada, on call",
            why="checkout is down, INC-1234",
        ),
        granter="oncall",
        ignored="",
    )
    return replace(
        story,
        image=f"{DATABASE}:15.0",
        tag="15.0",
        subject=replace(
            before.subject,
            signatures=(signed,),
            documents=(*before.subject.documents, beside),
            referrers=len(before.subject.documents) + 2,
        ),
        ancestors=story.ancestors[1:],
        change=None,
        judgement=replace(
            story.judgement,
            by=f"the policy {short_digest(model.parse(POLICY).digest)}",
            exceptions=(break_glass.describe(granted, outcomes.NOW),),
        ),
    )


# Without figures: those of the bills of materials are not recorded.
DOCUMENTS = {
    (artifact_types.SPDX, DocumentKind.SBOM): "",
    (artifact_types.CYCLONEDX, DocumentKind.SBOM): "",
    (artifact_types.OPENVEX, DocumentKind.VEX): "99 statements, 99 fixed",
}


def page() -> str:
    """The HTML report of the database before its patch."""
    report = attacked("debian", "acr.example/voting-db:15.0")
    links = (
        PageLink("Before the patch", ""),
        PageLink("After the patch", "patched/report.html"),
        PageLink("Trace", "trace.html"),
        PageLink("Summary", "../summary.md"),
    )
    return html_page.render(report, Rendering(gate=Threshold(Severity.HIGH), links=links)).decode()


UNSIGNED, LISTED, OLD, GOOD, SYSTEM = (
    f"acr.example/{name}@sha256:{8 * digest}"
    for name, digest in (
        ("voting-worker", "9c1e04d7"),
        ("voting-db", "65a0dd9b"),
        ("voting-nightly", "41f7a20c"),
        ("voting-app", "33955bb0"),
        ("coredns", "e2d81b36"),
    )
)


def preview() -> PreviewEntry:
    """The lab's cluster before the policy of `exploited` is enforced: three of its images would be refused."""
    policy = model.parse(POLICY)
    since = {"exploited": True, "exploited-since": "2026-11-22"}
    listed = [
        evidence.finding("CVE-2026-63072", "MEDIUM", package=package, fixed="3.0.22-1~deb12u1", **since)
        for package in ("libssl3", "openssl")
    ]
    fresh, stale = outcomes.NOW - timedelta(hours=1), outcomes.NOW - timedelta(days=6)
    beside = {
        UNSIGNED: replace(_reported(fresh), trust=SignerStatus.UNSIGNED),
        LISTED: _reported(fresh, *listed),
        OLD: _reported(stale),
        GOOD: _reported(fresh),
        SYSTEM: evidence.beside(trust=SignerStatus.UNSIGNED),
    }
    used = {
        image: (ImageUse(namespace=place.partition("/")[0], workload=place, noun=noun, running=running, static=False),)
        for image, place, noun, running in (
            (UNSIGNED, "voting/worker", "container", True),
            (LISTED, "voting/db", "container", True),
            (OLD, "voting/nightly", "init container", False),
            (GOOD, "voting/app", "container", True),
            (SYSTEM, "kube-system/coredns", "container", True),
        )
    }

    def ask(image: str) -> preview_gate.Verdict:
        objections = judge_evidence(policy, replace(beside[image], reference=image), outcomes.NOW)
        verdict = "refused" if objections else "admitted"
        return preview_gate.Verdict(image=image, verdict=verdict, reason=judge.describe_objections(objections))

    images, apart = preview_gate.preview(used, {"kube-system"}, ask)
    return PreviewEntry(
        cluster="https://voting.k8s.example",
        policy=policy.digest,
        stages={"*": "audit"},
        images=images,
        exempt=apart,
        exempt_namespaces={"kube-system": "the constraint does not match it"},
    )


def _reported(when: datetime, *findings: object) -> Evidence:
    document = evidence.document(evidence.sarif(evidence.run(when, findings)), number=int("5d0e7f21" * 8, 16))
    return evidence.beside(reports=(document,))


def preview_page() -> str:
    """The page of that preview."""
    created = outcomes.NOW.isoformat(timespec="seconds")
    return gate_preview.render_page(preview(), created=created, version=__version__).decode()
