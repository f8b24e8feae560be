"""Map layers of an image to the lines of its Dockerfile, as far as the image's history allows.

Docker and BuildKit write each instruction into the history (`RUN /bin/sh -c … # buildkit`, `/bin/sh -c #(nop) COPY …`).
Layers that match no instruction come from the base image: its FROM line. The stages that a stage is built from belong
to it (`FROM build`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import msgspec

from s3c_actions.core.patterns import late_pattern
from s3c_actions.findings.model import ScanReport
from s3c_actions.report.formats.dockerfile_parser import HereDocument, Instruction, parse_instructions

_LAYER_KEYWORDS = {"RUN", "COPY", "ADD", "WORKDIR"}
_FLAGS = late_pattern(r"^(?:--[a-z][a-z.-]*(?:=\S+)?\s+)*")
_SHELL = late_pattern(
    r"^(?:\S*/)?(?:(?:ba|da|a|z|k)?sh (?:-\S+ )*-\w*c |cmd(?:\.exe)? (?:/\S+ )*/C |p(?:ower)?wsh\S* (?:-\S+ )*)", re.I
)


class _Step(msgspec.Struct, frozen=True):
    """An instruction that makes a layer, with the shell that runs it: of the last SHELL, empty for the usual one."""

    instruction: Instruction
    shell: str

    def is_recorded_as(self, keyword: str, text: str) -> bool:
        """Whether a history entry of this keyword and text can be this instruction's."""
        if keyword != self.instruction.keyword:
            return False
        if keyword == "RUN":
            return self._is_run_as(text)
        # Variables are expanded in the history, and Docker's own builder writes a checksum for the sources.
        written = self.instruction.arguments
        if "$" in written or re.match(r"(?:file|dir|multi):[0-9a-f]+ ", text):
            return True
        if keyword == "WORKDIR":
            return _squeeze(text).endswith(_squeeze(written).rstrip("/").removeprefix("."))
        destination = (self.instruction.words or written.split() or [""])[-1]
        return f" {text}".rstrip("/\\").endswith(" " + destination.rstrip("/\\"))

    def _is_run_as(self, text: str) -> bool:
        commands = {_squeeze(self.instruction.arguments), _squeeze(_command(self.instruction))}
        recorded = _squeeze(text)
        if text.startswith("|"):
            # Build arguments stand before the command, with values that may hold blanks.
            return recorded.endswith(tuple(commands))
        shell = _squeeze(self.shell)
        return not commands.isdisjoint({recorded, _squeeze(_SHELL.sub("", text)), recorded.removeprefix(shell)})


def map_layers_to_lines(text: str, report: ScanReport) -> Mapping[str, int]:
    """Return the line of each layer.

    Args:
        text: of the Dockerfile.
        report: with `diff_ids` and `history`.

    Returns:
        Diff id → line from 1; the empty string is for unknown layers. Empty when the text is not a Dockerfile.
    """
    base, steps = _last_stage(parse_instructions(text))
    if not base:
        return {}
    lines = {"": base} | dict.fromkeys(report.diff_ids, base)
    for diff_id, created_by in reversed(list(zip(report.diff_ids, report.history, strict=False))):
        entry = _parse_history_entry(created_by)
        for index in range(len(steps) - 1, -1, -1):
            if steps[index].is_recorded_as(*entry):
                lines[diff_id] = steps[index].instruction.line
                steps = steps[:index]
                break
    return lines


def _last_stage(instructions: Sequence[Instruction]) -> tuple[int, list[_Step]]:
    """Return the FROM line of what the last stage is built on, 0 without any, and what makes layers on top of it."""
    stages: dict[str, tuple[int, list[_Step]]] = {}
    name, base, steps, shell = "", 0, list[_Step](), ""
    for instruction in instructions:
        if instruction.keyword == "FROM":
            image, *rest = instruction.arguments.lower().split() or [""]
            base, inherited = stages.get(image, (instruction.line, []))
            name = rest[1] if len(rest) == 2 and rest[0] == "as" else ""
            steps, shell = list(inherited), inherited[-1].shell if inherited else ""
        elif instruction.keyword == "SHELL":
            shell = " ".join(instruction.words or ())
        elif instruction.keyword in _LAYER_KEYWORDS:
            steps.append(_Step(instruction, shell))
        if name:
            stages[name] = (base, steps)
    return base, steps


def _command(instruction: Instruction) -> str:
    """Return what a RUN instruction runs, as the history has it."""
    if instruction.words is not None:
        return " ".join(instruction.words)
    documents = instruction.here_documents
    if not documents:
        return instruction.arguments
    if len(documents) == 1 and re.fullmatch(r"<<-?\s*[^\s<]+", instruction.arguments):
        (only,) = documents
        return f"/dev/pipes/{only.name}" if only.content.startswith("#!") else only.content
    return "\n".join((instruction.arguments, *map(_document, documents)))


def _document(document: HereDocument) -> str:
    return document.content + document.name


def _parse_history_entry(created_by: str) -> tuple[str, str]:
    """Return keyword and text of a history entry, without flags."""
    entry = created_by[:10_000].strip().removesuffix("# buildkit").strip()
    classic = re.match(r"(?:/bin/sh -c|cmd /S /C) #\(nop\)\s+(\w+)\s+(.*)", entry, re.DOTALL)
    keyword, rest = (classic[1].upper(), classic[2]) if classic else entry.partition(" ")[::2]
    if keyword not in _LAYER_KEYWORDS:
        return "RUN", entry
    return keyword, _FLAGS.sub("", rest)


def _squeeze(text: str) -> str:
    """Return a text without blanks, escapes and quotes around it, in which builders differ."""
    return re.sub(r"[\s\\`]+", "", text)
