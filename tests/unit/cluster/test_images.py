"""Which given image takes the place of which image of a manifest."""

from __future__ import annotations

import pytest

from s3c_actions.cluster import images
from s3c_actions.core.errors import InputError

DIGEST = "sha256:" + "65a0dd9b" * 8
NEWER = f"localhost:5000/app:new@{DIGEST}"
PINNED = f"localhost:5000/app@{DIGEST}"


def chosen(image: str, *given: str) -> str:
    replacement = images.find_replacement(image, [images.Replacement.parse(text) for text in given])
    return str(replacement.image) if replacement else ""


@pytest.mark.parametrize(
    ("image", "given", "expected"),
    [
        ("localhost:5000/app:1.4", [PINNED], PINNED),
        ("localhost:5000/app", [PINNED], PINNED),
        (f"localhost:5000/app@sha256:{'0' * 64}", [PINNED], PINNED),
        ("localhost/app:1.4", [PINNED], ""),
        ("localhost:5000/other/app:1.4", [PINNED], ""),
        ("postgres:15.0", [f"docker.io/library/postgres={PINNED}"], PINNED),
        ("app:1", ["app:1=new:1", "app:2=new:2"], "docker.io/library/new:1"),
        ("app:3", ["app:1=new:1", "app:2=new:2"], ""),
        ("app:1", ["app:1=new:1", f"app={PINNED}"], "docker.io/library/new:1"),
        ("app:3", ["app:1=new:1", f"app={PINNED}"], PINNED),
        ("app:1", ["app=new:1", "app=new:1"], "docker.io/library/new:1"),
        # A plain reference takes the place of every tag and digest of its repository.
        ("localhost:5000/app:old", ["localhost:5000/app:new"], "localhost:5000/app:new"),
        (
            f"localhost:5000/app:old@sha256:{'0' * 64}",
            [f"localhost:5000/app:new@{DIGEST}"],
            f"localhost:5000/app:new@{DIGEST}",
        ),
        ("localhost:5000/app:2", ["localhost:5000/app:1", "localhost:5000/app:2"], "localhost:5000/app:2"),
        # A tag or a digest that something else fills in is no reason not to know the repository.
        ("localhost:5000/app:${TAG}", [PINNED], PINNED),
        ("localhost:5000/app:${TAG:-1/2}", [PINNED], PINNED),
        ("localhost:5000/app:{GENERATED_TAG}", [PINNED], PINNED),
        ("localhost:5000/app:{{ .Values.tag }}", [PINNED], PINNED),
        ("localhost:5000/app:<tag>", [PINNED], PINNED),
        ("localhost:5000/app:", [PINNED], PINNED),
        ("localhost:5000/app@${DIGEST}", [PINNED], PINNED),
        ("${REGISTRY}/app:1", [PINNED], ""),
        ("localhost:5000/app${SUFFIX}:1", [PINNED], ""),
        ("${IMAGE}", [f"${{IMAGE}}={PINNED}"], PINNED),
        ("ko://example.test/cmd/app", [f"ko://example.test/cmd/app={PINNED}"], PINNED),
    ],
)
def test_images_match_by_repository_tag_or_placeholder(image, given, expected):
    assert chosen(image, *given) == expected


@pytest.mark.parametrize("given", [("app=new:1", "app=new:2"), ("docker.io/library/app:2", "docker.io/library/app:3")])
def test_two_that_match_are_refused(given):
    with pytest.raises(InputError, match="could become any of"):
        chosen("app:1", *given)


@pytest.mark.parametrize("text", ["app=UPPER", "UPPER", "app=", "=app"])
def test_replacements_name_what_is_wrong(text):
    with pytest.raises(InputError, match=r"image: .*(is not|is empty)"):
        images.Replacement.parse(text)
