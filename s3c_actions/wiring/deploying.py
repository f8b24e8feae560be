"""From options to a deployment: settings, manifests, the gate and the verification of images."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING

from msgspec.structs import replace

from s3c_actions.cluster import manifests
from s3c_actions.core.artifact_types import SIGNATURE
from s3c_actions.core.errors import InputError, Refused, S3CError
from s3c_actions.core.reference import Reference
from s3c_actions.options.deploy import DeployingOptions
from s3c_actions.options.registry import CredentialOptions, RegistryOptions
from s3c_actions.options.verify import VerifyingOptions
from s3c_actions.result.model import Admission, DeployResult, ImageOutcome, Outcome, VerifyResult
from s3c_actions.steps import verify
from s3c_actions.steps.deploy import DeploySettings, DeployTools
from s3c_actions.wiring.context import Context
from s3c_actions.wiring.kubernetes import start_connecting
from s3c_actions.wiring.signing import create_notation
from s3c_actions.wiring.verifying import names_trust, trust_settings

if TYPE_CHECKING:
    from s3c_actions.cluster.images import Replacement
    from s3c_actions.cluster.manifests import ManifestFile
    from s3c_actions.registry import Registry

MANIFESTS_FOLDER = "manifests"
"""Folder of the rewritten manifests, in the output folder."""


def deploy_settings(
    options: DeployingOptions, context: Context, replacements: tuple[Replacement, ...]
) -> DeploySettings:
    """What the inputs say is to be deployed; the manifests are read here.

    Raises:
        InputError: a manifest cannot be used.
    """
    sources = options.manifests
    read = manifests.read(sources, cwd=context.cwd, stdin=lambda: sys.stdin.buffer.read(manifests.MAX_BYTES + 1))
    return DeploySettings(
        manifests=read,
        replacements=replacements,
        output=context.output / MANIFESTS_FOLDER,
        namespace=options.namespace,
        create_namespace=options.create_namespace,
        require_gate=options.require_gate,
        prune=options.prune,
        timeout=options.rollout_timeout,
        rollback=options.rollback_on_failure,
        force=options.force_conflicts,
        dry_run=options.dry_run,
    )


def deploy_tools(
    options: DeployingOptions,
    context: Context,
    registry: Registry,
    verify: Callable[[str], VerifyResult | None] | None,
    *,
    resolve: bool = True,
) -> DeployTools:
    """The step's collaborators.

    Args:
        options: the inputs.
        context: of the command.
        registry: with the credentials for the images.
        verify: as `DeployTools.verify`.
        resolve: look images up.

    Raises:
        InputError: there is no such cluster of Azure's.
        OutsideError: Azure does not tell how to reach it.
    """
    return DeployTools(
        resolve=(lambda reference: resolve_reference(registry, reference)) if resolve else None,
        verify=verify,
        signatures=lambda reference: [one.digest for one in registry.referrers(reference, SIGNATURE)],
        cluster=None if options.render_only else start_connecting(options, context),
        progress=context.progress,
    )


def image_registry(
    options: RegistryOptions,
    context: Context,
    manifests: tuple[ManifestFile, ...],
    replacements: tuple[Replacement, ...],
) -> Registry:
    """A client for the images' registries; raises as `hosts_of` does."""
    from s3c_actions.wiring.logins import create_logins, create_registry

    return create_registry(options, create_logins(options, context, registry_hosts(options, manifests, replacements)))


def registry_hosts(
    options: CredentialOptions, manifests: tuple[ManifestFile, ...], replacements: tuple[Replacement, ...]
) -> set[str]:
    """The images' registries. Credentials given go to one registry alone, never to every one a manifest names.

    Raises:
        InputError: credentials are given, and whose they are cannot be told.
    """
    given = {one.image.registry for one in replacements}
    named = {one.reference(use).registry for one in manifests for use in one.uses}
    hosts = given or named
    if options.registry_username and len(hosts) > 1:
        raise InputError(
            "registry-username",
            f"the images are in several registries ({', '.join(sorted(hosts))}).",
            remedy="Use `docker login` for each, and leave the credentials out.",
        )
    return hosts if options.registry_username else given | named


def resolve_reference(registry: Registry, reference: Reference) -> tuple[Reference, tuple[str, ...]]:
    """A reference by digest, and the platforms it runs on.

    Raises:
        InputError: it is not there.
        OutsideError: the registry failed.
    """
    try:
        descriptor = registry.resolve(reference)
        pinned = reference.at(descriptor.digest)
        return pinned, descriptor.platforms or (registry.config(pinned).platform,)
    except S3CError as error:
        error.image = error.image or str(reference)
        raise


def create_verifier(
    options: VerifyingOptions, context: Context, stack: ExitStack, registries: Collection[str]
) -> Callable[[str], VerifyResult] | None:
    """Verification by the trust store or the vault given; None when nobody is named.

    Raises:
        InputError: the inputs name nobody they could mean, or the certificate in the vault is not there.
        OutsideError: the vault does not let us in.
    """
    if not names_trust(options):
        return None

    settings = trust_settings(options, context, options.user_metadata)
    program = create_notation(options, context, registries)
    home = stack.enter_context(verify.prepare(settings, context.temp, context.progress))
    return lambda reference: verify.run(settings, program, home, reference, context.progress)


def deploy_outcome(command: str, result: DeployResult, verified: Mapping[str, VerifyResult], seconds: float) -> Outcome:
    """The command's outcome: what became of each image, and of the whole."""
    images = []
    for one in result.admissions:
        failure: S3CError | None = None
        if one.verdict == "denied":
            failure = (result.failure if len(result.admissions) == 1 else None) or denied_error(one)
        images.append(
            ImageOutcome(
                image=one.image,
                reference=one.reference,
                verify=verified.get(one.reference),
                admission=one,
                failure=failure,
            )
        )
    failure = result.failure
    return Outcome(
        command=command,
        images=tuple(images),
        exit_code=int(failure.exit_code) if failure else 0,
        error=failure.what if failure else "",
        seconds=seconds,
        deploy=replace(result, seconds=seconds),
    )


def denied_error(admission: Admission) -> Refused:
    """The error of an image that is not admitted."""
    said = f"{admission.reference} was not admitted: {admission.reason.rstrip('.')}."
    return Refused(said, remedy=admission.remedy, image=admission.reference)
