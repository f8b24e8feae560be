"""`s3c comment`: existing results as comments on their pull request."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from s3c_actions.core.doc_links import doc_link
from s3c_actions.core.errors import InputError, S3CError
from s3c_actions.github import api, artifact, delivery, errors
from s3c_actions.github import run as runs
from s3c_actions.options import github as inputs
from s3c_actions.result.model import LeftResults, Outcome
from s3c_actions.wiring.context import Context
from s3c_actions.wiring.github import find_token
from s3c_actions.wiring.result_files import read

if TYPE_CHECKING:
    from s3c_actions.github.comments import CommentDraft
    from s3c_actions.github.delivery import CommentSettings
    from s3c_actions.github.run import WorkflowRun
    from s3c_actions.report.document import ResultDocument

NAME = "comment"
MAX_COMMENTS = 20
"""Of one run for a fork, which may claim any number of images; more are merged into one comment."""
FOREIGN_NOTE = "Made by a run for a fork or Dependabot, with the code it proposes."


def run(options: inputs.CommentInputs, context: Context) -> Outcome:
    """Write the comments.

    Raises:
        InputError: an input or a result is wrong.
        OutsideError: GitHub did not take a comment that is required, or a fork's artifact is no result.
    """
    token = find_token(options, context, "pull-requests: write")
    workflow_run = runs.read_run(context.environment, options.repository)
    client = api.connect(token, context.environment, context.progress.notice)
    foreign = options.from_run
    if foreign and workflow_run.event != "workflow_run":
        raise InputError(
            "from-run",
            "this run was not caused by the end of another one.",
            remedy=f"Use it in a workflow with `on: workflow_run`; see {doc_link('github.md')}.",
        )
    if foreign == bool(options.results):
        raise InputError(
            "results",
            "give result.json files, or `from-run`, and not both." if foreign else "this input is required.",
            remedy="Example: s3c comment s3c-out/result.json",
        )
    required = options.comment_required
    try:
        documents = artifact.download_results(client, workflow_run, token) if foreign else read(options.results)
        settings = delivery.CommentSettings(
            mode=options.comment,
            name=options.comment_name,
            anew=options.minimize_old_comments,
            merge=options.merge,
            most=MAX_COMMENTS if foreign else None,
            note=FOREIGN_NOTE if foreign else "",
        )
        drafts = delivery.draft_comments(documents, workflow_run, settings) if settings.mode != "off" else []
        with context.progress.step("comment") as step:
            try:
                delivered = delivery.deliver(client, workflow_run, drafts, pull_request=options.pull_request)
            except errors.GitHubError:
                step.done("not written")
                if not workflow_run.read_only:
                    raise
                saved = _save_results(documents, drafts, workflow_run, settings, context)
                context.progress.notice(delivery.saved_notice(saved))
                return Outcome(command=NAME, images=(), left=saved)
            step.done(delivery.describe_delivery(delivered) if drafts else "nothing to comment")
    except S3CError as error:
        if isinstance(error, InputError) or required:
            raise
        context.progress.warning(str(error))
        return Outcome(command=NAME, images=())
    urls = tuple(comment.url for comment in delivered if comment.url)
    saved_results = (
        _save_results(documents, drafts, workflow_run, settings, context)
        if delivery.may_exist_already(delivered, workflow_run)
        else None
    )
    return Outcome(command=NAME, images=(), text="".join(f"{url}\n" for url in urls), comments=urls, left=saved_results)


def _save_results(
    documents: Sequence[ResultDocument],
    drafts: Sequence[CommentDraft],
    workflow_run: WorkflowRun,
    settings: CommentSettings,
    context: Context,
) -> LeftResults:
    texts = [json.dumps(msgspec.to_builtins(document)).encode() for document in documents]
    return delivery.save_for_workflow(texts, drafts, workflow_run, settings, context.environment)
