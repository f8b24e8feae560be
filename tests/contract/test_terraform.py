"""`infra/terraform` against the providers' own schemas, as their published bindings describe them.

Nothing is planned here, which would take the providers and an account: every resource, argument, block and reference is
looked up in the TypeScript declarations that HashiCorp generated from the providers' schemas.
"""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import hcl2
import pytest
import yaml
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from s3c_actions.azure import clouds
from s3c_actions.cli.console import LogProgress
from s3c_actions.cli.run import cache_path
from s3c_actions.core.process import Runner
from s3c_actions.programs.install.locate import locate
from s3c_lab.programs import HCLFMT
from tests.support import npm

ROOT = Path(__file__).resolve().parent.parent.parent
TERRAFORM = ROOT / "infra" / "terraform"
MODULES = (TERRAFORM, TERRAFORM / "gate")
FILES = sorted(TERRAFORM.rglob("*.tf"))
META = {"count", "depends_on", "for_each", "lifecycle", "provider", "dynamic"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(TERRAFORM)))
def test_it_is_formatted(file: Path) -> None:
    environment = dict(os.environ)
    hclfmt = locate(
        HCLFMT,
        cache=cache_path(environment),
        runner=Runner(environment),
        progress=LogProgress(sys.stderr),
    )
    text = file.read_text()
    assert subprocess.run([hclfmt.path], input=text, capture_output=True, text=True, check=True).stdout == text


@pytest.mark.parametrize("folder", MODULES, ids=lambda folder: folder.name)
def test_every_argument_is_in_the_providers_schema(folder: Path) -> None:
    module = read(folder)
    problems = []
    for kind, prefix in (("resource", ""), ("data", "data-")):
        for type_name, name, body in module.blocks(kind):
            if type_name not in module.builtin:
                declared = schema(type_name, prefix)
                problems += list(_held_against(declared, declared.config, body, f"{kind} {type_name}.{name}"))
    for name, body in module.providers():
        declared = provider_schema(name)
        problems += list(_held_against(declared, declared.config, body, f"provider {name}"))
    assert not problems
    assert len(list(module.blocks("resource"))) > 1


@pytest.mark.parametrize("folder", MODULES, ids=lambda folder: folder.name)
def test_every_reference_leads_somewhere(folder: Path) -> None:
    module = read(folder)
    problems = []
    for path, reference in module.references():
        root, *rest = reference.split(".")
        if root in ("var", "local"):
            known = module.variables if root == "var" else module.locals
            if rest[0] not in known:
                problems.append(f"{path}: {reference}")
            continue
        kind, rest = ("data", rest) if root == "data" else ("resource", [root, *rest])
        type_name, name, *attributes = rest
        if (type_name, name) not in {
            (declared_type, declared_name) for declared_type, declared_name, _ in module.blocks(kind)
        }:
            problems.append(f"{path}: {reference} is not declared")
        elif attributes and attributes[0] not in schema(type_name, "data-" if kind == "data" else "").attributes:
            problems.append(f"{path}: {reference} has no such attribute")
    assert not problems


@pytest.mark.parametrize("folder", MODULES, ids=lambda folder: folder.name)
def test_every_variable_is_used_and_explained(folder: Path) -> None:
    module = read(folder)
    used = {reference.split(".")[1] for _, reference in module.references() if reference.startswith("var.")}
    assert set(module.variables) == used
    assert all(len(variable["description"]) > 10 for variable in module.variables.values())


def test_files_it_reads_are_there() -> None:
    for folder in MODULES:
        for text in _strings(read(folder).document):
            for path in re.findall(r"\$\{local\.manifests\}(/[\w./-]+)", text):
                assert (ROOT / "manifests" / path.lstrip("/")).is_file(), path


def test_the_charts_are_those_of_the_lab() -> None:
    from s3c_actions.programs.install.pins import GATEKEEPER, RATIFY

    charts = {name: body for _, name, body in read(TERRAFORM / "gate").blocks("resource")}
    assert charts["gatekeeper"]["version"] == GATEKEEPER.version
    values = (ROOT / "manifests" / "ratify" / "values.yaml").read_text()
    assert f"--version {charts['ratify']['version']} " in values
    assert f"({RATIFY.version})" in values


# What azurerm 4.81.0 still takes and 5.10.0 does not, of the resources here (from the bindings of both).
DEPRECATED = {
    "azurerm_federated_identity_credential": {"parent_id", "resource_group_name"},
    "azurerm_key_vault": {"enable_rbac_authorization", "contact"},
    "azurerm_container_registry": {"trust_policy_enabled"},
}


