"""What a gate is made of, what the inputs of `s3c gate install` ask for, and what Helm says."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from kubernetes.client import ApiClient
from msgspec.structs import replace

from s3c_actions.azure.clouds import CLOUDS
from s3c_actions.cli import parser
from s3c_actions.cluster.apply import ApplyTarget, ObjectChange
from s3c_actions.cluster.client import Cluster, Resource
from s3c_actions.cluster.gate import manifests, stages
from s3c_actions.commands import gate
from s3c_actions.core.errors import InputError, OutsideError
from s3c_actions.core.process import CompletedProgram, Runner
from s3c_actions.core.progress import Silent
from s3c_actions.options import declare
from s3c_actions.options import gate as declared
from s3c_actions.options.command import load
from s3c_actions.options.gate import stages as parse_mode
from s3c_actions.programs.helm import charts
from s3c_actions.programs.helm.helm import Chart, Helm
from s3c_actions.programs.install.locate import Program
from s3c_actions.steps import install_gate as steps
from s3c_actions.steps.install_gate import is_status_current
from s3c_actions.wiring import install_gate
from s3c_lab.certificates import make, make_authority
from tests.support import ROOT
from tests.support.contexts import create_context
from tests.unit import test_documentation
from tests.unit.steps.test_promote_gate import Api

UUID = "01234567-89ab-cdef-0123-456789abcdef"
OTHER = "fedcba98-89ab-cdef-0123-456789abcdef"
VAULT = {"vault": "kv-voting", "vault-certificate": "signing", "tenant-id": UUID, "ratify-client-id": OTHER}


CLUSTER = Cluster(ApiClient(), address="nowhere")
TARGET = ApplyTarget(document={}, resource=Resource(path="", plural="", namespaced=False), namespace="", source="")


def given(**flags):
    named = {name.replace("_", "-"): value for name, value in flags.items()}
    return declare.read(declared.GateInputs, {"task": "install", **named}, {}, lambda _old: None)


@pytest.fixture
def context(tmp_path):
    temp = tmp_path / "temp"
    temp.mkdir()
    return create_context(tmp_path, temp=temp)


@pytest.fixture
def certificate(tmp_path):
    return make("release").write(tmp_path, "release")[1]


def kinds(objects):
    return [document["kind"] for document in objects]


def test_everything_a_gate_is_made_of_in_the_order_it_is_needed(context, certificate):
    objects = install_gate._objects(given(trust_store=str(certificate)), context)
    order = ["KeyManagementProvider", "Verifier", "Policy", "ConstraintTemplate", "RatifyVerification"]
    assert kinds(objects) == order
    provider, verifier, *_ = objects
    assert provider["metadata"]["name"] == manifests.TRUST_STORE_NAME
    assert provider["spec"]["parameters"] == {"contentType": "certificate", "value": certificate.read_text()}
    stores = verifier["spec"]["parameters"]["verificationCertStores"]["ca"]
    assert stores == {manifests.TRUST_STORE_NAME: [manifests.TRUST_STORE_NAME]}


def test_a_pod_needs_a_digest_unless_tags_are_allowed(context, certificate):
    for flags, parameters in (
        ({}, None),
        ({"allow_tags": "true"}, {"allowTags": True}),
        ({"allow_tags": "false"}, None),
    ):
        *_, template, constraint = install_gate._objects(given(trust_store=str(certificate), **flags), context)
        assert constraint["spec"].get("parameters") == parameters
        schema = template["spec"]["crd"]["spec"]["validation"]["openAPIV3Schema"]
        assert schema["properties"]["allowTags"]["type"] == "boolean"


def test_a_key_vault_instead_of_a_file(context):
    provider = install_gate._objects(given(**VAULT), context)[0]
    assert provider["spec"]["type"] == "azurekeyvault"
    assert provider["spec"]["refreshInterval"]
    assert provider["spec"]["parameters"] == {
        "vaultURI": "https://kv-voting.vault.azure.net",
        "tenantID": UUID,
        "clientID": OTHER,
        "certificates": [{"name": "signing"}],
    }


def test_several_versions_of_a_vaults_certificate(context):
    """While it is renewed: Ratify fetches each, and the newest whichever it is."""
    versions = "newest,0123456789abcdef0123456789abcdef"
    provider = install_gate._objects(given(**VAULT, trusted_vault_version=versions), context)[0]
    assert provider["spec"]["parameters"]["certificates"] == [
        {"name": "signing"},
        {"name": "signing", "version": "0123456789abcdef0123456789abcdef"},
    ]
    for flags, field in (
        ({"trusted_vault_version": "newest"}, "vault"),
        ({"vault_ca_certs": "ca.pem"}, "vault"),
        ({**VAULT, "trusted_vault_version": "second"}, "trusted-vault-version"),
    ):
        with pytest.raises(InputError) as error:
            install_gate._objects(given(**flags), context)
        assert error.value.field == field


def test_issuers_that_the_vault_does_not_have_are_trusted_beside_it(context, tmp_path):
    """Of a certificate that was merged alone: Ratify finds no authority in the vault's secret."""
    authority = make_authority("root").chain_pem()
    (tmp_path / "ca.pem").write_bytes(authority)
    objects = install_gate._objects(given(**VAULT, vault_ca_certs=str(tmp_path / "ca.pem")), context)
    providers = {
        document["metadata"]["name"]: document["spec"]
        for document in objects
        if document["kind"] == "KeyManagementProvider"
    }
    assert set(providers) == {manifests.TRUST_STORE_NAME, manifests.ISSUERS_STORE_NAME}
    assert providers[manifests.ISSUERS_STORE_NAME]["parameters"]["value"].encode() == authority
    (verifier,) = (document for document in objects if document["kind"] == "Verifier")
    stores = verifier["spec"]["parameters"]["verificationCertStores"]["ca"]
    assert stores == {manifests.TRUST_STORE_NAME: [manifests.TRUST_STORE_NAME, manifests.ISSUERS_STORE_NAME]}


