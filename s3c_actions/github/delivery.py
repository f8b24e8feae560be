"""From results to comments: which there are to be, on which pull requests, and what became of them.

A comment is rendered from `result.json` documents alone, so that the action, `s3c comment` and the workflow for forks,
whose documents are somebody else's, say the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from s3c_actions.core import reading
from s3c_actions.core.errors import InputError, S3CError
from s3c_actions.core.reference import Reference
from s3c_actions.github import api, artifact, errors, marker, run
from s3c_actions.github.comments import Conversation, Done, Message
from s3c_actions.github.run import Run
from s3c_actions.options import github as inputs
from s3c_actions.report.document import ImageResult, ResultDocument
from s3c_actions.result.model import LeftResults

if TYPE_CHECKING:
    from github import Github

    from s3c_actions.core.process import Secrets
    from s3c_actions.core.progress import Progress
    from s3c_actions.options import Values

BODY_BYTES = 65_536 - marker.CHARACTERS - 1_000
"""GitHub counts characters; bytes are never fewer."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How comments are written.

    Attributes:
        mode: `always`, `changes` (one that says the same stays as it is), `failures` (none is begun for what passed).
        name: keeps apart what comments on the same image in the same job.
        anew: a comment that changed is written anew at the end, and the old one hidden as outdated.
        merge: one comment for all images.
        most: more comments than that become one.
        note: a sentence at the end of each.
    """

    mode: str = "always"
    name: str = ""
    anew: bool = False
    merge: bool = False
    most: int | None = None
    note: str = ""


class Delivered(msgspec.Struct, frozen=True, kw_only=True):
    """One comment and what became of it; `url` is empty when there is none."""

    pull_request: int
    done: Done
    url: str


def messages(documents: Sequence[ResultDocument], about: Run, settings: Settings) -> list[Message]:
    """The comments that documents make: one for each image repository, or one for all.

    A deployment is one thing, whatever images it is made of.

    Args:
        documents: in the order in which the runs ended.
        about: the run that they come from.
        settings: how.
    """
    from s3c_actions.report.github import comment

    groups: dict[str, list[ResultDocument]] = {}
    for document in documents:
        if document.deploy is not None:
            groups.setdefault("deploy", []).append(document)
        else:
            for image in document.images:
                groups.setdefault(f"image {_repository(image)}", []).append(replace(document, images=(image,)))
    if documents and (settings.merge or (settings.most is not None and len(groups) > settings.most)):
        groups = {"merged": list(documents)}
    made = []
    for group, members in groups.items():
        said = comment.render(members, note=settings.note, limit=BODY_BYTES)
        if not said:
            continue
        made.append(
            Message(
                key=marker.key(about.workflow, about.job, settings.name, group),
                body=comment.render(members, run_url=about.url, note=settings.note, limit=BODY_BYTES),
                says=said,
                run=about.id,
                begins=settings.mode != "failures" or any(_verdict(one) != "passed" for one in members),
                only_changes=settings.mode == "changes",
                anew=settings.anew,
            )
        )
    return made


def deliver(
    client: Github, about: Run, written: Sequence[Message], *, pull_request: int | None = None
) -> list[Delivered]:
    """Write comments on the pull requests that a run is about.

    Args:
        client: of the repository's GitHub.
        about: the run.
        written: the comments.
        pull_request: number of the one to write on, instead of looking it up.

    Returns:
        What became of each; nothing when the run is about no open pull request.

    Raises:
        GitHubError: one could not be looked up, read or written.
    """
    if not written:
        return []
    numbers = [pull_request] if pull_request is not None else run.pull_requests(about, client)
    delivered = []
    for number in numbers:
        conversation = Conversation(client, about.repository, number)
        for message in written:
            done, url = conversation.put(message)
            delivered.append(Delivered(pull_request=number, done=done, url=url))
    return delivered


def told(delivered: Sequence[Delivered]) -> str:
    """One sentence for people."""
    if not delivered:
        return "no open pull request to comment on"
    return ", ".join(f"#{one.pull_request}: {one.done.value} {one.url}".strip() for one in delivered)


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """What a step's comments came to.

    Attributes:
        urls: of the comments.
        left: what to leave for another workflow, None when nothing is.
        error: what went wrong, when a person should change something.
    """

    urls: tuple[str, ...] = ()
    left: LeftResults | None = None
    error: S3CError | None = None


def publish(
    document: ResultDocument,
    result: Path,
    values: Values,
    environment: Mapping[str, str],
    *,
    secrets: Secrets,
    progress: Progress,
) -> Published:
    """Comment what a step did; nothing that goes wrong with GitHub is raised.

    Args:
        document: what the step did.
        result: its `result.json`, left for another workflow where this run may not comment.
        values: of `inputs.github.COMMENTING`.
        environment: of the process.
        secrets: the token is added.
        progress: told what became of it.
    """
    settings = Settings(mode=values[inputs.COMMENT], name=values[inputs.COMMENT_NAME], anew=values[inputs.COMMENT_ANEW])
    try:
        about = run.of(environment)
        token = values[inputs.TOKEN] or environment.get("GITHUB_TOKEN", "")
        if not token:
            raise InputError("github-token", "it is empty.", remedy="Leave it out to use the run's own.")
        secrets.add(token)
        client = api.connect(token, environment, progress.notice)
        data = reading.content(result, reading.REPORTS)
        written = messages([document], about, settings)
        with progress.step("comment") as step:
            try:
                done = deliver(client, about, written)
            except S3CError:
                step.done("not written")
                raise
            step.done(told(done) if written else "nothing to comment")
        left = leave([data], written, about, settings, environment) if others(done, about) else None
        return Published(urls=tuple(one.url for one in done if one.url), left=left)
    except errors.GitHubError as error:
        if error.trouble is not errors.Trouble.PERMISSION and not about.read_only:
            return Published(error=error)
        left = leave([data], written, about, settings, environment)
        if not about.read_only:
            return Published(left=left, error=error)
        progress.notice(to_do(left))
        return Published(left=left)
    except S3CError as error:
        return Published(error=error)


def leave(
    results: Sequence[bytes], written: Sequence[Message], about: Run, settings: Settings, environment: Mapping[str, str]
) -> LeftResults:
    """Leave results for a workflow that may comment.

    Args:
        results: `result.json` files.
        written: the comments that they make.
        about: the run, which may not.
        settings: of the comments.
        environment: of the process.
    """
    name = artifact.PREFIX + marker.key(about.workflow, about.job, settings.name, *(one.key for one in written))
    return LeftResults(artifact=name, folder=artifact.leave(results, environment))


def others(done: Sequence[Delivered], about: Run) -> bool:
    """Whether a comment that this run did not begin may be there all the same, begun for it by another workflow."""
    return about.read_only and any(one.done is Done.NOT_BEGUN for one in done)


def to_do(left: LeftResults) -> str:
    """What becomes of what is left, for people."""
    return (
        "This run's token may only read, as always for a fork or Dependabot: the comment is left to a workflow that "
        f"may write. The results are in the artifact {left.artifact}; docs/github.md has that workflow."
    )


def _verdict(document: ResultDocument) -> str:
    """Of the images that the comment is about, where it is about some only."""
    verdicts = [image.verdict for image in document.images] or [document.verdict]
    return "passed" if set(verdicts) == {"passed"} and document.error is None else "failed"


def _repository(image: ImageResult) -> str:
    """What stays the same of an image from one pull request's commit to the next: neither tag nor digest."""
    try:
        return Reference.parse(image.image).name
    except InputError:
        return image.image
