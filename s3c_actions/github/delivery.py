"""Deliver results as comments: which comments to write, on which pull requests, and their outcome.

A comment is rendered from `result.json` documents alone, so that the action, `s3c comment` and the workflow for forks,
whose documents are untrusted, write the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from s3c_actions.core import reading
from s3c_actions.core.doc_links import doc_link
from s3c_actions.core.errors import InputError, S3CError
from s3c_actions.core.reference import Reference
from s3c_actions.github import api, artifact, errors, marker, run
from s3c_actions.github.comments import CommentDraft, CommentOutcome, Conversation
from s3c_actions.github.run import WorkflowRun
from s3c_actions.options import github as inputs
from s3c_actions.report.document import ImageResult, ResultDocument
from s3c_actions.report.github import comment
from s3c_actions.result.model import LeftResults

if TYPE_CHECKING:
    from github import Github

    from s3c_actions.core.progress import Progress
    from s3c_actions.core.secrets import Secrets

BODY_BYTES = 65_536 - marker.CHARACTERS - 1_000
"""GitHub counts characters; bytes are never fewer."""


class CommentSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How comments are written.

    Attributes:
        mode: `always`, `changes` (an unchanged one is left as it is), `failures` (none is created for success).
        name: distinguishes several comments on the same image in the same job.
        anew: a changed comment is posted again at the end, and the old one hidden as outdated.
        merge: one comment for all images.
        most: more comments than this are merged into one.
        note: a sentence at the end of each.
    """

    mode: str = "always"
    name: str = ""
    anew: bool = False
    merge: bool = False
    most: int | None = None
    note: str = ""


class DeliveredComment(msgspec.Struct, frozen=True, kw_only=True):
    """A comment and its outcome; `url` is empty when there is none."""

    pull_request: int
    done: CommentOutcome
    url: str


def draft_comments(
    documents: Sequence[ResultDocument], workflow_run: WorkflowRun, settings: CommentSettings
) -> list[CommentDraft]:
    """Return the comments for documents: one for each image repository, or one for all.

    A deployment has a single comment, whatever images it consists of.

    Args:
        documents: in the order in which the runs ended.
        workflow_run: the run that they come from.
        settings: how to write.
    """
    groups: dict[str, list[ResultDocument]] = {}
    for document in documents:
        if document.deploy is not None:
            groups.setdefault("deploy", []).append(document)
        else:
            for image in document.images:
                groups.setdefault(f"image {_repository(image)}", []).append(replace(document, images=(image,)))
    if documents and (settings.merge or (settings.most is not None and len(groups) > settings.most)):
        groups = {"merged": list(documents)}
    comments = []
    for group, members in groups.items():
        stable_text = comment.render(members, note=settings.note, limit=BODY_BYTES)
        if not stable_text:
            continue
        comments.append(
            CommentDraft(
                key=marker.comment_key(workflow_run.workflow, workflow_run.job, settings.name, group),
                body=comment.render(members, run_url=workflow_run.url, note=settings.note, limit=BODY_BYTES),
                says=stable_text,
                run=workflow_run.id,
                begins=settings.mode != "failures" or any(_verdict(member) != "passed" for member in members),
                only_changes=settings.mode == "changes",
                anew=settings.anew,
            )
        )
    return comments


def deliver(
    client: Github, workflow_run: WorkflowRun, written: Sequence[CommentDraft], *, pull_request: int | None = None
) -> list[DeliveredComment]:
    """Write comments on the pull requests of a run.

    Args:
        client: of the repository's GitHub.
        workflow_run: the run.
        written: the comments.
        pull_request: number of the one to write on, instead of looking it up.

    Returns:
        The outcome of each; nothing when the run has no open pull request.

    Raises:
        GitHubError: a pull request or comment could not be looked up, read or written.
    """
    if not written:
        return []
    numbers = [pull_request] if pull_request is not None else run.pull_requests(workflow_run, client)
    delivered = []
    for number in numbers:
        conversation = Conversation(client, workflow_run.repository, number)
        for message in written:
            done, url = conversation.put(message)
            delivered.append(DeliveredComment(pull_request=number, done=done, url=url))
    return delivered


