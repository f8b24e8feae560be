"""Scan one image: one run of Trivy, all its reports, the gate, the difference to a baseline."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from s3c_actions.core import reading, startup, writing
from s3c_actions.core.errors import InputError, OutsideError, Refused, S3CError
from s3c_actions.core.progress import Progress
from s3c_actions.core.reference import Reference, is_image_id
from s3c_actions.core.text import plural
from s3c_actions.findings import trivy_report, trivy_warnings
from s3c_actions.findings.advisories import Database
from s3c_actions.findings.difference import compare_scans
from s3c_actions.findings.exploitation import ExploitationFacts
from s3c_actions.findings.headline import (
    describe_exploited,
    describe_findings,
    describe_hidden,
    describe_limits,
    list_counts,
    tally,
)
from s3c_actions.findings.identity import pinned_reference
from s3c_actions.findings.model import ScanReport, count_by_severity
from s3c_actions.findings.scope import Scope, SettingsFile, describe_parts
from s3c_actions.findings.selection import EVERYTHING, Selection, select
from s3c_actions.findings.threshold import Threshold, closed_error
from s3c_actions.findings.trivy_warnings import WarningAssessment
from s3c_actions.programs.trivy import ignore
from s3c_actions.programs.trivy.trivy import Conversion, ScanOptions, ScanRequest
from s3c_actions.registry import Registry, choose
from s3c_actions.registry.base_images import BaseFinder
from s3c_actions.registry.oci_layout import layout_platforms
from s3c_actions.report import format_registry, formats
from s3c_actions.report.format_registry import by_name
from s3c_actions.report.rendering import Rendering
from s3c_actions.result.model import ScanResult
from s3c_actions.steps import assess
from s3c_actions.steps.assess import Criteria
from s3c_actions.steps.reuse import ReportStore, file_hash

if TYPE_CHECKING:
    from s3c_actions.policy.model import Policy
    from s3c_actions.programs.trivy.ignore import IgnoreEntry
    from s3c_actions.steps.protocols import Scanner


class ScanSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How to scan, and how to judge the result.

    Attributes:
        options: for Trivy.
        folder: for the image's reports.
        entry_platform: the platform that an index states for the image, passed to Trivy.
        temp: removed after the run.
        now: for what expires and for the age of a kept report.
        cwd: where Trivy finds its default files.
        title: the name of this scan for people: `scan` or `rescan`.
        store: of kept reports; None always scans and keeps nothing.
        reuse_within: maximum age of a kept report; None: any.
        source: `auto`, one of `programs.trivy.SOURCES`, or `archive`.
        docker: whether a Docker may answer here, on which `auto` falls back.
        lacks_local: whether the local Docker answers that it has no such image.
        formats: names of `report.format_registry`.
        selection: of the findings shown in reports for people; with `limit_sarif` its severities in SARIF too.
            Vulnerabilities without a fix that it leaves out do not close the gate either, unless a policy is the gate.
        gate: the threshold, for every severity whether shown or not.
        policy: the policy of the gate, None without one; it judges packages and licences too.
        unscanned_fails: packages that could not be checked close a gate.
        ignored: entries of the ignore files.
        files: that suppress findings, narrow the scan or decide its gate.
        bases: finds the base of the image; None without any that counts as one.
        warnings: initial sentences of the result.
        fix_history: as of `Criteria`.
        exploitation: as of `Criteria`. A kept report is Trivy's alone, so that new data counts for it too.
    """

    options: ScanOptions
    folder: Path
    temp: Path
    now: datetime
    cwd: Path
    gate: Threshold
    policy: Policy | None
    unscanned_fails: bool
    title: str = "scan"
    entry_platform: str = ""
    store: ReportStore | None = None
    reuse_within: timedelta | None = None
    source: str = "auto"
    docker: Callable[[], bool] = lambda: False
    lacks_local: Callable[[str], bool] = lambda _image: False
    formats: tuple[str, ...] = ("json",)
    selection: Selection = EVERYTHING
    limit_sarif: bool = False
    baseline: ScanReport | None = None
    dockerfile: str = ""
    dockerfile_text: str = ""
    category: str = ""
    ignored: tuple[IgnoreEntry, ...] = ()
    files: tuple[SettingsFile, ...] = ()
    bases: BaseFinder | None = None
    warnings: tuple[str, ...] = ()
    exploitation: ExploitationFacts | None = None
    fix_history: Callable[[ScanReport, str], ScanReport] | None = None

    def criteria(self, trivy: Scanner) -> Criteria:
        """Return the criteria for every report of this run, scanned or given.

        Args:
            trivy: creates bills of materials.
        """
        return Criteria(
            gate=self.gate,
            policy=self.policy,
            unscanned_fails=self.unscanned_fails,
            ignore_unfixed=self.selection.fixed_only,
            now=self.now,
            bill=lambda report: make_sbom(report, trivy, self.temp),
            exploitation=self.exploitation,
            fix_history=self.fix_history,
            bases=self.bases,
        )


