"""`s3c policy`: describe the policy, judge images by it, and export it for the cluster's gate."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from io import StringIO
from typing import TYPE_CHECKING

from msgspec.structs import replace

from s3c_actions.cluster.gate.manifests import objects_for_policy
from s3c_actions.core.errors import InputError, S3CError
from s3c_actions.core.libraries import ruamel_yaml
from s3c_actions.core.reference import Reference
from s3c_actions.options import policy as inputs
from s3c_actions.policy import model
from s3c_actions.policy.forecast import describe_changes
from s3c_actions.policy.model import exception_end
from s3c_actions.report.render import escape
from s3c_actions.result.model import ImageOutcome, Outcome, PolicyJudgement
from s3c_actions.steps import forecast as forecasting
from s3c_actions.steps import judge as step
from s3c_actions.wiring.context import Context
from s3c_actions.wiring.exceptions import report_exceptions
from s3c_actions.wiring.images import failed
from s3c_actions.wiring.judging import open_policy_judge, read_certificates
from s3c_actions.wiring.signing import registries_of, resolve_images

if TYPE_CHECKING:
    from s3c_actions.policy.model import Policy


def run(options: inputs.PolicyInputs, context: Context) -> Outcome:
    """Run the task that `task` names.

    Raises:
        InputError: the policy is invalid, or an image is malformed or does not exist.
        OutsideError: the registry failed.
    """
    if options.task == "schema":
        return Outcome(command="policy", images=(), text=json.dumps(model.schema(), indent=2) + "\n")
    path = options.policy
    if path is None:
        raise InputError("policy", "none is given.", remedy="Give the path of s3c-policy.yaml.")
    policy = model.read(path)
    if options.task == "export":
        if not options.ratify:
            raise InputError("ratify", "there is nothing to export for but Ratify.", remedy="Leave it out.")
        if options.image:
            raise InputError("image", "an export is for every image.", remedy="Leave the images out.")
        return Outcome(command="policy", images=(), text=export_yaml(read_certificates(policy, options, context)))
    until = _last_moment(options, context.now)
    for sentence in exception_notices(policy, context.now):
        context.progress.warning(sentence)
    if not options.image:
        return Outcome(command="policy", images=(), text=_describe_policy(policy))
    images = _judge_images(options, context, policy, until)
    text = _describe_forecasts(images, until) if until is not None else ""
    return Outcome(command="policy", images=images, text=text)


def _last_moment(options: inputs.PolicyInputs, now: datetime) -> datetime | None:
    """Return the last moment of the forecast; None where none is asked for.

    Raises:
        InputError: it is over, or there is nothing to forecast.
    """
    at = options.at
    if at is None:
        return None
    field = inputs.PolicyInputs.at.name
    if not options.image:
        raise InputError(field, "no image is given whose future it could be.", remedy="Give an image too.")
    until = now + at if isinstance(at, timedelta) else exception_end(at) - timedelta(seconds=1)
    if until <= now:
        raise InputError(field, f"{at} is over.", remedy="Give a day to come, or a time such as 14d.")
    return until


def _describe_forecasts(images: tuple[ImageOutcome, ...], until: datetime) -> str:
    """Return for each image what the policy will refuse, a line for each moment."""
    lines = []
    for image in images:
        if image.judgement is None:
            continue
        lines.append(escape.line(image.judgement.reference))
        coming = describe_changes(image.judgement.forecast)
        lines += [f"  {escape.line(text, 1000)}" for text in coming]
        lines += [] if coming else [f"  nothing more is refused until {until:%Y-%m-%d %H:%M} UTC"]
    return "".join(f"{line}\n" for line in lines)


def _judge_images(
    options: inputs.PolicyInputs, context: Context, policy: Policy, until: datetime | None
) -> tuple[ImageOutcome, ...]:
    outcomes = []
    with open_policy_judge(options, context, policy, registries_of(options.image)) as judge:
        for image, pinned in resolve_images(options.image, options, context).items():
            outcome = ImageOutcome(image=image, reference=pinned)
            with context.progress.step("judge") as progress_step:
                try:
                    reference = Reference.parse(pinned)
                    judgement = (
                        step.run(judge, reference) if until is None else forecasting.run(judge, reference, until)
                    )
                except S3CError as error:
                    outcomes.append(failed(outcome, error))
                    progress_step.done(error.what)
                    continue
                report_exceptions(pinned, judgement.exceptions, context)
                refusal = step.rejected_error(judgement)
                progress_step.done("the policy admits it" if refusal is None else _describe_refusal(judgement))
            outcomes.append(replace(outcome, judgement=judgement, failure=refusal))
    return tuple(outcomes)


def _describe_refusal(judgement: PolicyJudgement) -> str:
    """Return a clause on the first thing that the policy has, or will have, against an image."""
    if judgement.refusals:
        return f"refused: {judgement.refusals[0].text}"
    return f"admitted, and refused from {describe_changes(judgement.forecast)[0]}"


def export_yaml(policy: Policy) -> str:
    """Return the objects of the cluster's gate as YAML, in the order in which they are applied."""
    yaml = ruamel_yaml.YAML()
    yaml.width = 4096
    yaml.explicit_start = True
    objects = list(objects_for_policy(policy))
    for document in objects:
        ruamel_yaml.scalarstring.walk_tree(document)
    text = StringIO()
    yaml.dump_all(objects, text)
    head = f"# Made by `s3c policy export` of the policy {policy.digest}. `s3c gate install --policy` applies it.\n"
    return head + text.getvalue()