def test_no_argument_is_deprecated() -> None:
    used = {
        (type_name, argument)
        for type_name, _, body in read(TERRAFORM).blocks("resource")
        for argument in DEPRECATED.get(type_name, set()) & set(body)
    }
    assert not used
    assert all(list(read(TERRAFORM).of(type_name)) for type_name in DEPRECATED)


def test_the_lock_file_pins_each_provider_within_its_constraint() -> None:
    with (TERRAFORM / ".terraform.lock.hcl").open() as file:
        locked = {name: body for block in _plain(hcl2.load(file))["provider"] for name, body in block.items()}
    (settings,) = read(TERRAFORM).document["terraform"]
    (required,) = settings["required_providers"]
    assert set(locked) == {f"registry.terraform.io/{provider['source']}" for provider in required.values()}
    for provider in required.values():
        body = locked[f"registry.terraform.io/{provider['source']}"]
        specifiers = SpecifierSet(re.sub(r"~> (\d+\.\d+)", r"~=\1", provider["version"]))
        assert Version(body["version"]) in specifiers
        assert len([text for text in body["hashes"] if re.fullmatch(r"zh:[0-9a-f]{64}", text)]) >= 11
        assert all(re.fullmatch(r"zh:[0-9a-f]{64}|h1:[A-Za-z0-9+/]{43}=", text) for text in body["hashes"])


@pytest.mark.parametrize(
    ("variable", "accepted", "rejected"),
    [
        (
            "github_subject_prefix",
            ["repo:acme@12/voting@345", "repo:acme/voting", "repo:acme/vo.t_ing-1"],
            [
                "acme/voting",
                "repo:acme@12/voting",
                "repo:acme/voting@345",
                "repo:acme@12/voting@345:",
                "repo:acme",
                "null",
                "",
            ],
        ),
        ("github_issuer", ["https://ghe.example.com/_services/token"], ["https://ghe.example.com/", "http://a", ""]),
    ],
)
def test_a_variable_takes_what_its_rule_allows(variable: str, accepted: list[str], rejected: list[str]) -> None:
    rules = read(TERRAFORM).variables[variable]["validation"]
    (pattern,) = re.findall(r'can\(regex\("(.+?)", var\.', rules[0]["condition"])
    assert [text for text in accepted if not re.search(pattern, text)] == []
    assert [text for text in rejected if re.search(pattern, text)] == []


def subjects(prefix: str = "PREFIX", branch: str = "main") -> dict[str, str]:
    """Which subject each identity of `subjects.tf` trusts, with the variables' defaults."""
    (first,) = [block for block in read(TERRAFORM).document["locals"] if "github_subjects" in block]
    variables = {name: body.get("default") for name, body in read(TERRAFORM).variables.items()}
    values = variables | {"github_subject_prefix": prefix, "github_branch": branch}
    # The one expression that is computed here: each environment, or the branch where there is none.
    places = dict(re.findall(r"(\w+) *= *var\.(github_\w+_environment)", _source("subjects.tf")))
    branch_subject = _filled(first["branch_subject"], values)
    environments = {
        name: f"{prefix}:environment:{values[place]}" if values[place] else branch_subject
        for name, place in places.items()
    }
    result = {}
    for name, text in first["github_subjects"].items():
        if match := re.fullmatch(r'\$\{local\.environment_subjects\["(\w+)"\]\}', text):
            result[name] = environments[match[1]]
        else:
            result[name] = branch_subject if text == "${local.branch_subject}" else _filled(text, values)
    return result


def _source(name: str) -> str:
    return (TERRAFORM / name).read_text()


def _filled(text: str, values: Mapping[str, Any]) -> str:
    return re.sub(r"\$\{var\.(\w+)\}", lambda place: str(values[place[1]]), text)


def signers() -> set[str]:
    """The identities that a role lets sign, with the variables' defaults."""
    module = read(TERRAFORM)
    may_sign = {
        name
        for name, body in ((name, body) for _, name, body in module.of("azurerm_role_definition"))
        if any(
            "/keys/sign/" in action or "/keys/*" in action for action in body["permissions"][0].get("data_actions", [])
        )
    }
    wide = {"Key Vault Crypto User", "Key Vault Crypto Officer", "Key Vault Administrator", "Owner", "Contributor"}
    result = set()
    for _, _, body in module.of("azurerm_role_assignment"):
        condition = re.match(r"\$\{var\.(\w+) \?", str(body.get("count", "")))
        if condition and module.variables[condition[1]]["default"] is False:
            continue
        own = re.search(r"azurerm_role_definition\.(\w+)\.", body.get("role_definition_id", ""))
        if (own and own[1] in may_sign) or body.get("role_definition_name") in wide:
            result |= set(re.findall(r'user_assigned_identity\.github\["([\w-]+)"\]', body["principal_id"]))
    return result


