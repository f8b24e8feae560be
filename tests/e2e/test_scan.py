"""`s3c scan` with the real Trivy, a real registry and a database made by trivy-db."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from s3c_actions.programs.install.pins import TRIVY
from s3c_lab import registry_server
from s3c_lab.machine import Machine
from tests.support import ROOT, scanning
from tests.support.exploitation import kev
from tests.support.github import events
from tests.support.oci import Repository, layer
from tests.support.scanning import HIGH, LOW, MEDIUM
from tests.support.signing import Ended, answering, own_registry, s3c

PASSWORD = "s3cret,with:comma"
# Of bcrypt, as Apache's htpasswd writes it, with the password above.
HTPASSWD = "robot:$2b$05$abcdefghijklmnopqrstuuOzFEOgokQwBHv5waFc6z4mq06fl65KW\n"


class World:
    """A registry with images, a database, a counting Trivy, and `s3c scan` on them."""

    def __init__(self, folder: Path, registry: str):
        self.folder, self.registry = folder, registry
        self.cache = scanning.database(folder)
        self.trivy = scanning.Counting(folder)
        self.repository = Repository(registry, "app")
        self.repository.image([layer(scanning.debian())], "1.0")
        self.repository.image([layer(scanning.planted())], "planted")
        files = scanning.debian()
        files["var/lib/dpkg/status"] = files["var/lib/dpkg/status"].replace(b"3.0.11-1~deb12u2", b"3.0.13-1~deb12u1")
        self.repository.image([layer(files)], "fixed")
        images = [
            self.repository.image([layer(scanning.debian())], f"1.0-{architecture}", architecture=architecture)
            for architecture in ("amd64", "arm64")
        ]
        self.repository.index(images, "multi")

    @property
    def image(self) -> str:
        return f"{self.registry}/app:1.0"

    def at(self, tag: str) -> str:
        return f"{self.registry}/app:{tag}"

    def scan(self, folder: Path, *arguments: str | Path, online: bool = False, **environment: str) -> Ended:
        """Scan with the explicit Trivy, offline, in this folder."""
        self.trivy.forget()
        cache = () if "--trivy-cache-dir" in arguments else ("--trivy-cache-dir", self.cache)
        words = ["scan", *arguments, "--trivy-path", self.trivy.path, *cache]
        if not online:
            words.append("--offline")
        variables = {"S3C_CACHE": str(self.folder / "s3c"), "HOME": str(self.folder), **environment}
        return s3c(folder, *words, environment=variables)


@pytest.fixture(scope="module")
def world(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("scan")
    (folder / "registry").mkdir()
    with own_registry(folder / "registry", registry_server.program(machine)) as host:
        yield World(folder, host)


def vulnerability_ids(path: Path) -> set[str]:
    """Ids of the vulnerabilities in Trivy's JSON."""
    return {
        vulnerability["VulnerabilityID"]
        for result in results(path)
        for vulnerability in result.get("Vulnerabilities") or []
    }


def results(path: Path) -> list[dict[str, Any]]:
    return list(json.loads(path.read_text()).get("Results") or [])


def reports(folder: Path, name: str = "app") -> Path:
    return folder / "s3c-out" / name


def rules(path: Path) -> set[str]:
    return {result["ruleId"] for result in json.loads(path.read_text())["runs"][0].get("results", [])}


def ids_in_csv(path: Path) -> str:
    rows = list(csv.reader(path.open(newline="", encoding="utf-8-sig")))
    assert len(rows) > 1
    return "\n".join(",".join(row) for row in rows)


def test_every_format_comes_from_one_run_of_trivy(world, tmp_path):
    ended = world.scan(
        tmp_path, world.image, "--format", "json,sarif,html,csv,table,cyclonedx,spdx", "--reuse", "false"
    )
    assert ended.code == 0, ended.stderr
    assert len(world.trivy.calls("image")) == 1
    folder = reports(tmp_path)
    assert vulnerability_ids(folder / "trivy.json") == {HIGH, MEDIUM, LOW}
    assert len(rules(folder / "report.sarif")) == 3
    assert HIGH in (folder / "report.html").read_text()
    assert HIGH in ids_in_csv(folder / "report.csv")
    assert HIGH in (folder / "report.txt").read_text()
    bill = json.loads((folder / "sbom.cdx.json").read_text())
    assert bill["bomFormat"] == "CycloneDX"
    assert {"libssl3", "zlib1g"} <= {component["name"] for component in bill["components"]}
    spdx = json.loads((folder / "sbom.spdx.json").read_text())
    assert spdx["spdxVersion"].startswith("SPDX-")
    assert {"libssl3", "zlib1g"} <= {package["name"] for package in spdx["packages"]}
    assert ended.image["reference"].startswith(f"{world.registry}/app@sha256:")


