"""What `pip install` brings: the wheel as it is published, installed and run."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from email import message_from_string
from email.message import Message
from pathlib import Path

import pytest

from s3c_actions import REPOSITORY, __version__
from tests.support import wheels

ROOT = Path(__file__).parents[2]
PRINT_MANIFESTS = (
    "from s3c_actions.cluster.gate import manifests; manifests.objects_for_identities(('*',)); "
    "print(manifests.values_file('ratify').parents[1])"
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    return wheels.build(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return message_from_string(archive.read(name).decode())


def test_the_metadata_is_what_a_registry_shows(metadata: Message) -> None:
    assert (metadata["Name"], metadata["Version"]) == ("s3c-actions", __version__)
    assert metadata["License-Expression"] == "Apache-2.0"
    classifiers = metadata.get_all("Classifier") or []
    assert {f"Programming Language :: Python :: 3.{minor}" for minor in (11, 12, 13)} <= {*classifiers}
    addresses = dict(line.split(", ") for line in metadata.get_all("Project-URL") or [])
    assert {"Homepage", "Documentation", "Changelog", "Issues", "Security"} == {*addresses}
    assert all(address.startswith(f"https://github.com/{REPOSITORY}") for address in addresses.values())
    assert len(str(metadata["Keywords"]).split(",")) > 5


def test_every_link_and_picture_of_the_description_is_absolute(metadata: Message) -> None:
    text = str(metadata.get_payload())
    targets = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r"\b(?:src|srcset|href)=\"([^\"]+)\"", text)
    assert len(targets) > 20
    assert [target for target in targets if not target.startswith(("https://", "#"))] == []
    pages = re.findall(rf"{REPOSITORY}/(?:blob/)?v{re.escape(__version__)}/([^)\"#\s]+)", text)
    assert len(pages) > 20
    assert [page for page in pages if not (ROOT / page).exists()] == []


def test_the_lab_and_the_tests_stay_here(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.partition("/")[0] for name in archive.namelist()}
    assert tops == {"s3c_actions", f"s3c_actions-{__version__}.dist-info", f"s3c_actions-{__version__}.data"}


def test_the_man_page_is_installed(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        page = archive.read(f"s3c_actions-{__version__}.data/data/share/man/man1/s3c.1")
    assert page == (ROOT / "docs" / "s3c.1").read_bytes()


def test_it_is_installed_and_run_by_this_python(wheel: Path, tmp_path: Path) -> None:
    python = wheels.install(wheel, tmp_path / "venv", sys.executable)
    wheels.try_out(python.parent, tmp_path)


def test_the_name_of_the_package_is_a_command(wheel: Path, tmp_path: Path) -> None:
    ended = subprocess.run(
        [
            *(wheels.uv(), "tool", "run", "--isolated", "--python", sys.executable),
            *("--from", wheel, "s3c-actions", "--version"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip().endswith(__version__)


def test_the_gates_manifests_are_found_in_a_wheel(wheel, tmp_path):
    home = tmp_path / "installed"
    zipfile.ZipFile(wheel).extractall(home)
    ended = subprocess.run(
        [sys.executable, "-Ic", f"import sys; sys.path.insert(0, {str(home)!r}); {PRINT_MANIFESTS}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip() == str(home / "s3c_actions" / "manifests")
    shipped = {path.relative_to(home / "s3c_actions") for path in (home / "s3c_actions" / "manifests").rglob("*.yaml")}
    assert shipped == {
        path.relative_to(ROOT) for name in ("gatekeeper", "ratify") for path in (ROOT / "manifests" / name).iterdir()
    }
    templates = Path("s3c_actions", "scaffold", "templates")
    assert {path.name for path in (home / templates).iterdir()} == {path.name for path in (ROOT / templates).iterdir()}
    assert (home / "s3c_actions" / "py.typed").is_file(), "type checkers of others read our annotations"
    assert {"helm", "gatekeeper", "ratify"} <= {path.parent.name for path in home.rglob("go.sum")}
