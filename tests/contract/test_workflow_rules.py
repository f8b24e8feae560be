"""The harness holds workflows to GitHub's rules, and the workflows keep them."""

from __future__ import annotations

import json
import re
import subprocess
from itertools import combinations, product
from pathlib import Path
from typing import Any

import pytest
import ruamel.yaml

from s3c_actions.findings import trivy_report
from s3c_actions.report.formats import sarif
from s3c_actions.report.rendering import Rendering
from tests.support import ROOT, act, pairwise, reports, workflow_rules

WORKFLOWS = sorted(workflow_rules.WORKFLOWS.glob("*.yml"))
YAML = ruamel.yaml.YAML(typ="safe", pure=True)
JOBS: list[tuple[Path, str, dict[str, Any]]] = [
    (path, name, job) for path in WORKFLOWS for name, job in YAML.load(path)["jobs"].items()
]

TWO_JOBS = """
on: push
permissions: {}
jobs:
  made:
    runs-on: ubuntu-latest
    outputs:
      image: ${{ steps.name.outputs.image }}
      digest: ${{ steps.name.outputs.digest }}
    steps:
      - id: name
        run: |
          echo "image=ghcr.io/octo/app@sha256:0" >>"$GITHUB_OUTPUT"
          echo "digest=sha256:0" >>"$GITHUB_OUTPUT"
        env:
          PASSED: ${{ secrets.NAME }}
  used:
    needs: made
    runs-on: ubuntu-latest
    steps:
      - id: got
        run: |
          echo "image=$IMAGE" >>"$GITHUB_OUTPUT"
          echo "digest=$DIGEST" >>"$GITHUB_OUTPUT"
        env:
          IMAGE: ${{ needs.made.outputs.image }}
          DIGEST: ${{ needs.made.outputs.digest }}
"""


@pytest.mark.parametrize(("secret", "image"), [("octo", ""), ("another", "ghcr.io/octo/app@sha256:0")])
def test_an_output_that_contains_a_secret_is_dropped(tmp_path: Path, secret: str, image: str) -> None:
    job = act.run(TWO_JOBS, tmp_path, secrets={"NAME": secret})
    assert job.succeeded, job.log
    assert job.outputs["got"] == {"image": image, "digest": "sha256:0"}


PATCH = """
on: push
permissions: {}
jobs:
  patch:
    uses: org/s3c/.github/workflows/scheduled-patch.yml@v1
    permissions: PERMISSIONS
    with:
      images: IMAGES
"""
GRANTED = (
    "actions: read, contents: write, id-token: write, packages: write, pull-requests: write, security-events: write"
)


def patching(images: str, granted: str = GRANTED) -> str:
    return PATCH.replace("PERMISSIONS", f"{{{granted}}}").replace("IMAGES", images)


def test_a_call_that_grants_too_little_is_refused(tmp_path: Path) -> None:
    job = act.run(patching("app:1", GRANTED.replace("actions: read, ", "")), tmp_path / "without")
    assert not job.succeeded
    assert "is requesting 'actions: read', but is only allowed 'actions: none'" in job.log
    job = act.run(patching("app:1", GRANTED.replace("packages: write", "packages: read")), tmp_path / "less")
    assert "is requesting 'packages: write', but is only allowed 'packages: read'" in job.log


def test_a_call_with_a_secret_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    job = act.run(patching("app:1") + "    secrets:\n      key-pem: x\n", tmp_path)
    assert not job.succeeded
    assert job.log.endswith("Invalid secret, key-pem is not defined in the referenced workflow.")


def test_more_images_than_a_matrix_may_have_are_refused_before_any_job_of_it(tmp_path: Path) -> None:
    images = "|\n" + "\n".join(f"        registry.example/app-{number}:1" for number in range(257))
    job = act.run(patching(images), tmp_path)
    assert not job.succeeded
    assert "lists 257 images, and GitHub runs at most 256 jobs of a matrix" in job.log
    assert job.services == []


FOR_FORKS = """
on: push
permissions: {}
jobs:
  comment:
    uses: org/s3c/.github/workflows/comment.yml@v1
    permissions: {actions: read, pull-requests: write}
"""
OWN = {"head_repository": {"full_name": "octo/shop"}, "head_branch": "main"}
DEPENDABOT = {"head_repository": {"full_name": "octo/shop"}, "head_branch": "dependabot/pip/flask-3"}


