"""Outside programs are waited for without delay, and none outlives who started it."""

import os
import time
from pathlib import Path

import pytest

from s3c_actions.errors import OutsideError
from s3c_actions.process import ProgramFailed, ProgramTimedOut, Runner

RUNNER = Runner({"PATH": os.environ["PATH"]})
# Tells its own process id and its child's, then waits.
WAITS = 'sleep 300 & echo "$$ $!" >"$1"; echo waiting >&2; wait'


def alive(pid: int) -> bool:
    """Whether the process runs: a zombie, which nobody has asked for its exit code yet, does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def told(path: Path) -> list[int]:
    """The process ids in the file, once they are there."""
    for _ in range(500):
        if path.exists() and (ids := path.read_text().split()):
            return [int(one) for one in ids]
        time.sleep(0.02)
    raise AssertionError(f"{path} stays empty")


def gone(path: Path) -> bool:
    """Whether both processes have ended, some time for their end included."""
    ids = told(path)
    for _ in range(250):
        if not any(map(alive, ids)):
            return True
        time.sleep(0.02)
    return False


def test_both_streams_the_input_and_the_code_are_had():
    ended = RUNNER.run(["sh", "-c", "cat; echo aside >&2; exit 3"], stdin="given", check=False, timeout=60)
    assert (ended.code, ended.stdout, ended.stderr) == (3, "given", "aside\n")
    with pytest.raises(ProgramFailed, match="sh ended with exit code 3"):
        RUNNER.run(["sh", "-c", "exit 3"])


def test_what_runs_too_long_is_ended_with_its_children(tmp_path):
    with pytest.raises(ProgramTimedOut, match="sh did not finish within 1 s") as caught:
        RUNNER.run(["sh", "-c", WAITS, "sh", tmp_path / "ids"], timeout=1)
    assert "waiting" in caught.value.original
    assert gone(tmp_path / "ids")


def test_something_else_is_done_while_a_program_runs(tmp_path):
    go = tmp_path / "go"
    with RUNNER.running(["sh", "-c", 'until [ -e "$1" ]; do sleep 0.01; done; echo went', "sh", go]) as ended:
        go.touch()
        assert ended().stdout == "went\n"


@pytest.mark.parametrize("raised", [KeyboardInterrupt, ValueError])
def test_a_program_ends_with_its_block_whatever_ends_that(tmp_path, raised):
    with pytest.raises(raised), RUNNER.running(["sh", "-c", WAITS, "sh", tmp_path / "ids"]):
        told(tmp_path / "ids")
        raise raised
    assert gone(tmp_path / "ids")


def test_in_the_background_it_runs_until_the_block_ends(tmp_path):
    log = tmp_path / "log"
    with RUNNER.background(["sh", "-c", WAITS, "sh", tmp_path / "ids"], log=log) as code:
        told(tmp_path / "ids")
        assert code() is None
    assert gone(tmp_path / "ids")
    assert log.read_text() == "waiting\n"


def test_what_the_program_left_in_the_background_ends_too(tmp_path):
    script = 'sleep 300 & echo "$$ $!" >"$1"'
    with RUNNER.background(["sh", "-c", script, "sh", tmp_path / "ids"], log=tmp_path / "log") as code:
        told(tmp_path / "ids")
        while code() is None:
            time.sleep(0.02)
    assert gone(tmp_path / "ids")


def test_what_is_not_there_is_told(tmp_path):
    with pytest.raises(OutsideError, match="could not be started: No such file or directory"):
        RUNNER.run([tmp_path / "nothing"])
