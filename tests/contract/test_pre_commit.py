"""The hooks of `.pre-commit-hooks.yaml`, run by pre-commit itself in a repository of a user."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support import ROOT, wheels
from tests.support.sources import parse_yaml

PRE_COMMIT = "pre-commit==4.7.0"
GUIDE = (ROOT / "docs" / "start.md").read_text()
(CONFIGURATION,) = re.findall(r"```yaml\n(repos:\n.*?)```", GUIDE, re.DOTALL)
"""As the guide prints it."""
GOOD = {
    "s3c-policy.yaml": "version: 1\nfindings: {refuse: [CRITICAL]}\n",
    "deploy/s3c-policy.yml": "version: 1\n",
    ".trivyignore": "CVE-2023-45853 exp:2099-01-31\n",
    "app/.trivyignore.yaml": "vulnerabilities:\n  - id: CVE-2023-45853\n",
    # Nothing of the repository is imported in place of what the hook is.
    "s3c_actions/__init__.py": "raise SystemExit(7)\n",
    "json.py": "raise SystemExit(7)\n",
}


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=tester", "-c", "user.email=tester@example.org")
    argv = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A repository with the files of this checkout, and its commit."""
    folder = tmp_path_factory.mktemp("published")
    listed = git(
        ROOT, "ls-files", "--cached", "--others", "--exclude-standard", "--", ".", ":!tests", ":!docs/pictures"
    )
    for name in listed.splitlines():
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "A version")
    return folder, git(folder, "rev-parse", "HEAD")


@pytest.fixture(scope="module")
def repository(published: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's repository, in which the hooks are configured as the guide says, by this version."""
    folder = tmp_path_factory.mktemp("user")
    address, commit = published
    configuration = parse_yaml(CONFIGURATION)
    configuration["repos"][0] |= {"repo": str(address), "rev": commit}
    (folder / ".pre-commit-config.yaml").write_text(str(configuration))
    git(folder, "init", "--quiet")
    return folder


def run_hooks(folder: Path, files: dict[str, str]) -> tuple[int, str]:
    """Commit-time hooks over every file of the repository: the exit code, and what was printed."""
    git(folder, "rm", "-r", "--quiet", "--cached", "--ignore-unmatch", ".")
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    git(folder, "add", "--force", ".pre-commit-config.yaml", *files)
    ended = subprocess.run(
        [wheels.uv(), "tool", "run", "--quiet", "--from", PRE_COMMIT, "pre-commit", "run", "--all-files", "--verbose"],
        cwd=folder,
        env={**os.environ, "PRE_COMMIT_HOME": str(folder.parent / "hooks"), "PRE_COMMIT_COLOR": "never"},
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    return ended.returncode, ended.stdout + ended.stderr


def test_files_that_are_right_pass(repository: Path) -> None:
    code, printed = run_hooks(repository, GOOD)
    assert code == 0, printed
    assert re.findall(r"^s3c [a-z ]+\.+(\w+)$", printed, re.MULTILINE) == ["Passed", "Passed"]
    assert git(repository, "status", "--porcelain", "--untracked-files=all").count("??") == 0


def test_a_file_that_is_wrong_is_named_and_stops_the_commit(repository: Path) -> None:
    wrong = {
        "s3c-policy.yaml": "version: 1\nfindings: {refuse: [HIGHT]}\n",
        "app/.trivyignore.yaml": "vulnerabilities:\n  - id: CVE-2023-45853\n    expires: 2027-01-31\n",
    }
    code, printed = run_hooks(repository, GOOD | wrong)
    assert code == 1
    assert "HIGHT" in printed and "Did you mean" in printed
    assert "app/.trivyignore.yaml" in printed and "did you mean expired_at?" in printed
    assert "Traceback" not in printed


def test_an_exception_that_has_ended_is_reported_and_stops_nobody(repository: Path) -> None:
    ended = {".trivyignore": "CVE-2023-45853 exp:2020-01-31\n"}
    code, printed = run_hooks(repository, GOOD | ended)
    assert code == 0, printed
    assert "CVE-2023-45853 is reported again" in printed