def test_a_tag_and_its_digest_give_the_same(world, tmp_path):
    by_tag = world.scan(tmp_path, world.image)
    by_digest = world.scan(tmp_path, by_tag.image["reference"])
    assert by_digest.code == 0, by_digest.stderr
    assert by_digest.image["reference"] == by_tag.image["reference"]


def test_an_archive_and_a_layout(world, tmp_path):
    archive = scanning.docker_archive(tmp_path / "image.tar", scanning.debian(), "app:1.0")
    layout = scanning.oci_layout(tmp_path / "layout", world.repository, "1.0")
    for path in (archive, layout):
        ended = world.scan(tmp_path, "--input", path)
        assert ended.code == 0, ended.stderr
        assert ended.image["reference"].startswith("sha256:")  # no later step takes a path for a name at Docker Hub
    assert vulnerability_ids(reports(tmp_path, "image.tar") / "trivy.json") == {HIGH, MEDIUM, LOW}
    assert vulnerability_ids(reports(tmp_path, "layout") / "trivy.json") == {HIGH, MEDIUM, LOW}


@pytest.mark.usefixtures("lab")  # which keeps a Docker running
def test_the_local_daemon_when_the_registry_does_not_have_it(world, tmp_path):
    name = f"{world.registry}/only-local:1"
    archive = scanning.docker_archive(tmp_path / "image.tar", scanning.debian(), name)
    subprocess.run(["docker", "load", "--quiet", "--input", archive], check=True, capture_output=True)
    try:
        for source in ("auto", "docker"):
            ended = world.scan(tmp_path, name, "--image-source", source)
            assert ended.code == 0, ended.stderr
            assert ended.image["reference"].startswith("sha256:")
            assert vulnerability_ids(reports(tmp_path, "only-local") / "trivy.json") == {HIGH, MEDIUM, LOW}
        assert world.scan(tmp_path, name, "--image-source", "registry").code == 2
    finally:
        subprocess.run(["docker", "rmi", name], check=True, capture_output=True)


def test_of_its_own_report_it_is_known_what_was_counted(world, tmp_path):
    """By `s3c report` afterwards: of the file beside its result, and not of a copy that was taken elsewhere."""
    assert world.scan(tmp_path, world.image, "--severity", "HIGH").code == 0
    own, elsewhere = reports(tmp_path) / "trivy.json", tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "trivy.json").write_bytes(own.read_bytes())
    for path, critical in ((own, 0), (elsewhere / "trivy.json", None)):
        rendered = s3c(elsewhere, "report", path, "--format", "html")
        assert rendered.code == 0, rendered.stderr
        counts = rendered.image["scan"]["findings"]
        assert (counts["critical"], counts["high"]) == (critical, 1)
        (elsewhere / "s3c-out" / "result.json").unlink()


def test_severity_is_for_people_and_the_record_is_complete(world, tmp_path):
    ended = world.scan(tmp_path, world.image, "--severity", "HIGH,CRITICAL", "--format", "json,sarif,csv")
    assert ended.code == 0, ended.stderr
    folder = reports(tmp_path)
    assert vulnerability_ids(folder / "trivy.json") == {HIGH, MEDIUM, LOW}
    assert len(rules(folder / "report.sarif")) == 3
    shown = ids_in_csv(folder / "report.csv")
    assert HIGH in shown
    assert MEDIUM not in shown
    limited = ("--severity", "HIGH", "--limit-severities-for-sarif", "--format", "sarif")
    assert world.scan(tmp_path, world.image, *limited).code == 0
    assert len(rules(folder / "report.sarif")) == 1


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--fail-on", "CRITICAL"), 0),
        (("--fail-on", "HIGH"), 1),
        (("--fail-on", "HIGH", "--severity", "CRITICAL"), 1),
        (("--fail-on", "HIGH", "--exit-code", "0"), 0),
        (("--exit-code", "1"), 1),
        (("--exit-code", "1", "--severity", "CRITICAL"), 0),
        (("--fail-on", "LOW", "--ignore-unfixed"), 1),
    ],
)
def test_the_gate(world, tmp_path, arguments, code):
    ended = world.scan(tmp_path, world.image, *arguments)
    assert ended.code == code, ended.stderr
    assert (reports(tmp_path) / "report.sarif").exists()


