"""What counts as the same image with a patch on it."""

import json
from typing import Any

import pytest

from s3c_actions.core.errors import OutsideError
from s3c_actions.registry import ImageConfig, patch_detection
from s3c_actions.registry.content import OCI_INDEX, OCI_MANIFEST, parse_json_object, parse_manifest

ORIGINAL: dict[str, Any] = {
    "architecture": "arm64",
    "os": "linux",
    "variant": "v8",
    "created": "2026-01-01T00:00:00Z",
    "author": "me",
    "config": {"Env": ["A=1"], "Entrypoint": ["/app"], "User": "1000", "Labels": {"title": "App"}},
    "history": [{"created_by": "COPY app"}],
    "rootfs": {"type": "layers", "diff_ids": ["sha256:1"]},
    "moby.buildkit.cache.v0": "inline",
}


def config(document, *layers):
    return ImageConfig(manifest="sha256:0", platform="linux/arm64", diff_ids=layers, labels={}, document=document)


def changed(**more):
    return config({**ORIGINAL, **more})


def within(**more):
    return changed(config={**ORIGINAL["config"], **more})


@pytest.mark.parametrize(
    "patched",
    [
        changed(),
        changed(history=[], created="2026-02-02T00:00:00Z"),
        changed(rootfs={"type": "layers", "diff_ids": ["sha256:1", "sha256:2"]}),
        within(Labels={"title": "App", "BaseImage": "app@sha256:0"}, labels={"BaseImage": "app@sha256:0"}),
        config({name: value for name, value in ORIGINAL.items() if name not in {"variant", "moby.buildkit.cache.v0"}}),
    ],
)
def test_what_a_patch_rewrites_is_no_difference(patched):
    assert patch_detection.configuration_difference(patched, config(ORIGINAL)) == ""


@pytest.mark.parametrize(
    ("patched", "field"),
    [
        (within(Entrypoint=["/evil"]), "config.Entrypoint"),
        (within(Entrypoint=None), "config.Entrypoint"),
        (within(Cmd=[]), "config.Cmd"),
        (within(User=1000), "config.User"),
        (within(entrypoint=["/evil"]), "config.entrypoint"),
        (within(LABELS={}), "config.LABELS"),
        (changed(config=None), "config"),
        (changed(config=[]), "config"),
        (changed(Config={"Entrypoint": ["/evil"]}), "Config"),
        (changed(History=[]), "History"),
        (changed(rootfs={"type": "layers", "diff_ids": [], "DIFF_IDS": ["sha256:evil"]}), "rootfs.DIFF_IDS"),
        (changed(architecture="amd64"), "architecture"),
        (changed(author=""), "author"),
        (changed(**{"os.version": "10"}), "os.version"),
        (changed(**{"config.Entrypoint": ["/app"]}, config={"Env": ["A=1"], "User": "1000"}), ""),
    ],
)
def test_everything_else_is(patched, field):
    difference = patch_detection.configuration_difference(patched, config(ORIGINAL))
    assert difference and (not field or difference == field)


def test_layers_on_top_are_counted():
    assert patch_detection.count_added_layers(config({}, "a", "b", "c"), ("a", "b")) == 1
    assert patch_detection.count_added_layers(config({}, "a"), ("a",)) == 0
    assert patch_detection.count_added_layers(config({}, "a", "b"), ("b",)) == -1
    # Everything begins with no layers at all.
    assert patch_detection.count_added_layers(config({}, "a", "b"), ()) == -1


@pytest.mark.parametrize(
    ("own", "base"),
    [
        ({"labels": {"BaseImage": "a"}}, "a"),
        ({"Labels": {"BaseImage": "a"}}, "a"),
        ({"Labels": None, "labels": ["BaseImage"]}, ""),
        ({"labels": {"BaseImage": 7}}, ""),
        (None, ""),
    ],
)
def test_the_label_of_the_base(own, base):
    assert patch_detection.base_image(config({"config": own})) == base


@pytest.mark.parametrize(
    "text",
    [
        b'{"config": {"User": "0"}, "config": {}}',
        b'{"a": [{"User": "0", "User": "1"}]}',
        b'{"manifests": [], "Manifests": [1]}',
        b'{"Layers": [1], "layers": []}',
        b'{"config": {"Entrypoint": ["/app"], "entrypoint": []}}',
        b'{"config": {"User": "app", "user": ""}}',
        b'{"config": {"User": "app", "u\\u017fer": ""}}',
        b'{"platform": {"os": "linux", "OS": "windows"}}',
    ],
)
def test_a_key_that_is_there_twice_is_refused(text):
    """Go puts both objects together, whatever their case, where others take one: what is compared is not what runs."""
    with pytest.raises(OutsideError, match="twice"):
        parse_json_object(text, OutsideError)


@pytest.mark.parametrize(
    "text", [b'{"Labels": {"a": "1", "A": "2"}, "labels": {"b": "3"}}', b'{"x": {"Maintainer": 1}}']
)
def test_names_that_nothing_looks_for_may_differ_in_case_alone(text):
    assert parse_json_object(text, OutsideError)


def test_what_may_be_an_index_and_an_image_is_neither():
    for kind in (OCI_INDEX, OCI_MANIFEST):
        text = json.dumps({"mediaType": kind, "manifests": [{}], "config": {}, "layers": [{}]}).encode()
        with pytest.raises(OutsideError, match="as an index and as an image"):
            parse_manifest(text, OutsideError, digest="sha256:" + 64 * "0")
