"""Inputs of `attach`: those of a scan and of a signature."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from s3c_actions.options import Input
from s3c_actions.options.common import IMAGE, ImageOptions
from s3c_actions.options.evidence import (
    ATTACH,
    KINDS,
    OPENVEX,
    PRUNE,
    REPORTS,
    RESULTS,
    EarlierOptions,
    EvidenceOptions,
)
from s3c_actions.options.report import ExitCodeOptions
from s3c_actions.options.scan import AROUND, LOOK, ScanningOptions
from s3c_actions.options.sign import SIGNING, SigningOptions

DOCUMENTS = replace(ATTACH, default="true", absent=KINDS)

INPUTS: tuple[Input[Any], ...] = (IMAGE, DOCUMENTS, PRUNE, RESULTS, REPORTS, OPENVEX, *LOOK, *AROUND, *SIGNING)


class AttachInputs(
    EvidenceOptions, EarlierOptions, ScanningOptions, ExitCodeOptions, SigningOptions, ImageOptions, order=INPUTS
):
    """Of `attach`."""

    attach = DOCUMENTS
