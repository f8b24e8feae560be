"""What a release asks for before it moves the tag that users name."""

from __future__ import annotations

from pathlib import Path

import pytest

from s3c_actions import REPOSITORY
from tests.support import ROOT
from tools.release import main, notes, problems, rename, repository_name

CHANGELOG = """\
# Changelog

## Unreleased

- Later.

## 1.2.0 – 2026-12-01

### Added

- A thing.

## [1.1.0]

## 1.0.0

- The first.
"""


def test_the_section_of_a_version() -> None:
    assert notes(CHANGELOG, "v1.2.0") == "### Added\n\n- A thing."
    assert notes(CHANGELOG, "v1.0.0") == "- The first."


@pytest.mark.parametrize("tag", ["v1.1.0", "v1.2", "v1.2.00", "v1x2.0", "Unreleased.", "v2.0.0"])
def test_a_version_without_notes(tag: str) -> None:
    assert notes(CHANGELOG, tag) == ""


def test_a_tag_that_is_ready() -> None:
    assert problems("v1.2.0", "1.2.0", CHANGELOG) == []


@pytest.mark.parametrize(
    ("tag", "package", "reason"),
    [
        ("v1.2.0", "1.2.1", "must agree"),
        ("1.2.0", "1.2.0", "must agree"),
        ("v1.1.0", "1.1.0", "no section"),
        ("v3.0.0", "3.0.0", "no section"),
    ],
)
def test_a_tag_that_is_not(tag: str, package: str, reason: str) -> None:
    (problem,) = problems(tag, package, CHANGELOG)
    assert reason in problem


def test_a_tag_on_a_repository_of_another_name() -> None:
    assert problems("v1.0.0", "1.0.0", CHANGELOG, name="a/s3c", published="a/s3c") == []
    (problem,) = problems("v1.0.0", "1.0.0", CHANGELOG, name="org/s3c", published="acme/s3c")
    assert "python3 tools/release.py name acme/s3c" in problem


def test_the_name_is_set_in_one_place() -> None:
    """The code reads it from there; only what is read as it stands, guides and tests, spells it."""
    assert repository_name(ROOT) == REPOSITORY
    spelled = [
        path.relative_to(ROOT).as_posix()
        for folder in ("s3c_actions", "s3c_lab", "tools", "actions", "infra", ".github/workflows")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in {".py", ".sh", ".tf", ".j2", ".yml", ".yaml"} and REPOSITORY in path.read_text()
    ]
    assert spelled == ["s3c_actions/__init__.py"]


BEFORE = {
    "s3c_actions/__init__.py": 'REPOSITORY = "org/s3c"\n',
    "README.md": "- uses: org/s3c@v1\n- uses: org/s3c/actions/scan@v1\ngit clone https://github.com/org/s3c.\n",
    "CODEOWNERS": "* @org/s3c\n",
    "other.md": "my-org/s3c, org/s3c-lab, org/s3c.github.io, x.org/s3c\n",
}


def test_another_name_is_written_everywhere_and_back(tmp_path: Path) -> None:
    for path, text in BEFORE.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    (tmp_path / "picture.png").write_bytes(b"\xff\xfe org/s3c")
    (tmp_path / "link").symlink_to("README.md")
    files = [*map(Path, BEFORE), Path("picture.png"), Path("link"), Path("gone.md")]
    assert rename(tmp_path, "acme/gate", files) == [Path("s3c_actions/__init__.py"), Path("README.md")]
    assert (tmp_path / "README.md").read_text() == BEFORE["README.md"].replace("org/s3c", "acme/gate")
    assert repository_name(tmp_path) == "acme/gate"
    assert rename(tmp_path, "acme/gate", files) == []
    rename(tmp_path, "org/s3c", files)
    assert {path: (tmp_path / path).read_text() for path in BEFORE} == BEFORE


@pytest.mark.parametrize(
    "name", ["s3c", "a/b/c", "-a/b", "a-/b", "a--b/c", "a/", "/b", "a/..", "a b/c", "a/b\n", "", "@a/b"]
)
def test_what_is_no_name_of_a_repository(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["name", name]) == 2
    assert "name: " in capsys.readouterr().err
