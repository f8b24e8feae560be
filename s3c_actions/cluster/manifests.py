"""Kubernetes manifests as text: where their images stand, and the same text with other images.

Nothing is written anew. YAML is parsed for the places of the images alone, and those few characters are replaced: so
comments, anchors, order, quoting and line ends stay as they were.

A Pod template is known by where it stands, not by its kind: `spec` of a Pod, `template.spec` of a PodTemplate,
`spec.template.spec` of a Deployment, StatefulSet, DaemonSet, ReplicaSet, ReplicationController or Job,
`spec.jobTemplate.spec.template.spec` of a CronJob. Custom workloads of the same shape (Argo's Rollout, Knative's
Service) are found with them, and so is everything in a `kind: List`. Which places of a Pod name an image tells
cluster/places.py.
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

MOST_NESTED = reading.MOST_NESTED
MOST_BYTES = 32 * reading.MIB
"""Of one file, or of standard input."""
_KUSTOMIZATIONS = frozenset({"kustomization.yaml", "kustomization.yml", "Kustomization"})


class Use(msgspec.Struct, frozen=True, kw_only=True):
    """One place where a manifest names an image.

    Attributes:
        line: of the image, counted from 1.
        kind, name, namespace: of the object; the namespace is empty when the manifest names none.
        container: its name; of an image volume, the volume's.
        image: as it stands there.
        start, end: the characters that are replaced.
        quote: what stands around the image there: `"`, `'` or nothing.
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
        """For people: `Deployment voting-db, container postgres`."""
        return f"{self.kind} {self.name}, container {self.container}"


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """One file's text and the images in it.

    Attributes:
        source: the file as people know it; `<stdin>` for standard input.
        path: the file; None for standard input.
        relative: where its rewritten text goes, below a folder.
        text: without a byte-order mark, which `mark` is when there was one.
        empty: there is no object in it: it is blank, or comments alone.
    """

    source: str
    path: Path | None
    relative: Path
    text: str
    mark: str
    empty: bool
    uses: tuple[Use, ...]

    def at(self, use: Use) -> str:
        """The place of an image, for errors: `app.yaml, line 12 (Deployment app, container web)`."""
        return f"{self.source}, line {use.line} ({use.where})"

    def reference(self, use: Use) -> Reference:
        """The image of a place.

        Raises:
            InputError: it is no reference; names the place.
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
        """The text with images replaced; every other character stays.

        Args:
            images: as they stand in the manifest → what stands there instead. What is not in it stays.
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


def read(sources: Iterable[str], *, cwd: Path, stdin: Callable[[], bytes]) -> tuple[Manifest, ...]:
    """Read manifests.

    Args:
        sources: files, folders (with all below them), globs (`**` goes into folders), or `-` for standard input.
        cwd: relative paths start here.
        stdin: reads standard input to its end.

    Raises:
        InputError: there are none; a file cannot be read, is not YAML, or is no Kubernetes object; an image stands
            where it cannot be replaced. Names the file and the line.
    """
    found: list[Manifest] = []
    taken: set[Path] = set()
    for source in sources:
        if source == STDIN:
            found.append(parse(_text(stdin(), "<stdin>"), source="<stdin>", relative=Path("stdin.yaml")))
            continue
        for path, relative in _files(source, cwd):
            if path.resolve() in taken:
                continue
            taken.add(path.resolve())
            try:
                content = reading.content(path, MOST_BYTES)
            except OSError as error:
                raise InputError(FIELD, f"{path} cannot be read: {error.strerror}.") from error
            shown = str(path.relative_to(cwd)) if path.is_relative_to(cwd) else str(path)
            found.append(parse(_text(content, shown), source=shown, path=path, relative=relative))
    if all(manifest.empty for manifest in found):
        raise InputError(
            FIELD,
            "there are no manifests.",
            cause="What was given is empty, or comments alone." if found else "Nothing was given.",
            remedy="Give files, folders or globs, or `-` and the output of `kustomize build` or `helm template`.",
        )
    return tuple(found)


