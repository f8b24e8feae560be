"""The results that steps return. Every reference is pinned to a digest; a tag is only additional information."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from s3c_actions.core.gate_pause import GatePause
from s3c_actions.core.gate_stage import Stage
from s3c_actions.findings.scope import describe_parts
from s3c_actions.findings.selection import EVERYTHING, Selection, select

if TYPE_CHECKING:
    from s3c_actions.core.errors import S3CError
    from s3c_actions.findings.difference import Difference
    from s3c_actions.findings.model import Finding, ForbiddenContent, ScanReport
    from s3c_actions.findings.scope import Scope, SettingsFile
    from s3c_actions.layers.comparison import ImageComparison
    from s3c_actions.policy.break_glass import JudgedException
    from s3c_actions.policy.forecast import Change
    from s3c_actions.policy.objection import Objection
    from s3c_actions.report.comparison_document import ComparisonEntry
    from s3c_actions.report.document import ImageResult, PreviewEntry
    from s3c_actions.report.rendering import Rendering
    from s3c_actions.result.base_advice import BaseAdvice
    from s3c_actions.result.gate_change import GateChange, ProposedVerdict
    from s3c_actions.result.smoke import SmokeResult
    from s3c_actions.trace.model import Trace


class ScanResult(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """The result of scanning one image. Fields that a gate reads have no default; only `steps.assess` creates one.

    Attributes:
        image: as requested.
        reference: `registry/repository@digest`, or the path of a tarball.
        report: the finding model, complete; `files` the reports written, format → path.
        selection: of the findings to show; no gate reads it.
        trivy_json: path of Trivy's own JSON, which patch uses and `s3c report` reads.
        report_sha256: of its content; empty for an index, whose parts have one each.
        gated: whether a gate judged it; without one, nothing below closes anything.
        refused: findings that close the gate (empty: it is open).
        blind: why the absence of findings means nothing (an unknown distribution, …); it closes a gate like a finding
            does. Empty when everything could be checked.
        overridden: the same where `unscanned: warn` lets it pass; then `blind` is empty.
        contents: packages and licences that a policy forbids; they close the gate.
        objections: what else of its rules on the scan a policy has against the image; they close the gate.
        policy: digest of the policy of the gate, empty without one.
        scope: what the scan covered.
        uncovered: how many packages come from sources that publish no advisories.
        missing: what the policy requires the scan to cover and it did not, in Trivy's names; it closes the gate.
        outdated: why the report's age closes the gate; empty when it is recent enough, or without a gate.
        difference: against the baseline, None without one.
        reused: whether an earlier report of the same digest, database and settings was used.
        warnings: sentences about what a person should know or change; they may contain untrusted text.
        parts: the scans of the platforms, when all platforms of an index were scanned.
        rendering: what its reports were rendered with; None when none were written.
        proposed: its verdict with the files of a pull request; None when those are the same.
    """

    image: str
    reference: str
    report: ScanReport
    selection: Selection = EVERYTHING
    trivy_json: Path
    report_sha256: str = ""
    gated: bool
    refused: tuple[Finding, ...]
    blind: str
    overridden: str
    contents: tuple[ForbiddenContent, ...]
    objections: tuple[Objection, ...]
    policy: str
    scope: Scope
    uncovered: int
    missing: tuple[str, ...]
    outdated: str
    files: Mapping[str, Path] = msgspec.field(default_factory=dict)
    difference: Difference | None = None
    reused: bool = False
    warnings: tuple[str, ...] = ()
    parts: tuple[ScanResult, ...] = ()
    rendering: Rendering | None = None
    proposed: ProposedVerdict | None = None
    seconds: float = 0.0

    @cached_property
    def shown(self) -> ScanReport:
        """The report with the selected findings."""
        return self.report if self.selection == EVERYTHING else select(self.report, self.selection)

    @property
    def closed(self) -> bool:
        """Whether it closes the gate."""
        return self.gated and bool(self.refused or self.contents or self.objections or self.unreliable)

    @property
    def unreliable(self) -> str:
        """Return why the absence of findings does not open the gate; empty when it does."""
        return " ".join(reason for reason in (self.blind, self.left_out, self.outdated) if reason)

    @property
    def left_out(self) -> str:
        """Return a sentence about what the policy requires the scan to cover and it did not; empty when nothing."""
        return f"The policy requires a scan that looks at {describe_parts(self.missing)}." if self.missing else ""


class LeftFinding(msgspec.Struct, frozen=True, kw_only=True):
    """A finding that remains after a patch, with the reason as a clause."""

    finding: Finding
    reason: str


class PatchResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of patching one image, also when it needed no patch.

    Attributes:
        image: as requested; `original` is its pinned reference.
        reference: pinned: of the patched image, or the original when `patched` is false.
        tag: the patched tag, or the original's.
        patched: whether `reference` is a patched image (of this run or an earlier one).
        skipped: nothing was pushed in this run; `reason` is a sentence that explains why.
        before, after: the scans that prove it; `after` is None when nothing was patched.
        fixed: absent from the rescan; `left`: still present; `new`: introduced by the patch.
        upgraded: the version now installed of each package that had a finding fixed, as far as the rescan lists it.
        platforms: the platforms patched, of a multi-platform image.
        changes: the patched image compared with the original; None when it was not compared.
        smoke: what starting original and patched image showed; None when they were not started.
        programs: name → version of the programs that made it; empty when this run did not.
    """

    image: str
    original: str
    reference: str
    tag: str
    patched: bool
    skipped: bool
    reason: str = ""
    before: ScanResult
    after: ScanResult | None = None
    fixed: tuple[Finding, ...] = ()
    left: tuple[LeftFinding, ...] = ()
    new: tuple[Finding, ...] = ()
    upgraded: Mapping[str, str] = msgspec.field(default_factory=dict)
    vex: Path | None = None
    platforms: tuple[str, ...] = ()
    changes: ImageComparison | None = None
    smoke: SmokeResult | None = None
    programs: Mapping[str, str] = msgspec.field(default_factory=dict)
    seconds: float = 0.0

    @property
    def digest(self) -> str:
        """Return the digest that the next step uses."""
        return self.reference.rpartition("@")[2]


class CertificateFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The facts of a signing certificate; times are RFC 3339, `thumbprint` is SHA-256 in hexadecimal."""

    subject: str
    issuer: str
    thumbprint: str
    not_before: str
    not_after: str
    days_left: int
    key: str
    self_signed: bool


class SignResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of signing one digest, also when it was already signed.

    Attributes:
        reference: pinned.
        signature_digest: of the signature's manifest.
        signature_format: `cose` or `jws`.
        skipped: a valid signature by the same certificate already existed.
        timestamped: it contains an RFC 3161 time-stamp.
        expires: RFC 3339 expiry of the signature, empty without one.
        verified: it was verified after signing.
    """

    reference: str
    signature_digest: str
    certificate: CertificateFacts
    signature_format: str
    skipped: bool
    verified: bool
    timestamped: bool = False
    expires: str = ""
    metadata: Mapping[str, str] = msgspec.field(default_factory=dict)
    seconds: float = 0.0


class AttachedEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """One document attached to an image.

    Attributes:
        kind: of `evidence.TYPES`; `artifact_type` its media type.
        digest: of its manifest; `size` the document's, in bytes.
        created: RFC 3339 time of what it describes.
        signature_digest: of its signature's manifest.
        skipped: it already existed, signed.
    """

    kind: str
    artifact_type: str
    digest: str
    size: int
    created: str
    signature_digest: str
    skipped: bool


class AttachResult(msgspec.Struct, frozen=True, kw_only=True):
    """The evidence attached to one digest.

    Attributes:
        reference: pinned.
        platforms: what was attached to the platforms of an index, each by its own digest.
        pruned: digests of the manifests deleted.
    """

    reference: str
    documents: tuple[AttachedEvidence, ...]
    platforms: tuple[AttachResult, ...] = ()
    pruned: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def skipped(self) -> bool:
        """Return whether everything already existed."""
        return all(document.skipped for document in self.documents) and all(part.skipped for part in self.platforms)