def test_the_gate_lets_pass_what_nobody_can_fix(world, tmp_path):
    assert world.scan(tmp_path, world.at("fixed"), "--fail-on", "LOW").code == 1
    assert world.scan(tmp_path, world.at("fixed"), "--fail-on", "LOW", "--fixable-only").code == 0
    assert world.scan(tmp_path, world.at("fixed"), "--fail-on", "LOW", "--ignore-unfixed").code == 0


def test_the_difference_to_a_report_and_to_an_image(world, tmp_path):
    assert world.scan(tmp_path, world.image).code == 0
    old = tmp_path / "old.json"
    shutil.copy(reports(tmp_path) / "trivy.json", old)
    for baseline in (old, world.image):
        ended = world.scan(tmp_path, world.at("fixed"), "--baseline", baseline)
        assert ended.code == 0, ended.stderr
        difference = ended.image["scan"]["difference"]
        assert {key: len(value) if isinstance(value, list) else value for key, value in difference.items()} == {
            "fixed": 2,
            "new": 0,
            "left": 1,
        }


def test_the_same_scan_again_starts_no_trivy(world, tmp_path):
    ours = tmp_path / "s3c"
    assert world.scan(tmp_path, world.image, S3C_CACHE=str(ours)).code == 0
    assert len(world.trivy.calls("image")) == 1
    again = world.scan(tmp_path, world.image, "--severity", "HIGH", "--fail-on", "HIGH", S3C_CACHE=str(ours))
    assert world.trivy.calls("image") == []
    assert "same digest as before, report reused" in again.stderr
    assert again.code == 1
    other = world.scan(tmp_path, world.image, "--scanners", "vuln", S3C_CACHE=str(ours))
    assert len(world.trivy.calls("image")) == 1, other.stderr
    world.scan(tmp_path, world.image, "--reuse", "false", S3C_CACHE=str(ours))
    assert len(world.trivy.calls("image")) == 1
    for kept in (ours / "scans").glob("*/trivy.json"):
        kept.write_text("{}")
    assert world.scan(tmp_path, world.image, S3C_CACHE=str(ours)).code == 0
    assert len(world.trivy.calls("image")) == 1
    assert vulnerability_ids(reports(tmp_path) / "trivy.json") == {HIGH, MEDIUM, LOW}


def test_what_becomes_exploited_counts_without_another_scan(world, tmp_path):
    """The kept report is Trivy's alone: a list of tonight is put on it tonight, and its absence is no "no"."""
    exploited, data = tmp_path / "kev.json", ("--exploited-data", tmp_path / "kev.json", "--format", "sarif,csv")
    exploited.write_bytes(kev({"CVE-2021-44228": "2021-12-10"}, released="2024-06-01T10:00:00Z"))
    first = world.scan(tmp_path, world.image, *data)
    assert first.code == 0, first.stderr
    assert first.image["findings"]["exploited"] == 0
    exploited.write_bytes(kev({LOW: "2024-06-02"}, released="2024-06-02T10:00:00Z"))
    again = world.scan(tmp_path, world.image, *data)
    assert world.trivy.calls("image") == []
    assert again.image["remaining"][0]["id"] == LOW
    assert "1 exploited today" in again.stderr
    results = json.loads((reports(tmp_path) / "report.sarif").read_text())["runs"][0]["results"]
    assert (results[0]["ruleId"], results[0]["properties"]["knownExploited"]) == (LOW, True)
    assert "exploited" not in world.scan(tmp_path, world.image).image["findings"]


