"""Inputs of `gate`: the images to try, and the parts of the gate to install."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from msgspec.structs import replace

from s3c_actions.core.gate_pause import MAX_LENGTH, MAX_REASON
from s3c_actions.core.gate_stage import GateStages, Stage, normalized, parse_stage
from s3c_actions.options.azure import guid
from s3c_actions.options.command import Command
from s3c_actions.options.common import ImageOptions, OutputOptions, path, paths
from s3c_actions.options.declare import Input
from s3c_actions.options.deploy import (
    ClusterOptions,
    DeployInputs,
    ManifestOptions,
    NamespaceOptions,
    RolloutOptions,
    namespace_name,
)
from s3c_actions.options.github import RepositoryOptions, TokenOptions
from s3c_actions.options.parse import boolean, choice, duration, items
from s3c_actions.options.programs import HelmProgram, NotationProgram, ProgramsMirror
from s3c_actions.options.refresh import RefreshInputs
from s3c_actions.options.registry import REGISTRY_INPUTS, NotationOptions
from s3c_actions.options.report import PolicyOptions
from s3c_actions.options.trusted_signers import TrustOptions
from s3c_actions.options.vault import VaultCertificateOptions

TASKS = ("check", "demo", "install", "preview", "promote", "pause", "uninstall")


def namespaces(value: str) -> tuple[str, ...]:
    """Parse namespaces; a `*` at the end matches any ending, as in Gatekeeper's match."""
    names = items(value)
    for name in names:
        namespace_name(name.removesuffix("*").rstrip("-") if name.endswith("*") else name)
    return names


def stages(value: str) -> GateStages:
    """Parse the stages of a gate: `deny`, `warn, shop=audit`, `shop=warn` (the rest in `deny`)."""
    default, named = Stage.DENY, {}
    for place, part in enumerate(items(value)):
        name, equals, stage = part.rpartition("=")
        if not equals and place:
            raise ValueError("one stage for all namespaces, and NAMESPACE=STAGE for those in another")
        if not equals:
            default = parse_stage(stage)
            continue
        name = namespace_name(name.strip())
        if name in named:
            raise ValueError(f"one stage for the namespace {name}")
        named[name] = parse_stage(stage.strip())
    return normalized(default, named)


def pause_length(value: str) -> timedelta:
    """Parse the length of a pause: whole seconds, a minute at least."""
    length = timedelta(seconds=int(duration(value)))
    if not timedelta(minutes=1) <= length <= MAX_LENGTH:
        raise ValueError("a pause of 1m to 4h, such as 30m")
    return length


def pause_reason(value: str) -> str:
    """Parse the reason of a pause: one line for people."""
    reason = " ".join(value.split())
    if not reason or not reason.isprintable() or len(reason) > MAX_REASON:
        raise ValueError(f"a reason: printable text of 1 to {MAX_REASON} characters")
    return reason


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


def _lower(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]


