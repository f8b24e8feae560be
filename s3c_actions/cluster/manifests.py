"""Find the images in the text of Kubernetes manifests, and replace them in place.

Nothing is reformatted. YAML is parsed only for the places of the images, and those few characters are replaced: so
comments, anchors, order, quoting and line ends stay as they were.

A Pod template is recognized by its path, not by its kind: `spec` of a Pod, `template.spec` of a PodTemplate,
`spec.template.spec` of a Deployment, StatefulSet, DaemonSet, ReplicaSet, ReplicationController or Job,
`spec.jobTemplate.spec.template.spec` of a CronJob. Custom workloads of the same shape (Argo's Rollout, Knative's
Service) are found with them, and so is everything in a `kind: List`. The places of images in a Pod are listed in
cluster/image_places.py.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from s3c_actions.cluster import image_places
from s3c_actions.core import reading
from s3c_actions.core.errors import InputError
from s3c_actions.core.reference import Reference
from s3c_actions.core.startup import paused

if TYPE_CHECKING:
    from yaml import Mark
    from yaml.nodes import Node

FIELD = "manifests"
STDIN = "-"
SUFFIXES = frozenset({".yaml", ".yml", ".json"})

MAX_NESTING = reading.MAX_NESTING
MAX_BYTES = 32 * reading.MIB
"""Limit of one file, or of standard input."""
_KUSTOMIZATIONS = frozenset({"kustomization.yaml", "kustomization.yml", "Kustomization"})


class ImageUse(msgspec.Struct, frozen=True, kw_only=True):
    """A place where a manifest names an image.

    Attributes:
        line: of the image, counted from 1.
        kind, name, namespace: of the object; the namespace is empty when the manifest names none.
        container: its name; of an image volume, the volume's.
        image: as written there.
        start, end: the characters to replace.
        quote: around the image: `"`, `'` or nothing.
    """

    line: int
    kind: str
    name: str
    namespace: str
    container: str
    image: str
    start: int
    end: int
    quote: str

    @property
    def where(self) -> str:
        """Return the place for people: `Deployment voting-db, container postgres`."""
        return f"{self.kind} {self.name}, container {self.container}"


class ManifestFile(msgspec.Struct, frozen=True, kw_only=True):
    """The text of one file and the images in it.

    Attributes:
        source: the file as shown to people; `<stdin>` for standard input.
        path: the file; None for standard input.
        relative: where its rewritten text goes, below a folder.
        text: without a byte-order mark; `mark` holds it when there was one.
        empty: whether it contains no object: it is blank, or only comments.
    """

    source: str
    path: Path | None
    relative: Path
    text: str
    mark: str
    empty: bool
    uses: tuple[ImageUse, ...]

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

    def rewritten(self, images: Mapping[str, str]) -> str:
        """Return the text with images replaced; every other character stays.

        Args:
            images: as written in the manifest → the replacement. Images that are not in it stay.
        """
        parts, last = [], 0
        for use in self.uses:
            new = images.get(use.image, use.image)
            if new == use.image:
                continue
            # A plain scalar may not begin with the bracket of an IPv6 address.
            quote = use.quote or '"' * new.startswith("[")
            parts += [self.text[last : use.start], quote, new, quote]
            last = use.end
        return "".join([*parts, self.text[last:]])


def read(sources: Iterable[str], *, cwd: Path, stdin: Callable[[], bytes]) -> tuple[ManifestFile, ...]:
    """Read manifests.

    Args:
        sources: files, folders (recursive), globs (`**` recurses into folders), or `-` for standard input.
        cwd: relative paths start here.
        stdin: reads standard input to its end.

    Raises:
        InputError: there are none; a file cannot be read, is not YAML, or is not a Kubernetes object; an image cannot
            be replaced. Names the file and the line.
    """
    parsed: list[ManifestFile] = []
    read_paths: set[Path] = set()
    for source in sources:
        if source == STDIN:
            parsed.append(parse(_decode(stdin(), "<stdin>"), source="<stdin>", relative=Path("stdin.yaml")))
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
            parsed.append(parse(_decode(content, shown), source=shown, path=path, relative=relative))
    if all(manifest.empty for manifest in parsed):
        raise InputError(
            FIELD,
            "there are no manifests.",
            cause="What was given is empty, or comments alone." if parsed else "Nothing was given.",
            remedy="Give files, folders or globs, or `-` and the output of `kustomize build` or `helm template`.",
        )
    return tuple(parsed)


def parse(text: str, *, source: str, path: Path | None = None, relative: Path | None = None) -> ManifestFile:
    """Find the images of one text. Raise InputError as `read` does."""
    import yaml

    mark = text[0] if text.startswith("\N{ZERO WIDTH NO-BREAK SPACE}") else ""
    text = text.removeprefix(mark) if mark else text
    finder = _Finder(text, source)
    try:
        _check_limits(text, source)
        with paused():
            for document in yaml.compose_all(text, Loader=yaml.CSafeLoader):
                finder.document(document)
    except yaml.YAMLError as error:
        raise _yaml_error(error, text, source) from error
    return ManifestFile(
        source=source,
        path=path,
        relative=relative or Path(Path(source).name),
        text=text,
        mark=mark,
        empty=finder.empty,
        uses=finder.uses(),
    )


def parse_objects(text: str, source: str) -> Iterator[dict[str, Any]]:
    """Yield the objects of a text as the API accepts them, those of lists individually.

    Args:
        text: of a manifest that `parse` has accepted.
        source: for the error.

    Raises:
        InputError: a duplicate key in a mapping, or aliases make it larger than any object may be.
    """
    import yaml

    from s3c_actions.cluster.yaml_loader import KubernetesLoader

    try:
        for document in yaml.load_all(text, Loader=KubernetesLoader):
            if document is not None:
                yield from _flatten(document)
    except yaml.YAMLError as error:
        raise _yaml_error(error, text, source) from error


def _flatten(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if _is_list(str(document["kind"]), document.get("items")):
        for item in document["items"] or ():
            yield from _flatten(item)
    else:
        yield document


def _is_list(kind: str, items: object) -> bool:
    return kind == "List" or (kind.endswith("List") and isinstance(items, list))


def _find_files(source: str, cwd: Path) -> list[tuple[Path, Path]]:
    """Return the files of a source, with the names for their rewritten text."""
    path = cwd / Path(source).expanduser()
    if path.is_dir():
        if kustomization := next((name for name in sorted(_KUSTOMIZATIONS) if (path / name).exists()), ""):
            raise InputError(
                FIELD,
                f"{source} is a kustomization ({kustomization}), whose files are no manifests by themselves.",
                remedy=f"Build it: `kubectl kustomize {source} | s3c deploy --manifests -`.",
            )
        files = sorted(
            file
            for file in path.rglob("*")
            if file.suffix in SUFFIXES
            and file.is_file()
            and not any(part.startswith(".") for part in file.relative_to(path).parts)
        )
        if not files:
            raise InputError(FIELD, f"there is no .yaml, .yml or .json file in the folder {source}.")
        return [(file, file.relative_to(path)) for file in files]
    if path.is_file():
        return [(path, Path(path.name))]
    # Path.glob accepts no absolute pattern.
    matches = glob.glob(str(path), recursive=True) if glob.has_magic(source) else []  # noqa: PTH207
    files = sorted(Path(match) for match in matches if Path(match).is_file())
    if not files:
        raise InputError(
            FIELD,
            f"{source} matches no file." if glob.has_magic(source) else f"{source} is not there.",
            remedy="Look at the path; it starts in the folder that s3c runs in.",
        )
    return [(file, file.relative_to(cwd) if file.is_relative_to(cwd) else Path(file.name)) for file in files]


def _decode(content: bytes, source: str) -> str:
    if len(content) > MAX_BYTES:
        raise InputError(FIELD, f"{source} is larger than {MAX_BYTES // 1024 // 1024} MiB.")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(
            FIELD,
            f"{source}, line {line}: it is not UTF-8 text.",
            remedy="Save it as UTF-8.",
            original=str(error),
        ) from error


class _Finder:
    """Collect the images of one text, document by document."""

    def __init__(self, text: str, source: str) -> None:
        self._text = text
        self._source = source
        self._uses: dict[int, ImageUse] = {}
        self._anchored: dict[str, tuple[ImageUse, int]] = {}
        self.empty = True

    def uses(self) -> tuple[ImageUse, ...]:
        """Return every place once, in the text's order."""
        self._check_shared()
        return tuple(self._uses[start] for start in sorted(self._uses))

    def document(self, root: Node | None) -> None:
        """Find the images of one document."""
        if root is not None and not _is_null(root):
            self.empty = False
            self._object(root, ())

    def _object(self, node: Node, enclosing: tuple[Node, ...]) -> None:
        fields = self._mapping(node)
        kind, name = _scalar_text(fields.get("kind")), ""
        if not kind or not _scalar_text(fields.get("apiVersion")):
            raise self._error(
                node,
                "there is no Kubernetes object: it has no " + ("apiVersion." if kind else "kind."),
                remedy="Give manifests alone: values files, patches and kustomizations are no objects.",
            )
        items = fields.get("items")
        if _is_list(kind, None if items is None else _sequence(items)):
            if any(node is list_node for list_node in enclosing):
                raise self._error(node, "a list contains itself.")
            for item in _sequence(items) or ():
                self._object(item, (*enclosing, node))
            return
        metadata = self._fields(fields.get("metadata"))
        name = _scalar_text(metadata.get("name")) or _scalar_text(metadata.get("generateName"))
        if not name:
            raise self._error(node, f"this {kind} has no name.", remedy="Give it `metadata.name`.")
        identity = (kind, name, _scalar_text(metadata.get("namespace")))
        for path in image_places.TEMPLATE_PATHS:
            pod: Node | None = node
            for step in path:
                pod = self._fields(pod).get(step)
            self._pod(self._fields(pod), identity)

    def _pod(self, pod: Mapping[str, Node], identity: tuple[str, str, str]) -> None:
        for place in image_places.PLACES:
            field_node, listed = pod.get(place.field), _sequence(pod.get(place.field))
            if (
                field_node is not None
                and listed is None
                and not _is_null(field_node)
                and identity[0] in image_places.WORKLOAD_KINDS
            ):
                raise self._error(field_node, f"{identity[0]} {identity[1]}: {place.field} is not a list.")
            for item in listed or ():
                self._item(item, place, identity)

    def _item(self, item: Node, place: image_places.ImagePlace, identity: tuple[str, str, str]) -> None:
        holder: Node | None = item
        for step in place.path[:-1]:
            holder = self._fields(holder).get(step)
            if holder is None or _is_null(holder):
                return
        keys, last = self._keys(holder), place.path[-1]
        name = _scalar_text(self._fields(item).get("name")) or "?"
        if last in keys and not _is_null(keys[last][1]):
            # In a custom kind this may be something other than a Pod's `spec`.
            if _is_scalar(keys[last][1]) or identity[0] in image_places.WORKLOAD_KINDS:
                self._image(*keys[last], identity, name)
        elif identity[0] in image_places.WORKLOAD_KINDS:
            raise self._error(item, f"{identity[0]} {identity[1]}, {place.noun} {name} has no image.")

    def _image(self, key: Node, value: Node, identity: tuple[str, str, str], container: str) -> None:
        if not _is_scalar(value):
            raise self._error(value, "the image is no text.")
        start, end, quote = value.start_mark.index, value.end_mark.index, value.style or ""
        anchor = ""
        if start < key.end_mark.index:
            # Defined further up and referenced here: only the alias is replaced, so that its other uses stay.
            alias = _ALIAS.match(self._text, key.end_mark.index)
            if alias is None:
                raise self._error(key, "its image is an alias that cannot be replaced.", remedy="Write it out.")
            start, end, quote = alias.start("alias"), alias.end(), ""
        elif properties := _PROPERTIES.match(self._text, start, end):
            start = properties.end()
            anchor = properties["anchor"] or ""
        if quote in {"|", ">"}:
            raise self._error(value, "an image stands in a block scalar.", remedy="Write it on the line of its key.")
        use = ImageUse(
            line=key.end_mark.line + 1 + _count_line_breaks(self._text, key.end_mark.index, start),
            kind=identity[0],
            name=identity[1],
            namespace=identity[2],
            container=container,
            image=value.value,
            start=start,
            end=end,
            quote=quote,
        )
        self._uses[start] = use
        if anchor:
            self._anchored[anchor] = (use, value.start_mark.index)

    def _check_shared(self) -> None:
        """Raise when an alias elsewhere refers to an image to replace: as a label, a variable."""
        if not self._anchored:
            return
        import yaml

        defined: dict[str, int] = {}
        for event in yaml.parse(self._text, Loader=yaml.CSafeLoader):
            if isinstance(event, yaml.AliasEvent):
                use, start = self._anchored.get(event.anchor, (None, -1))
                if use is not None and defined.get(event.anchor) == start and event.start_mark.index not in self._uses:
                    raise _error_at(
                        self._source,
                        event.start_mark,
                        f"`*{event.anchor}` stands for the image of {use.where}, and would change with it.",
                        remedy="Write the value out here.",
                    )
            elif getattr(event, "anchor", None):
                defined[event.anchor] = event.start_mark.index

    def _mapping(self, node: Node) -> dict[str, Node]:
        if not _is_mapping(node):
            raise self._error(node, "there is no Kubernetes object, but " + _describe_node(node) + ".")
        return self._fields(node)

    def _fields(self, node: Node | None) -> dict[str, Node]:
        return {name: value for name, (_, value) in self._keys(node).items()}

    def _keys(self, node: Node | None) -> dict[str, tuple[Node, Node]]:
        """Return a mapping's keys and values, including merged ones (`<<`); nothing for other nodes."""
        entries: dict[str, tuple[Node, Node]] = {}
        merged: list[Node] = []
        if node is None or not _is_mapping(node):
            return entries
        for key, value in node.value:
            if key.tag == _MERGE:
                merged += _sequence(value) or [value]
            elif _is_scalar(key):
                if key.value in entries:
                    raise self._error(key, f"the key `{key.value}` stands twice in one mapping.")
                entries[key.value] = (key, value)
        for merged_node in merged:
            for name, entry in self._keys(merged_node).items():
                entries.setdefault(name, entry)
        return entries

    def _error(self, node: Node, what: str, *, remedy: str = "") -> InputError:
        return _error_at(self._source, node.start_mark, what, remedy=remedy, text=self._text)


