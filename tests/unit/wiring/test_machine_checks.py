"""Clock, disk, proxy and certificate bundles."""

import shutil
import socket
from collections import namedtuple
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
import requests

from s3c_actions.steps.doctor import Status
from s3c_actions.wiring import machine_checks
from s3c_lab.certificates import make, pem

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


@pytest.fixture
def dated(monkeypatch):
    """Has servers answer with a date each, or fail."""

    def give(**dates):
        class Answer:
            def __init__(self, date):
                self.headers = {"Date": date} if date else {}

        def head(_session, url, **_more):
            date = dates[url.split("/")[2].partition(".")[0]]
            if date is None:
                raise requests.exceptions.ConnectionError("refused")
            return Answer(date)

        monkeypatch.setattr(requests.Session, "head", head)

    return give


def clock(*hosts):
    return machine_checks.clock([f"https://{host}.example/" for host in hosts], lambda: NOW)


def date(**apart):
    return format_datetime(NOW + timedelta(**apart), usegmt=True)


@pytest.mark.parametrize(
    ("apart", "status", "text"),
    [
        (0, Status.PASSED, "within 60 s of a.example"),
        (60, Status.PASSED, "within 60 s of a.example"),
        (61, Status.FAILED, "61 s behind a.example"),
        (-600, Status.FAILED, "600 s ahead of a.example"),
    ],
)
def test_the_clock_is_compared_with_a_servers(dated, apart, status, text):
    dated(a=date(seconds=apart))
    finding = clock("a")
    assert (finding.status, finding.text) == (status, text)


@pytest.mark.parametrize("first", [None, "", "yesterday"])
def test_a_server_without_a_date_is_passed_over(dated, first):
    dated(a=first, b=date())
    assert clock("a", "b").text == "within 60 s of b.example"
    assert clock("a").status is Status.NOT_CONFIGURED


def test_too_little_space_is_named(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    free = {tmp_path: 1024**3}
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(0, 0, free.get(path, 1024**4)))
    finding = machine_checks.disk((tmp_path / "not" / "there",))
    assert finding.status is Status.FAILED
    assert finding.text == f"1.0 GiB free in {tmp_path / 'not' / 'there'}"
    free.clear()
    assert machine_checks.disk((tmp_path,)).status is Status.PASSED


@pytest.fixture
def connected(monkeypatch):
    places = []

    def connect(place, _timeout):
        places.append(place)
        if place[0] == "down.example":
            raise ConnectionRefusedError(111, "Connection refused")
        return socket.socket()

    monkeypatch.setattr(socket, "create_connection", connect)
    return places


@pytest.mark.parametrize(
    ("environment", "status", "text"),
    [
        ({}, Status.NOT_CONFIGURED, "no proxy in the environment"),
        ({"NO_PROXY": "*"}, Status.NOT_CONFIGURED, "no proxy in the environment"),
        ({"HTTPS_PROXY": "http://u:hunter2@up.example:3128"}, Status.PASSED, "up.example:3128 answers"),
        ({"https_proxy": "up.example"}, Status.PASSED, "up.example:80 answers"),
        ({"ALL_PROXY": "socks5://up.example"}, Status.PASSED, "up.example:1080 answers"),
        ({"http_proxy": "http://down.example:1"}, Status.FAILED, "down.example:1 does not answer: Connection refused"),
        ({"http_proxy": "http://u:hunter2@:x"}, Status.FAILED, "http_proxy is no proxy's address"),
        ({"http_proxy": "http://[hunter2"}, Status.FAILED, "http_proxy is no proxy's address"),
    ],
)
def test_each_proxy_is_connected_to_and_no_password_shown(connected, environment, status, text):
    finding = machine_checks.proxy(environment)
    assert (finding.status, finding.text) == (status, text)
    assert "hunter2" not in finding.text + finding.remedy


@pytest.mark.parametrize(
    ("name", "content", "status"),
    [
        ("SSL_CERT_FILE", "certificate", Status.PASSED),
        ("REQUESTS_CA_BUNDLE", b"", Status.FAILED),
        ("CURL_CA_BUNDLE", b"\xff", Status.FAILED),
        ("SSL_CERT_FILE", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", Status.FAILED),
        ("SSL_CERT_FILE", None, Status.FAILED),
    ],
)
def test_a_bundle_is_read(tmp_path, name, content, status):
    path = tmp_path / "bundle.pem"
    if content is not None:
        path.write_bytes(pem(make("authority").certificate) if content == "certificate" else content)
    finding = machine_checks.ca_bundles({name: str(path)})
    assert finding.status is status
    assert name in finding.text


def test_without_a_bundle_those_of_the_system_count():
    assert machine_checks.ca_bundles({}).status is Status.NOT_CONFIGURED
