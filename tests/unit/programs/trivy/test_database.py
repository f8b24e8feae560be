import struct

import pytest

from s3c_actions.programs.trivy.database import read_sources
from tests.support import bolt


@pytest.fixture
def path(tmp_path):
    return tmp_path / "trivy.db"


def test_the_buckets_that_hold_something_are_the_sources(path):
    bolt.write(
        path, ["debian 12", "pip::GitHub Security Advisory pip", "vulnerability", "data-source"], ["alpine 3.22"]
    )
    assert read_sources(path) == frozenset({"debian 12", "pip::GitHub Security Advisory pip"})


def test_a_bucket_on_pages_of_its_own_below_branches(path):
    own = struct.pack("<QQ", 5, 0)
    leaf = bolt.page(4, bolt.LEAF, 1, bolt.leaf_body([(1, b"ubuntu 24.04", own)]))
    branch = bolt.page(3, bolt.BRANCH, 1, struct.pack("<IIQ", 16, 12, 4) + b"ubuntu 24.04")
    content = bolt.page(5, bolt.LEAF, 1, bolt.leaf_body([(0, b"openssl", b"{}")]))
    path.write_bytes(
        bolt.meta(0, 0, 3, 6) + bolt.meta(1, 1, 3, 6) + bolt.page(2, bolt.FREE, 0) + branch + leaf + content
    )
    assert read_sources(path) == frozenset({"ubuntu 24.04"})


def test_the_newer_meta_page_that_is_whole_counts(path):
    bolt.write(path, ["debian 12"])
    data = bytearray(path.read_bytes())
    newer = bolt.meta(0, 9, 2, 4)
    data[:4096] = newer
    data[40] ^= 1  # the root's number, so that the checksum is wrong
    path.write_bytes(data)
    assert read_sources(path) == frozenset({"debian 12"})


def test_an_empty_database_has_no_source(path):
    bolt.write(path, [])
    assert read_sources(path) == frozenset()


def test_no_file_is_not_an_empty_database(path):
    assert read_sources(path) is None


@pytest.mark.parametrize("damage", ["empty", "text", "cut", "loop", "long", "kind", "folder"])
def test_a_damaged_database_has_no_source(path, damage):
    bolt.write(path, ["debian 12"])
    data = bytearray(path.read_bytes())
    start = 3 * bolt.PAGE
    if damage == "empty":
        data = bytearray()
    elif damage == "text":
        data = bytearray(b"this is no database" * 1000)
    elif damage == "cut":
        data = data[: start + 8]
    elif damage == "loop":
        data[start:] = bolt.page(3, bolt.BRANCH, 1, struct.pack("<IIQ", 16, 1, 3) + b"a")
    elif damage == "long":
        data[start + 16 :][:16] = struct.pack("<IIII", 1, 16, 2**31, 2**31)
        data[start + 16 : start + 32] = struct.pack("<IIII", 1, 16, 2**31, 2**31)
    elif damage == "kind":
        data[start + 8 : start + 10] = struct.pack("<H", 64)
    path.unlink()
    if damage == "folder":
        path.mkdir()
    else:
        path.write_bytes(data)
    assert read_sources(path) == frozenset()