def parse(text: str, *, source: str, path: Path | None = None, relative: Path | None = None) -> Manifest:
    """Find the images of one text. Raises InputError as `read` does."""
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
        raise _invalid(error, text, source) from error
    return Manifest(
        source=source,
        path=path,
        relative=relative or Path(Path(source).name),
        text=text,
        mark=mark,
        empty=finder.empty,
        uses=finder.found(),
    )


def objects(text: str, source: str) -> Iterator[dict[str, Any]]:
    """The objects of a text as the API takes them, those of lists one by one.

    Args:
        text: of a manifest that `parse` has accepted.
        source: for the error.

    Raises:
        InputError: a key stands twice in a mapping, or aliases make it larger than any object may be.
    """
    import yaml

    from s3c_actions.cluster.yaml_loader import KubernetesLoader

    try:
        for document in yaml.load_all(text, Loader=KubernetesLoader):
            if document is not None:
                yield from _flat(document)
    except yaml.YAMLError as error:
        raise _invalid(error, text, source) from error


def _flat(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if _is_list(str(document["kind"]), document.get("items")):
        for item in document["items"] or ():
            yield from _flat(item)
    else:
        yield document


def _is_list(kind: str, items: object) -> bool:
    return kind == "List" or (kind.endswith("List") and isinstance(items, list))


def _files(source: str, cwd: Path) -> list[tuple[Path, Path]]:
    """The files that a source stands for, with the names their rewritten text gets."""
    path = cwd / Path(source).expanduser()
    if path.is_dir():
        if kustomization := next((one for one in sorted(_KUSTOMIZATIONS) if (path / one).exists()), ""):
            raise InputError(
                FIELD,
                f"{source} is a kustomization ({kustomization}), whose files are no manifests by themselves.",
                remedy=f"Build it: `kubectl kustomize {source} | s3c deploy --manifests -`.",
            )
        found = sorted(
            one
            for one in path.rglob("*")
            if one.suffix in SUFFIXES
            and one.is_file()
            and not any(part.startswith(".") for part in one.relative_to(path).parts)
        )
        if not found:
            raise InputError(FIELD, f"there is no .yaml, .yml or .json file in the folder {source}.")
        return [(one, one.relative_to(path)) for one in found]
    if path.is_file():
        return [(path, Path(path.name))]
    # Path.glob takes no absolute pattern.
    matches = glob.glob(str(path), recursive=True) if glob.has_magic(source) else []  # noqa: PTH207
    found = sorted(Path(one) for one in matches if Path(one).is_file())
    if not found:
        raise InputError(
            FIELD,
            f"{source} matches no file." if glob.has_magic(source) else f"{source} is not there.",
            remedy="Look at the path; it starts in the folder that s3c runs in.",
        )
    return [(one, one.relative_to(cwd) if one.is_relative_to(cwd) else Path(one.name)) for one in found]


def _text(content: bytes, source: str) -> str:
    if len(content) > MOST_BYTES:
        raise InputError(FIELD, f"{source} is larger than {MOST_BYTES // 1024 // 1024} MiB.")
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
    """Collects the images of one text, document by document."""

    def __init__(self, text: str, source: str) -> None:
        self._text = text
        self._source = source
        self._uses: dict[int, Use] = {}
        self._anchored: dict[str, tuple[Use, int]] = {}
        self.empty = True

    def found(self) -> tuple[Use, ...]:
        """Every place once, in the text's order."""
        self._refuse_shared()
        return tuple(self._uses[start] for start in sorted(self._uses))

    def document(self, root: Node | None) -> None:
        """Look through one document."""
        if root is not None and not _is_null(root):
            self.empty = False
            self._object(root, ())

    def _object(self, node: Node, around: tuple[Node, ...]) -> None:
        fields = self._mapping(node)
        kind, name = _word(fields.get("kind")), ""
        if not kind or not _word(fields.get("apiVersion")):
            raise self._refused(
                node,
                "there is no Kubernetes object: it has no " + ("apiVersion." if kind else "kind."),
                remedy="Give manifests alone: values files, patches and kustomizations are no objects.",
            )
        items = fields.get("items")
        if _is_list(kind, None if items is None else _sequence(items)):
            if any(node is one for one in around):
                raise self._refused(node, "a list contains itself.")
            for item in _sequence(items) or ():
                self._object(item, (*around, node))
            return
        metadata = self._fields(fields.get("metadata"))
        name = _word(metadata.get("name")) or _word(metadata.get("generateName"))
        if not name:
            raise self._refused(node, f"this {kind} has no name.", remedy="Give it `metadata.name`.")
        about = (kind, name, _word(metadata.get("namespace")))
        for path in image_places.TEMPLATES:
            pod: Node | None = node
            for step in path:
                pod = self._fields(pod).get(step)
            self._pod(self._fields(pod), about)

    def _pod(self, pod: Mapping[str, Node], about: tuple[str, str, str]) -> None:
        for place in image_places.PLACES:
            there, listed = pod.get(place.field), _sequence(pod.get(place.field))
            if there is not None and listed is None and not _is_null(there) and about[0] in image_places.KINDS:
                raise self._refused(there, f"{about[0]} {about[1]}: {place.field} is not a list.")
            for item in listed or ():
                self._item(item, place, about)

    def _item(self, item: Node, place: image_places.Place, about: tuple[str, str, str]) -> None:
        holder: Node | None = item
        for step in place.path[:-1]:
            holder = self._fields(holder).get(step)
            if holder is None or _is_null(holder):
                return
        keys, last = self._keys(holder), place.path[-1]
        name = _word(self._fields(item).get("name")) or "?"
        if last in keys and not _is_null(keys[last][1]):
            # In a kind that is not Kubernetes' own this may be something else than a Pod's `spec`.
            if _is_scalar(keys[last][1]) or about[0] in image_places.KINDS:
                self._image(*keys[last], about, name)
        elif about[0] in image_places.KINDS:
            raise self._refused(item, f"{about[0]} {about[1]}, {place.noun} {name} has no image.")

    def _image(self, key: Node, value: Node, about: tuple[str, str, str], container: str) -> None:
        if not _is_scalar(value):
            raise self._refused(value, "the image is no text.")
        start, end, quote = value.start_mark.index, value.end_mark.index, value.style or ""
        anchor = ""
        if start < key.end_mark.index:
            # Defined further up and named here: the name is replaced, so that what it stands for elsewhere stays.
            alias = _ALIAS.match(self._text, key.end_mark.index)
            if alias is None:
                raise self._refused(key, "its image is an alias that cannot be replaced.", remedy="Write it out.")
            start, end, quote = alias.start("alias"), alias.end(), ""
        elif properties := _PROPERTIES.match(self._text, start, end):
            start = properties.end()
            anchor = properties["anchor"] or ""
        if quote in {"|", ">"}:
            raise self._refused(value, "an image stands in a block scalar.", remedy="Write it on the line of its key.")
        use = Use(
            line=key.end_mark.line + 1 + _breaks(self._text, key.end_mark.index, start),
            kind=about[0],
            name=about[1],
            namespace=about[2],
            container=container,
            image=value.value,
            start=start,
            end=end,
            quote=quote,
        )
        self._uses[start] = use
        if anchor:
            self._anchored[anchor] = (use, value.start_mark.index)

    def _refuse_shared(self) -> None:
        """Raise when an image to replace is also what an alias elsewhere stands for: a label, a variable."""
        if not self._anchored:
            return
        import yaml

        defined: dict[str, int] = {}
        for event in yaml.parse(self._text, Loader=yaml.CSafeLoader):
            if isinstance(event, yaml.AliasEvent):
                use, start = self._anchored.get(event.anchor, (None, -1))
                if use is not None and defined.get(event.anchor) == start and event.start_mark.index not in self._uses:
                    raise _at(
                        self._source,
                        event.start_mark,
                        f"`*{event.anchor}` stands for the image of {use.where}, and would change with it.",
                        remedy="Write the value out here.",
                    )
            elif getattr(event, "anchor", None):
                defined[event.anchor] = event.start_mark.index

    def _mapping(self, node: Node) -> dict[str, Node]:
        if not _is_mapping(node):
            raise self._refused(node, "there is no Kubernetes object, but " + _what(node) + ".")
        return self._fields(node)

    def _fields(self, node: Node | None) -> dict[str, Node]:
        return {name: value for name, (_, value) in self._keys(node).items()}

    def _keys(self, node: Node | None) -> dict[str, tuple[Node, Node]]:
        """A mapping's keys and values, those merged into it (`<<`) included; none for anything else."""
        found: dict[str, tuple[Node, Node]] = {}
        merged: list[Node] = []
        if node is None or not _is_mapping(node):
            return found
        for key, value in node.value:
            if key.tag == _MERGE:
                merged += _sequence(value) or [value]
            elif _is_scalar(key):
                if key.value in found:
                    raise self._refused(key, f"the key `{key.value}` stands twice in one mapping.")
                found[key.value] = (key, value)
        for other in merged:
            for name, entry in self._keys(other).items():
                found.setdefault(name, entry)
        return found

    def _refused(self, node: Node, what: str, *, remedy: str = "") -> InputError:
        return _at(self._source, node.start_mark, what, remedy=remedy, text=self._text)


_MERGE = "tag:yaml.org,2002:merge"
# Possessive: a comment of many `#` could be divided into comments in as many ways as there are numbers of that length.
_BLANK = r"(?:\s|#[^\r\n\x85\u2028\u2029]*+)++"
_NESTED = reading.INDENTED
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


def _word(node: Node | None) -> str:
    return "" if node is None or not _is_scalar(node) or _is_null(node) else str(node.value)


def _what(node: Node) -> str:
    return "a list" if _sequence(node) is not None else f"the text {node.value[:60]!r}"


def _breaks(text: str, start: int, end: int) -> int:
    return text.count("\n", start, end) or text.count("\r", start, end)


def _check_limits(text: str, source: str) -> None:
    """Raise when the text is nested so deeply that the parser, which is recursive, would overflow the stack.

    And when its aliases stand for more than any object has: merged into each other (`<<`), a few lines are enough.
    """
    import yaml

    aliases = "*" in text and "&" in text
    brackets = text.count("[") + text.count("{") > MOST_NESTED
    if not (aliases or brackets or _NESTED.search(text)):
        return
    # Those may have stood in comments and strings.
    try:
        reading.check_yaml(yaml.parse(text, Loader=yaml.CSafeLoader))
    except reading.YamlError as error:
        raise InputError(FIELD, f"{source}, line {error.line}: {error.problem}.") from error


def _at(source: str, mark: Mark, what: str, *, remedy: str = "", text: str = "") -> InputError:
    helm = _of_helm(text, mark.line + 1)
    return InputError(
        FIELD,
        f"{source}, line {mark.line + 1}: {what}",
        cause=_HELM if helm else "",
        remedy=_RENDER if helm else remedy,
    )


_HELM = "It is a template of Helm's, not a manifest."
_RENDER = "Render it: `helm template … | s3c deploy --manifests -`."


def _of_helm(text: str, line: int) -> bool:
    return "{{" in text and any("{{" in one for one in text.splitlines()[max(0, line - 2) : line + 1])


def _invalid(error: Exception, text: str, source: str) -> InputError:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is not None:
        line = mark.line + 1
    else:
        position = getattr(error, "position", None)
        line = text.count("\n", 0, position) + 1 if isinstance(position, int) else 1
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be read"
    helm = _of_helm(text, line)
    return InputError(
        FIELD,
        f"{source}, line {line}: it is not valid YAML: {problem}.",
        cause=_HELM if helm else "",
        remedy=_RENDER if helm else "Look at the indentation and the quotes there.",
        original=str(error),
    )