def test_time_stamps_are_trusted_beside_the_signers(context, certificate, tmp_path):
    root = tmp_path / "tsa.crt"
    root.write_bytes(make_authority("tsa root").chain_pem())
    for more, check in (({}, "always"), ({"verify_timestamp": "afterCertExpiry"}, "afterCertExpiry")):
        objects = install_gate._objects(
            given(trust_store=str(certificate), trusted_timestamp_root=str(root), **more), context
        )
        order = ["KeyManagementProvider", "KeyManagementProvider", "Verifier", "Policy", "ConstraintTemplate"]
        assert kinds(objects)[:5] == order
        store = next(document for document in objects if document["metadata"]["name"] == manifests.TIMESTAMP_STORE_NAME)
        assert store["spec"]["parameters"]["value"] == root.read_text()
        (verifier,) = (document for document in objects if document["kind"] == "Verifier")
        parameters = verifier["spec"]["parameters"]
        assert parameters["verificationCertStores"]["tsa"] == {
            manifests.TIMESTAMP_STORE_NAME: [manifests.TIMESTAMP_STORE_NAME]
        }
        (statement,) = parameters["trustPolicyDoc"]["trustPolicies"]
        assert statement["trustStores"][1:] == [f"tsa:{manifests.TIMESTAMP_STORE_NAME}"]
        assert statement["signatureVerification"] == {"level": "strict", "verifyTimestamp": check}
    for wrong in ({"trusted_timestamp_root": str(certificate)}, {"verify_timestamp": "afterCertExpiry"}):
        with pytest.raises(InputError) as error:
            install_gate._objects(given(trust_store=str(certificate), **wrong), context)
        assert error.value.field == "trusted-timestamp-root"
    policy = tmp_path / "s3c-policy.yaml"
    policy.write_text(f"version: 1\nsigners: [{{name: release, certificate: {certificate}}}]\n")
    with pytest.raises(InputError) as error:
        install_gate._objects(given(policy=str(policy), trusted_timestamp_root=str(root)), context)
    assert error.value.field == "trusted-timestamp-root"


