"""`s3c deploy`: deploy manifests by signed digests, behind a proved gate."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

from msgspec.structs import replace

from s3c_actions.cluster.deployed import list_deployed
from s3c_actions.cluster.images import Replacement
from s3c_actions.core.errors import InputError, S3CError
from s3c_actions.core.reference import Reference
from s3c_actions.github.artifact_metadata import Deployment
from s3c_actions.options import deploy as inputs
from s3c_actions.policy import model
from s3c_actions.result.model import DeployResult, Outcome, VerifyResult
from s3c_actions.steps import judge
from s3c_actions.steps.deploy import deploy
from s3c_actions.wiring import github_records
from s3c_actions.wiring.context import Context
from s3c_actions.wiring.exceptions import report_exceptions
from s3c_actions.wiring.judging import read_certificates
from s3c_actions.wiring.signing import create_notation
from s3c_actions.wiring.verifying import names_trust

if TYPE_CHECKING:
    from s3c_actions.cluster.client import Cluster
    from s3c_actions.registry import Registry
from s3c_actions.wiring.deploying import (
    create_verifier,
    deploy_outcome,
    deploy_settings,
    deploy_tools,
    image_registry,
    registry_hosts,
)


def run(options: inputs.DeployInputs, context: Context) -> Outcome:
    """Deploy the manifests that the inputs name.

    Raises:
        InputError: an input, a manifest or an image is wrong: nothing was applied.
        OutsideError: the registry or the cluster failed before anything was applied.
    """
    started = time.monotonic()
    github_records.check(options, options, context)
    settings = deploy_settings(options, context, tuple(Replacement.parse(image) for image in options.image))
    if not names_trust(options) and not options.require_gate:
        raise InputError(
            "trust-store",
            "with `require-gate: false` and nobody to trust nobody would look at the signatures.",
            remedy="Give the certificates to trust or the `vault` that has one, or require the gate.",
        )
    with ExitStack() as stack:
        registry = image_registry(options, context, settings.manifests, settings.replacements)
        hosts = registry_hosts(options, settings.manifests, settings.replacements)
        # Preparation while programs run would delay the import of Kubernetes' client, so it starts after that import.
        idle_context = replace(context, runner=dataclasses.replace(context.runner, meanwhile=lambda: None))
        verify = _add_policy_judge(
            options,
            idle_context,
            stack,
            registry=registry,
            verify=create_verifier(options, idle_context, stack, hosts),
            hosts=hosts,
        )
        tools = deploy_tools(options, context, registry, verify, resolve=options.resolve)
        result, verified = deploy.run(settings, tools)
    for warning in result.warnings:
        context.progress.warning(warning)
    if options.github_records and result.applied and result.failure is None and tools.cluster is not None:
        try:
            running = list(_running(result, tools.cluster()))
        except S3CError as error:
            context.progress.warning(f"What is deployed was not recorded in GitHub. {error}")
        else:
            github_records.record(options, options, context, running, server=result.cluster)
    return deploy_outcome("deploy", result, verified, time.monotonic() - started)


def _running(result: DeployResult, cluster: Cluster) -> Iterator[Deployment]:
    """Yield what runs of the deployed images, as the cluster says it after the rollout.

    Raises:
        OutsideError: the cluster does not answer, or does not allow listing Pods.
    """
    digests = {Reference.parse(admission.reference).digest for admission in result.admissions}
    namespaces = sorted({applied.namespace for applied in result.applied} - {""})
    for running in list_deployed(cluster, namespaces).running if namespaces else ():
        image = Reference.parse(running.image)
        if image.digest in digests:
            yield from (Deployment(image=image, place=place) for place in running.places)


def _add_policy_judge(
    options: inputs.DeployInputs,
    context: Context,
    stack: ExitStack,
    *,
    registry: Registry,
    verify: Callable[[str], VerifyResult] | None,
    hosts: Collection[str],
) -> Callable[[str], VerifyResult | None] | None:
    """Return a verification followed by the policy's judgement of the evidence; unchanged without a policy.

    Raises:
        InputError: the policy is invalid, or names no signer.
    """
    path = options.policy
    if path is None:
        return verify

    prepared = stack.enter_context(
        judge.prepare(
            read_certificates(model.read(path), options, context),
            registry=registry,
            notation=create_notation(options, context, hosts),
            temp=context.temp,
            now=context.now,
        )
    )

    def verify_and_judge(reference: str) -> VerifyResult | None:
        result = verify(reference) if verify is not None else None
        judgement = judge.run(prepared, Reference.parse(reference))
        report_exceptions(reference, judgement.exceptions, context)
        refusal = judge.rejected_error(judgement)
        if refusal is not None:
            raise refusal
        return result

    return verify_and_judge
