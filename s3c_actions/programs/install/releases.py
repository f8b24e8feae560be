"""Download a file and check its SHA-256. Proxies and CA bundles are those of the environment."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from s3c_actions.core import web
from s3c_actions.core.errors import OutsideError

if TYPE_CHECKING:
    from s3c_actions.core.progress import Progress

CONNECT, READ = 5.0, 60.0
MAX_ARCHIVE = 512 * 1024 * 1024
CHUNK = 256 * 1024
PROGRESS_SECONDS = 2.0


class DownloadFailed(OutsideError):
    """The host did not answer, answered with an error, or broke off: nothing was received that could be checked.

    `host_down`: the host cannot be reached, not only this one file.
    """

    def __init__(self, url: str, why: str, *, host_down: bool = False, original: str = "") -> None:
        self.why, self.host_down = why, host_down
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

    Raises:
        DownloadFailed: no answer within CONNECT seconds, an HTTP error, or an answer that broke off.
        WrongChecksum: it is another file.
        OSError: `into` cannot be written.
    """
    import requests

    digest, received = hashlib.sha256(), 0
    try:
        with (
            web.create_session() as session,
            session.get(url, stream=True, timeout=(CONNECT, READ), headers={"Accept-Encoding": "identity"}) as response,
        ):
            if response.status_code != 200:
                raise DownloadFailed(url, f"HTTP {response.status_code} {response.reason}")
            total = _content_length(response.headers.get("Content-Length", ""))
            shown = DownloadProgress(progress, urlsplit(url).path.rpartition("/")[2], total)
            with into.open("wb") as out:
                for chunk in response.iter_content(CHUNK):
                    received += len(chunk)
                    if received > MAX_ARCHIVE:
                        raise DownloadFailed(url, f"it is larger than {MAX_ARCHIVE // 1024**2} MiB")
                    digest.update(chunk)
                    out.write(chunk)
                    shown.update(received)
    except requests.RequestException as error:
        down = isinstance(error, requests.ConnectionError)
        raise DownloadFailed(url, _failure_reason(error), host_down=down, original=str(error)) from error
    if total is not None and received != total:
        raise DownloadFailed(url, f"it broke off after {received:,} of {total:,} bytes")
    actual = digest.hexdigest()
    if actual != sha256.lower():
        into.unlink(missing_ok=True)
        raise WrongChecksum(url, sha256.lower(), actual)


def _content_length(header: str) -> int | None:
    return int(header) if header.isdecimal() and len(header) < 16 else None


def _failure_reason(error: Exception) -> str:
    import requests

    known = (
        (requests.ConnectTimeout, f"no connection within {CONNECT:g} s"),
        (requests.ReadTimeout, f"nothing was received for {READ:g} s"),
        (requests.exceptions.SSLError, "its certificate is not trusted here"),
        (requests.exceptions.ProxyError, "the proxy refused"),
        (requests.exceptions.ChunkedEncodingError, "the answer broke off"),
        (requests.ConnectionError, "the host could not be reached"),
    )
    return next((words for kind, words in known if isinstance(error, kind)), "the request failed")


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
            done += f" of {self._total / 1e6:.1f} MB ({100 * received // self._total} %)"
        self._progress.note(f"{self._name}: {done}")
