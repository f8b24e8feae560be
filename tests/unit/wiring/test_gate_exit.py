"""The inputs of `gate pause` and `gate uninstall`: what has to be given, and what is asked for at a terminal."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest

from s3c_actions.core.errors import InputError
from s3c_actions.options import declare
from s3c_actions.options.gate import GateInputs
from s3c_actions.steps.pause_gate import PauseSettings
from s3c_actions.wiring import gate_exit


def given(task: str, **flags: str) -> GateInputs:
    named = {name.replace("_", "-").rstrip("-"): value for name, value in flags.items()}
    return declare.read(GateInputs, {"task": task, **named}, {}, lambda _old: None)


@pytest.mark.parametrize(
    ("length", "parsed"), [("30m", 30), ("1m", 1), ("4h", 240), ("90.5s", 1.5), ("1h30m", 90), ("60", 1)]
)
def test_a_pause(length, parsed):
    read = gate_exit.read_pause(given("pause", for_=length, reason=" registry\ndown, INC-7 "))
    assert read == PauseSettings(length=timedelta(minutes=parsed), reason="registry down, INC-7")
    assert gate_exit.read_pause(given("pause", end="true")) == PauseSettings(length=None)


@pytest.mark.parametrize(
    ("flags", "field"),
    [
        ({}, "for"),
        ({"for_": "30m"}, "reason"),
        ({"reason": "x"}, "for"),
        ({"end": "true", "for_": "30m"}, "for"),
        ({"end": "true", "reason": "x"}, "reason"),
        ({"for_": "59s", "reason": "x"}, "for"),
        ({"for_": "4h1s", "reason": "x"}, "for"),
        ({"for_": "soon", "reason": "x"}, "for"),
        ({"for_": "30m", "reason": "  "}, "reason"),
        ({"for_": "30m", "reason": "x" * 501}, "reason"),
        ({"for_": "30m", "reason": "\x1b[2J"}, "reason"),
    ],
)
def test_what_no_pause_is(flags, field):
    with pytest.raises(InputError) as raised:
        gate_exit.read_pause(given("pause", **flags))
    assert raised.value.field == field


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_nothing_is_removed_without_a_yes(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    with pytest.raises(InputError, match="no terminal") as raised:
        gate_exit.confirm_uninstall(given("uninstall"))
    assert raised.value.field == "yes"
    gate_exit.confirm_uninstall(given("uninstall", yes="true"))
    gate_exit.confirm_uninstall(given("uninstall", yes="true"), "https://cluster.test")
    for answer in ("n\n", "\n", "", "yesterday\n"):
        monkeypatch.setattr("sys.stdin", Terminal(answer))
        gate_exit.confirm_uninstall(given("uninstall"))
        with pytest.raises(InputError, match="the answer was no"):
            gate_exit.confirm_uninstall(given("uninstall"), "https://cluster.test")
    for answer in ("y\n", "YES\n"):
        monkeypatch.setattr("sys.stdin", Terminal(answer))
        gate_exit.confirm_uninstall(given("uninstall"), "https://cluster.test")
    assert "Remove the gate of https://cluster.test?" in capsys.readouterr().err