def test_online_a_fresh_database_is_used_and_its_report_reused(world, tmp_path):
    scanning.downloaded(world.cache)
    ours = str(tmp_path / "s3c")
    assert world.scan(tmp_path, world.image, online=True, S3C_CACHE=ours).code == 0
    assert len(world.trivy.calls("image")) == 1
    assert world.scan(tmp_path, world.image, online=True, S3C_CACHE=ours).code == 0
    assert world.trivy.calls("image") == []


def test_what_is_set_aside_and_when_it_expires(world, tmp_path):
    soon = (datetime.now(UTC) + timedelta(days=3)).date()
    (tmp_path / "a.yaml").write_text(
        f"vulnerabilities:\n  - id: {HIGH}\n    expired_at: 2026-01-01\n  - id: {MEDIUM}\n    expired_at: {soon}\n"
        "    statement: not reachable\n"
    )
    (tmp_path / "b").write_text(f"{LOW} exp:2099-01-01\n")
    ended = world.scan(tmp_path, world.image, "--ignore-files", "a.yaml,b", "--format", "json,sarif")
    assert ended.code == 0, ended.stderr
    assert vulnerability_ids(reports(tmp_path) / "trivy.json") == {HIGH}
    assert f"{HIGH} is reported again: its entry in a.yaml expired on 2026-01-01" in ended.stderr
    assert f"{MEDIUM} will be reported again in" in ended.stderr
    alone = world.scan(tmp_path, world.image, "--trivyignores", "b")
    assert "`--trivyignores` is trivy-action's name" in alone.stderr
    assert vulnerability_ids(reports(tmp_path) / "trivy.json") == {HIGH, MEDIUM}
    (tmp_path / ".trivyignore").write_text(f"{HIGH}\n")
    world.scan(tmp_path, world.image)
    assert vulnerability_ids(reports(tmp_path) / "trivy.json") == {MEDIUM, LOW}


def test_vex_sets_aside_what_is_not_affected(world, tmp_path):
    (tmp_path / "vex.json").write_text(
        json.dumps(
            {
                "@context": "https://openvex.dev/ns/v0.2.0",
                "@id": "https://openvex.dev/docs/test",
                "author": "test",
                "timestamp": "2026-01-01T00:00:00Z",
                "version": 1,
                "statements": [
                    {
                        "vulnerability": {"name": HIGH},
                        "products": [{"@id": "pkg:deb/debian/libssl3@3.0.11-1~deb12u2"}],
                        "status": "not_affected",
                        "justification": "vulnerable_code_not_in_execute_path",
                    }
                ],
            }
        )
    )
    ended = world.scan(tmp_path, world.image, "--vex", "vex.json", "--fail-on", "HIGH")
    assert ended.code == 0, ended.stderr
    assert vulnerability_ids(reports(tmp_path) / "trivy.json") == {MEDIUM, LOW}


def test_a_step_of_trivy_action_runs_as_it_is(world, tmp_path):
    """Its README's own example, and every format that Trivy itself writes."""
    step = ("--image-ref", world.image, "--exit-code", "1", "--vuln-type", "os,library", "--list-all-pkgs", "true")
    ended = world.scan(tmp_path, *step, "--format", "sarif", "--output", "trivy-results.sarif")
    assert ended.code == 1, ended.stderr
    assert "has no effect here" in ended.stderr
    assert rules(tmp_path / "trivy-results.sarif") == rules(reports(tmp_path) / "report.sarif")
    for form, name, member in (
        ("github", "dependency-snapshot.json", "manifests"),
        ("cosign-vuln", "cosign-vuln.json", "scanner"),
        ("spdx-json", "sbom.spdx.json", "packages"),
    ):
        ended = world.scan(tmp_path, "--image-ref", world.image, "--format", form, "--output", "out.json")
        assert ended.code == 0, ended.stderr
        assert json.loads((tmp_path / "out.json").read_text())[member]
        assert (reports(tmp_path) / name).read_bytes() == (tmp_path / "out.json").read_bytes()
    ended = world.scan(
        tmp_path, world.image, "--severity-cutoff", "high", "--output-file", "-", "--output-format", "table"
    )
    assert ended.code == 1, ended.stderr
    assert HIGH in ended.stdout