@pytest.mark.parametrize(
    ("event", "workflow_run", "starts"),
    [
        ("push", None, False),
        ("pull_request", None, False),
        ("schedule", None, False),
        ("push", DEPENDABOT, False),
        ("workflow_run", OWN, False),
        ("workflow_run", DEPENDABOT, True),
        ("workflow_run", OWN | {"head_repository": {"full_name": "mallory/shop"}}, True),
        ("workflow_run", OWN | {"head_repository": None}, True),  # a fork that was deleted
    ],
)
def test_comments_for_forks_are_a_matter_of_their_ended_runs_alone(
    tmp_path: Path, event: str, workflow_run: dict[str, Any] | None, starts: bool
) -> None:
    payload = {"repository": {"full_name": "octo/shop"}} | ({"workflow_run": workflow_run} if workflow_run else {})
    workflow = FOR_FORKS.replace("on: push", f"on: {event}")
    environment = {"GITHUB_REPOSITORY": "octo/shop"}
    job = act.run(workflow, tmp_path, event=event, payload=payload, environment=environment)
    assert ("Run Main Comment" in job.log) is starts, job.log
    # One that starts has no token here.
    assert job.succeeded is not starts


UPLOAD = """
on: push
jobs:
  upload:
    runs-on: ubuntu-latest
    permissions: {PERMISSIONS}
    steps:
      - run: mkdir sarif && touch sarif/one
      - uses: github/codeql-action/upload-sarif@COMMIT
        with: {sarif_file: sarif}
"""


@pytest.mark.parametrize("missing", ["", "actions", "contents", "security-events"])
def test_an_upload_needs_all_that_github_asks_for(tmp_path: Path, missing: str) -> None:
    rights = {"actions": "read", "contents": "read", "security-events": "write"}
    rights.pop(missing, None)
    granted = ", ".join(f"{scope}: {level}" for scope, level in rights.items())
    workflow = UPLOAD.replace("PERMISSIONS", granted).replace("COMMIT", act.pinned()["github/codeql-action"])
    job = act.run(workflow, tmp_path)
    assert job.succeeded is (missing == "")
    assert [line for line in job.services if line.startswith("refused")] == [f"refused for {missing}"] * bool(missing)


STEPS = [
    (path, step)
    for path in (ROOT / "action.yml", *sorted(ROOT.glob("actions/*/action.yml")))
    for step in YAML.load(path)["runs"]["steps"]
    if "codeql-action/upload-sarif" in step.get("uses", "")
]
WITH_DOCKERFILE = """
on: push
jobs:
  upload:
    runs-on: ubuntu-latest
    permissions: {actions: read, contents: read, security-events: write}
    steps:
      - uses: actions/checkout@v7
      - id: s3c
        run: |
          folder=$(mktemp -d)
          cp "$SARIF" "$folder/0.sarif"
          echo "sarif-folder=$folder" >>"$GITHUB_OUTPUT"
"""


@pytest.mark.parametrize("beside", [True, False], ids=["as the actions do", "in the checkout"])
def test_the_upload_warns_of_no_finding_in_a_dockerfile_of_the_checkout(tmp_path: Path, beside: bool) -> None:
    assert len(STEPS) >= 3
    uploads = {json.dumps({"env": step.get("env"), "with": step["with"]}) for _, step in STEPS}
    [upload] = uploads
    step = {"uses": STEPS[0][1]["uses"]} | json.loads(upload)
    if not beside:
        del step["with"]["checkout_path"]
    dockerfile = "FROM debian:12\nRUN step 7\nRUN step 8\n"
    written = tmp_path / "report.sarif"
    rendering = Rendering(dockerfile="Dockerfile", dockerfile_text=dockerfile)
    written.write_bytes(sarif.render(trivy_report.parse(reports.SHAPES["alpine"]), rendering))
    workflow = f"{WITH_DOCKERFILE}      - {json.dumps(step)}\n"
    job = act.run(workflow, tmp_path / "run", files={"Dockerfile": dockerfile}, environment={"SARIF": str(written)})
    assert job.succeeded, job.log
    assert job.log.count("existing inconsistent fingerprint value") == (0 if beside else 2)
    assert (job.folder / "sarif" / "0.sarif").read_bytes() == written.read_bytes()
    head = subprocess.run(
        ["git", "-C", tmp_path / "run" / "repository", "rev-parse", "HEAD"], capture_output=True, text=True, check=True
    )
    assert (job.folder / "commit").read_text() == head.stdout


