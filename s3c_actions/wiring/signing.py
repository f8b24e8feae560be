"""Create a signer from the options: keys, certificates, notation, and the references that are signed."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from s3c_actions.core.errors import InputError, S3CError
from s3c_actions.core.reference import Reference
from s3c_actions.options import sign as inputs
from s3c_actions.options import vault as vaulting
from s3c_actions.options.declare import Group, Input
from s3c_actions.options.registry import NotationOptions, RegistryOptions
from s3c_actions.options.sign import KeyOptions, SigningOptions
from s3c_actions.programs.notation import keys, plugins
from s3c_actions.programs.notation.notation import Notation, SigningRequest
from s3c_actions.registry import credentials
from s3c_actions.steps import sign
from s3c_actions.steps.sign import KeyFiles, Pkcs12, PluginKey
from s3c_actions.wiring import logins, programs, vault
from s3c_actions.wiring.context import Context
from s3c_actions.wiring.files import read_input_file

if TYPE_CHECKING:
    from s3c_actions.registry import Registry
    from s3c_actions.steps.sign import SigningKey


def prefix_image(sentence: str, reference: str, references: Collection[str]) -> str:
    """Return the sentence, prefixed with the image's name when there are several images."""
    return f"{Reference.parse(reference).short}: {sentence}" if len(references) > 1 else sentence


@contextmanager
def open_signing_key(options: SigningOptions, context: Context, registries: Collection[str]) -> Iterator[SigningKey]:
    """Open and check the signing key that the inputs name; files written for it are removed at the end.

    Args:
        options: of the command.
        context: of the run.
        registries: the registries of the images.

    Raises:
        InputError: the key, its certificate or another input is wrong.
        OutsideError: notation could not be obtained, or the plugin failed.
    """
    url, root = options.timestamp_url, options.timestamp_root_cert
    require_together(options, inputs.SignatureOptions.timestamp_url, inputs.SignatureOptions.timestamp_root_cert)
    request = SigningRequest(
        signature_format=options.signature_format,
        metadata=options.user_metadata,
        expiry=options.signature_expiry,
        force_referrers_tag=options.force_referrers_tag,
        timestamp_url=url,
        timestamp_root=root,
    )
    with (
        open_key_source(options, context) as key,
        sign.prepare(
            sign.SignSettings(key=key, request=request, warning_days=options.certificate_warning_days),
            notation=create_notation(options, context, registries),
            registry=signing_registry(options, context, registries),
            temp=context.temp,
            now=context.now,
            progress=context.progress,
        ) as signer,
    ):
        yield dataclasses.replace(signer, signing=context.limits.signatures)


def create_notation(options: NotationOptions, context: Context, registries: Collection[str]) -> Notation:
    """Create the notation program with the credentials of the registries."""
    login = credentials.open_program_login(logins.create_logins(options, context, registries), registries, context.temp)
    return Notation(
        programs.notation(options, context),
        context.runner,
        timeout=options.timeout,
        login=login,
        insecure=options.insecure_registry,
    )


def signing_registry(options: RegistryOptions, context: Context, registries: Collection[str]) -> Registry:
    """Create a client with the credentials given for the registries."""
    return logins.create_registry(options, logins.create_logins(options, context, registries))


def registries_of(images: Iterable[str]) -> set[str]:
    """Return the registries of images, given as references."""
    return {Reference.parse(image).registry for image in images}


def resolve_images(images: Collection[str], options: RegistryOptions, context: Context) -> dict[str, str]:
    """Return image as given → `registry/repository@digest`, each once; a tag is resolved here and never again.

    A digest is looked up too: that it is not there is known before a program is installed to say so.

    Raises:
        InputError: an image is malformed, does not exist, or is given twice.
        OutsideError: the registry failed.
    """
    pinned: dict[str, str] = {}
    references = {image: Reference.parse(image) for image in images}
    _reject_repeated(reference.pinned for reference in references.values() if reference.digest)
    for image, reference in references.items():
        try:
            digest = signing_registry(options, context, registries_of(images)).resolve(reference).digest
        except S3CError as error:
            error.image = error.image or image
            raise
        if not reference.digest:
            context.progress.notice(f"{image} is {digest} now; this digest is used, also when the tag is moved.")
        pinned[image] = reference.at(digest).pinned
        _reject_repeated(pinned.values())
    return pinned


def _reject_repeated(pinned: Iterable[str]) -> None:
    """Raise InputError for a digest that is there twice."""
    for name, times in Counter(pinned).items():
        if times > 1:
            raise InputError("image", f"{name} is given more than once.", remedy="Give each image once.")


