"""Read a Dockerfile's instructions as BuildKit does.

The rules are those of its parser, https://github.com/moby/buildkit/tree/master/frontend/dockerfile/parser, with which
tests/contract/test_dockerfile.py compares this one. What BuildKit refuses is read as far as that makes sense.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

import msgspec

from s3c_actions.core.patterns import late_pattern

# What Go's unicode.IsSpace takes for a blank; Python's str.strip takes more.
_BLANKS = "\t\n\v\f\r \x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000"
_BETWEEN = late_pattern(r"[\t\v\f\r ]+")
_DIRECTIVE = late_pattern(r"#[\t\n\v\f\r \x85\xa0]*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*\Z", re.ASCII)
_DIRECTIVES = {"syntax", "escape", "check"}
_HEREDOC = late_pattern(r"\d*<<(-?)[\t\n\f\r ]*([^<]+)\Z", re.ASCII)
_MAY_HAVE_HEREDOCS = {"ADD", "COPY", "RUN"}
_ESCAPES = {"\\", "`"}


@cache
def _continuation(escape: str) -> re.Pattern[str]:
    token = re.escape(escape)
    return re.compile(rf"(?:(?<=[^{token}])|\A){token}[ \t]*\Z")


@cache
def _flag(escape: str) -> re.Pattern[str]:
    return re.compile(
        r"--(?:[^\s'\"ESCAPE]|ESCAPE.|'(?:[^'ESCAPE]|ESCAPE.)*'|\"(?:[^\"ESCAPE]|ESCAPE.)*\")*(?=\s|\Z)".replace(
            "ESCAPE", re.escape(escape)
        )
    )


class HereDocument(msgspec.Struct, frozen=True):
    """A here-document: the word that ends it, and its lines."""

    name: str
    content: str


class Instruction(msgspec.Struct, frozen=True, kw_only=True):
    """One instruction.

    Attributes:
        line: its first, from 1.
        keyword: in capitals.
        flags: such as `--from=build`, as they are written.
        arguments: the rest, with continuation lines joined and comments left out.
        here_documents: in their order.
    """

    line: int
    keyword: str
    flags: tuple[str, ...] = ()
    arguments: str = ""
    here_documents: tuple[HereDocument, ...] = ()

    @property
    def words(self) -> tuple[str, ...] | None:
        """The arguments when they are a JSON list of strings, else None."""
        if not self.arguments.startswith("["):
            return None
        try:
            return tuple(msgspec.json.decode(self.arguments, type=list[str]))
        except msgspec.DecodeError:
            return None


def parse_instructions(text: str) -> tuple[Instruction, ...]:
    """Return a Dockerfile's instructions in their order.

    Args:
        text: of the Dockerfile, decoded.
    """
    lines = _Lines(text.removeprefix("\ufeff"))
    return tuple(_read_instructions(lines))


class _Lines:
    """The lines of a file, taken one after another, and the escape token that its directives set."""

    def __init__(self, text: str) -> None:
        # Only \n ends a line; str.splitlines knows ten others.
        self._lines = text.split("\n")
        if self._lines[-1] == "":
            self._lines.pop()
        self.number = 0
        self.escape = "\\"
        self._directives: set[str] | None = set()

    def __bool__(self) -> bool:
        return self.number < len(self._lines)

    def take(self) -> str:
        """Return the next line without its end."""
        self.number += 1
        line = self._lines[self.number - 1].rstrip("\r")
        if self._directives is not None:
            self._read_directive(line.lstrip(_BLANKS))
        return line

    def _read_directive(self, line: str) -> None:
        match = _DIRECTIVE.match(line)
        name = match[1].lower() if match else ""
        if match is None or name not in _DIRECTIVES or self._directives is None or name in self._directives:
            self._directives = None
            return
        self._directives.add(name)
        if name == "escape" and match[2] in _ESCAPES:
            self.escape = match[2]

    def take_here_document(self, name: str, *, tabs: bool) -> HereDocument:
        """Take lines up to the one that is `name`, with leading tabs before it if `tabs`."""
        content = []
        while self:
            self.number += 1
            line = self._lines[self.number - 1]
            line = line.lstrip("\t") if tabs else line
            if line.rstrip("\r") == name:
                break
            content.append(f"{line}\n")
        return HereDocument(name, "".join(content))


def _read_instructions(lines: _Lines) -> Iterator[Instruction]:
    while lines:
        line = lines.take().lstrip(_BLANKS)
        start = lines.number
        if line.startswith("#"):
            continue
        continued = _continuation(lines.escape)
        parts, ends = [continued.sub("", line)], continued.search(line) is None
        if ends and not line:
            continue
        while not ends and lines:
            line = lines.take()
            if not (rest := line.lstrip(_BLANKS)) or rest.startswith("#"):
                continue
            parts.append(continued.sub("", line))
            ends = continued.search(line) is None
        if instruction := _split(start, "".join(parts), lines.escape):
            yield _with_here_documents(instruction, "".join(parts), lines)


def _split(start: int, line: str, escape: str) -> Instruction | None:
    """Split a joined line into keyword, flags and arguments; None for a blank one."""
    keyword, *rest = _BETWEEN.split(line.strip(_BLANKS), maxsplit=1)
    if not keyword:
        return None
    arguments, flags = "".join(rest).strip(_BLANKS), []
    while flag := _flag(escape).match(arguments):
        arguments = arguments[flag.end() :].strip(_BLANKS)
        if flag[0] == "--":
            break
        flags.append(flag[0])
    return Instruction(line=start, keyword=keyword.upper(), flags=tuple(flags), arguments=arguments)


def _with_here_documents(instruction: Instruction, line: str, lines: _Lines) -> Instruction:
    holder: Instruction | None = instruction
    if instruction.keyword == "ONBUILD":
        holder = _split(instruction.line, instruction.arguments, lines.escape)
    if "<<" not in line or holder is None or holder.keyword not in _MAY_HAVE_HEREDOCS or holder.words is not None:
        return instruction
    documents = [
        lines.take_here_document(_unquote(match[2]), tabs=bool(match[1]))
        for word in _shell_words(line)
        if (match := _HEREDOC.match(word))
    ]
    return msgspec.structs.replace(instruction, here_documents=tuple(documents))


def _unquote(word: str) -> str:
    """Return the word that ends a here-document, without the quotes and escapes it is written with."""
    return re.sub(
        r"'([^']*)'|\"((?:\\.|[^\"\\])*)\"|\\(.|\Z)", lambda match: match[1] or match[2] or match[3] or "", word
    )


class _Unreadable(Exception):
    """A quote or substitution that BuildKit's shell lexer refuses, or does not know."""


