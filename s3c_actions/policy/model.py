"""`s3c-policy.yaml`: what it may say, read strictly. Its shape is published as schemas/policy-1.json.

The schema is made of the types below (`make docs`), so the two cannot drift apart.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, field

from s3c_actions.core import pasted_content, reading
from s3c_actions.core.doc_links import doc_link
from s3c_actions.core.errors import InputError
from s3c_actions.core.patterns import late_pattern
from s3c_actions.findings.model import Severity
from s3c_actions.findings.scope import RequiredScope
from s3c_actions.findings.threshold import Exemption, Threshold
from s3c_actions.options.base_image import is_base_entry, names_registry
from s3c_actions.options.parse import duration
from s3c_actions.policy import faults, licences, names
from s3c_actions.policy.finding_rules import FindingRules
from s3c_actions.policy.parts import Duration, Line, Part
from s3c_actions.signing import identities, timestamps

DEFAULT_FILE = "s3c-policy.yaml"
SCHEMA = "policy-1.json"
_INPUTS = {
    "fail-on": "findings.refuse",
    "severity": "findings.refuse",
    "ignore-unfixed": "findings.fixable-only",
}
"""An input of a command or of Trivy that people write into a policy → its key there."""
_MANUAL = f"{doc_link('policy.md')} has every key with an example."
MAX_SIZE = 1024 * 1024
LONGEST_GRANT = timedelta(hours=72)
"""So long may a break-glass exception last, whatever a policy says."""

# https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates#object-identifiers
_OF_A_VAULT = late_pattern(
    r"https://(?P<host>[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+)/certificates/(?P<name>[A-Za-z0-9-]{1,127})"
    r"(/(?P<version>[0-9a-fA-F]{32}))?/?"
)

LicenseId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9.+-]{1,100}$")]
CertificateSource = Annotated[str, Meta(min_length=1, max_length=100_000)]
Reason = Annotated[str, Meta(min_length=3, max_length=1000)]
Permission = Literal["sign", "grant-exceptions"]


class TrustedSigner(Part, frozen=True, kw_only=True):
    """Whose signatures count: the image's, and those of its evidence."""

    name: Annotated[
        str,
        Meta(
            pattern=r"^[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?$", description="What people call it; lower case and dashes."
        ),
    ]
    certificate: Annotated[
        CertificateSource | Annotated[tuple[CertificateSource, ...], Meta(min_length=1, max_length=20)],
        Meta(
            description="The signing certificate, or its authority's: the path of a PEM file, relative to this file, "
            "or the PEM text itself. Or the identifier of the signing certificate in Azure Key Vault, with a version "
            "or without: the newest counts when it is read. Several in a list, while a certificate is renewed.",
            examples=["keys/release.crt", "https://kv-release.vault.azure.net/certificates/signing"],
        ),
    ]
    identities: Annotated[
        tuple[Line, ...],
        Meta(
            description="Subjects of the certificates that may sign; needed below an authority. `*` is everybody "
            "it certified.",
            examples=[["C=US, ST=WA, O=example, CN=release"]],
        ),
    ] = ()
    timestamp_roots: Annotated[
        tuple[CertificateSource, ...],
        Meta(
            max_length=20,
            description="Root certificates of time-stamp authorities, each the path of a PEM file, relative to this "
            "file, or the PEM text itself. A signature with a time-stamp of theirs outlives its certificate.",
            examples=[["keys/tsa-root.crt"]],
        ),
    ] = ()
    verify_timestamp: Annotated[
        Literal["always", "afterCertExpiry"],
        Meta(
            description="With `timestamp-roots`: `always` asks for a time-stamp in every signature; with "
            "`afterCertExpiry` one without counts as long as its certificate is valid."
        ),
    ] = "always"
    may: Annotated[
        tuple[Permission, ...],
        Meta(
            min_length=1,
            description="What the signer's signatures count for: `sign`, images and their evidence; "
            "`grant-exceptions`, exceptions of `s3c exception grant`. Neither includes the other.",
            examples=[["grant-exceptions"]],
        ),
    ] = ("sign",)

    @property
    def certificates(self) -> tuple[str, ...]:
        """Return the certificates, each a path, PEM text or an identifier in a vault."""
        return (self.certificate,) if isinstance(self.certificate, str) else self.certificate

    @property
    def in_vault(self) -> bool:
        """Return whether a certificate has to be read from a vault."""
        return any(vault_certificate(source) for source in self.certificates)

    @property
    def certificate_pem(self) -> str:
        """Return the certificates' text, once each has been read."""
        return "\n".join(self.certificates)

    @property
    def timestamp_pem(self) -> str:
        """Return the text of the time-stamp authorities' root certificates, once each has been read."""
        return "\n".join(self.timestamp_roots)


