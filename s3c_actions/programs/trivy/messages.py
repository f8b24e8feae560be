"""What Trivy prints: its warnings, and the lines that are shown while it works."""

from __future__ import annotations

from collections.abc import Callable

from s3c_actions.core.patterns import late_pattern
from s3c_actions.core.progress import Progress

_LINE = late_pattern(r"^\S+Z\t(?P<level>[A-Z]+)\t(?P<message>.*)$")
# Trivy's advice to disable what was requested, and its notes on what it was configured to skip.
_IGNORED_LINES = late_pattern(
    r"If your scanning is slow|for faster secret detection|Skipping VEX|Using severities from other"
)


def read_warnings(output: str) -> tuple[str, ...]:
    """Return Trivy's warnings and errors, each once.

    Args:
        output: of Trivy, untrusted.
    """
    matches = (_LINE.match(line) for line in output.splitlines())
    return tuple(
        dict.fromkeys(
            match["message"].replace("\t", " ")
            for match in matches
            if match is not None and match["level"] in {"WARN", "ERROR"} and not _IGNORED_LINES.search(match["message"])
        )
    )


def line_reporter(progress: Progress) -> Callable[[str], None]:
    """Return a function that shows a line which Trivy prints, as far as it is for people.

    Args:
        progress: where it is shown.
    """

    def report(line: str) -> None:
        match = _LINE.match(line)
        if match is None or _IGNORED_LINES.search(match["message"]):
            return
        message = match["message"].replace("\t", " ")
        if match["level"] in {"WARN", "ERROR"}:
            message = f"{match['level'].lower()}: {message}"
        if match["level"] != "FATAL":
            progress.note(f"trivy: {message}")

    return report
