"""Logging in to Azure Container Registry: a Microsoft Entra token is exchanged for a token of the registry.

https://azure.github.io/acr/AAD-OAuth.html. No admin user, no stored password: the token is valid for some hours, for
this registry alone, and is renewed before it expires.
"""

from __future__ import annotations

import base64
import re
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from s3c_actions.azure import clouds, transport
from s3c_actions.azure.identity import AbsentIdentityError
from s3c_actions.azure.tries import count_tries
from s3c_actions.core import reading
from s3c_actions.core.errors import InputError, OutsideError, S3CError
from s3c_actions.core.explain import Case, explain
from s3c_actions.registry import challenges
from s3c_actions.registry.credentials import Credentials

if TYPE_CHECKING:
    from s3c_actions.azure.identity import Identity
    from s3c_actions.core.progress import Progress
    from s3c_actions.core.secrets import Secrets

# Accepted by every registry; one for the Resource Manager can be forbidden (azureADAuthenticationAsArmPolicy):
# https://learn.microsoft.com/azure/container-registry/container-registry-disable-authentication-as-arm
AUDIENCE = "https://containerregistry.azure.net"
USERNAME = "00000000-0000-0000-0000-000000000000"
"""Marks the password as a refresh token of the registry."""
MARGIN = 300.0
"""Seconds for which a login has to be still valid when a program starts; half of its lifetime when that is less."""


