"""The actions: what their files declare, and how a runner runs them (act). Images come with the end-to-end tests."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import ruamel.yaml

from s3c_actions.cli import help_text
from s3c_actions.cli.run import cache_path
from s3c_actions.options.command import load
from s3c_actions.options.declare import variable
from tests.support import act
from tools import docs

ROOT = docs.ROOT
YAML = ruamel.yaml.YAML(typ="safe", pure=True)
OF_THE_FILE = {option.name for option in docs.OF_THE_FILE}
ACTIONS = pytest.mark.parametrize("action", docs.ACTIONS, ids=lambda action: action.command)


def loaded(action: docs.Action) -> dict[str, Any]:
    return ruamel.yaml.YAML(typ="safe", pure=True).load(ROOT / action.folder / "action.yml")  # type: ignore[no-any-return]


def names(action: docs.Action) -> set[str]:
    return {name for option in action.inputs for name in (option.name, *option.aliases)}


def others(action: docs.Action) -> set[str]:
    return {*action.other_names}


def the_step(action: docs.Action) -> dict[str, Any]:
    return next(step for step in loaded(action)["runs"]["steps"] if step.get("id") == "s3c")


@ACTIONS
def test_inputs_are_those_of_the_command(action) -> None:
    declared = loaded(action)["inputs"]
    assert set(declared) == names(action) | others(action)
    # A default here would hide another name that was set, and what was asked for: only the run's own token has one.
    defaults = {name: declaration["default"] for name, declaration in declared.items() if "default" in declaration}
    assert defaults == ({"github-token": "${{ github.token }}"} if "github-token" in declared else {})
    assert all(declaration["description"] for declaration in declared.values())


@ACTIONS
def test_every_input_reaches_the_command_through_its_variable(action) -> None:
    forwarded = the_step(action)["env"]
    of_runner = {option.name for option in action.inputs if option.of_runner}
    assert of_runner <= {"programs-mirror"}
    assert forwarded == {
        variable(f"action-{name}" if name in of_runner else name): f"${{{{ inputs.{name} }}}}"
        for name in names(action) - OF_THE_FILE | others(action)
    }


@ACTIONS
def test_outputs_are_those_of_the_command(action) -> None:
    declared = loaded(action)["outputs"]
    assert {name: declaration["value"] for name, declaration in declared.items()} == {
        output.name: f"${{{{ steps.s3c.outputs.{output.name} }}}}" for output in action.outputs
    }


@ACTIONS
def test_the_readme_has_a_row_for_each(action) -> None:
    readme = ROOT / ("docs/inputs.md" if action.folder == "." else f"{action.folder}/README.md")
    text = readme.read_text()
    outputs = [] if action.folder == "." else action.outputs
    for name in [field.name for field in (*action.inputs, *outputs)]:
        assert f"| `{name}` |" in text


def test_the_inputs_of_the_whole_chain_stand_under_headings() -> None:
    text = (ROOT / "action.yml").read_text().partition("  # generated: inputs\n")[2].partition("  # end\n")[0]
    headings = re.findall(r"^  # (.+)$", text, re.MULTILINE)
    assert headings == re.findall(r"^### (.+)$", (ROOT / "docs" / "inputs.md").read_text(), re.MULTILINE)
    assert {"Image", "Gate", "Reports", "Registry", "Key and signature", "GitHub", "Azure", "Programs"} <= {*headings}


@ACTIONS
def test_the_help_text_has_a_flag_for_each(action) -> None:
    command = load(action.command)
    text = help_text.command_help(command)
    for option in command.inputs:
        assert option.flag in text or (option.positional and option.name.upper() in text), option.name


def test_what_is_generated_is_up_to_date() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "tools.docs", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout) == (0, "")


@ACTIONS
def test_no_expression_in_a_script_and_every_script_strict(action) -> None:
    for step in loaded(action)["runs"]["steps"]:
        if step.get("shell") == "powershell":
            assert "${{" not in step["run"]
        elif "run" in step:
            assert "${{" not in step["run"]
            assert step["run"].startswith("set -eu\n")
            assert step["shell"] == "sh"
        else:
            assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", step["uses"])


# https://docs.github.com/actions/reference/workflows-and-actions/metadata-syntax#branding. The length is that of
# the form that publishes a release: "Description must be less than 125 characters."
COLORS = {"white", "black", "yellow", "blue", "green", "orange", "red", "purple", "gray-dark"}
OMITTED_ICONS = {
    *("coffee", "columns", "divide", "divide-circle", "divide-square", "frown", "hexagon", "key", "meh"),
    *("mouse-pointer", "smile", "tool", "x-octagon"),
}


@ACTIONS
def test_marketplace_metadata(action) -> None:
    document = loaded(action)
    assert 0 < len(document["name"]) < 100
    assert 0 < len(document["description"]) < 125
    assert set(document["branding"]) == {"icon", "color"}
    assert document["branding"]["color"] in COLORS
    assert document["branding"]["icon"] not in OMITTED_ICONS


def test_no_two_actions_have_one_name() -> None:
    # Of the repository the Marketplace lists the root's action; it has a name that nothing else there has.
    names = [loaded(action)["name"].lower() for action in docs.ACTIONS]
    assert len(set(names)) == len(names)


def test_short_names_lead_to_the_actions() -> None:
    links = {path.name: path.readlink().name for path in (ROOT / "actions").iterdir() if path.is_symlink()}
    assert links == {
        "scan": "trivy-scan",
        "patch": "copa-patch",
        "sign": "notation-sign",
        "verify": "notation-verify",
        "deploy": "ratify-deploy",
    }
    tracked = subprocess.run(["git", "ls-files", "-s"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    dangling = [line.split("\t")[1] for line in tracked.splitlines() if line.startswith("120000")]
    assert all((ROOT / link).exists() for link in dangling)


def test_nothing_reads_what_a_composite_action_does_not_get() -> None:
    # act sets INPUT_* for composite actions, GitHub does not: reading one would work here only.
    sources = [*(ROOT / "s3c_actions").rglob("*.py"), *(ROOT / "actions").glob("*.sh")]
    assert sources
    assert not [path for path in sources if re.search(r"INPUT_[A-Z$]|get_input", path.read_text())]


BAD = act.one_job(
    """
      - uses: actions/checkout@v7
      - uses: org/s3c/actions/scan@v1
        id: scan
        with:
          image: "$(touch pwned) ::set-output name=digest::sha256:0"
          old-baseline: ""
      - run: echo unreachable
