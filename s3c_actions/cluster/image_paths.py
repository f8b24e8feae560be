"""Where objects of custom kinds name images: by structure, and by a table that `image-paths` extends.

Kubernetes' own kinds have images in Pod templates alone (cluster/image_places.py). A custom kind may have them
anywhere: lists of containers are recognized under any path, other places are named in a table.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum
from functools import lru_cache

import msgspec

from s3c_actions.cluster import image_places
from s3c_actions.core.errors import InputError
from s3c_actions.core.pasted_content import quote_value

FIELD = "image-paths"
ITEM = "[]"
ANY, ANY_DEPTH = "*", "**"

Path = tuple[str, ...]
"""Keys from an object to a value, with `[]` for an item of a list."""

# https://kubernetes.io/docs/reference/generated/kubernetes-api/: groups with a dot that are Kubernetes' own; custom
# kinds of Kubernetes' subprojects end in .k8s.io as well.
_OWN_GROUPS = frozenset(
    f"{name}.k8s.io"
    for name in (
        *("admissionregistration", "apiextensions", "apiregistration", "authentication", "authorization"),
        *("certificates", "coordination", "discovery", "events", "flowcontrol.apiserver", "internal.apiserver"),
        *("metrics", "networking", "node", "rbac.authorization", "resource", "scheduling", "storage"),
        *("storagemigration", "custom.metrics", "external.metrics", "apidiscovery", "imagepolicy"),
    )
)
# What their kinds hold are patterns of images, or images of other objects' requests, not images that run.
_PATTERN_GROUPS = re.compile(r"(?:^|\.)(?:kyverno\.io|gatekeeper\.sh|sigstore\.dev|kubewarden\.io)$")
_LIST_FIELDS = frozenset(place.field for place in image_places.PLACES if place.path == ("image",))
_DEEP_FIELDS = {place.field: place.path for place in image_places.PLACES if place.path != ("image",)}
# `image`, `imageName`, `containerImage`, `sidecar_image`: what operators call the images of what they run.
_IMAGE_KEY = re.compile(
    r"(?:.*[a-z0-9_-])?[iI]mage(?:_?(?:[nN]ame|[rR]ef|[rR]eference|URL|[uU]rl))?|(?:[A-Z0-9_]*_)?IMAGE"
)
# `images`, `sidecarImages`: a list, or a mapping of names to images.
_IMAGES_KEY = re.compile(r"(?:.*[a-z0-9_-])?[iI]mages")

_TABLE = """
*.tekton.dev=**.steps[].image
*.tekton.dev=**.sidecars[].image
*.tekton.dev=**.stepTemplate.image
*.tekton.dev=**.taskRef.bundle
*.tekton.dev=**.pipelineRef.bundle
StepAction.tekton.dev=spec.image
*.argoproj.io=**.container.image
*.argoproj.io=**.script.image
*.argoproj.io=**.sidecars[].image
*.kubevirt.io=**.containerDisk.image
*.kubevirt.io=**.kernelBoot.container.image
VirtualMachinePool.pool.kubevirt.io=**.containerDisk.image
Prometheus.monitoring.coreos.com=spec.image
Prometheus.monitoring.coreos.com=spec.thanos.image
PrometheusAgent.monitoring.coreos.com=spec.image
Alertmanager.monitoring.coreos.com=spec.image
ThanosRuler.monitoring.coreos.com=spec.image
OpenTelemetryCollector.opentelemetry.io=spec.image
Instrumentation.opentelemetry.io=spec.*.image
CephCluster.ceph.rook.io=spec.cephVersion.image
EngineImage.longhorn.io=spec.image
FlinkDeployment.flink.apache.org=spec.image
SparkApplication.sparkoperator.k8s.io=**.image
ScheduledSparkApplication.sparkoperator.k8s.io=**.image
ImagePullJob.apps.kruise.io=spec.image
Runner.actions.summerwind.dev=spec.image
RunnerDeployment.actions.summerwind.dev=spec.template.spec.image
RunnerReplicaSet.actions.summerwind.dev=spec.template.spec.image
RunnerSet.actions.summerwind.dev=spec.image
"""


class Certainty(Enum):
    """Whether a place of a custom kind names an image: it does, its name suggests so, or it does not."""

    IMAGE = "image"
    CANDIDATE = "candidate"
    NONE = "none"


class ImagePath(msgspec.Struct, frozen=True, kw_only=True):
    """A place of images in objects of a kind.

    Attributes:
        kind: `*` for all kinds of the group.
        group: of the API; empty for the core group.
        path: keys; `[]` for each item of a list, `*` for any key, `**` for any number of both.
        excluded: what stands there is not an image.
    """

    kind: str
    group: str
    path: Path
    excluded: bool = False

    def matches(self, group: str, kind: str, path: Path) -> bool:
        """Return whether a place of an object is this one."""
        return self.group == group and self.kind in {ANY, kind} and _matches(path, self.path)


def parse(text: str) -> ImagePath:
    """Parse `KIND.GROUP=PATH`, such as `Task.tekton.dev=spec.steps[].image`; a `!` before it excludes the place.

    Raises:
        ValueError: with what is expected.
    """
    excluded, rest = text.startswith("!"), text.removeprefix("!")
    place, equals, path = (part.strip() for part in rest.partition("="))
    kind, _, group = place.partition(".")
    steps = tuple(step for part in path.split(".") for step in re.split(r"(?=\[)", part))
    if not (
        equals
        and re.fullmatch(r"\*|[A-Za-z][A-Za-z0-9]*", kind)
        and re.fullmatch(r"[a-z0-9.-]*", group)
        and all(re.fullmatch(r"\[\]|[^\s\[\]=]+", step) for step in steps)
    ):
        raise ValueError(
            f"KIND.GROUP=PATH such as Task.tekton.dev=spec.steps[].image (`[]` each item, `*` any key, `**` any depth; "
            f"`!` before it: not an image), not {quote_value(text)}"
        )
    return ImagePath(kind=kind, group=group, path=steps, excluded=excluded)


def parse_all(texts: Iterable[str]) -> tuple[ImagePath, ...]:
    """Parse several; raise InputError naming `image-paths`."""
    try:
        return tuple(parse(text) for text in texts)
    except ValueError as error:
        raise InputError(FIELD, f"it has to be {error}.") from error


@lru_cache(1)
def default_paths() -> tuple[ImagePath, ...]:
    """Return the paths that are known without `image-paths`."""
    return parse_all(_TABLE.split())


def is_own_group(group: str) -> bool:
    """Return whether an API group is Kubernetes' own, so that its kinds have images in Pod templates alone."""
    return "." not in group or group in _OWN_GROUPS


