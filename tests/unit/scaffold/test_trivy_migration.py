"""Steps of trivy-action become steps of our scan, and nothing else changes."""

import re

import pytest

from s3c_actions import REPOSITORY
from s3c_actions.commands.init import _scan_inputs
from s3c_actions.core.doc_links import doc_link
from s3c_actions.scaffold import trivy_migration
from s3c_actions.scaffold.rendering import Pin
from tests.support import repositories
from tests.support.sources import parse_yaml

WORKFLOW = repositories.DATA / "trivy-action" / "dot-github" / "workflows" / "scan.yml"
STEP = """\
jobs:
  scan:
    steps:
      - uses: aquasecurity/trivy-action@0.28.0
        with:
          image-ref: app:1
"""


def migrate(text):
    return trivy_migration.migrate(text, Pin(commit="1" * 40), _scan_inputs())


def step(text):
    return parse_yaml(text)["jobs"]["scan"]["steps"][0]


def test_the_steps_of_a_workflow_are_changed_in_place():
    before = WORKFLOW.read_text()
    migrated = migrate(before)
    removed = [line for line in before.splitlines() if line not in migrated.text.splitlines()]
    added = [line.strip() for line in migrated.text.splitlines() if line not in before.splitlines()]
    assert added == [
        f"uses: {REPOSITORY}/actions/scan@{'1' * 40} # v1.0.0",
        'image: "shop:${{ github.sha }}"   # what was built',
        "fail-on: HIGH",
        "pkg-types: 'os,library'",
    ]
    assert len(removed) == 6
    assert [line.partition(": ")[0] for line in migrated.by_hand] == ["line 30", "line 36"]
    assert "scan-type is fs" in migrated.by_hand[0]


def test_a_second_run_finds_nothing_left_to_change():
    once = migrate(WORKFLOW.read_text())
    again = migrate(once.text)
    assert (again.text, again.changed) == (once.text, ())


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("exit-code: 1", {"fail-on": "UNKNOWN"}),
        ("exit-code: 1\n          severity: CRITICAL", {"fail-on": "CRITICAL", "severity": "CRITICAL"}),
        ("exit-code: '0'", {}),
        ("hide-progress: true", {}),
        ("format: spdx-json", {"format": "spdx"}),
        ("scan-type: image", {}),
        ("trivyignores: a,b", {"ignore-files": "a,b"}),
        ("cache-dir: x", {"trivy-cache-dir": "x"}),
    ],
)
def test_inputs(given, expected):
    migrated = migrate(f"{STEP}          {given}\n")
    assert step(migrated.text)["with"] == {"image": "app:1", **expected}
    assert not [line for line in migrated.by_hand if "by hand" in line]
    assert step(migrated.text)["with"].keys() <= set(_scan_inputs())


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ("exit-code: ${{ inputs.code }}", "`exit-code`: give `fail-on`"),
        ("exit-code: 1\n          severity: LOW,CRITICAL", "also refuses HIGH, MEDIUM"),
        ("no-such-input: 1", "`no-such-input` is no input"),
        ("pkg-types: os\n          vuln-type: os", "`vuln-type` and `pkg-types` are one input"),
        ("format: no-such-format", "`format: no-such-format` is none of"),
    ],
)
def test_what_is_left_for_people(given, asked):
    (sentence,) = migrate(f"{STEP}          {given}\n").by_hand
    assert asked in sentence


def test_variables_of_trivy_are_named():
    migrated = migrate(f"{STEP}        env:\n          TRIVY_SKIP_DB_UPDATE: true\n          OTHER: 1\n")
    assert [re.sub(r"^line \d+: ", "", line) for line in migrated.by_hand] == [
        f"`TRIVY_SKIP_DB_UPDATE` under `env:`: give it as an input ({doc_link('scan.md')})."
    ]


@pytest.mark.parametrize(
    "text",
    [
        "jobs: {}\n",
        "jobs: [1]\n",
        "on: push\n",
        "",
        STEP.replace("aquasecurity/trivy-action", "someone/trivy-action"),
        "jobs: {a: {steps: [x, {uses: [y]}, {run: aquasecurity/trivy-action@1}]}}",
    ],
)
def test_without_a_step_of_trivy_action_nothing_changes(text):
    migrated = migrate(text)
    assert (migrated.text, migrated.changed, migrated.by_hand) == (text, (), ())


def test_a_composite_action_and_windows_line_ends():
    text = "runs:\n  using: composite\n  steps:\n    - uses: aquasecurity/trivy-action@0.28.0 # x\n".replace(
        "\n", "\r\n"
    )
    assert migrate(text).text == text.replace(
        "aquasecurity/trivy-action@0.28.0 # x", f"{REPOSITORY}/actions/scan@{'1' * 40} # v1.0.0"
    )


@pytest.mark.parametrize(
    "with_", ["with: {image-ref: app:1}", "with: &w\n          image-ref: app:1", "with:\n          <<: *x"]
)
def test_what_stands_elsewhere_too_is_left_alone(with_):
    head = "x: &x {image-ref: a}\n" if "*x" in with_ else ""
    text = f"{head}jobs:\n  a:\n    steps:\n      - uses: aquasecurity/trivy-action@1\n        {with_}\n"
    migrated = migrate(text)
    if "&w" in with_:
        assert "image: app:1" in migrated.text
    else:
        assert migrated.text == text
        assert "braces or by an alias" in migrated.by_hand[0]


@pytest.mark.parametrize("text", ["a: [", "&a [*a]"])
def test_what_is_not_yaml_is_rejected(text):
    with pytest.raises(ValueError, match=r"."):
        migrate(text)
