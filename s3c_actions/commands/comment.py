"""`s3c comment`: results that are there already, as comments on their pull request."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from s3c_actions.commands import Command, Context
from s3c_actions.core import reading
from s3c_actions.core.errors import InputError, S3CError
from s3c_actions.options import Values
from s3c_actions.options import github as inputs
from s3c_actions.result.model import LeftResults, Outcome

if TYPE_CHECKING:
    from s3c_actions.github.comments import Message
    from s3c_actions.github.delivery import Settings
    from s3c_actions.github.run import Run

NAME = "comment"
FILE = "result.json"
MOST_COMMENTS = 20
"""Of one run for a fork, which may claim any number of images; of more, one comment tells."""
FOREIGN = "Made by a run for a fork or Dependabot, with the code it proposes."


def run(values: Values, context: Context) -> Outcome:
    """Write the comments.

    Raises:
        InputError: an input or a result is wrong.
        OutsideError: GitHub did not take a comment that is required, or what a fork's run left is no result.
    """
    from s3c_actions.github import api, artifact, delivery, errors
    from s3c_actions.github import run as runs

    token = token_of(values, context, "pull-requests: write")
    about = runs.of(context.environment, values[inputs.REPOSITORY])
    client = api.connect(token, context.environment, context.progress.notice)
    foreign = values[inputs.FROM_RUN]
    if foreign and about.event != "workflow_run":
        raise InputError(
            "from-run",
            "this run was not caused by the end of another one.",
            remedy="Use it in a workflow with `on: workflow_run`; see docs/github.md.",
        )
    if foreign == bool(values[inputs.RESULTS]):
        raise InputError(
            "results",
            "give result.json files, or `from-run`, and not both." if foreign else "this input is required.",
            remedy="Example: s3c comment s3c-out/result.json",
        )
    required = values[inputs.COMMENT_REQUIRED]
    try:
        documents = artifact.results(client, about, token) if foreign else read(values[inputs.RESULTS])
        settings = delivery.Settings(
            mode=values[inputs.COMMENT],
            name=values[inputs.COMMENT_NAME],
            anew=values[inputs.COMMENT_ANEW],
            merge=values[inputs.MERGE],
            most=MOST_COMMENTS if foreign else None,
            note=FOREIGN if foreign else "",
        )
        written = delivery.messages(documents, about, settings) if settings.mode != "off" else []
        with context.progress.step("comment") as step:
            try:
                done = delivery.deliver(client, about, written, pull_request=values[inputs.PULL_REQUEST])
            except errors.GitHubError:
                step.done("not written")
                if not about.read_only:
                    raise
                for_another = _left(documents, written, about, settings, context)
                context.progress.notice(delivery.to_do(for_another))
                return Outcome(command=NAME, images=(), left=for_another)
            step.done(delivery.told(done) if written else "nothing to comment")
    except S3CError as error:
        if isinstance(error, InputError) or required:
            raise
        context.progress.warning(str(error))
        return Outcome(command=NAME, images=())
    urls = tuple(one.url for one in done if one.url)
    left = _left(documents, written, about, settings, context) if delivery.others(done, about) else None
    return Outcome(command=NAME, images=(), text="".join(f"{url}\n" for url in urls), comments=urls, left=left)


def _left(
    documents: Sequence[Mapping[str, Any]],
    written: Sequence[Message],
    about: Run,
    settings: Settings,
    context: Context,
) -> LeftResults:
    from s3c_actions.github import delivery

    texts = [json.dumps(one).encode() for one in documents]
    return delivery.leave(texts, written, about, settings, context.environment)


def token_of(values: Values, context: Context, *permissions: str) -> str:
    """The token given, or the one that GitHub's own tools take from the environment.

    Args:
        values: of a command that has TOKEN among its inputs.
        context: of the run.
        permissions: what the token needs, as in `issues: write`; told when there is none.

    Raises:
        InputError: there is none.
    """
    names = ("GITHUB_TOKEN", "GH_TOKEN")
    token = values[inputs.TOKEN] or next(filter(None, map(context.environment.get, names)), "")
    if not token:
        raise InputError(
            "github-token",
            "this input is required.",
            remedy="Set GITHUB_TOKEN, or give --github-token-file. The token needs "
            f"{' and '.join(f'`{one}`' for one in permissions)}.",
        )
    context.secrets.add(token)
    return token


def read(given: tuple[str, ...]) -> list[Mapping[str, Any]]:
    """The documents in files and folders, each with the shape of a result.

    Raises:
        InputError: one is not there or is no result.
    """
    from s3c_actions.github.artifact import NotAccepted, document

    documents = []
    for path in files(given, FILE, "results"):
        try:
            documents.append(document(reading.content(path, reading.DOCUMENTS)))
        except OSError as error:
            raise InputError("results", f"{path} cannot be read: {error.strerror}.") from error
        except NotAccepted as error:
            raise InputError("results", f"{path} is not used. {error.what}", original=error.original) from error
    return documents


def files(given: tuple[str, ...], pattern: str, field: str) -> list[Path]:
    """Files as given, and those of that name in folders and all below them, in order.

    Raises:
        InputError: one is not there, or a folder has none.
    """
    found: list[Path] = []
    for path in (Path(one).expanduser() for one in given):
        here = sorted(path.rglob(pattern)) if path.is_dir() else [path]
        if not here or not all(one.is_file() for one in here):
            why = f"has no {pattern}" if path.is_dir() else "does not exist"
            raise InputError(field, f"{path} {why}.", remedy="Look at the path.")
        found += here
    return found


COMMAND = Command(
    name=NAME,
    help="Writes results as comments on their pull request: one for each image, or one for all with `merge`. Each is "
    "found again by a hidden marker and updated in place.",
    inputs=inputs.COMMENT_INPUTS,
    run=run,
    examples=(
        "s3c comment s3c-out/result.json",
        "s3c comment results/ --merge --comment changes",
        "s3c comment s3c-out/result.json --repository octo/shop --pull-request 7",
    ),
)
