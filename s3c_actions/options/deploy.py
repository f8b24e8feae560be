"""Inputs of `deploy` and `gate`: what to deploy, to which cluster, and the required gate."""

from __future__ import annotations

import re
from typing import Any

from msgspec.structs import replace

from s3c_actions.core import pasted_content
from s3c_actions.core.gate_stage import Stage, parse_stage
from s3c_actions.options.azure import IdentityOptions, guid
from s3c_actions.options.command import Command
from s3c_actions.options.common import ImageOptions, OutputOptions, TimeoutOptions, path_items, path_text
from s3c_actions.options.declare import Group, Input
from s3c_actions.options.github import TokenOptions
from s3c_actions.options.github_records import GitHubRecordOptions
from s3c_actions.options.parse import boolean, choice, duration, items, some, text
from s3c_actions.options.programs import NotationProgram, ProgramsMirror
from s3c_actions.options.registry import REGISTRY_INPUTS
from s3c_actions.options.report import PolicyOptions
from s3c_actions.options.sign import MetadataOptions
from s3c_actions.options.trusted_signers import TrustOptions
from s3c_actions.options.vault import VaultCertificateOptions
from s3c_actions.options.verify import VerifyingOptions

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")

_LABEL = re.compile(
    r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?=[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
)


def namespace_name(value: str) -> str:
    """Parse a namespace's name (RFC 1123 label)."""
    if not _NAME.fullmatch(value):
        raise ValueError("a namespace: lower case letters, digits and -, at most 63")
    return value


def label(value: str) -> str:
    """Parse one label, `key=value`."""
    if not _LABEL.fullmatch(value):
        raise ValueError("a label such as app.kubernetes.io/part-of=shop")
    return value


def azure_name(value: str) -> str:
    """Parse a name of Azure Resource Manager."""
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.()-]{0,89}", value) or value.endswith("."):
        raise ValueError("a name in Azure: letters, digits and _ - . ( ), at most 90")
    return value


class ClusterOptions(IdentityOptions, TimeoutOptions):
    """The cluster and its connection."""

    kubeconfig: Input[str] = Input(
        name="kubeconfig",
        basic=("trace", "deploy", "gate", "refresh"),
        metavar="FILE",
        help="How to reach the cluster: a file's path, or the kubeconfig itself (from a secret), also in base64. "
        "Without it `KUBECONFIG`, else `~/.kube/config`.",
        parse=path_text,
        takes=(pasted_content.KUBECONFIG,),
        absent="",
        example="~/.kube/config",
    )
    context: Input[str] = Input(
        name="context",
        basic=("trace", "deploy", "gate", "refresh"),
        metavar="NAME",
        help="Context of the kubeconfig; without it, its current one.",
        parse=text,
        absent="",
    )
    aks_cluster: Input[str] = Input(
        name="aks-cluster",
        metavar="NAME",
        help="Cluster of Azure Kubernetes Service, in place of a kubeconfig: Azure is asked how to reach it, and the "
        "Azure identity logs in, without az and kubelogin. Goes with `resource-group` and `subscription`.",
        parse=azure_name,
        absent="",
        example="aks-voting",
    )
    resource_group: Input[str] = Input(
        name="resource-group",
        metavar="NAME",
        help="Resource group of `aks-cluster`.",
        parse=azure_name,
        absent="",
        example="rg-voting",
    )
    subscription: Input[str] = Input(
        name="subscription",
        metavar="ID",
        help="Id of the subscription of `aks-cluster`. Without it, `AZURE_SUBSCRIPTION_ID`.",
        parse=guid,
        absent="",
        example="01234567-89ab-cdef-0123-456789abcdef",
    )


class NamespaceOptions(Group):
    """The namespace of objects that name none."""

    namespace: Input[str] = Input(
        name="namespace",
        basic=("deploy",),
        metavar="NAMESPACE",
        help="Namespace of objects that name none; one that names another is refused. Without it, the kubeconfig's.",
        parse=namespace_name,
        absent="",
        example="voting",
    )


