"""Change a workflow's steps of trivy-action into steps of our scan, in its own text.

trivy-action's inputs: https://github.com/aquasecurity/trivy-action#inputs
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import msgspec

from s3c_actions.core.doc_links import doc_link
from s3c_actions.findings.model import Severity
from s3c_actions.report.format_registry import FORMATS
from s3c_actions.scaffold import yaml_text
from s3c_actions.scaffold.rendering import Pin
from s3c_actions.scaffold.yaml_text import Edit

if TYPE_CHECKING:
    from yaml.nodes import Node

ACTION = "aquasecurity/trivy-action"
_SETUP = "aquasecurity/setup-trivy"
_REMOVED = {
    "cache": "s3c keeps the databases by itself",
    "docker-host": "give `DOCKER_HOST` under `env:` of the job",
    "github-pat": "s3c needs no token to scan an image",
    "hide-progress": "s3c shows Trivy's progress in no log",
    "list-all-pkgs": "Trivy's JSON report lists every package",
    "skip-setup-trivy": "s3c finds an installed Trivy of its version by itself",
    "tf-vars": "it is for Terraform files, and an image has none",
    "token-setup-trivy": "s3c checks Trivy's checksum and needs no token for it",
    "version": "s3c runs the Trivy whose checksum it knows: `trivy-version` with `trivy-checksum` is another",
}
_FORMATS = {"spdx-json": "spdx"}


class Migration(msgspec.Struct, frozen=True, kw_only=True):
    """A changed workflow.

    Attributes:
        text: of the file.
        changed: what was changed, one sentence each, with the line.
        by_hand: what is left for people, one sentence each, with the line.
    """

    text: str
    changed: tuple[str, ...]
    by_hand: tuple[str, ...]


def migrate(text: str, pin: Pin, inputs: Mapping[str, str]) -> Migration:
    """Change every step that uses trivy-action for an image.

    Args:
        text: of a workflow, or of a composite action.
        pin: of our own actions.
        inputs: each name that the scan's inputs are understood by → the input's own name.

    Raises:
        ValueError: the text is not YAML, or exceeds a limit.
    """
    root = yaml_text.compose(text)
    migrated = [_Step(text, step, pin, inputs) for step in _steps(root)]
    for step in migrated:
        step.migrate()
    return Migration(
        text=yaml_text.apply(text, (edit for step in migrated for edit in step.edits)),
        changed=tuple(sentence for step in migrated for sentence in step.changed),
        by_hand=tuple(sentence for step in migrated for sentence in step.by_hand),
    )


def _steps(root: Node | None) -> Iterator[Node]:
    """Yield the steps of a workflow's jobs, or of a composite action, each once."""
    top = yaml_text.entries(root)
    jobs = [job for _, job in yaml_text.entries(top["jobs"][1]).values()] if "jobs" in top else []
    runs = [top["runs"][1]] if "runs" in top else []
    seen: set[int] = set()
    for holder in (*jobs, *runs):
        steps = yaml_text.entries(holder).get("steps")
        for step in yaml_text.items(steps[1]) if steps else ():
            if step.start_mark.index not in seen:
                seen.add(step.start_mark.index)
                yield step


