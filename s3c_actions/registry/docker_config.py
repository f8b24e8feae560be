"""Read Docker's configuration as docker/cli does: `config.json` in `$DOCKER_CONFIG` or `~/.docker`, DOCKER_AUTH_CONFIG.

https://github.com/docker/cli/tree/master/cli/config, with which `make contract` compares. On purpose it differs so:
a malformed entry concerns its own registry alone; a key with a path other than `/v1/` and `/v2/` is a namespace's
(containers-auth.json) and not the host's; where a credential helper is not installed or has no entry, `auths` is read;
Docker Hub's keys include `docker.io`.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from s3c_actions.core import pasted_content, reading
from s3c_actions.core.errors import OutsideError
from s3c_actions.core.process import ProgramTimedOut, Runner, find
from s3c_actions.core.reference import DEFAULT_REGISTRY

HUB_KEY = "https://index.docker.io/v1/"
"""The key under which Docker keeps its own Hub's credentials."""
AUTH_VARIABLE = "DOCKER_AUTH_CONFIG"
HELPER_SECONDS = 60.0
_HUB_HOSTS = frozenset({DEFAULT_REGISTRY, "index.docker.io"})
_NOT_FOUND = "credentials not found in native keychain"
_TOKEN_USER = "<token>"  # noqa: S105 the name under which a helper returns an identity token
_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}")
_API_PATHS = frozenset({"", "v1", "v2"})
_FIELDS = ("username", "password", "auth", "identitytoken", "registrytoken")


class AuthConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The credentials of one registry; all of them are empty where Docker has none."""

    username: str = ""
    password: str = ""
    identity_token: str = ""
    registry_token: str = ""

    def __bool__(self) -> bool:
        return bool(self.username or self.identity_token or self.registry_token)

    def __repr__(self) -> str:
        return f"AuthConfig(username={self.username!r})"


class Lookup(msgspec.Struct, frozen=True, kw_only=True):
    """What Docker's configuration has for a registry.

    Attributes:
        auth: empty where it has nothing.
        from_variable: whether it is in DOCKER_AUTH_CONFIG, which not every program reads.
        missing_helper: the program that should have been asked, and is not installed.
    """

    auth: AuthConfig
    from_variable: bool = False
    missing_helper: str = ""


class DockerConfig:
    """Docker's configuration of one user.

    Args:
        environment: has DOCKER_CONFIG, HOME, DOCKER_AUTH_CONFIG and the PATH of credential helpers.

    Attributes:
        document: the JSON object of `config.json`, empty when there is no such file.
        variable_problem: why DOCKER_AUTH_CONFIG is ignored, as docker/cli ignores it; empty when it is not.

    Raises:
        OutsideError: the file cannot be read, is not JSON, or `auths`, `credHelpers` or `credsStore` is of another
            type.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._path = config_folder(environment) / "config.json"
        self.document = _read(self._path)
        self._auths = self._object("auths")
        self._helpers = self._object("credHelpers")
        store = _member(self.document, "credsStore")
        if store is not None and not isinstance(store, str):
            raise self._type_error("credsStore", "a text")
        self._store = store or ""
        self._variable: dict[str, AuthConfig] = {}
        self.variable_problem = ""
        try:
            self._variable = _parse_variable(environment.get(AUTH_VARIABLE, ""))
        except ValueError as error:
            self.variable_problem = str(error)

    def look_up(self, registry: str) -> Lookup:
        """Return the credentials of a registry.

        Args:
            registry: host and port, as in `Reference.registry`.

        Raises:
            OutsideError: its entry is malformed, or its credential helper failed.
        """
        key = HUB_KEY if registry == DEFAULT_REGISTRY else registry
        if key in self._variable:
            return Lookup(auth=self._variable[key], from_variable=True)
        helper, missing = self._helper(registry, key), ""
        if helper and (program := _find_helper(helper, self._environment)) is not None:
            auth = self._ask(program, key, registry)
            if auth:
                with suppress(OutsideError):
                    auth = msgspec.structs.replace(auth, registry_token=self._entry(registry, key).registry_token)
                return Lookup(auth=auth)
        elif helper:
            missing = _program_name(helper)
        return Lookup(auth=self._entry(registry, key), missing_helper=missing)

    @property
    def is_plain(self) -> bool:
        """Return whether every program understands the file as this module does."""
        return (
            not self._environment.get(AUTH_VARIABLE)
            and self._auths.keys() == self._valid_auths().keys()
            and self._helpers.keys() == self._installed_helpers().keys()
            and (not self._store or _find_helper(self._store, self._environment) is not None)
        )

    def for_programs(self, logins: Mapping[str, AuthConfig]) -> dict[str, Any]:
        """Return a `config.json` for programs: without what would make them fail, and with further logins.

        Args:
            logins: registry → credentials that take the place of what the configuration has.
        """
        auths = self._valid_auths()
        helpers = self._installed_helpers()
        for registry, login in logins.items():
            for key in [registry] if registry != DEFAULT_REGISTRY else [HUB_KEY, *_HUB_HOSTS]:
                helpers.pop(key, None)
            auths[HUB_KEY if registry == DEFAULT_REGISTRY else registry] = _encode(login)
        left_out = {"auths", "credhelpers", "credsstore"}
        document = {key: value for key, value in self.document.items() if key.lower() not in left_out}
        document |= {"auths": auths, "credHelpers": helpers}
        # A credentials store takes precedence over `auths`: with it, these logins would be ignored.
        if self._store and not logins and _find_helper(self._store, self._environment) is not None:
            document["credsStore"] = self._store
        return document

    def _helper(self, registry: str, key: str) -> str:
        keys = (key, *_HUB_HOSTS) if registry == DEFAULT_REGISTRY else (key,)
        named = next((self._helpers[name] for name in keys if name in self._helpers), self._store)
        if named is None:
            return ""
        if not isinstance(named, str):
            raise self._entry_error(registry, "the credential helper's name is not a text")
        return named

    def _entry(self, registry: str, key: str) -> AuthConfig:
        hosts = _HUB_HOSTS if registry == DEFAULT_REGISTRY else {registry}
        name = key if key in self._auths else next((name for name in self._auths if _host(name) in hosts), None)
        if name is None:
            return AuthConfig()
        try:
            return _parse_entry(self._auths[name])
        except ValueError as error:
            raise self._entry_error(registry, str(error)) from None

    def _ask(self, program: Path, key: str, registry: str) -> AuthConfig:
        """Return what a credential helper has, by the protocol of docker-credential-helpers."""
        try:
            ended = Runner(self._environment).run([program, "get"], stdin=key, check=False, timeout=HELPER_SECONDS)
        except ProgramTimedOut:
            raise self._helper_error(program, registry, f"no answer within {HELPER_SECONDS:g} s") from None
        except OutsideError as error:
            raise self._helper_error(program, registry, str(error)) from None
        if ended.code != 0:
            if ended.stdout.strip() == _NOT_FOUND:
                return AuthConfig()
            raise self._helper_error(program, registry, (ended.stdout.strip() or ended.stderr.strip())[:500])
        try:
            answer = reading.parse_json(ended.stdout)
            user, secret = (_text(answer, field) for field in ("username", "secret"))
        except ValueError:
            raise self._helper_error(program, registry, "its answer is not what the protocol has") from None
        if not user and not secret:
            return AuthConfig()
        if user == _TOKEN_USER:
            return AuthConfig(identity_token=secret)
        return AuthConfig(username=user, password=secret)

    def _valid_auths(self) -> dict[str, Any]:
        valid = {}
        for name, entry in self._auths.items():
            with suppress(ValueError):
                valid[name] = _encode(_parse_entry(entry))
        return valid

    def _installed_helpers(self) -> dict[str, Any]:
        return {
            name: helper or ""
            for name, helper in self._helpers.items()
            if not helper or (isinstance(helper, str) and _find_helper(helper, self._environment) is not None)
        }

    def _object(self, name: str) -> dict[str, Any]:
        value = _member(self.document, name)
        if value is not None and not isinstance(value, dict):
            raise self._type_error(name, "an object")
        return value or {}

    def _type_error(self, name: str, kind: str) -> OutsideError:
        return OutsideError(
            f"Docker's configuration {self._shown} cannot be used: `{name}` is not {kind}.",
            remedy="Fix it, or point DOCKER_CONFIG to another folder.",
        )

    def _entry_error(self, registry: str, why: str) -> OutsideError:
        return OutsideError(
            f"Docker's configuration {self._shown} gave no credentials for {registry}.",
            cause=f"Its entry is malformed: {why}.",
            remedy=f"Run `docker login {registry}` again, or give `registry-username` and `registry-password`.",
        )

    def _helper_error(self, program: Path, registry: str, original: str) -> OutsideError:
        return OutsideError(
            f"Docker's configuration {self._shown} gave no credentials for {registry}.",
            cause=f"The credential helper {program.name}, which it names, failed.",
            remedy=f"Run `docker login {registry}` again, or give `registry-username` and `registry-password`.",
            original=original,
        )

    @property
    def _shown(self) -> str:
        return pasted_content.shorten_path(str(self._path))


