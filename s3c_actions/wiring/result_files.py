"""The `result.json` files that a command is given."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from s3c_actions.core import reading
from s3c_actions.core.errors import InputError
from s3c_actions.github.artifact import InvalidArtifact, decode_result

if TYPE_CHECKING:
    from s3c_actions.report.document import ResultDocument

RESULT_FILE = "result.json"


def read(given: tuple[str, ...]) -> list[ResultDocument]:
    """Read the documents in files and folders.

    Raises:
        InputError: a file does not exist or is no result.
    """
    return [document for _, document in located(given)]


def located(given: tuple[str, ...]) -> list[tuple[Path, ResultDocument]]:
    """Read as `read` does, and return each document with the path of its file."""
    documents = []
    for path in find_files(given, RESULT_FILE, "results"):
        try:
            documents.append((path, decode_result(reading.read_file(path, reading.MAX_DOCUMENT_BYTES))))
        except OSError as error:
            raise InputError("results", f"{path} cannot be read: {error.strerror}.") from error
        except InvalidArtifact as error:
            raise InputError(
                "results",
                f"{path} is no result of s3c.",
                cause="It is another file, was changed, or comes from another version of s3c.",
                remedy="Give the `result.json` that `s3c scan` and the other commands write into `output-dir`, or that "
                "folder.",
                original=f"{error.what} {error.original}".strip(),
            ) from error
    return documents


def find_files(given: tuple[str, ...], pattern: str, field: str) -> list[Path]:
    """Return the files given, and those that match a pattern in or below the folders given, in order.

    Raises:
        InputError: a file does not exist, or a folder has no match.
    """
    files: list[Path] = []
    for path in (Path(name).expanduser() for name in given):
        matches = sorted(path.rglob(pattern)) if path.is_dir() else [path]
        if not matches or not all(file.is_file() for file in matches):
            problem = f"has no {pattern}" if path.is_dir() else "does not exist"
            raise InputError(field, f"{path} {problem}.", remedy="Look at the path.")
        files += matches
    return files
