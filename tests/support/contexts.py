"""The context of a command, in a folder of the test."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from s3c_actions.core.process import Runner
from s3c_actions.core.progress import Silent
from s3c_actions.core.secrets import Secrets
from s3c_actions.wiring.context import Context


def create_context(folder: Path, environment: dict[str, str] | None = None, **fields: Any) -> Context:
    """A context whose programs see its environment and whose folders lie in the one given; `fields` that differ."""
    environment, secrets = environment or {}, Secrets()
    return Context(
        **{
            "environment": environment,
            "runner": Runner(environment, secrets),
            "progress": Silent(),
            "secrets": secrets,
            "output": folder / "out",
            "cache": folder / "cache",
            "temp": folder,
            "cwd": folder,
            "now": datetime.now(UTC),
            **fields,
        }
    )
