"""The gate's rules, pause and removal by a real API server and the real Gatekeeper, without a node, Helm and Ratify.

Whom Gatekeeper asks in Ratify's place does not answer, so that everything is denied that is not let through.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from s3c_actions.cli.run import cache_path
from s3c_actions.cluster import apply
from s3c_actions.cluster.client import AdmissionDenied, Cluster, connect
from s3c_actions.cluster.gate import constraints, inspection, manifests, matching, proof, stages, staging, webhook
from s3c_actions.cluster.gate import objects as gate_objects
from s3c_actions.core.gate_pause import GatePause, PauseState
from s3c_actions.core.gate_stage import Stage
from s3c_actions.core.moments import format_moment
from s3c_actions.core.process import Runner
from s3c_actions.core.progress import Silent
from s3c_actions.options.gate import stages as parse_mode
from s3c_actions.programs.helm.charts import fetch_chart
from s3c_actions.programs.helm.helm import Helm, HelmRelease
from s3c_actions.programs.install.locate import ProgramRequest, locate_all
from s3c_actions.programs.install.pins import CHARTS, GATEKEEPER, HELM
from s3c_actions.steps import install_gate, pause_gate, promote_gate, uninstall_gate
from s3c_lab import registry_server
from s3c_lab.node.programs import KUBECTL
from tests.support import ROOT
from tests.support.api_server import api_server, started
from tests.support.cluster import CONSTRAINT, WEBHOOK, Kubectl, pod, pod_spec

RECORDED = json.loads((ROOT / "tests" / "data" / "gate" / "facts.json").read_text())
RATIFY = constraints.resource(manifests.CONSTRAINT_KIND)
STRANGE = pod("x", pod_spec(proof.ABSENT_IMAGE))
NODE_OBJECT = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "new"}}
_READER = "system:serviceaccount:default:reader"
LEASE = {
    "apiVersion": "coordination.k8s.io/v1",
    "kind": "Lease",
    "metadata": {"name": "new", "namespace": "kube-node-lease"},
    "spec": {"holderIdentity": "new"},
}


@dataclass
class Api:
    """An API server, and Gatekeeper beside it while it runs."""

    kubectl: Kubectl
    cluster: Cluster
    gatekeeper: Path
    folder: Path
    port: int

    @contextmanager
    def running(self) -> Iterator[None]:
        """Gatekeeper runs, and denies what it is asked about."""
        operations = ("webhook", "status", "generate", "mutation-controller", "mutation-webhook", "mutation-status")
        argv = [
            str(self.gatekeeper),
            *(f"--operation={operation}" for operation in operations),
            *("--disable-cert-rotation", f"--cert-dir={self.folder}", f"--port={self.port}"),
            *("--prometheus-port=0", "--metrics-addr=0", "--health-addr=127.0.0.1:0"),
            *("--enable-external-data=true", "--external-data-provider-response-cache-ttl=1s"),
        ]
        environment = {
            "KUBECONFIG": self.kubectl.kubeconfig,
            "POD_NAME": "gatekeeper-0",
            "POD_NAMESPACE": gate_objects.NAMESPACE,
            "CONTAINER_NAME": "manager",
        }
        with (self.folder / "gatekeeper.log").open("wb") as log, started(argv, log, environment):
            self.kubectl.until_denied(STRANGE, "[ratify-verification] Ratify could not be asked about")
            yield

    def denial(self, document: dict[str, Any]) -> str:
        """Why an object is not taken, by dry run; empty when it is."""
        return self.kubectl.run("create", "--dry-run=server", "-f", "-", stdin=json.dumps(document)).stderr

    def refused(self, document: dict[str, Any]) -> bool:
        """Whether an object is refused since Gatekeeper is not there."""
        return "failed calling webhook" in self.denial(document)

    def until(self, condition: Callable[[], object]) -> None:
        until = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < until, (self.folder / "gatekeeper.log").read_text()[-3000:]
            time.sleep(0.3)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    folder = tmp_path_factory.mktemp("api")
    requests = [ProgramRequest(pin=pin) for pin in (KUBECTL, GATEKEEPER)]
    located = locate_all(requests, cache=cache_path(os.environ), runner=Runner(os.environ), progress=Silent())
    programs = {program.name: program.path for program in located}
    with api_server(folder) as (kubeconfig, cluster):
        for name in ("crt", "key"):
            (folder / f"tls.{name}").write_bytes((folder / f"apiserver.{name}").read_bytes())
        kubectl = Kubectl(programs["kubectl"], str(kubeconfig))
        yield Api(kubectl, cluster, programs["gatekeeper"], folder, registry_server.free_port())


@pytest.fixture
def gated(api: Api) -> Iterator[Api]:
    """With the gate as it is shipped, and Gatekeeper running."""
    for pin in CHARTS:
        chart = fetch_chart(pin, cache=cache_path(os.environ), runner=Runner(os.environ), progress=Silent())
        api.kubectl("apply", "--server-side", "-f", str(chart / "crds"))
    authority = base64.b64encode((api.folder / "ca.crt").read_bytes()).decode()
    provider = {"url": "https://127.0.0.1:1/x", "timeout": 1, "caBundle": authority}
    documents = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": gate_objects.NAMESPACE}},
        pod("gatekeeper-0", pod_spec("x")),
        *(
            {
                "apiVersion": "externaldata.gatekeeper.sh/v1beta1",
                "kind": "Provider",
                "metadata": {"name": name},
                "spec": provider,
            }
            for name in ("ratify-provider", gate_objects.MUTATION_PROVIDER)
        ),
        manifests.template(),
        _hooks("Validating", gate_objects.WEBHOOK, "admit", "Fail", authority, api.port),
        _hooks("Mutating", gate_objects.MUTATING_WEBHOOK, "mutate", "Ignore", authority, api.port),
    ]
    documents[1]["metadata"]["namespace"] = gate_objects.NAMESPACE
    # The webhooks last: nothing that they are asked about is made while Gatekeeper does not run.
    for document in documents[:-2]:
        api.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=json.dumps(document))
    constraint = json.dumps(manifests.objects_for_identities(("*",))[-1])
    with ExitStack() as stack:
        for document in documents[-2:]:
            api.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=json.dumps(document))

        def taken() -> bool:
            return api.kubectl.run("apply", "--server-side", "-f", "-", stdin=constraint).returncode == 0

        thread = threading.Thread(target=lambda: api.until(taken))
        thread.start()
        stack.enter_context(api.running())
        thread.join()
        yield api


def _mutation() -> dict[str, Any]:
    return {
        "apiVersion": "mutations.gatekeeper.sh/v1",
        "kind": "Assign",
        "metadata": {"name": "mutate-pod-image"},
        "spec": {
            "applyTo": [{"groups": [""], "kinds": ["Pod"], "versions": ["v1"]}],
            "match": {"scope": "Namespaced", "kinds": [{"apiGroups": ["*"], "kinds": ["Pod"]}]},
            "location": "spec.containers[name:*].image",
            "parameters": {"assign": {"externalData": {"provider": gate_objects.MUTATION_PROVIDER}}},
        },
    }


def _hooks(kind: str, name: str, path: str, policy: str, authority: str, port: int) -> dict[str, Any]:
    """As Gatekeeper's chart has it with the shipped values, but for the address."""
    values = yaml.safe_load(manifests.values_file("gatekeeper").read_text())
    exempt = {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": [*manifests.EXEMPT_NAMESPACES]}
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": f"{kind}WebhookConfiguration",
        "metadata": {"name": f"gatekeeper-{kind.lower()}-webhook-configuration"},
        "webhooks": [
            {
                "name": name,
                "clientConfig": {"url": f"https://127.0.0.1:{port}/v1/{path}", "caBundle": authority},
                "rules": values[f"{kind.lower()}WebhookCustomRules"],
                "failurePolicy": policy,
                "matchPolicy": "Exact",
                "namespaceSelector": {"matchExpressions": [exempt]},
                "sideEffects": "None",
                "timeoutSeconds": 7,
                "admissionReviewVersions": ["v1"],
            }
        ],
    }


