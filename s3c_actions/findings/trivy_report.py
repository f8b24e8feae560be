"""Trivy's JSON report (schema version 2, `trivy … --format json`) read into the finding model.

The shape is that of `pkg/types/report.go` in Trivy 0.74. Unneeded fields are skipped, the others are typed: a
report that is cut off, of another tool or with unknown values is an error, never "no findings".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from s3c_actions.core import reading
from s3c_actions.core.errors import InputError, OutsideError
from s3c_actions.core.moments import format_instant, parse_moment
from s3c_actions.core.patterns import late_pattern
from s3c_actions.core.reference import Reference
from s3c_actions.core.startup import paused
from s3c_actions.findings import go_json
from s3c_actions.findings.identity import hash_detail
from s3c_actions.findings.model import IMAGE_CONFIGURATION, Finding, FindingKind, ScanReport, Severity, rank_findings

SCHEMA_VERSION = 2
ARTIFACT_TYPES = ("container_image", "filesystem", "repository", "vm", "cyclonedx", "spdx")

_SeverityWord = Literal["", "UNKNOWN", "LOW", "MEDIUM", "HIGH", "CRITICAL"]
_SEVERITY_NAMES = ("UNKNOWN", "LOW", "MEDIUM", "HIGH", "CRITICAL")
_SUPPRESSING = {"ignored", "not_affected", "fixed"}
_UNVERIFIED = ("vex attestation in oci registry", "http://", "https://")
"""How Trivy names VEX that it took from beside the image (`--vex oci`), or from where an SBOM refers to: it verifies
neither, and whoever may push to the repository, or answers at that address, could set any finding aside."""


class _Struct(msgspec.Struct, rename="pascal", frozen=True, gc=False):
    """Go's field names are the JSON's, unless a tag says otherwise."""


class _Layer(_Struct, frozen=True):
    digest: str = ""
    diff_id: str = msgspec.field(default="", name="DiffID")


class _DataSource(_Struct, frozen=True):
    id: str = msgspec.field(default="", name="ID")
    name: str = ""


class _Identifier(_Struct, frozen=True):
    purl: str = msgspec.field(default="", name="PURL")


class _Score(_Struct, frozen=True):
    v2_vector: str = msgspec.field(default="", name="V2Vector")
    v2_score: float = msgspec.field(default=0.0, name="V2Score")
    v3_vector: str = msgspec.field(default="", name="V3Vector")
    v3_score: float = msgspec.field(default=0.0, name="V3Score")
    v40_vector: str = msgspec.field(default="", name="V40Vector")
    v40_score: float = msgspec.field(default=0.0, name="V40Score")


_NO_LAYER, _NO_IDENTIFIER, _NO_SOURCE = _Layer(), _Identifier(), _DataSource()


class _Vulnerability(_Struct, frozen=True):
    vulnerability_id: str = msgspec.field(name="VulnerabilityID")
    pkg_name: str
    installed_version: str = ""
    fixed_version: str = ""
    status: str = ""
    severity: _SeverityWord = ""
    severity_source: str = ""
    pkg_path: str = ""
    pkg_identifier: _Identifier = _NO_IDENTIFIER
    layer: _Layer = _NO_LAYER
    primary_url: str = msgspec.field(default="", name="PrimaryURL")
    data_source: _DataSource = _NO_SOURCE
    title: str = ""
    description: str = ""
    cwe_ids: tuple[str, ...] = msgspec.field(default=(), name="CweIDs")
    cvss: dict[str, _Score] = msgspec.field(default_factory=dict, name="CVSS")
    references: tuple[str, ...] = ()
    published_date: str = ""
    vendor_ids: tuple[str, ...] = msgspec.field(default=(), name="VendorIDs")


class _Cause(_Struct, frozen=True):
    resource: str = ""
    start_line: int = 0
    end_line: int = 0


_NO_CAUSE = _Cause()


class _Misconfiguration(_Struct, frozen=True):
    id: str = msgspec.field(name="ID")
    severity: _SeverityWord
    status: str = ""
    title: str = ""
    description: str = ""
    message: str = ""
    resolution: str = ""
    primary_url: str = msgspec.field(default="", name="PrimaryURL")
    references: tuple[str, ...] = ()
    layer: _Layer = _NO_LAYER
    cause_metadata: _Cause = _NO_CAUSE


class _Secret(_Struct, frozen=True):
    rule_id: str = msgspec.field(name="RuleID")
    severity: _SeverityWord
    category: str = ""
    title: str = ""
    start_line: int = 0
    end_line: int = 0
    match: str = ""
    layer: _Layer = _NO_LAYER


class _License(_Struct, frozen=True):
    name: str
    severity: _SeverityWord
    category: str = ""
    pkg_name: str = ""
    file_path: str = ""
    link: str = ""


class _Modified(_Struct, frozen=True):
    type: Literal["vulnerability", "misconfiguration", "secret", "license"]
    finding: msgspec.Raw
    status: str = ""
    statement: str = ""
    source: str = ""


class _Repository(_Struct, frozen=True):
    class_: str = msgspec.field(default="", name="Class")


class _Package(_Struct, frozen=True):
    name: str = ""
    version: str = ""
    release: str = ""
    epoch: int = 0
    repository: _Repository | None = None

    @property
    def installed(self) -> str:
        """The version as in a finding of Trivy's: `1:2.3-4`."""
        epoch = f"{self.epoch}:" if self.epoch else ""
        return f"{epoch}{self.version}" + (f"-{self.release}" if self.release else "")


