"""Run every static check to its end, so that one run shows all problems; `--quick` runs those that take seconds."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent

WORKFLOWS = [str(path.relative_to(ROOT)) for path in sorted((ROOT / ".github" / "workflows").glob("*.yml"))]
SELF_REPOSITORY = ("uses: $/", "uses: ./")
"""actionlint 1.7.12 does not know the form `$/`; what it knows leads to the same files, so their inputs are checked."""
ACTIONLINT_OPTIONS = (
    "-shellcheck=",
    "-pyflakes=",
    # GitHub has it since May 2026.
    *("-ignore", 'unexpected key "queue" for "concurrency" section'),
)
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
    checks = {name: (check, "") for name, check in CHECKS.items() if name in QUICK or not quick}
    if not quick:
        actionlint = str(_actionlint())
        for path in WORKFLOWS:
            text = (ROOT / path).read_text(encoding="utf-8").replace(*SELF_REPOSITORY)
            checks[f"actionlint {path}"] = ([actionlint, *ACTIONLINT_OPTIONS, "-stdin-filename", path, "-"], text)
    failed = False
    for name, (check, text) in checks.items():
        completed = subprocess.run(check, cwd=ROOT, input=text, capture_output=True, text=True, check=False)
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
