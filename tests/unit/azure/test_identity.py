"""Which identity is chosen, and what the error names when there is none."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from s3c_actions.azure import clouds, github_token, login_errors
from s3c_actions.azure.identity import IdentitySettings, choose
from s3c_actions.azure.login_errors import LoginAttempt
from s3c_actions.core.errors import InputError, OutsideError, S3CError
from s3c_actions.core.secrets import Secrets
from s3c_actions.options import azure as inputs
from s3c_actions.options.declare import read

TENANT, CLIENT = "72f988bf-86f1-41af-91ab-2d7cd011db47", "1f2d3c4b-0000-4000-8000-5a6b7c8d9e0f"
IDS = {"AZURE_TENANT_ID": TENANT, "AZURE_CLIENT_ID": CLIENT}
JOB = {"GITHUB_ACTIONS": "true", github_token.URL: "https://issuer.example/?v=1", github_token.TOKEN: "request-token"}
FILE = {"AZURE_FEDERATED_TOKEN_FILE": "/run/token"}
SECRET = {"AZURE_CLIENT_SECRET": "geheim-1"}


def chosen(environment: dict[str, str], *, probe: bool = False, **settings: str) -> str:
    secrets = Secrets()
    identity = choose(IdentitySettings(**settings), environment, secrets, probe=lambda: probe)  # type: ignore[arg-type]
    assert "geheim" not in repr(identity)
    return identity.source


def refused(environment: dict[str, str], *, probe: bool = False, **settings: str) -> S3CError:
    with pytest.raises(S3CError) as caught:
        chosen(environment, probe=probe, **settings)
    return caught.value


@pytest.mark.parametrize(
    ("environment", "source"),
    [
        ({**JOB, **FILE, **SECRET, **IDS}, "github-oidc"),
        ({**FILE, **SECRET, **IDS}, "workload-identity"),
        ({**SECRET, **IDS}, "environment"),
        ({**IDS, "IDENTITY_ENDPOINT": "http://127.0.0.1:1/"}, "managed-identity"),
    ],
)
def test_the_first_that_is_there_is_taken(environment: dict[str, str], source: str) -> None:
    assert chosen(environment) == source


def test_one_that_is_asked_for_is_taken_although_others_are_there() -> None:
    assert chosen({**JOB, **SECRET, **IDS}, source="environment") == "environment"
    assert chosen({**JOB, **IDS}, source="managed-identity", probe=True) == "managed-identity"
    for source in inputs.SOURCES[2:]:
        error = refused({**JOB, **IDS}, source=source)
        assert isinstance(error, InputError)
        assert error.field == "azure-identity"
        assert error.cause


def test_inputs_go_before_the_environment() -> None:
    other = "00000000-0000-4000-8000-000000000000"
    identity = choose(IdentitySettings(tenant=other, client=other), {**JOB, **IDS}, Secrets())
    assert (identity.tenant, identity.client) == (other, other)


def test_az_counts_when_somebody_is_logged_in(tmp_path: Path) -> None:
    program = tmp_path / "az"
    program.write_text("")
    program.chmod(0o755)
    here = {"PATH": str(tmp_path), "HOME": str(tmp_path)}
    assert isinstance(refused(here), OutsideError)
    profile = tmp_path / ".azure" / "azureProfile.json"
    profile.parent.mkdir()
    for text in ("", "{}", '{"subscriptions": []}'):
        profile.write_text(text)
        assert isinstance(refused(here), OutsideError)
    profile.write_text(json.dumps({"subscriptions": [{"id": "1"}]}), encoding="utf-8-sig")
    assert chosen(here) == "azure-cli"


def test_runners_of_githubs_own_have_a_metadata_service_and_no_identity() -> None:
    error = refused({"GITHUB_ACTIONS": "true", "RUNNER_ENVIRONMENT": "github-hosted"}, probe=True)
    assert "id-token: write" in error.remedy
    assert chosen({"GITHUB_ACTIONS": "true", "RUNNER_ENVIRONMENT": "self-hosted"}, probe=True) == "managed-identity"


def test_what_is_missing_is_named() -> None:
    assert "az login" in refused({}).remedy
    for environment, field in (
        (JOB, "tenant-id"),
        ({**JOB, "AZURE_TENANT_ID": TENANT}, "client-id"),
        (FILE, "tenant-id"),
    ):
        error = refused(environment)
        assert isinstance(error, InputError)
        assert error.field == field
    assert "vars.AZURE_CLIENT_ID" in refused(JOB).remedy
    assert "permissions:\n" in refused({"GITHUB_ACTIONS": "true", **IDS}).remedy


def test_secrets_of_the_environment_are_hidden_from_the_first_moment() -> None:
    secrets = Secrets()
    choose(IdentitySettings(), {**JOB, **SECRET, **IDS}, secrets)
    assert secrets.redact("request-token and geheim-1") == "*** and ***"


def test_other_clouds_log_in_elsewhere() -> None:
    by_name = {cloud.name: cloud for cloud in clouds.CLOUDS}
    assert tuple(by_name) == inputs.CLOUD_NAMES
    government = choose(IdentitySettings(cloud=by_name["usgovernment"]), {**JOB, **IDS}, Secrets())
    assert (government.cloud.authority, government.cloud.vaults) == (
        "login.microsoftonline.us",
        "vault.usgovcloudapi.net",
    )
    error = refused({**JOB, **IDS, "AZURE_AUTHORITY_HOST": "https://a b"})
    assert isinstance(error, InputError)
    assert error.field == "authority-host"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("tenant-id", "my tenant"),
        ("client-id", "voting-app"),
        ("azure-cloud", "moon"),
        ("authority-host", "http://x/y"),
        ("azure-identity", "password"),
    ],
)
def test_a_malformed_input_is_named(name: str, text: str) -> None:
    with pytest.raises(InputError) as caught:
        read(inputs.IdentityOptions, {name: text}, {}, lambda _: None)
    assert caught.value.field == name


def test_an_error_that_nobody_knows_is_shown_with_its_code() -> None:
    now = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
    error = login_errors.translate_login_error("AADSTS999999: Something new.", LoginAttempt(), now)
    assert "AADSTS999999" in error.cause
    assert error.original == "AADSTS999999: Something new."


@pytest.mark.parametrize(
    ("subject", "parts"),
    [
        (
            "repo:acme@12/voting@345:environment:signing",
            [
                "repo:acme/voting:environment:signing, without the ids",
                "`github_subject_prefix` to repo:acme@12/voting@345",
            ],
        ),
        (
            "repo:acme/voting:ref:refs/heads/a@1/b",
            [
                "repo:acme@OWNER_ID/voting@REPOSITORY_ID:ref:refs/heads/a@1/b",
                "gh api repos/acme/voting/actions/oidc/customization/sub --jq .sub_claim_prefix",
            ],
        ),
    ],
)
@pytest.mark.parametrize("code", ["700213", "70021", "700211"])
def test_the_form_of_the_presented_subject_is_described(subject: str, parts: list[str], code: str) -> None:
    login = LoginAttempt(client="c", claims={"iss": "i", "sub": subject, "aud": "a"})
    error = login_errors.translate_login_error(f"AADSTS{code}: No matching …", login, datetime.now(UTC))
    assert subject in error.what
    for part in parts:
        assert part in error.cause


@pytest.mark.parametrize(
    "subject",
    ["", "system:serviceaccount:runners:s3c", "repository_owner_id:1:repository_id:2", "repo:acme", "repo:a:b/c:d"],
)
def test_a_subject_that_is_not_of_githubs_default_template_has_no_form(subject: str) -> None:
    assert login_errors.describe_subject_form(subject) == ""


def test_a_clock_that_is_off_is_described() -> None:
    now = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
    message = "AADSTS700024: … Current time: 2026-11-24T11:30:00.1234567Z, assertion valid from …"
    assert "30 minutes ahead of" in login_errors.describe_clock(message, now)
    assert "3 hours behind" in login_errors.describe_skew(datetime(2026, 11, 24, 15, 0, tzinfo=UTC), now)
    assert login_errors.describe_clock(message.replace("11:30", "11:59"), now) == ""


def test_claims_of_what_is_no_token_are_empty() -> None:
    for text in ("", "a.b.c", "a.W10.c", "…"):
        assert github_token.claims(text).get("iss", "") in ("", "None")
