"""Inputs of `fleet manifests`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from msgspec.structs import replace

from s3c_actions import REPOSITORY, __version__
from s3c_actions.core.errors import InputError
from s3c_actions.core.libraries import zoneinfo
from s3c_actions.core.reference import Reference
from s3c_actions.options.azure import IdentityOptions
from s3c_actions.options.command import Command
from s3c_actions.options.common import path, paths
from s3c_actions.options.declare import Input
from s3c_actions.options.deploy import NamespaceOptions
from s3c_actions.options.fleet import FleetOptions
from s3c_actions.options.init import InitInputs
from s3c_actions.options.parse import boolean, choice, integer, items, lines, text
from s3c_actions.options.patch import PatchingOptions
from s3c_actions.options.sign import whole_seconds
from s3c_actions.options.vault import VaultCertificateOptions

MAX_PODS = 256
"""As many shards as a plan may have."""
MODES = ("rootless", "privileged")
_FIELD = r"(?:\*|\d{1,2}(?:-\d{1,2})?)(?:/\d{1,2})?"
_CRON = re.compile(rf"{_FIELD}(?:,{_FIELD})*(?: {_FIELD}(?:,{_FIELD})*){{2}}(?: [A-Za-z\d*,/-]+){{2}}")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*")


def _pinned(value: str) -> str:
    """Parse the reference of an image with a digest; the digest itself is checked by the command."""
    if "@" not in value:
        raise ValueError(
            "an image with its digest (`registry/repository@sha256:…`), so that what runs is what was chosen"
        )
    return value.strip()


def _repository(value: str) -> str:
    """Parse `registry/repository`, and return it without `oci://`."""
    name = value.strip().removeprefix("oci://")
    try:
        reference = Reference.parse(name)
    except InputError:
        reference = None
    if reference is None or reference.tag or reference.digest or "/" not in name:
        raise ValueError("a repository without tag and digest, such as myregistry.azurecr.io/s3c-fleet")
    return name


def _schedule(value: str) -> str:
    """Parse cron's five fields."""
    fields = " ".join(value.split())
    if not _CRON.fullmatch(fields):
        raise ValueError("cron's five fields, such as `30 2 * * *`")
    return fields


def _time_zone(value: str) -> str:
    """Parse a name of the IANA database."""
    if value.strip() not in {*zoneinfo.available_timezones(), "Etc/UTC"}:
        raise ValueError("a time zone of the IANA database, such as Europe/Berlin")
    return value.strip()


def _object_name(value: str) -> str:
    """Parse the name of an object in a cluster (RFC 1123 subdomain)."""
    if not _NAME.fullmatch(value.strip()):
        raise ValueError("the name of an object in the cluster: lower case letters, digits, - and .")
    return value.strip()


def _variables(value: str) -> Mapping[str, str]:
    """Parse `NAME=value`, one a line."""
    variables = {}
    for line in lines(value):
        name, separator, content = line.partition("=")
        if not separator or not _VARIABLE.fullmatch(name):
            raise ValueError("NAME=value, one a line")
        variables[name] = content
    return variables


def _ports(value: str) -> tuple[int, ...]:
    """Parse TCP ports."""
    return tuple(dict.fromkeys(integer(1, 65535)(item) for item in items(value)))


