"""The gate in CI from the options: the policy or the threshold, and whose findings it counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from s3c_actions.core.errors import InputError
from s3c_actions.findings.model import Severity
from s3c_actions.findings.threshold import Threshold
from s3c_actions.options.base_image import BaseImageOptions, names_registry
from s3c_actions.options.report import ExitCodeOptions, ThresholdOptions
from s3c_actions.policy import model

if TYPE_CHECKING:
    from s3c_actions.options.declare import Group
    from s3c_actions.policy.model import Policy
    from s3c_actions.wiring.context import Context


def policy_from_inputs(options: ThresholdOptions) -> Policy | None:
    """Read the policy given; None without one.

    Raises:
        InputError: the file is no policy, or an input is given beside it that the policy sets.
    """
    path = options.policy
    if path is None:
        return None
    for option in (ThresholdOptions.fail_on, ThresholdOptions.fixable_only):
        if options.given(option):
            raise InputError(
                option.name, "it is given beside a policy, which says the same.", remedy="Give one of both."
            )
    return model.read(path)


def threshold_from_inputs(options: ThresholdOptions, context: Context, shown: tuple[str, ...]) -> Threshold:
    """Return the threshold that the policy, or `fail-on`, `fixable-only` and `exit-code` set.

    Trivy's own `exit-code` fails on every severity that `severity` shows; without `fail-on` it means the same here.

    Args:
        options: of a command, with or without the input `exit-code`.
        context: of the run.
        shown: the severities shown.
    """
    ruling = policy_from_inputs(options)
    if ruling is not None:
        return with_scope(ruling.gate(context.now), options, ruling)
    name = options.fail_on
    by_exit_code = (
        isinstance(options, ExitCodeOptions) and options.given(ExitCodeOptions.exit_code) and options.exit_code
    )
    if not options.given(ThresholdOptions.fail_on) and by_exit_code:
        name = min(Severity.of(severity) for severity in shown).name
        context.progress.notice(f"`exit-code` is given without `fail-on`: the gate is closed by {name} and over.")
    return with_scope(Threshold(Severity.of(name) if name else None, options.fixable_only), options, None)


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
