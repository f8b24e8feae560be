"""Trivy's settings, as the program itself has them: one that is not in our list could leave findings out unseen."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from s3c_actions.cli.run import cache_path
from s3c_actions.core.process import Runner
from s3c_actions.core.progress import Silent
from s3c_actions.programs.install.locate import locate
from s3c_actions.programs.install.pins import TRIVY
from s3c_actions.programs.trivy import settings
from s3c_actions.programs.trivy.arguments import (
    MatchRequest,
    ScanOptions,
    ScanRequest,
    download_arguments,
    match_arguments,
    scan_arguments,
)
from s3c_actions.programs.trivy.trivy import Conversion, Trivy
from tests.support import DATA

HIDDEN = {"trace-http", "version", "config", "help"}
"""Flags that are not in the help text, or not among those of a setting."""


@pytest.fixture(scope="module")
def trivy() -> Path:
    runner = Runner(os.environ)
    return locate(TRIVY, cache=cache_path(os.environ), runner=runner, progress=Silent()).path


def run_trivy(trivy: Path, *words: str, cwd: Path) -> str:
    ended = subprocess.run([trivy, *words], cwd=cwd, capture_output=True, text=True, check=False)
    return ended.stdout + ended.stderr


def keys(document: Mapping[str, Any], above: str = "") -> Iterator[str]:
    for name, value in document.items():
        if isinstance(value, dict) and value:
            yield from keys(value, f"{above}{name}.")
        else:
            yield f"{above}{name}"


def test_every_flag_of_a_scan_is_known_and_every_known_one_is_a_flag(trivy: Path, tmp_path: Path) -> None:
    shown = set(
        re.findall(r"^\s+(?:-\w, )?--([a-z0-9-]+)", run_trivy(trivy, "image", "--help", cwd=tmp_path), re.MULTILINE)
    )
    assert len(shown) > 80
    assert shown - settings.known_flags() == set()
    assert settings.known_flags() - shown - HIDDEN == set()


def test_every_flag_of_a_match_is_known_and_every_one_given_is_a_flag(trivy: Path, tmp_path: Path) -> None:
    shown = set(
        re.findall(r"^\s+(?:-\w, )?--([a-z0-9-]+)", run_trivy(trivy, "sbom", "--help", cwd=tmp_path), re.MULTILINE)
    )
    assert len(shown) > 50
    request = MatchRequest(sbom=tmp_path / "nothing.json", output=tmp_path / "o", asked="nothing", timeout=20)
    argv = match_arguments(request, cache=tmp_path / "cache", timeout=20)
    given = {word.removeprefix("--").partition("=")[0] for word in argv[1:-1]}
    assert given - shown - HIDDEN == set()
    # What is left to a file or a variable decides nothing, as for images.
    assert shown - given - set(settings.FREE_FLAGS) - set(settings.IDLE_FLAGS) - HIDDEN == set()
    output = run_trivy(trivy, *argv, cwd=tmp_path)
    assert "FATAL" in output
    assert not re.search(r"unknown flag|invalid argument|flag error|bind error", output), output


def test_every_key_of_a_configuration_is_known(trivy: Path, tmp_path: Path) -> None:
    run_trivy(trivy, "image", "--generate-default-config", cwd=tmp_path)
    configuration = tmp_path / "trivy-default.yaml"
    every = set(keys(YAML(typ="safe").load(configuration.read_text())))
    assert len(every) > 80
    # That none is unknown is what reads it; and as it has the defaults alone, next to none is worth a word.
    loaded = settings.read(configuration)
    assert set(loaded.unused) <= {"module.dir", *(key for key in every if key.startswith("license."))}


def test_the_program_takes_every_flag_as_it_is_given(trivy: Path, tmp_path: Path) -> None:
    options = ScanOptions(scanners=("vuln", "secret", "misconfig", "license"), offline=True)
    request = ScanRequest(
        image=str(tmp_path / "nothing.tar"), source="archive", output=tmp_path / "o", options=options, asked="nothing"
    )
    cache = tmp_path / "cache"
    for argv in (
        scan_arguments(request, cache=cache, repositories=("127.0.0.1:9/db:2",), timeout=20),
        download_arguments("db", options, cache=cache, repositories=("127.0.0.1:9/db:2",), timeout=20),
    ):
        output = run_trivy(trivy, *argv, cwd=tmp_path)
        assert "FATAL" in output
        assert not re.search(
            r"unknown flag|invalid argument|flag error|bind error|config file|ignore file not", output
        ), output


def test_a_broken_configuration_in_the_working_folder_is_not_read(trivy: Path, tmp_path: Path) -> None:
    (tmp_path / "trivy.yaml").write_text("a: [")
    assert TRIVY.version_in(run_trivy(trivy, *TRIVY.asks, cwd=tmp_path)) == TRIVY.version
    assert "loading error" in run_trivy(trivy, "--version", cwd=tmp_path)


PURPOSES = {
    "OTHER", "INSTALL", "ARCHIVE", "FIRMWARE", "APPLICATION", "FRAMEWORK", "LIBRARY", "CONTAINER", "SOURCE", "DEVICE",
    "OPERATING_SYSTEM", "FILE",
}  # fmt: skip
"""Of `primaryPackagePurpose` in the schema of SPDX 2.3 (schemas/spdx-schema.json of spdx/spdx-spec)."""


def test_packages_of_an_spdx_document_have_purposes_of_the_schema(tmp_path: Path) -> None:
    runner = Runner(os.environ)
    program = locate(TRIVY, cache=cache_path(os.environ), runner=runner, progress=Silent())
    trivy = Trivy(program, runner, cache=tmp_path / "cache")
    document = tmp_path / "sbom.json"
    trivy.convert(DATA / "trivy" / "deb.json", Conversion(name="spdx", form="spdx-json", output=document))
    packages = json.loads(document.read_bytes())["packages"]
    purposes = {package["primaryPackagePurpose"] for package in packages if "primaryPackagePurpose" in package}
    assert {"OPERATING_SYSTEM", "CONTAINER"} <= purposes <= PURPOSES
