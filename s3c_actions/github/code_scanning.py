"""Upload SARIF to code scanning by the API, for CI systems without the upload-sarif action.

https://docs.github.com/rest/code-scanning/code-scanning#upload-an-analysis-as-sarif-data
"""

from __future__ import annotations

import base64
import gzip
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit

import msgspec

from s3c_actions.core import reading
from s3c_actions.core.errors import InputError
from s3c_actions.core.text import counted
from s3c_actions.github import errors as trouble
from s3c_actions.report.formats import sarif

if TYPE_CHECKING:
    from github import Github

    from s3c_actions.github.run import WorkflowRun

PERMISSION = "security-events: write"
MAX_BYTES = 10 * 1024 * 1024
"""Limit of a file, gzipped."""
RUNS, RESULTS, RULES = 20, 25_000, 25_000
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 15.0


class UploadTarget(msgspec.Struct, frozen=True, kw_only=True):
    """The scanned commit.

    Attributes:
        repository: `owner/name`.
        commit: full SHA.
        ref: full ref.
        checkout_uri: `file:///…/` of the checkout, when paths in the file are absolute.
    """

    repository: str
    commit: str
    ref: str
    checkout_uri: str = ""


def target_of(run: WorkflowRun) -> UploadTarget:
    """Return the commit and ref that a workflow run is on.

    Raises:
        InputError: one of them is not known.
    """
    for value, variable in ((run.sha, "GITHUB_SHA"), (run.ref, "GITHUB_REF")):
        if not value:
            raise InputError(
                "code-scanning",
                "it is not known which commit the alerts are to be shown at.",
                remedy=f"Set {variable}, as GitHub Actions does.",
            )
    return UploadTarget(repository=run.repository, commit=run.sha, ref=run.ref)


class SarifFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file to upload, checked.

    Attributes:
        path: of the file.
        data: its content.
        tool: name of the first run's tool.
        results: their number.
    """

    path: Path
    data: bytes
    tool: str
    results: int


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one upload: `complete`, `failed` or still `pending` at the time limit."""

    id: str
    status: str
    errors: tuple[str, ...] = ()


def read(path: Path) -> SarifFile:
    """Check a file before GitHub does: what it would reject minutes later is reported at once.

    Raises:
        InputError: it is not SARIF 2.1.0, or exceeds a limit of code scanning.
    """

    def refuse(why: str, remedy: str = "") -> NoReturn:
        raise InputError("sarif", f"{path} {why}.", remedy=remedy)

    try:
        data = reading.read_file(path, reading.MAX_REPORT_BYTES)
    except OSError as error:
        refuse(f"cannot be read: {error.strerror}", "Look at the path.")
    try:
        document = reading.parse_json(data)
        version, runs = document["version"], document["runs"]
        tools = [str(run["tool"]["driver"]["name"]) for run in runs]
        results = [len(run.get("results") or ()) for run in runs]
        rules = [len(run["tool"]["driver"].get("rules") or ()) for run in runs]
        unplaced = [problem for run in runs for result in run.get("results") or () if (problem := _misplaced(result))]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        refuse("is not a SARIF log", "Give a file that `s3c scan --format sarif` or another scanner wrote.")
    if version != "2.1.0":
        refuse(f"is of version {str(version)[:20]!r}, and code scanning reads 2.1.0")
    if not 1 <= len(runs) <= RUNS:
        refuse(f"has {len(runs)} runs, and code scanning takes 1 to {RUNS}", "Upload them as several files.")
    for what, numbers, most in (("results", results, RESULTS), ("rules", rules, RULES)):
        if max(numbers) > most:
            refuse(
                f"has {max(numbers):,} {what} in one run, and code scanning takes {most:,}",
                "Report fewer: `limit-severities-for-sarif` leaves out what `severity` does not name.",
            )
    if unplaced:
        refuse(
            f"has {counted(len(unplaced), 'result')} at a place that code scanning refuses with the whole file: "
            f"{unplaced[0]}",
            "Give each result a location with a path relative to the repository.",
        )
    return SarifFile(path=path, data=sarif.drop_suppressed(data), tool=tools[0], results=sum(results))


def _misplaced(result: Any) -> str:
    """Return what code scanning would not accept about a result's place; empty when it would.

    https://docs.github.com/code-security/code-scanning/integrating-with-code-scanning/sarif-support-for-code-scanning
    """
    rule = str(result.get("ruleId", ""))[:100]
    place = ((result.get("locations") or [{}])[0] or {}).get("physicalLocation") or {}
    location = place.get("artifactLocation") or {}
    uri = location.get("uri") or ""
    if not isinstance(uri, str):
        return f"the URI of one of {rule} is no text"
    if not uri and location.get("index") is None:
        return f"one of {rule} has no location"
    try:
        scheme = urlsplit(uri).scheme
    except ValueError:
        return f"{uri[:100]!r} of {rule} is no URI"
    if scheme not in {"", "file"}:
        return f"{uri[:100]!r} of {rule} is no file"
    region = place.get("region") or {}
    start = region.get("startLine", 1)
    if start < 1 or region.get("endLine", start) < start:
        return f"one of {rule} has no lines {start} to {region.get('endLine', start)}"
    return ""


def upload(
    client: Github,
    target: UploadTarget,
    report: SarifFile,
    *,
    wait: float,
    note: Callable[[str], None],
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Upload:
    """Upload a file, and wait for GitHub's result.

    Args:
        client: of the repository's GitHub.
        target: the scanned commit.
        report: the file.
        wait: time limit in seconds; 0 does not wait.
        note: receives the progress.
        sleep: replaced in tests.
        clock: replaced in tests.

    Raises:
        InputError: it is too large.
        GitHubError: GitHub rejects it, or does not report the result.
    """
    packed = gzip.compress(report.data, mtime=0)
    if len(packed) > MAX_BYTES:
        raise InputError(
            "sarif",
            f"{report.path} is of {len(packed):,} bytes when packed, and code scanning takes {MAX_BYTES:,}.",
            remedy="Report fewer: `limit-severities-for-sarif` leaves out what `severity` does not name.",
        )
    path = f"/repos/{target.repository}/code-scanning/sarifs"
    content: dict[str, Any] = {
        "commit_sha": target.commit,
        "ref": target.ref,
        "sarif": base64.b64encode(packed).decode(),
        "tool_name": report.tool,
    }
    if target.checkout_uri:
        content["checkout_uri"] = target.checkout_uri
    with trouble.translate_errors(f"{report.path} could not be uploaded", permission=PERMISSION):
        _, receipt = client.requester.requestJsonAndCheck("POST", path, input=content)
        upload_id = str(receipt["id"])
    deadline, pause = clock() + wait, FIRST_PAUSE
    while clock() < deadline:
        sleep(min(pause, max(0.0, deadline - clock())))
        pause = min(pause * 2, LONGEST_PAUSE)
        with trouble.translate_errors(f"The outcome of {report.path} is not known", permission=PERMISSION):
            _, answer = client.requester.requestJsonAndCheck("GET", f"{path}/{upload_id}")
            status = str(answer.get("processing_status", ""))
            errors = tuple(map(str, answer.get("errors") or ()))
        if status in {"complete", "failed"}:
            return Upload(id=upload_id, status=status, errors=errors)
        note(f"GitHub is looking at {report.path}")
    return Upload(id=upload_id, status="pending")
