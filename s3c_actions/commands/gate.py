"""`s3c gate`: whether the cluster's gate closes, by looking and by trying. Nothing is made or changed."""

from __future__ import annotations

import time
from dataclasses import replace

from s3c_actions.commands import Command, Context
from s3c_actions.commands.deploy import cluster_of, outcome, registry_of, resolved
from s3c_actions.errors import Refused
from s3c_actions.evidence import SIGNATURE
from s3c_actions.inputs import Values
from s3c_actions.inputs import deploy as deploying
from s3c_actions.inputs import gate as inputs
from s3c_actions.steps.results import Admission, DeployResult, Outcome


def run(values: Values, context: Context) -> Outcome:
    """Look at the gate, prove it by an image that nobody signed, and try the images given, all by dry run.

    Raises:
        InputError: an input or an image is wrong.
        Refused: the gate has holes, or is open.
        OutsideError: the registry, the cluster or the gate does not answer.
    """
    from s3c_actions.cluster import gate
    from s3c_actions.cluster.images import Replacement
    from s3c_actions.steps.deploy import judged

    started = time.monotonic()
    images = tuple(Replacement.parse(one) for one in values[inputs.TRIED])
    registry = registry_of(values, context, (), images)
    references = {str(one.image): resolved(registry, one.image)[0] for one in images}
    cluster = cluster_of(values, context)
    namespace = values[deploying.NAMESPACE] or cluster.namespace
    with context.progress.step("gate") as step:
        looked = gate.inspect(gate.gather(cluster), [("", "Pod", namespace)])
        if looked.holes:
            raise gate.refusal(looked)
        step.done(f"closed for {namespace} by {', '.join(looked.constraints)}")
    unsigned = gate.unsigned_of(
        list(references.values()), lambda one: [found.digest for found in registry.referrers(one, SIGNATURE)]
    )
    denial = ""
    if unsigned:
        with context.progress.step("proof") as step:
            denial = gate.prove(cluster, unsigned, namespace, looked.constraints).what
            step.done(denial)
    admissions = []
    for image, reference in references.items():
        with context.progress.step("try") as step:
            denied = gate.attempt(cluster, reference.pinned, namespace)
            admissions.append(judged(Admission(image=image, reference=reference.pinned, verdict="unknown"), denied))
            step.done(f"{reference.pinned} is admitted" if denied is None else denied.denials[0].what)
    if not unsigned and all(one.verdict == "admitted" for one in admissions):
        raise Refused(
            "The gate was not proved: the images given are admitted, and none of them has a signature.",
            cause="Ratify trusts something else than Notary Project signatures, or trusts everything.",
            remedy="Look at Ratify's Policy and Verifier.",
        )
    result = DeployResult(
        cluster=cluster.address,
        admissions=tuple(admissions),
        unsigned_denied=unsigned,
        denial=denial,
        constraints=looked.constraints,
        exempt=looked.exempt,
    )
    told = outcome("gate", result, {}, time.monotonic() - started)
    return told if values[inputs.TASK] == "check" else without_failures(told)


def without_failures(told: Outcome) -> Outcome:
    """A demonstration in which something is denied is one that worked."""
    images = (replace(one, failure=None, reference="" if one.failure else one.reference) for one in told.images)
    return replace(told, images=tuple(images))


COMMAND = Command(
    name="gate",
    help="Proves that the cluster's gate closes: looks for holes, then has the cluster try, by dry run, a Pod of an "
    "image that nobody signed, and the images given. `check` fails when one of those is denied; `demo` shows why.",
    inputs=inputs.INPUTS,
    run=run,
    examples=(
        "s3c gate check --image registry.example/app@sha256:…",
        "s3c gate demo --image registry.example/app:unsigned --image registry.example/app:signed",
    ),
)
