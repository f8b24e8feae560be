"""Helm: install or upgrade a chart, and read the state of its release."""

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
from s3c_actions.programs.install.locate import LateProgram, Program

NAMESPACE = "gatekeeper-system"
HISTORY = 5
_DESCRIPTION_PREFIX = "s3c "


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """A chart and how it is installed.

    Attributes:
        name: of the release.
        path: folder, or archive (`.tgz`).
        values: files; a later file overrides earlier ones.
        post_renderer: a program that changes the rendered manifests; None: none.
    """

    name: str
    path: Path
    values: tuple[Path, ...] = ()
    post_renderer: Path | None = None

    @property
    def fingerprint(self) -> str:
        """Identify all that decides what is installed, in 16 hexadecimal digits."""
        files = sorted(path for path in self.path.rglob("*") if path.is_file()) if self.path.is_dir() else [self.path]
        parts = [(f"chart {file.relative_to(self.path)}", file) for file in files]
        parts += [("values", file) for file in self.values]
        parts += [("post-renderer", file) for file in (self.post_renderer,) if file is not None]
        digest = hashlib.sha256()
        for name, file in parts:
            content = reading.read_file(file, reading.MAX_DOCUMENT_BYTES)
            digest.update(f"{name}\0{len(content)}\0".encode() + content)
        return digest.hexdigest()[:16]


class HelmRelease(msgspec.Struct, frozen=True, kw_only=True):
    """A chart's installation, finished or not.

    Attributes:
        revision: counted from 1.
        status: Helm's status: `deployed`, `failed`, `pending-install`, `pending-upgrade`, …
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
        """Whether an operation is in progress, or was interrupted: Helm refuses all others meanwhile."""
        return self.status.startswith("pending-") or self.status == "uninstalling"


class Helm:
    """The helm program on one cluster.

    Args:
        program: where it is.
        runner: starts it; its environment is that of the kubeconfig's login plugins.
        kubeconfig: as in KUBECONFIG: several files are separated by `:`.
        context: of the kubeconfig; its current one when empty.
        timeout: seconds for each run.
    """

    def __init__(
        self, program: Program | LateProgram, runner: Runner, *, kubeconfig: str, context: str, timeout: float
    ) -> None:
        self._program, self._runner = program, runner
        self._kubeconfig, self._context, self._timeout = kubeconfig, context, timeout

    def release(self, name: str) -> HelmRelease | None:
        """Read the state of a release; None when it was never installed.

        Raises:
            OutsideError: helm fails.
        """
        completed = self._run("status", name, "--output", "json")
        if completed.code != 0 and "release: not found" in completed.stderr:
            return None
        document = self._parse_answer(completed, f"Helm does not tell what is there of {name}.")
        info = document.get("info") or {}
        description = str(info.get("description") or "")
        return HelmRelease(
            name=name,
            revision=int(document.get("version") or 0),
            status=str(info.get("status") or "unknown"),
            fingerprint=description.removeprefix(_DESCRIPTION_PREFIX)
            if description.startswith(_DESCRIPTION_PREFIX)
            else "",
            age=_age(str(info.get("last_deployed") or "")),
        )

    def upgrade(self, chart: Chart) -> None:
        """Install a chart, or upgrade its release to it.

        Raises:
            InputError: the chart or a file of values cannot be used.
            OutsideError: the cluster refuses a part of it.
        """
        options: list[str | Path] = []
        for file in chart.values:
            options += ["--values", file]
        if chart.post_renderer is not None:
            options += ["--post-renderer", chart.post_renderer]
        completed = self._run(
            "upgrade",
            chart.name,
            chart.path,
            "--install",
            "--create-namespace",
            *("--history-max", str(HISTORY)),
            *("--timeout", f"{int(self._timeout)}s"),
            *("--description", f"{_DESCRIPTION_PREFIX}{chart.fingerprint}"),
            *options,
        )
        if completed.code != 0:
            raise errors.not_installed(chart.name, chart.path, NAMESPACE, completed.stderr)

    def uninstall(self, name: str) -> None:
        """Remove a release and what it installed, except for custom resource definitions; an absent one is no error.

        Raises:
            OutsideError: helm fails, or the cluster refuses it.
        """
        completed = self._run("uninstall", name, "--ignore-not-found", "--timeout", f"{int(self._timeout)}s")
        if completed.code != 0:
            raise errors.not_uninstalled(name, NAMESPACE, completed.stderr)

    def _run(self, task: str, *arguments: str | Path) -> CompletedProgram:
        location_flags: list[str | Path] = ["--namespace", NAMESPACE]
        location_flags += ["--kube-context", self._context] if self._context else []
        # Helm caches data below HOME: none of it may stay on this machine.
        with tempfile.TemporaryDirectory(prefix="s3c-helm-", dir=self._runner.environment.get("TMPDIR")) as folder:
            homes = dict.fromkeys(("HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"), folder)
            extra: Mapping[str, str] = {**homes, "KUBECONFIG": self._kubeconfig, "HELM_NAMESPACE": NAMESPACE}
            argv = [self._program.path, task, *arguments, *location_flags]
            return self._runner.run(argv, extra=extra, timeout=self._timeout + 60, check=False)

    @staticmethod
    def _parse_answer(completed: CompletedProgram, problem: str) -> dict[str, Any]:
        try:
            document = reading.parse_json(completed.stdout) if completed.code == 0 else None
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise OutsideError(
                problem, remedy="Read what it said.", original=(completed.stderr or completed.stdout).strip()[-4000:]
            )
        return document


def _age(moment: str) -> float:
    try:
        started = datetime.fromisoformat(moment)
    except ValueError:
        return 0.0
    return max(0.0, (datetime.now(UTC) - started).total_seconds()) if started.tzinfo else 0.0
