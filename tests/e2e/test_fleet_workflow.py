"""The fleet of 24 images, kept by fleet.yml as the guide calls it (act); a second night pushes nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from s3c_lab.lab import Lab
from s3c_lab.machine import Machine
from tests.support import act, examples, fleet_images
from tests.support.examples import Change

PREFIX = "acted"
AZURE = ("tenant-id", "client-id", "sign-client-id", "vault", "vault-certificate")


def night(lab: Lab, machine: Machine, folder: Path, private: str) -> act.Job:
    """Run the guide's example with the key as a secret, and with neither Azure, issue nor proposal."""
    change = Change(
        without=(*AZURE, "manifests"),
        added={"certificate": "keys/signing.crt", "shards": "2", "issue": "false"},
        secrets={"SIGNING_KEY": "${{ secrets.SIGNING_KEY }}"},
    )
    return act.run(
        examples.workflow("fleet.yml", {"fleet": change}),
        folder,
        files={
            "fleet.yaml": fleet_images.fleet(lab.registry, PREFIX, private),
            "s3c-policy.yaml": fleet_images.policy("keys/signing.crt"),
            "keys/signing.crt": Path(lab.certificate).read_text(),
        },
        secrets={"SIGNING_KEY": Path(lab.key).read_text(), "GITHUB_TOKEN": "run-token"},
        environment=act.surroundings(lab, lab.buildkit, machine),
    )


def kept(job: act.Job, name: str, file: str) -> Mapping[str, Any]:
    """A file of the one artifact that a job of the workflow kept under such a name."""
    (folder,) = (job.folder / "artifacts").glob(name)
    document: Mapping[str, Any] = json.loads((folder / file).read_text())
    return document


def test_the_workflow_keeps_the_fleet_and_a_second_night_pushes_nothing(
    lab: Lab, machine: Machine, private: str, tmp_path: Path
) -> None:
    fleet_images.push(lab.registry, lab.images[0], prefix=PREFIX)
    first = night(lab, machine, tmp_path / "first", private)
    report = kept(first, "s3c-fleet-report-*", "result.json")
    # What a patch fixed is in the results of the jobs that have no key.
    patched = [*(first.folder / "artifacts").glob("s3c-fleet-patched-*/result.json")]
    entries = [entry for path in patched for entry in json.loads(path.read_text())["images"]]
    patches = {fleet_images.short(entry["image"]): entry["patch"] for entry in entries}
    entries = [{**entry, "patch": patches.get(fleet_images.short(entry["image"]))} for entry in report["images"]]
    fleet_images.check(entries, fleet_images.REPORTED)
    plan = kept(first, "s3c-fleet-plan-*", "plan.json")
    assert {image["shard"] for image in plan["images"]} == {1, 2}
    fleet_images.check_private(plan, private)
    assert not first.succeeded  # of the images that can be neither scanned nor patched
    before = fleet_images.tags(lab.registry, PREFIX)
    second = night(lab, machine, tmp_path / "second", private)
    assert fleet_images.tags(lab.registry, PREFIX) == before, second.log
    images = [fleet_images.short(image["image"]) for image in kept(second, "s3c-fleet-plan-*", "plan.json")["images"]]
    assert {name.partition("-")[0] for name in images} == {"ended", "broken"}, second.log