@pytest.mark.parametrize("missing", sorted(VAULT))
def test_a_key_vault_takes_four_inputs(context, missing):
    with pytest.raises(InputError, match=r"is missing, and|nobody is trusted") as raised:
        install_gate._objects(given(**{name: value for name, value in VAULT.items() if name != missing}), context)
    assert raised.value.field == missing


def az_account(context, *subscriptions):
    """Somebody is signed in with az."""
    program = context.cwd / "az"
    program.touch(mode=0o755)
    profile = context.cwd / ".azure" / "azureProfile.json"
    profile.parent.mkdir(exist_ok=True)
    profile.write_text(json.dumps({"subscriptions": subscriptions}), encoding="utf-8-sig")
    return {"PATH": str(context.cwd), "HOME": str(context.cwd)}


def test_the_tenant_is_the_inputs_else_the_environments_else_that_of_azs_account(context):
    without = given(**{name: value for name, value in VAULT.items() if name != "tenant-id"})
    first, current = "11111111-89ab-cdef-0123-456789abcdef", "22222222-89ab-cdef-0123-456789abcdef"
    signed_in = az_account(context, {"tenantId": first}, {"isDefault": True, "tenantId": current})
    variable = {"AZURE_TENANT_ID": "33333333-89ab-cdef-0123-456789abcdef"}

    def tenant(options, environment):
        (provider, *_) = install_gate._objects(options, replace(context, environment=environment))
        return provider["spec"]["parameters"]["tenantID"]

    assert tenant(given(**VAULT), signed_in | variable) == UUID
    assert tenant(without, signed_in | variable) == variable["AZURE_TENANT_ID"]
    assert tenant(without, signed_in) == current
    for environment, message in (({"AZURE_TENANT_ID": "my tenant"}, "AZURE_TENANT_ID"), ({}, "is missing, and")):
        with pytest.raises(InputError, match=message) as raised:
            tenant(without, environment)
        assert raised.value.field == "tenant-id"
    for account in ({"isDefault": True}, {"isDefault": True, "tenantId": 5}, {"tenantId": first}):
        with pytest.raises(InputError, match="is missing, and"):
            tenant(without, az_account(context, account))


def test_the_workshops_command_takes_only_what_the_page_gives(context):
    page = ROOT / "docs" / "workshop.md"
    (words,) = (
        words
        for words in test_documentation.command_lines(page)
        if words[1:3] == ["gate", "install"] and "--vault" in words
    )
    options = parser.read(load("gate"), [test_documentation.filled(word) for word in words[2:]])
    assert options is not None
    values = declare.read(declared.GateInputs, options, {}, lambda _old: None)
    # The page exports what infra/terraform prints; the names are held to its outputs in test_documentation.
    assert 'eval "$(tofu -chdir=infra/terraform output -raw github_variables)"' in page.read_text()
    assert "AZURE_TENANT_ID " in (ROOT / "infra/terraform/outputs.tf").read_text()
    exported = {name: value for name, value in test_documentation.VARIABLES.items() if name.startswith("AZURE_")}
    (provider, *_) = install_gate._objects(values, replace(context, environment={**exported, "AZURE_TENANT_ID": UUID}))
    assert provider["spec"]["parameters"]["tenantID"] == UUID


