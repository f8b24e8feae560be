"""The types of `result.json`: everything a command did, as it is written, published as a schema, read and shown.

schemas/result-1.json is generated from the types below (`make docs`). A document may come from a fork, so they are
strict: every limit of a field is declared at the field, and an unknown key is an error. Within a version keys are only
added; a key that was added later is `UNSET` in an older document. Text in it is untrusted data.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from s3c_actions.findings.entry import FindingEntry, ReasonedFinding, SeverityName
from s3c_actions.findings.headline import Tally
from s3c_actions.findings.model import NOTHING_HIDDEN, Hidden, Severity
from s3c_actions.report.comparison_document import ComparisonEntry

SCHEMA = "result-1.json"

CommandName = Literal[
    "chain",
    "scan",
    "base",
    "report",
    "patch",
    "sign",
    "verify",
    "trust",
    "trace",
    "deploy",
    "gate",
    "mirror",
    "attach",
    "policy",
    "refresh",
    "fleet plan",
    "fleet run",
    "propose",
    "comment",
    "upload",
    "fleet report",
    "programs",
    "init",
    "doctor",
    "find",
    "fleet manifests",
    "diff",
    "smoke",
    "exception grant",
    "exception list",
    "exception revoke",
]
Verdict = Literal["passed", "refused", "failed"]
SmokeVerdictName = Literal["works", "differs", "not tried"]

Count = Annotated[int, Meta(ge=0)]
Seconds = Annotated[float, Meta(ge=0)]
Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
Digest = Annotated[str, Meta(pattern=r"^$|^sha(256|384|512):[0-9a-f]+$")]
Pinned = Annotated[str, Meta(pattern=r"@sha(256|384|512):[0-9a-f]+$")]
PinnedOrEmpty = Annotated[str, Meta(pattern=r"^$|@sha(256|384|512):[0-9a-f]+$")]
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
Sha256OrEmpty = Annotated[str, Meta(pattern=r"^([0-9a-f]{64})?$")]
Files = Annotated[dict[str, str], Meta(description="Format to path.")]


class Entry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every part of the document has in common: a key that is not known is an error."""


class ErrorEntry(Entry, frozen=True, kw_only=True):
    """What went wrong, why probably, and what to do."""

    what: str
    cause: str
    remedy: str
    image: str
    field: Annotated[str | None, Meta(description="The input, when it is wrong.")]
    original: str
    exit_code: Annotated[int, Meta(ge=1, le=4)]


class SettingEntry(Entry, frozen=True, kw_only=True):
    """A file that suppressed findings, narrowed the scan or decided the gate."""

    kind: Annotated[str, Meta(description="The input that takes it.")]
    path: str
    sha256: Annotated[
        Sha256OrEmpty, Meta(description="Of its content; empty for what has none of its own, as VEX of a repository.")
    ]


class GateChangeEntry(Entry, frozen=True, kw_only=True):
    """A file of the gate that a pull request changes."""

    kind: Annotated[str, Meta(description="The input that takes it.")]
    path: str
    target_sha256: Annotated[
        Sha256OrEmpty, Meta(description="Of its content on the target branch; empty where it is not there.")
    ]
    head_sha256: Annotated[
        Sha256OrEmpty, Meta(description="Of its content in the pull request; empty where it is not there.")
    ]
    used: Literal["target", "head"]
    accepted_by: Annotated[
        str, Meta(description="Who set the label that lets the pull request's own count; empty when nobody did.")
    ]


