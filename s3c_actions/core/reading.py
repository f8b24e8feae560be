"""Read files and texts of others within limits: no reader waits for ever, exhausts the memory or the stack.

A violated limit raises an `OSError` (a file) or a `ValueError` (a text), as a missing file or a malformed text does:
code that handles those also handles hostile input.
"""

from __future__ import annotations

import codecs
import errno
import json
import os
import re
import select
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Any

from s3c_actions.core.errors import InputError
from s3c_actions.core.libraries import ruamel_yaml, yaml
from s3c_actions.core.patterns import late_pattern

MIB = 1024 * 1024
MAX_SETTINGS_BYTES = MIB
"""Bytes of files that people write by hand: policies, ignore files, keys, certificates, configurations, Dockerfiles."""
MAX_DOCUMENT_BYTES = 64 * MIB
"""Bytes of files that programs write about one image: results, bills of materials, VEX, SARIF, events."""
MAX_REPORT_BYTES = 256 * MIB
"""Bytes of a scanner's report with every package."""

MAX_NESTING = 200
"""Levels of lists and mappings in each other. Python's own stack has room for a thousand calls."""
MAX_VALUES = 1_000_000
"""Values that YAML aliases may expand to, in one text; only aliases of aliases produce more."""
DEEP_INDENT = late_pattern(rf"^(?: {{{MAX_NESTING}}}| *(?:[-?] +){{{MAX_NESTING // 4}}})", re.MULTILINE)
"""Lines that may begin a block nested that deeply."""
PIPE_SECONDS = 60.0
"""Seconds to wait for a pipe that was passed to us (`<(…)`, `/dev/stdin`)."""

_ENCODINGS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
_SURROGATE = late_pattern("[\ud800-\udfff]")
_DEEP = f"it is nested more than {MAX_NESTING} levels deep"
_HANDED_OVER = ("/dev/fd/", "/dev/stdin", "/proc/self/fd/")


def read_file(path: Path, limit: int = MAX_SETTINGS_BYTES) -> bytes:
    """Return the bytes of a file.

    Args:
        path: a regular file; or a descriptor passed by our caller, by its name in /dev (`<(…)`, `/dev/stdin`).
        limit: in bytes.

    Raises:
        OSError: it cannot be read, is larger, or is a FIFO, a device or a socket: opening those may block for ever.
    """
    mode = path.stat().st_mode
    _check_kind(path, mode)
    # O_NONBLOCK: a FIFO that replaced the file since the check does not block either.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        _check_kind(path, status.st_mode)
        if not S_ISREG(status.st_mode):
            return _read_pipe(path, descriptor, limit)
        # Python allocates what is asked for: 256 MiB for a report of a kilobyte.
        data = b"" if status.st_size > limit else file.read(status.st_size + 1)
        if len(data) > status.st_size and status.st_size <= limit:  # it grew, or is the kernel's and has no size
            data += file.read(limit + 1 - len(data))
    if status.st_size > limit or len(data) > limit:
        raise _too_large(path, limit)
    return data


def read_text_file(
    path: Path, limit: int = MAX_SETTINGS_BYTES, *, encoding: str = "utf-8", errors: str = "strict"
) -> str:
    """Return the text of a file, without a byte order mark, with line ends normalized to LF.

    Raises:
        OSError: as `read_file` does.
        UnicodeDecodeError: it is in another encoding; `describe` says so.
    """
    text = decode_text(read_file(path, limit), encoding=encoding, errors=errors)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_json_file(path: Path, limit: int) -> bytes:
    """Return the bytes of a JSON document, without a byte order mark, which decoders of JSON refuse.

    Raises:
        OSError: as `read_file` does.
        UnicodeDecodeError: it is in UTF-16 or UTF-32; `describe` says so.
    """
    data = read_file(path, limit)
    _check_encoding(data)
    return data.removeprefix(codecs.BOM_UTF8)


