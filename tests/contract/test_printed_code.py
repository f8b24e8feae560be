"""Every block of code that a page prints is taken from it and given to what reads such code: none is typed again here.

Workflows, jobs and steps go through actionlint beside our own actions, and have the permissions that docs/github.md
lists; policies and exceptions are read by s3c. tests/unit/test_documentation.py reads the command lines.
"""

from __future__ import annotations

import io
import json
import re
import subprocess
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import ruamel.yaml
from markdown_it.token import Token
from msgspec.structs import fields

from s3c_actions import REPOSITORY
from s3c_actions.fleet import model as fleet_model
from s3c_actions.policy import model
from s3c_actions.programs.trivy import ignore
from tests.support import ROOT, workflow_rules
from tests.support.sources import parse_yaml
from tests.unit.test_documentation import PAGES, code
from tools import lint

YAML = ruamel.yaml.YAML(typ="safe", pure=True)
NOT_DATA = {"", "sh", "console", "mermaid", "dockerfile", "text"}
BLOCKS = [
    pytest.param(page, block, id=f"{page.relative_to(ROOT)}:{(block.map or [0])[0] + 1}")
    for page in PAGES
    for block in code(page)
    if block.info not in NOT_DATA
]
IGNORED = {"vulnerabilities", "misconfigurations", "secrets", "licenses"}
LEVELS = ("none", "read", "write")
PERMISSION = re.compile(r"`([a-z-]+): (read|write)`")


def permissions_of_inputs() -> dict[str, dict[str, str]]:
    """Input → what it needs, from the table of docs/github.md."""
    table = (ROOT / "docs" / "github.md").read_text().partition("| input | of | permission |\n")[2].partition("\n\n")[0]
    rows = [row.strip("|").split("|") for row in table.splitlines()[1:]]
    needed = {
        name: dict(PERMISSION.findall(permissions.partition(";")[0]))
        for inputs, _, permissions in rows
        for name in re.findall(r"`([a-z-]+)`", inputs)
    }
    assert {"comment", "upload-sarif", "issue", "manifests", "tenant-id", "client-id"} <= set(needed)
    return needed


NEEDED = permissions_of_inputs()


def workflow_of(document: Any) -> dict[str, Any] | None:
    """A whole workflow, in which a job, steps or permissions that are shown alone stand; None: it is no part of one."""
    shell: dict[str, Any] = {"name": "Example", "on": {"pull_request": None}}
    if isinstance(document, list) and all({"uses", "run"} & set(step) for step in document):
        document = {"steps": document}
    if not isinstance(document, dict):
        return None
    if "jobs" in document:
        around = {"runs-on": "ubuntu-latest"}
        jobs = {name: job if "uses" in job else {**around, **job} for name, job in document["jobs"].items()}
        return {**shell, **document, "jobs": jobs}
    if "steps" in document:
        # Steps are part of a workflow whose other jobs are not shown.
        earlier: dict[str, Any] = {}
        for name, output in re.findall(r"\bneeds\.([\w-]+)\.outputs\.([\w-]+)", str(document)):
            job = earlier.setdefault(name, {"runs-on": "ubuntu-latest", "outputs": {}, "steps": [{"run": "true"}]})
            job["outputs"][output] = "text"
        needs = {"needs": list(earlier)} if earlier else {}
        return {**shell, "jobs": {**earlier, "job": {"runs-on": "ubuntu-latest", **needs, **document}}}
    if set(document) == {"permissions"}:
        return {**shell, **document, "jobs": {"job": {"runs-on": "ubuntu-latest", "steps": [{"run": "true"}]}}}
    return None


def beside_our_actions(workflow: Mapping[str, Any]) -> str:
    """The text of a workflow with our actions as local ones, of which actionlint knows inputs and outputs."""
    written = io.StringIO()
    YAML.dump(dict(workflow), written)
    return re.sub(rf"uses: {REPOSITORY}(/\S*)?@v1\b", lambda match: f"uses: .{match[1] or '/'}", written.getvalue())


@pytest.fixture(scope="module")
def actionlint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """A function that returns what actionlint says of a workflow's text."""
    project = tmp_path_factory.mktemp("project")
    argv = lint.actionlint_in(project)
    example = project / ".github" / "workflows" / "example.yml"

    def check(text: str) -> str:
        example.write_text(text)
        return subprocess.run([*argv, str(example)], cwd=project, capture_output=True, text=True, check=False).stdout

    return check


def missing(workflow: Mapping[str, Any]) -> Iterator[str]:
    """The permissions that steps need and jobs do not give; a job that shows none is part of one that does."""
    for job in workflow["jobs"].values():
        granted = job.get("permissions", workflow.get("permissions"))
        for step in job.get("steps", ()) if granted is not None else ():
            if not str(step.get("uses", "")).startswith(REPOSITORY):
                continue
            action = step["uses"].partition("@")[0].rpartition("/")[2]
            given = {name: value for name, value in step.get("with", {}).items() if value not in (False, "never")}
            needed: dict[str, str] = {}
            for name in {*given, action}:
                # Manifests are written by the action that proposes alone.
                needed |= NEEDED.get(name, {}) if name != "manifests" or action == "propose" else {}
            if "ghcr.io" in str(given.get("image")) and (action in {"patch", "sign", "s3c"} or given.get("attach")):
                needed["packages"] = "write"
            for scope, level in needed.items():
                if LEVELS.index(granted.get(scope, "none")) < LEVELS.index(level):
                    yield f"{step['uses']} needs {scope}: {level}"


