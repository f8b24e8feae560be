"""Which images count as earlier patches: by tag, layers and configuration, of every platform."""

from __future__ import annotations

from typing import Any

import pytest

from s3c_actions.core.errors import InputError, OutsideError
from s3c_actions.core.reference import Reference
from s3c_actions.core.tag_template import TagTemplate
from s3c_actions.registry import OCI_INDEX, OCI_MANIFEST, Descriptor, ImageConfig
from s3c_actions.steps.known_patches import LOOK_BACK, find_patches

NAME = "r.example/app"
TEMPLATE = TagTemplate.parse("{tag}-{n}")


def digest(number: int) -> str:
    return f"sha256:{number:064x}"


class Images:
    """A registry of images: tag or digest → descriptor, digest → configuration."""

    def __init__(self) -> None:
        self.descriptors: dict[str, Descriptor] = {}
        self.configs: dict[str, ImageConfig] = {}

    def image(
        self, number: int, layers: tuple[str, ...], tag: str = "", *, arch: str = "amd64", **own: Any
    ) -> Descriptor:
        platform = f"linux/{arch}"
        document = {"os": "linux", "architecture": arch, "config": {"Env": ["A=1"], **own}}
        descriptor = Descriptor(digest=digest(number), media_type=OCI_MANIFEST, size=1, platform=platform)
        self.configs[digest(number)] = ImageConfig(
            manifest=digest(number), platform=platform, diff_ids=layers, labels={}, document=document
        )
        for name in filter(None, (tag, digest(number))):
            self.descriptors[name] = msgspec_without_platform(descriptor)
        return descriptor

    def index(self, number: int, images: list[Descriptor], tag: str) -> None:
        index = Descriptor(digest=digest(number), media_type=OCI_INDEX, size=1, manifests=tuple(images))
        self.descriptors[tag] = self.descriptors[digest(number)] = index

    def resolve(self, reference: Reference) -> Descriptor:
        try:
            return self.descriptors[reference.digest or reference.tag]
        except KeyError:
            raise InputError("image", "it is not there") from None

    def flatten(self, _reference: Reference, index: Descriptor) -> Descriptor:
        return index

    def config(self, reference: Reference, *, platform: str = "") -> ImageConfig:
        try:
            return self.configs[reference.digest]
        except KeyError:
            raise OutsideError("it cannot be read") from None


def msgspec_without_platform(descriptor: Descriptor) -> Descriptor:
    return Descriptor(digest=descriptor.digest, media_type=descriptor.media_type, size=descriptor.size)


def patches(images: Images, tags: tuple[str, ...], number: int = 1) -> list[tuple[str, str]]:
    original = Reference.parse(f"{NAME}:1.0@{digest(number)}")
    registry: Any = images
    return [
        (tag, reference.pinned)
        for tag, reference in find_patches(original, tags, TEMPLATE, registry, Reference.parse(NAME))
    ]


@pytest.fixture
def images() -> Images:
    registry = Images()
    registry.image(1, ("base", "app"), "1.0")
    return registry


def test_layers_on_top_are_a_patch_the_newest_first(images: Images) -> None:
    images.image(2, ("base", "app", "p1"), "1.0-1")
    images.image(3, ("base", "app", "p2"), "1.0-2")
    assert patches(images, ("1.0", "1.0-1", "1.0-2")) == [
        ("1.0-2", f"{NAME}@{digest(3)}"),
        ("1.0-1", f"{NAME}@{digest(2)}"),
    ]


@pytest.mark.parametrize(
    ("layers", "own"),
    [
        (("base", "other", "p"), {}),
        (("base",), {}),
        (("base", "app"), {}),
        (("base", "app", "p"), {"Entrypoint": ["/bin/sh"]}),
        (("base", "app", "p"), {"User": "root"}),
    ],
)
def test_anything_else_is_none(images: Images, layers: tuple[str, ...], own: dict[str, Any]) -> None:
    images.image(2, layers, "1.0-1", **own)
    assert patches(images, ("1.0-1",)) == []


def test_a_tag_that_is_gone_or_unreadable_is_passed_over(images: Images) -> None:
    images.image(2, ("base", "app", "p1"), "1.0-1")
    images.image(3, ("base", "app", "p2"), "1.0-3")
    del images.configs[digest(3)]
    assert patches(images, ("1.0-1", "1.0-2", "1.0-3")) == [("1.0-1", f"{NAME}@{digest(2)}")]


def test_few_are_looked_at(images: Images) -> None:
    for number in range(1, 9):
        images.image(number + 1, ("base", "app", str(number)), f"1.0-{number}")
    assert len(patches(images, tuple(f"1.0-{number}" for number in range(1, 9)))) == LOOK_BACK


def test_every_platform_has_to_be_a_patch(images: Images) -> None:
    originals = [images.image(10, ("base", "app")), images.image(11, ("base", "app"), arch="arm64")]
    images.index(20, originals, "1.0")
    patched = [images.image(12, ("base", "app", "p")), images.image(13, ("base", "app", "p"), arch="arm64")]
    images.index(21, patched, "1.0-1")
    images.index(22, [images.image(14, ("base", "app", "q")), originals[1]], "1.0-2")
    images.index(23, patched[:1], "1.0-3")
    images.index(24, [patched[0], images.image(15, ("evil",), arch="arm64")], "1.0-4")
    tags = ("1.0-1", "1.0-2")
    assert [tag for tag, _ in patches(images, tags, 20)] == ["1.0-2", "1.0-1"]
    assert patches(images, ("1.0-3", "1.0-4"), 20) == []


def test_an_original_that_is_gone_is_an_error(images: Images) -> None:
    with pytest.raises(InputError):
        patches(images, ("1.0-1",), 99)