def test_the_token_of_a_forks_run_only_reads(tmp_path: Path) -> None:
    rights = "actions: write, contents: write, security-events: write"
    workflow = UPLOAD.replace("PERMISSIONS", rights).replace("COMMIT", act.pinned()["github/codeql-action"])
    assert act.run(workflow, tmp_path / "own").succeeded
    job = act.run(workflow, tmp_path / "fork", read_only=True)
    assert not job.succeeded
    assert "refused for security-events" in job.services


def test_a_cover_has_every_pair() -> None:
    parameters = {"colour": ["red", "green", "blue"], "size": ["small", "large"], "place": ["here", "there"]}
    rows = pairwise.cover(parameters)
    held = set().union(*map(pairwise.pairs, rows))
    for parameter, other in combinations(parameters, 2):
        for first, second in product(parameters[parameter], parameters[other]):
            assert set(pairwise.pairs({parameter: first, other: second})) <= held
    assert len(rows) < 3 * 2 * 2


UPLOADS = [(path, name, job) for path, name, job in JOBS if "upload-sarif" in str(job) or "from-run" in str(job)]


@pytest.mark.parametrize(("path", "name", "job"), UPLOADS, ids=[f"{path.name} {name}" for path, name, _ in UPLOADS])
def test_a_job_that_uploads_may_look_its_run_up(path: Path, name: str, job: dict[str, Any]) -> None:
    assert job["permissions"]["actions"] == "read"
    if "upload-sarif" in str(job):
        assert job["permissions"]["security-events"] == "write"
        assert job["permissions"]["contents"] == "read"


def test_there_are_some() -> None:
    assert len(UPLOADS) == 4


def test_no_user_name_is_a_secret() -> None:
    secrets = [
        name for path in WORKFLOWS for name in (YAML.load(path)["on"].get("workflow_call") or {}).get("secrets", {})
    ]
    assert len(secrets) >= 6
    assert not [name for name in secrets if "user" in name.lower()]


def test_artifacts_are_named_by_the_call_and_taken_by_that_name() -> None:
    """What is kept by one call is never what another call of the same run keeps or takes."""
    named = 0
    for path in WORKFLOWS:
        if "inputs" not in ((YAML.load(path)["on"] or {}).get("workflow_call") or {}):
            continue
        for job in YAML.load(path)["jobs"].values():
            for step in job.get("steps", ()):
                if "-artifact@" in step.get("uses", ""):
                    given = step["with"]
                    assert ".outputs.call" in str(given) or ".outputs.artifact" in str(given), (path.name, given)
                    named += 1
    assert named >= 12
    for name in ("fleet.yml", "refresh.yml", "scheduled-patch.yml", "secure-image.yml"):
        assert "CALL: ${{ toJSON(inputs) }} ${{ job.check_run_id }}" in (workflow_rules.WORKFLOWS / name).read_text()


def test_of_several_calls_in_one_run_none_is_dropped() -> None:
    """Of those that wait in one group, GitHub keeps the newest alone, unless it is told to keep them."""
    grouped = {path.name: YAML.load(path).get("concurrency") for path in WORKFLOWS}
    kept = {name: group["queue"] for name, group in grouped.items() if group and "queue" in group}
    assert kept == dict.fromkeys(("fleet.yml", "refresh.yml", "scheduled-patch.yml", "secure-image.yml"), "max")
    assert all(grouped[name]["cancel-in-progress"] is False for name in kept)


def test_deployments_into_one_target_wait_for_each_other() -> None:
    for path, name, job in JOBS:
        if "$/actions/deploy" in str(job) and path.name != "self-test.yml":
            group = job["concurrency"]["group"]
            assert all(part in group for part in ("github.repository", "inputs.aks-cluster", "inputs.namespace")), name
            assert "inputs.image" not in group
            assert (job["concurrency"]["cancel-in-progress"], job["concurrency"]["queue"]) == (False, "max")
            break
    else:
        pytest.fail("no workflow deploys")


