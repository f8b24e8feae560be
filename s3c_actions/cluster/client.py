"""A client for one Kubernetes cluster: requests to its API, its resource kinds, and explanations of its errors.

Built on the `kubernetes` client's configuration and transport: sign-in of every kind a kubeconfig supports
(certificates, tokens, `exec` plugins such as kubelogin), TLS, proxies. Objects are plain JSON, as in manifests.
"""

from __future__ import annotations

import json
import logging
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

from s3c_actions.cluster import denials, refusals
from s3c_actions.cluster.libraries import (
    kube_config,
    kubernetes_client,
    kubernetes_config,
    kubernetes_config_exceptions,
    kubernetes_exceptions,
)
from s3c_actions.core import pasted_content, reading, response_limits
from s3c_actions.core.errors import InputError, OutsideError, Refused, S3CError
from s3c_actions.core.libraries import urllib3, yaml

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

FIELD_MANAGER = "s3c"
APPLY_PATCH = "application/apply-patch+yaml"
MERGE_PATCH = "application/merge-patch+json"

KubernetesObject = dict[str, Any]

# https://learn.microsoft.com/azure/aks/manage-azure-rbac
_AZURE_RBAC = (
    "It asks Azure who may do what (Azure RBAC), and the identity has no role for this there, or got it a moment ago.",
    'Grant it, and wait some minutes: az role assignment create --role "Azure Kubernetes Service RBAC Writer" '
    '--assignee CLIENT-ID --scope CLUSTER-ID (namespaces and the gate need "… RBAC Cluster Admin").',
)

# Group of custom kinds → the cause and the remedy where a cluster has none of them.
# https://learn.microsoft.com/azure/aks/app-routing-gateway-api
_NOT_INSTALLED = {
    "gateway.networking.k8s.io": (
        "The Gateway API is not installed on it.",
        "On AKS: `az aks update --resource-group GROUP --name CLUSTER --enable-gateway-api "
        "--enable-app-routing-istio`. Elsewhere install a controller with its definitions: "
        "https://gateway-api.sigs.k8s.io/guides/getting-started/",
    )
}


class Resource(msgspec.Struct, frozen=True, kw_only=True):
    """How the API serves one kind.

    Attributes:
        path: `/api/v1` or `/apis/GROUP/VERSION`.
        plural: `deployments`.
        namespaced: whether its objects belong to namespaces.
    """

    path: str
    plural: str
    namespaced: bool

    def url(self, namespace: str = "", name: str = "") -> str:
        """Return the path of its objects, or of one; names are quoted."""
        namespace_path = f"/namespaces/{quote(namespace, safe='')}" if self.namespaced and namespace else ""
        return f"{self.path}{namespace_path}/{self.plural}" + (f"/{quote(name, safe='')}" if name else "")


_UNKNOWN_REMEDY = "Try again; look at the addresses that may reach the cluster."
_PODS = Resource(path="/api/v1", plural="pods", namespaced=True)
_MOST_LOG = 4 * 1024 * 1024


class ApiError(OutsideError):
    """The API server rejected a request; `status` is the HTTP code, `message` and `reason` those of its answer."""

    def __init__(self, status: int, reason: str, message: str, *, what: str, cause: str = "", remedy: str = "") -> None:
        super().__init__(what, cause=cause, remedy=remedy, original=message[:4000])
        self.status = status
        self.reason = reason
        self.message = message


class ImmutableField(ApiError):
    """A field of an existing object cannot be changed."""