def _pause(api: Api, length: timedelta | None) -> tuple[GatePause, ...]:
    tools = pause_gate.PauseTools(cluster=api.cluster, progress=Silent())
    return pause_gate.run(pause_gate.PauseSettings(length=length, reason="registry down"), tools).pauses


def test_a_pause_lets_everything_through_also_where_mutation_is_not_answered_and_ends(gated: Api) -> None:
    installer = install_gate._Installer(
        install_gate.GateSettings(charts=(), objects=()),
        install_gate.GateTools(helm=NoHelm(), cluster=gated.cluster, progress=Silent()),
    )
    gated.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(_mutation()))
    gated.until(lambda: "mutation.gatekeeper.sh" in gated.denial(STRANGE))
    installer.leave_refusals_to_validation()
    installer.leave_refusals_to_validation()
    assert [applied.action for applied in installer.applied] == ["configured", "unchanged"]
    (pause,) = _pause(gated, timedelta(minutes=30))
    assert pause.state(datetime.now(UTC)) is PauseState.ACTIVE
    gated.until(lambda: gated.denial(STRANGE) == "")
    assert gated.denial(pod("x", pod_spec("localhost:1/x:1"))) == ""
    assert _pause(gated, None) == ()
    assert "[ratify-verification]" in gated.denial(STRANGE)

    def write(since: int, until: int) -> None:
        now = datetime.now(UTC)
        times = {"since": now + timedelta(seconds=since), "until": now + timedelta(seconds=until)}
        written = {**{name: format_moment(moment) for name, moment in times.items()}, "reason": "x"}
        patch = json.dumps({"spec": {"parameters": {"pause": written}}})
        gated.kubectl("patch", CONSTRAINT, "--type=merge", "-p", patch)

    write(-60, 6)
    gated.until(lambda: gated.denial(STRANGE) == "")
    gated.until(lambda: "[ratify-verification]" in gated.denial(STRANGE))
    for since, until in ((-60, 4 * 3600), (60, 600)):
        write(since, until)
        time.sleep(2)
        assert "[ratify-verification]" in gated.denial(STRANGE)
    _pause(gated, None)
    gated.kubectl("delete", "assign", "mutate-pod-image")