def describe_delivery(delivered: Sequence[DeliveredComment]) -> str:
    """Describe the outcome in one sentence."""
    if not delivered:
        return "no open pull request to comment on"
    return ", ".join(f"#{comment.pull_request}: {comment.done.value} {comment.url}".strip() for comment in delivered)


class PublishedComments(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of a step's comments.

    Attributes:
        urls: of the comments.
        left: results left for another workflow, None when there are none.
        error: an error that a person should fix.
    """

    urls: tuple[str, ...] = ()
    left: LeftResults | None = None
    error: S3CError | None = None


def publish(
    document: ResultDocument,
    result: Path,
    options: inputs.CommentingOptions,
    environment: Mapping[str, str],
    *,
    secrets: Secrets,
    progress: Progress,
) -> PublishedComments:
    """Comment the result of a step; errors of GitHub are not raised.

    Args:
        document: what the step did.
        result: its `result.json`, left for another workflow where this run may not comment.
        options: whether and how to comment.
        environment: of the process.
        secrets: the token is added.
        progress: receives the outcome.
    """
    settings = CommentSettings(mode=options.comment, name=options.comment_name, anew=options.minimize_old_comments)
    try:
        workflow_run = run.read_run(environment)
        token = options.github_token or environment.get("GITHUB_TOKEN", "")
        if not token:
            raise InputError("github-token", "it is empty.", remedy="Leave it out to use the run's own.")
        secrets.add(token)
        client = api.connect(token, environment, progress.notice)
        data = reading.read_file(result, reading.MAX_REPORT_BYTES)
        written = draft_comments([document], workflow_run, settings)
        with progress.step("comment") as step:
            try:
                done = deliver(client, workflow_run, written)
            except S3CError:
                step.done("not written")
                raise
            step.done(describe_delivery(done) if written else "nothing to comment")
        left = (
            save_for_workflow([data], written, workflow_run, settings, environment)
            if may_exist_already(done, workflow_run)
            else None
        )
        return PublishedComments(urls=tuple(comment.url for comment in done if comment.url), left=left)
    except errors.GitHubError as error:
        if error.trouble is not errors.FailureKind.PERMISSION and not workflow_run.read_only:
            return PublishedComments(error=error)
        left = save_for_workflow([data], written, workflow_run, settings, environment)
        if not workflow_run.read_only:
            return PublishedComments(left=left, error=error)
        progress.notice(saved_notice(left))
        return PublishedComments(left=left)
    except S3CError as error:
        return PublishedComments(error=error)


def save_for_workflow(
    results: Sequence[bytes],
    written: Sequence[CommentDraft],
    workflow_run: WorkflowRun,
    settings: CommentSettings,
    environment: Mapping[str, str],
) -> LeftResults:
    """Leave results for a workflow that may comment.

    Args:
        results: `result.json` files.
        written: their comments.
        workflow_run: the run, which may not comment.
        settings: of the comments.
        environment: of the process.
    """
    name = artifact.PREFIX + marker.comment_key(
        workflow_run.workflow, workflow_run.job, settings.name, *(message.key for message in written)
    )
    return LeftResults(artifact=name, folder=artifact.save_results(results, environment))


def may_exist_already(done: Sequence[DeliveredComment], workflow_run: WorkflowRun) -> bool:
    """Return whether a comment that this run did not create may exist all the same, created by another workflow."""
    return workflow_run.read_only and any(comment.done is CommentOutcome.NOT_BEGUN for comment in done)


def saved_notice(left: LeftResults) -> str:
    """Describe for people what happens with the left results."""
    return (
        "This run's token may only read, as always for a fork, and for Dependabot without `permissions:`: the comment "
        "is left to a workflow that may write. "
        f"The results are in the artifact {left.artifact}; {doc_link('github.md')} has that workflow."
    )


def _verdict(document: ResultDocument) -> str:
    """Return `passed` or `failed` for the images of a document, or for the document when it has none."""
    verdicts = [image.verdict for image in document.images] or [document.verdict]
    return "passed" if set(verdicts) == {"passed"} and document.error is None else "failed"


def _repository(image: ImageResult) -> str:
    """Return the part of an image that is stable between commits of a pull request: neither tag nor digest."""
    try:
        return Reference.parse(image.image).name
    except InputError:
        return image.image
