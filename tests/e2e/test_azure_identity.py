"""Who we are at Azure, asked of azure-identity itself against the stand-in of Microsoft Entra ID."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jwt
import pytest

from tests.support.azure.entra import VAULT, Federated, Signer, tokens, without_ids
from tests.support.azure.stage import Azure
from tests.support.azure.stage import azure as staged

# Asks for tokens by the settings on standard input, and tells what came of it.
ASK = """
import json, os, sys, time
from s3c_actions.azure import identity
from s3c_actions.core.errors import S3CError
from s3c_actions.core.secrets import Secrets
asked = json.loads(os.environ["ASKED"])
secrets = Secrets()
try:
    chosen = identity.choose(identity.IdentitySettings(**asked["settings"]), os.environ, secrets)
    given = []
    for scope in asked["scopes"]:
        given.append(chosen.credential.get_token(scope).token)
        time.sleep(asked["pause"])
    hidden = all(secrets.redact(token) == "***" for token in given)
    print(json.dumps({"source": chosen.source, "told": chosen.description, "tokens": given, "hidden": hidden}))
except S3CError as error:
    answer = {"what": error.what, "message": str(error), "exit": int(error.exit_code), "original": error.original}
    print(json.dumps(answer))
"""


@pytest.fixture
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azure]:
    with staged(tmp_path_factory.mktemp("azure")) as stand_ins:
        yield stand_ins


def ask(
    azure: Azure,
    folder: Path,
    environment: dict[str, str],
    settings: Mapping[str, str] | None = None,
    *,
    pause: float = 0,
    times: int = 1,
) -> Any:
    asked = {"settings": settings or {}, "scopes": [f"{VAULT}/.default"] * times, "pause": pause}
    ended = azure.python(folder, ASK, {**environment, "ASKED": json.dumps(asked)})
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""
    return json.loads(ended.stdout)


def own(azure: Azure) -> dict[str, str]:
    """The environment outside of a job."""
    return {name: value for name, value in azure.job.items() if not name.startswith("ACTIONS_")}


def test_a_job_exchanges_its_own_token_for_one_of_entras(azure: Azure, tmp_path: Path) -> None:
    ids = {"tenant": azure.entra.tenant, "client": azure.application.client}
    outcome = ask(azure, tmp_path, azure.job, ids)
    assert (outcome["source"], outcome["hidden"]) == ("github-oidc", True)
    claims = jwt.decode(outcome["tokens"][0], options={"verify_signature": False})
    assert (claims["aud"], claims["appid"]) == (VAULT, azure.application.client)
    (asked,) = tokens(azure.world.sites)
    assert asked.form()["client_assertion"] == azure.github.given[0]
    assert "client_secret" not in asked.form()


def test_a_repository_without_immutable_subjects_logs_in_too(azure: Azure, tmp_path: Path) -> None:
    azure.github.subject = without_ids(azure.github.subject)
    azure.application.federated[:] = [azure.github.federated]
    ids = {"tenant": azure.entra.tenant, "client": azure.application.client}
    assert ask(azure, tmp_path, azure.job, ids)["source"] == "github-oidc"


def test_a_job_that_outlives_its_tokens_asks_with_a_fresh_one_each_time(azure: Azure, tmp_path: Path) -> None:
    azure.entra.token_lifetime, azure.github.lifetime = 5, 5
    ids = {"tenant": azure.entra.tenant, "client": azure.application.client}
    outcome = ask(azure, tmp_path, azure.job, ids, pause=5.1, times=3)
    assert len(set(outcome["tokens"])) == 3
    assertions = [request.form()["client_assertion"] for request in tokens(azure.world.sites)]
    assert assertions == azure.github.given
    assert len(set(assertions)) == 3


def test_a_workload_identity_reads_its_file_each_time(azure: Azure, tmp_path: Path) -> None:
    cluster = Signer("https://oidc.prod-aks.azure.com/abc/")
    azure.entra.issuers[cluster.issuer] = cluster.jwks
    subject = "system:serviceaccount:runners:s3c"
    azure.application.federated.append(Federated(cluster.issuer, subject))
    file = tmp_path / "token"
    file.write_text(cluster.issue({"sub": subject, "aud": "api://AzureADTokenExchange"}, 60, time.time()))
    environment = own(azure) | {
        "AZURE_FEDERATED_TOKEN_FILE": str(file),
        "AZURE_CLIENT_ID": azure.application.client,
        "AZURE_TENANT_ID": azure.entra.tenant,
    }
    assert ask(azure, tmp_path, environment)["source"] == "workload-identity"
    file.write_text(cluster.issue({"sub": subject, "aud": "api://AzureADTokenExchange"}, -1, time.time()))
    expired = ask(azure, tmp_path, environment)
    assert "AZURE_FEDERATED_TOKEN_FILE" in expired["message"]
    assert "AADSTS700024" in expired["original"]
    file.unlink()
    assert f"{file} cannot be read" in ask(azure, tmp_path, environment)["what"]


def test_a_secret_in_the_environment(azure: Azure, tmp_path: Path) -> None:
    application = azure.entra.add(secret="geheim-77")
    environment = own(azure) | {
        "AZURE_CLIENT_ID": application.client,
        "AZURE_TENANT_ID": azure.entra.tenant,
        "AZURE_CLIENT_SECRET": "geheim-77",
    }
    outcome = ask(azure, tmp_path, environment)
    assert (outcome["source"], "geheim" in json.dumps(outcome)) == ("environment", False)
    wrong = ask(azure, tmp_path, {**environment, "AZURE_CLIENT_SECRET": "falsch-88"})
    assert "wrong or has expired" in wrong["what"]
    assert "falsch-88" not in json.dumps(wrong)


def test_the_session_that_azure_login_leaves(
    azure: Azure, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    token = azure.entra.access_token(azure.application, VAULT)
    # Outside of the working folder, from which no program is taken.
    program = tmp_path_factory.mktemp("bin") / "az"
    # What `az account get-access-token --output json` prints.
    answer = {"accessToken": token, "expires_on": int(time.time()) + 3600, "tokenType": "Bearer"}
    program.write_text(f"#!/bin/sh\necho \"$*\" >{tmp_path}/asked\ncat <<'END'\n{json.dumps(answer)}\nEND\n")
    program.chmod(0o755)
    (tmp_path / "azureProfile.json").write_text(json.dumps({"subscriptions": [{"id": "1"}]}), encoding="utf-8-sig")
    environment = own(azure)
    environment |= {"PATH": f"{program.parent}:{environment['PATH']}", "AZURE_CONFIG_DIR": str(tmp_path)}
    outcome = ask(azure, tmp_path, environment)
    assert (outcome["source"], outcome["tokens"]) == ("azure-cli", [token])
    assert f"--resource {VAULT}" in (tmp_path / "asked").read_text()


def test_the_managed_identity_of_this_machine(azure: Azure, tmp_path: Path) -> None:
    azure.entra.managed = azure.application
    assert ask(azure, tmp_path, own(azure))["source"] == "managed-identity"
    # Is this machine Azure's? Then the token.
    instance, asked = azure.world.sites.asked("169.254.169.254")
    assert (instance.path, instance.headers["metadata"]) == ("/metadata/instance", "true")
    assert (asked.query["resource"], asked.headers["metadata"]) == (VAULT, "true")


# What is changed on the stand-in or in the settings, the exit code, and what the error has to hold.
@pytest.mark.parametrize(
    ("change", "code", "expected"),
    [
        (
            "subject",
            3,
            [
                "does not trust this workflow",
                "repo:org@9919/voting-app@1296269:pull_request",
                "federated-credential create",
            ],
        ),
        (
            "old form trusted",
            3,
            [
                "repo:org@9919/voting-app@1296269:ref:refs/heads/main",
                "repo:org/voting-app:ref:refs/heads/main, without",
            ],
        ),
        (
            "new form trusted",
            3,
            [
                "subject repo:org/voting-app:ref:refs/heads/main",
                "repo:org@OWNER_ID/voting-app@REPOSITORY_ID:",
                "gh api",
            ],
        ),
        ("issuer", 3, ["https://token.actions.githubusercontent.com", "federated-credential create"]),
        ("audience", 3, ["has the audience api://AzureADTokenExchange", "azure-cloud"]),
        ("client", 2, ["client-id: there is no application", "application (client) id"]),
        ("tenant", 2, ["tenant-id: there is no tenant", "azure-cloud"]),
        ("service", 3, ["is not known in the tenant", "tenant-id"]),
        ("expired", 3, ["not within its time of validity", "fresh token"]),
        ("signature", 3, ["could not check the outside token's signature"]),
        ("clock", 3, ["clock is 15 minutes behind Azure's"]),
    ],
)
def test_what_entra_refuses_is_told(change: str, code: int, expected: list[str], azure: Azure, tmp_path: Path) -> None:
    settings = {"tenant": azure.entra.tenant, "client": azure.application.client}
    trusted = azure.github.federated
    if change == "subject":
        azure.github.subject = "repo:org@9919/voting-app@1296269:pull_request"
    elif change == "old form trusted":
        azure.application.federated[:] = [Federated(trusted.issuer, without_ids(trusted.subject))]
    elif change == "new form trusted":
        azure.github.subject = without_ids(trusted.subject)
    elif change == "issuer":
        azure.application.federated.clear()
    elif change == "audience":
        azure.application.federated[:] = [Federated(trusted.issuer, trusted.subject, "api://other")]
    elif change == "client":
        settings["client"] = "00000000-0000-4000-8000-000000000000"
    elif change == "tenant":
        settings["tenant"] = "00000000-0000-4000-8000-000000000000"
    elif change == "service":
        azure.entra.resources.remove(VAULT)
    elif change == "expired":
        azure.github.lifetime = -1
    elif change == "signature":
        azure.entra.issuers[trusted.issuer] = Signer(trusted.issuer, kid=azure.github.signer.kid).jwks
    else:
        azure.entra.offset = 900
    error = ask(azure, tmp_path, azure.job, settings)
    assert error["exit"] == code
    for words in expected:
        assert words in error["message"]
    assert not any(secret in json.dumps(error) for secret in azure.written())


def test_a_job_that_may_not_ask(azure: Azure, tmp_path: Path) -> None:
    ids = {"tenant": azure.entra.tenant, "client": azure.application.client}
    error = ask(azure, tmp_path, own(azure) | {"GITHUB_ACTIONS": "true", "RUNNER_ENVIRONMENT": "github-hosted"}, ids)
    assert error["exit"] == 2
    assert "permissions:\n  contents: read\n  id-token: write" in error["message"]
    stale = azure.job | {"ACTIONS_ID_TOKEN_REQUEST_TOKEN": "stale-token"}
    error = ask(azure, tmp_path, stale, ids)
    assert (error["exit"], error["original"]) == (3, "HTTP 401 Unauthorized")
    assert azure.entra.given == []
