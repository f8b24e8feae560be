"""Inputs about GitHub: the pull-request comment and the upload to code scanning."""

from __future__ import annotations

import re
from typing import ClassVar

from msgspec.structs import replace

from s3c_actions.options.common import path, path_lines
from s3c_actions.options.declare import Group, Input, Order
from s3c_actions.options.parse import boolean, choice, duration, integer, text

COMMENT_MODES = ("always", "changes", "failures", "off")


def _repository(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9._-]{1,100}", value):
        raise ValueError("owner/name")
    return value


def _sha(value: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{40}([0-9a-f]{24})?", value):
        raise ValueError("a full commit SHA")
    return value


def _ref(value: str) -> str:
    if not re.fullmatch(r"refs/(heads|tags)/\S{1,240}|refs/pull/[0-9]+/(merge|head)", value):
        raise ValueError("a full ref, such as refs/heads/main or refs/pull/7/merge")
    return value


UPLOAD_REQUIRED = Input(
    name="upload-required",
    help="Fail when the findings cannot be uploaded to code scanning. Otherwise that is reported, and the verdict "
    "stays what it is.",
    parse=boolean,
    default="false",
    absent=False,
    switch=True,
)


class TokenOptions(Group):
    """The token for GitHub."""

    github_token = Input(
        name="github-token",
        basic=("propose", "comment", "upload"),
        help="Token for GitHub. In an action the run's own; on a command line `GITHUB_TOKEN` or `GH_TOKEN` does too.",
        parse=text,
        absent="",
        secret=True,
        expression="${{ github.token }}",
    )


class RepositoryOptions(Group):
    """The repository on GitHub."""

    repository = Input(
        name="repository",
        basic=("propose", "comment", "upload", "refresh"),
        metavar="OWNER/NAME",
        help="The repository on GitHub. On a runner, the run's own.",
        parse=_repository,
        absent="",
        example="octo/shop",
    )


class GatingOptions(TokenOptions):
    """The inputs that decide between a pull request's files and its target branch's."""

    gate_label = Input(
        name="gate-label",
        metavar="LABEL",
        help="On a pull request, the label that lets its own ignore files, policy and the like decide its gate, "
        "instead of those of the branch that it goes to. It counts when a maintainer set it, or somebody else than "
        "the author who may write; never for a fork. Without this, no label does.",
        parse=text,
        absent="",
        example="accept-gate-change",
    )
    order = (gate_label, TokenOptions.github_token)


class CommentingOptions(TokenOptions):
    """Whether and how the shell comments."""

    comment = Input(
        name="comment",
        basic=("comment",),
        metavar="MODE",
        help="One comment for each image on the pull request, updated in place. `always` keeps it up to date, with "
        "the run it comes from; `changes` leaves one that would say the same as it is; `failures` begins none for an "
        "image that passed. Needs the permission `pull-requests: write`.",
        parse=choice(*COMMENT_MODES),
        default="off",
        choices=COMMENT_MODES,
    )
    comment_name = Input(
        name="comment-name",
        metavar="NAME",
        help="Keeps comments apart that are about the same image in the same job: of a matrix over anything else than "
        "images, for example.",
        parse=text,
        absent="",
        example="arm64",
    )
    minimize_old_comments = Input(
        name="minimize-old-comments",
        help="Write a comment that changed anew at the end of the conversation, and hide the old one as outdated, "
        "instead of updating it in place.",
        parse=boolean,
        default="false",
        absent=False,
        switch=True,
    )
    comment_required = Input(
        name="comment-required",
        help="Fail (exit code 3) when the comment cannot be written. Otherwise that is reported, and the verdict stays "
        "what it is.",
        parse=boolean,
        default="false",
        absent=False,
        switch=True,
    )
    order: ClassVar[Order] = (comment, comment_name, minimize_old_comments, comment_required, TokenOptions.github_token)


class CommentInputs(CommentingOptions, RepositoryOptions):
    """The inputs of `comment`."""

    results: Input[tuple[str, ...]] = Input(
        name="results",
        basic=("sign", "attach", "propose", "comment"),
        help="`result.json` files, or folders that have some, in the order in which they were made.",
        parse=path_lines,
        absent=(),
        example="s3c-out/result.json",
        positional=True,
        many=True,
    )
    merge = Input(
        name="merge",
        basic=("comment",),
        help="One comment for all results, instead of one for each image.",
        parse=boolean,
        default="false",
        absent=False,
        switch=True,
    )
    from_run = Input(
        name="from-run",
        basic=("comment",),
        help="Take the results from the artifacts (`s3c-comment-…`) that the run which caused this `workflow_run` "
        "event left: what a run for a fork or Dependabot does, because it may not comment. They are checked, and "
        "nothing of them is run or written to disk.",
        parse=boolean,
        default="false",
        absent=False,
        switch=True,
    )
    pull_request = Input(
        name="pull-request",
        basic=("comment",),
        metavar="NUMBER",
        help="Number of the pull request. On a runner it is found by itself.",
        parse=integer(1, 2**31),
        absent=None,
        example="7",
    )
    comment = replace(CommentingOptions.comment, default="always")
    comment_required = replace(CommentingOptions.comment_required, default="true", absent=True)
    order = (
        results,
        merge,
        from_run,
        comment,
        CommentingOptions.comment_name,
        CommentingOptions.minimize_old_comments,
        comment_required,
        RepositoryOptions.repository,
        pull_request,
        TokenOptions.github_token,
    )


class UploadInputs(RepositoryOptions, TokenOptions):
    """The inputs of `upload`."""

    sarif: Input[tuple[str, ...]] = Input(
        name="sarif",
        basic=("upload",),
        help="SARIF 2.1.0 files, or folders that have some.",
        parse=path_lines,
        absent=(),
        example="s3c-out/report.sarif",
        required=True,
        positional=True,
        many=True,
    )
    commit = Input(
        name="commit",
        basic=("upload",),
        metavar="SHA",
        help="Full SHA of the commit that was scanned. On a runner, the run's own.",
        parse=_sha,
        absent="",
        example="4b6472266afd7b471e86085a6659e8c7f2b119da",
    )
    ref = Input(
        name="ref",
        basic=("upload",),
        metavar="REF",
        help="Full ref that was scanned. On a runner, the run's own.",
        parse=_ref,
        absent="",
        example="refs/heads/main",
    )
    checkout_path = Input(
        name="checkout-path",
        metavar="DIR",
        help="Folder of the checkout, when paths in the SARIF file are absolute.",
        parse=path,
        absent=None,
        example="/builds/octo/shop",
    )
    wait = Input(
        name="wait",
        basic=("upload",),
        help="How long to wait until GitHub has looked at the files; `0` does not wait.",
        parse=duration,
        default="5m",
        absent=300.0,
    )
    upload_required = replace(UPLOAD_REQUIRED, default="true", absent=True)
    order = (
        sarif,
        RepositoryOptions.repository,
        commit,
        ref,
        checkout_path,
        wait,
        upload_required,
        TokenOptions.github_token,
    )
