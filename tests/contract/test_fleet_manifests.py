"""What runs in the Pods of a fleet: the Job's script in a real shell, and the examples for other engines."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from s3c_actions.cli import parser
from s3c_actions.cluster import yaml_text
from s3c_actions.fleet import manifests
from s3c_actions.options import declare
from s3c_actions.options.command import COMMANDS, load
from tests.support import ROOT
from tests.support.fleet_manifests import SETTINGS

STUB = """\
#!/bin/sh
echo "$*" >>"$LOG"
case "$2" in plan) exit "${PLAN:-0}";; run) exit "${RUN:-0}";; report) exit "${REPORT:-0}";; esac
"""


def container() -> dict[str, Any]:
    documents = yaml.safe_load_all(yaml_text.render(manifests.objects(SETTINGS)))
    (job,) = [each for each in documents if each["kind"] == "CronJob"]
    container: dict[str, Any] = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]
    return container


@pytest.fixture
def ended(tmp_path: Path) -> Any:
    """Runs the script as the Pod of an index, with an s3c that notes what it is asked; its exit code, and the notes."""
    (tmp_path / "s3c").write_text(STUB)
    (tmp_path / "s3c").chmod(0o755)

    def run(index: int, **codes: int) -> tuple[int, list[str]]:
        given = {entry["name"]: entry.get("value", "") for entry in container()["env"]}
        own = {"JOB_NAME": "s3c-fleet-29", "JOB_COMPLETION_INDEX": str(index), "LOG": str(tmp_path / "log")}
        environment = {**given, **own, **{name.upper(): str(code) for name, code in codes.items()}}
        environment["PATH"] = f"{tmp_path}:{os.environ['PATH']}"
        (tmp_path / "log").write_text("")
        process = subprocess.run(container()["command"], env=environment, capture_output=True, text=True, check=False)
        assert process.stderr == ""
        return process.returncode, (tmp_path / "log").read_text().splitlines()

    return run


PLAN = "oci://registry.example/s3c-fleet:s3c-fleet-29"


def test_the_first_plans_and_does_its_shard(ended: Any) -> None:
    assert ended(0) == (
        0,
        [
            f"fleet plan ops/fleet.yaml --shards 8 --publish {PLAN} --keep-published",
            f"fleet run --plan {PLAN} --shard 1/8 --wait 30m --publish-result",
        ],
    )


def test_the_others_wait_for_its_plan_and_the_last_reports(ended: Any) -> None:
    assert ended(7) == (0, [f"fleet run --plan {PLAN} --shard 8/8 --wait 30m --publish-result"])
    assert ended(8) == (0, [f"fleet report --plan {PLAN} --wait 21000s --publish-report"])
    assert ended(8, report=3)[0] == 3


@pytest.mark.parametrize(
    ("plan", "run", "code", "commands"),
    [(2, 0, 2, 1), (3, 0, 3, 2), (3, 1, 3, 2), (1, 3, 3, 2), (0, 3, 3, 2), (0, 1, 1, 2), (4, 0, 4, 2)],
)
def test_what_could_be_planned_is_done_and_the_gravest_code_is_kept(
    ended: Any, plan: int, run: int, code: int, commands: int
) -> None:
    ended_with, noted = ended(0, plan=plan, run=run)
    assert (ended_with, len(noted)) == (code, commands)


def lines(text: str) -> list[str]:
    """The command lines of an example, with what the engine fills in filled in."""
    commands = re.findall(r"\bfleet (?:plan|run|report)\b[^\"\n]*", re.sub(r"^ *#.*", "", text, flags=re.M))
    filled = [re.sub(r"\{\{[^}]*(item)[^}]*\}\}", "3", line) for line in commands]
    filled = [re.sub(r"\{\{[^}]*shards[^}]*\}\}", "8", line) for line in filled]
    return [re.sub(r"\{\{[^}]*\}\}|\$\([^)]*\)", "oci://registry.example/fleet:night", line) for line in filled]


@pytest.mark.parametrize("name", ["fleet-argo.yaml", "fleet-tekton.yaml"])
def test_the_examples_call_commands_that_there_are(name: str) -> None:
    text = (ROOT / "docs" / "examples" / name).read_text()
    documents = list(yaml.safe_load_all(text))
    assert all({"apiVersion", "kind", "metadata", "spec"} <= document.keys() for document in documents)
    commands = lines(text)
    assert {" ".join(line.split()[:2]) for line in commands} == {"fleet plan", "fleet run", "fleet report"}
    for line in commands:
        command, argv = parser.join_words(line.split()[0], line.split()[1:])
        assert command in COMMANDS
        shard = ["--shard", "1/4"] if command == "fleet run" and "--shard" not in argv else []
        values = parser.read(load(command), [*argv, *shard])
        assert values is not None
        declare.read(load(command).options, values, {}, pytest.fail)


@pytest.mark.parametrize("name", ["fleet-argo.yaml", "fleet-tekton.yaml"])
def test_the_examples_variables_are_inputs_of_what_they_run(name: str) -> None:
    text = (ROOT / "docs" / "examples" / name).read_text()
    declared = {option.variable for command in COMMANDS for option in load(command).inputs}
    named = set(re.findall(r"\bS3C_[A-Z_]+", text))
    assert {"S3C_BUILDKIT_ADDR", "S3C_BUILDKIT_CA"} <= named <= declared
