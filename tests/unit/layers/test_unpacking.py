"""Layers are unpacked below their folder, whatever their members are called and lead to."""

import errno
import gzip
import io
import os
import stat
import tarfile
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3c_actions.core.errors import OutsideError
from s3c_actions.core.reference import Reference
from s3c_actions.layers import unpacking
from s3c_actions.layers.unpacking import FetchedImage, FolderOwner, LayerFile, Unpacker
from s3c_actions.registry import ImageConfig
from tests.support.layers import skippable, zstandard
from tests.support.oci import digest_of

Member = tuple[str, bytes | str | None, str]
"""Name, content or the target of a link, and kind: `file`, `dir`, `link`, `hard`, `pipe` or `device`."""
KINDS = {
    "file": tarfile.REGTYPE,
    "dir": tarfile.DIRTYPE,
    "link": tarfile.SYMTYPE,
    "hard": tarfile.LNKTYPE,
    "pipe": tarfile.FIFOTYPE,
    "device": tarfile.CHRTYPE,
}


def layer(*members: Member, mode: int = 0o755) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, value, kind in members:
            member = tarfile.TarInfo(name)
            member.type, member.mode = KINDS[kind], mode
            content = value if isinstance(value, bytes) else b""
            member.size = len(content)
            member.linkname = value if isinstance(value, str) else ""
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim/file").write_text("the host's")
    root = tmp_path / "root"
    root.mkdir()
    return root


def fetched(root: Path, *layers: bytes, pack: Callable[[bytes], bytes] = bytes, names: str = "") -> FetchedImage:
    """An image of layers that are stored as `pack` returns them; `names` is another digest of each's content."""
    files = []
    for number, content in enumerate(layers):
        path = root.parent / f"layer{number}"
        path.write_bytes(pack(content))
        files.append(LayerFile(path=path, digest=f"sha256:{number}"))
    config = ImageConfig(
        manifest="sha256:1",
        platform="linux/amd64",
        diff_ids=tuple(names or digest_of(content) for content in layers),
        labels={},
        document={},
    )
    reference = Reference.parse("localhost:5000/app@sha256:" + "0" * 64)
    return FetchedImage(reference=reference, config=config, config_bytes=b"{}", layers=tuple(files))


def unpack(root: Path, *layers: bytes, **stored: Any) -> dict[str, FolderOwner]:
    image = fetched(root, *layers, **stored)
    with Unpacker(root.with_name("root.contents"), None) as unpacker:
        folders = unpacker.unpack(image, root)
    assert {path.name for path in root.parent.iterdir()} == {
        "root",
        "victim",
        *(path.path.name for path in image.layers),
    }
    return folders


def tree(root: Path) -> dict[str, str]:
    shown = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        shown[name] = f"-> {path.readlink()}" if path.is_symlink() else path.read_text() if path.is_file() else "/"
    return shown


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "none": bytes,
    "gzip": gzip.compress,
    "two gzip members": lambda content: gzip.compress(content[:700]) + gzip.compress(content[700:]),
    "zstd": zstandard,
    "two zstd frames": lambda content: zstandard(content[:700]) + zstandard(content[700:]),
    "zstd with a table": lambda content: zstandard(content) + skippable(b"a table of contents"),
}


@pytest.mark.parametrize("packed", PACKED)
def test_layers_cover_each_other(root: Path, packed: str) -> None:
    folders = unpack(
        root,
        layer(("etc", None, "dir"), ("etc/a", b"1", "file"), ("etc/b", b"1", "file"), ("var/log/x", b"1", "file")),
        layer(("etc/a", b"2", "file"), ("etc/.wh.b", b"", "file"), ("var/log/.wh..wh..opq", b"", "file")),
        layer(("var/log/y", b"3", "file"), ("etc/same", "etc/a", "hard"), ("etc/c", "a", "link")),
        pack=PACKED[packed],
    )
    assert folders == {"etc": FolderOwner(0, 0, 0o755)}
    assert (root / "etc/same").samefile(root / "etc/a")
    assert tree(root) == {
        "etc": "/",
        "etc/a": "2",
        "etc/c": "-> a",
        "etc/same": "2",
        "var": "/",
        "var/log": "/",
        "var/log/y": "3",
    }


