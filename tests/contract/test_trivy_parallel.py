"""Scans at the same time in one cache: the real Trivy, with both of its databases, and a registry."""

from __future__ import annotations

import hashlib
import io
import json
import os
import sqlite3
import threading
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from s3c_actions.cli.run import cache_path
from s3c_actions.core.concurrency import for_each
from s3c_actions.core.errors import S3CError
from s3c_actions.core.process import Runner
from s3c_actions.core.progress import Silent
from s3c_actions.programs.install.locate import locate
from s3c_actions.programs.install.pins import TRIVY
from s3c_actions.programs.trivy.arguments import ScanOptions, ScanRequest
from s3c_actions.programs.trivy.trivy import Trivy
from tests.support import scanning
from tests.support.debian_registry import debian_registry
from tests.support.oci import Repository, layer

IMAGES = 6
# https://github.com/aquasecurity/trivy-java-db/blob/main/pkg/db/db.go
_JAVA_TABLES = """
CREATE TABLE artifacts(id INTEGER PRIMARY KEY, group_id TEXT, artifact_id TEXT);
CREATE TABLE indices(artifact_id INTEGER, version TEXT, sha1 BLOB, archive_type TEXT,
    foreign key (artifact_id) references artifacts(id));
CREATE UNIQUE INDEX artifacts_idx ON artifacts(artifact_id, group_id);
CREATE INDEX indices_artifact_idx ON indices(artifact_id);
CREATE UNIQUE INDEX indices_sha1_idx ON indices(sha1);
"""


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A registry with images on one base, each with an archive that only the Java database knows by name."""
    base = layer(scanning.debian())
    with debian_registry(tmp_path_factory.mktemp("registry")) as address:
        for number in range(IMAGES):
            image = [base, layer({f"app/a{number}.jar": archive(number)})]
            Repository(address, f"app{number}").image(image, "1")
        yield address


def archive(number: int) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as jar:
        jar.writestr(zipfile.ZipInfo("A.class"), f"{number}" * 10)
    return content.getvalue()


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """Trivy's cache with both databases, as downloaded now."""
    folder = scanning.database(tmp_path)
    java = folder / "java-db"
    java.mkdir()
    with sqlite3.connect(java / "trivy-java.db") as database:
        database.executescript(_JAVA_TABLES)
        for number in range(IMAGES):
            database.execute("INSERT INTO artifacts VALUES (?, ?, ?)", (number + 1, "org.example", f"a{number}"))
            row = (number + 1, "1.0", hashlib.sha1(archive(number)).digest(), "jar")
            database.execute("INSERT INTO indices VALUES (?, ?, ?, ?)", row)
    database.close()
    stamp_java(folder, datetime.now(UTC))
    return folder


def stamp_java(cache: Path, downloaded: datetime) -> None:
    document = {
        "Version": 1,
        "UpdatedAt": downloaded.isoformat(),
        "NextUpdate": (downloaded + timedelta(days=3)).isoformat(),
        "DownloadedAt": downloaded.isoformat(),
    }
    (cache / "java-db" / "metadata.json").write_text(json.dumps(document))


def trivy(cache: Path) -> Trivy:
    runner = Runner(dict(os.environ))
    program = locate(TRIVY, cache=cache_path(os.environ), runner=runner, progress=Silent())
    return Trivy(program, runner, cache=cache, concurrent=True)


def scan_all(trivy: Trivy, registry: str, folder: Path, *, jobs: int, offline: bool = False) -> list[object]:
    """Scan every image, and return the results without what differs in every run."""

    def scan(number: int) -> object:
        output = folder / f"{jobs}-{number}.json"
        image = f"{registry}/app{number}:1"
        given = ScanOptions(scanners=("vuln",), timeout=120, offline=offline)
        trivy.scan(ScanRequest(image=image, source="registry", output=output, options=given, asked=image), Silent())
        return json.loads(output.read_text())["Results"]

    return for_each(range(IMAGES), scan, jobs=jobs)


