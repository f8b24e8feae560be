"""Credentials for registries: from inputs, from Docker's configuration, or exchanged for an identity.

`config.json` as the Docker CLI defines it (`auths`, `credHelpers`, `credsStore`), in `$DOCKER_CONFIG` or `~/.docker`.
"""

from __future__ import annotations

import base64
import json
import tempfile
import warnings
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from s3c_actions.core import pasted_content, reading
from s3c_actions.core.errors import InputError, OutsideError
from s3c_actions.core.reference import DEFAULT_REGISTRY

# The key under which Docker keeps its own Hub's credentials.
_HUB_KEY = "https://index.docker.io/v1/"


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """A user's name and password, or an OAuth2 refresh token (`identity_token`) that replaces both."""

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)

    def basic(self) -> str:
        """Return the value of a Basic `Authorization` header (RFC 7617), without the word Basic."""
        return base64.b64encode(f"{self.username}:{self.password}".encode()).decode()


def input_credentials(username: str, password: str, stem: str = "registry") -> Credentials | None:
    """Return the credentials of two inputs, None when neither is given.

    Args:
        username: of the input `STEM-username`.
        password: of the input `STEM-password`.
        stem: of the inputs' names.

    Raises:
        InputError: one of them is given without the other, or the name holds a colon (RFC 7617 forbids it).
    """
    if not username and not password:
        return None
    if not username or not password:
        have, miss = ("username", "password") if username else ("password", "username")
        raise InputError(
            f"{stem}-{miss}",
            f"it is missing, and {stem}-{have} is given.",
            remedy="Give both, or neither to use Docker's own configuration.",
        )
    if ":" in username:
        raise InputError(f"{stem}-username", "a user name cannot hold a colon.")
    return Credentials(username=username, password=password)


def docker_folder(environment: Mapping[str, str]) -> Path:
    """Return the folder of Docker's configuration: `$DOCKER_CONFIG`, else `~/.docker`."""
    if environment.get("DOCKER_CONFIG"):
        return Path(environment["DOCKER_CONFIG"])
    return Path(environment.get("HOME") or Path.home()) / ".docker"


def docker_credentials(registry: str, environment: Mapping[str, str]) -> Credentials | None:
    """Return the credentials for a registry in Docker's configuration, None when it has none.

    Args:
        registry: host and port, as in `Reference.registry`.
        environment: has DOCKER_CONFIG, HOME and the PATH of credential helpers.

    Raises:
        OutsideError: the configuration cannot be read, or its credential helper is missing or failed.
    """
    path = docker_folder(environment) / "config.json"
    document = _read(path)
    if not any(document.get(key) for key in ("auths", "credHelpers", "credsStore")):
        return None
    from docker.auth import AuthConfig  # type: ignore[import-untyped,unused-ignore]
    from docker.errors import DockerException

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns about a missing helper and then raises for the same reason
            entry = AuthConfig.load_config(None, document, credstore_env=dict(environment)).resolve_authconfig(registry)
    except (DockerException, ValueError, KeyError, TypeError) as error:
        raise OutsideError(
            f"Docker's configuration {path} gave no credentials for {registry}.",
            cause="A credential helper it names is not installed or failed, or an entry in it is malformed.",
            remedy=f"Run `docker login {registry}` again, or give registry-username and registry-password.",
            original=type(error).__name__ if isinstance(error, ValueError) else str(error)[:500],
        ) from None
    if not entry:
        return None
    lowered = {str(key).lower(): value for key, value in entry.items()}
    if lowered.get("identitytoken"):
        return Credentials(identity_token=lowered["identitytoken"])
    if lowered.get("username"):
        return Credentials(username=lowered["username"], password=lowered.get("password") or "")
    return None


class CredentialExchange(Protocol):
    """Logs in to registries by an identity, such as Azure's, where no credentials were given."""

    def __call__(self, registry: str) -> Credentials | None:
        """Return credentials that stay valid for some time; None: not a registry of its kind, or no identity."""

    def refusal(self, registry: str, repository: str, writes: bool, said: str) -> tuple[str, str] | None:
        """Return probable cause and remedy of a rejected request; None when the registry is not of its kind.

        Args:
            registry: host.
            repository: of the request.
            writes: whether the request was to write.
            said: the registry's message.
        """


