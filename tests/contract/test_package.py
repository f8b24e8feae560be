"""What `pip install` brings: everything a command reads is in the wheel."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from s3c_actions.cli.run import cache_path

ROOT = Path(__file__).parents[2]
FOUND = (
    "from s3c_actions.cluster.gate import manifests; manifests.objects_for_identities(('*',)); "
    "print(manifests.values_file('ratify').parents[1])"
)


def test_the_gates_manifests_are_found_in_a_wheel(tmp_path):
    uv = shutil.which("uv") or max(map(str, (cache_path(dict(os.environ)) / "tools").glob("uv-*/bin/uv")))
    source = tmp_path / "source"
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(".git", ".*_cache", "__pycache__", "s3c-out"))
    subprocess.run([uv, "build", "--quiet", "--wheel", "--out-dir", tmp_path, source], check=True, timeout=300)
    (wheel,) = tmp_path.glob("*.whl")
    home = tmp_path / "installed"
    zipfile.ZipFile(wheel).extractall(home)
    ended = subprocess.run(
        [sys.executable, "-Ic", f"import sys; sys.path.insert(0, {str(home)!r}); {FOUND}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip() == str(home / "s3c_actions" / "manifests")
    shipped = {path.relative_to(home / "s3c_actions") for path in (home / "s3c_actions" / "manifests").rglob("*.yaml")}
    assert shipped == {
        path.relative_to(ROOT) for name in ("gatekeeper", "ratify") for path in (ROOT / "manifests" / name).iterdir()
    }
    templates = Path("s3c_actions", "scaffold", "templates")
    assert {path.name for path in (home / templates).iterdir()} == {path.name for path in (ROOT / templates).iterdir()}
    assert (home / "s3c_actions" / "py.typed").is_file(), "type checkers of others read our annotations"
    assert {"helm", "gatekeeper", "ratify"} <= {path.parent.name for path in home.rglob("go.sum")}
