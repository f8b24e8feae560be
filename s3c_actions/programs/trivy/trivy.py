"""Trivy: one run writes its JSON report, `trivy convert` makes the SBOMs from it, without a second scan.

https://trivy.dev/docs/v0.74/guide/references/configuration/cli/trivy_image/
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec.structs import replace

from s3c_actions.core import reading, writing
from s3c_actions.core.errors import OutsideError, S3CError
from s3c_actions.core.patterns import late_pattern
from s3c_actions.core.process import CompletedProgram, Runner
from s3c_actions.core.progress import Progress
from s3c_actions.findings import trivy_warnings
from s3c_actions.programs.install.locate import LateProgram, Program
from s3c_actions.programs.trivy import database, errors, settings
from s3c_actions.programs.trivy.arguments import (
    MatchRequest,
    ScanOptions,
    ScanRequest,
    download_arguments,
    match_arguments,
    scan_arguments,
)
from s3c_actions.programs.trivy.cache import SCHEMAS, CacheLocks, DatabaseMetadata, Wait, has_archives
from s3c_actions.programs.trivy.messages import line_reporter, read_warnings
from s3c_actions.programs.trivy.settings import DB_REPOSITORIES, EMPTY_FILE, SEVERITIES, SKIP_FLAGS

T = TypeVar("T")

# The cache of layers is opened exclusively for as long as a scan runs; Trivy gives up after 5 s.
_IN_USE = late_pattern(r"may be in use by another process")
_NO_JAVA_DATABASE = late_pattern(r"--skip-java-db-update' cannot be specified on the first run")
_NO_USABLE_DATABASE = late_pattern(r"--skip-db-update cannot be specified")
_READ_PATIENCE = 60.0
_FAILED_REPOSITORY = late_pattern(r"failed to download artifact from (?P<repository>\S+?): ")


class Conversion(msgspec.Struct, frozen=True, kw_only=True):
    """One document to make of a JSON report.

    Attributes:
        name: of the format, for errors.
        form: Trivy's name of the format, for `trivy convert --format`.
        output: path of the document.
    """

    name: str
    form: str
    output: Path


class Trivy:
    """Runs Trivy.

    Args:
        program: where it is, and its version.
        runner: starts it.
        cache: its cache folder: databases, and the layers already analysed.
        login: gives the environment variables with which it logs in to registries, called at each start.
        concurrent: several scans of this run go on at once, so that a database is replaced before a scan, and not
            within the first that needs it while the others wait.
        retry_waits: seconds to wait before each new attempt when a database's registry limits requests.

    Attributes:
        set_aside: TRIVY_ variables of the environment that could have left findings out, and do not reach Trivy.
    """

    def __init__(
        self,
        program: Program | LateProgram,
        runner: Runner,
        *,
        cache: Path,
        login: Callable[[], Mapping[str, str]] = dict,
        concurrent: bool = False,
        retry_waits: tuple[float, ...] = (3.0, 9.0),
    ) -> None:
        self.cache = cache
        self._locks = CacheLocks(cache)
        self._concurrent = concurrent
        self._program = program
        environment, self.set_aside = settings.trivy_environment(runner.environment)
        self._runner = runner.within(environment)
        self._login = login
        self._retry_waits = retry_waits

    @property
    def version(self) -> str:
        """The version; asked for first, it finds or installs the program."""
        return self._program.version

    @property
    def _path(self) -> Path:
        return self._program.path

    def settings_in_environment(self) -> dict[str, str]:
        """The variables that reach Trivy by which users set its flags; none that the toolkit sets."""
        return {name: value for name, value in self._runner.environment.items() if name.startswith("TRIVY_")}

    def sources(self) -> frozenset[str] | None:
        """The sources whose advisories are in the vulnerability database; None when there is no file."""
        with self._undisturbed():
            return database.read_sources(self.cache / "db" / "trivy.db")

    def database(self, name: str = "db") -> DatabaseMetadata | None:
        """The metadata of a database in the cache (`db`, `java-db`); None without a usable one."""
        with self._undisturbed():
            return self._read_metadata(name)

    @contextmanager
    def _undisturbed(self) -> Iterator[None]:
        """Read the databases while nobody replaces them, where there is a cache to lock."""
        with ExitStack() as stack:
            if self.cache.is_dir():
                ends = time.monotonic() + _READ_PATIENCE

                def wait() -> None:
                    if time.monotonic() > ends:
                        raise TimeoutError

                # A cache that cannot be written is nobody's to replace.
                with suppress(OSError):
                    stack.enter_context(self._locks.shared(wait))
            yield

    def _read_metadata(self, name: str) -> DatabaseMetadata | None:
        try:
            return msgspec.json.decode(reading.read_file(self.cache / name / "metadata.json"), type=DatabaseMetadata)
        except (OSError, msgspec.MsgspecError):
            return None

    def scan(self, request: ScanRequest, progress: Progress) -> tuple[str, ...]:
        """Scan one image into Trivy's JSON report.

        The report is complete: every severity, every package, and suppressed findings with their reason. No trivy.yaml
        and no variable narrows it.

        Args:
            request: the image, the options and the output.
            progress: shows what Trivy does.

        Returns:
            Trivy's warnings as printed (`trivy_warnings.assess_warnings`); untrusted.

        Raises:
            InputError: the image, the platform or a file given is missing or invalid.
            OutsideError: a registry, a database or the machine failed; ProgramTimedOut when it took too long.
        """
        options = request.options
        context = errors.ErrorContext(
            image=request.asked, cache=self.cache, timeout=options.timeout, source=request.source
        )
        deadline = time.monotonic() + options.timeout
        wait = _wait_until(deadline, progress, context)
        if options.insecure:
            _notice_insecure(options, progress)
        warnings = self._scan_beside_others(request, progress, context, deadline, wait)
        if warnings is None:
            with _held(self._locks.exclusive(wait), context):
                run = self._run_insecure if options.insecure else self._run_with_retries
                warnings = _end_scan(run(request, progress, context, deadline), self.cache)
        if not request.output.is_file() or request.output.stat().st_size == 0:
            raise OutsideError(
                "Trivy ended without an error and without a report.",
                remedy="Scan again; if it stays so, run the command above by hand.",
                image=context.image,
            )
        return warnings

    def update_database(self, options: ScanOptions, progress: Progress) -> None:
        """Download the vulnerability database, unless Trivy would take the one in the cache unchanged.

        Args:
            options: where from, whether at all, and for how long.
            progress: shows what Trivy does.

        Raises:
            OutsideError: it could not be downloaded.
        """
        context = errors.ErrorContext(image="", cache=self.cache, timeout=options.timeout)
        deadline = time.monotonic() + options.timeout
        if self._is_current(options):
            return
        request = ScanRequest(image="", source="registry", output=Path(EMPTY_FILE), options=options, asked="")
        with _held(self._locks.exclusive(_wait_until(deadline, progress, context)), context):
            if not self._has_fresh("db"):
                self._run_with_retries(request, progress, context, deadline, download="db")

    def match(self, request: MatchRequest, progress: Progress) -> tuple[str, ...]:
        """Match a bill of materials against the vulnerability database as it is in the cache; any number at once.

        Args:
            request: the document.
            progress: shows what Trivy does.

        Returns:
            Trivy's warnings as printed; untrusted.

        Raises:
            InputError: there is no database in the cache.
            OutsideError: Trivy could not read the document, or took too long.
        """
        context = errors.ErrorContext(image=request.asked, cache=self.cache, timeout=request.timeout)
        deadline = time.monotonic() + request.timeout
        with _held(self._locks.shared(_wait_until(deadline, progress, context)), context):
            seconds = max(deadline - time.monotonic(), 1.0)
            ended = self._start(match_arguments(request, cache=self.cache, timeout=seconds), seconds, progress)
        if ended.code != 0:
            raise errors.translate(ended.stderr, context)
        if not request.output.is_file() or request.output.stat().st_size == 0:
            raise OutsideError("Trivy ended without an error and without a report.", image=context.image)
        return read_warnings(ended.stderr)

    def convert(self, report: Path, conversion: Conversion) -> None:
        """Make an SBOM of a JSON report, without a scan.

        Args:
            report: Trivy's JSON report.
            conversion: the document.

        Raises:
            OutsideError: Trivy could not.
        """
        with self.converting(report, (conversion,)) as wait:
            wait()

    @contextmanager
    def converting(self, report: Path, conversions: Iterable[Conversion]) -> Iterator[Callable[[], None]]:
        """Make SBOMs and other documents of a JSON report, without a scan, while the block runs.

        Args:
            report: Trivy's JSON report.
            conversions: the documents.

        Yields:
            A function that waits for them, and raises as `convert` does.
        """
        with ExitStack() as stack:
            started = []
            # Trivy would follow a link at the output's path.
            place = self._runner.environment.get("TMPDIR") or None
            temp = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="s3c-sbom-", dir=place)))
            for conversion in conversions:
                argv = ["convert", *_CONVERT_FLAGS, f"--format={conversion.form}"]
                running = self._runner.running(
                    [self._path, *argv, f"--output={temp / conversion.name}", report],
                    extra=self._login(),
                    timeout=120,
                    check=False,
                )
                started.append((conversion, stack.enter_context(running)))

            def collect() -> None:
                for conversion, ended in started:
                    completed, written = ended(), temp / conversion.name
                    if completed.code != 0 or not written.is_file() or written.stat().st_size == 0:
                        raise OutsideError(
                            f"Trivy could not make the {conversion.name} document of {report.name}.",
                            remedy="Look at what it said; the other reports are not touched by this.",
                            original=errors.fatal_message(completed.stderr),
                        )
                    if conversion.form == "spdx-json":
                        _correct_purposes(written)
                    writing.copy(written, conversion.output)

            yield collect

    def _scan_beside_others(
        self, request: ScanRequest, progress: Progress, context: errors.ErrorContext, deadline: float, wait: Wait
    ) -> tuple[str, ...] | None:
        """Scan with the databases as they are, which any number of scans may do at once.

        Returns:
            The warnings; None when Trivy would replace something first, and has to be alone for that.

        Raises:
            S3CError: as `scan`.
        """
        options, java_updated = request.options, False
        skipped = {*(SKIP_FLAGS if options.offline else options.skips)}
        updates_vulnerabilities = "vuln" in options.scanners and "skip-db-update" not in skipped
        while True:
            if not self._is_current(options):
                if not (self._concurrent and updates_vulnerabilities):
                    return None
                with _held(self._locks.exclusive(wait), context):
                    if not self._has_fresh("db"):
                        self._run_with_retries(request, progress, context, deadline, download="db")
            with _held(self._locks.shared(wait), context):
                if not self._is_current(options):
                    return None
                java_current = "skip-java-db-update" in skipped or java_updated or self._has_fresh("java-db")
                with _held(self._locks.layers(), context) as folder:
                    # What is read from archives with an old Java database is not kept in the cache of layers.
                    kept_in = folder if java_current or self._read_metadata("java-db") is None else None
                    completed = self._run_reading(request, progress, context, deadline, kept_in)
                    if completed is not None and (java_current or not has_archives(request.output)):
                        return _end_scan(completed, kept_in)
            if not self._concurrent or java_updated or "skip-java-db-update" in skipped:
                return None
            with _held(self._locks.exclusive(wait), context):
                if not self._has_fresh("java-db"):
                    self._run_with_retries(request, progress, context, deadline, download="java-db")
            java_updated = True

    def _run_reading(
        self,
        request: ScanRequest,
        progress: Progress,
        context: errors.ErrorContext,
        deadline: float,
        layers: Path | None,
    ) -> CompletedProgram | None:
        """Run a scan that replaces nothing in the cache; None when it needs something that is not there.

        Args:
            request: the scan.
            progress: of the scan.
            context: of the scan.
            deadline: when it ends, by the monotonic clock.
            layers: the cache that it has alone; None: it keeps no layers.
        """
        options = request.options
        skipped = {*(SKIP_FLAGS if options.offline else options.skips)}
        skips = tuple(sorted(skipped | (set(SKIP_FLAGS) - {"offline-scan"})))
        reading_request = replace(request, options=replace(options, skips=skips))
        repositories = options.db_repositories or DB_REPOSITORIES
        while True:
            seconds = max(deadline - time.monotonic(), 1.0)
            argv = scan_arguments(
                reading_request,
                cache=layers or self.cache,
                repositories=repositories,
                timeout=seconds,
                keeps_layers=layers is not None,
            )
            ended = self._start(argv, seconds, progress)
            if ended.code == 0:
                return ended
            message = errors.fatal_message(ended.stderr)
            if _IN_USE.search(message) and time.monotonic() < deadline:
                progress.note("another program uses Trivy's cache; trying again")
                continue
            lacks_java = bool(_NO_JAVA_DATABASE.search(ended.stderr)) and "skip-java-db-update" not in skipped
            lacks_database = bool(_NO_USABLE_DATABASE.search(ended.stderr)) and "skip-db-update" not in skipped
            if lacks_java or lacks_database:
                return None
            raise errors.translate(ended.stderr, context)

    def _is_current(self, options: ScanOptions) -> bool:
        """Whether Trivy would take everything but the Java database as it is in the cache, and replace nothing."""
        skips = {*(SKIP_FLAGS if options.offline else options.skips)}
        if "vuln" in options.scanners and "skip-db-update" not in skips and not self._has_fresh("db"):
            return False
        if options.insecure:
            return True  # nothing else is downloaded beside a registry that is not verified
        if "repo" in options.vex and "skip-vex-repo-update" not in skips:
            return False
        needs_checks = "misconfig" in {*options.scanners, *options.image_config_scanners}
        return not needs_checks or "skip-check-update" in skips or self._has_fresh_checks()

    def _has_fresh(self, name: str) -> bool:
        metadata = self._read_metadata(name)
        version, kept = SCHEMAS[name]
        return metadata is not None and metadata.version == version and metadata.fresh(datetime.now(UTC), kept)

    def _has_fresh_checks(self) -> bool:
        try:
            written = (self.cache / "policy" / "metadata.json").stat().st_mtime
        except OSError:
            return False
        return time.time() - written < timedelta(days=1).total_seconds()

    def _run_insecure(
        self, request: ScanRequest, progress: Progress, context: errors.ErrorContext, deadline: float
    ) -> CompletedProgram:
        """Scan an image of a registry that is not verified, with databases from verified ones.

        Trivy has one flag for both, and a man in the middle could serve a database without vulnerabilities.
        """
        options = request.options
        skips = {*(SKIP_FLAGS if options.offline else options.skips)}
        if "vuln" in options.scanners and "skip-db-update" not in skips:
            self._run_with_retries(request, progress, context, deadline, download="db")
        if "skip-java-db-update" not in skips and (self.cache / "java-db" / "metadata.json").is_file():
            self._run_with_retries(request, progress, context, deadline, download="java-db")
        downloaded = tuple(sorted(skips | (set(SKIP_FLAGS) - {"offline-scan"})))
        scan = replace(request, options=replace(options, skips=downloaded))
        try:
            return self._run_with_retries(scan, progress, context, deadline)
        except S3CError as error:
            if "skip-java-db-update" in skips or not _NO_JAVA_DATABASE.search(error.original):
                raise
            # It is large, and only now turns out to be needed.
            self._run_with_retries(request, progress, context, deadline, download="java-db")
            return self._run_with_retries(scan, progress, context, deadline)

    def _run_with_retries(
        self,
        request: ScanRequest,
        progress: Progress,
        context: errors.ErrorContext,
        deadline: float,
        download: str = "",
    ) -> CompletedProgram:
        """Run Trivy; retry while its cache is locked, a registry limits requests, or another repository is left.

        Args:
            request: the scan.
            progress: of the scan.
            context: of the scan.
            deadline: when it ends, by the monotonic clock.
            download: a database to download instead of a scan.
        """
        waits = list(self._retry_waits)
        every = request.options.db_repositories or DB_REPOSITORIES
        repositories = every
        while True:
            ended = self._run_once(request, progress, repositories, deadline, download)
            if ended.code == 0:
                return ended
            message = errors.fatal_message(ended.stderr)
            if _IN_USE.search(message) and time.monotonic() < deadline:
                progress.note("another program uses Trivy's cache; trying again")
                continue
            error = errors.translate(ended.stderr, context)
            if not errors.is_database_failure(message):
                raise error
            failed = _FAILED_REPOSITORY.search(message)
            name = failed["repository"] if failed else ""
            remaining = repositories[repositories.index(name) + 1 :] if name in repositories else ()
            if remaining:
                # Trivy itself tries the next repository only after a 429 or 5xx.
                progress.warning(f"{error.what} Trying {remaining[0]}.")
                repositories = remaining
            elif errors.is_rate_limited(message) and waits and time.monotonic() + waits[0] < deadline:
                progress.warning(f"{error.what} Trying again in {waits[0]:g} s.")
                time.sleep(waits.pop(0))
                repositories = every
            else:
                raise error

    def _run_once(
        self, request: ScanRequest, progress: Progress, repositories: tuple[str, ...], deadline: float, download: str
    ) -> CompletedProgram:
        seconds = max(deadline - time.monotonic(), 1.0)
        if download:
            argv = download_arguments(
                download, request.options, cache=self.cache, repositories=repositories, timeout=seconds
            )
        else:
            argv = scan_arguments(request, cache=self.cache, repositories=repositories, timeout=seconds)
        return self._start(argv, seconds, progress)

    def _start(self, argv: list[str], seconds: float, progress: Progress) -> CompletedProgram:
        # Trivy's own limit has no effect while a registry does not respond; the runner's has.
        return self._runner.run(
            [self._path, *argv], extra=self._login(), timeout=seconds + 2, check=False, on_line=line_reporter(progress)
        )


def _wait_until(deadline: float, progress: Progress, context: errors.ErrorContext) -> Wait:
    """Return what is called while others hold the cache: it says so once, and raises at the deadline."""
    noted = False

    def wait() -> None:
        nonlocal noted
        if not noted:
            progress.note("another scan updates Trivy's databases, or waits for that; waiting for it")
            noted = True
        if time.monotonic() > deadline:
            raise errors.cache_in_use_error(context)

    return wait


def _notice_insecure(options: ScanOptions, progress: Progress) -> None:
    """Say what is not downloaded beside a registry that is not verified."""
    skips = {*(SKIP_FLAGS if options.offline else options.skips)}
    if "skip-check-update" not in skips and "misconfig" in {*options.scanners, *options.image_config_scanners}:
        progress.notice(
            "Checks for misconfigurations are those of the cache, or the ones that Trivy brings: none is "
            "downloaded beside `insecure-registry`."
        )
    if "skip-vex-repo-update" not in skips and "repo" in options.vex:
        progress.notice("VEX repositories are those of the cache: none is asked beside `insecure-registry`.")


@contextmanager
def _held(lock: AbstractContextManager[T], context: errors.ErrorContext) -> Iterator[T]:
    """Hold a lock of the cache; raise S3CError where the cache folder cannot be used."""
    with ExitStack() as stack:
        try:
            value = stack.enter_context(lock)
        except OSError as error:
            raise errors.cache_unusable_error(error, context) from error
        yield value


def _end_scan(completed: CompletedProgram, layers: Path | None) -> tuple[str, ...]:
    """Return the warnings of a scan; `layers` is the cache that it had alone."""
    warnings = read_warnings(completed.stderr)
    if layers is not None and trivy_warnings.mentions_layers(warnings):
        # Trivy warns of a layer when it first analyses it, and later takes it from the cache silently.
        shutil.rmtree(layers / "fanal", ignore_errors=True)
    return warnings


def _correct_purposes(document: Path) -> None:
    """Write the purpose of an operating system as SPDX's schema has it, in an SPDX document that Trivy made.

    Trivy 0.74 takes the hyphen of the specification's text (7.24) for JSON, where validators refuse the document.
    https://github.com/spdx/spdx-spec/blob/v2.3/schemas/spdx-schema.json
    """
    written = reading.read_file(document, reading.MAX_REPORT_BYTES)
    writing.write(document, _PURPOSE.sub(rb'\1"OPERATING_SYSTEM"', written))


_PURPOSE = late_pattern(rb'("primaryPackagePurpose":\s*)"OPERATING-SYSTEM"')
_CONVERT_FLAGS = (
    *("--quiet=false", "--debug=false", "--trace-http=false", "--exit-code=0", "--exit-on-eol=0", "--compliance="),
    *("--ignore-policy=", "--dependency-tree=false", "--template=", "--output-plugin-arg=", "--version=false"),
    *(
        f"--config={EMPTY_FILE}",
        f"--ignorefile={EMPTY_FILE}",
        f"--severity={SEVERITIES}",
        "--generate-default-config=false",
    ),
)
