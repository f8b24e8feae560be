"""The pool of BuildKits."""

from typing import Any

import pytest
from msgspec.structs import replace

from s3c_actions.fleet import pool_certificates, pool_manifests
from s3c_actions.fleet.manifests import LABELS
from s3c_actions.fleet.pool_manifests import PoolSettings
from tests.support.fleet_manifests import LIFE, NOW, POOL


def object_of(pool: PoolSettings, kind: str) -> dict[str, Any]:
    (manifest,) = [document for document in pool_manifests.objects(pool, LABELS) if document["kind"] == kind]
    return manifest


def pod(pool: PoolSettings) -> dict[str, Any]:
    template: dict[str, Any] = object_of(pool, "StatefulSet")["spec"]["template"]
    return template


def test_rootless_is_no_root_and_is_given_what_it_needs_alone() -> None:
    """What is unconfined is what https://github.com/moby/buildkit/blob/master/docs/rootless.md asks for."""
    security = pod(POOL)["spec"]["containers"][0]["securityContext"]
    assert (security["runAsNonRoot"], security["runAsUser"]) == (True, 1000)
    assert "privileged" not in security
    assert "--oci-worker-no-process-sandbox" in pod(POOL)["spec"]["containers"][0]["args"]


def test_privileged_has_its_state_where_root_has_it() -> None:
    container = pod(replace(POOL, mode="privileged"))["spec"]["containers"][0]
    assert container["securityContext"] == {"privileged": True}
    assert "--oci-worker-no-process-sandbox" not in container["args"]
    assert "/var/lib/buildkit" in [mount["mountPath"] for mount in container["volumeMounts"]]
    assert "--addr=unix:///run/buildkit/buildkitd.sock" in container["args"]


@pytest.mark.parametrize("mode", ["rootless", "privileged"])
def test_probes_ask_at_the_socket_that_it_serves(mode: pool_manifests.Mode) -> None:
    container = pod(replace(POOL, mode=mode))["spec"]["containers"][0]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert f"--addr={container[probe]['exec']['command'][2]}" in container["args"]


def test_the_only_way_in_by_network_wants_a_certificate() -> None:
    arguments = pod(POOL)["spec"]["containers"][0]["args"]
    assert [word for word in arguments if word.startswith("--addr=tcp")] == ["--addr=tcp://0.0.0.0:1234"]
    assert {"--tlscacert", "--tlscert", "--tlskey"} <= {word.partition("=")[0] for word in arguments}


def test_each_has_the_name_that_workers_call_it_by() -> None:
    assert object_of(POOL, "Service")["spec"]["clusterIP"] == "None"
    assert object_of(POOL, "StatefulSet")["spec"]["serviceName"] == object_of(POOL, "Service")["metadata"]["name"]
    for address in pool_manifests.addresses(POOL.namespace, 3):
        host = address.removeprefix("tcp://").partition(":")[0]
        assert f"*.{host.partition('.')[2]}" in pool_manifests.dns_names(POOL.namespace)


def test_only_workers_of_the_fleet_may_connect() -> None:
    (rule,) = object_of(POOL, "NetworkPolicy")["spec"]["ingress"]
    (peer,) = rule["from"]
    assert peer["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "fleet"}
    assert peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "worker"


def test_secrets_have_each_side_its_own_and_one_authority() -> None:
    server, client = pool_manifests.secrets(POOL, LABELS)
    assert (server["metadata"]["namespace"], client["metadata"]["namespace"]) == ("fleet-buildkit", "fleet")
    assert server["stringData"]["ca.crt"] == client["stringData"]["ca.crt"]
    assert server["stringData"]["tls.key"] != client["stringData"]["tls.key"]


def test_new_certificates_or_settings_start_it_anew() -> None:
    other = pool_certificates.issue(pool_manifests.dns_names(POOL.namespace), NOW, LIFE)
    before = pod(POOL)["metadata"]["annotations"]
    assert pod(replace(POOL, certificates=other))["metadata"]["annotations"] != before
    assert pod(replace(POOL, configuration="debug = true\n"))["metadata"]["annotations"] != before
    assert pod(POOL)["metadata"]["annotations"] == before


def test_an_issuer_is_asked_for_both_and_no_secret_is_written() -> None:
    pool = replace(POOL, issuer="pool", certificates=None)
    requests = [each for each in pool_manifests.objects(pool, LABELS) if each["kind"] == "Certificate"]
    assert [(each["metadata"]["namespace"], each["spec"]["usages"][1]) for each in requests] == [
        ("fleet-buildkit", "server auth"),
        ("fleet", "client auth"),
    ]
    assert requests[0]["spec"]["dnsNames"] == pool_manifests.dns_names("fleet-buildkit")
    assert pool_manifests.secrets(pool, LABELS) == []