class PolicyJudgement(msgspec.Struct, frozen=True, kw_only=True):
    """The judgement of a policy about one image, by the evidence in the registry.

    Attributes:
        reference: pinned.
        policy: its digest.
        refusals: its objections to the image; empty when it admits it.
        forecast: what it will have against the image if nothing is done, as far as that was asked for.
        exceptions: break-glass exceptions beside the image, those that do not count included.
    """

    reference: str
    policy: str
    refusals: tuple[Objection, ...]
    forecast: tuple[Change, ...] = ()
    exceptions: tuple[JudgedException, ...] = ()
    seconds: float = 0.0


class VerifyResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of verifying one digest; a verification that fails raises Refused."""

    reference: str
    policy: str
    signature_digest: str
    signer: str
    metadata: Mapping[str, str] = msgspec.field(default_factory=dict)
    seconds: float = 0.0


class MirrorResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of copying one image to another repository, also when it already existed.

    Attributes:
        source: pinned; `reference` is the image at the target, pinned, with the same digest unless a selection of the
            platforms was copied.
        tag: set at the target, empty without one; `replaced` is the digest it had before, when it was another.
        platforms: what was copied, as `os/architecture[/variant]`.
        skipped: everything already existed.
        manifests, blobs, mounted, existing: how many were sent, mounted from another repository, already existed.
        size: bytes sent.
        referrers: signatures and the like that were copied as well.
    """

    image: str
    source: str
    reference: str
    tag: str
    replaced: str = ""
    platforms: tuple[str, ...] = ()
    skipped: bool
    manifests: int = 0
    blobs: int = 0
    mounted: int = 0
    existing: int = 0
    size: int = 0
    referrers: int = 0
    seconds: float = 0.0


class TraceResult(msgspec.Struct, frozen=True, kw_only=True):
    """The trace of one digest; `files` are its page and JSON, format → path."""

    reference: str
    story: Trace
    files: Mapping[str, Path] = msgspec.field(default_factory=dict)
    seconds: float = 0.0


