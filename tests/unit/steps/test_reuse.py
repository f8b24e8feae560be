import hashlib
import json
from datetime import UTC, datetime, timedelta

import pytest

from s3c_actions.options.declare import Input, read
from s3c_actions.options.parse import text
from s3c_actions.options.scan import TrivyOptions
from s3c_actions.steps.reuse import ReportStore, asked
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
    assert kept.data == REPORT.read_bytes()
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


def written(folder, name, text):
    path = folder / name
    path.write_text(text)
    return path


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
