"""What a constraint looks at, by kinds, namespaces and labels."""

from __future__ import annotations

import pytest

from s3c_actions.cluster.gate.matching import (
    excluded_namespaces,
    exempt_namespaces,
    matches_kind,
    matches_namespace,
    selector_matches,
)
from tests.unit.cluster.gate.test_inspection import facts


def test_selectors():
    labels = {"a": "1", "b": "2"}
    assert selector_matches({}, labels)
    assert selector_matches({"matchExpressions": [{"key": "a", "operator": "In", "values": ["1"]}]}, labels)
    assert selector_matches({"matchExpressions": [{"key": "c", "operator": "NotIn", "values": ["1"]}]}, labels)
    assert selector_matches({"matchExpressions": [{"key": "c", "operator": "DoesNotExist"}]}, labels)
    assert not selector_matches({"matchExpressions": [{"key": "c", "operator": "Exists"}]}, labels)
    assert not selector_matches({"matchExpressions": [{"key": "a", "operator": "Gt", "values": ["0"]}]}, labels)


@pytest.mark.parametrize(
    ("match", "pairs"),
    [
        ({}, [("", "Pod"), ("apps", "Deployment"), ("argoproj.io", "Rollout")]),
        ({"kinds": [{"apiGroups": [""], "kinds": ["Pod"]}]}, [("", "Pod")]),
        ({"kinds": [{"apiGroups": ["apps"], "kinds": ["*"]}]}, [("apps", "Deployment")]),
        ({"kinds": [{"apiGroups": ["*"], "kinds": ["Rollout", "Pod"]}]}, [("", "Pod"), ("argoproj.io", "Rollout")]),
        ({"kinds": [{"apiGroups": ["apps"], "kinds": ["Pod"]}]}, []),
    ],
)
def test_a_constraint_looks_at_the_kinds_it_names_in_the_groups_it_names(match, pairs):
    every = [("", "Pod"), ("apps", "Deployment"), ("argoproj.io", "Rollout")]
    assert [pair for pair in every if matches_kind({"spec": {"match": match}}, *pair)] == pairs


@pytest.mark.parametrize(
    ("match", "namespaces"),
    [
        ({}, ["shop", "shop-test"]),
        ({"namespaces": ["shop"]}, ["shop"]),
        ({"namespaces": ["shop*"], "excludedNamespaces": ["*-test"]}, ["shop"]),
        ({"namespaceSelector": {"matchLabels": {"team": "a"}}}, ["shop"]),
        ({"labelSelector": {"matchLabels": {"a": "b"}}}, []),
        ({"name": "web"}, []),
        ({"scope": "Cluster"}, []),
    ],
)
def test_a_constraint_that_looks_at_some_objects_of_a_namespace_does_not_look_at_it(match, namespaces):
    labels = {"shop": {"team": "a"}, "shop-test": {}}
    constraint = {"metadata": {"name": "own"}, "spec": {"match": match}}
    assert [name for name in labels if matches_namespace(constraint, name, labels[name])] == namespaces
    exempt = exempt_namespaces(facts(namespaces=labels), [{}], [constraint])
    assert sorted(labels.keys() - exempt.keys()) == namespaces
    assert set(exempt.values()) <= {"the constraint own does not match it"}


def test_excluded_is_what_every_constraint_leaves_out_by_its_whole_name():
    first, second = (
        {"spec": {"match": {"excludedNamespaces": names}}}
        for names in (["gatekeeper-system", "calico-system", "team-*", "kube-system"], ["kube-system", "team-*"])
    )
    assert excluded_namespaces([first]) == ["calico-system", "kube-system"]
    assert excluded_namespaces([first, second]) == ["kube-system"]
    assert excluded_namespaces([first, {"spec": {}}]) == []
    assert excluded_namespaces([]) == []
