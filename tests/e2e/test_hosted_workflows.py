"""README's workflows as printed, and every action on every event, on a runner like GitHub's."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import ruamel.yaml

from s3c_actions.cli import run
from s3c_lab.lab import Lab
from s3c_lab.machine import Machine
from tests.support import examples, repositories
from tests.support.act import Job
from tests.support.azure.registry import forward
from tests.support.github import events
from tests.support.github.server import GitHub, serving
from tests.support.github.state import READ_ONLY, Token
from tests.support.hosted import ACTOR, API, MIRROR, Hosted, hosted
from tests.support.layout import Layout
from tests.support.oci import Repository, copy_image, digest_of
from tests.support.pairwise import cover
from tests.support.signing import s3c, signatures

TOGETHER = "@runner"
MANIFEST = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: app}
spec:
  selector: {matchLabels: {app: app}}
  template:
    metadata: {labels: {app: app}}
    spec:
      containers: [{name: app, image: "ghcr.io/acme/voting-app:1.4.0-1"}]
"""
TOKEN = "ghs_theRunsOwnToken0000000000000000000000"
NAME = "ghcr.io/acme/voting-app"


@pytest.fixture(scope="module", params=[TOGETHER])
def runner(lab: Lab, machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosted]:
    """One runner for all. The parameter stands in the tests' names."""
    with hosted(lab, machine, tmp_path_factory.mktemp("hosted")) as started:
        yield started


@pytest.fixture(scope="module")
def image(lab: Lab) -> Repository:
    """The image that README names, in GitHub's registry."""
    (original,) = (reference for reference in lab.images if "/voting-app:" in reference)
    copy_image(original, "acme/voting-app")
    return Repository(lab.registry, "acme/voting-app")


@pytest.fixture(scope="module")
def files(lab: Lab) -> dict[str, str]:
    return {"signing.crt": Path(lab.certificate).read_text(), "k8s/app.yaml": MANIFEST}


@pytest.fixture(scope="module")
def built(runner: Hosted, first: Job, image: Repository) -> Path:
    """The archive of a build, with nothing that a patch could fix: README's patched image."""
    assert first.succeeded, first.log
    layout, (manifest, media_type) = Layout(), image.raw("1.4.0-1")
    document = json.loads(manifest)
    for descriptor in (document["config"], *document["layers"]):
        layout.put(image.blob(descriptor["digest"]), descriptor["mediaType"])
    layout.named(layout.put(manifest, media_type))
    return layout.write(runner.folder / "image.tar")


def printed(runner: Hosted, lab: Lab, files: Mapping[str, str], number: int) -> Job:
    """Run an example of README; the mirror is the runner's own, as in a company."""
    runner.packages.rights[TOKEN] = "write"
    return runner.run(
        examples.readme(number),
        f"readme-{number}",
        files=files,
        secrets={"SIGNING_KEY": Path(lab.key).read_text(), "GITHUB_TOKEN": TOKEN},
        environment={"S3C_PROGRAMS_MIRROR": f"https://{MIRROR}"},
        whole=True,
    )


@pytest.fixture(scope="module")
def first(runner: Hosted, lab: Lab, image: Repository, files: dict[str, str]) -> Job:
    """README's second workflow: the whole chain with a key."""
    return printed(runner, lab, files, 1)


def nothing_is_left_or_used(runner: Hosted) -> None:
    """No container of BuildKit, no volume of one, no folder of a run; and nothing that was in the workspace ran."""
    assert runner.shell("docker ps --all --quiet; docker volume ls --quiet") == ""
    assert runner.shell("ls -d /tmp/s3c-* 2>/dev/null || true") == ""
    assert runner.used_of_the_workspace() == []


def signatures_of(image: Repository, tag: str) -> list[str]:
    return signatures(f"{image.registry}/{image.name}@{digest_of(image.raw(tag)[0])}")


def secrets_of(lab: Lab) -> list[str]:
    return [TOKEN, Path(lab.key).read_text().splitlines()[1]]


