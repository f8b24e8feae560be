"""Download a file and check its SHA-256. Proxies and CA bundles are those of the environment."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from s3c_actions.core import web
from s3c_actions.core.errors import OutsideError
from s3c_actions.core.libraries import requests
from s3c_actions.core.progress import format_share
from s3c_actions.core.records import file_sha256

if TYPE_CHECKING:
    from s3c_actions.core.progress import Progress

CONNECT, READ = 5.0, 60.0
MAX_ARCHIVE = 512 * 1024 * 1024
CHUNK = 64 * 1024
"""Bytes that are read at once: so much is lost at most where an answer breaks off."""
PROGRESS_SECONDS = 2.0
ATTEMPTS = 3


class DownloadFailed(OutsideError):
    """The host did not answer, answered with an error, or broke off: nothing was received that could be checked.

    Attributes:
        why: the reason, a clause.
        host_down: the host cannot be reached, not only this one file.
        broke_off: a part was received.
    """

    def __init__(
        self, url: str, why: str, *, host_down: bool = False, broke_off: bool = False, original: str = ""
    ) -> None:
        self.why, self.host_down, self.broke_off = why, host_down, broke_off
        super().__init__(
            f"{url} could not be downloaded: {why}.",
            cause="The network, a proxy or the host is in the way.",
            remedy="Allow the host, name a mirror in `programs-mirror`, or give the program's path.",
            original=original,
        )


class WrongChecksum(OutsideError):
    """The received file is not the pinned one. It is discarded, and no other source is tried."""

    def __init__(self, url: str, expected: str, actual: str) -> None:
        super().__init__(
            f"{url} does not have the pinned SHA-256 and was thrown away: expected {expected}, found {actual}.",
            cause="The file was changed on the way or at its source, or a proxy answered in its place.",
            remedy="Do not run it. Compare the checksum with the project's release page, and report the difference.",
        )


def download(url: str, sha256: str, into: Path, progress: Progress) -> None:
    """Download `url` to the file `into`, which has the SHA-256 (64 hexadecimal digits) afterwards.

    What an earlier attempt left in `into` is continued, where the host can (RFC 9110, 14), and so is an answer that
    breaks off, ATTEMPTS times in all. What was continued and has another checksum is downloaded once more as a whole.

    Raises:
        DownloadFailed: no answer within CONNECT seconds, an HTTP error, or answers that broke off. `into` is kept for
            the next attempt.
        WrongChecksum: it is another file; `into` is removed.
        OSError: `into` cannot be written.
    """
    continued = _receive_whole(url, into, progress)
    actual = file_sha256(into)
    if continued and actual != sha256.lower():
        into.unlink()
        _receive_whole(url, into, progress)
        actual = file_sha256(into)
    if actual != sha256.lower():
        into.unlink()
        raise WrongChecksum(url, sha256.lower(), actual)


def check_host(url: str, seconds: float = 3.0) -> str:
    """Return why a host does not answer within that time; empty when it answers, whatever it says."""
    try:
        with (
            web.create_session() as session,
            session.head(url, timeout=(seconds, seconds), allow_redirects=False),
        ):
            return ""
    except requests.RequestException as error:
        return web.failure_reason(error, seconds, seconds)


def _receive_whole(url: str, into: Path, progress: Progress) -> bool:
    """Receive a file to its end; return whether it was put together from several answers."""
    before, attempt = _size(into), 1
    while True:
        had = _size(into)
        try:
            _receive(url, into, progress)
        except DownloadFailed as error:
            if not error.broke_off or _size(into) <= had or attempt == ATTEMPTS:
                raise
            progress.note(f"{url} broke off: it is continued")
            attempt += 1
        else:
            return before > 0 or attempt > 1


def _receive(url: str, into: Path, progress: Progress) -> None:
    """Receive a file, or what `into` lacks of it, in one answer."""
    had, response = _size(into), None
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={had}-"} if had else {})
    try:
        with (
            web.create_session() as session,
            session.get(url, stream=True, timeout=(CONNECT, READ), headers=headers) as response,
        ):
            if had and response.status_code == 416:
                return  # nothing is lacking, or it is another file by now: its checksum decides
            start, total = _extent(response.status_code, response.headers)
            if start not in (0, had) or response.status_code not in (200, 206):
                raise DownloadFailed(url, f"HTTP {response.status_code} {response.reason}")
            received = start
            shown = DownloadProgress(progress, urlsplit(url).path.rpartition("/")[2], total)
            with into.open("ab" if start else "wb") as out:
                for chunk in response.iter_content(CHUNK):
                    received += len(chunk)
                    if received > MAX_ARCHIVE:
                        out.truncate(0)
                        raise DownloadFailed(url, f"it is larger than {MAX_ARCHIVE // 1024**2} MiB")
                    out.write(chunk)
                    shown.update(received)
    except requests.RequestException as error:
        answered = response is not None
        down = isinstance(error, requests.ConnectionError) and not answered
        raise DownloadFailed(
            url, web.failure_reason(error, CONNECT, READ), host_down=down, broke_off=answered, original=str(error)
        ) from error
    if total is not None and received != total:
        raise DownloadFailed(url, f"it broke off after {received:,} of {total:,} bytes", broke_off=True)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _extent(status: int, headers: Mapping[str, str]) -> tuple[int, int | None]:
    """Return the offset of an answer's body in the file, and the file's size if it is known."""
    if status != 206:
        return 0, _content_length(headers.get("Content-Length", ""))
    given = re.fullmatch(r"bytes (\d{1,15})-\d{1,15}/(\d{1,15}|\*)", headers.get("Content-Range", ""))
    return (int(given[1]), _content_length(given[2])) if given else (-1, None)


def _content_length(header: str) -> int | None:
    return int(header) if header.isdecimal() and len(header) < 16 else None


class DownloadProgress:
    """Report the progress of a download, at most every PROGRESS_SECONDS seconds."""

    def __init__(self, progress: Progress, name: str, total: int | None) -> None:
        self._progress, self._name, self._total = progress, name, total
        self._last = time.monotonic()

    def update(self, received: int) -> None:
        """Report the progress, when it is due; `received` in bytes."""
        now = time.monotonic()
        if now - self._last < PROGRESS_SECONDS and received != self._total:
            return
        self._last = now
        done = f"{received / 1e6:.1f} MB"
        if self._total:
            done += f" of {self._total / 1e6:.1f} MB {format_share(received, self._total)}"
        self._progress.note(f"{self._name}: {done}")
