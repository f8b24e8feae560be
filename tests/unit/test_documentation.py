"""Every command line and every `with:` that is shown to people is understood by what it calls."""

import io
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from s3c_actions import REPOSITORY
from s3c_actions.cli import parser
from s3c_actions.cli import words as asked
from s3c_actions.options import declare
from s3c_actions.options.command import COMMANDS, load
from s3c_actions.options.report import FormatOptions
from s3c_actions.report.format_registry import FORMATS
from s3c_lab.__main__ import parser as lab_parser
from tests.support import ROOT
from tests.support.sources import parse_yaml
from tests.unit.lab.test_lab import a_lab
from tools import docs

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted(ROOT.glob("docs/*.md"))]
PAGES += sorted(ROOT.glob("actions/*/README.md")) + sorted(ROOT.glob("infra/**/README.md"))
PAGES += sorted(ROOT.glob(".devcontainer/*.md"))
PROGRAMS = {"s3c", "bin/s3c", "s3c-lab", "bin/s3c-lab"}
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
OUTPUTS = set(re.findall(r'^output "(\w+)"', (ROOT / "infra/terraform/outputs.tf").read_text(), re.MULTILINE))
# What variables in command lines hold. Those of Azure are outputs of infra/terraform, those of the lab `s3c-lab env`'s.
VARIABLES = {
    "AZURE_REGISTRY": "votingacr.azurecr.io",
    "AZURE_VAULT": "voting-kv",
    "AZURE_CERTIFICATE": "signing",
    "AZURE_CLUSTER": "voting-aks",
    "AZURE_RESOURCE_GROUP": "voting-rg",
    "LAB_REGISTRY": "localhost:5000",
    "LAB_KEY": "s3c-lab.key",
    "LAB_CERTIFICATE": "s3c-lab.crt",
    "APP": "localhost:5000/voting-app@sha256:" + "a" * 64,
    "DB": "localhost:5000/voting-db@sha256:" + "b" * 64,
    "(tofu -chdir=infra/terraform output -json gate | jq -r .client_id)": "01234567-89ab-cdef-0123-456789abcdef",
}


@cache
def code(page: Path) -> list[Token]:
    # Blocks alone: what stands within a paragraph is no code of theirs.
    blocks = MarkdownIt("commonmark").disable("inline").parse(page.read_text())
    return [token for token in blocks if token.type in {"fence", "code_block"}]


def shell_lines(block: Token) -> Iterator[str]:
    """The command lines of a block of code: behind its prompts where it has any; continued lines joined."""
    if block.info in {"yaml", "json", "mermaid", "toml", "dockerfile"}:
        return
    lines = block.content.replace("\\\n", " ").splitlines()
    prompted = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    yield from prompted if prompted or block.info == "console" else lines


def commands(line: str) -> Iterator[list[str]]:
    """The words of each command in a line of shell that pipes, lists and substitutes; assignments are left out."""
    words = shlex.shlex(line, posix=True, punctuation_chars=True)
    words.whitespace_split = True
    command: list[str] = []
    for word in words:
        if re.fullmatch(r"[();<>|&]+", word):
            yield command
            command = []
        elif command or not re.fullmatch(r"\$|\w+=.*", word):
            command.append(word)
    yield command


def command_lines(page: Path) -> Iterator[list[str]]:
    for shown in (line for block in code(page) for line in shell_lines(block)):
        # What is not ours may be output, or a text over several lines.
        if not re.search(r"\b(s3c(-lab)?|make|tofu|terraform) ", shown):
            continue
        # A checksum is shown as a word, or as the command that prints it; a command within quotes is one too.
        line = re.sub(r"SHA256[A-Z-]*|\$\(sha256sum[^)]*\)", "0" * 64, shown)
        inner = re.findall(r'"\$\(([^()"]*)\)"', line)
        for command_line in (*inner, line):
            yield from (words for words in commands(command_line) if words and not words[-1].endswith(":"))


def workflows(page: Path) -> list[dict[str, Any]]:
    """The steps shown in YAML that use an action of this repository."""
    return [step for block in code(page) if block.info in {"yaml", "yml"} for step in steps(parse_yaml(block.content))]