def test_readmes_first_workflow_as_printed(
    runner: Hosted, image: Repository, files: dict[str, str], services: GitHub
) -> None:
    """On a pull request, without a key or a secret: what the Dockerfile builds is scanned, gated and commented on."""
    runner.packages.rights[TOKEN] = "read"
    # The base image is on the machine: what the Dockerfile builds on is no matter of the workflow.
    runner.shell(
        f"echo {TOKEN} | docker login ghcr.io --username {ACTOR} --password-stdin"
        f" && docker pull --quiet {NAME}:1.4.0 && docker logout ghcr.io"
    )
    services.state.tokens[TOKEN] = Token(permissions=frozenset({"contents:read", "pull-requests:write"}))
    job = runner.run(
        examples.readme(0),
        "readme-0",
        files={**files, "Dockerfile": f"FROM {NAME}:1.4.0\n"},
        secrets={"GITHUB_TOKEN": TOKEN},
        environment={
            "S3C_PROGRAMS_MIRROR": f"https://{MIRROR}",
            "GITHUB_API_URL": f"https://{API}",
            "GITHUB_REPOSITORY": services.state.repository,
        },
        event="pull_request",
        payload=events.pull_request(services, services.state.pulls[1]),
        whole=True,
    )
    assert job.succeeded, job.log
    assert len(services.state.comments) == 1
    assert TOKEN not in job.log
    nothing_is_left_or_used(runner)


def test_readmes_second_workflow_as_printed(runner: Hosted, lab: Lab, first: Job, image: Repository) -> None:
    assert first.succeeded, first.log
    assert "1.4.0-1" in image.tags()
    patched = image.raw("1.4.0-1")[0]
    assert patched != image.raw("1.4.0")[0]
    assert len(signatures_of(image, "1.4.0-1")) == 1
    assert not signatures_of(image, "1.4.0")
    # Programs and BuildKit came from the mirror: by what it names, and nothing else.
    asked = set(runner.programs.read)
    assert {path.removeprefix("/") for path in asked if "/releases/" in path} == set(runner.archives)
    assert any(path.startswith("/v2/moby/buildkit/manifests/") for path in asked)
    assert not [secret for secret in secrets_of(lab) if secret in first.log]
    nothing_is_left_or_used(runner)


def test_readmes_step_by_step_workflow_as_printed(
    runner: Hosted, lab: Lab, first: Job, image: Repository, files: dict[str, str]
) -> None:
    """On an image that is patched already, by whom `certificate` names: nothing is patched or signed anew."""
    assert first.succeeded, first.log
    before = image.every_tag()
    (signature,) = signatures_of(image, "1.4.0-1")
    job = printed(runner, lab, files, 2)
    assert job.succeeded, job.log
    scan, patch = job.outputs["scan"], job.outputs["patch"]
    assert int(scan["fixable"]) > 0
    assert (patch["fixable"], patch["skipped"]) == ("0", "true")
    assert patch["reference"].startswith(f"{NAME}@sha256:")
    assert patch["digest"] == digest_of(image.raw("1.4.0-1")[0])
    assert signatures_of(image, "1.4.0-1") == [signature]
    assert image.every_tag() == before
    assert "upload-sarif" in job.services
    assert not [secret for secret in secrets_of(lab) if secret in job.log]
    nothing_is_left_or_used(runner)


LOGIN = {"registry-username": "${{ github.actor }}", "registry-password": "${{ github.token }}"}
KEY = {"key-pem": "${{ secrets.SIGNING_KEY }}", "certificate": "signing.crt"}
PATCHED = f"{NAME}:1.4.0-1"


def job_of(action: str, permissions: Mapping[str, str], **inputs: str | bool) -> dict[str, Any]:
    """A job with one action, after a check-out."""
    given = {name.replace("_", "-"): value for name, value in inputs.items()}
    step = {"id": action, "uses": f"org/s3c/actions/{action}@v1", "with": given | LOGIN}
    if action == "chain":
        step["uses"] = "org/s3c@v1"
    return {
        "runs-on": "ubuntu-latest",
        "permissions": {"contents": "read", **permissions},
        "steps": [{"uses": "actions/checkout@v7"}, step],
    }


def call_of(workflow: str, permissions: Mapping[str, str], secrets: Mapping[str, str], **inputs: str | bool) -> Any:
    """A job that calls a workflow of ours."""
    return {
        "uses": f"org/s3c/.github/workflows/{workflow}.yml@v1",
        "permissions": dict(permissions),
        "with": {name.replace("_", "-"): value for name, value in inputs.items()},
        "secrets": dict(secrets),
    }


WRITE, UPLOAD = {"packages": "write"}, {"actions": "read", "security-events": "write"}
PASSWORD, KEY_PEM = {"REGISTRY_PASSWORD": "${{ github.token }}"}, {"SIGNING_KEY": "${{ secrets.SIGNING_KEY }}"}


@dataclass(frozen=True)
class Subject:
    """A job of ours.

    Attributes:
        job: its YAML.
        needs: what it cannot do without, a name in REASONS; empty when it only reads.
    """

    job: dict[str, Any]
    needs: str = ""