def exception_notices(policy: Policy, now: datetime) -> list[str]:
    """Return warnings on exceptions of a policy that have ended or soon will."""
    notices = []
    for exception in policy.exceptions:
        remaining = exception_end(exception.until) - now
        if remaining <= timedelta():
            notices.append(
                f"The exception for {exception.id} by {exception.who} ended on {exception.until}: it counts no more."
            )
        elif remaining <= timedelta(days=14):
            notices.append(f"The exception for {exception.id} by {exception.who} ends on {exception.until}.")
    return notices


def _describe_policy(policy: Policy) -> str:
    lines = [
        ("policy", policy.digest),
        (
            "signers",
            ", ".join(signer.name for signer in policy.image_signers) or "none: neither check nor export will do",
        ),
        ("findings refused", _describe_refused(policy)),
        ("exploited", _describe_exploited(policy)),
        ("denied by name", ", ".join(policy.findings.deny) or "none"),
        ("exceptions", str(len(policy.exceptions))),
        ("break-glass", _describe_granters(policy)),
        ("report", f"no older than {policy.report.maximum_age}"),
        ("platform", "refused at its end of life" if policy.platform.end_of_life == "refuse" else "any"),
        ("base", f"no older than {policy.base.maximum_age}" if policy.base.maximum_age else "of any age"),
        ("SBOM", "required" if policy.needs_sbom else "not required"),
        ("packages refused", ", ".join(policy.packages.refuse) or "none"),
        ("licences refused", ", ".join(policy.licenses.refuse) or "none"),
    ]
    return "".join(f"{name:<17} {text}\n" for name, text in lines)


def _describe_refused(policy: Policy) -> str:
    findings = policy.findings
    rules = [
        *findings.severities,
        *(f"{severity} {grace} after its fix" for severity, grace in findings.graces.items()),
        *([f"EPSS from {findings.epss} on"] if findings.epss else []),
    ]
    fixable = "; only what has a fix" if findings.fixable_only else ""
    return f"{', '.join(rules)}{fixable}" if rules else "none by severity"


def _describe_exploited(policy: Policy) -> str:
    if not policy.findings.deny_exploited:
        return (
            "not asked about" if not policy.findings.epss else f"scores no older than {policy.exploitation.maximum_age}"
        )
    return f"denied (KEV), by data no older than {policy.exploitation.maximum_age}"


def _describe_granters(policy: Policy) -> str:
    names = ", ".join(signer.name for signer in policy.granters)
    return f"by {names}, for {policy.break_glass.maximum} at most" if names else "nobody may grant exceptions"
