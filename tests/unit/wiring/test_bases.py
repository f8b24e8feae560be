"""From inputs and policy to what finds a base."""

from __future__ import annotations

from typing import Any

import pytest

from s3c_actions.core.errors import InputError
from s3c_actions.options.declare import read
from s3c_actions.options.scan import ScanInputs
from s3c_actions.policy.finding_rules import FindingRules
from s3c_actions.policy.model import Policy
from s3c_actions.registry import Registry
from s3c_actions.registry.credentials import Logins
from s3c_actions.wiring.bases import create_finder

POLICY = Policy(version=1, findings=FindingRules(bases=("docker.io/library/*",)))
REGISTRY = Registry(Logins(environment={}))


def given(**values: str) -> Any:
    return read(ScanInputs, {"image": "app", **values}, {}, lambda _notice: None)


def test_without_a_base_nothing_is_looked_up() -> None:
    assert create_finder(given(), None, REGISTRY, dockerfile="FROM debian:12") is None


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