@pytest.mark.parametrize("cloud", CLOUDS, ids=lambda cloud: cloud.name)
def test_ratify_reads_the_vault_and_the_registries_of_the_cloud(context, monkeypatch, cloud):
    values = given(**VAULT, azure_cloud=cloud.name)
    (provider, *_) = install_gate._objects(values, context)
    assert provider["spec"]["parameters"]["vaultURI"] == f"https://kv-voting.{cloud.vaults}"
    monkeypatch.setattr(charts, "fetch_chart", lambda pin, **_: context.cwd / pin.name)
    (_, ratify) = install_gate._charts(values, context)
    (document,) = (json.loads(file.read_text()) for file in ratify.values if file.suffix == ".json")
    assert document["azureWorkloadIdentity"] == {"clientId": OTHER}
    providers = document["oras"]["authProviders"]
    assert providers == {
        "azureWorkloadIdentityEnabled": True,
        "azureContainerRegistryEndpoints": [f"*.{cloud.registries}"],
    }


def test_one_source_of_trust(context, certificate):
    with pytest.raises(InputError, match="beside `trust-store`"):
        install_gate._objects(given(trust_store=str(certificate), **VAULT), context)
    with pytest.raises(InputError, match="nobody is trusted"):
        install_gate._objects(given(), context)


def test_signers_and_exempt_namespaces(context, certificate):
    values = given(
        trust_store=str(certificate),
        trusted_identity="C=US, ST=WA, O=x",
        exempt_namespaces="app-routing-system,azure-*",
    )
    _, verifier, _, _, constraint = install_gate._objects(values, context)
    (policy,) = verifier["spec"]["parameters"]["trustPolicyDoc"]["trustPolicies"]
    assert policy["trustedIdentities"] == ["x509.subject: C=US, ST=WA, O=x"]
    excluded = ["kube-system", "gatekeeper-system", "app-routing-system", "azure-*"]
    assert constraint["spec"]["match"]["excludedNamespaces"] == excluded
    helm_values = manifests.ratify_values("", values.exempt_namespaces)
    assert helm_values == {"provider": {"mutationExcludedNamespaces": excluded}}


def test_a_users_manifests_take_the_place_of_ours(context, certificate, tmp_path):
    head = "apiVersion: config.ratify.deislabs.io/v1beta1\nkind: {}\nmetadata: {{name: {}}}\nspec: {{type: mine}}\n"
    text = head.format("Policy", "ratify-policy") + "---\n" + head.format("Store", "mirror")
    (tmp_path / "own.yaml").write_text(text)
    objects = install_gate._objects(given(trust_store=str(certificate), manifests="own.yaml"), context)
    assert kinds(objects)[:4] == ["KeyManagementProvider", "Store", "Verifier", "Policy"]
    assert [document["spec"]["type"] for document in objects if document["kind"] == "Policy"] == ["mine"]


def identities(objects):
    (verifier,) = (document for document in objects if document["kind"] == "Verifier")
    (statement,) = verifier["spec"]["parameters"]["trustPolicyDoc"]["trustPolicies"]
    return statement["trustedIdentities"]


def test_everyone_is_admitted_only_below_the_signers_own_certificates_or_when_that_is_asked_for(context, tmp_path):
    root, alone, other = tmp_path / "root.crt", tmp_path / "alone.crt", tmp_path / "other.crt"
    root.write_bytes(make_authority("root").chain_pem())
    alone.write_bytes(make("alone").chain_pem())
    other.write_bytes(make_authority("other").chain_pem())
    assert identities(install_gate._objects(given(trust_store=str(alone)), context)) == ["*"]
    for store in (str(root), f"{alone}\n{root}"):
        with pytest.raises(InputError, match="holds an authority, CN=root") as raised:
            install_gate._objects(given(trust_store=store), context)
        assert raised.value.field == "trusted-identity"
        assert identities(install_gate._objects(given(trust_store=store, trusted_identity="*"), context)) == ["*"]
    first, second = "C=US, ST=WA, O=x, CN=a", "C=US, ST=WA, O=x, CN=b"
    stores = f"{root}\n{other}"
    objects = install_gate._objects(given(trust_store=stores, trusted_identity=first), context)
    assert identities(objects) == [f"x509.subject: {first}"]
    with pytest.raises(InputError, match="several authorities") as raised:
        install_gate._objects(given(trust_store=stores, trusted_identity=f"{first}\n{second}"), context)
    assert raised.value.field == "trusted-identity"
    with pytest.raises(InputError, match="no subject that a trust policy can name"):
        install_gate._objects(given(trust_store=str(root), trusted_identity="CN=a"), context)


