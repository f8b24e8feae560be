"""What a signal does to a demo, and when what Go compiled is removed."""

import os
import signal
import time
from pathlib import Path

import pytest

from s3c_actions.core.process import Runner
from s3c_actions.core.progress import Silent
from s3c_lab.demo import _caches_discarded, _interrupted_once
from s3c_lab.machine import Machine


class Recorded(Silent):
    def __init__(self):
        self.lines = []

    def notice(self, text):
        self.lines.append(text)


@pytest.fixture
def machine():
    return Machine(runner=Runner({}), progress=Recorded(), cache=Path("/nonexistent"))


@pytest.fixture(autouse=True)
def heeded():
    """No signal is ignored, as those of a shell's background or of nohup are; afterwards all are as before."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    for number, handler in before.items():
        if handler == signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_interrupts_and_those_after_it_are_answered(machine, number):
    done = []
    with pytest.raises(KeyboardInterrupt), _interrupted_once(machine):
        try:
            os.kill(os.getpid(), number)
        finally:
            for again in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                os.kill(os.getpid(), again)
            done.append("cleaned up")
    assert done == ["cleaned up"]
    assert signal.getsignal(number) == signal.SIG_IGN, "until the process ends"
    assert machine.progress.lines == ["the lab is being taken down: a moment"] * 3


def test_once_it_is_taken_down_no_signal_interrupts(machine):
    with _interrupted_once(machine) as hold:
        hold()
        os.kill(os.getpid(), signal.SIGINT)
    assert len(machine.progress.lines) == 1


def test_afterwards_signals_do_what_they_did_before(machine):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    with pytest.raises(ValueError, match="x"), _interrupted_once(machine):
        raise ValueError("x")
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before


def test_a_signal_that_is_ignored_stays_ignored(machine):
    """As under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with _interrupted_once(machine):
            os.kill(os.getpid(), signal.SIGHUP)
            assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
    assert machine.progress.lines == []


@pytest.mark.parametrize("meanwhile", [True, False])
def test_what_go_compiled_is_removed_beside_the_node_unless_something_has_to_be_built_again(tmp_path, meanwhile):
    compiled = tmp_path / "go" / "build"
    compiled.mkdir(parents=True)
    with _caches_discarded(tmp_path, meanwhile=meanwhile):
        deadline = time.monotonic() + 30
        while meanwhile and compiled.exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert compiled.exists() is not meanwhile
    assert not compiled.exists()


def test_what_go_compiled_is_kept_for_the_next_try_when_the_node_could_not_be_brought(tmp_path):
    (tmp_path / "go").mkdir()
    with pytest.raises(ValueError, match="not brought"), _caches_discarded(tmp_path, meanwhile=False):
        raise ValueError("not brought")
    assert (tmp_path / "go").exists()
