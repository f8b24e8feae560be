"""Translation of Microsoft Entra ID's errors, by AADSTS code, into what to do.

https://learn.microsoft.com/entra/identity-platform/reference-error-codes
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from s3c_actions.azure import clouds
from s3c_actions.core.errors import OutsideError, S3CError
from s3c_actions.core.explain import Case, explain

_PRESENTED = re.compile(r"presented assertion (issuer|subject|audience) '([^'\n]{1,1000})'")
_CLAIMS = {"issuer": "iss", "subject": "sub", "audience": "aud"}
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
        what="The identity {client} does not trust this workflow: no federated credential of it has the subject {sub}.",
        cause="The subject names repository and branch, tag, environment or `pull_request`; this run has another. "
        "{form}",
        remedy="Add it, or run where a credential allows:\n{federation}",
    ),
    Case(
        pattern=r"\A7002138\Z",
        what="The identity {client} trusts the subject {sub} in other letters: upper and lower case count.",
        cause="Its federated credential writes owner, repository, branch or environment otherwise.",
        remedy="Write them as GitHub does, in a credential for exactly this subject:\n{federation}",
    ),
    Case(
        pattern=r"\A700212\Z",
        what="The identity {client} does not trust this token: no federated credential of it has the audience {aud}.",
        cause="The credential was made for another cloud, or for another audience.",
        remedy="Look at `azure-cloud`, or add the audience:\n{federation}",
    ),
    Case(
        pattern=r"\A70025\Z",
        what="The identity {client} has no federated credential at all; the token has issuer {iss}, subject {sub}.",
        cause="None was created for it, or `client-id` is another identity's, or it was added a moment ago.",
        remedy="Look at `client-id`, or add one, and wait a minute:\n{federation}",
    ),
    Case(
        pattern=r"\A70021\d{0,3}\Z",
        what="The identity {client} does not trust this token: issuer {iss}, subject {sub}, audience {aud}.",
        cause="It has no federated credential for them, or it was added a moment ago. {form}",
        remedy="Add it, and wait a minute:\n{federation}",
    ),
    Case(
        pattern=r"\A70022[26]\Z",
        what="Microsoft Entra ID does not exchange a token that it issued itself: issuer {iss}, subject {sub}.",
        cause="The token is a user's or an application's; those of other issuers are exchanged, and a managed "
        "identity's.",
        remedy="Use the OIDC token of GitHub or of the cluster, or choose another source with `azure-identity`.",
    ),
    Case(
        pattern=r"\A(?:5002710|50013|700027|7000272)\Z",
        what="Microsoft Entra ID could not check the outside token's signature.",
        cause="It cannot read the issuer's keys, or the token is damaged or from another issuer than it says.",
        remedy="Look at whether the issuer {iss} answers from the internet.",
    ),
    Case(
        pattern=r"\A70001[16]\Z",
        field="client-id",
        what="there is no application or managed identity {client} in the tenant {tenant}.",
        cause="The id is misspelt, is an object's (principal's) id, or belongs to another tenant.",
        remedy="Give the application (client) id, of a managed identity its client id, and the tenant as `tenant-id`:\n"
        "az identity list --query '[].{name: name, client: clientId, tenant: tenantId}' --output table\n"
        "az ad app list --all --query '[].{name: displayName, client: appId}' --output table   # an application",
    ),
    Case(
        pattern=r"\A(?:7000112|7000113)\Z",
        field="client-id",
        what="the identity {client} is disabled or may not be used so.",
        cause="Somebody switched the sign-in of its service principal off.",
        remedy="Enable it, or use another one:\naz ad sp update --id {client} --set accountEnabled=true",
    ),
    Case(
        pattern=r"\A(?:90002|900023|90013|900021|5000224|900382)\Z",
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
        pattern=r"\A5300(?:\d|0\d|3\d)\Z",
        what="A conditional access policy of the tenant {tenant} forbids this login.",
        cause="It comes from a network, a device or a kind of identity that the policy leaves out.",
        remedy="Ask the tenant's administrator to allow this workload identity.",
    ),
    Case(
        pattern=r"\A(?:700082|700084|70043|50173|50132|50133|5007[4689])\Z|(?i:\baz login\b)",
        what="The session of `az login` has ended, or does not suffice any more.",
        cause="It was unused for too long or revoked, a password was changed, or the tenant asks for a second factor.",
        remedy="Run `az login --tenant {tenant_option}` anew.",
    ),
    Case(
        pattern=r"\A(?:50020|50034|90072|500200)\Z",
        field="tenant-id",
        what="the account that is logged in is none of the tenant {tenant}.",
        cause="`tenant-id` is another's, or somebody logged in with an account of another tenant or a private one.",
        remedy="Look at `tenant-id`, or run `az login --tenant {tenant_option}` with another account.",
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
    presented = {_CLAIMS[match[1]]: match[2] for match in _PRESENTED.finditer(message[:4000])}
    claims = {name: (login.claims or {}).get(name) or presented.get(name, "") for name in ("iss", "sub", "aud")}
    facts = {
        "client": login.client or "(none)",
        "tenant": login.tenant or "(none)",
        "tenant_option": login.tenant or "TENANT-ID",
        "authority": login.authority,
        **{name: value or "(not known)" for name, value in claims.items()},
        "federation": describe_federation(login.client, claims),
        "form": describe_subject_form(claims["sub"]),
    }
    original = message[:4000]
    # Without a code it is a credential's own, such as that of a command line nobody is logged in to.
    error = explain(code or message, CASES, facts, original=original)
    if error is not None:
        error.cause = describe_clock(message, now) or error.cause
        return error
    page = f"https://{login.authority or clouds.PUBLIC.authority}/error?code={code}"
    return OutsideError(
        "Azure gave no token.",
        cause="The identity is not set up for this, or Microsoft Entra ID could not be reached."
        if not code
        else f"Microsoft Entra ID refused with AADSTS{code}.",
        remedy=f"Look at {page}, and at the original below."
        if code
        else "Look at what it said, at `tenant-id` and at `client-id`.",
        original=original,
    )


def describe_federation(client: str, claims: Mapping[str, str]) -> str:
    """The commands that show whom an identity trusts and let it trust a token: a managed identity's, an application's.

    Args:
        client: id; may be empty.
        claims: `iss`, `sub` and `aud` of the token, untrusted; empty when not known.
    """
    client = client or "CLIENT-ID"
    issuer, subject, audience = (claims.get(name) or name.upper() for name in ("iss", "sub", "aud"))
    parameters = {"name": "s3c", "issuer": issuer, "subject": subject, "audiences": [audience]}
    return (
        f"az identity list --query \"[?clientId=='{client}'].[name, resourceGroup]\" --output tsv\n"
        "az identity federated-credential list --identity-name NAME --resource-group GROUP --query '[].subject' "
        "--output tsv   # whom it trusts\n"
        "az identity federated-credential create --name s3c --identity-name NAME --resource-group GROUP "
        f"--issuer {shlex.quote(issuer)} --subject {shlex.quote(subject)} --audiences {shlex.quote(audience)}\n"
        "or, for an application in place of a managed identity:\n"
        f"az ad app federated-credential list --id {client} --query '[].subject' --output tsv\n"
        f"az ad app federated-credential create --id {client} --parameters {shlex.quote(json.dumps(parameters))}"
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
