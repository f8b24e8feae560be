"""Trivy's cache, shared by scans that run at the same time, in one process or in several.

Trivy opens the vulnerability database read-only (pkg/db/db.go) and the Java database as SQLite; what it holds alone is
the cache of analysed layers (`fanal/fanal.db`, pkg/cache/fs.go), and it replaces databases in place, where a reader
would read half of each. So scans share the databases and whoever replaces one waits until none reads it; and each scan
has a cache of layers of its own, which the next scan takes over. Trivy's memory backend would need none, but analyses
the layers of a common base again for every image: six images on Debian took 12 s of processor time instead of 3 s.

The locks are `flock`'s: the kernel releases them when a process ends, however it ends.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Annotated

import msgspec

from s3c_actions.core import reading
from s3c_actions.programs.install.cache import make_private_folders

DATABASES = "s3c.lock"
"""Shared while a scan reads the databases, exclusive while one is replaced; earlier versions held it for each scan."""
_TURN = "s3c-turn.lock"
MAX_LAYER_CACHES = 16
_SHARED_FOLDERS = ("db", "java-db", "policy")
POLL = 0.05

Wait = Callable[[], None]
"""Called again and again while a lock is held by others; raises when there is no more time."""


SCHEMAS = {"db": (2, timedelta(hours=1)), "java-db": (1, timedelta(days=1))}
"""Database → the version of its schema, and how long Trivy keeps one that it downloaded without looking again."""


_Moment = Annotated[datetime, msgspec.Meta(tz=True)]
_NEVER = datetime.min.replace(tzinfo=UTC)


class DatabaseMetadata(msgspec.Struct, frozen=True, rename="pascal"):
    """`metadata.json` of a database of Trivy's; `downloaded_at` is Go's zero time for one not downloaded by Trivy."""

    updated_at: _Moment
    next_update: _Moment = _NEVER
    downloaded_at: _Moment = _NEVER
    version: int = 0

    def fresh(self, now: datetime, kept: timedelta = timedelta(hours=1)) -> bool:
        """Whether Trivy would use it unchanged, without looking for a newer one (pkg/db/db.go).

        Args:
            now: the time.
            kept: how long one that was downloaded is used in any case; of the Java database a day (pkg/javadb).
        """
        if self.downloaded_at.year <= 1:
            return False
        return now < self.next_update or now < self.downloaded_at + kept


class _ReportResult(msgspec.Struct, frozen=True, rename="pascal"):
    """The type of one result of Trivy's report, such as `jar`."""

    type: str = ""


class _ReportTypes(msgspec.Struct, frozen=True, rename="pascal"):
    """What of Trivy's report says whether it has Java archives."""

    results: tuple[_ReportResult, ...] | None = None


class CacheLocks:
    """The locks of one cache folder.

    Args:
        folder: Trivy's `--cache-dir`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def shared(self, wait: Wait) -> Iterator[None]:
        """Keep the databases as they are while the block runs.

        A block may not ask for a second lock: a writer that waits in between would wait for both.

        Raises:
            OSError: the folder cannot be created or written.
        """
        with self._database_lock(fcntl.LOCK_SH, wait):
            yield

    @contextmanager
    def exclusive(self, wait: Wait) -> Iterator[None]:
        """Let nobody read the databases, nor the layers, while the block runs; as `shared`."""
        with self._database_lock(fcntl.LOCK_EX, wait):
            yield

    @contextmanager
    def _database_lock(self, mode: int, wait: Wait) -> Iterator[None]:
        make_private_folders(self.folder)
        with (self.folder / DATABASES).open("a") as databases:
            # Scans come one after another, and `flock` prefers nobody: without turns a writer would wait for ever.
            with (self.folder / _TURN).open("a") as turn:
                _lock(turn, fcntl.LOCK_EX, wait)
                _lock(databases, mode, wait)
            yield

    @contextmanager
    def layers(self) -> Iterator[Path | None]:
        """Hold a cache of layers.

        Yields:
            The folder to give to Trivy as its cache, with the databases of this one; None when there is none left.
        """
        with ExitStack() as stack:
            for number in range(MAX_LAYER_CACHES):
                file = stack.enter_context((self.folder / f"s3c-layers-{number}.lock").open("a"))
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    file.close()
                    continue
                yield self._layer_folder(number)
                return
            yield None

    def _layer_folder(self, number: int) -> Path:
        if number == 0:
            return self.folder
        folder = self.folder / "layers" / str(number)
        make_private_folders(folder)
        for name in _SHARED_FOLDERS:
            # Trivy cannot create a folder behind a link that leads nowhere, nor can others copy one.
            (self.folder / name).mkdir(mode=0o700, exist_ok=True)
            link = folder / name
            if not link.is_symlink():
                link.symlink_to(Path("..", "..", name))
        return folder


def _lock(file: IO[str], mode: int, wait: Wait) -> None:
    while True:
        try:
            fcntl.flock(file, mode | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            wait()
            time.sleep(POLL)


def has_archives(report: Path) -> bool:
    """Whether a report has Java archives, whose names Trivy looks up in its Java database."""
    try:
        types = msgspec.json.decode(reading.read_file(report, reading.MAX_REPORT_BYTES), type=_ReportTypes)
    except (OSError, msgspec.MsgspecError):
        return False  # that there is no report is found by whoever reads it
    return any(result.type == "jar" for result in types.results or ())
