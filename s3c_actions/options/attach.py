"""Inputs of `attach`: those of a scan and of a signature."""

from __future__ import annotations

from msgspec.structs import replace

from s3c_actions.options.command import Command
from s3c_actions.options.common import ImageOptions, JobOptions
from s3c_actions.options.evidence import EVIDENCE_KINDS, EarlierOptions, EvidenceOptions
from s3c_actions.options.report import ExitCodeOptions
from s3c_actions.options.scan import SCAN_INPUTS, SCOPE_INPUTS, ScanningOptions
from s3c_actions.options.sign import SIGNING_INPUTS, SigningOptions


class AttachInputs(
    EvidenceOptions, EarlierOptions, ScanningOptions, ExitCodeOptions, SigningOptions, JobOptions, ImageOptions
):
    """The inputs of `attach`."""

    attach = replace(EvidenceOptions.attach, default="true", absent=EVIDENCE_KINDS)
    order = (
        ImageOptions.image,
        attach,
        EvidenceOptions.prune_evidence,
        EarlierOptions.results,
        EarlierOptions.report,
        EarlierOptions.openvex,
        *SCOPE_INPUTS,
        *SCAN_INPUTS,
        *SIGNING_INPUTS,
        *JobOptions.own(),
    )


COMMAND = Command(
    name="attach",
    help="Attaches evidence to images in their registry, each document signed with the image's key: scan report, "
    "bills of materials, what a patch fixed, the facts of the run. Without `results` or `report` the images are "
    "scanned now, so that running it again refreshes what has become stale.",
    options=AttachInputs,
    implementation="s3c_actions.commands.attach:run",
    examples=(
        "s3c attach registry.example/app@sha256:… --key signing.key --certificate signing.crt",
        "s3c attach registry.example/app:1.4 --attach sarif,spdx --policy s3c-policy.yaml --key-name release",
        "s3c attach registry.example/app:1.4 --report s3c-out/app/trivy.json --prune-evidence --key-name release",
    ),
)
