"""Where an image that is compared is read from, by how it is given."""

from pathlib import Path

import pytest

from s3c_actions.wiring.image_sources import _DOCKER, _as_layout


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("registry.example/app:1.4", None),
        ("app", None),
        ("app.tar:1", ("app.tar", "1")),
        ("image.tar", ("image.tar", "")),
        ("./layout", ("./layout", "")),
        ("./layout:1.4", ("./layout", "1.4")),
        ("../a/b@sha256:abc", ("../a/b", "sha256:abc")),
        ("/abs/layout", ("/abs/layout", "")),
        ("~/layout:x", ("~/layout", "x")),
        (".", (".", "")),
        ("localhost:5000/app.tar:1", None),
    ],
)
def test_what_is_a_layout(text: str, expected: tuple[str, str] | None, tmp_path: Path) -> None:
    assert _as_layout(text, tmp_path) == expected


def test_a_folder_with_a_layout_in_it_is_one_and_a_name_with_a_colon_too(tmp_path: Path) -> None:
    (tmp_path / "layout").mkdir()
    assert _as_layout("layout", tmp_path) is None
    (tmp_path / "layout" / "oci-layout").touch()
    assert _as_layout("layout", tmp_path) == ("layout", "")
    (tmp_path / "a:1").mkdir()
    assert _as_layout("./a:1", tmp_path) == ("./a:1", "")


@pytest.mark.parametrize("text", ["docker:app:1.4", "docker://app:1.4"])
def test_an_image_of_docker(text: str) -> None:
    match = _DOCKER.fullmatch(text)
    assert match is not None
    assert match["image"] == "app:1.4"