class _Target(msgspec.Struct, frozen=True, kw_only=True):
    """The target of Trivy's scan.

    Attributes:
        name: in Trivy's terms; in a registry, pinned to the image of one platform.
        source: where Trivy reads it.
        reference: to return, when it is known before the scan.
        digest: of the image of one platform, empty when none is known.
        platform: as stated by an index.
        notice: a sentence on what of an index is not scanned.
        refused: the registry's error, before it was looked for elsewhere.
    """

    name: str
    source: str
    reference: str = ""
    digest: str = ""
    platform: str = ""
    notice: str = ""
    refused: S3CError | None = None

    @property
    def pinned(self) -> str:
        """Return the image of one platform with its digest; empty when none is known."""
        return self.name if self.digest else ""


def run(image: str, settings: ScanSettings, *, trivy: Scanner, registry: Registry, progress: Progress) -> ScanResult:
    """Scan one image.

    Args:
        image: a reference, or the path of an archive or OCI layout when `settings.source` says so.
        settings: how to scan.
        trivy: the program.
        registry: resolves the reference once; everything after works on its digest.
        progress: receives a step of its own.

    Returns:
        The complete report and the one shown; all reports are written, whatever the gate decides.

    Raises:
        InputError: the image, its platform, or a given file does not exist or is not understood.
        OutsideError: a registry, a database or Trivy failed, or gave an unreliable answer.
    """
    started = time.monotonic()
    with progress.step(settings.title) as step:
        clear_reports(settings.folder)
        target = _resolve(image, settings, registry, progress, gated=settings.criteria(trivy).closes)
        if target.notice:
            progress.notice(target.notice)
            settings = replace(settings, warnings=(*settings.warnings, target.notice))
        warming = startup.warm(then=partial(formats.prepare, settings.formats))
        path, reused, warned = _scan(image, target, settings, trivy, progress)
        report = _read_checked(path, image, target, settings)
        database = trivy.database() if "vuln" in settings.options.scanners else None
        if database is not None:
            report = replace(report, database=database.updated_at.isoformat())
        warming.join()
        result = _judge(
            path,
            report,
            image=image,
            target=target,
            settings=settings,
            trivy=trivy,
            kept=reused is not None,
            warned=warned,
        )
        for warning in result.warnings:
            if warning not in settings.warnings:
                progress.warning(warning)
        result = _write_reports(result, settings, trivy)
        result = replace(result, seconds=time.monotonic() - started)
        reuse_note = (
            "" if reused is None else f" (same digest as before, report reused: {assess.format_age(reused)} old)"
        )
        step.done(_summary(result) + reuse_note)
    return result


def check_archive(path: str) -> None:
    """Raise InputError when there is neither an archive nor an OCI layout, `folder` or `folder:tag`, at a path."""
    if not Path(path).exists() and not Path(path.rpartition(":")[0] or path).is_dir():
        raise InputError("input", f"{path!r} does not exist.", remedy="Give the path of an image archive.")