class _Result(_Struct, frozen=True):
    target: str
    # Go's class is `json:"Class,omitempty"`, and so are Type and the lists.
    class_: str = msgspec.field(default="", name="Class")
    type: str = ""
    # Read here so that other readers of the file (coverage.py, scope_inference.py) find what they expect.
    packages: list[_Package] = msgspec.field(default_factory=list)
    vulnerabilities: list[_Vulnerability] = msgspec.field(default_factory=list)
    misconfigurations: list[_Misconfiguration] = msgspec.field(default_factory=list)
    secrets: list[_Secret] = msgspec.field(default_factory=list)
    licenses: list[_License] = msgspec.field(default_factory=list)
    modified: list[_Modified] = msgspec.field(default_factory=list, name="ExperimentalModifiedFindings")


class _OS(_Struct, frozen=True):
    family: str = ""
    name: str = ""
    eosl: bool = msgspec.field(default=False, name="EOSL")


class _HistoryEntry(msgspec.Struct, frozen=True):
    created: str = ""
    created_by: str = ""
    empty_layer: bool = False


class _ContainerConfig(msgspec.Struct, frozen=True):
    labels: dict[str, str] | None = msgspec.field(default=None, name="Labels")


class _ImageConfig(msgspec.Struct, frozen=True):
    """The OCI image configuration, as go-containerregistry writes it."""

    os: str = ""
    architecture: str = ""
    variant: str = ""
    history: list[_HistoryEntry] = msgspec.field(default_factory=list)
    config: _ContainerConfig = _ContainerConfig()


class _Metadata(_Struct, frozen=True):
    os: _OS | None = msgspec.field(default=None, name="OS")
    image_id: str = msgspec.field(default="", name="ImageID")
    diff_ids: list[str] = msgspec.field(default_factory=list, name="DiffIDs")
    repo_tags: list[str] = msgspec.field(default_factory=list)
    repo_digests: list[str] = msgspec.field(default_factory=list)
    image_config: _ImageConfig = _ImageConfig()


class _Trivy(_Struct, frozen=True):
    version: str = ""


class _Report(_Struct, frozen=True):
    schema_version: int
    artifact_name: str
    artifact_type: str
    trivy: _Trivy = _Trivy()
    created_at: str = ""
    metadata: _Metadata = _Metadata()
    results: list[_Result] = msgspec.field(default_factory=list)


class InvalidTrivyReport(ValueError):
    """The bytes are not a Trivy report that can be relied on; the message completes "FILE …"."""


_DECODER = msgspec.json.Decoder(_Report)
_MODIFIED: dict[str, msgspec.json.Decoder[Any]] = {
    "vulnerability": msgspec.json.Decoder(_Vulnerability),
    "misconfiguration": msgspec.json.Decoder(_Misconfiguration),
    "secret": msgspec.json.Decoder(_Secret),
    "license": msgspec.json.Decoder(_License),
}


