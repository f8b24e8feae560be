"""Every static check, each to its end, so that one run shows all there is to mend."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent

CHECKS: list[list[str]] = [
    [str(BIN / "ruff"), "check", "--quiet", "."],
    [str(BIN / "ruff"), "format", "--check", "--quiet", "."],
    [str(BIN / "mypy"), "--no-error-summary"],
    [str(BIN / "lint-imports"), "--no-cache"],
]


def main() -> int:
    """Run the checks; 1 when any of them found something."""
    failed = False
    for check in CHECKS:
        ended = subprocess.run(check, cwd=ROOT, capture_output=True, text=True, check=False)
        if ended.returncode != 0:
            failed = True
            print(f"✘ {Path(check[0]).name}\n{ended.stdout}{ended.stderr}")
        else:
            print(f"✔ {Path(check[0]).name}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
