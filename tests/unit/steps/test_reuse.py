import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from s3c_actions.core.process import Runner
from s3c_actions.findings.threshold import Threshold
from s3c_actions.options.declare import Input, read
from s3c_actions.options.parse import text
from s3c_actions.options.scan import TrivyOptions
from s3c_actions.programs.install.locate import Program
from s3c_actions.programs.trivy import ignore
from s3c_actions.programs.trivy.trivy import ScanOptions, Trivy
from s3c_actions.steps.reuse import ReportStore, asked
from s3c_actions.steps.scan.scan import ScanSettings, reuse_facts
from tests.support import ROOT

REPORT = ROOT / "tests" / "data" / "trivy" / "deb.json"
DIGEST = json.loads(REPORT.read_text())["Metadata"]["RepoDigests"][0].partition("@")[2]
REFERENCE = f"localhost:5000/app@{DIGEST}"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
FACTS = {"digest": DIGEST, "trivy": "0.74.0"}


@pytest.fixture
def store(tmp_path):
    kept = ReportStore(tmp_path / "scans", b"this machine's")
    kept.keep(FACTS, REPORT)
    return kept


def test_the_same_facts_give_the_report(store):
    kept = store.find(FACTS, digest=DIGEST, now=NOW)
    assert kept.path.read_bytes() == REPORT.read_bytes()
    assert len(kept.report.findings) > 0


def test_other_facts_do_not(store):
    assert store.find({**FACTS, "trivy": "0.75.0"}, digest=DIGEST, now=NOW) is None


def test_a_report_that_another_machine_kept_is_not_reused(store, tmp_path):
    assert ReportStore(tmp_path / "scans", b"this machine's").find(FACTS, digest=DIGEST, now=NOW) is not None
    assert ReportStore(tmp_path / "scans", b"another's").find(FACTS, digest=DIGEST, now=NOW) is None
    assert ReportStore(tmp_path / "scans").find(FACTS, digest=DIGEST, now=NOW) is None


@pytest.mark.parametrize("forged", ["hash beside it", "signature of other facts"])
def test_a_planted_report_is_not_reused(store, tmp_path, forged):
    (folder,) = (tmp_path / "scans").iterdir()
    record = json.loads((folder / "about.json").read_text())
    if forged == "hash beside it":
        report = (folder / "trivy.json").read_text().replace("CVE-", "CVX-")
        (folder / "trivy.json").write_text(report)
        record["sha256"] = hashlib.sha256(report.encode()).hexdigest()
        (folder / "about.json").write_text(json.dumps(record))
        assert store.find(FACTS, digest=DIGEST, now=NOW) is None
    else:
        others = {**FACTS, "trivy": "0.75.0"}
        store.keep(others, REPORT)
        place = next(entry for entry in (tmp_path / "scans").iterdir() if entry != folder)
        (place / "about.json").write_text(json.dumps({**record, "facts": others}))
        assert store.find(others, digest=DIGEST, now=NOW) is None
        assert store.find(FACTS, digest=DIGEST, now=NOW) is not None


@pytest.mark.parametrize("damage", ["cut", "swapped", "gone", "no about"])
def test_a_damaged_report_is_not_reused(store, tmp_path, damage):
    (folder,) = (tmp_path / "scans").iterdir()
    path = folder / "trivy.json"
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    elif damage == "swapped":
        path.write_bytes((REPORT.parent / "scratch.json").read_bytes())
    elif damage == "gone":
        path.unlink()
    else:
        (folder / "about.json").write_text("{")
    assert store.find(FACTS, digest=DIGEST, now=NOW) is None


def test_a_report_of_another_image_or_from_the_future_is_not_reused(store):
    assert store.find(FACTS, digest="sha256:" + "0" * 64, now=NOW) is None
    assert store.find(FACTS, digest=DIGEST, now=datetime(2026, 1, 1, tzinfo=UTC)) is None


