"""Keep the one issue of a command, by the token and the repository that the options give."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from s3c_actions.github import api, issues, marker
from s3c_actions.github import run as runs
from s3c_actions.options.github import TokenOptions
from s3c_actions.wiring.context import Context
from s3c_actions.wiring.github import find_token


class KeptIssue(msgspec.Struct, frozen=True, kw_only=True):
    """What the issue of a command says.

    Attributes:
        command: whose issue it is; every workflow has its own.
        repository: as given, `owner/name`; empty: the run's.
        open: whether there is anything to do; otherwise the issue is closed.
        title: of the issue.
        render: returns the body for the address of the run's page; for an empty one what does not differ by run.
        closing: the comment that closes it, Markdown.
        labels: set when it is opened.
    """

    command: str
    repository: str
    open: bool
    title: str
    render: Callable[[str], str]
    closing: str
    labels: tuple[str, ...] = ()


def update_issue(kept: KeptIssue, options: TokenOptions, context: Context) -> tuple[str, str]:
    """Open, update or close the issue.

    Returns:
        What was done, a word of `IssueOutcome`, and the issue's address; empty where there is none.

    Raises:
        InputError: there is no token, or the repository is not known.
        GitHubError: it could not be read or written.
    """
    workflow_run = runs.read_run(context.environment, kept.repository)
    token = find_token(options, context, issues.PERMISSION)
    client = api.connect(token, context.environment, context.progress.notice)
    key = marker.comment_key(kept.command, workflow_run.workflow)
    with context.progress.step("issue") as step:
        if kept.open:
            draft = issues.IssueDraft(
                key=key,
                title=kept.title,
                body=kept.render(workflow_run.url),
                says=kept.render(""),
                run=workflow_run.id,
                labels=kept.labels,
            )
            outcome, url = issues.put(client, workflow_run.repository, draft)
        else:
            outcome, url = issues.close(client, workflow_run.repository, key, kept.closing)
        step.done(f"{outcome.value} {url}".strip())
    return outcome.value, url
