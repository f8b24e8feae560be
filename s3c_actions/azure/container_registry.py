"""Logging in to Azure Container Registry: a token of Microsoft Entra's is exchanged for one of the registry's.

https://azure.github.io/acr/AAD-OAuth.html. No admin user, no password that is kept: what comes back is valid for some
hours, for this registry alone, and is asked for anew before it ends.
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
"""Says that the password is a refresh token of the registry's."""
MARGIN = 300.0
"""Seconds that a login has to be valid still when a program starts; half of its life when that is less."""
TIMEOUT = 30.0


class AzureLogin:
    """Logs in to `NAME.azurecr.io` (or another cloud's) with the Azure identity that is there.

    Args:
        identity: chooses it, when it is needed first.
        secrets: gets every token before anybody else does.
        progress: told of each registry that was logged in to.
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
        self._nobody: S3CError | None = None
        self._kept: dict[str, tuple[Credentials, float]] = {}

    def __call__(self, registry: str) -> Credentials | None:
        """See `credentials.Exchange`.

        Raises:
            InputError: the identity that was asked for is not there, or may not log in.
            OutsideError: the registry, or Microsoft Entra ID, gave nothing in exchange.
        """
        if not is_azure(registry):
            return None
        kept, renew = self._kept.get(registry, (None, 0.0))
        if kept is not None and self._clock() < renew:
            return kept
        identity = self._who()
        access = self._access(identity) if identity is not None else ""
        if identity is None or not access:
            return None
        token = self._exchanged(registry, identity, access)
        self._secrets.add(token)
        now = self._clock()
        ends = _claims(token).get("exp")
        left = float(ends) - now if isinstance(ends, int | float) else MARGIN
        # As a name and password rather than as an identity token: every program takes that.
        login = Credentials(username=USERNAME, password=token)
        self._secrets.add(login.basic())
        self._kept[registry] = (login, now + left - min(MARGIN, left / 2))
        if kept is None:
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
            told = self._nobody
            return (
                "It lets nobody in who is not logged in" + (f", and nobody is: {told.what}" if told else "."),
                (told.remedy if told else "") or f"Run `docker login {registry}`, or give an Azure identity.",
            )
        name = registry.partition(".")[0]
        role, does = ("AcrPush", "push to") if writes else ("AcrPull", "pull from")
        return (
            f"The identity ({self._chosen.told}) has no role that lets it {does} {repository}, or got it a moment ago.",
            f"Grant it, and wait some minutes:\n"
            f"az role assignment create --role {role} --assignee {self._chosen.client or 'CLIENT-ID'} "
            f'--scope "$(az acr show --name {name} --query id --output tsv)"\n'
            f"(a registry with repository permissions wants `Container Registry Repository "
            f"{'Writer' if writes else 'Reader'}` instead)",
        )

    def _who(self) -> Identity | None:
        if self._chosen is None and self._nobody is None:
            try:
                self._chosen = self._identity()
            except OutsideError as error:
                # Anonymous pulls may be allowed; whether they are is the registry's to say.
                self._nobody = error
        return self._chosen

    def _access(self, identity: Identity) -> str:
        try:
            return identity.credential.get_token(f"{AUDIENCE}/.default").token
        except OutsideError as error:
            if identity.source != "managed-identity":
                raise
            # Every machine of Azure's has the service that gives tokens, also one that was given no identity.
            self._chosen, self._nobody = None, error
            return ""

    def _exchanged(self, registry: str, identity: Identity, access: str) -> str:
        from azure.core.exceptions import ServiceRequestError, ServiceResponseError
        from azure.core.rest import HttpRequest

        tenant = identity.tenant or str(_claims(access).get("tid", ""))
        form = {"grant_type": "access_token", "service": registry, "access_token": access}
        if tenant:
            form["tenant"] = tenant
        client = pipeline(f"https://{registry}")
        request = HttpRequest("POST", f"https://{registry}/oauth2/exchange", data=form)
        try:
            with client, client.send_request(request) as answer:
                status, body = answer.status_code, answer.text()
        except (ServiceRequestError, ServiceResponseError) as error:
            raise _unreachable(registry, error) from None
        try:
            document = reading.parse_json(body)
            token = document["refresh_token"] if status == 200 else ""
        except (ValueError, KeyError, TypeError):
            token, document = "", {}
        if isinstance(token, str) and re.fullmatch(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", token):
            return token
        raise _not_exchanged(registry, identity, tenant, status, _said(document))


def pipeline(base: str) -> Any:
    """A client of azure-core's: retried when throttled or failed inside, with Retry-After, and logged nowhere."""
    from azure.core import PipelineClient
    from azure.core.pipeline.policies import RetryPolicy, UserAgentPolicy

    response_limits.install_limits()
    policies = [UserAgentPolicy("s3c"), RetryPolicy(retry_total=4, retry_backoff_factor=0.5, retry_backoff_max=20)]
    return PipelineClient(
        base, policies=policies, transport=create_transport(), connection_timeout=10, read_timeout=TIMEOUT
    )


def is_azure(registry: str) -> bool:
    """Whether a registry's host is one of Azure's clouds'; with a port or deeper it is not."""
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
# The patterns are of the status and what the registry's errors say.
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
# What the network says when there is no answer.
NETWORK = (
    Case(
        pattern=r"resolve|Name or service|getaddrinfo",
        what="{registry}: its name cannot be resolved.",
        cause="There is no registry of that name, or it has a private endpoint that this network does not know.",
        remedy="Look at the registry's name; for a private endpoint, run within its network.",
    ),
)


def explain_firewall(registry: str, said: str) -> tuple[str, str] | None:
    """Cause and remedy when it was the registry's network rules that refused."""
    error = explain(said, (_FIREWALL,), {"name": registry.partition(".")[0]})
    return (error.cause, error.remedy) if error is not None else None


def _not_exchanged(registry: str, identity: Identity, tenant: str, status: int, said: str) -> S3CError:
    facts = {
        "registry": registry,
        "name": registry.partition(".")[0],
        "tenant": tenant or "logged in to",
        "identity": identity.told,
        "status": status,
    }
    return explain(f"{status} {said}", CASES, facts, original=said) or OutsideError(
        f"{registry} gave no login in exchange for an Azure token (HTTP {status}).",
        cause="It is busy or has a fault; it was asked five times.",
        remedy="Try again later; see https://azure.status.microsoft.",
        original=said,
    )


def _unreachable(registry: str, error: Exception) -> S3CError:
    text = str(error)
    return explain(text, NETWORK, {"registry": registry}, original=text[:1000]) or OutsideError(
        f"{registry}: it could not be reached to log in.",
        cause="The network, a proxy or a firewall is in the way, or its certificate is not trusted.",
        remedy=f"Let this machine reach https://{registry}, and try again.",
        original=text[:1000],
    )


def _said(document: object) -> str:
    errors = document.get("errors") if isinstance(document, dict) else None
    if not isinstance(errors, list):
        return ""
    return "; ".join(f"{one.get('code', '')}: {one.get('message', '')}" for one in errors if isinstance(one, dict))[
        :500
    ]


def _claims(token: str) -> dict[str, Any]:
    """What a token says of itself, not verified: when it ends, and whose it is."""
    payload = token.split(".")[1] if token.count(".") == 2 else ""
    try:
        document = reading.parse_json(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
