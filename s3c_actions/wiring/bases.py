"""From options to what finds the base of an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from s3c_actions.options.base_image import BaseImageOptions
from s3c_actions.registry.base_images import BaseFinder
from s3c_actions.report.formats.dockerfile_base import base_names

if TYPE_CHECKING:
    from s3c_actions.policy.model import Policy
    from s3c_actions.registry import Registry


def create_finder(
    options: BaseImageOptions, policy: Policy | None, registry: Registry, *, dockerfile: str = ""
) -> BaseFinder | None:
    """Return what finds the base of images; None when no image counts as a base.

    Args:
        options: of the command.
        policy: whose `bases` decide when it has some; then `base-image` only names candidates among them.
        registry: of the images and of their bases.
        dockerfile: text of the Dockerfile, which names candidates too; empty without one.
    """
    by_policy = policy.findings.bases if policy is not None else ()
    allowed = by_policy or options.base_image
    if not allowed:
        return None
    return BaseFinder(
        registry=registry,
        allowed=allowed,
        given=options.base_image if by_policy else (),
        written=base_names(dockerfile) if dockerfile else (),
    )
