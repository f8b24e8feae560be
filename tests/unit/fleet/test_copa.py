"""Copa's PatchConfig becomes a fleet.yaml that selects the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from s3c_actions.core.errors import InputError
from s3c_actions.fleet import copa, model
from s3c_actions.fleet.model import Settings, TagSelection

CONFIG = r"""
apiVersion: copa.sh/v1alpha1
kind: PatchConfig
target:
  registry: "ghcr.io/myorg"
  tag: "{{ .SourceTag }}-patched"
images:
  - name: "nginx"
    image: "docker.io/library/nginx"
    tags:
      strategy: "pattern"
      pattern: "^1\\.2[0-9]\\.[0-9]+$"
      maxTags: 3
      exclude: ["1.20.0", "1.20.1"]
  - name: "python"
    image: "python"
    tags:
      strategy: "list"
      list: ["3.9.18", "3.10.13"]
    platforms: ["linux/amd64", "linux/arm64"]
    target:
      registry: "quay.io/special/python/"
      tag: "{{ .SourceTag }}-fixed"
  - name: "alpine"
    image: "docker.io/library/alpine"
    tags:
      strategy: "latest"
"""


def converted(folder: Path, text: str) -> str:
    path = folder / "copa.yaml"
    path.write_text(text)
    return copa.convert(path, field="import-copa")


def test_it_selects_the_same(tmp_path: Path) -> None:
    fleet = model.parse(converted(tmp_path, CONFIG))
    assert fleet.defaults == Settings(target="ghcr.io/myorg/{name}")
    nginx, python, alpine = fleet.images
    assert nginx.repository == "docker.io/library/nginx"
    assert nginx.tags == TagSelection(
        strategy="pattern", pattern=r"^1\.2[0-9]\.[0-9]+$", max_tags=3, exclude=("1.20.0", "1.20.1")
    )
    assert nginx.target is None
    assert python.tags == TagSelection(strategy="list", list=("3.9.18", "3.10.13"))
    assert python.platforms == ("linux/amd64", "linux/arm64")
    assert python.target == "quay.io/special/python/{name}"
    assert alpine.tags == TagSelection(strategy="latest")


def test_what_has_no_counterpart_is_a_comment(tmp_path: Path) -> None:
    head = [line for line in converted(tmp_path, CONFIG).splitlines() if line.startswith("# ")]
    assert head[0].startswith("# yaml-language-server: $schema=https://")
    assert "# The tag of patches is an input of `s3c fleet run`: --patched-tag '{tag}-fixed'." in head
    assert "# The tag of patches is an input of `s3c fleet run`: --patched-tag '{tag}-patched'." in head
    assert any("run a fleet for each" in line for line in head)


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ("copa.sh/v1alpha1", "copa.sh/v2", "line 2"),
        ("kind: PatchConfig", "kind: Pod", "line 3"),
        ("maxTags: 3", "maxtags: 3", "Did you mean maxTags?"),
        ('strategy: "latest"', 'strategy: "latst"', "Did you mean latest?"),
        (r"^1\\.2[0-9]\\.[0-9]+$", "(", "no regular expression"),
        ('image: "python"', 'image: "Python Image"', "not an image reference"),
        ('"ghcr.io/myorg"', '"ghcr.io/My Org"', "target"),
    ],
)
def test_what_is_no_patch_config_is_rejected(tmp_path: Path, before: str, after: str, why: str) -> None:
    assert before in CONFIG
    with pytest.raises(InputError) as caught:
        converted(tmp_path, CONFIG.replace(before, after))
    assert caught.value.field == "import-copa"
    assert why in str(caught.value)


def test_comments_hold_one_line_each(tmp_path: Path) -> None:
    text = converted(tmp_path, CONFIG.replace("-fixed", r"\nimages: []"))
    assert len(model.parse(text).images) == 3


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        copa.convert(tmp_path / "gone.yaml", field="import-copa")
