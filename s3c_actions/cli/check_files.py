"""Check files that people write by hand, before they are committed: what `.pre-commit-hooks.yaml` runs.

python -P -m s3c_actions.cli.check_files policy s3c-policy.yaml
python -P -m s3c_actions.cli.check_files ignore-files .trivyignore.yaml
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from s3c_actions.cli.console import error_lines
from s3c_actions.commands.policy import exception_notices
from s3c_actions.core.errors import Exit, InputError
from s3c_actions.policy import model
from s3c_actions.programs.trivy import ignore
from s3c_actions.report.render.terminal import plain_line


def _check_policy(path: Path, now: datetime) -> list[str]:
    """Read a policy; return notices on its exceptions."""
    return exception_notices(model.read(path), now)


def _check_ignore_file(path: Path, now: datetime) -> list[str]:
    """Read an ignore file; return notices on its entries."""
    return ignore.entry_notices(ignore.read(path), now)


CHECKS: Mapping[str, Callable[[Path, datetime], list[str]]] = {
    "policy": _check_policy,
    "ignore-files": _check_ignore_file,
}
"""Kind of file → what checks one: it raises InputError when the file is wrong."""


def check(kind: str, paths: Sequence[str], stream: TextIO) -> int:
    """Check files of one kind; every file that is wrong is reported.

    An exception that has ended is reported and fails nothing: the day alone must not keep anybody from committing.

    Args:
        kind: one of CHECKS.
        paths: of the files.
        stream: to report on.

    Returns:
        The exit code: 2 when a file is wrong.
    """
    code = Exit.DONE
    for path in paths:
        try:
            notices = CHECKS[kind](Path(path), datetime.now(UTC))
        except InputError as error:
            code = error.exit_code
            lines = error_lines("", error)
        else:
            lines = [plain_line(f"{path}: {notice}") for notice in notices]
        for line in lines:
            stream.write(f"{line}\n")
    return int(code)


def main(arguments: Sequence[str]) -> int:
    """Check the files that the arguments name, after their kind."""
    if not arguments or arguments[0] not in CHECKS:
        sys.stderr.write(f"The first argument is the kind of the files: {' or '.join(CHECKS)}.\n")
        return int(Exit.WRONG_INPUT)
    return check(arguments[0], arguments[1:], sys.stderr)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