class HiddenEntry(Entry, frozen=True, kw_only=True):
    """What was found, or may have been, and is not shown."""

    filtered: Annotated[
        dict[SeverityName, Count],
        Meta(description="Severities that the input `severity` leaves out, to the number of their findings."),
    ]
    unfixed: Annotated[
        dict[SeverityName, Count],
        Meta(description="Vulnerabilities without a fix that `ignore-unfixed` leaves out, by severity."),
    ]
    fixable: Annotated[Count, Meta(description="How many of the findings that are not shown have a fix.")]
    uncounted: Annotated[
        tuple[SeverityName, ...],
        Meta(
            description="Severities of which it is not known whether there are findings: a report that was given may "
            "have been made without them, or the image could not be checked."
        ),
    ]
    exploited: Annotated[
        Count | UnsetType, Meta(description="How many of the findings that are not shown are known to be exploited.")
    ] = UNSET


Number = Annotated[
    Count | None, Meta(description="null in place of 0 where findings are not shown, or may exist (see `hidden`).")
]


class Counts(Entry, frozen=True, kw_only=True):
    """Findings that are shown, by severity."""

    critical: Number
    high: Number
    medium: Number
    low: Number
    unknown: Number
    total: Number
    fixable: Number
    exploited: Annotated[
        Count | UnsetType,
        Meta(description="Known to be exploited (KEV), shown or not; missing where that was not looked up."),
    ] = UNSET
    hidden: Annotated[HiddenEntry | UnsetType, Meta(description="Missing where everything is shown and known.")] = UNSET

    def of(self, severity: str) -> int | None:
        """Return the number of findings of a severity, by its name in lower case; None when it is not known."""
        number: int | None = getattr(self, severity)
        return number

    @property
    def tally(self) -> Tally:
        """Return the numbers in the model's terms."""
        hidden = NOTHING_HIDDEN
        if self.hidden is not UNSET:
            hidden = Hidden(
                filtered={Severity[name]: number for name, number in self.hidden.filtered.items()},
                unfixed={Severity[name]: number for name, number in self.hidden.unfixed.items()},
                fixable=self.hidden.fixable,
                uncounted=tuple(Severity[name] for name in self.hidden.uncounted),
                exploited=self.hidden.exploited or 0,
            )
        return Tally(
            counts={severity: self.of(severity.name.lower()) for severity in sorted(Severity, reverse=True)},
            total=self.total,
            fixable=self.fixable,
            hidden=hidden,
            exploited=None if self.exploited is UNSET else self.exploited,
        )


class Changes(Entry, frozen=True, kw_only=True):
    """A scan against the baseline."""

    new: tuple[FindingEntry, ...]
    fixed: tuple[FindingEntry, ...]
    left: Count


class BaseEntry(Entry, frozen=True, kw_only=True):
    """What an image is compared with, and what changed."""

    name: Annotated[str, Meta(description="What people call the baseline: main.")]
    new: tuple[FindingEntry, ...]
    fixed: tuple[FindingEntry, ...]
    left: Count


SeverityCounts = Annotated[dict[SeverityName, Count], Meta(description="Severities that have findings.")]


class BaseImageEntry(Entry, frozen=True, kw_only=True):
    """The image that another one is built on, and whose the findings shown are."""

    name: Annotated[str, Meta(description="As it was named, registry/repository:tag.")]
    reference: Annotated[
        str, Meta(description="By digest, the image of the platform whose layers were compared; empty of an index.")
    ]
    source: Annotated[str, Meta(description="What named it.")]
    own: SeverityCounts
    inherited: SeverityCounts


class BaseOptionEntry(Entry, frozen=True, kw_only=True):
    """A base image that was scanned: the one in use, or another tag of its repository."""

    tag: str
    change: Annotated[
        Literal["", "same tag", "patch", "newer build", "minor version", "major version"],
        Meta(description="Empty of the base in use."),
    ]
    reference: PinnedOrEmpty
    created: Annotated[str, Meta(description="When it says that it was built; empty when it does not.")]
    days: Annotated[int | None, Meta(description="Since then.")]
    findings: Annotated[SeverityCounts | UnsetType, Meta(description="Missing when it could not be checked.")] = UNSET
    fixed: Annotated[Count | None, Meta(description="Findings of the base in use that it does not have.")]
    new: Annotated[Count | None, Meta(description="Findings that it has in addition.")]
    size: Annotated[Count | None, Meta(description="Bytes of its compressed layers.")]
    os: str
    os_end_of_life: bool
    same_as: Annotated[str, Meta(description="An earlier tag that means the same image; empty when none does.")]
    problem: Annotated[str, Meta(description="Why it could not be compared; empty when it was.")]


