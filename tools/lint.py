"""Run every static check to its end, so that one run shows all problems; `--quick` runs those that take seconds."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent

WORKFLOWS = [str(path.relative_to(ROOT)) for path in sorted((ROOT / ".github" / "workflows").glob("*.yml"))]
CHECKS: dict[str, list[str]] = {
    "ruff": [str(BIN / "ruff"), "check", "--quiet", "."],
    "ruff format": [str(BIN / "ruff"), "format", "--check", "--quiet", "."],
    "mypy": [str(BIN / "mypy"), "--no-error-summary"],
    "import rules": [str(BIN / "lint-imports")],
    "generated files": [sys.executable, "-m", "tools.docs", "--check"],
    "licences": [sys.executable, "-m", "tools.licenses", "--check"],
    "zizmor": [str(BIN / "zizmor"), "--pedantic", "--offline", "--quiet", "--no-progress", "."],
}
QUICK = ("ruff", "ruff format", "mypy", "import rules")


def main() -> int:
    """Run the checks; return 1 when any of them fails."""
    quick = "--quick" in sys.argv
    checks = {name: check for name, check in CHECKS.items() if name in QUICK or not quick}
    if WORKFLOWS and not quick:
        checks["actionlint"] = [str(_actionlint()), "-shellcheck=", "-pyflakes=", *WORKFLOWS]
    failed = False
    for name, check in checks.items():
        completed = subprocess.run(check, cwd=ROOT, capture_output=True, text=True, check=False)
        failed = failed or completed.returncode != 0
        print(f"✔ {name}" if completed.returncode == 0 else f"✘ {name}\n{completed.stdout}{completed.stderr}")
    return int(failed)


def _actionlint() -> Path:
    """Return the path of the pinned actionlint, built from its module when it is not cached."""
    from s3c_actions.cli.console import LogProgress
    from s3c_actions.cli.run import cache_path
    from s3c_actions.core.process import Runner
    from s3c_actions.programs.install.locate import locate
    from s3c_lab.programs import ACTIONLINT

    program = locate(
        ACTIONLINT,
        cache=cache_path(os.environ),
        runner=Runner(os.environ),
        progress=LogProgress(sys.stderr),
    )
    return program.path


if __name__ == "__main__":
    sys.exit(main())