def test_nobody_is_trusted_of_a_vault_that_was_not_read(context):
    assert identities(install_gate._objects(given(**VAULT), context)) == []
    named = install_gate._objects(given(**VAULT), context, ("x509.subject:C=US,ST=WA,O=x",))
    assert identities(named) == ["x509.subject:C=US,ST=WA,O=x"]


@pytest.mark.parametrize(
    ("value", "trusted"),
    [(make("alone").chain_pem().decode(), ["*"]), (make_authority("root").chain_pem().decode(), []), ("PEM", [])],
)
def test_the_users_own_certificates_are_looked_at_as_well(value, trusted, context, certificate, tmp_path):
    (tmp_path / "own.json").write_text(json.dumps(manifests.certificate_store(value)))
    for store in ({}, {"trust_store": str(certificate)}):
        assert identities(install_gate._objects(given(manifests="own.json", **store), context)) == trusted
    if not trusted:
        with pytest.raises(InputError, match="may trust an authority") as raised:
            install_gate.install(given(manifests="own.json"), context, CLUSTER)
        assert raised.value.field == "trusted-identity"


def test_trust_may_be_the_users_own(context, tmp_path):
    provider = manifests.certificate_store("PEM")
    (tmp_path / "own.json").write_text(json.dumps(provider))
    assert install_gate._objects(given(manifests="own.json"), context)[0] == provider


@pytest.mark.parametrize(
    ("action", "fetched", "current"),
    [
        ("created", "2026-11-26T10:00:03Z", True),
        ("unchanged", "2026-11-26T10:00:00Z", True),
        ("configured", "2026-11-26T10:00:00Z", False),  # about what was there before
        ("configured", "2026-11-26T10:00:03Z", True),
        ("created", "", True),  # a kind that is not fetched has no time
        ("configured", "", True),
    ],
)
def test_ratifys_word_on_an_object_as_it_was_does_not_count(action, fetched, current):
    old = {"lastfetchedtime": "2026-11-26T10:00:00Z"} if fetched else {}
    written = [
        {"manager": "s3c", "operation": "Apply", "time": "2026-11-26T10:00:02Z"},
        {"manager": "ratify", "operation": "Update", "time": "2026-11-26T10:00:04Z", "subresource": "status"},
    ]
    change = ObjectChange(
        target=TARGET,
        action=action,
        before=None if action == "created" else {"status": old},
        after={"metadata": {"managedFields": written}},
    )
    assert is_status_current(change, {"issuccess": True, "lastfetchedtime": fetched}) is current


def test_a_fetch_in_the_second_of_the_change_counts():
    second = "2026-11-26T10:00:02Z"
    written = [{"manager": "s3c", "operation": "Apply", "time": second}]
    change = ObjectChange(
        target=TARGET,
        action="configured",
        before={"status": {"lastfetchedtime": second}},
        after={"metadata": {"managedFields": written}},
    )
    assert is_status_current(change, {"issuccess": True, "lastfetchedtime": second})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("vault", "no_underscores"),
        ("vault", "http://kv.vault.azure.net"),
        ("vault", "https://kv.vault.azure.net/keys/x"),
        ("vault", "a--b"),
        ("vault-certificate", "signing/1"),
        ("ratify-client-id", "contoso"),
        ("exempt-namespaces", "UPPER"),
        ("exempt-namespaces", "*"),
    ],
)
def test_wrong_input_is_named(name, value):
    with pytest.raises(InputError) as raised:
        given(**{name: value})
    assert raised.value.field == name


