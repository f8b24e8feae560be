"""Translation of Microsoft Entra ID's errors, by AADSTS code, into what to do.

https://learn.microsoft.com/entra/identity-platform/reference-error-codes
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from s3c_actions.core.errors import OutsideError, S3CError
from s3c_actions.core.explain import Case, explain

CLOCK_TOLERANCE = 120.0
"""Seconds that this machine's clock may be off before it is reported."""


class LoginAttempt(msgspec.Struct, frozen=True, kw_only=True):
    """A login, for the text of its error.

    Attributes:
        tenant, client: ids; may be empty.
        claims: `iss`, `sub` and `aud` of the outside token that was to be exchanged; empty without one.
    """

    tenant: str = ""
    client: str = ""
    authority: str = ""
    claims: Mapping[str, str] | None = None


_FEDERATION = """az ad app federated-credential create --id {client} --parameters \
'{"name": "s3c", "issuer": "{iss}", "subject": "{sub}", "audiences": ["{aud}"]}'"""
# The patterns match the digits after AADSTS.
CASES = (
    Case(
        pattern=r"\A(?:700024|500133)\Z",
        what="Microsoft Entra ID did not accept the outside token: it is not within its time of validity.",
        cause="It had expired when it was used, or a clock is wrong.",
        remedy="Run it again. s3c asks for a fresh token each time; a file that `AZURE_FEDERATED_TOKEN_FILE` names "
        "has to be kept fresh by whoever writes it.",
    ),
    Case(
        pattern=r"\A700213\Z",
        what="The application {client} does not trust this workflow: no federated credential of it has the "
        "subject {sub}.",
        cause="The subject names repository and branch, tag, environment or `pull_request`; this run has another. "
        "{form}",
        remedy="Add it, or run where the credential allows:\n" + _FEDERATION,
    ),
    Case(
        pattern=r"\A700212\Z",
        what="The application {client} does not trust this token: no federated credential of it has the "
        "audience {aud}.",
        cause="The credential was made for another cloud, or for another audience.",
        remedy="Look at `azure-cloud`, or add the audience:\n" + _FEDERATION,
    ),
    Case(
        pattern=r"\A(?:700211|70021)\Z",
        what="The application {client} does not trust this token's issuer and subject: {iss}, {sub}.",
        cause="It has no federated credential for them, or it was added a moment ago. {form}",
        remedy="Add it, and wait a minute:\n" + _FEDERATION,
    ),
    Case(
        pattern=r"\A(?:5002710|50013|700027|7000272)\Z",
        what="Microsoft Entra ID could not check the outside token's signature.",
        cause="It cannot read the issuer's keys, or the token is damaged or from another issuer than it says.",
        remedy="Look at whether the issuer {iss} answers from the internet.",
    ),
    Case(
        pattern=r"\A700016\Z",
        field="client-id",
        what="there is no application {client} in the tenant {tenant}.",
        cause="The id is misspelt, is an object's id, or belongs to another tenant.",
        remedy="Give the application (client) id, and the tenant it is in as `tenant-id`.",
    ),
    Case(
        pattern=r"\A(?:7000112|7000113)\Z",
        field="client-id",
        what="the application {client} is disabled or may not be used so.",
        cause="Somebody switched its sign-in off.",
        remedy="Enable the enterprise application, or use another one.",
    ),
    Case(
        pattern=r"\A(?:90002|900023|90013|900021)\Z",
        field="tenant-id",
        what="there is no tenant {tenant} at {authority}.",
        cause="The id is misspelt, or the tenant is in another cloud.",
        remedy="Give the directory (tenant) id as `tenant-id`, and its cloud as `azure-cloud`.",
    ),
    Case(
        pattern=r"\A(?:500011|500014|650057)\Z",
        what="The service asked for is not known in the tenant {tenant}.",
        cause="The vault, registry or cluster belongs to another tenant or cloud, or the service was never used in "
        "this one.",
        remedy="Look at `tenant-id` and `azure-cloud`.",
    ),
    Case(
        pattern=r"\A(?:7000215|7000222)\Z",
        what="The client secret of {client} is wrong or has expired.",
        cause="`AZURE_CLIENT_SECRET` holds the secret's id in place of its value, or one that ended.",
        remedy="Make a new one, or better a federated credential, which needs no secret.",
    ),
    Case(
        pattern=r"\A(?:53003|530003|530035)\Z",
        what="A conditional access policy of the tenant {tenant} forbids this login.",
        cause="It comes from a network or a kind of identity that the policy leaves out.",
        remedy="Ask the tenant's administrator to allow this workload identity.",
    ),
    Case(
        pattern=r"\A(?:50196|90033|90055|50058|90025)\Z",
        what="Microsoft Entra ID is busy or has a fault.",
        cause="It throttles this tenant, or has an outage.",
        remedy="Try again later.",
    ),
)


