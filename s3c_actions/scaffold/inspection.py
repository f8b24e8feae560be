"""Find what a repository has: Dockerfiles, compose files, manifests, charts, workflows.

Everything read is somebody else's: links are not followed, each file and the whole have limits, YAML is measured before
it is loaded, and what cannot be read is left out.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from s3c_actions.cluster import manifests
from s3c_actions.core import reading
from s3c_actions.core.errors import InputError
from s3c_actions.core.libraries import yaml
from s3c_actions.core.reference import Reference
from s3c_actions.report.formats import dockerfile_parser
from s3c_actions.report.formats.dockerfile_parser import Instruction
from s3c_actions.scaffold import git

MAX_ENTRIES = 100_000
"""Files and folders that are looked at."""
MAX_FILES = 2_000
"""YAML files and Dockerfiles that are read."""
MAX_FILE_BYTES = 512 * 1024
MAX_TOTAL_BYTES = 32 * reading.MIB

_SKIPPED = frozenset(
    {"node_modules", "vendor", "third_party", "test", "tests", "testdata", "fixtures", "__pycache__", "venv"}
)
_DOCKERFILE = re.compile(r"(?:Dockerfile|Containerfile)(?:\.(?P<suffix>[^/]+))?|(?P<prefix>[^/]+)\.(?:D|d)ockerfile")
_NO_DOCKERFILES = frozenset({"dockerignore", "erb", "in", "j2", "jinja", "jinja2", "md", "template", "tmpl", "tpl"})
"""Suffixes of what belongs to a Dockerfile, or becomes one."""
_COMPOSE = re.compile(r"(?:docker-)?compose(?:[.-][^/]+)?\.ya?ml")
_KUSTOMIZATIONS = frozenset({"kustomization.yaml", "kustomization.yml", "Kustomization"})
_YAML = frozenset({".yaml", ".yml"})
_WINDOWS = re.compile(r"(?:mcr\.microsoft\.com/)?(?:windows|dotnet/framework)(?:/|:)|nanoserver|servercore")
WORKFLOWS = ".github/workflows"


class Dockerfile(msgspec.Struct, frozen=True, kw_only=True):
    """A Dockerfile.

    Attributes:
        path: relative to the repository, with slashes.
        context: the folder that it is built from; empty for the repository itself.
        windows: whether it builds an image for Windows.
    """

    path: str
    context: str
    windows: bool = False


class UsedAction(msgspec.Struct, frozen=True, kw_only=True):
    """A step or job of a workflow that uses another repository's action or workflow.

    Attributes:
        workflow: path of the file, relative to the repository.
        action: without its version: `aquasecurity/trivy-action`.
        inputs: what stands under `with:`, as text.
    """

    workflow: str
    action: str
    inputs: Mapping[str, str]


class Inspection(msgspec.Struct, frozen=True, kw_only=True):
    """What a repository has; paths are relative to it, with slashes, and sorted.

    Attributes:
        checkout: what Git's files say.
        dockerfiles: those that are built here.
        compose_files, kustomizations, charts, manifests: files, or folders of charts and kustomizations.
        actions: the actions that its workflows use.
        deployed: images that manifests, charts and compose files name with a tag or a digest.
        incomplete: whether a limit ended the search.
    """

    checkout: git.Checkout
    dockerfiles: tuple[Dockerfile, ...]
    compose_files: tuple[str, ...]
    kustomizations: tuple[str, ...]
    charts: tuple[str, ...]
    manifests: tuple[str, ...]
    actions: tuple[UsedAction, ...]
    deployed: tuple[str, ...]
    incomplete: bool


def inspect(root: Path) -> Inspection:
    """Inspect a repository.

    Args:
        root: its top level.
    """
    files = _Files(root)
    names = files.list_names()
    charts = {_folder(name) for name in names if PurePosixPath(name).name == "Chart.yaml"}
    compose_files, actions, manifest_files = [], [], []
    deployed: set[str] = set()
    contexts: dict[str, str] = {}
    for name in names:
        path = PurePosixPath(name)
        if path.suffix not in _YAML:
            continue
        if str(path.parent) == WORKFLOWS:
            used = list(_used_actions(name, _load(files.read(name))))
            actions += used
            contexts |= dict(_build_contexts(used))
        elif _COMPOSE.fullmatch(path.name):
            services = _services(_load(files.read(name)))
            if services:
                compose_files.append(name)
                contexts |= dict(_compose_contexts(path.parent, services))
                deployed.update(_compose_images(services))
        elif path.name == "values.yaml" and _folder(name) in charts:
            deployed.update(_chart_images(_load(files.read(name))))
        elif path.parts[0] != ".github" and not any(_within(name, chart) for chart in charts):
            text = files.read(name)
            if "apiVersion:" in text and "kind:" in text and (images := _manifest_images(text, name)) is not None:
                manifest_files.append(name)
                deployed.update(images)
    dockerfiles = [
        Dockerfile(path=name, context=contexts.get(name, _folder(name)), windows=any(map(_is_windows, bases)))
        for name in names
        if _is_dockerfile(name) and (bases := _bases(files.read(name)))
    ]
    return Inspection(
        checkout=git.read_checkout(root),
        dockerfiles=tuple(dockerfiles),
        compose_files=tuple(compose_files),
        kustomizations=tuple(_folder(name) for name in names if PurePosixPath(name).name in _KUSTOMIZATIONS),
        charts=tuple(sorted(charts)),
        manifests=tuple(manifest_files),
        actions=tuple(actions),
        deployed=tuple(sorted(filter(None, map(_pinned_reference, deployed)))),
        incomplete=files.incomplete,
    )


def load_yaml(text: str) -> Any:
    """Load a YAML text whose nesting and aliases are within limits; None for any other."""
    try:
        reading.check_yaml_events(yaml.parse(text, Loader=yaml.CSafeLoader))
        return yaml.load(text, Loader=yaml.CSafeLoader)
    except (yaml.YAMLError, ValueError, RecursionError, TypeError, AttributeError):
        return None


_load = load_yaml


class _Files:
    """The files of a repository, read within limits.

    Attributes:
        incomplete: whether a limit was reached.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._left, self._bytes = MAX_FILES, MAX_TOTAL_BYTES
        self.incomplete = False

    def list_names(self) -> list[str]:
        """Return the names of the files, sorted; without links, hidden folders and those of other people's code."""
        names: list[str] = []
        entries = 0
        for place, folders, files in os.walk(self._root):
            relative = Path(place).relative_to(self._root)
            folders[:] = sorted(folder for folder in folders if self._enters(relative, folder))
            entries += len(folders) + len(files)
            if entries > MAX_ENTRIES:
                self.incomplete = True
                break
            names += [(relative / file).as_posix() for file in files if not (Path(place) / file).is_symlink()]
        return sorted(names)

    def _enters(self, relative: Path, folder: str) -> bool:
        if (self._root / relative / folder).is_symlink():
            return False
        if folder.startswith("."):
            return not relative.parts and folder == ".github"
        return folder not in _SKIPPED

    def read(self, name: str) -> str:
        """Return the text of a file; empty when it cannot be read or a limit is reached."""
        if self._left <= 0 or self._bytes <= 0:
            self.incomplete = True
            return ""
        try:
            text = reading.read_text_file(self._root / name, MAX_FILE_BYTES)
        except (OSError, UnicodeDecodeError):
            return ""
        self._left -= 1
        self._bytes -= len(text)
        return text


