"""What GitHub and editors read of this repository besides its code."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from s3c_actions import REPOSITORY
from s3c_actions.options.parse import boolean
from tests.support import ROOT
from tests.support.sources import parse_yaml

FORMS = sorted(path for path in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml")
HOOKS: list[dict[str, Any]] = [
    hook for repo in parse_yaml((ROOT / ".pre-commit-config.yaml").read_text())["repos"] for hook in repo["hooks"]
]


def test_hooks_come_from_here_and_run_what_lint_runs() -> None:
    config = parse_yaml((ROOT / ".pre-commit-config.yaml").read_text())
    assert {repo["repo"] for repo in config["repos"]} == {"local"}
    assert [hook["id"] for hook in HOOKS] == ["ruff", "ruff-format", "generated-files"]
    for hook in HOOKS:
        program, option, module, *_ = shlex.split(hook["entry"])
        assert (hook["language"], program, option) == ("system", "tools/python.sh", "-m")
        assert module in {"ruff", "tools.docs"}
    assert (ROOT / "tools" / "python.sh").stat().st_mode & 0o111


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.name)
def test_a_form_for_issues_has_what_github_asks_for(path: Path) -> None:
    form = parse_yaml(path.read_text())
    assert form["name"]
    assert form["description"]
    fields = [field for field in form["body"] if field["type"] != "markdown"]
    assert len({field["id"] for field in fields}) == len(fields) > 0
    assert all(field["attributes"]["label"] for field in fields)
    assert {field["type"] for field in fields} <= {"input", "textarea", "dropdown", "checkboxes"}
    assert any(field.get("validations", {}).get("required") for field in fields)


def test_a_vulnerability_is_not_reported_in_public() -> None:
    config = parse_yaml((ROOT / ".github" / "ISSUE_TEMPLATE" / "config.yml").read_text())
    assert [link["url"] for link in config["contact_links"]] == [
        f"https://github.com/{REPOSITORY}/security/advisories/new"
    ]


def test_every_target_is_explained_and_those_of_a_request_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = dict(re.findall(r"^([a-z0-9]+):.*?(?:## (.+))?$", makefile, re.MULTILINE))
    assert all(targets.values()), targets
    (phony,) = re.findall(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    assert set(phony.split()) == set(targets)
    shown = (ROOT / ".github" / "pull_request_template.md").read_text() + (ROOT / "CONTRIBUTING.md").read_text()
    asked = set(re.findall(r"`make ([a-z0-9]+)", shown))
    assert {"check", "unit", "fix"} <= asked <= set(targets)


def test_what_unit_leaves_out_is_run_by_test() -> None:
    makefile = (ROOT / "Makefile").read_text()
    (everything,) = re.findall(r"^test: (.+?) ##", makefile, re.MULTILINE)
    assert {"unit", "slow"} <= set(everything.split())
    assert "-m 'not slow'" in makefile
    assert re.search(r"-m slow$", makefile, re.MULTILINE)


WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
OWN = [*WORKFLOWS, ROOT / "action.yml", *sorted((ROOT / "actions").glob("*/action.yml"))]


def uses(node: object) -> list[str]:
    """Everything that a workflow or an action uses."""
    if isinstance(node, dict):
        own = [node["uses"]] if isinstance(node.get("uses"), str) else []
        return own + [reference for value in node.values() for reference in uses(value)]
    return [reference for value in node for reference in uses(value)] if isinstance(node, list) else []


@pytest.mark.parametrize("path", OWN, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_we_use_is_this_commit_or_pinned(path: Path) -> None:
    """Whoever pins us by a commit has then pinned everything, and a fork runs its own code."""
    for reference in uses(parse_yaml(path.read_text())):
        if reference.startswith("$/"):
            # The runner refuses `$/` without a path, and one with a version.
            target = ROOT / reference.removeprefix("$/")
            assert target.is_file() or (target / "action.yml").is_file(), reference
        elif reference != "./":
            assert re.fullmatch(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}", reference), f"{reference} is not pinned by a commit"
            assert not reference.startswith(REPOSITORY), f"{reference} is ours: $/"


def test_the_root_action_itself_is_used_by_its_own_test_alone() -> None:
    assert [path.name for path in OWN if "./" in uses(parse_yaml(path.read_text()))] == ["self-test.yml"]


def test_the_chain_is_the_root_action() -> None:
    root, chain = (parse_yaml((ROOT / folder / "action.yml").read_text()) for folder in ("", "actions/chain"))
    assert {key: value for key, value in root.items() if key != "runs"} == {
        key: value for key, value in chain.items() if key != "runs"
    }
    assert str(root["runs"]).replace("$GITHUB_ACTION_PATH/actions/", "$GITHUB_ACTION_PATH/../") == str(chain["runs"])


@pytest.mark.parametrize("path", sorted(ROOT.glob("actions/*/action.yml")), ids=lambda path: path.parent.name)
def test_every_word_for_no_is_one_in_the_steps_of_an_action(path: Path) -> None:
    """`upload-required: yes` is not to mean that a failed upload is overlooked, nor `cache: no` that there is one."""
    action = parse_yaml(path.read_text())
    no = {"", *(word for word in ("true", "false", "yes", "no", "1", "0", "on", "off") if not boolean(word))}
    for step in action["runs"]["steps"]:
        for condition in (str(step.get("if", "")), str(step.get("continue-on-error", ""))):
            assert not re.search(r"inputs\.[\w-]+ *[!=]= *'(?:true|false)'", condition), condition
            for words, name in re.findall(r"fromJSON\('(\[.*?\])'\), inputs\.([\w-]+)", condition):
                # What is empty has its default.
                (default,) = re.findall(r"Default: `(\w+)`", action["inputs"][name]["description"])
                assert set(json.loads(words)) == (no - {""} if boolean(default) else no), condition
