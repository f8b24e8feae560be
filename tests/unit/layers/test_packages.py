"""What package databases say, and what it accounts for."""

import base64
import hashlib
import json
import sqlite3
import struct

import pytest

from s3c_actions.layers.comparison import PlatformComparison, compare_images
from s3c_actions.layers.packages import Inventory, keeps, list_packages
from s3c_actions.layers.tar_reader import LayerStream, read_members
from s3c_actions.layers.tree import FileSystem
from tests.support.made_images import Layer, MadeImage


def inventory(layer: Layer) -> Inventory:
    files = FileSystem()
    files.apply(read_members(LayerStream([layer.raw()], 1 << 30), keeps, checksums=True))
    return list_packages(files)


def apk(version: str, content: bytes, mode: str = "") -> str:
    sha1 = base64.b64encode(hashlib.sha1(content, usedforsecurity=False).digest()).decode()
    state = f"a:0:0:{mode}\n" if mode else ""
    return (
        f"C:Q1x=\nP:musl\nV:{version}\nA:x86_64\nL:MIT\no:musl\nF:lib\nR:ld-musl.so\n{state}Z:Q1{sha1}\n\n"
        "P:zlib\nV:1.3-r0\nA:x86_64\nL:Zlib\n\n"
    )


def alpine(version: str, content: bytes, mode: int = 0o755) -> Layer:
    layer = Layer().file("lib/ld-musl.so", content, mode)
    return layer.file("lib/apk/db/installed", apk(version, content, "755")).file("lib/apk/db/scripts.tar", "x")


def header(tags: dict[int, list[str] | list[int]]) -> bytes:
    """A header of rpm; texts as string arrays, numbers of 32 bits, the modes of 16."""
    index, store = b"", b""
    for tag, values in sorted(tags.items()):
        if isinstance(values[0], str):
            kind, data = 8, b"".join(str(value).encode() + b"\0" for value in values)
        elif tag == 1030:
            kind, data = 3, struct.pack(f">{len(values)}H", *values)
        else:
            kind, data = 4, struct.pack(f">{len(values)}I", *values)
        index += struct.pack(">IIII", tag, kind, len(store), len(values))
        store += data
    return struct.pack(">II", len(tags), len(store)) + index + store


def rpm_database(version: str, content: bytes, mode: int = 0o100755) -> bytes:
    blob = header(
        {
            1000: ["bash"],
            1001: [version],
            1002: ["1.fc40"],
            1003: [1],
            1014: ["GPL-3.0-or-later"],
            1022: ["x86_64"],
            1044: ["bash-5.src.rpm"],
            1030: [mode, 0o100644],
            1035: [hashlib.sha256(content).hexdigest(), ""],
            1037: [0, 64],
            1116: [0, 0],
            1117: ["bash", "bash.log"],
            1118: ["/usr/bin/"],
            5011: [8],
        }
    )
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB NOT NULL)")
    connection.execute("INSERT INTO Packages VALUES (1, ?)", (blob,))
    connection.commit()
    database = connection.serialize()
    return database[:18] + b"\2\2" + database[20:]  # as rpm leaves it, with a write-ahead log


def fedora(version: str, content: bytes, mode: int = 0o755, stated: int = 0o755) -> Layer:
    layer = Layer().file("usr/bin/bash", content, mode)
    return layer.file("usr/lib/sysimage/rpm/rpmdb.sqlite", rpm_database(version, content, 0o100000 | stated))


def compared(old: Layer, *new: Layer) -> PlatformComparison:
    base = old.raw()
    (platform,) = compare_images(MadeImage([base]), MadeImage([base, *(layer.raw() for layer in new)])).platforms
    return platform


