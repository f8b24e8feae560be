"""A fleet of 24 images, planned and run in shards on one machine; a second night pushes nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from s3c_lab.lab import Lab
from tests.support import fleet_images
from tests.support.signing import Ended, signatures
from tests.support.signing import s3c as run_s3c

SHARDS = 2


class Night:
    """A night of the fleet, in a folder of its own: the plan, what each shard ended with, and the report."""

    def __init__(self, lab: Lab, folder: Path, private: str) -> None:
        self.folder = folder
        folder.mkdir()
        policy, file = folder / "s3c-policy.yaml", folder / "fleet.yaml"
        policy.write_text(fleet_images.policy(lab.certificate))
        file.write_text(fleet_images.fleet(lab.registry, private=private))
        flags = ("fleet", "plan", file, "--policy", policy, "--shards", str(SHARDS), "--output", folder / "plan.json")
        self.planned = run_s3c(folder, *flags)
        self.plan: Mapping[str, Any] = json.loads((folder / "plan.json").read_text())
        self.shards: list[Ended] = []
        for number in range(1, SHARDS + 1):
            place = folder / f"shard-{number}"
            place.mkdir()
            work = ("--plan", folder / "plan.json", "--shard", f"{number}/{SHARDS}", "--jobs", "2", "--policy", policy)
            self.shards.append(run_s3c(place, "fleet", "run", *work, *lab.flags()))
        results = [word for number in range(1, SHARDS + 1) for word in ("--results", folder / f"shard-{number}")]
        self.report = run_s3c(folder, "fleet", "report", "--plan", folder / "plan.json", *results)

    @property
    def entries(self) -> list[Mapping[str, Any]]:
        """How each image that had work to do ended."""
        return [entry for shard in self.shards for entry in shard.result["images"]]


@pytest.fixture(scope="module")
def first(lab: Lab, private: str, tmp_path_factory: pytest.TempPathFactory) -> Night:
    fleet_images.push(lab.registry, lab.images[0])
    return Night(lab, tmp_path_factory.mktemp("fleet") / "first", private)


@pytest.fixture(scope="module")
def second(
    lab: Lab, private: str, first: Night, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, list[str]], Night]:
    """The tags before the second night, and that night."""
    return fleet_images.tags(lab.registry), Night(lab, tmp_path_factory.mktemp("fleet") / "second", private)


def test_each_image_ends_as_its_kind_does(first: Night, private: str) -> None:
    assert first.planned.code == 3, first.planned.stderr  # of the image that is behind a login
    fleet_images.check_private(first.plan, private)
    assert {image["shard"] for image in first.plan["images"]} == {1, 2}
    fleet_images.check(first.entries)
    assert max(shard.code for shard in first.shards) == 3
    assert first.report.code == 3
    assert f"{private}/{fleet_images.PRIVATE}:1.0" in (first.folder / "s3c-out" / "summary.md").read_text()


def test_what_passed_is_signed(first: Night) -> None:
    for entry in first.entries:
        if entry["verdict"] == "passed":
            # The evidence beside it is signed as well.
            assert entry["sign"]["signature_digest"] in signatures(entry["reference"]), entry["reference"]


def test_a_second_night_plans_what_failed_alone_and_pushes_nothing(
    lab: Lab, second: tuple[dict[str, list[str]], Night]
) -> None:
    before, night = second
    passed = sum(count for kind, count in fleet_images.COUNTS.items() if fleet_images.KINDS[kind].verdict == "passed")
    assert len(night.plan["current"]) == passed, night.planned.stdout
    names = {fleet_images.short(image["image"]).partition("-")[0] for image in night.plan["images"]}
    assert names == {"ended", "broken"}
    assert fleet_images.tags(lab.registry) == before


def test_what_a_run_without_a_key_patched_another_run_signs(lab: Lab, tmp_path: Path) -> None:
    """As fleet.yml does it: of what the first says, the second takes a digest for each image."""
    fleet_images.push(lab.registry, lab.images[0], {"patchable": 1, "clean": 1, "broken": 1}, "handed")
    folders = [tmp_path / name for name in ("plan", "patch", "sign")]
    for folder in folders:
        folder.mkdir()
    planning, patching, signing = folders
    (planning / "fleet.yaml").write_text(fleet_images.fleet(lab.registry, "handed"))
    run_s3c(planning, "fleet", "plan", planning / "fleet.yaml", "--output", planning / "plan.json", "--shards", "1")
    work = ("fleet", "run", "--plan", planning / "plan.json", "--shard", "1/1")
    keyless = [flag for flag in lab.flags() if flag not in {"--key", "--certificate", lab.key, lab.certificate}]
    patched = run_s3c(patching, *work, "--sign=false", "--fail-on", "none", *keyless)
    assert patched.code == 3, patched.stderr
    signed = run_s3c(signing, *work, "--patched", patching / "s3c-out", "--fail-on", "HIGH", *lab.flags())
    assert signed.code == 3, signed.stderr
    before, after = (
        {fleet_images.short(entry["image"]): entry for entry in ended.result["images"]} for ended in (patched, signed)
    )
    assert before["patchable-0"]["patch"]["patched"] is True and after["patchable-0"]["patch"] is None
    for name in ("patchable-0", "clean-0"):
        assert after[name]["image"] == before[name]["image"]
        assert after[name]["digest"] == before[name]["digest"]
        assert not before[name]["sign"] and signatures(after[name]["reference"])
    assert "No patched digest" in after["broken-0"]["error"]["what"]
