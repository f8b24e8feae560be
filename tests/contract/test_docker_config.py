"""Docker's configuration is read as docker/cli reads it: its own test data, and configurations hard to read."""

from __future__ import annotations

import base64
import json
import random
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from s3c_actions.core.errors import OutsideError
from s3c_actions.programs.install import gobuild
from s3c_actions.registry.credentials import Credentials, Logins, open_program_login
from s3c_actions.registry.docker_config import DockerConfig
from s3c_lab.programs import BUILDCTL
from tests.support import go_judges

REGISTRIES = ("reg.test", "reg.test:5000", "other.test", "docker.io", "env.example.test")
FAILED = "failed"
REFUSED = "refused"
HELPERS = {
    "good": """printf '{"ServerURL":"%s","Username":"helped","Secret":"of %s"}' "$host" "$host" """,
    "token": """printf '{"Username":"<token>","Secret":"refresh"}'""",
    "none": "echo credentials not found in native keychain; exit 1",
    "blank": 'printf \'{"Username":"","Secret":""}\'',
    "broken": "echo something failed >&2; exit 1",
    "garbled": "echo '<html>'",
    "number": "echo '{\"Username\":1}'",
}


class Case(NamedTuple):
    config: str
    variable: str = ""


Answer = list[Any] | str
Judge = Callable[[Sequence[Case]], list[Answer]]


