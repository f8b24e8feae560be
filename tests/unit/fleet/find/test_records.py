import pytest
from msgspec.structs import replace

from s3c_actions.fleet.find import facts, records
from s3c_actions.fleet.find.facts import Facts, Record, Verification
from s3c_actions.fleet.find.records import RecordStore

EVIDENCE, OTHER = "sha256:" + 64 * "e", "sha256:" + 64 * "0"
FACTS = Facts(evidence=EVIDENCE, subject="sha256:" + 64 * "a", kind="sbom", created="2026-11-29T06:00:00Z")
VERIFICATION = Verification(trust="t", signature="sha256:" + 64 * "5", checked="2026-11-29T06:00:00Z")
RECORD = Record(facts=FACTS, verification=VERIFICATION)
KEY = b"k" * 32


def test_what_is_kept_is_known_to_the_next_run(tmp_path):
    RecordStore(tmp_path / "find", KEY).keep(RECORD)
    assert RecordStore(tmp_path / "find", KEY).find(EVIDENCE, "t") == RECORD
    assert RecordStore(tmp_path / "find", KEY).find(EVIDENCE, "u") is None
    assert RecordStore(tmp_path / "find", KEY).find(OTHER, "t") is None


def test_a_record_of_another_key_is_none(tmp_path):
    RecordStore(tmp_path, b"x" * 32).keep(RECORD)
    assert RecordStore(tmp_path, KEY).find(EVIDENCE, "t") is None


def test_a_changed_or_moved_record_is_none(tmp_path):
    store = RecordStore(tmp_path, KEY)
    store.keep(RECORD)
    store.keep(Record(facts=replace(FACTS, evidence=OTHER), verification=VERIFICATION))
    first, second = sorted(tmp_path.iterdir())
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content[:64] + content[64:].replace(b"sbom", b"sbon"))
    again = RecordStore(tmp_path, KEY)
    assert again.find(EVIDENCE, "t") is None
    assert again.find(OTHER, "t") is None


@pytest.mark.parametrize("content", [b"", b"x" * 63, b"x" * 100])
def test_a_broken_record_is_none(tmp_path, content):
    store = RecordStore(tmp_path, KEY)
    store.keep(RECORD)
    (path,) = tmp_path.iterdir()
    path.write_bytes(content)
    assert RecordStore(tmp_path, KEY).find(EVIDENCE, "t") is None


def test_of_another_way_of_reading_nothing_is_kept(tmp_path, monkeypatch):
    RecordStore(tmp_path, KEY).keep(RECORD)
    monkeypatch.setattr(records, "EXTRACTION", facts.EXTRACTION + 1)
    assert RecordStore(tmp_path, KEY).find(EVIDENCE, "t") is None


def test_without_a_key_everything_is_of_this_run_alone(tmp_path):
    store = RecordStore(tmp_path / "find", b"")
    store.keep(RECORD)
    store.keep_index(OTHER, VERIFICATION)
    assert store.find(EVIDENCE, "t") == RECORD
    assert not (tmp_path / "find").exists()
    assert RecordStore(tmp_path / "find", b"").find(EVIDENCE, "t") is None


def test_an_index_is_remembered_by_its_trust(tmp_path):
    RecordStore(tmp_path, KEY).keep_index(OTHER, VERIFICATION)
    assert RecordStore(tmp_path, KEY).find_index(OTHER, "t") == VERIFICATION
    assert RecordStore(tmp_path, KEY).find_index(OTHER, "u") is None
    assert RecordStore(tmp_path, KEY).find(OTHER, "t") is None


def test_the_oldest_are_deleted(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "MAX_KEPT", 5)
    monkeypatch.setattr(records, "_PRUNED_TO", 3)
    store = RecordStore(tmp_path, KEY)
    for number in range(6):
        store.keep(Record(facts=replace(FACTS, evidence=f"sha256:{number:064x}"), verification=VERIFICATION))
    store.prune()
    assert len(list(tmp_path.iterdir())) == 3
    store.prune()
    assert len(list(tmp_path.iterdir())) == 3


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path):
    (tmp_path / "find").write_text("a file")
    store = RecordStore(tmp_path / "find", KEY)
    store.keep(RECORD)
    store.prune()
    assert store.find(EVIDENCE, "t") == RECORD