def steps(node) -> list[dict[str, Any]]:
    if isinstance(node, dict):
        own = [node] if str(node.get("uses", "")).startswith((REPOSITORY, "$/")) else []
        return own + [step for value in node.values() for step in steps(value)]
    return [step for value in node for step in steps(value)] if isinstance(node, list) else []


def own_path(uses: str) -> Path:
    """The folder of an action of ours, or the file of a workflow, by what a step or job says."""
    return ROOT / uses.removeprefix(REPOSITORY).removeprefix("$").partition("@")[0].strip("/")


SHOWN = [(page, words) for page in PAGES for words in command_lines(page)]
LINES = [(page, words) for page, words in SHOWN if words[0] in PROGRAMS and len(words) > 1]
LINES += [(ROOT / "s3c", next(commands(example))) for name in COMMANDS for example in load(name).examples]
STEPS = [(page, step) for page in PAGES for step in workflows(page)]


def filled(word: str) -> str:
    """A word as the shell would hand it over."""
    return re.sub(r"\$(\w+|\(.*\))", lambda match: VARIABLES[match[1]], word.replace("SHA256", "0" * 64))


def test_the_variables_are_those_that_people_get():
    shown = (ROOT / "infra/terraform/outputs.tf").read_text()
    assert all(re.search(rf"\b{name} += ", shown) for name in VARIABLES if name.startswith("AZURE_"))
    assert {name for name in VARIABLES if name.startswith("LAB_")} <= set(a_lab(ROOT).variables())


def test_there_are_some():
    assert len(LINES) > 60
    assert len({step["uses"] for _, step in STEPS}) >= 4
    shown = {parser.join_words(words[1], words[2:])[0] for _, words in LINES if words[0].endswith("s3c")}
    assert shown >= set(COMMANDS) - {"programs", "upload"}


@pytest.mark.parametrize(("page", "words"), LINES, ids=[f"{page.name}: {' '.join(words)}" for page, words in LINES])
def test_a_command_line_is_understood(page, words):
    program, name, *argv = words
    if program.endswith("-lab"):
        # argparse ends the process when it does not understand.
        assert lab_parser().parse_args([name, *argv]).command == name
        return
    if name in parser.WORDS or "-h" in argv:
        assert asked.run((name, *argv), {}, io.StringIO(), io.StringIO()) == 0
        return
    name, argv = parser.join_words(name, argv)
    assert name in COMMANDS
    command = load(name)
    given = parser.read(command, [filled(word) for word in argv])
    assert given is not None
    notices: list[str] = []
    declare.read(command.options, given, {}, notices.append)
    assert not notices, "another tool's name is shown"


def flags_of(name: str) -> set[str]:
    """The flags of a command."""
    return {flag for action in parser.create_parser(load(name))._actions for flag in action.option_strings}


def within_paragraphs(page: Path) -> Iterator[tuple[str, set[str]]]:
    """Command and flags of each `s3c …` that stands in a sentence, whole or with its arguments left out."""
    for span in re.findall(
        r"`(?:bin/)?s3c ([^`\n]+)`", re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.M | re.S)
    ):
        words = span.split()
        name = " ".join(words[:2]) if " ".join(words[:2]) in COMMANDS else words[0]
        yield name, {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}


SPANS = sorted({(page, name, tuple(sorted(flags))) for page in PAGES for name, flags in within_paragraphs(page)})


def test_a_command_in_a_sentence_has_the_flags_that_are_shown():
    assert len(SPANS) > 30
    unknown = [(page.name, name) for page, name, _ in SPANS if name not in COMMANDS and not name.startswith("-")]
    assert unknown == []
    wrong = [
        (page.name, name, flag)
        for page, name, flags in SPANS
        if name in COMMANDS
        for flag in set(flags) - flags_of(name)
    ]
    assert wrong == []


def test_what_make_is_asked_for_can_be_made():
    asked = {word for _, words in SHOWN if words[0] == "make" for word in words[1:]}
    assert {"demo", "test"} <= asked <= TARGETS