def test_the_address_of_a_vault(context):
    for name, cloud, address in (
        ("KV-Voting", "public", "https://kv-voting.vault.azure.net"),
        ("kv-voting", "china", "https://kv-voting.vault.azure.cn"),
        ("https://kv-other.vault.example/", "public", "https://kv-other.vault.example"),
    ):
        provider = install_gate._objects(given(**VAULT | {"vault": name, "azure-cloud": cloud}), context)[0]
        assert provider["spec"]["parameters"]["vaultURI"] == address


@pytest.mark.parametrize("field", ["ratify-chart", "gatekeeper-values"])
def test_a_chart_or_values_that_are_not_there(field, tmp_path):
    with pytest.raises(InputError, match="is not there") as raised:
        install_gate._check_chart_files(given(**{field: str(tmp_path / "nowhere")}))
    assert raised.value.field == field


def test_check_and_demo_need_an_image(context):
    for task in ("check", "demo"):
        with pytest.raises(InputError, match="needs an image"):
            gate.run(given(task=task), context)


def test_charts_given_are_installed_with_our_values_below_the_users(context, tmp_path):
    for name in ("gatekeeper", "ratify"):
        (tmp_path / name).mkdir()
    own = tmp_path / "own.yaml"
    own.touch()
    flags = {"gatekeeper-chart": "gatekeeper", "ratify-chart": "ratify", "ratify-values": str(own), **VAULT}
    paths = {name: str(tmp_path / value) if name.endswith("-chart") else value for name, value in flags.items()}
    gatekeeper, ratify = install_gate._charts(given(**paths), context)
    assert (gatekeeper.name, gatekeeper.values) == ("gatekeeper", (manifests.values_file("gatekeeper"),))
    ours, azure, users = ratify.values
    assert (ours, users) == (manifests.values_file("ratify"), own)
    assert json.loads(azure.read_text())["azureWorkloadIdentity"] == {"clientId": OTHER}


def test_a_fingerprint_follows_everything_that_decides_what_is_installed(tmp_path):
    (tmp_path / "chart").mkdir()
    files = [tmp_path / "chart" / "Chart.yaml", tmp_path / "values.yaml", tmp_path / "render"]
    for file in files:
        file.write_text("1")
    chart = Chart(name="ratify", path=files[0].parent, values=(files[1],), post_renderer=files[2])
    seen = {chart.fingerprint, replace(chart, values=()).fingerprint, replace(chart, post_renderer=None).fingerprint}
    for file in files:
        file.write_text("2")
        seen.add(chart.fingerprint)
    assert len(seen) == 6
    assert chart.fingerprint in seen


@dataclass(frozen=True)
class FakeHelm(Runner):
    """Answers what helm would."""

    code: int = 0
    stdout: str = ""
    stderr: str = ""

    def run(self, argv, **_):
        return CompletedProgram(argv=tuple(argv), code=self.code, stdout=self.stdout, stderr=self.stderr, seconds=0.0)


def helm(code, stdout="", stderr=""):
    runner = FakeHelm({}, code=code, stdout=stdout, stderr=stderr)
    return Helm(
        Program(name="helm", path=Path("helm"), version="4", origin="given"),
        runner,
        kubeconfig="k",
        context="",
        timeout=5,
    )


def status(word, description, began):
    info = {"status": word, "description": description, "last_deployed": began.isoformat()}
    return json.dumps({"name": "ratify", "version": 3, "info": info})


def test_what_helm_reports_of_a_release():
    assert helm(1, stderr="Error: release: not found\n").release("ratify") is None
    began = datetime.now(UTC) - timedelta(seconds=300)
    release = helm(0, status("pending-upgrade", "Preparing upgrade", began)).release("ratify")
    assert release is not None
    assert (release.revision, release.pending, release.fingerprint, release.age > 299) == (3, True, "", True)
    release = helm(0, status("deployed", "s3c 0123456789abcdef", began)).release("ratify")
    assert release is not None
    assert (release.pending, release.fingerprint) == (False, "0123456789abcdef")


