"""What a lab node is given: configuration, keys, images; and the manifests of the gate on it."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from docker import APIClient
from ruamel.yaml import YAML

from s3c_actions.cluster.gate.manifests import MANIFESTS
from s3c_actions.core.errors import InputError
from s3c_actions.core.process import Runner
from s3c_actions.core.progress import Silent
from s3c_lab.machine import Machine
from s3c_lab.node import archives, cluster, container, files, pki
from s3c_lab.node.cluster import node_name

WORKLOADS = {
    *("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job", "CronJob"),
    *("Pod", "PodTemplate"),
}


@pytest.fixture(scope="module")
def keys() -> dict[str, bytes]:
    return dict(pki.node_certificates("s3c-lab"))


def load(text: str | bytes | Path) -> Any:
    return YAML(typ="safe", pure=True).load(text)


def test_the_api_server_is_trusted_under_every_name_clients_use(keys: dict[str, bytes]) -> None:
    authority = x509.load_pem_x509_certificate(keys["ca.crt"])
    server = x509.load_pem_x509_certificates(keys["apiserver.crt"])[0]
    server.verify_directly_issued_by(authority)
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {"localhost", "kubernetes.default.svc"} <= set(names.get_values_for_type(x509.DNSName))
    assert {str(ip) for ip in names.get_values_for_type(x509.IPAddress)} == {"127.0.0.1", "10.96.0.1"}


@pytest.mark.parametrize(("user", "group"), [("admin", "system:masters"), ("kubelet", "system:nodes")])
def test_a_kubeconfig_signs_in_as_its_user(keys: dict[str, bytes], user: str, group: str) -> None:
    config = load(files.kubeconfig(user, 6443, keys))
    signed_in = config["users"][0]["user"]
    certificate = x509.load_pem_x509_certificates(base64.b64decode(signed_in["client-certificate-data"]))[0]
    (organisation,) = certificate.subject.get_attributes_for_oid(x509.NameOID.ORGANIZATION_NAME)
    assert organisation.value == group
    key = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert config["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:6443"


def test_the_registry_has_one_name_everywhere(keys: dict[str, bytes]) -> None:
    written = files.node_files(registry="localhost:5123", pki=keys)
    assert b'server = "http://localhost:5123"' in written["certs.d/localhost:5123/hosts.toml"]
    assert written["registry-port"] == b"5123"


def test_the_kubelet_runs_without_cgroup_v2_and_touches_no_limit_it_may_not(keys: dict[str, bytes]) -> None:
    written = files.node_files(registry="localhost:5000", pki=keys)
    kubelet = load(written["kubelet.yaml"])
    assert kubelet["failCgroupV1"] is False
    assert kubelet["oomScoreAdj"] == load(written["kube-proxy.yaml"])["oomScoreAdj"] == 0
    assert b"restrict_oom_score_adj = true" in written["containerd.toml"]
    assert kubelet["clusterDNS"] == [written["dns-address"].decode()]


@pytest.mark.parametrize(("lab", "node"), [("lab", "s3c-lab"), ("my_lab.2", "s3c-my-lab-2"), ("a-", "s3c-a")])
def test_a_node_has_a_name_that_a_host_may_have(lab: str, node: str) -> None:
    assert node_name(lab) == node


def test_a_kubeconfig_that_is_not_there_is_named_before_anything_is_installed(tmp_path: Path) -> None:
    missing = tmp_path / "kubeconfig"
    machine = Machine(runner=Runner(environment={}), progress=Silent(), cache=tmp_path)
    with pytest.raises(InputError, match="is not a file") as raised:
        cluster.use(missing, tmp_path / "certificate", machine)
    assert raised.value.field == "kubeconfig"


@pytest.mark.parametrize("given", [{}, {"GOGC": "400"}])
def test_its_programs_collect_garbage_as_often_as_the_caller_s(given: dict[str, str], tmp_path: Path) -> None:
    settings = container.NodeSettings(
        name="s3c-lab", image="x", programs={}, images=(), registry="localhost:5000", folder=tmp_path
    )
    machine = Machine(runner=Runner(environment={"PATH": "/bin", **given}), progress=Silent(), cache=tmp_path)
    docker: Any = SimpleNamespace(api=APIClient(version="1.41"))
    assert container._node_options(settings, docker, machine)["environment"] == given


def test_an_image_archive_is_whole_and_the_same_each_time(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(b"\x7fELF" + bytes(100_000))
    image = archives.StaticImage(
        reference="s3c-lab.invalid/x:1", programs={"/app/x": program}, entrypoint=("/app/x",), user="1:1"
    )
    archives.write(image, tmp_path / "one.tar")
    archives.write(image, tmp_path / "two.tar")
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()
    with tarfile.open(tmp_path / "one.tar") as archive:
        held = {member.name: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr]
    (entry,) = json.loads(held["index.json"])["manifests"]
    assert entry["annotations"]["io.containerd.image.name"] == image.reference
    manifest = json.loads(held[f"blobs/{entry['digest'].replace(':', '/')}"])
    for blob in (manifest["config"], *manifest["layers"]):
        content = held[f"blobs/{blob['digest'].replace(':', '/')}"]
        assert blob["digest"] == f"sha256:{hashlib.sha256(content).hexdigest()}"
        assert blob["size"] == len(content)
    layer = held[f"blobs/{manifest['layers'][0]['digest'].replace(':', '/')}"]
    with tarfile.open(fileobj=io.BytesIO(layer)) as content:
        assert content.getmember("app/x").mode == 0o755
        assert content.getmember("tmp").mode == 0o1777


def test_another_program_makes_another_archive(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(b"1")
    image = archives.StaticImage(reference="x:1", programs={"/x": program}, entrypoint=("/x",), user="1:1")
    before = archives.key(image)
    program.write_bytes(b"22")
    assert archives.key(image) != before


@pytest.mark.parametrize("path", sorted(MANIFESTS.rglob("*.yaml")), ids=lambda path: path.name)
def test_every_manifest_is_one_document(path: Path) -> None:
    assert isinstance(load(path), dict)


def test_the_constraint_covers_whatever_makes_pods() -> None:
    constraint = load(MANIFESTS / "gatekeeper" / "constraint.yaml")
    assert {kind for match in constraint["spec"]["match"]["kinds"] for kind in match["kinds"]} >= WORKLOADS
    assert constraint["spec"]["enforcementAction"] == "deny"


def test_the_gate_is_closed_when_in_doubt_and_each_waits_longer_than_the_next() -> None:
    gatekeeper, ratify = (load(MANIFESTS / name / "values.yaml") for name in ("gatekeeper", "ratify"))
    timeout = ratify["provider"]["timeout"]
    assert gatekeeper["validatingWebhookFailurePolicy"] == "Fail"
    assert gatekeeper["validatingWebhookTimeoutSeconds"] > timeout["validationTimeoutSeconds"]
    assert gatekeeper["mutatingWebhookTimeoutSeconds"] > timeout["mutationTimeoutSeconds"]


def test_one_good_signature_is_enough() -> None:
    policies = load(MANIFESTS / "ratify" / "policy.yaml")["spec"]["parameters"]["artifactVerificationPolicies"]
    assert policies == {"application/vnd.cncf.notary.signature": "any", "default": "all"}
