"""`s3c trace`: trace one or several digests; print the trace, and write it as a page and as JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from s3c_actions.cluster.gate.constraints import describe_watching, read_pauses
from s3c_actions.core.errors import InputError, S3CError
from s3c_actions.core.text import counted
from s3c_actions.options import trace as inputs
from s3c_actions.options.deploy import ClusterOptions
from s3c_actions.options.trusted_signers import TrustOptions
from s3c_actions.options.vault import VaultCertificateOptions
from s3c_actions.result.model import ImageOutcome, Outcome
from s3c_actions.steps import verify
from s3c_actions.steps.trace.tools import SignatureChecker, TraceTools
from s3c_actions.trace import document, text
from s3c_actions.trace.model import TracedGate
from s3c_actions.wiring.context import Context, image_folders
from s3c_actions.wiring.images import failed
from s3c_actions.wiring.kubernetes import connect_cluster
from s3c_actions.wiring.signing import create_notation, registries_of, signing_registry
from s3c_actions.wiring.verifying import names_trust, trust_settings

if TYPE_CHECKING:
    from s3c_actions.core.reference import Reference
    from s3c_actions.trace.model import Trace, TraceJudgement

    Judging = Callable[[Reference], TraceJudgement]
from s3c_actions.wiring.tracing import open_policy_judging, trace_image

_NAMING_CLUSTER = (ClusterOptions.kubeconfig, ClusterOptions.context, ClusterOptions.aks_cluster)


def run(options: inputs.TraceInputs, context: Context) -> Outcome:
    """Trace every image; a failure of one does not stop the others.

    Raises:
        InputError: an input or the trust store is wrong.
        OutsideError: the cluster that is named does not answer.
    """
    gate = _read_gate(options, context)
    registry = signing_registry(options, context, registries_of(options.image))
    outcomes, texts = [], []
    images = options.image
    folders = image_folders(context.output, dict.fromkeys(images))
    with _open_trust(options, context) as (checker, judge):
        tools = TraceTools(registry=registry, now=context.now, checker=checker, judge=judge, gate=gate)
        for image, folder in folders.items():
            with context.progress.step("trace") as step:
                try:
                    traced = trace_image(image, tools, folder)
                except S3CError as error:
                    outcomes.append(failed(ImageOutcome(image=image), error))
                    step.done(error.what)
                    continue
                step.done(_describe_trace(traced.story))
            texts.append(
                document.render(traced.story)
                if options.format == "json"
                else f"{text.render(traced.story)}\nThe page: {traced.files['trace']}\n"
            )
            outcomes.append(ImageOutcome(image=image, reference=traced.reference, trace=traced))
    return Outcome(
        command="trace",
        images=tuple(outcomes),
        text="\n".join(texts),
    )


def _read_gate(options: inputs.TraceInputs, context: Context) -> TracedGate | None:
    """Read the pauses of the gate of the cluster that the inputs name; None when they name none."""
    if not any(options.given(option) for option in _NAMING_CLUSTER):
        return None
    with context.progress.step("gate") as step:
        cluster = connect_cluster(options, context)
        pauses = read_pauses(cluster)
        sentences = tuple(pause.describe(context.now) for pause in pauses) + describe_watching(cluster)
        step.done(" ".join(sentences) or f"{cluster.address}: never paused, or installed since")
    return TracedGate(cluster=cluster.address, pauses=pauses, sentences=sentences)


def _describe_trace(story: Trace) -> str:
    signatures = len(story.subject.signatures)
    return f"{story.judgement.verdict.value}, {counted(signatures, 'signature')}, " + (
        counted(len(story.subject.documents), "document")
    )


@contextmanager
def _open_trust(
    options: inputs.TraceInputs, context: Context
) -> Iterator[tuple[SignatureChecker | None, Judging | None]]:
    """Open the signature check and the judge; None for each that the inputs do not name."""
    policy = options.policy
    if policy is not None:
        trust_inputs = (*TrustOptions.own(), *VaultCertificateOptions.own())
        given = next((option for option in trust_inputs if options.given(option)), None)
        if given is not None:
            raise InputError(given.name, "it is given beside policy, which says whom to trust.", remedy="Give one.")
        with open_policy_judging(options, context, policy, registries_of(options.image)) as judging:
            yield judging
        return

    if not names_trust(options):
        yield None, None
        return
    settings = trust_settings(options, context, {})
    program = create_notation(options, context, registries_of(options.image))
    with verify.prepare(settings, context.temp, context.progress) as home:
        yield SignatureChecker(notation=program, homes=(home,), temp=context.temp), None