def closed_gate_error(result: ScanResult, gate: Threshold, *, consequence: str = "") -> Refused | None:
    """Return why the gate is closed for a scanned image, None when it is open.

    Args:
        result: of the scan.
        gate: of the scan.
        consequence: a sentence on what was not done because of it.
    """
    then = f" {consequence}" if consequence else ""
    if result.refused:
        return closed_error(result.reference, gate, result.refused, consequence=consequence)
    if result.contents or result.objections:
        return _rule_error(result, then)
    if result.missing:
        return Refused(
            f"The policy requires a scan that looks at {describe_parts(result.missing)}, and this one did not.",
            cause="The inputs `scanners` and `pkg-types` leave it out, or the report given was made without it.",
            remedy=f"Scan with all that the policy requires, and list all packages.{then}",
            image=result.reference,
        )
    if result.outdated:
        return Refused(
            result.outdated,
            cause="Vulnerabilities become known every day, and an earlier report has none of them.",
            remedy="Scan again, or say in the policy how old a report may be (`report.maximum-age`)." + then,
            image=result.reference,
        )
    if result.blind and gate.closes:
        return Refused(
            result.blind,
            cause="That no findings are there does not mean that none are: the gate stays closed.",
            remedy="Base the image on a distribution that Trivy knows, let Trivy download today's database, scan "
            "libraries only with `pkg-types: library`, or accept it with `unscanned: warn`." + then,
            image=result.reference,
        )
    return None


def _rule_error(result: ScanResult, then: str) -> Refused:
    """Return the error of rules of the policy on contents, exploitation data, platform or base."""
    if result.contents:
        from s3c_actions.policy.judge import content_objections

        what = "; ".join(objection.text for objection in content_objections(result.contents))
        return Refused(
            f"{what[:1].upper()}{what[1:]}.",
            cause="The policy refuses packages and licences by name.",
            remedy="Change what the image is made of, or the policy." + then,
            image=result.reference,
        )
    what = "; ".join(objection.text for objection in result.objections)
    return Refused(
        f"{what[:1].upper()}{what[1:]}.",
        cause="The policy has rules on exploited vulnerabilities, on the platform or on the base.",
        remedy="Do what is named, or change the policy." + then,
        image=result.reference,
    )


def clear_reports(folder: Path) -> None:
    """Remove the reports of an earlier run, so that they are not mistaken for this one's."""
    for form in format_registry.FORMATS:
        writing.remove(folder / form.file)


def _unscanned_in_folder(image: str, *, gated: bool) -> str:
    """Return a sentence on what of a folder in OCI layout is not scanned; empty when there is one image.

    Raises:
        InputError: a gate would pass what was not scanned.
    """
    platforms = layout_platforms(image)
    if len(platforms) < 2:
        return ""
    what = f"{image} holds images for {', '.join(platforms)}, and in a folder Trivy looks at the first alone."
    if gated:
        raise InputError(
            "input",
            what,
            cause="A gate has to look at all of them.",
            remedy="Push it (`s3c mirror` does, to the byte) and scan it by its reference, or leave the gate out.",
            image=image,
        )
    return what


def _resolve(image: str, settings: ScanSettings, registry: Registry, progress: Progress, *, gated: bool) -> _Target:
    if settings.source == "archive":
        check_archive(image)
        return _Target(name=image, source="archive", notice=_unscanned_in_folder(image, gated=gated))
    local = is_image_id(image) and settings.source != "registry"
    reference = None if local else Reference.parse(image)
    if reference is None or settings.source not in {"auto", "registry"}:
        if settings.source in {"auto", "docker"} and settings.lacks_local(image):
            raise InputError(
                "image",
                f"{image} is not in the local Docker.",
                remedy="Build or pull it first, or take it from its registry with `image-source` registry.",
            )
        return _Target(name=image, source="docker" if settings.source == "auto" else settings.source)
    try:
        descriptor = registry.resolve(reference)
    except S3CError as error:
        if settings.source == "registry" or not settings.docker() or settings.lacks_local(image):
            raise
        progress.note(f"{error.what} Looking for it in the local Docker.")
        return _Target(name=image, source="docker", refused=error)
    pinned = reference.at(descriptor.digest).pinned
    if not descriptor.is_index:
        return _Target(
            name=pinned, source="registry", reference=pinned, digest=descriptor.digest, platform=settings.entry_platform
        )
    index = registry.flatten(reference, descriptor)
    chosen = choose(index, settings.options.platform, reference)
    name = reference.at(chosen.digest).pinned
    target = _Target(name=name, source="registry", reference=pinned, digest=chosen.digest, platform=chosen.platform)
    if len(index.images) == 1:
        return target
    # The returned reference is the scanned image.
    notice = (
        f"{image} is an image for {', '.join(index.platforms)}: {chosen.platform} alone is looked at, and handed on "
        "by its own digest."
    )
    return replace(target, reference=name, notice=notice)


