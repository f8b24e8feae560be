"""Entra ID's errors on federated tokens: with what was presented, and the command for each kind of identity."""

from __future__ import annotations

import json
import shlex
from datetime import UTC, datetime

import pytest

from s3c_actions.azure.clouds import CLOUDS
from s3c_actions.azure.login_errors import LoginAttempt, translate_login_error
from s3c_actions.core.errors import S3CError

CLIENT = "1f2d3c4b-0000-4000-8000-5a6b7c8d9e0f"
ISSUER, SUBJECT, AUDIENCE = "https://token.actions.githubusercontent.com", "repo:O/n:ref:refs/heads/main", "api://X"
CLAIMS = {"iss": ISSUER, "sub": SUBJECT, "aud": AUDIENCE}
NO_MATCH = "AADSTS{}: No matching federated identity record found for presented assertion {} '{}'. Check your federated"


def translate(message: str, claims: dict[str, str] | None = None, **attempt: str) -> S3CError:
    login = LoginAttempt(tenant="t", claims=claims, **{"client": CLIENT, "authority": "login.example", **attempt})
    return translate_login_error(message, login, datetime.now(UTC))


MISMATCHES = {
    "issuer": NO_MATCH.format(700211, "issuer", ISSUER),
    "audience": NO_MATCH.format(700212, "audience", AUDIENCE),
    "subject": NO_MATCH.format(700213, "subject", SUBJECT),
    "letters": NO_MATCH.format(7002138, "subject", SUBJECT)
    + ". The subject matches with case-insensitive comparison, but not with case-sensitive comparison.",
    "old code": "AADSTS70021: No matching federated identity record found for presented assertion.",
    "a code to come": NO_MATCH.format(7002139, "subject", SUBJECT),
    "none at all": f"AADSTS70025: The client '{CLIENT}'(app) has no configured federated identity credentials.",
}


@pytest.mark.parametrize("kind", MISMATCHES)
def test_a_mismatch_names_what_was_presented_and_both_commands(kind: str) -> None:
    error = translate(MISMATCHES[kind], CLAIMS)
    named = {"audience": [AUDIENCE], "subject": [SUBJECT], "letters": [SUBJECT], "issuer": [ISSUER]}
    for text in (CLIENT, *named.get(kind, [ISSUER, SUBJECT])):
        assert text in error.what
    assert error.original == MISMATCHES[kind]
    lines = [line for line in error.remedy.splitlines() if line.startswith("az ")]
    # The managed identities of infra/terraform come first; they are no applications.
    assert [line.split()[1] for line in lines] == ["identity", "identity", "identity", "ad", "ad"]
    assert f"clientId=='{CLIENT}'" in lines[0]
    for line in (lines[1], lines[3]):
        # Only somebody who is logged in can see whom it trusts; the two subjects are then beside each other.
        assert "federated-credential list" in line
        assert "'[].subject'" in line
    words = shlex.split(lines[2])
    flags = {words[at]: words[at + 1] for at in range(4, len(words), 2)}
    assert flags["--issuer"] == ISSUER
    assert (flags["--subject"], flags["--audiences"]) == (SUBJECT, AUDIENCE)
    parameters = json.loads(shlex.split(lines[4])[-1])
    assert parameters == {"name": "s3c", "issuer": ISSUER, "subject": SUBJECT, "audiences": [AUDIENCE]}


@pytest.mark.parametrize(("kind", "value"), [("issuer", ISSUER), ("audience", AUDIENCE), ("subject", SUBJECT)])
def test_what_the_message_names_is_shown_although_the_token_is_not_known(kind: str, value: str) -> None:
    error = translate(MISMATCHES[kind])
    assert value in error.what
    assert value in error.remedy


def test_what_is_not_known_is_a_placeholder() -> None:
    error = translate("AADSTS70025: It has no configured federated identity credentials.", client="")
    assert "(not known)" in error.what
    assert "--subject SUB" in error.remedy
    assert "--id CLIENT-ID" in error.remedy


@pytest.mark.parametrize("subject", ["repo:o/n:environment:it's $(id) `id`", 'repo:o/n:environment:"; id; "', "a\\b c"])
def test_a_subject_is_one_word_of_the_command(subject: str) -> None:
    """An environment's name may hold anything: what is pasted into a shell runs nothing of it."""
    error = translate(MISMATCHES["subject"], {**CLAIMS, "sub": subject})
    managed, application = (shlex.split(line) for line in error.remedy.splitlines() if "create" in line)
    assert managed[managed.index("--subject") + 1] == subject
    assert json.loads(application[-1])["subject"] == subject


@pytest.mark.parametrize("code", ["700222", "700226"])
def test_a_token_of_entras_own_is_not_exchanged(code: str) -> None:
    error = translate(f"AADSTS{code}: AAD-issued tokens may not be used for federated identity flows.", CLAIMS)
    assert ISSUER in error.what
    assert "federated-credential" not in error.remedy


@pytest.mark.parametrize("cloud", CLOUDS, ids=lambda cloud: cloud.name)
def test_the_page_of_a_code_is_the_clouds(cloud) -> None:
    assert (
        f"https://{cloud.authority}/error?code=999999"
        in translate("AADSTS999999: New.", authority=cloud.authority).remedy
    )


@pytest.mark.parametrize(
    ("message", "what", "remedy"),
    [
        ("AADSTS700082: The refresh token has expired due to inactivity.", "The session of `az login` has ended", ""),
        ("AADSTS50173: The provided grant has expired due to it being revoked.", "The session of `az login`", ""),
        ("AADSTS50076: You must use multi-factor authentication.", "does not suffice any more", ""),
        ("Please run 'az login' to set up an account", "The session of `az login` has ended", ""),
        (
            "AADSTS50020: User account does not exist in tenant.",
            "the account that is logged in is none of the tenant",
            "",
        ),
        (
            "AADSTS700011: Application with identifier x was not found.",
            "no application or managed identity",
            "az ad app",
        ),
        ("AADSTS5000224: We are sorry, this resource is not available.", "there is no tenant t", "azure-cloud"),
        ("AADSTS53000: Device is not in required device state.", "A conditional access policy", "administrator"),
    ],
)
def test_a_person_s_session_and_other_codes_are_told_with_what_to_do(message: str, what: str, remedy: str) -> None:
    error = translate(message)
    assert what in error.what
    assert (remedy or "az login --tenant t`") in error.remedy
    assert "TENANT-ID" not in error.remedy