def vault_certificate(source: str) -> tuple[str, str, str] | None:
    """Return host, name and version (empty: the newest) of a certificate in a vault; None for another."""
    match = _OF_A_VAULT.fullmatch(source)
    return (match["host"].lower(), match["name"], match["version"] or "") if match else None


def is_path(source: str) -> bool:
    """Return whether a certificate is named by a file's path: it is neither PEM text nor an address."""
    return "-----BEGIN" not in source and not source.startswith("https://")


class AcceptedFinding(Part, frozen=True, kw_only=True):
    """A finding that is accepted for a while."""

    id: Annotated[Line, Meta(description="Of the finding.", examples=["CVE-2023-45853"])]
    until: Annotated[date, Meta(description="The last day on which it counts (UTC).")]
    why: Annotated[Reason, Meta(description="The reason, for whoever reads it later.")]
    who: Annotated[Line, Meta(description="Who accepted it.")]
    package: Annotated[Line | None, Meta(description="Only in this package; in any when left out.")] = None


class ReportRules(Part, frozen=True, kw_only=True):
    """How fresh the scan report has to be when a Pod starts, and how much it has to have looked at."""

    maximum_age: Annotated[Duration, Meta(description="A report that is older is stale, and denies.")] = "7d"
    maximum_database_age: Annotated[
        Duration | None,
        Meta(description="So old may the vulnerability database have been when the scan was made; any age without it."),
    ] = None
    scanners: Annotated[
        tuple[Literal["vuln", "secret", "misconfig", "license"], ...],
        Meta(
            min_length=1,
            description="Scanners that have to have run. A report that looked for less is refused.",
            examples=[["vuln", "secret"]],
        ),
    ] = ("vuln",)
    pkg_types: Annotated[
        tuple[Literal["os", "library"], ...],
        Meta(description="Packages that have to have been looked at: of the operating system, of languages."),
    ] = ("os", "library")
    allow_skipped: Annotated[
        bool, Meta(description="A report that left paths out (`skip-dirs`, `skip-files`) is accepted.")
    ] = False
    require_stated: Annotated[
        bool,
        Meta(
            description="A report of which it is not known whether paths were left out is refused: one that another "
            "program than s3c made, and that was given."
        ),
    ] = False
    require_covered_sources: Annotated[
        bool,
        Meta(description="An image with packages from sources that publish no advisories is refused."),
    ] = False
    unscanned: Annotated[
        Literal["fail", "warn"],
        Meta(
            description="What an image means whose packages could not be checked, when its scan was made with "
            "`unscanned: warn`: `warn` accepts it too."
        ),
    ] = "fail"
    accept_previous_until: Annotated[
        date | None,
        Meta(
            description="The last day (UTC) on which reports of the previous version of s3c count, which do not state "
            "how much was scanned; never without it.",
            examples=["2027-01-31"],
        ),
    ] = None


class SbomRules(Part, frozen=True, kw_only=True):
    """Whether a bill of materials is asked for."""

    required: Annotated[bool, Meta(description="An image without a signed SBOM (SPDX) is refused.")] = False


class PackageRules(Part, frozen=True, kw_only=True):
    """Packages that no image may hold. Asks for an SBOM."""

    refuse: Annotated[
        tuple[Line, ...],
        Meta(
            description="`name`, or `name@version`; the version of a distribution's package with the distribution's "
            "own epoch and revision, or without them.",
            examples=[["xz-utils@5.6.0", "telnetd"]],
        ),
    ] = ()


class LicenseRules(Part, frozen=True, kw_only=True):
    """Licences that nothing in an image may be under. Asks for an SBOM."""

    refuse: Annotated[
        tuple[LicenseId, ...],
        Meta(
            description="SPDX identifiers; a deprecated one means its successor, `LicenseRef-NAME` a licence that a "
            "bill of materials calls so. A choice between licences counts as every one of them, and `-or-later` is a "
            "choice.",
            examples=[["AGPL-3.0-only", "SSPL-1.0"]],
        ),
    ] = ()