class FleetManifestsInputs(NamespaceOptions):
    """The inputs of `fleet manifests`."""

    fleet: Input[Path | None] = replace(
        FleetOptions.fleet,
        basic=("fleet manifests",),
        help="The fleet's file, `fleet.yaml` without it. Its path is the same in the cluster, below the folder in "
        "which this is run.",
    )
    files: Input[tuple[Path, ...]] = Input(
        name="files",
        basic=("fleet manifests",),
        metavar="FILE",
        help="Files that the fleet's file or other inputs name, one a line, below the folder in which this is run: "
        "policies, certificates, exceptions. No secrets: they become a ConfigMap.",
        parse=paths,
        absent=(),
        many=True,
        example="s3c-policy.yaml",
    )
    folder: Input[Path] = Input(
        name="folder",
        basic=("fleet manifests",),
        metavar="FOLDER",
        help="Where the manifests are written to.",
        parse=path,
        default="k8s/s3c-fleet",
    )
    s3c_image: Input[str] = Input(
        name="s3c-image",
        basic=("fleet manifests",),
        metavar="IMAGE",
        help="s3c's container image, by digest: that of the release, or a copy in your registry.",
        parse=_pinned,
        required=True,
        example=f"ghcr.io/{REPOSITORY}:{__version__}@sha256:…",
    )
    store: Input[str] = Input(
        name="store",
        basic=("fleet manifests",),
        metavar="REPOSITORY",
        help="Repository that plans, results and reports are kept in, as artifacts.",
        parse=_repository,
        required=True,
        example="myregistry.azurecr.io/s3c-fleet",
    )
    namespace: Input[str] = replace(
        NamespaceOptions.namespace,
        help="Namespace of the workers; the BuildKits have one of their own beside it, NAMESPACE-buildkit.",
        default="s3c-fleet",
        example="",
    )
    schedule: Input[str] = Input(
        name="schedule",
        basic=("fleet manifests",),
        metavar="CRON",
        help="When a run begins.",
        parse=_schedule,
        default="30 2 * * *",
    )
    time_zone: Input[str] = Input(
        name="time-zone",
        metavar="ZONE",
        help="Time zone of the schedule.",
        parse=_time_zone,
        default="Etc/UTC",
        example="Europe/Berlin",
    )
    pods: Input[int] = Input(
        name="pods",
        basic=("fleet manifests",),
        metavar="NUMBER",
        help="Shards of a run, each a Pod's.",
        parse=integer(1, MAX_PODS),
        default="8",
        absent=8,
    )
    parallel_pods: Input[int] = Input(
        name="parallel-pods",
        metavar="NUMBER",
        help="Pods that run at once; one more writes the report.",
        parse=integer(1, MAX_PODS),
        default="4",
        absent=4,
    )
    deadline: Input[float] = Input(
        name="deadline",
        metavar="DURATION",
        help="How long a run may take; what is left then is the next one's.",
        parse=whole_seconds,
        default="6h",
        absent=6 * 3600.0,
    )
    variables: Input[Mapping[str, str]] = Input(
        name="variables",
        basic=("fleet manifests",),
        metavar="KEY=VALUE",
        help="Other inputs of the commands that run in the cluster, by their environment variables, one a line. No "
        "secrets.",
        parse=_variables,
        absent={},
        many=True,
        example="S3C_FAIL_ON=HIGH",
    )
    client_id = replace(
        IdentityOptions.client_id,
        help="Microsoft Entra identity of the workers (workload identity), with a federated credential for the "
        "ServiceAccount s3c-fleet. It logs in to registry and vault.",
    )
    tenant_id = replace(IdentityOptions.tenant_id, help="Its tenant. Without it, the webhook's.")
    vault = VaultCertificateOptions.vault
    vault_certificate = VaultCertificateOptions.vault_certificate
    key_secret: Input[str] = Input(
        name="key-secret",
        metavar="NAME",
        help="Without a vault: Secret with the signing key, `signing.key` and `signing.crt`.",
        parse=_object_name,
        absent="",
        example="s3c-signing",
    )
    registry_secret: Input[str] = Input(
        name="registry-secret",
        metavar="NAME",
        help="Without workload identity: Secret of type `kubernetes.io/dockerconfigjson` with the registries' logins.",
        parse=_object_name,
        absent="",
        example="s3c-registry",
    )
    cluster_images: Input[bool] = Input(
        name="cluster-images",
        help="The fleet selects images from this cluster: its workers may list the Pods of all namespaces.",
        parse=boolean,
        default="false",
        absent=False,
        switch=True,
    )
    egress_ports: Input[tuple[int, ...]] = Input(
        name="egress-ports",
        metavar="PORT,…",
        help="TCP ports that workers and BuildKits may connect to, for registries, vault and databases; BuildKits also "
        "to 80, which distributions serve packages at.",
        parse=_ports,
        default="443",
        absent=(443,),
        many=True,
        example="443,5000",
    )
    buildkits: Input[int] = Input(
        name="buildkits",
        basic=("fleet manifests",),
        metavar="NUMBER",
        help="BuildKits in the pool; 0 for none, then S3C_BUILDKIT_ADDR in `variables` names others.",
        parse=integer(0, 100),
        default="2",
        absent=2,
    )
    buildkit_mode: Input[str] = Input(
        name="buildkit-mode",
        metavar="MODE",
        help="`rootless` needs user namespaces on the nodes; `privileged` is root there.",
        parse=choice(*MODES),
        default="rootless",
        choices=MODES,
    )
    buildkit_image: Input[str] = Input(
        name="buildkit-image",
        metavar="IMAGE",
        help="BuildKit's image. Without it, moby/buildkit of the pinned version for `buildkit-mode`, by its tag.",
        parse=text,
        absent="",
        example="mirror.example/moby/buildkit@sha256:…",
    )
    buildkit_config: Input[Path | None] = replace(
        PatchingOptions.buildkit_config,
        help="`buildkitd.toml` of the pool, for example with mirrors for docker.io and ghcr.io.",
    )
    cluster_issuer: Input[str] = Input(
        name="cluster-issuer",
        metavar="NAME",
        help="cert-manager's ClusterIssuer for the certificates between workers and BuildKits. It has to be one of "
        "their own: whoever it issued a client certificate to may build. Without it, fresh ones are written to a file "
        "with Secrets.",
        parse=_object_name,
        absent="",
        example="s3c-buildkit",
    )
    valid_for = replace(InitInputs.valid_for, help="How long fresh certificates are valid.")
    order = (
        fleet,
        files,
        folder,
        s3c_image,
        store,
        namespace,
        schedule,
        time_zone,
        pods,
        parallel_pods,
        deadline,
        variables,
        client_id,
        tenant_id,
        vault,
        vault_certificate,
        key_secret,
        registry_secret,
        cluster_images,
        egress_ports,
        buildkits,
        buildkit_mode,
        buildkit_image,
        buildkit_config,
        cluster_issuer,
        valid_for,
    )


COMMAND = Command(
    name="fleet manifests",
    help="Writes Kubernetes manifests that keep a fleet without CI: a CronJob with a Pod for each shard, and a pool of "
    "BuildKits.",
    options=FleetManifestsInputs,
    implementation="s3c_actions.commands.fleet_manifests:run",
    examples=(
        f"s3c fleet manifests --s3c-image ghcr.io/{REPOSITORY}@sha256:… --store myregistry.azurecr.io/s3c-fleet "
        "--client-id 1f2d3c4b-0000-4000-8000-5a6b7c8d9e0f --vault kv-voting --vault-certificate signing",
        f"s3c fleet manifests fleet.yaml --files s3c-policy.yaml --s3c-image ghcr.io/{REPOSITORY}@sha256:… "
        "--store registry.example/s3c-fleet --key-secret s3c-signing --registry-secret s3c-registry",
    ),
)
