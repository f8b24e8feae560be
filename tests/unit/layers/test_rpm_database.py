"""rpm's own database is read as rpm wrote it."""

import gzip
import hashlib
import sqlite3

import pytest

from s3c_actions.layers.rpm_database import InvalidDatabase, read_packages
from tests.support import DATA

RECORDED = gzip.decompress((DATA / "packages" / "rpmdb.sqlite.gz").read_bytes())


def test_a_database_that_rpm_wrote() -> None:
    (package,) = read_packages(RECORDED)
    assert (package.name, package.version, package.architecture, package.licence) == (
        "demo",
        "2:1.0-2",
        "noarch",
        "MIT",
    )
    assert package.source == "demo-1.0-2"
    assert set(package.files) == {"usr/bin/demo", "usr/bin/demo2", "etc/demo.conf"}
    demo = package.files["usr/bin/demo"]
    assert (demo.algorithm, demo.digest) == ("sha256", hashlib.sha256(b"hello-2\n").hexdigest())
    assert (demo.mode & 0o7777, demo.configuration) == (0o4755, False)
    assert package.files["etc/demo.conf"].configuration
    assert package.files["usr/bin/demo2"].digest == ""


@pytest.mark.parametrize("cut", [0, 10, 99, 100, 5000, 100_000])
def test_a_database_that_is_cut_off_is_invalid_or_whole(cut: int) -> None:
    with pytest.raises(InvalidDatabase):
        list(read_packages(RECORDED[:cut]))


def test_a_view_or_virtual_table_of_that_name_is_not_read() -> None:
    for statement in (
        "CREATE VIEW Packages AS SELECT 1 AS blob",
        "CREATE VIRTUAL TABLE Packages USING fts5(blob)",
    ):
        connection = sqlite3.connect(":memory:")
        connection.execute(statement)
        connection.commit()
        with pytest.raises(InvalidDatabase, match="no table of packages"):
            list(read_packages(connection.serialize()))
