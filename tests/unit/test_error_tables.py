"""The tables of known errors: a recorded or a given output hits each row, and no pattern hangs on hostile text."""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import s3c_actions
from s3c_actions.azure import container_registry, kubernetes_service, login_errors, vault_errors
from s3c_actions.azure.transport import Reply
from s3c_actions.cluster import client, denials
from s3c_actions.core import explain
from s3c_actions.core.errors import OutsideError, S3CError
from s3c_actions.core.explain import EXAMINED, Case
from s3c_actions.core.process import CompletedProgram, ProgramFailed
from s3c_actions.core.reference import Reference
from s3c_actions.github import errors as github_errors
from s3c_actions.programs.buildkit import errors as buildkit_errors
from s3c_actions.programs.containers import errors as container_errors
from s3c_actions.programs.copa import errors as copa_errors
from s3c_actions.programs.docker import errors as docker_errors
from s3c_actions.programs.helm import errors as helm_errors
from s3c_actions.programs.install import errors as install_errors
from s3c_actions.programs.notation import errors as notation_errors
from s3c_actions.programs.trivy import errors as trivy_errors
from s3c_actions.registry.connection import Connection
from s3c_actions.registry.credentials import Logins
from tests.support import DATA
from tests.support.failures import GITHUB, GIVEN, RESOURCE_MANAGER, VAULT, Answer

IMAGE = Reference.parse("localhost:5000/app@sha256:" + "0" * 64)


def tables() -> Iterator[tuple[str, tuple[Case, ...]]]:
    """Every tuple of cases in the package, by the name of its module and its own."""
    for module in pkgutil.walk_packages(s3c_actions.__path__, "s3c_actions."):
        if module.name.endswith("__main__"):
            continue
        for name, value in vars(importlib.import_module(module.name)).items():
            if isinstance(value, tuple) and value and all(isinstance(entry, Case) for entry in value):
                yield f"{module.name}.{name}", value


TABLES = dict(tables())
ROWS = [pytest.param(case, id=f"{name}[{at}]") for name, cases in TABLES.items() for at, case in enumerate(cases)]


def completed(stderr: str, stdout: str = "") -> CompletedProgram:
    return CompletedProgram(argv=("program",), code=1, stdout=stdout, stderr=stderr, seconds=1.0)


def trivy(text: str) -> S3CError:
    context = trivy_errors.ErrorContext(image="example.com/app:1", cache=Path("cache"))
    return trivy_errors.translate(text, context)


def notation(text: str) -> S3CError:
    return notation_errors.not_signed(completed(text))


def verified(text: str) -> S3CError:
    return notation_errors.not_verified(completed(text))


def gate(text: str) -> S3CError:
    denied = 'admission webhook "validation.gatekeeper.sh" denied the request: [s3c] example.com/app is not trusted: '
    (denial,) = denials.parse(text if "webhook" in text else denied + text)
    return OutsideError(denial.reason, remedy=denial.remedy)


def refused(text: str) -> S3CError:
    cluster = client.Cluster(None, address="https://k.example.test")  # type: ignore[arg-type]  # it only translates
    return cluster._translate_status("PATCH", "/api", 422, json.dumps({"reason": "Invalid", "message": text}))


def login(text: str) -> S3CError:
    who = login_errors.LoginAttempt(tenant="t", client="c", authority="a", claims={"iss": "i", "sub": "s", "aud": "u"})
    return login_errors.translate_login_error(text, who, datetime.now(UTC))


VAULT_CONTEXT = vault_errors.VaultContext(vault="v.vault.azure.net", certificate="signing", client="c")


def vault(answer: Answer) -> S3CError:
    response = SimpleNamespace(text=lambda: json.dumps({"error": answer.error}))
    error: Any = SimpleNamespace(status_code=answer.status, response=response, message="")
    return vault_errors.translate_vault_error(error, VAULT_CONTEXT, 6)


IDENTITY: Any = SimpleNamespace(description="an identity", tenant="t", client="c")


