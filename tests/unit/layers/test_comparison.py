"""Two images made by hand are compared; what the sentence claims is what their layers hold."""

import bz2
import json
import resource
import tarfile
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3c_actions.layers.comparison import ImageComparison, PlatformComparison, compare_images
from s3c_actions.layers.difference import PackageAction
from tests.support.layers import skippable, zstandard
from tests.support.made_images import STATUS, Layer, MadeImage, deb, deb_status
from tests.support.oci import CONFIG, descriptor, digest_of

OLD, NEW = ("openssl", "3.0.11-1"), ("openssl", "3.0.13-1")
OTHER = ("zlib1g", "1:1.3-1")


def base() -> bytes:
    layer = Layer().folder("etc").symlink("lib", "usr/lib").file("etc/app.conf", "a").file("usr/bin/app", "app", 0o755)
    deb(layer, "openssl", {"usr/bin/openssl": b"old", "lib/libssl.so": b"old library"})
    deb(layer, "zlib1g", {"usr/lib/libz.so": b"zlib"})
    return layer.file(STATUS, deb_status(OLD, OTHER)).raw()


def upgrade() -> Layer:
    layer = deb(Layer(), "openssl", {"usr/bin/openssl": b"new", "usr/lib/libssl.so": b"new library"})
    return layer.file(STATUS, deb_status(NEW, OTHER)).file("var/log/dpkg.log", "upgraded").file("var/lib/apt/x", "y")


def compared(layer: Layer, config: dict[str, Any] | None = None) -> PlatformComparison:
    (platform,) = compare_images(MadeImage([base()]), MadeImage([base(), layer.raw()], config)).platforms
    return platform


def reasons(platform: PlatformComparison) -> dict[str, str]:
    return {change.path: change.reason for change in platform.files}


def test_an_upgrade_alone_is_proved():
    platform = compared(upgrade())
    assert [(package.name, package.action, package.before, package.after) for package in platform.packages] == [
        ("openssl", PackageAction.UPGRADED, "3.0.11-1", "3.0.13-1")
    ]
    assert (platform.files, platform.configuration, platform.privileges, platform.unexpected) == ((), (), (), ())
    assert platform.proved
    assert not platform.same
    # Two files of the package; its two lists, the status, a log and a list of apt. Folders made for them do not count.
    assert (platform.of_packages, platform.of_managers) == (2, 5)
    assert platform.sentence == "Only this package changed."
    assert (platform.shared_layers, platform.removed_layers, platform.added_layers) == (1, 0, 1)


@pytest.mark.parametrize(
    ("layer", "path", "reason"),
    [
        (upgrade().file("usr/bin/app", "other", 0o755), "usr/bin/app", "no package owns it"),
        (upgrade().file("backdoor", "x"), "backdoor", "no package owns it"),
        (upgrade().file("usr/lib/libz.so", "evil"), "usr/lib/libz.so", "its package did not change"),
        (upgrade().without("etc/app.conf"), "etc/app.conf", "no package owned it"),
        (upgrade().without("usr/lib/libz.so"), "usr/lib/libz.so", "its package did not change"),
        (upgrade().opaque("etc"), "etc/app.conf", "no package owned it"),
        (
            upgrade().file("usr/lib/libz.so", "zlib", 0o666),
            "usr/lib/libz.so",
            "its permissions or owner changed, and its package did not",
        ),
        (
            upgrade().file("var/lib/dpkg/info/zlib1g.list", "/evil\n"),
            "var/lib/dpkg/info/zlib1g.list",
            "no package owns it",
        ),
        (upgrade().file("var/lib/apt/run", "#!/bin/sh", 0o755), "var/lib/apt/run", "no package owns it"),
        (upgrade().file("var/lib/apt/run", "x", 0o4644), "var/lib/apt/run", "no package owns it"),
        (upgrade().folder("opt/new"), "opt/new", "no package owns it"),
        (upgrade().symlink("usr/bin/sh", "/usr/bin/openssl"), "usr/bin/sh", "no package owns it"),
        (upgrade().hardlink("usr/bin/copy", "usr/bin/openssl"), "usr/bin/copy", "no package owns it"),
        (upgrade().add("dev/sda", kind=b"4", devmajor=8), "dev/sda", "no package owns it"),
    ],
)
def test_another_change_is_listed(layer: Layer, path: str, reason: str):
    platform = compared(layer)
    assert reasons(platform)[path] == reason
    assert len(platform.packages) == 1
    assert "Only" not in platform.sentence
    assert any(clause.startswith(f"/{path} was ") for clause in platform.unexpected)


