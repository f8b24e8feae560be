"""Evidence at admission: the cluster, `s3c policy check` and the gate in CI judge the same images alike."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from s3c_actions.core import artifact_types
from s3c_actions.programs.install.locate import locate
from s3c_actions.programs.install.pins import HELM
from s3c_lab.certificates import make
from s3c_lab.lab import Lab
from s3c_lab.machine import Machine
from s3c_lab.node.cluster import VALUES
from tests.support.cluster import CACHED, Kubectl, node_helm, pod_spec
from tests.support.cluster import pod as pod_of
from tests.support.evidence_world import World, admission, by_signatures_alone, enforced, files, make_world
from tests.support.github.server import GitHub
from tests.support.github.state import Token
from tests.support.oci import attach, layer, list_referrers
from tests.support.scanning import HIGH

EXCEPTED, OVER, NEW = "CVE-2024-20001", "CVE-2024-20002", "CVE-2024-20003"
POLICY = f"""\
version: 1
signers:
  - name: lab
    certificate: {{certificate}}
findings: {{{{refuse: [HIGH, CRITICAL], fixable-only: true}}}}
exceptions:
  - {{{{id: {EXCEPTED}, package: tar, until: 2099-12-31, why: It is not reached., who: security}}}}
  - {{{{id: {OVER}, package: curl, until: 2024-12-31, why: The fixing is near., who: security}}}}
report: {{{{maximum-age: 6h}}}}
sbom: {{{{required: true}}}}
licenses: {{{{refuse: [AGPL-3.0-only, AGPL-3.0]}}}}
"""

# Row → the codes of what the policy has against it; nothing: it is admitted.
TABLE: dict[str, set[str]] = {
    "clean": set(),
    "healed": set(),
    "runs": set(),
    "index": set(),
    "unsigned": {"unsigned-image"},
    "dirty": {"finding"},
    "stale": {"stale-report"},
    "unsigned-report": {"unsigned-report"},
    "stranger-report": {"stranger-report", "stranger-sbom"},
    "other-image": {"other-image-report", "no-sbom"},
    "turned-dirty": {"finding"},
    "no-report": {"no-report"},
    "expired-exception": {"finding", "expired-exception"},
    "licence": {"license"},
    "dirty-platform": {"finding"},
}
# What the gate in CI knows nothing of, because it decides before anything is signed or attached: who signed the image
# and its report, how old that is, what it is about. Of these rows the scan is clean.
OUT_OF_SIGHT = {"unsigned", "stale", "unsigned-report", "stranger-report", "other-image", "no-report"}


@pytest.fixture(scope="module")
def world(gated: Lab, machine: Machine, kubectl: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The images with their evidence, and the gate told of the policy; the gate by signatures alone comes back."""
    advisories = ((EXCEPTED, "tar", "2.0-1", "high"), (OVER, "curl", "2.0-1", "high"))
    new_world = make_world(
        gated, tmp_path_factory.mktemp("evidence"), POLICY, advisories, (*advisories, (NEW, "bash", "2.0-1", "high"))
    )
    _push(new_world)
    _attach(new_world)
    with enforced(new_world, machine, kubectl, without_report=new_world.images["no-report"]):
        yield new_world


def _push(world: World) -> None:
    odd: dict[str, dict[str, str]] = {
        "clean": {"more": "tar"},
        "turned-dirty": {"more": "bash"},
        "runs": {"more": "bash"},
        "dirty": {"openssl": "3.0.11-1~deb12u2"},
        "expired-exception": {"more": "curl"},
        "licence": {"licence": "AGPL-3.0"},
    }
    for row in TABLE.keys() - {"index", "dirty-platform"}:
        pushed = world.repository.image([layer(files(row, **odd.get(row, {})))], row)
        world.images[row] = f"{world.repository.registry}/{world.repository.name}@{pushed['digest']}"
    for row, openssl in (("index", "3.0.13-1~deb12u1"), ("dirty-platform", "3.0.11-1~deb12u2")):
        platforms = [
            world.repository.image(
                [layer(files(f"{row} {architecture}", openssl=version))],
                f"{row}-{architecture}",
                architecture=architecture,
            )
            for architecture, version in (("amd64", "3.0.13-1~deb12u1"), ("arm64", openssl))
        ]
        pushed = world.repository.index(platforms, row)
        world.images[row] = f"{world.repository.registry}/{world.repository.name}@{pushed['digest']}"


