"""Checks of the machine itself: clock, disk, proxy, certificate bundles."""

from __future__ import annotations

import shutil
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

from s3c_actions.core import reading, web
from s3c_actions.core.libraries import requests
from s3c_actions.core.text import counted
from s3c_actions.steps.doctor import Finding, failed, not_configured, passed

CLOCK_TOLERANCE = timedelta(seconds=60)
"""Tokens and time-stamps are refused by clocks that are minutes apart."""
LEAST_FREE = 2 * 1024**3
"""Bytes: a vulnerability database with its download, and the layers of an image."""
ANSWER_SECONDS = 5.0
_PROXIES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
_DEFAULT_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080, "socks4": 1080}


def clock(addresses: Sequence[str], now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Finding:
    """Compare the clock with the date that a server's answer has.

    Args:
        addresses: of servers; the first that answers counts.
        now: this machine's time.
    """
    for address in addresses:
        host = urlsplit(address).hostname or address
        with suppress(requests.exceptions.RequestException), web.create_session() as session:
            answer = session.head(address, timeout=ANSWER_SECONDS, allow_redirects=False)
            here = now()
            with suppress(ValueError, TypeError):
                apart = here - parsedate_to_datetime(answer.headers.get("Date", ""))
                if abs(apart) <= CLOCK_TOLERANCE:
                    return passed(f"within {CLOCK_TOLERANCE.seconds} s of {host}")
                word = "ahead of" if apart > timedelta() else "behind"
                return failed(
                    f"{round(abs(apart).total_seconds())} s {word} {host}",
                    "Set it, or let NTP do it: tokens and certificates are judged by it.",
                )
    return not_configured("no server answered that could be compared with")


def disk(folders: Sequence[Path]) -> Finding:
    """Look at the free space where programs, databases and layers are written.

    Args:
        folders: existing or not.
    """
    shown, short = [], []
    for folder in dict.fromkeys(folders):
        existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
        free = shutil.disk_usage(existing).free
        text = f"{free / 1024**3:.1f} GiB free in {folder}"
        shown.append(text)
        if free < LEAST_FREE:
            short.append(text)
    if short:
        return failed(", ".join(short), "Free some, or set S3C_CACHE and TMPDIR to folders on a larger disk.")
    return passed(", ".join(shown))


def proxy(environment: Mapping[str, str]) -> Finding:
    """Connect to each proxy that the environment names."""
    addresses = dict.fromkeys(address for name in _PROXIES if (address := environment.get(name)))
    if not addresses:
        return not_configured("no proxy in the environment")
    hosts = []
    for address in addresses:
        # The address may hold a password: host and port alone are shown.
        with suppress(ValueError):
            parts = urlsplit(address if "://" in address else f"http://{address}")
            port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
            if parts.hostname and port:
                hosts.append((parts.hostname, port))
                continue
        names = ", ".join(name for name in _PROXIES if environment.get(name) == address)
        return failed(f"{names} is no proxy's address", "Give http://HOST:PORT.")
    for host, port in dict.fromkeys(hosts):
        try:
            socket.create_connection((host, port), ANSWER_SECONDS).close()
        except OSError as error:
            reason = error.strerror or type(error).__name__
            return failed(f"{host}:{port} does not answer: {reason}", "Correct HTTPS_PROXY, or unset it.")
    return passed(", ".join(f"{host}:{port} answers" for host, port in dict.fromkeys(hosts)))


def ca_bundles(environment: Mapping[str, str]) -> Finding:
    """Read the bundles of certificate authorities that the environment names."""
    given = {name: path for name in _BUNDLES if (path := environment.get(name))}
    if not given:
        return not_configured("no bundle in the environment: those of the system count")
    texts = []
    for name, path in given.items():
        try:
            text = reading.read_text_file(Path(path), reading.MAX_DOCUMENT_BYTES, encoding="ascii", errors="ignore")
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.load_verify_locations(cadata=text)
        except (ssl.SSLError, ValueError):
            return failed(
                f"{name}: {path}: it holds no certificate that can be read",
                "Give a PEM file of authorities' certificates, or unset it.",
            )
        except OSError as error:
            return failed(f"{name}: {path}: {error.strerror}", "Correct the path, or unset it.")
        texts.append(f"{name}: {counted(context.cert_store_stats()['x509'], 'certificate')}")
    return passed(", ".join(texts))
