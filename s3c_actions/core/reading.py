"""Files and texts that others wrote, read within limits: no reader waits for ever, fills the memory or the stack.

Whatever a limit stops is an `OSError` (a file) or a `ValueError` (a text), as a file that is missing or a text that is
malformed: who handles those handles hostile input too.
"""

from __future__ import annotations

import errno
import json
import os
import re
import select
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Any

MIB = 1024 * 1024
SETTINGS = MIB
"""Bytes of what people write by hand: policies, ignore files, keys, certificates, configurations, Dockerfiles."""
DOCUMENTS = 64 * MIB
"""Bytes of what programs write about one image: results, bills of materials, VEX, SARIF, events."""
REPORTS = 256 * MIB
"""Bytes of a scanner's report with every package."""

MOST_NESTED = 200
"""Levels of lists and mappings in each other. Python's own stack has room for a thousand calls."""
MOST_VALUES = 1_000_000
"""Values that aliases of YAML may stand for, in one text; more come of aliases of aliases only."""
INDENTED = re.compile(rf"^(?: {{{MOST_NESTED}}}| *(?:[-?] +){{{MOST_NESTED // 4}}})", re.MULTILINE)
"""Lines that may begin a block of that many levels."""
PIPE_SECONDS = 60.0
"""How long a pipe that was handed over (`<(…)`, `/dev/stdin`) may keep us waiting."""

_SURROGATE = re.compile("[\ud800-\udfff]")
_DEEP = f"it is nested more than {MOST_NESTED} levels deep"
_HANDED_OVER = ("/dev/fd/", "/dev/stdin", "/proc/self/fd/")


def content(path: Path, limit: int = SETTINGS) -> bytes:
    """The bytes of a file.

    Args:
        path: a regular file; or what whoever started us handed over, by its name in /dev (`<(…)`, `/dev/stdin`).
        limit: in bytes.

    Raises:
        OSError: it cannot be read, is larger, or is a FIFO, a device or a socket: opening those may block for ever.
    """
    mode = path.stat().st_mode
    _check_kind(path, mode)
    # A FIFO that was put there a moment ago still does not block.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        _check_kind(path, status.st_mode)
        if not S_ISREG(status.st_mode):
            return _piped(path, descriptor, limit)
        data = b"" if status.st_size > limit else file.read(limit + 1)
    if status.st_size > limit or len(data) > limit:
        raise _too_large(path, limit)
    return data


def text(path: Path, limit: int = SETTINGS, *, encoding: str = "utf-8", errors: str = "strict") -> str:
    """The text of a file, with line ends as Python has them.

    Raises:
        OSError: as of `content`.
        UnicodeDecodeError: it is in another encoding.
    """
    return content(path, limit).decode(encoding, errors).replace("\r\n", "\n").replace("\r", "\n")


def json_value(
    data: bytes | str,
    *,
    parse_constant: Callable[[str], Any] | None = None,
    parse_int: Callable[[str], Any] | None = None,
    parse_float: Callable[[str], Any] | None = None,
    object_pairs_hook: Callable[[list[tuple[str, Any]]], Any] | None = None,
) -> Any:
    """The value of a JSON text.

    Args:
        data: UTF-8 when it is bytes.
        parse_constant: as of `json.loads`.
        parse_int: as of `json.loads`.
        parse_float: as of `json.loads`.
        object_pairs_hook: as of `json.loads`.

    Raises:
        ValueError: it is no JSON, or nested more than MOST_NESTED levels deep.
    """
    try:
        value = json.loads(
            data,
            parse_constant=parse_constant,
            parse_int=parse_int,
            parse_float=parse_float,
            object_pairs_hook=object_pairs_hook,
        )
    except RecursionError:
        raise ValueError(_DEEP) from None
    level = [value]
    for _ in range(MOST_NESTED + 1):
        level = [
            inner
            for outer in level
            if isinstance(outer, (dict, list))
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, (dict, list))
        ]
        if not level:
            return value
    raise ValueError(_DEEP)


class YamlError(ValueError):
    """A text that is no YAML, or more than is read; `problem` says why, `line` (from 1; 0: unknown) where."""

    def __init__(self, problem: str, line: int = 0) -> None:
        super().__init__(f"line {line}: {problem}" if line else problem)
        self.problem = problem
        self.line = line


