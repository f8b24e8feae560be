"""OCI image layouts in tar archives: what is read out of them, and what is refused."""

from __future__ import annotations

import gzip
import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from s3c_actions.commands.mirror import _is_archive
from s3c_actions.core.errors import InputError
from s3c_actions.registry import Manifest
from s3c_actions.registry.archive import ArchiveSource
from tests.support.layout import INDEX, MANIFEST, Layout, digest_of


def refused(path: Path, wanted: str = "") -> InputError:
    """The error that the archive ends in; all of it is read, as when it is copied."""
    with pytest.raises(InputError) as caught, ArchiveSource(path, wanted) as archive:
        read(archive)
    assert caught.value.exit_code == 2
    return caught.value


def read(archive: ArchiveSource) -> dict[str, bytes]:
    """Every blob of the image, by digest."""
    blobs: dict[str, bytes] = {}
    todo = [archive.image()]
    while todo:
        manifest = todo.pop()
        blobs[manifest.descriptor.digest] = manifest.content
        todo += [archive.manifest(entry.digest) for entry in manifest.descriptor.manifests]
        for layer in manifest.document.get("layers", []):
            blobs[layer["digest"]] = b"".join(archive.layer(layer["digest"], layer["size"]))
        if "config" in manifest.document:
            blobs[manifest.document["config"]["digest"]] = archive.blob(manifest.document["config"]["digest"])
    return blobs


@pytest.fixture
def layout() -> Layout:
    """One image of two platforms, under two names."""
    filled = Layout()
    filled.named(filled.index(filled.image(), filled.image(architecture="arm64")), "1.4", "latest")
    return filled


@pytest.mark.parametrize("prefix", ["", "./"])
def test_everything_an_image_names_is_read(layout: Layout, tmp_path: Path, prefix: str) -> None:
    with ArchiveSource(layout.write(tmp_path / "image.tar", prefix=prefix)) as archive:
        image = archive.image()
        assert image.descriptor.digest == layout.images[0]["digest"]
        assert image.descriptor.platforms == ("linux/amd64", "linux/arm64")
        assert archive.platform(archive.manifest(image.descriptor.manifests[1].digest)) == "linux/arm64"
        content = read(archive)
        assert archive.name == str(tmp_path / "image.tar")
    assert len(content) == 7
    assert all(digest_of(blob) == digest for digest, blob in content.items())
    assert {Layout.path(digest) for digest in content} == {name for name in layout.files if name.startswith("blobs/")}


def test_of_several_images_one_is_named(tmp_path: Path) -> None:
    layout = Layout()
    first = layout.named(layout.image(b"1"), "1.4", "stable")
    second = layout.image(b"2")
    layout.images.append({**second, "annotations": {"io.containerd.image.name": "registry.example/app:2"}})
    path = layout.write(tmp_path / "image.tar")
    error = refused(path)
    assert error.field == "source-image"
    assert "several images" in str(error)
    assert all(name in str(error) for name in ("1.4", "stable", "registry.example/app:2", second["digest"]))
    assert "no image '3'" in str(refused(path, "3"))
    for wanted, image in (("stable", first), ("registry.example/app:2", second), (second["digest"], second)):
        with ArchiveSource(path, wanted) as archive:
            assert archive.image().descriptor.digest == image["digest"]


def test_a_name_that_two_images_have_names_neither(tmp_path: Path) -> None:
    layout = Layout()
    for content in (b"1", b"2"):
        layout.named(layout.image(content), "1.4")
    assert "several images" in str(refused(layout.write(tmp_path / "image.tar"), "1.4"))


def test_what_refers_to_an_image_is_none_and_is_found_by_its_subject(tmp_path: Path) -> None:
    layout = Layout()
    image = layout.named(layout.image())
    report = layout.referrer(image, "application/sarif+json")
    signature = layout.referrer(report, "application/vnd.cncf.notary.signature")
    with ArchiveSource(layout.write(tmp_path / "image.tar")) as archive:
        assert archive.image().descriptor.digest == image["digest"]
        assert [referrer.digest for referrer in archive.referrers(image["digest"])] == [report["digest"]]
        assert [referrer.digest for referrer in archive.referrers(report["digest"])] == [signature["digest"]]
        assert archive.referrers(signature["digest"]) == ()


