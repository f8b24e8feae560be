"""What is asked of every runtime."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from s3c_actions.layers.unpacking import FolderOwner
from s3c_actions.programs.containers.container import ContainerRequest, listening_ports, listening_ports_of
from s3c_actions.registry.runtime_config import RuntimeConfig
from tests.support.containers import unpacked

TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1
   1: 0100007F:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 2
   2: 0100007F:A000 0100007F:1538 01 00000000:00000000 00:00000000 00000000     0        0 3
   3: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 0:0 00:0 0     0        0 4
  broken row
"""


def test_reads_the_ports_that_something_listens_on() -> None:
    assert listening_ports(TABLE) == {8080, 5432, 80}
    assert listening_ports("") == frozenset() == listening_ports("\0" * 100)


def test_a_process_that_is_gone_has_no_table() -> None:
    assert listening_ports_of(0) is None


@pytest.mark.parametrize(
    ("volumes", "writable", "expected"),
    [
        ((), (), ["/run", "/tmp", "/var/tmp"]),
        (("/data/",), ("/var/cache/nginx",), ["/data", "/run", "/tmp", "/var/cache/nginx", "/var/tmp"]),
        (("/", "", "/proc", "/sys/x", "/dev", "/a:b", "/a,b", "../../etc/.."), (), ["/run", "/tmp", "/var/tmp"]),
        (("relative", "/../up"), (), ["/relative", "/run", "/tmp", "/up", "/var/tmp"]),
    ],
)  # fmt: skip
def test_paths_that_are_writable(
    tmp_path: Path, volumes: tuple[str, ...], writable: tuple[str, ...], expected: list[str]
) -> None:
    image = unpacked(tmp_path, RuntimeConfig(volumes=volumes))
    request = ContainerRequest(name="s3c-smoke-1", image=image, writable=writable)
    assert [folder.path for folder in request.writable_folders] == expected
    assert {folder.options for folder in request.writable_folders} == {
        ("nosuid", "nodev", "uid=0", "gid=0", "mode=1777", "size=268435456")
    }


def test_folders_of_the_image_keep_their_owners(tmp_path: Path) -> None:
    for name in ("run/postgresql", "var", "etc/app", "data"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "var/run").symlink_to("/run")
    (tmp_path / "run/link").symlink_to("/etc")
    folders = {
        "run": FolderOwner(0, 0, 0o755),
        "run/postgresql": FolderOwner(105, 107, 0o2775),
        "run/removed": FolderOwner(1, 1, 0o755),
        "run/link": FolderOwner(1, 1, 0o755),
        "etc/app": FolderOwner(1, 1, 0o755),
        "data": FolderOwner(-1, 1 << 31, 0o700),
    }
    image = replace(unpacked(tmp_path, RuntimeConfig(volumes=("/var/run", "/data"))), folders=folders)
    request = ContainerRequest(name="s3c-smoke-1", image=image)
    assert {folder.path: (folder.user, folder.group, folder.mode) for folder in request.writable_folders} == {
        "/data": (0, 0, 0o1777),
        "/run": (0, 0, 0o755),
        "/run/postgresql": (105, 107, 0o2775),
        "/tmp": (0, 0, 0o1777),
        "/var/tmp": (0, 0, 0o1777),
    }


def test_an_image_does_not_have_any_number_of_them(tmp_path: Path) -> None:
    folders = {}
    for number in range(100):
        (tmp_path / f"run/{number}").mkdir(parents=True)
        folders[f"run/{number}"] = FolderOwner(0, 0, 0o755)
    image = replace(unpacked(tmp_path, RuntimeConfig()), folders=folders)
    assert len(ContainerRequest(name="s3c-smoke-1", image=image).writable_folders) == 35