@pytest.mark.parametrize("form", FORMATS, ids=[form.name for form in FORMATS])
def test_every_action_that_writes_reports_has_every_format(form):
    actions = [action for action in docs.ACTIONS if FormatOptions.format in action.inputs]
    assert {action.command for action in actions} == {"chain", "scan", "patch", "refresh", "fleet run"}
    for action in actions:
        declared = parse_yaml((ROOT / action.folder / "action.yml").read_text())["inputs"]["format"]["description"]
        assert f"`{form.name}`" in declared, action.folder
        readme = ROOT / action.folder / "README.md"
        # The README of the whole lists no inputs.
        rows = [row for row in readme.read_text().splitlines() if row.startswith("| `format` |")]
        assert len(rows) == (action.folder != ".")
        assert all(f"`{form.name}`" in row for row in rows), readme


def test_what_terraform_is_asked_for_is_an_output():
    asked = {words[-1] for _, words in SHOWN if words[0] in {"tofu", "terraform"} and "output" in words}
    assert asked <= OUTPUTS


@pytest.mark.parametrize(("page", "step"), STEPS, ids=[f"{page.parent.name}/{page.name}" for page, _ in STEPS])
def test_a_step_gives_inputs_that_there_are(page, step):
    folder = own_path(step["uses"])
    if folder.suffix == ".yml":
        # A job that calls a reusable workflow. YAML 1.2 keeps the key `on`.
        called = parse_yaml(folder.read_text())
        asked = called["on"]["workflow_call"] or {}
        assert set(step.get("with", {})) <= set(asked.get("inputs", {}))
        assert set(step.get("secrets", {})) <= set(asked.get("secrets", {}))
        for name, level in [permission for job in called["jobs"].values() for permission in job["permissions"].items()]:
            assert step["permissions"].get(name) in {level, "write"}, name
        return
    declared = parse_yaml((folder / "action.yml").read_text())["inputs"]
    assert set(step.get("with", {})) <= set(declared)


OWN = [
    (path, step)
    for path in sorted((ROOT / ".github" / "workflows").glob("*.yml"))
    for step in steps(parse_yaml(path.read_text()))
]


@pytest.mark.parametrize(("path", "step"), OWN, ids=[f"{path.name} {step['uses']}" for path, step in OWN])
def test_a_workflow_of_ours_gives_inputs_that_there_are(path, step):
    test_a_step_gives_inputs_that_there_are(path, step)


REUSABLE = sorted(
    path
    for path in (ROOT / ".github" / "workflows").glob("*.yml")
    # Those of this repository alone take no inputs.
    if (parse_yaml(path.read_text())["on"].get("workflow_call") or {}).get("inputs")
)
GUIDE = ROOT / "docs" / "workflows.md"
EXAMPLES = [parse_yaml(block.content) for block in code(GUIDE) if block.info == "yaml"]
CALLS = [(example, name) for example in EXAMPLES for name in example["jobs"]]


def called(job: dict[str, Any]) -> tuple[Path, dict[str, Any]]:
    """The workflow that a job calls: its file, and what it declares."""
    name, _, version = job["uses"].removeprefix(f"{REPOSITORY}/").partition("@")
    assert version == "v1"
    path = ROOT / name
    return path, parse_yaml(path.read_text())


def test_every_workflow_for_others_has_an_example():
    assert len(REUSABLE) >= 3
    assert {called(example["jobs"][name])[0] for example, name in CALLS} == set(REUSABLE)
    assert all(f"## {path.name}\n" in GUIDE.read_text() for path in REUSABLE)


@pytest.mark.parametrize(("example", "name"), CALLS, ids=[f"{name} of {example['name']}" for example, name in CALLS])
def test_an_example_can_be_pasted(example, name):
    """It gives what is required, asks for no permission that no job has, and hands on outputs that there are."""
    assert example["on"]
    assert example["permissions"] == {}
    job = example["jobs"][name]
    path, workflow = called(job)
    # What deploys keeps the order of what is pushed, which its own jobs cannot.
    assert ("concurrency" in example) is (path.name == "secure-image.yml")
    declared = workflow["on"]["workflow_call"]
    required = {
        key
        for part in ("inputs", "secrets")
        for key, declaration in declared.get(part, {}).items()
        if declaration.get("required")
    }
    assert required <= {*job.get("with", {}), *job.get("secrets", {})}
    # A call that grants less fails as a whole, whether or not the job that asks for it would run.
    wanted: dict[str, str] = {}
    for inner in workflow["jobs"].values():
        for scope, level in inner["permissions"].items():
            wanted[scope] = max(level, wanted.get(scope, ""))
    assert job["permissions"] == wanted
    for before, output in re.findall(r"needs\.([\w-]+)\.outputs\.([\w-]+)", str(job)):
        assert before in ([job["needs"]] if isinstance(job["needs"], str) else job["needs"])
        assert output in called(example["jobs"][before])[1]["on"]["workflow_call"]["outputs"]