def test_what_is_listed_many_times_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = Layout()
    image = layout.named(layout.image())
    layout.images = [image] * 5000
    layout.named(layout.index(*[image] * 5000), "all")
    reads: list[str] = []
    kept = ArchiveSource.manifest

    def counted(archive: ArchiveSource, digest: str) -> Manifest:
        reads.append(digest)
        return kept(archive, digest)

    monkeypatch.setattr(ArchiveSource, "manifest", counted)
    with ArchiveSource(layout.write(tmp_path / "image.tar"), "all") as archive:
        assert len(archive.image().descriptor.manifests) == 5000
        assert archive.referrers(image["digest"]) == ()
    assert len(reads) <= 4


def test_a_manifest_without_a_type_is_what_it_holds(tmp_path: Path) -> None:
    layout = Layout()
    image = layout.image()
    manifest = json.loads(layout.files.pop(Layout.path(image["digest"])))
    del manifest["mediaType"]
    layout.named(layout.put(json.dumps(manifest).encode(), MANIFEST))
    with ArchiveSource(layout.write(tmp_path / "image.tar")) as archive:
        assert archive.image().descriptor.media_type == MANIFEST
    both = json.dumps({**manifest, "manifests": [image]}).encode()
    layout.images = [layout.put(both, MANIFEST)]
    assert "as an index and as a manifest" in str(refused(layout.write(tmp_path / "both.tar")))


def first_layer(layout: Layout) -> str:
    """The path of a layer's blob."""
    return next(name for name, content in layout.files.items() if content.startswith(b"\x1f\x8b"))


def first_manifest(layout: Layout) -> str:
    return next(name for name, content in layout.files.items() if b'"layers"' in content and b'"config"' in content)


def changed(name: Callable[[Layout], str]) -> Callable[[Layout], None]:
    def change(layout: Layout) -> None:
        content = layout.files[name(layout)]
        layout.files[name(layout)] = content[:-1] + bytes([content[-1] ^ 1])

    return change


def without(name: Callable[[Layout], str]) -> Callable[[Layout], None]:
    def change(layout: Layout) -> None:
        del layout.files[name(layout)]

    return change


def longer(layout: Layout) -> None:
    layout.files[first_layer(layout)] += b"!"


def nested(layout: Layout) -> None:
    inner = layout.images[0]
    for _ in range(4):
        inner = layout.index(inner)
    layout.images = [inner]


def lists(*entries: Any) -> Callable[[Layout], None]:
    return lambda layout: layout.images.__setitem__(slice(None), list(entries))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (without(first_layer), "which it names, is missing"),
        (without(first_manifest), "which it names, is missing"),
        (without(lambda _: "oci-layout"), "has no oci-layout file"),
        (changed(first_layer), "is other content"),
        (changed(first_manifest), "is other content"),
        (longer, "bytes and should have"),
        (nested, "more than 4 deep"),
        (lists(), "names no image"),
        (lists("x"), "has no digest or size"),
        (lists({"mediaType": INDEX, "digest": "sha256:../../../etc/passwd", "size": 1}), "has no digest or size"),
        (lists({"mediaType": "application/x-other", "digest": digest_of(b""), "size": 0}), "names no image"),
        (lambda layout: layout.files.update({"index.json": b"["}), "index.json is not JSON"),
        (lambda layout: layout.files.update({"index.json": b"{}"}), "lists no manifests"),
        (lambda layout: layout.files.update({"index.json": b" " * 5_000_000}), "index.json is larger than 4096 KiB"),
        (lambda layout: layout.files.update({"oci-layout": b'{"imageLayoutVersion": "2.0.0"}'}), "version '2.0.0'"),
        (lambda layout: layout.files.update({"oci-layout": b'{"imageLayoutVersion": []}'}), "version '\\[\\]'"),
    ],
)
def test_what_is_missing_or_other_content_is_refused(
    layout: Layout, tmp_path: Path, change: Callable[[Layout], None], says: str
) -> None:
    change(layout)
    error = refused(layout.write(tmp_path / "image.tar"))
    assert error.field == "source"
    assert error.remedy
    with pytest.raises(InputError, match=says):
        raise error


