"""Inputs of `fleet plan`."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from s3c_actions.core.tag_template import TagTemplate
from s3c_actions.options.command import Command
from s3c_actions.options.common import OFFLINE, OutputOptions, path
from s3c_actions.options.declare import Input
from s3c_actions.options.deploy import ClusterOptions
from s3c_actions.options.fleet import FleetOptions
from s3c_actions.options.parse import boolean, duration, integer, or_none
from s3c_actions.options.patch import PatchingOptions
from s3c_actions.options.programs import NotationProgram, ProgramsMirror, TrivyProgram
from s3c_actions.options.registry import REGISTRY_INPUTS
from s3c_actions.options.report import PolicyOptions, ReportFileOptions
from s3c_actions.options.scan import ScanningOptions, TrivyOptions
from s3c_actions.options.sign import KEY_INPUTS, SIGNATURE_INPUTS, SigningOptions

MAX_SHARDS = 256
DAY = 86_400.0
"""Seconds."""


def _shards(value: str) -> int:
    """Parse the number of shards; 0 for `auto`."""
    if value.strip().lower() == "auto":
        return 0
    try:
        return integer(1, MAX_SHARDS)(value)
    except ValueError as error:
        raise ValueError(f"auto, or {error}") from None


def _age(value: str) -> float:
    """Parse the age from which on plans are deleted. Return seconds."""
    seconds = duration(value)
    if seconds < DAY:
        raise ValueError("a duration of at least 24h, since a night that is not over needs its plan, or none")
    return seconds


def place(value: str) -> str:
    """Parse `oci://registry/repository:tag`; empty for nothing."""
    if value and not value.startswith("oci://"):
        raise ValueError("a place in a registry, as oci://registry.example/fleet:today")
    return value


class FleetPlanInputs(FleetOptions, ClusterOptions, SigningOptions, PolicyOptions, TrivyProgram, OutputOptions):
    """The inputs of `fleet plan`."""

    shards: Input[int] = Input(
        name="shards",
        basic=("fleet plan",),
        metavar="N",
        help="How many jobs or machines share the work, at most 256, as many as GitHub runs of one matrix. `auto` "
        "chooses: each takes about 20 minutes.",
        parse=_shards,
        default="auto",
        absent=0,
        example="16",
    )
    output: Input[Path | None] = replace(
        ReportFileOptions.output,
        basic=("fleet plan",),
        help="The plan's path. Without it, `plan.json` in `output-dir`.",
        parse=path,
        example="plan.json",
    )
    publish: Input[str] = Input(
        name="publish",
        basic=("fleet plan",),
        metavar="PLACE",
        help="Push the plan to `oci://registry/repository:tag`, where shards on other machines find it and leave their "
        "results. With a key it is signed, and shards that sign take a plan by its tag only then. What the shards of "
        "the plan that was there took is what the images of this one are expected to take.",
        parse=place,
        absent="",
        example="oci://registry.example/fleet:today",
    )
    keep_published: Input[bool] = Input(
        name="keep-published",
        help="Where a plan is at `publish` already, leave it there and plan nothing: for a planner that is started "
        "again while shards work by its plan. With a key, a plan that it did not sign is replaced.",
        parse=boolean,
        default="false",
        absent=False,
        switch=True,
    )
    prune_plans: Input[float | None] = Input(
        name="prune-plans",
        metavar="AGE",
        help="Delete plans that are older at `publish`, those of the same tag or of numbered tags that begin like it, "
        "with their results, reports and signatures; at least 24h. `none` deletes nothing. The newest plan besides, "
        "and the newest report, stay. Where the registry allows no deletions, that is an error if this is given.",
        parse=or_none(_age, None),
        default="14d",
        absent=14 * DAY,
        example="30d",
    )
    policy: Input[Path | None] = replace(
        PolicyOptions.policy,
        help="The policy of images for which the fleet names none: whose signatures count, and what has to be fixed. "
        "Without any, nothing is known to be current, and every image is planned.",
    )
    patched_tag: Input[TagTemplate] = replace(
        PatchingOptions.patched_tag,
        basic=(),
        help="Tags of patches, as `fleet run` is given them: an image whose newest patch there is signed, "
        "with a young report and nothing to fix, needs nothing.",
    )
    trivy_cache_dir: Input[Path | None] = replace(
        ScanningOptions.trivy_cache_dir,
        help="Trivy's cache, with the vulnerability database that SBOMs are matched against. Without it, "
        "`TRIVY_CACHE_DIR` or a folder in the toolkit's cache.",
    )
    db_repository: Input[tuple[str, ...]] = TrivyOptions.db_repository
    offline: Input[bool] = replace(
        OFFLINE,
        help="Download no vulnerability database: SBOMs are matched against the one in Trivy's cache, if it is recent.",
    )
    everything: Input[bool] = Input(
        name="everything",
        basic=("fleet plan",),
        help="Plan every image, also those whose signed evidence says that they need nothing.",
        parse=boolean,
        default="false",
        absent=False,
        switch=True,
    )
    snapshot: Input[Path | None] = Input(
        name="snapshot",
        metavar="FILE",
        help="Plan from what references meant at an earlier time, and ask no registry: every image is planned.",
        parse=path,
        absent=None,
        example="snapshot.json",
    )
    save_snapshot: Input[Path | None] = Input(
        name="save-snapshot",
        metavar="FILE",
        help="Write what the references mean now, for `snapshot`.",
        parse=path,
        absent=None,
        example="snapshot.json",
    )
    import_copa: Input[Path | None] = Input(
        name="import-copa",
        metavar="FILE",
        help="Print the `fleet.yaml` that does what a PatchConfig of Copa's bulk mode does, and plan nothing. What has "
        "no counterpart is a comment in it.",
        parse=path,
        absent=None,
        example="copa-bulk-config.yaml",
    )
    schema: Input[bool] = Input(
        name="schema",
        help="Print the JSON Schema of `fleet.yaml`, and plan nothing.",
        parse=boolean,
        default="false",
        absent=False,
        switch=True,
    )
    order = (
        FleetOptions.fleet,
        shards,
        output,
        publish,
        keep_published,
        prune_plans,
        policy,
        patched_tag,
        everything,
        snapshot,
        save_snapshot,
        import_copa,
        schema,
        *ClusterOptions.own(),
        *REGISTRY_INPUTS,
        *KEY_INPUTS,
        *SIGNATURE_INPUTS,
        *NotationProgram.own(),
        trivy_cache_dir,
        db_repository,
        offline,
        *TrivyProgram.own(),
        ProgramsMirror.programs_mirror,
    )


COMMAND = Command(
    name="fleet plan",
    help="Finds what the images of a fleet mean now, leaves out those that need nothing by the signed evidence beside "
    "them, and shares the rest among shards. One image that cannot be looked up stops no other.",
    options=FleetPlanInputs,
    implementation="s3c_actions.commands.fleet_plan:run",
    examples=(
        "s3c fleet plan",
        "s3c fleet plan fleet.yaml --shards 16 --policy s3c-policy.yaml --output plan.json",
        "s3c fleet plan --publish oci://registry.example/fleet:today",
        "s3c fleet plan --import-copa copa-bulk-config.yaml > fleet.yaml",
    ),
)
