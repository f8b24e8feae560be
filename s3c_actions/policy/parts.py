"""What the parts of `s3c-policy.yaml` are made of."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

Duration = Annotated[
    str, Meta(pattern=r"^([0-9]+(\.[0-9]+)?[smhd])+$", description="A duration, such as 24h or 7d.", examples=["24h"])
]
Line = Annotated[str, Meta(min_length=1, max_length=300, pattern=r"^[^\x00-\x1f\x7f]+$")]


class Part(Struct, frozen=True, forbid_unknown_fields=True, rename="kebab", kw_only=True):
    """What every part of the file has in common: a misspelt key is an error, never ignored."""
