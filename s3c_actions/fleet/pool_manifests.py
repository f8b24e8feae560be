"""A pool of BuildKits in Kubernetes: a StatefulSet whose Pods have names of their own, mutual TLS, and closed networks.

It has a namespace to itself. A BuildKit runs the package managers of the images that it patches, so it is the part that
is given the least: no token, no key, no way to the cluster's API or the cloud's metadata, and no connection but from
workers. What rootless BuildKit cannot do without, Pod Security's `restricted` does not allow
(https://github.com/moby/buildkit/blob/master/docs/rootless.md).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from s3c_actions.cluster.client import KubernetesObject
from s3c_actions.fleet.pool_certificates import PoolCertificates

PORT = 1234
NAME = "s3c-buildkit"
SERVER_SECRET = "s3c-buildkit-server"  # noqa: S105 - a name
CLIENT_SECRET = "s3c-buildkit-client"  # noqa: S105 - a name
METADATA_ADDRESS = "169.254.169.254/32"
"""Where the clouds serve the node's identity."""
_CERTIFICATES = "/etc/s3c-buildkit/tls"
_CONFIGURATION = "/etc/s3c-buildkit/configuration"

CONFIGURATION = """\
[worker.oci]
  enabled = true
  gc = true
  maxUsedSpace = "15GB"
  max-parallelism = 8
[worker.containerd]
  enabled = false
"""
"""`buildkitd.toml` of a BuildKit that goes on for months on a volume of 25 GiB
(https://github.com/moby/buildkit/blob/master/docs/buildkitd.toml.md)."""

Mode = Literal["rootless", "privileged"]


class PoolSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The pool.

    Attributes:
        namespace: of its own.
        workers: namespace of the Pods that may connect.
        replicas: how many BuildKits.
        mode: `rootless`: a user without rights on the node; `privileged`: for nodes without user namespaces.
        image: of BuildKit, whose user is 1000 in the rootless one.
        configuration: `buildkitd.toml`.
        ports: TCP ports that a BuildKit may connect to: registries and the distributions' package servers.
        issuer: cert-manager's ClusterIssuer that issues the certificates; empty where they are given.
        certificates: without an issuer.
    """

    namespace: str
    workers: str
    replicas: int
    mode: Mode
    image: str
    configuration: str
    ports: tuple[int, ...]
    issuer: str = ""
    certificates: PoolCertificates | None = None


def addresses(namespace: str, replicas: int) -> list[str]:
    """Return the addresses of a pool, for `buildkit-addr`."""
    return [f"tcp://{NAME}-{number}.{NAME}.{namespace}.svc:{PORT}" for number in range(replicas)]


def dns_names(namespace: str) -> list[str]:
    """Return the names in the certificate of a pool's BuildKits."""
    return [f"*.{NAME}.{namespace}.svc", f"*.{NAME}.{namespace}.svc.cluster.local"]


def objects(pool: PoolSettings, labels: Mapping[str, str]) -> list[KubernetesObject]:
    """Return the pool's objects; secrets are apart.

    Args:
        pool: what is asked for.
        labels: of all objects.
    """
    own = {**labels, "app.kubernetes.io/component": "buildkit"}
    select = {"app.kubernetes.io/name": own["app.kubernetes.io/name"], "app.kubernetes.io/component": "buildkit"}

    def metadata(name: str) -> KubernetesObject:
        return {"name": name, "namespace": pool.namespace, "labels": dict(own)}

    return [
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {
                "name": pool.namespace,
                "labels": {**own, "pod-security.kubernetes.io/enforce": "privileged"},
            },
        },
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": metadata(NAME),
            "automountServiceAccountToken": False,
        },
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": metadata(NAME),
            "data": {"buildkitd.toml": pool.configuration},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata(NAME),
            "spec": {
                "clusterIP": "None",
                "selector": dict(select),
                "ports": [{"name": "grpc", "port": PORT, "targetPort": "grpc"}],
                # A worker asks each by its name, and skips those that do not answer.
                "publishNotReadyAddresses": True,
            },
        },
        _stateful_set(pool, metadata(NAME), select),
        _network_policy(pool, metadata(NAME), select),
        *(_issued(pool, own) if pool.issuer else []),
    ]


def secrets(pool: PoolSettings, labels: Mapping[str, str]) -> list[KubernetesObject]:
    """Return the Secrets with the certificates, for the pool and for the workers; none where an issuer has them."""
    issued = pool.certificates
    if issued is None:
        return []
    sides = (
        (SERVER_SECRET, pool.namespace, issued.server_certificate, issued.server_key),
        (CLIENT_SECRET, pool.workers, issued.client_certificate, issued.client_key),
    )
    return [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": namespace, "labels": dict(labels)},
            "type": "kubernetes.io/tls",
            "stringData": {
                "ca.crt": issued.authority.decode(),
                "tls.crt": certificate.decode(),
                "tls.key": key.decode(),
            },
        }
        for name, namespace, certificate, key in sides
    ]


