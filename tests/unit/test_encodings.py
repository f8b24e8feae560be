"""Files that people save on Windows: a byte order mark means nothing, and UTF-16 is an error that names it."""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from s3c_actions.cluster import client, manifests
from s3c_actions.core import reading
from s3c_actions.core.errors import S3CError
from s3c_actions.fleet import copa, plan, report_document, sources
from s3c_actions.fleet import model as fleet_model
from s3c_actions.policy import model as policy_model
from s3c_actions.programs.trivy import ignore, settings
from s3c_actions.registry.docker_config import DockerConfig
from tests.support.bare import KUBECONFIG

POLICY = "version: 1\nsigners: [{name: ci, certificate: https://v.vault.azure.net/certificates/ci}]\n"
FLEET = "version: 1\nimages: [{image: registry.example/app:1}]\n"
COPA = """\
apiVersion: copa.sh/v1alpha1
kind: PatchConfig
target: {registry: registry.example/patched}
images: [{name: app, image: registry.example/app, tags: {strategy: list, list: ["1"]}}]
"""
DOCKER = json.dumps({"auths": {"registry.example": {"auth": "YTpi"}}})
MANIFEST = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: a, image: 'a:1'}]}\n"
PLAN = plan.render(plan.Plan(created="2026-11-29T12:00:00Z", fleet="0" * 64, shards=1, images=(), current=())).decode()
SNAPSHOT = '{"images": {}}'


def read_docker_config(path: Path) -> Any:
    return DockerConfig({"DOCKER_CONFIG": str(path.parent)}).document


def read_kubeconfig(path: Path) -> Any:
    return client.connect(str(path), "", timeout=1).address


def read_manifests(path: Path) -> Any:
    (file,) = manifests.read([str(path)], cwd=path.parent, stdin=bytes)
    return file.text, file.uses


READERS: list[tuple[str, str, Callable[[Path], Any]]] = [
    ("s3c-policy.yaml", POLICY, lambda path: policy_model.read(path, field="policy")),
    ("fleet.yaml", FLEET, fleet_model.read),
    ("copa.yaml", COPA, lambda path: copa.convert(path, field="from-copa")),
    ("plan.json", PLAN, plan.read),
    ("snapshot.json", SNAPSHOT, lambda path: sources.read_snapshot(path, field="snapshot")),
    ("config.json", DOCKER, read_docker_config),
    ("kubeconfig", KUBECONFIG, read_kubeconfig),
    ("pod.yaml", MANIFEST, read_manifests),
    (".trivyignore", "CVE-2024-0001\n", ignore.read),
    (".trivyignore.yaml", "vulnerabilities: [{id: CVE-2024-0001}]\n", ignore.read),
    ("trivy.yaml", "severity: [HIGH]\n", settings.read),
]


@pytest.mark.parametrize(("name", "text", "read"), READERS, ids=[name for name, _, _ in READERS])
def test_a_byte_order_mark_means_nothing_and_utf_16_is_named(
    tmp_path: Path, name: str, text: str, read: Callable[[Path], Any]
) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    expected = read(path)
    path.write_bytes(codecs.BOM_UTF8 + text.encode())
    assert read(path) == expected
    path.write_bytes(text.encode("utf-16"))
    with pytest.raises(S3CError) as error:
        read(path)
    assert "t is UTF-16, not UTF-8" in f"{error.value.what} {error.value.cause}"


def test_a_fleet_report_in_utf_16_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "fleet-report.json"
    path.write_bytes("{}".encode("utf-16"))
    with pytest.raises(S3CError, match="it is UTF-16, not UTF-8"):
        report_document.read(path, field="earlier-report")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
def test_other_encodings_are_named_with_a_mark_or_without(encoding: str) -> None:
    with pytest.raises(UnicodeDecodeError) as error:
        reading.decode_text("version: 1".encode(encoding))
    assert reading.describe(error.value) == f"it is UTF-{encoding[4:6]}, not UTF-8"
    with pytest.raises(ValueError, match=f"it is UTF-{encoding[4:6]}"):
        reading.parse_json('{"a": 1}'.encode(encoding))


def test_another_fault_of_a_text_is_told_without_the_words_of_python() -> None:
    with pytest.raises(UnicodeDecodeError) as error:
        reading.decode_text(b"caf\xe9")
    assert reading.describe(error.value) == "it is not UTF-8"
    assert reading.describe(PermissionError(13, "Permission denied")) == "Permission denied"


def test_a_file_is_text_without_its_mark_and_what_is_no_json_keeps_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(codecs.BOM_UTF8 + b"a\r\nb")
    assert reading.read_text_file(path) == reading.read_text_file(path, encoding="ascii") == "a\nb"
    assert reading.read_json_file(path, 100) == b"a\r\nb"
    assert reading.read_file(path) == codecs.BOM_UTF8 + b"a\r\nb"
