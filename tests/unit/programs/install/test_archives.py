"""Hostile and broken archives: nothing but the one program is ever written, and only where it was asked for."""

import gzip
import io
import tarfile
import zipfile

import pytest

from s3c_actions.programs.install import archives
from s3c_actions.programs.install.archives import BadArchive, extract

PROGRAM = b"#!/bin/sh\nexit 0\n" * 100


def entry(name, content=PROGRAM, kind=tarfile.REGTYPE, link=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, len(content) if kind == tarfile.REGTYPE else 0
    return info, content


def tar(path, *entries):
    with tarfile.open(path, "w:gz") as packed:
        for info, content in entries:
            packed.addfile(info, io.BytesIO(content))
    return path


def files(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*"))


@pytest.mark.parametrize("member", ["trivy", "bin/trivy"])
@pytest.mark.parametrize("prefix", ["", "./"])
def test_the_member_is_taken_from_a_tar(tmp_path, member, prefix):
    archive = tar(tmp_path / "a.tar.gz", entry("LICENSE", b"text"), entry(prefix + member), entry("README.md", b"text"))
    extract(archive, member, tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == PROGRAM
    assert (tmp_path / "out").stat().st_mode & 0o7777 == 0o755
    assert files(tmp_path) == ["a.tar.gz", "out"]


def test_the_member_is_taken_from_a_zip(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.writestr("LICENSE", b"text")
        packed.writestr("notation-azure-kv", PROGRAM)
    extract(tmp_path / "a.zip", "notation-azure-kv", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == PROGRAM
    assert files(tmp_path) == ["a.zip", "out"]


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../../evil", "a/../../evil", "..", "..\\evil", "\\evil", "a/../trivy", "//evil"]
)
@pytest.mark.parametrize("first", [True, False])
def test_names_outside_of_the_archive_are_refused(tmp_path, name, first):
    entries = [entry(name, b"evil"), entry("trivy")]
    inner = tmp_path / "deep" / "er"
    inner.mkdir(parents=True)
    archive = tar(inner / "a.tar.gz", *(entries if first else entries[::-1]))
    with pytest.raises(BadArchive, match="outside of itself"):
        extract(archive, "trivy", inner / "out")
    assert not [name for name in files(tmp_path) if "evil" in name]


def test_names_outside_of_a_zip_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.writestr("../evil", b"evil")
        packed.writestr("trivy", PROGRAM)
    with pytest.raises(BadArchive, match="outside of itself"):
        extract(tmp_path / "a.zip", "trivy", tmp_path / "out")
    assert files(tmp_path) == ["a.zip"]


@pytest.mark.parametrize(
    ("kind", "link"),
    [
        (tarfile.SYMTYPE, "/etc/passwd"),
        (tarfile.LNKTYPE, "/etc/passwd"),
        (tarfile.LNKTYPE, "trivy"),
        (tarfile.CHRTYPE, ""),
        (tarfile.BLKTYPE, ""),
        (tarfile.FIFOTYPE, ""),
        (tarfile.DIRTYPE, ""),
    ],
)
def test_what_is_no_regular_file_is_refused(tmp_path, kind, link):
    archive = tar(tmp_path / "a.tar.gz", entry("trivy", b"", kind, link))
    with pytest.raises(BadArchive, match="not a regular file"):
        extract(archive, "trivy", tmp_path / "out")
    assert files(tmp_path) == ["a.tar.gz"]


def test_a_link_in_a_zip_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        info = zipfile.ZipInfo("trivy")
        info.external_attr = 0o120777 << 16
        packed.writestr(info, "/etc/passwd")
    with pytest.raises(BadArchive, match="not a regular file"):
        extract(tmp_path / "a.zip", "trivy", tmp_path / "out")


def test_links_beside_the_member_are_never_made(tmp_path):
    archive = tar(tmp_path / "a.tar.gz", entry("dir", b"", tarfile.SYMTYPE, "/etc"), entry("trivy"))
    extract(archive, "trivy", tmp_path / "out")
    assert files(tmp_path) == ["a.tar.gz", "out"]


def test_a_member_that_is_there_twice_is_refused(tmp_path):
    archive = tar(tmp_path / "a.tar.gz", entry("trivy"), entry("./trivy", b"other"))
    with pytest.raises(BadArchive, match="twice"):
        extract(archive, "trivy", tmp_path / "out")


def test_a_member_that_is_missing_is_named(tmp_path):
    with pytest.raises(BadArchive, match="trivy is not in it"):
        extract(tar(tmp_path / "a.tar.gz", entry("copa")), "trivy", tmp_path / "out")


@pytest.mark.parametrize("packer", ["tar", "zip"])
def test_a_bomb_stops_at_the_limit(tmp_path, monkeypatch, packer):
    monkeypatch.setattr(archives, "MAX_PROGRAM", 3 * archives.CHUNK)
    bomb = b"\0" * (10 * archives.CHUNK)
    if packer == "tar":
        archive = tar(tmp_path / "a.tar.gz", entry("trivy", bomb))
    else:
        archive = tmp_path / "a.zip"
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
            packed.writestr("trivy", bomb)
    with pytest.raises(BadArchive, match="larger than"):
        extract(archive, "trivy", tmp_path / "out")
    assert (tmp_path / "out").stat().st_size <= 3 * archives.CHUNK


def test_too_many_members_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MAX_MEMBERS", 5)
    archive = tar(tmp_path / "a.tar.gz", *(entry(f"f{n}", b"") for n in range(9)), entry("trivy"))
    with pytest.raises(BadArchive, match="more than 5 files"):
        extract(archive, "trivy", tmp_path / "out")


@pytest.mark.parametrize("kept", [0, 1, 10, 0.5, 0.95])
def test_a_truncated_archive_is_an_error(tmp_path, kept):
    import random

    noise = random.Random(3).randbytes(200_000)
    whole = tar(tmp_path / "whole.tar.gz", entry("trivy", noise)).read_bytes()
    cut = tmp_path / "cut.tar.gz"
    cut.write_bytes(whole[: int(kept * len(whole)) if isinstance(kept, float) else kept])
    with pytest.raises(BadArchive):
        extract(cut, "trivy", tmp_path / "out")


@pytest.mark.parametrize(
    "content",
    [b"<html>Access denied</html>", gzip.compress(b"no tar"), b"PK\x03\x04 no zip", b"\x1f\x8b" + b"\xff" * 100],
    ids=["a page", "no tar in gzip", "no zip", "no gzip"],  # gzip writes the time down: two processes would disagree
)
def test_what_is_no_archive_is_an_error(tmp_path, content):
    (tmp_path / "a.tar.gz").write_bytes(content)
    with pytest.raises(BadArchive):
        extract(tmp_path / "a.tar.gz", "trivy", tmp_path / "out")


def test_a_disk_error_is_not_mistaken_for_a_bad_archive(tmp_path):
    archive = tar(tmp_path / "a.tar.gz", entry("trivy"))
    with pytest.raises(FileNotFoundError):
        extract(archive, "trivy", tmp_path / "not" / "there")
