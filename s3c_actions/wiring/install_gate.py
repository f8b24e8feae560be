"""Create the gate's objects and charts from the options, and install them."""

from __future__ import annotations

import fnmatch
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from s3c_actions.azure import clouds
from s3c_actions.azure.vault import Vault, vault_host
from s3c_actions.cluster import manifests
from s3c_actions.cluster.gate import manifests as gate_manifests
from s3c_actions.cluster.gate import stages
from s3c_actions.cluster.gate.manifests import TRUST_STORE_NAME
from s3c_actions.core.errors import InputError, S3CError
from s3c_actions.core.gate_stage import GateStages, Stage, normalized
from s3c_actions.options import gate as inputs
from s3c_actions.options.gate import GateInputs
from s3c_actions.options.vault import VaultCertificateOptions
from s3c_actions.policy import model
from s3c_actions.programs.helm import charts
from s3c_actions.programs.helm.helm import Chart, Helm
from s3c_actions.programs.install.pins import CHARTS
from s3c_actions.result.model import DeployResult
from s3c_actions.signing import certificate_identities, certificates, identities, key_files
from s3c_actions.steps import install_gate
from s3c_actions.steps.verify import (
    timestamp_authorities,
    trusted_certificates,
    trusted_identities,
    unrestricted_authorities,
)
from s3c_actions.wiring import cluster_gate, programs
from s3c_actions.wiring.azure import find_tenant, identity_from_inputs
from s3c_actions.wiring.context import Context
from s3c_actions.wiring.files import read_input_file
from s3c_actions.wiring.judging import read_certificates
from s3c_actions.wiring.kubernetes import find_kubeconfig
from s3c_actions.wiring.verifying import require_timestamp_roots

if TYPE_CHECKING:
    from s3c_actions.cluster.client import Cluster, KubernetesObject


def install(options: GateInputs, context: Context, cluster: Cluster) -> DeployResult:
    """Install the gate that the inputs describe, and prove that it closes.

    Raises:
        InputError: an input is wrong: nothing was changed.
        OutsideError: helm or a chart could not be obtained, or the cluster does not respond, or has Azure Policy's own
            Gatekeeper.
    """
    wanted_stages(options)  # a wrong one is reported first
    _check_chart_files(options)
    objects = _objects(options, context, _vault_identities(options, context))
    if any(_trusts_nobody(document) for document in objects):
        raise InputError(
            inputs.GateInputs.trusted_identity.name,
            f"it is missing, and the manifests' KeyManagementProvider {gate_manifests.TRUST_STORE_NAME} may trust an "
            "authority.",
            cause="Everyone whom an authority certified could have images admitted.",
            remedy="Name the signer, such as 'C=US, ST=WA, O=example, CN=release'; or give `*` to admit them all.",
        )
    cluster_gate.reject_azure_policy(cluster)
    if exempt := cluster_gate.find_aks_namespaces(cluster):
        context.progress.notice(
            f"Exempt are namespaces of Azure Kubernetes Service's own Pods, which you cannot sign: {', '.join(exempt)}."
        )
        named = tuple(dict.fromkeys([*options.exempt_namespaces, *exempt]))
        options = options.replaced({inputs.GateInputs.exempt_namespaces: named})
        objects = gate_manifests.exempt_namespaces(objects, exempt)
    objects = _staged(options, objects)
    values = cluster_gate.webhook_values(cluster, objects)
    both = _charts(options, context, values)
    helm = Helm(
        programs.helm(options, context),
        context.runner,
        kubeconfig=find_kubeconfig(options, context),
        context=options.context,
        timeout=options.timeout,
    )
    settings = install_gate.GateSettings(
        charts=both,
        objects=objects,
        namespace=options.namespace or cluster.namespace,
        stages=wanted_stages(options),
        fails_open=values.get("validatingWebhookFailurePolicy") == "Ignore",
        timeout=options.rollout_timeout,
    )
    return install_gate.run(settings, install_gate.GateTools(helm=helm, cluster=cluster, progress=context.progress))


