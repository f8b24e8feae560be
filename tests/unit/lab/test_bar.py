"""One bar for a whole: on a terminal, and as lines."""

import io
import re
import time

import pytest

from s3c_actions.core.progress import Silent
from s3c_lab.bar import BarProgress, shown_as_bar, without_bar
from s3c_lab.pieces import piece

SECONDS = {"trivy": 300.0, "chain": 100.0}


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def _able_terminal(monkeypatch):
    """rich asks the environment, too, and that of whoever runs the tests may say that nothing can be drawn."""
    monkeypatch.setenv("TERM", "xterm")


def wait_for(stream, text):
    until = time.monotonic() + 10
    while text not in stream.getvalue():
        assert time.monotonic() < until, stream.getvalue()
        time.sleep(0.005)


def test_lines_have_percent_time_rest_and_what_is_done(tmp_path):
    stream = io.StringIO()
    progress = BarProgress(stream, terminal=False, seconds=0.01)
    with shown_as_bar(progress, SECONDS, tmp_path / "logs" / "demo.log"):
        with piece(progress, "trivy"):
            progress.note("trivy: building packages: 20 of 100 (20 %)")
            wait_for(stream, " 15 %  0:0")
            assert "  trivy: trivy: building packages: 20 of 100 (20 %)\n" in stream.getvalue()
        with piece(progress, "chain"):
            wait_for(stream, " 75 %  ")
    assert re.search(r"^  0 %  0:0\d, about 7 min left$", stream.getvalue(), re.M)


def test_it_is_never_silent_without_a_terminal(tmp_path):
    stream = io.StringIO()
    progress = BarProgress(stream, terminal=False, seconds=0.01)
    with shown_as_bar(progress, SECONDS, tmp_path / "demo.log"), piece(progress, "trivy"):
        wait_for(stream, " left")
        shown = len(stream.getvalue())
        wait_for(stream, stream.getvalue()[-1])
        while len(stream.getvalue()) == shown:
            time.sleep(0.005)
    ended = len(stream.getvalue())
    time.sleep(0.05)
    assert len(stream.getvalue()) == ended


def test_the_terminal_has_one_bar_and_lines_above_it(tmp_path):
    stream = Terminal()
    progress = BarProgress(stream, terminal=True, color=False, seconds=0.01)
    with shown_as_bar(progress, SECONDS, tmp_path / "demo.log"):
        with progress.step("programs") as step, piece(progress, "trivy"):
            progress.note("trivy: building packages: 20 of 100 (20 %)")
            wait_for(stream, "15%")
            step.done("trivy 0.74.0")
        progress.notice("one thing")
        progress.warning("another thing")
        wait_for(stream, "75%")
    text = stream.getvalue()
    for line in (r"programs trivy 0\.74\.0 +\d\.\d s", "note: one thing", "warning: another thing"):
        assert re.search(rf"{line}\n", text)


def test_nothing_is_drawn_while_another_program_has_the_terminal(tmp_path):
    stream = Terminal()
    progress = BarProgress(stream, terminal=True, color=False, seconds=0.01)
    with shown_as_bar(progress, SECONDS, tmp_path / "demo.log"):
        with without_bar(progress):
            before = stream.getvalue()
            progress.note("in the background: something")
            progress.notice("something else")
            time.sleep(0.05)
            assert stream.getvalue() == before
        wait_for(stream, "0%")
    assert "in the background: something\n" in (tmp_path / "demo.log").read_text()


def test_the_log_has_everything_and_begins_anew(tmp_path):
    log = tmp_path / "demo.log"
    for text in ("first\x1b[31m", "second"):
        progress = BarProgress(io.StringIO(), terminal=False)
        with shown_as_bar(progress, SECONDS, log):
            with piece(progress, "trivy"):
                progress.note(text)
            with pytest.raises(ValueError, match="x"), piece(progress, "chain"):
                raise ValueError("x")
    lines = [line.split(" ", 1)[1] for line in log.read_text().splitlines()]
    assert lines == ["trivy begins", "second", "trivy is done", "chain begins", "chain failed"]


def test_the_bar_ends_with_the_block_whatever_ends_it(tmp_path):
    stream = Terminal()
    progress = BarProgress(stream, terminal=True, color=False)
    with pytest.raises(KeyboardInterrupt), shown_as_bar(progress, SECONDS, tmp_path / "demo.log"):
        raise KeyboardInterrupt
    assert stream.getvalue().rstrip().endswith("\x1b[2K")  # erased
    progress.notice("after")
    assert stream.getvalue().endswith("note: after\n")


def test_other_progress_is_left_alone(tmp_path):
    with shown_as_bar(Silent(), SECONDS, tmp_path / "demo.log"), without_bar(Silent()):
        pass
    assert not (tmp_path / "demo.log").exists()
