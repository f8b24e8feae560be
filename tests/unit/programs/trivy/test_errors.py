from pathlib import Path

import pytest

from s3c_actions.core.errors import InputError, OutsideError
from s3c_actions.programs.trivy import errors
from s3c_actions.programs.trivy.errors import ErrorContext, fatal_message, translate
from tests.support import ROOT

DATA = ROOT / "tests" / "data" / "trivy"
CONTEXT = ErrorContext(image="localhost:5077/deb:1", cache=Path("cache"), source="registry")
ARCHIVE = ErrorContext(image="garbage.tar", cache=Path("cache"), source="archive")

WRONG_INPUT = {
    "notag": ("image", "does not exist"),
    "norepo": ("image", "does not exist"),
    "platform": ("platform", "linux/s390x"),
    "tar-garbage": ("input", "no image archive"),
    "dir-empty": ("input", "no image archive"),
    "ignore-bad": ("ignore-files", "bad.yaml"),
    "vex-bad": ("vex", "cannot be read"),
    "vex-missing": ("vex", "cannot be read"),
    "policy-bad": ("ignore-policy", "cannot be used"),
    "policy-missing": ("ignore-policy", "cannot be used"),
    "config-bad": ("trivy-config", "bad-cfg.yaml"),
    "config-missing": ("trivy-config", "nope.yaml"),
    "config-value": ("trivy-config", "--severity"),
    "env-value": ("trivy-config", "--severity"),
    "db-first": ("offline", "no vulnerability database"),
    "first-run-java": ("offline", "no Java database"),
}
OUTSIDE = {
    "img-401": "refused to give the image out",
    "img-403": "refused to give the image out",
    "img-429": "fewer requests",
    "img-500": "The registry failed",
    "img-html": "not an image",
    "down": "cannot be reached",
    "nohost": "cannot be reached",
    "x509": "certificate is not trusted",
    "db-401": "access was refused",
    "db-403": "access was refused",
    "db-404": "it is not there",
    "db-500": "could not be downloaded",
    "db-html": "no database",
    "db-eof": "cannot be reached",
    "db-net": "cannot be reached",
    "db-notadb": "no database",
    "timeout": "did not finish within 600 s",
    "disk-full": "The disk is full",
    "locked-cache": "in use by another scan",
    "daemon-none": "could not be asked",
    "layer-header": "A layer of x cannot be read",
    "layer-cut": "A layer of x cannot be read",
}


@pytest.mark.parametrize(("name", "field", "what"), [(name, *expected) for name, expected in WRONG_INPUT.items()])
def test_wrong_input_names_its_field(name, field, what):
    error = translate((DATA / f"{name}.txt").read_text(), ARCHIVE if name.startswith(("tar", "dir")) else CONTEXT)
    assert isinstance(error, InputError)
    assert (error.field, error.exit_code) == (field, 2)
    assert what in error.what
    assert error.remedy
    assert error.original in fatal_message((DATA / f"{name}.txt").read_text())


@pytest.mark.parametrize(("name", "what"), OUTSIDE.items())
def test_outside_failures_say_what_to_change(name, what):
    source = "docker" if name.startswith("daemon") else "registry"
    error = translate((DATA / f"{name}.txt").read_text(), ErrorContext(image="x", cache=Path("cache"), source=source))
    assert isinstance(error, OutsideError)
    assert error.exit_code == 3
    assert what in error.what
    assert error.cause
    assert error.remedy
    assert error.original
    assert "INFO" not in error.original


def test_every_recording_is_translated():
    recorded = {path.stem for path in DATA.glob("*.txt")}
    assert recorded == WRONG_INPUT.keys() | OUTSIDE.keys() | {"db-429", "db-busy", "tar-missing"}
    unknown = [
        name for name in recorded if translate((DATA / f"{name}.txt").read_text(), CONTEXT).what == "Trivy failed."
    ]
    assert unknown == []


def test_an_archive_that_is_missing_is_named_as_such():
    context = ErrorContext(image="nothere.tar", cache=Path("cache"), source="archive")
    assert "does not exist" in translate((DATA / "tar-missing.txt").read_text(), context).what


@pytest.mark.parametrize("name", ["db-busy", "db-429"])
def test_a_database_registry_that_is_too_busy_or_its_mirror_is_named(name):
    error = translate((DATA / f"{name}.txt").read_text(), CONTEXT)
    assert ("too many requests (429)" in error.what) is (name == "db-busy")
    assert "`db-repository`" in error.remedy


def test_the_repository_that_failed_is_named():
    error = translate((DATA / "db-net.txt").read_text(), CONTEXT)
    assert "nohost.invalid/trivy-db:2" in error.what


def test_an_unknown_failure_keeps_trivys_words():
    error = translate("2026-01-01T00:00:00Z\tFATAL\tFatal error\tthe moon is wrong", CONTEXT)
    assert isinstance(error, OutsideError)
    assert error.original == "the moon is wrong"
    assert translate("panic: nil", CONTEXT).original == "panic: nil"


def test_a_full_disk_and_a_closed_folder_are_told_apart():
    assert "disk is full" in errors.cache_unusable_error(OSError(28, "No space left on device"), CONTEXT).what
    assert "Permission denied" in errors.cache_unusable_error(OSError(13, "Permission denied"), CONTEXT).what