def test_one_that_is_too_old_is_not_reused(store):
    created = datetime.fromisoformat(store.find(FACTS, digest=DIGEST, now=NOW).report.created)
    later = {"digest": DIGEST, "now": created + timedelta(hours=3)}
    assert store.find(FACTS, **later, within=timedelta(hours=3)) is not None
    assert store.find(FACTS, **later, within=timedelta(hours=2, minutes=59)) is None


def settings(tmp_path, **options):
    return ScanSettings(
        options=ScanOptions(**{"scanners": ("vuln",), **options}),
        folder=tmp_path / "out",
        temp=tmp_path,
        now=NOW,
        cwd=tmp_path,
        gate=Threshold(None),
        policy=None,
        unscanned_fails=True,
    )


@pytest.fixture
def trivy(tmp_path):
    program = Program(name="trivy", path=Path("/bin/trivy"), version="0.74.0", origin="given")
    scanner = Trivy(program, Runner({}), cache=tmp_path / "cache")
    database(scanner, NOW)
    return scanner


def written(folder, name, text):
    path = folder / name
    path.write_text(text)
    return path


def database(trivy, updated, *, next_update=None):
    (trivy.cache / "db").mkdir(parents=True, exist_ok=True)
    (trivy.cache / "db" / "metadata.json").write_text(
        json.dumps(
            {
                "Version": 2,
                "UpdatedAt": updated.isoformat(),
                "NextUpdate": (next_update or updated + timedelta(days=1)).isoformat(),
                "DownloadedAt": (updated - timedelta(hours=2)).isoformat(),
            }
        )
    )


def test_everything_that_makes_a_report_is_among_its_facts(tmp_path, trivy):
    plain = reuse_facts(REFERENCE, settings(tmp_path), trivy)
    assert plain is not None
    vex = tmp_path / "v.json"
    vex.write_text("{}")
    for options in (
        {"scanners": ("vuln", "secret")},
        {"pkg_types": ("os",)},
        {"platform": "linux/arm64"},
        {"skip_dirs": ("usr",)},
        {"skip_files": ("a",)},
        {"vex": (str(vex),)},
        {"offline": True},
        {"image_config_scanners": ("secret",)},
        {"ignore_file": written(tmp_path, ".trivyignore", "CVE-1")},
        {"secret_config": written(tmp_path, "trivy-secret.yaml", "disable-rules: [a]")},
        {"wider": (("license-full", "true"),)},
        {"skips": ("skip-db-update",)},
    ):
        assert reuse_facts(REFERENCE, settings(tmp_path, **options), trivy) not in (None, plain), options
    assert reuse_facts(REFERENCE[:-1] + "1", settings(tmp_path), trivy) != plain
    # Trivy's report names the repository, and so do its SBOMs.
    assert reuse_facts(f"other.example/{REFERENCE}", settings(tmp_path), trivy) != plain
    expired = ignore.read(written(tmp_path, "expired", "CVE-1 exp:2020-01-01"))
    assert reuse_facts(REFERENCE, replace(settings(tmp_path), ignored=expired), trivy) != plain
    # What Trivy would take by itself has no say.
    for name in (".trivyignore", "trivy-secret.yaml", "trivy.yaml"):
        written(tmp_path, name, "CVE-1")
        assert reuse_facts(REFERENCE, settings(tmp_path), trivy) == plain
    database(trivy, NOW - timedelta(hours=1))
    assert reuse_facts(REFERENCE, settings(tmp_path), trivy) != plain


def test_variables_count_and_are_not_written_down(tmp_path, trivy):
    other = Trivy(
        Program(name="trivy", path=Path("/bin/trivy"), version="0.74.0", origin="given"),
        Runner({"TRIVY_PASSWORD": "hunter2"}),
        cache=trivy.cache,
    )
    facts = reuse_facts(REFERENCE, settings(tmp_path), other)
    assert facts != reuse_facts(REFERENCE, settings(tmp_path), trivy)
    assert "hunter2" not in json.dumps(facts)


