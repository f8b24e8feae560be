"""What Microsoft Entra ID says when it gives no token, by its AADSTS code, in words that tell what to do.

https://learn.microsoft.com/entra/identity-platform/reference-error-codes
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from s3c_actions.core.errors import InputError, OutsideError, S3CError

CLOCK_TOLERANCE = 120.0
"""Seconds that this machine's clock may be off before it is told."""


class Login(msgspec.Struct, frozen=True, kw_only=True):
    """Who tried to log in, for the words of an error.

    Attributes:
        tenant, client: ids; may be empty.
        claims: `iss`, `sub` and `aud` of the outside token that was to be exchanged; empty without one.
    """

    tenant: str = ""
    client: str = ""
    authority: str = ""
    claims: Mapping[str, str] | None = None


class _Known(msgspec.Struct, frozen=True):
    """One or several codes; with a field it is that input's fault."""

    codes: tuple[str, ...]
    what: str
    cause: str
    remedy: str
    field: str = ""


_FEDERATION = """az ad app federated-credential create --id {client} --parameters \
'{{"name": "s3c", "issuer": "{iss}", "subject": "{sub}", "audiences": ["{aud}"]}}'"""
_KNOWN = (
    _Known(
        ("700024", "500133"),
        "Microsoft Entra ID did not accept the outside token: it is not within its time of validity.",
        "It had expired when it was used, or a clock is wrong.",
        "Run it again. s3c asks for a fresh token each time; a file that `AZURE_FEDERATED_TOKEN_FILE` names has to be "
        "kept fresh by whoever writes it.",
    ),
    _Known(
        ("700213",),
        "The application {client} does not trust this workflow: no federated credential of it has the subject {sub}.",
        "The subject names repository and branch, tag, environment or `pull_request`; this run has another.",
        "Add it, or run where the credential allows:\n" + _FEDERATION,
    ),
    _Known(
        ("700212",),
        "The application {client} does not trust this token: no federated credential of it has the audience {aud}.",
        "The credential was made for another cloud, or for another audience.",
        "Look at `azure-cloud`, or add the audience:\n" + _FEDERATION,
    ),
    _Known(
        ("700211", "70021"),
        "The application {client} does not trust this token's issuer and subject: {iss}, {sub}.",
        "It has no federated credential for them, or it was added a moment ago.",
        "Add it, and wait a minute:\n" + _FEDERATION,
    ),
    _Known(
        ("5002710", "50013", "700027", "7000272"),
        "Microsoft Entra ID could not check the outside token's signature.",
        "It cannot read the issuer's keys, or the token is damaged or from another issuer than it says.",
        "Look at whether the issuer {iss} answers from the internet.",
    ),
    _Known(
        ("700016",),
        "there is no application {client} in the tenant {tenant}.",
        "The id is misspelt, is an object's id, or belongs to another tenant.",
        "Give the application (client) id, and the tenant it is in as `tenant-id`.",
        "client-id",
    ),
    _Known(
        ("7000112", "7000113"),
        "the application {client} is disabled or may not be used so.",
        "Somebody switched its sign-in off.",
        "Enable the enterprise application, or use another one.",
        "client-id",
    ),
    _Known(
        ("90002", "900023", "90013", "900021"),
        "there is no tenant {tenant} at {authority}.",
        "The id is misspelt, or the tenant is in another cloud.",
        "Give the directory (tenant) id as `tenant-id`, and its cloud as `azure-cloud`.",
        "tenant-id",
    ),
    _Known(
        ("500011", "500014", "650057"),
        "The service asked for is not known in the tenant {tenant}.",
        "The vault, registry or cluster belongs to another tenant or cloud, or the service was never used in this one.",
        "Look at `tenant-id` and `azure-cloud`.",
    ),
    _Known(
        ("7000215", "7000222"),
        "The client secret of {client} is wrong or has expired.",
        "`AZURE_CLIENT_SECRET` holds the secret's id in place of its value, or one that ended.",
        "Make a new one, or better a federated credential, which needs no secret.",
    ),
    _Known(
        ("53003", "530003", "530035"),
        "A conditional access policy of the tenant {tenant} forbids this login.",
        "It comes from a network or a kind of identity that the policy leaves out.",
        "Ask the tenant's administrator to allow this workload identity.",
    ),
    _Known(
        ("50196", "90033", "90055", "50058", "90025"),
        "Microsoft Entra ID is busy or has a fault.",
        "It throttles this tenant, or has an outage.",
        "Try again later.",
    ),
)


def code_of(said: str) -> str:
    """The AADSTS code in a message, digits alone; empty when there is none."""
    found = re.search(r"AADSTS(\d+)", said)
    return found[1] if found else ""


def translated(said: str, login: Login, now: datetime) -> S3CError:
    """The error for people, of what Entra or a credential said.

    Args:
        said: the message.
        login: who tried.
        now: this machine's time, to be held against Entra's when the message tells it.
    """
    code = code_of(said)
    claims = {"iss": "", "sub": "", "aud": "", **(login.claims or {})}
    words = {
        "client": login.client or "(none)",
        "tenant": login.tenant or "(none)",
        "authority": login.authority,
        **claims,
    }
    known = next((one for one in _KNOWN if code in one.codes), None)
    if known is None:
        return OutsideError(
            "Azure gave no token.",
            cause="The identity is not set up for this, or Microsoft Entra ID could not be reached."
            if not code
            else f"Microsoft Entra ID refused with AADSTS{code}.",
            remedy=f"Look at https://login.microsoftonline.com/error?code={code}, and at the original below."
            if code
            else "Look at what it said, at `tenant-id` and at `client-id`.",
            original=said[:4000],
        )
    what, cause, remedy = (text.format(**words) for text in (known.what, known.cause, known.remedy))
    cause = clock(said, now) or cause
    if known.field:
        return InputError(known.field, what, cause=cause, remedy=remedy, original=said[:4000])
    return OutsideError(what, cause=cause, remedy=remedy, original=said[:4000])


def clock(said: str, now: datetime) -> str:
    """A sentence on this machine's clock when a message of Entra's tells its own time and they differ; else empty."""
    found = re.search(r"Current time: (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)", said)
    if not found:
        return ""
    return skew(datetime.fromisoformat(found[1]).replace(tzinfo=UTC), now)


def skew(theirs: datetime, now: datetime) -> str:
    """A sentence on how far this machine's clock is off, empty when it is not; both times with a zone."""
    seconds = (now - theirs).total_seconds()
    if abs(seconds) < CLOCK_TOLERANCE:
        return ""
    amount = f"{abs(seconds) / 60:.0f} minutes" if abs(seconds) < 7200 else f"{abs(seconds) / 3600:.0f} hours"
    return f"This machine's clock is {amount} {'ahead of' if seconds > 0 else 'behind'} Azure's: set it (NTP)."
