"""What the local Docker says of an image: only a clear no counts."""

import socket
import threading

import pytest

from s3c_actions.programs.trivy.local_docker import is_available, lacks_image


@pytest.fixture
def docker(monkeypatch):
    """The engine at the other end of the socket: gives one answer, and keeps the request."""
    requests: list[bytes] = []

    def answering(reply: bytes):
        ours, theirs = socket.socketpair()

        class Connected:
            def __init__(self, *_kind):
                pass

            def connect(self, path):
                assert path == "/run/docker.sock"

            def __getattr__(self, name):
                return getattr(ours, name)

        def answer():
            requests.append(theirs.recv(4096))
            theirs.sendall(reply)
            theirs.close()

        thread = threading.Thread(target=answer)
        thread.start()
        monkeypatch.setattr("s3c_actions.core.web.socket.socket", Connected)
        return thread, requests

    return answering


@pytest.mark.parametrize(
    ("reply", "lacks"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", False),
        (b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n", False),
        (b"what is this", False),
        (b"", False),
    ],
)
def test_only_not_found_is_an_answer(reply, lacks, docker) -> None:
    thread, requests = docker(reply)
    assert lacks_image("shop/app:1", {"DOCKER_HOST": "unix:///run/docker.sock"}) is lacks
    thread.join()
    assert requests[0].startswith(b"GET /images/shop/app:1/json HTTP/1.1\r\n")


@pytest.mark.parametrize("host", ["tcp://docker.example:2375", "ssh://x@y"])
def test_a_docker_elsewhere_is_left_to_trivy(host) -> None:
    assert lacks_image("app", {"DOCKER_HOST": host}) is False


def test_a_docker_that_does_not_run_is_left_to_trivy(monkeypatch) -> None:
    def refused(*_kind):
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr("s3c_actions.core.web.socket.socket", refused)
    assert lacks_image("app", {}) is False


def test_without_a_socket_no_docker_is_available(tmp_path) -> None:
    assert not is_available({"DOCKER_HOST": f"unix://{tmp_path / 'docker.sock'}"})


@pytest.mark.parametrize("host", ["tcp://docker.example:2375", "ssh://x@y"])
def test_a_docker_elsewhere_may_be_available(host) -> None:
    assert is_available({"DOCKER_HOST": host})


def test_a_socket_without_permission_belongs_to_somebody(monkeypatch, tmp_path) -> None:
    def denied(*_arguments):
        raise PermissionError(13, "Permission denied")

    (tmp_path / "docker.sock").touch()
    monkeypatch.setattr("s3c_actions.core.web.socket.socket.connect", denied)
    assert is_available({"DOCKER_HOST": f"unix://{tmp_path / 'docker.sock'}"})