@dataclass(frozen=True, kw_only=True)
class Logins:
    """The credentials for each registry, in one run.

    Attributes:
        environment: has the variables of Docker's configuration.
        given: registry → credentials of the inputs.
        exchange: used where neither of them has credentials.
        hide: called with every credential, in every form in which it is sent, before its use.
    """

    environment: Mapping[str, str] = field(repr=False)
    given: Mapping[str, Credentials] = field(default_factory=dict)
    exchange: CredentialExchange | None = None
    hide: Callable[[str], None] = lambda _value: None

    def of(self, registry: str) -> Credentials | None:
        """Return the credentials for a registry: those of the inputs, else Docker's, else exchanged ones.

        Raises:
            OutsideError: Docker's configuration cannot be used, or the exchange failed.
        """
        credentials = self.given.get(registry) or docker_credentials(registry, self.environment)
        if credentials is None:
            return None if self.exchange is None else self.exchange(registry)
        self._hide(credentials)
        return credentials

    def beside_docker(self, registries: Collection[str]) -> dict[str, Credentials]:
        """Return the credentials that are not in Docker's configuration, to be passed to programs."""
        credentials = dict(self.given)
        for registry in sorted(set(registries) - set(credentials)):
            if self.exchange is not None and docker_credentials(registry, self.environment) is None:
                login = self.exchange(registry)
                if login is not None:
                    credentials[registry] = login
        for login in credentials.values():
            self._hide(login)
        return credentials

    def _hide(self, login: Credentials) -> None:
        for value in (login.password, login.identity_token, login.basic() if login.password else ""):
            if value:
                self.hide(value)


def open_program_login(logins: Logins, registries: Collection[str], temp: Path) -> Callable[[], dict[str, str]]:
    """Give programs our logins, through a Docker configuration of their own, which all of them read.

    The user's configuration is copied, and our additional credentials are added.

    Args:
        logins: of the run.
        registries: that the programs will use.
        temp: where the configuration is written; whoever created the folder removes it.

    Returns:
        A function that returns the environment variables for a program that starts now, with fresh logins:
        `DOCKER_CONFIG`, and `BUILDX_CONFIG` so that builders are still found; nothing when Docker's own configuration
        suffices.
    """
    environment = logins.environment
    own = docker_folder(environment)
    folder = Path(tempfile.mkdtemp(prefix="s3c-docker-", dir=temp))
    written: dict[str, Credentials] = {}

    def variables() -> dict[str, str]:
        needed = logins.beside_docker(registries)
        if not needed:
            return {}
        if needed != written:
            _write_config(folder, own, needed)
            written.clear()
            written.update(needed)
        buildx = environment.get("BUILDX_CONFIG") or str(own / "buildx")
        return {"DOCKER_CONFIG": str(folder), "BUILDX_CONFIG": buildx}

    return variables


def _write_config(folder: Path, own: Path, credentials: Mapping[str, Credentials]) -> None:
    document = _read(own / "config.json")
    auths = dict(document.get("auths") or {})
    helpers = dict(document.get("credHelpers") or {})
    for registry, login in credentials.items():
        key = _HUB_KEY if registry == DEFAULT_REGISTRY else registry
        helpers.pop(key, None)
        auths[key] = {"auth": login.basic()}
        if login.identity_token:
            auths[key]["identitytoken"] = login.identity_token
    # A credentials store takes precedence over `auths`: with it, our credentials would be ignored.
    document = {key: value for key, value in document.items() if key != "credsStore"}
    document.update(auths=auths, credHelpers=helpers)
    # A running program may read it at this moment: it sees either the old or the new file.
    new = folder / "config.json.new"
    new.touch(mode=0o600)
    new.write_text(json.dumps(document), encoding="utf-8")
    new.replace(folder / "config.json")
    for shared in ("contexts", "cli-plugins"):
        if (own / shared).is_dir() and not (folder / shared).exists():
            (folder / shared).symlink_to((own / shared).resolve())


def _read(path: Path) -> dict[str, Any]:
    try:
        document = reading.parse_json(reading.read_text_file(path))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise OutsideError(
            f"Docker's configuration {pasted_content.shorten_path(str(path))} cannot be read.",
            cause="It is not JSON, or this user may not open it.",
            remedy="Fix or remove it, or point DOCKER_CONFIG to another folder.",
            original=error.strerror or "" if isinstance(error, OSError) else "",
        ) from None
    if not isinstance(document, dict):
        raise OutsideError(f"Docker's configuration {path} is not a JSON object.", remedy="Fix or remove it.")
    return document
