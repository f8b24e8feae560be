"""Runs workflows with act (nektos/act, from the locked environment) on this machine, as a runner does.

What GitHub and its runner enforce and act does not is added to the workflows: see `tests.support.workflow_rules`.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import ruamel.yaml

from s3c_actions import REPOSITORY
from s3c_actions.programs.install.locate import locate
from s3c_lab.lab import Lab
from s3c_lab.machine import Machine
from s3c_lab.programs import BUILDCTL
from tests.support import ROOT, workflow_rules

STANDINS = Path("tests", "standins")
FINGERPRINTS = Path("tests", "support", "github", "fingerprints.py")
LOGIN = "docker/login-action@v4"
"""Which users take to log in, and the documentation therefore."""
_SHARED = Path("/dev/shm")
_MEMORY = _SHARED if _SHARED.is_dir() and shutil.disk_usage(_SHARED).free > 2 << 30 else None
"""Where act makes and removes thousands of files: a disk's file system looks long for an inode that is free."""
RUN_BY_ACTIONS = ("action.yml", "actions", "manifests", "requirements", "s3c_actions")


@dataclass(frozen=True)
class Job:
    """How a workflow ended.

    Attributes:
        succeeded: every job of it did.
        log: what act printed.
        outputs: of each step that has an id, and of each job that calls a workflow: id → name → value.
        services: what GitHub's stand-ins were asked, one line each.
        folder: of the stand-ins; has `sarif/` and the file `commit` after an upload.
    """

    succeeded: bool
    log: str
    outputs: dict[str, dict[str, str]]
    services: list[str]
    folder: Path


def one_job(steps: str) -> str:
    """The workflow of one job with these steps, a YAML list as it stands below `steps:`."""
    return f"on: push\njobs:\n  job:\n    runs-on: ubuntu-latest\n    steps:{steps}"


