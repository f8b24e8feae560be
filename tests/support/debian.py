"""Debian packages that tests need, installed where they are missing."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from s3c_actions.cli.run import cache_path
from s3c_actions.programs.install.cache import lock_file


def program(name: str, *packages: str) -> Path:
    """The path of a program; where it is missing, these packages are installed."""
    lock = cache_path(dict(os.environ)) / "tests" / "apt.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock_file(lock):
        if shutil.which(name) is None:
            subprocess.run(["apt-get", "update", "-qq"], check=True)
            subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages], check=True)
    return Path(shutil.which(name) or name)