def test_nothing_is_reused_that_cannot_be_known(tmp_path, trivy):
    assert reuse_facts("", settings(tmp_path), trivy) is None
    assert reuse_facts(REFERENCE, settings(tmp_path, vex=("repo",)), trivy) is None
    assert reuse_facts(REFERENCE, settings(tmp_path, ignore_policy=Path("p.rego")), trivy) is None
    assert reuse_facts(REFERENCE, settings(tmp_path, scanners=("misconfig",)), trivy) is None
    config = written(tmp_path, "mirrors.yaml", "registry: {mirrors: {docker.io: [m.example]}}")
    assert reuse_facts(REFERENCE, settings(tmp_path, config=config), trivy) is None


def test_a_stale_database_is_reused_offline_only(tmp_path, trivy):
    database(trivy, NOW - timedelta(days=3))
    assert reuse_facts(REFERENCE, settings(tmp_path), trivy) is None
    assert reuse_facts(REFERENCE, settings(tmp_path, offline=True), trivy) is not None


def test_without_a_database_nothing_is_known(tmp_path, trivy):
    (trivy.cache / "db" / "metadata.json").unlink()
    assert reuse_facts(REFERENCE, settings(tmp_path, offline=True), trivy) is None
    assert reuse_facts(REFERENCE, settings(tmp_path, scanners=("secret",)), trivy) is not None


def other(value, folder):
    """Another value of the same kind; a path is one of a file that is there."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, float):
        return value + 1
    if isinstance(value, tuple):
        return (*value, ("a", "b") if value and isinstance(value[0], tuple) else "other")
    return "other" if isinstance(value, str) else written(folder, "other", "CVE-1")


@pytest.mark.parametrize("name", ScanOptions.__struct_fields__)
def test_every_field_of_trivys_options_counts(tmp_path, trivy, name):
    plain = settings(tmp_path)
    changed = replace(plain.options, **{name: other(getattr(plain.options, name), tmp_path)})
    assert reuse_facts(REFERENCE, replace(plain, options=changed), trivy) != reuse_facts(REFERENCE, plain, trivy)


def test_a_field_that_is_added_counts(tmp_path, trivy):
    class Wider(ScanOptions, frozen=True, kw_only=True):
        added: str = ""

    widened = [replace(settings(tmp_path), options=Wider(scanners=("vuln",), added=added)) for added in ("", "x")]
    assert reuse_facts(REFERENCE, widened[0], trivy) != reuse_facts(REFERENCE, widened[1], trivy)
    json.dumps(reuse_facts(REFERENCE, widened[1], trivy))


GIVEN = {
    "scanners": "secret",
    "pkg-types": "os",
    "image-config-scanners": "secret",
    "offline": "true",
    "trivy-config": "FILE",
    "secret-config": "FILE",
    "ignore-files": "FILE",
    "ignore-policy": "FILE",
    "vex": "FILE",
}


@pytest.mark.parametrize("declared", TrivyOptions.inputs(), ids=lambda declared: declared.name)
def test_every_option_counts_and_of_a_file_its_content(tmp_path, declared):
    def asked_for(**flags):
        return asked(read(TrivyOptions, flags, {}, lambda _notice: None), TrivyOptions)

    file = written(tmp_path, "file", "one")
    given = {declared.name: GIVEN.get(declared.name, "text").replace("FILE", str(file))}
    first = asked_for(**given)
    assert first != asked_for()
    assert declared.is_path == (GIVEN.get(declared.name) == "FILE")
    if declared.is_path:
        file.write_text("two")
        assert asked_for(**given) != first
        # The target branch's copy of the same file has another path.
        again = written(tmp_path, "again", "one")
        assert asked_for(**{declared.name: str(again)}) == first


def test_an_option_that_is_added_changes_what_was_asked():
    class Wider(TrivyOptions):
        added = Input(name="added", help="", parse=text, absent="")

    recorded = [asked(read(Wider, {"added": added}, {}, lambda _notice: None), Wider) for added in ("", "x")]
    assert recorded[0] != recorded[1]
