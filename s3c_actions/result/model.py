"""What the steps hand on. Every reference in a result is pinned to a digest; a tag is only ever a name beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from s3c_actions.findings.scope import describe_parts

if TYPE_CHECKING:
    from s3c_actions.core.errors import S3CError
    from s3c_actions.findings.difference import Difference
    from s3c_actions.findings.model import Finding, ForbiddenContent, ScanReport
    from s3c_actions.findings.scope import Scope, SettingsFile
    from s3c_actions.policy.judge import Objection
    from s3c_actions.report.formats import Rendering
    from s3c_actions.result.gate_change import GateChange, ProposedVerdict
    from s3c_actions.trace.model import Trace


class ScanResult(msgspec.Struct, frozen=True, kw_only=True):
    """One image scanned. What a gate reads has no default; only `steps.assess` makes one.

    Attributes:
        image: as it was asked for.
        reference: `registry/repository@digest`, or the path of a tarball.
        report: the finding model, complete; `files` the reports written, format → path.
        shown: the findings that the inputs `severity` and `ignore-unfixed` leave to be shown; None shows them all.
        trivy_json: where Trivy's own JSON lies: what patch takes and `s3c report` reads.
        gated: whether a gate judged it: without one, nothing below closes anything.
        refused: findings that close the gate (empty: it is open).
        blind: why findings that are not there mean nothing (an unknown distribution, …): it closes a gate like a
            finding does. Empty when all could be looked at.
        overridden: the same where `unscanned: warn` lets it pass; then `blind` is empty.
        contents: packages and licences that a policy refuses for being there; they close the gate.
        policy: digest of the policy that was the gate, empty without one.
        scope: how much was looked at.
        uncovered: how many packages come from sources that publish no advisories.
        missing: what the policy requires to be looked at and was not, in Trivy's names; it closes the gate.
        outdated: why the report's age closes the gate; empty when it is recent enough, or when there is no gate.
        difference: against the baseline, None without one.
        reused: a report of the same digest, database and settings was there.
        warnings: sentences on what a person should know or change; they may hold untrusted text.
        parts: the scans of the platforms, when all of an index were scanned.
        rendering: what its reports were written with; None when none were.
        proposed: what it would have come to with the files that a pull request brings; None when those are the same.
    """

    image: str
    reference: str
    report: ScanReport
    shown: ScanReport | None = None
    trivy_json: Path
    gated: bool
    refused: tuple[Finding, ...]
    blind: str
    overridden: str
    contents: tuple[ForbiddenContent, ...]
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

    @property
    def unreliable(self) -> str:
        """Why the gate does not take what was not found for not being there; empty when it does."""
        return " ".join(one for one in (self.blind, self.left_out, self.outdated) if one)

    @property
    def left_out(self) -> str:
        """What the policy requires to be looked at and was not, as a sentence; empty when nothing."""
        return f"The policy requires a scan that looks at {describe_parts(self.missing)}." if self.missing else ""


class LeftFinding(msgspec.Struct, frozen=True, kw_only=True):
    """A finding that is still there after a patch, and why in a clause people understand."""

    finding: Finding
    reason: str


class PatchResult(msgspec.Struct, frozen=True, kw_only=True):
    """One image patched, or found to need none.

    Attributes:
        image: as it was asked for; `original` is its pinned reference.
        reference: pinned: of the patched image, or the original when `patched` is false.
        tag: the patched tag, or the original's.
        patched: whether `reference` is a patched image (made now, or found from an earlier run).
        skipped: nothing was pushed in this run; `reason` says why in a sentence.
        before, after: the scans that prove it; `after` is None when nothing was patched.
        fixed: gone by the rescan; `left`: still there; `new`: came with the patch.
        upgraded: the version now installed of each package that had a finding fixed, as far as the rescan lists it.
        platforms: the platforms patched, of a multi-platform image.
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
    seconds: float = 0.0

    @property
    def digest(self) -> str:
        """The digest that the next step takes."""
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
    """One digest signed, or found to be.

    Attributes:
        reference: pinned.
        signature_digest: of the signature's manifest.
        signature_format: `cose` or `jws`.
        skipped: a valid signature by the same certificate was there.
        timestamped: an RFC 3161 time-stamp is in it.
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
        created: RFC 3339 time of what it tells of.
        signature_digest: of its signature's manifest.
        skipped: it was there, and signed.
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
        """Whether everything was there."""
        return all(one.skipped for one in self.documents) and all(one.skipped for one in self.platforms)


class PolicyJudgement(msgspec.Struct, frozen=True, kw_only=True):
    """What a policy says of one image, by the evidence in the registry.

    Attributes:
        reference: pinned.
        policy: its digest.
        refusals: what it has against the image; none: it admits it.
    """

    reference: str
    policy: str
    refusals: tuple[Objection, ...]
    seconds: float = 0.0


class VerifyResult(msgspec.Struct, frozen=True, kw_only=True):
    """One digest verified; a verification that fails raises Refused."""

    reference: str
    policy: str
    signature_digest: str
    signer: str
    metadata: Mapping[str, str] = msgspec.field(default_factory=dict)
    seconds: float = 0.0


class MirrorResult(msgspec.Struct, frozen=True, kw_only=True):
    """One image copied to another repository, or found to be there.

    Attributes:
        source: pinned; `reference` is what stands at the target, pinned, and has the same digest unless several
            platforms were chosen of more.
        tag: set at the target, empty without one; `replaced` is the digest it had before, when it was another.
        platforms: what was copied, as `os/architecture[/variant]`.
        skipped: everything was there.
        manifests, blobs, mounted, found: how many were sent, taken over from another repository, were there already.
        size: bytes sent.
        referrers: signatures and the like that came along.
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
    found: int = 0
    size: int = 0
    referrers: int = 0
    seconds: float = 0.0