def test_only_the_jobs_that_sign_are_given_the_identity_that_signs() -> None:
    signing = [(path.name, name) for path, name, job in JOBS if "inputs.sign-client-id" in str(job)]
    assert signing == [("fleet.yml", "sign"), ("scheduled-patch.yml", "sign"), ("secure-image.yml", "sign")]
    for path, name, job in JOBS:
        if (path.name, name) in signing:
            assert job["environment"] == "${{ inputs.sign-environment }}"
    for workflow in ("fleet.yml", "scheduled-patch.yml", "secure-image.yml"):
        inputs = YAML.load(workflow_rules.WORKFLOWS / workflow)["on"]["workflow_call"]["inputs"]
        assert inputs["sign-environment"]["default"] == "signing"


SIGNING = ("key-pem", "certificate", "vault", "vault-certificate", "vault-certificate-version")


@pytest.mark.parametrize("path", WORKFLOWS, ids=[path.stem for path in WORKFLOWS])
def test_what_a_workflow_takes_for_signing_and_trust_reaches_every_step_that_signs_or_verifies(path: Path) -> None:
    """A time-stamp in one job and not in the next would end with the certificate, and nobody would see it."""
    workflow = YAML.load(path)
    declared = (
        ((workflow["on"].get("workflow_call") or {}).get("inputs") or {}) if isinstance(workflow["on"], dict) else {}
    )
    steps = [step.get("with") or {} for job in workflow["jobs"].values() for step in job.get("steps") or ()]
    signing = [given for given in steps if "key-pem" in given]
    verifying = [given for given in steps if "trusted-timestamp-root" in given]
    for given in signing:
        assert {*SIGNING, "timestamp-url", "timestamp-root-cert"} <= given.keys()
    assert bool(signing) == ("timestamp-url" in declared)
    # `trusted-timestamp-root` alone trusts nobody: who is trusted is given beside it.
    for given in verifying:
        assert "trust-store" in given or {"vault", "vault-certificate", "certificate"} <= given.keys()
    for name in declared.keys() & {*SIGNING, "timestamp-url", "timestamp-root-cert", "trust-store", "trusted-identity"}:
        assert any(f"inputs.{name}" in str(given.get(name)) for given in steps), name


@pytest.mark.parametrize("path", WORKFLOWS, ids=[path.stem for path in WORKFLOWS])
def test_the_secrets_that_a_workflow_speaks_of_are_those_it_takes(path: Path) -> None:
    declared = set((YAML.load(path)["on"].get("workflow_call") or {}).get("secrets") or {})
    named = set(re.findall(r"\bsecret `?([A-Za-z][\w-]*_[\w-]*|[Kk][Uu][Bb][\w-]*|[A-Z]{4,})", path.read_text()))
    assert named <= declared


def test_what_patches_a_shard_has_no_key_and_what_signs_it_builds_nothing() -> None:
    jobs = YAML.load(workflow_rules.WORKFLOWS / "fleet.yml")["jobs"]
    patch, sign = str(jobs["patch"]), str(jobs["sign"])
    assert "SIGNING_KEY" not in patch and "sign-client-id" not in patch and "environment" not in jobs["patch"]
    (patching,) = (step["with"] for step in jobs["patch"]["steps"] if "fleet-run" in step.get("uses", ""))
    assert (patching["sign"], patching["cache"]) == (False, False)
    assert "buildx" not in sign and "buildkit-addr" not in sign
    (signing,) = (step["with"] for step in jobs["sign"]["steps"] if "fleet-run" in step.get("uses", ""))
    assert (signing["patched"], signing["cache"]) == ("s3c-patched", False)
    # What is planned is what the job without the images' code says, not the one that runs it.
    assert signing["plan"] == patching["plan"] == "s3c-plan/plan.json"
    kept = [step["with"] for step in jobs["sign"]["steps"] if "download-artifact" in step.get("uses", "")]
    assert [given["path"] for given in kept] == ["s3c-plan", "s3c-patched"]
    assert [given["path"] for given in kept if given["name"].startswith("s3c-fleet-plan-")] == ["s3c-plan"]


@pytest.mark.parametrize("name", ["plan", "report"])
def test_what_joins_a_fleet_runs_nothing_of_an_image(name: str) -> None:
    job = YAML.load(workflow_rules.WORKFLOWS / "fleet.yml")["jobs"][name]
    assert not [step for step in job["steps"] if "buildx" in step.get("uses", "")]
    assert "SIGNING_KEY" not in str(job)
