"""How a command may end, as `result.json` documents: for golden files, pictures and what a browser makes of them."""

from __future__ import annotations

from msgspec.structs import replace

from s3c_actions.core.errors import InputError, OutsideError
from s3c_actions.findings.difference import compare_scans
from s3c_actions.findings.exploitation import EpssScores, ExploitationFacts, KevCatalogue, add_exploitation
from s3c_actions.findings.model import ScanReport, Severity
from s3c_actions.findings.selection import Selection
from s3c_actions.findings.threshold import Threshold, closed_error
from s3c_actions.report.document import ResultDocument
from s3c_actions.result.model import Admission, AppliedObject, Comparison, DeployResult, ImageOutcome, Outcome
from s3c_actions.steps import unexpected_changes
from tests.support import outcomes

RUN = "https://github.example/acme/voting/actions/runs/7"
ALERTS = "https://github.example/acme/voting/security/code-scanning?query=pr%3A7"
FORK = "These figures come from the fork's own run, and nobody here has checked them."

MIXED = outcomes.report(
    outcomes.vulnerability(1, Severity.CRITICAL),
    outcomes.vulnerability(2, Severity.HIGH, fixed="", status="will_not_fix", title="a | b <i>c</i> @someone #1"),
    outcomes.vulnerability(3, Severity.LOW),
    suppressed=(outcomes.vulnerability(4, Severity.MEDIUM, suppressed="not reachable (vex.json)"),),
)
ATTACKS = ExploitationFacts(
    catalogue=KevCatalogue(
        released="2026-11-22T15:00:10Z",
        added={"CVE-2024-0003": "2026-11-22", "CVE-2024-0004": "2024-05-06"},
        due={"CVE-2024-0003": "2026-12-13"},
        ransomware=frozenset({"CVE-2024-0003"}),
    ),
    scores=EpssScores(scored="2026-11-22", rows=[b"CVE-2024-0001,0.00043,0.1", b"CVE-2024-0002,0.41210,0.97"]),
)
EXPLOITED = add_exploitation(MIXED, ATTACKS)
"""MIXED, of which the finding of the lowest severity is exploited, and one of those that are set aside."""
BASELINE = outcomes.report(outcomes.vulnerability(3, Severity.LOW), outcomes.vulnerability(5, Severity.HIGH))
GATE = Threshold(Severity.HIGH)
DOWN = OutsideError(
    "The registry localhost:5000 did not answer within 30 s.",
    cause="Probably it is not running.",
    remedy="Start it, or look at the network.",
    original="dial tcp 127.0.0.1:5000: connect: connection refused",
)


def scanned(of: ScanReport = MIXED) -> ImageOutcome:
    """One image scanned and held against the gate."""
    refused = GATE.refused(of.findings)
    scan = outcomes.scan(of, refused=refused)
    failure = closed_error(scan.reference, GATE, refused) if refused else None
    return ImageOutcome(image=of.image, reference=scan.reference, scan=scan, failure=failure)


def filtered(of: ScanReport = MIXED) -> ImageOutcome:
    """One image scanned without a gate, of which critical findings alone are shown."""
    scan = outcomes.scan(of, gated=False, selection=Selection(severities=(Severity.CRITICAL,)))
    return ImageOutcome(image=of.image, reference=scan.reference, scan=scan)


def against(image: ImageOutcome, baseline: ScanReport = BASELINE, name: str = "main") -> ImageOutcome:
    """The same, compared."""
    assert image.final_report is not None
    return replace(image, base=Comparison(name=name, difference=compare_scans(baseline, image.final_report)))


def nothing_to_do() -> ImageOutcome:
    """Patched and signed in an earlier run."""
    whole = outcomes.chain()
    assert whole.patch is not None
    assert whole.sign is not None
    patch = replace(whole.patch, skipped=True, reason="1.4.0-1 is a patch of this image already.")
    return replace(whole, patch=patch, sign=replace(whole.sign, skipped=True))


def nothing_to_patch() -> ImageOutcome:
    """An image that had nothing that has a fix."""
    clean = outcomes.scan(outcomes.report())
    patch = outcomes.chain().patch
    assert patch is not None
    skipped = replace(
        patch,
        patched=False,
        skipped=True,
        before=clean,
        after=None,
        fixed=(),
        left=(),
        changes=None,
        reference=clean.reference,
    )
    return ImageOutcome(image=MIXED.image, reference=clean.reference, patch=skipped)


