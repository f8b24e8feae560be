"""`s3c fleet manifests`: write Kubernetes manifests that keep a fleet."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import yaml

from s3c_actions.cluster import yaml_text
from s3c_actions.core import reading, suggest
from s3c_actions.core.doc_links import doc_link
from s3c_actions.core.errors import InputError
from s3c_actions.core.folders import SECRET_INPUTS
from s3c_actions.core.reference import Reference
from s3c_actions.fleet import manifests, pool_certificates, pool_manifests
from s3c_actions.fleet.manifests import FleetSettings
from s3c_actions.fleet.pool_certificates import PoolCertificates
from s3c_actions.fleet.pool_manifests import PoolSettings
from s3c_actions.options import fleet_manifests as inputs
from s3c_actions.options.command import COMMANDS, load
from s3c_actions.options.fleet import DEFAULT_FLEET
from s3c_actions.programs.buildkit import container
from s3c_actions.result.model import Outcome
from s3c_actions.scaffold import changes
from s3c_actions.scaffold.changes import Change
from s3c_actions.wiring.context import Context
from s3c_actions.wiring.files import read_input_file
from s3c_actions.wiring.signing import require_together

OBJECTS_FILE = "s3c-fleet.yaml"
SECRETS_FILE = "s3c-fleet-secrets.yaml"
_HEADER = "# Written by `s3c fleet manifests`; change its inputs, or patch this with kustomize.\n"
_PACKAGE_PORTS = (80,)
_RENEW_DAYS = 30


def run(options: inputs.FleetManifestsInputs, context: Context) -> Outcome:
    """Write the manifests; certificates that are there already are kept.

    Raises:
        InputError: an input is wrong or missing, or a file cannot be read. Nothing was written.
    """
    _check_signing(options)
    _check_pool(options)
    for field, image in (("s3c-image", options.s3c_image), ("buildkit-image", options.buildkit_image)):
        _check_image(field, image)
    folder = (context.cwd / options.folder).resolve()
    present = _read_certificates(folder) if options.buildkits and not options.cluster_issuer else None
    pool = _pool(options, context, present) if options.buildkits else None
    settings = _settings(options, context, pool)
    _check_variables(options, settings)
    objects = _HEADER + yaml_text.render(manifests.objects(settings))
    wanted = {OBJECTS_FILE: objects.encode()}
    if pool is not None and pool.certificates is not None and present is None:
        secrets = _HEADER + "# Private keys: apply it, and keep it out of version control.\n"
        wanted[SECRETS_FILE] = (secrets + yaml_text.render(pool_manifests.secrets(pool, manifests.LABELS))).encode()
    folder.mkdir(parents=True, exist_ok=True)
    written = [
        Change(path=name, before=changes.read_present(folder, name), after=content, private=name == SECRETS_FILE)
        for name, content in wanted.items()
    ]
    changes.write_all(folder, written)
    return Outcome(
        command="fleet manifests",
        images=(),
        files={"manifests": folder / OBJECTS_FILE, **({"secrets": folder / SECRETS_FILE} if len(wanted) > 1 else {})},
        text=_next_steps(options, folder, secrets=pool is not None and pool.certificates is not None),
    )


def _check_image(field: str, image: str) -> None:
    """Raise InputError when the name of an image that is to run is no reference; the field is named."""
    try:
        if image:
            Reference.parse(image)
    except InputError as error:
        raise InputError(field, error.what.removeprefix("image: "), remedy=error.remedy) from None


def _check_signing(options: inputs.FleetManifestsInputs) -> None:
    require_together(options, inputs.FleetManifestsInputs.vault, inputs.FleetManifestsInputs.vault_certificate)
    if options.vault and options.key_secret:
        raise InputError("key-secret", "it is given beside vault.", remedy="Give one of them.")
    if not (options.vault or options.key_secret) and options.variables.get("S3C_SIGN") != "false":
        raise InputError(
            "key-secret",
            "nothing says what the workers sign with.",
            remedy="Give `vault` and `vault-certificate`, or `key-secret`; or `variables` with S3C_SIGN=false.",
        )


def _check_pool(options: inputs.FleetManifestsInputs) -> None:
    if not options.buildkits and "S3C_BUILDKIT_ADDR" not in options.variables:
        raise InputError(
            "buildkits",
            "there is no pool, and no BuildKit elsewhere is named: workers have no rights to run one.",
            remedy="Leave `buildkits` out, or give `variables` with S3C_BUILDKIT_ADDR=….",
        )


def _check_variables(options: inputs.FleetManifestsInputs, settings: FleetSettings) -> None:
    """Raise InputError for a variable that is none of an input, is a secret's, or is set by the manifests."""
    declared = {option.variable for name in COMMANDS for option in load(name).inputs}
    secret = {f"S3C_{name.upper().replace('-', '_')}" for name in SECRET_INPUTS}
    own = {*manifests.environment(settings), "S3C_OUTPUT_DIR"}
    for name in options.variables:
        if name in secret:
            raise InputError(
                "variables",
                f"{name} is a secret, and would be readable in the manifest.",
                remedy="Use `key-secret`, `registry-secret` or workload identity.",
            )
        if name in own:
            raise InputError("variables", f"{name} is set by the manifests.", remedy="Leave it out.")
        if name.startswith("S3C_") and name not in declared:
            hint = suggest.did_you_mean(name, declared)
            raise InputError(
                "variables", f"{name} is no input's variable.", remedy=f"{hint}{doc_link('inputs.md')} has them."
            )


