"""Writes the generated parts of action.yml files and READMEs from the declarations of inputs and outputs.

The JSON Schemas of the policy, of `result.json` and of `trace.json` are written too, from their types.

A generated part stands between a line with `generated: NAME` and a line with `end`; the rest is written by hand.
With `--check` nothing is written, and the exit code is 1 when something is out of date.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from s3c_actions.options.command import load
from s3c_actions.options.common import CACHE, KEEP_TRACE, AnnotationOptions, UploadOptions
from s3c_actions.options.declare import Input, variable
from s3c_actions.options.github import UPLOAD_REQUIRED, CommentingOptions, GatingOptions
from s3c_actions.policy import model as policy
from s3c_actions.report import document as result
from s3c_actions.result import outputs
from s3c_actions.trace import document as trace
from tools.input_groups import grouped

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Action:
    """One action: its folder, the command it runs, and the inputs that are the action's own."""

    folder: str
    command: str
    own: tuple[Input[Any], ...]

    @property
    def inputs(self) -> tuple[Input[Any], ...]:
        """Everything under `inputs:` in its action.yml."""
        return (*load(self.command).inputs, *self.own)

    @property
    def removed(self) -> tuple[Input[Any], ...]:
        """Inputs that it had. They stay declared, because GitHub passes on no other: the command rejects them."""
        removed = load(self.command).removed
        return removed.asking if removed is not None else ()

    @property
    def outputs(self) -> tuple[outputs.Output, ...]:
        """Everything under `outputs:` in its action.yml."""
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
    Action(".", "chain", (*_REPORTING, KEEP_TRACE)),
    Action("actions/trivy-scan", "scan", _REPORTING),
    Action("actions/copa-patch", "patch", _REPORTING),
    Action("actions/notation-sign", "sign", (*GatingOptions.inputs(), CACHE)),
    Action("actions/ratify-deploy", "deploy", (*CommentingOptions.inputs(), GatingOptions.gate_label, CACHE)),
    Action("actions/propose", "propose", ()),
    Action("actions/comment", "comment", ()),
    Action("actions/trace", "trace", (*GatingOptions.inputs(), KEEP_TRACE, CACHE)),
    Action("actions/refresh", "refresh", (GatingOptions.gate_label, CACHE)),
    Action("actions/mirror", "mirror", ()),
)
OF_THE_FILE = (CACHE, UPLOAD_REQUIRED, KEEP_TRACE)
"""Inputs that action.yml itself acts upon: the command is not given them."""

EXIT_CODES = (
    (0, "done"),
    (1, "the policy said no: findings over the threshold, or a verification that failed"),
    (2, "wrong input: the message names it"),
    (3, "an outside system failed: a registry, a program, a disk"),
    (4, "a bug of s3c, with a traceback"),
)


def parts(action: Action) -> dict[str, list[str]]:
    """The generated parts of an action's files, name → lines without indentation."""
    groups = grouped(action.inputs)
    return {
        "inputs": [
            *(line for group in groups for line in _yaml_group(*group)),
            *(["# Removed"] if action.removed else []),
            *(line for one in action.removed for line in _yaml_removed(one)),
        ],
        "outputs": [
            line
            for one in action.outputs
            for line in (
                f"{one.name}:",
                f"  description: {_quoted(one.help)}",
                f"  value: ${{{{ steps.s3c.outputs.{one.name} }}}}",
            )
        ],
        "env": [
            f"{variable(name)}: ${{{{ inputs.{name} }}}}"
            for one in action.inputs
            if one not in OF_THE_FILE
            for name in (one.name, *one.aliases)
        ]
        + [f"{one.variable}: ${{{{ inputs.{one.name} }}}}" for one in action.removed],
        "inputs-table": [line for group in groups for line in _table_group(*group)],
        "outputs-table": _table(("Output", "What it is"), [(f"`{one.name}`", one.help) for one in action.outputs]),
        "exit-codes": _table(("Exit code", "Meaning"), [(str(code), meaning) for code, meaning in EXIT_CODES]),
    }