def test_an_opaque_folder_keeps_what_its_own_layer_has(root: Path) -> None:
    first = layer(("d/old", b"1", "file"), ("d/sub/old", b"1", "file"))
    unpack(root, first, layer(("d/sub/new", b"2", "file"), ("d/new", b"2", "file"), ("d/.wh..wh..opq", b"", "file")))
    assert tree(root) == {"d": "/", "d/new": "2", "d/sub": "/", "d/sub/new": "2"}


def test_layers_that_images_share_are_read_once(root: Path) -> None:
    base = layer(("a", b"1", "file"), ("b", b"2", "file"), ("c", b"2", "file"), ("d", b"4", "file"), ("l", "a", "link"))
    patch = layer(("a", b"new", "file"), (".wh.d", b"", "file"), ("e", b"4", "file"), ("f", b"1", "file"))
    other = root.with_name("other")
    other.mkdir()
    with Unpacker(root.with_name("contents"), None) as unpacker:
        unpacker.unpack(fetched(root, base), root)
        image = fetched(root, base, patch)
        image.layers[0].path.unlink()
        unpacker.unpack(image, other)
    assert tree(root) == {"a": "1", "b": "2", "c": "2", "d": "4", "l": "-> a"}
    assert tree(other) == {"a": "new", "b": "2", "c": "2", "e": "4", "f": "1", "l": "-> a"}
    assert (root / "b").samefile(other / "b") and not (root / "b").samefile(root / "c")
    assert not (root / "a").samefile(other / "f") and not (root / "d").samefile(other / "e")
    assert not root.with_name("contents").exists()


def test_equal_files_are_files_of_their_own(root: Path) -> None:
    unpack(root, layer(("a", b"same", "file"), ("b", b"same", "file"), ("c", b"", "file"), ("d", b"", "file")))
    assert tree(root) == {"a": "same", "b": "same", "c": "", "d": ""}
    assert not (root / "a").samefile(root / "b")
    assert not (root / "c").samefile(root / "d")


@pytest.mark.parametrize(
    "members",
    [
        [("../victim/file", b"evil", "file")],
        [("/../victim/file", b"evil", "file")],
        [("out", "../victim", "link"), ("out/file", b"evil", "file")],
        [("out", "{victim}", "link"), ("out/file", b"evil", "file")],
        [("out", "{victim}/file", "link"), ("out", b"evil", "file")],
        [("out", "../victim", "link"), ("out/.wh.file", b"", "file")],
        [("out", "../victim", "link"), ("out/.wh..wh..opq", b"", "file")],
        [("out", "../victim/file", "hard"), ("out", b"evil", "file")],
        [("a", "../victim", "link"), ("b", "a/file", "hard"), ("b", b"evil", "file")],
        [(".wh...", b"", "file"), (".wh..", b"", "file")],
    ],
)  # fmt: skip
def test_nothing_outside_is_touched(root: Path, members: list[Member]) -> None:
    victim = root.parent / "victim"
    named = [
        (name, value.replace("{victim}", str(victim)) if isinstance(value, str) else value, kind)
        for name, value, kind in members
    ]
    with suppress(OutsideError):  # a runtime refuses some of them
        unpack(root, *(layer(member) for member in named))
    assert tree(victim) == {"file": "the host's"}
    assert (victim / "file").stat().st_nlink == 1


