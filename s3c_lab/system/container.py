"""The rights of a container that is a whole machine: a privileged one's, as far as this machine has them itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from docker import DockerClient

CONTROL_GROUPS = Path(__file__).parent / "control-groups.sh"
"""Sourced by the script that starts the machine's daemons: they get control groups of their own."""
# In the order of linux/capability.h: bit n of the bounding set is the n-th. The newest three are left out: Docker 20.10
# does not know them, and SYS_ADMIN includes them.
CAPABILITIES = (
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
)


def bounding_set() -> tuple[str, ...]:
    """The capabilities this machine can grant; a privileged container fails where one is missing."""
    status = Path("/proc/self/status").read_text()
    bits = int(next(line.split()[1] for line in status.splitlines() if line.startswith("CapBnd:")), 16)
    return tuple(name for bit, name in enumerate(CAPABILITIES) if bits >> bit & 1)


def machine_options(
    docker: DockerClient, binds: Sequence[str], ports: Mapping[int, tuple[str]] | None = None
) -> dict[str, Any]:
    """The host configuration of a privileged container, as far as this machine can grant it.

    Args:
        docker: the client that makes the container.
        binds: `SOURCE:TARGET` or `SOURCE:TARGET:ro`.
        ports: of the container, each with the address on which Docker publishes it on a free port.
    """
    host = docker.api.create_host_config(
        binds=list(binds),
        cap_add=list(bounding_set()),
        security_opt=["apparmor=unconfined", "seccomp=unconfined"],
        device_cgroup_rules=["a *:* rwm"],
        tmpfs={"/run": "", "/tmp": "exec"},  # noqa: S108 - the container's own
        port_bindings={} if ports is None else {f"{port}/tcp": address for port, address in ports.items()},
    )
    return host | {"MaskedPaths": [], "ReadonlyPaths": [], "CgroupnsMode": "private"}