class Admission(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of the cluster's gate about one image, from a dry run before anything is applied.

    Attributes:
        image: as the manifests name it; `reference` is what they contain now, pinned.
        verdict: `admitted`, `denied`, or `unknown` (the gate was not asked).
        places: where the manifests use it, for display.
        reason, remedy, trace, constraint: of a denial.
    """

    image: str
    reference: str
    verdict: str
    places: tuple[str, ...] = ()
    reason: str = ""
    remedy: str = ""
    trace: str = ""
    constraint: str = ""


class AppliedObject(msgspec.Struct, frozen=True, kw_only=True):
    """One object and what was done to it.

    Attributes:
        action: `created`, `recreated` (a Job in the place of a finished one), `configured`, `unchanged`, `pruned`,
            `restored` (to its earlier state) or `removed` (with the gate, or because it was created by the same run).
    """

    kind: str
    namespace: str
    name: str
    action: str


class DeployResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one deployment, also of one that failed half-way.

    Attributes:
        cluster: address of the API server; empty when none was contacted.
        manifests: the rewritten files.
        unsigned_denied: the unsigned image that proves that the gate closes, empty without a proof; `denial` is the
            gate's answer to it.
        exempt: namespaces that bypass the gate.
        pauses: of the gate, in force or not; none is known of a gate that was not looked at.
        stages: namespace → the gate's stage there, of those that were looked at.
        applied: in the order in which it was done; empty in a dry run.
        unchanged: everything was already deployed.
        address: where the application is reached; empty when it is not known.
        warnings: sentences about what a person should know or change.
        failure: the error that ended it; `applied` was done before that.
    """

    cluster: str = ""
    manifests: tuple[Path, ...] = ()
    admissions: tuple[Admission, ...] = ()
    unsigned_denied: str = ""
    denial: str = ""
    constraints: tuple[str, ...] = ()
    exempt: Mapping[str, str] = msgspec.field(default_factory=dict)
    pauses: tuple[GatePause, ...] = ()
    stages: Mapping[str, Stage] = msgspec.field(default_factory=dict)
    applied: tuple[AppliedObject, ...] = ()
    unchanged: bool = False
    address: str = ""
    warnings: tuple[str, ...] = ()
    failure: S3CError | None = None
    seconds: float = 0.0


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """The difference of one image from a baseline: in a pull request, the base branch's image.

    Attributes:
        name: of the baseline (`main`); untrusted.
        difference: from the baseline's findings to those of the resulting image.
    """

    name: str
    difference: Difference


class RefreshResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of rescanning what is deployed.

    Attributes:
        due: references of the images that can be patched, as they are deployed: the input of the patch.
        unknown: running images whose digest the cluster does not report.
        ending: pinned references of the images that have a signature that ends soon.
        losing: pinned references of the images whose next start the policy refuses, now or soon.
        issue: address of the issue, empty without one; `done` is what was done to it.
    """

    due: tuple[str, ...] = ()
    ending: tuple[str, ...] = ()
    losing: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    issue: str = ""
    done: str = ""


class FoundMatch(msgspec.Struct, frozen=True, kw_only=True):
    """What a query found in one image; every text but the reference is untrusted.

    Attributes:
        image: as people know it; `reference` is pinned.
        package, installed, ecosystem: the package, empty where a report names none.
        source: the package that it was built from, when the query names that one.
        fixed: versions with a fix, as the signed report states them.
        advisory, severity: of a vulnerability.
        licence: of the package, when a licence was asked for.
        note: that a finding does not count, and why.
        problem: why it is not known whether it is one, in a clause; empty when it is.
        evidence: digest of the signed document that says so.
        owner, places: of the image.
    """

    image: str
    reference: str
    package: str = ""
    installed: str = ""
    ecosystem: str = ""
    source: str = ""
    fixed: str = ""
    advisory: str = ""
    severity: str = ""
    licence: str = ""
    note: str = ""
    problem: str = ""
    evidence: str = ""
    owner: str = ""
    places: tuple[str, ...] = ()


class UnansweredImage(msgspec.Struct, frozen=True, kw_only=True):
    """An image in which nothing was found, and may be all the same.

    Attributes:
        image: as people know it; `reference` is pinned, empty when its digest is not known.
        reasons: clauses.
        owner, places: of the image.
    """

    image: str
    reference: str = ""
    reasons: tuple[str, ...] = ()
    owner: str = ""
    places: tuple[str, ...] = ()


class FindResult(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a query.

    Attributes:
        query: as given; empty when an index was made alone.
        images: number of digests asked about.
        matches: by image; what is undecided has a `problem`.
        unanswered: images of which nothing is known for certain.
        index: pinned reference of the index that was pushed; empty without one.
    """

    query: str
    images: int
    matches: tuple[FoundMatch, ...] = ()
    unanswered: tuple[UnansweredImage, ...] = ()
    index: str = ""

    @property
    def complete(self) -> bool:
        """Whether there is an answer for every image."""
        return not self.unanswered and not any(match.problem for match in self.matches)


class ImageOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that was done to one image; a step that was not run is None.

    Attributes:
        reference: pinned, of what the last step returned.
        base: against the baseline, None without one.
        smoke: of a comparison that is not in `patch`, because it was asked for alone or ended the patch.
        base_advice: what other tags of its base image would change, where that was asked for.
        failure: the error that ended it; None when every step succeeded.
    """

    image: str
    reference: str = ""
    scan: ScanResult | None = None
    patch: PatchResult | None = None
    sign: SignResult | None = None
    attach: AttachResult | None = None
    judgement: PolicyJudgement | None = None
    verify: VerifyResult | None = None
    admission: Admission | None = None
    mirror: MirrorResult | None = None
    base: Comparison | None = None
    trace: TraceResult | None = None
    smoke: SmokeResult | None = None
    base_advice: BaseAdvice | None = None
    failure: S3CError | None = None

    @property
    def final_report(self) -> ScanReport | None:
        """Return the report of the last scan that describes `reference`, as it is shown."""
        last = self.last_scan
        return last.shown if last is not None else None

    @property
    def judged(self) -> bool:
        """Return whether a gate judged the image `reference`."""
        return self.last_scan is not None and self.last_scan.gated

    @property
    def compared(self) -> SmokeResult | None:
        """Return what starting the original and `reference` showed; None when they were not started."""
        return self.smoke or (self.patch.smoke if self.patch is not None else None)

    @property
    def last_scan(self) -> ScanResult | None:
        """Return the scan that describes `reference`; None when it was not scanned."""
        return self.scan if self.patch is None else self.patch.after or self.patch.before


class LeftResults(msgspec.Struct, frozen=True, kw_only=True):
    """Results left for a workflow that may comment, because this run may not.

    Attributes:
        artifact: its name.
        folder: its content.
    """

    artifact: str
    folder: Path


class ProgramFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A program that s3c runs.

    Attributes:
        pinned: the version that is installed by default; `licence` and `module` are of that version.
        version, origin, path: of the program that is present; None when there is none. The origin is `given`, `PATH`,
            `release` or `module`.
    """

    name: str
    pinned: str
    licence: str
    module: str
    version: str | None
    origin: str | None
    path: str | None


class CheckFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one check of `doctor`.

    Attributes:
        status: `passed`, `failed` or `not-configured`.
        text: a clause for people; may hold what others said.
        remedy: what to do; empty for nothing.
    """

    name: str
    status: str
    text: str
    remedy: str
    seconds: float


class FleetPlanResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a fleet's plan holds.

    Attributes:
        images, current, unplanned: how many.
        shards: the shards that have work to do.
        published: where the plan was published, by digest; empty when it was not.
    """

    images: int
    current: int
    unplanned: int
    shards: tuple[int, ...]
    published: str


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of one command for one or several images; rendered as summary, outputs and result.json.

    Attributes:
        exit_code: the process exits with the highest of this and of the images' failures.
        error: a sentence, when the command ended with an error of no single image; the shell sets it.
        files: written for all images together, format → path (one image's are in its steps' results).
        deploy: the deployment, of commands that deploy.
        diff: the two images compared, of the command that compares them.
        settings: the files that suppressed findings, narrowed the scan or decided the gate; the shell sets it.
        gate_changes: those of them that a pull request changes; the shell sets it.
        text: printed on standard output unchanged; for commands that print information (`programs list`, `report`).
        programs: of the command that lists them; None of any other.
        checks: of the command that makes them; None of any other.
        pull_request: address of the pull request that was opened or updated.
        comments: addresses of the comments, of the command that writes no results of its own.
        left: the results that this command may not comment.
        issue: address of the issue that was opened or updated, of commands without a result of their own for it.
        entries: of `result.json`, of images that other runs worked on, as their results have them.
        losing: pinned references of the images of a fleet whose next start their policy refuses, now or soon.
        preview: of the command that says what the gate would refuse; None of any other.
        summary: Markdown in place of the summary that is rendered of the images.
    """

    command: str
    images: tuple[ImageOutcome, ...]
    exit_code: int = 0
    error: str = ""
    files: Mapping[str, Path] = msgspec.field(default_factory=dict)
    seconds: float = 0.0
    deploy: DeployResult | None = None
    refresh: RefreshResult | None = None
    fleet_plan: FleetPlanResult | None = None
    find: FindResult | None = None
    diff: ComparisonEntry | None = None
    settings: tuple[SettingsFile, ...] = ()
    gate_changes: tuple[GateChange, ...] = ()
    text: str = ""
    programs: tuple[ProgramFacts, ...] | None = None
    checks: tuple[CheckFacts, ...] | None = None
    pull_request: str = ""
    comments: tuple[str, ...] = ()
    left: LeftResults | None = None
    entries: tuple[ImageResult, ...] = ()
    summary: str = ""
    issue: str = ""
    losing: tuple[str, ...] = ()
    preview: PreviewEntry | None = None
