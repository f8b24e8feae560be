"""Open the images that `diff` compares: of a registry, an OCI image layout, or the local Docker."""

from __future__ import annotations

import re
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from s3c_actions.core.reference import Reference
from s3c_actions.options.common import path
from s3c_actions.programs.docker import saving
from s3c_actions.registry.archive import ArchiveSource
from s3c_actions.registry.layout_folder import FolderSource
from s3c_actions.registry.source import ImageSource, RepositorySource
from s3c_actions.wiring.logins import create_logins, create_registry

if TYPE_CHECKING:
    from s3c_actions.options.diff import DiffInputs
    from s3c_actions.wiring.context import Context

_DOCKER = re.compile(r"docker:(?://)?(?P<image>.+)")
_LAYOUT = re.compile(
    r"(?P<path>(?:~|\.{0,2})/.*?|[^:@]+\.tar|\.\.?)(?:@(?P<digest>sha[0-9]+:[0-9a-f]+)|:(?P<tag>[^/:@]+))?"
)


def open_sources(options: DiffInputs, context: Context, stack: ExitStack) -> tuple[ImageSource, ImageSource]:
    """Open both images; what was opened for them is closed with the stack.

    Args:
        options: of the command.
        context: of the run.
        stack: closes files.

    Raises:
        InputError: one of them is neither a reference nor a layout.
        OutsideError: Docker failed.
    """
    given = {"before": options.before, "after": options.after}
    references = {
        field: Reference.parse(text, field=field)
        for field, text in given.items()
        if not _DOCKER.fullmatch(text) and _as_layout(text, context.cwd) is None
    }
    # The credentials given are for the later image's registry, or the only one that there is.
    registries = list(dict.fromkeys(reference.registry for reference in references.values()))
    registry = create_registry(options, create_logins(options, context, registries[-1:])) if references else None

    def opened(field: str) -> ImageSource:
        if field in references and registry is not None:
            return RepositorySource(registry, references[field], field=field)
        return _open_here(field, given[field], context, stack)

    return opened("before"), opened("after")


def _open_here(field: str, text: str, context: Context, stack: ExitStack) -> ImageSource:
    """Open an image of this machine."""
    in_docker = _DOCKER.fullmatch(text)
    if in_docker:
        saved = saving.save(in_docker["image"], context.temp / f"{field}.tar", context.runner, field=field)
        return stack.enter_context(ArchiveSource(saved, field=field, choice=field))
    place, wanted = _as_layout(text, context.cwd) or (text, "")
    kind = FolderSource if (context.cwd / path(place)).is_dir() else ArchiveSource
    return stack.enter_context(kind(path(place), wanted, field=field, choice=field))


def _as_layout(text: str, cwd: Path) -> tuple[str, str] | None:
    """Return the path of a layout and the image in it that is wanted; None for a reference.

    A name without a slash at its start is a path when it ends in `.tar`, or is a folder with an `oci-layout` in it.
    """
    match = _LAYOUT.fullmatch(text)
    if match is not None and not (cwd / path(text)).exists():
        return match["path"], match["digest"] or match["tag"] or ""
    return (text, "") if match is not None or (cwd / text / "oci-layout").is_file() else None
