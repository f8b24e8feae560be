"""`s3c fleet run` with the real programs: a shard of several images, killed and run again, and two runs at once.

Copa runs five times in this file: twice on the images of the lab, once before the run is killed, and twice on an image
that two runs patch at the same time.
"""

from __future__ import annotations

import json
import os
import stat
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jsonschema
import pytest

from s3c_actions.core.reference import Reference
from s3c_actions.fleet import durations, plan, store
from s3c_actions.fleet.plan import Plan, PlannedImage
from s3c_actions.programs.install.pins import COPA, NOTATION
from s3c_actions.registry import Registry, Writer
from s3c_actions.registry.credentials import Logins
from s3c_actions.result import document
from s3c_lab.lab import Lab
from tests.support.oci import Repository, digest_of
from tests.support.scanning import program
from tests.support.signing import Ended, push_image, s3c, signatures

SCHEMA = json.loads((Path(document.__file__).parent.parent / "schemas" / "result-1.json").read_text())
GONE = "sha256:" + "0" * 64


class Worker:
    """`s3c fleet run` on the lab, with a Copa and a notation that write down how they are called."""

    def __init__(self, lab: Lab, key: tuple[Path, Path], folder: Path) -> None:
        self.lab, self.key, self.folder = lab, key, folder
        self.calls = folder / "calls"
        self.programs = {"copa": program(COPA), "notation": program(NOTATION)}
        for name in self.programs:
            self.shim(name)

    def shim(self, name: str, after: str = "") -> None:
        """Put a wrapper in a program's place; `after` is shell that follows the program's own end."""
        path = self.folder / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(
            f'#!/bin/sh\necho "{name} $1" >>"{self.calls}"\n'
            f'"{self.programs[name]}" "$@"\ncode=$?\n{after}\nexit $code\n'
        )
        path.chmod(stat.S_IRWXU)

    def __call__(self, where: str | Path, *flags: str | Path, folder: Path | None = None) -> Ended:
        self.calls.write_text("")
        programs = [part for name in self.programs for part in (f"--{name}-path", self.folder / "bin" / name)]
        look = ("--trivy-cache-dir", self.lab.trivy_cache, "--offline", "--buildkit-addr", self.lab.buildkit)
        key = ("--key", self.key[0], "--certificate", self.key[1])
        every = ("--plan", where, "--jobs", "2", "--retries", "0", *look, *key, *programs, *flags)
        with tempfile.TemporaryDirectory(dir=self.folder) as temp:
            place = folder or self.folder
            return s3c(place, "fleet", "run", *every, environment={"RUNNER_TEMP": temp, "TMPDIR": temp})

    @property
    def began(self) -> list[str]:
        """What patches or signs, of what was started since the last run began."""
        return [call for call in self.calls.read_text().split("\n") if call in {"copa patch", "notation sign"}]


def repository_of(image: str) -> Repository:
    reference = Reference.parse(image)
    return Repository(reference.registry, reference.repository)


def state(image: str) -> dict[str, str]:
    """Every tag of an image's repository, with the digest of what it stands for; a signature moves one as well."""
    repository = repository_of(image)
    return {tag: digest_of(repository.raw(tag)[0]) for tag in repository.tags()}


def pinned(image: str) -> str:
    reference = Reference.parse(image)
    return f"{image}@{digest_of(repository_of(image).raw(reference.tag)[0])}"


def planned(*images: str, shards: int = 1) -> Plan:
    return Plan(
        created="2026-11-29T12:00:00Z",
        fleet="0" * 64,
        shards=shards,
        images=tuple(
            PlannedImage(image=image, names=(image.partition("@")[0],), seconds=60.0, reason="new", shard=1)
            for image in images
        ),
    )


@pytest.fixture
def worker(lab: Lab, signing_key: tuple[Path, Path], tmp_path: Path) -> Worker:
    return Worker(lab, signing_key, tmp_path)


def test_a_shard_that_was_killed_and_is_run_again_ends_with_every_image_signed_or_reported(
    worker: Worker, fresh: Callable[[str], str], lab: Lab, tmp_path: Path
) -> None:
    app, database = fresh("voting-app"), fresh("voting-db")
    broken = push_image(lab.registry, f"fleet-{os.getpid()}/broken", "1")
    gone = f"{app.rpartition(':')[0]}:9@{GONE}"
    registry = Registry(Logins(environment={"HOME": str(tmp_path)}))
    place = Reference.parse(f"{lab.registry}/fleet-{os.getpid()}/plan:today")
    shard = planned(pinned(app), broken, gone, pinned(database))
    stored = store.push_plan(Writer(registry), place, shard)
    where = f"oci://{stored}"
    before = {image: state(image) for image in (app, database)}

    # The first patch that is pushed is the last thing that this run does.
    worker.shim("copa", after='[ "$1" = patch ] && kill -9 $PPID')
    assert worker(where).code == -9
    assert {image: state(image) for image in (app, database)} == before

    worker.shim("copa")
    ended = worker(where, "--publish-result")
    jsonschema.Draft202012Validator(SCHEMA).validate(ended.result)
    images = {image["image"]: image for image in ended.result["images"]}
    assert list(images) == [image.image for image in shard.images]
    assert ended.code == 3, ended.stderr
    assert [image["verdict"] for image in images.values()] == ["passed", "failed", "failed", "passed"]
    assert "does not exist" in images[gone]["error"]["what"]
    for image in (app, database):
        entry = images[pinned(image)]
        assert entry["patch"]["before"]["fixable"] > entry["patch"]["after"]["fixable"]
        assert entry["verify"]["signature_digest"] == entry["sign"]["signature_digest"]
        assert {evidence["kind"] for evidence in entry["attach"]["documents"]} == {"sarif", "spdx"}
        assert len(signatures(entry["reference"])) == 3  # the signature, and two documents
    ((number, content),) = store.list_results(registry, stored)
    assert number == 1
    assert json.loads(content)["images"][0]["reference"] == images[pinned(app)]["reference"]
    assert durations.measured_seconds([content])[app] > 0
    signed = {image: state(image) for image in (app, database)}

    # The same again: the same end, and nothing but a look.
    again = worker(where)
    assert worker.began == []
    assert {image: state(image) for image in (app, database)} == signed
    assert [image.get("reference") for image in again.result["images"]] == [
        image.get("reference") for image in ended.result["images"]
    ]
    assert again.code == 3


def test_two_runs_on_one_image_sign_one_patch(worker: Worker, fresh: Callable[[str], str], tmp_path: Path) -> None:
    image = fresh("voting-app")
    (tmp_path / "plan.json").write_bytes(plan.render(planned(pinned(image))))
    folders = [tmp_path / "first", tmp_path / "second"]
    for folder in folders:
        folder.mkdir()
    with ThreadPoolExecutor(2) as pool:
        runs = list(pool.map(lambda folder: worker(tmp_path / "plan.json", folder=folder), folders))
    assert [run.code for run in runs] == [0, 0], [run.stderr for run in runs]
    (reference,) = {run.image["reference"] for run in runs}
    patches = {digest for tag, digest in state(image).items() if tag.startswith(Reference.parse(image).tag + "-")}
    assert reference.rpartition("@")[2] in patches
    assert len(patches) <= 2
    name = image.rpartition(":")[0]
    assert [f"{name}@{digest}" for digest in patches if signatures(f"{name}@{digest}")] == [reference]
