"""Which line of a Dockerfile brought a layer of the image, as far as the image's history tells.

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
_LAYERING = {"RUN", "COPY", "ADD", "WORKDIR"}


class Instruction(msgspec.Struct, frozen=True):
    """One instruction: the line it begins in (from 1), its keyword in capitals, its text without blanks and flags."""

    line: int
    keyword: str
    text: str


def parse_instructions(text: str) -> tuple[Instruction, ...]:
    """Read a Dockerfile's instructions, continuation lines and here-documents joined."""
    found: list[Instruction] = []
    lines = text.splitlines()
    at = 0
    while at < len(lines):
        begin, whole = at, lines[at].strip()
        at += 1
        if not whole or whole.startswith("#"):
            continue
        parts = [whole]
        while parts[-1].endswith("\\") and at < len(lines):
            following = lines[at].strip()
            at += 1
            if following.startswith("#"):
                continue
            parts[-1] = parts[-1][:-1]
            parts.append(following)
        whole = " ".join(parts)
        for terminator in _HEREDOC.findall(whole):
            while at < len(lines) and lines[at].strip() != terminator:
                at += 1
            at += 1
        keyword, _, rest = whole.partition(" ")
        found.append(Instruction(begin + 1, keyword.upper(), _bare(rest)))
    return tuple(found)


def map_layers_to_lines(text: str, report: ScanReport) -> Mapping[str, int]:
    """The line for each layer.

    Args:
        text: of the Dockerfile.
        report: with `diff_ids` and `history`.

    Returns:
        Diff id → line from 1; the empty string stands for layers nobody knows. Empty when the text is no Dockerfile.
    """
    read = parse_instructions(text)
    stages = [n for n, one in enumerate(read) if one.keyword == "FROM"]
    if not stages:
        return {}
    base = read[stages[-1]].line
    lines = {"": base} | dict.fromkeys(report.diff_ids, base)
    left = [one for one in read[stages[-1] + 1 :] if one.keyword in _LAYERING]
    for diff_id, created_by in reversed(list(zip(report.diff_ids, report.history, strict=False))):
        keyword, made = _made(created_by)
        for n in range(len(left) - 1, -1, -1):
            # COPY and ADD are written with their variables filled in, or with a checksum for the source.
            if left[n].keyword == keyword and (left[n].text == made or keyword in {"COPY", "ADD", "WORKDIR"}):
                lines[diff_id] = left[n].line
                left = left[:n]
                break
    return lines


def _made(created_by: str) -> tuple[str, str]:
    """Keyword and bare text of a history entry."""
    whole = created_by[:10_000].strip().removesuffix("# buildkit").strip()
    classic = re.match(r"/bin/sh -c #\(nop\)\s+(\w+)\s+(.*)", whole, re.DOTALL)
    if classic:
        return classic[1].upper(), _bare(classic[2])
    keyword, _, rest = whole.partition(" ")
    if keyword not in _LAYERING:
        keyword, rest = "RUN", whole
    if keyword == "RUN":
        rest = re.sub(r"^\|\d+ (?:[A-Za-z_]\w*=\S* )*", "", rest)
        rest = re.sub(r"^(?:/bin/\w+ (?:-\S+ )*-c )", "", rest)
    return keyword, _bare(rest)


def _bare(text: str) -> str:
    rest = text.strip()
    while flag := _FLAG.match(rest):
        rest = rest[flag.end() :]
    return re.sub(r"[\s\\]+", "", rest)
