"""What is known of a deployment while it goes on."""

from __future__ import annotations

import msgspec

from s3c_actions.cluster.apply import ObjectChange
from s3c_actions.core.reference import Reference
from s3c_actions.result.model import DeployResult, VerifyResult


class DeployedImage(msgspec.Struct, frozen=True, kw_only=True):
    """An image of the manifests: as written there, and its replacement."""

    text: str
    reference: Reference
    platforms: tuple[str, ...]
    places: tuple[str, ...]


class DeployState(msgspec.Struct):
    """The results so far.

    Attributes:
        result: grows with each check; what is in `changes` and `warnings` joins it at the end.
        verified: signatures by pinned reference.
        changes: of the cluster, in their order.
        warnings: sentences for people.
    """

    result: DeployResult
    verified: dict[str, VerifyResult] = msgspec.field(default_factory=dict)
    changes: list[ObjectChange] = msgspec.field(default_factory=list)
    warnings: list[str] = msgspec.field(default_factory=list)
