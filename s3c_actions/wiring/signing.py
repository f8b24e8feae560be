"""`s3c sign`: one or several images, all checked before the first is signed."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from s3c_actions.commands import Command, Context
from s3c_actions.core import reading
from s3c_actions.core.errors import InputError, S3CError
from s3c_actions.core.reference import Reference
from s3c_actions.options import Input, Values
from s3c_actions.options import evidence as attaching
from s3c_actions.options import sign as inputs
from s3c_actions.options import vault as vaulting
from s3c_actions.options.common import IMAGE, INSECURE, TIMEOUT
from s3c_actions.options.report import FAIL_ON, POLICY, UNSCANNED
from s3c_actions.result.model import AttachResult, ImageOutcome, Outcome, ScanResult
from s3c_actions.wiring import vault

if TYPE_CHECKING:
    from s3c_actions.programs.notation.notation import Notation
    from s3c_actions.programs.trivy.trivy import Trivy
    from s3c_actions.registry import Registry
    from s3c_actions.steps.assess import Criteria
    from s3c_actions.steps.sign import KeyFiles, Pkcs12, PluginKey, Signer


def run(values: Values, context: Context) -> Outcome:
    """Resolve every image, check the certificate and judge the reports given, then sign image by image.

    Raises:
        InputError: an input, the certificate, a report or an image is wrong: nothing has been signed.
        OutsideError: the registry or the plugin failed before anything was signed.
    """
    from s3c_actions.steps import sign
    from s3c_actions.steps.scan import refusal

    started = time.monotonic()
    with signing(values, context) as signer:
        pinned = resolve(values, context)
        criteria = _criteria(values, context)
        scans = _judged(values, context, signer, criteria)
        evidence = _evidence(values, context, signer, criteria) if values[attaching.ATTACH] else None
        before = {reference: signer.signatures(reference) for reference in pinned.values()}
        outcomes = []
        for image, reference in pinned.items():
            outcome = ImageOutcome(image=image, reference=reference, scan=scans.get(image))
            with context.progress.step("sign") as step:
                try:
                    if outcome.scan is not None:
                        refused = refusal(outcome.scan, criteria.gate, consequence="Nothing was signed.")
                        if refused is not None:
                            raise refused
                    result = sign.run(signer, reference, context.progress, before[reference])
                except S3CError as error:
                    error.image = error.image or image
                    outcomes.append(replace(outcome, failure=error))
                    step.done(about(error.what, reference, pinned))
                    continue
                outcome = replace(outcome, sign=result)
                how = "already signed by" if result.skipped else "signed by"
                told = "" if outcome.judged else ", not judged"
                step.done(about(f"{how} {result.certificate.subject}{told}", reference, pinned))
            if evidence is not None:
                try:
                    outcome = replace(outcome, attach=evidence(outcome))
                except S3CError as error:
                    error.image = error.image or image
                    outcome = replace(outcome, failure=error)
            outcomes.append(outcome)
    failures = [one.failure for one in outcomes if one.failure]
    return Outcome(
        command="sign",
        images=tuple(outcomes),
        exit_code=max((int(error.exit_code) for error in failures), default=0),
        error=failures[0].what if failures else "",
        seconds=time.monotonic() - started,
    )


def _criteria(values: Values, context: Context) -> Criteria:
    """What the reports given are judged by."""
    from s3c_actions.steps.assess import Criteria
    from s3c_actions.steps.scan import bill
    from s3c_actions.wiring.scanning import gate, policy

    return Criteria(
        gate=gate(values, context),
        policy=policy(values),
        unscanned_fails=values[UNSCANNED] == "fail",
        ignore_unfixed=False,
        now=context.now,
        bill=lambda report: bill(report, _trivy(values, context), context.temp),
    )


def _judged(values: Values, context: Context, signer: Signer, criteria: Criteria) -> dict[str, ScanResult]:
    """Image → the scan that the reports given stand for, of every platform; empty when none are given nor needed.

    Raises:
        InputError: something is to be judged or attached and there is no report, or a report is of none of the images.
    """
    from s3c_actions.wiring.attaching import reports

    paths, attached = values[attaching.REPORTS], values[attaching.ATTACH]
    if paths and not attached and not criteria.closes:
        raise InputError(
            "report",
            "it is given, and nothing is to be made of it.",
            remedy="Say what it is judged by (`fail-on` or `policy`), or what to attach (`attach: true`).",
        )
    if not paths and (attached or criteria.closes):
        field = "attach" if attached else POLICY.name if values[POLICY] is not None else FAIL_ON.name
        raise InputError(
            field,
            "there is no report to make evidence of." if attached else "there is no report to judge the image by.",
            remedy="Give `report`: the output `json` of the scan, patch or chain step, one of every platform of the "
            "image." + (" Or run `s3c attach`, which scans." if attached else ""),
        )
    found = reports(paths, values[IMAGE], signer.registry, criteria)
    for scan in found.values():
        for sentence in scan.warnings:
            context.progress.warning(sentence)
    return found


def _trivy(values: Values, context: Context) -> Trivy:
    from s3c_actions.commands.programs import located
    from s3c_actions.programs.trivy.trivy import Trivy

    (program,) = located(values, context, "trivy")
    return Trivy(program, context.runner, cache=context.cache / "trivy")


def _evidence(
    values: Values, context: Context, signer: Signer, criteria: Criteria
) -> Callable[[ImageOutcome], AttachResult]:
    """What attaches the reports given to the images signed."""
    from s3c_actions.wiring.attaching import attacher

    tool = attacher(
        values,
        context,
        signer,
        trivy=_trivy(values, context),
        gate=criteria.gate,
        policy=criteria.policy,
        openvex=values[attaching.OPENVEX],
    )
    return lambda outcome: tool.attach(outcome, "sign")


def about(sentence: str, reference: str, all_of_them: Collection[str]) -> str:
    """The sentence, with the image's name before it when there are several images."""
    return f"{Reference.parse(reference).short}: {sentence}" if len(all_of_them) > 1 else sentence


