"""Find the images in the text of Kubernetes manifests, and replace them in place.

Nothing is reformatted. YAML is parsed only for the places of the images, and those few characters are replaced: so
comments, anchors, order, quoting and line ends stay as they were.

Where images are found is written in cluster/image_finder.py.
"""

from __future__ import annotations

import glob
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from s3c_actions.cluster.image_finder import (
    FIELD,
    HELM,
    RENDER,
    Finder,
    ImageUse,
    LeftOutObject,
    is_helm_template,
    is_list,
)
from s3c_actions.cluster.image_paths import ImagePath
from s3c_actions.core import reading
from s3c_actions.core.errors import InputError
from s3c_actions.core.libraries import yaml
from s3c_actions.core.reference import Reference
from s3c_actions.core.startup import paused

STDIN = "-"
SUFFIXES = frozenset({".yaml", ".yml", ".json"})

MAX_NESTING = reading.MAX_NESTING
MAX_BYTES = 32 * reading.MIB
"""Limit of one file, or of standard input."""
_KUSTOMIZATIONS = frozenset({"kustomization.yaml", "kustomization.yml", "Kustomization"})


class ManifestFile(msgspec.Struct, frozen=True, kw_only=True):
    """The text of one file and the images in it.

    Attributes:
        source: the file as shown to people; `<stdin>` for standard input.
        path: the file; None for standard input.
        relative: where its rewritten text goes, below a folder.
        text: without a byte-order mark; `mark` holds it when there was one.
        empty: whether it contains no object: it is blank, or only comments.
        uses: the places that name an image.
        candidates: places in objects of custom kinds that seem to name one, and places where an image is filled in.
        hook_uses: the places in hooks that are left out.
        left_out: these hooks.
        applied_hooks: other hooks, for people.
    """

    source: str
    path: Path | None
    relative: Path
    text: str
    mark: str
    empty: bool
    uses: tuple[ImageUse, ...]
    candidates: tuple[ImageUse, ...] = ()
    hook_uses: tuple[ImageUse, ...] = ()
    left_out: tuple[LeftOutObject, ...] = ()
    applied_hooks: tuple[str, ...] = ()

    def at(self, use: ImageUse) -> str:
        """Return the place of an image, for errors: `app.yaml, line 12 (Deployment app, container web)`."""
        return f"{self.source}, line {use.line} ({use.where})"

    def reference(self, use: ImageUse) -> Reference:
        """Return the image of a place.

        Raises:
            InputError: it is not a reference; names the place.
        """
        try:
            return Reference.parse(use.image, field=FIELD)
        except InputError as error:
            raise InputError(
                FIELD,
                f"{self.at(use)}: {error.what.removeprefix(f'{FIELD}: ')}",
                remedy=error.remedy,
                image=use.image,
            ) from error

    def rewritten(self, images: Mapping[str, str], *, without_hooks: bool = False) -> str:
        """Return the text with images replaced; every other character stays.

        Args:
            images: as written in the manifest → the replacement. Images that are not in it stay.
            without_hooks: put a comment in the place of each hook that is left out.
        """
        edits: list[tuple[int, int, str]] = []
        cut = [hook for hook in self.left_out if without_hooks and hook.end]
        for hook in cut:
            edits.append((hook.start, hook.end, _left_out_comment(self.text, hook)))
        for use in (*self.uses, *self.candidates, *self.hook_uses):
            new = images.get(use.image, use.image)
            if use.fixed or new == use.image or any(hook.start <= use.start < hook.end for hook in cut):
                continue
            # A plain scalar may not begin with the bracket of an IPv6 address.
            quote = use.quote or '"' * new.startswith("[")
            edits.append((use.start, use.end, f"{quote}{new}{quote}{use.rest}"))
        parts, last = [], 0
        for start, end, new in sorted(edits):
            parts += [self.text[last:start], new]
            last = end
        return "".join([*parts, self.text[last:]])


def _left_out_comment(text: str, hook: LeftOutObject) -> str:
    if text[hook.start] == "{" and text.lstrip().startswith("{"):
        return ""  # JSON has no comments
    what = re.sub(r"[^ -~]", "?", hook.what)[:200]
    end = text[hook.start : hook.end]
    return f"# {what} is left out" + end[len(end.rstrip("\r\n")) :]


