"""Find the places of images in the YAML nodes of Kubernetes objects.

In Kubernetes' own kinds a Pod template is recognized by its path: `spec` of a Pod, `template.spec` of a PodTemplate,
`spec.template.spec` of a Deployment, StatefulSet, DaemonSet, ReplicaSet, ReplicationController or Job,
`spec.jobTemplate.spec.template.spec` of a CronJob. The places of images in a Pod are listed in cluster/image_places.py,
those of custom kinds in cluster/image_paths.py. Everything in a `kind: List` is found as well.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from s3c_actions.cluster import hooks, image_paths, image_places
from s3c_actions.cluster.image_paths import ITEM, Certainty, Classifier, ImagePath
from s3c_actions.core.errors import InputError
from s3c_actions.core.libraries import yaml

if TYPE_CHECKING:
    from yaml import Mark
    from yaml.nodes import Node

FIELD = "manifests"
_KUSTOMIZE = "kustomize.config.k8s.io"
# Beside an image they decide what runs, so that a digest written into the image would be no image any more.
_COMPANIONS = frozenset({"tag", "version", "imageTag", "digest", "sha", "imageVersion"})


class ImageUse(msgspec.Struct, frozen=True, kw_only=True):
    """A place where a manifest names an image.

    Attributes:
        line: of the image, counted from 1.
        kind, name, namespace: of the object; the namespace is empty when the manifest names none.
        container: its name; of an image volume, the volume's; empty where the image is none of a Pod's.
        path: where the image stands in an object of a custom kind; empty in a Pod template of Kubernetes' own kinds.
        image: as written there; empty where it is filled in later.
        start, end: the characters to replace.
        quote: around the image: `"`, `'` or nothing.
        rest: of a block scalar, what stays behind its indicator, such as a comment.
        fixed: whether nothing can be written there: it is empty, or the image is given in parts.
    """

    line: int
    kind: str
    name: str
    namespace: str
    container: str
    path: str = ""
    image: str
    start: int
    end: int
    quote: str
    rest: str = ""
    fixed: bool = False

    @property
    def where(self) -> str:
        """Return the place for people: `Deployment voting-db, container postgres`."""
        return f"{self.kind} {self.name}, " + (f"container {self.container}" if self.container else self.path)


class LeftOutObject(msgspec.Struct, frozen=True, kw_only=True):
    """A hook that is left out.

    Attributes:
        what: for people: `Pod test-connection (helm.sh/hook: test)`.
        line: of the object, counted from 1.
        start, end: its characters, where it is a document of its own; both 0 for an item of a list.
    """

    what: str
    line: int
    start: int = 0
    end: int = 0


class _Identity(msgspec.Struct, frozen=True):
    kind: str
    name: str
    namespace: str
    group: str
    applied: bool

    @property
    def is_strict(self) -> bool:
        """Whether it is one of Kubernetes' own workloads, in which every container has an image."""
        return self.kind in image_places.WORKLOAD_KINDS and image_paths.is_own_group(self.group)