def test_alpine():
    packages = inventory(alpine("1.2.5-r0", b"old")).packages
    assert [(package.name, package.version, package.licences) for package in packages] == [
        ("musl", "1.2.5-r0", "MIT"),
        ("zlib", "1.3-r0", "Zlib"),
    ]
    assert packages[0].files["lib/ld-musl.so"].mode == 0o755
    upgraded = compared(alpine("1.2.5-r0", b"old"), alpine("1.2.5-r1", b"new"))
    assert upgraded.unexpected == ()
    assert [(package.name, package.action.value) for package in upgraded.packages] == [("musl", "upgraded")]
    other = compared(
        alpine("1.2.5-r0", b"old"), alpine("1.2.5-r1", b"new"), Layer().file("lib/ld-musl.so", "evil", 0o755)
    )
    assert [file.reason for file in other.files] == ["it is not what its package installed"]
    mode = compared(alpine("1.2.5-r0", b"old"), alpine("1.2.5-r1", b"new", 0o4755))
    assert [file.reason for file in mode.files] == ["it has set-user-ID now, which its package does not state"]


def test_busybox_makes_links_of_itself():
    def layer(version: str) -> Layer:
        return Layer().file("lib/apk/db/installed", f"P:busybox\nV:{version}\nF:bin\nR:busybox\n\n")

    platform = compared(
        layer("1-r0"), layer("2-r0").symlink("bin/new-applet", "/bin/busybox").symlink("bin/x", "/bin/y")
    )
    assert [file.path for file in platform.files] == ["bin/x"]


def test_rpm():
    (package,) = inventory(fedora("5.2", b"old")).packages
    assert (package.name, package.version, package.licences) == ("bash", "1:5.2-1.fc40", "GPL-3.0-or-later")
    assert package.files["usr/bin/bash"].algorithm == "sha256"
    assert package.files["usr/bin/bash.log"].algorithm == ""
    upgraded = compared(fedora("5.2", b"old"), fedora("5.3", b"new"))
    assert upgraded.unexpected == ()
    assert [changed.action.value for changed in upgraded.packages] == ["upgraded"]
    assert [changed.action.value for changed in compared(fedora("5.2", b"old"), fedora("5.1", b"new")).packages] == [
        "downgraded"
    ]
    other = compared(fedora("5.2", b"old"), fedora("5.3", b"new"), Layer().file("usr/bin/bash", "evil", 0o755))
    assert [file.reason for file in other.files] == ["it is not what its package installed"]
    setuid = compared(fedora("5.2", b"old"), fedora("5.3", b"new", 0o4755, 0o4755))
    assert setuid.files == ()
    assert [(gained.path, gained.after) for gained in setuid.privileges] == [("usr/bin/bash", "set-user-ID")]


@pytest.mark.parametrize(
    ("layer", "clause"),
    [
        (Layer().file("var/lib/rpm/Packages", "x"), "Berkeley DB"),
        (Layer().file("usr/lib/sysimage/rpm/Packages.db", "x"), "ndb"),
        (Layer().file("var/lib/rpm/rpmdb.sqlite", b"no database" * 100), "cannot be read"),
        (
            Layer().file("var/lib/rpm/rpmdb.sqlite", rpm_database("1", b"")).file("var/lib/rpm/rpmdb.sqlite-wal", "x"),
            "closed",
        ),
    ],
)
def test_a_database_that_is_not_read_proves_nothing(layer: Layer, clause: str):
    assert clause in inventory(layer).unread[0]


def test_a_hostile_header_of_rpm():
    database = sqlite3.connect(":memory:")
    database.execute("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB)")
    database.execute(
        "INSERT INTO Packages VALUES (1, ?)", (struct.pack(">IIIIII", 1, 8, 1000, 4, 0, 1 << 31) + bytes(8),)
    )
    database.commit()
    contents = inventory(Layer().file("var/lib/rpm/rpmdb.sqlite", database.serialize()))
    assert contents.packages == ()
    assert "malformed" in contents.unread[0]


