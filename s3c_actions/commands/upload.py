"""`s3c upload`: upload SARIF files to code scanning, and report how they were processed."""

from __future__ import annotations

from s3c_actions.core.errors import InputError, OutsideError, S3CError
from s3c_actions.github import api, code_scanning
from s3c_actions.github.code_scanning import UploadTarget
from s3c_actions.options import github as inputs
from s3c_actions.result.model import Outcome
from s3c_actions.wiring.context import Context
from s3c_actions.wiring.github import find_token
from s3c_actions.wiring.result_files import find_files


def run(options: inputs.UploadInputs, context: Context) -> Outcome:
    """Upload the files one after another; all are checked before the first is sent.

    Raises:
        InputError: an input or a file is wrong: nothing was uploaded.
        OutsideError: GitHub rejected a required upload.
    """
    reports = [code_scanning.read(path) for path in find_files(options.sarif, "*.sarif", "sarif")]
    target = _target(options, context)
    client = api.connect(
        find_token(options, context, "security-events: write"), context.environment, context.progress.notice
    )
    lines = []
    try:
        for report in reports:
            with context.progress.step("upload") as step:
                uploaded = code_scanning.upload(client, target, report, wait=options.wait, note=context.progress.note)
                step.done(f"{report.path}: {uploaded.status}")
            if uploaded.status == "failed":
                raise OutsideError(
                    f"Code scanning refused {report.path}.",
                    cause=" ".join(uploaded.errors)[:1000],
                    remedy="Look at what it names; nothing of this file was kept.",
                )
            status = "complete" if uploaded.status == "complete" else "uploaded, and GitHub has not looked at it yet"
            lines.append(f"{report.path}: {status}; {report.results:,} results of {report.tool}, upload {uploaded.id}")
    except S3CError as error:
        if isinstance(error, InputError) or options.upload_required:
            raise
        context.progress.warning(str(error))
    alerts = f"{api.server_url(context.environment)}/{target.repository}/security/code-scanning"
    return Outcome(command="upload", images=(), text="\n".join([*lines, f"Alerts: {alerts}\n"]) if lines else "")


def _target(options: inputs.UploadInputs, context: Context) -> UploadTarget:
    def required_value(argument: str, field: str, variable: str) -> str:
        value = argument or context.environment.get(variable, "")
        if not value:
            raise InputError(field, "this input is required.", remedy=f"Give --{field}, or set {variable}.")
        return value

    checkout = options.checkout_path
    return UploadTarget(
        repository=required_value(options.repository, "repository", "GITHUB_REPOSITORY"),
        commit=required_value(options.commit, "commit", "GITHUB_SHA"),
        ref=required_value(options.ref, "ref", "GITHUB_REF"),
        checkout_uri=f"{checkout.absolute().as_uri()}/" if checkout is not None else "",
    )