def run(
    workflow: str,
    folder: Path,
    *,
    files: Mapping[str, str] | None = None,
    secrets: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
    variables: Mapping[str, str] | None = None,
    inside: Callable[[list[str], Path], list[str]] = lambda argv, _cwd: argv,
    event: str = "push",
    payload: Mapping[str, Any] | None = None,
    checkout: Path | None = None,
    work: Path | None = None,
    read_only: bool = False,
) -> Job:
    """Run a workflow that says `uses: org/s3c/…@v1`. One that GitHub would refuse to start is not started.

    Args:
        workflow: its YAML. Outputs are collected by a step appended to each job, and by a job after those that call.
        folder: a new one.
        files: of the caller's repository, path → text.
        secrets: name → value.
        environment: of every step, beside what act gives it.
        variables: of the repository, name → value.
        inside: makes of a command and its folder the command that runs it elsewhere, such as in another network.
        event: that causes the run.
        payload: of the event.
        checkout: of this repository, whose actions are run, where `inside` sees it; without it, this one.
        work: where act copies actions and repository to, where `inside` sees it; without it, it is in memory.
        read_only: a fork or Dependabot caused the run.
    """
    repository, services, kept = folder / "repository", folder / "services", folder / "outputs"
    for subfolder in (repository / ".github" / "workflows", services, kept):
        subfolder.mkdir(parents=True)
    yaml = ruamel.yaml.YAML(typ="safe", pure=True)
    document = yaml.load(workflow)
    refusals = workflow_rules.refusals(document)
    if refusals:
        return Job(succeeded=False, log="\n".join(refusals), outputs={}, services=[], folder=services)
    _collect(workflow_rules.enforced(document, read_only=read_only))
    written = io.StringIO()
    yaml.dump(document, written)
    (repository / ".github" / "workflows" / "workflow.yml").write_text(
        workflow_rules.with_known_uses(written.getvalue())
    )
    workflow_rules.write_called(folder / "called", read_only=read_only)
    for path, text in (files or {}).items():
        (repository / path).parent.mkdir(parents=True, exist_ok=True)
        (repository / path).write_text(text)
    _git(repository, "init", "--quiet")
    _git(repository, "add", "--all")
    _git(repository, "-c", "user.name=tester", "-c", "user.email=tester@example.org", "commit", "--quiet", "-m", "test")
    if payload is not None:
        (folder / "event.json").write_text(json.dumps(payload))
    memory = Path(tempfile.mkdtemp(prefix="s3c-act-", dir=_MEMORY))
    standins = (checkout or ROOT) / STANDINS
    python = sys.executable if checkout is None else "python3"
    argv = [
        str(Path(sys.executable).parent / "act"),
        event,
        # Of two jobs that start a step at once, act may deny one its terminal: "operation not permitted".
        *("--concurrent-jobs", "1"),
        *(("--eventpath", str(folder / "event.json")) if payload is not None else ()),
        *("--platform", "ubuntu-latest=-self-hosted", "--platform", "ubuntu-24.04=-self-hosted"),
        # By default it looks for an address that other machines reach.
        *("--cache-server-addr", "127.0.0.1", "--artifact-server-addr", "127.0.0.1"),
        *("--action-cache-path", str(work or memory)),
        *("--local-repository", f"{REPOSITORY}@v1={checkout or _checkout().name}"),
        *("--local-repository", f"{REPOSITORY}@{workflow_rules.CALLED}={folder / 'called'}"),
        *(
            part
            for name, commit in pinned().items()
            for part in ("--local-repository", f"{name}@{commit}={standins / name.partition('/')[2]}")
        ),
        *("--local-repository", f"{LOGIN}={standins / 'login-action'}"),
        *("--env", f"STANDINS={services}"),
        *("--env", f"KEPT={kept}"),
        *("--env", f"FINGERPRINTS={python} {(checkout or ROOT) / FINGERPRINTS}"),
        *(part for name, value in (variables or {}).items() for part in ("--var", f"{name}={value}")),
        *(part for name, value in (environment or {}).items() for part in ("--env", f"{name}={value}")),
        *(part for name, value in (secrets or {}).items() for part in ("--secret", f"{name}={value}")),
    ]
    try:
        ended = subprocess.run(
            inside(argv, repository),
            cwd=repository,
            env={**os.environ, "NO_COLOR": "1"},
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
    finally:
        shutil.move(memory, folder / "actions")
    log = services / "log"
    return Job(
        succeeded=ended.returncode == 0,
        log=ended.stdout + ended.stderr,
        outputs={path.name: _outputs(path.read_text()) for path in kept.iterdir()},
        # A cache's paths stand one a line.
        services=log.read_text().replace("\n/", " /").splitlines() if log.exists() else [],
        folder=services,
    )


def surroundings(lab: Lab, buildkit: str, machine: Machine) -> dict[str, str]:
    """What a runner of one's own would have in its environment: its BuildKit, and a database that is not downloaded."""
    program = locate(BUILDCTL, cache=machine.cache, runner=machine.runner, progress=machine.progress)
    skipped = ("SKIP_DB_UPDATE", "SKIP_JAVA_DB_UPDATE", "SKIP_CHECK_UPDATE", "OFFLINE_SCAN")
    return {
        "BUILDCTL": str(program.path),
        "BUILDKIT_HOST": buildkit,
        "TRIVY_CACHE_DIR": lab.trivy_cache,
        **{f"TRIVY_{name}": "true" for name in skipped},
    }


def link_checkout(checkout: Path, folder: Path) -> Path:
    """Fill a folder for act to copy in a checkout's place; returns it.

    act copies all there is, at each step that uses an action, but a link as a link. And a copied module is newer than
    what Python compiled of it: it would be compiled anew in each step. Whole checkouts are run by the tests of README's
    workflows.
    """
    for name in (*RUN_BY_ACTIONS, "tests"):
        source, target = checkout / name, folder / name
        if name == "actions":
            shutil.copytree(source, target, symlinks=True)
        elif source.is_dir():
            target.symlink_to(source)
        else:
            shutil.copy2(source, target)
    return folder


@cache
def _checkout() -> tempfile.TemporaryDirectory[str]:
    """What of this repository the actions run."""
    folder = tempfile.TemporaryDirectory(prefix="s3c-checkout-")
    link_checkout(ROOT, Path(folder.name))
    return folder


@cache
def pinned() -> dict[str, str]:
    """The repositories of other people's actions that ours use and that have a stand-in, name → commit."""
    paths = [ROOT / "action.yml", *ROOT.glob("actions/*/action.yml"), *ROOT.glob(".github/workflows/*.yml")]
    text = "\n".join(path.read_text() for path in paths)
    uses = re.findall(r"uses: ([^/\s]+/[^/@\s]+)[^@\s]*@([0-9a-f]{40})", text)
    return {name: commit for name, commit in uses if (ROOT / STANDINS / name.partition("/")[2]).is_dir()}


def _collect(document: dict[str, Any]) -> None:
    """Add a step to each job, and a job, that keep the outputs of steps with an id and of called workflows."""
    called = [name for name, job in document["jobs"].items() if "uses" in job]
    for job in document["jobs"].values():
        if "steps" in job:
            job["steps"].append(_keeping([step["id"] for step in job["steps"] if "id" in step], "steps"))
    if called:
        document["jobs"]["kept"] = {
            "if": "always()",
            "needs": called,
            "runs-on": "ubuntu-latest",
            "steps": [_keeping(called, "needs")],
        }


def _keeping(ids: list[str], context: str) -> dict[str, object]:
    return {
        "if": "always()",
        "env": {f"OUTPUTS_{name}": f"${{{{ toJSON({context}.{name}.outputs) }}}}" for name in ids},
        # Two legs of a matrix write the same file, perhaps at the same moment.
        "run": "\n".join(
            f'printf "%s" "$OUTPUTS_{name}" >"$KEPT/../{name}.$$" && mv "$KEPT/../{name}.$$" "$KEPT/{name}"'
            for name in ids
        )
        or "true",
    }


def _outputs(text: str) -> dict[str, str]:
    return json.loads(text)  # type: ignore[no-any-return]


def _git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True)