def cluster(answer: Answer) -> S3CError:
    which = kubernetes_service.AksCluster(subscription="s", group="g", name="n")
    return kubernetes_service._refusal_error(
        which, IDENTITY, Reply(answer.status, {}, json.dumps({"error": answer.error}), 1)
    )


def registry_login(text: str) -> S3CError:
    status, _, rest = text.partition(" ")
    code, _, message = rest.partition(": ")
    body = json.dumps({"errors": [{"code": code, "message": message}]})
    return container_registry._exchange_error("reg.azurecr.io", IDENTITY, "t", Reply(int(status), {}, body, 1))


def registry_write(text: str) -> S3CError:
    status, _, rest = text.partition(" ")
    code, _, message = rest.partition(": ")
    response: Any = SimpleNamespace(
        status_code=int(status),
        iter_content=lambda _: iter([json.dumps({"errors": [{"code": code, "message": message}]}).encode()]),
        close=lambda: None,
    )
    connection = Connection(logins=Logins(environment={}), insecure=False, timeout=1, retries=0)
    return connection._http_error(IMAGE.tagged("1"), response, writes=True)


def github(answer: Answer) -> S3CError:
    error = SimpleNamespace(status=answer.status, headers={}, data=answer.error)
    return github_errors._translate_answer(error, "The comment could not be written", "pull-requests: write")


TRANSLATE: dict[str, Callable[[str], S3CError]] = {
    "trivy": trivy,
    "buildkit": lambda text: buildkit_errors.not_started(text, "docker.io/moby/buildkit:v0"),
    "docker save": lambda text: docker_errors.not_saved(text, "app:1", "before"),
    "containers": lambda text: container_errors.not_run(text, "Docker"),
    "copa": lambda text: copa_errors.translate(completed(text), IMAGE, 60.0),
    "notation sign": notation,
    "notation verify": verified,
    "notation reject": lambda text: notation_errors.rejection([text]),
    "helm": lambda text: helm_errors.not_installed("ratify", Path("chart"), "gatekeeper-system", text),
    "helm uninstall": lambda text: helm_errors.not_uninstalled("ratify", "gatekeeper-system", text),
    "go": lambda text: install_errors.not_built("It failed.", ProgramFailed(completed(text))),
    "entra": login,
    "key vault network": lambda text: vault_errors._unreachable_error(OSError(text), VAULT_CONTEXT, 4),
    "registry login": registry_login,
    "registry write": registry_write,
    "registry login network": lambda text: container_registry._unreachable_error("reg.azurecr.io", OSError(text), 4),
    "gate": gate,
    "api server": refused,
}


def recorded() -> Iterator[tuple[str, str]]:
    """Program and output, of every recording of a failure."""
    for path in sorted((DATA / "trivy").glob("*.txt")):
        yield "trivy", path.read_text()
    for path in sorted((DATA / "copa").glob("*.stderr")):
        yield "copa", path.read_text()
    for path in sorted((DATA / "notation").glob("*.json")):
        recording = json.loads(path.read_text())
        kind = "notation sign" if path.stem.startswith("sign") else "notation verify"
        yield kind, f"{recording['stderr']}\n{recording['stdout']}"
    for path in sorted((DATA / "gate").glob("*.txt")):
        yield "gate", path.read_text().strip()


def errors() -> Iterator[S3CError]:
    for program, text in [*recorded(), *((program, text) for program, texts in GIVEN.items() for text in texts)]:
        yield TRANSLATE[program](text)
    for answers, translate in ((VAULT, vault), (RESOURCE_MANAGER, cluster), (GITHUB, github)):
        for answer in answers:
            yield translate(answer)


def test_every_row_is_hit_by_a_recorded_or_a_given_output(monkeypatch: pytest.MonkeyPatch) -> None:
    hit: set[int] = set()
    match = explain.match

    def recording(text: str, case: Case, flags: int = 0, **more: Any) -> dict[str, str] | None:
        groups = match(text, case, flags, **more)
        if groups is not None:
            hit.add(id(case))
        return groups

    monkeypatch.setattr(explain, "match", recording)
    assert len(list(errors())) > len(list(recorded()))
    dead = [f"{name}: {case.pattern}" for name, cases in TABLES.items() for case in cases if id(case) not in hit]
    assert dead == []