def wanted_stages(options: GateInputs) -> GateStages:
    """Return the stages that `mode` and `namespaces` ask for.

    Raises:
        InputError: a namespace is exempt, or both name namespaces.
    """
    wanted, mode = options.mode, GateInputs.mode.name
    if options.namespaces:
        if wanted.named or not options.given(GateInputs.mode):
            raise InputError(
                mode,
                "with `namespaces` it is one stage, for these.",
                remedy="Give `mode: warn` with `namespaces: voting`, or `mode: deny,voting=warn` without.",
            )
        wanted = normalized(Stage.DENY, dict.fromkeys(options.namespaces, wanted.default))
    for name in (*wanted.named, *options.namespaces):
        if any(
            fnmatch.fnmatchcase(name, pattern)
            for pattern in (*gate_manifests.EXEMPT_NAMESPACES, *options.exempt_namespaces)
        ):
            raise InputError(
                mode, f"the namespace {name} goes around the gate, and has no stage.", remedy="Leave it out."
            )
    return wanted


def _staged(options: GateInputs, objects: tuple[KubernetesObject, ...]) -> tuple[KubernetesObject, ...]:
    """Return the gate's objects in the stages that the inputs ask for; a constraint of one's own stays as it is."""
    wanted = wanted_stages(options)
    if not options.given(GateInputs.mode):
        return objects
    return stages.apply_stages(objects, wanted)


_TRUST_INPUTS = (
    inputs.GateInputs.trust_store,
    inputs.GateInputs.trusted_identity,
    inputs.GateInputs.vault,
    inputs.GateInputs.trusted_vault_version,
    inputs.GateInputs.vault_ca_certs,
    inputs.GateInputs.trusted_timestamp_root,
    inputs.GateInputs.verify_timestamp,
)
"""Inputs on whom to trust, which a policy says instead."""


def _objects(
    options: GateInputs, context: Context, vault_identities: tuple[str, ...] = ()
) -> tuple[KubernetesObject, ...]:
    """Return the gate's own objects and the user's, in the order in which they are applied.

    Args:
        options: of the command.
        context: of the command.
        vault_identities: those trusted from the vault when the inputs name none; empty: no identity.
    """
    sources = options.manifests
    manifest_files = (
        manifests.read(sources, cwd=context.cwd, stdin=lambda: sys.stdin.buffer.read(manifests.MAX_BYTES + 1))
        if sources
        else ()
    )
    user_objects = [document for file in manifest_files for document in manifests.parse_objects(file.text, file.source)]
    if (path := options.policy) is not None:
        for option in _TRUST_INPUTS:
            if options.given(option):
                raise InputError(
                    option.name, "it is given beside a policy, which names the signers.", remedy="Give one of both."
                )
        ruling = read_certificates(model.read(path), options, context)
        return gate_manifests.merge_objects(
            gate_manifests.objects_for_policy(ruling, options.exempt_namespaces, allow_tags=options.allow_tags),
            user_objects,
        )
    provider = _certificate_provider(options, context)
    require_timestamp_roots(options)
    stamps = timestamp_authorities(options.trusted_timestamp_root).decode()
    gate_objects = gate_manifests.objects_for_identities(
        _identities(options, user_objects) or vault_identities,
        options.exempt_namespaces,
        issuers=options.vault_ca_certs is not None,
        timestamp_check=options.verify_timestamp if stamps else "",
        allow_tags=options.allow_tags,
    )
    if (path := options.vault_ca_certs) is not None:
        field = inputs.GateInputs.vault_ca_certs.name
        issuers = certificates.encode_pem(key_files.read_issuers(read_input_file(path, field), field)).decode()
        gate_objects = (gate_manifests.certificate_store(issuers, gate_manifests.ISSUERS_STORE_NAME), *gate_objects)
    if stamps:
        store = gate_manifests.certificate_store(stamps, gate_manifests.TIMESTAMP_STORE_NAME)
        gate_objects = (store, *gate_objects)
    if provider is not None:
        gate_objects = (provider, *gate_objects)
    elif not any(document["kind"] == "KeyManagementProvider" for document in user_objects):
        raise InputError(
            "trust-store",
            "nobody is trusted: neither `trust-store` nor `vault` is given.",
            remedy="Give the certificate whose signatures are to be admitted, or the Key Vault that has it.",
        )
    return gate_manifests.merge_objects(gate_objects, user_objects)