class Cluster:
    """A client for one cluster.

    Args:
        client: of the `kubernetes` library, configured.
        address: of the API server, for messages.
        namespace: for objects whose manifest names none.
        timeout: seconds for one answer.
    """

    def __init__(self, client: ApiClient, *, address: str, namespace: str = "default", timeout: float = 30.0) -> None:
        self._client = client
        self.address = address
        self.namespace = namespace
        self._timeout = timeout
        self._groups: dict[str, dict[str, Resource]] = {}

    def __repr__(self) -> str:
        return f"Cluster({self.address})"

    def resource(self, api_version: str, kind: str) -> Resource:
        """Return how the API serves a kind.

        Raises:
            InputError: it does not know the kind (field `manifests`).
            OutsideError: it does not answer.
        """
        if api_version not in self._groups:
            path = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
            try:
                entries = self.request("GET", path).get("resources") or []
            except ApiError as error:
                if error.status != 404:
                    raise
                entries = []
            self._groups[api_version] = {
                entry["kind"]: Resource(path=path, plural=entry["name"], namespaced=bool(entry.get("namespaced")))
                for entry in entries
                if "/" not in entry["name"]
            }
        served = self._groups[api_version].get(kind)
        if served is None:
            del self._groups[api_version]  # its definition may be installed a moment later
            raise self._unknown_kind(api_version, kind)
        return served

    def _unknown_kind(self, api_version: str, kind: str) -> InputError:
        """Return the error of a kind that is not served, with what the cluster has of its group."""
        group = api_version.rpartition("/")[0]
        versions: list[str] = []
        if group:
            try:
                versions = [entry["groupVersion"] for entry in self.request("GET", f"/apis/{group}")["versions"]]
            except ApiError as error:
                if error.status != 404:
                    raise
        cause = "Its custom resource definition is not installed, or this version of Kubernetes serves another."
        remedy = "Look at `kubectl api-resources`."
        if versions:
            cause = f"Of this group it serves {', '.join(versions)}; the kind may be of one of these, or not installed."
        elif group in _NOT_INSTALLED:
            cause, remedy = _NOT_INSTALLED[group]
        return InputError("manifests", f"the cluster knows no {kind} of {api_version}.", cause=cause, remedy=remedy)

    def deletable_resources(self) -> list[tuple[str, str, Resource]]:
        """Return apiVersion, kind and resource of everything that can be listed and deleted, in its preferred version.

        Raises:
            OutsideError: it does not answer.
        """
        groups = self.request("GET", "/apis").get("groups") or []
        versions = ["v1", *(str((group.get("preferredVersion") or {}).get("groupVersion")) for group in groups)]
        resources = []
        for version in versions:
            path = f"/apis/{version}" if "/" in version else f"/api/{version}"
            try:
                entries = self.request("GET", path).get("resources") or []
            except ApiError:
                continue  # an aggregated API whose server is down
            resources += [
                (
                    version,
                    str(entry["kind"]),
                    Resource(path=path, plural=entry["name"], namespaced=bool(entry.get("namespaced"))),
                )
                for entry in entries
                if "/" not in entry["name"] and {"list", "delete"} <= set(entry.get("verbs") or ())
            ]
        return resources

    def get(self, resource: Resource, name: str, namespace: str = "") -> KubernetesObject | None:
        """Return one object; None when it does not exist."""
        try:
            return self.request("GET", resource.url(namespace, name))
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def list(self, resource: Resource, namespace: str = "", **query: str) -> list[KubernetesObject]:
        """Return all objects of one namespace or of all; `query` has the API's parameters (`labelSelector`, …)."""
        objects: list[KubernetesObject] = []
        parameters = {"limit": "500", **query}
        while True:
            page = self.request("GET", resource.url(namespace), query=parameters)
            objects += page.get("items") or []
            continuation = (page.get("metadata") or {}).get("continue")
            if not continuation:
                return objects
            parameters["continue"] = continuation

    def apply(
        self, resource: Resource, document: KubernetesObject, namespace: str = "", *, dry_run: bool, force: bool
    ) -> KubernetesObject:
        """Apply an object server-side with our field manager; return the object as the server has it afterwards.

        Raises:
            AdmissionDenied: an admission webhook denied it.
            OutsideError: it is rejected otherwise, or another field manager owns a field and `force` is not set.
        """
        query = {"fieldManager": FIELD_MANAGER, "force": str(force).lower(), "fieldValidation": "Strict"}
        query |= {"dryRun": "All"} if dry_run else {}
        url = resource.url(namespace, document["metadata"]["name"])
        return self.request("PATCH", url, query=query, body=document, content_type=APPLY_PATCH)

    def create(
        self, resource: Resource, document: KubernetesObject, namespace: str = "", *, dry_run: bool
    ) -> KubernetesObject:
        """Create an object. Raise as `apply` does."""
        query = {"fieldManager": FIELD_MANAGER} | ({"dryRun": "All"} if dry_run else {})
        return self.request("POST", resource.url(namespace), query=query, body=document)

    def merge(
        self, resource: Resource, name: str, patch: KubernetesObject, namespace: str = "", *, dry_run: bool = False
    ) -> KubernetesObject:
        """Change an object by a JSON merge patch (RFC 7396); return it as it is afterwards.

        Raises:
            AdmissionDenied: an admission webhook denied it.
            ApiError: it does not exist, or the change is rejected otherwise.
        """
        query = {"fieldManager": FIELD_MANAGER} | ({"dryRun": "All"} if dry_run else {})
        url = resource.url(namespace, name)
        return self.request("PATCH", url, query=query, body=patch, content_type=MERGE_PATCH)

    def delete(self, resource: Resource, name: str, namespace: str = "") -> None:
        """Delete an object and, in the background, what it owns; one that does not exist is no error."""
        body = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}
        try:
            self.request("DELETE", resource.url(namespace, name), body=body)
        except ApiError as error:
            if error.status != 404:
                raise

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: KubernetesObject | None = None,
        content_type: str = "application/json",
    ) -> KubernetesObject:
        """Send one request, and return the JSON object of its answer.

        Raises:
            AdmissionDenied: an admission webhook denied it.
            ApiError: the API server rejected it otherwise.
            InputError: it does not accept the kubeconfig's credentials.
            OutsideError: it cannot be reached.
        """
        try:
            answer = reading.parse_json(self._content(method, path, query or {}, body, content_type))
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise OutsideError(
                f"{self.address} is no Kubernetes API: it answered no JSON object.",
                cause="The address is another server's, or a proxy or a login page answers in the cluster's place.",
                remedy="Look at `server` in the kubeconfig.",
            )
        return answer

    def log(self, namespace: str, pod: str, *, seconds: int) -> str:
        """Return what a Pod of one container has logged in the last seconds. Raise as `request` does."""
        path = f"{_PODS.url(namespace, pod)}/log"
        query = {"sinceSeconds": str(seconds), "limitBytes": str(_MOST_LOG)}
        return self._content("GET", path, query, None, "application/json").decode(errors="replace")

    def _content(
        self, method: str, path: str, query: Mapping[str, str], body: KubernetesObject | None, content_type: str
    ) -> bytes:
        """Return the body of the answer to one request. Raise as `request` does."""
        try:
            response = self._client.call_api(
                *self._client.param_serialize(
                    method,
                    path,
                    query_params=list(query.items()),
                    header_params={"Accept": "application/json, */*", "Content-Type": content_type},
                    # The library writes the body of every kind of JSON itself.
                    body=body if content_type.endswith("json") or body is None else json.dumps(body),
                    auth_settings=["BearerToken"],
                ),
                _request_timeout=self._timeout,
            )
            content: bytes = response.read()  # type: ignore[no-untyped-call]
        except kubernetes_exceptions.ApiException as error:
            raise self._translate_status(method, path, error.status or 0, error.body) from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise self._unreachable(error) from error
        if response.status >= 300:
            raise self._translate_status(method, path, response.status, content)
        return content

    def _translate_status(self, method: str, path: str, status: int, body: str | bytes | None) -> S3CError:
        """Translate the API server's `Status` into the most specific error."""
        try:
            status_object = reading.parse_json(body or b"{}")
        except ValueError:
            status_object = {}
        status_object = status_object if isinstance(status_object, dict) else {}
        message = str(
            status_object.get("message") or (body.decode(errors="replace") if isinstance(body, bytes) else body) or ""
        )
        reason = str(status_object.get("reason") or "")
        if status == 0:
            return self._unreachable(OSError(message))
        if status == 401:
            return InputError(
                "kubeconfig",
                f"{self.address} does not accept its credentials (HTTP 401).",
                cause="They have expired, or are another cluster's or tenant's.",
                remedy="Sign in anew (`az aks get-credentials`, `kubelogin`, …) and try again; with `aks-cluster` look "
                "at `tenant-id`, and at this machine's clock.",
                original=message[:2000],
            )
        if denial := denials.parse(message):
            return AdmissionDenied(denial, message)
        what, cause, remedy = _describe_refusal(status, reason, message, status_object)
        if what:
            kind = ImmutableField if status == 422 else ApiError
            return kind(status, reason, message, what=what, cause=cause, remedy=remedy)
        cause, remedy = _AZURE_RBAC if status == 403 and "access to the resource in Azure" in message else ("", "")
        what = f"The cluster refused to {_verb(method)} {path} (HTTP {status})."
        return ApiError(status, reason, message, what=what, cause=cause, remedy=remedy)

    def _unreachable(self, error: Exception) -> OutsideError:
        text = str(error)
        if "ProxyError" in text:
            cause = "The proxy that `proxy-url` in the kubeconfig, or HTTPS_PROXY, names does not connect us to it."
            remedy = "Correct it, or name the cluster in NO_PROXY where no proxy is needed."
        elif "WRONG_VERSION_NUMBER" in text or "HTTP_REQUEST" in text:
            cause, remedy = "Something there speaks plain HTTP.", "Look at `server` in the kubeconfig."
        elif "CERTIFICATE_VERIFY_FAILED" in text:
            cause = "Its certificate is not the one the kubeconfig trusts: the cluster was made anew, or is another."
            remedy = "Fetch the kubeconfig anew."
        elif "refused" in text:
            cause, remedy = "No API server listens there: it is stopped, or the port is another.", "Start it."
        elif ".privatelink." in self.address:
            cause = "It is a private cluster: its API server has an address in its own network alone."
            remedy = "Run on a machine in that network or a peered one, such as a self-hosted runner."
        elif "resolve" in text.lower() or "Name or service" in text:
            cause = "Its name cannot be resolved: the cluster is gone, or private."
            remedy = "Look at the kubeconfig; run it where the private cluster can be reached."
        else:
            cause = "The network, a firewall or the API server itself is in the way."
            remedy = _UNKNOWN_REMEDY
        known = remedy != _UNKNOWN_REMEDY
        return OutsideError(
            f"The cluster at {self.address} does not answer.",
            cause=cause,
            remedy=remedy,
            original="" if known else text[:1000],
        )


