"""What the inspection finds in the sample repositories, and that nothing hostile in one has an effect."""

import os

import pytest

from s3c_actions.scaffold import inspection
from tests.support import repositories


def inspect(name, tmp_path):
    return inspection.inspect(repositories.write(name, tmp_path / name))


@pytest.mark.parametrize(
    ("name", "dockerfiles"),
    [
        ("plain", {"Dockerfile": ""}),
        (
            "monorepo",
            {
                "services/api/Dockerfile": "services/api",
                "services/web/Dockerfile": "services/web",
                "services/worker/worker.Dockerfile": "services/worker",
            },
        ),
        ("compose", {"src/docker/web.Dockerfile": "src"}),
        ("ghcr", {"build/Dockerfile": ""}),
        ("ecr", {"app/Dockerfile": "app"}),
        ("develop", {"Containerfile": ""}),
        ("kustomize", {}),
    ],
)
def test_dockerfiles_and_what_they_are_built_from(name, dockerfiles, tmp_path):
    assert {dockerfile.path: dockerfile.context for dockerfile in inspect(name, tmp_path).dockerfiles} == dockerfiles


def test_what_is_deployed_is_named_by_manifests_charts_and_compose_files(tmp_path):
    assert inspect("kustomize", tmp_path).deployed == ("nginx:1.27.3",)
    assert inspect("compose", tmp_path).deployed == ("redis:7.4",)
    assert inspect("chart", tmp_path).deployed == (
        "ghcr.io/acme/shop:1.0.0",
        "quay.io/prometheus/statsd-exporter:v0.28.0",
    )


def test_kinds_of_files(tmp_path):
    repository = inspect("kustomize", tmp_path)
    assert (repository.kustomizations, repository.manifests) == (("base", "overlays/production"), ("base/web.yaml",))
    assert inspect("chart", tmp_path).charts == ("chart",)
    assert inspect("compose", tmp_path).compose_files == ("compose.yaml",)


def test_an_image_for_windows_is_known_by_its_base(tmp_path):
    assert {dockerfile.path: dockerfile.windows for dockerfile in inspect("windows", tmp_path).dockerfiles} == {
        "linux/Dockerfile": False,
        "windows/Dockerfile": True,
    }


def test_actions_of_workflows_with_their_inputs(tmp_path):
    repository = inspect("copa-notation", tmp_path)
    assert [action.action for action in repository.actions] == [
        "anchore/scan-action",
        "project-copacetic/copa-action",
        "notaryproject/notation-action/sign",
    ]
    assert repository.actions[0].inputs == {"image": "ghcr.io/acme/shop:1.0"}


def test_links_bombs_and_tags_of_a_hostile_repository_have_no_effect(tmp_path):
    repository = inspect("hostile", tmp_path)
    assert repository.deployed == ("redis:7",)
    assert (repository.manifests, repository.actions, repository.incomplete) == ((), (), False)
    assert "etc/Dockerfile" not in {dockerfile.path for dockerfile in repository.dockerfiles}
    assert all(dockerfile.context == os.path.dirname(dockerfile.path) for dockerfile in repository.dockerfiles)  # noqa: PTH120


def test_what_is_called_dockerfile_and_is_none_is_left_out(tmp_path):
    os.mkfifo(tmp_path / "Dockerfile")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "Dockerfile").write_text("# nothing yet\n")
    for name in ("Dockerfile.j2", "Dockerfile.dockerignore", "Dockerfile.md", "web.Dockerfile.tmpl"):
        (tmp_path / "a" / name).write_text("FROM scratch\n")
    (tmp_path / "a" / "Dockerfile.api").write_text("FROM scratch\n")
    assert [dockerfile.path for dockerfile in inspection.inspect(tmp_path).dockerfiles] == ["a/Dockerfile.api"]


def test_a_fifo_and_a_huge_file_are_left_out(tmp_path):
    os.mkfifo(tmp_path / "compose.yaml")
    with (tmp_path / "app.yaml").open("wb") as file:
        file.write(b"apiVersion: v1\nkind: Pod\n")
        file.truncate(inspection.MAX_FILE_BYTES + 1)
    repository = inspection.inspect(tmp_path)
    assert (repository.compose_files, repository.manifests) == ((), ())


@pytest.mark.parametrize("limit", ["MAX_ENTRIES", "MAX_FILES", "MAX_TOTAL_BYTES"])
def test_a_limit_that_is_reached_is_reported(tmp_path, monkeypatch, limit):
    for number in range(3):
        (tmp_path / f"{number}.yaml").write_text("a: b\n")
    monkeypatch.setattr(inspection, limit, 2)
    assert inspection.inspect(tmp_path).incomplete


@pytest.mark.parametrize(
    "text", ["a: [", "? [a]\n: b", "a: 2026-13-45", "a: !!int x", "--- 1\n--- 2\n", "\0", "&a [*a]"]
)
def test_what_cannot_be_loaded_is_none(text):
    assert inspection.load_yaml(text) is None
