"""What a kept report depends on: whatever Trivy is told or knows counts, and what cannot be known keeps none."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from s3c_actions.core.process import Runner
from s3c_actions.programs.install.locate import Program
from s3c_actions.programs.trivy import ignore
from s3c_actions.programs.trivy.arguments import ScanOptions
from s3c_actions.programs.trivy.trivy import Trivy
from s3c_actions.steps.scan.reuse_facts import reuse_facts
from tests.support.samples import NOW, scan_settings

REFERENCE = "localhost:5000/app@sha256:" + "ab" * 32


@pytest.fixture
def trivy(tmp_path):
    program = Program(name="trivy", path=Path("/bin/trivy"), version="0.74.0", origin="given")
    scanner = Trivy(program, Runner({}), cache=tmp_path / "cache")
    database(scanner, NOW)
    return scanner


def written(folder, name, text):
    path = folder / name
    path.write_text(text)
    return path


def database(trivy, updated, *, next_update=None):
    (trivy.cache / "db").mkdir(parents=True, exist_ok=True)
    (trivy.cache / "db" / "metadata.json").write_text(
        json.dumps(
            {
                "Version": 2,
                "UpdatedAt": updated.isoformat(),
                "NextUpdate": (next_update or updated + timedelta(days=1)).isoformat(),
                "DownloadedAt": (updated - timedelta(hours=2)).isoformat(),
            }
        )
    )


def test_everything_that_makes_a_report_is_among_its_facts(tmp_path, trivy):
    plain = reuse_facts(REFERENCE, scan_settings(tmp_path), trivy)
    assert plain is not None
    vex = tmp_path / "v.json"
    vex.write_text("{}")
    for options in (
        {"scanners": ("vuln", "secret")},
        {"pkg_types": ("os",)},
        {"platform": "linux/arm64"},
        {"skip_dirs": ("usr",)},
        {"skip_files": ("a",)},
        {"vex": (str(vex),)},
        {"offline": True},
        {"image_config_scanners": ("secret",)},
        {"ignore_file": written(tmp_path, ".trivyignore", "CVE-1")},
        {"secret_config": written(tmp_path, "trivy-secret.yaml", "disable-rules: [a]")},
        {"wider": (("license-full", "true"),)},
        {"skips": ("skip-db-update",)},
    ):
        assert reuse_facts(REFERENCE, scan_settings(tmp_path, **options), trivy) not in (None, plain), options
    assert reuse_facts(REFERENCE[:-1] + "1", scan_settings(tmp_path), trivy) != plain
    # Trivy's report names the repository, and so do its SBOMs.
    assert reuse_facts(f"other.example/{REFERENCE}", scan_settings(tmp_path), trivy) != plain
    expired = ignore.read(written(tmp_path, "expired", "CVE-1 exp:2020-01-01"))
    assert reuse_facts(REFERENCE, replace(scan_settings(tmp_path), ignored=expired), trivy) != plain
    # What Trivy would take by itself has no say.
    for name in (".trivyignore", "trivy-secret.yaml", "trivy.yaml"):
        written(tmp_path, name, "CVE-1")
        assert reuse_facts(REFERENCE, scan_settings(tmp_path), trivy) == plain
    database(trivy, NOW - timedelta(hours=1))
    assert reuse_facts(REFERENCE, scan_settings(tmp_path), trivy) != plain


def test_variables_count_and_are_not_written_down(tmp_path, trivy):
    other = Trivy(
        Program(name="trivy", path=Path("/bin/trivy"), version="0.74.0", origin="given"),
        Runner({"TRIVY_PASSWORD": "hunter2"}),
        cache=trivy.cache,
    )
    facts = reuse_facts(REFERENCE, scan_settings(tmp_path), other)
    assert facts != reuse_facts(REFERENCE, scan_settings(tmp_path), trivy)
    assert "hunter2" not in json.dumps(facts)


def test_nothing_is_reused_that_cannot_be_known(tmp_path, trivy):
    assert reuse_facts("", scan_settings(tmp_path), trivy) is None
    assert reuse_facts(REFERENCE, scan_settings(tmp_path, vex=("repo",)), trivy) is None
    assert reuse_facts(REFERENCE, scan_settings(tmp_path, ignore_policy=Path("p.rego")), trivy) is None
    assert reuse_facts(REFERENCE, scan_settings(tmp_path, scanners=("misconfig",)), trivy) is None
    config = written(tmp_path, "mirrors.yaml", "registry: {mirrors: {docker.io: [m.example]}}")
    assert reuse_facts(REFERENCE, scan_settings(tmp_path, config=config), trivy) is None


def test_a_stale_database_is_reused_offline_only(tmp_path, trivy):
    database(trivy, NOW - timedelta(days=3))
    assert reuse_facts(REFERENCE, scan_settings(tmp_path), trivy) is None
    assert reuse_facts(REFERENCE, scan_settings(tmp_path, offline=True), trivy) is not None


def test_without_a_database_nothing_is_known(tmp_path, trivy):
    (trivy.cache / "db" / "metadata.json").unlink()
    assert reuse_facts(REFERENCE, scan_settings(tmp_path, offline=True), trivy) is None
    assert reuse_facts(REFERENCE, scan_settings(tmp_path, scanners=("secret",)), trivy) is not None


def other(value, folder):
    """Another value of the same kind; a path is one of a file that is there."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, float):
        return value + 1
    if isinstance(value, tuple):
        return (*value, ("a", "b") if value and isinstance(value[0], tuple) else "other")
    return "other" if isinstance(value, str) else written(folder, "other", "CVE-1")


@pytest.mark.parametrize("name", ScanOptions.__struct_fields__)
def test_every_field_of_trivys_options_counts(tmp_path, trivy, name):
    plain = scan_settings(tmp_path)
    changed = replace(plain.options, **{name: other(getattr(plain.options, name), tmp_path)})
    assert reuse_facts(REFERENCE, replace(plain, options=changed), trivy) != reuse_facts(REFERENCE, plain, trivy)


def test_a_field_that_is_added_counts(tmp_path, trivy):
    class Wider(ScanOptions, frozen=True, kw_only=True):
        added: str = ""

    widened = [replace(scan_settings(tmp_path), options=Wider(scanners=("vuln",), added=added)) for added in ("", "x")]
    assert reuse_facts(REFERENCE, widened[0], trivy) != reuse_facts(REFERENCE, widened[1], trivy)
    json.dumps(reuse_facts(REFERENCE, widened[1], trivy))
