"""The images of loaded objects are those that are found in their text."""

from __future__ import annotations

import pytest

from s3c_actions.cluster import image_paths, loaded_images, manifests

POD = "{containers: [{name: a, image: r.test/a}], volumes: [{name: v, image: {reference: r.test/v}}, {name: e}]}"
META = "metadata: {name: x}"


@pytest.mark.parametrize(
    ("text", "paths", "expected"),
    [
        (f"apiVersion: v1\nkind: Pod\n{META}\nspec: {POD}\n", (), ["r.test/a", "r.test/v"]),
        (
            f"apiVersion: batch/v1\nkind: CronJob\n{META}\n"
            f"spec: {{jobTemplate: {{spec: {{template: {{spec: {POD}}}}}}}}}\n",
            (),
            ["r.test/a", "r.test/v"],
        ),
        (
            f"apiVersion: argoproj.io/v1alpha1\nkind: Workflow\n{META}\n"
            "spec: {image: r.test/c, templates: [{container: {image: r.test/b}}]}\n",
            (),
            ["r.test/b"],
        ),
        (
            f"apiVersion: d.test/v1\nkind: Database\n{META}\nspec: {{image: r.test/d, other: {{image: r.test/e}}}}\n",
            ("Database.d.test=spec.image",),
            ["r.test/d"],
        ),
        (f"apiVersion: v1\nkind: ConfigMap\n{META}\ndata: {{image: r.test/a}}\n", (), []),
    ],
)
def test_the_places_are_those_of_the_finder(text, paths, expected):
    given = image_paths.parse_all(paths)
    (document,) = manifests.parse_objects(text, "app.yaml")
    assert sorted(loaded_images.find_images(document, given)) == expected
    uses = manifests.parse(text, source="app.yaml", image_paths=given).uses
    assert sorted(use.image for use in uses) == expected
