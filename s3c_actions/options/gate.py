"""Inputs of `gate`: what is tried, and of what a gate is made that is installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from msgspec.structs import replace

from s3c_actions.options import Input, boolean, choice, items
from s3c_actions.options.azure import guid
from s3c_actions.options.common import ImageOptions, OutputOptions, path, paths
from s3c_actions.options.deploy import (
    CLUSTER,
    IMAGES,
    MANIFESTS,
    NAMESPACE,
    ROLLOUT_TIMEOUT,
    ClusterOptions,
    ManifestOptions,
    NamespaceOptions,
    RolloutOptions,
    namespace_name,
)
from s3c_actions.options.programs import HELM, PROGRAMS_MIRROR, HelmProgram
from s3c_actions.options.registry import REGISTRY_INPUTS, RegistryOptions
from s3c_actions.options.report import POLICY as GIVEN_POLICY
from s3c_actions.options.report import PolicyOptions
from s3c_actions.options.vault import VAULT as ANY_VAULT
from s3c_actions.options.vault import VAULT_CERTIFICATE
from s3c_actions.options.verify import TRUST_STORE, TRUSTED_IDENTITY

TASKS = ("check", "demo", "install")


def namespaces(value: str) -> tuple[str, ...]:
    """Namespaces; a `*` at the end stands for any ending, as in Gatekeeper's match."""
    found = items(value)
    for one in found:
        namespace_name(one.removesuffix("*").rstrip("-") if one.endswith("*") else one)
    return found


TASK: Input[str] = Input(
    name="task",
    help="`check` fails when an image given is denied; `demo` shows what becomes of each; `install` installs "
    "Gatekeeper and Ratify, or brings those that are there to the same state, and then proves that they close.",
    parse=choice(*TASKS),
    default="check",
    absent="check",
    choices=TASKS,
    positional=True,
)
TRIED: Input[tuple[str, ...]] = replace(
    IMAGES,
    help="Images to try; `check` and `demo` need one. Of a signed one, the unsigned counterpart for the proof is found "
    "by itself: its signature, which is something in its repository that nobody signed.",
)
SIGNERS: Input[tuple[Path, ...]] = replace(
    TRUST_STORE,
    help="`install`: certificates whose signatures are admitted: files (PEM or DER) or folders of them, one a line, or "
    "the PEM itself.",
    required=False,
)
IDENTITIES: Input[tuple[str, ...]] = replace(
    TRUSTED_IDENTITY,
    help="`install`: subject of a signer to admit, one a line; it names at least C, ST and O. Needed when the trust "
    "store holds an authority: `*` is everyone whom that certified. Of a vault's certificate the subject is taken.",
)
POLICY: Input[Path | None] = replace(
    GIVEN_POLICY,
    help="`install`: the policy (`s3c-policy.yaml`) by which the cluster admits: who may sign, which evidence is asked "
    "for, which findings, packages and licences are refused. Instead of `trust-store` and `vault`.",
)
VAULT = replace(
    ANY_VAULT,
    help="`install`: Azure Key Vault that has the signing certificate, its name or its address, instead of "
    "`trust-store`. Ratify fetches it with workload identity. Goes with `vault-certificate`, `tenant-id` and "
    "`ratify-client-id`.",
)
RATIFY_CLIENT: Input[str] = Input(
    name="ratify-client-id",
    help="`install`: client of Ratify's managed identity, which may read the vault and pull from the registry, and is "
    "federated with the service account gatekeeper-system:ratify-admin. Ratify reads Azure Container Registry with it.",
    parse=guid,
    absent="",
    example="01234567-89ab-cdef-0123-456789abcdef",
)
EXEMPT: Input[tuple[str, ...]] = Input(
    name="exempt-namespaces",
    help="`install`: namespaces that go around the gate, besides kube-system and gatekeeper-system, such as those of a "
    "cloud's own Pods, which you cannot sign.",
    parse=namespaces,
    absent=(),
    many=True,
    example="app-routing-system",
)
ALLOW_TAGS: Input[bool] = Input(
    name="allow-tags",
    help="`install`: admit Pods whose images have no digest. Without it, they are refused where Ratify has not pinned "
    "them: what a node pulls by a tag later may be another image than the one that was verified.",
    parse=boolean,
    default="false",
    absent=False,
    switch=True,
)
OTHER_MANIFESTS: Input[tuple[str, ...]] = replace(
    MANIFESTS,
    help="`install`: manifests of your own for the gate, such as Ratify's Store, Verifier or Policy: one of the same "
    "kind and name takes the place of the one that s3c brings.",
    required=False,
    positional=False,
    example="ratify/",
)


def _chart(name: str) -> Input[Path | None]:
    return Input(
        name=f"{name.lower()}-chart",
        help=f"`install`: {name}'s Helm chart, a folder or an archive. Without it, the one in its pinned module.",
        parse=path,
        example=f"charts/{name.lower()}",
    )


def _values(name: str) -> Input[tuple[Path, ...]]:
    return Input(
        name=f"{name.lower()}-values",
        help=f"`install`: files of values for {name}'s chart, one a line, over those of s3c: its images' mirror, "
        "replicas, resources.",
        parse=paths,
        absent=(),
        many=True,
        example="values.yaml",
    )


CHARTS = {name.lower(): (_chart(name), _values(name)) for name in ("Gatekeeper", "Ratify")}
"""Chart and values, by release."""

INSTALLING: tuple[Input[Any], ...] = (
    SIGNERS,
    IDENTITIES,
    POLICY,
    VAULT,
    VAULT_CERTIFICATE,
    RATIFY_CLIENT,
    EXEMPT,
    ALLOW_TAGS,
    OTHER_MANIFESTS,
    *(one for pair in CHARTS.values() for one in pair),
    ROLLOUT_TIMEOUT,
    *HELM.all,
    PROGRAMS_MIRROR,
)
"""What `install` takes beyond the others."""

INPUTS: tuple[Input[Any], ...] = (
    TASK,
    TRIED,
    *CLUSTER,
    NAMESPACE,
    *INSTALLING,
    *REGISTRY_INPUTS,
)


class GateInputs(
    ClusterOptions,
    NamespaceOptions,
    ManifestOptions,
    RolloutOptions,
    HelmProgram,
    RegistryOptions,
    PolicyOptions,
    ImageOptions,
    OutputOptions,
    order=INPUTS,
):
    """Of `gate`."""

    task = TASK
    image = TRIED
    trust_store = SIGNERS
    trusted_identity = IDENTITIES
    policy = POLICY
    vault = VAULT
    vault_certificate = VAULT_CERTIFICATE
    ratify_client_id = RATIFY_CLIENT
    exempt_namespaces = EXEMPT
    allow_tags = ALLOW_TAGS
    manifests = OTHER_MANIFESTS
    gatekeeper_chart = CHARTS["gatekeeper"][0]
    gatekeeper_values = CHARTS["gatekeeper"][1]
    ratify_chart = CHARTS["ratify"][0]
    ratify_values = CHARTS["ratify"][1]
