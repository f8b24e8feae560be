"""fleet.yaml is read strictly, and its schema rejects what the reader rejects."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from s3c_actions.core import reading
from s3c_actions.core.errors import InputError
from s3c_actions.core.reference import Reference
from s3c_actions.fleet import model
from s3c_actions.fleet.model import Settings
from tests.support import ROOT

GUIDE = (ROOT / "docs" / "fleet.md").read_text(encoding="utf-8")
EXAMPLE = GUIDE.split("```yaml\n", 1)[1].split("```", 1)[0]
SCHEMA = json.loads((ROOT / "s3c_actions" / "schemas" / model.SCHEMA).read_text(encoding="utf-8"))
START = "version: 1\nimages:\n"


def rejected(text: str) -> InputError:
    with pytest.raises(InputError) as caught:
        model.parse(text)
    assert caught.value.field == "fleet"
    assert caught.value.exit_code == 2
    return caught.value


def test_the_guides_example_is_read_and_fits_the_schema() -> None:
    fleet = model.parse(EXAMPLE)
    assert [selection.kind for selection in fleet.images] == [
        *("image", "repository", "repository", "catalog", "catalog", "cluster", "manifests")
    ]
    assert fleet.rescan_seconds == 24 * 3600
    assert fleet.policies == ("policies/strict.yaml", "s3c-policy.yaml")
    jsonschema.Draft202012Validator(SCHEMA).validate(reading.parse_yaml(EXAMPLE))


def test_the_schema_is_valid_and_describes_every_key() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert json.loads(json.dumps(model.schema())) == SCHEMA
    undescribed = [
        f"{name}.{key}"
        for name, part in SCHEMA["$defs"].items()
        for key, value in part["properties"].items()
        if '"description"' not in json.dumps(value) and '"$ref"' not in json.dumps(value)
    ]
    assert undescribed == []


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ("{image: registry.example/app:1, imge: x}", "Did you mean image?"),
        ("{}", "nothing is selected"),
        ("{image: a.example/b:1, repository: a.example/b, tags: {strategy: latest}}", "image and repository are given"),
        ("{image: Registry.Example/App}", "not an image reference"),
        ("{image: ''}", "this is empty"),
        ("{repository: a.example/b}", "`tags` is missing"),
        ("{repository: a.example/b:1, tags: {strategy: latest}}", "more than a repository"),
        ("{image: a.example/b:1, tags: {strategy: latest}}", "belongs to a repository or a catalog"),
        ("{repository: a.example/b, tags: {strategy: newest}}", "Choose from"),
        ("{repository: a.example/b, tags: {strategy: list}}", "belong together"),
        ("{repository: a.example/b, tags: {strategy: latest, list: [a]}}", "belong together"),
        ("{repository: a.example/b, tags: {strategy: list, list: ['a b']}}", "this is no tag of an image"),
        ("{repository: a.example/b, tags: {strategy: pattern}}", "`pattern` is missing"),
        ("{repository: a.example/b, tags: {strategy: pattern, pattern: '('}}", "no regular expression of RE2"),
        ("{repository: a.example/b, tags: {strategy: latest, max-tags: 3}}", "belongs to `strategy: pattern`"),
        ("{repository: a.example/b, tags: {strategy: pattern, pattern: a, max-tags: -1}}", ">= 0"),
        ("{repository: a.example/b, tags: {strategy: pattern, pattern: a, maxTags: 3}}", "Did you mean max-tags?"),
        ("{catalog: team-a/}", "begins with no registry's host"),
        ("{catalog: registry.example/Team}", "no beginning of repositories"),
        ("{manifests: []}", "this is empty"),
        ("{cluster: {namespaces: ['No']}}", "this is no name of a namespace"),
        ("{manifests: [../other]}", "leads out of the folder"),
        ("{manifests: [/etc]}", "leads out of the folder"),
        ("{image: a.example/b:1, policy: /etc/passwd}", "leads out of the folder"),
        ("{image: a.example/b:1, policy: a/../../p.yaml}", "leads out of the folder"),
        ("{image: a.example/b:1, policy: ~/p.yaml}", "leads out of the folder"),
        ("{image: a.example/b:1, platforms: [amd64]}", "this is no platform such as linux"),
        ("{image: a.example/b:1, target: 'a.example/{tag}'}", "another field than"),
        ("{image: a.example/b:1, target: 'a.example/b:1'}", "more than a repository"),
        ("{image: a.example/b:1, policy: ''}", "this is empty"),
        ('{image: a.example/b:1, owner: "a\\nb"}', "has a control character in it"),
        ("{image: a.example/b:1, owner: ''}", "this is empty"),
        ("{image: a.example/b:1, target: 'a b'}", "this is no repository such as registry.example/patched/{name}"),
    ],
)
def test_a_wrong_selection_is_rejected_with_its_place(entry: str, why: str) -> None:
    error = rejected(f"{START}  - {entry}\n")
    assert why in str(error)
    assert "images[0]" in error.what


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no mapping"),
        ("[]", "no mapping"),
        ("a: [", "not YAML, line"),
        ("version: 2\nimages: [{image: a.example/b}]", "the only version there is"),
        ("images: [{image: a.example/b}]", "version"),
        ("version: 1", "images"),
        ("version: 1\nimages: []", "this is empty"),
        (f"{START}  - {{image: a.example/b}}\nrescan-after: soon", "no duration"),
        (f"{START}  - {{image: a.example/b}}\nrescan-after: 0h", "no time at all"),
        (f"{START}  - {{image: a.example/b}}\nrescan_after: 1h", "Did you mean rescan-after?"),
        (f"{START}  - {{image: a.example/b}}\noverrides: [{{owner: x}}]", "match"),
        (f"{START}  - {{image: a.example/b}}\ndefaults: {{image: a.example/b}}", "no key 'image' here"),
    ],
)
def test_a_wrong_file_is_rejected(text: str, why: str) -> None:
    assert why in str(rejected(text))


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "fleet.yaml"
    path.write_text(f"{START}  - {{image: a.example/b}}\n" + "#" * model.MAX_SIZE)
    with pytest.raises(InputError, match="cannot be read"):
        model.read(path)


def test_the_hash_is_of_the_content(tmp_path: Path) -> None:
    texts = [f"{START}  - {{image: a.example/b:{number}}}\n" for number in (1, 2, 1)]
    hashes: list[Any] = []
    for text in texts:
        (tmp_path / "fleet.yaml").write_text(text)
        hashes.append(model.read(tmp_path / "fleet.yaml").sha256)
    assert hashes[0] == hashes[2] != hashes[1]


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("r.example/patched/{name}", "r.example/patched/app"),
        ("r.example/{repository}", "r.example/team/app"),
        ("r.example/fixed", "r.example/fixed"),
    ],
)
def test_a_target_is_a_repository(template: str, expected: str) -> None:
    assert model.target_of(template, Reference.parse("registry.example/team/app:1")) == expected


def test_settings_name_no_gate() -> None:
    """What a fleet may say of an image: none of it is a threshold, and `smoke` only adds to what the run requires."""
    assert Settings.__struct_fields__ == ("platforms", "owner", "policy", "target", "smoke")
