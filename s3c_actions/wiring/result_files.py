"""The `result.json` files that a command is given."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from s3c_actions.core import reading
from s3c_actions.core.errors import InputError

if TYPE_CHECKING:
    from s3c_actions.report.document import ResultDocument

RESULT_FILE = "result.json"


def read(given: tuple[str, ...]) -> list[ResultDocument]:
    """The documents in files and folders.

    Raises:
        InputError: one is not there or is no result.
    """
    return [document for _, document in located(given)]


def located(given: tuple[str, ...]) -> list[tuple[Path, ResultDocument]]:
    """As `read`, each document with the path of its file."""
    from s3c_actions.github.artifact import InvalidArtifact, decode_result

    documents = []
    for path in find_files(given, RESULT_FILE, "results"):
        try:
            documents.append((path, decode_result(reading.read_file(path, reading.MAX_DOCUMENT_BYTES))))
        except OSError as error:
            raise InputError("results", f"{path} cannot be read: {error.strerror}.") from error
        except InvalidArtifact as error:
            raise InputError("results", f"{path} is not used. {error.what}", original=error.original) from error
    return documents


def find_files(given: tuple[str, ...], pattern: str, field: str) -> list[Path]:
    """Files as given, and those of that name in folders and all below them, in order.

    Raises:
        InputError: one is not there, or a folder has none.
    """
    found: list[Path] = []
    for path in (Path(one).expanduser() for one in given):
        here = sorted(path.rglob(pattern)) if path.is_dir() else [path]
        if not here or not all(one.is_file() for one in here):
            why = f"has no {pattern}" if path.is_dir() else "does not exist"
            raise InputError(field, f"{path} {why}.", remedy="Look at the path.")
        found += here
    return found