def test_every_permission_of_an_example_says_what_for():
    lines = [line for block in code(GUIDE) if block.info == "yaml" for line in block.content.splitlines()]
    granted = [line for line in lines if re.match(r" {6}[a-z-]+: (read|write)\b", line)]
    assert len(granted) >= 12
    assert all(re.search(r": (read|write) # \w", line) for line in granted)


@pytest.mark.parametrize("path", REUSABLE, ids=[path.name for path in REUSABLE])
def test_a_reusable_workflow_declares_what_it_uses(path):
    """Every input and secret that is declared is read, and every one that is read is declared."""
    text = path.read_text()
    declared = parse_yaml(text)["on"]["workflow_call"]
    for part in ("inputs", "secrets"):
        read = set(re.findall(rf"\b{part}\.([\w-]+)", text))
        assert read == set(declared.get(part) or {}), part
    # Names that an environment's secret can have: letters, digits and underscores, kept in capitals.
    assert [
        name for name in declared.get("secrets") or {} if not re.fullmatch(r"(?!GITHUB_)[A-Z][A-Z0-9_]*", name)
    ] == []


def test_what_runs_a_dockerfile_has_no_credentials():
    """Whoever may change what is built runs code in that job: nothing there is worth taking."""
    workflow = parse_yaml((ROOT / ".github" / "workflows" / "secure-image.yml").read_text())
    builds = [job for job in workflow["jobs"].values() if "docker/build-push-action" in str(job)]
    assert [job["permissions"] for job in builds] == [{"contents": "read"}]
    for job in builds:
        assert "environment" not in job
        assert not re.search(r"secrets\.|github\.token|client-id|password", str(job))
        (build,) = (step["with"] for step in job["steps"] if "build-push-action" in step.get("uses", ""))
        assert (build["push"], build["outputs"]) == (False, "type=oci,dest=image.tar")
    # The key is in one job, which runs nothing but the signing.
    holders = [name for name, job in workflow["jobs"].items() if re.search(r"SIGNING_KEY|inputs\.vault", str(job))]
    assert holders == ["sign"]
    assert not [step for step in workflow["jobs"]["sign"]["steps"] if "run" in step]


def test_what_ran_the_image_does_not_decide_about_it():
    """Whoever controls the image controls the job that ran its package manager, and everything that it hands on."""
    workflow = parse_yaml((ROOT / ".github" / "workflows" / "secure-image.yml").read_text())
    jobs = workflow["jobs"]
    gate, sign = jobs["gate"], jobs["sign"]
    assert "fail-on" not in str(jobs["patch"])
    (patch,) = (step["with"] for step in jobs["patch"]["steps"] if "/actions/patch" in step.get("uses", ""))
    assert patch["reuse-patched"] == "never"
    assert not [step for step in gate["steps"] if "run" in step or "buildx" in step.get("uses", "")]
    assert not [step for step in gate["steps"] if "artifact" in step.get("uses", "") and "download" in step["uses"]]
    (scan,) = (step["with"] for step in gate["steps"] if "/actions/scan" in step.get("uses", ""))
    # Of what the patch hands on the digest alone counts, in the repository that the caller named.
    assert scan["image"] == "${{ inputs.image }}@${{ needs.patch.outputs.digest }}"
    (signed,) = (step["with"] for step in sign["steps"] if "/actions/sign" in step.get("uses", ""))
    assert "gate" in sign["needs"]
    assert signed["image"] == "${{ needs.gate.outputs.reference }}"
    for name in ("fail-on", "fixable-only", "policy"):
        assert signed[name] == scan[name]
    assert signed["report"] == "${{ needs.gate.outputs.json }}"


