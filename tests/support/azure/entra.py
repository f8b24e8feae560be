"""Microsoft Entra ID, and two who issue tokens that it can be set up to trust: GitHub Actions and the metadata service.

The endpoints as published, each with its page:

- `/TENANT/v2.0/.well-known/openid-configuration`: https://learn.microsoft.com/entra/identity-platform/v2-protocols-oidc
- `/common/discovery/instance`: what MSAL asks, https://learn.microsoft.com/entra/msal/dotnet/advanced/instance-discovery
- `/TENANT/oauth2/v2.0/token`:
  https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow
- its errors: https://learn.microsoft.com/entra/identity-platform/reference-error-codes
- federated credentials: https://learn.microsoft.com/entra/workload-id/workload-identity-federation
- GitHub's issuer: https://docs.github.com/actions/reference/security/oidc
- the metadata service:
  https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token
- the claims of an access token: https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference
"""

from __future__ import annotations

import base64
import re
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey, generate_private_key

from tests.support.azure.web import Answer, Request, Sites, json_answer
from tests.support.azure.world import METADATA_SERVICE, World

LOGIN = "login.microsoftonline.com"
GITHUB_ISSUER = "token.actions.githubusercontent.com"
GITHUB_REQUESTS = "pipelines.actions.githubusercontent.com"
EXCHANGE = "api://AzureADTokenExchange"
TENANT = "72f988bf-86f1-41af-91ab-2d7cd011db47"
VAULT = "https://vault.azure.net"
MANAGEMENT = "https://management.azure.com"
JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass
class Signer:
    """Issues and checks JSON web tokens (RFC 7519) under one issuer."""

    issuer: str
    key: RSAPrivateKey = field(default_factory=lambda: generate_private_key(65537, 2048), repr=False)
    kid: str = field(default_factory=lambda: uuid.uuid4().hex)

    def issue(self, claims: Mapping[str, Any], lifetime: float, now: float) -> str:
        times = {"iat": int(now), "nbf": int(now), "exp": now + lifetime}
        payload = {"iss": self.issuer, **times, "jti": str(uuid.uuid4()), **claims}
        return jwt.encode(payload, self.key, "RS256", {"kid": self.kid, "x5t": self.kid})

    def jwks(self) -> dict[str, Any]:
        """RFC 7517."""
        numbers = self.key.public_key().public_numbers()
        parts = {"n": numbers.n, "e": numbers.e}
        encoded = {name: base64url(value.to_bytes((value.bit_length() + 7) // 8)) for name, value in parts.items()}
        return {"keys": [{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.kid, "x5t": self.kid, **encoded}]}


@cache
def _key_of_every_tenant() -> RSAPrivateKey:
    """Entra signs for all tenants with the same keys; to make one is most of the time of a short test."""
    return generate_private_key(65537, 2048)


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@dataclass(frozen=True)
class Federated:
    """A federated identity credential: whose tokens an application trusts."""

    issuer: str
    subject: str
    audience: str = EXCHANGE


@dataclass
class Application:
    """An application with its service principal's object id."""

    client: str = field(default_factory=lambda: str(uuid.uuid4()))
    object: str = field(default_factory=lambda: str(uuid.uuid4()))
    federated: list[Federated] = field(default_factory=list)
    secret: str = field(default="", repr=False)


class Refused(Exception):
    """An AADSTS error."""

    def __init__(self, code: int, message: str, status: int = 401, error: str = "invalid_client") -> None:
        super().__init__(message)
        self.code, self.message, self.status, self.error = code, message, status, error


class BadToken(Exception):
    """An access token that a service does not accept."""


@dataclass
class Entra:
    """One tenant with its applications.

    Attributes:
        token_lifetime: seconds an access token lives.
        offset: seconds that Azure's clock is ahead of this machine's.
        resources: the services that the tenant knows.
        issuers: whose keys are read from the web in reality; issuer → keys (JWKS).
        given: every access token given out, and every assertion that came.
    """

    tenant: str = TENANT
    token_lifetime: float = 3599.0
    offset: float = 0.0
    applications: dict[str, Application] = field(default_factory=dict)
    resources: set[str] = field(default_factory=lambda: {VAULT, MANAGEMENT})
    issuers: dict[str, Callable[[], dict[str, Any]]] = field(default_factory=dict)
    given: list[str] = field(default_factory=list, repr=False)
    managed: Application | None = None
    signer: Signer = field(init=False)

    def __post_init__(self) -> None:
        self.signer = Signer(f"https://sts.windows.net/{self.tenant}/", _key_of_every_tenant())

    def add(self, *federated: Federated, secret: str = "") -> Application:
        """Register an application."""
        application = Application(federated=list(federated), secret=secret)
        self.applications[application.client] = application
        return application

    def now(self) -> float:
        return time.time() + self.offset

    def checked(self, token: str, audience: str) -> dict[str, Any]:
        """The claims of an access token for a service; raises BadToken."""
        try:
            claims = jwt.decode(
                token,
                self.signer.key.public_key(),
                ["RS256"],
                audience=audience,
                issuer=self.signer.issuer,
                options={"verify_exp": False, "verify_nbf": False, "verify_iat": False},
            )
        except jwt.PyJWTError as error:
            raise BadToken(str(error)) from error
        if claims["exp"] <= self.now():
            raise BadToken("the token is expired")
        return dict(claims)

    def install(self, world: World) -> None:
        """Answer in a world."""
        world.answer_for(self, LOGIN)
        world.sites.applications[METADATA_SERVICE] = self._metadata

    def __call__(self, request: Request) -> Answer:
        first, _, rest = request.path.strip("/").partition("/")
        if rest == "discovery/instance":
            return json_answer(
                {
                    "tenant_discovery_endpoint": f"https://{LOGIN}/{self.tenant}/v2.0/.well-known/openid-configuration",
                    "api-version": "1.1",
                    "metadata": [
                        {"preferred_network": LOGIN, "preferred_cache": "login.windows.net", "aliases": [LOGIN]}
                    ],
                }
            )
        try:
            if first != self.tenant:
                raise Refused(
                    90002,
                    f"Tenant '{first}' not found. Check to make sure you have the correct tenant ID and are signing "
                    "into the correct cloud. Check with your subscription administrator, this may happen if there are "
                    "no active subscriptions for the tenant.",
                    status=400,
                    error="invalid_request",
                )
            if rest == "v2.0/.well-known/openid-configuration":
                return json_answer(self._discovery())
            if rest == "discovery/v2.0/keys":
                return json_answer(self.signer.jwks())
            if rest == "oauth2/v2.0/token" and request.method == "POST":
                return self._token(request.form())
        except Refused as refused:
            return self._error(refused)
        return Answer(404)

    def _discovery(self) -> dict[str, Any]:
        base = f"https://{LOGIN}/{self.tenant}"
        return {
            "token_endpoint": f"{base}/oauth2/v2.0/token",
            "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
            "jwks_uri": f"{base}/discovery/v2.0/keys",
            "response_modes_supported": ["query", "fragment", "form_post"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
            "scopes_supported": ["openid", "profile", "email", "offline_access"],
            "issuer": f"{base}/v2.0",
            "request_uri_parameter_supported": False,
            "userinfo_endpoint": "https://graph.microsoft.com/oidc/userinfo",
            "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
            "http_logout_supported": True,
            "frontchannel_logout_supported": True,
            "end_session_endpoint": f"{base}/oauth2/v2.0/logout",
            "claims_supported": ["sub", "iss", "aud", "exp", "iat", "nonce", "tid", "ver"],
            "tenant_region_scope": "WW",
            "cloud_instance_name": "microsoftonline.com",
            "cloud_graph_host_name": "graph.windows.net",
            "msgraph_host": "graph.microsoft.com",
            "rbac_url": "https://pas.windows.net",
        }

    def _token(self, form: Mapping[str, str]) -> Answer:
        if form.get("grant_type") != "client_credentials":
            raise Refused(70003, "The app requested an unsupported grant type.", 400, "unsupported_grant_type")
        application = self.applications.get(form.get("client_id", ""))
        if application is None:
            raise Refused(
                700016,
                f"Application with identifier '{form.get('client_id')}' was not found in the directory "
                f"'{self.tenant}'. This can happen if the application has not been installed by the administrator of "
                "the tenant or consented to by any user in the tenant.",
                status=400,
                error="unauthorized_client",
            )
        if form.get("client_assertion_type") == JWT_BEARER:
            self._assertion(application, form.get("client_assertion", ""))
        elif not application.secret or form.get("client_secret") != application.secret:
            raise Refused(7000215, f"Invalid client secret provided for app '{application.client}'.")
        resource, dot, _ = form.get("scope", "").partition("/.default")
        if not dot or resource.rstrip("/") not in self.resources:
            raise Refused(
                500011,
                f"The resource principal named {resource} was not found in the tenant named {self.tenant}. This can "
                "happen if the application has not been installed by the administrator of the tenant or consented to "
                "by any user in the tenant. You might have sent your authentication request to the wrong tenant.",
                status=400,
                error="invalid_resource",
            )
        return json_answer(
            {
                "token_type": "Bearer",
                "expires_in": int(self.token_lifetime),
                "ext_expires_in": int(self.token_lifetime),
                "access_token": self.access_token(application, resource.rstrip("/")),
            }
        )

    def access_token(self, application: Application, resource: str) -> str:
        """A token of version 1, as the services here take it."""
        token = self.signer.issue(
            {
                "aud": resource,
                "aio": "E2NgYBA=",
                "appid": application.client,
                "appidacr": "2",
                "idp": self.signer.issuer,
                "idtyp": "app",
                "oid": application.object,
                "rh": "0.AAAA",
                "sub": application.object,
                "tid": self.tenant,
                "uti": uuid.uuid4().hex[:22],
                "ver": "1.0",
            },
            self.token_lifetime,
            self.now(),
        )
        self.given.append(token)
        return token

    def _assertion(self, application: Application, assertion: str) -> None:
        self.given.append(assertion)
        claims = jwt.decode(assertion, options={"verify_signature": False})
        issuer, subject, audience = claims.get("iss"), claims.get("sub"), claims.get("aud")
        if isinstance(audience, list) and len(audience) == 1:  # RFC 7519, 4.1.3; Kubernetes always gives a list
            audience = audience[0]
        advice = (
            "Check your federated identity credential Subject, Audience and Issuer against the presented assertion. "
            "https://learn.microsoft.com/entra/workload-id/workload-identity-federation"
        )
        matching = [credential for credential in application.federated if credential.issuer == issuer]
        if not matching:
            raise Refused(
                700211,
                f"No matching federated identity record found for presented assertion issuer '{issuer}'. {advice}",
            )
        matching = [credential for credential in matching if credential.subject == subject]
        if not matching:
            raise Refused(
                700213,
                f"No matching federated identity record found for presented assertion subject '{subject}'. {advice}",
            )
        if not any(credential.audience == audience for credential in matching):
            raise Refused(
                700212,
                f"No matching federated identity record found for presented assertion audience '{audience}'. {advice}",
            )
        self._signed(assertion, str(issuer))
        now = self.now()
        # Entra allows five minutes between clocks (https://learn.microsoft.com/entra/identity-platform/access-tokens);
        # an assertion that has ended gets none.
        if not claims["nbf"] - 300 <= now < claims["exp"]:
            raise Refused(
                700024,
                "Client assertion is not within its valid time range. Current time: "
                f"{_moment(now)}, assertion valid from {_moment(claims['nbf'])}, expiry time of assertion "
                f"{_moment(claims['exp'])}. Review the documentation at "
                "https://learn.microsoft.com/entra/identity-platform/certificate-credentials .",
            )

    def _signed(self, assertion: str, issuer: str) -> None:
        kid = jwt.get_unverified_header(assertion).get("kid")
        for key in self.issuers[issuer]()["keys"]:
            public = jwt.PyJWK(key).key
            if key["kid"] == kid and isinstance(public, RSAPublicKey):
                try:
                    jwt.decode(
                        assertion,
                        public,
                        ["RS256"],
                        options={"verify_aud": False, "verify_exp": False, "verify_nbf": False, "verify_iat": False},
                    )
                    return
                except jwt.PyJWTError:
                    break
        raise Refused(5002710, "Invalid JWT token. The signature of the client assertion could not be verified.")

    def _error(self, refused: Refused) -> Answer:
        trace, correlation = str(uuid.uuid4()), str(uuid.uuid4())
        moment = datetime.fromtimestamp(self.now(), UTC).strftime("%Y-%m-%d %H:%M:%SZ")
        return json_answer(
            {
                "error": refused.error,
                "error_description": f"AADSTS{refused.code}: {refused.message} Trace ID: {trace} "
                f"Correlation ID: {correlation} Timestamp: {moment}",
                "error_codes": [refused.code],
                "timestamp": moment,
                "trace_id": trace,
                "correlation_id": correlation,
                "error_uri": f"https://{LOGIN}/error?code={refused.code}",
            },
            refused.status,
        )

    def _metadata(self, request: Request) -> Answer:
        if request.headers.get("metadata") != "true":
            return json_answer(
                {"error": "invalid_request", "error_description": "Required metadata header not specified"}, 400
            )
        if request.path == "/metadata/instance":
            return instance_metadata(request)
        if request.path != "/metadata/identity/oauth2/token":
            return json_answer({"error": "Not found"}, 404)
        wanted = request.query.get("client_id")
        if self.managed is None or (wanted and wanted != self.managed.client):
            return json_answer({"error": "invalid_request", "error_description": "Identity not found"}, 400)
        resource = request.query["resource"].rstrip("/")
        return json_answer(
            {
                "access_token": self.access_token(self.managed, resource),
                "client_id": self.managed.client,
                "expires_in": str(int(self.token_lifetime)),
                "expires_on": str(int(self.now() + self.token_lifetime)),
                "ext_expires_in": str(int(self.token_lifetime)),
                "not_before": str(int(self.now())),
                "resource": resource,
                "token_type": "Bearer",
            }
        )


def instance_metadata(request: Request) -> Answer:
    """Azure's answer on the machine: https://learn.microsoft.com/azure/virtual-machines/instance-metadata-service"""
    versions = ["2021-02-01", "2021-01-01", "2020-12-01"]
    if request.query.get("api-version") not in versions:
        error = "Bad request. api-version is invalid or was not specified in the request. For more information refer to"
        return json_answer({"error": f"{error} aka.ms/azureimds", "newest-versions": versions}, 400)
    compute = {"azEnvironment": "AzurePublicCloud", "location": "westeurope", "provider": "Microsoft.Compute"}
    return json_answer({"compute": compute, "network": {"interface": []}})


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@dataclass
class GitHub:
    """GitHub's OIDC provider for one job.

    Attributes:
        subject: of the job. By default with the ids of owner and repository, as GitHub issues it for a repository of
            today; an older repository's has names alone (`without_ids`).
        lifetime: seconds a token lives; GitHub's live five minutes.
    """

    subject: str = "repo:org@9919/voting-app@1296269:ref:refs/heads/main"
    lifetime: float = 300.0
    signer: Signer = field(default_factory=lambda: Signer(f"https://{GITHUB_ISSUER}"))
    request_token: str = field(default_factory=lambda: f"ghs-request-{uuid.uuid4().hex}", repr=False)
    given: list[str] = field(default_factory=list, repr=False)

    @property
    def environment(self) -> dict[str, str]:
        """What a job with `id-token: write` finds in its environment."""
        return {
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"https://{GITHUB_REQUESTS}/abc123/idtoken?api-version=2.0",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": self.request_token,
        }

    @property
    def federated(self) -> Federated:
        """The credential that trusts this job."""
        return Federated(self.signer.issuer, self.subject)

    def install(self, world: World, entra: Entra) -> None:
        """Answer in a world, and be an issuer whose keys Entra finds."""
        world.answer_for(self, GITHUB_ISSUER, GITHUB_REQUESTS)
        entra.issuers[self.signer.issuer] = self.signer.jwks

    def __call__(self, request: Request) -> Answer:
        if request.host == GITHUB_ISSUER:
            if request.path == "/.well-known/openid-configuration":
                return json_answer(
                    {
                        "issuer": self.signer.issuer,
                        "jwks_uri": f"{self.signer.issuer}/.well-known/jwks",
                        "subject_types_supported": ["public", "pairwise"],
                        "response_types_supported": ["id_token"],
                        "claims_supported": ["sub", "aud", "exp", "iat", "iss", "jti", "nbf", "ref", "repository"],
                        "id_token_signing_alg_values_supported": ["RS256"],
                        "scopes_supported": ["openid"],
                    }
                )
            return json_answer(self.signer.jwks()) if request.path == "/.well-known/jwks" else Answer(404)
        if request.bearer != self.request_token:
            return json_answer({"message": "Authentication failed."}, 401)
        token = self.signer.issue(
            {"sub": self.subject, "aud": request.query.get("audience", "https://github.com/org")},
            self.lifetime,
            time.time(),
        )
        self.given.append(token)
        return json_answer({"value": token, "count": len(token)})


def without_ids(subject: str) -> str:
    """A subject as GitHub issues it for a repository without immutable subjects.

    https://docs.github.com/en/actions/reference/security/oidc#immutable-subject-claims
    """
    repository, rest = re.fullmatch(r"repo:([^:]+)(:.+)", subject, re.DOTALL).groups()  # type: ignore[union-attr]
    return "repo:" + re.sub(r"@\d+", "", repository) + rest


def tokens(sites: Sites) -> list[Request]:
    """The requests for tokens that Entra had."""
    return [request for request in sites.asked(LOGIN) if request.path.endswith("/oauth2/v2.0/token")]