def test_a_file_of_the_upgraded_package_that_the_package_did_not_install():
    layer = deb(Layer(), "openssl", {"usr/bin/openssl": b"new", "usr/lib/libssl.so": b"new library"})
    layer.file(STATUS, deb_status(NEW, OTHER))
    tampered = Layer().file("usr/bin/openssl", b"evil", 0o644)
    before = MadeImage([base()])
    (platform,) = compare_images(before, MadeImage([base(), layer.raw(), tampered.raw()])).platforms
    assert reasons(platform) == {"usr/bin/openssl": "it is not what its package installed"}
    assert [change.package for change in platform.files] == ["deb:openssl"]


LIST = "var/lib/dpkg/info/zlib1g.list"


@pytest.mark.parametrize(
    ("lines", "accounted"),
    [
        ("/.\n/usr\n/usr/lib\n/usr/lib/libz.so\n", True),
        ("/.\n/usr\n/usr/lib\n", False),
        ("/.\n/usr\n/usr/lib\n/usr/lib/libz.so\n/evil\n", False),
    ],
)
def test_dpkg_leaves_out_of_lists_what_was_gone_already(lines, accounted):
    """As it does where a base was made smaller, by /usr/share/man for example: seen with Debian 13."""
    first = Layer().file(LIST, "/.\n/usr\n/usr/lib\n/usr/lib/libz.so\n/usr/share/man\n").file("usr/lib/libz.so", "zlib")
    before = first.file(STATUS, deb_status(OLD, OTHER)).raw()
    (platform,) = compare_images(MadeImage([before]), MadeImage([before, upgrade().file(LIST, lines).raw()])).platforms
    assert (LIST not in reasons(platform)) is accounted


def test_a_licence_that_is_not_known_is_no_change_of_it():
    def layer(version: str, licence: str) -> Layer:
        text = f"P:musl\nV:{version}\nA:x86_64\n" + (f"L:{licence}\n" if licence else "") + "\n"
        return Layer().file("lib/apk/db/installed", text)

    def change(old: str, new: str, version: str) -> list[tuple[str, str, str]]:
        first = layer("1-r0", old).raw()
        platform = compare_images(MadeImage([first]), MadeImage([first, layer(version, new).raw()])).platforms[0]
        return [(package.action.value, package.licence_before, package.licence_after) for package in platform.packages]

    assert change("", "MIT", "1-r1") == [("upgraded", "", "")]
    assert change("MIT", "GPL-2.0", "1-r1") == [("upgraded", "MIT", "GPL-2.0")]
    assert change("MIT", "GPL-2.0", "1-r0") == [("relicensed", "MIT", "GPL-2.0")]
    assert change("MIT", "", "1-r0") == []


def test_rights_that_the_package_does_not_state():
    layer = deb(Layer(), "openssl", {"usr/lib/libssl.so": b"new library"})
    layer.file("usr/bin/openssl", b"new", 0o4755).file(
        "var/lib/dpkg/info/openssl.md5sums",
        "22af645d1859cb5ca6da0c484f1f37ea  usr/bin/openssl\n4bc6ad0a8ee37d64c9ea57c2ffad8ae8  usr/lib/libssl.so\n",
    )
    layer.file(STATUS, deb_status(NEW, OTHER))
    platform = compared(layer)
    assert [(gained.path, gained.before, gained.after) for gained in platform.privileges] == [
        ("usr/bin/openssl", "", "set-user-ID")
    ]
    assert reasons(platform)["usr/bin/openssl"] == "it has set-user-ID now, which its package does not state"


def test_a_file_capability_is_a_right():
    layer = upgrade().file(
        "usr/bin/app", "app", 0o755, pax_headers={"SCHILY.xattr.security.capability": "\x01\x00\x00\x02"}
    )
    platform = compared(layer)
    assert [(gained.path, gained.after) for gained in platform.privileges] == [("usr/bin/app", "capabilities 01000002")]
    assert "usr/bin/app" in reasons(platform)


def test_written_again_with_the_same_content_is_no_change():
    platform = compared(upgrade().file("usr/bin/app", "app", 0o755, mtime=1_800_000_000).folder("etc", mtime=5))
    assert platform.unexpected == ()
    assert platform.times == 2
    assert platform.sentence == "Only this package changed."


