"""What commands take that work on images in a registry: who we are there, for how long, and where the result goes."""

from __future__ import annotations

from typing import Any

from s3c_actions.options import Input
from s3c_actions.options.azure import IDENTITY_INPUTS
from s3c_actions.options.common import INSECURE, OUTPUT_DIR, REGISTRY_PASSWORD, REGISTRY_USERNAME, TIMEOUT

REGISTRY_INPUTS: tuple[Input[Any], ...] = (
    REGISTRY_USERNAME,
    REGISTRY_PASSWORD,
    INSECURE,
    *IDENTITY_INPUTS,
    TIMEOUT,
    OUTPUT_DIR,
)
"""In README order."""
