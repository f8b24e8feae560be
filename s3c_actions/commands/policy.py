"""`s3c policy`: what the policy says, what it says of an image, and what the cluster's gate is told of it."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO
from typing import TYPE_CHECKING

from msgspec.structs import replace

from s3c_actions.cluster.gate.manifests import objects_for_policy
from s3c_actions.core.errors import InputError, S3CError
from s3c_actions.core.reference import Reference
from s3c_actions.options import policy as inputs
from s3c_actions.policy import model
from s3c_actions.policy.model import exception_end
from s3c_actions.result.model import ImageOutcome, Outcome
from s3c_actions.steps import judge as step
from s3c_actions.wiring.context import Context
from s3c_actions.wiring.images import failed
from s3c_actions.wiring.signing import registries_of, resolve_images

if TYPE_CHECKING:
    from s3c_actions.policy.model import Policy
from s3c_actions.wiring.judging import open_policy_judge, read_certificates


def run(options: inputs.PolicyInputs, context: Context) -> Outcome:
    """Do what `task` says.

    Raises:
        InputError: the policy is not one, or an image is malformed or not there.
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
    for sentence in exception_notices(policy, context):
        context.progress.warning(sentence)
    if not options.image:
        return Outcome(command="policy", images=(), text=_summary(policy))
    return Outcome(command="policy", images=_judged(options, context, policy))


def _judged(options: inputs.PolicyInputs, context: Context, policy: Policy) -> tuple[ImageOutcome, ...]:
    outcomes = []
    with open_policy_judge(options, context, policy, registries_of(options.image)) as judge:
        for image, pinned in resolve_images(options.image, options, context).items():
            outcome = ImageOutcome(image=image, reference=pinned)
            with context.progress.step("judge") as shown:
                try:
                    judgement = step.run(judge, Reference.parse(pinned))
                except S3CError as error:
                    outcomes.append(failed(outcome, error))
                    shown.done(error.what)
                    continue
                refusal = step.rejected_error(judgement)
                shown.done("the policy admits it" if refusal is None else f"refused: {judgement.refusals[0].text}")
            outcomes.append(replace(outcome, judgement=judgement, failure=refusal))
    return tuple(outcomes)


def export_yaml(policy: Policy) -> str:
    """The objects of the cluster's gate as YAML, in the order in which they are applied."""
    from ruamel.yaml import YAML
    from ruamel.yaml.scalarstring import walk_tree

    yaml = YAML()
    yaml.width = 4096
    yaml.explicit_start = True
    made = list(objects_for_policy(policy))
    for one in made:
        walk_tree(one)
    text = StringIO()
    yaml.dump_all(made, text)
    head = f"# Made by `s3c policy export` of the policy {policy.digest}. `s3c gate install --policy` applies it.\n"
    return head + text.getvalue()


def exception_notices(policy: Policy, context: Context) -> list[str]:
    """What should be told of a policy: exceptions that are over, or soon will be."""
    told = []
    for one in policy.exceptions:
        left = exception_end(one.until) - context.now
        if left <= timedelta():
            told.append(f"The exception for {one.id} by {one.who} ended on {one.until}: it counts no more.")
        elif left <= timedelta(days=14):
            told.append(f"The exception for {one.id} by {one.who} ends on {one.until}.")
    return told


def _summary(policy: Policy) -> str:
    findings = policy.findings
    fixable = " that have a fix" if findings.fixable_only else ""
    refused = f"{', '.join(findings.refuse)}{fixable}" if findings.refuse else "none by severity"
    lines = [
        ("policy", policy.digest),
        ("signers", ", ".join(one.name for one in policy.signers) or "none: neither check nor export will do"),
        ("findings refused", refused),
        ("denied by name", ", ".join(findings.deny) or "none"),
        ("exceptions", str(len(policy.exceptions))),
        ("report", f"no older than {policy.report.maximum_age}"),
        ("SBOM", "required" if policy.needs_sbom else "not required"),
        ("packages refused", ", ".join(policy.packages.refuse) or "none"),
        ("licences refused", ", ".join(policy.licenses.refuse) or "none"),
    ]
    return "".join(f"{name:<17} {text}\n" for name, text in lines)