def member(
    name: str, kind: bytes = tarfile.REGTYPE, target: str = "", pax: dict[str, str] | None = None
) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname, entry.pax_headers = kind, target, pax or {}
    return entry


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        (member("../evil"), "leads out of it"),
        (member("/etc/passwd"), "leads out of it"),
        (member("blobs/sha256/../../../x"), "leads out of it"),
        (member("blobs/sha256/x", tarfile.SYMTYPE, "/etc/shadow"), "neither a file nor a folder"),
        (member("blobs/sha256/x", tarfile.LNKTYPE, "index.json"), "neither a file nor a folder"),
        (member("device", tarfile.CHRTYPE), "neither a file nor a folder"),
        (member("pipe", tarfile.FIFOTYPE), "neither a file nor a folder"),
        (member("sparse", pax={"GNU.sparse.map": "0,1", "GNU.sparse.size": "99999999"}), "neither a file nor a folder"),
        (member("index.json"), "two files 'index.json'"),
        (member("./oci-layout"), "two files 'oci-layout'"),
        (member("x", pax={"size": "99999999999999"}), "cut off"),
        (member("x", pax={"size": "-1024"}), "cut off|cannot be read"),
        (member("x", pax={"comment": "y" * 100_000}), "a header is longer"),
        (member("n" * 70_000), "a header is longer"),
    ],
)
def test_members_that_no_image_has_are_refused(
    layout: Layout, tmp_path: Path, entry: tarfile.TarInfo, says: str
) -> None:
    with pytest.raises(InputError, match=says):
        raise refused(layout.write(tmp_path / "image.tar", more={entry: b""}))


