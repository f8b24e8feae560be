"""What is asked of every runtime."""

from pathlib import Path

import pytest

from s3c_actions.programs.containers.container import (
    ContainerRequest,
    UnpackedImage,
    listening_ports,
    listening_ports_of,
)
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
    image: UnpackedImage = unpacked(tmp_path, RuntimeConfig(volumes=volumes))
    request = ContainerRequest(name="s3c-smoke-1", image=image, writable=writable)
    assert list(request.writable_paths) == expected