def test_what_one_layer_adds_and_the_next_removes_is_no_change():
    layers = [base(), upgrade().file("tmp/build", "x").raw(), Layer().without("tmp").raw()]
    (platform,) = compare_images(MadeImage([base()]), MadeImage(layers)).platforms
    assert platform.unexpected == ()


def test_a_renamed_folder_is_a_removal_and_an_addition():
    first = Layer().file("a/one", "1").raw()
    (platform,) = compare_images(
        MadeImage([first]), MadeImage([first, Layer().without("a").file("b/one", "1").raw()])
    ).platforms
    assert [(file.path, file.action) for file in platform.files] == [
        ("a", "removed"),
        ("a/one", "removed"),
        ("b", "added"),
        ("b/one", "added"),
    ]


@pytest.mark.parametrize(
    ("version", "action"),
    [
        ("3.0.13-1", "upgraded"),
        ("3.0.9-1", "downgraded"),
        ("1:1.0-1", "upgraded"),
        ("3.0.11-1~deb12u1", "downgraded"),
        ("3.0.11-1.0000", "upgraded"),
        ("no version", "changed"),
    ],
)
def test_versions_are_ordered_by_their_ecosystem(version: str, action: str):
    layer = Layer().file(STATUS, deb_status(("openssl", version), OTHER))
    (change,) = compared(layer).packages
    assert change.action == action
    expected = action == "upgraded"
    assert any("openssl was" in clause for clause in compared(layer_of(version)).unexpected) is not expected


def layer_of(version: str) -> Layer:
    return Layer().file(STATUS, deb_status(("openssl", version), OTHER))


def test_packages_that_come_and_go():
    layer = Layer().file(STATUS, deb_status(OLD, ("curl", "8.0-1")))
    platform = compared(layer)
    assert [(package.name, package.action.value) for package in platform.packages] == [
        ("curl", "added"),
        ("zlib1g", "removed"),
    ]
    assert "deb:zlib1g was removed" in platform.unexpected
    assert not any("curl" in clause for clause in platform.unexpected)


def test_how_it_runs():
    platform = compared(
        upgrade(),
        {
            "Entrypoint": ["/app"],
            "User": "0",
            "Env": ["PATH=/evil:/bin", "NEW=1"],
            "ExposedPorts": {"22/tcp": {}},
            "Labels": {"BaseImage": "x"},
            "Healthcheck": {"Test": ["NONE"]},
        },
    )
    assert {setting.field: (setting.before, setting.after) for setting in platform.configuration} == {
        "entrypoint": (None, '["/app"]'),
        "user": (None, "0"),
        "env PATH": ("/bin", "/evil:/bin"),
        "env NEW": (None, "1"),
        "port 22/tcp": (None, "{}"),
        "label BaseImage": (None, "x"),
        "healthcheck": (None, '{"Test": ["NONE"]}'),
    }
    assert len(platform.unexpected) == 6  # the label is Copa's
    assert "the configuration's env PATH was changed" in platform.unexpected


def test_platform_by_platform():
    old = MadeImage.index(MadeImage([base()]), MadeImage([base()], architecture="arm64"))
    new = MadeImage.index(
        MadeImage([base(), upgrade().raw()]), MadeImage([base(), upgrade().file("x", "x").raw()], architecture="arm64")
    )
    comparison = compare_images(old, new)
    assert [(platform.platform, len(platform.files)) for platform in comparison.platforms] == [
        ("linux/amd64", 0),
        ("linux/arm64", 1),
    ]
    assert comparison.unexpected == ("linux/arm64: /x was added: no package owns it",)
    fewer = compare_images(old, MadeImage.index(MadeImage([base(), upgrade().raw()])))
    assert fewer.removed == ("linux/arm64",)
    assert fewer.unexpected == ("the platform linux/arm64 was removed",)


def test_an_index_that_a_runtime_may_read_differently():
    image, evil = MadeImage([base()]), MadeImage([base(), upgrade().file("backdoor", "x").raw()])
    twice = compare_images(MadeImage.index(image), MadeImage.index(evil, image))
    assert "lists several images of linux/amd64" in twice.unread[0]
    assert not twice.proved
    assert not twice.same
    unnamed = MadeImage.index(image, evil)
    document = json.loads(unnamed.top)
    del document["manifests"][1]["platform"]
    unnamed.top = json.dumps(document).encode()
    unnamed.blobs[digest_of(unnamed.top)] = unnamed.top
    comparison = compare_images(MadeImage.index(image), unnamed)
    assert "without a platform" in comparison.unexpected[0]
    assert comparison.sentence.startswith("It is not known")