def test_what_patches_on_a_schedule_has_no_key():
    workflow = parse_yaml((ROOT / ".github" / "workflows" / "scheduled-patch.yml").read_text())
    jobs = workflow["jobs"]
    patch, sign = (
        next(step["with"] for step in jobs[name]["steps"] if step.get("uses", "") == "$/actions/chain")
        for name in ("patch", "sign")
    )
    assert (patch["sign"], sign["patch"]) == (False, False)
    assert [name for name, job in jobs.items() if "key-pem" in str(job)] == ["sign"]
    assert sign["image"] == "${{ steps.take.outputs.image }}"
    assert not [step for step in jobs["sign"]["steps"] if "buildx" in step.get("uses", "")]


USED = [
    (page, uses, output)
    for page in PAGES
    for uses, given in ((step["uses"], step.get("id", "")) for step in workflows(page))
    for output in re.findall(rf"steps\.{given}\.outputs\.([\w-]+)", page.read_text())
    if given
]


@pytest.mark.parametrize(
    ("page", "uses", "output"), USED, ids=[f"{page.parent.name}: {used}" for page, _, used in USED]
)
def test_an_output_that_is_used_is_one_of_the_action(page, uses, output):
    folder = own_path(uses)
    assert output in parse_yaml((folder / "action.yml").read_text())["outputs"]


# Every command of the original workshop's pages, scripts and workflows.
ORIGINAL = """
    az login; az account show; az acr login; az aks get-credentials; az keyvault certificate show
    az keyvault set-policy; az ad sp create-for-rbac; az ad sp list
    docker build; docker pull; docker tag; docker push; docker images; docker inspect; docker image inspect; docker rmi
    trivy image; copa patch; buildkitd; pkill buildkitd; jq; sed
    notation key add; notation key list; notation sign
    helm repo add gatekeeper; helm install gatekeeper; helm repo add ratify; helm install ratify
    kubectl apply; kubectl delete; kubectl get pods; kubectl get ingress; kubectl logs
    terraform init; terraform apply; terraform output; terraform destroy
    gh auth login; gh secret set; gh variable set; git clone; git add; git commit; git push; git pull; code
    flux bootstrap; flux create source git; flux create secret git; flux create kustomization
    flux create image repository; flux create image policy
    flux create image update; flux get; flux events; flux logs; kustomize; curl
"""


def test_the_workshops_table_has_every_command_of_the_original():
    table = (ROOT / "docs/workshop.md").read_text().partition("## From the original to here")[2]
    rows = [row.split(" | ") for row in table.splitlines() if row.startswith("| ")][1:]
    left = "\n".join(row[0] for row in rows)
    asked = [command.strip() for command in re.split(r"[;\n]", ORIGINAL) if command.strip()]
    assert not [command for command in asked if not re.search(rf"(?<![\w-]){re.escape(command)}(?![\w-])", left)]
    assert all(len(row) == 3 and row[1].strip() for row in rows), "each has ours beside it"


def test_one_namespace_is_shown_and_it_is_the_one_that_terraform_lets_deploy():
    variables = (ROOT / "infra/terraform/variables.tf").read_text()
    (allowed,) = re.findall(r'variable "namespaces" \{[^}]*default +\= \["(\w+)"\]', variables)
    flags, keys = r"--namespaces?[ =]|\s-n ", r"\bnamespaces?: "
    texts = [(path, flags) for path in (ROOT / "s3c_actions" / "options").glob("*.py")]
    texts += [(path, f"{flags}|{keys}") for path in PAGES]
    shown = {
        (path.name, name)
        for path, form in texts
        for name in re.findall(rf"(?:{form})([a-z][a-z0-9-]*)", path.read_text())
    }
    assert len(shown) >= 8
    # The Gateway in front of the app has its own, which an administrator makes; so has a fleet.
    assert {name for _, name in shown} <= {allowed, f"{allowed}-gateway", "gatekeeper-system", "s3c-fleet"}, shown


def test_a_subjects_prefix_that_a_command_takes_has_a_value_for_older_repositories() -> None:
    """GitHub's answer has none for those whose subjects hold no ids, and a subject would begin with nothing."""
    taken = [
        command
        for page in (*PAGES, ROOT / "infra" / "terraform" / "README.md")
        for command in re.findall(r"\$\(gh api [^)]*sub_claim_prefix[^)]*\)", page.read_text())
    ]
    assert len(taken) >= 4
    for command in taken:
        assert re.search(r"--jq '\.sub_claim_prefix // \"repo:[\w-]+/[\w-]+\"'\)$", command), command


