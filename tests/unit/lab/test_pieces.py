"""Pieces of a whole in a progress, and their way from one process to another."""

import io
import json

import pytest

from s3c_actions.core.progress import Silent, format_share, parse_share
from s3c_lab.pieces import EventProgress, PieceProgress, piece, read_event


class Recorded(Silent, PieceProgress):
    def __init__(self):
        PieceProgress.__init__(self)
        self.seen = []

    def begin(self, piece):
        self.seen.append(("begin", piece))

    def report(self, piece, share):
        self.seen.append(("report", piece, share))

    def end(self, piece, *, done):
        self.seen.append(("end", piece, done))

    def note(self, text):
        self.report_note(text)
        self.seen.append(("note", text))

    def relay(self, text):
        self.seen.append(("note", text))

    def warning(self, text):
        self.seen.append(("warning", text))


def work(progress):
    with piece(progress, "outer"):
        progress.note("outer: 1 of 4 (25 %)")
        with piece(progress, "inner"):
            progress.note("inner: 3 of 4 (75 %)")
        progress.note("no share")
    with pytest.raises(ValueError, match="x"), piece(progress, "bad"):
        raise ValueError("x")
    progress.warning("look")


def test_a_note_reports_the_share_of_the_piece_it_is_in():
    progress = Recorded()
    work(progress)
    assert [event for event in progress.seen if event[0] != "note"] == [
        ("begin", "outer"),
        ("report", "outer", 0.25),
        ("begin", "inner"),
        ("report", "inner", 0.75),
        ("end", "inner", True),
        ("end", "outer", True),
        ("begin", "bad"),
        ("end", "bad", False),
        ("warning", "look"),
    ]


def test_events_arrive_in_another_process_as_they_were_sent():
    stream, receiver = io.StringIO(), Recorded()
    work(EventProgress(stream))
    with piece(receiver, "of its own"):
        for line in stream.getvalue().splitlines():
            read_event(line, receiver)
    receiver.seen = [event for event in receiver.seen if event[1] != "of its own"]
    sender = Recorded()
    work(sender)
    sent = [event for event in sender.seen if event[0] != "note"]
    assert [event for event in receiver.seen if event[0] != "note"] == sent
    assert ("note", "no share") in receiver.seen


def test_a_step_and_a_notice_of_the_other_process_are_notes():
    stream = io.StringIO()
    progress = EventProgress(stream)
    with progress.step("programs") as step:
        step.done("all there")
    progress.notice("one thing")
    assert [json.loads(line)["text"] for line in stream.getvalue().splitlines()] == [
        "programs: all there",
        "one thing",
    ]


@pytest.mark.parametrize(
    "line", ["Traceback (most recent call last):", "[]", "{}", '{"event": "begin"}', "1", "\x1b[2J"]
)
def test_what_is_no_event_is_a_note(line):
    progress = Recorded()
    read_event(line, progress)
    assert progress.seen == [("note", line)]


def test_any_other_progress_has_no_pieces():
    with piece(Silent(), "one"):
        pass
    read_event('{"event": "begin", "piece": "one"}', Silent())


@pytest.mark.parametrize(("done", "total"), [(0, 3), (1, 3), (3, 3), (2113, 2113)])
def test_a_share_is_read_as_it_is_written(done, total):
    assert (
        parse_share(f"etcd: building packages: {done} of {total} {format_share(done, total)}")
        == 100 * done // total / 100
    )


@pytest.mark.parametrize("note", ["", "(25 %) so far", "(x %)", "25 %", "(1000 %)"])
def test_a_note_without_a_share(note):
    assert parse_share(note) is None