def _settings(options: inputs.FleetManifestsInputs, context: Context, pool: PoolSettings | None) -> FleetSettings:
    files = _read_files(options, context)
    azure = {
        "S3C_TENANT_ID": options.tenant_id,
        "S3C_CLIENT_ID": options.client_id,
        "S3C_AZURE_IDENTITY": "workload-identity" if options.client_id else "",
        "S3C_VAULT": options.vault,
        "S3C_VAULT_CERTIFICATE": options.vault_certificate,
    }
    return FleetSettings(
        image=options.s3c_image,
        namespace=options.namespace,
        fleet=next(iter(files)),
        files=files,
        store=options.store,
        schedule=options.schedule,
        time_zone=options.time_zone,
        shards=options.pods,
        workers=options.parallel_pods,
        deadline=int(options.deadline),
        variables={**{name: value for name, value in azure.items() if value}, **options.variables},
        client_id=options.client_id,
        registry_secret=options.registry_secret,
        key_secret=options.key_secret,
        cluster_images=options.cluster_images,
        ports=options.egress_ports,
        pool=pool,
    )


def _read_files(options: inputs.FleetManifestsInputs, context: Context) -> Mapping[str, str]:
    """Return path → text of the files for the cluster, the fleet's first."""
    files: dict[str, str] = {}
    for field, given in (("fleet", options.fleet or Path(DEFAULT_FLEET)), *(("files", file) for file in options.files)):
        path = (context.cwd / given).resolve()
        if not path.is_relative_to(context.cwd.resolve()):
            raise InputError(
                field,
                f"{given} is not below {context.cwd}.",
                cause="Its path is the same in the cluster, below one folder.",
                remedy="Run this in the folder that all files are below.",
            )
        text = _decode(read_input_file(path, field), given, field)
        files[path.relative_to(context.cwd.resolve()).as_posix()] = text
        if "PRIVATE KEY-----" in text:
            raise InputError(
                field, f"{given} has a private key, and a ConfigMap is no secret.", remedy="Use `key-secret`."
            )
    if sum(map(len, files.values())) > manifests.MAX_FILES:
        raise InputError(
            "files",
            "they are too large together for a ConfigMap, which has at most 1 MiB.",
            remedy="Select images by pattern or prefix in place of a list; split the fleet.",
        )
    return files


def _decode(content: bytes, path: Path, field: str = "buildkit-config") -> str:
    try:
        return reading.decode_text(content)
    except UnicodeDecodeError as error:
        raise InputError(
            field,
            f"{path} cannot be read: {reading.describe(error)}.",
            remedy="Save it as UTF-8; certificates are PEM.",
        ) from None


def _pool(options: inputs.FleetManifestsInputs, context: Context, present: PoolCertificates | None) -> PoolSettings:
    namespace = f"{options.namespace}-buildkit"
    certificates = None
    if not options.cluster_issuer:
        life = timedelta(seconds=options.valid_for)
        certificates = present or pool_certificates.issue(pool_manifests.dns_names(namespace), context.now, life)
        _warn_of_expiry(certificates, context)
    text = pool_manifests.CONFIGURATION
    if options.buildkit_config is not None:
        text = _decode(read_input_file(options.buildkit_config, "buildkit-config"), options.buildkit_config)
    rootless = options.buildkit_mode == "rootless"
    return PoolSettings(
        namespace=namespace,
        workers=options.namespace,
        replicas=options.buildkits,
        mode="rootless" if rootless else "privileged",
        image=options.buildkit_image or container.images("")[0][0] + ("-rootless" if rootless else ""),
        configuration=text,
        ports=tuple(sorted({*options.egress_ports, *_PACKAGE_PORTS})),
        issuer=options.cluster_issuer,
        certificates=certificates,
    )


def _read_certificates(folder: Path) -> PoolCertificates | None:
    """Return the certificates of an earlier run; None without one."""
    content = changes.read_present(folder, SECRETS_FILE)
    if content is None:
        return None
    try:
        documents = {entry["metadata"]["name"]: entry["stringData"] for entry in yaml.safe_load_all(content)}
        server, client = documents[pool_manifests.SERVER_SECRET], documents[pool_manifests.CLIENT_SECRET]
        return PoolCertificates(
            authority=server["ca.crt"].encode(),
            server_certificate=server["tls.crt"].encode(),
            server_key=server["tls.key"].encode(),
            client_certificate=client["tls.crt"].encode(),
            client_key=client["tls.key"].encode(),
        )
    except (yaml.YAMLError, KeyError, TypeError, AttributeError):
        raise InputError(
            "folder",
            f"{folder / SECRETS_FILE} is not what `s3c fleet manifests` wrote.",
            remedy="Move it away; then fresh certificates are issued.",
        ) from None


def _next_steps(options: inputs.FleetManifestsInputs, folder: Path, *, secrets: bool) -> str:
    lines = [f"manifests  {folder / OBJECTS_FILE}"]
    if secrets:
        lines.append(f"secrets    {folder / SECRETS_FILE}  (keep it out of version control)")
    lines += ["", "Apply them:", f"  kubectl apply --server-side --filename {folder / OBJECTS_FILE}"]
    if secrets:
        lines.append(f"  kubectl apply --server-side --filename {folder / SECRETS_FILE}")
    lines += [
        "Run it at once:",
        f"  kubectl --namespace {options.namespace} create job --from cronjob/{manifests.NAME} {manifests.NAME}-now",
    ]
    return "\n".join(lines)


def _warn_of_expiry(issued: PoolCertificates, context: Context) -> None:
    from cryptography import x509

    end = x509.load_pem_x509_certificate(issued.server_certificate).not_valid_after_utc
    if end < context.now + timedelta(days=_RENEW_DAYS):
        context.progress.warning(
            f"The certificates of {SECRETS_FILE} are valid until {end:%Y-%m-%d}. Delete the file for fresh ones, and "
            "apply both files again."
        )
