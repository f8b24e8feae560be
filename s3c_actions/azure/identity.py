"""The Azure identity: a credential from the first available source, with a name for people.

Sources, in the order in which `auto` takes them: the OIDC token of a GitHub job exchanged by a federated credential
(https://learn.microsoft.com/entra/workload-id/workload-identity-federation), a workload identity's token file
(https://azure.github.io/azure-workload-identity/docs/), a client secret or certificate in the environment
(https://learn.microsoft.com/python/api/overview/azure/identity-readme#environment-variables), the session of `az login`
or azure/login, a managed identity.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from s3c_actions.azure import clouds, github_token, login_errors, metadata_service
from s3c_actions.azure.clouds import Cloud
from s3c_actions.azure.libraries import azure_exceptions, azure_identity
from s3c_actions.azure.login_errors import LoginAttempt
from s3c_actions.azure.transport import create_transport
from s3c_actions.core import reading, response_limits
from s3c_actions.core.errors import InputError, OutsideError, S3CError
from s3c_actions.core.pasted_content import quote_value
from s3c_actions.core.process import find
from s3c_actions.core.secrets import Secrets
from s3c_actions.options.azure import https_host, tenant

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken, AccessTokenInfo, TokenRequestOptions


class IdentitySettings(msgspec.Struct, frozen=True, kw_only=True):
    """The inputs; what they leave out comes from the variables that all Azure tools read.

    Attributes:
        tenant, client: ids; empty: `AZURE_TENANT_ID`, `AZURE_CLIENT_ID`.
        cloud: decides where to log in, and the names of services.
        authority: host to log in at in place of the cloud's; empty: `AZURE_AUTHORITY_HOST`, else the cloud's.
        source: one of `options.azure.SOURCES`.
    """

    tenant: str = ""
    client: str = ""
    cloud: Cloud = clouds.PUBLIC
    authority: str = ""
    source: str = "auto"


class AbsentIdentityError(InputError):
    """No identity is here and none was asked for by name: what lets everybody in can still be used."""


@dataclass(frozen=True, kw_only=True)
class Identity:
    """The chosen identity.

    Attributes:
        credential: for every client of the Azure SDK. It raises translated errors (S3CError), and hides each token.
        source: one of `options.azure.SOURCES`, never `auto`.
        description: a clause for people, such as `GitHub's OIDC token, as client …`.
        tenant, client: ids; empty when only the source knows them.
        claims: `iss`, `sub` and `aud` of the token that was presented last; empty before, and for a source without one.
    """

    credential: Credential = field(repr=False)
    source: str
    description: str
    cloud: Cloud
    tenant: str = ""
    client: str = ""
    claims: Mapping[str, str] = field(default_factory=dict, repr=False)


class Credential:
    """A `TokenCredential` of azure-core: wraps one of azure-identity, translates its errors and hides its tokens.

    Args:
        make: creates azure-identity's at the first request for a token: it is slow to import.
        secrets: receives every token before it is used.
        login: the attempt, for errors.
        now: this machine's time.
    """

    def __init__(
        self, make: Callable[[], Any], secrets: Secrets, login: Callable[[], LoginAttempt], now: Callable[[], datetime]
    ) -> None:
        self._make, self._secrets, self._login, self._now = cache(make), secrets, login, now

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        """Get a token for the scopes, by azure-core's protocol; raises S3CError when there is none."""
        token: AccessToken = self._request_token(lambda: self._make().get_token(*scopes, **options))
        return token

    def get_token_info(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo:
        """Get a token with its metadata; otherwise as `get_token`."""
        token: AccessTokenInfo = self._request_token(lambda: self._make().get_token_info(*scopes, options=options))
        return token

    def _request_token(self, get_token: Callable[[], Any]) -> Any:
        try:
            token = get_token()
        except azure_exceptions.AzureError as error:
            raise _translate_error(error, self._login(), self._now()) from None
        self._secrets.add(token.token)
        return token


def _translate_error(error: Exception, login: LoginAttempt, now: datetime) -> S3CError:
    """Translate an error of a credential."""
    message = str(error)
    if isinstance(error, azure_exceptions.ServiceRequestError | azure_exceptions.ServiceResponseError):
        return OutsideError(
            f"Microsoft Entra ID at {login.authority} could not be reached.",
            cause="The network, a proxy or a firewall is in the way, or `authority-host` is misspelt.",
            remedy=f"Let this machine reach https://{login.authority}, and try again.",
            original=message[:2000],
        )
    if "not configured to acquire tokens for tenant" in message:
        return InputError(
            "tenant-id",
            f"the service belongs to another tenant than {login.tenant or 'the one logged in to'}.",
            cause="The vault, registry or cluster is another directory's, or `tenant-id` is.",
            remedy="Give the tenant that the service is in.",
            original=message[:2000],
        )
    return login_errors.translate_login_error(message, login, now)


def choose(
    settings: IdentitySettings,
    environment: Mapping[str, str],
    secrets: Secrets,
    *,
    probe: Callable[[], bool] | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Identity:
    """Choose the requested identity, or the first available one. No token is requested yet.

    Args:
        settings: from the inputs.
        environment: the process's.
        secrets: hidden in all output.
        probe: whether a managed identity answers on this machine; by default its metadata service is asked.
        now: this machine's time.

    Raises:
        InputError: an id is missing, or the requested source is not available.
        OutsideError: there is no identity at all.
    """
    response_limits.install_limits()
    # Without a handler of its own, azure-identity would write each failure to standard error as well.
    logging.getLogger("azure").addHandler(logging.NullHandler())
    for name in ("AZURE_CLIENT_SECRET", "AZURE_CLIENT_CERTIFICATE_PASSWORD", github_token.TOKEN, "IDENTITY_HEADER"):
        if environment.get(name):
            secrets.add(environment[name])
    choice = _IdentityChooser(settings, environment, secrets, probe or metadata_service.is_azure_machine, now)
    makers: dict[str, Callable[[], Identity | None]] = {
        "github-oidc": choice.github,
        "workload-identity": choice.workload,
        "environment": choice.environment_,
        "azure-cli": choice.cli,
        "managed-identity": choice.managed,
    }
    if settings.source != "auto":
        identity = makers[settings.source]()
        if identity is None:
            raise choice.missing(settings.source)
        return identity
    for make in makers.values():
        identity = make()
        if identity is not None:
            return identity
    raise choice.nothing()


@dataclass(frozen=True)
class _IdentityChooser:
    settings: IdentitySettings
    environment: Mapping[str, str]
    secrets: Secrets = field(repr=False)
    probe: Callable[[], bool]
    now: Callable[[], datetime]

    @property
    def tenant(self) -> str:
        return self.settings.tenant or self.environment.get("AZURE_TENANT_ID", "")

    @property
    def client(self) -> str:
        return self.settings.client or self.environment.get("AZURE_CLIENT_ID", "")

    @property
    def authority(self) -> str:
        if self.settings.authority:
            return self.settings.authority
        host = self.environment.get("AZURE_AUTHORITY_HOST", "")
        if not host:
            return self.settings.cloud.authority
        try:
            return https_host(host)
        except ValueError as error:
            raise InputError("authority-host", f"AZURE_AUTHORITY_HOST: {quote_value(host)} is not {error}.") from None

    def _login_options(self) -> dict[str, Any]:
        from s3c_actions.azure.retries import Retries

        return {"authority": self.authority, "retry_policy_class": Retries}

    def github(self) -> Identity | None:
        """The job's OIDC token, requested anew for each login: it lives for minutes, a job for hours."""
        if not github_token.is_available(self.environment):
            return None
        if self.settings.source == "auto" and not (self.tenant and self.client):
            return None
        self._require_ids("github-oidc")
        audience = self.settings.cloud.exchange_audience
        return self._federated_identity(
            "github-oidc", "GitHub's OIDC token", lambda: github_token.fetch(self.environment, audience)
        )

    def workload(self) -> Identity | None:
        """A token file that the platform keeps fresh; read anew each time, because its token may be short-lived."""
        path = self.environment.get("AZURE_FEDERATED_TOKEN_FILE")
        if not path:
            return None
        self._require_ids("workload-identity")

        def read() -> str:
            try:
                return reading.read_text_file(Path(path)).strip()
            except (OSError, UnicodeDecodeError) as error:
                raise OutsideError(
                    f"The workload identity's token {path} cannot be read.",
                    cause="The Pod's service account is not annotated for workload identity, or the volume is missing.",
                    remedy="Look at AZURE_FEDERATED_TOKEN_FILE, or choose another source with `azure-identity`.",
                    original=getattr(error, "strerror", "") or "",
                ) from None

        return self._federated_identity("workload-identity", "the workload identity", read)

    def environment_(self) -> Identity | None:
        """A client secret or certificate in the environment."""
        secret = self.environment.get("AZURE_CLIENT_SECRET")
        certificate = self.environment.get("AZURE_CLIENT_CERTIFICATE_PATH")
        if not (secret or certificate):
            return None
        self._require_ids("environment")

        def make() -> Any:
            if secret:
                return azure_identity.ClientSecretCredential(
                    self.tenant, self.client, secret, transport=create_transport(), **self._login_options()
                )
            password = self.environment.get("AZURE_CLIENT_CERTIFICATE_PASSWORD")
            try:
                return azure_identity.CertificateCredential(
                    self.tenant,
                    self.client,
                    certificate,
                    password=password,
                    transport=create_transport(),
                    **self._login_options(),
                )
            except (ValueError, OSError) as error:
                raise InputError(
                    "azure-identity",
                    "the certificate of the environment cannot be used.",
                    cause="AZURE_CLIENT_CERTIFICATE_PATH names no PEM or PKCS#12 file with a certificate and its key, "
                    "or AZURE_CLIENT_CERTIFICATE_PASSWORD does not open it.",
                    remedy="Fix the variable, or unset it to use another identity.",
                    original=type(error).__name__,
                ) from None

        return self._make_identity("environment", f"a {'secret' if secret else 'certificate'} of the environment", make)

    def cli(self) -> Identity | None:
        """The session of `az login`, which azure/login creates as well."""
        if not _az_accounts(self.environment):
            return None

        def make() -> Any:
            return azure_identity.AzureCliCredential(tenant_id=self.settings.tenant, process_timeout=60)

        return self._make_identity("azure-cli", "the session of az (azure/login)", make, known=False)

    def managed(self) -> Identity | None:
        """The managed identity of this machine."""
        platform = any(self.environment.get(name) for name in ("IDENTITY_ENDPOINT", "MSI_ENDPOINT"))
        # GitHub-hosted runners are Azure machines, with a metadata service and no identity.
        if not platform and (self.environment.get("RUNNER_ENVIRONMENT") == "github-hosted" or not self.probe()):
            return None

        def make() -> Any:
            return azure_identity.ManagedIdentityCredential(
                client_id=self.client or None, _exclude_workload_identity_credential=True, transport=create_transport()
            )

        return self._make_identity("managed-identity", "the managed identity", make, known=bool(self.client))

    def missing(self, source: str) -> S3CError:
        """The error of a requested source that is not available."""
        if source == "github-oidc":
            return self._no_permission_error()
        cause = {
            "workload-identity": "AZURE_FEDERATED_TOKEN_FILE is not set.",
            "environment": "Neither AZURE_CLIENT_SECRET nor AZURE_CLIENT_CERTIFICATE_PATH is set.",
            "azure-cli": "The program `az` is not on PATH, or nobody is logged in.",
            "managed-identity": "Neither Azure's metadata service nor IDENTITY_ENDPOINT is here.",
        }[source]
        return InputError(
            "azure-identity",
            f"there is no {source} here.",
            cause=cause,
            remedy="Set it up, or set `azure-identity: auto`.",
        )

    def nothing(self) -> S3CError:
        """The error of a machine without any source."""
        if self.environment.get("GITHUB_ACTIONS") == "true":
            error = (
                self._missing_ids_error()
                if github_token.is_available(self.environment)
                else self._no_permission_error()
            )
            return AbsentIdentityError(error.field, error.what, cause=error.cause, remedy=error.remedy)
        return OutsideError(
            "There is no Azure identity here.",
            cause="Neither GitHub's OIDC token, a workload identity, AZURE_CLIENT_SECRET, `az login` nor a managed "
            "identity was found.",
            remedy="On a machine of yours, run `az login`; in a workflow, give the job `id-token: write`, and set "
            "`tenant-id` and `client-id`.",
        )

    def _no_permission_error(self) -> InputError:
        return InputError(
            "azure-identity",
            "this job may not ask GitHub for an OIDC token.",
            cause="It does not have the permission `id-token: write`. A fork's pull request never has it; Dependabot's "
            "has what the workflow's `permissions:` give.",
            remedy=f"Add it to the job:\n{github_token.PERMISSION}",
        )

    def _missing_ids_error(self) -> InputError:
        field_name = "tenant-id" if not self.tenant else "client-id"
        return InputError(
            field_name,
            "it is missing, and without it Azure cannot be logged in to.",
            remedy="Give both under `with:`; they are no secrets:\n"
            "tenant-id: ${{ vars.AZURE_TENANT_ID }}\nclient-id: ${{ vars.AZURE_CLIENT_ID }}",
        )

    def _require_ids(self, source: str) -> None:
        if self.tenant and self.client:
            _check_tenant(self.tenant)
            return
        if source == "github-oidc":
            raise self._missing_ids_error()
        name = "tenant-id" if not self.tenant else "client-id"
        raise InputError(
            name,
            f"it is missing, and {source} is there.",
            remedy=f"Give it, or set AZURE_{name.upper().replace('-', '_')}.",
        )

    def _federated_identity(self, source: str, label: str, token: Callable[[], str]) -> Identity:
        last: dict[str, str] = {}

        def assertion() -> str:
            value = token()
            self.secrets.add(value)
            last.clear()
            last.update(github_token.claims(value))
            return value

        def make() -> Any:
            return azure_identity.ClientAssertionCredential(
                self.tenant, self.client, assertion, transport=create_transport(), **self._login_options()
            )

        return self._make_identity(source, label, make, claims=last)

    def _make_identity(
        self,
        source: str,
        label: str,
        make: Callable[[], Any],
        *,
        known: bool = True,
        claims: Mapping[str, str] | None = None,
    ) -> Identity:
        tenant, client = (self.tenant, self.client) if known else (self.settings.tenant, "")
        authority = self.authority
        return Identity(
            credential=Credential(
                make,
                self.secrets,
                lambda: LoginAttempt(tenant=tenant, client=client, authority=authority, claims=claims),
                self.now,
            ),
            source=source,
            description=label + (f", as client {client}" if client else ""),
            cloud=self.settings.cloud,
            tenant=tenant,
            client=client,
            claims={} if claims is None else claims,
        )


def tenant_of(environment: Mapping[str, str]) -> str:
    """The tenant that the environment names, else that of az's current account; empty when neither is there.

    Raises:
        InputError: the environment's is malformed.
    """
    value = environment.get("AZURE_TENANT_ID")
    if value:
        return _check_tenant(value)
    current = next((entry for entry in _az_accounts(environment) if entry.get("isDefault") is True), {})
    value = current.get("tenantId")
    try:
        return tenant(value) if isinstance(value, str) else ""
    except ValueError:
        return ""


def _check_tenant(value: str) -> str:
    try:
        return tenant(value)
    except ValueError as error:
        raise InputError("tenant-id", f"AZURE_TENANT_ID: {quote_value(value)} is not {error}.") from None


def _az_accounts(environment: Mapping[str, str]) -> list[dict[str, Any]]:
    """The subscriptions that somebody logged in to with az; empty without az."""
    if not find("az", environment):
        return []
    folder = environment.get("AZURE_CONFIG_DIR") or str(Path(environment.get("HOME") or "/") / ".azure")
    try:
        profile = reading.parse_json(reading.read_text_file(Path(folder) / "azureProfile.json"))
        return [entry for entry in profile["subscriptions"] if isinstance(entry, dict)]
    except (OSError, ValueError, KeyError, TypeError):
        return []
