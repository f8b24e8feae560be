"""Convert the PatchConfig of Copa's bulk mode to `fleet.yaml`.

https://github.com/project-copacetic/copacetic/blob/v0.14.2/pkg/bulk/config.go. What has no counterpart is a comment.
"""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct, field

from s3c_actions import REPOSITORY
from s3c_actions.core import reading
from s3c_actions.core.errors import InputError
from s3c_actions.core.libraries import ruamel_yaml
from s3c_actions.core.reference import Reference
from s3c_actions.fleet import model
from s3c_actions.policy import faults

SCHEMA_URL = f"https://raw.githubusercontent.com/{REPOSITORY}/v1/s3c_actions/schemas/{model.SCHEMA}"
_DEFAULT_TAG = "{{ .SourceTag }}-patched"
_MANUAL = "https://project-copacetic.github.io/copacetic/website/bulk-image-patching describes the file."


class _CopaPart(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    pass


class CopaTarget(_CopaPart, frozen=True, kw_only=True):
    """Where patches go: registry and namespace, and the tag as a Go template."""

    registry: str = ""
    tag: str = ""


class CopaTags(_CopaPart, frozen=True, kw_only=True):
    """Which tags are patched."""

    strategy: Literal["list", "pattern", "latest"]
    pattern: str = ""
    max_tags: Annotated[int, Meta(ge=0)] = 0
    list: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


class CopaImage(_CopaPart, frozen=True, kw_only=True):
    """One repository."""

    name: str = ""
    image: str
    tags: CopaTags
    target: CopaTarget = field(default_factory=CopaTarget)
    platforms: tuple[str, ...] = ()


class PatchConfig(_CopaPart, frozen=True, kw_only=True):
    """The file."""

    api_version: Annotated[Literal["copa.sh/v1alpha1"], msgspec.Meta()] = field(name="apiVersion")
    kind: Literal["PatchConfig"]
    target: CopaTarget = field(default_factory=CopaTarget)
    images: Annotated[tuple[CopaImage, ...], Meta(min_length=1)]


def convert(path: Path, *, field: str) -> str:
    """Return the text of a `fleet.yaml` that selects what a PatchConfig selects.

    Args:
        path: of the PatchConfig.
        field: the input it came from, for errors.

    Raises:
        InputError: it cannot be read, is no PatchConfig, or cannot be expressed.
    """
    with reading.reject_unreadable(path, field):
        text = reading.read_text_file(path)
    config = faults.decode(
        text, PatchConfig, lambda: msgspec.json.schema(PatchConfig), name=str(path), field=field, manual=_MANUAL
    )
    notes = _notes(config)
    fleet: dict[str, Any] = {"version": 1}
    if config.target.registry:
        fleet["defaults"] = {"target": _target(config.target.registry)}
    fleet["images"] = [_selection(image, config.target, path, field) for image in config.images]
    rendered = _yaml(fleet)
    model.parse(rendered, name=f"the fleet.yaml made of {path}", field=field)
    head = [f"# yaml-language-server: $schema={SCHEMA_URL}", *(f"# {note}" for note in notes)]
    return "\n".join(head) + "\n" + rendered


def _selection(image: CopaImage, default: CopaTarget, path: Path, field: str) -> dict[str, Any]:
    try:
        reference = Reference.parse(image.image, field=field)
    except InputError as error:
        raise InputError(
            field, f"{path}: {error.what.removeprefix(f'{field}: ')}", remedy=error.remedy, image=image.image
        ) from None
    tags: dict[str, Any] = {"strategy": image.tags.strategy}
    if image.tags.strategy == "list":
        tags["list"] = list(image.tags.list)
    if image.tags.strategy == "pattern":
        tags["pattern"] = image.tags.pattern
        if image.tags.max_tags:
            tags["max-tags"] = image.tags.max_tags
    if image.tags.exclude and image.tags.strategy != "list":
        tags["exclude"] = list(image.tags.exclude)
    selection: dict[str, Any] = {"repository": reference.name, "tags": tags}
    if image.platforms:
        selection["platforms"] = list(image.platforms)
    if image.target.registry and image.target.registry != default.registry:
        selection["target"] = _target(image.target.registry)
    return selection


def _target(registry: str) -> str:
    return f"{registry.rstrip('/')}/{{name}}"


def _notes(config: PatchConfig) -> list[str]:
    """Return what has no counterpart, each in a line."""
    notes = ["Copa upgrades every package; s3c patches what a scan found, and scans again."]
    templates = {image.target.tag or config.target.tag or _DEFAULT_TAG for image in config.images}
    for template in sorted(templates):
        tag = template.replace("{{ .SourceTag }}", "{tag}").replace("{{.SourceTag}}", "{tag}")
        safe = "".join(letter if letter.isprintable() else "?" for letter in tag)[:200]
        notes.append(f"The tag of patches is an input of `s3c fleet run`: --patched-tag '{safe}'.")
    if len(templates) > 1:
        notes.append("fleet.yaml has one such tag for all images: run a fleet for each, or choose one.")
    if any(image.tags.strategy == "pattern" for image in config.images):
        notes.append("Of a pattern's tags Copa takes plain versions alone; fleet.yaml takes all that match it.")
    return notes


def _yaml(document: dict[str, Any]) -> str:
    yaml = ruamel_yaml.YAML()
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    text = StringIO()
    yaml.dump(document, text)
    return text.getvalue()
