"""The system calls that a container of ours may not make, besides what needs a capability that it has not.

The calls that reach parts of the kernel which are not divided into namespaces, or which were the way out of containers
before. Docker's documentation lists those that its own filter blocks and why (docs.docker.com/engine/security/seccomp);
io_uring is blocked for the same reason, and a new user namespace because everything else becomes reachable in one.
"""

from __future__ import annotations

import os
from typing import Any

BLOCKED = (
    *("acct", "add_key", "bpf", "clock_adjtime", "clock_settime", "create_module", "delete_module", "fanotify_init"),
    *("finit_module", "fsconfig", "fsmount", "fsopen", "fspick", "get_kernel_syms", "get_mempolicy", "init_module"),
    *("io_uring_enter", "io_uring_register", "io_uring_setup", "ioperm", "iopl", "kcmp", "kexec_file_load"),
    *("kexec_load", "keyctl", "lookup_dcookie", "mbind", "migrate_pages", "mount", "mount_setattr", "move_mount"),
    *("move_pages", "name_to_handle_at", "nfsservctl", "open_by_handle_at", "open_tree", "perf_event_open"),
    *("pidfd_getfd", "pivot_root", "process_madvise", "process_vm_readv", "process_vm_writev", "ptrace"),
    *("query_module", "quotactl", "quotactl_fd", "reboot", "request_key", "set_mempolicy", "setdomainname"),
    *("sethostname", "setns", "settimeofday", "stime", "swapoff", "swapon", "sysfs", "syslog", "umount", "umount2"),
    *("unshare", "uselib", "userfaultfd", "ustat", "vhangup", "vm86", "vm86old", "vmsplice"),
)
_EPERM, _ENOSYS = 1, 38
_NEW_NAMESPACES = 0x7E020000
_AF_VSOCK, _AF_ALG = 40, 38
_ARCHITECTURES = {
    "x86_64": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
    "aarch64": ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"],
}


def profile() -> dict[str, Any]:
    """Return the filter, as `linux.seccomp` of the OCI runtime spec, config-linux.md."""
    profile: dict[str, Any] = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [
            {"names": list(BLOCKED), "action": "SCMP_ACT_ERRNO", "errnoRet": _EPERM},
            # Its flags are in memory, where a filter cannot see them; a C library then uses clone.
            {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": _ENOSYS},
            *(
                {
                    "names": ["clone"],
                    "action": "SCMP_ACT_ERRNO",
                    "errnoRet": _EPERM,
                    "args": [{"index": 0, "value": bit, "valueTwo": bit, "op": "SCMP_CMP_MASKED_EQ"}],
                }
                for bit in (1 << place for place in range(32))
                if bit & _NEW_NAMESPACES
            ),
            *(
                {
                    "names": ["socket"],
                    "action": "SCMP_ACT_ERRNO",
                    "errnoRet": _EPERM,
                    "args": [{"index": 0, "value": family, "op": "SCMP_CMP_EQ"}],
                }
                for family in (_AF_VSOCK, _AF_ALG)
            ),
        ],
    }
    architectures = _ARCHITECTURES.get(os.uname().machine)
    return {**profile, "architectures": architectures} if architectures else profile
