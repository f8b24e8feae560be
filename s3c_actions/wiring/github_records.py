"""Record in GitHub what a command has deployed or found deployed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from s3c_actions.core.errors import InputError, S3CError
from s3c_actions.core.text import counted
from s3c_actions.github import api, artifact_metadata
from s3c_actions.github import run as runs
from s3c_actions.wiring.github import find_token, look_up_token

if TYPE_CHECKING:
    from s3c_actions.github.artifact_metadata import Deployment, Recorded
    from s3c_actions.options.github import TokenOptions
    from s3c_actions.options.github_records import GitHubRecordOptions
    from s3c_actions.wiring.context import Context

_MOST_SHOWN = 5


def check(options: GitHubRecordOptions, token: TokenOptions, context: Context, repository: str = "") -> None:
    """Check, before anything is done, that what is asked for can be recorded; arguments as of `record`.

    Raises:
        InputError: there is no token, or the repository is not known.
    """
    if options.github_records:
        find_token(token, context, artifact_metadata.PERMISSION)
        runs.read_run(context.environment, repository)


def record(
    options: GitHubRecordOptions,
    token: TokenOptions,
    context: Context,
    deployments: Iterable[Deployment],
    *,
    server: str,
    repository: str = "",
) -> None:
    """Record deployments and where their images are stored; that it cannot be done is a warning.

    Args:
        options: what is asked for.
        token: of the command.
        context: of the run.
        deployments: what runs.
        server: address of the cluster's API server; empty when none was asked.
        repository: `owner/name`; empty: that of the run.
    """
    listed = list(deployments)
    if not options.github_records or not listed:
        return
    with context.progress.step("records") as step:
        try:
            workflow_run = runs.read_run(context.environment, repository)
            client = api.connect(
                look_up_token(token, context.environment), context.environment, context.progress.notice
            )
            done: list[Recorded] = []
            if "deployments" in options.github_records:
                done.append(
                    artifact_metadata.record_deployments(
                        client,
                        workflow_run.repository,
                        listed,
                        cluster=_cluster(options, server),
                        environment=options.record_environment,
                    )
                )
            if "storage" in options.github_records:
                images = [deployment.image for deployment in listed]
                done.append(artifact_metadata.record_storage(client, workflow_run.repository, images))
        except S3CError as error:
            step.done(error.what)
            context.progress.warning(str(error))
            return
        skipped = [clause for recorded in done for clause in recorded.skipped]
        step.done(f"{counted(sum(recorded.count for recorded in done), 'record')} in GitHub")
    if skipped:
        more = f" and {len(skipped) - _MOST_SHOWN} more" if len(skipped) > _MOST_SHOWN else ""
        context.progress.warning(
            f"GitHub did not record {counted(len(skipped), 'deployment')}: {'; '.join(skipped[:_MOST_SHOWN])}{more}."
        )


def _cluster(options: GitHubRecordOptions, server: str) -> str:
    """Return the cluster's name in the records.

    Raises:
        InputError: none is given, and the API server's address has none.
    """
    name = options.record_cluster or (urlsplit(server).hostname or "")
    if not artifact_metadata.CLUSTER.fullmatch(name):
        raise InputError(
            "record-cluster",
            "it is not known which cluster this is.",
            remedy="Give the name that the records are to have.",
        )
    return name