SIGNERS = "signers: [{name: release, certificate: release.crt}]\n"
# Pipelines of other systems, which tests/unit/test_documentation.py reads.
OTHER_SYSTEMS = {"gitlab.md", "azure-pipelines.md", "jenkins.md"}


def is_policy(document: Any, text: str) -> bool:
    """Whether it is a policy, or a part of one."""
    if not isinstance(document, dict) or not set(document) <= {field.encode_name for field in fields(model.Policy)}:
        return False
    whole = text if "version" in document else f"version: 1\n{text}"
    assert model.parse(whole if "signers" in document else f"{whole}\n{SIGNERS}").signers
    return True


def is_fleet(document: Any, text: str) -> bool:
    """Whether it is a `fleet.yaml`."""
    if not isinstance(document, dict) or not {"version", "images"} <= set(document):
        return False
    return bool(fleet_model.parse(text).images)


def uses_hooks(document: Any) -> bool:
    """Whether it configures pre-commit; test_pre_commit.py runs it."""
    if not isinstance(document, dict) or set(document) != {"repos"}:
        return False
    (repository,) = document["repos"]
    offered = {hook["id"] for hook in parse_yaml((ROOT / ".pre-commit-hooks.yaml").read_text())}
    assert {hook["id"] for hook in repository["hooks"]} <= offered
    return True


def is_ignore_file(document: Any, text: str, folder: Path) -> bool:
    if not isinstance(document, dict) or not set(document) <= IGNORED:
        return False
    path = folder / ".trivyignore.yaml"
    path.write_text(text)
    assert ignore.read(path)
    return True


@pytest.mark.parametrize(("page", "block"), BLOCKS)
def test_a_printed_block_is_what_it_is_shown_as(
    page: Path, block: Token, actionlint: Callable[[str], str], tmp_path: Path
) -> None:
    text = block.content
    if page.name in OTHER_SYSTEMS:
        assert block.info == "groovy" or parse_yaml(text)
        return
    if block.info != "yaml":
        {"json": json.loads, "toml": tomllib.loads}[block.info](text)
        return
    document = parse_yaml(text)
    workflow = workflow_of(document)
    if workflow is None:
        known = (
            is_policy(document, text)
            or is_fleet(document, text)
            or is_ignore_file(document, text, tmp_path)
            or uses_hooks(document)
        )
        assert known, "no check knows what this is"
        return
    if "actions/upload-artifact@v3" in text:
        # For GitHub Enterprise Server, which has no other.
        text = text.replace("actions/upload-artifact@v3", "actions/upload-artifact@v7")
        workflow = workflow_of(YAML.load(text))
    assert workflow is not None
    assert actionlint(beside_our_actions(workflow)) == ""
    assert list(missing(workflow)) == []
    assert workflow_rules.refusals(workflow) == []


def test_there_are_blocks_of_every_kind() -> None:
    texts = [block.values[1].content for block in BLOCKS if block.values[1].info == "yaml"]  # type: ignore[union-attr]
    documents = [parse_yaml(text) for text in texts]
    assert sum(workflow_of(document) is not None for document in documents) >= 30
    assert sum("signers" in document for document in documents) >= 1


@pytest.mark.parametrize(
    ("step", "finding"),
    [
        ({"uses": f"{REPOSITORY}/actions/scan@v1", "with": {"image": "a", "fail_on": "HIGH"}}, "fail_on"),
        ({"run": "echo ${{ steps.gone.outputs.digest }}"}, "gone"),
        ({"id": "s", "uses": f"{REPOSITORY}@v1", "with": {"image": "${{ steps.s.outputs.nothing }}"}}, "nothing"),
    ],
)
def test_what_could_not_run_is_found(step: dict[str, Any], finding: str, actionlint: Callable[[str], str]) -> None:
    workflow = workflow_of([step])
    assert workflow is not None
    assert finding in actionlint(beside_our_actions(workflow))


@pytest.mark.parametrize(
    ("uses", "given"),
    [
        ("/actions/scan", {"image": "a", "upload-sarif": True}),
        ("/actions/scan", {"image": "a", "comment": "always"}),
        ("/actions/sign", {"image": "ghcr.io/a/b:1"}),
        ("/actions/deploy", {"client-id": "c"}),
        ("/actions/propose", {"manifests": "k8s"}),
    ],
)
def test_a_permission_that_is_missing_is_found(uses: str, given: dict[str, Any]) -> None:
    step = {"uses": f"{REPOSITORY}{uses}@v1", "with": given}
    workflow = workflow_of({"permissions": {"contents": "read"}, "steps": [step]})
    assert workflow is not None
    assert list(missing(workflow))