@contextmanager
def signing(values: Values, context: Context, registries: Collection[str] | None = None) -> Iterator[Signer]:
    """The key that the inputs name, checked and ready to sign; what was written for it is removed in the end.

    Args:
        values: of a command that has `inputs.sign.SIGNING` among its inputs.
        context: of the run.
        registries: that are written to; by default those of the input `image`.

    Raises:
        InputError: the key, its certificate or another input is wrong.
        OutsideError: notation could not be had, or the plugin failed.
    """
    from s3c_actions.programs.notation.notation import SigningRequest
    from s3c_actions.steps import sign

    url, root = values[inputs.TIMESTAMP_URL], values[inputs.TIMESTAMP_ROOT]
    together(values, inputs.TIMESTAMP_URL, inputs.TIMESTAMP_ROOT)
    request = SigningRequest(
        signature_format=values[inputs.SIGNATURE_FORMAT],
        metadata=values[inputs.USER_METADATA],
        expiry=values[inputs.SIGNATURE_EXPIRY],
        force_referrers_tag=values[inputs.FORCE_REFERRERS_TAG],
        timestamp_url=url,
        timestamp_root=root,
    )
    with (
        key_source(values, context) as key,
        sign.prepare(
            sign.SignSettings(key=key, request=request, warning_days=values[inputs.EXPIRY_WARNING]),
            notation=notation(values, context, registries),
            registry=registry_of(values, context, registries),
            temp=context.temp,
            now=context.now,
            progress=context.progress,
        ) as signer,
    ):
        yield signer


def notation(values: Values, context: Context, registries: Collection[str] | None = None) -> Notation:
    """The notation program with the credentials of the registries; by default of those of the input `image`."""
    from s3c_actions.commands.programs import located
    from s3c_actions.programs.notation.notation import Notation
    from s3c_actions.registry import credentials
    from s3c_actions.wiring.logins import logins

    hosts = _hosts(values) if registries is None else registries
    login = credentials.for_programs(logins(values, context, hosts), hosts, context.temp)
    (program,) = located(values, context, "notation")
    return Notation(
        program,
        context.runner,
        timeout=values[TIMEOUT],
        login=login,
        insecure=values[INSECURE],
    )


def registry_of(values: Values, context: Context, registries: Collection[str] | None = None) -> Registry:
    """A client with the credentials given for the registries; by default for those of the input `image`."""
    from s3c_actions.wiring.logins import logins, registry

    return registry(values, logins(values, context, _hosts(values) if registries is None else registries))


def _hosts(values: Values) -> set[str]:
    return {Reference.parse(image).registry for image in values[IMAGE]}


def resolve(values: Values, context: Context) -> dict[str, str]:
    """Image as given → `registry/repository@digest`, each once; a tag is looked up here and never again.

    Raises:
        InputError: an image is malformed, not there, or given twice.
        OutsideError: the registry failed.
    """
    pinned: dict[str, str] = {}
    for image in values[IMAGE]:
        reference = Reference.parse(image)
        if not reference.digest:
            try:
                digest = registry_of(values, context).resolve(reference).digest
            except S3CError as error:
                error.image = error.image or image
                raise
            context.progress.notice(f"{image} is {digest} now; this digest is used, whatever becomes of the tag.")
            reference = reference.at(digest)
        if reference.pinned in pinned.values():
            raise InputError("image", f"{reference.pinned} is given more than once.", remedy="Give each image once.")
        pinned[image] = reference.pinned
    return pinned


def together(values: Values, one: Input[Any], other: Input[Any]) -> None:
    """Raise InputError when only one of two inputs that need each other is given."""
    if values.given(one) != values.given(other):
        there, missing = (one, other) if values.given(one) else (other, one)
        raise InputError(missing.name, f"it is missing, and {there.name} is given.", remedy="Give both, or neither.")


