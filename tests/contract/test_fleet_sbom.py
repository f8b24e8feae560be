"""What `s3c fleet plan` leaves out by the signed SBOM: the real Trivy matches it, with the database of another day."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from s3c_actions.core import artifact_types
from s3c_actions.fleet import plan as plans
from s3c_actions.fleet.plan import Plan
from tests.support import scanning
from tests.support.debian_registry import debian_registry
from tests.support.fleet_world import World
from tests.support.oci import Repository, digest_of, layer
from tests.support.signing import s3c, signatures

POLICY = (
    "version: 1\nsigners: [{{name: fleet, certificate: {certificate}}}]\n"
    "findings: {{refuse: [CRITICAL, HIGH, MEDIUM, LOW], fixable-only: true}}\n"
)
NEW = ("CVE-2026-77777", "zlib", "1:1.2.13.dfsg-1", "high")
NAMES = ("one", "several", "unsigned-sbom", "without-sbom")


class Fleet:
    """A fleet of images that were scanned and signed, whose reports count as old, and two databases."""

    def __init__(self, registry: str, folder: Path) -> None:
        self.world = World(registry, folder)
        for name in ("counted", "tomorrow"):
            (folder / name).mkdir()
        self.trivy = scanning.Counting(folder / "counted")
        self.tomorrow = scanning.database(folder / "tomorrow", NEW)
        self.policy = folder / "s3c-policy.yaml"
        self.policy.write_text(POLICY.format(certificate=self.world.certificate))
        self._push(registry)
        images = [self._pinned(registry, name) for name in NAMES]
        ran = self.world.run(self.world.plan(images), "--policy", str(self.policy), "--retries", "0")
        assert ran.code == 0, ran.stderr
        self._spoil(images)

    def _push(self, registry: str) -> None:
        files = scanning.debian()
        status = files["var/lib/dpkg/status"].replace(b"3.0.11-1~deb12u2", b"3.0.13-1~deb12u1")
        files["var/lib/dpkg/status"] = status.replace(b"1:1.2.13.dfsg-1", b"1:1.2.13.dfsg-0")
        for name in NAMES:
            repository = Repository(registry, f"sboms/{name}")
            layers = [layer(files), layer({"etc/name": name.encode()})]
            if name == "several":
                parts = [repository.image(layers, f"1.0-{part}", variant=part) for part in ("v1", "v2")]
                repository.index(parts, "1.0")
            else:
                repository.image(layers, "1.0")

    def _pinned(self, registry: str, name: str) -> str:
        repository = Repository(registry, f"sboms/{name}")
        return f"{registry}/{repository.name}:1.0@{digest_of(repository.raw('1.0')[0])}"

    def _spoil(self, images: list[str]) -> None:
        """Take its signature from one SBOM, and one SBOM away."""
        for image in images[2:]:
            name, _, digest = image.partition("@")
            repository = Repository(*name.rpartition(":")[0].split("/", 1))
            place = f"{repository.registry}/{repository.name}"
            (sbom,) = [
                referrer
                for referrer in signatures(f"{place}@{digest}")
                if repository.get(referrer).get("artifactType") == artifact_types.SPDX
            ]
            if "unsigned" in name:
                (signature,) = signatures(f"{place}@{sbom}")
                repository.delete(signature)
                # Debian's registry lists referrers by a tag alone, which notation writes.
                repository.delete(digest_of(repository.raw(sbom.replace(":", "-"))[0]))
            else:
                repository.delete(sbom)

    def plan(self, *names: str, cache: Path | None = None, more: str = "rescan-after: 1s\n") -> tuple[Plan, str]:
        """Plan some of the images; returns the plan and the log."""
        folder = self.world.folder
        images = "\n".join(f"  - image: {self.world.registry}/sboms/{name}:1.0" for name in names)
        (folder / "fleet.yaml").write_text(f"version: 1\nimages:\n{images}\n{more}")
        words = ("fleet", "plan", "fleet.yaml", "--policy", str(self.policy), "--offline", "--output", "plan.json")
        self.trivy.forget()
        trivy = ("--trivy-path", self.trivy.path, "--trivy-cache-dir", cache or self.cache)
        ended = s3c(folder, *words, *trivy)
        assert ended.code == 0, ended.stderr
        return plans.read(folder / "plan.json"), ended.stderr

    @property
    def cache(self) -> Path:
        """Trivy's, with the database of the scans."""
        return self.world.cache


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with debian_registry(tmp_path_factory.mktemp("registry")) as address:
        yield Fleet(address, tmp_path_factory.mktemp("fleet"))


def test_what_the_database_of_the_day_has_nothing_new_about_needs_no_run(fleet: Fleet) -> None:
    plan, _ = fleet.plan("one", "several")
    assert plan.images == ()
    built = json.loads((fleet.cache / "db" / "metadata.json").read_text())["UpdatedAt"]
    stamp = datetime.fromisoformat(built).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert {image.reason.partition("its SBOM ")[2] for image in plan.current} == {
        f"matched against the database of {stamp} shows nothing new"
    }
    # Of an index, each platform by its part of the document.
    assert len(fleet.trivy.calls("sbom")) == 3
    assert fleet.trivy.calls("image") == []


def test_a_new_finding_with_a_fix_is_work(fleet: Fleet) -> None:
    plan, _ = fleet.plan("one", "several", cache=fleet.tomorrow)
    assert plan.current == ()
    for image in plan.images:
        assert "its SBOM shows 1 new finding, CVE-2026-77777 (HIGH, zlib1g, fixed in 1:1.2.13.dfsg-1)" in image.reason


def test_an_sbom_that_nobody_signed_or_that_is_gone_proves_nothing(fleet: Fleet) -> None:
    plan, _ = fleet.plan("unsigned-sbom", "without-sbom")
    reasons = {image.reference.short: image.reason for image in plan.images}
    assert "its SBOM is not signed by whom the policy allows" in reasons["unsigned-sbom"]
    assert "the SBOM that its report names cannot be read" in reasons["without-sbom"]
    assert fleet.trivy.calls("sbom") == []


def test_without_a_database_every_old_report_is_work_with_one_warning(fleet: Fleet, tmp_path: Path) -> None:
    plan, log = fleet.plan("one", "several", cache=tmp_path)
    assert {image.reason.partition(", and ")[2] for image in plan.images} == {
        "there are no advisories to match its SBOM against"
    }
    assert log.count("No SBOM is matched") == 1


def test_it_can_be_turned_off(fleet: Fleet) -> None:
    plan, _ = fleet.plan("one", more="rescan-after: 1s\nmatch-sboms: false\n")
    assert "is older than" in plan.images[0].reason and "SBOM" not in plan.images[0].reason
    assert fleet.trivy.calls("sbom") == []