def config_folder(environment: Mapping[str, str]) -> Path:
    """Return the folder of Docker's configuration: `$DOCKER_CONFIG`, else `~/.docker`."""
    if environment.get("DOCKER_CONFIG"):
        return Path(environment["DOCKER_CONFIG"])
    return Path(environment.get("HOME") or Path.home()) / ".docker"


def _read(path: Path) -> dict[str, Any]:
    try:
        text = reading.read_text_file(path)
        document = reading.parse_json(text) if text.strip() else {}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        encoding = f"{reading.describe(error)}." if isinstance(error, UnicodeDecodeError) else ""
        raise OutsideError(
            f"Docker's configuration {pasted_content.shorten_path(str(path))} cannot be read.",
            cause=f"{encoding[:1].upper()}{encoding[1:]}" or "It is not JSON, or this user may not open it.",
            remedy="Fix or remove it, or point DOCKER_CONFIG to another folder.",
            original=error.strerror or "" if isinstance(error, OSError) else "",
        ) from None
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise OutsideError(f"Docker's configuration {path} is not a JSON object.", remedy="Fix or remove it.")
    return document


def _parse_variable(text: str) -> dict[str, AuthConfig]:
    """Return the entries of DOCKER_AUTH_CONFIG. Raise ValueError for anything but `auths` of `auth` alone."""
    document = reading.parse_json(text) if text.strip() else {}
    if document is None:
        return {}
    if not isinstance(document, dict) or any(name.lower() != "auths" for name in document):
        raise ValueError("it may hold `auths` alone")
    auths = _member(document, "auths")
    if auths is not None and not isinstance(auths, dict):
        raise ValueError("`auths` is not an object")
    parsed = {}
    for name, entry in (auths or {}).items():
        if not isinstance(entry, dict) or any(field.lower() != "auth" for field in entry) or not _text(entry, "auth"):
            raise ValueError(f"the entry of {name[:100]!r} may hold `auth` alone")
        parsed[name] = _parse_entry(entry)
    return parsed


def _parse_entry(entry: object) -> AuthConfig:
    """Parse an entry of `auths`. Raise ValueError, which says why, where it is malformed."""
    if entry is None:
        return AuthConfig()
    if not isinstance(entry, dict):
        raise ValueError("it is not an object")
    username, password, auth, identity_token, registry_token = (_text(entry, field) for field in _FIELDS)
    if auth:
        username, password = _decode(auth)
    if not registry_token.isascii() or not registry_token.isprintable():
        raise ValueError("`registrytoken` is not a token")
    return AuthConfig(
        username=username, password=password, identity_token=identity_token, registry_token=registry_token
    )


def _decode(auth: str) -> tuple[str, str]:
    """Return user name and password of `auth`; some clients pad the password with NUL."""
    encoded = re.sub(r"[\r\n]", "", auth)
    try:
        if not _BASE64.fullmatch(encoded) or len(encoded) % 4:
            raise ValueError(encoded)
        decoded = base64.b64decode(encoded).decode()
    except ValueError:
        raise ValueError("`auth` is not the base64 of a text") from None
    username, colon, password = decoded.partition(":")
    if not colon or not username:
        raise ValueError("`auth` holds no user name and password with a colon between them")
    return username, password.strip("\0")


def _encode(auth: AuthConfig) -> dict[str, str]:
    login = base64.b64encode(f"{auth.username}:{auth.password}".encode()).decode() if auth.username else ""
    fields = {"auth": login, "identitytoken": auth.identity_token, "registrytoken": auth.registry_token}
    return {name: value for name, value in fields.items() if value}


def _member(document: Mapping[str, Any], name: str) -> Any:
    """Return a member as Go reads it: whatever the case of its name, and the last one that is not null."""
    values = [value for key, value in document.items() if key.lower() == name.lower() and value is not None]
    return values[-1] if values else None


def _text(document: object, name: str) -> str:
    value = _member(document, name) if isinstance(document, dict) else 0
    if value is not None and not isinstance(value, str):
        raise ValueError(f"`{name}` is not a text")
    return value or ""


def _host(key: str) -> str:
    """Return the host that a key of `auths` stands for; empty for the key of a namespace."""
    _, separator, rest = key.partition("://")
    if not separator:
        host, _, path = key.partition("/")
    else:
        host, _, path = re.sub(r"[?#].*", "", rest).partition("/")
        host = host.rpartition("@")[2]
    return host if path.strip("/") in _API_PATHS else ""


def _program_name(helper: str) -> str:
    return f"docker-credential-{helper}"


def _find_helper(helper: str, environment: Mapping[str, str]) -> Path | None:
    return None if "/" in helper else find(_program_name(helper), environment)
