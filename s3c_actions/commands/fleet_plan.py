"""`s3c fleet plan`: find what the images of a fleet mean now, and share the work on them among shards."""

from __future__ import annotations

import json
from collections.abc import Collection
from contextlib import ExitStack, suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from s3c_actions.core import writing
from s3c_actions.core.errors import Exit, InputError, OutsideError, S3CError
from s3c_actions.core.pasted_content import shorten_path
from s3c_actions.core.reference import Reference
from s3c_actions.core.text import counted, first_names
from s3c_actions.fleet import copa, durations, model, planning, plans_text, retention, selecting, sources, store
from s3c_actions.fleet import plan as plans
from s3c_actions.fleet.plan import Plan
from s3c_actions.options import fleet_plan as inputs
from s3c_actions.options.fleet import DEFAULT_FLEET
from s3c_actions.options.sign import KEY_INPUTS
from s3c_actions.registry import Writer
from s3c_actions.result.model import FleetPlanResult, ImageOutcome, Outcome
from s3c_actions.steps import sign
from s3c_actions.wiring.context import Context
from s3c_actions.wiring.fleet import CurrencyJudge, credentials_hosts, image_places, store_registry
from s3c_actions.wiring.logins import create_logins, create_registry
from s3c_actions.wiring.settings_files import shared_files
from s3c_actions.wiring.signing import open_signing_key
from s3c_actions.wiring.vouching import vouch_by_policy

if TYPE_CHECKING:
    from s3c_actions.fleet.model import FleetFile
    from s3c_actions.fleet.planning import Assessed, DigestGroup
    from s3c_actions.fleet.sources import Source
    from s3c_actions.steps.sign import SigningKey

NAME = "fleet plan"
_RETRIES = 5
PLAN_FILE = "plan.json"


def run(options: inputs.FleetPlanInputs, context: Context) -> Outcome:
    """Make the plan; an image or selection that cannot be planned is in it, and stops no other.

    Raises:
        InputError: the fleet, a policy or an input is wrong.
        OutsideError: the plan could not be written or published.
    """
    if options.schema:
        return Outcome(command=NAME, images=(), text=json.dumps(model.schema(), indent=2) + "\n")
    if options.import_copa is not None:
        return Outcome(command=NAME, images=(), text=copa.convert(options.import_copa, field="import-copa"))
    path = options.output or context.output / PLAN_FILE
    writing.check(path, "output")
    published_at = store.parse_place(options.publish, field="publish") if options.publish else None
    if options.keep_published and published_at is None:
        raise InputError("keep-published", "no place to publish to is given.", remedy="Give `publish`.")
    file = _read_fleet(options, context)
    with ExitStack() as stack:
        key: SigningKey | None = None
        if published_at is not None and any(options.given(option) for option in KEY_INPUTS):
            key = stack.enter_context(open_signing_key(options, context, {published_at.registry}))
        kept = _find_published(published_at, key, options, context) if options.keep_published and published_at else None
        plan = kept[0] if kept is not None else _make(file, published_at, options, context)
        _write(path, plans.render(plan), "output")
        published = kept[1].pinned if kept is not None else ""
        if published_at is not None and kept is None:
            published = _publish(plan, published_at, key, options, context)
    return Outcome(
        command=NAME,
        images=tuple(_failure(entry) for entry in plan.unplanned),
        files={"plan": path},
        fleet_plan=FleetPlanResult(
            shards=tuple(sorted({image.shard for image in plan.images})),
            images=len(plan.images),
            current=len(plan.current),
            unplanned=len(plan.unplanned),
            published=published,
        ),
        text=plans_text.render(plan, path),
        summary=plans_text.render_markdown(plan),
    )


def _read_fleet(options: inputs.FleetPlanInputs, context: Context) -> FleetFile:
    path = options.fleet
    if path is None:
        raise InputError(
            "fleet",
            f"there is no {DEFAULT_FLEET} in {context.cwd}.",
            remedy="Write one, or give the path of another.",
        )
    name = shared_files(context).names.get(str(path), str(path))
    return model.read(path, name=name)


def _make(file: FleetFile, published_at: Reference | None, options: inputs.FleetPlanInputs, context: Context) -> Plan:
    progress = context.progress
    offline = options.snapshot is not None
    with ExitStack() as stack:
        source: Source
        if options.snapshot is not None:
            snapshot = sources.read_snapshot(options.snapshot, field="snapshot")
            source = sources.SnapshotSource(snapshot, "snapshot")
        else:
            hosts = credentials_hosts(file.fleet, options, published_at)
            logins = create_logins(options, context, hosts)
            source = sources.RegistrySource(create_registry(options, logins, retries=_RETRIES), model.FIELD)
        skip = offline or options.everything
        judge = stack.enter_context(CurrencyJudge.open(file.fleet, options, context, judges_images=not skip))
        with progress.step("select") as step:
            expanded = selecting.expand(file.fleet, source, image_places(options, context))
            step.done(counted(len(expanded.images), "reference"))
        if expanded.unused:
            progress.warning(
                f"Overrides of the fleet that match no image have no effect: {first_names(expanded.unused)}."
            )
        with progress.step("resolve") as step:
            resolved = planning.resolve(expanded.images, source)
            step.done(f"{counted(len(resolved.groups), 'digest')}, {len(resolved.unplanned):,} not resolved")
        with progress.step("judge") as step:
            assessed = _assess(resolved.groups, judge, skip=skip)
            step.done(f"{len(assessed.current):,} current, {len(assessed.work):,} to do")
    known = planning.look_up_facts(assessed.work, source)
    if options.save_snapshot is not None:
        _write(options.save_snapshot, _snapshot(assessed, known), "save-snapshot")
    return planning.make_plan(
        assessed,
        known,
        (*expanded.unplanned, *resolved.unplanned),
        measured=_measured(published_at, options, context) if published_at is not None else {},
        shards=options.shards,
        fleet=file.sha256,
        now=context.now,
    )


