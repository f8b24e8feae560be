"""Kubernetes objects that keep a fleet: a CronJob whose Indexed Job has a Pod for each shard, and a pool of BuildKits.

Index 0 plans and publishes the plan under the Job's name; every index waits for that plan and does its shard; one more
index writes the report. The registry is the only state, so a Pod that is lost is started again by Kubernetes
(https://kubernetes.io/docs/concepts/workloads/controllers/job/).
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from s3c_actions import __version__
from s3c_actions.cluster.client import KubernetesObject
from s3c_actions.fleet import pool_manifests
from s3c_actions.fleet.pool_manifests import CLIENT_SECRET, PoolSettings

NAME = "s3c-fleet"
FILES = "/fleet"
SECRETS = "/etc/s3c-fleet"
TEMPORARY = "/tmp"  # noqa: S108 - a volume of the Pod's own
USER = 65532
"""Of s3c's container image."""
MAX_FILES = 1_000_000
"""Characters of a ConfigMap: Kubernetes takes 1 MiB."""
LABELS = {"app.kubernetes.io/name": NAME, "app.kubernetes.io/managed-by": "s3c"}
_API_PORTS = (443, 6443)

_SCRIPT = """\
plan="oci://$FLEET_STORE:$JOB_NAME"
code=0
if [ "$JOB_COMPLETION_INDEX" -eq "$FLEET_SHARDS" ]; then
  exec s3c fleet report --plan "$plan" --wait "$FLEET_DEADLINE" --publish-report --latest-tag latest
fi
if [ "$JOB_COMPLETION_INDEX" -eq 0 ]; then
  s3c fleet plan "$FLEET_FILE" --shards "$FLEET_SHARDS" --publish "$plan" --keep-published --latest-tag latest ||
    code=$?
  # What it could plan is done all the same.
  [ "$code" -ne 2 ] || exit "$code"
fi
s3c fleet run --plan "$plan" --shard "$((JOB_COMPLETION_INDEX + 1))/$FLEET_SHARDS" --wait 30m --publish-result || {
  run=$?
  [ "$run" -le "$code" ] || code=$run
}
exit "$code"
"""

_KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: own
contexts: [{name: own, context: {cluster: own, user: own}}]
clusters:
- name: own
  cluster:
    server: https://kubernetes.default.svc
    certificate-authority: /var/run/secrets/kubernetes.io/serviceaccount/ca.crt
users:
- name: own
  user: {tokenFile: /var/run/secrets/kubernetes.io/serviceaccount/token}
"""


class FleetSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the manifests are for.

    Attributes:
        image: s3c's container image, pinned.
        namespace: of the workers.
        fleet: path of `fleet.yaml` among the files.
        files: path → text: `fleet.yaml`, and what it and the inputs name.
        store: `registry/repository` of plans and results.
        schedule: in cron's five fields.
        time_zone: of the schedule, as the IANA database names it.
        shards: how many Pods a night has.
        workers: how many of them run at once.
        deadline: seconds after which a night ends.
        variables: further environment variables: inputs of the commands.
        client_id: of a Microsoft Entra identity with a federated credential for the ServiceAccount; or empty.
        registry_secret: Secret of type `kubernetes.io/dockerconfigjson` with logins; or empty.
        key_secret: Secret with `signing.key` and `signing.crt`; or empty.
        cluster_images: the fleet selects images that run in this cluster.
        ports: TCP ports that workers may connect to.
        pool: of BuildKits; None where `variables` names one.
    """

    image: str
    namespace: str
    fleet: str
    files: Mapping[str, str]
    store: str
    schedule: str
    time_zone: str
    shards: int
    workers: int
    deadline: int
    variables: Mapping[str, str]
    client_id: str
    registry_secret: str
    key_secret: str
    cluster_images: bool
    ports: tuple[int, ...]
    pool: PoolSettings | None


