"""The command `comment`; its inputs are in `github`."""

from __future__ import annotations

from s3c_actions.options.command import Command
from s3c_actions.options.github import CommentInputs

COMMAND = Command(
    name="comment",
    help="Writes results as comments on their pull request: one for each image, or one for all with `merge`. Each is "
    "found again by a hidden marker and updated in place.",
    options=CommentInputs,
    implementation="s3c_actions.commands.comment:run",
    examples=(
        "s3c comment s3c-out/result.json",
        "s3c comment results/ --merge --comment changes",
        "s3c comment s3c-out/result.json --repository octo/shop --pull-request 7",
    ),
)
