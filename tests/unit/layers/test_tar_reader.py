"""Entries are read as Go's archive/tar reads them, whatever form of header they have."""

import io
import tarfile

import pytest

from s3c_actions.layers.decompression import UnreadableLayer
from s3c_actions.layers.model import EntryType
from s3c_actions.layers.tar_reader import LayerStream, Member, read_members

LONG = "folder/" * 40 + "file.txt"


def members(content: bytes) -> list[Member]:
    pieces = (content[start : start + 100] for start in range(0, len(content), 100))
    return list(read_members(LayerStream(pieces, 1 << 30), lambda _path, _size: True, checksums=True))


def archive(form: int, *entries: tarfile.TarInfo, content: bytes = b"text") -> bytes:
    raw = io.BytesIO()
    with tarfile.TarFile(fileobj=raw, mode="w", format=form) as tar:
        for entry in entries:
            entry.size = len(content) if entry.isreg() else 0
            tar.addfile(entry, io.BytesIO(content))
    return raw.getvalue()


def entry(name: str, **fields: object) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    for field, value in fields.items():
        setattr(member, field, value)
    return member


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
@pytest.mark.parametrize("name", ["a", "./a/b", LONG, "ünïcode", "x" * 250])
def test_names_in_every_form(form: int, name: str) -> None:
    (member,) = members(archive(form, entry(name, mode=0o4755, uid=1000, gid=3_000_000)))
    assert member.path == name.removeprefix("./")
    assert member.entry is not None
    assert (member.entry.mode, member.entry.user, member.entry.group) == (0o4755, 1000, 3_000_000)
    assert member.entry.content == b"text"
    assert not member.escapes


def test_a_name_with_a_prefix() -> None:
    name = "p" * 90 + "/" + "n" * 90
    (member,) = members(archive(tarfile.USTAR_FORMAT, entry(name)))
    assert member.path == name


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (tarfile.DIRTYPE, EntryType.FOLDER),
        (tarfile.SYMTYPE, EntryType.SYMLINK),
        (tarfile.CHRTYPE, EntryType.CHARACTER),
        (tarfile.BLKTYPE, EntryType.BLOCK),
        (tarfile.FIFOTYPE, EntryType.PIPE),
    ],
)
def test_every_type(kind: bytes, expected: EntryType) -> None:
    special = entry("a", type=kind, linkname="b" if kind == tarfile.SYMTYPE else "", devmajor=8, devminor=1)
    (member,) = members(archive(tarfile.PAX_FORMAT, special))
    assert member.entry is not None
    assert member.entry.type is expected
    assert member.entry.device == ((8, 1) if kind in {tarfile.CHRTYPE, tarfile.BLKTYPE} else (0, 0))


def test_a_long_target_of_a_link() -> None:
    (member,) = members(archive(tarfile.GNU_FORMAT, entry("a", type=tarfile.SYMTYPE, linkname=LONG)))
    assert member.entry is not None
    assert member.entry.target == LONG
    (linked,) = members(archive(tarfile.PAX_FORMAT, entry("a", type=tarfile.LNKTYPE, linkname=LONG)))
    assert (linked.entry, linked.link) == (None, LONG)


def test_a_size_and_times_of_an_extended_header() -> None:
    (member,) = members(archive(tarfile.PAX_FORMAT, entry("a", mtime=1.5, uid=1 << 40)))
    assert member.entry is not None
    assert (member.entry.modified, member.entry.user) == (1.5, 1 << 40)


def test_a_large_number_of_gnu_tar() -> None:
    (member,) = members(archive(tarfile.GNU_FORMAT, entry("a", uid=1 << 40)))
    assert member.entry is not None
    assert member.entry.user == 1 << 40


def test_what_follows_the_end_means_nothing() -> None:
    content = archive(tarfile.PAX_FORMAT, entry("a"))
    stream = LayerStream([content, archive(tarfile.PAX_FORMAT, entry("b"))], 1 << 30)
    assert [member.path for member in read_members(stream, lambda _path, _size: False, checksums=False)] == ["a"]
    assert stream.size > len(content)


@pytest.mark.parametrize("after", [b"x", b"x" * 512, bytes(100)], ids=["text", "a block", "half a block"])
def test_an_end_that_runtimes_reject_is_none(after: bytes) -> None:
    content = archive(tarfile.PAX_FORMAT, entry("a"))
    whole = content.rstrip(b"\0")
    ended = whole + bytes(-len(whole) % 512) + bytes(512)
    assert len(members(ended)) == 1
    with pytest.raises(UnreadableLayer, match="its end"):
        members(ended + after)


def test_a_global_header_is_about_no_entry() -> None:
    raw = io.BytesIO()
    with tarfile.TarFile(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT, pax_headers={"path": "evil"}) as tar:
        tar.addfile(entry("a"))
    assert [member.path for member in members(raw.getvalue())] == ["a"]


@pytest.mark.parametrize(
    ("records", "clause"),
    [
        ({"GNU.sparse.realsize": "1000000000000"}, "sparse"),
        ({"size": "-1"}, "wrong size"),
        ({"uid": "x"}, "wrong uid"),
        ({"mtime": "x"}, "wrong mtime"),
        ({"path": "y" * 5000}, "longer than any"),
        ({"SCHILY.xattr.user.x": "y" * 2_000_000}, "longer than"),
    ],
)
def test_what_is_rejected(records: dict[str, str], clause: str) -> None:
    with pytest.raises(UnreadableLayer, match=clause):
        members(archive(tarfile.PAX_FORMAT, entry("a", pax_headers=records)))


@pytest.mark.parametrize("kind", [b"S", b"V", b"X", b"Z"])
def test_types_that_runtimes_do_not_unpack(kind: bytes) -> None:
    content = bytearray(archive(tarfile.USTAR_FORMAT, entry("a")))
    content[156:157] = kind
    content[148:156] = b"%06o\0 " % (sum(content[:148]) + 8 * 32 + sum(content[156:512]))
    with pytest.raises(UnreadableLayer):
        members(bytes(content))