_MERGE = "tag:yaml.org,2002:merge"
# Possessive: a comment of many `#` could be split into comments in exponentially many ways.
_BLANK = r"(?:\s|#[^\r\n\x85\u2028\u2029]*+)++"
_NESTED = reading.DEEP_INDENT
_ALIAS = re.compile(rf"[ \t]*+:{_BLANK}(?P<alias>\*[^\s,\[\]{{}}]+)")
_PROPERTIES = re.compile(rf"(?:(?:&(?P<anchor>[^\s,\[\]{{}}]++)|![^\s,\[\]{{}}]*+){_BLANK})+")


def _is_mapping(node: Node) -> bool:
    return bool(node.id == "mapping")


def _is_scalar(node: Node) -> bool:
    return bool(node.id == "scalar")


def _is_null(node: Node) -> bool:
    return _is_scalar(node) and (node.tag == "tag:yaml.org,2002:null" or node.value == "")


def _sequence(node: Node | None) -> list[Node] | None:
    return node.value if node is not None and node.id == "sequence" else None


def _scalar_text(node: Node | None) -> str:
    return "" if node is None or not _is_scalar(node) or _is_null(node) else str(node.value)


def _describe_node(node: Node) -> str:
    return "a list" if _sequence(node) is not None else f"the text {node.value[:60]!r}"


