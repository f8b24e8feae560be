"""Azure Kubernetes Service: the Resource Manager's answer on how to reach a cluster, and its API server's own login.

The endpoints as published, each with its page:

- `POST …/managedClusters/NAME/listClusterUserCredential`:
  https://learn.microsoft.com/rest/api/aks/managed-clusters/list-cluster-user-credentials
- its errors: https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/common-deployment-errors
- a kubeconfig that names kubelogin: https://learn.microsoft.com/azure/aks/kubelogin-authentication
- Azure RBAC's refusals: https://learn.microsoft.com/azure/aks/manage-azure-rbac

Behind the login is whatever API server a test has: the tokens are checked here, as the cluster's webhook does it.
"""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from tests.support.azure.entra import MANAGEMENT, BadToken, Entra
from tests.support.azure.web import Answer, Request, json_answer
from tests.support.azure.world import World

SERVER = "6dae42f8-4368-4678-94ff-3960e28e3630"
SUBSCRIPTION = "0b1f6471-1bf0-4dda-aec3-cb9272f09590"
GROUP = "rg-voting"


@dataclass
class KubernetesService:
    """One cluster.

    Attributes:
        entra: the tenant whose tokens it takes.
        ask: answers in place of the API server when the token is good.
        authority: PEM of who signed the API server's certificate.
        users, writers: object ids that may ask how to reach it, and that Azure RBAC lets do something.
        local: it has no Microsoft Entra ID, and its users are given this certificate and key, base64 of PEM each.
        host: of its API server.
        server: address of an API server that takes the local account, in place of the stand-in's.
    """

    entra: Entra
    ask: Callable[[Request], Answer]
    authority: bytes
    users: set[str] = field(default_factory=set)
    writers: set[str] = field(default_factory=set)
    local: tuple[str, str] | None = field(default=None, repr=False)
    name: str = "aks-voting"
    host: str = "aks-voting-dns-1a2b3c4d.hcp.westeurope.azmk8s.io"
    server: str = ""
    tokens: list[str] = field(default_factory=list, repr=False)

    def install(self, world: World) -> None:
        """Answer in a world."""
        self.entra.resources |= {SERVER, MANAGEMENT}
        world.answer_for(self._manager, "management.azure.com")
        world.answer_for(self._server, self.host)

    def _manager(self, request: Request) -> Answer:
        try:
            claims = self.entra.checked(request.bearer, MANAGEMENT)
        except BadToken:
            return _error(401, "InvalidAuthenticationToken", "The access token is invalid.")
        parts = request.path.strip("/").split("/")
        if len(parts) != 9 or parts[-1] != "listClusterUserCredential" or request.method != "POST":
            return _error(404, "NotFound", "Not found.")
        if not request.query.get("api-version"):
            return _error(
                400, "MissingApiVersionParameter", "The api-version query parameter (?api-version=) is required"
            )
        if parts[1] != SUBSCRIPTION:
            return _error(404, "SubscriptionNotFound", f"The subscription '{parts[1]}' could not be found.")
        if claims["oid"] not in self.users:
            return _error(
                403,
                "AuthorizationFailed",
                f"The client '{claims['appid']}' with object id '{claims['oid']}' does not have authorization to "
                "perform action 'Microsoft.ContainerService/managedClusters/listClusterUserCredential/action' over "
                f"scope '{request.path.rpartition('/')[0]}' or the scope is invalid. If access was recently granted, "
                "please refresh your credentials.",
            )
        if parts[3] != GROUP:
            return _error(404, "ResourceGroupNotFound", f"Resource group '{parts[3]}' could not be found.")
        if parts[7] != self.name:
            return _error(
                404,
                "ResourceNotFound",
                f"The Resource 'Microsoft.ContainerService/managedClusters/{parts[7]}' under resource group '{GROUP}' "
                "was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix",
            )
        value = base64.b64encode(json.dumps(self._kubeconfig()).encode()).decode()
        return json_answer({"kubeconfigs": [{"name": "clusterUser", "value": value}]})

    def _kubeconfig(self) -> dict[str, Any]:
        user, login = f"clusterUser_{GROUP}_{self.name}", self._login()
        server = {"certificate-authority-data": base64.b64encode(self.authority).decode(), "server": self._url()}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": self.name, "cluster": server}],
            "contexts": [{"name": self.name, "context": {"cluster": self.name, "user": user}}],
            "current-context": self.name,
            "preferences": {},
            "users": [{"name": user, "user": login}],
        }

    def _url(self) -> str:
        return self.server or f"https://{self.host}:443"

    def _login(self) -> dict[str, Any]:
        if self.local is not None:
            return {"client-certificate-data": self.local[0], "client-key-data": self.local[1]}
        arguments = ["get-token", "--environment", "AzurePublicCloud", "--server-id", SERVER]
        arguments += ["--client-id", "80faf920-1908-4b52-b5ef-a8e7bedfc67a", "--tenant-id", self.entra.tenant]
        arguments += ["--login", "devicecode"]
        return {
            "exec": {
                "apiVersion": "client.authentication.k8s.io/v1beta1",
                "command": "kubelogin",
                "args": arguments,
                "env": None,
                "provideClusterInfo": False,
            }
        }

    def _server(self, request: Request) -> Answer:
        self.tokens.append(request.bearer)
        try:
            claims = self.entra.checked(request.bearer, SERVER)
        except BadToken:
            return _status(401, "Unauthorized", "Unauthorized")
        if claims["oid"] not in self.writers:
            message = (
                f'forbidden: User "{claims["oid"]}" cannot do this at the cluster scope: User does not have access to '
                "the resource in Azure. Update role assignment to allow access."
            )
            return _status(403, "Forbidden", message)
        return self.ask(request)


def behind(kubeconfig: Mapping[str, Any]) -> Callable[[Request], Answer]:
    """Have a real API server answer, once the login is done: it is asked with the kubeconfig's certificate."""
    cluster, user = kubeconfig["clusters"][0]["cluster"], kubeconfig["users"][0]["user"]
    address = urlsplit(cluster["server"])
    context = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
    with tempfile.NamedTemporaryFile() as file:
        for name in ("client-certificate-data", "client-key-data"):
            file.write(base64.b64decode(user[name]) + b"\n")
        file.flush()
        context.load_cert_chain(file.name)

    def ask(request: Request) -> Answer:
        connection = http.client.HTTPSConnection(address.hostname or "", address.port, context=context, timeout=60)
        kept = {name: request.headers[name] for name in ("accept", "content-type") if name in request.headers}
        try:
            connection.request(request.method, request.target, request.body, kept)
            response = connection.getresponse()
            content_type = response.getheader("Content-Type") or "application/json"
            return Answer(response.status, response.read(), {"Content-Type": content_type})
        finally:
            connection.close()

    return ask


def _error(status: int, code: str, message: str) -> Answer:
    return json_answer({"error": {"code": code, "message": message}}, status)


def _status(code: int, reason: str, message: str) -> Answer:
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
    return json_answer({**status, "message": message, "reason": reason, "code": code}, code)