NAMES = ["a", "a/b", "a/b/c", "b", "b/a", "../victim/file", "a/../../victim/file", "/b", ".wh.a", "a/.wh..wh..opq", "c"]
TARGETS = ["a", "b", "../victim", "../../victim/file", "/b", "a/b", ".", ".."]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.lists(
            st.one_of(
                st.tuples(st.sampled_from(NAMES), st.just(b"evil"), st.just("file")),
                st.tuples(st.sampled_from(NAMES), st.none(), st.sampled_from(["dir", "pipe"])),
                st.tuples(st.sampled_from(NAMES), st.sampled_from(TARGETS), st.sampled_from(["link", "hard"])),
            ),
            max_size=6,
        ),
        min_size=1,
        max_size=3,
    )
)
def test_no_order_of_links_and_files_leads_out(layers: list[list[Member]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root, victim = Path(folder, "root"), Path(folder, "victim")
        root.mkdir()
        victim.mkdir()
        (victim / "file").write_text("the host's")
        before = victim.stat().st_mtime_ns
        with suppress(OutsideError):
            unpack(root, *(layer(*members) for members in layers))
        assert tree(victim) == {"file": "the host's"}
        assert (victim.stat().st_mtime_ns, (victim / "file").stat().st_nlink) == (before, 1)


def test_an_absolute_link_is_one_of_the_image(root: Path) -> None:
    unpack(root, layer(("run", None, "dir"), ("var/run", "/run", "link")), layer(("var/run/app/pid", b"1", "file")))
    assert (root / "run/app/pid").read_text() == "1"


def test_devices_are_left_out_and_pipes_are_not(root: Path) -> None:
    unpack(root, layer(("dev/sda", None, "device"), ("pipe", None, "pipe")))
    assert not (root / "dev/sda").exists() and stat.S_ISFIFO((root / "pipe").lstat().st_mode)


def test_its_users_may_enter_it_whatever_rights_new_folders_get_here(root: Path) -> None:
    root.chmod(0o700)  # as a umask of 077 makes it
    owner = (os.getuid(), os.getgid())
    with Unpacker(root.with_name("root.contents"), lambda _user, _group: owner) as unpacker:
        unpacker.unpack(fetched(root, layer(("bin/app", b"app", "file"))), root)
    assert root.stat().st_mode & 0o777 == 0o755


def test_set_user_id_is_dropped_where_owners_are(root: Path) -> None:
    unpack(root, layer(("su", b"", "file"), mode=0o4711))
    assert stat.S_IMODE((root / "su").stat().st_mode) == 0o711


@pytest.mark.parametrize("content", [b"\x28\xb5\x2f\xfd" + b"0" * 100, b"\x1f\x8bnot gzip", os.urandom(2000)])
def test_what_cannot_be_unpacked_is_an_error(root: Path, content: bytes) -> None:
    with pytest.raises(OutsideError, match="layer sha256:0 cannot be unpacked"):
        unpack(root, content)


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard])
def test_a_bomb_is_an_error(root: Path, monkeypatch: pytest.MonkeyPatch, pack: Callable[[bytes], bytes]) -> None:
    monkeypatch.setattr(unpacking, "MAX_UNPACKED", 100_000)
    with pytest.raises(OutsideError, match="expands to more"):
        unpack(root, layer(("big", b"0" * 200_000, "file")), pack=pack)
    assert not list(root.iterdir()) and not list(root.parent.glob("*.contents"))


def test_a_huge_header_is_not_read(root: Path) -> None:
    member = tarfile.TarInfo("x")
    member.type, member.size = tarfile.XHDTYPE, 1 << 30
    with pytest.raises(OutsideError, match="a header in it is longer"):
        unpack(root, member.tobuf(tarfile.GNU_FORMAT) + b"\0" * 4096)


def test_other_content_than_the_configuration_names_is_an_error(root: Path) -> None:
    with pytest.raises(OutsideError, match="not the one that the configuration names"):
        unpack(root, layer(("a", b"1", "file")), names="sha256:" + "0" * 64)


@pytest.mark.parametrize("name", ["x" * 300, "/".join(["folder"] * 584)])
def test_a_name_that_no_disk_takes_is_an_error(root: Path, name: str) -> None:
    with pytest.raises(OutsideError, match="a name in it cannot be used here"):
        unpack(root, layer((name, b"1", "file")))


def test_a_link_that_leads_nowhere_is_an_error_where_it_has_no_target(root: Path) -> None:
    with pytest.raises(OutsideError, match="a name in it cannot be used here"):
        unpack(root, layer(("empty", "", "link")))


def test_a_full_disk_is_no_fault_of_the_image(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "mkfifo", full)
    with pytest.raises(OSError, match="No space left"):
        unpack(root, layer(("pipe", None, "pipe")))
    assert not list(root.parent.glob("*.contents"))
