"""Azure Kubernetes Service: access to a cluster, requested from the Resource Manager with an Azure identity.

https://learn.microsoft.com/rest/api/aks/managed-clusters/list-cluster-user-credentials. It is one request, sent by
azure-core: azure-mgmt-containerservice would add the models of every version of the service's API.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from s3c_actions.azure import transport
from s3c_actions.azure.tries import RETRIED, count_tries
from s3c_actions.core import reading
from s3c_actions.core.errors import OutsideError, S3CError
from s3c_actions.core.explain import Case, explain
from s3c_actions.core.libraries import yaml

if TYPE_CHECKING:
    from s3c_actions.azure.identity import Identity
    from s3c_actions.core.secrets import Secrets

API_VERSION = "2025-05-01"
# https://learn.microsoft.com/azure/aks/kubelogin-authentication: the application of every cluster's API server.
SERVER = "6dae42f8-4368-4678-94ff-3960e28e3630"
USER_ROLE = "Azure Kubernetes Service Cluster User Role"


class AksCluster(msgspec.Struct, frozen=True, kw_only=True):
    """A cluster's name in the Resource Manager."""

    subscription: str
    group: str
    name: str

    @property
    def id(self) -> str:
        """Its resource id."""
        return (
            f"/subscriptions/{self.subscription}/resourceGroups/{self.group}"
            f"/providers/Microsoft.ContainerService/managedClusters/{self.name}"
        )


@dataclass(frozen=True, kw_only=True)
class ClusterAccess:
    """Access to a cluster.

    Attributes:
        document: the kubeconfig, without plugins; it holds a token, or the certificate of a local account.
        token: returns a valid token; None for a local account.
    """

    document: dict[str, Any] = field(repr=False)
    token: ClusterToken | None = field(default=None, repr=False)


class ClusterToken(msgspec.Struct, frozen=True):
    """Tokens for a cluster's API server; called, it returns a valid one."""

    identity: Identity
    server: str

    def __call__(self) -> str:
        """Get a token; raises S3CError when Microsoft Entra ID gives none."""
        return self.identity.credential.get_token(f"{self.server}/.default").token


def fetch_access(cluster: AksCluster, identity: Identity, secrets: Secrets) -> ClusterAccess:
    """Fetch the access to a cluster.

    A kubeconfig of a cluster with Microsoft Entra ID names kubelogin: a token replaces it.

    Args:
        cluster: to be reached.
        identity: used for the request and for the cluster.
        secrets: receives every token and key.

    Raises:
        InputError: there is no such cluster, or it is in another tenant.
        OutsideError: the identity may not ask, or the Resource Manager failed.
    """
    document = _parse_kubeconfig(cluster, _request_credential(cluster, identity))
    token = None
    for entry in document.get("users") or []:
        user = entry.get("user") or {}
        for key in ("token", "client-key-data"):
            if user.get(key):
                secrets.add(str(user[key]))
        if "exec" in user or "auth-provider" in user:
            token = ClusterToken(identity, _server_application(user))
            entry["user"] = {"token": token()}
    return ClusterAccess(document=document, token=token)


def _request_credential(cluster: AksCluster, identity: Identity) -> str:
    base = f"https://{identity.cloud.management}"
    token = identity.credential.get_token(f"{base}/.default").token
    try:
        reply = transport.send(
            "POST",
            f"{base}{cluster.id}/listClusterUserCredential",
            params={"api-version": API_VERSION},
            headers={"Authorization": f"Bearer {token}", "Accept": "application/json"},
        )
    except transport.UnreachableError as error:
        raise OutsideError(
            f"Azure's Resource Manager at {identity.cloud.management} could not be reached; "
            f"it was tried {count_tries(error.tries)}.",
            cause="The network, a proxy or a firewall is in the way.",
            remedy=f"Let this machine reach {base}, and try again.",
            original=str(error)[:1000],
        ) from None
    if reply.status != 200:
        raise _refusal_error(cluster, identity, reply)
    return reply.body