class BaseAdviceEntry(Entry, frozen=True, kw_only=True):
    """The base of an image beside other tags of its repository."""

    repository: str
    platform: str
    current: BaseOptionEntry
    options: Annotated[tuple[BaseOptionEntry, ...], Meta(description="The smallest change first.")]
    notices: tuple[str, ...]


class ScopeFile(Entry, frozen=True, kw_only=True):
    """A file that suppressed findings or narrowed the scan."""

    kind: Annotated[str, Meta(description="The input that takes it.")]
    path: str
    sha256: Annotated[str, Meta(description="Of its content; empty for what has none of its own.")]


class ScopeEntry(Entry, frozen=True, kw_only=True):
    """How much was looked at."""

    scanners: tuple[str, ...]
    pkg_types: tuple[str, ...]
    platforms: tuple[str, ...]
    skip_dirs: tuple[str, ...]
    skip_files: tuple[str, ...]
    files: Annotated[tuple[ScopeFile, ...], Meta(description="What suppressed findings or narrowed the scan.")]
    stated: Annotated[bool, Meta(description="Whether the scan states it; false where a report given shows it.")]


class ContentEntry(Entry, frozen=True, kw_only=True):
    """A package or licence that the policy refuses for being there."""

    kind: Literal["package", "license"]
    by: str
    text: str


class ProposedEntry(Entry, frozen=True, kw_only=True):
    """What a scan would have come to with the pull request's own files."""

    verdict: Verdict
    refused: Count
    reason: str


class ExploitationEntry(Entry, frozen=True, kw_only=True):
    """Which data the facts on exploited vulnerabilities are from."""

    kev_released: Annotated[
        str, Meta(description="When CISA's catalogue (KEV) was released; empty where there was none.")
    ]
    epss_date: Annotated[str, Meta(description="The day of FIRST's scores (EPSS); empty where there were none.")]


class ScanEntry(Entry, frozen=True, kw_only=True):
    """One scan."""

    reference: str
    platform: str
    os: str
    os_end_of_life: bool
    created: str
    scanner_version: str
    database: Annotated[str, Meta(description="When the vulnerability data was last updated; empty when unknown.")]
    exploitation_data: Annotated[
        ExploitationEntry | UnsetType, Meta(description="Missing where it was not looked up what is exploited.")
    ] = UNSET
    findings: Counts
    set_aside: Annotated[Count, Meta(description="Findings an ignore file, VEX or policy set aside.")]
    refused: Annotated[tuple[FindingEntry, ...], Meta(description="What closes the gate.")]
    difference: Changes | None
    reused: bool
    gated: Annotated[bool | UnsetType, Meta(description="Whether a gate judged the scan.")] = UNSET
    blind: Annotated[
        str,
        Meta(description="Why findings that are not there mean nothing; empty when everything could be looked at."),
    ]
    overridden: Annotated[
        str | UnsetType, Meta(description="The same, where `unscanned: warn` lets it pass; then `blind` is empty.")
    ] = UNSET
    outdated: Annotated[
        str | UnsetType, Meta(description="Why the report's age closes the gate; empty when it does not.")
    ] = UNSET
    missing: Annotated[
        tuple[str, ...] | UnsetType,
        Meta(description="What the policy requires to be looked at and was not, in Trivy's names."),
    ] = UNSET
    scope: ScopeEntry | UnsetType = UNSET
    policy: Annotated[str, Meta(description="Digest of the policy that was the gate; empty without one.")]
    contents: Annotated[
        tuple[ContentEntry, ...], Meta(description="Packages and licences that the policy refuses for being there.")
    ]
    warnings: tuple[str, ...]
    files: Files
    report_sha256: Annotated[
        Sha256OrEmpty | UnsetType,
        Meta(description="Of Trivy's JSON report, by which a later step knows it again; empty of an index."),
    ] = UNSET
    platforms: Annotated[
        tuple[ScanEntry, ...] | UnsetType, Meta(description="Of an index, the scans of its platforms.")
    ] = UNSET
    proposed: ProposedEntry | UnsetType | None = UNSET
    seconds: Seconds

    @property
    def closed(self) -> bool:
        """Return whether it closes the gate; a scan of a version without `gated` counts as judged by a gate."""
        if self.gated is False:
            return False
        return bool(self.refused or self.contents or self.blind or self.missing or self.outdated)


