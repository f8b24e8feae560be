"""The command `upload`; its inputs are in `github`."""

from __future__ import annotations

from s3c_actions.options.command import Command
from s3c_actions.options.github import UploadInputs

COMMAND = Command(
    name="upload",
    help="Uploads SARIF files to code scanning by GitHub's API and waits until they are processed, for CI systems "
    "other than GitHub Actions. The actions use github/codeql-action/upload-sarif.",
    options=UploadInputs,
    implementation="s3c_actions.commands.upload:run",
    examples=(
        "s3c upload s3c-out/report.sarif",
        "s3c upload reports/ --repository octo/shop --commit 4b6472266afd7b471e86085a6659e8c7f2b119da "
        "--ref refs/heads/main",
    ),
)