class Classifier:
    """Decide which places of one object name images.

    Args:
        group, kind: of the object.
        paths: given by `image-paths`; they come before what is known.
    """

    def __init__(self, group: str, kind: str, paths: Iterable[ImagePath] = ()) -> None:
        given = tuple(paths)
        self._paths = tuple(
            path for path in (*given, *default_paths()) if path.group == group and path.kind in {ANY, kind}
        )
        self._given = any(path in given for path in self._paths)
        self._own = is_own_group(group)
        self._patterns = bool(_PATTERN_GROUPS.search(group))
        self._known: dict[Path, Certainty] = {}

    @property
    def is_extended(self) -> bool:
        """Whether `image-paths` names this kind."""
        return self._given

    def classify(self, path: Path) -> Certainty:
        """Return whether the value at a path names an image: that of a mapping's key, or an item of a list."""
        known = self._known.get(path)
        if known is None:
            known = self._known[path] = self._classify(path)
        return known

    def is_excluded(self, path: Path) -> bool:
        """Return whether `image-paths` excludes a place."""
        return any(image_path.excluded and _matches(path, image_path.path) for image_path in self._paths)

    def _classify(self, path: Path) -> Certainty:
        if self.is_excluded(path):
            return Certainty.NONE
        if any(_matches(path, image_path.path) for image_path in self._paths):
            return Certainty.IMAGE
        if self._own:
            return Certainty.NONE
        if _is_container_image(path):
            return Certainty.CANDIDATE if self._patterns else Certainty.IMAGE
        if self._patterns or path[0] in {"metadata", "status"}:
            return Certainty.NONE
        named = _IMAGE_KEY.fullmatch(path[-1]) or _IMAGES_KEY.fullmatch("".join(path[-2:-1]))
        return Certainty.CANDIDATE if named else Certainty.NONE


def _is_container_image(path: Path) -> bool:
    """Return whether a path ends as an image of a Pod does: `containers[].image`, `volumes[].image.reference`."""
    if path[-1] == "image" and path[-2:-1] == (ITEM,) and path[-3:-2] and path[-3] in _LIST_FIELDS:
        return True
    return any(path[-2 - len(deep) :] == (field, ITEM, *deep) for field, deep in _DEEP_FIELDS.items())


def _matches(path: Path, pattern: Path) -> bool:
    if not pattern:
        return not path
    if pattern[0] == ANY_DEPTH:
        return _matches(path, pattern[1:]) or (bool(path) and _matches(path[1:], pattern))
    if not path:
        return False
    return (pattern[0] == path[0] or (pattern[0] == ANY and path[0] != ITEM)) and _matches(path[1:], pattern[1:])
