"""Find the environment variables that hold secrets: those of our inputs, and others by their names or values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import unquote, urlsplit

from s3c_actions.core import pasted_content
from s3c_actions.core.folders import SECRET_INPUTS
from s3c_actions.core.patterns import late_pattern

# What a workflow's `env:` is likely to hold, besides GITHUB_TOKEN, ACTIONS_ID_TOKEN_REQUEST_TOKEN, AZURE_CLIENT_SECRET,
# AZURE_CLIENT_CERTIFICATE_PASSWORD, NOTATION_PASSWORD, TRIVY_PASSWORD, IDENTITY_HEADER, AWS_SECRET_ACCESS_KEY.
_SECRET = late_pattern(
    r"(?:^|_)(?:TOKENS?|SECRETS?|SECRET_ACCESS_KEY|PASSWORD|PASSWD|PASSPHRASE|PASS|PWD|PAT|CREDENTIALS?|PRIVATE_KEY"
    r"|API_?KEY|ACCESS_?KEY|SIGNING_KEY|PEM|CONNECTION_STRING|IDENTITY_HEADER|AUTH_CONFIG)$",
    re.IGNORECASE,
)
_NOT = frozenset({"PWD", "OLDPWD"})
_SHORTEST = 6
_PATHS = late_pattern(r"(?:[A-Za-z]:)?[./~][^\n]*")


def environment_secrets(environment: Mapping[str, str]) -> Iterator[str]:
    """Yield the secret values in an environment.

    A value is secret by the variable's name, by its content (a key, a kubeconfig, a token), or as the password in an
    address, such as a proxy's. Paths are not secret, nor are words as short as `true`.

    Args:
        environment: of the process.
    """
    for name, value in environment.items():
        if _SECRET.search(name) and name not in _NOT:
            is_input = name.removeprefix("S3C_").lower().replace("_", "-") in SECRET_INPUTS
            if is_input or (len(value) >= _SHORTEST and not _PATHS.fullmatch(value)):
                yield value
        elif (kind := pasted_content.recognize(value)) == pasted_content.KUBECONFIG:
            # A kubeconfig may be passed as text, and a message may name its cluster.
            yield from pasted_content.kubeconfig_secrets(pasted_content.normalize_kubeconfig(value))
        elif pasted_content.is_secret_kind(kind):
            yield from (value, *pasted_content.secret_parts(value))
        elif "://" in value and "@" in value:
            yield from address_secrets(value)


def assigned_secrets(lines: Iterable[str]) -> Iterator[str]:
    """Yield the secret values of variables that are given to something else, by the rules of an environment.

    Args:
        lines: `NAME=value`; one that is not is left out.
    """
    for line in lines:
        name, equals, value = line.partition("=")
        if equals:
            yield from environment_secrets({re.sub("[.-]", "_", name.strip()): value.strip()})


_IN_ADDRESS = late_pattern(
    r"://(?P<user>[^\s/@:]{0,500})(?::(?P<password>[^\s/@]{1,500}))?@"
    # Without a scheme, before a host with a path: a tag stands before a digest.
    r"|(?:^|(?<=[\s,=|]))[^\s/@:=,|]{1,500}:(?P<bare>[^\s/@]{1,500})@(?:[\w-]+(?:\.[\w-]+)+(?::\d+)?|[\w-]+:\d+)/"
)
_SHORTEST_USER = 16


def embedded_secrets(text: str) -> Iterator[str]:
    """Yield the passwords in the addresses that a text holds, and what is long enough for a token in a user's place.

    Args:
        text: a value as given, such as an image's name with an address before it, or a list of addresses.
    """
    for match in _IN_ADDRESS.finditer(text):
        password = match["password"] or match["bare"] or ""
        if not password and len(match["user"] or "") >= _SHORTEST_USER:
            password = match["user"]
        if password:
            yield from (password, unquote(password))


def address_secrets(address: str) -> Iterator[str]:
    """Yield the password in an address, and user and password together, as written and decoded."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return
    if parts.password:
        yield from (parts.password, unquote(parts.password))
        yield parts.netloc.rpartition("@")[0]
