"""The guard of the unit tests itself."""

import contextlib
import os
import socket
import subprocess

import pytest


@pytest.mark.parametrize(
    "attempt",
    [
        lambda: subprocess.run(["true"], check=True),
        lambda: os.system("true"),
        lambda: socket.create_connection(("127.0.0.1", 9)),
        lambda: socket.getaddrinfo("localhost", 80),
        lambda: socket.socket().bind(("127.0.0.1", 0)),
    ],
)
def test_an_attempt_is_refused_and_remembered(attempt, no_outside) -> None:
    with pytest.raises(RuntimeError, match="a unit test"):
        attempt()
    assert no_outside.pop("seen").startswith("a unit test")


def test_a_swallowed_attempt_is_remembered(no_outside) -> None:
    with contextlib.suppress(RuntimeError):
        subprocess.run(["true"], check=True)
    assert "subprocess.Popen" in no_outside.pop("seen")