"""
)


def test_wrong_input_ends_the_job_and_is_reported(tmp_path) -> None:
    shadow = "raise SystemExit('a module of the workspace was imported')\n"
    files = {"json.py": shadow, "argparse.py": shadow, "s3c_actions/__init__.py": shadow, "sitecustomize.py": shadow}
    job = act.run(BAD.replace('          old-baseline: ""\n', ""), tmp_path, files=files)
    assert not job.succeeded
    assert "is not an image reference" in job.log
    assert "exit 2)" in job.log
    assert "a module of the workspace was imported" not in job.log
    assert not re.search(r"\| unreachable", job.log)
    outputs = job.outputs["scan"]
    assert outputs["verdict"] == "failed"
    assert outputs["digest"] == ""
    assert outputs["result"] == "s3c-out/result.json"
    # The cache is saved also when it fails, under the key it was looked for: what proves itself by a hash, and data.
    restore, save = "\n".join(job.services).split("\nsave ")
    assert restore.startswith(f"restore {save}")
    *paths, _key = save.split()
    assert paths == [str(cache_path(os.environ) / part) for part in ("archives", "trivy/db", "trivy/java-db")]
    assert re.search(r" s3c-1-\w+-\w+-[0-9a-f]{16}-scan-\d{4}-\d\d-\d\d ", restore)


HOLDING = {
    "key",
    "key-pem",
    "pkcs12",
    "key-name",
    "plugin",
    "plugin-name",
    "plugin_name",
    "vault",
    "kubeconfig",
    "aks-cluster",
}


def test_a_job_that_holds_a_key_restores_nothing(tmp_path) -> None:
    """Of every input that gives a key, or a way into a cluster, the step that looks for the cache knows."""
    restoring = 0
    for path in [ROOT / "action.yml", *(ROOT / "actions").glob("*/action.yml")]:
        action = YAML.load(path)
        steps = action["runs"]["steps"]
        finds = next((step for step in steps if step.get("id") == "cache"), None)
        if finds is None:
            assert "actions/cache" not in path.read_text()
            continue
        condition = finds.get("env", {}).get("S3C_HOLDS", "")
        held = HOLDING & set(action["inputs"])
        assert (
            all(f"inputs.{name} != ''" in condition for name in held)
            or condition == "${{ inputs.render-only != 'true' }}"
        ), path
        for step in steps:
            if "actions/cache/" in step.get("uses", ""):
                assert "steps.cache.outputs.paths != ''" in step["if"]
                restoring += 1
    assert restoring >= 14
    job = act.run(BAD.replace('old-baseline: ""', "key-pem: x").replace("actions/scan", "actions/sign"), tmp_path)
    assert not job.succeeded
    assert "the cache of GitHub Actions is not used" in job.log
    assert job.services == []


def test_our_workflows_restore_nothing_beside_a_key() -> None:
    uncached = 0
    for path in (ROOT / ".github" / "workflows").glob("*.yml"):
        # The self-test holds a key of the lab's own.
        for job in () if path.name == "self-test.yml" else YAML.load(path)["jobs"].values():
            for step in job.get("steps", ()):
                given = step.get("with", {})
                ours = str(step.get("uses", "")).startswith("$/")
                if ours and (HOLDING & set(given) or step["uses"].endswith("/deploy")):
                    assert given["cache"] is False, f"{path.name}: {step['name']}"
                    uncached += 1
    assert uncached >= 4


def test_the_scripts_use_what_every_system_has() -> None:
    """No shell but POSIX's, none of GNU's options, and nothing that macOS or BusyBox does not have."""
    gnu = re.compile(
        r"mv -T|mktemp (?!-d )|sed -i|readlink -[a-z]*f|stat -c|date -d|\bflock\b|\brealpath\b|cp -[a-z]*[at]|grep -P|"
        r"<<<|\[\["
    )
    scripts = [*(ROOT / "actions").glob("*.sh"), *(ROOT / "bin").iterdir()]
    assert len(scripts) >= 6
    for path in scripts:
        text = path.read_text()
        assert text.startswith("#!/bin/sh\n") or path.name == "common.sh"
        assert not gnu.search(text), path
    for path in [ROOT / "action.yml", *(ROOT / "actions").glob("*/action.yml")]:
        for step in YAML.load(path)["runs"]["steps"]:
            assert not gnu.search(step.get("run", "")), path


@pytest.mark.parametrize("name", ["scan", "patch"])
def test_attaching_with_a_step_that_signs_nothing_is_reported(tmp_path, name) -> None:
    given = BAD.replace('"$(touch pwned) ::set-output name=digest::sha256:0"', "app:1\n          cache: false")
    job = act.run(
        given.replace('old-baseline: ""', "attach: true").replace("actions/scan", f"actions/{name}"), tmp_path
    )
    assert not job.succeeded
    assert f"attach: it is not an input of `s3c {name}` any more." in job.log
    assert "s3c sign --attach true --results" in job.log
    assert "exit 2)" in job.log


def test_an_unknown_severity_is_reported_with_the_choices(tmp_path) -> None:
    job = act.run(
        BAD.replace('"$(touch pwned) ::set-output name=digest::sha256:0"', "app:1\n          cache: false").replace(
            'old-baseline: ""', "severity: WORST"
        ),
        tmp_path,
    )
    assert not job.succeeded
    assert "severity: 'WORST' is not made of the words allowed" in job.log
    assert job.services == []


def test_of_the_environment_only_the_mirror_counts_and_the_rest_is_warned_of(tmp_path) -> None:
    """A step that ran earlier can set any variable: none opens a gate, and none only seems to close it."""
    given = BAD.replace('"$(touch pwned) ::set-output name=digest::sha256:0"', "app:1")
    environment = {"S3C_FAIL_ON": "NONSENSE", "S3C_PROGRAMS_MIRROR": "ftp://mirror.example"}
    job = act.run(given.replace('          old-baseline: ""\n', ""), tmp_path, environment=environment)
    assert not job.succeeded
    assert "S3C_FAIL_ON is set in the environment, and an action does not read it" in job.log
    assert "S3C_PROGRAMS_MIRROR is set" not in job.log
    assert "NONSENSE" not in job.log
    assert "programs-mirror: 'ftp://mirror.example' is not" in job.log


def test_the_guard_of_the_environment_runs_from_anywhere(tmp_path) -> None:
    ended = subprocess.run(
        [str(ROOT / "actions" / "run.sh"), "--version"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert re.fullmatch(r"s3c \d+\.\d+\.\d+\n", ended.stdout)
    assert list(Path(tmp_path).iterdir()) == []
