"""npm packages that tests use: from a lock file with integrity hashes, once for a machine, outside the checkout."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from s3c_actions.cli.run import cache_path
from s3c_actions.programs.install.cache import lock_file
from tests.support.debian import program


def installed(folder: Path) -> Path:
    """The `node_modules` of what a folder's `package.json` and `package-lock.json` name.

    No script of a package is run; npm is installed from Debian where there is none. Peers are not installed: a package
    that is read, not run, does without.
    """
    lock = folder / "package-lock.json"
    key = hashlib.sha256(lock.read_bytes()).hexdigest()[:12]
    cache = cache_path(dict(os.environ)) / "tests" / f"{folder.name}-{key}"
    with lock_file(cache.with_suffix(".lock")):
        if not (cache / ".ready").exists():
            shutil.rmtree(cache, ignore_errors=True)
            cache.mkdir(parents=True)
            for name in ("package.json", "package-lock.json"):
                shutil.copyfile(folder / name, cache / name)
            flags = ("--ignore-scripts", "--legacy-peer-deps", "--no-audit", "--no-fund")
            subprocess.run([program("npm", "npm"), "ci", *flags], cwd=cache, check=True)
            (cache / ".ready").touch()
    return cache / "node_modules"
