"""A file that is downloaded, kept and asked for again: what is used when, and what when its publisher fails."""

import io
from datetime import UTC, datetime, timedelta

import pytest
import requests
from msgspec.structs import replace
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict

from s3c_actions.core import cached_download, web
from s3c_actions.core.cached_download import CachedDownload, DownloadFailed

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
URL = "https://feeds.example/kev.json"


class Publisher(HTTPAdapter):
    """Answers with `body`, or with a status alone, or not at all; 304 to who has the file of `etag`."""

    def __init__(self):
        super().__init__()
        self.body, self.etag, self.status, self.location, self.asked = b"one", '"1"', 200, "", []

    def send(self, request, *_, **__):
        self.asked.append(request)
        if self.status == 0:
            raise requests.ConnectionError("refused")
        answer = requests.Response()
        answer.request, answer.url, answer.headers = request, request.url, CaseInsensitiveDict(ETag=self.etag)
        answer.status_code, body = self.status, self.body
        if self.status == 200 and request.headers.get("If-None-Match") == self.etag:
            answer.status_code, body = 304, b""
        if self.location and request.url == URL:
            answer.status_code, body = 302, b""
            answer.headers["Location"] = self.location
        answer.raw = io.BytesIO(body)
        return answer


@pytest.fixture
def publisher(monkeypatch):
    adapter, create = Publisher(), web.create_session

    def session():
        new = create()
        new.mount("https://", adapter)
        new.mount("http://", adapter)
        return new

    monkeypatch.setattr(web, "create_session", session)
    monkeypatch.setattr(cached_download, "PAUSE", 0.0)
    return adapter


@pytest.fixture
def download(tmp_path):
    return CachedDownload(url=URL, folder=tmp_path / "kept", limit=100, lasts=timedelta(hours=12))


def read(data):
    if data.startswith(b"bad"):
        raise ValueError("is no such file")
    return data.decode()


def get(download, hours=0.0, *, offline=False):
    return download.get(read, now=NOW + timedelta(hours=hours), offline=offline)


def test_it_is_asked_for_once_in_half_a_day(publisher, download):
    assert get(download).content == "one"
    publisher.body, publisher.etag = b"two", '"2"'
    assert get(download, 11.9).content == "one"
    assert len(publisher.asked) == 1
    assert get(download, 12).content == "two"
    assert get(download, 23).content == "two"
    assert len(publisher.asked) == 2


def test_an_unchanged_file_is_not_sent_again_and_counts_as_confirmed(publisher, download):
    get(download)
    again = get(download, 13)
    assert (again.content, again.confirmed, again.failure) == ("one", NOW + timedelta(hours=13), "")
    assert publisher.asked[1].headers["If-None-Match"] == '"1"'
    get(download, 24)
    assert len(publisher.asked) == 2


@pytest.mark.parametrize(("status", "attempts"), [(0, 3), (404, 1), (403, 1), (429, 3), (503, 3)])
def test_while_its_publisher_fails_the_copy_is_used_and_its_age_is_known(publisher, download, status, attempts):
    get(download)
    publisher.status = status
    later = get(download, 30)
    assert (later.content, later.confirmed) == ("one", NOW)
    assert later.failure.startswith("feeds.example")
    assert len(publisher.asked) == 1 + attempts
    publisher.status = 200
    assert get(download, 31).failure == ""


def test_what_is_no_such_file_does_not_replace_the_copy(publisher, download):
    get(download)
    publisher.body, publisher.etag = b"bad", '"2"'
    later = get(download, 30)
    assert (later.content, later.failure) == ("one", "is no such file")
    publisher.status = 0
    assert get(download, 60).content == "one"


def test_without_a_copy_its_failure_is_an_error(publisher, download):
    publisher.status = 500
    with pytest.raises(DownloadFailed, match=r"feeds\.example answered HTTP 500"):
        get(download)
    publisher.status, publisher.body = 200, b"bad"
    with pytest.raises(ValueError, match="is no such file"):
        get(download)
    assert not list(download.folder.glob("*"))


def test_offline_nobody_is_asked(publisher, download):
    with pytest.raises(DownloadFailed, match="offline"):
        get(download, offline=True)
    assert publisher.asked == []
    get(download)
    later = get(download, 1000, offline=True)
    assert (later.content, later.confirmed, later.failure) == ("one", NOW, "")
    assert len(publisher.asked) == 1


def test_a_copy_of_a_time_to_come_is_asked_for_again(publisher, download):
    get(download, 48)
    get(download)
    assert len(publisher.asked) == 2


@pytest.mark.parametrize("damage", [b"", b"o", b"bad", b"one more"])
def test_a_damaged_copy_is_not_used(publisher, download, damage):
    get(download)
    (kept,) = (path for path in download.folder.iterdir() if not path.suffix)
    kept.write_bytes(damage)
    assert get(download).content == "one"
    assert len(publisher.asked) == 2
    assert "If-None-Match" not in publisher.asked[1].headers


@pytest.mark.parametrize("damage", [b"", b"{}", b"[]", b'{"sha256": 1}', b"\xff"])
def test_a_damaged_record_is_not_used(publisher, download, damage):
    get(download)
    (record,) = download.folder.glob("*.json")
    record.write_bytes(damage)
    assert get(download).content == "one"
    assert len(publisher.asked) == 2


def test_no_more_is_received_than_it_may_have(publisher, download):
    publisher.body = b"x" * 101
    with pytest.raises(DownloadFailed, match="larger"):
        get(download)


def test_it_is_used_where_the_cache_cannot_be_written(publisher, download):
    download.folder.parent.joinpath("kept").write_text("a file in the way")
    assert get(download).content == "one"


def test_a_redirect_is_followed_to_https_alone(publisher, download):
    publisher.location = "https://files.example/2026-11-23.json"
    assert get(download).content == "one"
    publisher.location = "http://files.example/2026-11-23.json"
    assert get(download, 13).failure == "feeds.example redirects to an address without TLS"


def test_each_address_has_its_own_copy(publisher, download):
    get(download)
    other = replace(download, url=f"{URL}?2")
    publisher.body = b"two"
    assert (get(other).content, get(download).content) == ("two", "one")
