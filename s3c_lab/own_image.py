"""The container image of s3c itself, of this checkout: built by a lab's BuildKit."""

from __future__ import annotations

import tempfile
from pathlib import Path

from s3c_actions import __version__
from s3c_actions.core.errors import OutsideError
from s3c_actions.core.process import ProgramFailed
from s3c_actions.programs.install.locate import locate
from s3c_lab.machine import Machine
from s3c_lab.programs import BUILDCTL

ROOT = Path(__file__).parents[1]
PYTHON = "3.11"
"""Debian 12's."""


def push(registry: str, base: str, buildkit: str, machine: Machine) -> str:
    """Build the image and push it to a lab's registry; returns its reference by tag.

    Args:
        registry: host and port of the lab's registry.
        base: reference of a Debian 12.
        buildkit: address of the lab's BuildKit.
        machine: of the lab.

    Raises:
        OutsideError: a program could not be installed, or BuildKit did not build or push the image.
    """
    reference = f"{registry}/s3c:{__version__}"
    buildctl = locate(BUILDCTL, cache=machine.cache, runner=machine.runner, progress=machine.progress).path
    with tempfile.TemporaryDirectory(prefix="s3c-lab-") as folder:
        # Not compressed: that takes longer than the rest of the build.
        output = f"type=image,name={reference},push=true,compression=uncompressed,force-compression=true"
        build: list[str | Path] = [buildctl, "--addr", buildkit, "build", "--progress", "plain"]
        build += ["--frontend", "dockerfile.v0", "--local", f"context={folder}", "--local", f"dockerfile={folder}"]
        build += ["--opt", f"build-arg:BASE={base}", "--output", output]
        try:
            machine.runner.run([ROOT / "tools" / "image.sh", folder, PYTHON], on_line=machine.progress.note)
            machine.runner.run(build, on_line=machine.progress.note)
        except ProgramFailed as error:
            raise OutsideError(
                "The image of s3c could not be built.",
                original=error.completed.stdout[-2000:] + error.completed.stderr[-2000:],
            ) from error
    return reference
