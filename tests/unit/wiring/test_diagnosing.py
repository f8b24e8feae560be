"""The checks that inputs and environment ask for, on a machine where nothing answers."""

import json
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from s3c_actions.cluster.gate import manifests as gate_manifests
from s3c_actions.cluster.gate import objects as gate_objects
from s3c_actions.cluster.gate import stages
from s3c_actions.core.errors import S3CError
from s3c_actions.options import declare
from s3c_actions.options.doctor import DoctorInputs
from s3c_actions.options.gate import stages as parse_mode
from s3c_actions.steps.doctor import Status
from s3c_actions.wiring import diagnosing
from s3c_lab.certificates import make
from tests.support.azure import vault as stand_in
from tests.support.azure.in_process import network
from tests.support.bare import GITHUB, IMAGE, ended
from tests.support.contexts import create_context
from tests.unit.cluster.gate.test_inspection import facts


@pytest.fixture
def results(alone, monkeypatch):
    """A function that runs `s3c doctor --json`, and returns exit code and name → result."""
    monkeypatch.setenv("HOME", str(alone))

    def run(*argv, **environment):
        code, output = ended(("doctor", "--json", *argv), alone, **environment)
        start, end = output.index("{"), output.rindex("}") + 1
        return code, {check["name"]: check for check in json.loads(output[start:end])["checks"]}

    return run


def test_what_is_not_configured_is_no_failure(results):
    _, checks = results(KUBECONFIG="")
    assert {name for name, check in checks.items() if check["status"] == "not-configured"} >= {
        "trivy",
        "registry",
        "oidc",
        "azure",
        "vault",
        "clock",
        "proxy",
    }


def test_a_registry_that_does_not_answer_fails_and_the_others_are_shown(results):
    code, checks = results(IMAGE)
    assert code == 3
    for name in ("pull", "push"):
        check = checks[f"{name} registry.example/voting-app"]
        assert check["status"] == "failed"
        assert "registry.example" in check["text"]
        assert check["remedy"]
    assert checks["disk"]["status"] in {"passed", "failed"}


def test_push_is_not_asked_where_it_is_not_wanted(results):
    _, checks = results(IMAGE, "--no-push")
    assert "pull registry.example/voting-app" in checks
    assert not any(name.startswith("push ") for name in checks)


def test_a_token_is_tried_and_never_shown(results):
    code, checks = results(**GITHUB)
    assert (code, checks["github"]["status"]) == (3, "failed")
    assert "abcdef" not in json.dumps(checks)


def test_a_job_without_the_permission_is_not_configured(results):
    _, checks = results(ACTIONS_ID_TOKEN_REQUEST_URL="", CI="true")
    assert checks["oidc"]["status"] == "not-configured"


def test_a_cluster_that_does_not_answer_fails(results):
    code, checks = results("--kubeconfig", "kubeconfig")
    assert code == 3
    for name in ("cluster", "gate"):
        assert checks[name]["status"] == "failed"
        assert "abcdef" not in checks[name]["text"]


def test_a_program_at_a_path_that_is_none_fails(results):
    code, checks = results("--trivy-path", "no-such-file")
    assert code == 3
    assert "no-such-file is not a file that may be executed" in checks["trivy"]["text"]


@pytest.mark.parametrize("argv", [("--vault", "kv"), ("HTTP://x",), ("--registry-username", "u", IMAGE)])
def test_a_wrong_input_is_one_before_anything_is_checked(alone, argv):
    code, output = ended(("doctor", *argv), alone)
    assert code == 2
    assert "✔" not in output


@pytest.fixture
def net(monkeypatch):
    return network(monkeypatch)


def azure_checks(net, folder, *flags):
    """Name → function that makes the check, as an identity of Azure's stand-in."""
    given = dict(zip(flags[::2], flags[1::2], strict=True))
    options = declare.read(DoctorInputs, given, {}, lambda _notice: None)
    context = create_context(folder, shared={"azure identity": net.identity()})
    return {check.name: check.look for check in diagnosing.create_checks(options, context)}


def test_a_vault_whose_certificate_may_sign(net, tmp_path):
    vault = stand_in.Vault("kv-voting", net.entra, rights={net.application.object: stand_in.ALL})
    vault.add("signing", make("signing", authority=False))
    net.sites.applications[vault.host] = vault
    finding = azure_checks(net, tmp_path, "vault", "kv-voting", "vault-certificate", "signing")["vault"]()
    assert finding.status is Status.PASSED
    assert finding.text.startswith("signing of kv-voting.vault.azure.net may sign, and is valid until 20")


@pytest.mark.parametrize("certificate", ["signing", "missing"])
def test_a_vault_whose_certificate_may_not_sign_or_is_not_there(net, tmp_path, certificate):
    vault = stand_in.Vault("kv-voting", net.entra, rights={net.application.object: stand_in.ALL})
    vault.add("signing", make("signing", authority=True))
    net.sites.applications[vault.host] = vault
    with pytest.raises(S3CError):
        azure_checks(net, tmp_path, "vault", "kv-voting", "vault-certificate", certificate)["vault"]()


@pytest.mark.parametrize(
    ("mode", "status", "text"),
    [
        ("deny", "passed", "closed by ratify-verification; `s3c gate check` proves it"),
        ("deny,shop=warn", "passed", "only warns of what it would refuse in shop (stage warn"),
        ("warn", "failed", "only warns of what it would refuse in every namespace"),
        ("audit", "failed", "only records what it would refuse"),
    ],
)
def test_the_gates_stage_is_the_clusters(mode, status, text, monkeypatch):
    (shipped,) = gate_manifests.objects_for_identities(("*",))[-1:]
    known = facts(constraints=list(stages.apply_stages([shipped], parse_mode(mode))))
    monkeypatch.setattr(gate_objects, "read_gate_objects", lambda _: known)
    monkeypatch.setattr(diagnosing, "connect_cluster", lambda *_: None)
    monkeypatch.setattr(diagnosing, "_has_cluster", lambda *_: True)
    result = diagnosing._gate(None, SimpleNamespace(now=datetime.now(UTC)))  # type: ignore[arg-type]  # neither is read
    assert result.status == status
    assert text in result.text
    assert bool(result.remedy) == (status == "failed")