def _scan(
    image: str, target: _Target, settings: ScanSettings, trivy: Scanner, progress: Progress
) -> tuple[Path, timedelta | None, WarningAssessment]:
    """Return Trivy's JSON in the image's folder, the age of a kept report, and the judgement of Trivy's warnings."""
    path = settings.folder / by_name("json").file
    store = settings.store
    before = reuse_facts(target.pinned, settings, trivy) if store is not None else None
    _make_folder(settings.folder)
    if store is not None and before is not None:
        kept = store.find(before, digest=target.digest, now=settings.now, within=_maximum_kept_age(settings, trivy))
        if kept is not None:
            _copy(kept.path, path)
            return path, settings.now - datetime.fromisoformat(kept.report.created), trivy_warnings.NO_WARNINGS
    new = settings.temp / f"trivy-{threading.get_ident()}.json"
    new.unlink(missing_ok=True)
    try:
        options = replace(settings.options, platform=target.platform or settings.options.platform)
        request = ScanRequest(image=target.name, source=target.source, output=new, options=options, asked=image)
        warned = trivy_warnings.assess_warnings(trivy.scan(request, progress), settings.options.scanners)
    except InputError as error:
        # The registry's error explains more than the absence from the local Docker.
        if target.refused is not None and error.field == "image":
            raise target.refused from error
        raise
    except OutsideError as error:
        if target.refused is not None and "local docker" in error.what:
            raise target.refused from error
        raise
    _copy(new, path)
    new.unlink(missing_ok=True)
    after = reuse_facts(target.pinned, settings, trivy) if store is not None else None
    # Only reports without warnings are kept: a kept report is later used as one.
    if store is not None and after is not None and before in (None, after) and warned == trivy_warnings.NO_WARNINGS:
        store.keep(after, path)
    return path, None, warned


def _maximum_kept_age(settings: ScanSettings, trivy: Scanner) -> timedelta | None:
    """Return how old a kept report may be: one that the gate would reject is not looked for."""
    criteria = settings.criteria(trivy)
    limits = [settings.reuse_within, criteria.maximum_age if criteria.closes else None]
    return min((limit for limit in limits if limit is not None), default=None)


def reuse_facts(reference: str, settings: ScanSettings, trivy: Scanner) -> dict[str, object] | None:
    """Return everything a report depends on, or may; None when that cannot be known, and then nothing is reused.

    It cannot be determined for files that a configuration file or policy refers to, the current content of a VEX
    repository, the image of a local daemon or an archive, and a database that Trivy would first replace by a newer one.

    Args:
        reference: with its digest; empty when it has none. The repository counts, because Trivy's report names it.
        settings: of the scan.
        trivy: the program with its cache.
    """
    options = settings.options
    remote_vex = {"repo", "repository", "oci", "sbom-ref"} & set(options.vex)
    if not reference or options.config or options.ignore_policy or remote_vex:
        return None
    databases = {}
    for name in ("db", "java-db"):
        database = trivy.database(name)
        if database is None:
            if name == "db" and "vuln" in options.scanners:
                return None
            continue
        if not options.offline and not database.fresh(settings.now):
            return None
        databases[name] = database.updated_at.isoformat()
    checks = trivy.cache / "policy" / "metadata.json"
    if {"misconfig"} & {*options.scanners, *options.image_config_scanners}:
        if not options.offline and not _recent(checks, settings.now):
            return None
        databases["checks"] = file_hash(checks)
    environment = {name: _hashed(value) for name, value in sorted(trivy.settings_in_environment().items())}
    return {
        "reference": reference,
        "trivy": trivy.version,
        "databases": databases,
        # Whatever Trivy is told: a field that is added counts without being named here.
        "options": {name: _fact(getattr(options, name)) for name in options.__struct_fields__},
        # Trivy ignores expired entries by itself.
        "expired": sorted(entry.id for entry in settings.ignored if entry.expires and entry.expires < settings.now),
        "vex": [file_hash(Path(document)) for document in options.vex],
        "environment": environment,
    }


def _fact(value: object) -> object:
    """Return a value in a form that JSON can hold, a file by its hash."""
    if isinstance(value, Path):
        return file_hash(value)
    return [_fact(item) for item in value] if isinstance(value, tuple) else value


