"""From inputs and policy to what finds a base, and to whose findings close the gate."""

from __future__ import annotations

from typing import Any

import pytest

from s3c_actions.core.errors import InputError
from s3c_actions.findings.model import Severity
from s3c_actions.findings.threshold import Threshold
from s3c_actions.options.declare import read
from s3c_actions.options.scan import ScanInputs
from s3c_actions.policy.finding_rules import FindingRules
from s3c_actions.policy.model import Policy
from s3c_actions.registry import Registry
from s3c_actions.registry.credentials import Logins
from s3c_actions.wiring.bases import create_finder, with_scope

GATE = Threshold(Severity.HIGH)
POLICY = Policy(version=1, findings=FindingRules(bases=("docker.io/library/*",)))
REGISTRY = Registry(Logins(environment={}))


def given(**values: str) -> Any:
    return read(ScanInputs, {"image": "app", **values}, {}, lambda _notice: None)


def test_without_a_base_all_findings_count_and_nothing_is_looked_up() -> None:
    assert with_scope(GATE, given(), None) == GATE
    assert create_finder(given(), None, REGISTRY, dockerfile="FROM debian:12") is None


def test_own_findings_need_a_base() -> None:
    with pytest.raises(InputError, match="no image counts as a base"):
        with_scope(GATE, given(scope="own"), None)
    gate = with_scope(GATE, given(**{"scope": "own", "base-image": "debian:12"}), None)
    assert (gate.own_only, gate.bases) == (True, ("debian:12",))


@pytest.mark.parametrize("entry", ["*", "*/base", "debian:12,r?.example/*"])
def test_own_findings_need_a_base_of_a_known_registry(entry: str) -> None:
    with pytest.raises(InputError, match="is of any registry"):
        with_scope(GATE, given(**{"scope": "own", "base-image": entry}), None)
    assert with_scope(GATE, given(**{"base-image": entry}), None).own_only is False


def test_a_policy_has_a_scope_of_its_own() -> None:
    with pytest.raises(InputError, match="given beside a policy"):
        with_scope(GATE, given(**{"scope": "own", "base-image": "debian:12"}), POLICY)
    gate = with_scope(GATE, given(**{"base-image": "debian:12"}), Policy(version=1))
    assert (gate.own_only, gate.bases) == (False, ("debian:12",))


def test_the_policys_bases_decide_and_inputs_name_candidates() -> None:
    finder = create_finder(given(**{"base-image": "evil.example/x"}), POLICY, REGISTRY, dockerfile="FROM debian:12")
    assert finder is not None
    assert (finder.allowed, finder.given, finder.written) == (
        ("docker.io/library/*",),
        ("evil.example/x",),
        ("debian:12",),
    )


@pytest.mark.parametrize("text", ["https://x/y", "a b*", "*@sha256:0", "app:", "x" * 301 + "*"])
def test_what_is_no_reference_nor_pattern_is_an_error(text: str) -> None:
    with pytest.raises(InputError, match="base-image"):
        given(**{"base-image": text})
