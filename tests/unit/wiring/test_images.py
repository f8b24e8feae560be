"""Whatever happens to one image, the others have their turn."""

import errno
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from s3c_actions.core.errors import BugError, OutsideError, Refused
from s3c_actions.core.progress import Silent
from s3c_actions.core.secrets import Secrets
from s3c_actions.options.declare import read
from s3c_actions.options.report import ExitCodeOptions
from s3c_actions.result.model import ImageOutcome
from s3c_actions.wiring.images import failed, for_each_image, for_each_reference, isolated, unless_exempt


class Shown(Silent):
    def __init__(self):
        self.names, self.warnings = [], []

    def show_heading(self, image):
        self.names.append(image)

    def warning(self, text):
        self.warnings.append(text)


def test_an_error_is_the_outcome_of_its_image_alone():
    def do(image):
        if image == "b":
            raise OutsideError("It failed.")
        return ImageOutcome(image=image, reference=f"{image}@sha256:1")

    outcomes = for_each_image(("a", "b", "c"), shown := Shown(), do)
    assert [outcome.image for outcome in outcomes] == ["a", "b", "c"] == shown.names
    assert [outcome.failure and outcome.failure.image for outcome in outcomes] == [None, "b", None]
    assert outcomes[2].reference == "c@sha256:1"


def test_one_image_has_no_name_above_its_steps():
    for_each_image(("a",), shown := Shown(), lambda image: ImageOutcome(image=image))
    assert shown.names == []


def test_a_bug_is_not_an_outcome():
    def do(_image):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        for_each_image(("a",), Silent(), do)


def test_what_was_done_before_an_error_stays():
    error = OutsideError("It failed.", image="other")
    outcome = failed(ImageOutcome(image="a", reference="a@sha256:1"), error)
    assert (outcome.reference, outcome.failure) == ("a@sha256:1", error)
    assert error.image == "other"


@pytest.mark.parametrize(("given", "closed"), [({}, True), ({"exit-code": "1"}, True), ({"exit-code": "0"}, False)])
def test_a_closed_gate_ends_the_step_unless_the_exit_code_is_0(given, closed):
    refused = Refused("Findings of HIGH and over.")
    options = read(ExitCodeOptions, given, {}, lambda _notice: None)
    assert unless_exempt(refused, "a", options, shown := Shown()) is (refused if closed else None)
    assert len(shown.warnings) == (0 if closed else 1)
    assert unless_exempt(None, "a", options, shown) is None


def test_outcomes_are_in_the_order_of_the_images_however_many_go_on_at_once():
    meeting = threading.Barrier(2, timeout=20)

    def do(image):
        if image in "ab":
            meeting.wait()  # both are processed at once
        if image == "b":
            raise OutsideError("It failed.")
        return ImageOutcome(image=image)

    outcomes = for_each_image(("a", "b", "c", "d"), Silent(), do, jobs=2)
    assert [outcome.image for outcome in outcomes] == ["a", "b", "c", "d"]
    assert [bool(outcome.failure) for outcome in outcomes] == [False, True, False, False]


def test_a_bug_is_not_an_outcome_of_a_job_either():
    def do(_image):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        for_each_image(("a", "b", "c"), Silent(), do, jobs=2)


class Logged(Silent):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def line(self, text: str) -> None:
        self.lines.append(text)


def logged(*secrets: str) -> Any:
    hidden = Secrets()
    for secret in secrets:
        hidden.add(secret)
    return SimpleNamespace(progress=Logged(), secrets=hidden)


@pytest.mark.parametrize("jobs", [1, 3])
def test_a_bug_is_the_failure_of_its_image_with_its_traceback_in_the_log(jobs: int) -> None:
    def do(image: str) -> ImageOutcome:
        if image == "b":
            raise KeyError("the password is hunter2222")
        return ImageOutcome(image=image)

    context = logged("hunter2222")
    outcomes = for_each_image(("a", "b", "c"), Silent(), isolated(do, context), jobs=jobs)
    assert [outcome.failure is None for outcome in outcomes] == [True, False, True]
    failure = outcomes[1].failure
    assert isinstance(failure, BugError)
    assert (failure.image, failure.exit_code, failure.what) == ("b", 4, "A bug of s3c ended it: KeyError.")
    assert context.progress.lines[0] == "Traceback (most recent call last):"
    assert context.progress.lines[-1].startswith("KeyError: ")
    assert "hunter2222" not in "\n".join([*context.progress.lines, failure.original])


def test_a_full_disk_is_no_bug_and_an_interruption_no_failure() -> None:
    def full(_image: str) -> ImageOutcome:
        raise OSError(errno.ENOSPC, "No space left on device", "/cache/x")

    failure = isolated(full, logged())("a").failure
    assert failure is not None
    assert (failure.exit_code, failure.image) == (3, "a")
    assert "the disk is full" in failure.what

    def interrupted(_image: str) -> ImageOutcome:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        isolated(interrupted, logged())("a")


@pytest.mark.parametrize("jobs", [1, 3])
def test_pinned_images_are_processed_in_their_order(jobs):
    pinned = {f"{name}:1": f"{name}@sha256:1" for name in "abc"}
    together = threading.Barrier(jobs, timeout=20)

    def do(image, reference):
        together.wait()
        return ImageOutcome(image=image, reference=reference)

    outcomes = for_each_reference(pinned, Silent(), do, jobs=jobs)
    assert [(outcome.image, outcome.reference) for outcome in outcomes] == list(pinned.items())


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_a_pinned_image_raises_ends_the_whole(jobs):
    def do(_image, _reference):
        raise OutsideError("The registry failed.")

    with pytest.raises(OutsideError, match="The registry failed"):
        for_each_reference({"a": "a@sha256:1", "b": "b@sha256:1"}, Silent(), do, jobs=jobs)