def _hashed(text: str) -> str:
    """Return the hash of a setting, which may contain a password."""
    return hashlib.sha256(text.encode()).hexdigest()


def _recent(path: Path, now: datetime) -> bool:
    """Return whether Trivy's checks are less than a day old, so that it would not look for newer ones."""
    try:
        return now.timestamp() - path.stat().st_mtime < timedelta(days=1).total_seconds()
    except OSError:
        return False


def _read_checked(path: Path, image: str, target: _Target, settings: ScanSettings) -> ScanReport:
    """Return the report, checked to be of the requested digest and platform."""
    report = trivy_report.read_output(path, image=image)
    requested = settings.options.platform
    if requested and report.platform and not _same_platform(requested, report.platform):
        raise InputError(
            "platform",
            f"the image has none for {requested}: it is for {report.platform} alone.",
            remedy=f"Leave the platform out, or give {report.platform}.",
            image=image,
        )
    if target.digest and report.digest and report.digest != target.digest:
        raise OutsideError(
            f"Trivy scanned {report.digest}, not {target.digest}.",
            cause="Its registry answered with another image, or a mirror in trivy.yaml has another one.",
            remedy="Scan again.",
            image=image,
        )
    archive = settings.source == "archive"
    return replace(report, image=image, archive=archive, digest=target.digest or report.digest)


def _same_platform(requested: str, actual: str) -> bool:
    return all(
        requested_part == actual_part
        for requested_part, actual_part in zip(requested.split("/"), actual.split("/"), strict=False)
    )


def _judge(
    path: Path,
    report: ScanReport,
    *,
    image: str,
    target: _Target,
    settings: ScanSettings,
    trivy: Scanner,
    kept: bool,
    warned: WarningAssessment,
) -> ScanResult:
    reference = target.reference or pinned_reference(report)
    result = assess.assess_scan(
        path,
        report,
        image=image,
        reference=reference,
        scope=_scope(report, settings),
        kept=kept,
        criteria=settings.criteria(trivy),
        database=_database(settings, trivy),
        warned=warned,
        warnings=(*settings.warnings, *unused_entry_notices(report, settings)),
    )
    return _with_difference(replace(result, selection=settings.selection), settings)


def _with_difference(result: ScanResult, settings: ScanSettings) -> ScanResult:
    """Return a scan with its difference to the baseline, and the settings for rendering its reports."""
    difference = None
    if settings.baseline is not None:
        difference = compare_scans(select(settings.baseline, settings.selection), result.shown)
    closed = closed_gate_error(result, settings.gate)
    rendering = Rendering(
        gate=settings.gate,
        judged=result.gated,
        closed=closed.what if closed is not None else "",
        scope=result.scope,
        difference=difference,
        dockerfile=settings.dockerfile,
        dockerfile_text=settings.dockerfile_text,
        category=settings.category,
    )
    return replace(result, difference=difference, rendering=rendering)


def assemble_reports(whole: ScanResult, settings: ScanSettings) -> ScanResult:
    """Complete the merged scans of an index's platforms: write the reports for people that cover all of them.

    Trivy's JSON, SARIF and bills of materials stay those of each platform: programs read them, one image each.

    Args:
        whole: as `merging.merged` returned it.
        settings: of the scans; `folder` is the index's.

    Raises:
        OutsideError: a report cannot be written.
    """
    whole = _with_difference(whole, settings)
    wanted = [name for name in settings.formats if not by_name(name).per_image]
    files = formats.write(wanted, whole.shown, whole.rendering or Rendering(), settings.folder)
    return replace(whole, files=files)


def _database(settings: ScanSettings, trivy: Scanner) -> Database | None:
    """Return the vulnerability database that Trivy used; None when it did not scan for vulnerabilities."""
    if "vuln" not in settings.options.scanners:
        return None
    stated = trivy.database()
    return Database(updated=stated.updated_at if stated is not None else None, sources=trivy.sources())


MAX_NAMED = 10


