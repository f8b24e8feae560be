"""Inputs of `attach`: those of a scan and of a signature."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from s3c_actions.options import Input
from s3c_actions.options.common import IMAGE
from s3c_actions.options.evidence import ATTACH, KINDS, OPENVEX, PRUNE, REPORTS, RESULTS
from s3c_actions.options.scan import AROUND, LOOK
from s3c_actions.options.sign import SIGNING

DOCUMENTS = replace(ATTACH, default="true", absent=KINDS)

INPUTS: tuple[Input[Any], ...] = (IMAGE, DOCUMENTS, PRUNE, RESULTS, REPORTS, OPENVEX, *LOOK, *AROUND, *SIGNING)
