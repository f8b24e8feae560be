"""Inputs of `attach`: those of a scan and of a signature."""

from __future__ import annotations

from msgspec.structs import replace

from s3c_actions.options.common import ImageOptions
from s3c_actions.options.evidence import EVIDENCE_KINDS, EarlierOptions, EvidenceOptions
from s3c_actions.options.report import ExitCodeOptions
from s3c_actions.options.scan import SCAN_INPUTS, SCOPE_INPUTS, ScanningOptions
from s3c_actions.options.sign import SIGNING_INPUTS, SigningOptions


class AttachInputs(EvidenceOptions, EarlierOptions, ScanningOptions, ExitCodeOptions, SigningOptions, ImageOptions):
    """Of `attach`."""

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
    )