class AzureLogin:
    """Logs in to `NAME.azurecr.io`, also one of its regions or in another cloud, with the available Azure identity.

    Args:
        identity: chooses it, when it is first needed.
        secrets: receives every token before it is used.
        progress: shows each registry logged in to.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        identity: Callable[[], Identity],
        secrets: Secrets,
        progress: Progress,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._identity = identity
        self._secrets = secrets
        self._progress = progress
        self._clock = clock
        self._chosen: Identity | None = None
        self._identity_error: S3CError | None = None
        self._kept: dict[str, tuple[Credentials, float]] = {}
        self._principal = ""
        self._rejected: dict[str, InputError] = {}
        self._lock = threading.Lock()

    def __call__(self, registry: str) -> Credentials | None:
        """See `credentials.Exchange`.

        Raises:
            InputError: the requested identity is missing, or may not log in.
            OutsideError: the registry, or Microsoft Entra ID, gave nothing in exchange.
        """
        if not is_azure(registry):
            return None
        with self._lock:  # several images at once ask for one exchange
            return self._log_in(registry)

    def _log_in(self, registry: str) -> Credentials | None:
        if registry in self._rejected:
            return None
        login_kept, renew = self._kept.get(registry, (None, 0.0))
        if login_kept is not None and self._clock() < renew:
            return login_kept
        identity = self._choose_identity()
        access = self._get_access_token(identity) if identity is not None else ""
        if identity is None or not access:
            return None
        self._principal = identity.client or str(_read_claims(access).get("oid", ""))
        try:
            token = self._exchange_token(registry, identity, access)
        except InputError as error:
            # Another tenant's registry may be open to everybody; it decides.
            self._rejected[registry] = error
            return None
        self._secrets.add(token)
        now = self._clock()
        ends = _read_claims(token).get("exp")
        lifetime = float(ends) - now if isinstance(ends, int | float) else MARGIN
        # As a user name and password rather than as an identity token: every program accepts that.
        login = Credentials(username=USERNAME, password=token)
        self._secrets.add(login.basic())
        self._kept[registry] = (login, now + lifetime - min(MARGIN, lifetime / 2))
        if login_kept is None:
            self._progress.notice(f"{registry}: logged in by token exchange, with {identity.description}.")
        return login

    def refusal(self, registry: str, repository: str, writes: bool, message: str) -> tuple[str, str] | None:
        """See `credentials.Exchange`.

        Raises:
            InputError: the registry knows no identity of ours, and lets in nobody without one.
        """
        if not is_azure(registry):
            return None
        denied = explain_firewall(registry, message)
        if denied is not None:
            return denied
        error = self._rejected.get(registry) or self._identity_error
        if isinstance(error, InputError):
            error.original = error.original or message
            raise error
        if self._chosen is None:
            return (
                "It lets nobody in who is not logged in" + (f", and nobody is: {error.what}" if error else "."),
                (error.remedy if error else "") or f"Run `docker login {registry}`, or give an Azure identity.",
            )
        role, action = ("AcrPush", "push to") if writes else ("AcrPull", "pull from")
        return (
            f"The identity ({self._chosen.description}) has no role that lets it {action} {repository}, "
            "or got it a moment ago.",
            f"Grant it, and wait some minutes:\n"
            f"az role assignment create --role {role} --assignee {self._principal or 'CLIENT-ID'} "
            f"--scope {look_up(registry, 'id')}\n"
            f"(a registry with repository permissions wants `Container Registry Repository "
            f"{'Writer' if writes else 'Reader'}` instead)",
        )

    def _choose_identity(self) -> Identity | None:
        if self._chosen is None and self._identity_error is None:
            try:
                self._chosen = self._identity()
            except (OutsideError, AbsentIdentityError) as error:
                # Anonymous pulls may be allowed; the registry decides.
                self._identity_error = error
        return self._chosen

    def _get_access_token(self, identity: Identity) -> str:
        try:
            return identity.credential.get_token(f"{AUDIENCE}/.default").token
        except OutsideError as error:
            if identity.source != "managed-identity":
                raise
            # Every Azure machine has the metadata service, even one without an identity.
            self._chosen, self._identity_error = None, error
            return ""

    def _exchange_token(self, registry: str, identity: Identity, access: str) -> str:
        tenant = identity.tenant or str(_read_claims(access).get("tid", ""))
        try:
            host, service = _token_service(registry)
            form = {"grant_type": "access_token", "service": service, "access_token": access}
            if tenant:
                form["tenant"] = tenant
            reply = transport.send("POST", f"https://{host}/oauth2/exchange", form=form)
        except transport.UnreachableError as error:
            raise _unreachable_error(registry, error, error.tries) from None
        try:
            token = reading.parse_json(reply.body)["refresh_token"] if reply.status == 200 else ""
        except (ValueError, KeyError, TypeError):
            token = ""
        if isinstance(token, str) and re.fullmatch(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", token):
            return token
        raise _exchange_error(registry, identity, tenant, reply)


def _token_service(registry: str) -> tuple[str, str]:
    """Return the host that exchanges tokens for a registry, and the service they are for.

    The address of a region names them in its challenge, as it does to `az acr login`; another registry is never taken.
    https://learn.microsoft.com/azure/container-registry/container-registry-endpoint-reference
    """
    if registry == login_server(registry):
        return registry, registry
    reply = transport.send("GET", f"https://{registry}/v2/")
    headers = {name.lower(): value for name, value in reply.headers.items()}
    challenge = challenges.choose(challenges.parse([headers.get("www-authenticate", "")]))
    parameters = challenge.parameters if challenge is not None else {}
    try:
        realm, service = urlsplit(parameters.get("realm", "")), parameters.get("service", "")
    except ValueError:
        return registry, registry
    host = realm.netloc.lower()
    if realm.scheme == "https" and is_azure(host) and login_server(host) == login_server(registry) and service:
        return host, service
    return registry, registry


def login_server(registry: str) -> str:
    """The login server of a registry's host: `NAME.REGION.geo.azurecr.io` is an address of `NAME.azurecr.io`."""
    match = _HOST.fullmatch(registry.lower())
    return f"{match['name']}.{match['domain']}" if match else registry


def look_up(registry: str, field: str) -> str:
    """A shell's look-up of a registry's field: with a domain name label, its name is not the first part of its host."""
    query = f"[?loginServer=='{login_server(registry)}'].{field} | [0]"
    return f'"$(az acr list --query "{query}" --output tsv)"'


