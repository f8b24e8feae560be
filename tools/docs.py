"""Write the generated parts of action.yml files and READMEs from the declarations of inputs and outputs.

The JSON Schemas of the policy, of `result.json` and of `trace.json` are written too, from their types, `actions/chain`
from the root action, and the man page.

A generated part is between a line with `generated: NAME` and a line with `end`; the rest is written by hand.
With `--check` nothing is written, and the exit code is 1 when something is out of date.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from s3c_actions.fleet import model as fleet
from s3c_actions.fleet import report_document as fleet_report
from s3c_actions.options.command import load
from s3c_actions.options.common import CACHE, KEEP_TRACE, AnnotationOptions, SubmitOptions, UploadOptions
from s3c_actions.options.declare import Input, variable
from s3c_actions.options.github import UPLOAD_REQUIRED, CommentingOptions, GatingOptions
from s3c_actions.options.input_groups import grouped
from s3c_actions.options.other_actions import OtherInput
from s3c_actions.policy import model as policy
from s3c_actions.report import document as result
from s3c_actions.result import outputs
from s3c_actions.trace import document as trace
from tools import man

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Action:
    """One action: its folder, the command it runs, and the inputs that are the action's own."""

    folder: str
    command: str
    own: tuple[Input[Any], ...]

    @property
    def inputs(self) -> tuple[Input[Any], ...]:
        """Return everything under `inputs:` in its action.yml."""
        return (*load(self.command).inputs, *self.own)

    @property
    def removed(self) -> tuple[Input[Any], ...]:
        """Return removed inputs. They stay declared, because GitHub passes no others: the command rejects them."""
        removed = load(self.command).removed
        return removed.asking if removed is not None else ()

    @property
    def others(self) -> tuple[OtherInput, ...]:
        """Return the inputs of other actions that are understood and have no name of ours."""
        ours = {name for option in self.inputs for name in (option.name, *option.aliases)}
        return tuple(other for other in load(self.command).others if other.name not in ours)

    @property
    def other_names(self) -> tuple[str, ...]:
        """Return the names declared besides `inputs`: of other actions, and removed ones."""
        return (*(other.name for other in self.others), *(option.name for option in self.removed))

    @property
    def outputs(self) -> tuple[outputs.Output, ...]:
        """Return everything under `outputs:` in its action.yml."""
        return outputs.command_outputs(self.command)


_REPORTING = (
    *CommentingOptions.inputs(),
    GatingOptions.gate_label,
    AnnotationOptions.annotations,
    UploadOptions.upload_sarif,
    UPLOAD_REQUIRED,
    CACHE,
)
ACTIONS = (
    Action(".", "chain", (*_REPORTING, SubmitOptions.submit_dependencies, KEEP_TRACE)),
    Action("actions/trivy-scan", "scan", (*_REPORTING, SubmitOptions.submit_dependencies)),
    Action("actions/copa-patch", "patch", _REPORTING),
    Action("actions/notation-sign", "sign", (*GatingOptions.inputs(), CACHE)),
    Action("actions/notation-verify", "verify", (*GatingOptions.inputs(), CACHE)),
    Action("actions/ratify-deploy", "deploy", (*CommentingOptions.own(), GatingOptions.gate_label, CACHE)),
    Action("actions/propose", "propose", ()),
    Action("actions/comment", "comment", ()),
    Action("actions/trace", "trace", (*GatingOptions.inputs(), KEEP_TRACE, CACHE)),
    Action("actions/refresh", "refresh", (GatingOptions.gate_label, CACHE)),
    Action("actions/mirror", "mirror", ()),
    Action("actions/fleet-plan", "fleet plan", ()),
    Action("actions/fleet-run", "fleet run", (GatingOptions.gate_label, CACHE)),
    Action("actions/fleet-report", "fleet report", ()),
)
OF_THE_FILE = (CACHE, UPLOAD_REQUIRED, KEEP_TRACE)
"""Inputs that only action.yml itself uses: they are not passed to the command."""

EXIT_CODES = (
    (0, "done"),
    (1, "the policy said no: findings over the threshold, or a verification that failed"),
    (2, "wrong input: the message names it"),
    (3, "an outside system failed: a registry, a program, a disk"),
    (4, "a bug of s3c, with a traceback"),
)


def parts(action: Action) -> dict[str, list[str]]:
    """Return the generated parts of an action's files, name → lines without indentation."""
    groups = grouped(action.inputs)
    return {
        "inputs": [
            *(line for group in groups for line in _yaml_group(*group)),
            *(["# Of other actions"] if action.others else []),
            *(line for other in action.others for line in _yaml_other(other)),
            *(["# Removed"] if action.removed else []),
            *(line for option in action.removed for line in _yaml_removed(option)),
        ],
        "outputs": [
            line
            for output in action.outputs
            for line in (
                f"{output.name}:",
                f"  description: {_quoted(output.help)}",
                f"  value: ${{{{ steps.s3c.outputs.{output.name} }}}}",
            )
        ],
        "env": [
            f"{variable(f'action-{name}' if option.of_runner else name)}: ${{{{ inputs.{name} }}}}"
            for option in action.inputs
            if option not in OF_THE_FILE
            for name in (option.name, *option.aliases)
        ]
        + [f"{variable(name)}: ${{{{ inputs.{name} }}}}" for name in action.other_names],
        "inputs-table": [line for group in groups for line in _table_group(*group)],
        "outputs-table": _table(
            ("Output", "What it is"), [(f"`{output.name}`", output.help) for output in action.outputs]
        ),
        "exit-codes": _table(("Exit code", "Meaning"), [(str(code), meaning) for code, meaning in EXIT_CODES]),
    }