def test_the_same_image_is_not_read():
    image = MadeImage([base()])
    for digest in [layer["digest"] for layer in json.loads(image.top)["layers"]]:
        del image.blobs[digest]
    comparison = compare_images(image, image)
    assert comparison.same
    assert comparison.platforms[0].sentence == "Nothing changed."


@pytest.mark.parametrize(
    ("layer", "clause"),
    [
        (Layer().file("a", "x").file("a/b", "y").raw(), "below what is no folder"),
        (Layer().hardlink("a", "nothing").raw(), "name of nothing"),
        (Layer().symlink("a", "b").symlink("b", "a").file("a/c", "x").raw(), "go round"),
        (Layer().file("a", b"x" * 3000).raw()[:2000], "cut off"),
        (b"\xff" * 4096, "no tar archive"),
        (zstandard(Layer().file("a", "x").raw())[:-5], "cut off"),
        (bz2.compress(Layer().file("a", "x").raw()), "compressed with bzip2"),
    ],
)
def test_a_layer_that_is_not_read_proves_nothing(layer: bytes, clause: str):
    (platform,) = compare_images(MadeImage([base()], pack=bytes), MadeImage([base(), layer], pack=bytes)).platforms
    assert not platform.proved
    assert clause in platform.unread[0]
    assert clause in platform.unexpected[0]
    assert platform.sentence.startswith("It is not known")


@pytest.mark.parametrize("pack", [zstandard, bytes, lambda layer: skippable(b"x") + zstandard(layer)])
def test_however_a_layer_is_stored_its_content_counts(pack: Callable[[bytes], bytes]):
    """An image of zstd is the same as one of gzip, and a change in it is seen."""
    before = MadeImage([base()])
    assert compare_images(before, MadeImage([base()], pack=pack)).same
    (platform,) = compare_images(before, MadeImage([base(), upgrade().raw()], pack=pack)).platforms
    assert platform.sentence == "Only this package changed."


@pytest.mark.parametrize(
    ("layer", "path"),
    [
        (Layer().file("../../etc/shadow", "x"), "etc/shadow"),
        (Layer().file("usr/../etc/shadow", "x"), "etc/shadow"),
        (Layer().file("/etc/cron.d/x", "x"), "etc/cron.d/x"),
        (Layer().file("lib/evil", "x"), "usr/lib/evil"),
        (Layer().file("usr/bin/app", "app", 0o755).file("usr/bin/app", "app", 0o755), "usr/bin/app"),
        (Layer().file("new", "x").without("new"), "new"),
        (Layer().add("usr/.wh..wh.plnk", mode=0), "usr/.wh.plnk"),
        (Layer().symlink("etc/link", "/usr/bin").file("etc/link/evil", "x"), "usr/bin/evil"),
    ],
)
def test_a_hostile_entry_is_listed_where_a_runtime_puts_it(layer: Layer, path: str):
    assert path in reasons(compared(layer))


def test_a_layer_that_its_configuration_does_not_name():
    image = MadeImage([base(), upgrade().raw()])
    other = MadeImage([base(), upgrade().file("backdoor", "x").raw()])
    manifest = json.loads(other.top)
    document = json.dumps(image.document).encode()
    manifest["config"] = descriptor(CONFIG, document)
    other.blobs[digest_of(document)] = document
    other.top = json.dumps(manifest).encode()
    other.blobs[digest_of(other.top)] = other.top
    (platform,) = compare_images(MadeImage([base()]), other).platforms
    assert "not the one that the configuration names" in platform.unread[0]


@pytest.mark.parametrize("limit", ["MAX_EXPANDED", "ALWAYS_EXPANDED"])
@pytest.mark.slow
def test_a_bomb_is_not_unpacked(monkeypatch, limit):
    monkeypatch.setattr(f"s3c_actions.layers.reading.{limit}", 20_000_000)
    monkeypatch.setattr("s3c_actions.layers.reading.MAX_RATIO", 20)
    bomb = MadeImage([base(), Layer().file("zeros", bytes(40_000_000)).raw()])
    (platform,) = compare_images(MadeImage([base()]), bomb).platforms
    assert "expands to more" in platform.unread[0]