@pytest.mark.parametrize("answer", [(0, ""), (0, "[]"), (0, "<html>"), (1, "")])
def test_an_answer_that_is_none_is_a_failure(answer):
    with pytest.raises(OutsideError, match="does not tell"):
        helm(*answer).release("ratify")


@pytest.mark.parametrize(
    ("stderr", "kind", "words"),
    [
        ("Error: failed to parse x.yaml: yaml: line 1", InputError, "ratify-values"),
        ("Error: Chart.yaml file is missing", InputError, "ratify-chart"),
        ("Error: invalid ownership metadata; label", OutsideError, "other means than Helm"),
        ('secrets is forbidden: User "x" cannot list', OutsideError, "no administrator"),
        ("Error: something new", OutsideError, "could not be installed"),
    ],
)
def test_what_helm_says_is_explained(stderr, kind, words, tmp_path):
    with pytest.raises(kind) as raised:
        helm(1, stderr=stderr).upgrade(Chart(name="ratify", path=tmp_path))
    assert words in str(raised.value)
    assert raised.value.original == stderr


class Announced(Silent):
    """Keeps warnings and notices."""

    def __init__(self) -> None:
        super().__init__()
        self.announced: list[str] = []

    def warning(self, sentence: str) -> None:
        self.announced.append(f"warning: {sentence}")

    def notice(self, sentence: str) -> None:
        self.announced.append(f"notice: {sentence}")


@pytest.mark.parametrize(
    ("before", "mode", "announcement"),
    [
        ("deny", "deny", ""),
        ("deny", "warn", "warning: The gate is weakened, as `mode` asks: it was in the stages deny, and is in warn"),
        ("warn,shop=deny", "warn", "warning: The gate is weakened"),
        ("audit", "deny", "notice: The gate goes from the stages audit to deny"),
        ("warn", "warn,shop=deny", "notice: The gate goes from the stages warn to warn, shop=deny"),
    ],
)
def test_a_stage_that_changes_is_announced_and_what_carried_it_is_removed(before, mode, announcement):
    cluster, progress = Api(before), Announced()
    wanted = parse_mode(mode)
    objects = stages.apply_stages([manifests.objects_for_identities(("*",))[-1]], wanted)
    installer = steps._Installer(
        steps.GateSettings(charts=(), objects=objects, stages=wanted),
        steps.GateTools(helm=None, cluster=cluster, progress=progress),  # type: ignore[arg-type]  # no chart
    )
    installer.announce_stages()
    assert [sentence[: len(announcement)] for sentence in progress.announced] == (
        [announcement] if announcement else []
    )
    for document in objects:
        installer.apply(document)
    installer.forget_stages()
    assert stages.read_stages(cluster.objects.values()) == wanted
    assert {*cluster.objects} == {str(document["metadata"]["name"]) for document in objects}


def test_a_stage_for_a_namespace_that_is_not_there_is_told():
    """`audit,prdo=deny` leaves prod in the stage audit."""
    progress = Announced()
    installer = steps._Installer(
        steps.GateSettings(charts=(), objects=(), stages=parse_mode("audit,prdo=deny,shop=deny")),
        steps.GateTools(helm=None, cluster=Api("audit,prdo=deny,shop=deny"), progress=progress),  # type: ignore[arg-type]
    )
    installer.namespaces = {"prod", "shop"}
    installer.announce_stages()
    (warning,) = progress.announced
    assert warning == (
        "warning: `mode` names prdo, and no such namespace is there: every namespace that it does not name is in the "
        "stage audit."
    )


def test_a_webhook_that_fails_closed_where_it_is_to_fail_open_is_not_left_alone():
    for fails_open, policy, otherwise in ((True, "Fail", True), (True, "Ignore", False), (False, "Fail", False)):
        installer = steps._Installer(
            steps.GateSettings(charts=(), objects=(), fails_open=fails_open),
            steps.GateTools(helm=None, cluster=Api("warn", policy=policy), progress=Silent()),  # type: ignore[arg-type]
        )
        assert installer.fails_otherwise() is otherwise