def names(results: object) -> set[str]:
    return {package["Name"] for result in results for package in result["Packages"]}  # type: ignore[attr-defined]


def test_scans_at_once_find_what_scans_one_after_another_find(registry: str, cache: Path, tmp_path: Path) -> None:
    program = trivy(cache)
    alone = scan_all(program, registry, tmp_path, jobs=1)
    assert scan_all(program, registry, tmp_path, jobs=4) == alone
    for number, results in enumerate(alone):
        assert {"libssl3", "zlib1g", f"org.example:a{number}"} <= names(results)
    # The caches of layers beside the first one were used, and hold no database of their own.
    beside = cache / "layers" / "1"
    assert (beside / "fanal" / "fanal.db").is_file()
    assert (beside / "db").is_symlink()


def test_scans_go_on_at_once(registry: str, cache: Path, tmp_path: Path) -> None:
    """Two scans are within Trivy at the same moment: each waits for the other's start."""
    meeting = threading.Barrier(2, timeout=60)
    program = trivy(cache)
    run = program._runner.run

    def together(argv: list[str], **more: object) -> object:
        meeting.wait()
        ended = run(argv, **more)  # type: ignore[arg-type]
        meeting.wait()
        return ended

    object.__setattr__(program._runner, "run", together)
    assert len(scan_all(program, registry, tmp_path, jobs=2)) == IMAGES


def test_an_old_database_is_replaced_once_and_never_under_a_scan(registry: str, cache: Path, tmp_path: Path) -> None:
    repository = Repository(registry, "trivy-db")
    scanning.push_database(repository, cache)
    metadata = cache / "db" / "metadata.json"
    old = json.loads(metadata.read_text())
    long_ago = (datetime.now(UTC) - timedelta(days=3)).isoformat()
    metadata.write_text(json.dumps({**old, "NextUpdate": long_ago, "DownloadedAt": long_ago}))
    program = trivy(cache)
    reading, downloads, overlaps = [0], [], []
    lock, run = threading.Lock(), program._runner.run

    def counted(argv: list[str], **more: object) -> object:
        download = "--download-db-only=true" in argv
        with lock:
            if download:
                downloads.append(argv)
                overlaps.append(reading[0])
            else:
                reading[0] += 1
        try:
            return run(argv, **more)  # type: ignore[arg-type]
        finally:
            with lock:
                reading[0] -= not download

    object.__setattr__(program._runner, "run", counted)

    def scan(number: int) -> set[str]:
        output, image = tmp_path / f"{number}.json", f"{registry}/app{number}:1"
        options = ScanOptions(scanners=("vuln",), timeout=120, db_repositories=(f"{registry}/trivy-db:2",))
        program.scan(ScanRequest(image=image, source="registry", output=output, options=options, asked=image), Silent())
        results = json.loads(output.read_text())["Results"]
        return {finding["VulnerabilityID"] for result in results for finding in result.get("Vulnerabilities") or ()}

    ids_of_images = for_each(range(IMAGES), scan, jobs=4)
    assert all({scanning.HIGH, scanning.MEDIUM} <= ids for ids in ids_of_images)
    assert len(downloads) == 1
    assert overlaps == [0]


def test_an_old_java_database_is_not_taken_for_archives(registry: str, cache: Path, tmp_path: Path) -> None:
    """It would be replaced, which its repository here refuses; offline, it is taken as it is."""
    stamp_java(cache, datetime.now(UTC) - timedelta(days=30))
    program = trivy(cache)
    assert all(names(results) for results in scan_all(program, registry, tmp_path, jobs=2, offline=True))
    output, image = tmp_path / "x.json", f"{registry}/app0:1"
    options = ScanOptions(scanners=("vuln",), timeout=60, java_db_repositories=(f"{registry}/no-such-db:1",))
    with pytest.raises(S3CError) as raised:
        program.scan(ScanRequest(image=image, source="registry", output=output, options=options, asked=image), Silent())
    assert "Java" in str(raised.value)