def unused_entry_notices(report: ScanReport, settings: ScanSettings) -> tuple[str, ...]:
    """Return a sentence on the entries of ignore files that matched nothing; none after a patch, which fixed it."""
    if not settings.title.startswith("scan"):
        return ()
    looked_for = {*settings.options.scanners, *settings.options.image_config_scanners}
    entries = ignore.unused_entries(settings.ignored, report.suppressed, settings.now, looked_for)
    names = list(dict.fromkeys(f"{entry.id} ({entry.file.name})" for entry in entries))
    if not names:
        return ()
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    number = "1 entry of ignore files sets" if len(names) == 1 else f"{len(names)} entries of ignore files set"
    return (f"{number} nothing aside in this image: {', '.join(names[:MAX_NAMED])}{more}.",)


def _scope(report: ScanReport, settings: ScanSettings) -> Scope:
    """Return what Trivy was configured to cover."""
    options = settings.options
    return Scope(
        scanners=tuple(sorted(options.scanners)),
        pkg_types=tuple(sorted(options.pkg_types or ("os", "library"))),
        platforms=(report.platform,) if report.platform else (),
        skip_dirs=options.skip_dirs,
        skip_files=options.skip_files,
        files=tuple(sorted(settings.files)),
        stated=True,
    )


def make_sbom(report: Path, trivy: Scanner, temp: Path) -> bytes:
    """Return the SPDX document that Trivy creates from its report.

    Args:
        report: Trivy's JSON.
        trivy: the program.
        temp: a folder for it.

    Raises:
        OutsideError: it creates none.
    """
    path = temp / f"spdx-{threading.get_ident()}.json"
    trivy.convert(report, Conversion(name="spdx", form=by_name("spdx").trivy, output=path))
    try:
        return reading.read_file(path, reading.MAX_REPORT_BYTES)
    finally:
        path.unlink(missing_ok=True)


def _write_reports(result: ScanResult, settings: ScanSettings, trivy: Scanner) -> ScanResult:
    """Write every requested report, from the one scan."""
    rendering = result.rendering or Rendering()
    fixed_only = settings.selection.fixed_only
    sarif = select(result.report, settings.selection if settings.limit_sarif else Selection(fixed_only=fixed_only))
    files = {"json": result.trivy_json} if "json" in settings.formats else {}
    sboms = formats.conversions(settings.formats, settings.folder)
    with trivy.converting(result.trivy_json, sboms.values()) as wait_for_conversion:
        files |= formats.write(
            [name for name in settings.formats if name == "sarif"], sarif, rendering, settings.folder
        )
        files |= formats.write(
            [name for name in settings.formats if name != "sarif"], result.shown, rendering, settings.folder
        )
        wait_for_conversion()
    files |= {name: sbom.output for name, sbom in sboms.items()}
    return replace(result, files={name: files[name] for name in settings.formats})


def _make_folder(folder: Path) -> None:
    try:
        writing.make_folder(folder)
    except OSError as error:
        raise _unwritable(folder, error) from error


def _copy(source: Path, target: Path) -> None:
    try:
        writing.copy(source, target)
    except OSError as error:
        raise _unwritable(target.parent, error) from error


def _unwritable(folder: Path, error: OSError) -> OutsideError:
    return OutsideError(
        f"Reports cannot be written to {folder}: {error.strerror}.",
        remedy="Give another folder with `output-dir`, or make room there.",
    )


def _summary(result: ScanResult) -> str:
    """Summarize a scan: `35 fixable (22 high, 13 medium) in 8 packages, 4 without a fix`."""
    report = result.shown
    numbers = tally(report)
    if (result.blind or result.overridden) and not numbers.total:
        return "not checked"
    if numbers.clean:
        text = "no findings"
    elif not numbers.total:
        text = describe_findings(numbers)
    else:
        note = describe_hidden(numbers)
        exploited = describe_exploited(numbers)
        text = (f"{exploited}, " if exploited else "") + _describe_fixes(report) + (f"; {note}" if note else "")
    return ", ".join(part for part in (text, describe_limits(result.scope)) if part)


def _describe_fixes(report: ScanReport) -> str:
    """Describe how many of the findings shown have a fix; there is at least one."""
    fixable = report.fixable
    rest = len(report.findings) - len(fixable)
    if not fixable:
        return f"{rest} without a fix"
    packages = len({finding.package for finding in fixable if finding.package})
    where = f" in {packages} {plural(packages, 'package')}" if packages else ""
    counts = list_counts(count_by_severity(fixable))
    return f"{len(fixable)} fixable ({counts}){where}" + (f", {rest} without a fix" if rest else "")
