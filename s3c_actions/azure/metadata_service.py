"""Whether this machine is one of Azure's: its instance metadata service answers as Azure's does.

Other clouds have a service at the same address, and a proxy may answer for any address.
https://learn.microsoft.com/azure/virtual-machines/instance-metadata-service
"""

from __future__ import annotations

import time
from typing import Any

from s3c_actions.core import reading, web
from s3c_actions.core.libraries import requests

ADDRESS = "http://169.254.169.254"
SECONDS = 1.0
"""For a connection, and for each part of the answer."""
MAX_BYTES = 256 * 1024
# It answers five requests a second, and may restart.
_BUSY = frozenset({410, 429, 500, 503})
_WAITS = (0.5, 1.0, 0.0)


def is_azure_machine() -> bool:
    """Return whether Azure's metadata service answers here; any other answer, or none, is no."""
    try:
        with web.create_session() as session:
            # A proxy would answer with its own machine's.
            session.trust_env = False
            for wait in _WAITS:
                with session.get(
                    f"{ADDRESS}/metadata/instance",
                    params={"api-version": "2021-02-01"},
                    headers={"Metadata": "true"},
                    timeout=(SECONDS, SECONDS),
                    allow_redirects=False,
                    stream=True,
                ) as response:
                    if response.status_code not in _BUSY:
                        return _is_azures(response.status_code, _read(response))
                time.sleep(wait)
    except (requests.RequestException, OSError, ValueError):
        return False
    return False


def _read(response: Any) -> object:
    body = b""
    for chunk in response.iter_content(64 * 1024):
        body += chunk
        if len(body) > MAX_BYTES:
            raise ValueError("the answer is too long")
    return reading.parse_json(body)


def _is_azures(status: int, document: object) -> bool:
    if not isinstance(document, dict):
        return False
    if status == 200:
        compute = document.get("compute")
        return isinstance(compute, dict) and isinstance(compute.get("azEnvironment"), str)
    # A machine whose service knows other versions lists them.
    return status == 400 and isinstance(document.get("newest-versions"), list)