def files(action: Action) -> list[Path]:
    """The files of an action that have generated parts."""
    names = ("action.yml", "docs/inputs.md" if action.folder == "." else "README.md")
    return [path for name in names if (path := ROOT / action.folder / name).exists()]


def filled(text: str, generated: dict[str, list[str]]) -> str:
    """A file's text with its generated parts made anew."""

    def fill(found: re.Match[str]) -> str:
        lines = generated[found["name"]]
        return "".join(
            [found["begin"], *(f"{found['indent']}{line}".rstrip() + "\n" for line in lines), found["close"]],
        )

    return _PART.sub(fill, text)


_PART = re.compile(
    r"(?P<begin>^(?P<indent> *)(?:#|<!--) generated: (?P<name>[a-z-]+)[^\n]*\n)"
    r"(?:.*?\n)??(?P<close> *(?:#|<!--) end\b[^\n]*$)",
    re.MULTILINE | re.DOTALL,
)


def _yaml_group(heading: str, inputs: list[Input[Any]]) -> list[str]:
    return [*([f"# {heading}"] if heading else []), *(line for one in inputs for line in _yaml_input(one))]


def _table_group(heading: str, inputs: list[Input[Any]]) -> list[str]:
    rows: list[tuple[str, ...]] = [(f"`{one.name}`", _described(one), _default(one)) for one in inputs]
    table = _table(("Input", "What it is", "Default"), rows)
    return ["", f"### {heading}", "", *table] if heading else table


def _yaml_removed(one: Input[Any]) -> list[str]:
    return [
        f"{one.name}:",
        '  description: "Not an input any more: it ends the step with exit code 2."',
        '  deprecationMessage: "Attach with the sign action, which takes the results of this one."',
    ]


def _yaml_input(one: Input[Any]) -> list[str]:
    # No `default:`. An input nobody set stays empty, so that it does not hide an old name that was set, and so that the
    # command can tell what was asked for from what it assumes.
    default = f" Default: `{one.default}`." if one.default else ""
    lines = [f"{one.name}:", f"  description: {_quoted(_described(one) + default)}"]
    if one.required:
        lines.append("  required: true")
    if one.expression:
        lines.append(f"  default: {one.expression}")
    for alias in one.aliases:
        lines += [
            f"{alias}:",
            f"  description: {_quoted(f'An old name of `{one.name}`.')}",
            f"  deprecationMessage: {_quoted(f'Use {one.name}.')}",
        ]
    return lines


def _described(one: Input[Any]) -> str:
    text = one.help
    if one.choices:
        words = ", ".join(f"`{choice}`" for choice in one.choices)
        text += f" Any of {words}." if one.many else f" One of {words}."
    if one.required:
        text += " Required."
    if one.aliases:
        text += " Also understood: " + ", ".join(f"`{alias}`" for alias in one.aliases) + "."
    if one.example and not one.default:
        text += " Example: `" + one.example.replace("\n", " ") + "`."
    return text


def _default(one: Input[Any]) -> str:
    default = one.default or one.expression
    return f"`{default}`" if default else ""


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    cells = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    return [f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *cells]]


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def main() -> int:
    """Write, or with `--check` compare; 1 when a file is out of date."""
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
    for document in (policy, result, trace):
        schema = ROOT / "s3c_actions" / "schemas" / document.SCHEMA
        text = json.dumps(document.schema(), indent=2) + "\n"
        if not schema.exists() or schema.read_text(encoding="utf-8") != text:
            stale += 1
            if "--check" not in sys.argv:
                schema.write_text(text, encoding="utf-8")
            print(f"{schema.relative_to(ROOT)} {state}")
    return int(stale > 0 and "--check" in sys.argv)


if __name__ == "__main__":
    sys.exit(main())