def _folder(name: str) -> str:
    parent = str(PurePosixPath(name).parent)
    return "" if parent == "." else parent


def _within(name: str, folder: str) -> bool:
    return not folder or name.startswith(f"{folder}/")


def _is_dockerfile(name: str) -> bool:
    match = _DOCKERFILE.fullmatch(PurePosixPath(name).name)
    return match is not None and (match["suffix"] or "").rpartition(".")[2].lower() not in _NO_DOCKERFILES


def _bases(text: str) -> list[Instruction]:
    """Return the FROM instructions of a Dockerfile; there are none in what cannot be read or is something else."""
    return [instruction for instruction in dockerfile_parser.parse_instructions(text) if instruction.keyword == "FROM"]


def _is_windows(base: Instruction) -> bool:
    """Return whether a FROM instruction names an image for Windows."""
    return bool(_WINDOWS.search(base.arguments)) or any("windows/" in flag for flag in base.flags)


def _mapping(value: object) -> Mapping[Any, Any]:
    return value if isinstance(value, dict) else {}


def _used_actions(workflow: str, document: object) -> Iterator[UsedAction]:
    for job in _mapping(_mapping(document).get("jobs")).values():
        listed = _mapping(job).get("steps")
        for step in (job, *(listed if isinstance(listed, list) else ())):
            uses = _mapping(step).get("uses")
            if isinstance(uses, str) and "@" in uses and uses.isprintable():
                inputs = {str(key): str(value) for key, value in _mapping(_mapping(step).get("with")).items()}
                yield UsedAction(workflow=workflow, action=uses.partition("@")[0].lower(), inputs=inputs)


