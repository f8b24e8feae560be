"""Helm charts as their projects released them: each is in a pinned Go module, which go.sum authenticates."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

from s3c_actions.core.process import Runner
from s3c_actions.core.progress import Progress
from s3c_actions.core.records import Records
from s3c_actions.programs.install import gobuild
from s3c_actions.programs.install.cache import lock_file, open_scratch_folder, translate_disk_errors
from s3c_actions.programs.install.pins import Pin


def fetch_chart(pin: Pin, *, cache: Path, runner: Runner, progress: Progress, builds_follow: bool = False) -> Path:
    """Fetch the chart of a module into the cache, unless it is there unchanged; returns its folder.

    Args:
        pin: one of `pins.CHARTS`.
        cache: folder that is kept between runs.
        runner: starts Go; its environment's PATH is searched.
        progress: shows the download.
        builds_follow: leave Go's caches to the builds that follow.

    Raises:
        OutsideError: the module cannot be downloaded or is not the pinned one, or the disk is full.
        InputError: the cache cannot be written.
    """
    folder_in_cache = cache / "charts" / f"{pin.name}-{pin.version}-{pin.key()}"
    with translate_disk_errors(cache), lock_file(folder_in_cache.parent / f".{pin.name}.lock"):
        known = Records.of(runner.environment)
        if not known.has_tree(folder_in_cache):
            progress.note(f"bringing the chart of {pin.name} {pin.version}")
            with open_scratch_folder(folder_in_cache.parent, f"{pin.name}-", alone=True) as temp:
                folder = f"charts/{pin.name}"
                gobuild.copy_folder(pin, folder, temp / "chart", cache=cache, runner=runner, progress=progress)
                if folder_in_cache.is_symlink():
                    folder_in_cache.unlink()
                shutil.rmtree(folder_in_cache, ignore_errors=True)
                (temp / "chart").rename(folder_in_cache)
                with suppress(OSError):  # then it is fetched again the next time
                    known.add_tree(folder_in_cache)
            if not builds_follow:
                gobuild.discard_caches(cache)
    return folder_in_cache
