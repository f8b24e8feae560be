"""Which images a deployment resolves, replaces, reports and refuses; no cluster and no registry."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from s3c_actions.cluster import image_paths, manifests
from s3c_actions.cluster.images import Replacement
from s3c_actions.core.errors import InputError
from s3c_actions.core.progress import Silent
from s3c_actions.result.model import DeployResult
from s3c_actions.steps.deploy import deploy
from s3c_actions.steps.deploy.settings import DeploySettings, DeployTools

DIGEST = "sha256:" + "ab" * 32
APP = f"r.test/app@{DIGEST}"
POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: c, image: 'IMAGE'}]}\n---\n"
DATABASE = "apiVersion: d.test/v1\nkind: Database\nmetadata: {name: d}\nspec: {SPEC}\n---\n"


def render(folder: Path, text: str, *images: str, paths: tuple[str, ...] = (), digests: bool = False) -> DeployResult:
    given = image_paths.parse_all(paths)
    settings = DeploySettings(
        manifests=(manifests.parse(text, source="app.yaml", image_paths=given),),
        replacements=tuple(Replacement.parse(image) for image in images),
        output=folder,
        image_paths=given,
        require_digests=digests,
    )
    tools = DeployTools(resolve=None, verify=lambda _: None, signatures=lambda _: (), cluster=None, progress=Silent())
    result = deploy.run(settings, tools)[0]
    return replace(
        result, warnings=tuple(warning for warning in result.warnings if not warning.startswith("Whose signature"))
    )


def written(result: DeployResult) -> str:
    (path,) = result.manifests
    return path.read_text()


BY_TAG = {
    "a place that seems to be an image": (
        DATABASE.replace("SPEC", "image: other.test/db:15"),
        "names other.test/db:15",
    ),
    "an image in parts": (
        DATABASE.replace("SPEC", "image: {repository: other.test/db, tag: '15'}"),
        "names other.test/db:15 by tag: it is given in parts",
    ),
    "an image that is filled in": (POD.replace("IMAGE", " ").replace("Pod", "Deployment").replace(
        "spec: {", "spec: {template: {spec: {").replace("}]}", "}]}}}"), "has no image"),
    "a variable in a custom kind": (
        "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nmetadata: {name: w}\n"
        "spec: {templates: [{container: {image: '{{inputs.parameters.image}}'}}]}\n---\n",
        "is filled in later",
    ),
    "an environment variable": (
        POD.replace("image: 'IMAGE'", f"image: '{APP}', env: [{{name: A, value: r.test/app:1}}]"),
        "names r.test/app:1 by tag: it is not a place of an image",
    ),
}  # fmt: skip


def test_an_object_with_an_image_that_was_not_found_in_its_text_is_refused(tmp_path, monkeypatch):
    text = POD.replace("IMAGE", APP)
    assert render(tmp_path, text, APP).admissions

    def load(*_: object) -> object:
        yield {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [{"image": "o"}]}}

    # As a loader that reads the text in another way.
    monkeypatch.setattr(manifests, "parse_objects", load)
    with pytest.raises(InputError, match=r"app\.yaml: Pod p would run o, which was not found in the text"):
        render(tmp_path / "other", text, APP)
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(("text", "sentence"), BY_TAG.values(), ids=BY_TAG)
def test_what_stays_without_a_digest_is_reported_or_refused(tmp_path, text, sentence):
    result = render(tmp_path, text, APP)
    (warning,) = [warning for warning in result.warnings if "deployed nowhere" not in warning]
    assert warning.startswith("app.yaml, line ")
    assert sentence in warning
    with pytest.raises(InputError, match=r"manifests: app\.yaml, line") as error:
        render(tmp_path, text, APP, digests=True)
    assert sentence in str(error.value)
    assert "image-paths" in error.value.remedy


def test_what_is_not_an_image_is_excluded(tmp_path):
    text = DATABASE.replace("SPEC", "image: ubuntu-22.04:x") + POD.replace("IMAGE", "r.test/app:1")
    result = render(tmp_path, text, APP, paths=("!Database.d.test=spec.image",), digests=True)
    assert result.warnings == ()
    assert written(result) == text.replace("r.test/app:1", APP)


def test_a_given_image_takes_the_place_of_every_use(tmp_path):
    text = "".join(
        (
            POD.replace("IMAGE", "r.test/app:old"),
            POD.replace("IMAGE", f"r.test/app:old@sha256:{'0' * 64}"),
            POD.replace("IMAGE", "r.test/app:${TAG}"),
            DATABASE.replace("SPEC", "image: 'r.test/app:1', sidecarImage: 'r.test/app'"),
        )
    )
    result = render(tmp_path, text, f"r.test/app:new@{DIGEST}", digests=True)
    assert [admission.reference for admission in result.admissions] == [APP] * 5
    assert sum(len(admission.places) for admission in result.admissions) == 5
    assert written(result).count(f"'{APP}'") == 5


def test_an_image_by_digest_in_a_custom_kind_is_verified_and_known_elsewhere(tmp_path):
    text = DATABASE.replace("SPEC", f"image: other.test/db@{DIGEST}, toolImage: 'r.test/app:1'")
    result = render(tmp_path, text + POD.replace("IMAGE", "r.test/app:1"), APP, digests=True)
    assert {admission.reference for admission in result.admissions} == {APP, f"other.test/db@{DIGEST}"}
    assert "toolImage: '" + APP in written(result)


def test_a_placeholder_that_nothing_replaces_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"app\.yaml, line 4 \(Pod p, container c\).*is not a tag"):
        render(tmp_path, POD.replace("IMAGE", "r.test/other:${TAG}"), APP)


def test_a_tag_that_matches_nothing_of_its_repository_is_refused(tmp_path):
    text = POD.replace("IMAGE", f"r.test/app:1@{DIGEST}")
    with pytest.raises(InputError, match=r"image: the manifests use no image r\.test/app:2, but another tag"):
        render(tmp_path, text, f"r.test/app:2={APP}")
    (warning,) = render(tmp_path, text, f"r.test/none={APP}").warnings
    assert warning == f"The manifests use no image r.test/none: {APP} is deployed nowhere."