def _count_line_breaks(text: str, start: int, end: int) -> int:
    return text.count("\n", start, end) or text.count("\r", start, end)


def _check_limits(text: str, source: str) -> None:
    """Raise when the text is nested so deeply that the recursive parser would overflow the stack.

    Likewise when its aliases expand to more than any object has: merged into each other (`<<`), a few lines are enough.
    """
    import yaml

    aliases = "*" in text and "&" in text
    brackets = text.count("[") + text.count("{") > MAX_NESTING
    if not (aliases or brackets or _NESTED.search(text)):
        return
    # The characters may have been in comments and strings.
    try:
        reading.check_yaml_events(yaml.parse(text, Loader=yaml.CSafeLoader))
    except reading.YamlError as error:
        raise InputError(FIELD, f"{source}, line {error.line}: {error.problem}.") from error


def _error_at(source: str, mark: Mark, what: str, *, remedy: str = "", text: str = "") -> InputError:
    helm = _is_helm_template(text, mark.line + 1)
    return InputError(
        FIELD,
        f"{source}, line {mark.line + 1}: {what}",
        cause=_HELM if helm else "",
        remedy=_RENDER if helm else remedy,
    )


_HELM = "It is a template of Helm's, not a manifest."
_RENDER = "Render it: `helm template … | s3c deploy --manifests -`."


def _is_helm_template(text: str, line: int) -> bool:
    return "{{" in text and any("{{" in row for row in text.splitlines()[max(0, line - 2) : line + 1])


def _yaml_error(error: Exception, text: str, source: str) -> InputError:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is not None:
        line = mark.line + 1
    else:
        position = getattr(error, "position", None)
        line = text.count("\n", 0, position) + 1 if isinstance(position, int) else 1
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be read"
    helm = _is_helm_template(text, line)
    return InputError(
        FIELD,
        f"{source}, line {line}: it is not valid YAML: {problem}.",
        cause=_HELM if helm else "",
        remedy=_RENDER if helm else "Look at the indentation and the quotes there.",
        original=str(error),
    )
