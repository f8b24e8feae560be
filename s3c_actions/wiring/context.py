"""The context of a command: environment, programs, secrets, folders and time."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from s3c_actions.core.concurrency import Limit, Limits, default_jobs, processors
from s3c_actions.options.common import JobOptions

if TYPE_CHECKING:
    from s3c_actions.core.process import Runner, Secrets
    from s3c_actions.core.progress import Progress


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """The environment, programs, secrets, folders and time that a command uses.

    Attributes:
        environment: the process's environment; nothing reads another.
        runner: starts programs in that environment, and hides `secrets`.
        secrets: add a value before its first use; secret inputs are in it already.
        output: folder for everything written (`OutputOptions`); not created yet.
        cache: what may be kept between runs (programs, databases).
        temp: created for this run and removed after it.
        cwd: relative paths start here.
        now: the time of this run, with its zone.
        shared: objects created once for all steps of this run, such as logins.
        limits: how much goes on at once; by default one image after another.
    """

    environment: Mapping[str, str]
    runner: Runner
    progress: Progress
    secrets: Secrets
    output: Path
    cache: Path
    temp: Path
    cwd: Path
    now: datetime
    shared: dict[str, object] = msgspec.field(default_factory=dict)
    limits: Limits = msgspec.field(default_factory=Limits)


def with_jobs(options: JobOptions, context: Context, images: int) -> Context:
    """Return the context of a run on a number of images, of which several are processed at once."""
    jobs = min(options.jobs or default_jobs(), images)
    if jobs <= 1:
        return context
    given = options.limits
    limits = Limits(
        jobs=jobs,
        scans=Limit(given.get("scans", processors())),
        patches=Limit(given.get("patches", 0)),
        pushes=Limit(given.get("pushes", 0)),
        signatures=Limit(given.get("signatures", 0)),
    )
    return msgspec.structs.replace(context, limits=limits)


def image_folders(output: Path, images: Iterable[str]) -> dict[str, Path]:
    """Return a folder for each image's files, named after the image: `s3c-out/voting-db`.

    Names are the same in every run; images of the same name get a part of their reference's hash as a suffix.
    """
    names = {image: _name(image) for image in images}
    all_names = list(names.values())
    return {
        image: output
        / (name if all_names.count(name) == 1 else f"{name}-{hashlib.sha256(image.encode()).hexdigest()[:8]}")
        for image, name in names.items()
    }


def _name(image: str) -> str:
    """Return a file name for a reference or of a tarball's path; never empty, hidden, or holding a separator."""
    last = image.partition("@")[0].rstrip("/").rpartition("/")[2].partition(":")[0]
    return re.sub(r"[^A-Za-z0-9._-]+", "-", last).strip(".-")[:80] or "image"
