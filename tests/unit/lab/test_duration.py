"""What the demo says at its start of how long it takes."""

import pytest

from s3c_actions.core.process import Runner
from s3c_actions.core.progress import Silent
from s3c_lab import duration
from s3c_lab.machine import Machine
from s3c_lab.node.programs import GATE, NODE


@pytest.fixture
def machine(tmp_path):
    environment = {"PATH": str(tmp_path), "HOME": str(tmp_path), "S3C_STATE": str(tmp_path / "state")}
    return Machine(runner=Runner(environment=environment), progress=Silent(), cache=tmp_path / "cache")


def test_every_time_is_of_a_program_that_a_demo_needs():
    assert duration.BUILD_SECONDS.keys() <= {pin.name for pin in (*duration.CHAIN, *NODE, *GATE)}


def test_on_a_new_machine_minutes_and_reason_are_named(machine):
    chain, cluster = (duration.expect(machine, cluster=cluster) for cluster in (False, True))
    assert chain.startswith("Not on this machine yet: 5 of the programs (trivy, copa, notation, buildkitd, trivy-db).")
    assert "up to 9 min on two idle cores" in chain
    assert f": {5 + len(NODE) + len(GATE)} of the programs (" in cluster
    assert "up to 24 min" in cluster
    assert "run the same command again" in cluster


def test_what_is_there_takes_no_time(machine, monkeypatch):
    monkeypatch.setattr(duration, "missing", lambda pins, _: tuple(pin for pin in pins if pin.name == "copa"))
    assert "yet: 1 of the programs (copa). " in duration.expect(machine, cluster=True)
    monkeypatch.setattr(duration, "missing", lambda *_: ())
    assert duration.expect(machine, cluster=True) == ""
