"""Create a scanner from the options: Trivy, the registries, the gate, and the reports that a scan reuses."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from s3c_actions.core import startup
from s3c_actions.core.errors import S3CError
from s3c_actions.core.progress import Silent
from s3c_actions.core.reference import Reference, is_image_id
from s3c_actions.findings.model import Severity
from s3c_actions.findings.selection import Selection
from s3c_actions.findings.threshold import enumerate_names
from s3c_actions.options import report as reporting
from s3c_actions.options import scan as inputs
from s3c_actions.options.common import TimeoutOptions
from s3c_actions.options.scan import ScanningOptions, TrivyOptions
from s3c_actions.policy.model import Policy
from s3c_actions.programs.trivy import ignore, local_docker
from s3c_actions.programs.trivy import settings as trivy_settings
from s3c_actions.programs.trivy.arguments import ScanOptions
from s3c_actions.programs.trivy.trivy import Trivy
from s3c_actions.registry import credentials
from s3c_actions.result.gate_change import ProposedVerdict
from s3c_actions.result.model import ScanResult
from s3c_actions.steps import assess, reuse
from s3c_actions.steps.closed_gate import closed_gate_error
from s3c_actions.steps.merge import merge_scans
from s3c_actions.steps.reuse import ReportStore
from s3c_actions.steps.scan import scan
from s3c_actions.steps.scan.reports import assemble_reports, clear_reports
from s3c_actions.steps.scan.settings import ScanSettings
from s3c_actions.wiring import logins, programs, settings_files
from s3c_actions.wiring.bases import create_finder
from s3c_actions.wiring.cache_stores import open_store
from s3c_actions.wiring.context import Context
from s3c_actions.wiring.exploitation import load_exploitation
from s3c_actions.wiring.files import read_dockerfile
from s3c_actions.wiring.fix_history import create_fix_history
from s3c_actions.wiring.gating import policy_from_inputs, threshold_from_inputs

if TYPE_CHECKING:
    from s3c_actions.findings.model import ScanReport
    from s3c_actions.findings.scope import SettingsFile
    from s3c_actions.programs.trivy.settings import TrivyConfig
    from s3c_actions.registry import Registry


class ImageScanner(msgspec.Struct, frozen=True, kw_only=True):
    """Scan images; everything but the image is bound once for all images of a run.

    Attributes:
        everything: whether all platforms of an index are scanned.
        proposed: how images would be scanned with the files that a pull request brings, or why they cannot be; None
            when those are the same.
    """

    settings: ScanSettings
    trivy: Trivy
    registry: Registry
    context: Context
    everything: bool
    proposed: ScanSettings | S3CError | None = None

    @property
    def gated(self) -> bool:
        """Whether a gate can close."""
        return self.settings.criteria(self.trivy).closes

    def scan(
        self, image: str, folder: Path, *, source: str = "registry", baseline: ScanReport | None = None
    ) -> ScanResult:
        """Scan one image (of an index, that of one platform) into a folder; see `steps.scan.scan.run`."""
        settings = replace(self.settings, folder=folder, source=source, baseline=baseline)
        with self.context.limits.scans:
            result = scan.run(image, settings, trivy=self.trivy, registry=self.registry, progress=self.context.progress)
        return result if self.proposed is None else replace(result, proposed=self._judge_proposed(image, source))

    def _judge_proposed(self, image: str, source: str) -> ProposedVerdict:
        """Return the verdict of the same scan with the pull request's own files."""
        if isinstance(self.proposed, S3CError) or self.proposed is None:
            return ProposedVerdict(verdict="failed", refused=0, reason=self.proposed.what if self.proposed else "")
        try:
            with (
                self.context.limits.scans,
                tempfile.TemporaryDirectory(prefix="reports-", dir=self.proposed.folder) as folder,
            ):
                settings = replace(
                    self.proposed,
                    folder=Path(folder),
                    source=source,
                    entry_platform=self.settings.entry_platform,
                )
                result = scan.run(image, settings, trivy=self.trivy, registry=self.registry, progress=Silent())
        except S3CError as error:
            return ProposedVerdict(verdict="failed", refused=0, reason=error.what)
        refused = closed_gate_error(result, settings.gate)
        return ProposedVerdict(
            verdict="passed" if refused is None else "refused",
            refused=len(result.refused),
            reason=refused.what if refused is not None else "",
        )

    def look(
        self, image: str, folder: Path, *, source: str = "registry", baseline: ScanReport | None = None
    ) -> ScanResult:
        """Scan one image; with `everything`, each platform of an index into a folder of its own.

        Args:
            image: as given.
            folder: of its reports.
            source: where the image is read from, as in `ScanSettings`.
            baseline: the report that the merged result is compared with.
        """
        if not self.everything or source not in {"auto", "registry"} or is_image_id(image):
            return self.scan(image, folder, source=source, baseline=baseline)
        reference = Reference.parse(image)
        try:
            descriptor = self.registry.resolve(reference)
        except S3CError:
            if source == "registry" or not self.settings.docker():
                raise
            return self.scan(image, folder, source=source, baseline=baseline)
        images = self.registry.flatten(reference, descriptor).images if descriptor.is_index else ()
        if len(images) < 2:
            return self.scan(image, folder, source=source, baseline=baseline)
        clear_reports(folder)
        scans = []
        names = [platform.platform.replace("/", "-") for platform in images]
        bases, index = self.settings.bases, reference.at(descriptor.digest).pinned
        for platform, name in zip(images, names, strict=True):
            folder_name = name if names.count(name) == 1 else f"{name}-{platform.digest.rpartition(':')[2][:8]}"
            category = self.settings.category and f"{self.settings.category}/{folder_name}"
            settings = replace(
                self.settings,
                title=f"{self.settings.title} {platform.platform}",
                entry_platform=platform.platform,
                category=category,
                bases=bases.within(index) if bases is not None else None,
            )
            part = replace(self, settings=settings)
            scans.append(part.scan(reference.at(platform.digest).pinned, folder / folder_name))
        whole = merge_scans(image, reference.at(descriptor.digest), scans)
        return assemble_reports(whole, replace(self.settings, folder=folder, baseline=baseline))

    def given(self, path: Path, report: ScanReport, *, image: str, reference: str) -> ScanResult:
        """Judge a report that was given, by the criteria of a scan; see `steps.assess.assess_given_report`."""
        criteria = self.settings.criteria(self.trivy)
        return assess.assess_given_report(path, image=image, reference=reference, criteria=criteria, report=report)