def test_distroless():
    layer = Layer().file("var/lib/dpkg/status.d/tzdata", "Package: tzdata\nVersion: 2024a-0\nArchitecture: all\n")
    sums = f"{hashlib.md5(b'zone', usedforsecurity=False).hexdigest()}  usr/share/zoneinfo/UTC\n"
    layer.file("var/lib/dpkg/status.d/tzdata.md5sums", sums).file("usr/share/zoneinfo/UTC", "zone")
    (package,) = inventory(layer).packages
    assert (package.ecosystem, package.name, package.version) == ("deb", "tzdata", "2024a-0")
    assert "usr/share/zoneinfo/UTC" in package.files


def test_only_installed_packages_of_debian_count():
    text = (
        "Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n\nPackage: here\nStatus: install ok installed\n"
    )
    packages = inventory(Layer().file("var/lib/dpkg/status", text + "Version: 2\n")).packages
    assert [package.name for package in packages] == ["here"]


def test_licences_of_debian():
    text = (
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\nFiles: *\nLicense: Zlib\n text\n"
    )
    layer = Layer().file("var/lib/dpkg/status", "Package: z\nStatus: install ok installed\nVersion: 2\n")
    (package,) = inventory(layer.file("usr/share/doc/z/copyright", text)).packages
    assert package.licences == "Zlib"


def python(version: str, content: bytes) -> Layer:
    place = "usr/lib/python3/site-packages"
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
    record = f"pkg/__init__.py,sha256={digest},3\npkg-{version}.dist-info/METADATA,,\n../../../bin/pkg,,\n"
    layer = Layer().file(f"{place}/pkg/__init__.py", content).file("usr/bin/pkg", "#!x", 0o755)
    layer.file(f"{place}/pkg-{version}.dist-info/RECORD", record)
    return layer.file(f"{place}/pkg-{version}.dist-info/METADATA", f"Name: Pkg\nVersion: {version}\nLicense: MIT\n")


def test_python():
    (package,) = inventory(python("1.0", b"old")).packages
    assert (package.ecosystem, package.name, package.version, package.licences) == ("pypi", "pkg", "1.0", "MIT")
    assert "usr/bin/pkg" in package.files
    new = python("1.1", b"new").without("usr/lib/python3/site-packages/pkg-1.0.dist-info")
    cache = "usr/lib/python3/site-packages/pkg/__pycache__"
    platform = compared(python("1.0", b"old"), new.file(f"{cache}/__init__.cpython-311.pyc", "code"))
    assert platform.files == ()
    assert [(changed.name, changed.action.value) for changed in platform.packages] == [("pkg", "upgraded")]
    stray = compared(python("1.0", b"old"), Layer().file(f"{cache}/__init__.cpython-311.pyc", "code"))
    assert [file.path.rpartition("/")[2] for file in stray.files] == ["__pycache__", "__init__.cpython-311.pyc"]


def test_npm():
    def layer(version: str) -> Layer:
        text = json.dumps({"name": "lodash", "version": version, "license": "MIT"})
        folder = "app/node_modules/lodash"
        return Layer().file(f"{folder}/package.json", text).file(f"{folder}/index.js", version)

    platform = compared(layer("4.17.20"), layer("4.17.21"))
    assert [(changed.name, changed.before, changed.after, changed.action.value) for changed in platform.packages] == [
        ("lodash", "4.17.20", "4.17.21", "upgraded")
    ]
    assert platform.unexpected == ()
    same = compared(layer("4.17.20"), Layer().file("app/node_modules/lodash/index.js", "evil"))
    assert [file.reason for file in same.files] == ["its package did not change"]


def test_a_certificate_store_changes_with_its_package():
    def layer(version: str) -> Layer:
        text = f"Package: ca-certificates\nStatus: install ok installed\nVersion: {version}\n"
        return Layer().file("var/lib/dpkg/status", text).file("etc/ssl/certs/ca-certificates.crt", version)

    assert compared(layer("1"), layer("2")).unexpected == ()
    alone = compared(layer("1"), Layer().file("etc/ssl/certs/ca-certificates.crt", "other"))
    assert [file.path for file in alone.files] == ["etc/ssl/certs/ca-certificates.crt"]
