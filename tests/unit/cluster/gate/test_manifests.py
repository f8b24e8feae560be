"""The gate's template: of which version the one on a cluster is."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from s3c_actions import __version__
from s3c_actions.cluster.gate import inspection, manifests
from s3c_actions.policy import export, model
from tests.unit.cluster.gate.test_inspection import RECORDED, WANTED, facts

POLICY = model.parse("version: 1\nfindings: {refuse: [CRITICAL]}\n")


def served(document: dict[str, Any]) -> dict[str, Any]:
    """As the cluster returns it."""
    live = copy.deepcopy(document)
    live["metadata"] |= {"uid": "1", "resourceVersion": "2", "generation": 1}
    return live | {"status": {"created": True}}


def test_todays_template_is_this_versions_with_and_without_a_policy():
    ours = manifests.template()
    assert ours["metadata"]["annotations"][manifests.VERSION_ANNOTATION] == __version__
    assert ours["metadata"]["annotations"][manifests.TEMPLATE_ANNOTATION].startswith("sha256:")
    for document in (ours, export.constraint_template(POLICY, ours)):
        assert manifests.describe_template(served(document)) == ""
        assert document["metadata"]["annotations"][manifests.VERSION_ANNOTATION] == __version__


def test_a_template_of_an_earlier_version_is_reported_and_is_no_hole_by_itself():
    (old,) = RECORDED["templates"]
    assert "s3c gate install" in manifests.describe_template(old)
    gate = inspection.inspect(facts(templates=[old]), WANTED)
    assert gate.holes == ()
    assert manifests.describe_template(old) in gate.warnings


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("not paused", "true"),
        ('reviewed.kind == "Pod"', 'reviewed.kind == "Nothing"'),
        ("longest_pause := 14400000000000", "longest_pause := 144000000000000"),
        ("ranks :=", "ranks_ :="),
    ],
)
def test_what_was_changed_is_reported_whatever_its_annotations_say(was, becomes):
    ours = manifests.template()
    for document in (ours, export.constraint_template(POLICY, ours)):
        live = served(document)
        (target,) = live["spec"]["targets"]
        if was not in target["rego"]:
            assert document is ours
            continue
        target["rego"] = target["rego"].replace(was, becomes)
        assert "was changed" in manifests.describe_template(live)
    live = served(ours)
    del live["spec"]["crd"]["spec"]["validation"]["openAPIV3Schema"]["properties"]["pause"]
    assert "was changed" in manifests.describe_template(live)


@pytest.mark.parametrize(
    ("version", "remedy"),
    [
        ("999.0.0", "update s3c"),
        ("0.9.0", "s3c gate install"),
        ("", "s3c gate install"),
        ("x" * 500, "s3c gate install"),
    ],
)
def test_the_version_says_in_which_direction(version, remedy):
    live = served(manifests.template())
    live["spec"]["targets"][0]["rego"] += "\n"
    live["metadata"]["annotations"][manifests.VERSION_ANNOTATION] = version
    assert remedy in manifests.describe_template(live)


def test_another_template_is_not_the_gates():
    other = served(manifests.template())
    other["metadata"]["name"] = "labels"
    other["spec"]["targets"] = []
    assert manifests.describe_template(other) == ""
