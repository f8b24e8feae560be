"""`s3c deploy`: manifests by signed digests, behind a proved gate."""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from s3c_actions.commands import Command, Context
from s3c_actions.core import pasted
from s3c_actions.core.artifact_types import SIGNATURE
from s3c_actions.core.errors import InputError, Refused, S3CError
from s3c_actions.core.reference import Reference
from s3c_actions.options import Values
from s3c_actions.options import deploy as inputs
from s3c_actions.options.common import REGISTRY_USERNAME, TIMEOUT
from s3c_actions.result.model import Admission, DeployResult, ImageOutcome, Outcome, VerifyResult
from s3c_actions.wiring.signing import notation
from s3c_actions.wiring.verifying import trusted, trusting

if TYPE_CHECKING:
    from s3c_actions.azure.kubernetes_service import Access
    from s3c_actions.cluster.client import Cluster
    from s3c_actions.cluster.images import Replacement
    from s3c_actions.cluster.manifests import Manifest
    from s3c_actions.registry import Registry
    from s3c_actions.steps.deploy import DeploySettings, DeployTools

MANIFESTS = "manifests"
"""Folder of the rewritten manifests, in the output folder."""


def run(values: Values, context: Context) -> Outcome:
    """Deploy what the inputs say.

    Raises:
        InputError: an input, a manifest or an image is wrong: nothing was applied.
        OutsideError: the registry or the cluster failed before anything was applied.
    """
    from s3c_actions.cluster.images import Replacement
    from s3c_actions.steps import deploy

    started = time.monotonic()
    settings = settings_of(values, context, tuple(Replacement.parse(one) for one in values[inputs.IMAGES]))
    if not trusting(values) and not values[inputs.REQUIRE_GATE]:
        raise InputError(
            "trust-store",
            "with `require-gate: false` and nobody to trust nobody would look at the signatures.",
            remedy="Give the certificates to trust or the `vault` that has one, or require the gate.",
        )
    with ExitStack() as stack:
        registry = registry_of(values, context, settings.manifests, settings.replacements)
        hosts = hosts_of(values, settings.manifests, settings.replacements)
        # Whatever is made ready while programs run would hold up the import of Kubernetes' client, and comes after it.
        alone = replace(context, runner=dataclasses.replace(context.runner, meanwhile=lambda: None))
        verify = _by_policy(
            values,
            alone,
            stack,
            registry=registry,
            verify=verifier(values, alone, stack, hosts),
            hosts=hosts,
        )
        tools = tools_of(values, context, registry, verify, resolve=values[inputs.RESOLVE])
        result, verified = deploy.run(settings, tools)
    for warning in result.warnings:
        context.progress.warning(warning)
    return outcome("deploy", result, verified, time.monotonic() - started)


def settings_of(values: Values, context: Context, replacements: tuple[Replacement, ...]) -> DeploySettings:
    """What the inputs say is to be deployed; the manifests are read here.

    Raises:
        InputError: a manifest cannot be used.
    """
    from s3c_actions.cluster import manifests
    from s3c_actions.steps.deploy import DeploySettings

    sources = values[inputs.MANIFESTS]
    read = manifests.read(sources, cwd=context.cwd, stdin=lambda: sys.stdin.buffer.read(manifests.MOST_BYTES + 1))
    return DeploySettings(
        manifests=read,
        replacements=replacements,
        output=context.output / MANIFESTS,
        namespace=values[inputs.NAMESPACE],
        create_namespace=values[inputs.CREATE_NAMESPACE],
        require_gate=values[inputs.REQUIRE_GATE],
        prune=values[inputs.PRUNE],
        timeout=values[inputs.ROLLOUT_TIMEOUT],
        rollback=values[inputs.ROLLBACK],
        force=values[inputs.FORCE],
        dry_run=values[inputs.DRY_RUN],
    )


def tools_of(
    values: Values,
    context: Context,
    registry: Registry,
    verify: Callable[[str], VerifyResult | None] | None,
    *,
    resolve: bool = True,
) -> DeployTools:
    """The step's collaborators.

    Args:
        values: the inputs.
        context: of the command.
        registry: with the credentials for the images.
        verify: as `DeployTools.verify`.
        resolve: look images up.

    Raises:
        InputError: there is no such cluster of Azure's.
        OutsideError: Azure does not tell how to reach it.
    """
    from s3c_actions.steps.deploy import DeployTools

    return DeployTools(
        resolve=(lambda reference: resolved(registry, reference)) if resolve else None,
        verify=verify,
        signatures=lambda reference: [one.digest for one in registry.referrers(reference, SIGNATURE)],
        cluster=None if values[inputs.RENDER_ONLY] else _connecting(values, context),
        progress=context.progress,
    )