class Finder:
    """Collect the images of one text, document by document.

    Args:
        text: what the documents were composed from.
        source: for errors.
        paths: places of images given by `image-paths`.
        line: how many lines come before the text in its file.

    Attributes:
        empty: whether no document has an object.
        left_out: hooks that are not applied.
        applied_hooks: hooks that are applied as ordinary objects, for people.
    """

    def __init__(self, text: str, source: str, paths: Sequence[ImagePath] = (), line: int = 0) -> None:
        self._text = text
        self._source = source
        self._paths = paths
        self._line = line
        self._classifiers: dict[tuple[str, str], Classifier] = {}
        # Of the nodes of the document that is looked at, by their identity: each is asked for several times.
        self._entries: dict[int, dict[str, tuple[Node, Node]]] = {}
        self._values: dict[int, dict[str, Node]] = {}
        self._uses: dict[int, ImageUse] = {}
        self._candidates: dict[int, ImageUse] = {}
        self._hook_uses: dict[int, ImageUse] = {}
        self._anchored: dict[str, tuple[ImageUse, int]] = {}
        self.left_out: list[LeftOutObject] = []
        self.applied_hooks: list[str] = []
        self.empty = True

    def uses(self) -> tuple[ImageUse, ...]:
        """Return every place that surely names an image, each once, in the text's order."""
        self._check_shared()
        return tuple(self._uses[start] for start in sorted(self._uses))

    def candidates(self) -> tuple[ImageUse, ...]:
        """Return the other places that seem to name an image, in the text's order."""
        return tuple(self._candidates[start] for start in sorted(self._candidates) if start not in self._uses)

    def hook_uses(self) -> tuple[ImageUse, ...]:
        """Return the places in hooks that are left out, in the text's order."""
        known = {**self._uses, **self._candidates}
        return tuple(self._hook_uses[start] for start in sorted(self._hook_uses) if start not in known)

    def document(self, root: Node | None) -> None:
        """Find the images of one document."""
        if root is not None and not is_null(root):
            self.empty = False
            self._entries.clear()
            self._values.clear()
            self._object(root, ())

    def _object(self, node: Node, enclosing: tuple[Node, ...]) -> None:
        fields = self._mapping(node)
        for name in ("kind", "apiVersion"):
            if name in fields and fields[name].tag == _BINARY:
                raise self._error(
                    fields[name], f"{name} is written in base64 (`!!binary`).", remedy="Write it as text."
                )
        kind, version = scalar_text(fields.get("kind")), scalar_text(fields.get("apiVersion"))
        if not kind or not version:
            raise self._error(
                node,
                "there is no Kubernetes object: it has no " + ("apiVersion." if kind else "kind."),
                remedy="Give manifests alone: values files, patches and kustomizations are no objects.",
            )
        items = fields.get("items")
        if is_list(kind, None if items is None else sequence(items)):
            if any(node is list_node for list_node in enclosing):
                raise self._error(node, "a list contains itself.")
            for item in sequence(items) or ():
                self._object(item, (*enclosing, node))
            return
        group = version.rpartition("/")[0]
        if group == _KUSTOMIZE:
            raise self._error(
                node,
                f"this is a {kind} of kustomize's, whose files are no manifests by themselves.",
                remedy="Build it: `kubectl kustomize FOLDER | s3c deploy --manifests -`.",
            )
        metadata = self._fields(fields.get("metadata"))
        name = scalar_text(metadata.get("name")) or scalar_text(metadata.get("generateName"))
        if not name:
            raise self._error(node, f"this {kind} has no name.", remedy="Give it `metadata.name`.")
        annotations = self._fields(metadata.get("annotations"))
        hook = hooks.find_hook(
            {key: scalar_text(value) or None for key, value in annotations.items() if is_scalar(value)}
        )
        if hook is not None:
            self._hook(node, f"{kind} {name} ({hook.annotation})", hook, is_item=bool(enclosing))
        identity = _Identity(kind, name, scalar_text(metadata.get("namespace")), group, hook is None or hook.applied)
        if identity.is_strict or image_paths.is_own_group(group):
            self._pods(node, identity)
        classifier = self._classifier(group, kind)
        if classifier.is_extended or not image_paths.is_own_group(group):
            self._walk(node, (), (), identity, classifier)

    def _classifier(self, group: str, kind: str) -> Classifier:
        if (group, kind) not in self._classifiers:
            self._classifiers[group, kind] = Classifier(group, kind, self._paths)
        return self._classifiers[group, kind]

    def _hook(self, node: Node, what: str, hook: hooks.Hook, *, is_item: bool) -> None:
        if hook.applied:
            self.applied_hooks.append(what)
            return
        start, end = (0, 0) if is_item else (node.start_mark.index, node.end_mark.index)
        line = self._line + node.start_mark.line + 1
        self.left_out.append(LeftOutObject(what=what, line=line, start=start, end=end))

    def _pods(self, node: Node, identity: _Identity) -> None:
        for path in image_places.TEMPLATE_PATHS:
            pod: Node | None = node
            for step in path:
                pod = self._fields(pod).get(step)
            self._pod(self._fields(pod), identity)

    def _pod(self, pod: Mapping[str, Node], identity: _Identity) -> None:
        for place in image_places.PLACES:
            field_node, listed = pod.get(place.field), sequence(pod.get(place.field))
            if field_node is not None and listed is None and not is_null(field_node) and identity.is_strict:
                raise self._error(field_node, f"{identity.kind} {identity.name}: {place.field} is not a list.")
            for item in listed or ():
                self._item(item, place, identity)

    def _item(self, item: Node, place: image_places.ImagePlace, identity: _Identity) -> None:
        holder: Node | None = item
        for step in place.path[:-1]:
            holder = self._fields(holder).get(step)
            if holder is None or is_null(holder):
                return
        keys, last = self._keys(holder), place.path[-1]
        name = scalar_text(self._fields(item).get("name")) or "?"
        if last in keys and _is_blank(keys[last][1]):
            # OpenShift's image triggers fill it in.
            self._add(self._blank(*keys[last], identity, name), Certainty.CANDIDATE, identity)
        elif last in keys and not is_null(keys[last][1]):
            # In another kind this may be something other than a Pod's `spec`.
            if is_scalar(keys[last][1]) or identity.is_strict:
                self._image(*keys[last], identity, name, "")
        elif identity.is_strict:
            raise self._error(item, f"{identity.kind} {identity.name}, {place.noun} {name} has no image.")

    def _walk(
        self, node: Node, path: image_paths.Path, names: tuple[str, ...], identity: _Identity, classifier: Classifier
    ) -> None:
        """Find the images of a custom kind, below one of its nodes; `names` are those of the enclosing list items."""
        inner = (*path, ITEM)
        for number, item in enumerate(sequence(node) or ()):
            item_names = (*names, self._item_name(item, number))
            certainty = classifier.classify(inner) if path and not sequence(item) else Certainty.NONE
            if certainty is not Certainty.NONE:
                shown = _show_path(inner, item_names)
                if _is_mapping(item):
                    self._parts(item, item, identity, shown)
                elif item.tag == _STRING or item.style:
                    self._image(node, item, identity, "", shown, certainty=certainty, listed=True)
            if not is_scalar(item):
                self._walk(item, inner, item_names, identity, classifier)
        keys = self._keys(node)
        for name, (key, value) in keys.items():
            inner = (*path, name)
            certainty = classifier.classify(inner) if not sequence(value) else Certainty.NONE
            if certainty is not Certainty.NONE:
                container = names[-1] if names and ITEM in inner[-4:] else ""
                shown = _show_path(inner, names)
                if _is_mapping(value):
                    self._parts(key, value, identity, shown)
                elif _is_blank(value):
                    if certainty is Certainty.IMAGE:
                        self._add(self._blank(key, value, identity, container, shown), Certainty.CANDIDATE, identity)
                elif value.tag == _STRING or value.style:
                    fixed = certainty is Certainty.CANDIDATE and bool(keys.keys() & _COMPANIONS)
                    self._image(key, value, identity, container, shown, certainty=certainty, fixed=fixed)
            if not is_scalar(value):
                self._walk(value, inner, names, identity, classifier)

    def _item_name(self, item: Node, number: int) -> str:
        return scalar_text(self._fields(item).get("name")) or str(number)

    def _parts(self, key: Node, value: Node, identity: _Identity, shown: str) -> None:
        """Note an image that is given in parts: `image: {repository: r, tag: t}`, or as kustomize has them."""
        parts = {name: scalar_text(part) for name, part in self._fields(value).items()}
        repository = parts.get("repository") or parts.get("newName") or parts.get("name") or ""
        tag = parts.get("tag") or parts.get("newTag") or parts.get("version") or ""
        if not repository or not tag or parts.get("digest") or parts.get("sha"):
            return
        registry = f"{parts['registry']}/" if parts.get("registry") else ""
        use = self._blank(key, value, identity, "", shown)
        self._add(msgspec.structs.replace(use, image=f"{registry}{repository}:{tag}"), Certainty.CANDIDATE, identity)

    def _blank(self, key: Node, value: Node, identity: _Identity, container: str, path: str = "") -> ImageUse:
        """Return a place where nothing can be written."""
        return ImageUse(
            line=self._line + key.start_mark.line + 1,
            kind=identity.kind,
            name=identity.name,
            namespace=identity.namespace,
            container=container,
            path=path,
            image="",
            start=value.start_mark.index,
            end=value.start_mark.index,
            quote="",
            fixed=True,
        )

    def _image(
        self,
        key: Node,
        value: Node,
        identity: _Identity,
        container: str,
        path: str,
        *,
        certainty: Certainty = Certainty.IMAGE,
        fixed: bool = False,
        listed: bool = False,
    ) -> None:
        """Note an image; `key` is that of a mapping, or with `listed` the list that it is an item of."""
        if not is_scalar(value):
            raise self._error(value, "the image is no text.")
        if value.tag == _BINARY:
            raise self._error(value, "the image is written in base64 (`!!binary`).", remedy="Write it as text.")
        start, end, quote = value.start_mark.index, value.end_mark.index, value.style or ""
        anchor, rest, image = "", "", value.value
        before = key.start_mark if listed else key.end_mark
        if start < before.index:
            # Defined further up and referenced here: only the alias is replaced, so that its other uses stay.
            alias = None if listed else _ALIAS.match(self._text, before.index)
            if alias is None:
                if certainty is Certainty.CANDIDATE:
                    return
                raise self._error(key, "its image is an alias that cannot be replaced.", remedy="Write it out.")
            start, end, quote = alias.start("alias"), alias.end(), ""
            image = image.strip()
        elif properties := _PROPERTIES.match(self._text, start, end):
            start = properties.end()
            anchor = properties["anchor"] or ""
        if block := _BLOCK.match(self._text, start, end) if quote in {"|", ">"} else None:
            # The whole scalar is replaced by a plain one on the line of its key.
            rest, quote, image = block["rest"], "", image.strip()
            end = start + len(self._text[start:end].rstrip())
        use = ImageUse(
            line=self._line + before.line + 1 + _count_line_breaks(self._text, before.index, start),
            kind=identity.kind,
            name=identity.name,
            namespace=identity.namespace,
            container=container,
            path=path,
            image=image,
            start=start,
            end=end,
            quote=quote,
            rest=rest,
            fixed=fixed,
        )
        self._add(use, Certainty.CANDIDATE if fixed else certainty, identity)
        if anchor and certainty is Certainty.IMAGE:
            self._anchored[anchor] = (use, value.start_mark.index)

    def _add(self, use: ImageUse, certainty: Certainty, identity: _Identity) -> None:
        if not identity.applied:
            self._hook_uses[use.start] = use
        elif certainty is Certainty.IMAGE:
            self._uses[use.start] = use
        else:
            self._candidates[use.start] = use

    def _check_shared(self) -> None:
        """Raise when an alias elsewhere refers to an image to replace: as a label, a variable."""
        if not self._anchored:
            return

        defined: dict[str, int] = {}
        replaced = self._uses.keys() | self._candidates.keys() | self._hook_uses.keys()
        for event in yaml.parse(self._text, Loader=yaml.CSafeLoader):
            if isinstance(event, yaml.AliasEvent):
                use, start = self._anchored.get(event.anchor, (None, -1))
                if use is not None and defined.get(event.anchor) == start and event.start_mark.index not in replaced:
                    raise error_at(
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
        values = self._values.get(id(node))
        if values is None:
            values = {name: value for name, (_, value) in self._keys(node).items()}
            if node is not None:
                self._values[id(node)] = values
        return values

    def _keys(self, node: Node | None) -> dict[str, tuple[Node, Node]]:
        """Return a mapping's keys and values, including merged ones (`<<`); nothing for other nodes."""
        if node is None or not _is_mapping(node):
            return {}
        if (known := self._entries.get(id(node))) is not None:
            return known
        entries: dict[str, tuple[Node, Node]] = {}
        merged: list[Node] | None = None
        for key, value in node.value:
            if key.tag == _MERGE:
                if merged is not None:
                    # Of two, parsers disagree on which one counts.
                    raise self._error(key, "the key `<<` stands twice in one mapping.", remedy="Merge a list of both.")
                merged = sequence(value) or [value]
            elif key.tag == _BINARY:
                raise self._error(key, "a key is written in base64 (`!!binary`).", remedy="Write it as text.")
            elif is_scalar(key):
                if key.value in entries:
                    raise self._error(key, f"the key `{key.value}` stands twice in one mapping.")
                entries[key.value] = (key, value)
        for merged_node in merged or ():
            for name, entry in self._keys(merged_node).items():
                entries.setdefault(name, entry)
        self._entries[id(node)] = entries
        return entries

    def _error(self, node: Node, what: str, *, remedy: str = "") -> InputError:
        return error_at(self._source, node.start_mark, what, remedy=remedy, text=self._text, line=self._line)


def find_alias(text: str, key_end: int) -> int | None:
    """Return where the alias that is the value of a key begins; None where it is not one."""
    alias = _ALIAS.match(text, key_end)
    return None if alias is None else alias.start("alias")


_MERGE = "tag:yaml.org,2002:merge"
_STRING = "tag:yaml.org,2002:str"
_BINARY = "tag:yaml.org,2002:binary"
# Possessive: a comment of many `#` could be split into comments in exponentially many ways.
_BLANK = r"(?:\s|#[^\r\n\x85\u2028\u2029]*+)++"
_ALIAS = re.compile(rf"[ \t]*+:{_BLANK}(?P<alias>\*[^\s,\[\]{{}}]+)")
_PROPERTIES = re.compile(rf"(?:(?:&(?P<anchor>[^\s,\[\]{{}}]++)|![^\s,\[\]{{}}]*+){_BLANK})+")
_BLOCK = re.compile(r"[|>][-+0-9]*(?P<rest>[^\r\n\x85\u2028\u2029]*)")


def is_list(kind: str, items: object) -> bool:
    """Return whether an object is a list of objects: `List`, or `PodList` with items."""
    return kind == "List" or (kind.endswith("List") and isinstance(items, list))


def error_at(source: str, mark: Mark, what: str, *, remedy: str = "", text: str = "", line: int = 0) -> InputError:
    """Return an error that names the file and the line; a template of Helm's is recognized as such."""
    helm = is_helm_template(text, mark.line + 1)
    return InputError(
        FIELD,
        f"{source}, line {line + mark.line + 1}: {what}",
        cause=HELM if helm else "",
        remedy=RENDER if helm else remedy,
    )


HELM = "It is a template of Helm's, not a manifest."
RENDER = "Render it: `helm template … | s3c deploy --manifests -`."


def is_helm_template(text: str, line: int) -> bool:
    """Return whether a line or one beside it has a placeholder of Helm's."""
    return "{{" in text and any("{{" in row for row in text.splitlines()[max(0, line - 2) : line + 1])


def is_scalar(node: Node) -> bool:
    """Return whether a node is a scalar."""
    return bool(node.id == "scalar")


def is_null(node: Node) -> bool:
    """Return whether a node is null, or an empty text."""
    return is_scalar(node) and (node.tag == "tag:yaml.org,2002:null" or node.value == "")


def sequence(node: Node | None) -> list[Node] | None:
    """Return the items of a list; None for another node."""
    return node.value if node is not None and node.id == "sequence" else None


def scalar_text(node: Node | None) -> str:
    """Return the text of a scalar; empty for another node."""
    return "" if node is None or not is_scalar(node) or is_null(node) else str(node.value)


def _is_mapping(node: Node) -> bool:
    return bool(node.id == "mapping")


def _is_blank(node: Node) -> bool:
    """Return whether a text is written and has nothing in it: `""`, `" "`."""
    return is_scalar(node) and bool(node.style) and not node.value.strip()


def _show_path(path: image_paths.Path, names: tuple[str, ...]) -> str:
    """Return a place for people: `spec.steps[build].image`."""
    rest, parts = iter(names), []
    for step in path:
        parts.append(f"[{next(rest)}]" if step == ITEM else f".{step}")
    return "".join(parts).removeprefix(".")


def _describe_node(node: Node) -> str:
    return "a list" if sequence(node) is not None else f"the text {node.value[:60]!r}"


def _count_line_breaks(text: str, start: int, end: int) -> int:
    return text.count("\n", start, end) or text.count("\r", start, end)
