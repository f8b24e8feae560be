"""`s3c comment`: results that are there already, as comments on their pull request."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

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
"""Of one run for a fork, which may claim any number of images; of more, one comment tells."""
FOREIGN_NOTE = "Made by a run for a fork or Dependabot, with the code it proposes."


def run(options: inputs.CommentInputs, context: Context) -> Outcome:
    """Write the comments.

    Raises:
        InputError: an input or a result is wrong.
        OutsideError: GitHub did not take a comment that is required, or what a fork's run left is no result.
    """
    token = find_token(options, context, "pull-requests: write")
    about = runs.read_run(context.environment, options.repository)
    client = api.connect(token, context.environment, context.progress.notice)
    foreign = options.from_run
    if foreign and about.event != "workflow_run":
        raise InputError(
            "from-run",
            "this run was not caused by the end of another one.",
            remedy="Use it in a workflow with `on: workflow_run`; see docs/github.md.",
        )
    if foreign == bool(options.results):
        raise InputError(
            "results",
            "give result.json files, or `from-run`, and not both." if foreign else "this input is required.",
            remedy="Example: s3c comment s3c-out/result.json",
        )
    required = options.comment_required
    try:
        documents = artifact.download_results(client, about, token) if foreign else read(options.results)
        settings = delivery.CommentSettings(
            mode=options.comment,
            name=options.comment_name,
            anew=options.minimize_old_comments,
            merge=options.merge,
            most=MAX_COMMENTS if foreign else None,
            note=FOREIGN_NOTE if foreign else "",
        )
        written = delivery.draft_comments(documents, about, settings) if settings.mode != "off" else []
        with context.progress.step("comment") as step:
            try:
                done = delivery.deliver(client, about, written, pull_request=options.pull_request)
            except errors.GitHubError:
                step.done("not written")
                if not about.read_only:
                    raise
                for_another = _left(documents, written, about, settings, context)
                context.progress.notice(delivery.saved_notice(for_another))
                return Outcome(command=NAME, images=(), left=for_another)
            step.done(delivery.describe_delivery(done) if written else "nothing to comment")
    except S3CError as error:
        if isinstance(error, InputError) or required:
            raise
        context.progress.warning(str(error))
        return Outcome(command=NAME, images=())
    urls = tuple(one.url for one in done if one.url)
    left = _left(documents, written, about, settings, context) if delivery.may_exist_already(done, about) else None
    return Outcome(command=NAME, images=(), text="".join(f"{url}\n" for url in urls), comments=urls, left=left)


def _left(
    documents: Sequence[ResultDocument],
    written: Sequence[CommentDraft],
    about: WorkflowRun,
    settings: CommentSettings,
    context: Context,
) -> LeftResults:
    texts = [json.dumps(msgspec.to_builtins(document)).encode() for document in documents]
    return delivery.save_for_workflow(texts, written, about, settings, context.environment)
