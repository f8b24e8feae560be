"""Azure Workload Identity on a cluster: the webhook that gives a Pod what it logs in with, and the issuer of its token.

The endpoints as published, each with its page:

- what the webhook adds to Pods of the label `azure.workload.identity/use: "true"`:
  https://azure.github.io/azure-workload-identity/docs/installation/mutating-admission-webhook.html
- labels and annotations:
  https://azure.github.io/azure-workload-identity/docs/topics/service-account-labels-and-annotations.html
- how it is asked: https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/
- the cluster's keys, which Entra reads:
  https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/#service-account-issuer-discovery

The token is the cluster's own: its API server signs it, and the kubelet brings it into the Pod.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.support.azure.entra import EXCHANGE, LOGIN, Entra
from tests.support.azure.web import Answer, Request, json_answer

USE = "azure.workload.identity/use"
CLIENT, TENANT = "azure.workload.identity/client-id", "azure.workload.identity/tenant-id"
VOLUME, FOLDER, TOKEN = "azure-identity-token", "/var/run/secrets/azure/tokens", "azure-identity-token"
AUTHORITIES, AUTHORITIES_FOLDER = "stand-ins-authority", "/etc/s3c-stand-ins"


@dataclass
class WorkloadIdentity:
    """The webhook of one cluster.

    It also gives each Pod what the network and the system of a real one have: the services' names, and whom to trust
    for them (the ConfigMap AUTHORITIES with `ca.pem`, in the Pod's namespace).

    Attributes:
        entra: the tenant that the cluster is in.
        annotations: of a service account, by namespace and name.
        address: where the services answer, as Pods see it.
        names: the services'.
        changed: `namespace/service account` of every Pod it has changed.
    """

    entra: Entra
    annotations: Callable[[str, str], Mapping[str, str]]
    address: str
    names: Callable[[], list[str]]
    changed: list[str]

    def configuration(self, url: str, authority: bytes) -> dict[str, Any]:
        """The object that has the API server ask here.

        Args:
            url: of the host that answers with this object, as the API server reaches it.
            authority: PEM of who signed its certificate.
        """
        return {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": "azure-wi-webhook-mutating-webhook-configuration"},
            "webhooks": [
                {
                    "name": "mutation.azure-workload-identity.io",
                    "admissionReviewVersions": ["v1", "v1beta1"],
                    "clientConfig": {
                        "url": f"{url}/mutate-v1-pod",
                        "caBundle": base64.b64encode(authority).decode(),
                    },
                    "failurePolicy": "Fail",
                    "matchPolicy": "Equivalent",
                    "objectSelector": {"matchLabels": {USE: "true"}},
                    "reinvocationPolicy": "IfNeeded",
                    "rules": [
                        {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
                    ],
                    "sideEffects": "None",
                }
            ],
        }

    def __call__(self, request: Request) -> Answer:
        review = request.json()
        asked = review["request"]
        namespace, pod = asked["namespace"], asked["object"]
        account = pod["spec"].get("serviceAccountName") or "default"
        self.changed.append(f"{namespace}/{account}")
        spec = self._spec(pod["spec"], self.annotations(namespace, account))
        patch = [{"op": "replace", "path": "/spec", "value": spec}]
        answer = {
            "uid": asked["uid"],
            "allowed": True,
            "patchType": "JSONPatch",
            "patch": base64.b64encode(json.dumps(patch).encode()).decode(),
        }
        return json_answer({"apiVersion": review["apiVersion"], "kind": review["kind"], "response": answer})

    def _spec(self, spec: dict[str, Any], annotations: Mapping[str, str]) -> dict[str, Any]:
        added = {
            "AZURE_CLIENT_ID": annotations.get(CLIENT, ""),
            "AZURE_TENANT_ID": annotations.get(TENANT, self.entra.tenant),
            "AZURE_FEDERATED_TOKEN_FILE": f"{FOLDER}/{TOKEN}",
            "AZURE_AUTHORITY_HOST": f"https://{LOGIN}/",
            "SSL_CERT_FILE": f"{AUTHORITIES_FOLDER}/ca.pem",
        }
        env = [{"name": name, "value": value} for name, value in added.items()]
        mounts = [
            {"name": VOLUME, "mountPath": FOLDER, "readOnly": True},
            {"name": AUTHORITIES, "mountPath": AUTHORITIES_FOLDER, "readOnly": True},
        ]
        token = {"serviceAccountToken": {"audience": EXCHANGE, "expirationSeconds": 3600, "path": TOKEN}}
        volumes = [
            {"name": VOLUME, "projected": {"sources": [token], "defaultMode": 420}},
            {"name": AUTHORITIES, "configMap": {"name": AUTHORITIES}},
        ]
        return {
            **spec,
            "containers": [
                {
                    **container,
                    "env": [*container.get("env", []), *env],
                    "volumeMounts": [*container.get("volumeMounts", []), *mounts],
                }
                for container in spec["containers"]
            ],
            "volumes": [*spec.get("volumes", []), *volumes],
            "hostAliases": [{"ip": self.address, "hostnames": self.names()}],
        }


def trust_cluster(entra: Entra, get: Callable[[str], str]) -> str:
    """Have Entra find the keys of a cluster's issuer, as a federated credential names it; returns the issuer.

    Args:
        entra: the tenant.
        get: reads a path of the cluster's API server.
    """
    issuer: str = json.loads(get("/.well-known/openid-configuration"))["issuer"]
    entra.issuers[issuer] = lambda: json.loads(get("/openid/v1/jwks"))
    return issuer