_SOURCES: tuple[Input[Any], ...] = (
    inputs.KEY,
    inputs.KEY_PEM,
    inputs.PKCS12,
    inputs.KEY_NAME,
    inputs.PLUGIN,
    vaulting.VAULT,
)


@contextmanager
def key_source(values: Values, context: Context) -> Iterator[KeyFiles | Pkcs12 | PluginKey]:
    """Where the signing key is; what was started for it ends with the context.

    Raises:
        InputError: none or several are given, or one is incomplete or cannot be read.
    """
    vault.wanted(values)
    given = [one for one in _SOURCES if values.given(one)]
    if len(given) != 1:
        told = " and ".join(f"`{one.name}`" for one in given)
        raise InputError(
            given[0].name if given else "key",
            f"{told} are given, and there is one key to sign with." if given else "no signing key is given.",
            remedy="Give `key` (or `key-pem`) and `certificate`, `pkcs12`, `key-name`, `plugin` and `key-id`, or "
            "`vault` and `vault-certificate`.",
        )
    source = given[0]
    if source is vaulting.VAULT:
        with vault.signing_key(values, context) as key:
            yield key
    elif source is inputs.PKCS12:
        yield _pkcs12(values)
    elif source is inputs.KEY_NAME:
        yield _named(values, context)
    elif source is inputs.PLUGIN:
        yield _plugin(values, context)
    else:
        yield _files(values, context)


def _files(values: Values, context: Context) -> KeyFiles:
    from s3c_actions.steps.sign import KeyFiles

    certificate = values[inputs.CERTIFICATE]
    if certificate is None:
        raise InputError("certificate", "it is missing.", remedy="Give the key's certificates in PEM, or use `pkcs12`.")
    pem = values[inputs.KEY_PEM]
    field = "key-pem" if pem else "key"
    if pem:
        context.secrets.add(pem)
    return KeyFiles(
        key=pem.encode() if pem else read(values[inputs.KEY], "key"),
        certificates=read(certificate, "certificate"),
        password=values[inputs.KEY_PASSWORD],
        key_field=field,
    )


def _pkcs12(values: Values) -> Pkcs12:
    from s3c_actions.steps.sign import Pkcs12

    return Pkcs12(content=read(values[inputs.PKCS12], "pkcs12"), password=values[inputs.KEY_PASSWORD])


def _named(values: Values, context: Context) -> KeyFiles | PluginKey:
    from s3c_actions.programs.notation import keys
    from s3c_actions.steps.sign import KeyFiles, PluginKey

    named = keys.find(values[inputs.KEY_NAME], context.environment)
    if named.key is None or named.certificates is None:
        more = values[inputs.PLUGIN_CONFIG]
        config = {**named.config, **more}
        return PluginKey(plugin=named.plugin, libexec=named.libexec, key_id=named.key_id, config=config)
    return KeyFiles(
        key=read(named.key, "key-name"),
        certificates=read(named.certificates, "key-name"),
        password=values[inputs.KEY_PASSWORD],
        key_field="key-name",
        certificate_field="key-name",
    )


def _plugin(values: Values, context: Context) -> PluginKey:
    from s3c_actions.programs.notation import keys, plugins
    from s3c_actions.steps.sign import PluginKey

    name, key_id = values[inputs.PLUGIN], values[inputs.KEY_ID]
    if not key_id:
        raise InputError("key-id", "it is missing, and plugin is given.", remedy="Name the key as the plugin does.")
    together(values, inputs.PLUGIN_URL, inputs.PLUGIN_CHECKSUM)
    libexec = context.temp / "libexec"
    if values[inputs.PLUGIN_URL]:
        plugins.from_archive(values[inputs.PLUGIN_URL], values[inputs.PLUGIN_CHECKSUM], name, libexec, context.progress)
    elif "/" in name:
        name = plugins.from_executable(Path(name).expanduser(), libexec)
    else:
        libexec = keys.folders(context.environment)[1]
        plugins.named(name)
    return PluginKey(plugin=name, libexec=libexec, key_id=key_id, config=values[inputs.PLUGIN_CONFIG])


def read(path: Path, field: str) -> bytes:
    """The content of a file that an input names.

    Raises:
        InputError: it cannot be read.
    """
    try:
        return reading.content(path)
    except OSError as error:
        raise InputError(
            field, f"{path} cannot be read: {error.strerror}.", remedy="Look at the path and its permissions."
        ) from error


COMMAND = Command(
    name="sign",
    help="Signs images by digest with notation, verifies what was signed, and signs nothing twice. "
    "The certificate and all images are checked before the first is signed.",
    inputs=inputs.INPUTS,
    run=run,
    examples=(
        "s3c sign localhost:5000/voting-app@sha256:… --key signing.key --certificate signing.crt",
        "s3c sign acr.example/app:1.2 --vault kv-voting --vault-certificate signing",
        "s3c sign acr.example/app:1.2 --plugin azure-kv --key-id https://kv.vault.azure.net/keys/signing/0123",
    ),
)