def _stateful_set(pool: PoolSettings, metadata: KubernetesObject, select: Mapping[str, str]) -> KubernetesObject:
    rootless = pool.mode == "rootless"
    state = "/home/user/.local/share/buildkit" if rootless else "/var/lib/buildkit"
    socket = "unix:///run/user/1000/buildkit/buildkitd.sock" if rootless else "unix:///run/buildkit/buildkitd.sock"
    probe = {"exec": {"command": ["buildctl", "--addr", socket, "debug", "workers"]}, "timeoutSeconds": 10}
    container: KubernetesObject = {
        "name": "buildkitd",
        "image": pool.image,
        "args": [
            f"--config={_CONFIGURATION}/buildkitd.toml",
            f"--addr={socket}",
            f"--addr=tcp://0.0.0.0:{PORT}",
            f"--tlscacert={_CERTIFICATES}/ca.crt",
            f"--tlscert={_CERTIFICATES}/tls.crt",
            f"--tlskey={_CERTIFICATES}/tls.key",
            *(["--oci-worker-no-process-sandbox"] if rootless else []),
        ],
        "ports": [{"name": "grpc", "containerPort": PORT}],
        "startupProbe": {**probe, "periodSeconds": 2, "failureThreshold": 60},
        "readinessProbe": {**probe, "periodSeconds": 15},
        "livenessProbe": {**probe, "periodSeconds": 60, "failureThreshold": 5},
        "resources": {
            "requests": {"cpu": "1", "memory": "1Gi", "ephemeral-storage": "5Gi"},
            "limits": {"memory": "4Gi", "ephemeral-storage": "30Gi"},
        },
        "securityContext": _security(rootless),
        "volumeMounts": [
            {"name": "state", "mountPath": state},
            {"name": "configuration", "mountPath": _CONFIGURATION, "readOnly": True},
            {"name": "tls", "mountPath": _CERTIFICATES, "readOnly": True},
        ],
    }
    annotations = {"s3c.dev/configuration": _hash(pool.configuration.encode())}
    if pool.certificates is not None:
        # BuildKit reads its certificates when it starts.
        annotations["s3c.dev/certificate"] = _hash(pool.certificates.server_certificate)
    spec: KubernetesObject = {
        "serviceAccountName": NAME,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 60,
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": dict(select)},
            }
        ],
        **({"securityContext": {"fsGroup": 1000}} if rootless else {}),
        "containers": [container],
        "volumes": [
            {"name": "state", "emptyDir": {"sizeLimit": "25Gi"}},
            {"name": "configuration", "configMap": {"name": NAME}},
            {"name": "tls", "secret": {"secretName": SERVER_SECRET, "defaultMode": 0o440}},
        ],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": metadata,
        "spec": {
            "serviceName": NAME,
            "replicas": pool.replicas,
            "podManagementPolicy": "Parallel",
            "selector": {"matchLabels": dict(select)},
            "template": {"metadata": {"labels": dict(metadata["labels"]), "annotations": annotations}, "spec": spec},
        },
    }


def _security(rootless: bool) -> KubernetesObject:
    if not rootless:
        return {"privileged": True}
    # Its user namespace is set up by newuidmap, which is set-uid, and its builds mount: both profiles forbid that.
    return {
        "runAsNonRoot": True,
        "runAsUser": 1000,
        "runAsGroup": 1000,
        "allowPrivilegeEscalation": True,
        "seccompProfile": {"type": "Unconfined"},
        "appArmorProfile": {"type": "Unconfined"},
    }


def _network_policy(pool: PoolSettings, metadata: KubernetesObject, select: Mapping[str, str]) -> KubernetesObject:
    workers = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": pool.workers}},
        "podSelector": {"matchLabels": {**select, "app.kubernetes.io/component": "worker"}},
    }
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata,
        "spec": {
            "podSelector": {"matchLabels": dict(select)},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"from": [workers], "ports": [{"protocol": "TCP", "port": PORT}]}],
            "egress": egress(pool.ports),
        },
    }


def egress(ports: Sequence[int]) -> list[KubernetesObject]:
    """Return the rules for name resolution, and for TCP ports everywhere but at the cloud's metadata service."""
    everywhere = [
        {"ipBlock": {"cidr": "0.0.0.0/0", "except": [METADATA_ADDRESS]}},
        {"ipBlock": {"cidr": "::/0"}},
    ]
    return [
        {"ports": [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]},
        {"to": everywhere, "ports": [{"protocol": "TCP", "port": port} for port in ports]},
    ]


def _issued(pool: PoolSettings, labels: Mapping[str, str]) -> list[KubernetesObject]:
    """Return the requests for certificates to cert-manager (https://cert-manager.io/docs/reference/api-docs/)."""

    def request(secret: str, namespace: str, usage: str, names: KubernetesObject) -> KubernetesObject:
        return {
            "apiVersion": "cert-manager.io/v1",
            "kind": "Certificate",
            "metadata": {"name": secret, "namespace": namespace, "labels": dict(labels)},
            "spec": {
                "secretName": secret,
                "issuerRef": {"kind": "ClusterIssuer", "name": pool.issuer},
                "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"},
                "usages": ["digital signature", usage],
                **names,
            },
        }

    return [
        request(SERVER_SECRET, pool.namespace, "server auth", {"dnsNames": dns_names(pool.namespace)}),
        request(CLIENT_SECRET, pool.workers, "client auth", {"commonName": "s3c worker"}),
    ]


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