def require_together(options: Group, first: Input[Any], second: Input[Any]) -> None:
    """Raise InputError when only one of two inputs that need each other is given."""
    if options.given(first) != options.given(second):
        present, missing = (first, second) if options.given(first) else (second, first)
        raise InputError(
            missing.name, f"it is missing, and `{present.name}` is given.", remedy="Give both, or neither."
        )


_SOURCES: tuple[Input[Any], ...] = (
    inputs.KeyOptions.key,
    inputs.KeyOptions.key_pem,
    inputs.KeyOptions.pkcs12,
    inputs.KeyOptions.key_name,
    inputs.KeyOptions.plugin,
    vaulting.VaultCertificateOptions.vault,
)


@contextmanager
def open_key_source(options: KeyOptions, context: Context) -> Iterator[KeyFiles | Pkcs12 | PluginKey]:
    """Open the source of the signing key; a plugin started for it stops with the context.

    Raises:
        InputError: no key or several are given, or a key is incomplete or cannot be read.
    """
    vault.names_certificate(options)
    sources = [option for option in _SOURCES if options.given(option)]
    if len(sources) != 1:
        names = " and ".join(f"`{option.name}`" for option in sources)
        empty = inputs.KeyOptions.key_pem.variable in context.environment
        raise InputError(
            sources[0].name if sources else "key",
            f"{names} are given, and there is one key to sign with." if sources else "no signing key is given.",
            cause="`key-pem` is empty. Where it comes from a secret: the secret is not set, or the run is for a fork "
            "or Dependabot, which gets none."
            if empty and not sources
            else "",
            remedy="Give `key` (or `key-pem`) and `certificate`, `pkcs12`, `key-name`, `plugin` and `key-id`, or "
            "`vault` and `vault-certificate`.",
        )
    source = sources[0]
    if source is vaulting.VaultCertificateOptions.vault:
        with vault.open_plugin_key(options, context) as key:
            yield key
    elif source is inputs.KeyOptions.pkcs12:
        yield _pkcs12_key(options)
    elif source is inputs.KeyOptions.key_name:
        yield _named_key(options, context)
    elif source is inputs.KeyOptions.plugin:
        yield _plugin_key(options, context)
    else:
        yield _key_files(options, context)


def _key_files(options: KeyOptions, context: Context) -> KeyFiles:
    certificate = options.certificate
    if certificate is None:
        raise InputError(
            "certificate",
            f"it is missing, and `{'key-pem' if options.key_pem else 'key'}` is given.",
            remedy="Give the key's certificates in PEM, or use `pkcs12`.",
        )
    pem = options.key_pem
    field = "key-pem" if pem else "key"
    if pem:
        context.secrets.add(pem)
    return KeyFiles(
        key=pem.encode() if pem else read_input_file(options.key, "key"),
        certificates=read_input_file(certificate, "certificate"),
        password=options.key_password,
        key_field=field,
    )


def _pkcs12_key(options: KeyOptions) -> Pkcs12:
    return Pkcs12(content=read_input_file(options.pkcs12, "pkcs12"), password=options.key_password)


def _named_key(options: KeyOptions, context: Context) -> KeyFiles | PluginKey:
    entry = keys.find(options.key_name, context.environment)
    if entry.key is None or entry.certificates is None:
        overrides = options.plugin_config
        config = {**entry.config, **overrides}
        return PluginKey(plugin=entry.plugin, libexec=entry.libexec, key_id=entry.key_id, config=config)
    return KeyFiles(
        key=read_input_file(entry.key, "key-name"),
        certificates=read_input_file(entry.certificates, "key-name"),
        password=options.key_password,
        key_field="key-name",
        certificate_field="key-name",
    )


def _plugin_key(options: KeyOptions, context: Context) -> PluginKey:
    name, key_id = options.plugin, options.key_id
    if not key_id:
        raise InputError("key-id", "it is missing, and `plugin` is given.", remedy="Name the key as the plugin does.")
    require_together(options, inputs.KeyOptions.plugin_url, inputs.KeyOptions.plugin_checksum)
    libexec = context.temp / "libexec"
    if options.plugin_url:
        plugins.install_archive(options.plugin_url, options.plugin_checksum, name, libexec, context.progress)
    elif "/" in name:
        name = plugins.install_executable(Path(name).expanduser(), libexec)
    else:
        libexec = keys.notation_folders(context.environment)[1]
        plugins.check_plugin_name(name)
    return PluginKey(plugin=name, libexec=libexec, key_id=key_id, config=options.plugin_config)
