"""Every command line and every `with:` that is shown to people is understood by what it calls."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import ruamel.yaml

from s3c_actions import arguments, inputs
from s3c_actions.commands import COMMANDS, load

ROOT = Path(__file__).parents[2]
YAML = ruamel.yaml.YAML(typ="safe", pure=True)
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *ROOT.glob("docs/*.md")]
PAGES += sorted(ROOT.glob("actions/*/README.md"))
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def command_lines(page: Path) -> list[str]:
    """`s3c …` at the start of a line of code, continued lines joined; comments and prompts left out."""
    text = page.read_text().replace("\\\n", " ")
    lines = [line.strip().removeprefix("$ ") for line in text.splitlines() if line.startswith((" ", "$", "s3c "))]
    return [line for line in lines if re.match(rf"s3c ({'|'.join(COMMANDS)}) ", line)]


def workflows(page: Path) -> list[dict[str, Any]]:
    """The steps shown in YAML that use an action of this repository."""
    found = []
    for kind, block in BLOCK.findall(page.read_text()):
        if kind in {"yaml", "yml"}:
            found += steps(YAML.load(block))
    return found


def steps(node) -> list[dict[str, Any]]:
    if isinstance(node, dict):
        own = [node] if str(node.get("uses", "")).startswith("org/s3c") else []
        return own + [step for value in node.values() for step in steps(value)]
    return [step for value in node for step in steps(value)] if isinstance(node, list) else []


LINES = [(page, line) for page in PAGES for line in command_lines(page)]
LINES += [(ROOT / "s3c", example) for name in COMMANDS for example in load(name).examples]
STEPS = [(page, step) for page in PAGES for step in workflows(page)]


def test_there_are_some():
    assert len(LINES) > 20
    assert len({step["uses"] for _, step in STEPS}) >= 4


@pytest.mark.parametrize(("page", "line"), LINES, ids=[f"{page.name}: {line}" for page, line in LINES])
def test_a_command_line_is_understood(page, line):
    # A checksum is shown as a word, or as the command that prints it.
    line = re.sub(r"SHA256[A-Z-]*|\$\(sha256sum[^)]*\)", "0" * 64, line)
    _, name, *argv = shlex.split(line, comments=True)
    command = load(name)
    given = arguments.read(command, argv)
    assert given is not None
    told: list[str] = []
    inputs.resolve(command.inputs, given, {}, told.append)
    assert not told, "an old name is shown"


@pytest.mark.parametrize(("page", "step"), STEPS, ids=[f"{page.parent.name}/{page.name}" for page, _ in STEPS])
def test_a_step_gives_inputs_that_there_are(page, step):
    folder = ROOT / step["uses"].removeprefix("org/s3c").partition("@")[0].strip("/")
    if folder.suffix == ".yml":
        # A job that calls a reusable workflow. YAML 1.2 keeps the key `on`.
        called = YAML.load(folder.read_text())
        asked = called["on"]["workflow_call"]
        assert set(step.get("with", {})) <= set(asked["inputs"])
        assert set(step.get("secrets", {})) <= set(asked.get("secrets", {}))
        for name, level in [one for job in called["jobs"].values() for one in job["permissions"].items()]:
            assert step["permissions"].get(name) in {level, "write"}, name
        return
    declared = YAML.load((folder / "action.yml").read_text())["inputs"]
    assert set(step.get("with", {})) <= set(declared)