def _build_contexts(used: list[UsedAction]) -> Iterator[tuple[str, str]]:
    """Yield Dockerfile and context of each build that a workflow describes without expressions."""
    for action in used:
        context = action.inputs.get("context", ".")
        if action.action == "docker/build-push-action" and "{{" not in context:
            file = action.inputs.get("file", "")
            yield from _context(PurePosixPath(), context, file or f"{context}/Dockerfile")


def _services(document: object) -> list[Mapping[Any, Any]]:
    return [_mapping(service) for service in _mapping(_mapping(document).get("services")).values()]


def _compose_contexts(folder: PurePosixPath, services: list[Mapping[Any, Any]]) -> Iterator[tuple[str, str]]:
    """Yield Dockerfile and context of the services that are built; a Dockerfile is relative to its context."""
    for service in services:
        build = service.get("build")
        context = build if isinstance(build, str) else str(_mapping(build).get("context", "."))
        if build is not None and "$" not in context and "://" not in context:
            file = str(_mapping(build).get("dockerfile", "Dockerfile"))
            yield from _context(folder, context, f"{context}/{file}")


def _context(folder: PurePosixPath, context: str, file: str) -> Iterator[tuple[str, str]]:
    paths = [os.path.normpath(folder / part) for part in (file, context)]
    if not any(path.startswith(("..", "/")) for path in paths):
        yield paths[0], "" if paths[1] == "." else paths[1]


def _compose_images(services: list[Mapping[Any, Any]]) -> Iterator[str]:
    for service in services:
        if "build" not in service and isinstance(service.get("image"), str):
            yield service["image"]


def _chart_images(values: object) -> Iterator[str]:
    """Yield the images of a chart's values, `image: {repository: r, tag: t}`, wherever they stand."""
    waiting: list[object] = [values]
    while waiting:
        mapping = _mapping(waiting.pop())
        repository, tag = mapping.get("repository"), mapping.get("tag")
        if isinstance(repository, str) and repository and isinstance(tag, str) and tag:
            registry = mapping.get("registry")
            yield f"{registry}/{repository}:{tag}" if isinstance(registry, str) and registry else f"{repository}:{tag}"
        waiting += [value for value in mapping.values() if isinstance(value, dict)]


def _manifest_images(text: str, name: str) -> list[str] | None:
    """Return the images of a manifest; None when the text is none."""
    try:
        manifest = manifests.parse(text, source=name)
    except InputError:
        return None
    return [use.image for use in manifest.uses]


def _pinned_reference(image: str) -> str:
    """Return an image that a registry can be asked for by tag or digest; empty for another."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,500}", image):
        return ""
    try:
        reference = Reference.parse(image)
    except InputError:
        return ""
    named = reference.digest or ":" in image.rpartition("/")[2]
    return image if named and not reference.registry.startswith(("localhost", "127.")) else ""