SUBJECTS = {
    "scan": Subject(
        job_of(
            "scan",
            {**UPLOAD, "pull-requests": "write", "packages": "read"},
            image=PATCHED,
            upload_sarif=True,
            comment="always",
        )
    ),
    "patch": Subject(
        job_of("patch", WRITE, image=f"{NAME}:1.4.0", certificate="signing.crt"),
    ),
    "sign": Subject(job_of("sign", WRITE, image=PATCHED, **KEY), "key"),
    "chain": Subject(job_of("chain", WRITE, image=f"{NAME}:1.4.0", **KEY), "key"),
    "trace": Subject(job_of("trace", {"packages": "read"}, image=PATCHED, trust_store="signing.crt")),
    "mirror": Subject(job_of("mirror", WRITE, source=PATCHED, target="ghcr.io/acme/copy:RUN"), "packages"),
    # Nothing is left to fix, so there is no issue to write, which a fork's token could not.
    "refresh": Subject(job_of("refresh", {"issues": "write"}, images=PATCHED, fail_on="HIGH", issue=True)),
    "deploy": Subject(
        job_of(
            "deploy",
            {"packages": "read"},
            manifests="k8s/app.yaml",
            image=PATCHED,
            trust_store="signing.crt",
            render_only=True,
        )
    ),
    "propose": Subject(
        job_of("propose", {"contents": "write", "pull-requests": "write"}, manifests="k8s", images=f"{PATCHED}@DIGEST"),
        "proposal",
    ),
    "refresh_images": Subject(
        call_of(
            "refresh",
            {"contents": "read", "id-token": "write", "issues": "write", "packages": "write"},
            PASSWORD,
            images=PATCHED,
            fail_on="HIGH",
            registry_username="${{ github.actor }}",
        ),
    ),
    "patch_images": Subject(
        call_of(
            "scheduled-patch",
            {
                **UPLOAD,
                **WRITE,
                "contents": "write",
                "id-token": "write",
                "pull-requests": "write",
            },
            {**PASSWORD, **KEY_PEM},
            images=f"{NAME}:1.4.0",
            certificate="signing.crt",
            registry_username="${{ github.actor }}",
        ),
        "key",
    ),
    "secure_image": Subject(
        call_of(
            "secure-image",
            {**UPLOAD, **WRITE, "contents": "read", "id-token": "write"},
            {**PASSWORD, **KEY_PEM},
            image="ghcr.io/acme/RUN:1.4.0",
            certificate="signing.crt",
            registry_username="${{ github.actor }}",
        ),
        "packages",
    ),
    "comment_for_forks": Subject(call_of("comment", {"actions": "read", "pull-requests": "write"}, {}), "workflow_run"),
}
REASONS = {
    "key": r"::error title=s3c [a-z]+::s3c [a-z]+: .*(key|signing)",
    "packages": "Give the job the permission `packages: write`",
    "proposal": "Give the job the permission",
}
"""What a job reports whose run does not give it what it needs; what needs a `workflow_run` is skipped by all others."""
EVENTS = {
    "push": "push",
    "pull_request": "pull_request",
    "pull_request of a fork": "pull_request",
    "pull_request of Dependabot": "pull_request",
    "schedule": "schedule",
    "workflow_dispatch": "workflow_dispatch",
    "merge_group": "merge_group",
}
UNTRUSTED = {"pull_request of a fork", "pull_request of Dependabot"}
ROWS = cover({"subject": [*SUBJECTS], "event": [*EVENTS], "cache": ["empty", "restored"]})
RUNS = sorted({(row["event"], row["cache"]) for row in ROWS})


@pytest.fixture
def services(runner: Hosted, files: dict[str, str]) -> Iterator[GitHub]:
    """GitHub's API as api.github.com, with a pull request of each kind."""
    with serving(API) as github:
        port = int(github.url.rpartition(":")[2])
        runner.world.sites.applications[API] = lambda request: forward(request, port)
        github.url = f"https://{API}"  # as its answers name it
        github.state.git.commit("main", files)
        github.state.pull(1)
        github.state.pull(2, head_repository="mallory/shop")
        github.state.pull(3, branch="dependabot/pip/flask-3", author="dependabot[bot]")
        yield github
    assert not github.violations, github.violations


@dataclass(frozen=True)
class Initialised:
    """A repository after `s3c init`, with an image that is built on README's.

    Attributes:
        files: path → text of what is committed, without the workflows.
        workflows: file name → text.
        key: that `init --key` created; empty without one.
    """

    files: dict[str, str]
    workflows: dict[str, str]
    key: str = ""


