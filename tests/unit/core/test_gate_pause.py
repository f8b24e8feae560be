"""A pause of the gate: what counts as one, by the rules that the constraint's Rego has too."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from s3c_actions.core.gate_pause import MAX_LENGTH, MAX_REASON, GatePause, PauseState
from s3c_actions.core.moments import format_moment
from tests.support import ROOT

NOW = datetime(2026, 11, 29, 12, 0, 0, tzinfo=UTC)
TEMPLATE = (ROOT / "manifests" / "gatekeeper" / "template.yaml").read_text()


def constraint(pause: object) -> dict[str, Any]:
    return {"metadata": {"name": "ratify-verification"}, "spec": {"parameters": {"pause": pause}}}


def pause(since: timedelta, until: timedelta, reason: str = "registry down") -> dict[str, str]:
    return {"since": format_moment(NOW + since), "until": format_moment(NOW + until), "reason": reason}


MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
GOOD = pause(-MINUTE, MINUTE)
STATES: list[tuple[Any, PauseState]] = [
    (GOOD, PauseState.ACTIVE),
    (pause(timedelta(), MINUTE), PauseState.ACTIVE),
    (pause(-HOUR, 3 * HOUR), PauseState.ACTIVE),
    (pause(-MINUTE, timedelta()), PauseState.ENDED),
    (pause(MINUTE, HOUR), PauseState.PENDING),
    (pause(-HOUR, 3 * HOUR + timedelta(seconds=1)), PauseState.VOID),
    (pause(MINUTE, -MINUTE), PauseState.VOID),
    (pause(-MINUTE, MINUTE, " \n\u2003"), PauseState.VOID),
    ({**GOOD, "reason": 5}, PauseState.VOID),
    ({**GOOD, "since": "2026-11-29T11:00:00+00:00"}, PauseState.VOID),
    ({**GOOD, "since": "2026-11-29T11:00:00.5Z"}, PauseState.VOID),
    ({**GOOD, "since": "2026-11-31T11:00:00Z"}, PauseState.VOID),
    ({**GOOD, "since": "2027-02-29T11:00:00Z"}, PauseState.VOID),
    ({**GOOD, "since": "2026-11-29T24:00:00Z"}, PauseState.VOID),
    ({**GOOD, "since": "yesterday"}, PauseState.VOID),
    ({**GOOD, "since": 1796040000}, PauseState.VOID),
    ({**GOOD, "until": "9999-12-31T23:59:59Z"}, PauseState.VOID),
    ({**GOOD, "until": None}, PauseState.VOID),
    ({}, PauseState.VOID),
    ("30m", PauseState.VOID),
    (True, PauseState.VOID),
    ([GOOD], PauseState.VOID),
]
"""What may stand in a constraint, and what it does at NOW; tests/contract/test_template.py has the Rego judge it."""


@pytest.mark.parametrize(("written", "state"), STATES)
def test_what_a_pause_does_at_a_moment(written, state):
    read = GatePause.of(constraint(written))
    assert read is not None
    assert read.constraint == "ratify-verification"
    assert read.state(NOW) is state
    sentence = read.describe(NOW)
    assert sentence.endswith(".")
    assert ("has no effect" in sentence) is (state is PauseState.VOID)
    assert ("is paused" in sentence) is (state is PauseState.ACTIVE)


@pytest.mark.parametrize("without", [constraint(None), {"spec": {}}, {"spec": {"parameters": {}}}, {"spec": None}, {}])
def test_a_constraint_without_a_pause(without):
    assert GatePause.of(without) is None


def test_the_rego_has_the_same_limit():
    (limit,) = re.findall(r"longest_pause := ([0-9]+)\n", TEMPLATE)
    assert timedelta(microseconds=int(limit) // 1000) == MAX_LENGTH
    assert f"maxLength: {MAX_REASON}\n" in TEMPLATE
