"""A world for `s3c fleet run` with the real Trivy and notation: images that need no patch, a key, a database."""

from __future__ import annotations

from pathlib import Path

from s3c_actions.fleet import plan as plans
from s3c_actions.fleet.plan import Plan, PlannedImage
from s3c_actions.programs.install.pins import NOTATION
from s3c_lab.certificates import make
from tests.support import scanning
from tests.support.oci import Repository, digest_of, layer
from tests.support.signing import Ended, s3c, signatures

IMAGES = 4
DOCUMENTS = 2


class World:
    """A registry of small images without anything to fix, a vulnerability database, a key, a notation that counts."""

    def __init__(self, registry: str, folder: Path) -> None:
        self.registry, self.folder = registry, folder
        self.cache = scanning.database(folder)
        self.key, self.certificate = make("s3c-fleet").write(folder, "signing")
        self.notation = folder / "bin" / "notation"
        self.notation.parent.mkdir()
        self.signed = folder / "signed"
        self.shim()

    def shim(self, after: str = ":") -> None:
        """Count the signatures that notation makes; `after` is shell that follows each."""
        self.notation.write_text(
            f'#!/bin/sh\n"{scanning.program(NOTATION)}" "$@"\ncode=$?\n'
            f'[ "$1" = sign ] && {{ echo x >>"{self.signed}"; {after}; }}\nexit $code\n'
        )
        self.notation.chmod(0o700)

    @property
    def count(self) -> int:
        """How many signatures were made since `forget`."""
        return len(self.signed.read_text().splitlines()) if self.signed.exists() else 0

    def forget(self) -> None:
        self.signed.unlink(missing_ok=True)

    def images(self, name: str) -> list[str]:
        """Push images of a test's own, of different content; return them by tag and digest."""
        files = scanning.debian()
        files["var/lib/dpkg/status"] = files["var/lib/dpkg/status"].replace(b"3.0.11-1~deb12u2", b"3.0.13-1~deb12u1")
        base = layer(files)
        pushed = []
        for number in range(IMAGES):
            repository = Repository(self.registry, f"{name}/app{number}")
            image = repository.image([base, layer({"etc/number": f"{name} {number}".encode()})], "1.0")
            pushed.append(f"{self.registry}/{repository.name}:1.0@{image['digest']}")
        return pushed

    def plan(self, images: list[str], target: str = "") -> Path:
        path = self.folder / f"plan-{digest_of(''.join(images).encode())[7:15]}.json"
        entries = [
            PlannedImage(image=image, names=(image.partition("@")[0],), seconds=5, reason="new", shard=1, target=target)
            for image in images
        ]
        plan = Plan(created="2026-11-29T12:00:00Z", fleet="0" * 64, shards=1, images=tuple(entries))
        path.write_bytes(plans.render(plan))
        return path

    @property
    def signing(self) -> tuple[str, ...]:
        """The key's flags."""
        key, certificate = str(self.key), str(self.certificate)
        return ("--key", key, "--certificate", certificate, "--notation-path", str(self.notation))

    def arguments(self, plan: Path | str, *flags: str) -> list[str]:
        words = ["fleet", "run", "--plan", plan, "--jobs", "3", "--offline", "--trivy-cache-dir", self.cache]
        return [*map(str, words), *self.signing, *(flags or ("--retries", "0"))]

    def run(self, plan: Path | str, *flags: str, folder: Path | None = None) -> Ended:
        return s3c(folder or self.folder, *self.arguments(plan, *flags))


def pinned(image: str) -> str:
    """An image by digest alone."""
    name, _, digest = image.partition("@")
    return f"{name.rpartition(':')[0]}@{digest}"


def proved(image: str, most: int = 1) -> int:
    """How many signatures and documents an image has, and check that each document is signed, `most` times at most."""
    reference = pinned(image)
    referrers = signatures(reference)
    repository = Repository(*reference.partition("@")[0].split("/", 1))
    manifests = [repository.get(referrer) for referrer in referrers]
    for referrer, manifest in zip(referrers, manifests, strict=True):
        if manifest["config"]["mediaType"] != "application/vnd.cncf.notary.signature":
            assert 1 <= len(signatures(f"{repository.registry}/{repository.name}@{referrer}")) <= most
    return len(referrers)