def read(path: Path, *, field: str = "report") -> ScanReport:
    """Read a report given as an input.

    Args:
        path: of Trivy's JSON report.
        field: the input that named it, for the error.

    Raises:
        InputError: the file cannot be read, or is no Trivy report of schema version 2.
    """
    try:
        data = reading.read_file(path, reading.MAX_REPORT_BYTES)
    except OSError as error:
        raise InputError(
            field,
            f"{str(path)!r} cannot be read: {error.strerror or error}.",
            remedy="Give the path of a report written by `trivy image --format json`.",
        ) from error
    if field == "report" and not path.is_file():
        raise InputError(
            field,
            f"{str(path)!r} is a pipe, and what it holds is there once: the report is read several times.",
            remedy="Write it to a file, and give the path of that.",
        )
    try:
        return parse(data)
    except InvalidTrivyReport as error:
        raise InputError(
            field,
            f"{str(path)!r} {error}.",
            remedy="Give the whole of a report written by `trivy image --format json` (schema version 2).",
        ) from error


def read_output(path: Path, *, image: str) -> ScanReport:
    """Read a report that Trivy has just written.

    Args:
        path: of the report.
        image: what was scanned, for the error.

    Raises:
        OutsideError: there is none, or it cannot be understood. It is never taken for "no findings".
    """
    try:
        return parse(reading.read_file(path, reading.MAX_REPORT_BYTES))
    except (OSError, InvalidTrivyReport) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise OutsideError(
            f"The report that Trivy wrote to {path.name} cannot be used: it {why}.",
            cause="Trivy was probably stopped while writing, the disk is full, or its format is newer than 0.74's.",
            remedy="Look at Trivy's messages above and scan again.",
            image=image,
        ) from error


def parse(data: bytes) -> ScanReport:
    """Read a report.

    Args:
        data: the whole JSON text, UTF-8.

    Returns:
        All findings, the most severe first; those that an ignore file, VEX or policy suppresses are in `suppressed`.

    Raises:
        InvalidTrivyReport: it is something else, which the message names.
    """
    try:
        with paused():
            report = _check_format(go_json.decode(data, _DECODER))
            _check_members(data, report)
            return _scan_report(report)
    except (UnicodeDecodeError, RecursionError) as error:
        raise InvalidTrivyReport(f"is not JSON that can be read: {error}") from error
    except msgspec.ValidationError as error:
        what = _explain_bytes(data) or f"is {_recognise_format(data)}"
        raise InvalidTrivyReport(f"{what}: {_error_clause(error)}" if what == _DAMAGED else what) from error
    except msgspec.DecodeError as error:
        raise InvalidTrivyReport(_explain_damage(data, error)) from error


class _Packages(_Struct, frozen=True):
    packages: list[_Package] = msgspec.field(default_factory=list)


class _Inventory(_Struct, frozen=True):
    results: list[_Packages] = msgspec.field(default_factory=list)


_INVENTORY = msgspec.json.Decoder(_Inventory)


def installed_versions(data: bytes) -> dict[str, str]:
    """The version of each package that a report lists, by name; the last one of a name that is listed twice.

    Args:
        data: a valid report, written with all packages.
    """
    inventory = go_json.decode(data, _INVENTORY)
    return {package.name: package.installed for result in inventory.results for package in result.packages}


def count_packages(data: bytes) -> int:
    """The number of packages that a report lists; arguments as of `installed_versions`."""
    return sum(len(result.packages) for result in go_json.decode(data, _INVENTORY).results)


def _check_format(report: _Report) -> _Report:
    if report.schema_version != SCHEMA_VERSION:
        raise InvalidTrivyReport(
            f"is {_describe_schema(report.schema_version)}; version {SCHEMA_VERSION} is understood"
        )
    if report.artifact_type not in ARTIFACT_TYPES:
        raise InvalidTrivyReport(
            f"is a report on an artifact of type {_shorten(report.artifact_type)}; "
            f"{', '.join(ARTIFACT_TYPES)} are understood"
        )
    return report


_LISTS = ("Vulnerabilities", "Misconfigurations", "Secrets", "Licenses", "ExperimentalModifiedFindings")
_LEVELS = (
    frozenset({"Results"}),
    frozenset({*_LISTS, "Class"}),
    frozenset({"Severity", "Finding"}),
    frozenset({"Severity"}),
)


_ESCAPED_NAME = late_pattern(rb'\\u[0-9A-Fa-f]{4}[A-Za-z]{0,40}"\s*:')
_GO_LETTERS = ("\N{LATIN SMALL LETTER LONG S}".encode(), "\N{KELVIN SIGN}".encode())
"""Go takes them for `s` and `k`."""