def objects(fleet: FleetSettings) -> list[KubernetesObject]:
    """Return everything but the Secrets, in the order in which it is applied."""
    labels = {**LABELS, "app.kubernetes.io/version": __version__}
    own = {**labels, "app.kubernetes.io/component": "worker"}

    def metadata(name: str = NAME) -> KubernetesObject:
        return {"name": name, "namespace": fleet.namespace, "labels": dict(own)}

    pool = fleet.pool
    return [
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {
                "name": fleet.namespace,
                "labels": {**own, "pod-security.kubernetes.io/enforce": "restricted"},
            },
        },
        *(pool_manifests.objects(pool, labels) if pool is not None else []),
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {
                **metadata(),
                **({"annotations": {"azure.workload.identity/client-id": fleet.client_id}} if fleet.client_id else {}),
            },
            "automountServiceAccountToken": False,
        },
        *(_access(fleet, own) if fleet.cluster_images else []),
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": metadata(),
            "data": {
                **{_key(number): text for number, text in enumerate(fleet.files.values())},
                **({"kubeconfig": _KUBECONFIG} if fleet.cluster_images else {}),
            },
        },
        _network_policy(fleet, metadata()),
        {
            "apiVersion": "batch/v1",
            "kind": "CronJob",
            "metadata": metadata(),
            "spec": {
                "schedule": fleet.schedule,
                "timeZone": fleet.time_zone,
                "concurrencyPolicy": "Forbid",
                "startingDeadlineSeconds": 3600,
                "successfulJobsHistoryLimit": 3,
                "failedJobsHistoryLimit": 3,
                "jobTemplate": {"metadata": {"labels": dict(own)}, "spec": _job(fleet, own)},
            },
        },
    ]


def _key(number: int) -> str:
    """Return a file's key in the ConfigMap, which has no slashes; the volume has its path."""
    return f"file-{number}"


def _access(fleet: FleetSettings, labels: Mapping[str, str]) -> list[KubernetesObject]:
    """Return what lets the planner list the Pods of all namespaces, and nothing else."""
    metadata = {"name": f"{NAME}-{fleet.namespace}", "labels": dict(labels)}
    group = "rbac.authorization.k8s.io"
    return [
        {
            "apiVersion": f"{group}/v1",
            "kind": "ClusterRole",
            "metadata": metadata,
            "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}],
        },
        {
            "apiVersion": f"{group}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": dict(metadata),
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": metadata["name"]},
            "subjects": [{"kind": "ServiceAccount", "name": NAME, "namespace": fleet.namespace}],
        },
    ]


def _network_policy(fleet: FleetSettings, metadata: KubernetesObject) -> KubernetesObject:
    ports = sorted({*fleet.ports, *(_API_PORTS if fleet.cluster_images else ())})
    rules = pool_manifests.egress(ports)
    if fleet.pool is not None:
        peer = {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": fleet.pool.namespace}},
            "podSelector": {"matchLabels": {"app.kubernetes.io/component": "buildkit"}},
        }
        rules.append({"to": [peer], "ports": [{"protocol": "TCP", "port": pool_manifests.PORT}]})
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata,
        "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"], "ingress": [], "egress": rules},
    }


def _job(fleet: FleetSettings, labels: Mapping[str, str]) -> KubernetesObject:
    azure = {"azure.workload.identity/use": "true"} if fleet.client_id else {}
    return {
        "completionMode": "Indexed",
        "completions": fleet.shards + 1,
        # The report waits for the others, and must not take the only place of one.
        "parallelism": min(fleet.workers, fleet.shards) + 1,
        "backoffLimitPerIndex": 2,
        "podFailurePolicy": {
            "rules": [
                {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]},
                # What a policy refused (1), or an input that is wrong (2), a second try does not change.
                {
                    "action": "FailIndex",
                    "onExitCodes": {"containerName": "worker", "operator": "In", "values": [1, 2]},
                },
            ]
        },
        "activeDeadlineSeconds": fleet.deadline,
        "ttlSecondsAfterFinished": 7 * 86400,
        "template": {
            "metadata": {"labels": {**labels, **azure}},
            "spec": {
                "restartPolicy": "Never",
                "serviceAccountName": NAME,
                "automountServiceAccountToken": fleet.cluster_images,
                "enableServiceLinks": False,
                "terminationGracePeriodSeconds": 120,
                "securityContext": {
                    "runAsNonRoot": True,
                    "runAsUser": USER,
                    "fsGroup": USER,
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                "containers": [_container(fleet)],
                "volumes": _volumes(fleet),
            },
        },
    }


