import json
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from s3c_actions.core.errors import InputError, OutsideError
from s3c_actions.core.process import CompletedProgram, Runner
from s3c_actions.core.progress import Silent
from s3c_actions.programs.install.locate import Program
from s3c_actions.programs.trivy import settings, trivy
from s3c_actions.programs.trivy.arguments import MatchRequest, ScanOptions, ScanRequest
from s3c_actions.programs.trivy.cache import CacheLocks, DatabaseMetadata
from s3c_actions.programs.trivy.trivy import Trivy
from tests.support import ROOT

DATA = ROOT / "tests" / "data" / "trivy"
PROGRAM = Program(name="trivy", path=Path("/bin/trivy"), version="0.74.0", origin="given")


class Fake(Runner):
    """A runner that plays recordings, one a run; an empty one is a scan that worked."""

    def __init__(self, *plays):
        super().__init__({"TRIVY_SEVERITY": "HIGH", "HOME": "/x"})
        object.__setattr__(self, "plays", list(plays))
        object.__setattr__(self, "runs", [])

    plays: list[str]
    runs: list[list[str]]

    def run(self, argv, **_more):
        args = [str(argument) for argument in argv]
        self.runs.append(args)
        play = self.plays.pop(0)
        if play == "":
            output = next(argument.removeprefix("--output=") for argument in args if argument.startswith("--output="))
            Path(output).write_text("{}")
        errors = (DATA / f"{play}.txt").read_text() if play not in ("", "silent") else ""
        return CompletedProgram(argv=tuple(args), code=int(bool(errors)), stdout="", stderr=errors, seconds=0.1)


class RecordedWarnings(Silent):
    def __init__(self):
        self.warnings = []

    def warning(self, text):
        self.warnings.append(text)


def scanned(tmp_path, *plays, fails=None, match="", **options):
    """The runs of Trivy and the warnings, of a scan that plays these recordings."""
    fake, progress = Fake(*plays), RecordedWarnings()
    program = Trivy(PROGRAM, fake, cache=tmp_path / "cache", retry_waits=(0.0,))
    request = ScanRequest(
        image="x",
        source="registry",
        output=tmp_path / "o.json",
        asked="x",
        options=ScanOptions(scanners=("vuln",), **options),
    )
    if fails is None:
        program.scan(request, progress)
    else:
        with pytest.raises(fails, match=match):
            program.scan(request, progress)
    return fake.runs, progress.warnings


def test_one_run_when_it_works(tmp_path):
    runs, _ = scanned(tmp_path, "")
    assert len(runs) == 1


def test_a_run_without_a_report_is_a_failure(tmp_path):
    scanned(tmp_path, "silent", fails=OutsideError, match="without a report")


def test_an_error_is_translated_and_nothing_tried_again(tmp_path):
    runs, _ = scanned(tmp_path, "notag", fails=InputError, match="does not exist")
    assert len(runs) == 1


def test_the_next_repository_is_asked_when_one_cannot_be_reached(tmp_path):
    names = ("nohost.invalid/trivy-db:2", "mirror.example/trivy-db:2")
    runs, warnings = scanned(tmp_path, "db-net", "", db_repositories=names)
    assert [argument for argument in runs[1] if argument.startswith("--db-")] == [
        "--db-repository=mirror.example/trivy-db:2"
    ]
    assert "nohost.invalid" in warnings[0]


def test_the_last_repositorys_failure_is_reported(tmp_path):
    names = ("nohost.invalid/trivy-db:2",)
    scanned(tmp_path, "db-net", db_repositories=names, fails=OutsideError, match=r"nohost\.invalid")


def test_too_many_requests_are_tried_again_and_reported(tmp_path):
    names = ("localhost:5103/trivy-db:2",)
    runs, warnings = scanned(tmp_path, "db-busy", "db-busy", db_repositories=names, fails=OutsideError, match="429")
    assert len(runs) == 2
    assert "too many requests (429)" in warnings[0]
    runs, _ = scanned(tmp_path, "db-busy", "", db_repositories=names)
    assert len(runs) == 2


def test_a_locked_cache_is_waited_for(tmp_path):
    runs, _ = scanned(tmp_path, "locked-cache", "locked-cache", "")
    assert len(runs) == 3


