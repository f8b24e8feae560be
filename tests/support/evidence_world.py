"""Images with evidence on the lab's gate, which decides by a policy until the end of a module."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from s3c_actions.core import artifact_types
from s3c_lab import lab as labs
from s3c_lab.lab import Lab
from s3c_lab.machine import Machine
from tests.support.cluster import Kubectl
from tests.support.oci import Repository
from tests.support.scanning import database, debian
from tests.support.signing import Ended, s3c

_Advisory = tuple[str, str, str, str]


def files(name: str, *, openssl: str = "3.0.13-1~deb12u1", more: str = "", licence: str = "Zlib") -> dict[str, bytes]:
    """A Debian whose packages are `more` than those of `scanning`, and that no other row has."""
    base = debian()
    status = base["var/lib/dpkg/status"].decode().replace("3.0.11-1~deb12u2", openssl)
    extra = "".join(
        f"Package: {package}\nStatus: install ok installed\nVersion: 1.0-1\nArchitecture: amd64\n"
        f"Maintainer: Nobody <nobody@localhost>\nDescription: more\n\n"
        for package in more.split()
    )
    return {
        **base,
        "var/lib/dpkg/status": (status + extra).encode(),
        "usr/share/doc/zlib1g/copyright": f"Files: *\nLicense: {licence}\n".encode(),
        "etc/row": name.encode(),
    }


@dataclass
class World:
    """Images of a repository in the lab's registry, by row of a test's table, and what judges them.

    Attributes:
        policy: the path of s3c-policy.yaml.
        folder: what is run here.
        first, second: Trivy's databases of two nights.
        images: row → pinned reference.
    """

    lab: Lab
    repository: Repository
    policy: Path
    folder: Path
    first: Path
    second: Path
    images: dict[str, str] = field(default_factory=dict)

    def run(self, *arguments: str | Path, code: int = 0, environment: Mapping[str, str] | None = None) -> Ended:
        ended = s3c(self.folder, *arguments, environment=environment)
        assert ended.code == code, ended.stderr
        return ended

    def attach(self, *rows: str, db: Path | None = None, key: tuple[str, str] | None = None, more: Any = ()) -> Ended:
        signer = key or (self.lab.key, self.lab.certificate)
        flags = ["--key", signer[0], "--certificate", signer[1], "--policy", str(self.policy), "--exit-code", "0"]
        flags += ["--trivy-cache-dir", str(db or self.first), "--offline", "--attach", "sarif,spdx,vsa"]
        return self.run("attach", *(self.images[row] for row in rows), *flags, *map(str, more))

    def refresh(
        self,
        row: str,
        *more: str | Path,
        db: Path | None = None,
        key: tuple[str, ...] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Ended:
        """Refresh the image of a row, or (without one) what `more` says is deployed; `key=()` gives no key."""
        signer = ("--key", self.lab.key, "--certificate", self.lab.certificate) if key is None else key
        images = (self.images[row],) if row else ()
        flags = ("--policy", self.policy, "--trivy-cache-dir", db or self.first, "--offline", "--format", "json")
        return self.run("refresh", *images, *flags, *signer, *more, environment=environment)

    def digest(self, row: str) -> str:
        return self.images[row].rpartition("@")[2]

    def report(self, row: str) -> dict[str, Any]:
        """The descriptor of a row's first report."""
        listed = self.repository.get(self.digest(row).replace(":", "-"))["manifests"]
        return next(descriptor for descriptor in listed if descriptor.get("artifactType") == artifact_types.SARIF)

    def content(self, row: str) -> bytes:
        return self.repository.blob(self.repository.get(self.report(row)["digest"])["layers"][0]["digest"])


def make_world(lab: Lab, folder: Path, policy: str, first: Sequence[_Advisory], second: Sequence[_Advisory]) -> World:
    """A world without images.

    Args:
        lab: with the registry and the key.
        folder: for everything.
        policy: its text, with `{certificate}` for the signer's.
        first: advisories of the first night.
        second: of the second.
    """
    path = folder / "s3c-policy.yaml"
    path.write_text(policy.format(certificate=lab.certificate))
    return World(
        lab=lab,
        repository=Repository(lab.registry, f"e2e/{uuid.uuid4().hex[:12]}/app"),
        policy=path,
        folder=folder,
        first=database(folder / "first", *first),
        second=database(folder / "second", *second),
    )


@contextmanager
def enforced(world: World, machine: Machine, kubectl: Kubectl, *, without_report: str) -> Iterator[None]:
    """The cluster's gate decides by the policy; at the end the lab's own, by signatures alone, comes back.

    Args:
        world: whose policy it is.
        machine: of the lab.
        kubectl: of its cluster.
        without_report: a signed image without evidence: once it is refused for that, the policy is in force.
    """
    export = world.run("policy", "export", "--policy", world.policy)
    kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=export.stdout)
    until = time.monotonic() + 180
    while "no scan report" not in admission(kubectl, without_report):
        assert time.monotonic() < until, "the policy is not in force"
        time.sleep(1)
    yield
    by_signatures_alone(world, machine, kubectl)


def by_signatures_alone(world: World, machine: Machine, kubectl: Kubectl) -> None:
    """Bring the lab's own gate back."""
    kubectl("delete", "verifiers.config.ratify.deislabs.io", "verifier-report")
    labs.up(world.lab.name, None, machine, node=True)
    kubectl("delete", "keymanagementproviders.config.ratify.deislabs.io", "s3c-lab")


def admission(kubectl: Kubectl, image: str) -> str:
    """What the gate says of a Pod of an image; empty when it admits it."""
    ended = kubectl.run("run", "evidence", f"--image={image}", "--dry-run=server", "-n", "default")
    return "" if ended.returncode == 0 else str(ended.stderr)
