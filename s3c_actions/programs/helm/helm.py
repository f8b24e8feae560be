"""Helm: one chart brought to one state, and what became of the last attempt."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from s3c_actions.core import reading
from s3c_actions.core.errors import OutsideError
from s3c_actions.core.process import CompletedProgram, Runner
from s3c_actions.programs.helm import errors

NAMESPACE = "gatekeeper-system"
HISTORY = 5
_MARK = "s3c "


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """A chart and how it is installed.

    Attributes:
        name: of the release.
        path: folder, or archive (`.tgz`).
        values: files, a later one over those before it.
        post_renderer: a program that changes what Helm has rendered; None: nothing does.
    """

    name: str
    path: Path
    values: tuple[Path, ...] = ()
    post_renderer: Path | None = None

    @property
    def fingerprint(self) -> str:
        """Identifies everything that decides what is installed, in 16 hexadecimal digits."""
        files = sorted(one for one in self.path.rglob("*") if one.is_file()) if self.path.is_dir() else [self.path]
        parts = [(f"chart {one.relative_to(self.path)}", one) for one in files]
        parts += [("values", one) for one in self.values]
        parts += [("post-renderer", one) for one in (self.post_renderer,) if one is not None]
        digest = hashlib.sha256()
        for name, file in parts:
            content = reading.read_file(file, reading.MAX_DOCUMENT_BYTES)
            digest.update(f"{name}\0{len(content)}\0".encode() + content)
        return digest.hexdigest()[:16]


class HelmRelease(msgspec.Struct, frozen=True, kw_only=True):
    """A chart that was installed, or was going to be.

    Attributes:
        revision: counted from 1.
        status: Helm's word: `deployed`, `failed`, `pending-install`, `pending-upgrade`, …
        fingerprint: of the chart, when s3c installed it; else empty.
        age: seconds since the last attempt began.
    """

    name: str
    revision: int
    status: str
    fingerprint: str
    age: float

    @property
    def pending(self) -> bool:
        """Whether somebody is at it, or was ended while being at it: Helm refuses to do anything then."""
        return self.status.startswith("pending-") or self.status == "uninstalling"


class Helm:
    """The helm program on one cluster.

    Args:
        program: its path.
        runner: starts it; its environment says how to sign in, with the kubeconfig's plugins.
        kubeconfig: as in KUBECONFIG: several files are separated by `:`.
        context: of the kubeconfig; its current one when empty.
        timeout: seconds for each run.
    """

    def __init__(self, program: Path, runner: Runner, *, kubeconfig: str, context: str, timeout: float) -> None:
        self._program, self._runner = program, runner
        self._kubeconfig, self._context, self._timeout = kubeconfig, context, timeout

    def release(self, name: str) -> HelmRelease | None:
        """What is there of a release; None when it was never installed.

        Raises:
            OutsideError: helm fails.
        """
        told = self._run("status", name, "--output", "json")
        if told.code != 0 and "release: not found" in told.stderr:
            return None
        found = self._answer(told, f"Helm does not tell what is there of {name}.")
        info = found.get("info") or {}
        description = str(info.get("description") or "")
        return HelmRelease(
            name=name,
            revision=int(found.get("version") or 0),
            status=str(info.get("status") or "unknown"),
            fingerprint=description.removeprefix(_MARK) if description.startswith(_MARK) else "",
            age=_age(str(info.get("last_deployed") or "")),
        )

    def upgrade(self, chart: Chart) -> None:
        """Install a chart, or bring the release that is there to it.

        Raises:
            InputError: the chart or a file of values cannot be used.
            OutsideError: the cluster refuses something of it.
        """
        more: list[str | Path] = []
        for file in chart.values:
            more += ["--values", file]
        if chart.post_renderer is not None:
            more += ["--post-renderer", chart.post_renderer]
        done = self._run(
            "upgrade",
            chart.name,
            chart.path,
            "--install",
            "--create-namespace",
            *("--history-max", str(HISTORY)),
            *("--timeout", f"{int(self._timeout)}s"),
            *("--description", f"{_MARK}{chart.fingerprint}"),
            *more,
        )
        if done.code != 0:
            raise errors.not_installed(chart.name, chart.path, NAMESPACE, done.stderr)

    def _run(self, task: str, *arguments: str | Path) -> CompletedProgram:
        where: list[str | Path] = ["--namespace", NAMESPACE]
        where += ["--kube-context", self._context] if self._context else []
        # Helm keeps what it looks up below HOME: nothing of that is to stay on this machine.
        with tempfile.TemporaryDirectory(prefix="s3c-helm-", dir=self._runner.environment.get("TMPDIR")) as folder:
            homes = dict.fromkeys(("HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"), folder)
            extra: Mapping[str, str] = {**homes, "KUBECONFIG": self._kubeconfig, "HELM_NAMESPACE": NAMESPACE}
            argv = [self._program, task, *arguments, *where]
            return self._runner.run(argv, extra=extra, timeout=self._timeout + 60, check=False)

    @staticmethod
    def _answer(told: CompletedProgram, what: str) -> dict[str, Any]:
        try:
            found = reading.parse_json(told.stdout) if told.code == 0 else None
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise OutsideError(what, remedy="Read what it said.", original=(told.stderr or told.stdout).strip()[-4000:])
        return found


def _age(moment: str) -> float:
    try:
        began = datetime.fromisoformat(moment)
    except ValueError:
        return 0.0
    return max(0.0, (datetime.now(UTC) - began).total_seconds()) if began.tzinfo else 0.0