def yaml_value(source: str, constructor: Any = None) -> Any:
    """The value of a YAML 1.2 text.

    Args:
        source: the text.
        constructor: a class of ruamel's that makes the values in place of its own.

    Raises:
        YamlError: it is no YAML, nested too deeply, or its aliases make it too large.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    def parser() -> YAML:
        made = YAML(typ="safe", pure=True)
        if constructor is not None:
            made.Constructor = constructor
        return made

    try:
        if may_be_deep(source):
            # The pure parser takes quadratic time for it; the one in C tells whether it is.
            import yaml

            try:
                check_yaml(yaml.parse(source, Loader=yaml.CSafeLoader))
            except yaml.YAMLError as error:
                raise YamlError(_one_line(str(error))) from error
        check_yaml(parser().parse(source))
        return parser().load(source)
    except YamlError:
        raise
    except (YAMLError, RecursionError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
        # Beside its own errors the library raises what it meets: `!!int x`, `!!bool x`, 2026-02-30.
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or f"a value cannot be read ({_one_line(str(error))})"
        raise YamlError(problem, mark.line + 1 if mark is not None else 0) from error


def may_be_deep(source: str) -> bool:
    """Whether a YAML text may be nested more than MOST_NESTED levels deep, by a look at its characters."""
    return source.count("[") + source.count("{") > MOST_NESTED or INDENTED.search(source) is not None


def check_yaml(events: Iterable[Any]) -> None:
    """Look whether a YAML text may be composed; of PyYAML's or ruamel's parser, whose events are called the same.

    Args:
        events: what the parser makes of the text. It is asked no further than to the first violation.

    Raises:
        YamlError: it is nested more than MOST_NESTED levels deep once its aliases are written out, an alias is within
            what it stands for, or aliases stand for more than MOST_VALUES values.
    """
    measure = _Measure()
    for event in events:
        measure.take(event)


class _Measure:
    """Follows the events of a parser.

    Attributes:
        known: anchor → how many values it stands for, and in how many levels; None as long as it is open.
        open: of each collection around: its anchor, its values and levels so far.
        copied: values that aliases stood for.
    """

    def __init__(self) -> None:
        self.known: dict[str, tuple[int, int] | None] = {}
        self.open: list[tuple[str | None, int, int]] = []
        self.copied = 0

    def take(self, event: Any) -> None:
        """Take the next event; raises YamlError when it is over a limit."""
        kind = type(event).__name__
        if kind in {"SequenceStartEvent", "MappingStartEvent"}:
            self.open.append((event.anchor, 1, 0))
            self._check_depth(0, event)
            if event.anchor:
                self.known[event.anchor] = None
        elif kind in {"SequenceEndEvent", "MappingEndEvent"}:
            anchor, size, height = self.open.pop()
            self._add(anchor, size, height + 1)
        elif kind == "ScalarEvent":
            if not event.value.isascii() and _SURROGATE.search(event.value):
                raise YamlError("half a character is escaped", _line(event))
            self._add(event.anchor, 1, 0)
        elif kind == "AliasEvent":
            self._alias(event)
        elif kind == "DocumentStartEvent":
            self.known = {}

    def _alias(self, event: Any) -> None:
        found = self.known.get(event.anchor, (1, 0))  # one that is not defined is the composer's to refuse
        if found is None:
            raise YamlError(f"`*{event.anchor[:80]}` contains itself", _line(event))
        size, height = found
        self._check_depth(height, event)
        self.copied += size
        if self.copied > MOST_VALUES:
            raise YamlError("aliases make it larger than any object may be", _line(event))
        self._add(None, size, height)

    def _add(self, anchor: str | None, size: int, height: int) -> None:
        if anchor:
            self.known[anchor] = (size, height)
        if self.open:
            around, values, levels = self.open[-1]
            self.open[-1] = (around, values + size, max(levels, height))

    def _check_depth(self, height: int, event: Any) -> None:
        if len(self.open) + height > MOST_NESTED:
            raise YamlError(_DEEP, _line(event))


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _one_line(said: str) -> str:
    return " ".join(said.split())[:300]


def _check_kind(path: Path, mode: int) -> None:
    if S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not S_ISREG(mode) and not str(path).startswith(_HANDED_OVER):
        raise OSError(errno.EINVAL, "it is a FIFO, a device or a socket, not a file", str(path))


def _too_large(path: Path, limit: int) -> OSError:
    return OSError(errno.EFBIG, f"it is larger than {limit // MIB} MiB", str(path))


def _piped(path: Path, descriptor: int, limit: int) -> bytes:
    until, data = time.monotonic() + PIPE_SECONDS, b""
    while True:
        left = until - time.monotonic()
        if left <= 0 or not select.select([descriptor], [], [], left)[0]:
            raise TimeoutError(errno.ETIMEDOUT, f"nothing more came for {PIPE_SECONDS:g} s", str(path))
        part = os.read(descriptor, 65536)
        if not part:
            return data
        data += part
        if len(data) > limit:
            raise _too_large(path, limit)