class ExploitationRules(Part, frozen=True, kw_only=True):
    """How old the data on exploited vulnerabilities may be, where findings are refused by it."""

    maximum_age: Annotated[
        Duration,
        Meta(
            description="So old may CISA's catalogue and FIRST's scores have been when the scan was made. Data that is "
            "older or missing denies."
        ),
    ] = "7d"


class PlatformRules(Part, frozen=True, kw_only=True):
    """Whether an image's distribution has to be supported."""

    end_of_life: Annotated[
        Literal["refuse", "accept"],
        Meta(description="An image of a distribution for which no more fixes are published: `refuse` denies it."),
    ] = "accept"


class BaseRules(Part, frozen=True, kw_only=True):
    """How old what an image is built on may be."""

    maximum_age: Annotated[
        Duration | None,
        Meta(
            description="So long ago may the lowest layer of an image have been made, which is its base's; an image "
            "that does not state it is refused. Any age without it.",
            examples=["90d"],
        ),
    ] = None


class BreakGlassRules(Part, frozen=True, kw_only=True):
    """How long an exception beside an image may last, which a signer that may grant exceptions made."""

    maximum: Annotated[
        Duration, Meta(description="So long may one last, from its creation to its end; never more than 72h.")
    ] = "72h"


class Policy(Part, frozen=True, kw_only=True):
    """What an image has to be before it is signed, deployed and admitted."""

    version: Annotated[Literal[1], Meta(description="Of this file's format.")]
    signers: Annotated[
        tuple[TrustedSigner, ...],
        Meta(description="Who may sign. The cluster and `s3c policy check` need at least one."),
    ] = ()
    findings: FindingRules = field(default_factory=FindingRules)
    exceptions: Annotated[tuple[AcceptedFinding, ...], Meta(description="Findings that are accepted for a while.")] = ()
    report: ReportRules = field(default_factory=ReportRules)
    exploitation: ExploitationRules = field(default_factory=ExploitationRules)
    platform: PlatformRules = field(default_factory=PlatformRules)
    base: BaseRules = field(default_factory=BaseRules)
    sbom: SbomRules = field(default_factory=SbomRules)
    packages: PackageRules = field(default_factory=PackageRules)
    licenses: LicenseRules = field(default_factory=LicenseRules)
    break_glass: BreakGlassRules = field(default_factory=BreakGlassRules)

    @property
    def image_signers(self) -> tuple[TrustedSigner, ...]:
        """Return the signers whose signatures of images and evidence count."""
        return tuple(signer for signer in self.signers if "sign" in signer.may)

    @property
    def granters(self) -> tuple[TrustedSigner, ...]:
        """Return the signers whose signatures of break-glass exceptions count."""
        return tuple(signer for signer in self.signers if "grant-exceptions" in signer.may)

    @property
    def longest_grant(self) -> timedelta:
        """Return how long a break-glass exception may last."""
        return timedelta(seconds=duration(self.break_glass.maximum))

    @property
    def maximum_age(self) -> timedelta:
        """Return the maximum age of a report."""
        return timedelta(seconds=duration(self.report.maximum_age))

    @property
    def maximum_database_age(self) -> timedelta | None:
        """Return the maximum age of the database at the scan; None: any age."""
        age = self.report.maximum_database_age
        return timedelta(seconds=duration(age)) if age is not None else None

    @property
    def required_scope(self) -> RequiredScope:
        """Return how much a scan has to cover."""
        return RequiredScope(
            scanners=self.report.scanners,
            pkg_types=self.report.pkg_types,
            everywhere=not self.report.allow_skipped,
            stated=self.report.require_stated,
        )

    @property
    def needs_sbom(self) -> bool:
        """Return whether an image without an SBOM is rejected."""
        return self.sbom.required or self.judges_contents

    @property
    def judges_contents(self) -> bool:
        """Return whether packages or licences are rejected."""
        return bool(self.packages.refuse or self.licenses.refuse)

    @property
    def refused_packages(self) -> tuple[tuple[str, str], ...]:
        """Return name and version of each rejected package; an empty version matches any."""
        return tuple(_split(package) for package in self.packages.refuse)

    @property
    def digest(self) -> str:
        """Return the digest (`sha256:…`) of the policy's content, independent of the file's formatting."""
        return "sha256:" + hashlib.sha256(msgspec.json.encode(self, order="sorted")).hexdigest()

    def gate(self, now: datetime) -> Threshold:
        """Return the gate that rejects findings as this policy does.

        Args:
            now: decides which exceptions still apply.
        """
        return Threshold(
            fail_on=None,
            refuse=frozenset(Severity.of(name) for name in self.findings.severities),
            graces=tuple(
                (Severity.of(name), timedelta(seconds=duration(grace))) for name, grace in self.findings.graces.items()
            ),
            epss=self.findings.epss,
            deny_exploited=self.findings.deny_exploited,
            fixable_only=self.findings.fixable_only,
            own_only=self.findings.scope == "own",
            bases=self.findings.bases,
            deny=frozenset(finding.upper() for finding in self.findings.deny),
            exemptions=tuple(
                Exemption(
                    id=exception.id,
                    package=exception.package,
                    ends=exception_end(exception.until),
                    until=exception.until.isoformat(),
                    why=exception.why,
                    who=exception.who,
                )
                for exception in self.exceptions
            ),
            now=now,
        )