def create_scanner(
    options: ScanningOptions, context: Context, images: tuple[str, ...], *, evidence: bool
) -> ImageScanner:
    """Create the scanner that the inputs describe.

    Args:
        options: of the command.
        context: of the run.
        images: references, whose registries the credentials given are for; they are sent to no other.
        evidence: whether the result is attached, so that only a recent stored report is reused.

    Raises:
        InputError: an input is wrong.
        OutsideError: Trivy could not be obtained.
    """
    hosts = {Reference.parse(image).registry for image in images if not is_image_id(image)}
    settings = _settings(
        settings_files.add_default_files(options, inputs.SCOPE_INPUTS, context.cwd), context, evidence=evidence
    )
    startup.warm("requests")
    program = programs.trivy(options, context)
    registry_logins = logins.create_logins(options, context, hosts)
    login = credentials.open_program_login(registry_logins, hosts, context.temp)
    registry = logins.create_registry(options, registry_logins, timeout=_registry_timeout(options))
    bases = create_finder(options, settings.policy, registry, dockerfile=settings.dockerfile_text)
    return ImageScanner(
        settings=replace(settings, bases=bases),
        trivy=Trivy(
            program,
            context.runner,
            cache=_trivy_cache(options, context),
            login=login,
            concurrent=context.limits.concurrent,
        ),
        registry=registry,
        context=context,
        everything=not options.platform,
        proposed=_proposed_settings(context, registry, evidence=evidence),
    )