def _emptied_again() -> Layer:
    layer = Layer().file("d/x", "x").file("d/y", "x")
    for _ in range(6):
        layer.opaque("d")
    return layer


@pytest.mark.parametrize(
    ("limit", "most", "layer", "clause"),
    [
        ("tree.MAX_ENTRIES", 2, Layer().file("c", "x").file("d", "x").file("e", "x"), "more than 2 entries"),
        (
            "tree.MAX_TEXT",
            1000,
            Layer().file("c", "x", pax_headers={"SCHILY.xattr.user.x": "y" * 3000}),
            "names in the layers are longer",
        ),
        ("tree.MAX_TEXT", 100, Layer().file("/".join("abcdefghijkl") + "/x", "x"), "names in the layers are longer"),
        (
            "tree.MAX_TEXT",
            500,
            Layer().symlink("s", "l" * 200).file("s/a", "x").file("s/b", "x").file("s/c", "x"),
            "names in the layers are longer",
        ),
        ("tree.MAX_STEPS", 3, Layer().file("x/y/z/c", "x"), "more paths than"),
        ("tree.MAX_STEPS", 8, _emptied_again(), "more paths than"),
        ("packages.MAX_KEPT", 3, Layer().file("usr/share/doc/x/copyright", "text"), "databases of packages are larger"),
    ],
)
def test_what_is_kept_in_memory_has_limits(monkeypatch, limit, most, layer, clause):
    monkeypatch.setattr(f"s3c_actions.layers.{limit}", most)
    before = MadeImage([Layer().file("a", "x").raw()])
    (platform,) = compare_images(before, MadeImage([layer.raw()])).platforms
    assert clause in platform.unread[0]


@settings(max_examples=60, deadline=None)
@given(at=st.integers(0, 5000), value=st.integers(0, 255), cut=st.integers(0, 9000))
def test_a_broken_layer_is_unreadable_and_no_bug(at, value, cut):
    """Whatever bytes a layer has, the comparison ends, with a difference or with why there is none."""
    content = bytearray(upgrade().raw())
    content[at % len(content)] = value
    broken = MadeImage([base(), bytes(content[: len(content) - cut])])
    (platform,) = compare_images(MadeImage([base()]), broken).platforms
    assert platform.sentence
    assert platform.proved or platform.unread


def many_files(number: int) -> bytes:
    """Entries of a tar archive, made of one header: the standard library needs minutes for a hundred thousand."""
    template = tarfile.TarInfo("x" * 40)
    template.size, template.mtime = 8, 1_700_000_000
    header = template.tobuf(tarfile.USTAR_FORMAT)
    unnamed = sum(header[40:148]) + sum(header[156:]) + 8 * 32
    members = []
    for index in range(number):
        name = b"usr/share/folder-%04d/file-%06d.txt" % (index // 100, index)
        name = name.ljust(40, b"\0")
        members.append(
            name + header[40:148] + b"%06o\0 " % (unnamed + sum(name)) + header[156:] + b"%08d" % index + bytes(504)
        )
    return b"".join(members)


@pytest.mark.slow
def test_images_of_a_hundred_thousand_files(capsys):
    """Time and memory are printed, not asserted: the machine is shared. The result is what is asserted."""
    files = many_files(100_000)
    old = MadeImage([files + Layer().file(STATUS, deb_status(OLD)).raw()])
    new = MadeImage([files + Layer().file("extra", "x").file(STATUS, deb_status(NEW)).raw()])
    started = time.process_time()
    (platform,) = compare_images(old, new).platforms
    used = time.process_time() - started
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    with capsys.disabled():
        print(f"\n100,000 files in each image: {used:.1f} s of a processor, {most} MiB at most")  # noqa: T201
    assert [change.path for change in platform.files] == ["extra"]
    assert platform.times == 100_000
    assert len(platform.packages) == 1


def test_both_may_be_nothing_alike():
    comparison = compare_images(MadeImage([Layer().file("a", "1").raw()]), MadeImage([Layer().file("b", "2").raw()]))
    assert isinstance(comparison, ImageComparison)
    assert [(file.path, file.action) for file in comparison.platforms[0].files] == [("a", "removed"), ("b", "added")]
