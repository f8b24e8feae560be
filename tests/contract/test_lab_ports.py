"""The ports that labs and tests are given: until something listens there, they are nobody else's."""

from __future__ import annotations

import socket
from pathlib import Path

from s3c_lab import registry_server


def test_a_port_is_free_given_once_and_none_that_the_kernel_gives_unasked() -> None:
    ports = [registry_server.free_port() for _ in range(50)]
    assert len(set(ports)) == 50
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert first < 30_000 or max(ports) < first
    with socket.create_server(("127.0.0.1", ports[0])):
        assert not registry_server.is_free(ports[0])


def test_a_port_on_which_something_listens_is_not_given(monkeypatch) -> None:
    taken, other = registry_server.free_port(), registry_server.free_port()
    monkeypatch.setattr(registry_server, "PORTS", (taken, other))
    monkeypatch.setattr(registry_server, "_GIVEN", set())
    with socket.create_server(("127.0.0.1", taken)):
        assert registry_server.free_port() == other
        # None is left: the kernel knows one.
        assert registry_server.free_port() not in {taken, other}
