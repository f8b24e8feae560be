"""Workflows as docs/workflows.md prints them, for tests to run. What a test changes has to be there."""

from __future__ import annotations

import io
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import ruamel.yaml
from markdown_it import MarkdownIt

from tests.support import ROOT

_YAML = ruamel.yaml.YAML(typ="safe", pure=True)


@dataclass(frozen=True)
class Change:
    """What a test changes of a job of an example.

    Attributes:
        given: inputs in place of the printed ones.
        without: printed inputs that are left out.
        added: inputs that are not printed.
        secrets: secrets that are not printed.
    """

    given: Mapping[str, str] = field(default_factory=dict)
    without: Collection[str] = ()
    added: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)


def workflow(section: str, changes: Mapping[str, Change], number: int = 0) -> str:
    """Return an example of the guide, to be run by a push.

    Args:
        section: its heading, such as `refresh.yml`.
        changes: job → what is changed of it; other jobs are left out, with what waits for them.
        number: of the example in the section.
    """
    text = (ROOT / "docs" / "workflows.md").read_text().partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    blocks = [token.content for token in MarkdownIt().parse(text) if token.type == "fence" and token.info == "yaml"]
    document: dict[str, Any] = _YAML.load(blocks[number])
    document["on"] = "push"
    document["jobs"] = {name: document["jobs"][name] for name in changes}
    for name, change in changes.items():
        job = document["jobs"][name]
        printed = set(job["with"])
        assert {*change.given, *change.without} <= printed, f"the example of {name} has changed"
        assert not printed & set(change.added), f"the example of {name} has changed"
        kept = {key: value for key, value in job["with"].items() if key not in change.without}
        job["with"] = {**kept, **change.given, **change.added}
        job["secrets"] = {**job.get("secrets", {}), **change.secrets}
        if job.get("needs", name) not in changes:
            del job["needs"], job["if"]
    written = io.StringIO()
    _YAML.dump(document, written)
    return written.getvalue()


def readme(number: int) -> str:
    """Return an example of README.md as a workflow, exactly as printed; steps become the only job of a push.

    Args:
        number: of the YAML block in README.
    """
    tokens = MarkdownIt().parse((ROOT / "README.md").read_text())
    block = [token.content for token in tokens if token.type == "fence" and token.info == "yaml"][number]
    printed = _YAML.load(block)
    if "jobs" in printed:
        return block
    written = io.StringIO()
    _YAML.dump({"on": "push", "jobs": {"job": {"runs-on": "ubuntu-latest", **printed}}}, written)
    return written.getvalue()
