"""`fleet run`: what is taken up again, and what is wrong before anything is done."""

import time
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from msgspec.structs import replace

from s3c_actions.commands import fleet_run
from s3c_actions.core import reading
from s3c_actions.core.concurrency import Limits
from s3c_actions.core.errors import InputError, OutsideError, Refused
from s3c_actions.core.progress import Silent
from s3c_actions.fleet import plan as plans
from s3c_actions.options.declare import read
from s3c_actions.options.fleet_run import FleetRunInputs
from s3c_actions.result import outputs
from s3c_actions.result.model import ImageOutcome
from tests.support.bare import PLAN
from tests.support.contexts import create_context

NAMES = ("r.example/a:1", "r.example/b:1", "r.example/c:1", "r.example/d:1")
BUSY = OutsideError("r.example answered HTTP 429 for b.")
BROKEN = OutsideError("The patch of c did not work: libssl3 is left.")


def process(failures, jobs=1, waits=(0.0, 0.0)):
    """The outcomes of images that fail as listed, one error an attempt, and how often each was tried."""
    tried = dict.fromkeys(NAMES, 0)

    def process_image(name):
        planned = failures.get(name, ())
        error = planned[tried[name]] if tried[name] < len(planned) else None
        tried[name] += 1
        return ImageOutcome(image=name, failure=error)

    context = SimpleNamespace(progress=Silent(), limits=Limits(jobs=jobs))
    outcomes = fleet_run.process_with_retries(NAMES, process_image, context, waits=waits)  # type: ignore[arg-type]
    return {outcome.image: outcome.failure for outcome in outcomes}, list(tried.values())


@pytest.mark.parametrize("jobs", [1, 3])
def test_what_may_pass_is_taken_up_again_at_the_end_and_nothing_else(jobs):
    refused = Refused("Findings of HIGH: timed out.")
    failures, tried = process({NAMES[1]: [BUSY], NAMES[2]: [BROKEN, BUSY], NAMES[3]: [refused]}, jobs)
    assert failures == {NAMES[0]: None, NAMES[1]: None, NAMES[2]: BROKEN, NAMES[3]: refused}
    assert list(failures) == list(NAMES)
    assert tried == [1, 2, 1, 1]


def test_it_is_taken_up_as_often_as_said_and_the_last_failure_counts():
    last = OutsideError("r.example answered HTTP 503 for b.")
    assert process({NAMES[1]: [BUSY, BUSY, last, BUSY]}) == (
        {NAMES[0]: None, NAMES[1]: last, NAMES[2]: None, NAMES[3]: None},
        [1, 3, 1, 1],
    )
    assert process({NAMES[1]: [BUSY]}, waits=())[1] == [1, 1, 1, 1]


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"shard": "1/3"}, "shard"),
        ({"publish-result": "true"}, "publish-result"),
        ({"wait": "5m"}, "wait"),
        ({"platform": "linux/amd64"}, "platform"),
        ({"baseline": "old.json"}, "baseline"),
        ({"sign": "false", "attach": "sarif"}, "attach"),
        ({"plan": "missing.json"}, "plan"),
        ({"plan": "oci://r.example/fleet"}, "plan"),
    ],
)
def test_a_wrong_input_ends_the_run_before_anything_is_done(values, field, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plan.json").write_bytes(plans.render(PLAN))
    options = read(FleetRunInputs, {"plan": "plan.json", **values}, {}, lambda _notice: None)
    context = SimpleNamespace(progress=Silent(), environment={}, cwd=tmp_path, secrets=None, shared={})
    with pytest.raises(InputError) as raised:
        fleet_run.run(options, context)  # type: ignore[arg-type]
    assert raised.value.field == field


def test_a_bug_in_one_image_fails_that_image_and_the_run_as_a_bug(tmp_path, monkeypatch):
    """The first attempt at it is the last: nobody takes up a bug again."""
    names = [f"{name}@sha256:{number:064x}" for number, name in enumerate(NAMES)]
    plan = replace(PLAN, shards=1, images=tuple(replace(PLAN.images[0], image=name, shard=1) for name in names))
    (tmp_path / "plan.json").write_bytes(plans.render(plan))
    tried = []

    def process_image(image):
        tried.append(image.image)
        if image.image == names[1]:
            raise ZeroDivisionError
        return ImageOutcome(image=image.image)

    @contextmanager
    def worker(*_args, **_named):
        yield SimpleNamespace(process=process_image)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(fleet_run, "open_worker", worker)
    monkeypatch.setattr(fleet_run, "check_system", lambda *_: None)
    options = read(FleetRunInputs, {"plan": "plan.json", "jobs": "1"}, {}, lambda _notice: None)
    outcome = fleet_run.run(options, create_context(tmp_path))
    assert tried == names
    assert [outputs.outcome_verdict(image) for image in outcome.images] == ["passed", "failed", "passed", "passed"]
    assert (outputs.exit_code(outcome), outputs.outcome_verdict(outcome)) == (4, "failed")


@pytest.mark.parametrize(
    ("answers", "looks"), [([None, OutsideError("r.example answered HTTP 503."), "plan"], 3), (["plan"], 1)]
)
def test_a_plan_that_another_machine_publishes_is_waited_for(answers, looks, monkeypatch):
    seen: list[object] = []

    def find(_reference):
        seen.append(answers[len(seen)])
        if isinstance(seen[-1], OutsideError):
            raise seen[-1]
        return seen[-1]

    monkeypatch.setattr(fleet_run, "store_registry", lambda *_: SimpleNamespace(find=find))
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    options = read(FleetRunInputs, {"plan": "oci://r.example/fleet:1", "wait": "1h"}, {}, lambda _notice: None)
    fleet_run._wait_for_plan(options, SimpleNamespace(progress=Silent()))  # type: ignore[arg-type]
    assert len(seen) == looks


def test_what_does_not_pass_by_waiting_ends_it_at_once(monkeypatch):
    def find(_reference):
        raise Refused("r.example denied it.")

    monkeypatch.setattr(fleet_run, "store_registry", lambda *_: SimpleNamespace(find=find))
    options = read(FleetRunInputs, {"plan": "oci://r.example/fleet:1", "wait": "1h"}, {}, lambda _notice: None)
    with pytest.raises(Refused):
        fleet_run._wait_for_plan(options, SimpleNamespace(progress=Silent()))  # type: ignore[arg-type]


def test_a_result_that_is_too_large_names_its_input(tmp_path):
    path = tmp_path / "result.json"
    with path.open("wb") as file:
        file.truncate(reading.MAX_DOCUMENT_BYTES + 1)
    options = read(FleetRunInputs, {"plan": "plan.json", "patched": str(path)}, {}, lambda _notice: None)
    with pytest.raises(InputError) as raised:
        fleet_run._handed(PLAN.images, options)
    assert raised.value.field == "patched"


def test_a_shard_without_work_needs_no_key(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plan.json").write_bytes(plans.render(PLAN))
    options = read(FleetRunInputs, {"plan": "plan.json", "shard": "2/2"}, {}, lambda _notice: None)
    context = SimpleNamespace(progress=Silent(), environment={})
    outcome = fleet_run.run(options, context)  # type: ignore[arg-type]
    assert (outcome.command, outcome.images, outcome.exit_code) == ("fleet run", (), 0)
