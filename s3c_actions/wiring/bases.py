"""From options to what finds the base of an image, and whose findings the gate counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from s3c_actions.core.errors import InputError
from s3c_actions.findings.threshold import Threshold
from s3c_actions.options.base_image import BaseImageOptions, names_registry
from s3c_actions.options.declare import Group
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


def with_scope(gate: Threshold, options: Group, policy: Policy | None) -> Threshold:
    """Return the threshold with the findings that it counts: all, or those that did not come with the base.

    Args:
        gate: of the policy, or of `fail-on`.
        options: of a command, with or without the inputs on bases.
        policy: None without one; it sets the scope itself.

    Raises:
        InputError: the image's own findings are asked for, and no image counts as a base; or `scope` is given beside a
            policy.
    """
    if not isinstance(options, BaseImageOptions):
        return gate
    if policy is not None:
        if options.given(BaseImageOptions.scope):
            raise InputError(
                BaseImageOptions.scope.name,
                "it is given beside a policy, which says the same.",
                remedy="Give one of both: `scope` in the policy is under `findings`.",
            )
        return gate if gate.bases else replace(gate, bases=options.base_image)
    own = options.scope == "own"
    # What a command allows by default allows whoever builds an image to choose.
    if own and not (options.base_image and options.given(BaseImageOptions.base_image)):
        raise InputError(
            BaseImageOptions.base_image.name,
            "`scope` is own, and no image counts as a base.",
            cause="Whoever builds an image can call anything its base.",
            remedy="Name the base, or patterns of bases, such as docker.io/library/*.",
        )
    if own and (anywhere := [entry for entry in options.base_image if not names_registry(entry)]):
        raise InputError(
            BaseImageOptions.base_image.name,
            f"{anywhere[0]!r} is of any registry, and `scope` is own.",
            cause="Whoever builds an image could call one of their own its base.",
            remedy="Name the registry, as in docker.io/library/*.",
        )
    return replace(gate, own_only=own, bases=options.base_image)