def _publish(
    plan: Plan, place: Reference, key: SigningKey | None, options: inputs.FleetPlanInputs, context: Context
) -> str:
    """Push a plan, signed where there is a key, and return its place by digest."""
    with context.progress.step("publish") as step:
        writer = Writer(store_registry(options, context, place))
        # Whoever waits for the tag finds the signature there.
        published = store.push_plan(writer, place.tagged(""), plan)
        if key is not None:
            sign.run(key, published.pinned, context.progress)
        if place.tag:
            retention.keep_reachable(writer, place, published.digest)
            store.tag_plan(writer, published, place.tag)
        step.done(f"{published.pinned}{', signed' if key is not None else ''}")
    if options.prune_plans is not None and place.tag:
        _prune(writer, place, published.digest, options, context)
    return published.pinned


def _prune(writer: Writer, place: Reference, digest: str, options: inputs.FleetPlanInputs, context: Context) -> None:
    """Delete old plans; that the registry does not let is an error where it was asked for."""
    before = context.now - timedelta(seconds=options.prune_plans or 0.0)
    try:
        pruned = retention.prune(writer, place, digest, before)
    except OutsideError as error:
        if options.given(inputs.FleetPlanInputs.prune_plans):
            raise
        context.progress.notice(f"Old plans stay in {place.name}: {error.what}")
        return
    if pruned.plans:
        context.progress.note(
            f"{counted(pruned.plans, 'old plan')} and {counted(pruned.documents, 'document')} beside them deleted"
        )


def _find_published(
    published_at: Reference, key: SigningKey | None, options: inputs.FleetPlanInputs, context: Context
) -> tuple[Plan, Reference] | None:
    """Return the plan that is published already, and its place by digest; None without one that the key signed."""
    with context.progress.step("publish") as step:
        stored = store.find_stored_plan(store_registry(options, context, published_at), published_at)
        if stored is not None and key is not None and not vouch_by_policy(key.notation, key.trust)(stored[1].pinned):
            step.done(f"{stored[1].pinned} is not signed by this key, and is replaced")
            return None
        step.done(f"{stored[1].pinned} is there already" if stored is not None else "nothing is there yet")
    return stored


def _assess(groups: Collection[DigestGroup], judge: CurrencyJudge, *, skip: bool) -> Assessed:
    if skip:
        work = tuple(planning.Work(group=group, reason=planning.NOT_LOOKED) for group in groups)
        return planning.Assessed(work=work, current=())
    return planning.assess(tuple(groups), judge, per_registry=judge.at_once)


def _snapshot(assessed: Assessed, known: planning.WorkFacts) -> bytes:
    images: dict[str, sources.SnapshotImage] = {}
    groups = [(entry.names, Reference.parse(entry.image)) for entry in assessed.current]
    groups += [(entry.group.names, entry.group.reference) for entry in assessed.work]
    for names, reference in groups:
        facts = known.facts.get(reference.pinned, sources.ImageFacts())
        for name in names:
            images[name] = sources.SnapshotImage(
                digest=reference.digest, platforms=facts.platforms, base=facts.base, size=facts.size
            )
    return sources.render_snapshot(images)


def _measured(published_at: Reference, options: inputs.FleetPlanInputs, context: Context) -> dict[str, float]:
    """Return what images took when they were last worked on, by the plan that was published before and its results.

    Nothing where that is not known.
    """
    measured: dict[str, float] = {}
    try:
        registry = store_registry(options, context, published_at)
        stored = store.find_stored_plan(registry, published_at)
        if stored is None:
            newest = retention.find_newest(registry, published_at, store.PLAN)
            stored = store.find_stored_plan(registry, newest) if newest is not None else None
        if stored is not None:
            plan, place = stored
            measured = plan.measured | durations.measured_seconds(
                content for _, content in store.list_results(registry, place)
            )
    except S3CError as error:
        context.progress.notice(f"How long images took before is not known, so it is estimated: {error.what}")
    return measured


def _failure(entry: plans.UnplannedImage) -> ImageOutcome:
    error: S3CError
    if entry.exit_code == Exit.WRONG_INPUT:
        error = InputError(model.FIELD, entry.what, remedy=entry.remedy)
    else:
        error = OutsideError(entry.what, remedy=entry.remedy)
    error.image = entry.image
    return ImageOutcome(image=entry.image, failure=error)


def _write(path: Path, content: bytes, field: str) -> None:
    try:
        with suppress(FileExistsError):
            path.parent.mkdir(parents=True, exist_ok=True)
        writing.write(path, content)
    except OSError as error:
        raise OutsideError(
            f"{shorten_path(str(path))} cannot be written: {error.strerror}.",
            remedy=f"Give another path as `{field}`, or make room there.",
        ) from error