def test_every_scanner_and_the_old_names(world, tmp_path):
    scanners = ("--scanners", "vuln,secret,config,license")
    ended = world.scan(tmp_path, world.at("planted"), *scanners, "--vuln-type", "os", "--format", "json,sarif")
    assert ended.code == 0, ended.stderr
    assert "`config` is an old name of Trivy: it is understood as `misconfig`" in ended.stderr
    assert "`--vuln-type` is trivy-action's name of `--pkg-types`" in ended.stderr
    kinds = {key for result in results(reports(tmp_path) / "trivy.json") for key, value in result.items() if value}
    assert {"Vulnerabilities", "Secrets", "Misconfigurations", "Licenses"} <= kinds
    assert "aws-access-key-id" in (reports(tmp_path) / "report.sarif").read_text()


def test_skipped_folders_and_files(world, tmp_path):
    arguments = ("--scanners", "secret", "--reuse", "false")
    assert world.scan(tmp_path, world.at("planted"), *arguments).code == 0
    assert any(result.get("Secrets") for result in results(reports(tmp_path) / "trivy.json"))
    for skip in (("--skip-dirs", "app"), ("--skip-files", "app/*.env")):
        assert world.scan(tmp_path, world.at("planted"), *arguments, *skip).code == 0
        assert not any(result.get("Secrets") for result in results(reports(tmp_path) / "trivy.json"))


def test_a_trivy_config_file_narrows_nothing(world, tmp_path):
    text = "severity: [HIGH]\nexit-code: 7\nformat: table\npkg: {types: [library]}\nscan: {skip-dirs: ['**']}\n"
    for name, arguments in (("trivy.yaml", ()), ("mine.yaml", ("--trivy-config", "mine.yaml"))):
        folder = tmp_path / name
        folder.mkdir()
        (folder / name).write_text(text)
        ended = world.scan(folder, world.image, *arguments, "--reuse", "false", "--format", "json,cyclonedx")
        assert ended.code == 0, ended.stderr
        assert vulnerability_ids(reports(folder) / "trivy.json") == {HIGH, MEDIUM, LOW}
        assert len(json.loads((reports(folder) / "sbom.cdx.json").read_text())["vulnerabilities"]) == 3
        (warning,) = [warning for warning in ended.image["scan"]["warnings"] if "could leave findings out" in warning]
        assert warning.startswith(f"severity, pkg.types and scan.skip-dirs of {name}")
        sha256 = hashlib.sha256(text.encode()).hexdigest()
        (file,) = ended.result["settings"]
        assert file == {"kind": "trivy-config", "path": name, "sha256": sha256}
        assert file in ended.image["scan"]["scope"]["files"]
        assert name in (folder / "s3c-out" / "summary.md").read_text()


def test_nothing_in_the_working_folder_or_the_environment_empties_a_report(world, tmp_path):
    image = world.at("planted")
    arguments = (image, "--scanners", "secret", "--fail-on", "LOW", "--reuse", "false")
    (tmp_path / "trivy.yaml").write_text(
        "severity: [UNKNOWN]\nscan: {skip-files: ['**']}\nsecret: {config: mine.yaml}\n"
    )
    (tmp_path / "mine.yaml").write_text("enable-builtin-rules: [none]\n")
    narrowing = {
        "TRIVY_SEVERITY": "UNKNOWN",
        "TRIVY_SKIP_FILES": "**/key.env",
        "TRIVY_SKIP_DIRS": "**",
        "TRIVY_SECRET_CONFIG": "mine.yaml",
        "TRIVY_IGNOREFILE": "ignored",
        "TRIVY_SERVER": "http://127.0.0.1:9",
        "TRIVY_CONFIG": "trivy.yaml",
    }
    (tmp_path / "ignored").write_text("aws-access-key-id\n")
    ended = world.scan(tmp_path, *arguments, **narrowing)
    assert ended.code == 1, ended.stderr
    (warning,) = [warning for warning in ended.image["scan"]["warnings"] if "of the environment" in warning]
    assert all(name in warning for name in narrowing)