def read(
    sources: Iterable[str], *, cwd: Path, stdin: Callable[[], bytes], image_paths: Sequence[ImagePath] = ()
) -> tuple[ManifestFile, ...]:
    """Read manifests.

    Args:
        sources: files, folders (recursive), globs (`**` recurses into folders), or `-` for standard input.
        cwd: relative paths start here.
        stdin: reads standard input to its end.
        image_paths: places of images in custom kinds, besides those that are known.

    Raises:
        InputError: there are none; a file cannot be read, is not YAML, or is not a Kubernetes object; an image cannot
            be replaced. Names the file and the line.
    """
    parsed: list[ManifestFile] = []
    read_paths: set[Path] = set()
    for source in sources:
        if source == STDIN:
            text = _decode(stdin(), "<stdin>")
            parsed.append(parse(text, source="<stdin>", relative=Path("stdin.yaml"), image_paths=image_paths))
            continue
        for path, relative in _find_files(source, cwd):
            if path.resolve() in read_paths:
                continue
            read_paths.add(path.resolve())
            try:
                content = reading.read_file(path, MAX_BYTES)
            except OSError as error:
                raise InputError(FIELD, f"{path} cannot be read: {error.strerror}.") from error
            shown = str(path.relative_to(cwd)) if path.is_relative_to(cwd) else str(path)
            text = _decode(content, shown)
            parsed.append(parse(text, source=shown, path=path, relative=relative, image_paths=image_paths))
    if all(manifest.empty for manifest in parsed):
        raise InputError(
            FIELD,
            "there are no manifests.",
            cause="What was given is empty, or comments alone." if parsed else "Nothing was given.",
            remedy="Give files, folders or globs, or `-` and the output of `kustomize build` or `helm template`.",
        )
    return tuple(parsed)


def parse(
    text: str,
    *,
    source: str,
    path: Path | None = None,
    relative: Path | None = None,
    image_paths: Sequence[ImagePath] = (),
) -> ManifestFile:
    """Find the images of one text. Raise InputError as `read` does."""
    mark = text[0] if text.startswith("\N{ZERO WIDTH NO-BREAK SPACE}") else ""
    text = text.removeprefix(mark) if mark else text
    file = ManifestFile(
        source=source,
        path=path,
        relative=relative or Path(Path(source).name),
        text=text,
        mark=mark,
        empty=True,
        uses=(),
    )
    for offset, part in _split_json(text):
        finder = _find(part, source, image_paths, text.count("\n", 0, offset))
        file = replace(
            file,
            empty=file.empty and finder.empty,
            uses=(*file.uses, *_moved(finder.uses(), offset)),
            candidates=(*file.candidates, *_moved(finder.candidates(), offset)),
            hook_uses=(*file.hook_uses, *_moved(finder.hook_uses(), offset)),
            left_out=(*file.left_out, *_moved(finder.left_out, offset)),
            applied_hooks=(*file.applied_hooks, *finder.applied_hooks),
        )
    return file


def _find(text: str, source: str, image_paths: Sequence[ImagePath], line: int) -> Finder:
    finder = Finder(text, source, image_paths, line)
    try:
        _check_limits(text, source)
        with paused():
            for document in yaml.compose_all(text, Loader=yaml.CSafeLoader):
                finder.document(document)
    except yaml.YAMLError as error:
        raise _yaml_error(error, text, source) from error
    return finder


def compose_documents(text: str) -> Iterator[tuple[int, int, Any]]:
    """Yield the root node of each document of a text that `parse` has accepted, and what precedes its text.

    Yields:
        How many characters and how many lines the node's marks are to be moved by, and the node.
    """
    for offset, part in _split_json(text):
        for root in yaml.compose_all(part, Loader=yaml.CSafeLoader):
            if root is not None:
                yield offset, text.count("\n", 0, offset), root


def _moved(places: Iterable[Any], offset: int) -> Iterator[Any]:
    """Yield places with their characters counted from the start of the file."""
    for place in places:
        yield replace(place, start=place.start + offset, end=place.end + offset) if offset and place.end else place


def _split_json(text: str, *, characters: bool = False) -> list[tuple[int, str]]:
    """Return JSON objects that stand one after another, as `jq -c` writes them, each with its offset.

    Any other text is returned as it is.

    Args:
        text: of a file.
        characters: write characters that are escaped as pairs; otherwise they become blanks, so that offsets stay.
    """
    original = text
    if not text.lstrip().startswith("{"):
        return [(0, text)]
    decoder, parts, end = json.JSONDecoder(), [], 0
    # A pair of escapes is one character in JSON, and an error in YAML.
    text = _PAIR.sub(_character if characters else _blanks, text)
    try:
        while start := _NOT_BLANK.search(text, end):
            _, end = decoder.raw_decode(text, start.start())
            parts.append((start.start(), text[start.start() : end]))
    except (ValueError, RecursionError):
        return [(0, original)]
    return parts


_PAIR = re.compile(r"\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")


def _character(pair: re.Match[str]) -> str:
    high, low = (int(half, 16) for half in pair.groups())
    return chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))


def _blanks(pair: re.Match[str]) -> str:
    return " " * len(pair[0])


_NOT_BLANK = re.compile(r"[^ \t\r\n]")


def parse_objects(text: str, source: str) -> Iterator[dict[str, Any]]:
    """Yield the objects of a text as the API accepts them, those of lists individually.

    Args:
        text: of a manifest that `parse` has accepted.
        source: for the error.

    Raises:
        InputError: a duplicate key in a mapping, or aliases make it larger than any object may be.
    """
    from s3c_actions.cluster.yaml_loader import KubernetesLoader

    try:
        for _, part in _split_json(text, characters=True):
            for document in yaml.load_all(part, Loader=KubernetesLoader):
                if document is not None:
                    yield from _flatten(document)
    except yaml.YAMLError as error:
        raise _yaml_error(error, text, source) from error


