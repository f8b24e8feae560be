"""Download a file that its publisher replaces from time to time, and keep it: it is asked for again when it is old.

Revalidation is HTTP's (RFC 9111, 4.3): an unchanged file is not sent again. A copy is used only whole: its checksum
stands in the record beside it, which is written last.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar
from urllib.parse import urlsplit

import msgspec

from s3c_actions.core import reading, web, writing
from s3c_actions.core.libraries import requests
from s3c_actions.core.secure_urls import is_secure

if TYPE_CHECKING:
    from requests import Response, Session

T = TypeVar("T")
CONNECT, READ = 10.0, 60.0
ATTEMPTS = 3
PAUSE = 1.0
"""Seconds before the second attempt; twice as many before each further one."""
_CHUNK = 64 * 1024
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})


class DownloadFailed(Exception):
    """Nothing usable was received; the message is a clause on why."""


class Copy(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """A file as it was downloaded.

    Attributes:
        content: what `check` made of it.
        confirmed: when its publisher last said that it is the newest.
        failure: why it could not be confirmed now, a clause; empty when it was, or did not have to be.
    """

    content: T
    confirmed: datetime
    failure: str = ""


class _Record(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept beside a copy."""

    sha256: str
    confirmed: datetime
    etag: str = ""
    modified: str = ""


class CachedDownload(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """One file at one address.

    Attributes:
        url: https; http on this machine alone. It identifies the copy, also where `ask` asks another way.
        folder: of the copies of all addresses.
        limit: in bytes.
        lasts: how long a copy is used without asking whether there is a newer one.
        ask: asks another way than HTTP's: given the version of the copy, empty without one, it returns the file and its
            version, None for an unchanged one, and raises DownloadFailed.
    """

    url: str
    folder: Path
    limit: int
    lasts: timedelta
    ask: Callable[[str], tuple[bytes, str] | None] | None = None

    @property
    def _place(self) -> Path:
        return self.folder / hashlib.sha256(self.url.encode()).hexdigest()[:32]

    def get(self, check: Callable[[bytes], T], *, now: datetime, offline: bool) -> Copy[T]:
        """Return the file: the copy that is kept, or a newer one, which is kept then.

        Args:
            check: reads the file; a ValueError rejects it, and a copy that is kept stays.
            now: the time, with its zone.
            offline: nothing is asked for, and the copy is used however old it is.

        Raises:
            ValueError: what was downloaded is rejected, and no copy is kept.
            DownloadFailed: nothing was received, or it is offline, and no copy is kept.
        """
        kept = self._read(check)
        if kept is None:
            if offline:
                raise DownloadFailed("nothing is downloaded with `offline`, and no earlier copy is kept")
            return self._new(check, now)
        record, content = kept
        if offline or timedelta(0) <= now - record.confirmed < self.lasts:
            return Copy(content=content, confirmed=record.confirmed)
        try:
            return self._new(check, now, kept)
        except (DownloadFailed, ValueError) as error:
            return Copy(content=content, confirmed=record.confirmed, failure=str(error))

    def _new(self, check: Callable[[bytes], T], now: datetime, kept: tuple[_Record, T] | None = None) -> Copy[T]:
        """Return what the publisher has now, and keep it."""
        record = kept[0] if kept is not None else None
        received = self._download(record)
        if received is not None:
            content = check(received[0])
        elif kept is not None:
            content = kept[1]
        self._keep(received, record, now)
        return Copy(content=content, confirmed=now)

    def _read(self, check: Callable[[bytes], T]) -> tuple[_Record, T] | None:
        """Return the record of the copy and its content; None where there is no whole and valid one."""
        try:
            record = msgspec.json.decode(reading.read_file(self._place.with_suffix(".json")), type=_Record)
            data = reading.read_file(self._place, self.limit)
            if hashlib.sha256(data).hexdigest() != record.sha256 or record.confirmed.tzinfo is None:
                return None
            return record, check(data)
        except (OSError, ValueError, msgspec.MsgspecError):
            return None

    def _keep(self, received: tuple[bytes, str, str] | None, before: _Record | None, now: datetime) -> None:
        """Write the copy, then its record; where the cache cannot be written, the next run downloads again."""
        try:
            if received is not None:
                data, etag, modified = received
                writing.write(self._place, data)
                record = _Record(sha256=hashlib.sha256(data).hexdigest(), confirmed=now, etag=etag, modified=modified)
            elif before is not None:
                record = msgspec.structs.replace(before, confirmed=now)
            else:
                return
            writing.write(self._place.with_suffix(".json"), msgspec.json.encode(record))
        except OSError:
            return

    def _download(self, record: _Record | None) -> tuple[bytes, str, str] | None:
        """Return the file, its ETag and its time of change; None when the copy is the newest."""
        if self.ask is not None:
            answer = self.ask(record.etag if record is not None else "")
            return None if answer is None else (*answer, "")
        headers = {"Accept-Encoding": "identity"}
        if record is not None:
            headers |= {"If-None-Match": record.etag} if record.etag else {}
            headers |= {"If-Modified-Since": record.modified} if record.modified else {}
        pause = PAUSE
        with web.create_session() as session:
            for _ in range(ATTEMPTS - 1):
                try:
                    return self._ask(session, headers, known=record is not None)
                except _Passing:
                    time.sleep(pause)
                    pause *= 2
            return self._ask(session, headers, known=record is not None)

    def _ask(self, session: Session, headers: dict[str, str], *, known: bool) -> tuple[bytes, str, str] | None:
        try:
            with session.get(self.url, stream=True, timeout=(CONNECT, READ), headers=headers) as response:
                self._check_way(response)
                if response.status_code == 304 and known:
                    return None
                if response.status_code != 200:
                    failed = _Passing if response.status_code in _PASSING else DownloadFailed
                    raise failed(f"{_host(response.url)} answered HTTP {response.status_code}")
                data = bytearray()
                for chunk in response.iter_content(_CHUNK):
                    data += chunk
                    if len(data) > self.limit:
                        raise DownloadFailed(f"it is larger than {self.limit // 1024**2} MiB")
                return bytes(data), response.headers.get("ETag", ""), response.headers.get("Last-Modified", "")
        except requests.RequestException as error:
            raise _Passing(f"{_host(self.url)}: {web.failure_reason(error, CONNECT, READ)}") from error

    def _check_way(self, response: Response) -> None:
        """Raise DownloadFailed where a redirect led to an address that anybody on the way could answer for."""
        if any(not is_secure(step.url) for step in (*response.history, response)):
            raise DownloadFailed(f"{_host(self.url)} redirects to an address without TLS")


class _Passing(DownloadFailed):
    """A failure that may pass: worth another attempt."""


def _host(url: str) -> str:
    return urlsplit(url).hostname or "the host"
