"""The wheel as it is published: built, installed in an environment of its own, tried out."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

from s3c_actions import __version__
from s3c_actions.cli.run import cache_path
from tests.support import ROOT

REPORT = ROOT / "tests" / "data" / "trivy" / "debian.json"


def uv() -> str:
    """The path of uv: on PATH, or the one that set up this environment."""
    return shutil.which("uv") or max(map(str, (cache_path(dict(os.environ)) / "tools").glob("uv-*/bin/uv")))


def build(folder: Path) -> Path:
    """Build the wheel of a copy of this checkout in a folder."""
    source = folder / "source"
    ignored = shutil.ignore_patterns(".git", ".*_cache", "__pycache__", "s3c-out")
    shutil.copytree(ROOT, source, ignore=ignored, symlinks=True)
    subprocess.run([uv(), "build", "--quiet", "--wheel", "--out-dir", folder, source], check=True, timeout=300)
    (wheel,) = folder.glob("*.whl")
    return wheel


def install(wheel: Path, folder: Path, python: str) -> Path:
    """Install a wheel with what it needs into a new environment; returns its Python."""
    subprocess.run([uv(), "venv", "--quiet", "--python", python, folder], check=True, timeout=300)
    inside = folder / "bin" / "python"
    subprocess.run([uv(), "pip", "install", "--quiet", "--python", inside, wheel], check=True, timeout=600)
    return inside


def try_out(scripts: Path, folder: Path) -> None:
    """Run both commands of an environment: version, help, and a report that is gated.

    Args:
        scripts: the environment's folder of commands.
        folder: where they run.
    """
    environment = {"HOME": str(folder), "PATH": "/usr/bin:/bin"}

    def run(*argv: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            argv, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120
        )

    for name in ("s3c", "s3c-actions"):
        assert run(str(scripts / name), "--version").stdout.strip().endswith(__version__)
    assert "--fail-on" in run(str(scripts / "s3c"), "scan", "--help").stdout
    gated = run(str(scripts / "s3c"), "report", str(REPORT), "--fail-on", "HIGH", "--output-dir", "out")
    assert gated.returncode == 1, gated.stderr
    assert json.loads((folder / "out" / "result.json").read_text())["verdict"] == "refused"
    assert (folder / "out" / "report.html").stat().st_size > 10_000