@pytest.mark.parametrize(
    ("name", "reaches", "worth_a_word"),
    [
        ("TRIVY_SEVERITY", False, True),
        ("TRIVY_SKIP_FILES", False, True),
        ("TRIVY_VULN_TYPE", False, True),
        ("TRIVY_SOMETHING_NEW", False, True),
        ("TRIVY_NON_SSL", False, True),
        ("TRIVY_INSECURE", False, True),
        ("TRIVY_RUN_AS_PLUGIN", False, True),
        ("TRIVY_CONFIG", False, True),
        ("TRIVY_FORMAT", False, False),
        ("TRIVY_SKIP_DB_UPDATE", False, False),
        ("TRIVY_DB_REPOSITORY", False, False),
        ("TRIVY_PASSWORD", True, False),
        ("TRIVY_CACHE_DIR", True, False),
        ("GITHUB_TOKEN", True, False),
    ],
)
def test_no_variable_reaches_trivy_that_could_leave_findings_out(tmp_path, name, reaches, worth_a_word):
    program = Trivy(PROGRAM, Runner({name: "x", "HOME": "/x"}), cache=tmp_path)
    assert (name in program._runner.environment) == reaches
    assert program.set_aside == ((name,) if worth_a_word else ())
    reached = {name: "x"} if reaches and name.startswith("TRIVY_") else {}
    assert program.settings_in_environment() == reached


def test_beside_an_insecure_registry_databases_are_downloaded_first_and_securely(tmp_path):
    runs, _ = scanned(tmp_path, "silent", "", insecure=True, db_repositories=("db.example/trivy-db:2",))
    download, scan = runs
    for flag in ("--download-db-only=true", "--insecure=false", "--db-repository=db.example/trivy-db:2"):
        assert flag in download
    for flag in (
        "--insecure=true",
        *(f"--skip-{database}-update=true" for database in ("db", "java-db", "check", "vex-repo")),
    ):
        assert flag in scan
    (tmp_path / "cache" / "java-db").mkdir()
    (tmp_path / "cache" / "java-db" / "metadata.json").write_text("{}")
    runs, _ = scanned(tmp_path, "silent", "silent", "", insecure=True)
    assert ["--download-db-only=true" in arguments for arguments in runs] == [True, False, False]
    assert ["--download-java-db-only=true" in arguments for arguments in runs] == [False, True, False]
    assert ["--insecure=true" in arguments for arguments in runs] == [False, False, True]


def test_the_java_database_is_downloaded_securely_when_the_image_turns_out_to_need_it(tmp_path):
    runs, _ = scanned(tmp_path, "silent", "first-run-java", "silent", "", insecure=True)
    assert ["--download-java-db-only=true" in arguments for arguments in runs] == [False, False, True, False]
    assert ["--insecure=true" in arguments for arguments in runs] == [False, True, False, True]
    unwanted = {"skips": ("skip-java-db-update",), "fails": InputError, "match": "Java database"}
    scanned(tmp_path, "silent", "first-run-java", insecure=True, **unwanted)


def test_nothing_is_downloaded_beside_an_insecure_registry_when_offline(tmp_path):
    runs, _ = scanned(tmp_path, "", insecure=True, offline=True)
    assert len(runs) == 1


def test_a_database_that_cannot_be_downloaded_securely_ends_the_scan(tmp_path):
    names = ("nohost.invalid/trivy-db:2",)
    runs, _ = scanned(tmp_path, "db-net", insecure=True, db_repositories=names, fails=OutsideError, match="nohost")
    assert ["--insecure=true" in arguments for arguments in runs] == [False]


def test_a_database_is_fresh_as_trivy_sees_it():
    now = datetime(2026, 11, 23, tzinfo=UTC)
    hours = timedelta(hours=1)
    assert DatabaseMetadata(updated_at=now, next_update=now + hours, downloaded_at=now - 5 * hours).fresh(now)
    assert DatabaseMetadata(updated_at=now, next_update=now - hours, downloaded_at=now - hours / 2).fresh(now)
    assert not DatabaseMetadata(updated_at=now, next_update=now - hours, downloaded_at=now - 2 * hours).fresh(now)
    zero = datetime(1, 1, 1, tzinfo=UTC)
    assert not DatabaseMetadata(updated_at=now, next_update=now + hours, downloaded_at=zero).fresh(now)