class ManifestOptions(Group):
    """The manifests."""

    manifests: Input[tuple[str, ...]] = Input(
        name="manifests",
        basic=("chain", "deploy", "propose"),
        help="Kubernetes manifests: files, folders (with all below them) and globs; several by commas or lines. `-` "
        "reads standard input: the output of `kustomize build` or `helm template`.",
        parse=some(path_items, "a path, or several by commas or lines"),
        absent=(),
        example="k8s/",
        aliases={"manifest": ""},
        required=True,
        positional=True,
        many=True,
    )


class ImagePathOptions(Group):
    """Where custom kinds name images."""

    image_paths: Input[tuple[str, ...]] = Input(
        name="image-paths",
        metavar="PATH,…",
        help="Places of images in custom kinds, besides those that are known: `KIND.GROUP=PATH`, with `[]` for each "
        "item of a list, `*` for any key and `**` for any depth; several by commas or lines. `!KIND.GROUP=PATH` says "
        "that what stands there is not an image.",
        parse=items,
        absent=(),
        example="Database.data.example=spec.backup.image",
        many=True,
    )
    require_digests = Input(
        name="require-digests",
        help="Refuse manifests in which an image is still named by a tag, such as in a place of a custom kind that is "
        "not known. Without it each is a warning.",
        parse=boolean,
        default="false",
        absent=False,
        switch=True,
    )


class RolloutOptions(Group):
    """The time limit of the rollout."""

    rollout_timeout = Input(
        name="rollout-timeout",
        basic=("deploy",),
        help="How long everything may take to come up.",
        parse=duration,
        default="5m",
        absent=300.0,
    )


class ResolveOptions(Group):
    """Whether images are resolved in the registry."""

    resolve = Input(
        name="resolve",
        help="Look images up in their registry. With `false` none is asked, and every image needs a digest.",
        parse=boolean,
        default="true",
        absent=True,
    )


class DeployingOptions(ManifestOptions, ImagePathOptions, ClusterOptions, NamespaceOptions, RolloutOptions):
    """What to deploy, and how."""

    create_namespace = Input(
        name="create-namespace",
        help="Make namespaces that are not there.",
        parse=boolean,
        default="false",
        absent=False,
        switch=True,
    )
    require_gate = Input(
        name="require-gate",
        basic=("deploy",),
        help="Deploy only behind a gate (Gatekeeper and Ratify) that has no holes for what is deployed and is proved "
        "to deny an unsigned image. `false` makes a missing gate a warning.",
        parse=boolean,
        default="true",
        absent=True,
    )
    accept_paused_gate = Input(
        name="accept-paused-gate",
        help="Deploy also while the gate is paused (`s3c gate pause`) and admits every image, signed or not. Without "
        "it, a pause is an error.",
        parse=boolean,
        default="false",
        absent=False,
        switch=True,
    )
    accept_stage: Input[Stage] = Input(
        name="accept-stage",
        metavar="STAGE",
        help="The weakest stage of the gate that is accepted (`s3c gate install --mode`), as the cluster has it: with "
        "`warn` also a gate that only warns, with `audit` also one that only records. What is deployed there is "
        "admitted whatever it is, and a warning says what `deny` would refuse.",
        parse=parse_stage,
        default="deny",
        absent=Stage.DENY,
        choices=tuple(Stage),
    )
    render_only = Input(
        name="render-only",
        basic=("deploy",),
        help="Write the manifests with digests and stop: for a GitOps repository. No cluster is asked.",
        parse=boolean,
        default="false",
        absent=False,
        switch=True,
    )
    dry_run = Input(
        name="dry-run",
        basic=("deploy",),
        help="Check everything, prove the gate, let the cluster try every object, and stop.",
        parse=boolean,
        default="false",
        absent=False,
        switch=True,
    )
    rollback_on_failure = Input(
        name="rollback-on-failure",
        help="Take back what was applied when something fails: what was made is deleted, what was changed is put back.",
        parse=boolean,
        default="false",
        absent=False,
        switch=True,
    )
    prune: Input[str] = Input(
        name="prune",
        metavar="LABEL",
        help="A label, `key=value`: it is set on every object, and objects that have it and are no longer in the "
        "manifests are deleted. Volumes, namespaces and custom resources stay, and are listed.",
        parse=label,
        absent="",
        example="app.kubernetes.io/part-of=shop",
    )
    recreate: Input[str] = Input(
        name="recreate",
        metavar="jobs",
        help="`jobs`: a Job that has finished is deleted and created anew when what it runs has changed, which the API "
        "does not allow otherwise. One that still runs is an error.",
        parse=choice("", "jobs"),
        absent="",
        example="jobs",
    )
    force_conflicts = Input(
        name="force-conflicts",
        help="Take over fields that another tool (`kubectl`, Helm) manages.",
        parse=boolean,
        default="false",
        absent=False,
        switch=True,
        aliases={"force": "k8s-deploy"},
    )


