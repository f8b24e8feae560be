"""A bill of materials is read back by platform, and what Trivy did not make is not read."""

from __future__ import annotations

import json

import pytest

from s3c_actions.evidence import sbom
from tests.support import DATA

TRIVYS = (DATA / "sbom" / "spdx.json").read_bytes()
NAME = "registry.example/app@sha256:" + "1" * 64
PLATFORMS = ("linux/amd64", "linux/arm", "linux/arm/v7")


def merged() -> bytes:
    return sbom.render_spdx([(platform, TRIVYS) for platform in PLATFORMS], NAME, "2026-11-29T12:00:00Z")


def damaged(**parts: object) -> bytes:
    return json.dumps(json.loads(TRIVYS) | parts).encode()


def test_a_document_of_one_image_is_read_whole() -> None:
    document = sbom.read_spdx(sbom.render_spdx([("linux/amd64", TRIVYS)], NAME, "2026-11-29T12:00:00Z"))
    assert document["packages"] and document["relationships"]
    assert 0 < sbom.count_packages(document) < len(document["packages"])  # the system itself is no package


@pytest.mark.parametrize("platform", PLATFORMS)
def test_of_several_platforms_each_gets_its_own_and_all_of_it(platform: str) -> None:
    whole, part = json.loads(TRIVYS), sbom.read_spdx(merged(), platform)
    for key in ("packages", "files", "relationships"):
        assert len(part[key]) == len(whole[key]), key
    assert len({package["SPDXID"] for package in part["packages"]}) == len(whole["packages"])
    assert sbom.count_packages(part) == sbom.count_packages(whole)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "."),
        (b"[]", "is not SPDX 2.3"),
        (b'{"spdxVersion": "SPDX-3.0"}', "is not SPDX 2.3"),
        (b'{"bomFormat": "CycloneDX"}', "is not SPDX 2.3"),
        (b'{"spdxVersion": "SPDX-2.3", "packages": []}', "lacks what"),
        (TRIVYS.replace(b'"Tool: trivy-0.74.0"', b'"Tool: syft-1.0"'), "was not made by Trivy"),
        (TRIVYS.replace(b'"relatedSpdxElement"', b'"related"'), "lacks what"),
        (damaged(creationInfo={"creators": None}), "lacks what"),
        (damaged(packages={"a": {}}), "lacks what"),
        (damaged(packages=[{"SPDXID": 5}]), "lacks what"),
        (damaged(files=5), "lacks what"),
        (damaged(files=[5]), "lacks what"),
    ],
)
def test_what_trivy_did_not_make_is_not_read(content: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        sbom.read_spdx(content)


def test_a_platform_that_is_not_in_it_is_not_taken_for_empty() -> None:
    with pytest.raises(ValueError, match="has nothing on linux/s390x"):
        sbom.read_spdx(merged(), "linux/s390x")
