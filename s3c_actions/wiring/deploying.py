"""Create a deployment from the options: settings, manifests, the gate and the verification of images."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING

from msgspec.structs import replace

from s3c_actions.cluster import image_paths, images, manifests
from s3c_actions.core.artifact_types import SIGNATURE
from s3c_actions.core.errors import InputError, Refused, S3CError
from s3c_actions.core.reference import Reference
from s3c_actions.options.deploy import DeployingOptions
from s3c_actions.options.registry import CredentialOptions, RegistryOptions
from s3c_actions.options.verify import VerifyingOptions
from s3c_actions.result.model import Admission, DeployResult, ImageOutcome, Outcome, VerifyResult
from s3c_actions.steps import verify
from s3c_actions.steps.deploy.settings import DeploySettings, DeployTools
from s3c_actions.wiring import logins
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
    """Read the manifests, and return the settings of the deployment.

    Raises:
        InputError: a manifest cannot be used, or a place of images is malformed.
    """
    sources = options.manifests
    paths = image_paths.parse_all(options.image_paths)
    manifest_files = manifests.read(
        sources,
        cwd=context.cwd,
        stdin=lambda: sys.stdin.buffer.read(manifests.MAX_BYTES + 1),
        image_paths=paths,
    )
    return DeploySettings(
        manifests=manifest_files,
        replacements=replacements,
        image_paths=paths,
        require_digests=options.require_digests,
        output=context.output / MANIFESTS_FOLDER,
        namespace=options.namespace,
        create_namespace=options.create_namespace,
        require_gate=options.require_gate,
        accept_paused_gate=options.accept_paused_gate,
        accept_stage=options.accept_stage,
        prune=options.prune,
        recreate_jobs=options.recreate == "jobs",
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
    """Create the step's collaborators.

    Args:
        options: the inputs.
        context: of the command.
        registry: with the credentials for the images.
        verify: as `DeployTools.verify`.
        resolve: whether to resolve images in the registry.

    Raises:
        InputError: the Azure cluster does not exist.
        OutsideError: Azure did not return the cluster's access data.
    """
    return DeployTools(
        resolve=(lambda reference: resolve_reference(registry, reference)) if resolve else None,
        verify=verify,
        signatures=lambda reference: [signature.digest for signature in registry.referrers(reference, SIGNATURE)],
        cluster=None if options.render_only else start_connecting(options, context),
        progress=context.progress,
    )


def image_registry(
    options: RegistryOptions,
    context: Context,
    manifests: tuple[ManifestFile, ...],
    replacements: tuple[Replacement, ...],
) -> Registry:
    """Create a client for the images' registries; raises as `registry_hosts` does."""
    return logins.create_registry(
        options, logins.create_logins(options, context, registry_hosts(options, manifests, replacements))
    )


def registry_hosts(
    options: CredentialOptions, manifests: tuple[ManifestFile, ...], replacements: tuple[Replacement, ...]
) -> set[str]:
    """Return the images' registries. Credentials go to one registry only, never to each that a manifest names.

    Raises:
        InputError: credentials are given, and it is ambiguous which registry they are for.
    """
    replacement_hosts = {replacement.image.registry for replacement in replacements}
    names = [images.parse_name(use.image) for manifest in manifests for use in manifest.uses]
    # What only seems to be an image is looked up where it has a digest.
    candidates = [images.parse_name(use.image) for manifest in manifests for use in manifest.candidates]
    names += [name for name in candidates if name is not None and name.digest]
    manifest_hosts = {name.registry for name in names if name is not None}
    hosts = replacement_hosts or manifest_hosts
    if options.registry_username and len(hosts) > 1:
        raise InputError(
            "registry-username",
            f"the images are in several registries ({', '.join(sorted(hosts))}).",
            remedy="Use `docker login` for each, and leave the credentials out.",
        )
    return hosts if options.registry_username else replacement_hosts | manifest_hosts


def resolve_reference(registry: Registry, reference: Reference) -> tuple[Reference, tuple[str, ...]]:
    """Resolve a reference to its digest, and return it with the platforms of the image.

    Raises:
        InputError: the image does not exist.
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
    """Create the verification by the trust store or the vault given; None when the inputs name no signer.

    Raises:
        InputError: the trust inputs are incomplete, or the certificate in the vault does not exist.
        OutsideError: the vault denied access.
    """
    if not names_trust(options):
        return None

    settings = trust_settings(options, context, options.user_metadata)
    program = create_notation(options, context, registries)
    home = stack.enter_context(verify.prepare(settings, context.temp, context.progress))
    return lambda reference: verify.run(settings, program, home, reference, context.progress)


def deploy_outcome(command: str, result: DeployResult, verified: Mapping[str, VerifyResult], seconds: float) -> Outcome:
    """Return the command's outcome, with that of each image."""
    images = []
    for admission in result.admissions:
        failure: S3CError | None = None
        if admission.verdict == "denied":
            failure = (result.failure if len(result.admissions) == 1 else None) or denied_error(admission)
        images.append(
            ImageOutcome(
                image=admission.image,
                reference=admission.reference,
                verify=verified.get(admission.reference),
                admission=admission,
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
    """Return the error of an image that is not admitted."""
    message = f"{admission.reference} was not admitted: {admission.reason.rstrip('.')}."
    return Refused(message, remedy=admission.remedy, image=admission.reference)
