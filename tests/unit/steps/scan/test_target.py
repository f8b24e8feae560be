"""Where Trivy is to look for an image: its registry, the local Docker, an archive; and who says that it is nowhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from s3c_actions.core.errors import InputError, OutsideError
from s3c_actions.core.progress import Silent
from s3c_actions.core.reference import Reference
from s3c_actions.registry import OCI_MANIFEST, Descriptor, Registry
from s3c_actions.steps.scan.target import ScanTarget, check_archive, resolve_target
from tests.support.layout import Layout
from tests.support.samples import DIGEST, NAME, scan_settings

DOWN = OutsideError("The registry did not answer.")
ID = DIGEST.removeprefix("sha256:")


class Resolving(Registry):
    """A registry that has one image, or fails."""

    def __init__(self, error: OutsideError | None = None) -> None:
        self.error = error
        self.asked: list[Reference] = []

    def resolve(self, reference: Reference, *, field: str = "image") -> Descriptor:
        self.asked.append(reference)
        if self.error is not None:
            raise self.error
        return Descriptor(digest=DIGEST, media_type=OCI_MANIFEST, size=2)


def target(folder: Path, image: str, registry: Registry, **settings: Any) -> ScanTarget:
    return resolve_target(image, scan_settings(folder, settings=settings), registry, Silent(), gated=False)


def test_a_reference_is_resolved_once_and_scanned_by_its_digest(tmp_path):
    registry = Resolving()
    scanned = target(tmp_path, f"{NAME}:1.0", registry, entry_platform="linux/arm64")
    assert (scanned.name, scanned.source, scanned.platform) == (f"{NAME}@{DIGEST}", "registry", "linux/arm64")
    assert scanned.pinned == scanned.reference == scanned.name
    assert len(registry.asked) == 1


def test_a_registry_that_fails_is_an_error_unless_docker_may_have_the_image(tmp_path):
    for settings in (
        {"source": "registry", "docker": lambda: True},
        {"docker": lambda: False},
        {"docker": lambda: True, "lacks_local": lambda _image: True},
    ):
        with pytest.raises(OutsideError, match="did not answer"):
            target(tmp_path, f"{NAME}:1.0", Resolving(DOWN), **settings)
    scanned = target(tmp_path, f"{NAME}:1.0", Resolving(DOWN), docker=lambda: True)
    assert (scanned.name, scanned.source, scanned.refused) == (f"{NAME}:1.0", "docker", DOWN)
    assert scanned.pinned == ""


@pytest.mark.parametrize(("image", "source"), [(ID, "auto"), (f"{NAME}:1.0", "docker"), (f"{NAME}:1.0", "podman")])
def test_a_local_image_asks_no_registry(tmp_path, image, source):
    registry = Resolving()
    scanned = target(tmp_path, image, registry, source=source)
    assert (scanned.name, scanned.source) == (image, "docker" if source == "auto" else source)
    assert registry.asked == []


def test_an_image_that_docker_lacks_is_named_before_trivy_runs(tmp_path):
    with pytest.raises(InputError, match="is not in the local Docker") as error:
        target(tmp_path, ID, Resolving(), lacks_local=lambda _image: True)
    assert "image-source" in error.value.remedy


def test_an_archive_has_to_be_there(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        check_archive(str(tmp_path / "app.tar"))
    (tmp_path / "layout").mkdir()
    check_archive(f"{tmp_path / 'layout'}:1.0")
    (tmp_path / "app.tar").touch()
    scanned = target(tmp_path, str(tmp_path / "app.tar"), Resolving(), source="archive")
    assert (scanned.source, scanned.notice, scanned.pinned) == ("archive", "", "")


def test_an_archive_with_an_image_that_is_not_scanned_passes_no_gate(tmp_path):
    layout = Layout()
    scanned_image, other = layout.image(), layout.image(b"other")
    layout.named(other, "1.4")
    manifest = json.loads(layout.files[layout.path(scanned_image["digest"])])
    layers = [layout.path(layer["digest"]) for layer in manifest["layers"]]
    listed = [{"Config": layout.path(manifest["config"]["digest"]), "Layers": layers}]
    layout.files["manifest.json"] = json.dumps(listed).encode()
    path = str(layout.write(tmp_path / "app.tar"))
    scanned = target(tmp_path, path, Resolving(), source="archive")
    assert "holds another image in its index.json (linux/amd64)" in scanned.notice
    settings = scan_settings(tmp_path, settings={"source": "archive"})
    with pytest.raises(InputError, match=r"holds another image in its index\.json") as error:
        resolve_target(path, settings, Resolving(), Silent(), gated=True)
    assert "s3c mirror" in error.value.remedy
    layout.images = []
    layout.named(scanned_image, "1.4")
    path = str(layout.write(tmp_path / "app.tar"))
    assert resolve_target(path, settings, Resolving(), Silent(), gated=True).notice == ""
    layout.files["manifest.json"] = layout.files["manifest.json"].replace(b'"Config"', b'"config"')
    path = str(layout.write(tmp_path / "app.tar"))
    assert target(tmp_path, path, Resolving(), source="archive").notice == ""
    with pytest.raises(InputError, match="is not docker's"):
        resolve_target(path, settings, Resolving(), Silent(), gated=True)
