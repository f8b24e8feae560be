"""What is seen of one image that was started, and what follows from seeing two; nothing is run here.

The original decides whether there is anything to compare: one that does not come up here shows nothing about its patch.
What can be seen without running (configuration, missing libraries) counts all the same.
"""

from __future__ import annotations

import re

import msgspec
from msgspec.structs import replace

from s3c_actions.core.shared_libraries import MissingLibrary
from s3c_actions.core.text import counted
from s3c_actions.registry.runtime_config import RuntimeConfig
from s3c_actions.report.render.escape import line
from s3c_actions.result.smoke import PlatformSmoke, SmokeVerdict

MAX_SHOWN = 200
MAX_LISTED = 5
_EPHEMERAL = 32768
_VERSION = re.compile(
    r"\b(?P<name>[A-Za-z][A-Za-z0-9_+-]{1,30})(?:/| version |[ -]v?)"
    r"(?P<version>\d{1,4}(?:\.\d{1,6}){1,3}[a-z0-9~+-]{0,20})"
)
_MAX_VERSIONS = 20
_ENDED = {126: "its program cannot be run", 127: "its program was not found", 137: "it was killed", 139: "it crashed"}
_PARTS = {
    "entrypoint": "entrypoint",
    "command": "command",
    "environment": "environment",
    "user": "user",
    "folder": "working folder",
    "volumes": "volumes",
    "ports": "exposed ports",
    "health": "health check",
    "stop_signal": "stop signal",
}


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """What one image did.

    Attributes:
        config: how it wants to be run.
        missing: libraries that its files need and that are not in it.
        failure: why it was not started, in a clause; empty when it was.
        up: it still ran at the end; `code` is the exit code otherwise.
        ready: everything that was asked of it was so in time.
        healthy: by its health check, None without one; `health_output` is what that printed last.
        port: whether something listened on `probe_port`; None when no port was given.
        ports: TCP ports on which it listened; None when that could not be seen.
        command: whether the command ended with 0, None when none was run or it was not reached; `probed` whether there
            is one. `command_code` is None when it did not end.
        versions: names and versions that the command printed.
        output: what the image printed.
    """

    config: RuntimeConfig
    missing: frozenset[MissingLibrary] = frozenset()
    failure: str = ""
    up: bool = False
    code: int | None = None
    out_of_memory: bool = False
    ready: bool = False
    healthy: bool | None = None
    health_output: str = ""
    probe_port: int | None = None
    port: bool | None = None
    ports: frozenset[int] | None = frozenset()
    probed: bool = False
    command: bool | None = None
    command_code: int | None = None
    command_output: str = ""
    versions: tuple[tuple[str, str], ...] = ()
    output: str = ""

    @property
    def served(self) -> frozenset[int]:
        """Return the ports that a client may know: those that the system hands out are others at each start."""
        return frozenset(port for port in self.ports or () if port < _EPHEMERAL or port in self.config.ports)

    @property
    def problem(self) -> str:
        """Return why it does not count as working, in a clause about "it"; empty when it does."""
        if self.failure:
            return self.failure
        if not self.up and (self.code != 0 or (self.probed and self.command is not True)):
            if self.code == 0:
                return f"its command {_command_end(self)}"
            return _end(self)
        if self.up:
            return self._unready
        return "" if self.port is None and self.healthy is None else "it ended with exit code 0 at once"

    @property
    def _unready(self) -> str:
        if self.ready:
            return ""
        if self.port is False:
            return f"nothing listens on port {self.probe_port}"
        if self.healthy is False:
            return "its health check fails" + (f" ({self.health_output})" if self.health_output else "")
        if self.probed:
            return f"its command {_command_end(self)}"
        return "it was not ready in time"


def _command_end(seen: Observation) -> str:
    if seen.command is None:
        return "was not reached in time"
    how = "did not end" if seen.command_code is None else f"ends with exit code {seen.command_code}"
    return how + (f" ({seen.command_output})" if seen.command_output else "")


def _end(seen: Observation) -> str:
    why = "its memory did not suffice" if seen.out_of_memory else _ENDED.get(seen.code or 0, "")
    last = last_line(seen.output)
    detail = ": ".join(text for text in (why, last) if text)
    return f"it ended with exit code {seen.code}" + (f" ({detail})" if detail else "")