def test_more_members_than_any_image_has_are_refused(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("s3c_actions.registry.archive.MAX_MEMBERS", 5)
    assert "more than 5 members" in str(refused(layout.write(tmp_path / "image.tar")))


@pytest.mark.parametrize("left", [0, 100, 1000, 3000])
def test_an_archive_that_was_cut_off_is_refused(layout: Layout, tmp_path: Path, left: int) -> None:
    path = layout.write(tmp_path / "image.tar")
    os.truncate(path, left)
    assert str(refused(path))


def test_a_name_may_be_a_path_far_down_a_chain_of_headers(layout: Layout, tmp_path: Path) -> None:
    """One header that announces another, a thousand times: `tarfile` reads them by calling itself."""
    path = layout.write(tmp_path / "image.tar")
    header = tarfile.TarInfo("x")
    header.type = tarfile.XHDTYPE
    path.write_bytes(header.tobuf(tarfile.PAX_FORMAT) * 2000 + path.read_bytes())
    assert "cannot be read as a tar archive" in str(refused(path))


def test_what_is_no_such_archive_is_an_error(layout: Layout, tmp_path: Path) -> None:
    path = layout.write(tmp_path / "image.tar")
    squeezed = tmp_path / "image.tar.gz"
    squeezed.write_bytes(gzip.compress(path.read_bytes()))
    assert "is compressed (gzip)" in str(refused(squeezed))
    text = tmp_path / "text.tar"
    text.write_text("registry.example/app:1.4\n" * 100)
    assert "cannot be read as a tar archive" in str(refused(text))
    assert "is no file" in str(refused(tmp_path))
    os.mkfifo(tmp_path / "pipe")
    assert "is no file" in str(refused(tmp_path / "pipe"))
    assert "No such file" in str(refused(tmp_path / "absent.tar"))
    layout.files["manifest.json"] = b"[]"
    del layout.files["oci-layout"]
    assert "Docker 25" in str(refused(layout.write(tmp_path / "docker.tar")))


def test_no_file_stays_open_after_a_refusal(layout: Layout, tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    del layout.files["oci-layout"]
    refused(layout.write(tmp_path / "image.tar"))
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.parametrize(
    ("source", "archive"),
    [
        ("image.tar", True),
        ("build/image.tar", True),
        ("./image", True),
        ("../image.tar", True),
        ("/tmp/a:b", True),
        ("~/image.tar", True),
        ("postgres", False),
        ("registry.example/app:1.tar", False),
        ("localhost:5000/app.tar", False),
        ("team/app", False),
        (".hidden/app", False),
    ],
)
def test_an_archive_is_distinguished_from_a_reference(source: str, archive: bool) -> None:
    assert _is_archive(source) is archive


def name_for_docker(layout: Layout, *images: dict[str, Any], form: str = "blobs/sha256/{}") -> None:
    """Write `manifest.json` as `docker save` does, with these images."""
    manifests = [json.loads(layout.files[layout.path(image["digest"])]) for image in images]
    listed = [
        {
            "Config": form.format(manifest["config"]["digest"].partition(":")[2]),
            "RepoTags": ["app:1"],
            "Layers": [layout.path(layer["digest"]) for layer in manifest["layers"]],
        }
        for manifest in manifests
    ]
    layout.files["manifest.json"] = json.dumps(listed).encode()


@pytest.mark.parametrize("form", ["blobs/sha256/{}", "{}.json"])
def test_images_that_the_manifest_of_docker_does_not_name(tmp_path: Path, form: str) -> None:
    layout = Layout()
    amd64, arm64 = layout.image(), layout.image(architecture="arm64")
    attestation = {**layout.image(b"attestation"), "platform": {"os": "unknown", "architecture": "unknown"}}
    layout.referrer(amd64, "application/vnd.test")
    layout.named(layout.index(layout.index(amd64, arm64), attestation), "1.4")
    name_for_docker(layout, amd64, form=form)
    with ArchiveSource(layout.write(tmp_path / "image.tar")) as archive:
        assert archive.images_beside() == ("linux/arm64",)
    name_for_docker(layout, amd64, arm64, form=form)
    with ArchiveSource(layout.write(tmp_path / "image.tar")) as archive:
        assert archive.images_beside() == ()
    del layout.files["manifest.json"]
    with ArchiveSource(layout.write(tmp_path / "image.tar")) as archive:
        assert archive.images_beside() == ()


def test_a_platform_that_docker_did_not_save_is_not_beside_it(tmp_path: Path) -> None:
    layout = Layout()
    amd64, arm64 = layout.image(), layout.image(architecture="arm64")
    layout.named(layout.index(amd64, arm64), "1.4")
    name_for_docker(layout, amd64)
    del layout.files[layout.path(arm64["digest"])]
    with ArchiveSource(layout.write(tmp_path / "image.tar")) as archive:
        assert archive.images_beside() == ()


def test_an_image_of_which_other_layers_are_scanned_is_beside_it(tmp_path: Path) -> None:
    layout = Layout()
    image, clean = layout.image(), layout.image(b"clean")
    layout.named(image, "1.4")
    name_for_docker(layout, image)
    layers = [json.loads(layout.files[layout.path(each["digest"])])["layers"][0]["digest"] for each in (image, clean)]
    of_image, of_clean = (layout.path(digest).encode() for digest in layers)
    layout.files["manifest.json"] = layout.files["manifest.json"].replace(of_image, of_clean)
    with ArchiveSource(layout.write(tmp_path / "image.tar")) as archive:
        assert archive.images_beside() == ("linux/amd64",)


@pytest.mark.parametrize(
    "content",
    [
        *(b"[{}]", b"{", b"1", b'["a"]', b'[{"Config": 1, "Layers": []}]', b'[{"Config": "a"}]'),
        b'[{"Config": "a", "Layers": [], "config": "b"}]',
        b'[{"config": "a", "Layers": []}]',
        b'[{"Config": "a", "Layers": [], "Layers": ["b"]}]',
    ],
)
def test_a_manifest_that_is_not_dockers(layout: Layout, tmp_path: Path, content: bytes) -> None:
    layout.files["manifest.json"] = content
    with (
        ArchiveSource(layout.write(tmp_path / "image.tar")) as archive,
        pytest.raises(InputError, match="is not docker's"),
    ):
        archive.images_beside()