def exception_end(until: date) -> datetime:
    """Return the moment from which an exception no longer applies: the start of the day after its last one."""
    if until == date.max:
        return datetime.max.replace(tzinfo=UTC)
    return datetime.combine(until + timedelta(days=1), time(), UTC)


def _split(package: str) -> tuple[str, str]:
    """Split a package into name and version; the name of an npm package may begin with an @."""
    name, at, version = package.rpartition("@")
    return (name, version) if at and name else (package, "")


def read(path: Path, *, field: str = "policy") -> Policy:
    """Read a policy.

    Args:
        path: of the file. Paths of certificates in it are relative to it, or to the working folder when the policy was
            given as text; they are read, so that the returned policy holds their text. Certificates of a vault remain
            references.
        field: the input it came from, for errors.

    Raises:
        InputError: it cannot be read, is not YAML, or has an invalid value; the message names the place.
    """
    name = "the text given" if pasted_content.is_kept(path) else str(path)
    with reading.reject_unreadable(name, field):
        text = reading.read_text_file(path, MAX_SIZE)
    policy = parse(text, name=name, field=field)
    folder = Path() if pasted_content.is_kept(path) else path.parent
    signers = tuple(_with_certificates(signer, folder, field) for signer in policy.signers)
    return msgspec.structs.replace(policy, signers=signers)


@lru_cache(maxsize=4)  # a run reads its policy several times, and YAML is slow to parse
def parse(text: str, *, name: str = DEFAULT_FILE, field: str = "policy") -> Policy:
    """Parse the text of a policy as `read` does, but keep the paths of certificates.

    Raises:
        InputError: it is not a policy.
    """
    policy = faults.decode(text, Policy, schema, name=name, field=field, manual=_MANUAL, inputs=_INPUTS)
    _check(policy, name, field)
    return policy


def schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of the file."""
    generated = msgspec.json.schema(Policy)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "s3c-policy.yaml, version 1",
        **generated,
    }


def _check(policy: Policy, name: str, field: str) -> None:
    _check_bases(policy, name, field)
    _check_names(policy, name, field)
    for number, entry in enumerate(policy.exceptions):
        if entry.id.upper() in {denied.upper() for denied in policy.findings.deny}:
            raise InputError(
                field,
                f"{name}: at exceptions[{number}]: {entry.id} is denied under `findings`, which no exception excuses.",
                remedy="Take it out of one of the two.",
            )
    for number, signer in enumerate(policy.signers):
        if signer.verify_timestamp != timestamps.ALWAYS and not signer.timestamp_roots:
            raise InputError(
                field,
                f"{name}: at signers[{number}]: verify-timestamp is given, and timestamp-roots is missing.",
                remedy="List the root certificates of the time-stamp authorities, or leave both out.",
            )
    signer_names = [signer.name for signer in policy.signers]
    for signer_name in signer_names:
        if signer_names.count(signer_name) > 1:
            raise InputError(
                field, f"{name}: two signers are called {signer_name}.", remedy="Give each a name of its own."
            )
    for number, signer in enumerate(policy.signers):
        try:
            identities.identity_entries(signer.identities, field)
        except InputError as error:
            error.what = error.what.replace(f"{field}: ", f"{field}: {name}: at signers[{number}].identities: ", 1)
            raise
    _check_times(policy, name, field)
    if (fault := policy.findings.fault()) is not None:
        raise InputError(
            field,
            f"{name}: at findings.{fault[0]}: {fault[1]}.",
            remedy='Write `refuse: [CRITICAL, {HIGH: {grace: 14d}}, {epss: ">=0.1"}]`, each thing once.',
        )


def _check_names(policy: Policy, name: str, field: str) -> None:
    """Raise InputError for an entry that would refuse nothing."""
    for place, entries, fault_of in (
        ("findings.deny", policy.findings.deny, names.finding_fault),
        ("packages.refuse", policy.packages.refuse, names.package_fault),
        ("licenses.refuse", policy.licenses.refuse, licences.identifier_fault),
    ):
        for number, entry in enumerate(entries):
            if fault := fault_of(entry):
                raise InputError(
                    field,
                    f"{name}: at {place}[{number}]: {pasted_content.shorten(entry)!r} {fault}.",
                    cause="It would refuse nothing.",
                    remedy="Write it as reports and bills of materials have it.",
                )


def _check_times(policy: Policy, name: str, field: str) -> None:
    for place, age in (
        ("report.maximum-age", policy.report.maximum_age),
        ("report.maximum-database-age", policy.report.maximum_database_age),
        ("exploitation.maximum-age", policy.exploitation.maximum_age),
        ("base.maximum-age", policy.base.maximum_age),
        *((f"findings.refuse: {severity}: grace", grace) for severity, grace in policy.findings.graces.items()),
    ):
        try:
            seconds = duration(age) if age is not None else None
        except ValueError as error:
            raise InputError(
                field, f"{name}: at {place}: {age} is too long.", remedy=f"Give {error}, such as 30d."
            ) from None
        if seconds is not None and seconds <= 0:
            raise InputError(field, f"{name}: at {place}: {age} is no time at all.", remedy="Give 24h or more.")
    if not timedelta() < policy.longest_grant <= LONGEST_GRANT:
        raise InputError(
            field,
            f"{name}: at break-glass.maximum: {policy.break_glass.maximum} is "
            + ("longer than 72h." if policy.longest_grant else "no time at all."),
            remedy="Give between 1m and 72h.",
        )


def _check_bases(policy: Policy, name: str, field: str) -> None:
    for number, base in enumerate(policy.findings.bases):
        if not is_base_entry(base):
            raise InputError(
                field,
                f"{name}: at findings.bases[{number}]: {base!r} is neither a reference nor a pattern of references.",
                remedy="Give such as `docker.io/library/*` or `registry.example/base/python:3.12`.",
            )
    for number, base in enumerate(policy.findings.bases):
        if policy.findings.scope == "own" and not names_registry(base):
            raise InputError(
                field,
                f"{name}: at findings.bases[{number}]: {base!r} is of any registry, and scope is own.",
                cause="Whoever builds an image could call one of their own its base.",
                remedy="Name the registry, as in `docker.io/library/*`.",
            )
    if policy.findings.scope == "own" and not policy.findings.bases:
        raise InputError(
            field,
            f"{name}: at findings: scope is own, and bases is missing.",
            cause="Whoever builds an image can call anything its base.",
            remedy="List the images that count as a base, such as `bases: [docker.io/library/*]`.",
        )


def _with_certificates(signer: TrustedSigner, folder: Path, field: str) -> TrustedSigner:
    sources = tuple(
        source
        if vault_certificate(source)
        else _certificate_text(source, f"certificate of signer {signer.name}", folder, field)
        for source in signer.certificates
    )
    roots = tuple(
        _certificate_text(source, f"time-stamp root of signer {signer.name}", folder, field)
        for source in signer.timestamp_roots
    )
    if roots:
        from s3c_actions.signing.key_files import read_timestamp_roots
    for root in roots:
        try:
            read_timestamp_roots(root.encode(), field)
        except InputError as error:
            error.what = error.what.replace(f"{field}: ", f"{field}: signer {signer.name}: timestamp-roots: ", 1)
            raise
    return msgspec.structs.replace(
        signer, certificate=sources[0] if len(sources) == 1 else sources, timestamp_roots=roots
    )


def _certificate_text(source: str, name: str, folder: Path, field: str) -> str:
    """Return the text of a certificate; `name` is what it is called in errors."""
    if not is_path(source):
        if "-----BEGIN" in source:
            return source
        raise InputError(
            field,
            f"the {name}, {pasted_content.shorten(source)}, is none of a key vault.",
            remedy="Give its identifier, https://VAULT.vault.azure.net/certificates/NAME, or a PEM file.",
        )
    path = folder / source
    try:
        return reading.read_text_file(path, encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        what = getattr(error, "strerror", "") or "it is not PEM"
        raise InputError(
            field,
            f"the {name}, {path}, cannot be read: {what}.",
            remedy="Give the path of a PEM file, relative to the policy, or the PEM text itself.",
        ) from error