class AdmissionDenied(Refused):
    """An admission webhook denied an object.

    Attributes:
        denials: one for each fault, usually one per image.
        unavailable: no verdict was given: the webhook, or a service behind it, could not be reached.
    """

    def __init__(self, parsed: tuple[denials.Denial, ...], message: str) -> None:
        super().__init__(
            parsed[0].what if len(parsed) == 1 else " ".join(denial.what for denial in parsed),
            cause=parsed[0].cause if len(parsed) == 1 else "",
            remedy=" ".join(dict.fromkeys(denial.remedy for denial in parsed if denial.remedy)),
            image=parsed[0].image if len(parsed) == 1 else "",
            original=message[:4000],
        )
        self.denials = parsed
        self.unavailable = any(denial.unavailable for denial in parsed)


def _kubeconfig_error(kubeconfig: str, error: Exception) -> InputError:
    """Return the error about a file that is no kubeconfig; the library's own words only where they are for users."""
    original, mark = "", getattr(error, "problem_mark", None)
    if isinstance(error, yaml.YAMLError):
        line = f", line {mark.line + 1}" if mark is not None else ""
        what = f"{kubeconfig}{line}: it is not YAML: {getattr(error, 'problem', None) or 'it cannot be read'}."
    elif isinstance(error, OSError | UnicodeDecodeError):
        what = f"{kubeconfig} cannot be read: {reading.describe(error)}."
    elif isinstance(error, kubernetes_config_exceptions.ConfigException | reading.YamlError):
        what, original = f"{kubeconfig} cannot be used.", str(error)[:1000]
    else:  # the library takes the shape for granted
        what = f"{kubeconfig} is no kubeconfig."
    return InputError(
        "kubeconfig",
        what,
        cause=""
        if original or isinstance(error, OSError | UnicodeDecodeError)
        else "It has clusters, users and contexts, in YAML.",
        remedy="Fetch it anew, or name another; `kubectl config view` shows whether kubectl understands it.",
        original=original,
    )


