"""Trivy's cache: read by many, replaced by one, and a cache of layers for each scan."""

import threading
import time
from pathlib import Path

import pytest

from s3c_actions.programs.trivy import cache
from s3c_actions.programs.trivy.cache import CacheLocks, has_archives


class NoTime(Exception):
    pass


def never():
    raise NoTime


def patiently():
    return None


def test_scans_share_the_databases_and_a_writer_waits_for_them(tmp_path):
    locks, others = CacheLocks(tmp_path / "c"), CacheLocks(tmp_path / "c")
    with locks.shared(never), others.shared(never), pytest.raises(NoTime), CacheLocks(tmp_path / "c").exclusive(never):
        pass
    with locks.exclusive(never), pytest.raises(NoTime), others.shared(never):
        pass
    with locks.exclusive(never):
        pass


def test_a_writer_is_not_passed_by_scans_that_come_later(tmp_path):
    events, reading, waiting = [], threading.Event(), threading.Event()
    CacheLocks(tmp_path).folder.mkdir(exist_ok=True)

    def write():
        with CacheLocks(tmp_path).exclusive(waiting.set):
            events.append("write")

    def read():
        with CacheLocks(tmp_path).shared(patiently):
            events.append("read")

    with CacheLocks(tmp_path).shared(never):
        reading.set()
        writer = threading.Thread(target=write)
        writer.start()
        assert waiting.wait(20)
        reader = threading.Thread(target=read)
        reader.start()
        time.sleep(4 * cache.POLL)
        assert events == []
    writer.join(20)
    reader.join(20)
    assert events == ["write", "read"]


def test_each_scan_has_layers_of_its_own_and_the_next_takes_them_over(tmp_path):
    locks = CacheLocks(tmp_path)
    with locks.layers() as first, locks.layers() as second:
        assert first == tmp_path
        assert second is not None
        assert second == tmp_path / "layers" / "1"
        assert all((second / name).is_dir() for name in ("db", "java-db", "policy"))
        (tmp_path / "db" / "metadata.json").write_text("{}")
        assert (second / "db" / "metadata.json").read_text() == "{}"
        (second / "fanal").mkdir()
    with locks.layers() as first, locks.layers() as again:
        assert first == tmp_path
        assert again is not None
        assert again == second
        assert (again / "fanal").is_dir()
        assert not (tmp_path / "fanal").exists()


def test_more_scans_than_there_are_caches_of_layers_keep_none(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "MAX_LAYER_CACHES", 1)
    locks = CacheLocks(tmp_path)
    with locks.layers() as first, locks.layers() as second:
        assert (first, second) == (tmp_path, None)


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        ('{"Results":[{"Type":"debian"},{"Type":"jar","Class":"lang-pkgs"}]}', True),
        ('{"Results":[{"Type":"debian","Target":"jar"}]}', False),
        ('{"Results":null}', False),
        ("{}", False),
        ("no json", False),
    ],
)
def test_java_archives_are_known_by_the_type_of_a_result(tmp_path, report, expected):
    path = Path(tmp_path / "trivy.json")
    path.write_text(report)
    assert has_archives(path) is expected
    assert not has_archives(tmp_path / "missing.json")
