"""What s3c makes of Docker's configuration where docker/cli has no answer, and what programs are given of it."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from s3c_actions.core.errors import OutsideError
from s3c_actions.registry.credentials import Credentials, Logins, open_program_login


def basic(login: str) -> str:
    return base64.b64encode(login.encode()).decode()


MINE = {"auth": basic("u:p")}


class Docker:
    """A configuration, installed helpers that no test starts, and the logins that are read there."""

    def __init__(self, folder: Path, document: Any, variable: str = "") -> None:
        self.folder = folder / "docker"
        self.folder.mkdir()
        (self.folder / "config.json").write_text(document if isinstance(document, str) else json.dumps(document))
        self.environment = {"DOCKER_CONFIG": str(self.folder), "PATH": f"{folder}:/usr/bin:/bin", "HOME": str(folder)}
        if variable:
            self.environment["DOCKER_AUTH_CONFIG"] = variable
        for name in ("good", "broken"):
            program = folder / f"docker-credential-{name}"
            program.write_text("#!/bin/sh\nexit 1\n")
            program.chmod(0o755)
        self.warnings: list[str] = []
        self.temp = folder

    def logins(self, **more: Any) -> Logins:
        return Logins(environment=self.environment, warn=self.warnings.append, **more)

    def of(self, registry: str = "reg.test") -> tuple[str, str] | None:
        login = self.logins().of(registry)
        return (login.username, login.password) if login else None

    def programs(self, *registries: str, **more: Any) -> tuple[dict[str, str], dict[str, Any]]:
        """The variables of a program, and the configuration that it then reads; empty where it is the user's."""
        variables = open_program_login(self.logins(**more), registries, self.temp)()
        folder = variables.get("DOCKER_CONFIG")
        return variables, json.loads((Path(folder) / "config.json").read_text()) if folder else {}


@pytest.mark.parametrize(
    "other", [{"auth": "!!!"}, {"auth": basic("nocolon")}, {"auth": 7}, {"username": []}, "text", 7, None]
)
def test_a_malformed_entry_concerns_its_own_registry(tmp_path: Path, other: Any) -> None:
    docker = Docker(tmp_path, {"auths": {"other.test": other, "reg.test": MINE}})
    assert docker.of() == ("u", "p")
    if other is None:
        assert docker.of("other.test") is None
    else:
        with pytest.raises(OutsideError, match=r"no credentials for other\.test.*malformed"):
            docker.of("other.test")


@pytest.mark.parametrize("helper", ["broken", "absent", 7])
def test_a_helper_concerns_its_own_registry(tmp_path: Path, helper: Any) -> None:
    docker = Docker(tmp_path, {"credHelpers": {"other.test": helper}, "auths": {"reg.test": MINE}})
    assert docker.of() == ("u", "p")
    assert docker.warnings == []


@pytest.mark.parametrize(("auths", "login"), [({}, None), ({"reg.test": MINE}, ("u", "p"))])
@pytest.mark.parametrize("helper", ["desktop.exe", "../../bin/sh", "a/b"])
def test_a_helper_that_is_not_installed_is_a_warning(
    tmp_path: Path, auths: Any, login: tuple[str, str] | None, helper: str
) -> None:
    docker = Docker(tmp_path, {"credsStore": helper, "auths": auths})
    logins = docker.logins()
    for _ in range(2):
        credentials = logins.of("reg.test")
        assert ((credentials.username, credentials.password) if credentials else None) == login
    assert [f"docker-credential-{helper}" in text for text in docker.warnings] == [True]


@pytest.mark.parametrize("key", ["reg.test/team", "reg.test/team/app", "https://reg.test/team", "reg.test/v1/team"])
def test_the_key_of_a_namespace_is_not_the_host_s(tmp_path: Path, key: str) -> None:
    assert Docker(tmp_path, {"auths": {key: MINE}}).of() is None


@pytest.mark.parametrize(
    "key", ["https://index.docker.io/v1/", "index.docker.io", "docker.io", "https://docker.io/v2/"]
)
def test_the_keys_of_docker_hub(tmp_path: Path, key: str) -> None:
    assert Docker(tmp_path, {"auths": {key: MINE}}).of("docker.io") == ("u", "p")


@pytest.mark.parametrize("document", ["", " \n", "{}", "null", '{"auths":null}', '{"auths":{},"credHelpers":{}}'])
def test_a_configuration_of_nothing(tmp_path: Path, document: str) -> None:
    docker = Docker(tmp_path, document)
    assert docker.of() is None
    assert docker.programs("reg.test") == ({}, {})


@pytest.mark.parametrize(
    "variable", ["{", "[]", '{"auths":{"reg.test":{"username":"v","password":"q"}}}', '{"credsStore":"good"}', "{}{}"]
)
def test_a_variable_that_docker_ignores_is_ignored_with_a_warning(tmp_path: Path, variable: str) -> None:
    docker = Docker(tmp_path, {"auths": {"reg.test": MINE}}, variable)
    assert docker.of() == ("u", "p")
    assert ["DOCKER_AUTH_CONFIG is ignored" in text for text in docker.warnings] == [True]


def test_programs_that_do_not_read_the_variable_are_given_its_logins(tmp_path: Path) -> None:
    variable = json.dumps({"auths": {"reg.test": {"auth": basic("v:q")}}})
    docker = Docker(tmp_path, {"auths": {"reg.test": MINE, "other.test": MINE}}, variable)
    assert docker.of() == ("v", "q")
    variables, document = docker.programs("reg.test", "other.test")
    assert variables["DOCKER_AUTH_CONFIG"] == ""
    assert document["auths"] == {"reg.test": {"auth": basic("v:q")}, "other.test": MINE}


def test_given_credentials_come_before_the_variable_in_programs_too(tmp_path: Path) -> None:
    docker = Docker(tmp_path, {}, json.dumps({"auths": {"reg.test": {"auth": basic("v:q")}}}))
    given = {"reg.test": Credentials(username="g", password="h")}
    variables, document = docker.programs("reg.test", given=given)
    assert variables["DOCKER_AUTH_CONFIG"] == ""
    assert document["auths"] == {"reg.test": {"auth": basic("g:h")}}


def test_programs_are_given_nothing_that_they_fail_on(tmp_path: Path) -> None:
    docker = Docker(
        tmp_path,
        {
            "auths": {"other.test": {"auth": "!!!"}, "reg.test": {"username": "u", "password": "p"}},
            "credHelpers": {"absent.test": "absent", "good.test": "good", "file.test": ""},
            "credsStore": "desktop.exe",
            "psFormat": "kept",
        },
    )
    _, document = docker.programs("reg.test")
    assert document == {
        "auths": {"reg.test": MINE},
        "credHelpers": {"good.test": "good", "file.test": ""},
        "psFormat": "kept",
    }


def test_programs_read_the_user_s_own_configuration_where_that_suffices(tmp_path: Path) -> None:
    document = {"auths": {"reg.test": MINE, "a.test": None}, "credsStore": "good", "credHelpers": {"b.test": "good"}}
    assert Docker(tmp_path, document).programs("reg.test") == ({}, {})
