import hashlib
import os
from pathlib import Path

import pytest

from s3c_actions.core.errors import InputError
from s3c_actions.options import declare
from s3c_actions.options import scan as scanning
from s3c_actions.options.command import load
from s3c_actions.options.find import FindInputs
from s3c_actions.options.trusted_signers import TrustOptions
from s3c_actions.wiring import settings_files
from s3c_actions.wiring.settings_files import add_default_files, list_files

SCAN = load("scan").inputs


def values(group=scanning.ScanInputs, **given):
    flags = {name.replace("_", "-"): text for name, text in given.items()}
    return declare.read(group, flags, {}, lambda _notice: None)


def written(folder, name, text="x"):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def paths(options, declared):
    return settings_files.input_paths(options, declared)


def test_what_is_taken_without_being_given_is_listed_with_its_hash(tmp_path):
    for name in (".trivyignore", "trivy.yaml", "trivy-secret.yaml"):
        written(tmp_path, name, name)
    options = add_default_files(values(), SCAN, tmp_path)
    assert [(file.kind, file.path) for file in list_files(options, SCAN, tmp_path)] == [
        ("ignore-files", ".trivyignore"),
        ("secret-config", "trivy-secret.yaml"),
        ("trivy-config", "trivy.yaml"),
    ]
    digest = hashlib.sha256(b".trivyignore").hexdigest()
    assert list_files(options, SCAN, tmp_path)[0].sha256 == digest
    assert list_files(add_default_files(values(), SCAN, tmp_path / "nowhere"), SCAN, tmp_path) == ()


@pytest.mark.parametrize("word", ["none", "None", os.devnull])
def test_each_can_be_turned_off(tmp_path, word):
    for name in (".trivyignore", "trivy.yaml", "trivy-secret.yaml"):
        written(tmp_path, name)
    off = values(ignore_files=word, trivy_config=word, secret_config=word, ignore_policy=word, vex=word)
    options = add_default_files(off, SCAN, tmp_path)
    assert list_files(options, SCAN, tmp_path) == ()
    assert [paths(options, declared) for declared in settings_files.FILE_INPUTS[:5]] == [()] * 5
    # It stays so when it is done again.
    assert list_files(add_default_files(options, SCAN, tmp_path), SCAN, tmp_path) == ()


def test_what_is_given_takes_the_place_of_what_is_found(tmp_path):
    written(tmp_path, ".trivyignore")
    written(tmp_path, "other")
    options = add_default_files(values(ignore_files="other"), SCAN, tmp_path)
    assert options.ignore_files == ("other",)


def test_a_folder_of_certificates_is_listed_file_by_file(tmp_path):
    written(tmp_path, "trust/a.crt", "a")
    written(tmp_path, "trust/x509/b.crt", "b")
    declared = load("verify").inputs
    options = values(load("verify").options, trust_store="trust", image="a.example/b:1")
    shown = list_files(options, declared, tmp_path)
    assert [(file.kind, file.path) for file in shown] == [
        (TrustOptions.trust_store.name, "trust/a.crt"),
        (TrustOptions.trust_store.name, "trust/x509/b.crt"),
    ]


def test_vex_that_lies_elsewhere_has_no_hash(tmp_path):
    written(tmp_path, "v.json", "{}")
    options = values(vex="v.json,repo")
    assert [(file.path, bool(file.sha256)) for file in list_files(options, SCAN, tmp_path)] == [
        ("repo", False),
        ("v.json", True),
    ]


@pytest.mark.parametrize("name", ["ignore-files", "trivy-config", "secret-config", "ignore-policy", "vex", "policy"])
def test_what_is_not_there_is_an_error_of_its_input(tmp_path, name):
    options = values(**{name: "nope"})
    with pytest.raises(InputError, match="does not exist") as caught:
        list_files(options, SCAN, tmp_path)
    assert caught.value.field == name


def test_what_is_no_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="is not a file"):
        list_files(values(vex="pipe"), SCAN, tmp_path)


def test_every_path_that_people_write_is_taken_as_one(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    written(tmp_path, "i")
    (file,) = list_files(values(ignore_files="~/i"), SCAN, Path("/"))
    assert file.path == "~/i"


def test_who_names_images_does_not_ask_for_the_fleet_of_the_folder(tmp_path):
    written(tmp_path, "fleet.yaml")
    inputs = load("find").inputs
    for given in ({}, {"kubeconfig": "kubeconfig"}):
        assert add_default_files(values(FindInputs, **given), inputs, tmp_path).fleet == Path("fleet.yaml")
    for given in ({"image": "a"}, {"plan": "p"}, {"manifests": "k8s"}, {"namespaces": "voting"}):
        assert add_default_files(values(FindInputs, **given), inputs, tmp_path).fleet is None
    both = add_default_files(values(FindInputs, image="a", fleet="other.yaml"), inputs, tmp_path)
    assert both.fleet == Path("other.yaml")
