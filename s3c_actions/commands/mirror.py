"""`s3c mirror`: copy an image by digest from any registry, or from an archive, to a registry."""

from __future__ import annotations

import re
from contextlib import ExitStack
from typing import TYPE_CHECKING

from msgspec.structs import replace

from s3c_actions.core.errors import InputError, S3CError
from s3c_actions.core.reference import Reference
from s3c_actions.options import mirror as inputs
from s3c_actions.options.common import path
from s3c_actions.registry import Registry, RepositorySource
from s3c_actions.registry.archive import ArchiveSource
from s3c_actions.result.model import ImageOutcome, MirrorResult, Outcome
from s3c_actions.steps import mirror
from s3c_actions.wiring.context import Context
from s3c_actions.wiring.logins import create_logins, logins_of

if TYPE_CHECKING:
    from s3c_actions.registry import ImageSource


def run(options: inputs.MirrorInputs, context: Context) -> Outcome:
    """Copy the image.

    Raises:
        InputError: an input is wrong, or the image does not exist, or the archive is inconsistent.
        OutsideError: a registry failed; the target's tag is as it was.
    """
    image = options.source
    archive = _is_archive(image)
    source = None if archive else Reference.parse(image, field="source")
    if not archive and options.source_image:
        raise InputError("source-image", "it chooses in an archive, and the source is an image of a registry.")
    settings = mirror.MirrorSettings(
        image=image,
        target=_target(options, source),
        platforms=options.platforms,
        referrers=options.referrers,
    )
    with context.progress.step("mirror") as step, ExitStack() as stack:
        target = _registry(options, context, settings.target.registry)
        if source is not None:
            image_source = _source_repository(options, context, source, settings.target, target)
        else:
            image_source = stack.enter_context(ArchiveSource(path(image), options.source_image))
        try:
            result = mirror.run(settings, image_source, target, context.progress)
        except S3CError as error:
            error.image = error.image or image
            raise
        step.done(_describe_result(result))
    if result.replaced:
        context.progress.notice(f"{settings.target} was {result.replaced} before.")
    return Outcome(
        command="mirror",
        images=(ImageOutcome(image=image, reference=result.reference, mirror=result),),
    )


def _is_archive(source: str) -> bool:
    """Return whether the input is an archive: a path by its start, or a name that ends in `.tar` and has no tag."""
    return bool(re.match(r"(~|\.{0,2})/", source) or re.fullmatch(r"[^:@]+\.tar", source))


def _target(options: inputs.MirrorInputs, source: Reference | None) -> Reference:
    target = Reference.parse(options.target, field="target")
    if target.digest:
        raise InputError("target", "it has a digest, and the source says which that is.", remedy="Give a tag, or none.")
    if source is None:
        return target
    if not target.tag:
        # As everywhere: a name without a tag and digest means the tag `latest`.
        target = replace(target, tag=source.tag or ("" if source.digest else "latest"))
    if target.name == source.name and (target.tag == source.tag or not target.tag):
        raise InputError("target", "it is the source.", remedy="Give another repository, registry or tag.")
    return target


def _registry(options: inputs.MirrorInputs, context: Context, name: str) -> Registry:
    return Registry(create_logins(options, context, {name}), insecure=options.insecure_registry)


def _source_repository(
    options: inputs.MirrorInputs, context: Context, source: Reference, target: Reference, target_registry: Registry
) -> ImageSource:
    source_logins = logins_of(
        (options.source_username, options.source_password), "source", options, context, {source.registry}
    )
    if source.registry == target.registry and not source_logins.given:
        return RepositorySource(target_registry, source)
    return RepositorySource(Registry(source_logins, insecure=options.source_insecure), source)


def _describe_result(result: MirrorResult) -> str:
    if result.skipped:
        return f"{result.reference} is there already"
    sent = f"{result.blobs} layers and configurations ({result.size / 2**20:,.1f} MiB) and {result.manifests} manifests"
    notes = [f"{result.mounted} mounted"] * bool(result.mounted) + [f"{result.existing} were there"] * bool(
        result.existing
    )
    return f"→ {result.reference}: {sent} sent" + "".join(f", {note}" for note in notes)