class PatchEntry(Entry, frozen=True, kw_only=True):
    """One image patched, or found to need none."""

    original: PinnedOrEmpty
    reference: PinnedOrEmpty
    tag: str
    patched: bool
    skipped: bool
    reason: str
    before: Counts
    after: Counts | None
    fixed: tuple[FindingEntry, ...]
    left: tuple[ReasonedFinding, ...]
    new: tuple[FindingEntry, ...]
    upgraded: Annotated[
        dict[str, str],
        Meta(description="Package to the version now installed, of packages that had a finding fixed."),
    ]
    platforms: tuple[str, ...]
    vex: str | None
    seconds: Seconds
    changes: Annotated[
        ComparisonEntry | UnsetType | None,
        Meta(description="The patched image compared with the original; null when it was not compared."),
    ] = UNSET
    programs: Annotated[
        dict[str, str] | UnsetType,
        Meta(description="Program to version, of those that made the patch; empty when this run did not make it."),
    ] = UNSET


class PlatformSmokeEntry(Entry, frozen=True, kw_only=True):
    """What starting both images of one platform showed. Texts may hold what an image wrote."""

    platform: str
    verdict: SmokeVerdictName
    reason: Annotated[str, Meta(description="Why it was not tried.")]
    differences: tuple[str, ...]
    checks: Annotated[tuple[str, ...], Meta(description="What both did.")]
    versions: Annotated[tuple[str, ...], Meta(description="Of programs that wrote another in the patched image.")]
    runtime: str
    seconds: Seconds


class SmokeEntry(Entry, frozen=True, kw_only=True):
    """What starting an original and another image beside each other showed."""

    verdict: SmokeVerdictName
    original: Pinned
    reference: Pinned
    platforms: tuple[PlatformSmokeEntry, ...]
    seconds: Seconds


class CertificateEntry(Entry, frozen=True, kw_only=True):
    """The certificate that signed."""

    subject: str
    issuer: str
    thumbprint: Sha256
    not_before: str
    not_after: str
    days_left: int
    key: str
    self_signed: bool


class SignEntry(Entry, frozen=True, kw_only=True):
    """One digest signed, or found to be."""

    reference: PinnedOrEmpty
    signature_digest: Digest
    signature_format: Literal["cose", "jws"]
    skipped: bool
    verified: bool
    timestamped: bool
    expires: str
    metadata: dict[str, str]
    certificate: CertificateEntry
    seconds: Seconds
    judged: Annotated[bool | UnsetType, Meta(description="Whether a gate judged what is signed, in this run.")] = UNSET


class AttachedEntry(Entry, frozen=True, kw_only=True):
    """One document attached."""

    kind: Literal["sarif", "spdx", "cyclonedx", "vex", "result"]
    artifact_type: str
    digest: Annotated[str, Meta(description="Of its manifest.")]
    size: Annotated[int, Meta(description="Of the document, in bytes.")]
    created: Time
    signature_digest: str
    skipped: Annotated[bool, Meta(description="It was there, and signed.")]


