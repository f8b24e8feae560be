"""From inputs and policy to the gate: what closes it, and whose findings it counts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from s3c_actions.core.errors import InputError
from s3c_actions.core.progress import Silent
from s3c_actions.findings.model import Severity
from s3c_actions.findings.threshold import Threshold
from s3c_actions.options.declare import read
from s3c_actions.options.scan import ScanInputs
from s3c_actions.policy.finding_rules import FindingRules
from s3c_actions.policy.model import Policy
from s3c_actions.wiring.gating import policy_from_inputs, threshold_from_inputs, with_scope
from tests.support.contexts import create_context


class RecordedNotices(Silent):
    def __init__(self) -> None:
        self.notices: list[str] = []

    def notice(self, text: str) -> None:
        self.notices.append(text)


GATE = Threshold(Severity.HIGH)
POLICY = Policy(version=1, findings=FindingRules(bases=("docker.io/library/*",)))


def given(**values: str) -> Any:
    return read(ScanInputs, {"image": "app", **values}, {}, lambda _notice: None)


def test_without_a_base_all_findings_count() -> None:
    assert with_scope(GATE, given(), None) == GATE


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


@pytest.mark.parametrize(("flags", "fail_on"), [({}, Severity.HIGH), ({"fail-on": "CRITICAL"}, Severity.CRITICAL)])
def test_exit_code_without_fail_on_closes_the_gate_by_what_is_shown(
    flags: dict[str, str], fail_on: Severity, tmp_path: Path
) -> None:
    progress = RecordedNotices()
    context = create_context(tmp_path, progress=progress)
    gate = threshold_from_inputs(given(**{"exit-code": "1", **flags}), context, ("CRITICAL", "HIGH"))
    assert (gate.fail_on, len(progress.notices)) == (fail_on, not flags)


def test_a_policy_takes_the_place_of_the_threshold(tmp_path: Path) -> None:
    file = tmp_path / "s3c-policy.yaml"
    file.write_text("version: 1\nfindings: {refuse: [LOW], deny: [CVE-2026-1]}\n")
    options = given(policy=str(file))
    gate = threshold_from_inputs(options, create_context(tmp_path), ("HIGH",))
    assert (gate.fail_on, gate.refuse, gate.deny) == (None, frozenset({Severity.LOW}), frozenset({"CVE-2026-1"}))
    for name, value in (("fail-on", "HIGH"), ("fixable-only", "true")):
        with pytest.raises(InputError, match="given beside a policy") as error:
            policy_from_inputs(given(policy=str(file), **{name: value}))
        assert error.value.field == name