def check_kubeconfig(kubeconfig: str) -> None:
    """Raise InputError when none of the files exists; several are separated as in KUBECONFIG."""
    if not any(Path(path).is_file() for path in kubeconfig.split(":")):
        raise InputError(
            "kubeconfig",
            f"{kubeconfig} is not a file.",
            remedy="Fetch it (AKS: `az aks get-credentials`, EKS: `aws eks update-kubeconfig`, GKE: `gcloud container "
            "clusters get-credentials`, kind: `kind export kubeconfig`, k3d: `k3d kubeconfig merge`), or name another.",
        )


def connect(
    kubeconfig: str,
    context: str,
    *,
    timeout: float,
    temp: Path | None = None,
    hide: Callable[[str], None] = lambda _value: None,
    token: Callable[[], str] | None = None,
) -> Cluster:
    """Create a client from a kubeconfig; no request is sent yet.

    Args:
        kubeconfig: the file; several, separated as in KUBECONFIG, are merged.
        context: in it; its current one when empty.
        timeout: seconds for one answer.
        temp: where the client's key is written; whoever created the folder removes it. Without it, the system's folder
            for temporary files, until the process ends.
        hide: called with every credential of the kubeconfig, before its use.
        token: returns a replacement for the kubeconfig's token, called before each request: a token may expire in a
            rollout.

    Raises:
        InputError: the file or the context does not exist, or cannot be used.
    """
    check_kubeconfig(kubeconfig)
    try:
        for path in kubeconfig.split(":"):
            if Path(path).is_file():
                # The library reads it without limits.
                reading.check_yaml_events(yaml.parse(reading.read_text_file(Path(path)), Loader=yaml.CSafeLoader))
        contexts, current = kubernetes_config.list_kube_config_contexts(kubeconfig)  # type: ignore[no-untyped-call]
        chosen = next((entry for entry in contexts if entry["name"] == context), None) if context else current
        if chosen is None:
            raise InputError(
                "context",
                f"{context} is not a context of {kubeconfig}.",
                remedy=f"Choose from {', '.join(entry['name'] for entry in contexts)}.",
            )
        user = _check_entries(kubeconfig, chosen)
        with _log_records() as logged:
            client = _client(kubeconfig, chosen["name"], temp, hide)
    except (
        kubernetes_config_exceptions.ConfigException,
        yaml.YAMLError,
        OSError,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
    ) as error:
        raise _kubeconfig_error(kubeconfig, error) from error
    if logged and isinstance(user.get("exec"), Mapping):
        if "malformed request" in logged[0]:
            raise _kubeconfig_error(kubeconfig, kubernetes_config_exceptions.ConfigException(logged[0]))
        raise _login_error(kubeconfig, user["exec"], logged[0])
    response_limits.install_limits()
    if not client.configuration.verify_ssl:
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)  # the kubeconfig asks for it
    if token is not None:
        current_token = token
        client.configuration.refresh_api_key_hook = lambda own: own.api_key.update(
            BearerToken=f"Bearer {current_token()}"
        )
    namespace = str((chosen.get("context") or {}).get("namespace") or "default")
    return Cluster(client, address=client.configuration.host, namespace=namespace, timeout=timeout)