def _identities(options: GateInputs, user_objects: list[KubernetesObject]) -> tuple[str, ...]:
    """Return the signers to trust among those that the certificates vouch for; none when these are not known.

    Raises:
        InputError: no signer is named, and an authority is trusted that has issued certificates to others.
    """
    trusted, stores = options.trusted_identity, options.trust_store
    listed = trusted_identities(trusted)
    issuing = unrestricted_authorities(trusted_certificates(stores), listed) if stores else ()
    if issuing and not trusted:
        raise InputError(
            inputs.GateInputs.trusted_identity.name,
            f"it is missing, and `trust-store` holds an authority, {issuing[0]}.",
            cause="Everyone whom it certified could have images admitted.",
            remedy="Name the signer, such as 'C=US, ST=WA, O=example, CN=release'; or give `*` to admit them all.",
        )
    providers = [
        document
        for document in user_objects
        if document["kind"] == "KeyManagementProvider" and document["metadata"].get("name") == TRUST_STORE_NAME
    ]
    certificates_limit_signers = trusted or (
        all(_is_self_anchored(provider) for provider in providers) if providers else stores
    )
    return listed or ((identities.ANYONE,) if certificates_limit_signers else ())


def _is_self_anchored(provider: KubernetesObject) -> bool:
    """Return whether a provider holds certificates, and each of them is its own trust anchor."""
    parameters = (provider.get("spec") or {}).get("parameters") or {}
    try:
        chain = key_files.read_chain(str(parameters.get("value")).encode(), inputs.GateInputs.manifests.name)
    except InputError:
        return False
    return all(certificates.is_own_anchor(certificate) for certificate in chain)


def _trusts_nobody(document: KubernetesObject) -> bool:
    """Return whether a document is a verifier that names no signer."""
    parameters = (document.get("spec") or {}).get("parameters") or {}
    statements = (parameters.get("trustPolicyDoc") or {}).get("trustPolicies") or ()
    return any(statement.get("trustedIdentities") == [] for statement in statements)


def _vault_identities(options: GateInputs, context: Context) -> tuple[str, ...]:
    """Return the identities in the vault's trusted certificates, when the inputs name a vault only.

    Ratify trusts the issuer of the certificate in the vault, so the subject is pinned.
    """
    alternatives = (inputs.GateInputs.trust_store, inputs.GateInputs.trusted_identity, inputs.GateInputs.policy)
    if any(options.given(option) for option in alternatives) or not options.vault:
        return ()
    if not all(_vault_inputs(options, context).values()):
        return ()

    name = options.vault_certificate
    try:
        with context.progress.step("vault") as step:
            identity = identity_from_inputs(options, context)
            vault = Vault(vault_host(options.vault, identity.cloud.vaults), identity, context.progress)
            versions = options.trusted_vault_version or ("",)
            chains = [vault.certificate(name, version, issuers=()).chain for version in versions]
            step.done(f"{name} of {vault.host}, read with {identity.description}")
        return certificate_identities.pinned_identities(chains, VaultCertificateOptions.vault_certificate.name)
    except S3CError as error:
        error.remedy = f"{error.remedy} Or name the signer with `trusted-identity`: then the vault is not read here."
        raise


