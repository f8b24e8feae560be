"""Write the files that a step passes to the runner: outputs and job summary.

https://docs.github.com/actions/reference/workflow-commands-for-github-actions#environment-files
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from actions_toolkit.file_command import prepare_key_value_message

from s3c_actions.core import writing
from s3c_actions.report.render.markdown import cut_at_line

SUMMARY_BYTES = 1024 * 1024
"""Limit of all of a step's summaries; over it GitHub shows none."""


def set_outputs(outputs: Mapping[str, str], environment: Mapping[str, str]) -> None:
    """Append outputs to the runner's file, each within a random delimiter; do nothing outside a runner.

    Args:
        outputs: name → value; values may be untrusted and have several lines.
        environment: has GITHUB_OUTPUT on a runner.
    """
    path = environment.get("GITHUB_OUTPUT")
    if not path:
        return

    messages = (prepare_key_value_message(name, value) + "\n" for name, value in outputs.items())
    writing.append(Path(path), "".join(messages))


def append_summary(markdown: str, environment: Mapping[str, str]) -> None:
    """Append to the step's job summary, cut at a whole line when it would not fit; do nothing outside a runner.

    Args:
        markdown: escaped by its renderer.
        environment: has GITHUB_STEP_SUMMARY on a runner.
    """
    path = environment.get("GITHUB_STEP_SUMMARY")
    if not path:
        return
    size = Path(path).stat().st_size if Path(path).exists() else 0
    ending = "_Cut here: the rest is in the summary file._"
    writing.append(Path(path), cut_at_line(markdown, SUMMARY_BYTES - size - 1024, ending) + "\n")