def job_subjects(workflow: str, prefix: str = "PREFIX", branch: str = "main") -> dict[str, str]:
    """Job → the subject of its token, of those that may ask for one; the workflow's inputs have their defaults."""
    document = yaml.safe_load((ROOT / ".github" / "workflows" / workflow).read_text())
    inputs = document[True]["workflow_call"]["inputs"]
    result = {}
    for name, job in document["jobs"].items():
        if job["permissions"].get("id-token") == "write":
            place = re.fullmatch(r"\$\{\{ inputs\.([\w-]+) \}\}", job.get("environment", ""))
            environment = inputs[place[1]].get("default", "") if place else job.get("environment", "")
            result[name] = f"{prefix}:environment:{environment}" if environment else f"{prefix}:ref:refs/heads/{branch}"
    return result


@pytest.mark.parametrize(
    ("workflow", "expected"),
    [("secure-image.yml", {"sign"}), ("scheduled-patch.yml", {"sign"}), ("refresh.yml", set())],
)
def test_only_the_job_that_signs_could_sign(workflow: str, expected: set[str]) -> None:
    """By the subject alone: a client id is no secret, so a job could name any identity that trusts its token."""
    trusted = {subjects()[identity] for identity in signers()}
    jobs = job_subjects(workflow)
    assert {job for job, subject in jobs.items() if subject in trusted} == expected
    assert len(jobs) >= 1
    assert signers() == {"sign"}


