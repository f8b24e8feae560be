"""Where a Docker may answer: a daemon that was killed leaves its socket behind, where nobody listens."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

from s3c_actions.programs.trivy.local_docker import is_available
from tests.support import ROOT


def test_a_docker_is_available_where_something_listens(tmp_path: Path) -> None:
    path = tmp_path / "docker.sock"
    environment = {"DOCKER_HOST": f"unix://{path}"}
    assert not is_available(environment)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        assert is_available(environment)
    assert path.is_socket()
    assert not is_available(environment)


def test_at_a_socket_without_a_daemon_no_image_is_looked_for(tmp_path: Path) -> None:
    path = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "PYTHONPATH": str(ROOT),
        "S3C_CACHE": str(tmp_path / "cache"),
        "S3C_PROGRAMS_MIRROR": "http://127.0.0.1:1",
        "DOCKER_HOST": f"unix://{path}",
    }
    argv = [sys.executable, "-m", "s3c_actions", "scan", "localhost:1/app:1"]
    ended = subprocess.run(argv, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 3, ended.stderr
    assert "localhost:1" in ended.stderr
    assert "trivy 0." not in ended.stderr  # nothing is downloaded or built