class _Step:
    """One step of a workflow, and the edits that migrate it."""

    def __init__(self, text: str, node: Node, pin: Pin, inputs: Mapping[str, str]) -> None:
        self._text, self._pin, self._inputs = text, pin, inputs
        self._fields = yaml_text.entries(node)
        self._line = node.start_mark.line + 1
        self.edits: list[Edit] = []
        self.changed: list[str] = []
        self.by_hand: list[str] = []

    def migrate(self) -> None:
        """Collect the edits of a step of trivy-action; nothing for another."""
        uses = self._fields.get("uses", (None, None))[1]
        action, at, _ = (yaml_text.scalar(uses) or "").partition("@")
        if uses is None or not at:
            return
        if action.lower() == _SETUP:
            self._ask("it installs Trivy, which s3c does by itself: remove the step, unless another one runs Trivy.")
            return
        if action.lower() != ACTION:
            return
        given = yaml_text.entries(self._fields["with"][1]) if "with" in self._fields else {}
        values = {name: yaml_text.scalar(value) or "" for name, (_, value) in given.items()}
        kind = values.get("scan-type", "image") or "image"
        if kind != "image":
            self._ask(f"scan-type is {_shown(kind)}, and s3c scans images: the step stays as it is.")
            return
        if not self._is_editable(given):
            self._ask("its lines are written within braces or by an alias: write them out, and run this again.")
            return
        self.edits.append(yaml_text.replace_line_end(self._text, uses, self._pin.uses("actions/scan")))
        self._tell(f"{ACTION} is s3c's scan.")
        for name, (key, value) in given.items():
            self._input(name, key, value, values)
        self._environment()
        self._outputs(values)

    def _is_editable(self, given: Mapping[str, tuple[Node, Node]]) -> bool:
        if "with" not in self._fields:
            return True
        block = self._fields["with"][1]
        # A merged or aliased mapping stands elsewhere, where other steps use it too.
        return (
            yaml_text.is_block(block)
            and block.start_mark.index > self._fields["with"][0].end_mark.index
            and "<<" not in given
            and all(value.start_mark.index >= key.end_mark.index for key, value in given.values())
        )

    def _input(self, name: str, key: Node, value: Node, values: Mapping[str, str]) -> None:
        text = values[name]
        if name == "scan-type":
            self._remove(key, value, "`scan-type: image` is what s3c scans.")
        elif name == "scan-ref":
            self._remove(key, value, "`scan-ref` is removed: it is of no use for an image.")
        elif name == "exit-code":
            self._exit_code(key, value, values)
        elif name in _REMOVED and name not in self._inputs:
            self._remove(key, value, f"`{name}` is removed: {_REMOVED[name]}.")
        elif name == "format":
            self._format(value, text)
        elif name not in self._inputs:
            self._ask(f"`{name}` is no input of s3c's scan: remove it, or see {doc_link('scan.md')}.")
        elif self._inputs[name] != name and self._is_given_twice(name, values):
            self._ask(f"`{name}` and `{self._inputs[name]}` are one input: keep one of them.")
        elif self._inputs[name] != name:
            self.edits.append(yaml_text.replace(key, self._inputs[name]))
            self._tell(f"`{name}` is `{self._inputs[name]}`.")

    def _is_given_twice(self, name: str, values: Mapping[str, str]) -> bool:
        return any(other != name and self._inputs.get(other) == self._inputs[name] for other in values)

    def _exit_code(self, key: Node, value: Node, values: Mapping[str, str]) -> None:
        """trivy-action fails when anything is found that `severity` names; our gate has a threshold of its own."""
        code = values["exit-code"].strip()
        if code in {"0", ""}:
            self._remove(key, value, "`exit-code: 0` is removed: without `fail-on` nothing closes a gate.")
            return
        severity = values.get("severity", "")
        named = [word.strip().upper() for word in severity.split(",") if word.strip()]
        if "fail-on" in values or not code.isdigit() or not set(named) <= set(Severity.__members__):
            self._ask("`exit-code`: give `fail-on` the lowest severity that fails the step.")
            return
        lowest = min((Severity[word] for word in named), default=Severity.UNKNOWN).name
        self.edits += [yaml_text.replace(key, "fail-on"), yaml_text.replace(value, lowest)]
        self._tell(f"`exit-code: {code}` is `fail-on: {lowest}`.")
        between = {level.name for level in Severity if level >= Severity[lowest]} - set(named)
        if named and between:
            self._ask(f"`fail-on: {lowest}` also refuses {', '.join(sorted(between))}, which `severity` leaves out.")

    def _format(self, value: Node, text: str) -> None:
        names = {form.name for form in FORMATS}
        if text in _FORMATS:
            self.edits.append(yaml_text.replace(value, _FORMATS[text]))
            self._tell(f"`format: {text}` is `{_FORMATS[text]}`.")
        elif text not in names:
            self._ask(f"`format: {_shown(text)}` is none of {', '.join(sorted(names))}.")

    def _environment(self) -> None:
        """Name Trivy's variables: most of them are an input, and have no effect as variables."""
        given = yaml_text.entries(self._fields["env"][1]) if "env" in self._fields else {}
        for name, (key, _) in given.items():
            if re.fullmatch(r"TRIVY_[A-Z0-9_]{1,60}", name):
                self._ask(
                    f"`{name}` under `env:`: give it as an input ({doc_link('scan.md')}).", key.start_mark.line + 1
                )

    def _outputs(self, values: Mapping[str, str]) -> None:
        if values.get("output") and "output" not in self._inputs:
            name = yaml_text.scalar(self._fields["id"][1]) if "id" in self._fields else None
            shown = f"steps.{_shown(name)}.outputs" if name else "the outputs of the step, once it has an `id`,"
            self._ask(f"what reads {_shown(values['output'])}: the reports' paths are {shown} `sarif`, `json`, `html`.")

    def _remove(self, key: Node, value: Node, sentence: str) -> None:
        self.edits.append(yaml_text.remove_entry(self._text, key, value))
        self._tell(sentence)

    def _tell(self, sentence: str) -> None:
        self.changed.append(f"line {self._line}: {sentence}")

    def _ask(self, sentence: str, line: int = 0) -> None:
        self.by_hand.append(f"line {line or self._line}: {sentence}")


def _shown(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:80]}…"
