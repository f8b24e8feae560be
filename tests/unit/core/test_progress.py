"""Whose progress a line is, when several images are processed at once."""

import io
import threading

import pytest

from s3c_actions.cli.console import LogProgress, QuietProgress, TerminalProgress
from s3c_actions.core.concurrency import for_each
from s3c_actions.core.progress import RoutedProgress, Silent, showing
from s3c_actions.github.log import ActionsProgress
from s3c_actions.options.naming import InputNames, NamingProgress

DIGEST = "sha256:" + "a1" * 32
IMAGES = ("r.example/app:1", "r.example/db:2")


def shown_at_once(progress, stream, act):
    """What is shown of two images that are processed at the same time, as lines."""
    routed = RoutedProgress(progress)
    turns = threading.Barrier(2, timeout=20)

    def do(image):
        with showing(routed.for_image(image)):
            act(image, routed, turns)

    for_each(IMAGES, do, jobs=2)
    return stream.getvalue().splitlines()


def steps(image, progress, turns):
    """Two steps of each image, in each of which the other's has begun as well."""
    for name in ("scan", "sign"):
        with progress.step(name) as step:
            turns.wait()
            progress.note(f"output of {name}")
            turns.wait()
            step.done(f"done with {image}")


@pytest.mark.parametrize("kind", [LogProgress, TerminalProgress])
def test_a_step_is_one_line_with_its_image(kind):
    stream = io.StringIO()
    lines = shown_at_once(kind(stream), stream, steps)
    for image in IMAGES:
        own = [line for line in lines if line.startswith(f"{image}: s")]
        assert [line.split()[1] for line in own] == ["scan", "sign"]
        assert all(f"done with {image}" in line for line in own)
    assert len(lines) == 4


def test_groups_of_the_actions_log_hold_one_step_of_one_image():
    stream = io.StringIO()
    lines = shown_at_once(ActionsProgress(stream), stream, steps)
    opened = ""
    groups = []
    for line in lines:
        if line.startswith("::group::"):
            assert not opened
            opened = line.removeprefix("::group::")
            groups.append(opened)
        elif line.startswith("::endgroup::"):
            opened = ""
        elif "output of" in line:
            assert opened.endswith(line.split()[-1])
        elif "done with" in line:
            assert not opened
    assert sorted(groups) == sorted(f"{image}: {name}" for image in IMAGES for name in ("scan", "sign"))
    assert sum("output of" in line for line in lines) == 4


def test_a_warning_names_its_image_once():
    def warn(image, progress, _turns):
        progress.warning("It is old.")
        progress.notice(f"{image} is new.")

    stream = io.StringIO()
    assert sorted(shown_at_once(LogProgress(stream), stream, warn)) == sorted(
        line for image in IMAGES for line in (f"warning: {image}: It is old.", f"note: {image} is new.")
    )
    stream = io.StringIO()
    assert len(shown_at_once(QuietProgress(stream), stream, warn)) == 2


@pytest.mark.parametrize(
    ("image", "label"),
    [
        ("r.example:5000/app:1", "r.example:5000/app:1"),
        (f"r.example:5000/app:1@{DIGEST}", "r.example:5000/app:1"),
        (f"r.example:5000/app@{DIGEST}", f"r.example:5000/app@{DIGEST[:19]}"),
        ("folder/image.tar", "folder/image.tar"),
    ],
)
def test_an_image_is_named_by_its_tag_or_a_part_of_its_digest(image, label):
    stream = io.StringIO()
    LogProgress(stream).for_image(image).line("x")
    assert stream.getvalue() == f"{label}: x\n"


def test_hostile_names_begin_no_line_of_their_own():
    stream = io.StringIO()
    progress = ActionsProgress(stream).for_image("a\n::error::owned")
    with progress.step("scan\n::error::x") as step:
        progress.note("\n::error::y")
        step.done("\n::error::z")
    progress.line("\n::error::w")
    assert not [line for line in stream.getvalue().splitlines() if line.startswith("::error")]


def test_without_images_at_once_progress_is_that_of_the_console():
    stream = io.StringIO()
    progress = RoutedProgress(NamingProgress(LogProgress(stream), InputNames()))
    progress.show_heading("app:1")
    with progress.step("scan"):
        progress.line("x")
    assert stream.getvalue().splitlines()[:2] == ["app:1", "x"]
    with showing(progress.for_image("app:2")):
        progress.show_heading("not shown")
        progress.line("y")
    assert stream.getvalue().splitlines()[-1] == "app:2: y"
    assert isinstance(Silent().for_image("a"), Silent)