def _shell_words(line: str) -> list[str]:
    """Split at blanks outside of quotes, everything kept as it is written; no words where the lexer gives up."""
    words, word, position = [], "", 0
    try:
        while position < len(line):
            character = line[position]
            if character in _BLANKS:
                if word:
                    words.append(word)
                word, position = "", position + 1
                continue
            end = _end_of_piece(line, position)
            word += line[position:end]
            position = end
    except (_Unreadable, RecursionError):
        return []
    return [*words, word] if word else words


def _end_of_piece(line: str, start: int) -> int:
    """Return where a character ends, with what belongs to it: its quote, its substitution, or the blanks after `<<`."""
    character = line[start]
    if character == "'":
        end = line.find("'", start + 1)
        if end < 0:
            raise _Unreadable
        return end + 1
    if character == '"':
        return _end_of_double_quote(line, start + 1)
    if character == "$":
        return _end_of_substitution(line, start + 1)
    if character == "\\":
        return min(start + 2, len(line))
    if line.startswith("<<", start):
        match = re.compile(r"<<[ \t\n\r]*").match(line, start)
        return match.end() if match else start + 2
    return start + 1


def _end_of_double_quote(line: str, position: int) -> int:
    while position < len(line):
        if line[position] == '"':
            return position + 1
        if line[position] == "$":
            position = _end_of_substitution(line, position + 1)
        elif line[position] == "\\" and line[position + 1 : position + 2] in {'"', "$", "\\"}:
            position += 2
        else:
            position += 1
    raise _Unreadable


_NAME = late_pattern(r"\d+|[@*#?\-$!0]|[^\W\d]\w*|")


def _end_of_substitution(line: str, start: int) -> int:
    """Return where `$name` or `${…}` ends whose `$` stands before `start`.

    Raises:
        _Unreadable: a substitution that BuildKit does not know, such as `${name[@]}`.
    """
    if line[start : start + 1] != "{":
        match = _NAME.match(line, start)
        return match.end() if match else start
    if line[start + 1 : start + 2] in {"", "{", "}", ":"}:
        raise _Unreadable
    match = _NAME.match(line, start + 1)
    position = match.end() if match else start + 1
    modifier = line[position : position + 1]
    if modifier == "}":
        return position + 1
    if modifier == ":":
        position += 1
        modifier = line[position : position + 1]
        if modifier not in {"-", "+", "?"}:
            raise _Unreadable
    if modifier in {"-", "+", "?", "#", "%"} and modifier:
        return _end_before(line, position + 1, "}")
    if modifier == "/":
        position += 2 if line.startswith("//", position) else 1
        return _end_before(line, _end_before(line, position, "/"), "}")
    raise _Unreadable


def _end_before(line: str, position: int, stop: str) -> int:
    while position < len(line):
        if line[position] == stop:
            return position + 1
        position = _end_of_piece(line, position)
    raise _Unreadable