def _attach(world: World) -> None:
    signed = [image for row, image in world.images.items() if row != "unsigned"]
    world.run("sign", *signed, "--key", world.lab.key, "--certificate", world.lab.certificate)
    late = {"stale", "healed", "stranger-report", "other-image", "no-report"}
    world.attach(*(TABLE.keys() - late))
    for row in ("stale", "healed"):
        flags = ("--trivy-cache-dir", world.first, "--offline", "--format", "json")
        world.run("scan", world.images[row], *flags)
        report = json.loads((world.folder / "s3c-out" / "app" / "trivy.json").read_text())
        path = world.folder / f"{row}.json"
        path.write_text(json.dumps({**report, "CreatedAt": (datetime.now(UTC) - timedelta(days=2)).isoformat()}))
        world.attach(row, more=("--report", path))
    key, certificate = make("stranger").write(world.folder, "stranger")
    world.attach("stranger-report", key=(str(key), str(certificate)))
    list_referrers(world.repository, world.digest("other-image"), [world.report("clean")])
    time.sleep(1.1)  # times are told in whole seconds
    world.attach("turned-dirty", db=world.second)
    text = world.content("unsigned-report").decode()
    created = json.loads(text)["runs"][0]["properties"]["s3c"]["created"]
    newer = (datetime.fromisoformat(created) + timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    content = text.replace(created, newer).encode()
    notes = {artifact_types.CREATED: newer}
    attach(world.repository, world.digest("unsigned-report"), artifact_types.SARIF, content, **notes)


def _settled(kubectl: Kubectl, images: dict[str, str]) -> dict[str, str]:
    """Row → the gate's word, when verdicts of before are forgotten and Ratify has read everything once."""
    until = time.monotonic() + CACHED + 120
    while True:
        denials = {row: admission(kubectl, image) for row, image in images.items()}
        passing = any(
            "cache was being written" in denial or "could not be verified" in denial for denial in denials.values()
        )
        if not passing or time.monotonic() > until:
            return denials
        time.sleep(0.5)


def _gates_of_ci(world: World) -> dict[str, bool]:
    """Row → whether the gate in CI lets it pass, with the data that the row's newest report was made with."""
    look = ("--policy", world.policy, "--offline", "--format", "json")
    key = ("--key", world.lab.key, "--certificate", world.lab.certificate, "--attach", "sarif,spdx")
    # Of an index every platform is scanned where evidence is attached; it is there already.
    indexes, dirtied = {"index", "dirty-platform"}, {"turned-dirty"}
    runs = (
        (TABLE.keys() - indexes - dirtied, ("scan",), world.first),
        (dirtied, ("scan",), world.second),
        (indexes, ("attach", *key), world.first),
    )
    passed: dict[str, bool] = {}
    for rows, command, db in runs:
        ended = world.run(*command, *(world.images[row] for row in rows), *look, "--trivy-cache-dir", db, code=1)
        verdicts = {image["image"]: image["verdict"] for image in ended.result["images"]}
        passed |= {row: verdicts[world.images[row]] == "passed" for row in rows}
    return passed


def test_cluster_check_and_ci_judge_the_table_alike(world: World, kubectl: Kubectl) -> None:
    ended = world.run("policy", "check", *world.images.values(), "--policy", world.policy, code=1)
    judged = {image["image"]: image for image in ended.result["images"]}
    refusals = {row: judged[image]["judgement"]["refusals"] for row, image in world.images.items()}
    expected = TABLE | {"healed": {"stale-report"}}
    assert {row: {refusal["code"] for refusal in listed} for row, listed in refusals.items()} == expected
    denials = _settled(kubectl, world.images)
    for row, listed in refusals.items():
        assert bool(denials[row]) is bool(listed), f"{row}: {denials[row]}"
        for refusal in listed:
            assert refusal["text"] in denials[row], f"{row}: {denials[row]}"
    sentences = [listed[0]["text"].replace(world.images[row], "") for row, listed in refusals.items() if listed]
    assert len({sentence[:60] for sentence in sentences}) >= len(sentences) - 4, "each reason has a sentence of its own"
    assert f"{HIGH} (HIGH, libssl3, fixed in 3.0.13-1~deb12u1)" in denials["dirty"]
    assert NEW in denials["turned-dirty"]
    passed = _gates_of_ci(world)
    assert passed == {row: not codes or row in OUT_OF_SIGHT for row, codes in TABLE.items()}
    for row in ("clean", "stale"):
        pod = world.folder / f"{row}.yaml"
        pod.write_text(json.dumps(pod_of("evidence", pod_spec(world.images[row]))))
        how = ("--policy", world.policy, "--kubeconfig", world.lab.kubeconfig, "--namespace", "default", "--dry-run")
        ended = world.run("deploy", pod, *how, code=1 if row == "stale" else 0)
        assert ("older than 6h" in ended.stderr) is (row == "stale")


def test_a_stale_report_is_healed_by_a_refresh(world: World, kubectl: Kubectl) -> None:
    stale = _settled(kubectl, {row: world.images[row] for row in ("stale", "healed")})
    assert all("older than 6h" in denial for denial in stale.values()), stale
    keyless = world.refresh("healed", key=())
    assert (keyless.image["attach"], "No key is given, so no report was attached" in keyless.stdout) == (None, True)
    attached = world.refresh("healed", "--prune-evidence").image["attach"]
    assert [document["kind"] for document in attached["documents"]] == ["spdx", "sarif"]
    assert len(attached["pruned"]) == 2
    until = time.monotonic() + CACHED + 60
    while denial := admission(kubectl, world.images["healed"]):
        assert time.monotonic() < until, denial
        time.sleep(1)
    unsigned = world.refresh("unsigned")
    assert unsigned.image["attach"] is None
    assert "not signed: no report attached" in unsigned.stdout


def test_a_new_vulnerability_is_reported_and_refused_at_the_next_start_of_a_pod(
    world: World, kubectl: Kubectl, namespace: str, github: GitHub
) -> None:
    image = world.images["runs"]
    kubectl("create", "namespace", namespace)
    kubectl("wait", "--for=create", "serviceaccount/default", "-n", namespace, "--timeout=120s")
    first, second = (pod_of(name, pod_spec(image)) for name in ("first", "second"))
    kubectl("create", "-n", namespace, "-f", "-", stdin=json.dumps(first))
    github.state.tokens["run-token"] = Token(permissions=frozenset({"contents:read", "issues:write"}))
    environment = {
        "GITHUB_API_URL": github.api,
        "GITHUB_SERVER_URL": github.url,
        "GITHUB_REPOSITORY": github.state.repository,
        "GITHUB_TOKEN": "run-token",
    }
    of_the_cluster = ("--kubeconfig", world.lab.kubeconfig, "--namespaces", namespace, "--issue")
    quiet = world.refresh("", *of_the_cluster, environment=environment)
    assert f"✔ {image}   nothing to fix; new report attached" in quiet.stdout
    assert not github.state.issues
    time.sleep(1.1)  # times are told in whole seconds
    ended = world.refresh("", *of_the_cluster, db=world.second, environment=environment)
    assert f"✘ {image}   1 high can be fixed, its next start is refused today: " in ended.stdout
    assert "; new report attached" in ended.stdout
    [issue] = github.state.issues.values()
    assert NEW in issue.body and f"{namespace}/first" in issue.body
    assert f"{NEW} (HIGH, bash, fixed in 2.0-1)" in kubectl.until_denied(second, NEW)
    assert kubectl.names(namespace, "pod") == {"pod/first"}, "what runs goes on"


def test_each_platform_of_an_index_is_signed_and_has_evidence_of_its_own(world: World) -> None:
    listed = world.repository.get(world.digest("index"))["manifests"]
    for manifest in listed:
        referrers = world.repository.get(manifest["digest"].replace(":", "-"))["manifests"]
        kinds = {referrer["artifactType"] for referrer in referrers}
        assert kinds == {artifact_types.SIGNATURE, artifact_types.SARIF, artifact_types.SPDX, artifact_types.IN_TOTO}
    runs = json.loads(world.content("index"))["runs"]
    assert {run["properties"]["s3c"]["image"] for run in runs} == {manifest["digest"] for manifest in listed}
    assert {run["properties"]["s3c"]["platform"] for run in runs} == {"linux/amd64", "linux/arm64"}


def test_the_gate_is_installed_with_the_policy(world: World, kubectl: Kubectl, machine: Machine) -> None:
    """By the command people type, on the node whose gate knew of signatures alone."""
    by_signatures_alone(world, machine, kubectl)
    signed = {row: world.images[row] for row in ("dirty", "no-report")}
    assert _settled(kubectl, signed) == {"dirty": "", "no-report": ""}
    how = ("--policy", world.policy, "--kubeconfig", world.lab.kubeconfig, "--helm-path", _helm(world, machine))
    values = [
        part for name in ("gatekeeper", "ratify") for part in (f"--{name}-values", VALUES / f"{name}-values.yaml")
    ]
    installed = world.run("gate", "install", *how, *values)
    assert "ratify-verification" in installed.result["deploy"]["gate"]["constraints"]
    kinds = {resource["kind"]: resource["action"] for resource in installed.result["deploy"]["applied"]}
    assert (kinds["Policy"], kinds["ConstraintTemplate"]) == ("configured", "configured")
    dirty = f"it has 1 refused finding, {HIGH} (HIGH, libssl3, fixed in 3.0.13-1~deb12u1)"
    rows = {row: world.images[row] for row in ("clean", "dirty", "no-report", "unsigned")}
    until = time.monotonic() + CACHED + 60
    # What Ratify remembers of the signatures alone is denied too, as having no report.
    while dirty not in (denials := _settled(kubectl, rows))["dirty"] or denials["clean"]:
        assert denials["dirty"], denials
        assert time.monotonic() < until, denials
        time.sleep(0.5)
    assert "it has no scan report: attach a new one with `s3c attach" in denials["no-report"]
    assert "it has no signature: sign it with `s3c sign" in denials["unsigned"]
    again = world.run("gate", "install", *how, *values)
    assert again.result["deploy"]["unchanged"] is True


def _helm(world: World, machine: Machine) -> Path:
    """Helm that puts Ratify into the node's network, as the lab does: `localhost` is this machine's registry there."""
    helm = locate(HELM, cache=machine.cache, runner=machine.runner, progress=machine.progress).path
    return node_helm(world.lab, helm, world.folder)
