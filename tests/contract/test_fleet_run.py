"""`s3c fleet run` with the real Trivy and notation and a registry, on images that need no patch.

Killed after each signature in turn, interrupted, and run twice at the same time, it ends with every image signed and
proved once.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from s3c_actions.fleet import plan as plans
from s3c_actions.fleet.plan import Plan, PlannedImage
from s3c_lab.certificates import make
from tests.support import ROOT, scanning
from tests.support.debian_registry import debian_registry
from tests.support.fleet_world import DOCUMENTS, IMAGES, World, proved
from tests.support.oci import Repository, layer
from tests.support.signing import s3c


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with debian_registry(tmp_path_factory.mktemp("registry")) as address:
        yield address


@pytest.fixture(scope="module")
def world(registry: str, tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(registry, tmp_path_factory.mktemp("world"))


def test_every_image_of_a_shard_is_signed_and_proved_and_a_second_run_only_looks(world: World) -> None:
    images = world.images("all")
    missing = f"{world.registry}/all/gone:1.0@sha256:{'0' * 64}"
    plan = world.plan([*images[:2], missing, *images[2:]])
    world.forget()
    ended = world.run(plan)
    assert ended.code == 2, ended.stderr  # of the image that is not there
    assert [entry["image"] for entry in ended.result["images"]] == [*images[:2], missing, *images[2:]]
    assert [entry["verdict"] for entry in ended.result["images"]] == ["passed", "passed", "failed", "passed", "passed"]
    assert world.count == IMAGES * (1 + DOCUMENTS)
    assert [proved(image) for image in images] == [1 + DOCUMENTS] * IMAGES
    # Each line of the log names its image.
    for number in range(IMAGES):
        assert f"{world.registry}/all/app{number}:1.0: sign" in ended.stderr
    world.forget()
    again = world.run(plan)
    assert (again.code, world.count) == (2, 0), again.stderr
    assert [proved(image) for image in images] == [1 + DOCUMENTS] * IMAGES


@pytest.mark.parametrize("after", [1, 2, 4, 7])
def test_killed_after_any_signature_it_ends_the_same_when_run_again(world: World, after: int) -> None:
    images = world.images(f"killed{after}")
    plan = world.plan(images)
    world.forget()
    world.shim(f'[ $(wc -l <"{world.signed}") -ge {after} ] && kill -9 $PPID')
    assert world.run(plan).code == -9
    world.shim()
    ended = world.run(plan)
    assert ended.code == 0, ended.stderr
    assert [proved(image) for image in images] == [1 + DOCUMENTS] * IMAGES


def test_interrupted_it_ends_at_once_and_the_next_run_goes_on(world: World) -> None:
    images = world.images("interrupted")
    plan = world.plan(images)
    world.forget()
    world.shim("exec sleep 60")
    process = subprocess.Popen(
        [sys.executable, "-m", "s3c_actions", *world.arguments(plan), "--output-dir", str(world.folder / "out")],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    )
    ends = time.monotonic() + 120
    while world.count < 2 and time.monotonic() < ends:
        time.sleep(0.05)
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "interrupted" in errors
    assert time.monotonic() - began < 30
    world.shim()
    ended = world.run(plan)
    assert ended.code == 0, ended.stderr
    assert [proved(image) for image in images] == [1 + DOCUMENTS] * IMAGES


def test_two_runs_at_once_leave_every_image_signed_and_proved(world: World, tmp_path: Path) -> None:
    images = world.images("twice")
    plan = world.plan(images)
    folders = [tmp_path / "first", tmp_path / "second"]
    for folder in folders:
        folder.mkdir()
    with ThreadPoolExecutor(2) as pool:
        runs = list(pool.map(lambda folder: world.run(plan, "--retries", "3", folder=folder), folders))
    assert [run.code for run in runs] == [0, 0], [run.stderr for run in runs]
    first, second = ([entry["reference"] for entry in run.result["images"]] for run in runs)
    assert first == second
    # The list of referrers is a tag here, which both write: what one has lost of the other, it has put there again.
    for image in images:
        assert proved(image, most=2) >= 1 + DOCUMENTS  # both may sign one document at the same moment
    world.forget()
    assert (world.run(plan).code, world.count) == (0, 0)


def test_an_image_with_a_target_is_copied_signed_and_proved_there(world: World) -> None:
    images = world.images("source")[:1]
    target = f"{world.registry}/target/app"
    ended = world.run(world.plan(images, target=target))
    assert ended.code == 0, ended.stderr
    digest = images[0].partition("@")[2]
    assert ended.image["image"] == images[0]
    assert ended.image["reference"] == f"{target}@{digest}"
    assert proved(f"{target}:1.0@{digest}") == 1 + DOCUMENTS
    assert proved(images[0]) == 0
    assert Repository(world.registry, "target/app").tags()[0] == "1.0"


def test_a_tag_that_has_moved_since_the_plan_is_noted_and_the_planned_digest_worked_on(world: World) -> None:
    images = world.images("moved")[:1]
    plan = world.plan(images)
    Repository(world.registry, "moved/app0").image([layer(scanning.debian())], "1.0")
    ended = world.run(plan)
    assert ended.code == 0, ended.stderr
    assert ended.image["reference"].endswith(images[0].partition("@")[2])
    assert "by now; the digest of the plan is worked on" in ended.stderr


def test_a_policy_that_cannot_be_read_fails_its_images_alone(world: World) -> None:
    images = world.images("policies")
    (world.folder / "good.yaml").write_text("version: 1\nfindings: {refuse: [CRITICAL]}\n")
    (world.folder / "bad.yaml").write_text("version: 1\nfindigns: {}\n")
    entries = [
        PlannedImage(image=image, names=(image.partition("@")[0],), seconds=5, reason="new", shard=1, policy=policy)
        for image, policy in zip(images[:3], ("good.yaml", "bad.yaml", ""), strict=True)
    ]
    path = world.folder / "policies.json"
    plan = Plan(created="2026-11-29T12:00:00Z", fleet="0" * 64, shards=1, images=tuple(entries))
    path.write_bytes(plans.render(plan))
    ended = world.run(path)
    assert ended.code == 2, ended.stderr
    assert [entry["verdict"] for entry in ended.result["images"]] == ["passed", "failed", "passed"]
    assert "bad.yaml" in str(ended.result["images"][1]["error"])


def test_by_a_tag_nothing_is_signed_unless_the_key_signed_the_plan(world: World, tmp_path: Path) -> None:
    images = world.images("by-tag")[:1]
    place = f"{world.registry}/by-tag/plans:night"
    fleet = tmp_path / "fleet.yaml"
    fleet.write_text(f"version: 1\nimages:\n- image: {images[0].partition('@')[0]}\n")

    def publish(*flags: str) -> str:
        ended = s3c(tmp_path, "fleet", "plan", str(fleet), "--shards", "1", "--publish", f"oci://{place}", *flags)
        assert ended.code == 0, ended.stderr
        published: str = ended.result["plan"]["published"]
        return published

    unsigned = publish()
    ended = world.run(f"oci://{place}")
    assert ended.code == 1, ended.stderr
    assert "is not signed by whom this run trusts" in ended.stderr
    assert proved(images[0]) == 0
    # By its digest it is the plan that somebody chose.
    assert world.run(f"oci://{unsigned}", "--sign", "false").code == 0

    stranger, certificate = make("s3c-stranger").write(tmp_path, "stranger")
    publish("--key", str(stranger), "--certificate", str(certificate), "--notation-path", str(world.notation))
    assert world.run(f"oci://{place}").code == 1
    assert proved(images[0]) == 0

    # What others put there is not kept, and what the key signed is.
    signed = publish(*world.signing, "--keep-published")
    assert publish(*world.signing, "--keep-published") == signed
    ended = world.run(f"oci://{place}")
    assert ended.code == 0, ended.stderr
    assert proved(images[0]) == 1 + DOCUMENTS