class GateInputs(
    ClusterOptions,
    NamespaceOptions,
    ManifestOptions,
    RolloutOptions,
    HelmProgram,
    NotationOptions,
    PolicyOptions,
    RepositoryOptions,
    TokenOptions,
    ImageOptions,
    OutputOptions,
):
    """The inputs of `gate`."""

    task: Input[str] = Input(
        name="task",
        basic=("trust", "policy", "gate"),
        metavar="TASK",
        help="`check` fails when an image given is denied; `demo` shows the verdict on each; `install` installs "
        "Gatekeeper and Ratify, or brings those that are there to the same state, and then proves that they close. "
        "`preview` says which running images `deny` would refuse, and `promote` goes to the next stage. In an "
        "emergency, `pause` has the gate admit everything for a limited time, and `uninstall` takes it away.",
        parse=choice(*TASKS),
        default="check",
        absent="check",
        choices=TASKS,
        positional=True,
    )
    image: Input[tuple[str, ...]] = replace(
        DeployInputs.image,
        help="Images to try; `check` and `demo` need one. Of a signed one, the unsigned counterpart for the proof is "
        "found by itself: its signature, which is something in its repository that nobody signed.",
    )
    trust_store: Input[tuple[Path, ...]] = replace(
        TrustOptions.trust_store,
        help="`install`: certificates whose signatures are admitted: files (PEM or DER) or folders of them, one a "
        "line, or the PEM itself.",
        required=False,
    )
    trusted_identity: Input[tuple[str, ...]] = replace(
        TrustOptions.trusted_identity,
        help="`install`: subject of a signer to admit, one a line; it names at least C, ST and O. Needed when the "
        "trust store holds an authority: `*` is everyone whom that certified. Of a vault's certificate the subject is "
        "taken.",
    )
    trusted_timestamp_root: Input[tuple[Path, ...]] = replace(
        TrustOptions.trusted_timestamp_root,
        help=f"`install`: {_lower(TrustOptions.trusted_timestamp_root.help)}",
    )
    verify_timestamp: Input[str] = replace(
        TrustOptions.verify_timestamp, help=f"`install`: {_lower(TrustOptions.verify_timestamp.help)}"
    )
    policy: Input[Path | None] = replace(
        PolicyOptions.policy,
        help="`install`: the policy (`s3c-policy.yaml`) by which the cluster admits: who may sign, which evidence is "
        "asked for, which findings, packages and licences are refused. Instead of `trust-store` and `vault`. "
        "`preview`: the policy to judge by; without it the installed gate is asked.",
    )
    vault = replace(
        VaultCertificateOptions.vault,
        help="`install`: Azure Key Vault that has the signing certificate, its name or its address, instead of "
        "`trust-store`. Ratify fetches it with workload identity. Goes with `vault-certificate`, `tenant-id` and "
        "`ratify-client-id`.",
    )
    vault_certificate = VaultCertificateOptions.vault_certificate
    trusted_vault_version: Input[tuple[str, ...]] = replace(
        TrustOptions.trusted_vault_version,
        help="`install`, with `vault`: versions of the certificate that are trusted, one a line; `newest` is whichever "
        "is the newest when Ratify looks, every hour. Name the old one and the new one while a certificate is renewed. "
        "Without it, the newest.",
    )
    vault_ca_certs = replace(
        VaultCertificateOptions.vault_ca_certs,
        help="`install`, with `vault`: the issuers of the certificate in PEM, where the vault's secret does not "
        "have them: Ratify trusts the authorities in the secret, and these.",
    )
    ratify_client_id: Input[str] = Input(
        name="ratify-client-id",
        metavar="ID",
        help="`install`: client of Ratify's managed identity, which may read the vault and pull from the registry, "
        "and is federated with the service account gatekeeper-system:ratify-admin. Ratify reads Azure Container "
        "Registry with it.",
        parse=guid,
        absent="",
        example="01234567-89ab-cdef-0123-456789abcdef",
    )
    exempt_namespaces: Input[tuple[str, ...]] = Input(
        name="exempt-namespaces",
        basic=("gate",),
        metavar="NAMESPACE,…",
        help="`install`: namespaces that go around the gate, besides kube-system and gatekeeper-system, such as those "
        "of a cloud's own Pods, which you cannot sign.",
        parse=namespaces,
        absent=(),
        many=True,
        example="app-routing-system",
    )
    allow_tags: Input[bool] = Input(
        name="allow-tags",
        help="`install`: admit Pods whose images have no digest. Without it, they are refused where Ratify has not "
        "pinned them: what a node pulls by a tag later may be another image than the one that was verified.",
        parse=boolean,
        default="false",
        absent=False,
        switch=True,
    )
    mode: Input[GateStages] = Input(
        name="mode",
        basic=("gate",),
        metavar="STAGE,…",
        help="`install`: the stage of the gate: `audit` only records what it would refuse, `warn` has `kubectl` warn "
        "of it, `deny` refuses it. The first two admit everything. `NAMESPACE=STAGE` puts one namespace in another "
        "stage than the rest: `deny,voting=warn`. What is not named is in `deny`.",
        parse=stages,
        default="deny",
        absent=GateStages(),
        many=True,
        example="warn",
    )
    namespaces: Input[tuple[str, ...]] = replace(
        RefreshInputs.namespaces,
        basic=(),
        help="`install`: the namespaces that `mode` is for, and the rest is in `deny`. `preview`: look into these "
        "alone. `promote`: the namespaces to take to their next stage; without it, all that are in the gate's "
        "general stage.",
        example="voting",
    )
    except_: Input[tuple[str, ...]] = Input(
        name="except",
        metavar="IMAGE,…",
        help="`promote`: images, as `preview` lists them, that the next stage may refuse. They are not admitted: this "
        "says that somebody knows. The cluster's object keeps them, with who named them and when.",
        parse=items,
        absent=(),
        many=True,
        example="registry.example/old@sha256:…",
    )
    issue = replace(
        RefreshInputs.issue,
        basic=(),
        help="`preview`: keep one issue on what would be refused: opened, updated in place, and closed when nothing "
        "is. Needs the permission `issues: write`.",
    )
    issue_labels = RefreshInputs.issue_labels
    for_: Input[timedelta | None] = Input(
        name="for",
        basic=("gate",),
        help="`pause`: how long, from `1m` to `4h`. The gate closes again by the clock, whatever runs or does not.",
        parse=pause_length,
        absent=None,
        example="30m",
    )
    reason: Input[str] = Input(
        name="reason",
        basic=("gate",),
        metavar="TEXT",
        help="`pause`: why, for those who see the pause in `gate check`, `trace`, `refresh` and `deploy`.",
        parse=pause_reason,
        absent="",
        example="registry down, INC-1234",
    )
    end: Input[bool] = Input(
        name="end",
        help="`pause`: end the pause that is there now.",
        parse=boolean,
        default="false",
        absent=False,
        switch=True,
    )
    yes: Input[bool] = Input(
        name="yes",
        basic=("gate",),
        help="`uninstall`: do it without asking. Needed where no terminal is there to ask at.",
        parse=boolean,
        default="false",
        absent=False,
        switch=True,
    )
    manifests: Input[tuple[str, ...]] = replace(
        ManifestOptions.manifests,
        help="`install`: manifests of your own for the gate, such as Ratify's Store, Verifier or Policy: one of the "
        "same kind and name takes the place of the one that s3c brings.",
        required=False,
        positional=False,
        example="ratify/",
    )
    gatekeeper_chart = _chart("Gatekeeper")
    gatekeeper_values = _values("Gatekeeper")
    ratify_chart = _chart("Ratify")
    ratify_values = _values("Ratify")
    order = (
        task,
        image,
        *ClusterOptions.own(),
        NamespaceOptions.namespace,
        trust_store,
        trusted_identity,
        trusted_timestamp_root,
        verify_timestamp,
        policy,
        vault,
        vault_certificate,
        trusted_vault_version,
        vault_ca_certs,
        ratify_client_id,
        mode,
        namespaces,
        exempt_namespaces,
        allow_tags,
        manifests,
        gatekeeper_chart,
        gatekeeper_values,
        ratify_chart,
        ratify_values,
        RolloutOptions.rollout_timeout,
        except_,
        issue,
        issue_labels,
        RepositoryOptions.repository,
        TokenOptions.github_token,
        for_,
        reason,
        end,
        yes,
        *HelmProgram.own(),
        *NotationProgram.own(),
        ProgramsMirror.programs_mirror,
        *REGISTRY_INPUTS,
    )


