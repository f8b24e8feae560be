"""What GitHub and its runner enforce of a workflow and act does not, written into the workflow that act runs.

- A call that grants less than a job of the called workflow asks for is refused before anything runs.
- A job output that contains a secret is dropped (actions/runner, JobExtension: "Skip output … since it may contain
  secret"); every secret that a called workflow is given is masked, and so are names that are passed as one.
- A job's token may do what its `permissions` say: the variable `GRANTED` tells the stand-ins, which answer 403.
- `uses: $/path` is the workflow's own repository at its own commit (github.com, runner 2.336 and later).
"""

from __future__ import annotations

import io
import re
from functools import cache
from pathlib import Path
from typing import Any

import ruamel.yaml

from s3c_actions import REPOSITORY
from tests.support import ROOT
from tests.support.sources import parse_yaml

CALLED = "called"
"""The version under which act finds the workflows as they are rewritten here."""
WORKFLOWS = ROOT / ".github" / "workflows"
_YAML = ruamel.yaml.YAML(typ="safe", pure=True)
_CALL = re.compile(rf"{re.escape(REPOSITORY)}/\.github/workflows/([\w-]+\.yml)@v1")


def refusals(workflow: dict[str, Any]) -> list[str]:
    """Why GitHub would not start a workflow: permissions that it grants too little of, secrets that nobody knows."""
    lines = []
    for name, job in workflow["jobs"].items():
        call = _CALL.fullmatch(str(job.get("uses", "")))
        granted = job.get("permissions", workflow.get("permissions"))
        if call is None:
            continue
        declared = parse_yaml((WORKFLOWS / call[1]).read_text())["on"]["workflow_call"].get("secrets") or {}
        unknown = set(job["secrets"]) - set(declared) if isinstance(job.get("secrets"), dict) else ()
        lines += [
            f"The workflow is not valid. Invalid secret, {secret} is not defined in the referenced workflow."
            for secret in sorted(unknown)
        ]
        if granted is None:
            continue
        for inner, called in parse_yaml((WORKFLOWS / call[1]).read_text())["jobs"].items():
            for scope, level in called["permissions"].items():
                if level == "write" != granted.get(scope) or scope not in granted:
                    lines.append(
                        f"The workflow is not valid. Error calling workflow '{job['uses']}'. The nested job '{inner}' "
                        f"of job '{name}' is requesting '{scope}: {level}', but is only allowed "
                        f"'{scope}: {granted.get(scope, 'none')}'."
                    )
    return lines


def enforced(workflow: dict[str, Any], *, read_only: bool = False) -> dict[str, Any]:
    """The same workflow, changed in place, with the runner's rules written into its jobs.

    Args:
        workflow: its YAML, parsed.
        read_only: what a fork or Dependabot caused: its jobs' tokens read only, whatever they ask for.
    """
    called = (workflow.get("on") or {}).get("workflow_call") or {} if isinstance(workflow.get("on"), dict) else {}
    secrets = {*called.get("secrets", {}), *re.findall(r"secrets\.([\w-]+)", str(workflow["jobs"]))}
    for job in workflow["jobs"].values():
        # act knows neither of them.
        job.pop("concurrency", None)
        if "steps" not in job:
            continue
        granted = job.get("permissions", workflow.get("permissions"))
        if granted is not None:
            levels = {scope: "read" if read_only and level == "write" else level for scope, level in granted.items()}
            job.setdefault("env", {})["GRANTED"] = " ".join(f"{scope}:{level}" for scope, level in levels.items())
        for name, value in job.get("outputs", {}).items():
            job["outputs"][name] = _unless_secret(value, sorted(secrets))
    workflow.pop("concurrency", None)
    return workflow


def with_known_uses(text: str) -> str:
    """A workflow's text with every `uses` of our own in a form that act knows."""
    text = re.sub(r"uses: \$/(actions/[\w-]+)", rf"uses: {REPOSITORY}/\1@v1", text)
    return _CALL.sub(rf"{REPOSITORY}/.github/workflows/\1@{CALLED}", text)


def write_called(folder: Path, *, read_only: bool = False) -> None:
    """Write the workflows of this repository that others call, as act runs them, below a new folder."""
    target = folder / ".github" / "workflows"
    target.mkdir(parents=True)
    for name, text in _called(read_only).items():
        (target / name).write_text(text)


@cache
def _called(read_only: bool) -> dict[str, str]:
    texts = {}
    for path in WORKFLOWS.glob("*.yml"):
        workflow = _YAML.load(path)
        if "workflow_call" not in workflow["on"]:
            continue
        text = io.StringIO()
        _YAML.dump(enforced(workflow, read_only=read_only), text)
        texts[path.name] = with_known_uses(text.getvalue())
    return texts


def _unless_secret(value: str, secrets: list[str]) -> str:
    """The expression of a job output, empty where the value contains a secret."""
    match = re.fullmatch(r"\$\{\{ (.+) \}\}", value)
    assert match, f"the output {value} is no single expression"
    hides = " && ".join(f"!(secrets.{name} != '' && contains({match[1]}, secrets.{name}))" for name in secrets)
    return f"${{{{ {hides} && {match[1]} || '' }}}}" if secrets else value