def _check_members(data: bytes, report: _Report) -> None:
    """Raise InvalidTrivyReport when findings may stand where only other readers see them: `results`, or two `Results`.

    Reports have tens of megabytes: members are looked at one by one only where their number is not as expected.
    """
    expected = dict.fromkeys(_LISTS, 0) | {"Results": 1, "Severity": 0}
    for result in report.results:
        lists: tuple[Sized, ...] = (
            *(result.vulnerabilities, result.misconfigurations, result.secrets),
            *(result.licenses, result.modified),
        )
        for name, findings in zip(_LISTS, lists, strict=True):
            expected[name] += len(findings) > 0
            expected["Severity"] += len(findings)
    lowered = data.lower()
    suspect = any(letter in data for letter in _GO_LETTERS) or bool(_ESCAPED_NAME.search(data))
    for name in (*expected, "Class"):
        number = data.count(f'"{name}"'.encode())
        others = lowered.count(f'"{name.lower()}"'.encode()) - number
        suspect = suspect or bool(others) or number > expected.get(name, number)
    if not suspect:
        return
    try:
        name = go_json.ambiguous_member(data, _LEVELS)
    except ValueError as error:
        raise InvalidTrivyReport(f"is not JSON that can be read: {error}") from error
    if name:
        raise InvalidTrivyReport(
            f"is a damaged Trivy report: {_shorten(name)} stands in it twice, or in letters that are not Trivy's"
        )


def _scan_report(report: _Report) -> ScanReport:
    findings: list[Finding] = []
    suppressed: list[Finding] = []
    for result in _fixed_targets(report):
        findings.extend(_vulnerability_finding(vulnerability, result) for vulnerability in result.vulnerabilities)
        findings.extend(_secret_finding(secret, result) for secret in result.secrets)
        findings.extend(_license_finding(license_, result) for license_ in result.licenses)
        findings.extend(
            # Passed checks are listed with --include-non-failures; any status but these two is a failure.
            _misconfiguration_finding(misconfiguration, result)
            for misconfiguration in result.misconfigurations
            if misconfiguration.status not in {"PASS", "EXCEPTION"}
        )
        for modified in result.modified:
            # Trivy takes what it modifies out of the lists above. With a status that does not mean harmless it stays.
            if modified.status in _SUPPRESSING and not modified.source.lower().startswith(_UNVERIFIED):
                suppressed.append(_modified_finding(modified, result))
            else:
                findings.append(replace(_modified_finding(modified, result), suppressed=""))
    metadata = report.metadata
    config = metadata.image_config
    layers = [entry.created_by for entry in config.history if not entry.empty_layer]
    return ScanReport(
        image=report.artifact_name,
        artifact_type=report.artifact_type,
        digest=_find_digest(report.artifact_name, metadata.repo_digests),
        image_id=metadata.image_id,
        repo_tags=tuple(metadata.repo_tags),
        repo_digests=tuple(metadata.repo_digests),
        platform="/".join(part for part in (config.os, config.architecture, config.variant) if part),
        os=" ".join(part for part in (metadata.os.family, metadata.os.name) if part) if metadata.os else "",
        os_end_of_life=bool(metadata.os and metadata.os.eosl),
        findings=rank_findings(findings),
        suppressed=rank_findings(suppressed),
        created=_in_utc(report.created_at),
        database="",
        scanner_version=report.trivy.version,
        diff_ids=tuple(metadata.diff_ids),
        # Without one history entry a layer it is unknown which instruction made which.
        history=tuple(layers) if len(layers) == len(metadata.diff_ids) else (),
        labels=dict(config.config.labels or {}),
        base_created=next((entry.created for entry in config.history if not entry.empty_layer), ""),
    )


def _in_utc(text: str) -> str:
    """Return a time of Trivy's, which is in the zone of its machine, in UTC; what is no time stays."""
    moment = parse_moment(text)
    return text if moment is None or text.endswith("Z") else format_instant(moment)