def _parse_kubeconfig(cluster: AksCluster, body: str) -> dict[str, Any]:
    try:
        (first, *_) = reading.parse_json(body)["kubeconfigs"]
        text = base64.b64decode(first["value"])
        reading.check_yaml_events(yaml.parse(text, Loader=yaml.CSafeLoader))
        document = yaml.safe_load(text)
        for kind in ("user", "cluster"):
            # The kubeconfig has a list of `{name, user: {…}}`, and one of clusters.
            if not all(isinstance(entry[kind], dict) for entry in [*document[f"{kind}s"]]):
                raise TypeError
    except (ValueError, KeyError, TypeError, yaml.YAMLError) as error:
        raise OutsideError(
            f"Azure gave no kubeconfig for the cluster {cluster.name} that can be read.",
            remedy="Try again, or give a kubeconfig.",
            original=type(error).__name__,
        ) from None
    return dict(document)


def _server_application(user: dict[str, Any]) -> str:
    """The application that tokens are for: the one in kubelogin's arguments, else every cluster's."""
    arguments = [str(argument) for argument in (user.get("exec") or {}).get("args") or []]
    if "--server-id" in arguments[:-1]:
        return arguments[arguments.index("--server-id") + 1]
    config = (user.get("auth-provider") or {}).get("config") or {}
    return str(config.get("apiserver-id") or SERVER)


# The patterns match `STATUS CODE`.
CASES = (
    Case(
        pattern=r" (?:SubscriptionNotFound|InvalidSubscriptionId)\Z",
        field="subscription",
        what="there is no subscription {subscription} that {identity} can see.",
        cause="The id is misspelt, or the subscription is another tenant's.",
        remedy="Look at `subscription` and `tenant-id`.",
    ),
    Case(
        pattern=r" ResourceGroupNotFound\Z",
        field="resource-group",
        what="there is no resource group {group} in the subscription {subscription}.",
        remedy="Look at `resource-group` and `subscription`.",
    ),
    Case(
        pattern=r"\A404 ",
        field="aks-cluster",
        what="there is no cluster {cluster} in the resource group {group}.",
        remedy="Look at `aks-cluster` and `resource-group`.",
    ),
    Case(
        pattern=r" InvalidAuthenticationTokenTenant\Z",
        field="tenant-id",
        what="the subscription {subscription} belongs to another tenant than {tenant}.",
        remedy="Give the tenant of the subscription.",
    ),
    Case(
        pattern=r"\A40[13] ",
        what="Azure does not let us ask how to reach the cluster {cluster} (HTTP {status}).",
        cause="The identity ({identity}) has no role for that, or got it a moment ago.",
        remedy=f'Grant it, and wait some minutes:\naz role assignment create --role "{USER_ROLE}" '
        "--assignee {client} --scope {id}",
    ),
)


def _refusal_error(cluster: AksCluster, identity: Identity, reply: transport.Reply) -> S3CError:
    status, body = reply.status, reply.body
    try:
        error = reading.parse_json(body)["error"]
        code, message = str(error["code"]), str(error["message"])
    except (ValueError, KeyError, TypeError):
        code, message = "", body
    original = f"{code}: {message}"[:2000]
    caller = re.search(r"with object id '([0-9a-fA-F-]{36})'", message)
    facts = {
        "subscription": cluster.subscription,
        "group": cluster.group,
        "cluster": cluster.name,
        "id": cluster.id,
        "status": status,
        "identity": identity.description,
        "tenant": identity.tenant or "ours",
        "client": identity.client or (caller[1] if caller else "CLIENT-ID"),
    }
    return explain(f"{status} {code}", CASES, facts, original=original) or OutsideError(
        f"Azure's Resource Manager answered HTTP {status} for the cluster {cluster.name}.",
        cause=f"It is busy or has a fault; it was tried {count_tries(reply.tries)}."
        if status in RETRIED
        else "It did not understand us.",
        remedy="Try again later; see https://azure.status.microsoft.",
        original=original,
    )