_HOST = re.compile(
    r"(?P<name>[a-z0-9][a-z0-9-]{3,61}[a-z0-9])(?P<region>\.[a-z0-9]+\.geo)?"
    rf"\.(?P<domain>{'|'.join(re.escape(cloud.registries) for cloud in clouds.CLOUDS)})"
)


def is_azure(registry: str) -> bool:
    """Whether a host is the login server of a registry in an Azure cloud, or one of its regions; without a port."""
    return _HOST.fullmatch(registry.lower()) is not None


_NO_LOGIN = "{registry} gave no login in exchange for an Azure token (HTTP {status})."
_FIREWALL = Case(
    pattern=r"client with IP '?(?P<address>[0-9a-fA-F.:]*[0-9a-fA-F:])\.*'? is not allowed access",
    what=_NO_LOGIN,
    cause="The network rules of the registry do not let this machine in (it comes from {address}).",
    remedy="Let the job run on a runner within the network, or allow the address:\n"
    "az acr network-rule add --name {name} --ip-address {address}",
)
# The patterns match the status and the messages of the registry's errors.
CASES = (
    _FIREWALL,
    Case(
        pattern=r"\A(?:404|405|200) ",
        what=_NO_LOGIN,
        cause="What answers there is no Azure container registry.",
        remedy="Look at the registry's name, or give `registry-username` and `registry-password`.",
    ),
    Case(
        pattern=r"\A40[013] ",
        field="tenant-id",
        what="{registry} does not accept a token of the tenant {tenant} (HTTP {status}).",
        cause="The registry belongs to another tenant, or does not know this identity ({identity}).",
        remedy="Give the tenant of the registry's subscription:\n"
        "az account list --query '[].{name: name, tenant: tenantId}' --output table",
    ),
)
# Network errors, without an answer.
NETWORK = (
    Case(
        pattern=r"resolve|Name or service|getaddrinfo",
        what="{registry}: its name cannot be resolved.",
        cause="There is no registry of that name, or it has a private endpoint that this network does not know.",
        remedy="Look at the registry's name; for a private endpoint, run within its network.",
    ),
)


def explain_firewall(registry: str, message: str) -> tuple[str, str] | None:
    """Cause and remedy when the registry's network rules refused; None otherwise."""
    error = explain(message, (_FIREWALL,), {"name": look_up(registry, "name")})
    return (error.cause, error.remedy) if error is not None else None


def _exchange_error(registry: str, identity: Identity, tenant: str, reply: transport.Reply) -> S3CError:
    status, message = reply.status, _error_messages(reply.body)
    facts = {
        "registry": registry,
        "name": look_up(registry, "name"),
        "tenant": tenant or "logged in to",
        "identity": identity.description,
        "status": status,
    }
    return explain(f"{status} {message}", CASES, facts, original=message) or OutsideError(
        f"{registry} gave no login in exchange for an Azure token (HTTP {status}).",
        cause=f"It is busy or has a fault; it was tried {count_tries(reply.tries)}.",
        remedy="Try again later; see https://azure.status.microsoft.",
        original=message,
    )


def _unreachable_error(registry: str, error: Exception, tries: int) -> S3CError:
    text = str(error)
    return explain(text, NETWORK, {"registry": registry}, original=text[:1000]) or OutsideError(
        f"{registry}: it could not be reached to log in; it was tried {count_tries(tries)}.",
        cause="The network, a proxy or a firewall is in the way, or its certificate is not trusted.",
        remedy=f"Let this machine reach https://{registry}, and try again.",
        original=text[:1000],
    )


def _error_messages(body: str) -> str:
    try:
        document = reading.parse_json(body)
    except ValueError:
        return ""
    errors = document.get("errors") if isinstance(document, dict) else None
    if not isinstance(errors, list):
        return ""
    return "; ".join(
        f"{entry.get('code', '')}: {entry.get('message', '')}" for entry in errors if isinstance(entry, dict)
    )[:500]


def _read_claims(token: str) -> dict[str, Any]:
    """Read a token's claims, not verified: its expiry and its owner."""
    payload = token.split(".")[1] if token.count(".") == 2 else ""
    try:
        document = reading.parse_json(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