def _check_entries(kubeconfig: str, context: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the user of a context; the library goes on without one that is missing, and with any address.

    Raises:
        InputError: the user is not there, or the cluster's address is not one of HTTP.
    """
    document = kube_config.KubeConfigMerger(kubeconfig).config.value  # type: ignore[no-untyped-call]
    names = context.get("context") or {}
    users, clusters = (
        {entry.value["name"]: entry.value.get(kind) or {} for entry in document.get(f"{kind}s") or ()}
        for kind in ("user", "cluster")
    )
    user, cluster = names.get("user") or "", clusters.get(names.get("cluster"))
    problem = ""
    if user and user not in users:
        problem = f"the context {context['name']} names the user {user}, which is not in it"
    elif cluster is not None and not str(cluster.get("server")).startswith(("https://", "http://")):
        problem = f"the cluster {names['cluster']} has no `server` such as https://HOST"
    if problem:
        raise InputError(
            "kubeconfig",
            f"{kubeconfig}: {problem}.",
            remedy="Fetch it anew, or name another; `kubectl config view` shows what is in it.",
        )
    return users.get(user) or {}


class _Handler(logging.Handler):
    """Keeps what is logged to the root logger itself."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.name == "root" and record.levelno >= logging.ERROR:
            self.messages.append(record.getMessage())


@contextmanager
def _log_records() -> Iterator[list[str]]:
    """Keep errors that the library logs, and goes on without a login; nothing of them is printed."""
    handler = _Handler()
    logging.getLogger().addHandler(handler)
    try:
        yield handler.messages
    finally:
        logging.getLogger().removeHandler(handler)


def _login_error(kubeconfig: str, program: Mapping[str, Any], message: str) -> S3CError:
    """Return the error of a program that a kubeconfig runs to log in, and that gave no credentials."""
    command = str(program.get("command"))
    hint = " ".join(str(program.get("installHint") or "").split())
    if "[Errno" in message:
        return InputError(
            "kubeconfig",
            f"{kubeconfig} logs in by the program {command}, which cannot be started.",
            cause="It is not installed on this machine, or not on PATH.",
            remedy=hint[:500] or _LOGIN_PROGRAMS.get(Path(command).name, "Install it, or name another kubeconfig."),
            original=message[:1000],
        )
    return OutsideError(
        f"{kubeconfig} logs in by the program {command}, which gave no credentials.",
        cause="Whoever it logs in as is not signed in, or may not; or it is of another version.",
        remedy=f"Run it by hand, as `kubectl get nodes` does, and sign in ({command} says how).",
        original=message[:1000],
    )


# https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
_LOGIN_PROGRAMS = {
    "kubelogin": "Install it with `az aks install-cli`, or give `aks-cluster` in place of the kubeconfig.",
    "aws": "Install the AWS CLI: https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html",
    "gke-gcloud-auth-plugin": "Install it with `gcloud components install gke-gcloud-auth-plugin`.",
}


def _client(kubeconfig: str, context: str, temp: Path | None, hide: Callable[[str], None]) -> ApiClient:
    for path in (Path(file) for file in kubeconfig.split(":")):
        if path.is_file():
            for value in pasted_content.kubeconfig_secrets(reading.read_text_file(path, errors="replace")):
                hide(value)
    # The library caches the files it has written for the next call, even when their folder no longer exists.
    for content, name in list(kube_config._temp_files.items()):
        if not Path(name).exists():
            del kube_config._temp_files[content]
    settings = kubernetes_client.Configuration()
    kubernetes_config.load_kube_config(  # type: ignore[no-untyped-call]
        config_file=kubeconfig,
        context=context,
        client_configuration=settings,
        temp_file_path=str(temp) if temp is not None else None,
    )
    _check_certificates(kubeconfig, settings.ssl_ca_cert, settings.cert_file, settings.key_file)
    for value in settings.api_key.values():  # includes tokens of `exec` plugins
        hide(value.removeprefix("Bearer "))
    return kubernetes_client.ApiClient(configuration=settings)


def _check_certificates(kubeconfig: str, authority: str | None, certificate: str | None, key: str | None) -> None:
    """Raise InputError where the files of a kubeconfig's certificates hold none: OpenSSL says so at the first request.

    Raises:
        OSError: a file cannot be read.
    """
    context, part = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), "certificate-authority"
    try:
        if authority:
            context.load_verify_locations(authority)
        part = "client-certificate and client-key"
        if certificate:
            context.load_cert_chain(certificate, key or None, password=_no_password)
    except (ssl.SSLError, _NoPassword) as error:
        raise InputError(
            "kubeconfig",
            f"{kubeconfig}: its {part} (or …-data) cannot be used.",
            cause="They are damaged, no PEM, encrypted, or do not belong together.",
            remedy="Fetch the kubeconfig anew, or name another.",
        ) from error


class _NoPassword(Exception):
    """A key is encrypted, and OpenSSL would ask for its password on the terminal."""


def _no_password() -> bytes:
    raise _NoPassword


def _describe_refusal(status: int, reason: str, message: str, answer: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return what happened, the cause and the remedy of a refusal that is known; empty texts otherwise."""
    if status == 403 and (missing := denials.parse_missing_permission(message)):
        return (
            f"The cluster does not let {missing.user} {missing.verb} {missing.resource}"
            + (f" in the namespace {missing.namespace}." if missing.namespace else "."),
            "A role with that permission is missing.",
            f"Bind a role with the verb `{missing.verb}` on `{missing.resource}` to it.",
        )
    if status in {400, 409, 422} and (exported := refusals.describe_exported(message)):
        return exported
    if status == 409 and reason == "Conflict":
        return refusals.describe_conflict(refusals.conflicting_fields(answer, message))
    if status == 422 and (known := refusals.explain_immutable(answer, message)):
        return known.what, known.cause, known.remedy
    return "", "", ""


def _verb(method: str) -> str:
    return {"GET": "show", "PATCH": "apply", "POST": "create", "DELETE": "delete"}.get(method, method)