def _proposed_settings(context: Context, registry: Registry, *, evidence: bool) -> ScanSettings | S3CError | None:
    """Return the scan settings with the pull request's own files; None when those are the same."""
    options = settings_files.shared_files(context).proposed
    if not isinstance(options, ScanningOptions):
        return None
    temp = context.temp / "proposed"
    temp.mkdir(exist_ok=True)
    try:
        settings = _settings(options, replace(context, progress=Silent(), temp=temp), evidence=evidence)
    except S3CError as error:
        return error
    bases = create_finder(options, settings.policy, registry, dockerfile=settings.dockerfile_text)
    return replace(settings, folder=temp, title="proposed", formats=(), bases=bases)


def _settings(options: ScanningOptions, context: Context, *, evidence: bool) -> ScanSettings:
    files = tuple(Path(name).expanduser() for name in options.ignore_files)
    entries = tuple(entry for file in files for entry in ignore.read(file))
    config, warnings = _trivy_config(options, context)
    warnings += ignore.entry_notices(entries, context.now)
    warnings += _describe_unused(options, context)
    ruling = policy_from_inputs(options)
    asks = ruling.findings.asks_exploitation if ruling is not None else (False, False)
    exploitation = load_exploitation(options, context, offline=options.offline, policy_asks=asks)
    warnings += exploitation.warnings
    for sentence in warnings:
        context.progress.warning(sentence)
    dockerfile = options.dockerfile
    if dockerfile is None and (context.cwd / "Dockerfile").is_file():
        dockerfile = Path("Dockerfile")
    return ScanSettings(
        options=_options(options, context, ignore.merge_files(files, entries, context.temp), config),
        folder=context.output,
        temp=context.temp,
        now=context.now,
        cwd=context.cwd,
        store=open_store(ReportStore, context) if options.reuse else None,
        reuse_within=_reuse_age(ruling) if evidence else None,
        docker=partial(local_docker.is_available, context.environment),
        lacks_local=partial(local_docker.lacks_image, environment=context.environment),
        formats=options.format,
        selection=Selection(
            severities=tuple(Severity.of(severity) for severity in options.severity), fixed_only=options.ignore_unfixed
        ),
        limit_sarif=options.limit_severities_for_sarif,
        gate=threshold_from_inputs(options, context, options.severity),
        policy=ruling,
        unscanned_fails=options.unscanned == "fail",
        dockerfile=dockerfile.as_posix() if dockerfile else "",
        dockerfile_text=read_dockerfile(context.cwd / dockerfile) if dockerfile else "",
        category=options.sarif_category,
        ignored=entries,
        files=_files(options, context),
        warnings=tuple(warnings),
        exploitation=exploitation.facts,
        fix_history=create_fix_history(options, context, ruling),
    )


def _trivy_config(options: TrivyOptions, context: Context) -> tuple[TrivyConfig, list[str]]:
    """Return the settings used of the user's trivy.yaml and TRIVY_ variables, and warnings on those not used."""
    warnings = []
    _, unused = trivy_settings.trivy_environment(context.environment)
    if unused:
        warnings.append(
            f"{enumerate_names(unused, 20)} of the environment could leave findings out and {_are(unused)} "
            "not used: give "
            "s3c's own inputs."
        )
    config = trivy_settings.read_variables(context.environment)
    path = options.trivy_config
    if path is None:
        return config, warnings
    loaded = trivy_settings.read(path)
    if loaded.unused:
        warnings.append(
            f"{enumerate_names(loaded.unused, 20)} of {path.name} could leave findings out and {_are(loaded.unused)} "
            "not used: "
            "give s3c's own inputs."
        )
    skips = tuple(dict.fromkeys((*config.skips, *loaded.skips)))
    return replace(loaded, skips=skips, repositories={**loaded.repositories, **config.repositories}), warnings


