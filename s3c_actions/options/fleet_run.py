"""Inputs of `fleet run`."""

from __future__ import annotations

import re

import msgspec
from msgspec.structs import replace

from s3c_actions.options import report as reporting
from s3c_actions.options.chain import ChainInputs, ProofOptions
from s3c_actions.options.command import Command
from s3c_actions.options.common import JobOptions
from s3c_actions.options.declare import Input
from s3c_actions.options.evidence import EvidenceOptions
from s3c_actions.options.fleet import PlanOptions
from s3c_actions.options.fleet_plan import MAX_SHARDS
from s3c_actions.options.github import CommentInputs
from s3c_actions.options.parse import boolean, duration, integer
from s3c_actions.options.patch import PATCH_INPUTS, PatchingOptions
from s3c_actions.options.programs import NotationProgram, ProgramsMirror
from s3c_actions.options.scan import SCAN_INPUTS, SCOPE_INPUTS, ScanningOptions
from s3c_actions.options.sign import KEY_INPUTS, SIGNATURE_INPUTS
from s3c_actions.options.trusted_signers import TrustOptions

_SCANNING = tuple(
    option for option in (*SCOPE_INPUTS, *SCAN_INPUTS) if option is not reporting.ExitCodeOptions.exit_code
)


class Shard(msgspec.Struct, frozen=True):
    """One of a plan's shards: its number from 1, and of how many."""

    number: int
    of: int

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


def _shard(value: str) -> Shard:
    """Parse `NUMBER/OF`."""
    match = re.fullmatch(r"([0-9]{1,3})/([0-9]{1,3})", value.strip())
    shard = Shard(int(match[1]), int(match[2])) if match else None
    if shard is None or not 1 <= shard.number <= shard.of <= MAX_SHARDS:
        raise ValueError(f"a shard, as 3/40: from 1, of at most {MAX_SHARDS}")
    return shard


class FleetRunInputs(ScanningOptions, PatchingOptions, ProofOptions, PlanOptions, JobOptions):
    """The inputs of `fleet run`."""

    shard: Input[Shard] = Input(
        name="shard",
        basic=("fleet run",),
        metavar="NUMBER/OF",
        help="Which of the plan's shards this run does: its number from 1, and how many there are.",
        parse=_shard,
        default="1/1",
        example="3/40",
    )
    wait: Input[float] = Input(
        name="wait",
        basic=("fleet run",),
        metavar="DURATION",
        help="How long to wait for a plan that another machine publishes.",
        parse=duration,
        absent=0.0,
        example="20m",
    )
    publish_result: Input[bool] = Input(
        name="publish-result",
        basic=("fleet run",),
        help="Push `result.json` beside the plan in its registry, where `s3c fleet report` and the next plan find it.",
        parse=boolean,
        default="false",
        absent=False,
        switch=True,
    )
    patched: Input[tuple[str, ...]] = replace(
        CommentInputs.results,
        name="patched",
        basic=("fleet run",),
        help="What a run with `sign` set to false left: `result.json` files, or folders that have some. Nothing is "
        "patched then: of each image the digest that was handed on is scanned, judged and signed, in the repository "
        "that the plan names.",
        aliases={},
        positional=False,
        required=False,
        example="s3c-patched",
    )
    retries: Input[int] = Input(
        name="retries",
        metavar="NUMBER",
        help="How often images are taken up again that failed for a reason that may pass, such as a registry that does "
        "not answer: at the end, when all others are done.",
        parse=integer(0, 5),
        default="2",
        absent=2,
    )
    sign = replace(ChainInputs.sign, basic=())
    attach = replace(
        EvidenceOptions.attach,
        help="Evidence attached to each image. The scan report (`sarif`) and the bill of materials it names (`spdx`) "
        "are what the next plan leaves images out by; `none` attaches nothing.",
        default="sarif,spdx",
        absent=("sarif", "spdx"),
    )
    prune_evidence = replace(
        EvidenceOptions.prune_evidence,
        basic=(),
        help="Delete what newly attached documents take the place of: earlier ones of s3c of the same kinds, with "
        "their signatures. Where the registry does not allow that, they stay.",
        default="true",
        absent=True,
    )
    policy = replace(
        reporting.PolicyOptions.policy,
        help="The policy of images for which the plan names none; it decides what is refused.",
    )
    fail_on = replace(ChainInputs.fail_on, basic=())
    fixable_only = replace(ChainInputs.fixable_only, basic=())
    order = (
        PlanOptions.plan,
        shard,
        wait,
        publish_result,
        patched,
        retries,
        *JobOptions.own(),
        sign,
        attach,
        prune_evidence,
        *KEY_INPUTS,
        *SIGNATURE_INPUTS,
        *TrustOptions.own(),
        *PATCH_INPUTS,
        *_SCANNING,
        *NotationProgram.own(),
        ProgramsMirror.programs_mirror,
    )


COMMAND = Command(
    name="fleet run",
    help="Takes the images of one shard of a plan through the chain, several at once: scan, patch, rescan, gate, sign, "
    "attach. One that fails stops no other. A run that is repeated, after it was killed too, ends in the same state.",
    options=FleetRunInputs,
    implementation="s3c_actions.commands.fleet_run:run",
    examples=(
        "s3c fleet run --plan plan.json --key signing.key --certificate signing.crt",
        "s3c fleet run --plan plan.json --shard 3/40 --jobs 8 --policy s3c-policy.yaml --key-name release",
        "s3c fleet run --plan oci://registry.example/fleet:today --shard 3/40 --wait 20m --publish-result "
        "--vault kv-release --vault-certificate signing",
    ),
)