def decode_text(data: bytes, *, encoding: str = "utf-8", errors: str = "strict") -> str:
    """Return the text of bytes, without the byte order mark that editors on Windows write.

    Raises:
        UnicodeDecodeError: it is in another encoding; `describe` says so.
    """
    if errors == "strict":
        _check_encoding(data)
    return data.removeprefix(codecs.BOM_UTF8).decode(encoding, errors)


def describe(error: OSError | UnicodeDecodeError) -> str:
    """Return why a file could not be read, for people: `it is UTF-16, not UTF-8`."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return error.reason if error.reason.startswith("it is") else "it is not UTF-8"


@contextmanager
def reject_unreadable(name: Path | str, field: str) -> Iterator[None]:
    """Turn what `read_text_file` and `read_json_file` raise into the error of an input.

    Args:
        name: of the file, for the message.
        field: the input that named it.

    Raises:
        InputError: the file cannot be read, or is in another encoding.
    """
    try:
        yield
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(field, f"{name} cannot be read: {describe(error)}.", remedy="Look at the path.") from error


def _check_encoding(data: bytes) -> None:
    name = next((name for mark, name in _ENCODINGS if data.startswith(mark)), "")
    if not name and b"\0" in data[:2]:  # without a mark; no text in UTF-8 begins so
        name = "UTF-16" if data[:2].count(0) == 1 and data[2:4] != b"\0\0" else "UTF-32"
    if name:
        raise UnicodeDecodeError("utf-8", data[:4], 0, len(data[:4]), f"it is {name}, not UTF-8")


def parse_json(
    data: bytes | str,
    *,
    parse_constant: Callable[[str], Any] | None = None,
    parse_int: Callable[[str], Any] | None = None,
    parse_float: Callable[[str], Any] | None = None,
    object_pairs_hook: Callable[[list[tuple[str, Any]]], Any] | None = None,
) -> Any:
    """Parse a JSON text.

    Args:
        data: UTF-8 when it is bytes, with or without a byte order mark.
        parse_constant: as in `json.loads`.
        parse_int: as in `json.loads`.
        parse_float: as in `json.loads`.
        object_pairs_hook: as in `json.loads`.

    Raises:
        ValueError: it is not JSON, or nested more than MOST_NESTED levels deep.
    """
    if isinstance(data, bytes):
        _check_encoding(data)  # which Python takes, and what else reads JSON does not
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
    for _ in range(MAX_NESTING + 1):
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
    """A text that is not YAML, or exceeds a limit; `problem` says why, `line` (from 1; 0: unknown) where."""

    def __init__(self, problem: str, line: int = 0) -> None:
        super().__init__(f"line {line}: {problem}" if line else problem)
        self.problem = problem
        self.line = line


def parse_yaml(source: str, constructor: Any = None) -> Any:
    """Parse a YAML 1.2 text.

    Args:
        source: the text.
        constructor: a constructor class of ruamel.yaml to use instead of its default.

    Raises:
        YamlError: it is not YAML, nested too deeply, or its aliases make it too large.
    """

    def parser() -> ruamel_yaml.YAML:
        yaml_parser = ruamel_yaml.YAML(typ="safe", pure=True)
        if constructor is not None:
            yaml_parser.Constructor = constructor
        return yaml_parser

    try:
        if may_be_deeply_nested(source):
            # The pure parser takes quadratic time for deep nesting; the C parser detects it in linear time.

            try:
                check_yaml_events(yaml.parse(source, Loader=yaml.CSafeLoader))
            except yaml.YAMLError as error:
                raise YamlError(_one_line(str(error))) from error
        check_yaml_events(parser().parse(source))
        return parser().load(source)
    except YamlError:
        raise
    except (
        ruamel_yaml.error.YAMLError,
        RecursionError,
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
        ArithmeticError,
    ) as error:
        # Besides its own errors, the library raises those of the conversions: `!!int x`, `!!bool x`, 2026-02-30.
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or f"a value cannot be read ({_one_line(str(error))})"
        line = mark.line + 1 if mark is not None else _unreadable_line(source, parser)
        raise YamlError(problem, line) from error


def _unreadable_line(source: str, parser: Callable[[], Any]) -> int:
    """Return the line of the first value that cannot be converted, such as the date 2026-13-01; 0 without any."""
    yaml_parser = parser()
    try:
        nodes = [yaml_parser.compose(source)]
    except (ruamel_yaml.error.YAMLError, RecursionError, ValueError):
        return 0
    while nodes:
        node = nodes.pop()
        if isinstance(node, ruamel_yaml.nodes.ScalarNode):
            try:
                yaml_parser.constructor.construct_object(node)
            except (ruamel_yaml.error.YAMLError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError):
                return int(node.start_mark.line) + 1
        elif node is not None:
            below = [child for pair in node.value for child in (pair if isinstance(pair, tuple) else (pair,))]
            nodes += reversed(below)
    return 0


def may_be_deeply_nested(source: str) -> bool:
    """Return whether a YAML text may be nested more than MOST_NESTED levels deep, judged by its characters."""
    return source.count("[") + source.count("{") > MAX_NESTING or DEEP_INDENT.search(source) is not None


def check_yaml_events(events: Iterable[Any]) -> None:
    """Check whether a YAML text may be composed, from the events of a parser.

    PyYAML's and ruamel's parsers name their events alike.

    Args:
        events: of the parser. They are consumed up to the first violation.

    Raises:
        YamlError: it is nested more than MOST_NESTED levels deep after the expansion of its aliases, an alias is within
            its own anchor, or aliases expand to more than MOST_VALUES values.
    """
    measure = _Measure()
    for event in events:
        measure.take(event)


class _Measure:
    """Measure a YAML text from the events of a parser.

    Attributes:
        known: anchor → how many values it expands to, and in how many levels; None while it is open.
        open: of each enclosing collection: its anchor, its values and levels so far.
        copied: values that aliases expanded to.
    """

    def __init__(self) -> None:
        self.known: dict[str, tuple[int, int] | None] = {}
        self.open: list[tuple[str | None, int, int]] = []
        self.copied = 0

    def take(self, event: Any) -> None:
        """Process the next event; raise YamlError when it exceeds a limit."""
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
        anchored = self.known.get(event.anchor, (1, 0))  # an undefined anchor is rejected by the composer
        if anchored is None:
            raise YamlError(f"`*{event.anchor[:80]}` contains itself", _line(event))
        size, height = anchored
        self._check_depth(height, event)
        self.copied += size
        if self.copied > MAX_VALUES:
            raise YamlError("aliases make it larger than any object may be", _line(event))
        self._add(None, size, height)

    def _add(self, anchor: str | None, size: int, height: int) -> None:
        if anchor:
            self.known[anchor] = (size, height)
        if self.open:
            enclosing, values, levels = self.open[-1]
            self.open[-1] = (enclosing, values + size, max(levels, height))

    def _check_depth(self, height: int, event: Any) -> None:
        if len(self.open) + height > MAX_NESTING:
            raise YamlError(_DEEP, _line(event))


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _one_line(text: str) -> str:
    return " ".join(text.split())[:300]


def _check_kind(path: Path, mode: int) -> None:
    if S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not S_ISREG(mode) and not str(path).startswith(_HANDED_OVER):
        raise OSError(errno.EINVAL, "it is a FIFO, a device or a socket, not a file", str(path))


def _too_large(path: Path, limit: int) -> OSError:
    return OSError(errno.EFBIG, f"it is larger than {limit // MIB} MiB", str(path))


def _read_pipe(path: Path, descriptor: int, limit: int) -> bytes:
    deadline, data = time.monotonic() + PIPE_SECONDS, b""
    while True:
        remaining = deadline - time.monotonic()
        if remaining <= 0 or not select.select([descriptor], [], [], remaining)[0]:
            raise TimeoutError(errno.ETIMEDOUT, f"nothing more came for {PIPE_SECONDS:g} s", str(path))
        chunk = os.read(descriptor, 65536)
        if not chunk:
            return data
        data += chunk
        if len(data) > limit:
            raise _too_large(path, limit)