def test_a_database_that_cannot_be_read_is_none(tmp_path):
    (tmp_path / "db").mkdir()
    program = Trivy(PROGRAM, Fake(), cache=tmp_path)
    assert program.database() is None
    (tmp_path / "db" / "metadata.json").write_text('{"Version":2,"UpdatedAt":')
    assert program.database() is None
    (tmp_path / "db" / "metadata.json").write_text(
        '{"Version":2,"NextUpdate":"2026-11-24T06:48:40.012883761Z","UpdatedAt":"2026-11-23T06:48:40.012884031Z",'
        '"DownloadedAt":"0001-01-01T00:00:00Z"}'
    )
    database = program.database()
    assert database is not None
    assert database.updated_at.year == 2026
    now = datetime(2026, 11, 23, 7, tzinfo=UTC)
    (tmp_path / "db" / "metadata.json").write_text(
        '{"Version":2,"UpdatedAt":"2026-11-23T06:48:40Z","DownloadedAt":"2026-11-23T04:00:00Z"}'
    )
    database = program.database()
    assert database is not None
    assert not database.fresh(now)
    (tmp_path / "db" / "metadata.json").write_text('{"Version":2,"UpdatedAt":"2026-11-23T06:48:40"}')
    assert program.database() is None


def ready(cache, name="db", *, age=timedelta(0), ends=timedelta(hours=6), version=None):
    """Write the metadata of a database that was downloaded `age` ago."""
    now = datetime.now(UTC)
    (cache / name).mkdir(parents=True, exist_ok=True)
    document = {
        "Version": version or {"db": 2, "java-db": 1}[name],
        "UpdatedAt": (now - age).isoformat(),
        "NextUpdate": (now - age + ends).isoformat(),
        "DownloadedAt": (now - age).isoformat(),
    }
    (cache / name / "metadata.json").write_text(json.dumps(document))


def kinds(runs):
    """What each run of Trivy was for."""

    def kind(run):
        if "--download-db-only=true" in run:
            return "db"
        if "--download-java-db-only=true" in run:
            return "java"
        reading = all(f"--skip-{name}-update=true" in run for name in ("db", "java-db", "check", "vex-repo"))
        return ("shared" if reading else "alone") + ("" if "--cache-backend=fs" in run else " in memory")

    return [kind(run) for run in runs]


def scan_with(cache, fake, *, concurrent=False, **options):
    program = Trivy(PROGRAM, fake, cache=cache, retry_waits=(0.0,), concurrent=concurrent)
    output = cache.parent / "o.json"
    given = ScanOptions(**{"scanners": ("vuln",), **options})
    program.scan(ScanRequest(image="x", source="registry", output=output, asked="x", options=given), Silent())
    return kinds(fake.runs)


OLD = timedelta(days=9)


@pytest.mark.parametrize(
    ("options", "concurrent", "expected"),
    [
        ({}, False, ["shared"]),
        ({"scanners": ("vuln", "misconfig")}, False, ["alone"]),
        ({"scanners": ("vuln", "misconfig"), "skips": ("skip-check-update",)}, False, ["shared"]),
        ({"vex": ("repo",)}, True, ["alone"]),
        ({"vex": ("repo",), "offline": True}, True, ["shared"]),
        ({"insecure": True, "scanners": ("vuln", "misconfig")}, False, ["shared"]),
    ],
)
def test_a_scan_that_replaces_nothing_goes_on_beside_others(tmp_path, options, concurrent, expected):
    ready(tmp_path / "cache")
    assert scan_with(tmp_path / "cache", Fake(""), concurrent=concurrent, **options) == expected


@pytest.mark.parametrize("state", [{"age": OLD}, {"version": 1}])
def test_an_old_database_is_replaced_by_one_scan_alone_or_before_all(tmp_path, state):
    ready(tmp_path / "cache", **state)
    assert scan_with(tmp_path / "cache", Fake("")) == ["alone"]
    # The fake's download changes nothing, so that Trivy is left to decide by itself.
    assert scan_with(tmp_path / "cache", Fake("silent", ""), concurrent=True) == ["db", "alone"]
    assert scan_with(tmp_path / "cache", Fake(""), offline=True) == ["shared"]
    assert scan_with(tmp_path / "cache", Fake(""), skips=("skip-db-update",)) == ["shared"]
    assert scan_with(tmp_path / "cache", Fake(""), scanners=("secret",)) == ["shared"]


class Downloading(Fake):
    """A Trivy whose downloads bring what they are for."""

    cache: Path

    def run(self, argv, **more):
        ended = super().run(argv, **more)
        if ended.code == 0 and kinds([self.runs[-1]])[0] in {"db", "java"}:
            ready(self.cache, {"db": "db", "java": "java-db"}[kinds([self.runs[-1]])[0]])
        return ended


def downloading(cache, *plays):
    fake = Downloading(*plays)
    object.__setattr__(fake, "cache", cache)
    return fake


