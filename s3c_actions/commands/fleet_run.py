"""`s3c fleet run`: take the images of one shard of a plan through the chain, several at once."""

from __future__ import annotations

import time
from collections.abc import Callable

from msgspec.structs import replace

from s3c_actions.core import reading
from s3c_actions.core.errors import InputError, S3CError
from s3c_actions.core.reference import Reference
from s3c_actions.core.text import counted
from s3c_actions.core.transience import is_transient
from s3c_actions.fleet import store
from s3c_actions.fleet.handover import take_digests
from s3c_actions.fleet.plan import Plan, PlannedImage
from s3c_actions.fleet.waiting import wait_for
from s3c_actions.options import fleet_run as inputs
from s3c_actions.registry import Manifest, Writer
from s3c_actions.result import document
from s3c_actions.result.model import ImageOutcome, Outcome
from s3c_actions.wiring.context import Context, image_folders, with_jobs
from s3c_actions.wiring.files import read_input_file
from s3c_actions.wiring.fleet import read_any, store_registry
from s3c_actions.wiring.fleet_worker import open_worker
from s3c_actions.wiring.images import for_each_image, isolated
from s3c_actions.wiring.patching import check_system, reject_platform
from s3c_actions.wiring.result_files import RESULT_FILE, find_files

NAME = "fleet run"
RETRY_WAITS = (10.0, 30.0, 60.0, 120.0, 240.0)
"""Seconds before images that failed are taken up again, each time."""


def run(options: inputs.FleetRunInputs, context: Context) -> Outcome:
    """Process the shard; a failure of one image does not stop the others.

    Raises:
        InputError: an input, the plan or the key is wrong: nothing has been pushed.
        OutsideError: the plan could not be read, or a program could not be obtained: nothing has been pushed.
    """
    _check(options)
    if not options.patched:
        check_system(options, context)
    plan, place = _read_plan(options, context)
    if options.shard.of != plan.shards:
        raise InputError(
            "shard",
            f"it is one of {options.shard.of}, and the plan has {counted(plan.shards, 'shard')}.",
            remedy=f"Give {min(options.shard.number, plan.shards)}/{plan.shards}, or make another plan.",
        )
    images = plan.shard(options.shard.number)
    context = with_jobs(options, context, len(images))
    outcome = Outcome(command=NAME, images=_process(images, place, options, context) if images else ())
    if not images:
        context.progress.notice(f"Shard {options.shard} of the plan has nothing to do.")
    if options.publish_result and place is not None:
        outcome = _publish(outcome, place, options, context)
    return outcome


def _check(options: inputs.FleetRunInputs) -> None:
    reject_platform(options)
    if options.baseline:
        raise InputError("baseline", "the images of a fleet are compared with nothing.", remedy="Leave it out.")
    if not options.sign and options.attach and options.given(inputs.FleetRunInputs.attach):
        raise InputError(
            "attach", "evidence is signed, and `sign` is false.", remedy="Leave one of both out of the inputs."
        )
    if options.publish_result and not store.is_stored(options.plan):
        raise InputError(
            "publish-result",
            "the plan is a file, so there is nothing in a registry to put the result beside.",
            remedy="Give the plan as oci://registry/repository:tag, or leave it out.",
        )
    if options.patched and not options.sign:
        raise InputError(
            "patched",
            "what was handed on is to be signed, and `sign` is false.",
            remedy="Leave it out in the run that patches, and give it in the one that signs.",
        )
    if options.wait and not store.is_stored(options.plan):
        raise InputError("wait", "the plan is a file.", remedy="Give the plan as oci://registry/repository:tag.")


def _read_plan(options: inputs.FleetRunInputs, context: Context) -> tuple[Plan, Reference | None]:
    """Return the plan and its place by digest; one that is not there yet is waited for."""
    with context.progress.step("plan") as step:
        if options.wait:
            _wait_for_plan(options, context)
        plan, place = read_any(options.plan, options, context)
        step.done(f"{counted(len(plan.images), 'image')} in {counted(plan.shards, 'shard')}, of {plan.created}")
    return plan, place


def _wait_for_plan(options: inputs.FleetRunInputs, context: Context) -> None:
    """Wait until the plan is there, or the time is over; then whoever reads it says that it is not."""
    reference = store.parse_place(options.plan)
    registry = store_registry(options, context, reference)

    def look() -> Manifest | None:
        try:
            plan = registry.find(reference)
        except S3CError as error:
            if not is_transient(error):
                raise
            plan = None
        if plan is None:
            context.progress.note(f"waiting for {options.plan}")
        return plan

    wait_for(look, options.wait)


def _process(
    images: tuple[PlannedImage, ...], place: Reference | None, options: inputs.FleetRunInputs, context: Context
) -> tuple[ImageOutcome, ...]:
    by_name = {image.image: image for image in images}
    folders = image_folders(context.output, by_name)
    handed = _handed(images, options) if options.patched else None
    with open_worker(options, context, images, folders, place, handed=handed) as worker:
        return process_with_retries(
            tuple(by_name),
            isolated(lambda name: worker.process(by_name[name]), context),
            context,
            waits=RETRY_WAITS[: options.retries],
        )


def _handed(images: tuple[PlannedImage, ...], options: inputs.FleetRunInputs) -> dict[str, Reference]:
    """Return what a run without a key handed on for each image.

    Raises:
        InputError: there is no result, or one cannot be read.
    """
    field = inputs.FleetRunInputs.patched.name
    paths = find_files(options.patched, RESULT_FILE, field)
    return take_digests(images, [read_input_file(path, field, reading.MAX_DOCUMENT_BYTES) for path in paths])


def process_with_retries(
    names: tuple[str, ...],
    process: Callable[[str], ImageOutcome],
    context: Context,
    *,
    waits: tuple[float, ...],
) -> tuple[ImageOutcome, ...]:
    """Process images, and at the end those again that failed for a reason that may pass.

    Args:
        names: of the images.
        process: processes one.
        context: of the run, with its limits.
        waits: seconds before each new attempt.

    Returns:
        The last outcome of each image, in their order.
    """
    jobs = context.limits.jobs
    outcomes = dict(zip(names, for_each_image(names, context.progress, process, jobs=jobs), strict=True))
    for seconds in waits:
        again = tuple(
            name for name, outcome in outcomes.items() if outcome.failure is not None and is_transient(outcome.failure)
        )
        if not again:
            break
        context.progress.notice(
            f"{counted(len(again), 'image')} failed for a reason that may pass: tried again in {seconds:g} s."
        )
        time.sleep(seconds)
        outcomes |= zip(again, for_each_image(again, context.progress, process, jobs=jobs), strict=True)
    return tuple(outcomes[name] for name in names)


def _publish(outcome: Outcome, place: Reference, options: inputs.FleetRunInputs, context: Context) -> Outcome:
    """Push the result beside its plan; that it cannot be pushed is a failure of the run, and of no image."""
    content = document.render_document(document.build_document(outcome, context.now, context.secrets)).encode()
    with context.progress.step("publish") as step:
        try:
            writer = Writer(store_registry(options, context, place))
            digest = store.push_result(writer, place, options.shard.number, content, now=context.now)
        except S3CError as error:
            step.done(error.what)
            return replace(outcome, exit_code=int(error.exit_code), error=error.what)
        step.done(f"→ {place.at(digest).pinned}")
    return outcome
