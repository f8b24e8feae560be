"""Map layers of an image to the lines of its Dockerfile, as far as the image's history allows.

Docker and BuildKit write each instruction into the history (`RUN /bin/sh -c … # buildkit`, `/bin/sh -c #(nop) COPY …`).
Layers that match no instruction of the last stage come from its base image: its FROM line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from s3c_actions.findings.model import ScanReport

_HEREDOC = re.compile(r"<<-?\s*[\"']?(\w+)[\"']?")
_FLAG = re.compile(r"^--[a-z][a-z.-]*(?:=\S+)?\s+")
_LAYER_KEYWORDS = {"RUN", "COPY", "ADD", "WORKDIR"}


class Instruction(msgspec.Struct, frozen=True):
    """One instruction: its first line (from 1), its keyword in capitals, its text without blanks and flags."""

    line: int
    keyword: str
    text: str


def parse_instructions(text: str) -> tuple[Instruction, ...]:
    """Parse a Dockerfile's instructions, with continuation lines and here-documents joined."""
    instructions: list[Instruction] = []
    lines = text.splitlines()
    index = 0
    while index < len(lines):
        start, instruction = index, lines[index].strip()
        index += 1
        if not instruction or instruction.startswith("#"):
            continue
        parts = [instruction]
        while parts[-1].endswith("\\") and index < len(lines):
            next_line = lines[index].strip()
            index += 1
            if next_line.startswith("#"):
                continue
            parts[-1] = parts[-1][:-1]
            parts.append(next_line)
        instruction = " ".join(parts)
        for terminator in _HEREDOC.findall(instruction):
            while index < len(lines) and lines[index].strip() != terminator:
                index += 1
            index += 1
        keyword, _, rest = instruction.partition(" ")
        instructions.append(Instruction(start + 1, keyword.upper(), _normalize(rest)))
    return tuple(instructions)


def map_layers_to_lines(text: str, report: ScanReport) -> Mapping[str, int]:
    """Return the line of each layer.

    Args:
        text: of the Dockerfile.
        report: with `diff_ids` and `history`.

    Returns:
        Diff id → line from 1; the empty string is for unknown layers. Empty when the text is not a Dockerfile.
    """
    instructions = parse_instructions(text)
    stages = [index for index, instruction in enumerate(instructions) if instruction.keyword == "FROM"]
    if not stages:
        return {}
    base = instructions[stages[-1]].line
    lines = {"": base} | dict.fromkeys(report.diff_ids, base)
    candidates = [
        instruction for instruction in instructions[stages[-1] + 1 :] if instruction.keyword in _LAYER_KEYWORDS
    ]
    for diff_id, created_by in reversed(list(zip(report.diff_ids, report.history, strict=False))):
        keyword, instruction_text = _parse_history_entry(created_by)
        for index in range(len(candidates) - 1, -1, -1):
            # The history of COPY and ADD has variables expanded, or a checksum for the source.
            if candidates[index].keyword == keyword and (
                candidates[index].text == instruction_text or keyword in {"COPY", "ADD", "WORKDIR"}
            ):
                lines[diff_id] = candidates[index].line
                candidates = candidates[:index]
                break
    return lines


def _parse_history_entry(created_by: str) -> tuple[str, str]:
    """Return keyword and normalized text of a history entry."""
    entry = created_by[:10_000].strip().removesuffix("# buildkit").strip()
    classic = re.match(r"/bin/sh -c #\(nop\)\s+(\w+)\s+(.*)", entry, re.DOTALL)
    if classic:
        return classic[1].upper(), _normalize(classic[2])
    keyword, _, rest = entry.partition(" ")
    if keyword not in _LAYER_KEYWORDS:
        keyword, rest = "RUN", entry
    if keyword == "RUN":
        rest = re.sub(r"^\|\d+ (?:[A-Za-z_]\w*=\S* )*", "", rest)
        rest = re.sub(r"^(?:/bin/\w+ (?:-\S+ )*-c )", "", rest)
    return keyword, _normalize(rest)


def _normalize(text: str) -> str:
    rest = text.strip()
    while flag := _FLAG.match(rest):
        rest = rest[flag.end() :]
    return re.sub(r"[\s\\]+", "", rest)