COMMAND = Command(
    name="gate",
    help="Proves that the cluster's gate closes: looks for holes, then has the cluster try, by dry run, a Pod of an "
    "image that nobody signed, and the images given. `check` fails when one of those is denied; `demo` shows why. "
    "`install` first puts Gatekeeper and Ratify on the cluster by their Helm charts, failing closed, or brings those "
    "that are there to the same state; it may be run again at any time. `preview` says what runs and would be refused, "
    "`promote` takes the gate from `audit` to `warn` and on to `deny`. `pause` and `uninstall` are for emergencies: "
    "the one opens the gate until a time, the other removes it.",
    options=GateInputs,
    implementation="s3c_actions.commands.gate:run",
    examples=(
        "s3c gate install --trust-store signing.crt",
        "s3c gate install --vault kv-voting --vault-certificate signing --tenant-id "
        "01234567-89ab-cdef-0123-456789abcdef --ratify-client-id 89abcdef-0123-4567-89ab-0123456789ab",
        "s3c gate install --policy s3c-policy.yaml --mode audit",
        "s3c gate preview --policy s3c-policy.yaml --namespaces voting",
        "s3c gate promote --namespaces voting --except registry.example/old@sha256:…",
        "s3c gate check --image registry.example/app@sha256:…",
        "s3c gate pause --for 30m --reason 'registry down, INC-1234'",
        "s3c gate pause --end",
        "s3c gate uninstall --yes",
        "s3c gate demo --image registry.example/app:unsigned --image registry.example/app:signed",
    ),
)
