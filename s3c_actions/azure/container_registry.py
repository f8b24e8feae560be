"""Logging in to Azure Container Registry: a Microsoft Entra token is exchanged for a token of the registry.

https://azure.github.io/acr/AAD-OAuth.html. No admin user, no stored password: the token is valid for some hours, for
this registry alone, and is renewed before it expires.
"""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from s3c_actions.azure import clouds
from s3c_actions.azure.transport import create_transport
from s3c_actions.core import reading, response_limits
from s3c_actions.core.errors import OutsideError, S3CError
from s3c_actions.core.explain import Case, explain
from s3c_actions.registry.credentials import Credentials

if TYPE_CHECKING:
    from s3c_actions.azure.identity import Identity
    from s3c_actions.core.process import Secrets
    from s3c_actions.core.progress import Progress

# Accepted by every registry; one for the Resource Manager can be forbidden (azureADAuthenticationAsArmPolicy):
# https://learn.microsoft.com/azure/container-registry/container-registry-disable-authentication-as-arm
AUDIENCE = "https://containerregistry.azure.net"
USERNAME = "00000000-0000-0000-0000-000000000000"
"""Marks the password as a refresh token of the registry."""
MARGIN = 300.0
"""Seconds for which a login has to be still valid when a program starts; half of its lifetime when that is less."""
TIMEOUT = 30.0


class AzureLogin:
    """Logs in to `NAME.azurecr.io` (or another cloud's) with the available Azure identity.

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

    def __call__(self, registry: str) -> Credentials | None:
        """See `credentials.Exchange`.

        Raises:
            InputError: the requested identity is missing, or may not log in.
            OutsideError: the registry, or Microsoft Entra ID, gave nothing in exchange.
        """
        if not is_azure(registry):
            return None
        login_kept, renew = self._kept.get(registry, (None, 0.0))
        if login_kept is not None and self._clock() < renew:
            return login_kept
        identity = self._choose_identity()
        access = self._get_access_token(identity) if identity is not None else ""
        if identity is None or not access:
            return None
        token = self._exchange_token(registry, identity, access)
        self._secrets.add(token)
        now = self._clock()
        ends = _read_claims(token).get("exp")
        lifetime = float(ends) - now if isinstance(ends, int | float) else MARGIN
        # As a user name and password rather than as an identity token: every program accepts that.
        login = Credentials(username=USERNAME, password=token)
        self._secrets.add(login.basic())
        self._kept[registry] = (login, now + lifetime - min(MARGIN, lifetime / 2))
        if login_kept is None:
            self._progress.notice(f"{registry}: logged in by token exchange, with {identity.told}.")
        return login

    def refusal(self, registry: str, repository: str, writes: bool, said: str) -> tuple[str, str] | None:
        """See `credentials.Exchange`."""
        if not is_azure(registry):
            return None
        denied = explain_firewall(registry, said)
        if denied is not None:
            return denied
        if self._chosen is None:
            error = self._identity_error
            return (
                "It lets nobody in who is not logged in" + (f", and nobody is: {error.what}" if error else "."),
                (error.remedy if error else "") or f"Run `docker login {registry}`, or give an Azure identity.",
            )
        name = registry.partition(".")[0]
        role, action = ("AcrPush", "push to") if writes else ("AcrPull", "pull from")
        return (
            f"The identity ({self._chosen.told}) has no role that lets it {action} {repository}, "
            "or got it a moment ago.",
            f"Grant it, and wait some minutes:\n"
            f"az role assignment create --role {role} --assignee {self._chosen.client or 'CLIENT-ID'} "
            f'--scope "$(az acr show --name {name} --query id --output tsv)"\n'
            f"(a registry with repository permissions wants `Container Registry Repository "
            f"{'Writer' if writes else 'Reader'}` instead)",
        )

    def _choose_identity(self) -> Identity | None:
        if self._chosen is None and self._identity_error is None:
            try:
                self._chosen = self._identity()
            except OutsideError as error:
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
        from azure.core.exceptions import ServiceRequestError, ServiceResponseError
        from azure.core.rest import HttpRequest

        tenant = identity.tenant or str(_read_claims(access).get("tid", ""))
        form = {"grant_type": "access_token", "service": registry, "access_token": access}
        if tenant:
            form["tenant"] = tenant
        client = pipeline(f"https://{registry}")
        request = HttpRequest("POST", f"https://{registry}/oauth2/exchange", data=form)
        try:
            with client, client.send_request(request) as response:
                status, body = response.status_code, response.text()
        except (ServiceRequestError, ServiceResponseError) as error:
            raise _unreachable_error(registry, error) from None
        try:
            document = reading.parse_json(body)
            token = document["refresh_token"] if status == 200 else ""
        except (ValueError, KeyError, TypeError):
            token, document = "", {}
        if isinstance(token, str) and re.fullmatch(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", token):
            return token
        raise _exchange_error(registry, identity, tenant, status, _error_messages(document))


def pipeline(base: str) -> Any:
    """Create an azure-core client: it retries throttled and failed requests, with Retry-After, and logs nothing."""
    from azure.core import PipelineClient
    from azure.core.pipeline.policies import RetryPolicy, UserAgentPolicy

    response_limits.install_limits()
    policies = [UserAgentPolicy("s3c"), RetryPolicy(retry_total=4, retry_backoff_factor=0.5, retry_backoff_max=20)]
    return PipelineClient(
        base, policies=policies, transport=create_transport(), connection_timeout=10, read_timeout=TIMEOUT
    )


def is_azure(registry: str) -> bool:
    """Whether a registry's host belongs to an Azure cloud; with a port or further labels it does not."""
    name, _, suffix = registry.partition(".")
    return bool(re.fullmatch(r"[a-zA-Z0-9-]{5,63}", name)) and suffix.lower() in {
        cloud.registries for cloud in clouds.CLOUDS
    }


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
        remedy="Look at the registry's name, or give registry-username and registry-password.",
    ),
    Case(
        pattern=r"\A40[013] ",
        field="tenant-id",
        what="{registry} does not accept a token of the tenant {tenant} (HTTP {status}).",
        cause="The registry belongs to another tenant, or does not know this identity ({identity}).",
        remedy="Give the tenant of the registry's subscription: "
        "az acr show --name {name} --query identity.tenantId, or `az account show`.",
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
    error = explain(message, (_FIREWALL,), {"name": registry.partition(".")[0]})
    return (error.cause, error.remedy) if error is not None else None


def _exchange_error(registry: str, identity: Identity, tenant: str, status: int, message: str) -> S3CError:
    facts = {
        "registry": registry,
        "name": registry.partition(".")[0],
        "tenant": tenant or "logged in to",
        "identity": identity.told,
        "status": status,
    }
    return explain(f"{status} {message}", CASES, facts, original=message) or OutsideError(
        f"{registry} gave no login in exchange for an Azure token (HTTP {status}).",
        cause="It is busy or has a fault; it was asked five times.",
        remedy="Try again later; see https://azure.status.microsoft.",
        original=message,
    )


def _unreachable_error(registry: str, error: Exception) -> S3CError:
    text = str(error)
    return explain(text, NETWORK, {"registry": registry}, original=text[:1000]) or OutsideError(
        f"{registry}: it could not be reached to log in.",
        cause="The network, a proxy or a firewall is in the way, or its certificate is not trusted.",
        remedy=f"Let this machine reach https://{registry}, and try again.",
        original=text[:1000],
    )


def _error_messages(document: object) -> str:
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
