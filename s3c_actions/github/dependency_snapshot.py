"""Submit what Trivy lists in an image to GitHub's dependency graph.

https://docs.github.com/rest/dependency-graph/dependency-submission#create-a-snapshot-of-dependencies-for-a-repository
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from s3c_actions.core import reading
from s3c_actions.core.errors import InputError
from s3c_actions.github import errors

if TYPE_CHECKING:
    from pathlib import Path

    from github import Github

    from s3c_actions.github.run import WorkflowRun

PERMISSION = "contents: write"


class Submission(msgspec.Struct, frozen=True, kw_only=True):
    """GitHub's answer: the snapshot's id, and whether it is `SUCCESS`, `ACCEPTED` (processed later) or `INVALID`."""

    id: int
    result: str
    message: str


def check_run(run: WorkflowRun) -> None:
    """Check that a snapshot can be submitted for a run.

    Raises:
        InputError: its commit or ref is not known.
    """
    for value, variable in ((run.sha, "GITHUB_SHA"), (run.ref, "GITHUB_REF")):
        if not value:
            raise InputError(
                "submit-dependencies",
                "it is not known which commit the image was built from.",
                remedy=f"Set {variable}, as GitHub Actions does.",
            )


def submit(client: Github, run: WorkflowRun, path: Path, image: str) -> Submission:
    """Submit a snapshot.

    Args:
        client: of the repository's GitHub.
        run: whose commit the image was built from.
        path: of the snapshot as Trivy writes it; the facts on commit and job are taken from the run.
        image: what distinguishes the image in its job: a later snapshot replaces the earlier one of the same image.

    Raises:
        GitHubError: GitHub does not take it, or its answer is not one.
    """
    snapshot: dict[str, Any] = reading.parse_json(reading.read_file(path, reading.MAX_REPORT_BYTES))
    snapshot |= {
        "sha": run.sha,
        "ref": run.ref,
        "job": {
            "id": str(run.id),
            "correlator": "/".join(filter(None, (run.workflow, run.job, image))),
            **({"html_url": run.url} if run.url else {}),
        },
    }
    with errors.translate_errors(f"The dependencies of {image} could not be submitted", permission=PERMISSION):
        _, answer = client.requester.requestJsonAndCheck(
            "POST", f"/repos/{run.repository}/dependency-graph/snapshots", input=snapshot
        )
        submission = Submission(id=int(answer["id"]), result=str(answer["result"]), message=str(answer["message"]))
    if submission.result not in {"SUCCESS", "ACCEPTED"}:
        raise errors.GitHubError(
            errors.FailureKind.REFUSED,
            f"The dependencies of {image} were not taken by GitHub.",
            cause="The snapshot is not what GitHub expects.",
            remedy="See what GitHub says.",
            original=f"{submission.result}: {submission.message}"[:500],
        )
    return submission