class AttachEntry(Entry, frozen=True, kw_only=True):
    """The evidence attached to one digest."""

    reference: str
    documents: tuple[AttachedEntry, ...]
    platforms: Annotated[tuple[AttachEntry, ...], Meta(description="What was attached to the platforms of an index.")]
    pruned: Annotated[tuple[str, ...], Meta(description="Digests of the manifests deleted.")]
    skipped: bool
    seconds: float


class RefusalEntry(Entry, frozen=True, kw_only=True):
    """What a policy has against an image."""

    code: str
    text: str


class ForecastEntry(Entry, frozen=True, kw_only=True):
    """What the policy will have against the image from a moment on, if nothing is done."""

    at: str
    refusals: tuple[RefusalEntry, ...]


class ExceptionEntry(Entry, frozen=True, kw_only=True):
    """A break-glass exception beside the image."""

    digest: Digest
    findings: Annotated[
        tuple[str, ...], Meta(description="That it excuses; `all`: whatever the policy refuses by a rule.")
    ]
    who: str
    why: str
    created: Annotated[str, Meta(description="RFC 3339; empty of one that cannot be read.")]
    until: Annotated[str, Meta(description="When it ends by itself, RFC 3339; empty of one that cannot be read.")]
    granter: Annotated[str, Meta(description="The policy's signer who granted it; empty of one that nobody granted.")]
    ignored: Annotated[str, Meta(description="Why it does not count; empty of one that does.")]


class JudgementEntry(Entry, frozen=True, kw_only=True):
    """What a policy says of the image, by the evidence in the registry."""

    reference: str
    policy: str
    admitted: bool
    refusals: tuple[RefusalEntry, ...]
    forecast: tuple[ForecastEntry, ...] | UnsetType = UNSET
    exceptions: tuple[ExceptionEntry, ...] | UnsetType = UNSET
    seconds: float


class VerifyEntry(Entry, frozen=True, kw_only=True):
    """One digest verified."""

    reference: PinnedOrEmpty
    policy: str
    signature_digest: Digest
    signer: str
    metadata: dict[str, str]
    seconds: Seconds


class AdmissionEntry(Entry, frozen=True, kw_only=True):
    """What the cluster's gate says of one image."""

    image: Annotated[str, Meta(description="As the manifests name it.")]
    reference: Annotated[str, Meta(description="What stands there now.")]
    verdict: Literal["admitted", "denied", "unknown"]
    places: Annotated[tuple[str, ...], Meta(description="Where the manifests use the image.")]
    reason: str
    remedy: str
    trace: str
    constraint: str


class MirrorEntry(Entry, frozen=True, kw_only=True):
    """One image copied to another repository, or found to be there."""

    source: Annotated[Pinned, Meta(description="What was copied.")]
    reference: Annotated[Pinned, Meta(description="What stands at the target.")]
    tag: Annotated[str, Meta(description="Set at the target; empty without one.")]
    replaced: Annotated[Digest, Meta(description="The digest the tag had before, when it was another.")]
    platforms: tuple[str, ...]
    skipped: Annotated[bool, Meta(description="Everything was there.")]
    manifests: Annotated[Count, Meta(description="Sent.")]
    blobs: Annotated[Count, Meta(description="Sent.")]
    mounted: Annotated[Count, Meta(description="Blobs taken over from another repository of the registry.")]
    existing: Annotated[Count, Meta(description="Manifests and blobs that were there.")] = msgspec.field(name="found")
    size: Annotated[Count, Meta(description="Bytes sent.")]
    referrers: Annotated[Count, Meta(description="Signatures, reports and the like that came along.")]
    seconds: Seconds


