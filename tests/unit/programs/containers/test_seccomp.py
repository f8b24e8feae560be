"""The filter of system calls; that the kernel takes it is in tests/contract/test_smoke.py."""

from s3c_actions.programs.containers.seccomp import BLOCKED, profile


def test_ways_out_are_blocked() -> None:
    assert {"mount", "ptrace", "bpf", "unshare", "setns", "keyctl", "io_uring_setup", "userfaultfd"} <= set(BLOCKED)
    assert len(set(BLOCKED)) == len(BLOCKED)


def test_no_new_namespace_by_clone() -> None:
    bits = {rule["args"][0]["value"] for rule in profile()["syscalls"] if rule["names"] == ["clone"]}
    # clone(2): time (CLONE_NEWTIME) shares its bit with the signal, and unshare, which alone takes it, is blocked.
    assert bits == {0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000}


def test_a_rule_denies() -> None:
    assert {rule["action"] for rule in profile()["syscalls"]} == {"SCMP_ACT_ERRNO"}
