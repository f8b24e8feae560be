"""The checks of `s3c doctor`: each asks one thing, in the way in which the command that needs it would."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from s3c_actions.azure import clouds, github_token
from s3c_actions.cluster.gate import inspection
from s3c_actions.cluster.gate import objects as gate_objects
from s3c_actions.core.errors import InputError
from s3c_actions.core.gate_stage import Stage
from s3c_actions.core.progress import Silent
from s3c_actions.core.reference import Reference
from s3c_actions.core.text import counted, short_digest
from s3c_actions.github import token_check
from s3c_actions.github.api import DEFAULT_API
from s3c_actions.options.doctor import DoctorInputs
from s3c_actions.programs.buildkit import buildkit
from s3c_actions.programs.install.locate import find_present
from s3c_actions.registry import connection
from s3c_actions.registry.writing import Writer
from s3c_actions.steps.doctor import Check, Finding, failed, not_configured, passed
from s3c_actions.wiring import machine_checks, vault
from s3c_actions.wiring.azure import identity_from_inputs
from s3c_actions.wiring.context import Context
from s3c_actions.wiring.github import look_up_token
from s3c_actions.wiring.kubernetes import connect_cluster, find_kubeconfig
from s3c_actions.wiring.programs import WANTED
from s3c_actions.wiring.signing import signing_registry

ORIGINS: Mapping[str, str] = {
    "given": "at the path given",
    "PATH": "on PATH",
    "release": "from its release archive",
    "module": "built from its pinned module",
}
PROGRAMS = ("trivy", "copa", "notation", "helm")
_AZURE_VARIABLES = ("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_FEDERATED_TOKEN_FILE", "IDENTITY_ENDPOINT")


def create_checks(options: DoctorInputs, context: Context) -> tuple[Check, ...]:
    """Return the checks for the inputs given.

    Raises:
        InputError: an image is not a reference, or one of two inputs that belong together is missing.
    """
    # Checks run at once: what each reports on its way would be mixed.
    quiet = msgspec.structs.replace(context, progress=Silent())
    images = tuple(Reference.parse(image) for image in options.image)
    vault.names_certificate(options)
    if bool(options.registry_username) != bool(options.registry_password):
        raise InputError("registry-password", "only one of user name and password is given.", remedy="Give both.")

    def bind(check: Callable[[DoctorInputs, Context], Finding]) -> Callable[[], Finding]:
        return lambda: check(options, quiet)

    def each(check: Callable[[DoctorInputs, Context, Reference], Finding], image: Reference) -> Callable[[], Finding]:
        return lambda: check(options, quiet, image)

    checks = [Check(name=name, look=_program_check(name, options, quiet)) for name in PROGRAMS]
    checks.append(Check(name="buildkit", look=bind(_buildkit)))
    for image in dict.fromkeys(images):
        shown = f"{image.registry}/{image.repository}"
        checks.append(Check(name=f"pull {shown}", look=each(_pull, image)))
        if options.push:
            checks.append(Check(name=f"push {shown}", look=each(_push, image)))
    if not images:
        checks.append(
            Check(name="registry", look=lambda: not_configured("no image is given", "Give an image to ask for."))
        )
    checks += [
        Check(name="github", look=bind(_github)),
        Check(name="oidc", look=bind(_oidc)),
        Check(name="azure", look=bind(_azure)),
        Check(name="vault", look=bind(_vault)),
        Check(name="cluster", look=bind(_cluster)),
        Check(name="gate", look=bind(_gate)),
        Check(name="clock", look=lambda: _clock(options, quiet, images)),
        Check(name="disk", look=lambda: machine_checks.disk((context.cache, context.temp.parent))),
        Check(name="proxy", look=lambda: machine_checks.proxy(context.environment)),
        Check(name="ca", look=lambda: machine_checks.ca_bundles(context.environment)),
    ]
    return tuple(checks)


def _wants_azure(options: DoctorInputs, context: Context) -> bool:
    wanted = options.client_id or options.tenant_id or options.vault or options.aks_cluster
    return bool(wanted) or any(context.environment.get(name) for name in _AZURE_VARIABLES)


def _program_check(name: str, options: DoctorInputs, context: Context) -> Callable[[], Finding]:
    def look() -> Finding:
        request = WANTED[name](options)
        program = find_present(request, cache=context.cache, runner=context.runner, progress=context.progress)
        if program is None:
            wanted = request.version or request.pin.version
            return not_configured(
                f"{wanted} is not installed yet; the command that needs it installs it",
                f"`s3c programs install {name}` does it now.",
            )
        return passed(f"{program.version} {ORIGINS.get(program.origin, program.origin)}: {program.path}")

    return look


def _buildkit(options: DoctorInputs, context: Context) -> Finding:
    if options.buildkit_addr != (buildkit.AUTO,):
        for address in options.buildkit_addr:
            buildkit.check(address, buildkit.TlsFiles(), context.runner)
        verb = "answer" if len(options.buildkit_addr) > 1 else "answers"
        return passed(f"{', '.join(options.buildkit_addr)} {verb}")
    existing, reasons = buildkit.find_usable(context.runner)
    if existing is not None:
        return passed(f"{existing.address} answers ({existing.origin})")
    if buildkit.docker_answers(context.runner):
        return passed("none runs; `s3c patch` runs one in a container of Docker's")
    reason = buildkit.no_daemon_reason(context.runner)
    if not reason:
        return passed("none runs; `s3c patch` starts its own")
    return failed("; ".join([*reasons, reason]), buildkit.START_REMEDY)


def _pull(options: DoctorInputs, context: Context, image: Reference) -> Finding:
    registry = signing_registry(options, context, {image.registry})
    return passed(f"may be pulled: {short_digest(registry.resolve(image).digest)}")


def _push(options: DoctorInputs, context: Context, image: Reference) -> Finding:
    Writer(signing_registry(options, context, {image.registry})).try_upload(image)
    return passed("may be pushed to: an upload was begun and cancelled")


def _github(options: DoctorInputs, context: Context) -> Finding:
    token = look_up_token(options, context.environment)
    if not token:
        return not_configured("no token", "Set GITHUB_TOKEN or GH_TOKEN to comment, upload and propose.")
    context.secrets.add(token)
    repository = options.repository or context.environment.get("GITHUB_REPOSITORY", "")
    return passed(token_check.describe(token, repository, context.environment))


def _oidc(options: DoctorInputs, context: Context) -> Finding:
    environment = context.environment
    if not github_token.is_available(environment):
        if environment.get("GITHUB_ACTIONS") == "true":
            return not_configured("the job has no `id-token: write`", "Add it to `permissions:` to log in to Azure.")
        return not_configured("this is no job of GitHub Actions")
    context.secrets.add(environment[github_token.TOKEN])
    token = github_token.fetch(environment, clouds.find_cloud(options.azure_cloud).exchange_audience)
    context.secrets.add(token)
    return passed(f"the job's subject is {github_token.claims(token).get('sub', 'not told')}")


def _azure(options: DoctorInputs, context: Context) -> Finding:
    if not _wants_azure(options, context):
        return not_configured("no tenant, client, vault or cluster of Azure is given")
    identity = identity_from_inputs(options, context)
    identity.credential.get_token(f"https://{identity.cloud.management}/.default")
    return passed(f"logged in with {identity.description}")


def _vault(options: DoctorInputs, context: Context) -> Finding:
    if not options.vault:
        return not_configured("no vault is given")
    opened = vault.open_vault(options, context)
    ends = opened.chain[0].not_valid_after_utc
    return passed(f"{opened.certificate.name} of {opened.vault.host} may sign, and is valid until {ends:%Y-%m-%d}")


def _has_cluster(options: DoctorInputs, context: Context) -> bool:
    if options.aks_cluster or options.kubeconfig or context.environment.get("KUBECONFIG"):
        return True
    return Path(find_kubeconfig(options, context)).is_file()


def _cluster(options: DoctorInputs, context: Context) -> Finding:
    if not _has_cluster(options, context):
        return not_configured("no kubeconfig")
    cluster = connect_cluster(options, context)
    version = str(cluster.request("GET", "/version").get("gitVersion", "of unknown version"))
    return passed(f"Kubernetes {version} answers at {cluster.address}")


def _gate(options: DoctorInputs, context: Context) -> Finding:
    if not _has_cluster(options, context):
        return not_configured("no kubeconfig")
    facts = gate_objects.read_gate_objects(connect_cluster(options, context))
    looked = inspection.inspect(facts, (), now=context.now, accept=Stage.AUDIT)
    if looked.holes:
        more = f" (and {counted(len(looked.holes) - 1, 'hole')} more)" if len(looked.holes) > 1 else ""
        return failed(looked.holes[0].what + more, looked.holes[0].remedy)
    if looked.active_pauses:
        return failed(looked.active_pauses[0].describe(context.now), "`s3c gate pause --end` closes it.")
    if not looked.constraints:
        return failed(" ".join(looked.watching), "`s3c gate promote` goes to the next stage.")
    closed = f"closed by {', '.join(looked.constraints)}; `s3c gate check` proves it"
    return passed(" ".join([f"{closed}.", *looked.watching]) if looked.watching else closed)


def _clock(options: DoctorInputs, context: Context, images: tuple[Reference, ...]) -> Finding:
    addresses = [context.environment.get("GITHUB_API_URL") or DEFAULT_API]
    addresses += [
        f"{'http' if connection.is_local(registry) else 'https'}://{registry}/v2/"
        for registry in dict.fromkeys(image.registry for image in images)
    ]
    return machine_checks.clock(addresses)