def test_with_several_scans_at_once_the_database_is_downloaded_once_before_them(tmp_path):
    cache = tmp_path / "cache"
    assert scan_with(cache, downloading(cache, "silent", ""), concurrent=True) == ["db", "shared"]
    assert scan_with(cache, downloading(cache, ""), concurrent=True) == ["shared"]


def test_the_java_database_is_downloaded_when_an_image_has_archives(tmp_path):
    cache = tmp_path / "cache"
    ready(cache)
    assert scan_with(cache, Fake("first-run-java", "")) == ["shared", "alone"]
    assert scan_with(cache, downloading(cache, "first-run-java", "silent", ""), concurrent=True) == [
        "shared",
        "java",
        "shared",
    ]


def test_an_old_java_database_matters_to_images_with_archives_alone_and_fills_no_cache(tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    ready(cache)
    ready(cache, "java-db", age=OLD)
    assert scan_with(cache, Fake("")) == ["shared in memory"]
    monkeypatch.setattr(trivy, "has_archives", lambda _report: True)
    assert scan_with(cache, Fake("", "")) == ["shared in memory", "alone"]
    assert scan_with(cache, Fake(""), skips=("skip-java-db-update",)) == ["shared"]
    assert scan_with(cache, downloading(cache, "", "silent", ""), concurrent=True) == [
        "shared in memory",
        "java",
        "shared",
    ]


def test_what_is_wrong_with_the_image_is_not_tried_again_alone(tmp_path):
    ready(tmp_path / "cache")
    fake = Fake("notag")
    with pytest.raises(InputError, match="does not exist"):
        scan_with(tmp_path / "cache", fake)
    assert kinds(fake.runs) == ["shared"]


def test_a_cache_that_cannot_be_written_is_an_error_that_names_its_input(tmp_path):
    (tmp_path / "cache").write_text("")
    with pytest.raises(OutsideError) as raised:
        scan_with(tmp_path / "cache", Fake(""))
    assert "trivy-cache-dir" in raised.value.remedy


def test_databases_are_not_read_while_one_is_replaced(tmp_path):
    ready(tmp_path / "cache")
    program = Trivy(PROGRAM, Fake(), cache=tmp_path / "cache")
    databases = []
    with CacheLocks(tmp_path / "cache").exclusive(lambda: None):
        (tmp_path / "cache" / "db" / "metadata.json").unlink()
        reader = threading.Thread(target=lambda: databases.append(program.database()))
        reader.start()
        reader.join(0.2)
        assert reader.is_alive()
        ready(tmp_path / "cache")
    reader.join(20)
    assert databases[0] is not None


def matching(tmp_path, *plays, **more):
    fake = Fake(*plays)
    request = MatchRequest(sbom=tmp_path / "sbom.json", output=tmp_path / "o.json", asked="app", timeout=20, **more)
    return fake, Trivy(PROGRAM, fake, cache=tmp_path / "cache"), request


def test_a_match_reads_the_database_as_it_is_and_shares_it(tmp_path):
    fake, program, request = matching(tmp_path, "")
    assert program.match(request, Silent()) == ()
    (given,) = fake.runs
    assert given[1] == "sbom"
    assert given[-1] == str(tmp_path / "sbom.json")
    flags = {"--skip-db-update=true", "--cache-backend=memory", "--scanners=vuln", "--list-all-pkgs=true", "--vex="}
    assert flags <= set(given)
    assert not {word.partition("=")[0].removeprefix("--") for word in given} & settings.NOT_OF_SBOMS


def test_a_match_that_fails_or_writes_nothing_is_an_error(tmp_path):
    _, program, request = matching(tmp_path, "db-first")
    with pytest.raises(InputError, match="there is no vulnerability database"):
        program.match(request, Silent())
    _, program, request = matching(tmp_path, "silent")
    with pytest.raises(OutsideError, match="without a report"):
        program.match(request, Silent())


def test_the_database_is_downloaded_once_where_it_is_not_fresh_and_never_offline(tmp_path):
    fake = Fake("silent")
    program = Trivy(PROGRAM, fake, cache=tmp_path / "cache")
    program.update_database(ScanOptions(scanners=("vuln",), offline=True), Silent())
    assert fake.runs == []
    program.update_database(ScanOptions(scanners=("vuln",), db_repositories=("r/db:2",)), Silent())
    (given,) = fake.runs
    assert {"--download-db-only=true", "--db-repository=r/db:2"} <= set(given)
    ready(tmp_path / "cache")
    program.update_database(ScanOptions(scanners=("vuln",)), Silent())
    assert len(fake.runs) == 1
