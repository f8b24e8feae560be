"""The manifests that keep a fleet: an Indexed Job, as Kubernetes' Pod Security and its API define it."""

from typing import Any

import pytest
import yaml
from msgspec.structs import replace

from s3c_actions.cluster import yaml_text
from s3c_actions.fleet import manifests
from s3c_actions.fleet.manifests import FleetSettings
from tests.support.fleet_manifests import FLEET, POOL, SETTINGS

FORMS = {
    "rootless": SETTINGS,
    "privileged": replace(SETTINGS, pool=replace(POOL, mode="privileged")),
    "issuer": replace(SETTINGS, pool=replace(POOL, issuer="pool", certificates=None)),
    "no pool": replace(SETTINGS, pool=None),
    "azure": replace(SETTINGS, client_id="1f2d3c4b-0000-4000-8000-5a6b7c8d9e0f", key_secret="", registry_secret=""),
    "cluster": replace(SETTINGS, cluster_images=True),
}


def written(settings: FleetSettings) -> list[dict[str, Any]]:
    """The documents, as `kubectl` reads them."""
    return list(yaml.safe_load_all(yaml_text.render(manifests.objects(settings))))


def object_of(documents: list[dict[str, Any]], kind: str, name: str = manifests.NAME) -> dict[str, Any]:
    (manifest,) = [
        document for document in documents if (document["kind"], document["metadata"]["name"]) == (kind, name)
    ]
    return manifest


def job(settings: FleetSettings) -> dict[str, Any]:
    spec: dict[str, Any] = object_of(written(settings), "CronJob")["spec"]["jobTemplate"]["spec"]
    return spec


def pod(settings: FleetSettings) -> dict[str, Any]:
    spec: dict[str, Any] = job(settings)["template"]["spec"]
    return spec


def variables(settings: FleetSettings) -> dict[str, str]:
    return {entry["name"]: entry.get("value", "") for entry in pod(settings)["containers"][0]["env"]}


@pytest.mark.parametrize("settings", FORMS.values(), ids=FORMS)
def test_workers_keep_to_pod_securitys_restricted(settings: FleetSettings) -> None:
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted."""
    namespace = object_of(written(settings), "Namespace", settings.namespace)
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    spec = pod(settings)
    assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] > 0
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert {kind for volume in spec["volumes"] for kind in volume.keys() - {"name"}} <= {
        "configMap",
        "emptyDir",
        "secret",
    }
    (container,) = spec["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }


@pytest.mark.parametrize("settings", FORMS.values(), ids=FORMS)
def test_every_container_has_limits_and_no_pod_a_token_that_it_does_not_use(settings: FleetSettings) -> None:
    documents = written(settings)
    pods = [pod(settings)] + [each["spec"]["template"]["spec"] for each in documents if each["kind"] == "StatefulSet"]
    for spec in pods:
        for container in spec["containers"]:
            assert {"memory", "ephemeral-storage"} <= container["resources"]["limits"].keys()
            assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
    assert [spec["automountServiceAccountToken"] for spec in pods] == [settings.cluster_images, False][: len(pods)]
    roles = [each for each in documents if each["kind"] in {"Role", "ClusterRole"}]
    assert [role["rules"] for role in roles] == [
        [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}]
    ] * settings.cluster_images


@pytest.mark.parametrize("settings", FORMS.values(), ids=FORMS)
def test_nothing_secret_is_among_the_objects(settings: FleetSettings) -> None:
    assert "PRIVATE KEY" not in yaml_text.render(manifests.objects(settings))
    assert not [each for each in written(settings) if each["kind"] == "Secret"]


@pytest.mark.parametrize("settings", FORMS.values(), ids=FORMS)
def test_what_is_mounted_is_there(settings: FleetSettings) -> None:
    spec = pod(settings)
    mounts = spec["containers"][0]["volumeMounts"]
    assert {mount["name"] for mount in mounts} == {volume["name"] for volume in spec["volumes"]}
    places = [mount["mountPath"] for mount in mounts]
    for name, value in variables(settings).items():
        if value.startswith("/") and name != "S3C_OUTPUT_DIR":
            assert any(value == place or value.startswith(f"{place}/") for place in places), name


def test_a_pod_for_each_shard_and_one_for_the_report() -> None:
    spec = job(SETTINGS)
    assert (spec["completionMode"], spec["completions"], spec["parallelism"]) == ("Indexed", 9, 5)
    assert spec["backoffLimitPerIndex"] == 2
    assert job(replace(SETTINGS, shards=2, workers=9))["parallelism"] == 3


def test_what_a_second_try_does_not_change_is_not_tried_again() -> None:
    (rule,) = [rule for rule in job(SETTINGS)["podFailurePolicy"]["rules"] if rule["action"] == "FailIndex"]
    assert rule["onExitCodes"] == {"containerName": "worker", "operator": "In", "values": [1, 2]}
    assert pod(SETTINGS)["restartPolicy"] == "Never"  # which a failure policy needs


def test_files_have_the_paths_that_they_had() -> None:
    documents = written(SETTINGS)
    data = object_of(documents, "ConfigMap")["data"]
    (volume,) = [volume for volume in pod(SETTINGS)["volumes"] if volume["name"] == "files"]
    assert {item["path"]: data[item["key"]] for item in volume["configMap"]["items"]} == FLEET
    assert variables(SETTINGS)["FLEET_FILE"] == "ops/fleet.yaml"


def test_workload_identity_is_the_service_accounts() -> None:
    settings = FORMS["azure"]
    account = object_of(written(settings), "ServiceAccount")
    assert account["metadata"]["annotations"] == {"azure.workload.identity/client-id": settings.client_id}
    assert job(settings)["template"]["metadata"]["labels"]["azure.workload.identity/use"] == "true"
    assert "azure.workload.identity/use" not in job(SETTINGS)["template"]["metadata"]["labels"]


def test_workers_reach_their_own_pool_by_tls() -> None:
    given = variables(SETTINGS)
    assert given["S3C_BUILDKIT_ADDR"].split(",") == [
        f"tcp://s3c-buildkit-{number}.s3c-buildkit.fleet-buildkit.svc:1234" for number in (0, 1)
    ]
    for name in ("S3C_BUILDKIT_CA", "S3C_BUILDKIT_CERTIFICATE", "S3C_BUILDKIT_KEY"):
        assert given[name].startswith("/etc/s3c-fleet/buildkit/")
    assert not [name for name in variables(FORMS["no pool"]) if "BUILDKIT" in name]


@pytest.mark.parametrize("settings", FORMS.values(), ids=FORMS)
def test_networks_are_closed_but_for_what_is_named(settings: FleetSettings) -> None:
    policies = [each["spec"] for each in written(settings) if each["kind"] == "NetworkPolicy"]
    assert len(policies) == 1 + (settings.pool is not None)
    for policy in policies:
        assert policy["policyTypes"] == ["Ingress", "Egress"]
        for rule in policy["egress"]:
            for peer in rule.get("to", ()):
                block = peer.get("ipBlock", {})
                assert block.get("cidr") != "0.0.0.0/0" or block["except"] == ["169.254.169.254/32"]
            assert rule["ports"]
    assert policies[-1]["ingress"] == []
