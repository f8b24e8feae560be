"""A disk that is full is told as such, and leaves a cache that works once there is room. Mounting needs root."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("size", ["512k", "16m"])
def test_a_full_disk_is_told_and_nothing_broken_is_left(tmp_path, size):
    """512 kB is too small for anything; 16 MB for the modules that a build of notation downloads."""
    cache = tmp_path / "cache"
    cache.mkdir()
    path = os.pathsep.join(p for p in os.environ["PATH"].split(os.pathsep) if not (Path(p) / "notation").exists())
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("S3C_", "GITHUB_"))},
        "PYTHONPATH": str(ROOT),
        "S3C_CACHE": str(cache),
        "S3C_PROGRAMS_MIRROR": "http://127.0.0.1:9",
        "PATH": path,
    }
    # In a mount namespace of its own, so that nothing is left mounted whatever happens here.
    mounted = (
        f'mount -t tmpfs -o size={size},mode=0700 tmpfs "$S3C_CACHE" && code=0; '
        '"$0" -m s3c_actions programs install notation || code=$?; '
        '"$0" -m s3c_actions programs where notation --json; exit "$code"'
    )
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", mounted, sys.executable],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    assert "disk" in done.stderr
    assert "is full" in done.stderr
    assert "S3C_CACHE" in done.stderr
    assert "Traceback" not in done.stderr
    assert '"path": null' in done.stdout
