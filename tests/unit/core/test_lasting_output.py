"""Output whose reader has gone, or that has no room."""

from __future__ import annotations

import io
import os
from pathlib import Path

from s3c_actions.core.lasting_output import LastingOutput


def test_what_is_read_is_written() -> None:
    stream = io.StringIO()
    output = LastingOutput(stream)
    assert output.write("text") == 4
    output.flush()
    assert (stream.getvalue(), output.failure, output.isatty()) == ("text", None, False)


def test_a_reader_that_has_gone_is_no_failure() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stream:
        output = LastingOutput(stream)
        output.write("text")
        output.flush()
        assert output.failure is None
        output.write("more")
    assert stream.closed


def test_no_room_is_a_failure_once() -> None:
    with Path("/dev/full").open("w") as stream:
        output = LastingOutput(stream)
        output.write("text")
        output.flush()
        failure = output.failure
        assert failure is not None
        assert failure.strerror == "No space left on device"
        output.write("more")
        output.flush()
        assert output.failure is failure
