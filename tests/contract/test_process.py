"""Outside programs are waited for without delay, and none outlives who started it."""

import io
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from s3c_actions.cli.console import LogProgress
from s3c_actions.core.concurrency import for_each
from s3c_actions.core.errors import OutsideError
from s3c_actions.core.process import ProgramFailed, ProgramTimedOut, Runner, interrupt
from s3c_actions.core.progress import RoutedProgress, showing
from tests.support.processes import await_process_ids, gone

ROOT = Path(__file__).resolve().parent.parent.parent
RUNNER = Runner({"PATH": os.environ["PATH"]})
# Tells its own process id and its child's, then waits.
WAITS = 'sleep 300 & echo "$$ $!" >"$1"; echo waiting >&2; wait'


def test_both_streams_the_input_and_the_code_are_had():
    ended = RUNNER.run(["sh", "-c", "cat; echo aside >&2; exit 3"], stdin="given", check=False, timeout=60)
    assert (ended.code, ended.stdout, ended.stderr) == (3, "given", "aside\n")
    with pytest.raises(ProgramFailed, match="sh ended with exit code 3"):
        RUNNER.run(["sh", "-c", "exit 3"])


def test_what_is_being_imported_comes_to_its_end_before_python_ends(tmp_path):
    code = """
import pathlib, sys, threading, time
from s3c_actions.core import startup
began = threading.Event()
startup.warm("json", then=lambda: (began.set(), time.sleep(0.5), pathlib.Path(sys.argv[1]).touch()))
began.wait()
"""
    subprocess.run([sys.executable, "-c", code, tmp_path / "ended"], cwd=ROOT, check=True, timeout=60)
    assert (tmp_path / "ended").exists()


def test_what_runs_too_long_is_ended_with_its_children(tmp_path):
    with pytest.raises(ProgramTimedOut, match="sh did not finish within 3 s") as caught:
        RUNNER.run(["sh", "-c", WAITS, "sh", tmp_path / "ids"], timeout=3)
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
        await_process_ids(tmp_path / "ids")
        raise raised
    assert gone(tmp_path / "ids")


def test_in_the_background_it_runs_until_the_block_ends(tmp_path):
    log = tmp_path / "log"
    with RUNNER.background(["sh", "-c", WAITS, "sh", tmp_path / "ids"], log=log) as code:
        await_process_ids(tmp_path / "ids")
        assert code() is None
    assert gone(tmp_path / "ids")
    assert log.read_text() == "waiting\n"


def test_what_the_program_left_in_the_background_ends_too(tmp_path):
    script = 'sleep 300 & echo "$$ $!" >"$1"'
    with RUNNER.background(["sh", "-c", script, "sh", tmp_path / "ids"], log=tmp_path / "log") as code:
        await_process_ids(tmp_path / "ids")
        while code() is None:
            time.sleep(0.02)
    assert gone(tmp_path / "ids")


def test_a_program_does_not_outlive_us_when_its_block_was_entered_and_is_never_left(tmp_path):
    """As when a signal comes between a context's entry and what follows it: the exception's traceback keeps it."""
    ours = (
        "import builtins, os, sys, time\n"
        "from s3c_actions.core.process import Runner\n"
        "builtins.kept = Runner(dict(os.environ)).running(['sh', '-c', sys.argv[1], 'sh', sys.argv[2]])\n"
        "kept.__enter__()\n"
        "while not os.path.exists(sys.argv[2]): time.sleep(0.02)\n"
        "sys.exit(7)\n"
    )
    argv = [sys.executable, "-c", ours, WAITS, tmp_path / "ids"]
    assert RUNNER.run(argv, extra={"PYTHONPATH": str(ROOT)}, check=False, timeout=60).code == 7
    assert gone(tmp_path / "ids")


def test_an_interruption_ends_what_another_thread_waits_for(tmp_path):
    with ThreadPoolExecutor(1) as pool:
        waited = pool.submit(RUNNER.run, ["sh", "-c", WAITS, "sh", tmp_path / "ids"])
        await_process_ids(tmp_path / "ids")
        interrupt()
        with pytest.raises(ProgramFailed):
            waited.result(timeout=60)
    assert gone(tmp_path / "ids")


def test_an_interruption_ends_a_program_that_is_just_being_started(tmp_path, monkeypatch):
    """Its process id is known to nobody yet: the program runs, and `Popen` has not returned."""
    started, interrupted, popen = threading.Event(), threading.Event(), subprocess.Popen

    def slow(*arguments, **options):
        process = popen(*arguments, **options)
        await_process_ids(tmp_path / "ids")
        started.set()
        interrupted.wait(60)
        return process

    monkeypatch.setattr(subprocess, "Popen", slow)
    with ThreadPoolExecutor(1) as pool:
        waited = pool.submit(RUNNER.run, ["sh", "-c", WAITS, "sh", tmp_path / "ids"])
        started.wait(60)
        interrupt()
        interrupted.set()
        with pytest.raises(ProgramFailed):
            waited.result(timeout=60)
    assert gone(tmp_path / "ids")


def test_of_endless_output_no_more_is_kept_than_asked_for():
    ended = RUNNER.run(["sh", "-c", "yes | head -c 30000000"], capture=100_000, timeout=60)
    assert 100_000 <= len(ended.stdout) <= 200_000


def test_a_missing_program_is_reported(tmp_path):
    with pytest.raises(OutsideError, match="could not be started: No such file or directory"):
        RUNNER.run([tmp_path / "nothing"])


def test_what_the_programs_of_images_at_once_print_is_shown_with_their_image():
    stream, turns = io.StringIO(), threading.Barrier(2, timeout=60)
    progress = RoutedProgress(LogProgress(stream, verbose=True))
    images = ("r.example/app:1", "r.example/db:2")

    def run(image):
        with showing(progress.for_image(image)):
            turns.wait()
            argv = [sys.executable, "-c", "import sys; print('hello', file=sys.stderr)"]
            Runner({}, echo=progress.note).run(argv, on_line=progress.note)

    for_each(images, run, jobs=2)
    lines = [line.strip() for line in stream.getvalue().splitlines()]
    assert sorted(line for line in lines if line.endswith(" hello")) == [f"{image}: hello" for image in images]
    assert sum(" -c " in line for line in lines) == 2


def test_an_interrupted_run_starts_no_other_program_of_its_images():
    """The program of each image is ended, and the job that waited for it does not begin the next."""
    script = """
import os, signal, sys, threading, time
from s3c_actions.__main__ import _interrupt
from s3c_actions.core.concurrency import for_each
from s3c_actions.core.process import Runner
signal.signal(signal.SIGTERM, _interrupt)
begun = threading.Semaphore(0)
def do(item):
    for _ in range(50):
        print("begun", flush=True)
        begun.release()
        Runner({"PATH": os.environ["PATH"]}).run(["sleep", "30"], check=False)
def end():
    for _ in range(3):
        begun.acquire()
    time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGTERM)
threading.Thread(target=end, daemon=True).start()
try:
    for_each(range(9), do, jobs=3)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""
    started = time.monotonic()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, env=environment, check=False
    )
    assert ended.stdout.splitlines()[-1] == "interrupted", ended.stderr
    # One more of each may be about to begin when the signal comes; it is ended too.
    assert 3 <= ended.stdout.count("begun") <= 6
    assert time.monotonic() - started < 25