class TraceEntry(Entry, frozen=True, kw_only=True):
    """What the registry tells of the image; the whole of it is in `trace.json`."""

    verdict: Annotated[
        Literal["admitted", "denied", "unknown"], Meta(description="Whether it would be admitted today.")
    ]
    by: Annotated[str, Meta(description="What the verdict is judged by.")]
    reasons: tuple[str, ...]
    remedy: str
    exceptions: Annotated[
        tuple[str, ...] | UnsetType, Meta(description="A clause on each break-glass exception beside the image.")
    ] = UNSET


class ProgramEntry(Entry, frozen=True, kw_only=True):
    """A program that s3c runs; version, origin and path are null when it is not installed."""

    name: str
    pinned: Annotated[str, Meta(description="The version that is installed by default.")]
    licence: str
    module: str
    version: str | None
    origin: str | None
    path: str | None


class CheckEntry(Entry, frozen=True, kw_only=True):
    """The result of one check of `s3c doctor`."""

    name: str
    status: Literal["passed", "failed", "not-configured"]
    text: str
    remedy: Annotated[str, Meta(description="What to do; empty for nothing.")]
    seconds: Seconds


class MatchEntry(Entry, frozen=True, kw_only=True):
    """What `s3c find` found in one image."""

    image: str
    reference: Pinned
    package: str
    installed: str
    ecosystem: Annotated[str, Meta(description="Type of the package's URL, such as `deb`; empty when not known.")]
    source: Annotated[str, Meta(description="The package it was built from, when the query names that one.")]
    fixed: Annotated[str, Meta(description="Versions with a fix, as the signed report states them.")]
    advisory: str
    severity: str
    licence: str
    note: Annotated[str, Meta(description="That a finding does not count, and why.")]
    problem: Annotated[str, Meta(description="Why it is not known whether it is one; empty when it is.")]
    evidence: Annotated[Digest, Meta(description="The signed document that says so.")]
    owner: str
    places: Annotated[tuple[str, ...], Meta(description="Where the image runs or is named.")]


class UnansweredEntry(Entry, frozen=True, kw_only=True):
    """An image in which `s3c find` found nothing, and which may hold it all the same."""

    image: str
    reference: PinnedOrEmpty
    reasons: Annotated[tuple[str, ...], Meta(min_length=1)]
    owner: str
    places: tuple[str, ...]


class FindEntry(Entry, frozen=True, kw_only=True):
    """The answer of `s3c find`."""

    query: str
    images: Annotated[Count, Meta(description="Number of digests asked about.")]
    complete: Annotated[bool, Meta(description="Whether there is an answer for every image.")]
    matches: tuple[MatchEntry, ...]
    unanswered: tuple[UnansweredEntry, ...]
    index: Annotated[PinnedOrEmpty, Meta(description="The index that was pushed.")]


class ImageResult(Entry, frozen=True, kw_only=True):
    """What was done to one image; a step that was not run is null."""

    image: Annotated[str, Meta(description="As it was asked for.")]
    reference: Annotated[
        str,
        Meta(
            description="registry/repository@digest of what the last step handed on, or the path of a tarball; empty "
            "when it was not resolved."
        ),
    ]
    digest: Digest
    verdict: Verdict
    error: ErrorEntry | None
    findings: Annotated[Counts | None, Meta(description="What is left in `reference`; null when it was not scanned.")]
    remaining: Annotated[
        tuple[ReasonedFinding, ...],
        Meta(description="The findings in `reference` that are shown, all of them, the most severe first."),
    ]
    set_aside: Annotated[tuple[ReasonedFinding, ...], Meta(description="What an ignore file, VEX or policy set aside.")]
    base: Annotated[BaseEntry | None, Meta(description="`reference` against the baseline.")]
    files: Files
    scan: ScanEntry | None
    patch: PatchEntry | None
    rescan: Annotated[ScanEntry | None, Meta(description="The scan that proves the patch.")]
    sign: SignEntry | None
    attach: AttachEntry | None
    judgement: JudgementEntry | None
    verify: VerifyEntry | None
    admission: AdmissionEntry | None
    mirror: MirrorEntry | UnsetType | None = UNSET
    trace: Annotated[TraceEntry | UnsetType, Meta(description="Missing of an image that was not traced.")] = UNSET
    smoke: Annotated[SmokeEntry | UnsetType, Meta(description="Missing where no image was started.")] = UNSET
    base_image: Annotated[BaseImageEntry | UnsetType, Meta(description="Missing where it is not known.")] = UNSET
    base_advice: Annotated[
        BaseAdviceEntry | UnsetType,
        Meta(description="What other tags of the base would change, where it was asked for."),
    ] = UNSET

    @property
    def last_scan(self) -> ScanEntry | None:
        """Return the scan that describes `reference`."""
        return self.rescan or self.scan