# Variables that are no input of a command: where things lie on a machine.
MACHINE = {"S3C_CACHE", "S3C_STATE", "S3C_PYTHON", "S3C_PROGRAMS_MIRROR"}
DECLARED = {option.variable for name in COMMANDS for option in (*load(name).inputs, *load(name).other_inputs)}
NAMED_VARIABLES = sorted({(page, name) for page in PAGES for name in re.findall(r"\bS3C_[A-Z_]+\b", page.read_text())})


def test_a_variable_that_is_shown_is_that_of_an_input():
    assert len(NAMED_VARIABLES) > 20
    # Those that a page makes up: for a secret or variable of a repository, or the tests' own.
    own = {"S3C_POLICY", "S3C_GOLDEN", "S3C_", "S3C_FAILON"}
    unknown = {(page.name, name) for page, name in NAMED_VARIABLES if name not in DECLARED | MACHINE | own}
    assert not unknown


OTHER_SYSTEMS = [ROOT / "docs" / name for name in ("gitlab.md", "azure-pipelines.md", "jenkins.md")]


@pytest.mark.parametrize("page", OTHER_SYSTEMS, ids=[page.stem for page in OTHER_SYSTEMS])
def test_what_another_ci_system_is_given_is_understood(page):
    """Its pipeline parses where it is YAML, and the command in it takes its arguments; comment and alerts are named."""
    (pipeline,) = [block for block in code(page) if block.info in {"yaml", "groovy"}]
    if pipeline.info == "yaml":
        assert parse_yaml(pipeline.content)
    (line,) = re.findall(r"\bs3c\"? (scan \"[^\"]+\"[^'\n]*)", pipeline.content)
    variables = dict(re.findall(r"^ +S3C_(FORMAT|OUTPUT): (\S+)$", pipeline.content, re.MULTILINE))
    name, *argv = shlex.split(line)
    given = parser.read(load(name), [re.sub(r"\$\(?[\w.]+\)?", "x", word) for word in argv])
    assert given is not None
    # Files that the pipeline collects are those that the formats write.
    formats = (given.get("format") or variables["FORMAT"]).split(",")
    assert declare.read(FormatOptions, {"format": ",".join(formats)}, {}, print).format == tuple(formats)
    written = {form.file for form in FORMATS if form.name in formats}
    collected = re.findall(r"s3c-out/\*/([\w.-]+)", pipeline.content)
    assert collected
    assert set(collected) <= written
    rows = [row.partition(" | ")[0] for row in page.read_text().splitlines() if row.startswith("| ")]
    assert any(row.startswith("| comment") for row in rows)
    assert any(row.startswith("| alerts") for row in rows)


POLICIES = [
    (page, block.content)
    for page in PAGES
    for block in code(page)
    if block.info == "yaml" and re.match(r"(version: 1\n)?(signers|exceptions|findings):", block.content)
]


@pytest.mark.parametrize(("page", "shown"), POLICIES, ids=[page.name for page, _ in POLICIES])
def test_a_part_of_a_policy_is_one(page, shown):
    schema = parse_yaml((ROOT / "s3c_actions" / "schemas" / "policy-1.json").read_text())
    whole = {"version": 1, "signers": [{"name": "x", "certificate": "x.crt"}]} | parse_yaml(shown)
    # YAML's own dates are texts in JSON.
    plain = msgspec.to_builtins(whole, enc_hook=str)
    jsonschema.Draft202012Validator(schema).validate(plain)


def test_parts_of_policies_are_shown():
    assert {page.name for page, _ in POLICIES} >= {"exceptions.md", "key-rotation.md"}


def test_the_index_has_every_guide():
    """In its own words, once or more; what it leaves out are pages for those who work on s3c."""
    index = (ROOT / "docs" / "README.md").read_text()
    assert not [
        page.name for page in ROOT.glob("docs/*.md") if page.name != "README.md" and f"({page.name})" not in index
    ]