_GITHUB_SUBJECT = re.compile(
    r"\Arepo:(?P<owner>[^/@:]{1,100})(?P<ids>@\d{1,20})?/(?P<name>[^/@:]{1,100})(?:@\d{1,20})?(?P<rest>:.*)\Z",
    re.DOTALL,
)


def describe_subject_form(subject: str) -> str:
    """Sentences on whether a GitHub subject holds the ids of owner and repository, and which one does not match it.

    GitHub issues one of two forms for a repository and Entra compares them to the letter:
    https://docs.github.com/en/actions/reference/security/oidc#immutable-subject-claims

    Returns: text for a cause; empty for the subject of another issuer, or of a customized template.
    """
    match = _GITHUB_SUBJECT.match(subject)
    if match is None:
        return ""
    owner, name, rest = match["owner"], match["name"], match["rest"]
    if match["ids"]:
        return (
            "It holds the ids of owner and repository, as GitHub issues it for every repository made, renamed or "
            f"transferred since 15 July 2026: a credential for repo:{owner}/{name}{rest}, without the ids, does not "
            "match it. With infra/terraform, set `github_subject_prefix` to "
            f"{subject.removesuffix(rest)} and apply."
        )
    return (
        "It holds no ids of owner and repository, as GitHub issues it for older repositories: a credential for "
        f"repo:{owner}@OWNER_ID/{name}@REPOSITORY_ID{rest} does not match it. With infra/terraform, set "
        "`github_subject_prefix` to what this prints, and apply: "
        f"gh api repos/{owner}/{name}/actions/oidc/customization/sub --jq .sub_claim_prefix"
    )


def error_code(message: str) -> str:
    """The AADSTS code in a message, digits alone; empty when there is none."""
    match = re.search(r"AADSTS(\d+)", message)
    return match[1] if match else ""


def translate_login_error(message: str, login: LoginAttempt, now: datetime) -> S3CError:
    """Translate an error message of Entra or of a credential.

    Args:
        message: untrusted.
        login: the attempt.
        now: this machine's time, compared with Entra's when the message holds it.
    """
    code = error_code(message)
    claims = {"iss": "", "sub": "", "aud": "", **(login.claims or {})}
    facts = {
        "client": login.client or "(none)",
        "tenant": login.tenant or "(none)",
        "authority": login.authority,
        "form": describe_subject_form(claims["sub"]),
        **claims,
    }
    original = message[:4000]
    error = explain(code, CASES, facts, original=original)
    if error is not None:
        error.cause = describe_clock(message, now) or error.cause
        return error
    return OutsideError(
        "Azure gave no token.",
        cause="The identity is not set up for this, or Microsoft Entra ID could not be reached."
        if not code
        else f"Microsoft Entra ID refused with AADSTS{code}.",
        remedy=f"Look at https://login.microsoftonline.com/error?code={code}, and at the original below."
        if code
        else "Look at what it said, at `tenant-id` and at `client-id`.",
        original=original,
    )


def describe_clock(message: str, now: datetime) -> str:
    """A sentence on this machine's clock when a message of Entra's holds its own time and they differ; else empty."""
    match = re.search(r"Current time: (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)", message)
    if not match:
        return ""
    return describe_skew(datetime.fromisoformat(match[1]).replace(tzinfo=UTC), now)


def describe_skew(azure_time: datetime, now: datetime) -> str:
    """A sentence on how far this machine's clock is off, empty when it is not; both times with a zone."""
    seconds = (now - azure_time).total_seconds()
    if abs(seconds) < CLOCK_TOLERANCE:
        return ""
    amount = f"{abs(seconds) / 60:.0f} minutes" if abs(seconds) < 7200 else f"{abs(seconds) / 3600:.0f} hours"
    return f"This machine's clock is {amount} {'ahead of' if seconds > 0 else 'behind'} Azure's: set it (NTP)."