class AppliedEntry(Entry, frozen=True, kw_only=True):
    """One object and what was done to it."""

    kind: str
    namespace: str
    name: str
    action: Literal["created", "recreated", "configured", "unchanged", "pruned", "restored", "removed"]


class PauseEntry(Entry, frozen=True, kw_only=True):
    """A pause of the cluster's gate, to come, in force or over."""

    constraint: str
    since: Annotated[str, Meta(description="As it stands in the constraint, which admits everything from then.")]
    until: Annotated[str, Meta(description="As it stands in the constraint.")]
    reason: str


class GateEntry(Entry, frozen=True, kw_only=True):
    """The cluster's gate."""

    unsigned_denied: Annotated[
        str, Meta(description="The unsigned image that the gate denied as a proof; empty without a proof.")
    ]
    denial: str
    constraints: tuple[str, ...]
    exempt: Annotated[dict[str, str], Meta(description="Namespaces that go around the gate, with the reason.")]
    pauses: tuple[PauseEntry, ...] | UnsetType = UNSET
    stages: Annotated[
        dict[str, Literal["audit", "warn", "deny"]] | UnsetType,
        Meta(description="Namespace to the gate's stage there: `audit` and `warn` admit every image."),
    ] = UNSET


class DeployEntry(Entry, frozen=True, kw_only=True):
    """One deployment, also one that stopped half-way."""

    cluster: str
    manifests: tuple[str, ...]
    admissions: Annotated[tuple[AdmissionEntry, ...], Meta(description="Of every image of the manifests.")]
    gate: GateEntry
    applied: Annotated[
        tuple[AppliedEntry, ...],
        Meta(description="In the order in which it was done, also of a deployment that failed half-way."),
    ]
    unchanged: bool
    address: str
    warnings: tuple[str, ...]
    error: Annotated[ErrorEntry | None, Meta(description="What ended the command, when no single image is to blame.")]
    seconds: Seconds


class PlanEntry(Entry, frozen=True, kw_only=True):
    """What a fleet's plan holds; the plan itself is a file of its own."""

    images: Annotated[Count, Meta(description="Digests with work to do.")]
    current: Annotated[Count, Meta(description="Digests that need nothing, by the signed evidence beside them.")]
    unplanned: Annotated[Count, Meta(description="References and selections that could not be planned.")]
    shards: Annotated[tuple[Count, ...], Meta(description="The shards that have work to do.")]
    published: Annotated[PinnedOrEmpty, Meta(description="Where it was published, by digest; empty when it was not.")]


class PreviewImage(Entry, frozen=True, kw_only=True):
    """One image, and what the gate would do with it in the stage `deny`."""

    image: Annotated[str, Meta(description="By digest, where that is known.")]
    names: Annotated[tuple[str, ...], Meta(description="As new Pods would name it.")]
    verdict: Annotated[Literal["admitted", "refused", "unknown"], Meta(description="unknown: it could not be judged.")]
    reason: Annotated[str, Meta(description="Why not, as a clause; empty when it would be admitted.")]
    remedy: str
    command: Annotated[str, Meta(description="The first of `commands`; empty when no command fixes it.")]
    commands: Annotated[
        tuple[str, ...] | UnsetType, Meta(description="What fixes it: one for each thing that is wrong, in order.")
    ] = UNSET
    places: Annotated[tuple[str, ...], Meta(description="`NAMESPACE/WORKLOAD (container)`, of each use.")]
    running: Annotated[bool, Meta(description="Whether a Pod has it now; otherwise only a template has.")]
    static: Annotated[bool, Meta(description="A node starts it from a file, whatever the gate says.")]


