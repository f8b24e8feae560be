"""Who we are at a registry: credentials given as inputs, or those of Docker's configuration.

`config.json` as the Docker CLI has it (`auths`, `credHelpers`, `credsStore`), in `$DOCKER_CONFIG` or `~/.docker`.
"""

from __future__ import annotations

import base64
import json
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from s3c_actions.errors import InputError, OutsideError
from s3c_actions.image import DEFAULT_REGISTRY

# The key under which Docker keeps its own Hub's credentials.
_HUB_KEY = "https://index.docker.io/v1/"


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """A user's name and password, or an OAuth2 refresh token (`identity_token`) that stands for both."""

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)

    def basic(self) -> str:
        """The value of a Basic `Authorization` header (RFC 7617), without the word Basic."""
        return base64.b64encode(f"{self.username}:{self.password}".encode()).decode()


def given(username: str, password: str) -> Credentials | None:
    """The credentials of the inputs `registry-username` and `registry-password`, None when neither is given.

    Raises:
        InputError: one of them is given without the other, or the name holds a colon (RFC 7617 forbids it).
    """
    if not username and not password:
        return None
    if not username or not password:
        have, miss = ("username", "password") if username else ("password", "username")
        raise InputError(
            f"registry-{miss}",
            f"registry-{have} is given without it.",
            remedy="Give both, or neither to use Docker's own configuration.",
        )
    if ":" in username:
        raise InputError("registry-username", "a user name cannot hold a colon.")
    return Credentials(username=username, password=password)


def docker_folder(environment: Mapping[str, str]) -> Path:
    """The folder of Docker's configuration: `$DOCKER_CONFIG`, else `~/.docker`."""
    if environment.get("DOCKER_CONFIG"):
        return Path(environment["DOCKER_CONFIG"])
    return Path(environment.get("HOME") or Path.home()) / ".docker"


def from_docker(registry: str, environment: Mapping[str, str]) -> Credentials | None:
    """What Docker's configuration knows of a registry, None when that is nothing.

    Args:
        registry: host and port, as `Reference.registry` has it.
        environment: where DOCKER_CONFIG, HOME and the PATH of credential helpers are looked up.

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
            warnings.simplefilter("ignore")  # it warns of a missing helper and then raises for the same
            found = AuthConfig.load_config(None, document, credstore_env=dict(environment)).resolve_authconfig(registry)
    except (DockerException, ValueError, KeyError, TypeError) as error:
        raise OutsideError(
            f"Docker's configuration {path} gave no credentials for {registry}.",
            cause="A credential helper it names is not installed or failed, or an entry in it is malformed.",
            remedy=f"Run `docker login {registry}` again, or give registry-username and registry-password.",
            original=type(error).__name__ if isinstance(error, ValueError) else str(error)[:500],
        ) from None
    if not found:
        return None
    lowered = {str(key).lower(): value for key, value in found.items()}
    if lowered.get("identitytoken"):
        return Credentials(identity_token=lowered["identitytoken"])
    if lowered.get("username"):
        return Credentials(username=lowered["username"], password=lowered.get("password") or "")
    return None


@contextmanager
def docker_config(
    credentials: Mapping[str, Credentials], environment: Mapping[str, str], temp: Path | None = None
) -> Iterator[dict[str, str]]:
    """Let child programs use credentials that were given as inputs, through a Docker configuration of their own.

    The person's configuration is carried over, with the given registries' entries replaced; the folder is gone when
    the context ends.

    Args:
        credentials: registry → credentials; with none, the environment is left as it is.
        environment: where the person's own configuration is looked up.
        temp: where the folder is made; the system's temp folder by default.

    Yields:
        Environment variables for the child: `DOCKER_CONFIG`, and `BUILDX_CONFIG` so that builders are still found.
    """
    if not credentials:
        yield {}
        return
    own = docker_folder(environment)
    document = _read(own / "config.json")
    auths = dict(document.get("auths") or {})
    helpers = dict(document.get("credHelpers") or {})
    for registry, one in credentials.items():
        key = _HUB_KEY if registry == DEFAULT_REGISTRY else registry
        helpers.pop(key, None)
        auths[key] = {"auth": one.basic()}
        if one.identity_token:
            auths[key]["identitytoken"] = one.identity_token
    # A credentials store is asked before `auths`: with it, what was given would not count.
    document = {key: value for key, value in document.items() if key != "credsStore"}
    document.update(auths=auths, credHelpers=helpers)
    folder = Path(tempfile.mkdtemp(prefix="s3c-docker-", dir=temp))
    try:
        file = folder / "config.json"
        file.touch(mode=0o600)
        file.write_text(json.dumps(document), encoding="utf-8")
        for shared in ("contexts", "cli-plugins"):
            if (own / shared).is_dir():
                (folder / shared).symlink_to((own / shared).resolve())
        buildx = environment.get("BUILDX_CONFIG") or str(own / "buildx")
        yield {"DOCKER_CONFIG": str(folder), "BUILDX_CONFIG": buildx}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise OutsideError(
            f"Docker's configuration {path} cannot be read.",
            cause="It is not JSON, or this user may not open it.",
            remedy="Mend or remove it, or point DOCKER_CONFIG to another folder.",
            original=error.strerror or "" if isinstance(error, OSError) else "",
        ) from None
    if not isinstance(document, dict):
        raise OutsideError(f"Docker's configuration {path} is not a JSON object.", remedy="Mend or remove it.")
    return document
