"""The stand-ins set up together: a tenant, an application that a job of GitHub's may log in as, and their world."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from s3c_actions.programs.install.pins import BUILDKITD
from s3c_lab import buildkit_server
from tests.support import ROOT, warm
from tests.support.azure.entra import Application, Entra, GitHub
from tests.support.azure.vault import SIGNER, Vault
from tests.support.azure.world import World, environment_without_azure, world
from tests.support.scanning import program
from tests.support.signing import Ended


@dataclass(frozen=True)
class Azure:
    """What a test needs of it; `application` trusts `github`'s job."""

    world: World
    entra: Entra
    github: GitHub
    application: Application

    @property
    def ids(self) -> list[str]:
        """The flags that say whom to log in as."""
        return ["--tenant-id", self.entra.tenant, "--client-id", self.application.client]

    @property
    def job(self) -> dict[str, str]:
        """The environment of a process in the job, without anything of this machine's own Azure or GitHub."""
        return environment_without_azure(os.environ) | self.world.environment | self.github.environment

    def run(
        self, cwd: Path, *argv: str | Path, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a program in the world, as in the job unless another environment is given."""
        return subprocess.run(
            self.world.inside(argv, cwd),
            env=dict(self.job if environment is None else environment),
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    def python(self, cwd: Path, code: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """Run some Python that may import the product."""
        return self.run(cwd, sys.executable, "-c", code, environment={**environment, "PYTHONPATH": str(ROOT)})

    def vault(self, name: str = "kv-voting", rights: frozenset[str] = SIGNER) -> Vault:
        """A new vault, in which the application has these rights."""
        vault = Vault(name, self.entra, rights={self.application.object: rights})
        vault.install(self.world)
        return vault

    def s3c(self, folder: Path, *arguments: str | Path, environment: Mapping[str, str] | None = None) -> Ended:
        """Run the command in the job, in a folder; reports go into `s3c-out` there."""
        output = folder / "s3c-out"
        result = output / "result.json"
        result.unlink(missing_ok=True)
        job = {**(self.job if environment is None else environment), "PYTHONPATH": str(ROOT)}
        argv = [*map(str, arguments), "--output-dir", str(output)]
        ended = warm.run(argv, cwd=folder, env=job, namespaces=self.world.pid)
        document = json.loads(result.read_text()) if result.exists() else {}
        return Ended(ended.returncode, ended.stdout, ended.stderr, document)

    @contextmanager
    def buildkit(self, folder: Path, registry: str) -> Iterator[str]:
        """The address of a BuildKit that reaches the stand-ins, a plain registry, and Debian's archive besides."""
        (folder / "buildkitd.toml").write_text(buildkit_server.configuration(registry))
        at = folder / "bk.sock"
        argv: list[str | Path] = [program(BUILDKITD), "--config", folder / "buildkitd.toml", "--root", folder / "root"]
        argv += ["--addr", f"unix://{at}", "--otel-socket-path", folder / "otel.sock"]
        with (folder / "log").open("wb") as log:
            daemon = subprocess.Popen(self.world.names_alone(argv), stdout=log, stderr=log)
            try:
                until = time.monotonic() + 90
                while not buildkit_server.answers(at):
                    assert daemon.poll() is None, (folder / "log").read_text()
                    assert time.monotonic() < until
                    time.sleep(0.1)
                yield f"unix://{at}"
            finally:
                daemon.terminate()
                daemon.wait(120)

    def written(self) -> list[str]:
        """Every secret that was given out or asked with so far: none of them may be found anywhere."""
        return [*self.entra.given, *self.github.given, self.github.request_token]


@contextmanager
def azure(folder: Path) -> Iterator[Azure]:
    """A fresh one; needs root."""
    with world(folder) as new_world:
        entra, github = Entra(), GitHub()
        entra.install(new_world)
        github.install(new_world, entra)
        yield Azure(new_world, entra, github, entra.add(github.federated))