def changed_otherwise() -> ImageOutcome:
    """A patch that came with a file that nothing accounts for; the gate refuses it."""
    whole = outcomes.chain()
    assert whole.patch is not None
    assert whole.patch.changes is not None
    changes = outcomes.compared(whole.patch.original, whole.patch.reference, stray=True)
    failure = unexpected_changes.refusal(changes, "fail", whole.reference, consequence="Nothing was signed.")
    return replace(whole, patch=replace(whole.patch, changes=changes), sign=None, verify=None, failure=failure)


def _named(image: ImageOutcome, name: str) -> ImageOutcome:
    return replace(image, image=f"localhost:5000/{name}:1.4.0")


def deployed(failure: OutsideError | None = None) -> Outcome:
    """A chain with its deployment, whose manifests use another image as well."""
    image = outcomes.chain()
    verdict = "admitted" if failure is None else "unknown"
    own = Admission(image="localhost:5000/voting-db:15.0", reference=image.reference, verdict=verdict)
    other = replace(own, image="redis:7", reference=f"docker.io/library/redis@sha256:{'d' * 64}")
    deploy = DeployResult(
        cluster="https://127.0.0.1:6443",
        admissions=(own, other),
        unsigned_denied=f"{MIXED.image}@sha256:{'e' * 64}",
        denial="it has no signature",
        constraints=("ratify-verification",),
        applied=(AppliedObject(kind="Deployment", namespace="shop", name="voting-app", action="created"),),
        address="http://votes.example",
        failure=failure,
    )
    return Outcome(command="chain", images=(replace(image, admission=own),), deploy=deploy)


def _of(command: str, *images: ImageOutcome) -> list[ResultDocument]:
    return [outcomes.document(Outcome(command=command, images=images, seconds=9.3))]


def situations() -> dict[str, list[ResultDocument]]:
    """Name → the documents of the runs that a comment tells of; a summary tells of the first."""
    clean = outcomes.report()
    whole = outcomes.chain()
    return {
        "patched": _of("chain", outcomes.chain()),
        "compared": _of("chain", against(outcomes.chain())),
        "clean": _of("scan", against(scanned(clean))),
        "refused": _of("scan", against(scanned())),
        "exploited": _of("scan", against(scanned(EXPLOITED))),
        "exploited-filtered": _of("scan", filtered(EXPLOITED)),
        "no-gate": _of("scan", replace(scanned(), scan=outcomes.scan(MIXED, gated=False), failure=None)),
        "filtered": _of("scan", filtered(outcomes.report(*MIXED.findings[1:]))),
        "several-filtered": _of(
            "scan",
            _named(filtered(), "voting-app"),
            _named(filtered(outcomes.report(*MIXED.findings[1:])), "voting-db"),
        ),
        "failed": _of("chain", ImageOutcome(image="localhost:5000/voting-db:15.0", failure=DOWN)),
        "nothing-to-do": _of("chain", nothing_to_do()),
        "changed-otherwise": _of("chain", changed_otherwise()),
        "nothing-to-patch": _of("patch", nothing_to_patch()),
        "signed": _of(
            "sign", ImageOutcome(image=MIXED.image, reference=outcomes.SIGNED.reference, sign=outcomes.SIGNED)
        ),
        "several": _of(
            "chain",
            against(_named(outcomes.chain(), "voting-app")),
            against(_named(scanned(), "voting-worker")),
            ImageOutcome(image="localhost:5000/voting-db:15.0", failure=DOWN),
        ),
        "merged": _of("scan", replace(whole, patch=None, sign=None, verify=None, reference=_asked(whole)))
        + _of("patch", replace(whole, image=_asked(whole), scan=None, sign=None, verify=None))
        + _of("sign", replace(whole, image=whole.reference, scan=None, patch=None)),
        "chain-deployed": [outcomes.document(deployed())],
        "chain-deploy-failed": [outcomes.document(deployed(DOWN))],
        "deployed": [outcomes.document(outcomes.deployed())],
        "denied": [outcomes.document(outcomes.deployed(denied=True))],
        "fork": _of("scan", scanned()),
        "wrong-input": [
            outcomes.document(
                Outcome(command="scan", images=(), exit_code=2),
                InputError("severity", "'AWFUL' is not made of LOW, HIGH.", remedy="Choose from LOW, HIGH."),
            )
        ],
    }


def _asked(image: ImageOutcome) -> str:
    assert image.patch is not None
    return image.patch.original
