"""From options to a signer: keys, certificates, notation, and the references that are signed."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from s3c_actions.core.errors import InputError, S3CError
from s3c_actions.core.reference import Reference
from s3c_actions.options import Input, Values
from s3c_actions.options import sign as inputs
from s3c_actions.options import vault as vaulting
from s3c_actions.options.common import IMAGE, INSECURE, TIMEOUT
from s3c_actions.wiring import vault
from s3c_actions.wiring.context import Context
from s3c_actions.wiring.files import read

if TYPE_CHECKING:
    from s3c_actions.programs.notation.notation import Notation
    from s3c_actions.registry import Registry
    from s3c_actions.steps.sign import KeyFiles, Pkcs12, PluginKey, Signer


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
    from s3c_actions.programs.notation.notation import Notation
    from s3c_actions.registry import credentials
    from s3c_actions.wiring.logins import logins
    from s3c_actions.wiring.programs import located

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
