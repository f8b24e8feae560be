"""The token with which a job of GitHub Actions proves which workflow it is (OpenID Connect).

https://docs.github.com/actions/reference/security/oidc#methods-for-requesting-the-oidc-token
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from urllib.parse import quote

from s3c_actions.azure.tries import RETRIED
from s3c_actions.core import reading, web
from s3c_actions.core.errors import OutsideError
from s3c_actions.core.libraries import requests, urllib3

URL, TOKEN = "ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"
PERMISSION = "permissions:\n  contents: read\n  id-token: write"


def is_available(environment: Mapping[str, str]) -> bool:
    """Whether this job may ask for a token: it has `id-token: write`."""
    return bool(environment.get(URL) and environment.get(TOKEN))


def fetch(environment: Mapping[str, str], audience: str) -> str:
    """Fetch a new token; it lives for some minutes.

    Args:
        environment: holds the address and the credential of the request.
        audience: of the token.

    Raises:
        OutsideError: GitHub gave none.
    """
    retries = urllib3.Retry(
        total=4,
        backoff_factor=0.5,
        backoff_jitter=0.25,
        retry_after_max=60,
        status_forcelist=RETRIED,
        raise_on_status=False,
    )
    try:
        with web.create_session() as session:
            session.mount("https://", requests.adapters.HTTPAdapter(max_retries=retries))
            response = session.get(
                f"{environment[URL]}&audience={quote(audience, safe='')}",
                headers={"Authorization": f"bearer {environment[TOKEN]}"},
                timeout=(10, 30),
                allow_redirects=False,
            )
        value = response.json().get("value") if response.status_code == 200 else None
    except (requests.RequestException, ValueError, AttributeError) as error:
        # The error's text may hold the job's own address; its type is enough.
        raise _no_token_error(type(error).__name__) from None
    if not isinstance(value, str) or value.count(".") != 2:
        raise _no_token_error(f"HTTP {response.status_code} {response.reason}")
    return value


def _no_token_error(original: str) -> OutsideError:
    return OutsideError(
        "GitHub gave no OIDC token for this job.",
        cause="Its token service has a fault, or the job is over.",
        remedy="Run the job again; see https://www.githubstatus.com.",
        original=original,
    )


def claims(token: str) -> dict[str, str]:
    """`iss`, `sub` and `aud` of a token, not verified: for messages alone. Empty when it cannot be read."""
    payload = token.split(".")[1] if token.count(".") == 2 else ""
    try:
        document = reading.parse_json(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        values = {name: document.get(name) for name in ("iss", "sub", "aud")}
    except (ValueError, AttributeError):
        return {}
    return {name: str(value[0] if isinstance(value, list) and value else value) for name, value in values.items()}