def test_a_secret_configuration_is_listed_and_can_be_turned_off(world, tmp_path):
    arguments = (world.at("planted"), "--scanners", "secret", "--fail-on", "LOW", "--reuse", "false")
    (tmp_path / "trivy-secret.yaml").write_text("enable-builtin-rules: [none]\n")
    ended = world.scan(tmp_path, *arguments)
    assert ended.code == 0, ended.stderr
    assert [setting["kind"] for setting in ended.result["settings"]] == ["secret-config"]
    assert any("leaves secrets out" in warning for warning in ended.image["scan"]["warnings"])
    off = world.scan(tmp_path, *arguments, "--secret-config", "none")
    assert (off.code, off.result["settings"]) == (1, [])


def test_entries_that_set_nothing_aside_are_told(world, tmp_path):
    (tmp_path / ".trivyignore").write_text(f"{HIGH}\nCVE-2020-1\n")
    (tmp_path / ".trivyignore.yaml").write_text("vulnerabilities: []\n")
    ended = world.scan(tmp_path, world.image, "--reuse", "false")
    warnings = ended.image["scan"]["warnings"]
    assert "1 entry of ignore files sets nothing aside in this image: CVE-2020-1 (.trivyignore)." in warnings
    assert any(warning.startswith(".trivyignore.yaml in the working folder is not used") for warning in warnings)


def test_a_pull_requests_own_ignore_file_does_not_decide_its_gate(world, tmp_path, github):
    github.state.git.commit("main", {"README.md": "x"})
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    (checkout / ".trivyignore").write_text(f"{HIGH}\n{MEDIUM}\n{LOW}\n")
    environment = {**events.of_pull(github, tmp_path, github.state.pulls[7]), "GITHUB_WORKSPACE": str(checkout)}
    environment |= {"S3C_GITHUB_TOKEN": "run-token"}
    del environment["HOME"], environment["RUNNER_TEMP"]
    ended = world.scan(checkout, world.image, "--fail-on", "LOW", "--reuse", "false", **environment)
    assert ended.code == 1, ended.stderr + ended.stdout
    (change,) = ended.result["gate_changes"]
    assert (change["path"], change["used"], change["target_sha256"]) == (".trivyignore", "target", "")
    assert ended.image["scan"]["proposed"] == {"verdict": "passed", "refused": 0, "reason": ""}
    assert ended.result["settings"] == []
    assert "with this pull request's own it would pass" in (checkout / "s3c-out" / "summary.md").read_text()
    # The other way round: what the pull request takes out of the file is still set aside for it.
    github.state.git.commit("main", {".trivyignore": f"{HIGH}\n{MEDIUM}\n{LOW}\n"})
    (checkout / ".trivyignore").unlink()
    ended = world.scan(checkout, world.image, "--fail-on", "LOW", "--reuse", "false", **environment)
    assert ended.code == 0, ended.stderr + ended.stdout
    assert ended.image["scan"]["proposed"]["verdict"] == "refused"
    assert [setting["path"] for setting in ended.result["settings"]] == [".trivyignore"]


def test_platforms(world, tmp_path):
    ended = world.scan(tmp_path, world.at("multi"), "--platform", "linux/arm64")
    assert ended.code == 0, ended.stderr
    config = json.loads((reports(tmp_path) / "trivy.json").read_text())["Metadata"]["ImageConfig"]
    assert config["architecture"] == "arm64"
    missing = world.scan(tmp_path, world.at("multi"), "--platform", "linux/s390x")
    assert missing.code == 2
    assert "linux/amd64, linux/arm64" in missing.stderr
    single = world.scan(tmp_path, world.image, "--platform", "linux/s390x")
    assert single.code == 2
    assert "linux/amd64 alone" in single.stderr


def test_several_images_each_for_itself(world, tmp_path):
    ended = world.scan(tmp_path, world.image, world.at("nope"), world.at("fixed"), "--fail-on", "HIGH")
    assert ended.code == 2, ended.stderr
    assert [bool(image.get("reference")) for image in ended.result["images"]] == [True, False, True]
    assert "tag nope does not exist" in ended.stderr


