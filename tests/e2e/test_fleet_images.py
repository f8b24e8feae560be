"""A fleet of 24 images, planned and run in shards on one machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from s3c_lab.lab import Lab
from tests.support import fleet_images
from tests.support.oci import Repository


@pytest.fixture(scope="module")
def folder(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the fleet's files; the images are in the registry."""
    fleet_images.push(lab.registry, lab.images[0])
    folder = tmp_path_factory.mktemp("fleet")
    (folder / "signing.crt").write_text(Path(lab.certificate).read_text())
    (folder / "s3c-policy.yaml").write_text(
        "version: 1\nsigners: [{name: lab, certificate: signing.crt}]\n"
        "findings: {refuse: [CRITICAL, HIGH], fixable-only: true}\nevidence: {report: {max-age: 24h}}\n"
    )
    images = "".join(f"- catalog: {lab.registry}/{fleet_images.PREFIX}\n" for _ in (1,))
    (folder / "fleet.yaml").write_text(f"version: 1\nimages:\n{images}")
    return folder


def entries(folder: Path) -> dict[str, dict[str, Any]]:
    """Image → its entry, of all results below a folder."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(folder.rglob("result.json")):
        found |= {entry["image"]: entry for entry in json.loads(path.read_text())["images"]}
    return found


def tags(lab: Lab) -> dict[str, list[str]]:
    names = [f"{fleet_images.PREFIX}/{kind}-{n}" for kind, count in fleet_images.COUNTS.items() for n in range(count)]
    return {name: Repository(lab.registry, name).every_tag() for name in names}
