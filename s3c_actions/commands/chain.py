"""`s3c chain`: scan, patch, rescan, sign, verify and deploy one or several images in one process."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from msgspec.structs import replace

from s3c_actions.cluster.images import Replacement
from s3c_actions.core import concurrency
from s3c_actions.core.errors import InputError, S3CError
from s3c_actions.core.reference import Reference
from s3c_actions.options import chain as inputs
from s3c_actions.options.sign import KeyOptions
from s3c_actions.policy import model
from s3c_actions.result.model import DeployResult, ImageOutcome, Outcome, VerifyResult
from s3c_actions.steps import chain
from s3c_actions.steps.chain import ChainSteps
from s3c_actions.steps.deploy import deploy
from s3c_actions.steps.trace.tools import SignatureChecker, TraceTools
from s3c_actions.wiring import baseline, tracing
from s3c_actions.wiring.attaching import attacher_for_scanner
from s3c_actions.wiring.chaining import prepare_verification, sign_step, verify_step
from s3c_actions.wiring.context import Context, image_folders, with_jobs
from s3c_actions.wiring.deploying import create_verifier, denied_error, deploy_settings, deploy_tools, image_registry
from s3c_actions.wiring.gating import threshold_from_inputs
from s3c_actions.wiring.patching import check_system, open_patcher, reject_platform
from s3c_actions.wiring.scanning import create_scanner
from s3c_actions.wiring.signing import open_signing_key, registries_of
from s3c_actions.wiring.vouching import by_options, vouch_by_policy

if TYPE_CHECKING:
    from s3c_actions.programs.notation.home import NotationHome
    from s3c_actions.registry import Registry
    from s3c_actions.steps.protocols import Verifier
    from s3c_actions.steps.sign import SigningKey
    from s3c_actions.wiring.scanning import ImageScanner
    from s3c_actions.wiring.vouching import VouchCheck


def run(options: inputs.ChainInputs, context: Context) -> Outcome:
    """Take every image through the chain; a failure of one does not stop the others.

    Raises:
        InputError: an input, the certificate or an image is wrong: nothing has been pushed.
        OutsideError: a program could not be obtained, or a registry could not be reached: nothing has been pushed.
    """
    if options.patch:
        check_system(options, context)
    images = options.image
    context = with_jobs(options, context, len(images))
    for image in images:
        Reference.parse(image)
    if options.patch:
        reject_platform(options)
    if options.attach:
        if not options.sign:
            raise InputError(
                "attach", "evidence is signed, and `sign` is false.", remedy="Leave one of both out of the inputs."
            )
        reject_platform(options)
    settings = chain.ChainSettings(
        images=images,
        gate=threshold_from_inputs(options, context, options.severity),
        unexpected_changes=options.unexpected_changes,
        jobs=context.limits.jobs,
    )
    baselines = baseline.read_baselines(options, context, images)
    folders = image_folders(context.output, images)
    deployed: DeployResult | None = None
    with ExitStack() as stack:
        signer, verify, home = _prepare_signing(options, context, stack)
        deploy = _prepare_deploy(options, context, verify) if options.deploy else None
        scanner = create_scanner(options, context, images, evidence=bool(options.attach))
        vouched = vouch_by_policy(signer.notation, home) if signer is not None and home is not None else None
        if signer is None and options.patch:
            vouched = stack.enter_context(by_options(options, context, registries_of(images)))
        steps = _bind_steps(options, context, stack, scanner=scanner, signer=signer, verify=verify, vouched=vouched)
        tracing.prepare()
        baseline_reports = {image: baselines.of(image, scanner, folders[image]) for image in images}
        outcomes = chain.run(settings, steps, context.progress)
        outcomes = tuple(baselines.compared(outcome, baseline_reports[outcome.image], scanner) for outcome in outcomes)
        if deploy is not None:
            outcomes, deployed = chain.deploy(outcomes, deploy, denied_error, context.progress)
        verification = None if signer is None or home is None else (signer.notation, home)
        outcomes = _trace_images(options, context, outcomes, scanner.registry, verification)
    for warning in deployed.warnings if deployed is not None else ():
        context.progress.warning(warning)
    failure = deployed.failure if deployed is not None else None
    return Outcome(
        command="chain",
        images=outcomes,
        exit_code=int(failure.exit_code) if failure is not None else 0,
        error=failure.what if failure is not None else "",
        deploy=deployed,
    )


def _prepare_signing(
    options: inputs.ChainInputs, context: Context, stack: ExitStack
) -> tuple[SigningKey | None, Callable[[str], VerifyResult] | None, NotationHome | None]:
    """Return the signer, the verification and its trust. The key is checked first, so that a wrong one fails early."""
    if not options.sign:
        return (
            None,
            create_verifier(options, context, stack, registries_of(options.image)) if options.deploy else None,
            None,
        )
    try:
        signer = stack.enter_context(open_signing_key(options, context, registries_of(options.image)))
    except InputError as error:
        if error.field == KeyOptions.key.name and not options.given(KeyOptions.key):
            error.remedy += " To stop before signing, set `sign` to false."
        raise
    return signer, *prepare_verification(options, context, signer, stack)


def _bind_steps(
    options: inputs.ChainInputs,
    context: Context,
    stack: ExitStack,
    *,
    scanner: ImageScanner,
    signer: SigningKey | None,
    verify: Callable[[str], VerifyResult] | None,
    vouched: VouchCheck | None,
) -> ChainSteps:
    """Bind the steps that the inputs select."""
    images = options.image
    folders = image_folders(context.output, images)
    patcher = stack.enter_context(open_patcher(options, context, scanner, images, vouched)) if options.patch else None

    attacher = (
        attacher_for_scanner(options, context, signer, scanner) if signer is not None and options.attach else None
    )
    return ChainSteps(
        resolve=lambda image: _pin(image, scanner.registry),
        scan=lambda image: scanner.look(image, folders[image]),
        patch=(lambda scan: patcher.patch(scan.image, folders[scan.image], scan)) if patcher is not None else None,
        sign=sign_step(signer, context) if signer is not None else None,
        attach=(lambda outcome: attacher.attach(outcome, "chain")) if attacher is not None else None,
        verify=verify_step(verify, context) if signer is not None and verify is not None else None,
    )


def _pin(image: str, registry: Registry) -> str:
    reference = Reference.parse(image)
    return reference.at(registry.resolve(reference).digest).pinned


def _trace_images(
    options: inputs.ChainInputs,
    context: Context,
    outcomes: tuple[ImageOutcome, ...],
    registry: Registry,
    verification: tuple[Verifier, NotationHome] | None,
) -> tuple[ImageOutcome, ...]:
    """Return each outcome with its trace; a trace that cannot be written is a warning, and changes no verdict.

    Args:
        options: of the chain.
        context: of the run.
        outcomes: of the steps before.
        registry: of the images.
        verification: notation and its trust; without them signatures are shown and not checked.
    """
    images = options.image
    folders = image_folders(context.output, images)
    with ExitStack() as stack:
        tools = _trace_tools(options, context, registry, verification, stack)

        def trace_outcome(outcome: ImageOutcome) -> ImageOutcome:
            try:
                trace_result = (
                    tracing.trace_image(_tagged(outcome), tools, folders[outcome.image]) if outcome.reference else None
                )
            except (S3CError, OSError) as error:
                reason = error.what if isinstance(error, S3CError) else f"{error}."
                context.progress.warning(f"{outcome.image}: the page of its story could not be written: {reason}")
                trace_result = None
            return replace(outcome, trace=trace_result)

        return tuple(concurrency.for_each(outcomes, trace_outcome, jobs=context.limits.jobs))


def _tagged(outcome: ImageOutcome) -> str:
    """Return the image by tag and digest: the tag that the patch gave it, else the one that was asked for."""
    tag = outcome.patch.tag if outcome.patch is not None else Reference.parse(outcome.image).tag
    return str(replace(Reference.parse(outcome.reference), tag=tag))


def _trace_tools(
    options: inputs.ChainInputs,
    context: Context,
    registry: Registry,
    verification: tuple[Verifier, NotationHome] | None,
    stack: ExitStack,
) -> TraceTools:
    """Create the tools of the trace: the policy judges where it names signers, else the trust that verified."""
    tools = TraceTools(registry=registry, now=context.now)
    if verification is None:
        return tools
    tools = replace(
        tools, checker=SignatureChecker(notation=verification[0], homes=(verification[1],), temp=context.temp)
    )
    path = options.policy
    if path is None or not model.read(path).image_signers:
        return tools
    try:
        checker, judge = stack.enter_context(
            tracing.open_policy_judging(options, context, path, registries_of(options.image))
        )
    except S3CError as error:
        context.progress.warning(f"The stories are told without the policy's verdict: {error.what}")
        return tools
    return replace(tools, checker=checker, judge=judge)


def _prepare_deploy(
    options: inputs.ChainInputs, context: Context, verify: Callable[[str], VerifyResult] | None
) -> Callable[[Sequence[ImageOutcome]], DeployResult]:
    """Bind the deploy step: manifests are read and the cluster is contacted now, before anything is pushed.

    What the chain has verified is not verified again. Other images of the manifests are verified by the trust store
    given, else left to the gate; where no gate is required, they have to be signed as the chain's are. A chain that
    does not sign verifies all of them by the trust store or the vault given.
    """
    if not options.manifests:
        raise InputError(
            inputs.ChainInputs.manifests.name,
            "it is missing, and deploy is given.",
            remedy="Name the manifests to deploy.",
        )
    if verify is None and not options.require_gate:
        raise InputError(
            "trust-store",
            "with `require-gate: false` and `sign: false` nobody would look at the signatures.",
            remedy="Give the certificates to trust, or require the gate.",
        )
    settings = deploy_settings(options, context, _replacements({image: image for image in options.image}))
    registry = image_registry(options, context, settings.manifests, settings.replacements)
    tools = deploy_tools(options, context, registry, None)
    if tools.cluster is not None:
        tools.cluster().request("GET", "/version")
    strictly = bool(options.trust_store) or not options.sign or not options.require_gate

    def deploy_all(images: Sequence[ImageOutcome]) -> DeployResult:
        verified_images = {image.reference: image.verify for image in images if image.verify is not None}

        def verified(pinned: str) -> VerifyResult | None:
            if pinned in verified_images:
                return verified_images[pinned]
            return verify(pinned) if strictly and verify is not None else None

        chosen = _replacements({image.image: image.reference for image in images})
        return deploy.run(replace(settings, replacements=chosen), replace(tools, verify=verified))[0]

    return deploy_all


def _replacements(images: Mapping[str, str]) -> tuple[Replacement, ...]:
    """Replace all images of a repository by the chain's image; of two of one repository, each replaces its own tag."""
    references = {image: Reference.parse(image) for image in images}
    names = [reference.name for reference in references.values()]
    return tuple(
        Replacement(
            name=reference if names.count(reference.name) > 1 else replace(reference, tag="", digest=""),
            image=Reference.parse(images[image]),
        )
        for image, reference in references.items()
    )