@pytest.fixture
def staged(gated: Api) -> Iterator[Callable[[str], None]]:
    """Puts the gate into stages; afterwards it denies again."""
    (shipped,) = manifests.objects_for_identities(("*",))[-1:]

    def stage(mode: str) -> None:
        documents = stages.apply_stages([shipped], parse_mode(mode))
        for document in documents:
            text = json.dumps(document)
            gated.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=text)
            staging.await_taken(gated.cluster, gated.cluster.get(RATIFY, document["metadata"]["name"]) or {})
        staging.remove_stages(gated.cluster, {str(document["metadata"]["name"]) for document in documents})

    for name in ("shop", "labs"):
        gated.kubectl.run("create", "namespace", name)
    yield stage
    stage("deny")


def test_audit_and_warn_admit_and_kubectl_warns(gated: Api, staged: Callable[[str], None]) -> None:
    def create_pod(namespace: str, **labels: str) -> tuple[bool, str]:
        document = {**STRANGE, "metadata": {"name": "x", "namespace": namespace, "labels": labels}}
        ended = gated.kubectl.run("create", "--dry-run=server", "-f", "-", stdin=json.dumps(document))
        return ended.returncode == 0, ended.stderr

    staged("deny,shop=warn,labs=audit")
    live = gated.cluster.list(RATIFY)
    assert stages.read_stages(live) == parse_mode("deny,shop=warn,labs=audit")
    inspected = inspection.inspect(
        gate_objects.read_gate_objects(gated.cluster),
        [("", "Pod", name) for name in ("default", "shop", "labs")],
        accept=Stage.AUDIT,
    )
    assert inspected.stages == {"default": Stage.DENY, "shop": Stage.WARN, "labs": Stage.AUDIT}
    admitted, message = create_pod("default")
    assert not admitted
    assert "[ratify-verification] Ratify could not be asked about" in message
    admitted, message = create_pod("shop")
    assert admitted, message
    assert message.startswith("Warning: [ratify-verification-warn] Ratify could not be asked about")
    assert create_pod("labs") == (True, "")
    for namespace in ("shop", "labs"):
        admitted, message = create_pod(namespace, **{stages.PREVIEW_LABEL: "true"})
        assert not admitted
        assert "[ratify-verification-preview]" in message
    # Nothing of it depends on the label where the gate refuses anyway.
    assert not create_pod("default", **{stages.PREVIEW_LABEL: "true"})[0]