@pytest.mark.parametrize(
    ("files", "why"),
    [
        (scanning.debian("8"), "gets no security updates any more"),
        ({"bin/app": b"app"}, "nothing was checked"),
        ({"etc/os-release": b"ID=plan9\n"}, "nothing was checked"),
        ({"etc/debian_version": b"12.5\n"}, "package database was removed"),
    ],
)
def test_an_image_that_cannot_be_looked_into_is_not_clean(world, tmp_path, files, why):
    world.repository.image([layer(files)], "blind")
    ended = world.scan(tmp_path, world.at("blind"), "--fail-on", "CRITICAL")
    assert ended.code == 1, ended.stderr
    assert why in ended.stderr
    assert why in ended.image["scan"]["blind"]
    assert world.scan(tmp_path, world.at("blind"), "--fail-on", "CRITICAL", "--unscanned", "warn").code == 0
    assert world.scan(tmp_path, world.at("blind")).code == 0


def test_credentials_for_this_registry_alone_and_never_in_arguments(world, machine, tmp_path):
    (tmp_path / "htpasswd").write_text(HTPASSWD)
    storage = world.folder / "registry" / "storage"
    (tmp_path / "storage").symlink_to(storage)
    auth = f"auth: {{htpasswd: {{realm: test, path: {tmp_path}/htpasswd}}}}"
    with own_registry(tmp_path, registry_server.program(machine), auth) as host:
        image = f"{host}/app:1.0"
        refused = world.scan(tmp_path, image, "--image-source", "registry")
        assert refused.code == 3, refused.stderr
        login = {"S3C_REGISTRY_USERNAME": "robot", "S3C_REGISTRY_PASSWORD": PASSWORD}
        ended = world.scan(tmp_path, image, "--verbose", "--reuse", "false", **login)
        assert ended.code == 0, ended.stderr
        assert vulnerability_ids(reports(tmp_path) / "trivy.json") == {HIGH, MEDIUM, LOW}
        assert PASSWORD not in ended.stderr + ended.stdout + " ".join(world.trivy.calls("image"))
        wrong = world.scan(tmp_path, image, "--image-source", "registry", **{**login, "S3C_REGISTRY_PASSWORD": "nope"})
        assert wrong.code == 3
        half = world.scan(tmp_path, image, S3C_REGISTRY_USERNAME="robot")
        assert half.code == 2
        assert "registry-password" in half.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "field"),
    [
        (("{image}", "--severity", "AWFUL"), 2, "severity"),
        (("Not An Image",), 2, "image"),
        ((), 2, "image"),
        (("--input", "nothere.tar"), 2, "input"),
        (("--input", "garbage.tar"), 2, "input"),
        (("{image}", "--ignore-files", "nope"), 2, "ignore-files"),
        (("{image}", "--ignore-files", "garbage.yaml"), 2, "ignore-files"),
        (("{image}", "--vex", "nope.json"), 2, "vex"),
        (("{image}", "--vex", "garbage.yaml"), 2, "vex"),
        (("{image}", "--trivy-config", "nope.yaml"), 2, "trivy-config"),
        (("{image}", "--trivy-config", "garbage.yaml"), 2, "trivy-config"),
        (("{image}", "--ignore-policy", "garbage.yaml"), 2, "ignore-policy"),
        (("{image}", "--baseline", "nope.json"), 2, "baseline"),
        (("{image}", "--baseline", "a.json,b.json"), 2, "baseline"),
        (("{image}", "{image}"), 2, "image"),
        (("{registry}/app:nope",), 2, "image"),
        (("{registry}/nope:1",), 2, "image"),
        (("{image}", "--trivy-cache-dir", "empty"), 2, "offline"),
        (("localhost:1/app:1",), 3, ""),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_left_to_be_taken_for_a_report(world, tmp_path, arguments, code, field):
    (tmp_path / "garbage.tar").write_text("garbage")
    (tmp_path / "garbage.yaml").write_text("a: [")
    words = [argument.format(image=world.image, registry=world.registry) for argument in arguments]
    ended = world.scan(tmp_path, *words, "--image-source", "registry", "--reuse", "false")
    assert ended.code == code, ended.stderr
    assert re.search(f"s3c scan: (--)?{field}: " if field else "refused the connection", ended.stderr), ended.stderr
    assert not list((tmp_path / "s3c-out").rglob("trivy.json"))
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("status", [401, 403, 500])
def test_a_registry_that_refuses_or_fails(world, tmp_path, status):
    with answering(status) as host:
        ended = world.scan(tmp_path, f"{host}/app:1", "--image-source", "registry")
    assert ended.code == 3, ended.stderr
    assert host in ended.stderr


def test_a_database_from_the_next_repository(world, tmp_path):
    with answering(429) as busy:
        good = scanning.push_database(Repository(world.registry, "trivy-db"), world.cache)
        for first in (f"{world.registry}/nope:2", f"{busy}/trivy-db:2"):
            cache = tmp_path / f"cache-{first.partition(':')[2].partition('/')[2].partition(':')[0]}"
            repositories = ("--db-repository", f"{first},{good}", "--trivy-cache-dir", cache)
            ended = world.scan(tmp_path, world.image, *repositories, "--reuse", "false", online=True)
            assert ended.code == 0, ended.stderr
            assert vulnerability_ids(reports(tmp_path) / "trivy.json") == {HIGH, MEDIUM, LOW}


def test_no_database_to_be_had(world, tmp_path):
    with answering(429) as busy:
        cache = ("--trivy-cache-dir", tmp_path / "cache")
        ended = world.scan(tmp_path, world.image, "--db-repository", f"{busy}/trivy-db:2", *cache, online=True)
    assert ended.code == 3, ended.stderr
    assert "too many requests (429)" in ended.stderr
    assert "Trying again in" in ended.stderr
    assert not (reports(tmp_path) / "trivy.json").exists()


def test_a_program_that_ends_well_without_a_report_is_a_failure(world, tmp_path):
    liar = tmp_path / "trivy"
    liar.write_text('#!/bin/sh\n[ "$1" = image ] || echo "Version: 0.74.0"\n')
    liar.chmod(0o755)
    ended = s3c(
        tmp_path, "scan", world.image, "--trivy-path", liar, "--offline", environment={"S3C_CACHE": str(tmp_path / "c")}
    )
    assert ended.code == 3, ended.stderr
    assert "without a report" in ended.stderr


def test_a_scan_that_takes_too_long_is_ended(world, tmp_path):
    slow = tmp_path / "trivy"
    slow.write_text('#!/bin/sh\n[ "$1" = image ] && exec sleep 60\necho "Version: 0.74.0"\n')
    slow.chmod(0o755)
    arguments = ("scan", world.image, "--trivy-path", slow, "--offline", "--timeout", "3s")
    started = time.monotonic()
    ended = s3c(tmp_path, *arguments, environment={"S3C_CACHE": str(tmp_path / "c")})
    assert ended.code == 3, ended.stderr
    assert "did not finish within" in ended.stderr
    assert time.monotonic() - started < 50


def test_scans_side_by_side_on_one_cache(world, tmp_path):
    running = []
    for number in range(3):
        folder = tmp_path / str(number)
        folder.mkdir()
        words = ["scan", world.image, "--trivy-path", world.trivy.path, "--trivy-cache-dir", world.cache, "--offline"]
        running.append(
            subprocess.Popen(
                [sys.executable, "-m", "s3c_actions", *map(str, words), "--reuse", "false"],
                cwd=folder,
                env={**os.environ, "PYTHONPATH": str(ROOT), "S3C_CACHE": str(tmp_path / "s3c")},
                stderr=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                text=True,
            )
        )
    for process in running:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    for number in range(3):
        assert vulnerability_ids(reports(tmp_path / str(number)) / "trivy.json") == {HIGH, MEDIUM, LOW}


def test_the_labs_real_images_have_something_to_fix(lab, tmp_path):
    formats = ("--format", "json,sarif,html,csv,table,cyclonedx,spdx")
    trivy = ("--trivy-cache-dir", lab.trivy_cache, "--offline", "--trivy-path", scanning.program(TRIVY))
    ended = s3c(tmp_path, "scan", *lab.images, *formats, *trivy, "--fail-on", "HIGH", "--fixable-only")
    assert ended.code == 1, ended.stderr
    assert len(ended.result["images"]) == len(lab.images) == 2
    for image in ended.result["images"]:
        assert image["scan"]["findings"]["high"] > 0
        assert image["scan"]["os"].startswith("debian 12")
        assert {Path(file).name for file in image["files"].values()} >= {"report.sarif", "report.html", "sbom.cdx.json"}
