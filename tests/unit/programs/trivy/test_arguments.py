"""All that Trivy would take from a file or a variable is among its arguments, and no value is taken for a flag."""

from pathlib import Path

import pytest

from s3c_actions.programs.trivy import settings
from s3c_actions.programs.trivy.arguments import SOURCES, ScanOptions, ScanRequest, scan_arguments


def argv(source="registry", image="localhost:5000/a@sha256:1", **options):
    request = ScanRequest(
        image=image,
        source=source,
        output=Path("o.json"),
        asked=image,
        options=ScanOptions(scanners=("vuln",), **options),
    )
    return scan_arguments(request, cache=Path("c"), repositories=("r1", "r2"), timeout=90)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"pkg_types": ("os",)}, ["--pkg-types=os"]),
        ({"image_config_scanners": ("misconfig", "secret")}, ["--image-config-scanners=misconfig,secret"]),
        ({"platform": "linux/arm64"}, ["--platform=linux/arm64"]),
        ({"skip_dirs": ("usr/share", "a,b")}, ["--skip-dirs=usr/share", '--skip-dirs="a,b"']),
        ({"skip_files": ('x"y,z',)}, ['--skip-files="x""y,z"']),
        ({"skip_files": ("--help",)}, ["--skip-files=--help"]),
        ({"ignore_file": Path("i.yaml")}, ["--ignorefile=i.yaml"]),
        ({"ignore_policy": Path("p.rego")}, ["--ignore-policy=p.rego"]),
        ({"vex": ("a.json", "repo")}, ["--vex=a.json", "--vex=repo"]),
        ({"config": Path("t.yaml")}, ["--config=t.yaml"]),
        ({"java_db_repositories": ("j",)}, ["--java-db-repository=j"]),
        ({"checks_bundle_repository": "k"}, ["--checks-bundle-repository=k"]),
        ({"insecure": True}, ["--insecure=true"]),
        ({"secret_config": Path("s.yaml")}, ["--secret-config=s.yaml"]),
        ({}, ["--timeout=90s", "--scanners=vuln", "--db-repository=r1", "--db-repository=r2"]),
    ],
)
def test_every_option_reaches_trivy_glued_to_its_flag(options, expected):
    given = argv(**options)
    assert [argument for argument in given if argument in expected] == expected


def test_the_report_is_json_complete_and_never_trivys_own_gate():
    given = argv()
    for flag in ("--format=json", "--list-all-pkgs=true", "--show-suppressed=true", "--exit-code=0", "--exit-on-eol=0"):
        assert flag in given
    assert given[-3:] == ["--input=", "--image-src=remote", "localhost:5000/a@sha256:1"]


def test_whatever_trivy_would_take_from_a_file_or_a_variable_is_given():
    given = argv()
    names = [argument.removeprefix("--").partition("=")[0] for argument in given[1:-1]]
    table = settings
    assert set(names) == {*table.FIXED_FLAGS, *table.FLAGS_OF_INPUTS, *table.REPORT_FLAGS, *table.RUN_FLAGS}
    for flag in (
        "--severity=UNKNOWN,LOW,MEDIUM,HIGH,CRITICAL",
        "--ignore-unfixed=false",
        "--ignore-status=",
        "--ignorefile=/dev/null",
        "--ignore-policy=",
        "--secret-config=",
        "--config=/dev/null",
        "--vex=",
        "--skip-dirs=",
        "--skip-files=",
        "--pkg-types=os,library",
        "--insecure=false",
    ):
        assert flag in given
    assert "--license-full=true" in argv(wider=(("license-full", "true"),))


def test_an_archive_is_an_input_and_offline_downloads_nothing():
    assert argv(source="archive", image="-x.tar")[-1] == "--input=-x.tar"
    for flag in settings.SKIP_FLAGS:
        assert f"--{flag}=true" in argv(offline=True)
        assert f"--{flag}=false" in argv()
        assert f"--{flag}=true" in argv(skips=(flag,))


def test_recordings_are_of_sources_that_exist():
    assert set(SOURCES) == {"registry", "docker", "containerd", "podman"}