def _fixed_targets(report: _Report) -> Iterator[_Result]:
    """Yield the results, those of the image's configuration with a fixed target.

    Trivy writes the image's name with tag or digest there (pkg/scan/local/service.go: mergeSecrets,
    mergeMisconfigurations).
    """
    names: set[str] = set()
    if report.artifact_type == "container_image":
        names = {report.artifact_name, *report.metadata.repo_tags, *report.metadata.repo_digests}
    for result in report.results:
        of_configuration = result.class_ in {"secret", "config"} and result.target in names
        yield replace(result, target=IMAGE_CONFIGURATION) if of_configuration else result


def _vulnerability_finding(vulnerability: _Vulnerability, result: _Result, suppressed: str = "") -> Finding:
    score, vector, score2, vector2 = _cvss_scores(vulnerability)
    return Finding(
        kind=FindingKind.VULNERABILITY,
        id=vulnerability.vulnerability_id,
        severity=Severity.of(vulnerability.severity),
        package=vulnerability.pkg_name,
        installed=vulnerability.installed_version,
        fixed=vulnerability.fixed_version,
        package_type=result.type,
        result_class=result.class_,
        purl=vulnerability.pkg_identifier.purl,
        target=result.target,
        path=vulnerability.pkg_path,
        title=vulnerability.title,
        description=vulnerability.description,
        status=vulnerability.status,
        url=vulnerability.primary_url,
        references=vulnerability.references,
        score=score,
        vector=vector,
        score2=score2,
        vector2=vector2,
        cwes=vulnerability.cwe_ids,
        source=vulnerability.data_source.name,
        layer=vulnerability.layer.diff_id or vulnerability.layer.digest,
        suppressed=suppressed,
        published=vulnerability.published_date,
        aliases=vulnerability.vendor_ids,
    )


def _cvss_scores(vulnerability: _Vulnerability) -> tuple[float | None, str, float | None, str]:
    """The scores of the vendor whose severity Trivy used, else of a vendor that rates nearly everything.

    Returns:
        Score and vector of version 3, or 4 without one; score and vector of version 2, of any of these vendors.
    """
    ratings = [
        rating
        for vendor in (vulnerability.severity_source, "nvd", "ghsa", "redhat")
        if (rating := vulnerability.cvss.get(vendor)) is not None
    ]
    newer = next(
        (
            (rating.v3_score, rating.v3_vector) if rating.v3_score else (rating.v40_score, rating.v40_vector)
            for rating in ratings
            if rating.v3_score or rating.v40_score
        ),
        (None, ""),
    )
    older = next(((rating.v2_score, rating.v2_vector) for rating in ratings if rating.v2_score), (None, ""))
    return *newer, *older


def _secret_finding(secret: _Secret, result: _Result, suppressed: str = "") -> Finding:
    return Finding(
        kind=FindingKind.SECRET,
        id=secret.rule_id,
        severity=Severity.of(secret.severity),
        result_class=result.class_,
        target=result.target,
        title=secret.title,
        description=secret.match,
        category=secret.category,
        layer=secret.layer.diff_id or secret.layer.digest,
        line=secret.start_line,
        end_line=secret.end_line,
        detail=hash_detail(secret.match),
        suppressed=suppressed,
    )


def _misconfiguration_finding(misconfiguration: _Misconfiguration, result: _Result, suppressed: str = "") -> Finding:
    cause = misconfiguration.cause_metadata
    return Finding(
        kind=FindingKind.MISCONFIGURATION,
        id=misconfiguration.id,
        severity=Severity.of(misconfiguration.severity),
        package_type=result.type,
        result_class=result.class_,
        target=result.target,
        title=misconfiguration.title,
        description="\n".join(part for part in (misconfiguration.message, misconfiguration.description) if part),
        url=misconfiguration.primary_url,
        references=misconfiguration.references,
        layer=misconfiguration.layer.diff_id or misconfiguration.layer.digest,
        line=cause.start_line,
        end_line=cause.end_line,
        remedy=misconfiguration.resolution,
        # A check without line and resource is of the whole file, and fails once.
        detail=hash_detail(cause.resource, misconfiguration.message) if cause.start_line or cause.resource else "",
        suppressed=suppressed,
    )


def _license_finding(license_: _License, result: _Result, suppressed: str = "") -> Finding:
    return Finding(
        kind=FindingKind.LICENSE,
        id=license_.name,
        severity=Severity.of(license_.severity),
        package=license_.pkg_name,
        result_class=result.class_,
        target=license_.file_path or result.target,
        category=license_.category,
        url=license_.link,
        suppressed=suppressed,
    )