DEPLOY_INPUTS: tuple[Input[Any], ...] = (
    *ImagePathOptions.own(),
    *ClusterOptions.own(),
    NamespaceOptions.namespace,
    DeployingOptions.create_namespace,
    DeployingOptions.require_gate,
    DeployingOptions.accept_paused_gate,
    DeployingOptions.accept_stage,
    DeployingOptions.render_only,
    ResolveOptions.resolve,
    DeployingOptions.dry_run,
    RolloutOptions.rollout_timeout,
    DeployingOptions.rollback_on_failure,
    DeployingOptions.prune,
    DeployingOptions.recreate,
    DeployingOptions.force_conflicts,
)
"""Inputs on how to deploy."""


class DeployInputs(
    DeployingOptions,
    ResolveOptions,
    VerifyingOptions,
    PolicyOptions,
    GitHubRecordOptions,
    TokenOptions,
    ImageOptions,
    OutputOptions,
):
    """The inputs of `deploy`."""

    image: Input[tuple[str, ...]] = replace(
        ImageOptions.image,
        help="Images to deploy, as `registry/repository@sha256:…`: each takes the place of every image of its "
        "repository in the manifests. `NAME=REFERENCE` takes the place of the image NAME instead. Images that are not "
        "given are deployed by the digest their tag has now.",
        required=False,
        positional=False,
        example="registry.example/voting-app@sha256:…",
    )
    trust_store = replace(
        TrustOptions.trust_store,
        help="Certificates to trust, as in `s3c verify`: every image's signature is verified before anything is "
        "applied. Without it and without `vault`, that is left to the cluster's gate.",
        required=False,
    )
    policy = replace(
        PolicyOptions.policy,
        help="The policy, `s3c-policy.yaml`: every image is judged by the evidence in its registry before anything is "
        "applied, as the cluster's gate does by the same policy.",
    )
    order = (
        ManifestOptions.manifests,
        image,
        *DEPLOY_INPUTS,
        *TrustOptions.own(),
        *VaultCertificateOptions.own(),
        MetadataOptions.user_metadata,
        policy,
        *GitHubRecordOptions.own(),
        TokenOptions.github_token,
        *REGISTRY_INPUTS,
        *NotationProgram.own(),
        ProgramsMirror.programs_mirror,
    )


COMMAND = Command(
    name="deploy",
    help="Deploys manifests to Kubernetes with every image by its signed digest. First the images are verified and the "
    "gate is proved to deny an unsigned one; nothing is applied before. Then the rollout is watched to its end.",
    options=DeployInputs,
    implementation="s3c_actions.commands.deploy:run",
    comments=True,
    examples=(
        "s3c deploy k8s/ --image registry.example/app@sha256:… --trust-store signing.crt",
        "s3c deploy k8s/ --vault kv-voting --vault-certificate signing",
        "s3c deploy - --namespace voting --create-namespace",
        "s3c deploy k8s/ --render-only --output-dir out",
    ),
)