def cluster_of(values: Values, context: Context) -> Cluster:
    """The cluster that the inputs, KUBECONFIG or the home folder name.

    Raises:
        InputError: the kubeconfig or the context cannot be used, or there is no such cluster of Azure's.
        OutsideError: Azure does not tell how to reach it.
    """
    return _connect(values, context)()


def _connecting(values: Values, context: Context) -> Callable[[], Cluster]:
    """Begin to connect, in a thread: importing Kubernetes' client takes 0.2 s, in which others ask the registry.

    Returns:
        What waits for it, and gives or raises as `cluster_of` does.

    Raises:
        InputError, OutsideError: what Azure was asked ended so.
    """
    from concurrent.futures import ThreadPoolExecutor

    # Two threads that import a package at once whose modules import each other may find it half imported. This one is
    # what both sides need; the rest of the client is its own.
    import requests  # noqa: F401

    connect = _connect(values, context)

    def work() -> Cluster:
        cluster = connect()
        context.runner.meanwhile()
        return cluster

    pool = ThreadPoolExecutor(1)
    connected = pool.submit(work)
    pool.shutdown(wait=False)
    return connected.result


def _connect(values: Values, context: Context) -> Callable[[], Cluster]:
    """What is left to do to connect once Azure has been asked, in the thread that may ask it."""
    from s3c_actions.cluster.client import connect

    kubeconfig = kubeconfig_of(values, context)
    azure = aks(values, context)
    token = azure.token if azure is not None else None
    return partial(
        connect,
        kubeconfig,
        values[inputs.KUBE_CONTEXT],
        timeout=min(values[TIMEOUT], 60.0),
        temp=context.temp,
        hide=context.secrets.add,
        token=token,
    )


def kubeconfig_of(values: Values, context: Context) -> str:
    """The kubeconfig that the inputs, KUBECONFIG or the home folder name; several files are separated by `:`.

    Raises:
        InputError: the cluster of Azure's that is named is not there, or a kubeconfig is given beside it.
        OutsideError: Azure does not tell how to reach it.
    """
    azure = aks(values, context)
    if azure is not None:
        path = context.temp / "aks.kubeconfig"
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(json.dumps(azure.document), encoding="utf-8")  # JSON is YAML
        return str(path)
    home = Path(context.environment.get("HOME") or Path.home()) / ".kube" / "config"
    given = values[inputs.KUBECONFIG]
    if given:
        return str(Path(given).expanduser())
    paths = context.environment.get("KUBECONFIG", "")
    kind = pasted.in_path(paths)
    if kind:
        raise InputError(
            "kubeconfig", f"the variable KUBECONFIG holds {kind}, not a path.", remedy="Give it as `kubeconfig`."
        )
    return paths or str(home)


def aks(values: Values, context: Context) -> Access | None:
    """How to reach the cluster of Azure Kubernetes Service that the inputs name, asked once; None when they name none.

    Raises:
        InputError: there is no such cluster, a part of its name is missing, or a kubeconfig is given beside it.
        OutsideError: Azure does not tell how to reach it.
    """
    if not values[inputs.AKS_CLUSTER]:
        return None
    from s3c_actions.azure import kubernetes_service
    from s3c_actions.wiring.azure import azure_identity

    made = context.shared.get("aks")
    if isinstance(made, kubernetes_service.Access):
        return made
    if values[inputs.KUBECONFIG]:
        raise InputError("kubeconfig", "it is given beside aks-cluster.", remedy="Give one of both.")
    subscription = values[inputs.SUBSCRIPTION] or context.environment.get("AZURE_SUBSCRIPTION_ID", "")
    for name, value in ((inputs.RESOURCE_GROUP.name, values[inputs.RESOURCE_GROUP]), ("subscription", subscription)):
        if not value:
            raise InputError(name, "it is missing, and aks-cluster is given.", remedy="Give both.")
    cluster = kubernetes_service.AksCluster(
        subscription=subscription, group=values[inputs.RESOURCE_GROUP], name=values[inputs.AKS_CLUSTER]
    )
    identity = azure_identity(values, context)
    found = kubernetes_service.access(cluster, identity, context.secrets)
    how = f"with {identity.told}" if found.token is not None else "with the cluster's local account"
    context.progress.notice(f"{cluster.name}: logged in {how}.")
    context.shared["aks"] = found
    return found


