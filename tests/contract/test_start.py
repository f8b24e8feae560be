"""What every run pays before it does anything: heavy libraries are imported by what uses them, and by nothing else."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = {"actions_toolkit", "cryptography", "docker", "jinja2", "oras", "requests", "rich", "sarif_om"}


@pytest.mark.parametrize(
    "code",
    [
        "import s3c_actions",
        "from s3c_actions.shell import run; run('scan', ['--help'], {}, sys.stdout, sys.stderr)",
        "from s3c_actions.shell import run; run('scan', ['a', '--no-such'], {}, sys.stdout, sys.stderr)",
        "from s3c_actions.__main__ import main; sys.argv = ['s3c', '--help']; main()",
    ],
)
def test_nothing_heavy_is_imported_before_there_is_work(code):
    told = "import atexit, sys; atexit.register(lambda: print('imported:', *sys.modules)); "
    ended = subprocess.run(
        [sys.executable, "-c", told + code], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    _, imported, names = ended.stdout.rpartition("imported:")
    assert imported, ended.stderr
    assert HEAVY.isdisjoint(names.split())