def files(action: Action) -> list[Path]:
    """Return the files of an action that have generated parts."""
    names = ("action.yml", "docs/inputs.md" if action.folder == "." else "README.md")
    return [path for name in names if (path := ROOT / action.folder / name).exists()]


def filled(text: str, generated: dict[str, list[str]]) -> str:
    """Return a file's text with its generated parts replaced."""

    def fill(match: re.Match[str]) -> str:
        lines = generated[match["name"]]
        return "".join(
            [match["begin"], *(f"{match['indent']}{line}".rstrip() + "\n" for line in lines), match["close"]],
        )

    return _GENERATED_PART.sub(fill, text)


def chain_action(root: str) -> str:
    """Return the root action as it stands in `actions/chain`: `uses: $/` names no action without a path.

    Args:
        root: the text of the repository's own action.yml.
    """
    head = "# generated from the root action, for `uses: $/actions/chain`: `make docs`.\n"
    return head + root.partition("\n")[2].replace("$GITHUB_ACTION_PATH/actions/", "$GITHUB_ACTION_PATH/../")


_GENERATED_PART = re.compile(
    r"(?P<begin>^(?P<indent> *)(?:#|<!--) generated: (?P<name>[a-z-]+)[^\n]*\n)"
    r"(?:.*?\n)??(?P<close> *(?:#|<!--) end\b[^\n]*$)",
    re.MULTILINE | re.DOTALL,
)


def _yaml_group(heading: str, inputs: list[Input[Any]]) -> list[str]:
    return [*([f"# {heading}"] if heading else []), *(line for option in inputs for line in _yaml_input(option))]


def _table_group(heading: str, inputs: list[Input[Any]]) -> list[str]:
    rows: list[tuple[str, ...]] = [(f"`{option.name}`", _description(option), _default(option)) for option in inputs]
    table = _table(("Input", "What it is", "Default"), rows)
    return ["", f"### {heading}", "", *table] if heading else table


def _yaml_other(other: OtherInput) -> list[str]:
    return [f"{other.name}:", f"  description: {_quoted(f'Of {other.action}. {other.help}')}"]


def _yaml_removed(option: Input[Any]) -> list[str]:
    return [
        f"{option.name}:",
        '  description: "Not an input any more: it ends the step with exit code 2."',
        '  deprecationMessage: "Attach with the sign action, which takes the results of this one."',
    ]


def _yaml_input(option: Input[Any]) -> list[str]:
    # No `default:`. An unset input stays empty, so that it does not hide an old name that was set, and so that the
    # command can distinguish explicit values from defaults.
    default = f" Default: `{option.default}`." if option.default else ""
    lines = [f"{option.name}:", f"  description: {_quoted(_description(option) + default)}"]
    # With another name the input itself may be missing; the command says so when both are.
    if option.required and not option.aliases:
        lines.append("  required: true")
    if option.expression:
        lines.append(f"  default: {option.expression}")
    # Without `deprecationMessage:`, beside which the command's own notice would be a second one.
    for alias, whose in option.aliases.items():
        name = f"The name of {whose} for" if whose else "Another name of"
        lines += [f"{alias}:", f"  description: {_quoted(f'{name} `{option.name}`.')}"]
    return lines


def _description(option: Input[Any]) -> str:
    text = option.help
    if option.choices:
        choices = ", ".join(f"`{choice}`" for choice in option.choices)
        text += f" Any of {choices}." if option.many else f" One of {choices}."
    if option.required:
        text += " Required."
    if option.aliases:
        text += " Also understood: " + ", ".join(f"`{alias}`" for alias in option.aliases) + "."
    if option.example and not option.default:
        text += " Example: `" + option.example.replace("\n", " ") + "`."
    return text


def _default(option: Input[Any]) -> str:
    default = option.default or option.expression
    return f"`{default}`" if default else ""


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    cells = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    return [f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *cells]]


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def main() -> int:
    """Write, or with `--check` compare; return 1 when a file is out of date."""
    stale = 0
    state = "is out of date: run make docs" if "--check" in sys.argv else "written"
    for action in ACTIONS:
        generated = parts(action)
        for path in files(action):
            before = path.read_text(encoding="utf-8")
            after = filled(before, generated)
            if before == after:
                continue
            stale += 1
            if "--check" not in sys.argv:
                path.write_text(after, encoding="utf-8")
            print(f"{path.relative_to(ROOT)} {state}")
    derived = {
        ROOT / "s3c_actions" / "schemas" / document.SCHEMA: json.dumps(document.schema(), indent=2) + "\n"
        for document in (fleet, fleet_report, policy, result, trace)
    }
    chain = ROOT / "actions" / "chain" / "action.yml"
    derived[chain] = chain_action((ROOT / "action.yml").read_text(encoding="utf-8"))
    derived[ROOT / "docs" / "s3c.1"] = man.page(EXIT_CODES)
    for path, text in derived.items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale += 1
            if "--check" not in sys.argv:
                path.parent.mkdir(exist_ok=True)
                path.write_text(text, encoding="utf-8")
            print(f"{path.relative_to(ROOT)} {state}")
    return int(stale > 0 and "--check" in sys.argv)


if __name__ == "__main__":
    sys.exit(main())