def initialised(folder: Path, *arguments: str) -> Initialised:
    """Run `s3c init` in the sample repository `plain`."""
    repositories.write("plain", folder)
    (folder / "Dockerfile").write_text(f"FROM {NAME}:1.4.0\n")
    stderr = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdin", io.StringIO())
        patch.chdir(folder)
        assert run.run("init", [*arguments, "--pin", "tag"], {}, io.StringIO(), stderr) == 0, stderr.getvalue()
    texts = {path: content.decode() for path, content in repositories.contents(folder).items()}
    key = texts.pop("keys/signing.key", "")
    ours = {path: texts.pop(path) for path in sorted(texts) if path.startswith(".github/")}
    committed = {path: text for path, text in texts.items() if not path.startswith(".git/")}
    return Initialised(committed, {path.rpartition("/")[2]: text for path, text in ours.items()}, key)


@pytest.fixture
def public(runner: Hosted, image: Repository) -> Iterator[None]:
    """What the Dockerfile builds on is anybody's to read, as a base image is: what builds has no login."""
    runner.packages.public.add(image.name)
    yield
    runner.packages.public.discard(image.name)


def run_initialised(runner: Hosted, services: GitHub, sample: Initialised, workflow: str, event: str, name: str) -> Job:
    """Run a workflow that `s3c init` wrote, on an event of the repository itself."""
    services.state.git.commit("main", sample.files)  # whose policy counts on a pull request
    runner.packages.rights[TOKEN] = "write"
    full = {"contents:read", "actions:read", "pull-requests:write", "security-events:write"}
    services.state.tokens[TOKEN] = Token(permissions=frozenset(full))
    return runner.run(
        sample.workflows[workflow],
        name,
        files=sample.files,
        secrets={"GITHUB_TOKEN": TOKEN, **({"SIGNING_KEY": sample.key} if sample.key else {})},
        environment={
            "S3C_PROGRAMS_MIRROR": f"https://{MIRROR}",
            "GITHUB_API_URL": f"https://{API}",
            "GITHUB_REPOSITORY": services.state.repository,
        },
        event=event,
        payload=events.pull_request(services, services.state.pulls[1]) if event == "pull_request" else {},
    )


@pytest.mark.usefixtures("public")
def test_what_init_writes_without_a_signer_scans_what_is_pushed(
    runner: Hosted, services: GitHub, tmp_path: Path
) -> None:
    sample = initialised(tmp_path / "shop")
    assert set(sample.workflows) == {"s3c-comment.yml", "s3c-images.yml"}
    job = run_initialised(runner, services, sample, "s3c-images.yml", "push", "init-push")
    assert job.succeeded, job.log
    assert len(re.findall(r"🏁  Job succeeded", job.log)) == 2  # that which builds, and that which scans
    assert "upload-sarif" in job.services
    assert not services.state.comments
    nothing_is_left_or_used(runner)


@pytest.mark.usefixtures("public")
def test_what_init_writes_for_a_key_comments_on_a_pull_request_and_signs_what_is_pushed(
    runner: Hosted, services: GitHub, lab: Lab, tmp_path: Path
) -> None:
    """With the key and certificate that it created, and the policy that names them."""
    sample = initialised(tmp_path / "shop", "--key")
    assert set(sample.workflows) == {"s3c-comment.yml", "s3c-images.yml", "s3c-release.yml"}
    proposed = run_initialised(runner, services, sample, "s3c-images.yml", "pull_request", "init-pull")
    assert proposed.succeeded, proposed.log
    (comment,) = services.state.comments.values()
    assert "shop" in comment.body
    released = run_initialised(runner, services, sample, "s3c-release.yml", "push", "init-release")
    assert released.succeeded, released.log
    outputs = released.outputs["image"]
    assert outputs["patched"] == "true"
    assert outputs["reference"] == f"ghcr.io/acme/shop@{outputs['digest']}"
    certificate = tmp_path / "signing.crt"
    certificate.write_text(sample.files["keys/signing.crt"])
    signed = f"{lab.registry}/acme/shop@{outputs['digest']}"
    assert s3c(tmp_path, "verify", signed, "--trust-store", certificate).code == 0
    # By the policy that was written, with what the run attached; its certificate's path is the repository's.
    judged = s3c(tmp_path / "shop", "policy", "check", signed, "--policy", "s3c-policy.yaml")
    assert judged.code == 0, judged.stderr
    for job in (proposed, released):
        assert not [secret for secret in (TOKEN, sample.key.splitlines()[1]) if secret in job.log]
    nothing_is_left_or_used(runner)