def test_every_place_in_a_message_is_filled() -> None:
    messages = [text for error in errors() for text in (error.what, error.cause, error.remedy)]
    assert [text for text in messages if explain._PLACE.search(text)] == []


def test_the_tables_are_where_they_are_looked_for() -> None:
    assert {name.rpartition(".")[0].removeprefix("s3c_actions.") for name in TABLES} == {
        "azure.container_registry",
        "azure.kubernetes_service",
        "azure.login_errors",
        "azure.vault_errors",
        "cluster.denials",
        "cluster.refusals",
        "github.errors",
        "programs.buildkit.errors",
        "programs.containers.errors",
        "programs.copa.errors",
        "programs.docker.errors",
        "programs.helm.errors",
        "programs.install.errors",
        "programs.notation.errors",
        "programs.trivy.errors",
        "registry.connection",
    }


@pytest.mark.slow
@pytest.mark.parametrize("case", ROWS)
def test_a_pattern_ends_on_hostile_text(case: Case) -> None:
    words = re.sub(r"\\[AZbSswd]|\(\?P?<?\w*>?:?|[\\^$*+?{}()\[\]]", " ", case.pattern + " " + case.also)
    parts = sorted({part.strip() + " " for part in words.replace("|", "\n").split("\n") if part.strip()})
    began = time.process_time()
    for text in (*parts, "".join(parts), words.replace("|", " "), 'error: "', "a: ", "notation-", "://", " "):
        explain.explain(text * (EXAMINED * 2 // len(text)), [case], flags=re.DOTALL | re.IGNORECASE)
    assert time.process_time() - began < 10.0


@pytest.mark.parametrize("code", ["401", "403", "404", "429"])
@pytest.mark.parametrize("program", ["trivy", "copa"])
def test_a_status_in_a_digest_a_port_a_version_or_a_name_is_none(program: str, code: str) -> None:
    digest = f"sha256:ab{code}c" + "0" * (64 - 3 - len(code))
    translate = TRANSLATE[program]
    plain = translate("Error: something else").what
    for text in (
        f"example.com/app@{digest}: something else",
        f"example.com/v{code}/app@sha256:{code}{'1' * 61}: something else",
        f"dial tcp 192.0.2.1:{code}: something else",
        f"package 1.{code}.2-{code} was something else",
        f"layer {code * 6}: something else",
    ):
        assert translate(f"Error: {text}").what == plain
    for text in (
        f"status code {code}",
        f"unexpected status: {code} Text",
        f"it answered ({code}): no",
        f"HTTP {code}.",
    ):
        assert (translate(f"Error: {text}").what != plain) is (program == "trivy" or code in {"401", "403"}), text


@pytest.mark.parametrize("name", ["denied", "unauthorized", "x509-app", "policy-server", "rego", "no-certificate"])
def test_the_name_of_an_image_is_no_sign_of_an_error(name: str) -> None:
    image = f"registry.example/{name}"
    context = trivy_errors.ErrorContext(image=f"{image}:1", cache=Path("cache"))
    assert trivy_errors.translate(f"{image}:1: something else", context).what == "Trivy failed."
    reference = Reference.parse(f"{image}@sha256:" + "0" * 64)
    assert copa_errors.translate(completed(f"Error: {reference}: x"), reference, 1).what.startswith("Copa could not")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('process "/bin/sh -c apt-get install x" did not complete successfully: no space left on device', "disk space"),
        ("patch failed: GPG error: http://mirror.example bookworm InRelease: EXPKEYSIG 0E98404D386FA1D9", "signature"),
        ('process "/bin/sh -c dnf upgrade" did not complete successfully: Error: GPG check FAILED', "signature"),
        ('process "/bin/sh -c apt-get update" did not complete successfully: exit code: 100', "package manager"),
    ],
)  # fmt: skip
def test_of_several_signs_the_cause_counts(text: str, what: str) -> None:
    assert what in TRANSLATE["copa"](f"Error: {text}").what
