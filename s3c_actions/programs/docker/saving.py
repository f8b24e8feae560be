"""Save an image of the local Docker as a tar archive: an OCI image layout, since Docker 25."""

from __future__ import annotations

from pathlib import Path

from s3c_actions.core.process import Runner
from s3c_actions.programs.docker.errors import not_saved

SECONDS = 1800.0


def save(image: str, target: Path, runner: Runner, *, field: str) -> Path:
    """Save an image, and return the archive.

    Args:
        image: name or id.
        target: of the archive.
        runner: starts programs.
        field: the input that names the image, for the error.

    Raises:
        InputError: Docker has no such image.
        OutsideError: there is no Docker, or it failed.
    """
    # After `--`, a name that begins with a dash is no option.
    ended = runner.run(["docker", "image", "save", "--output", target, "--", image], timeout=SECONDS, check=False)
    if ended.code:
        raise not_saved(ended.stderr.strip(), image, field)
    return target