class PreviewEntry(Entry, frozen=True, kw_only=True):
    """What the gate would do in the stage `deny` with the images that a cluster uses."""

    cluster: str
    policy: Annotated[
        str, Meta(description="Digest of the policy that was given; empty: the installed gate was asked.")
    ]
    stages: Annotated[
        dict[str, Literal["audit", "warn", "deny"]],
        Meta(description="Namespace to the gate's stage now, `*` for all others; empty without a gate of ours."),
    ]
    images: Annotated[tuple[PreviewImage, ...], Meta(description="Those that would be refused first.")]
    exempt: Annotated[tuple[PreviewImage, ...], Meta(description="Images of namespaces that go around the gate alone.")]
    exempt_namespaces: Annotated[dict[str, str], Meta(description="Those namespaces, with the reason.")]

    def count(self, verdict: str) -> int:
        """Return how many images, without those of exempt namespaces, have a verdict."""
        return sum(image.verdict == verdict for image in self.images)


class ResultDocument(Entry, frozen=True, kw_only=True):
    """Everything one command did. Keys are only ever added within a version."""

    version: Literal[1]
    s3c: Annotated[str, Meta(description="The version of s3c.")]
    command: CommandName
    created: Time
    verdict: Annotated[
        Verdict,
        Meta(description="Over all images. refused: the policy said no; failed: something did not work."),
    ]
    exit_code: Annotated[int, Meta(ge=0, le=4)]
    error: Annotated[ErrorEntry | None, Meta(description="What ended the command, when no single image is to blame.")]
    seconds: Seconds
    files: Annotated[dict[str, str], Meta(description="Written for all images together, format to path.")]
    settings: Annotated[
        tuple[SettingEntry, ...] | UnsetType,
        Meta(description="The files that suppressed findings, narrowed the scan or decided the gate."),
    ] = UNSET
    gate_changes: Annotated[
        tuple[GateChangeEntry, ...] | UnsetType,
        Meta(description="Of those files, the ones that a pull request changes."),
    ] = UNSET
    images: tuple[ImageResult, ...]
    deploy: Annotated[DeployEntry | None, Meta(description="What was deployed, of commands that deploy.")]
    programs: Annotated[
        tuple[ProgramEntry, ...] | UnsetType, Meta(description="Of `s3c programs`; missing otherwise.")
    ] = UNSET
    checks: Annotated[tuple[CheckEntry, ...] | UnsetType, Meta(description="Of `s3c doctor`; missing otherwise.")] = (
        UNSET
    )
    plan: Annotated[PlanEntry | UnsetType, Meta(description="Of `s3c fleet plan`; missing otherwise.")] = UNSET
    find: Annotated[FindEntry | UnsetType, Meta(description="Of `s3c find`; missing otherwise.")] = UNSET
    preview: Annotated[PreviewEntry | UnsetType, Meta(description="Of `s3c gate preview`; missing otherwise.")] = UNSET
    diff: Annotated[ComparisonEntry | UnsetType, Meta(description="Of `s3c diff`; missing otherwise.")] = UNSET
    pull_request: Annotated[str | UnsetType, Meta(description="Address of the pull request, if one was opened.")] = (
        UNSET
    )
    comments: Annotated[tuple[str, ...] | UnsetType, Meta(description="Addresses of comments, if it writes some.")] = (
        UNSET
    )


def schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of the file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "result.json of s3c, version 1",
        **msgspec.json.schema(ResultDocument),
    }
