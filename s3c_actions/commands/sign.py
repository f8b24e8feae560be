"""`s3c sign`: sign one or several images, after checking all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec.structs import replace

from s3c_actions.core.concurrency import for_each
from s3c_actions.core.errors import InputError, Refused, S3CError
from s3c_actions.options import sign as inputs
from s3c_actions.options.programs import TrivyProgram
from s3c_actions.options.report import SEVERITIES, PolicyOptions, ThresholdOptions
from s3c_actions.programs.trivy.trivy import Trivy
from s3c_actions.result.model import AttachResult, ImageOutcome, Outcome, ScanResult
from s3c_actions.steps import sign
from s3c_actions.steps.assess import Criteria
from s3c_actions.steps.closed_gate import closed_gate_error
from s3c_actions.steps.sbom import make_sbom
from s3c_actions.wiring import programs
from s3c_actions.wiring.attaching import create_attacher, read_reports
from s3c_actions.wiring.bases import create_finder
from s3c_actions.wiring.context import Context, with_jobs
from s3c_actions.wiring.earlier import Earlier, check_files, earlier
from s3c_actions.wiring.exploitation import load_exploitation
from s3c_actions.wiring.fix_history import create_fix_history
from s3c_actions.wiring.gating import policy_from_inputs, threshold_from_inputs
from s3c_actions.wiring.images import failed, for_each_reference
from s3c_actions.wiring.signing import open_signing_key, prefix_image, registries_of, resolve_images

if TYPE_CHECKING:
    from s3c_actions.registry import Registry
    from s3c_actions.steps.sign import SigningKey


def run(options: inputs.SignInputs, context: Context) -> Outcome:
    """Resolve every image, check the certificate and judge the reports given, then sign, several images at once.

    Raises:
        InputError: an input, the certificate, a report or an image is wrong: nothing has been signed.
        OutsideError: the registry or the plugin failed before anything was signed.
    """
    check_files(options)
    context = with_jobs(options, context, len(options.image))
    jobs = context.limits.jobs
    with open_signing_key(options, context, registries_of(options.image)) as signer:
        pinned = resolve_images(options.image, options, context)
        criteria = _criteria(options, context, signer.registry)
        previous = earlier(options, pinned)
        scans = _judge_reports(options, context, signer, criteria, previous)
        evidence = _bind_attacher(options, context, signer, criteria, previous) if options.attach else None
        references = tuple(pinned.values())
        before = dict(zip(references, for_each(references, signer.signatures, jobs=jobs), strict=True))

        def sign_image(image: str, reference: str) -> ImageOutcome:
            outcome = ImageOutcome(image=image, reference=reference, scan=scans.get(image))
            refused: Refused | None = None
            with context.progress.step("sign") as step:

                def done(sentence: str) -> None:
                    step.done(prefix_image(sentence, reference, pinned if jobs <= 1 else ()))

                try:
                    if outcome.scan is not None:
                        refused = closed_gate_error(outcome.scan, criteria.gate, consequence="Nothing was signed.")
                        if refused is not None:
                            raise refused
                    result = sign.run(signer, reference, context.progress, before[reference])
                except S3CError as error:
                    outcome = failed(outcome, error)
                    done(error.what)
                else:
                    outcome = replace(outcome, sign=result)
                    how = "already signed by" if result.skipped else "signed by"
                    suffix = "" if outcome.judged else ", not judged"
                    done(f"{how} {result.certificate.subject}{suffix}")
            # Attached also when the gate is closed: the findings must reach whoever judges the image next.
            if evidence is not None and outcome.failure is refused:
                try:
                    outcome = replace(outcome, attach=evidence(outcome))
                except S3CError as error:
                    outcome = failed(outcome, error)
            return outcome

        outcomes = for_each_reference(pinned, context.progress, sign_image, jobs=jobs)
    failures = [outcome.failure for outcome in outcomes if outcome.failure]
    return Outcome(
        command="sign",
        images=outcomes,
        exit_code=max((int(error.exit_code) for error in failures), default=0),
        error=failures[0].what if failures else "",
    )


def _criteria(options: inputs.SignInputs, context: Context, registry: Registry) -> Criteria:
    """Return the criteria by which the reports given are judged."""
    policy = policy_from_inputs(options)
    asks = policy.findings.asks_exploitation if policy is not None else (False, False)
    exploitation = load_exploitation(options, context, offline=False, policy_asks=asks)
    for sentence in exploitation.warnings:
        context.progress.warning(sentence)
    return Criteria(
        gate=threshold_from_inputs(options, context, SEVERITIES),
        policy=policy,
        unscanned_fails=options.unscanned == "fail",
        ignore_unfixed=False,
        now=context.now,
        bill=lambda report: make_sbom(report, _trivy(options, context), context.temp),
        exploitation=exploitation.facts,
        fix_history=create_fix_history(options, context, policy),
        bases=create_finder(options, policy, registry),
    )


def _judge_reports(
    options: inputs.SignInputs, context: Context, signer: SigningKey, criteria: Criteria, previous: Earlier
) -> dict[str, ScanResult]:
    """Return image → scan from the reports given, of every platform; empty when none are given nor needed.

    Raises:
        InputError: something is to be judged or attached and there is no report, or a report is of none of the images.
    """
    paths, attached = previous.reports, options.attach
    if paths and not attached and not criteria.closes:
        raise InputError(
            previous.field,
            "it is given, and nothing is to be made of it.",
            remedy="Say what it is judged by (`fail-on` or `policy`), or what to attach (`attach: true`).",
        )
    if not paths and (attached or criteria.closes):
        field = (
            "attach"
            if attached
            else PolicyOptions.policy.name
            if options.policy is not None
            else ThresholdOptions.fail_on.name
        )
        raise InputError(
            field,
            "there is no report to make evidence of." if attached else "there is no report to judge the image by.",
            remedy="Give `results`: the folder that the scan, patch or chain step wrote, or `report`: its output "
            "`json`, one of every platform of the image." + (" Or run `s3c attach`, which scans." if attached else ""),
        )
    scans = read_reports(paths, options.image, signer.registry, criteria)
    for scan in scans.values():
        for sentence in scan.warnings:
            context.progress.warning(sentence)
    return scans


def _trivy(options: TrivyProgram, context: Context) -> Trivy:
    program = programs.trivy(options, context)
    return Trivy(program, context.runner, cache=context.cache / "trivy", concurrent=context.limits.concurrent)


def _bind_attacher(
    options: inputs.SignInputs, context: Context, signer: SigningKey, criteria: Criteria, previous: Earlier
) -> Callable[[ImageOutcome], AttachResult]:
    """Return a function that attaches the reports given to a signed image."""
    tool = create_attacher(
        options, context, signer, trivy=_trivy(options, context), gate=criteria.gate, policy=criteria.policy
    )
    return lambda outcome: tool.of(previous, outcome.image).attach(outcome, "sign")
