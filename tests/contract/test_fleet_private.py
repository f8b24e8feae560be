"""An image behind a login, among others: it is that image's failure, or processed where a login is there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from s3c_actions.fleet import plan as plans
from tests.support import scanning
from tests.support.debian_registry import debian_registry
from tests.support.fleet_world import World
from tests.support.oci import Repository, layer
from tests.support.private_registry import login, private_registry
from tests.support.signing import s3c


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with debian_registry(tmp_path_factory.mktemp("registry")) as address:
        yield World(address, tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The host of a registry behind a login, with an image that needs no patch."""

    def push(repository: Repository) -> None:
        files = scanning.debian()
        files["var/lib/dpkg/status"] = files["var/lib/dpkg/status"].replace(b"3.0.11-1~deb12u2", b"3.0.13-1~deb12u1")
        repository.image([layer(files), layer({"etc/private": b"x"})], "1.0")

    with private_registry(tmp_path_factory.mktemp("private"), "team/private", push) as host:
        yield host


@pytest.fixture
def folder(world: World, private: str, tmp_path: Path) -> Path:
    names = [image.partition("@")[0] for image in world.images("beside")]
    lines = [f"  - image: {name}" for name in [*names[:2], f"{private}/team/private:1.0", *names[2:]]]
    (tmp_path / "fleet.yaml").write_text("\n".join(["version: 1", "images:", *lines, ""]))
    return tmp_path


def test_without_a_login_it_is_not_planned_and_the_others_are(world: World, private: str, folder: Path) -> None:
    ended = s3c(folder, "fleet", "plan", "--shards", "1", "--output", "plan.json")
    assert ended.code == 3, ended.stderr
    plan = plans.read(folder / "plan.json")
    assert len(plan.images) == 4 and all(image.image.startswith(world.registry) for image in plan.images)
    (left,) = plan.unplanned
    assert (left.image, left.exit_code) == (f"{private}/team/private:1.0", 3)
    assert "It is private" in left.what, left.what
    assert "docker login" in left.remedy, left.remedy
    ran = world.run(folder / "plan.json", "--retries", "0", folder=folder)
    assert ran.code == 0, ran.stderr
    report = s3c(folder, "fleet", "report", "--plan", "plan.json", "--results", "s3c-out")
    assert report.code == 3, report.stderr
    page = (folder / "s3c-out" / "summary.md").read_text()
    assert f"{private}/team/private:1.0" in page


def test_a_login_that_the_worker_lacks_fails_that_image_alone_and_one_that_it_has_signs_it(
    world: World, private: str, folder: Path, tmp_path: Path
) -> None:
    known = login(tmp_path / "docker", private)
    ended = s3c(folder, "fleet", "plan", "--shards", "1", "--output", "plan.json", environment=known)
    assert ended.code == 0, ended.stderr
    assert len(plans.read(folder / "plan.json").images) == 5
    ran = world.run(folder / "plan.json", "--retries", "0", folder=folder)
    assert ran.code == 3, ran.stderr
    failed = [entry for entry in ran.result["images"] if entry["verdict"] != "passed"]
    assert [entry["image"].partition("@")[0] for entry in failed] == [f"{private}/team/private:1.0"]
    assert len(ran.result["images"]) == 5
    again = s3c(folder, *world.arguments(folder / "plan.json"), environment=known)
    assert again.code == 0, again.stderr
    assert all(entry["verdict"] == "passed" and entry["sign"] for entry in again.result["images"])