def test_a_promotion_changes_the_real_objects_and_is_written_down(
    gated: Api, staged: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    staged("warn,labs=audit")
    opened = json.dumps([{"op": "replace", "path": "/webhooks/0/failurePolicy", "value": "Ignore"}])
    gated.kubectl("patch", WEBHOOK, "--type=json", "-p", opened)
    # Ratify is not there, so that no verdict proves a stage: that is the result's failure, and the stage stays.
    monkeypatch.setattr(promote_gate, "TAKEN_SECONDS", 0.0)
    tools = promote_gate.PromoteTools(cluster=gated.cluster, namespace="default", progress=Silent())

    def promote(*namespaces: str, exceptions: tuple[str, ...] = ()) -> None:
        live = [constraint for constraint, _ in constraints.list_constraints(gated.cluster)]
        promotion = promote_gate.plan(live, namespaces, gated.cluster.address)
        result = promote_gate.run(promotion, exceptions, tools)
        assert result.failure is not None
        assert "Ratify" in result.failure.what, result.failure.original

    def failure_policy() -> str:
        hooks = json.loads(gated.kubectl("get", WEBHOOK, "-o", "json"))["webhooks"]
        (own,) = (hook for hook in hooks if hook["name"] == gate_objects.WEBHOOK)
        return str(own["failurePolicy"])

    promote("labs")
    assert stages.read_stages(gated.cluster.list(RATIFY)) == parse_mode("warn")
    assert failure_policy() == "Ignore"
    promote("labs", exceptions=(proof.ABSENT_IMAGE,))
    assert stages.read_stages(gated.cluster.list(RATIFY)) == parse_mode("warn,labs=deny")
    assert failure_policy() == "Fail"
    promote()
    assert stages.read_stages(gated.cluster.list(RATIFY)) == parse_mode("deny")
    assert [constraint["metadata"]["name"] for constraint in gated.cluster.list(RATIFY)] == [stages.BASE]
    base = gated.cluster.get(RATIFY, stages.BASE) or {}
    records = promote_gate.read_records(base["metadata"]["annotations"][stages.PROMOTION])
    assert [(record["stage"], record["namespaces"], record["except"]) for record in records] == [
        ("deny", [], []),
        ("deny", ["labs"], [proof.ABSENT_IMAGE]),
        ("warn", ["labs"], []),
    ]
    assert {record["by"] for record in records} == {"s3c-lab-admin"}
    assert all(
        abs((datetime.fromisoformat(record["at"]) - datetime.now(UTC)).total_seconds()) < 120 for record in records
    )
    # An installation says the whole stage and leaves the record.
    staged("deny")
    base = gated.cluster.get(RATIFY, stages.BASE) or {}
    assert stages.PROMOTION in base["metadata"]["annotations"]


def test_pausing_is_a_permission_of_its_own(gated: Api) -> None:
    for name in ("gate-pauser", "gate-pause-policy", "gate-pause-binding"):
        gated.kubectl("apply", "-f", str(ROOT / "manifests" / "rbac" / f"{name}.yaml"))
    gated.kubectl("create", "serviceaccount", "pauser")
    bound = ("--clusterrole=s3c-gate-pauser", "--serviceaccount=default:pauser")
    gated.kubectl("create", "clusterrolebinding", "pauser", *bound)
    document = yaml.safe_load(Path(gated.kubectl.kubeconfig).read_text())
    document["users"][0]["user"] = {"token": gated.kubectl("create", "token", "pauser").strip()}
    file = gated.folder / "pauser"
    file.write_text(yaml.safe_dump(document))
    account = Kubectl(gated.kubectl.program, str(file))
    wider: list[dict[str, Any]] = [
        {"op": "add", "path": "/spec/match/excludedNamespaces/-", "value": "default"},
        {"op": "replace", "path": "/spec/enforcementAction", "value": "dryrun"},
        {"op": "add", "path": "/spec/parameters", "value": {"allowTags": True}},
        {"op": "remove", "path": "/spec/match"},
    ]

    def refused(change: dict[str, Any]) -> bool:
        patch = ("patch", CONSTRAINT, "--dry-run=server", "--type=json", "-p", json.dumps([change]))
        return "may not delete the constraint" in account.run(*patch).stderr

    gated.until(lambda: all(refused(change) for change in wider))
    assert "cannot delete" in account.run("delete", CONSTRAINT, "--dry-run=server").stderr
    theirs = replace(gated, cluster=connect(str(file), "", timeout=30, temp=gated.folder, hide=lambda _: None))
    (pause,) = _pause(theirs, timedelta(minutes=5))
    assert pause.state(datetime.now(UTC)) is PauseState.ACTIVE
    gated.until(lambda: gated.denial(STRANGE) == "")
    assert all(refused(change) for change in wider)
    assert _pause(theirs, None) == ()
    assert "[ratify-verification]" in gated.denial(STRANGE)
    for change in wider[1:2] + wider[3:]:
        gated.kubectl("patch", CONSTRAINT, "--dry-run=server", "--type=json", "-p", json.dumps([change]))


def test_a_template_is_upgraded_without_an_open_moment(gated: Api) -> None:
    (old,) = RECORDED["templates"]
    resource, name = gate_objects.CONSTRAINT_TEMPLATES, "ratifyverification"
    admitted, denied, over = [], [], threading.Event()

    def hammer() -> None:
        while not over.is_set():
            try:
                gated.cluster.create(proof.PODS, proof.probe_pod([proof.ABSENT_IMAGE]), "default", dry_run=True)
            except AdmissionDenied as error:
                denied.append(error)
            else:
                admitted.append(time.monotonic())

    thread = threading.Thread(target=hammer)
    thread.start()
    try:
        for _ in range(3):
            live = gated.cluster.get(resource, name)
            assert live is not None
            metadata = {"name": name, "resourceVersion": live["metadata"]["resourceVersion"]}
            live = gated.cluster.request("PUT", resource.url("", name), body={**old, "metadata": metadata})
            assert "s3c gate install" in manifests.describe_template(live)
            time.sleep(1.5)
            target = apply.ApplyTarget(document=manifests.template(), resource=resource, namespace="", source="")
            change = apply.apply(gated.cluster, target, apply.read_object(gated.cluster, target), force=True)
            assert (change.action, manifests.describe_template(change.after)) == ("configured", "")
            time.sleep(1.5)
    finally:
        over.set()
        thread.join(30)
    assert admitted == []
    assert len(denied) > 20


class NoHelm(Helm):
    """Nothing was installed by it."""

    def __init__(self) -> None:
        """Without a program."""

    def release(self, name: str) -> HelmRelease | None:
        return None


def test_without_gatekeeper_nodes_leases_and_the_gate_go_on_pods_do_not_and_the_gate_can_be_removed(
    gated: Api,
) -> None:
    nowhere = f"https://127.0.0.1:{registry_server.free_port()}/v1/admit"
    moved = json.dumps([{"op": "replace", "path": "/webhooks/0/clientConfig/url", "value": nowhere}])
    gated.kubectl("patch", WEBHOOK, "--type=json", "-p", moved)
    gated.until(lambda: "failed calling webhook" in gated.denial(STRANGE))
    assert gated.denial(NODE_OBJECT) == gated.denial(LEASE) == ""
    for resource in (CONSTRAINT, "constrainttemplate/ratifyverification", "provider/ratify-provider"):
        gated.kubectl("label", resource, "--dry-run=server", "a=b")
    wide = [{"op": "replace", "path": "/webhooks/0/rules", "value": RECORDED["webhooks"][0]["webhooks"][0]["rules"]}]
    gated.kubectl("patch", WEBHOOK, "--type=json", "-p", json.dumps(wide))
    for document in (NODE_OBJECT, LEASE):
        gated.until(partial(gated.refused, document))

    tools = uninstall_gate.UninstallTools(cluster=gated.cluster, helm=NoHelm, progress=Silent())
    removed = uninstall_gate.run(tools)
    assert removed.failure is None
    assert [applied.kind for applied in removed.applied] == [
        "ValidatingWebhookConfiguration",
        "MutatingWebhookConfiguration",
        "RatifyVerification",
        "ConstraintTemplate",
        "Provider",
        "Provider",
    ]
    for document in (STRANGE, NODE_OBJECT, LEASE):
        assert gated.denial(document) == ""
    assert uninstall_gate.run(tools).unchanged


def test_a_webhook_that_somebody_widened_is_seen_also_by_the_account_that_deploys(gated: Api) -> None:
    account = f"--as={_READER}"
    gated.kubectl("apply", "-f", str(ROOT / "manifests" / "rbac" / "gate-reader.yaml"))
    gated.kubectl("create", "clusterrolebinding", "reader", "--clusterrole=s3c-gate-reader", f"--user={_READER}")
    mutations = ("assign", "modifyset", "assignmetadata", "assignimage")
    listed = ["mutatingwebhookconfigurations", *(f"{mutation}.mutations.gatekeeper.sh" for mutation in mutations)]
    gated.until(lambda: all(gated.kubectl.run("get", resource, account).returncode == 0 for resource in listed))

    def excess() -> tuple[str, ...]:
        return inspection.inspect(gate_objects.read_gate_objects(gated.cluster), [("", "Pod", "default")]).excess

    assert excess() == ()
    hook = "mutatingwebhookconfiguration/gatekeeper-mutating-webhook-configuration"
    rule = {"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["CREATE", "UPDATE"], "resources": ["*"]}
    added = json.dumps([{"op": "add", "path": "/webhooks/0/rules/-", "value": rule}])
    gated.kubectl("patch", hook, "--type=json", "-p", added)
    (sentence,) = excess()
    assert (
        "gatekeeper-mutating-webhook-configuration is asked about more than the gate needs (Nodes, Leases" in sentence
    )
    services = {
        **_mutation(),
        "kind": "AssignMetadata",
        "metadata": {"name": "owner"},
        "spec": {"location": "metadata.labels.owner", "parameters": {"assign": {"value": "us"}}},
    }
    gated.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(services))
    # It changes every kind, so that the webhook has to be asked about every kind.
    gated.until(lambda: all("Nodes" in sentence and "* of every group" not in sentence for sentence in excess()))
    gated.kubectl("delete", "assignmetadata", "owner")


def test_gatekeepers_chart_has_the_webhooks_that_our_values_ask_for(tmp_path: Path) -> None:
    """By Helm itself: with what the constraint leaves out left out of both, and asked about nothing besides."""
    (helm,) = locate_all(
        [ProgramRequest(pin=HELM)], cache=cache_path(os.environ), runner=Runner(os.environ), progress=Silent()
    )
    (pin,) = (pin for pin in CHARTS if pin.name == "gatekeeper")
    chart = fetch_chart(pin, cache=cache_path(os.environ), runner=Runner(os.environ), progress=Silent())
    (constraint,) = manifests.exempt_namespaces(manifests.objects_for_identities(("*",))[-1:], ["calico-system"])
    rules = webhook.rules(webhook.constrained_kinds([constraint]))
    exempt = matching.excluded_namespaces([constraint])
    values = tmp_path / "values.json"
    values.write_text(
        json.dumps(manifests.gatekeeper_values(rules, rules, validating_exempt=exempt, mutating_exempt=exempt))
    )
    files = ("-f", str(manifests.values_file("gatekeeper")), "-f", str(values))
    argv = [str(helm.path), "template", "gatekeeper", str(chart), "-n", gate_objects.NAMESPACE, *files]
    rendered = yaml.safe_load_all(subprocess.run(argv, check=True, capture_output=True, text=True).stdout)
    hooks = [document for document in rendered if document and document["kind"].endswith("WebhookConfiguration")]
    validating, mutating = (
        tuple(hook for hook in hooks if hook["kind"].startswith(kind)) for kind in ("Valid", "Mutat")
    )
    assert (len(validating), len(mutating)) == (1, 1)
    names = ("kube-system", gate_objects.NAMESPACE, "calico-system", "default")
    known = gate_objects.GateObjects(
        webhooks=validating,
        mutating=mutating,
        mutated=(),
        templates=(manifests.template(),),
        constraints=(constraint,),
        providers=tuple(RECORDED["providers"]),
        configs=(),
        namespaces={name: {"kubernetes.io/metadata.name": name} for name in names},
        ready=frozenset(RECORDED["ready"]),
    )
    inspected = inspection.inspect(known, [("", "Pod", "default")])
    assert (inspected.holes, inspected.warnings) == ((), ())
    assert set(inspected.exempt) == {"kube-system", gate_objects.NAMESPACE, "calico-system"}
    assert "namespaceSelector" in inspected.exempt["calico-system"]