def compare(original: Observation, patched: Observation) -> PlatformSmoke:
    """Return the comparison of two observations; platform, runtime and time are added by the caller."""
    differences = [*_configuration(original.config, patched.config), *_libraries(original, patched)]
    problem = original.problem
    if not problem:
        differences += _behaviour(original, patched)
    older, newer = (dict(versions(seen.output) + seen.versions) for seen in (original, patched))
    changed = tuple(
        f"{name} {older[name]} → {newer[name]}" for name in older if newer.get(name, older[name]) != older[name]
    )
    result = PlatformSmoke(platform="", verdict=SmokeVerdict.WORKS, versions=changed)
    if differences:
        return replace(result, verdict=SmokeVerdict.DIFFERS, differences=tuple(differences))
    if problem:
        return replace(
            result, verdict=SmokeVerdict.NOT_TRIED, reason=f"the original does not come up here either: {problem}"
        )
    return replace(result, checks=tuple(_checks(original)))


def _behaviour(original: Observation, patched: Observation) -> list[str]:
    """Return what the patched image does otherwise than an original that works."""
    if patched.problem:
        return [patched.problem.removeprefix("it ")]
    if original.up and not patched.up:
        return ["ends with exit code 0, where the original keeps running"]
    if patched.up and not original.up:
        return ["keeps running, where the original ends with exit code 0"]
    if original.ports is None or patched.ports is None:
        return []
    gone = sorted(original.served - patched.served)
    return [f"does not listen on {', '.join(map(str, gone))} any more"] if gone else []


def _checks(seen: Observation) -> list[str]:
    """Return what both images did."""
    checks = ["both stay up" if seen.up else "both end with exit code 0"]
    if seen.healthy:
        checks.append("their health check passes")
    if seen.command:
        checks.append("the command succeeds in both")
    if seen.up and (ports := seen.served):
        checks.append(f"both listen on {counted(len(ports), 'port')} ({', '.join(map(str, sorted(ports)))})")
    checks.append("no library went missing")
    return checks


def _configuration(original: RuntimeConfig, patched: RuntimeConfig) -> list[str]:
    return [
        f"another {word} ({_shown(getattr(original, name))} → {_shown(getattr(patched, name))})"
        for name, word in _PARTS.items()
        if getattr(original, name) != getattr(patched, name) and name != "environment"
    ] + _environment(original, patched)


def _environment(original: RuntimeConfig, patched: RuntimeConfig) -> list[str]:
    """Return the variables that changed, by name: their values may be secrets."""
    older, newer = (dict(pair.split("=", 1) for pair in config.environment) for config in (original, patched))
    changed = sorted(name for name in older.keys() | newer.keys() if older.get(name) != newer.get(name))
    return [f"another environment ({_list(changed)})"] if changed else []


def _libraries(original: Observation, patched: Observation) -> list[str]:
    new = sorted(patched.missing - original.missing)
    names = sorted({missing.library for missing in new})
    return [
        f"{line(name, MAX_SHOWN)}, which {_list([m.needed_by for m in new if m.library == name])} needs, is missing"
        for name in names[:MAX_LISTED]
    ] + ([f"{len(names) - MAX_LISTED} more libraries are missing"] if len(names) > MAX_LISTED else [])


def _list(names: list[str]) -> str:
    shown = ", ".join(line(name, MAX_SHOWN) for name in names[:MAX_LISTED])
    return shown + (f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else "")


def _shown(value: object) -> str:
    words = value if isinstance(value, tuple) else (value,)
    return line(" ".join(map(str, words)), MAX_SHOWN) or "none"


def last_line(text: str) -> str:
    """Return the last line of what an image printed that says anything, cleaned and cut."""
    rows = [row for row in text[-20_000:].splitlines() if row.strip()]
    return line(rows[-1].strip(), MAX_SHOWN) if rows else ""


def versions(text: str) -> tuple[tuple[str, str], ...]:
    """Return names of programs with the versions that they print (`nginx/1.25.3`, `PostgreSQL 15.4`), each once."""
    listed: dict[str, str] = {}
    for match in _VERSION.finditer(text[:100_000]):
        listed.setdefault(match["name"], match["version"])
        if len(listed) == _MAX_VERSIONS:
            break
    return tuple(listed.items())