def workflow(subjects: list[str], run: str, digest: str) -> str:
    """A workflow of these jobs: `run` is a name that no other has, `digest` the patched image's."""
    text = json.dumps({name: SUBJECTS[name].job for name in subjects})
    jobs = json.loads(text.replace("RUN", run).replace("DIGEST", digest))
    written = io.StringIO()
    ruamel.yaml.YAML(typ="safe", pure=True).dump({"on": [*set(EVENTS.values())], "jobs": jobs}, written)
    return written.getvalue()


def ended(job: Job) -> dict[str, bool]:
    """Whether each job succeeded, by its name; of a called workflow, whether every job of it did."""
    states: dict[str, bool] = {}
    for first, second, state in re.findall(
        r"^\[([^]/]+?)/([^]/]+?)(?:/[^]]+)? *\] 🏁  Job (succeeded|failed)", job.log, re.MULTILINE
    ):
        name = second if first == "workflow.yml" else first
        states[name] = states.get(name, True) and state == "succeeded"
    return states


@pytest.mark.parametrize(("event", "cache"), RUNS)
def test_every_action_on_every_event(
    runner: Hosted,
    lab: Lab,
    first: Job,
    image: Repository,
    built: Path,
    files: dict[str, str],
    services: GitHub,
    event: str,
    cache: str,
) -> None:
    assert first.succeeded, first.log
    subjects = [row["subject"] for row in ROWS if (row["event"], row["cache"]) == (event, cache)]
    untrusted = event in UNTRUSTED
    name = re.sub(r"\W+", "-", f"{event}-{cache}")
    runner.packages.rights[TOKEN] = "read" if untrusted else "write"
    full = {"contents:write", "pull-requests:write", "issues:write", "actions:read", "security-events:write"}
    services.state.tokens[TOKEN] = Token(permissions=READ_ONLY if untrusted else frozenset(full))
    number = {"pull_request": 1, "pull_request of a fork": 2, "pull_request of Dependabot": 3}.get(event)
    payload = events.pull_request(services, services.state.pulls[number]) if number else {}
    pushed, patched = len(runner.packages.pushed), image.raw("1.4.0-1")[0]
    kept = any(runner.cache.iterdir())
    # A machine is new to every job: of the cache there is what the service restores.
    runner.shell(
        "rm -rf ~/.cache/s3c/archives ~/.cache/s3c/trivy ~/.cache/s3c/programs/trivy ~/.cache/s3c/programs/notation"
    )
    job = runner.run(
        workflow(subjects, name.lower(), digest_of(patched)),
        name,
        files=files,
        # GitHub gives a fork and Dependabot no secret of the repository, and a token that reads.
        secrets={"GITHUB_TOKEN": TOKEN, **({} if untrusted else {"SIGNING_KEY": Path(lab.key).read_text()})},
        environment={
            "S3C_PROGRAMS_MIRROR": f"https://{MIRROR}",
            "GITHUB_API_URL": f"https://{API}",
            "GITHUB_REPOSITORY": services.state.repository,
            "BUILT": str(built),
            "CACHED": cache,
            "CACHE_STORE": str(runner.cache),
        },
        event=EVENTS[event],
        payload=payload,
        read_only=untrusted,
    )
    states = ended(job)
    states.pop("kept", None)  # which keeps the outputs of called workflows for tests
    restored = any(line.startswith("restored ") for line in job.services)
    assert not restored or cache == "restored"
    assert restored or not (kept and cache == "restored" and "scan" in subjects), job.services
    expected = {
        subject: not untrusted or not SUBJECTS[subject].needs
        for subject in subjects
        if SUBJECTS[subject].needs != "workflow_run"
    }
    assert states == expected, job.log
    for subject in (failed for failed, succeeded in expected.items() if not succeeded):
        assert re.search(REASONS[SUBJECTS[subject].needs], job.log), (subject, job.log)
    assert not [secret for secret in secrets_of(lab) if secret in job.log]
    assert "Please report it" not in job.log and "Traceback" not in job.log
    assert image.raw("1.4.0-1")[0] == patched
    if untrusted:
        assert len(runner.packages.pushed) == pushed
        assert not services.state.comments and not services.state.issues
    elif event == "pull_request" and "scan" in subjects:
        assert len(services.state.comments) == 1
    nothing_is_left_or_used(runner)
