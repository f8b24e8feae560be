"""`s3c fleet plan` without a registry: from a snapshot, from Copa's file, and with wrong inputs."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from s3c_actions.cli import run
from s3c_actions.fleet import plan as plans
from s3c_actions.fleet import sources
from s3c_actions.fleet.sources import SnapshotImage
from tests.unit.fleet.test_copa import CONFIG

FLEET = """\
version: 1
defaults: {owner: platform}
images:
  - catalog: registry.example/team/
  - image: registry.example/gone:1
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fleet.yaml").write_text(FLEET)
    images = {
        f"registry.example/team/app{number}:1.{number}": SnapshotImage(
            digest=f"sha256:{number:064x}", base=f"sha256:{number % 3}", size=10_000_000
        )
        for number in range(30)
    }
    (tmp_path / "snapshot.json").write_bytes(sources.render_snapshot(images))
    return tmp_path


def ended(*argv: str, **environment: str) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    code = run.run("fleet", ["plan", *argv], {"HOME": "/nonexistent", **environment}, out, err)
    return code, out.getvalue(), err.getvalue()


def test_a_snapshot_is_planned_and_what_is_missing_stops_no_other(folder: Path) -> None:
    code, out, err = ended("--snapshot", "snapshot.json", "--shards", "4", "--output", "made/plan.json")
    assert code == 2
    assert out.startswith("30 images: 30 to do, 0 current; 1 could not be planned\n")
    assert "registry.example/gone:1 is not in the snapshot." in err
    plan = plans.read(folder / "made" / "plan.json")
    assert plan.shards == 4
    assert {image.owner for image in plan.images} == {"platform"}
    assert [entry.image for entry in plan.unplanned] == ["registry.example/gone:1"]
    document = json.loads((folder / "s3c-out" / "result.json").read_text())
    assert document["command"] == "fleet plan"
    assert document["exit_code"] == 2
    assert document["plan"] == {"images": 30, "current": 0, "unplanned": 1, "shards": [1, 2, 3, 4], "published": ""}
    assert [image["image"] for image in document["images"]] == ["registry.example/gone:1"]


def test_the_same_snapshot_gives_the_same_plan(folder: Path) -> None:
    contents = []
    for name in ("a.json", "b.json"):
        ended("--snapshot", "snapshot.json", "--output", name)
        plan = json.loads((folder / name).read_text())
        contents.append({key: value for key, value in plan.items() if key != "created"})
    assert contents[0] == contents[1]


def test_a_snapshot_is_saved_as_it_was_used(folder: Path) -> None:
    (folder / "fleet.yaml").write_text("version: 1\nimages: [{catalog: registry.example/team/}]\n")
    assert ended("--snapshot", "snapshot.json", "--save-snapshot", "again.json")[0] == 0
    assert (folder / "again.json").read_bytes() == (folder / "snapshot.json").read_bytes()


def test_copas_file_is_printed_as_a_fleet(folder: Path) -> None:
    (folder / "fleet.yaml").unlink()
    (folder / "copa.yaml").write_text(CONFIG)
    code, out, _ = ended("--import-copa", "copa.yaml")
    assert code == 0
    assert "repository: docker.io/library/nginx" in out
    assert not (folder / "s3c-out" / "plan.json").exists()


def test_the_schema_is_printed() -> None:
    code, out, _ = ended("--schema")
    assert code == 0
    assert json.loads(out)["title"] == "fleet.yaml of s3c, version 1"


@pytest.mark.parametrize(
    ("argv", "what"),
    [
        (("other.yaml",), "other.yaml' does not exist"),
        (("--shards", "0"), "--shards"),
        (("--shards", "257"), "--shards"),
        (("--shards", "many"), "auto, or a whole number from 1 to 256"),
        (("--publish", "registry.example/fleet:1"), "--publish"),
        (("--publish", "oci://registry.example/fleet"), "names neither tag nor digest"),
        (("--latest-tag", "latest"), "no place to publish to is given"),
        (("--latest-tag", "a/b"), "--latest-tag"),
        (("--snapshot", "gone.json"), "cannot be read"),
        (("--snapshot", "fleet.yaml"), "is no snapshot"),
        (("--import-copa", "fleet.yaml"), "line 1"),
        (("--policy", "gone.yaml"), "does not exist"),
    ],
)
def test_a_wrong_input_ends_with_2_and_leaves_no_plan(folder: Path, argv: tuple[str, ...], what: str) -> None:
    code, _, err = ended(*argv)
    assert code == 2
    assert what in err
    assert not (folder / "s3c-out" / "plan.json").exists()


def test_without_a_fleet_it_says_what_to_do(folder: Path) -> None:
    (folder / "fleet.yaml").unlink()
    code, _, err = ended()
    assert code == 2
    assert "there is no fleet.yaml" in err


def test_credentials_go_to_one_registry_only(folder: Path) -> None:
    (folder / "fleet.yaml").write_text("version: 1\nimages: [{image: a.example/x:1}, {image: b.example/x:1}]\n")
    code, _, err = ended("--registry-username", "me", S3C_REGISTRY_PASSWORD="secret")
    assert code == 2
    assert "the images may be in several registries (a.example, b.example)" in err
    (folder / "fleet.yaml").write_text("version: 1\nimages: [{image: a.example/x:1}]\n")
    code, _, err = ended(
        *("--registry-username", "me", "--publish", "oci://c.example/fleet:1"), S3C_REGISTRY_PASSWORD="secret"
    )
    assert code == 2
    assert "the images may be in several registries (a.example, c.example)" in err


def test_a_policy_that_the_fleet_names_is_read_and_listed(folder: Path) -> None:
    (folder / "fleet.yaml").write_text("version: 1\nimages: [{image: a.example/x:1, policy: p.yaml}]\n")
    code, _, err = ended("--snapshot", "snapshot.json")
    assert code == 2
    assert "p.yaml cannot be read" in err
    (folder / "p.yaml").write_text("version: 1\n")
    ended("--snapshot", "snapshot.json")
    document = json.loads((folder / "s3c-out" / "result.json").read_text())
    assert [(file["kind"], file["path"]) for file in document["settings"]] == [
        ("fleet", "fleet.yaml"),
        ("policy", "p.yaml"),
    ]


def test_images_of_manifests_are_planned_and_what_they_leave_open_is_reported(folder: Path) -> None:
    (folder / "k8s").mkdir()
    containers = "[{name: a, image: %s}, {name: b, image: %s}]"
    pod = f"apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec: {{containers: {containers}}}\n"
    (folder / "k8s" / "pod.yaml").write_text(pod % ("registry.example/team/app1:1.1", '"registry.example/x:${TAG}"'))
    (folder / "fleet.yaml").write_text("version: 1\nimages: [{manifests: [k8s/]}, {manifests: [gone/]}]\n")
    code, _, err = ended("--snapshot", "snapshot.json", "--output", "plan.json")
    plan = plans.read(folder / "plan.json")
    assert code == 2, err
    assert [image.names for image in plan.images] == [("registry.example/team/app1:1.1",)]
    assert [entry.image for entry in plan.unplanned] == ["manifests (gone/)", "registry.example/x:${TAG}"]