def _flatten(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if is_list(str(document["kind"]), document.get("items")):
        for item in document["items"] or ():
            yield from _flatten(item)
    else:
        yield document


def _find_files(source: str, cwd: Path) -> list[tuple[Path, Path]]:
    """Return the files of a source, with the names for their rewritten text."""
    path = cwd / Path(source).expanduser()
    if path.name in _KUSTOMIZATIONS and path.is_file():
        raise _kustomization_error(source, str(Path(source).parent))
    if path.is_dir():
        files = sorted(
            file
            for file in path.rglob("*")
            if file.suffix in SUFFIXES
            and file.is_file()
            and not any(part.startswith(".") for part in file.relative_to(path).parts)
        )
        for kustomization in sorted(file for name in _KUSTOMIZATIONS for file in path.rglob(name)):
            if not any(part.startswith(".") for part in kustomization.relative_to(path).parts):
                inside = Path(source) / kustomization.relative_to(path)
                raise _kustomization_error(str(inside), str(inside.parent))
        if not files:
            raise InputError(FIELD, f"there is no .yaml, .yml or .json file in the folder {source}.")
        return [(file, file.relative_to(path)) for file in files]
    if path.is_file():
        return [(path, Path(path.name))]
    files = sorted(match for match in _match(source, cwd) if match.is_file()) if glob.has_magic(source) else []
    if not files:
        raise InputError(
            FIELD,
            f"{source} matches no file." if glob.has_magic(source) else f"{source} is not there.",
            remedy="Look at the path; it starts in the folder that s3c runs in.",
        )
    return [(file, _place(file, cwd)) for file in files]


def _place(file: Path, cwd: Path) -> Path:
    """Return where a file goes below a folder, which `cwd/../other` would lead out of."""
    below = file.relative_to(cwd) if file.is_relative_to(cwd) else Path("..")
    return Path(file.name) if ".." in below.parts else below


def _match(source: str, cwd: Path) -> Iterator[Path]:
    """Yield what a pattern matches, as a shell does: hidden names only where the pattern has the point.

    `**` enters no linked folder: two links to a folder that they are in have 2^40 paths.
    """
    pattern = Path(source).expanduser()
    root = Path(pattern.anchor) if pattern.is_absolute() else cwd
    parts: list[str] = []
    for part in pattern.relative_to(pattern.anchor).parts:
        if part == "**" == "".join(parts[-1:]):
            continue  # each more would walk every folder once more
        parts.append(part if part == "**" else re.sub(r"\*+", "*", part))
    if parts[-1] == "**":
        parts.append("*")
    named = [part for part in parts if part.startswith(".")]
    for match in root.glob("/".join(parts)):
        hidden = [part for part in match.relative_to(root).parts if part.startswith(".")]
        if all(any(fnmatchcase(part, name) for name in named) for part in hidden):
            yield match


def _kustomization_error(file: str, folder: str) -> InputError:
    return InputError(
        FIELD,
        f"{file} makes its folder a kustomization, whose files are no manifests by themselves.",
        remedy=f"Build it, or an overlay of it: `kubectl kustomize {folder} | s3c deploy --manifests -`.",
    )


def _decode(content: bytes, source: str) -> str:
    if len(content) > MAX_BYTES:
        raise InputError(FIELD, f"{source} is larger than {MAX_BYTES // 1024 // 1024} MiB.")
    try:
        reading.decode_text(content)
        return content.decode("utf-8")  # with its mark, which the rewritten file keeps
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(
            FIELD,
            f"{source}, line {line}: {reading.describe(error)}.",
            remedy="Save it as UTF-8.",
            original=str(error),
        ) from error


def _check_limits(text: str, source: str) -> None:
    """Raise when the text is nested so deeply that the recursive parser would overflow the stack.

    Likewise when its aliases expand to more than any object has: merged into each other (`<<`), a few lines are enough.
    """
    aliases = "*" in text and "&" in text
    brackets = text.count("[") + text.count("{") > MAX_NESTING
    if not (aliases or brackets or reading.DEEP_INDENT.search(text)):
        return
    # The characters may have been in comments and strings.
    try:
        reading.check_yaml_events(yaml.parse(text, Loader=yaml.CSafeLoader))
    except reading.YamlError as error:
        raise InputError(FIELD, f"{source}, line {error.line}: {error.problem}.") from error


def _yaml_error(error: Exception, text: str, source: str) -> InputError:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is not None:
        line = mark.line + 1
    else:
        position = getattr(error, "position", None)
        line = text.count("\n", 0, position) + 1 if isinstance(position, int) else 1
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be read"
    helm = is_helm_template(text, line)
    return InputError(
        FIELD,
        f"{source}, line {line}: it is not valid YAML: {problem}.",
        cause=HELM if helm else "",
        remedy=RENDER if helm else "Look at the indentation and the quotes there.",
    )
