"""Programs of ours around other projects' Go code, which tests compare with: built from modules that are pinned."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from s3c_actions.cli.run import cache_path
from s3c_actions.core.process import Runner
from s3c_actions.core.progress import Silent
from s3c_actions.programs.install import gobuild
from s3c_actions.programs.install.pins import Pin

TOOLS: dict[str, Any] = {"cache": cache_path(os.environ), "runner": Runner(os.environ), "progress": Silent()}


def build(main: Path, modules: Pin, into: Path) -> Path:
    """Build a main.go with the go.mod and go.sum of a pinned program, in a new folder; returns the program's path."""
    name = main.parent.name
    (into / name).mkdir()
    for file in (*modules.recipe[:2], main):
        shutil.copyfile(file, into / name / file.name)
    pin = Pin(name=name, version="0", module="", package=".", licence="", modules=into)
    gobuild.build(pin, into / "program", **TOOLS)
    return into / "program"


def ask(program: Path, questions: Iterable[Any], environment: Mapping[str, str] | None = None) -> list[Any]:
    """The answers, one for each question: both are lines of JSON."""
    lines = [json.dumps(question) for question in questions]
    ended = subprocess.run(
        [program], input="\n".join(lines), capture_output=True, text=True, check=True, env=environment
    )
    answers = [json.loads(line) for line in ended.stdout.splitlines()]
    assert len(answers) == len(lines)
    return answers