class TraceResult(msgspec.Struct, frozen=True, kw_only=True):
    """The story of one digest; `files` are the page and the JSON written of it, format → path."""

    reference: str
    story: Trace
    files: Mapping[str, Path] = msgspec.field(default_factory=dict)
    seconds: float = 0.0


class Admission(msgspec.Struct, frozen=True, kw_only=True):
    """What the cluster's gate says of one image, asked by dry run before anything is applied.

    Attributes:
        image: as the manifests name it; `reference` is what stands there now, pinned.
        verdict: `admitted`, `denied`, or `unknown` (the gate was not asked).
        places: where the manifests use it, for people.
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
    """One object and what became of it.

    Attributes:
        action: `created`, `configured`, `unchanged`, `pruned`, `restored` (as it was) or `removed` (made, and taken
            away again).
    """

    kind: str
    namespace: str
    name: str
    action: str


class DeployResult(msgspec.Struct, frozen=True, kw_only=True):
    """One deployment, also one that stopped half-way.

    Attributes:
        cluster: address of the API server; empty when none was asked.
        manifests: the rewritten files.
        unsigned_denied: the unsigned image of the proof that the gate closes, empty without a proof; `denial` is what
            the gate said of it.
        exempt: namespaces that go around the gate.
        applied: in the order in which it was done; in a dry run, nothing.
        unchanged: everything was there already.
        address: where the application is reached; empty when it is not known.
        warnings: sentences on what a person should know or change.
        failure: what ended it; `applied` was done before that.
    """

    cluster: str = ""
    manifests: tuple[Path, ...] = ()
    admissions: tuple[Admission, ...] = ()
    unsigned_denied: str = ""
    denial: str = ""
    constraints: tuple[str, ...] = ()
    exempt: Mapping[str, str] = msgspec.field(default_factory=dict)
    applied: tuple[AppliedObject, ...] = ()
    unchanged: bool = False
    address: str = ""
    warnings: tuple[str, ...] = ()
    failure: S3CError | None = None
    seconds: float = 0.0


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """What one image brings against another one: in a pull request, against the base branch's.

    Attributes:
        name: what people call the other one (`main`); untrusted.
        difference: from that one's findings to those of the image handed on.
    """

    name: str
    difference: Difference


class RefreshResult(msgspec.Struct, frozen=True, kw_only=True):
    """What is deployed, scanned again.

    Attributes:
        due: references of the images with something to mend, as they are deployed: what the patch takes.
        unknown: images that run whose digest the cluster does not tell.
        issue: address of the issue, empty without one; `done` what became of it.
    """

    due: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    issue: str = ""
    done: str = ""


class ImageOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that was done to one image; a step that was not run is None.

    Attributes:
        reference: pinned, of what the last step handed on.
        base: against the baseline, None without one.
        failure: the error that ended it; None when every step did its work.
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
    failure: S3CError | None = None

    @property
    def final_report(self) -> ScanReport | None:
        """What the last scan that describes `reference` shows."""
        last = self.last_scan
        return (last.shown or last.report) if last is not None else None

    @property
    def judged(self) -> bool:
        """Whether a gate judged what is in `reference`."""
        return self.last_scan is not None and self.last_scan.gated

    @property
    def last_scan(self) -> ScanResult | None:
        """The scan that describes `reference`; None when it was not scanned."""
        return self.scan if self.patch is None else self.patch.after or self.patch.before


class LeftResults(msgspec.Struct, frozen=True, kw_only=True):
    """Results left for a workflow that may comment, because this run may not.

    Attributes:
        artifact: the name it is to have.
        folder: what is to be in it.
    """

    artifact: str
    folder: Path


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What one command did, on one or several images; what is rendered as summary, outputs and result.json.

    Attributes:
        exit_code: the shell ends with the highest of this and of the images' failures.
        error: a sentence, when the command ended without an image to blame; the shell fills it in.
        files: written for all images together, format → path (one image's are in its steps' results).
        deploy: what was deployed, of the commands that deploy.
        settings: the files that suppressed findings, narrowed the scan or decided the gate; the shell fills it in.
        gate_changes: those of them that a pull request changes; the shell fills it in.
        text: printed on standard output as it is; for commands that answer a question (`programs list`, `report`).
        pull_request: address of the one that was opened or brought up to date.
        comments: addresses of the comments, of the command that writes no results of its own.
        left: what that command may not comment.
    """

    command: str
    images: tuple[ImageOutcome, ...]
    exit_code: int = 0
    error: str = ""
    files: Mapping[str, Path] = msgspec.field(default_factory=dict)
    seconds: float = 0.0
    deploy: DeployResult | None = None
    refresh: RefreshResult | None = None
    settings: tuple[SettingsFile, ...] = ()
    gate_changes: tuple[GateChange, ...] = ()
    text: str = ""
    pull_request: str = ""
    comments: tuple[str, ...] = ()
    left: LeftResults | None = None
