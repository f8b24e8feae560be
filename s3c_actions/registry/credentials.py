"""Credentials for registries: from inputs, from Docker's configuration, or exchanged for an identity."""

from __future__ import annotations

import base64
import json
import tempfile
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from s3c_actions.core.errors import InputError
from s3c_actions.registry.docker_config import AUTH_VARIABLE, AuthConfig, DockerConfig, Lookup, config_folder


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """A user's name and password, or a token that takes precedence over both.

    Attributes:
        username, password: of HTTP's Basic scheme.
        identity_token: an OAuth2 refresh token, for the registry's token service.
        registry_token: a token for the registry itself, sent as it is (Docker's `registrytoken`).
    """

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    registry_token: str = field(default="", repr=False)

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


class CredentialExchange(Protocol):
    """Logs in to registries by an identity, such as Azure's, where no credentials were given."""

    def __call__(self, registry: str) -> Credentials | None:
        """Return credentials that stay valid for some time; None: not a registry of its kind, or no identity."""

    def refusal(self, registry: str, repository: str, writes: bool, message: str) -> tuple[str, str] | None:
        """Return probable cause and remedy of a rejected request; None when the registry is not of its kind.

        Args:
            registry: host.
            repository: of the request.
            writes: whether the request was to write.
            message: the registry's message.
        """


@dataclass(frozen=True, kw_only=True)
class Logins:
    """The credentials for each registry, in one run.

    Attributes:
        environment: has the variables of Docker's configuration.
        given: registry → credentials of the inputs.
        exchange: used where neither of them has credentials.
        hide: called with every credential, in every form in which it is sent, before its use.
        warn: called with what Docker's configuration names and this machine does not have.
        missing_helpers: registry → credential helper that should have been asked, filled as registries are used.
    """

    environment: Mapping[str, str] = field(repr=False)
    given: Mapping[str, Credentials] = field(default_factory=dict)
    exchange: CredentialExchange | None = None
    hide: Callable[[str], None] = lambda _value: None
    warn: Callable[[str], None] = lambda _text: None
    missing_helpers: dict[str, str] = field(default_factory=dict, compare=False)
    _warned: set[str] = field(default_factory=set, repr=False, compare=False)

    def of(self, registry: str) -> Credentials | None:
        """Return the credentials for a registry: those of the inputs, else Docker's, else exchanged ones.

        Raises:
            OutsideError: Docker's configuration cannot be used, or the exchange failed.
        """
        credentials = self.given.get(registry) or _credentials(self.look_up(registry))
        if credentials is None:
            return None if self.exchange is None else self.exchange(registry)
        self._hide(credentials)
        return credentials

    def look_up(self, registry: str) -> Lookup:
        """Return what Docker's configuration has for a registry; warn once of what it names and is not there.

        Raises:
            OutsideError: it cannot be used.
        """
        config = DockerConfig(self.environment)
        if config.variable_problem:
            self._warn_once(f"{AUTH_VARIABLE} is ignored, as Docker ignores it: {config.variable_problem}.")
        lookup = config.look_up(registry)
        if lookup.missing_helper:
            self.missing_helpers[registry] = lookup.missing_helper
            rest = "The file's own entry is used." if lookup.auth else "It is read without a login."
            self._warn_once(
                f"The credential helper {lookup.missing_helper}, which Docker's configuration names for {registry}, "
                f"is not installed. {rest}"
            )
        return lookup

    def for_programs(self, registries: Collection[str]) -> dict[str, Credentials]:
        """Return the credentials to be passed to programs; empty where Docker's `config.json` has all of them.

        Else those of its credentials store are among them, since programs will not ask it then.
        """
        beside = dict(self.given)
        docker: dict[str, Credentials] = {}
        for registry in sorted(set(registries) - set(beside)) if self._is_beside_docker() else ():
            lookup = self.look_up(registry)
            login = _credentials(lookup)
            if login is not None and not lookup.from_variable:
                docker[registry] = login
            elif login is not None or (self.exchange and (login := self.exchange(registry))):
                beside[registry] = login
        credentials = docker | beside if beside else {}
        for login in credentials.values():
            self._hide(login)
        return credentials

    def _is_beside_docker(self) -> bool:
        return bool(self.given or self.exchange or self.environment.get(AUTH_VARIABLE))

    def _warn_once(self, text: str) -> None:
        if text not in self._warned:
            self._warned.add(text)
            self.warn(text)

    def _hide(self, login: Credentials) -> None:
        basic = login.basic() if login.password else ""
        for value in (login.password, login.identity_token, login.registry_token, basic):
            if value:
                self.hide(value)


def _credentials(lookup: Lookup) -> Credentials | None:
    auth = lookup.auth
    if not auth:
        return None
    return Credentials(
        username=auth.username,
        password=auth.password,
        identity_token=auth.identity_token,
        registry_token=auth.registry_token,
    )


def open_program_login(logins: Logins, registries: Collection[str], temp: Path) -> Callable[[], dict[str, str]]:
    """Give programs our logins, through a Docker configuration of their own, which all of them read.

    The user's configuration is copied, without what programs fail on where we do not, and with our additional
    credentials.

    Args:
        logins: of the run.
        registries: that the programs will use.
        temp: where the configuration is written; whoever created the folder removes it.

    Returns:
        A function that returns the environment variables for a program that starts now, with fresh logins:
        `DOCKER_CONFIG`, `BUILDX_CONFIG` so that builders are still found, and an empty DOCKER_AUTH_CONFIG; nothing
        when Docker's own configuration suffices.
    """
    environment = logins.environment
    own = config_folder(environment)
    folder = Path(tempfile.mkdtemp(prefix="s3c-docker-", dir=temp))
    written: list[dict[str, Credentials]] = []
    lock = threading.Lock()

    def variables() -> dict[str, str]:
        with lock:
            config = DockerConfig(environment)
            needed = logins.for_programs(registries)
            if not needed and config.is_plain:
                return {}
            if needed not in written:
                _write_config(folder, own, config, needed)
                written[:] = [needed]
        buildx = environment.get("BUILDX_CONFIG") or str(own / "buildx")
        # What the variable holds is in the file; programs that read it would prefer it to given credentials.
        hidden = {AUTH_VARIABLE: ""} if environment.get(AUTH_VARIABLE) else {}
        return {"DOCKER_CONFIG": str(folder), "BUILDX_CONFIG": buildx, **hidden}

    return variables


def _write_config(folder: Path, own: Path, config: DockerConfig, credentials: Mapping[str, Credentials]) -> None:
    document = config.for_programs(
        {
            registry: AuthConfig(
                username=login.username,
                password=login.password,
                identity_token=login.identity_token,
                registry_token=login.registry_token,
            )
            for registry, login in credentials.items()
        }
    )
    # A running program may read it at this moment: it sees either the old or the new file.
    new = folder / "config.json.new"
    new.touch(mode=0o600)
    new.write_text(json.dumps(document), encoding="utf-8")
    new.replace(folder / "config.json")
    for shared in ("contexts", "cli-plugins"):
        if (own / shared).is_dir() and not (folder / shared).exists():
            (folder / shared).symlink_to((own / shared).resolve())