def basic(login: str) -> str:
    return base64.b64encode(login.encode()).decode()


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A PATH with credential helpers of every kind."""
    folder = tmp_path_factory.mktemp("helpers")
    for name, script in HELPERS.items():
        program = folder / f"docker-credential-{name}"
        program.write_text(f"#!/bin/sh\nread -r host\n{script}\n")
        program.chmod(0o755)
    return f"{folder}:/usr/bin:/bin"


@pytest.fixture(scope="module")
def judge(path: str, tmp_path_factory: pytest.TempPathFactory) -> Judge:
    program = go_judges.build(
        Path(__file__).parent / "docker-config" / "main.go", BUILDCTL, tmp_path_factory.mktemp("docker-config")
    )

    def answers(cases: Sequence[Case]) -> list[Answer]:
        questions = [{"Config": config, "Variable": variable, "Registries": REGISTRIES} for config, variable in cases]
        read = go_judges.ask(program, questions, {"PATH": path})
        return [REFUSED if answer["Refused"] else [login(**each) for each in answer["Logins"]] for answer in read]

    return answers


def login(*, Username: str, Password: str, IdentityToken: str, RegistryToken: str, Failed: bool) -> Any:  # noqa: N803
    return FAILED if Failed else (Username, Password, IdentityToken, RegistryToken)


@pytest.fixture
def ours(path: str, tmp_path: Path) -> Callable[[Case], Answer]:
    def read(case: Case) -> Answer:
        (tmp_path / "config.json").write_text(case.config)
        try:
            config = DockerConfig({"DOCKER_CONFIG": str(tmp_path), "PATH": path, "DOCKER_AUTH_CONFIG": case.variable})
        except OutsideError:
            return REFUSED
        logins: list[Any] = []
        for registry in REGISTRIES:
            try:
                lookup = config.look_up(registry)
            except OutsideError:
                logins.append(FAILED)
            else:
                logins.append(FAILED if lookup.missing_helper else msgspec.structs.astuple(lookup.auth))
        return logins

    return read


def test_docker_s_own_test_data_is_read_alike(judge: Judge, ours: Callable[[Case], Answer], tmp_path: Path) -> None:
    cli = msgspec.structs.replace(BUILDCTL, module="github.com/docker/cli")
    gobuild.copy_folder(cli, "cli/config", tmp_path / "data", **go_judges.TOOLS)
    source = "".join(file.read_text() for file in sorted((tmp_path / "data").rglob("*_test.go")))
    texts = [text for text in re.findall("`([^`]*)`", source) if text.lstrip().startswith("{")]
    cases = [Case(text) for text in texts] + [Case("", text) for text in texts] + [Case(""), Case("   \n")]
    answers = judge(cases)
    read = [case for case, answer in zip(cases, answers, strict=True) if answer != REFUSED]
    assert len(read) > 20
    assert any(("env_user", "env_pass", "", "") in answer for answer in answers)
    assert [(case, answer) for case, answer in zip(cases, answers, strict=True) if ours(case) != answer] == []


ENTRIES: tuple[Any, ...] = (
    {"auth": basic("u:p")},
    {"auth": basic("u:p:ä")},
    {"auth": basic("u:\0p\0\0")},
    {"auth": basic("u:p") + "\n"},
    {"auth": basic("user:pass")[:4] + "\r\n" + basic("user:pass")[4:]},
    {"auth": basic("u:")},
    {"auth": "", "username": "u", "password": "p"},
    {"username": "u", "password": "p"},
    {"username": "u", "password": "p", "auth": basic("v:q")},
    {"Username": "u", "PASSWORD": "p", "email": "e@x.test"},
    {"identitytoken": "refresh"},
    {"auth": basic("00000000-0000-0000-0000-000000000000:"), "identitytoken": "refresh"},
    {"registrytoken": "bearer"},
    {"username": None, "registryToken": "bearer", "identitytoken": None},
    {},
    None,
    {"serveraddress": "elsewhere.test", "username": "u"},
)
MALFORMED: tuple[Any, ...] = (
    *({"auth": text} for text in ("!!!", "dTpw=", "dTp", "dT=pw", "====", basic("nocolon"), basic(":p"), "dTpw dTpw")),
    *({"auth": 7}, {"username": ["u"]}, {"password": {}}, "text", 7, [], True),
)
KEYS = (
    *(
        "reg.test",
        "https://reg.test",
        "http://reg.test/",
        "https://reg.test/v1/",
        "reg.test/v2/",
        "https://reg.test/v2",
    ),
    *("reg.test:5000", "https://reg.test:5000", "http://reg.test:5000/v1/", "https://u@reg.test", "REG.test"),
    *("https://index.docker.io/v1/", "other.test", "https://other.test?x=1", "xreg.test", "ftp://other.test", ""),
)


def test_what_is_hard_to_read_is_read_alike(judge: Judge, ours: Callable[[Case], Answer]) -> None:
    dice = random.Random(17)
    cases = []
    for _ in range(4000):
        # docker/cli takes any one of several keys for a host, and s3c the first: one of each host is compared.
        keys = dice.sample(KEYS, dice.randint(1, 4))
        if len({re.sub(r"^\w+://(\w+@)?|[/?].*", "", key) for key in keys}) < len(keys):
            continue
        document: dict[str, Any] = {"auths": {key: dice.choice(ENTRIES) for key in keys}}
        if dice.random() < 0.3:
            document["credHelpers"] = dict.fromkeys(dice.sample(KEYS, 2), "")
        if dice.random() < 0.2:
            document["experimental" if dice.random() < 0.5 else "psFormat"] = "x"
        variable = {"auths": {key: dice.choice([*ENTRIES, *MALFORMED]) for key in dice.sample(KEYS, 1)}}
        cases.append(Case(json.dumps(document), json.dumps(variable) if dice.random() < 0.4 else ""))
    answers = judge(cases)
    assert len(cases) > 2000
    different = [
        (case, answer, ours(case)) for case, answer in zip(cases, answers, strict=True) if ours(case) != answer
    ]
    assert not different, "\n".join(map(repr, different[:12])) + str(len(different))


def test_what_docker_refuses_fails_for_that_registry(judge: Judge, ours: Callable[[Case], Answer]) -> None:
    """docker/cli gives up the whole file; of the other registries s3c reads what is there."""
    cases = [Case(json.dumps({"auths": {"other.test": {"auth": basic("u:p")}, "reg.test": bad}})) for bad in MALFORMED]
    assert judge(cases) == [REFUSED] * len(cases)
    nothing = ("", "", "", "")
    wanted = [FAILED, nothing, ("u", "p", "", ""), nothing, nothing]
    assert [ours(case) for case in cases] == [wanted] * len(cases)


@pytest.mark.parametrize("document", ['{"auths":[]}', '{"credHelpers":7}', '{"credsStore":{}}', '{"auths":', "[]", "7"])
def test_a_file_of_another_form_is_refused_alike(judge: Judge, ours: Callable[[Case], Answer], document: str) -> None:
    assert [judge([Case(document)])[0], ours(Case(document))] == [REFUSED, REFUSED]


@pytest.mark.parametrize("helper", [*HELPERS, "absent", ""])
@pytest.mark.parametrize("auths", [{}, {"reg.test": {"registrytoken": "bearer"}}, {"reg.test": {}}])
def test_helpers_are_asked_alike(judge: Judge, ours: Callable[[Case], Answer], helper: str, auths: Any) -> None:
    cases = [
        Case(json.dumps({"credsStore": helper, "auths": auths})),
        Case(json.dumps({"credHelpers": {"reg.test": helper, "https://index.docker.io/v1/": helper}, "auths": auths})),
        Case(json.dumps({"credsStore": "good", "credHelpers": {"reg.test": helper, "other.test": ""}})),
        Case(json.dumps({"credsStore": helper}), json.dumps({"auths": {"reg.test": {"auth": basic("u:p")}}})),
    ]
    assert [ours(case) for case in cases] == judge(cases)


def test_a_helper_that_fails_is_named_with_its_words(path: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"credHelpers":{"reg.test":"broken"}}')
    with pytest.raises(OutsideError, match=r"docker-credential-broken.*failed.*docker login reg\.test") as caught:
        DockerConfig({"DOCKER_CONFIG": str(tmp_path), "PATH": path}).look_up("reg.test")
    assert caught.value.original == "something failed"


def test_programs_are_given_what_the_store_has_where_they_do_not_ask_it(path: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"credsStore":"good"}')
    environment = {"DOCKER_CONFIG": str(tmp_path), "PATH": path}
    hidden: list[str] = []
    given = {"reg.test": Credentials(username="g", password="h")}
    logins = Logins(environment=environment, given=given, hide=hidden.append)
    variables = open_program_login(logins, ["reg.test", "other.test"], tmp_path)()
    document = json.loads((Path(variables["DOCKER_CONFIG"]) / "config.json").read_text())
    assert document["auths"] == {
        "reg.test": {"auth": basic("g:h")},
        "other.test": {"auth": basic("helped:of other.test")},
    }
    assert document.get("credsStore") is None
    assert "of other.test" in hidden