def registry_of(
    values: Values, context: Context, manifests: tuple[Manifest, ...], replacements: tuple[Replacement, ...]
) -> Registry:
    """A client for the images' registries; raises as `hosts_of` does."""
    from s3c_actions.wiring.logins import logins, registry

    return registry(values, logins(values, context, hosts_of(values, manifests, replacements)))


def hosts_of(values: Values, manifests: tuple[Manifest, ...], replacements: tuple[Replacement, ...]) -> set[str]:
    """The images' registries. Credentials given go to one registry alone, never to every one a manifest names.

    Raises:
        InputError: credentials are given, and whose they are cannot be told.
    """
    given = {one.image.registry for one in replacements}
    named = {one.reference(use).registry for one in manifests for use in one.uses}
    hosts = given or named
    if values[REGISTRY_USERNAME] and len(hosts) > 1:
        raise InputError(
            "registry-username",
            f"the images are in several registries ({', '.join(sorted(hosts))}).",
            remedy="Use `docker login` for each, and leave the credentials out.",
        )
    return hosts if values[REGISTRY_USERNAME] else given | named


def resolved(registry: Registry, reference: Reference) -> tuple[Reference, tuple[str, ...]]:
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


def verifier(
    values: Values, context: Context, stack: ExitStack, registries: Collection[str] | None = None
) -> Callable[[str], VerifyResult] | None:
    """Verification by the trust store or the vault given; None when nobody is named.

    Raises:
        InputError: the inputs name nobody they could mean, or the certificate in the vault is not there.
        OutsideError: the vault does not let us in.
    """
    if not trusting(values):
        return None
    from s3c_actions.steps import verify

    settings = trusted(values, context)
    program = notation(values, context, registries)
    home = stack.enter_context(verify.prepare(settings, context.temp, context.progress))
    return lambda reference: verify.run(settings, program, home, reference, context.progress)


def _by_policy(
    values: Values,
    context: Context,
    stack: ExitStack,
    *,
    registry: Registry,
    verify: Callable[[str], VerifyResult] | None,
    hosts: Collection[str],
) -> Callable[[str], VerifyResult | None] | None:
    """Verification, and then the policy's judgement by the evidence in the registry; as it was without a policy.

    Raises:
        InputError: the policy is not one, or names no signer.
    """
    path = values[inputs.POLICY]
    if path is None:
        return verify
    from s3c_actions.policy import model
    from s3c_actions.steps import judge
    from s3c_actions.wiring.judging import trusting

    ready = stack.enter_context(
        judge.prepare(
            trusting(model.read(path), values, context),
            registry=registry,
            notation=notation(values, context, hosts),
            temp=context.temp,
            now=context.now,
        )
    )

    def judged(reference: str) -> VerifyResult | None:
        result = verify(reference) if verify is not None else None
        refusal = judge.refused(judge.run(ready, Reference.parse(reference)))
        if refusal is not None:
            raise refusal
        return result

    return judged


def outcome(command: str, result: DeployResult, verified: Mapping[str, VerifyResult], seconds: float) -> Outcome:
    """The command's outcome: what became of each image, and of the whole."""
    images = []
    for one in result.admissions:
        failure: S3CError | None = None
        if one.verdict == "denied":
            failure = (result.failure if len(result.admissions) == 1 else None) or denied(one)
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


def denied(admission: Admission) -> Refused:
    """The error of an image that is not admitted."""
    said = f"{admission.reference} was not admitted: {admission.reason.rstrip('.')}."
    return Refused(said, remedy=admission.remedy, image=admission.reference)


COMMAND = Command(
    name="deploy",
    help="Deploys manifests to Kubernetes with every image by its signed digest. First the images are verified and the "
    "gate is proved to deny an unsigned one; nothing is applied before. Then the rollout is watched to its end.",
    inputs=inputs.INPUTS,
    run=run,
    comments=True,
    examples=(
        "s3c deploy k8s/ --image registry.example/app@sha256:… --trust-store signing.crt",
        "s3c deploy k8s/ --vault kv-voting --vault-certificate signing",
        "s3c deploy - --namespace shop --create-namespace",
        "s3c deploy k8s/ --render-only --output-dir out",
    ),
)
