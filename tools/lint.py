"""Run every static check to its end, so that one run shows all problems; `--quick` runs those that take seconds."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
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
    "names": [sys.executable, "-m", "tools.names"],
    "generated files": [sys.executable, "-m", "tools.docs", "--check"],
    "licences": [sys.executable, "-m", "tools.licenses", "--check"],
    "zizmor": [str(BIN / "zizmor"), "--pedantic", "--offline", "--quiet", "--no-progress", "."],
}
QUICK = ("ruff", "ruff format", "mypy", "import rules", "names")


def main() -> int:
    """Run the checks; return 1 when any of them fails."""
    with tempfile.TemporaryDirectory() as scratch:
        return _run(quick="--quick" in sys.argv, project=Path(scratch))


def _run(*, quick: bool, project: Path) -> int:
    checks = {name: (check, ROOT) for name, check in CHECKS.items() if name in QUICK or not quick}
    if not quick:
        actionlint = actionlint_in(project)
        checks |= {f"actionlint {path}": ([*actionlint, str(project / path)], project) for path in WORKFLOWS}
    failed = False
    for name, (check, folder) in checks.items():
        completed = subprocess.run(check, cwd=folder, capture_output=True, text=True, check=False)
        failed = failed or completed.returncode != 0
        print(f"✔ {name}" if completed.returncode == 0 else f"✘ {name}\n{completed.stdout}{completed.stderr}")
    return int(failed)


def actionlint_in(project: Path) -> list[str]:
    """Make an empty folder a project with our actions and workflows; return actionlint's command, without files.

    Of a workflow on its standard input actionlint knows no project, and so no local action; and a project has a folder
    `.git`, which is a file in a work tree.
    """
    (project / ".git").mkdir()
    for name in ("actions", "action.yml"):
        (project / name).symlink_to(ROOT / name)
    (project / ".github" / "workflows").mkdir(parents=True)
    for path in WORKFLOWS:
        text = (ROOT / path).read_text(encoding="utf-8")
        (project / path).write_text(text.replace(*SELF_REPOSITORY), encoding="utf-8")
    return [str(_actionlint()), *ACTIONLINT_OPTIONS]


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