def _modified_finding(modified: _Modified, result: _Result) -> Finding:
    statement = modified.statement or modified.status.replace("_", " ") or "set aside"
    reason = f"{statement} ({modified.source})" if modified.source else statement
    finding = go_json.decode(bytes(modified.finding), _MODIFIED[modified.type])
    if modified.type == "vulnerability":
        return _vulnerability_finding(finding, result, reason)
    if modified.type == "misconfiguration":
        return _misconfiguration_finding(finding, result, reason)
    if modified.type == "secret":
        return _secret_finding(finding, result, reason)
    return _license_finding(finding, result, reason)


def _find_digest(name: str, repo_digests: Iterable[str]) -> str:
    """The digest under the name scanned; a local image may be known by several repositories."""
    digests = [entry.rpartition("@") for entry in repo_digests]
    own = _repository(name)
    return next(
        (digest for repository, _, digest in digests if own and _repository(repository) == own),
        digests[0][2] if digests else "",
    )


def _repository(name: str) -> str:
    try:
        return Reference.parse(name).name
    except InputError:
        return ""


def _error_clause(error: msgspec.ValidationError) -> str:
    text = str(error)
    if text.startswith("Invalid enum value") and text.endswith(".Severity`"):
        text = f"{text.removeprefix('Invalid enum value ')} is no severity of Trivy's ({', '.join(_SEVERITY_NAMES)})"
    return _shorten(text, quote=False)


def _shorten(text: str, *, quote: bool = True) -> str:
    short = text if len(text) <= 200 else text[:200] + "…"
    return repr(short) if quote else short


def _explain_damage(data: bytes, error: msgspec.DecodeError) -> str:
    if not data.strip():
        return "is empty"
    if what := _explain_bytes(data):
        return what
    if data.lstrip()[:1] not in b"{[":
        return "is not JSON"
    if "truncated" in str(error):
        return f"is cut off after {len(data):,} bytes"
    return f"is not JSON: {_shorten(str(error), quote=False)}"


def _explain_bytes(data: bytes) -> str:
    """Describe what stands in the way of the JSON in a file; empty when nothing does that is known."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "is UTF-16, as `>` of Windows PowerShell writes it: let Trivy write it: `trivy image --output FILE`"
    if data.startswith(b"\xef\xbb\xbf"):
        return "begins with a byte order mark, which JSON does not have: save it as UTF-8 without one"
    if data.startswith(b"\x1f\x8b"):
        return "is packed with gzip: unpack it first"
    first = data.lstrip()[:1]
    if first not in b"{[" and b"\n{" in data:
        return "has lines before its JSON, such as Trivy's log: let Trivy write it: `trivy image --output FILE`"
    return ""


_DAMAGED = "is a damaged Trivy report"
_FIRST_SCHEMA = "a report of a Trivy before 0.20 (schema version 1), and an old one may come first on PATH"


def _describe_schema(version: int) -> str:
    return _FIRST_SCHEMA if version < SCHEMA_VERSION else f"a report of a newer Trivy (schema version {version})"


_FORMATS = (
    ("matches", "Grype's JSON report"),
    ("bomFormat", "a CycloneDX document"),
    ("spdxVersion", "an SPDX document"),
    ("lockfileVersion", "an npm lock file"),
    ("runs", "a SARIF file"),
    ("ClusterName", "a report of `trivy k8s`"),
    ("vulnerabilities", "another scanner's report"),
)


def _recognise_format(data: bytes) -> str:
    """Describe what the JSON is, for the error of a wrong file."""
    try:
        document = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "no Trivy report"
    if isinstance(document, dict):
        return _recognise_object(document)
    old = isinstance(document, list) and document and all(isinstance(row, dict) and "Target" in row for row in document)
    return _FIRST_SCHEMA if old else "no Trivy report"


def _recognise_object(document: dict[str, Any]) -> str:
    version = document.get("SchemaVersion")
    if isinstance(version, int) and version != SCHEMA_VERSION:
        return _describe_schema(version)
    if version is not None:
        return "a damaged Trivy report"
    name = next((name for key, name in _FORMATS if key in document), "")
    if name:
        return f"{name}, not Trivy's JSON report"
    return "no Trivy report" if document else "an empty object, no Trivy report"