def _container(fleet: FleetSettings) -> KubernetesObject:
    variables = {
        "FLEET_FILE": fleet.fleet,
        "FLEET_STORE": fleet.store,
        "FLEET_SHARDS": str(fleet.shards),
        "FLEET_DEADLINE": f"{max(60, fleet.deadline - 600)}s",
        "S3C_OUTPUT_DIR": f"{TEMPORARY}/s3c-out",
        **environment(fleet),
        **fleet.variables,
    }
    mounts = [
        {"name": "files", "mountPath": FILES, "readOnly": True},
        {"name": "home", "mountPath": "/home/s3c"},
        {"name": "temporary", "mountPath": TEMPORARY},
        *({"name": name, "mountPath": f"{SECRETS}/{name}", "readOnly": True} for name in _secrets(fleet)),
    ]
    label = "metadata.labels['batch.kubernetes.io/job-name']"
    return {
        "name": "worker",
        "image": fleet.image,
        "command": ["/bin/sh", "-c", _SCRIPT],
        "workingDir": FILES,
        "env": [
            {"name": "JOB_NAME", "valueFrom": {"fieldRef": {"fieldPath": label}}},
            *({"name": name, "value": value} for name, value in variables.items()),
        ],
        "resources": {
            "requests": {"cpu": "1", "memory": "1Gi", "ephemeral-storage": "4Gi"},
            "limits": {"memory": "4Gi", "ephemeral-storage": "20Gi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": mounts,
    }


def environment(fleet: FleetSettings) -> dict[str, str]:
    """Return the variables that tell the commands where mounted secrets and the pool are."""
    variables = {}
    if fleet.cluster_images:
        variables["KUBECONFIG"] = f"{FILES}/.kubeconfig"
    if fleet.registry_secret:
        variables["DOCKER_CONFIG"] = f"{SECRETS}/registry"
    if fleet.key_secret:
        variables |= {"S3C_KEY": f"{SECRETS}/key/signing.key", "S3C_CERTIFICATE": f"{SECRETS}/key/signing.crt"}
    if fleet.pool is not None:
        tls = f"{SECRETS}/buildkit"
        pool = pool_manifests.addresses(fleet.pool.namespace, fleet.pool.replicas)
        variables |= {
            "S3C_BUILDKIT_ADDR": ",".join(pool),
            "S3C_BUILDKIT_CA": f"{tls}/ca.crt",
            "S3C_BUILDKIT_CERTIFICATE": f"{tls}/tls.crt",
            "S3C_BUILDKIT_KEY": f"{tls}/tls.key",
        }
    return variables


def _secrets(fleet: FleetSettings) -> dict[str, KubernetesObject]:
    """Return the volumes of Secrets, by name."""
    volumes: dict[str, KubernetesObject] = {}
    if fleet.registry_secret:
        items = [{"key": ".dockerconfigjson", "path": "config.json"}]
        volumes["registry"] = {"secretName": fleet.registry_secret, "items": items}
    if fleet.key_secret:
        volumes["key"] = {"secretName": fleet.key_secret}
    if fleet.pool is not None:
        volumes["buildkit"] = {"secretName": CLIENT_SECRET}
    return {name: {**volume, "defaultMode": 0o440} for name, volume in volumes.items()}


def _volumes(fleet: FleetSettings) -> list[KubernetesObject]:
    items = [{"key": _key(number), "path": path} for number, path in enumerate(fleet.files)]
    if fleet.cluster_images:
        items.append({"key": "kubeconfig", "path": ".kubeconfig"})
    return [
        {"name": "files", "configMap": {"name": NAME, "items": items}},
        {"name": "home", "emptyDir": {"sizeLimit": "10Gi"}},
        {"name": "temporary", "emptyDir": {"sizeLimit": "10Gi"}},
        *({"name": name, "secret": volume} for name, volume in _secrets(fleet).items()),
    ]
