"""The certificate in Azure Key Vault that a command's inputs name, checked against the rules for signing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from s3c_actions.azure import plugin
from s3c_actions.azure.vault import Vault, VaultCertificate, vault_host
from s3c_actions.core.doc_links import doc_link
from s3c_actions.core.errors import InputError
from s3c_actions.github import api, environments
from s3c_actions.github.errors import GitHubError
from s3c_actions.options import declare
from s3c_actions.options import vault as inputs
from s3c_actions.options.github import TokenOptions
from s3c_actions.options.sign import KeyOptions
from s3c_actions.options.vault import VaultCertificateOptions, VaultOptions
from s3c_actions.programs.notation import keys, plugins
from s3c_actions.programs.notation.home import write_private_file
from s3c_actions.signing import certificate_rules, certificates, key_files
from s3c_actions.steps.sign import PluginKey
from s3c_actions.wiring.azure import identity_from_inputs
from s3c_actions.wiring.context import Context
from s3c_actions.wiring.files import read_input_file
from s3c_actions.wiring.github import look_up_token

if TYPE_CHECKING:
    from cryptography import x509

    from s3c_actions.azure.identity import Identity

_POLICY = (
    '{"issuerParameters": {"name": "Self"}, "keyProperties": {"exportable": false, "keyType": "RSA", "keySize": 3072, '
    '"reuseKey": false}, "secretProperties": {"contentType": "application/x-pem-file"}, "x509CertificateProperties": '
    '{"subject": "CN=voting.example,O=example,ST=WA,C=US", "keyUsage": ["digitalSignature"], "ekus": '
    '["1.3.6.1.5.5.7.3.3"], "validityInMonths": 12}}'
)
_ANEW = "Make a new version with a policy for signing; without one, Key Vault makes certificates for web servers:\n"
# Of GitHub, for a warning alone.
_PATIENCE, _TIMEOUT = 5.0, 10
_ISSUERS = inputs.VaultCertificateOptions.vault_ca_certs.name
_KIND_OF = {"authority", "key-usage", "extended-key-usage", "key-size", "key-type"}


class OpenVault(msgspec.Struct, frozen=True, kw_only=True):
    """A vault, its certificate, and the identity that reads it."""

    vault: Vault
    certificate: VaultCertificate
    identity: Identity

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """The certificate, followed by its issuers."""
        return self.certificate.chain


def names_certificate(options: VaultCertificateOptions) -> bool:
    """Return whether the inputs name a certificate in a vault.

    Raises:
        InputError: one of vault and certificate is missing.
    """
    given = [option for option in inputs.VaultCertificateOptions.own() if options.given(option)]
    for option in (
        (inputs.VaultCertificateOptions.vault, inputs.VaultCertificateOptions.vault_certificate) if given else ()
    ):
        if option not in given:
            raise InputError(
                option.name,
                f"it is missing, and `{given[0].name}` is given.",
                remedy="Give `vault` and `vault-certificate`, or neither.",
            )
    return bool(given)


def open_vault(options: VaultOptions, context: Context) -> OpenVault:
    """Read and check the certificate that the inputs name; nothing else is requested from the vault yet.

    Raises:
        InputError: an input is wrong, or the certificate cannot sign images.
        OutsideError: Azure gave no token, or the vault denied access.
    """
    (opened,) = open_versions(options, context, (options.vault_certificate_version,), valid_now=True)
    return opened


def open_versions(
    options: VaultOptions, context: Context, versions: Sequence[str], *, valid_now: bool
) -> tuple[OpenVault, ...]:
    """Read and check versions of the certificate that the inputs name, to trust them.

    Args:
        options: of the command.
        context: of the run.
        versions: an empty one is the newest.
        valid_now: refuse one that has expired; where time-stamps are trusted, what it signed before still counts.

    Raises:
        InputError, OutsideError: as `open_vault`.
    """
    issuers = _issuers(options)
    with context.progress.step("vault") as step:
        identity = identity_from_inputs(options, context)
        host = vault_host(options.vault, identity.cloud.vaults)
        vault_client = Vault(host, identity, context.progress)
        opened, specs = [], []
        for version in versions:
            moment = datetime.now(UTC) if valid_now else None
            with _explain_issuers():
                certificate = vault_client.certificate(options.vault_certificate, version, issuers)
                specs.append(_check_certificate(certificate, vault_client, moment, given=issuers is not None))
            opened.append(OpenVault(vault=vault_client, certificate=certificate, identity=identity))
        count = f", {len(opened)} versions" if len(opened) > 1 else ""
        step.done(f"{options.vault_certificate} of {host}{count}, {', '.join(specs)}, read with {identity.description}")
    return tuple(opened)


def read_leaves(options: VaultOptions, context: Context, versions: Sequence[str]) -> tuple[x509.Certificate, ...]:
    """Return versions of the certificate that the inputs name, also disabled or expired ones, to look for its uses.

    Args:
        options: of the command.
        context: of the run.
        versions: an empty one is the newest.

    Raises:
        InputError: there is no such certificate.
        OutsideError: Azure gave no token, or the vault denied access.
    """
    with context.progress.step("vault") as step:
        identity = identity_from_inputs(options, context)
        client = Vault(vault_host(options.vault, identity.cloud.vaults), identity, context.progress)
        name = options.vault_certificate
        leaves = tuple(client.certificate(name, version, issuers=(), disabled=True).chain[0] for version in versions)
        step.done(f"{name} of {client.host}, read with {identity.description}")
    return leaves


def _issuers(options: VaultCertificateOptions) -> Sequence[x509.Certificate] | None:
    path: Path | None = options.vault_ca_certs
    return None if path is None else key_files.read_issuers(read_input_file(path, _ISSUERS), _ISSUERS)


@contextmanager
def _explain_issuers() -> Iterator[None]:
    """Say what to do of an issuer that is wrong: the remedies of the rules are for the signing certificate."""
    try:
        yield
    except certificates.CertificateError as error:
        if error.field == _ISSUERS and error.rule != "not-yet-valid":
            error.remedy = f"Give the issuers' certificates that are in force, the root last, with `{_ISSUERS}`."
        raise


def _check_certificate(certificate: VaultCertificate, vault: Vault, now: datetime | None, *, given: bool) -> str:
    """Check the certificate against the rules for signing, and return its key specification.

    Args:
        certificate: with its issuers.
        vault: that has it.
        now: None: whether it is valid now does not matter.
        given: whether the issuers were, and are not those of the vault.
    """
    own = inputs.VaultCertificateOptions.vault_certificate.name
    try:
        certificate_rules.check(certificate.chain, now, field=own, issuers_field=_ISSUERS if given else "")
    except certificates.CertificateError as error:
        create = f"az keyvault certificate create --vault-name {vault.name} --name {certificate.name} --policy"
        if error.field == _ISSUERS:
            pass  # it is not of the vault
        elif error.rule in _KIND_OF:
            error.cause = "The certificate's policy in the vault says so."
            error.remedy = f"{_ANEW}{create} '{_POLICY}'"
        elif error.rule == "expired":
            error.remedy = f"Make a new version and sign with it:\n{create} @policy.json"
        elif error.rule == "chain-incomplete":
            error.remedy = f"Give the issuers' certificates, the root last, with `{_ISSUERS}`."
        if error.rule in ("expired", "not-yet-valid") and vault.clock:
            error.cause = vault.clock
        raise
    return certificate_rules.key_spec(certificate.chain[0])


@contextmanager
def open_plugin_key(options: KeyOptions, context: Context) -> Iterator[PluginKey]:
    """Open the vault's key for notation, which signs with it by a plugin.

    Raises:
        InputError: an input is wrong, or the certificate cannot sign images.
        OutsideError: Azure gave no token, the vault denied access, or the plugin cannot be obtained.
    """
    opened = open_vault(options, context)
    if sentence := shared_subject(opened.identity) or open_environment(opened.identity, context):
        context.progress.warning(sentence)
    if options.vault_plugin == inputs.OFFICIAL_PLUGIN:
        yield _official_key(context, opened)
        return
    with plugin.open_plugin(opened.vault, opened.certificate, context.temp) as running:
        yield PluginKey(
            plugin=plugin.PLUGIN_NAME,
            libexec=running.libexec,
            key_id=opened.certificate.key_id,
            chain=opened.chain,
            failure=running.failures.get,
        )
        context.progress.note(f"{opened.vault.host}: {opened.vault.requests} requests")


def shared_subject(identity: Identity) -> str:
    """Return a warning that other jobs than this one can sign as this identity; empty where its subject names the job.

    https://docs.github.com/actions/reference/security/oidc#example-subject-claims
    """
    subject = identity.claims.get("sub", "")
    names_job = re.search(r":(?:environment|job_workflow_ref):", f":{subject}")
    if identity.source != "github-oidc" or not subject or names_job:
        return ""
    return (
        f"The identity that signs is trusted for `{subject}`: every job of that subject with `id-token: write` can "
        "sign. Let this job run in an environment, and trust that alone; where the plan has none, nothing holds others "
        f"back ({doc_link('azure-roles.md')})."
    )


def open_environment(identity: Identity, context: Context) -> str:
    """Return a warning that jobs of any branch can sign: nothing guards the environment that the identity trusts.

    Empty where a rule does, and with a note where that cannot be known: a job's token need not be allowed to look.
    """
    environment_claim = re.search(r":environment:([^:]+)", f":{identity.claims.get('sub', '')}")
    repository = context.environment.get("GITHUB_REPOSITORY", "")
    given = declare.read(TokenOptions, {}, context.environment, context.progress.notice)
    token = look_up_token(given, context.environment)
    if identity.source != "github-oidc" or not environment_claim or not repository or not token:
        return ""
    name = environment_claim[1].replace("%3A", ":")
    context.secrets.add(token)
    client = api.connect(token, context.environment, context.progress.notice, patience=_PATIENCE, timeout=_TIMEOUT)
    try:
        reason = environments.describe_open_environment(
            client, repository, name, context.environment.get("GITHUB_REF", "")
        )
    except GitHubError as error:
        context.progress.note(
            f"Whether the environment {name} has rules is not known: {error.what} To look takes `actions: read`."
        )
        return ""
    return reason and (
        f"Every branch of {repository} can sign: of the environment {name}, {reason}. Allow the branch that releases "
        f"alone to deploy to it ({doc_link('azure-roles.md')})."
    )


# https://github.com/Azure/notation-azure-kv#credential-types
_OFFICIAL_CREDENTIALS = {
    "environment": "environment",
    "workload-identity": "workloadid",
    "managed-identity": "managedid",
    "azure-cli": "azurecli",
}


# The release for Linux on x86-64, with its SHA-256.
_OFFICIAL_ARCHIVE = (
    "https://github.com/Azure/notation-azure-kv/releases/download/v1.2.1/notation-azure-kv_1.2.1_linux_amd64.tar.gz",
    "67c5ccaaf28dd44d2b6572684d84e344a02c2258af1d65ead3910b3156d3eaf5",
)


def _official_key(context: Context, opened: OpenVault) -> PluginKey:
    """Return a key of the official plugin, which logs in by itself, with the same credential where it can."""
    credential = _OFFICIAL_CREDENTIALS.get(opened.identity.source)
    if credential is None:
        raise InputError(
            KeyOptions.vault_plugin.name,
            f"{inputs.OFFICIAL_PLUGIN} cannot log in with {opened.identity.description}.",
            cause="It knows no OIDC token of GitHub's.",
            remedy="Leave `vault-plugin` out: the plugin that comes with s3c can. Or log in with azure/login before, "
            "and set `azure-identity: azure-cli`.",
        )
    config: dict[str, str] = {"credential_type": credential}
    if certificates.is_self_signed(opened.chain[0]):
        config["self_signed"] = "true"
    else:
        config["ca_certs"] = str(
            write_private_file(context.temp / "ca-certs.pem", certificates.encode_pem(opened.chain[1:]))
        )
    libexec = keys.notation_folders(context.environment)[1]
    name = inputs.OFFICIAL_PLUGIN
    if not (libexec / "plugins" / name / f"notation-{name}").is_file():
        libexec = context.temp / "libexec"
        plugins.install_archive(*_OFFICIAL_ARCHIVE, name, libexec, context.progress)
    return PluginKey(plugin=name, libexec=libexec, key_id=opened.certificate.key_id, config=config, chain=opened.chain)