def _vault_inputs(options: GateInputs, context: Context) -> dict[str, str]:
    """Return the inputs that trust in a vault's certificate requires: name → value."""
    return {
        GateInputs.vault.name: options.vault,
        GateInputs.vault_certificate.name: options.vault_certificate,
        GateInputs.tenant_id.name: find_tenant(options, context),
        GateInputs.ratify_client_id.name: options.ratify_client_id,
    }


def _certificate_provider(options: GateInputs, context: Context) -> KubernetesObject | None:
    """Return the provider of the trusted certificates; None when the user's own manifests have it."""
    stores, vault = options.trust_store, options.vault
    for option in (GateInputs.trusted_vault_version, GateInputs.vault_ca_certs):
        if options.given(option) and not vault:
            raise InputError(
                GateInputs.vault.name,
                f"it is missing, and `{option.name}` is given.",
                remedy="Give the vault that has the certificate.",
            )
    if stores and vault:
        raise InputError("vault", "it is given beside `trust-store`.", remedy="Give one of both.")
    if stores:
        return gate_manifests.certificate_store(trusted_certificates(stores).decode())
    if not vault and not options.vault_certificate:
        return None
    vault_inputs = _vault_inputs(options, context)
    given_names = [name for name, value in vault_inputs.items() if value]
    if missing := [name for name in vault_inputs if name not in given_names]:
        raise InputError(
            missing[0],
            f"it is missing, and {given_names[0]} is given.",
            remedy=f"Trust in a Key Vault takes {', '.join(vault_inputs)}.",
        )
    return gate_manifests.key_vault_store(
        f"https://{vault_host(vault, clouds.find_cloud(options.azure_cloud).vaults)}",
        options.vault_certificate,
        options.trusted_vault_version or ("",),
        tenant=vault_inputs[GateInputs.tenant_id.name],
        client=options.ratify_client_id,
    )


def _chart_inputs(options: GateInputs) -> dict[str, tuple[Path | None, tuple[Path, ...]]]:
    """Return of each chart, by name, its archive or folder, and the files of values."""
    return {
        "gatekeeper": (options.gatekeeper_chart, options.gatekeeper_values),
        "ratify": (options.ratify_chart, options.ratify_values),
    }


def _check_chart_files(options: GateInputs) -> None:
    """Raise InputError when a chart or a file of values is not there, before the cluster is asked for anything."""
    for name, (chart, values) in _chart_inputs(options).items():
        for file in (*([chart] if chart else []), *values):
            if not file.exists():
                field = f"{name}-chart" if file is chart else f"{name}-values"
                raise InputError(field, f"{file} is not there.", remedy="Look at the path.")


def _charts(
    options: GateInputs, context: Context, gatekeeper_values: KubernetesObject | None = None
) -> tuple[Chart, ...]:
    """Return both charts, with the default values overridden by the user's.

    Args:
        options: of the command.
        context: of the command.
        gatekeeper_values: for Gatekeeper's chart, besides those of its file; None or empty: none.
    """
    chart_inputs = _chart_inputs(options)
    selected = [
        (pin, path, [gate_manifests.values_file(pin.name), *user_values])
        for pin in CHARTS
        for path, user_values in (chart_inputs[pin.name],)
    ]
    if gatekeeper_values:
        file = context.temp / "gatekeeper-values.json"
        file.write_text(json.dumps(gatekeeper_values))
        selected[0][2].insert(1, file)
    registries = clouds.find_cloud(options.azure_cloud).registries
    if ratify_values := gate_manifests.ratify_values(options.ratify_client_id, options.exempt_namespaces, registries):
        file = context.temp / "ratify-values.json"
        file.write_text(json.dumps(ratify_values))
        selected[-1][2].insert(1, file)
    return tuple(
        Chart(
            name=pin.name,
            path=path or charts.fetch_chart(pin, cache=context.cache, runner=context.runner, progress=context.progress),
            values=tuple(files),
        )
        for pin, path, files in selected
    )