def test_each_documented_identity_trusts_the_jobs_it_is_given_to() -> None:
    """The variables of the pages' examples, each with the jobs whose input takes it."""
    guide = (ROOT / "docs" / "workflows.md").read_text()
    blocks = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(name: .+?)```", guide, re.DOTALL)]
    seen = set()
    for block in blocks:
        for call in block["jobs"].values():
            given = call.get("with", {})
            # What the deploy job's environment is, the caller says.
            workflow = call["uses"].split("@")[0].rsplit("/", 1)[1]
            document = yaml.safe_load((ROOT / ".github" / "workflows" / workflow).read_text())
            inputs = {
                name: declared.get("default", "")
                for name, declared in document[True]["workflow_call"]["inputs"].items()
            }
            inputs |= given
            for name, job in document["jobs"].items():
                place = re.fullmatch(r"\$\{\{ inputs\.([\w-]+) \}\}", job.get("environment", ""))
                environment = inputs[place[1]] if place else ""
                subject = f"PREFIX:environment:{environment}" if environment else "PREFIX:ref:refs/heads/main"
                for step in job["steps"]:
                    names = re.findall(r"inputs\.([\w-]*client-id)", step.get("with", {}).get("client-id", ""))
                    value = next((inputs[input_name] for input_name in names if inputs[input_name]), "")
                    if match := re.search(r"vars\.AZURE_CLIENT_ID_(\w+)", value):
                        identity = match[1].lower().replace("_", "-")
                        seen.add(identity)
                        assert subjects()[identity] == subject, (workflow, name)
    assert seen == {"push", "sign", "deploy", "refresh"}


def test_every_identity_is_an_output() -> None:
    (output,) = (
        block["github_variables"] for block in read(TERRAFORM).document["output"] if "github_variables" in block
    )
    given = dict(
        re.findall(
            r'AZURE_CLIENT_ID_(\w+) *= *azurerm_user_assigned_identity\.github\["([\w-]+)"\]', _source("outputs.tf")
        )
    )
    assert "AZURE_TENANT_ID" in str(output)
    assert {name.lower().replace("_", "-"): identity for name, identity in given.items()} == {
        identity: identity for identity in subjects()
    }


def test_the_tokens_audience_is_that_of_the_cloud() -> None:
    (first,) = [block for block in read(TERRAFORM).document["locals"] if "audiences" in block]
    assert first["audiences"] == {cloud.name: cloud.exchange_audience for cloud in clouds.CLOUDS}


def test_nothing_has_more_rights_than_are_explained() -> None:
    """Each role assignment has a row in the document, with the role and the scope that the code gives it."""
    rows = {}
    for line in (ROOT / "docs" / "azure-roles.md").read_text().splitlines():
        if match := re.match(r"\| `(\w+)` \| ([^|]+) \| ([^|]+) \| ([^|]+) \| [^|]{20,} \|$", line):
            rows[match[1]] = [match[number].strip() for number in (2, 3, 4)]
    module = read(TERRAFORM)
    roles = {name: body["name"].removeprefix("${var.name} ") for _, name, body in module.of("azurerm_role_definition")}
    scopes = {
        "azurerm_container_registry": "registry",
        "azurerm_key_vault": "vault",
        "azurerm_kubernetes_cluster": "cluster",
    }
    assignments = {}
    for _, name, body in module.of("azurerm_role_assignment"):
        own = re.search(r"azurerm_role_definition\.(\w+)\.", body.get("role_definition_id", ""))
        scope = scopes[re.findall(r"azurerm_\w+", body["scope"])[0]]
        scope = "namespace" if "/namespaces/" in body["scope"] else scope
        identities = re.findall(r'azurerm_user_assigned_identity\.(\w+)(?:\["([\w-]+)"\])?', body["principal_id"])
        holder = (
            (identities[0][1] or identities[0][0])
            if identities
            else "nodes"
            if "kubelet" in body["principal_id"]
            else "you"
        )
        assignments[name] = [holder, roles[own[1]] if own else body["role_definition_name"], scope]
    assert assignments == rows


def test_no_secret_and_no_shared_account() -> None:
    """What the toolkit promises of the infrastructure."""
    module = read(TERRAFORM)
    resources = {type_name: body for type_name, _, body in module.blocks("resource")}
    registry, vault = resources["azurerm_container_registry"], resources["azurerm_key_vault"]
    cluster, certificate = resources["azurerm_kubernetes_cluster"], resources["azurerm_key_vault_certificate"]
    assert registry["admin_enabled"] is False
    assert registry["anonymous_pull_enabled"] is False
    assert vault["rbac_authorization_enabled"] is True
    assert vault["purge_protection_enabled"] is True
    assert "access_policy" not in vault
    assert cluster["local_account_disabled"] is True
    assert cluster["oidc_issuer_enabled"] is True
    assert cluster["workload_identity_enabled"] is True
    (policy,) = certificate["certificate_policy"]
    assert policy["key_properties"][0]["exportable"] is False
    assert policy["x509_certificate_properties"][0]["key_usage"] == ["digitalSignature"]
    contacts = resources["azurerm_key_vault_certificate_contacts"]
    assert contacts["dynamic"][0]["contact"]["for_each"] == "${var.certificate_contacts}"
    secret = re.compile(r"azuread_application_password|client_secret|admin_password|kube_admin_config|\bsensitive\b")
    assert not [text for text in _strings(module.document) if secret.search(text)]


def test_what_needs_a_role_in_the_vault_waits_until_azure_knows_the_role() -> None:
    """Azure answers 403 for minutes after a role is given; the vault itself needs none."""
    module = read(TERRAFORM)
    ((_, wait, body),) = module.of("time_sleep")
    assert int(body["create_duration"].removesuffix("s")) >= 180
    assert body["triggers"] == {"assignment": "${azurerm_role_assignment.administrator_certificates.id}"}
    inside = {
        f"{kind}.{name}": resource.get("depends_on")
        for kind, name, resource in module.blocks("resource")
        if kind.startswith("azurerm_key_vault_")
    }
    assert len(inside) == 2
    assert all(waits == [f"${{time_sleep.{wait}}}"] for waits in inside.values()), inside


def test_the_check_itself_finds_what_is_wrong() -> None:
    declared = schema("azurerm_key_vault")
    body = {"nam": "x", "network_acls": [{"bypass": "None", "defaultaction": "Deny"}]}
    problems = list(_held_against(declared, declared.config, body, "it"))
    assert "it: there is no argument nam" in problems
    assert "it: name is missing" in problems
    assert "it.network_acls: there is no argument defaultaction" in problems
    assert "it.network_acls: default_action is missing" in problems


@dataclass(frozen=True)
class Schema:
    """One resource, data source or provider, as its bindings declare it.

    Attributes:
        interfaces: name → argument (snake case) → whether it is required, and its interface when it is a block.
        config: the name of the outermost one.
        attributes: what can be read of it.
    """

    interfaces: Mapping[str, Mapping[str, tuple[bool, str]]]
    config: str
    attributes: frozenset[str]


@dataclass(frozen=True)
class Module:
    """The `.tf` files of one folder."""

    document: Mapping[str, list[Any]]
    builtin = frozenset({"terraform_data"})

    def blocks(self, kind: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
        for block in self.document.get(kind, []):
            for type_name, named in block.items():
                for name, body in named.items():
                    yield type_name, name, body

    def of(self, type_name: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
        return (block for block in self.blocks("resource") if block[0] == type_name)

    def providers(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for block in self.document.get("provider", []):
            yield from block.items()

    @property
    def variables(self) -> dict[str, dict[str, Any]]:
        return {name: body for block in self.document["variable"] for name, body in block.items()}

    @property
    def locals(self) -> set[str]:
        return {name for block in self.document.get("locals", []) for name in block}

    def references(self) -> Iterator[tuple[str, str]]:
        """What expressions refer to, as `var.name` or `azurerm_type.name.attribute`."""
        word = r"[A-Za-z_][\w-]*"
        pattern = (
            rf"(?<![\w.\"/])((?:var|local|data\.{word}|(?:azurerm|helm|time)_\w+)\.{word}(?:\[[^\]]*\])?(?:\.{word})*)"
        )
        for text in _strings({kind: self.document[kind] for kind in self.document if kind != "terraform"}):
            for reference in re.findall(pattern, text):
                yield text, re.sub(r"\[[^\]]*\]", "", reference)


# Where the parser keeps its tables: by default in the environment, whose files are held against what was installed.
_TABLES = tempfile.TemporaryDirectory(prefix="s3c-hcl2-")
importlib.import_module("hcl2.parser").PARSER_FILE = Path(_TABLES.name) / "tables"  # type: ignore[attr-defined]


@cache
def read(folder: Path) -> Module:
    merged: dict[str, list[Any]] = {}
    for path in sorted(folder.glob("*.tf")):
        with path.open() as file:
            document = _plain(hcl2.load(file))
        for kind, blocks in document.items():
            merged.setdefault(kind, []).extend(blocks)
    return Module(merged)


def _plain(value: Any) -> Any:
    """The parser's tree without its own marks and quotes."""
    if isinstance(value, dict):
        return {_plain(key): _plain(child) for key, child in value.items() if not re.fullmatch(r"__\w+__", key)}
    if isinstance(value, list):
        return [_plain(child) for child in value]
    if isinstance(value, str) and len(value) > 1 and value[0] == value[-1] == '"':
        return value[1:-1]
    return value


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, child in value.items():
            yield from _strings(key)
            yield from _strings(child)
    elif isinstance(value, list):
        for child in value:
            yield from _strings(child)
    elif isinstance(value, str):
        yield value


def schema(type_name: str, prefix: str = "") -> Schema:
    provider, _, rest = type_name.partition("_")
    return _schema(provider, prefix + (f"{provider}-" if prefix else "") + rest.replace("_", "-"))


def provider_schema(name: str) -> Schema:
    return _schema(name, "provider")


@cache
def _schema(provider: str, folder: str) -> Schema:
    modules = npm.installed(Path(__file__).parent / "terraform")
    (package,) = modules.glob(f"@cdkt*/provider-{provider}")
    text = (package / "lib" / folder / "index.d.ts").read_text()
    interfaces = {}
    for interface in re.finditer(r"^export interface (\w+)[^{]*\{(.*?)^\}", text, re.MULTILINE | re.DOTALL):
        arguments = re.findall(r"^    readonly (\w+)(\??): (\w*)", interface[2], re.MULTILINE)
        interfaces[interface[1]] = {_snake(name): (not optional, kind) for name, optional, kind in arguments}
    (config,) = (
        name
        for name in interfaces
        if (name.endswith("Config") and f"config?: {name}" in text) or f"config: {name}" in text
    )
    main = text[text.rindex("export declare class") :]
    attributes = frozenset(_snake(name) for name in re.findall(r"^    get (\w+)\(\)", main, re.MULTILINE))
    return Schema(interfaces, config, attributes)


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _held_against(declared: Schema, interface: str, body: Mapping[str, Any], where: str) -> Iterator[str]:
    arguments = declared.interfaces[interface]
    given = {name: value for name, value in body.items() if name not in META}
    for dynamic in body.get("dynamic", []):
        for name, block_template in dynamic.items():
            given[name] = block_template["content"]
    for name, (required, _) in arguments.items():
        if required and name not in given:
            yield f"{where}: {name} is missing"
    for name, value in given.items():
        if name not in arguments:
            yield f"{where}: there is no argument {name}"
            continue
        kind = arguments[name][1]
        if kind in declared.interfaces:
            for block in value if isinstance(value, list) else [value]:
                if isinstance(block, dict):
                    yield from _held_against(declared, kind, block, f"{where}.{name}")