def _describe_unused(options: TrivyOptions, context: Context) -> list[str]:
    """Return warnings on unused ignore files and unverified VEX, and on settings that find fewer secrets."""
    warnings = []
    if settings_files.UNVERIFIED_VEX in options.vex:
        warnings.append(
            "VEX beside the image (`oci` in `vex`) is not used: Trivy verifies none of it, so that whoever may push "
            "could set findings aside. Give the document as a file."
        )
    ignore_files = options.ignore_files
    if ignore_files == (ignore.DEFAULT_FILE,) or not (ignore_files or options.given(inputs.TrivyOptions.ignore_files)):
        warnings += [
            f"{name} in the working folder is not used: Trivy does not take it by itself. Name it in `ignore-files`."
            for name in ignore.UNSUPPORTED_FILES
            if (context.cwd / name).is_file()
        ]
    path = options.secret_config
    if path is not None and _looks_for_secrets(options):
        narrowing = trivy_settings.narrowing_keys(path)
        if narrowing:
            warnings.append(
                f"{path.name} leaves secrets out that Trivy would look for: it has {enumerate_names(narrowing)}."
            )
    return warnings


def _looks_for_secrets(options: TrivyOptions) -> bool:
    return "secret" in {*options.scanners, *options.image_config_scanners}


def _are(names: tuple[str, ...]) -> str:
    return "is" if len(names) == 1 else "are"


def _files(options: ScanningOptions, context: Context) -> tuple[SettingsFile, ...]:
    """List the files that suppress findings, narrow the scan or decide its gate."""
    declared = [*inputs.SCOPE_INPUTS, reporting.PolicyOptions.policy]
    if not _looks_for_secrets(options):
        declared.remove(inputs.TrivyOptions.secret_config)
    return settings_files.list_files(options, declared, context.cwd, settings_files.shared_files(context).names)


def _reuse_age(ruling: Policy | None) -> timedelta:
    """Return the maximum age of a stored report that becomes evidence: one that soon expires would not help."""
    return (ruling or Policy(version=1)).maximum_age / 2


def _options(options: ScanningOptions, context: Context, ignore_file: Path | None, config: TrivyConfig) -> ScanOptions:
    scanners = options.scanners
    if "config" in scanners:
        context.progress.notice("Scanner `config` is an old name of Trivy: it is understood as `misconfig`.")
        scanners = tuple(dict.fromkeys("misconfig" if scanner == "config" else scanner for scanner in scanners))
    return ScanOptions(
        scanners=scanners,
        pkg_types=options.pkg_types,
        image_config_scanners=options.image_config_scanners,
        platform=options.platform,
        skip_dirs=options.skip_dirs,
        skip_files=options.skip_files,
        ignore_file=ignore_file,
        ignore_policy=options.ignore_policy,
        vex=tuple(source for source in options.vex if source != settings_files.UNVERIFIED_VEX),
        secret_config=options.secret_config if _looks_for_secrets(options) else None,
        config=config.written(context.temp),
        wider=config.wider,
        skips=config.skips,
        offline=options.offline,
        db_repositories=options.db_repository or config.repositories.get("db-repository", ()),
        java_db_repositories=options.java_db_repository or config.repositories.get("java-db-repository", ()),
        checks_bundle_repository=options.checks_bundle_repository
        or next(iter(config.repositories.get("checks-bundle-repository", ())), ""),
        insecure=options.insecure_registry,
        timeout=options.timeout,
        asked=reuse.asked(options, TrivyOptions),
    )


def _trivy_cache(options: ScanningOptions, context: Context) -> Path:
    folder = options.trivy_cache_dir or context.environment.get("TRIVY_CACHE_DIR")
    return Path(folder).absolute() if folder else context.cache / "trivy"


def _registry_timeout(options: TimeoutOptions) -> float:
    return min(30.0, options.timeout)
