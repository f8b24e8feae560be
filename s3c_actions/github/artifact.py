"""The results that runs for forks and Dependabot save, because they may not comment.

They are untrusted, because the author of a change may have written them: archives are read in memory, within limits
for all archives of a run together, nothing is written to disk, no path is followed, and each file must be valid by
`report.document`. https://docs.github.com/rest/actions/artifacts
"""

from __future__ import annotations

import io
import math
import re
import tempfile
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec

from s3c_actions.core import reading, web
from s3c_actions.core.errors import OutsideError
from s3c_actions.github import api, errors
from s3c_actions.github.libraries import pygithub
from s3c_actions.github.run import WorkflowRun
from s3c_actions.report.document import ResultDocument

if TYPE_CHECKING:
    from github import Github

PREFIX = "s3c-comment-"
RESULT_FILE = "result.json"
MAX_ARTIFACTS = 50
MAX_FILES = 20
PACKED_BYTES = 16 * 1024 * 1024
"""Limit for all archives of a run together."""
RESULT_BYTES = 64 * 1024 * 1024
"""Limit for all results of a run, unpacked: one of 30,000 findings is 13 MB, and 0.9 MB packed."""
MOST_DIGITS = 18
"""Limit for an integer: more than any size in bytes has, and few enough for division."""
_MAX_PAGES = 10
PERMISSION = "actions: read"
_ERROR_PATH = re.compile(r" - at `(\$[A-Za-z0-9_.\[\]]*)`$")


class InvalidArtifact(OutsideError):
    """The artifact is not a valid result."""


class SizeBudget(msgspec.Struct):
    """The bytes that may still be read of a run: of archives as they are downloaded, and of their content."""

    packed: int = PACKED_BYTES
    unpacked: int = RESULT_BYTES

    def download(self, size: int) -> None:
        """Subtract the size of a part of an archive.

        Raises:
            InvalidArtifact: the limit is exceeded.
        """
        self.packed -= size
        if self.packed < 0:
            _reject(f"they are over {PACKED_BYTES:,} bytes")

    def unpack(self, size: int) -> None:
        """Subtract the size of a file. Raises as `download` does."""
        self.unpacked -= size
        if self.unpacked < 0:
            _reject(f"they are over {RESULT_BYTES:,} bytes when unpacked")


def save_results(results: Sequence[bytes], environment: Mapping[str, str]) -> Path:
    """Save results in a new folder, laid out like the artifact that `download_results` reads.

    Args:
        results: `result.json` files.
        environment: contains RUNNER_TEMP on a runner.
    """
    folder = Path(tempfile.mkdtemp(prefix="s3c-comment-", dir=environment.get("RUNNER_TEMP") or None))
    for number, data in enumerate(results, 1):
        target = folder if len(results) == 1 else folder / f"{number:03}"
        target.mkdir(exist_ok=True)
        (target / RESULT_FILE).write_bytes(data)
    return folder


def download_results(client: Github, workflow_run: WorkflowRun, token: str) -> list[ResultDocument]:
    """Download the results that a run saved for its comment.

    Args:
        client: of the repository's GitHub.
        workflow_run: the completed run.
        token: to download the archives with.

    Raises:
        GitHubError: they could not be downloaded.
        InvalidArtifact: an archive or a file is invalid.
    """
    artifacts = _list_artifacts(client, workflow_run)
    if len(artifacts) > MAX_ARTIFACTS:
        _reject(f"the run left {len(artifacts)} of them, and {MAX_ARTIFACTS} are read at most")
    # The sizes in the list are checked before anything is downloaded.
    SizeBudget().download(sum(artifact["size_in_bytes"] for artifact in artifacts))
    room = SizeBudget()
    documents = []
    for artifact in sorted(artifacts, key=lambda listed: listed["id"]):
        documents += unpack_results(_download(client, workflow_run.repository, artifact["id"], token, room), room)
    return documents


def _list_artifacts(client: Github, workflow_run: WorkflowRun) -> list[Mapping[str, int]]:
    """Return id and size in bytes of the artifacts with our prefix; a run may have many others."""
    path = f"/repos/{workflow_run.repository}/actions/runs/{workflow_run.id}/artifacts"
    artifacts: list[Mapping[str, int]] = []
    count = page = 0
    while True:
        page += 1
        with errors.translate_errors("The results of the run could not be listed", permission=PERMISSION):
            _, answer = client.requester.requestJsonAndCheck("GET", path, parameters={"per_page": 100, "page": page})
            listed, total = answer["artifacts"], int(answer["total_count"])
            artifacts += [
                {"id": int(artifact["id"]), "size_in_bytes": int(artifact["size_in_bytes"])}
                for artifact in listed
                if str(artifact["name"]).startswith(PREFIX) and not artifact["expired"]
            ]
        count += len(listed)
        if not listed or count >= total:
            return artifacts
        if page == _MAX_PAGES:
            _reject(f"the run left over {_MAX_PAGES * 100} artifacts")


def unpack_results(archive: bytes, room: SizeBudget) -> list[ResultDocument]:
    """Unpack the results of an archive.

    Args:
        archive: bytes of a zip file.
        room: for its content.

    Raises:
        InvalidArtifact: it is not an archive of results.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as zip_file:
            members = [member for member in zip_file.infolist() if not member.is_dir()]
            if not members or len(members) > MAX_FILES:
                _reject(f"an archive has {len(members)} files, and 1 to {MAX_FILES} are read")
            if any(member.filename.rpartition("/")[2] != RESULT_FILE for member in members):
                _reject(f"an archive has a file of another name than {RESULT_FILE}")
            return [decode_result(_read_member(zip_file, member, room)) for member in members]
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        raise InvalidArtifact(_rejection("an archive cannot be read"), original=str(error)[:200]) from error


def decode_result(data: bytes) -> ResultDocument:
    """Decode a result strictly.

    Args:
        data: JSON.

    Raises:
        InvalidArtifact: it is not a valid result.
    """
    try:
        value = reading.parse_json(data, parse_constant=_reject, parse_int=_parse_integer, parse_float=_parse_float)
    except ValueError as error:
        raise InvalidArtifact(_rejection("one is not JSON"), original=str(error)[:200]) from error
    try:
        return msgspec.convert(value, ResultDocument)
    except UnicodeEncodeError as error:
        raise InvalidArtifact(_rejection("one has half a character"), original=str(error)[:200]) from error
    except msgspec.ValidationError as error:
        # Only the path: the value there, also as a key, is untrusted and may be long.
        path = _ERROR_PATH.search(str(error))
        _reject(f"one is not as schemas/result-1.json has it, at {path[1][:100] if path else '$'}")


def _parse_integer(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        _reject(f"a number in one has more than {MOST_DIGITS} digits")
    return int(digits)


def _parse_float(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        _reject("a number in one is larger than numbers are")
    return number


def _read_member(zip_file: zipfile.ZipFile, member: zipfile.ZipInfo, room: SizeBudget) -> bytes:
    # The size that an archive states is untrusted: no more than the limit is unpacked, whatever it states.
    with zip_file.open(member) as file:
        data = file.read(room.unpacked + 1)
    room.unpack(len(data))
    return data


def _download(client: Github, repository: str, artifact: int, token: str, room: SizeBudget) -> bytes:
    address = f"{client.requester.base_url}/repos/{repository}/actions/artifacts/{artifact}/zip"
    with (
        errors.translate_errors("A result of the run could not be downloaded", permission=PERMISSION),
        web.create_session() as session,
    ):
        # GitHub redirects to its storage, to a signed address: the token is sent to GitHub only.
        first = session.get(
            address,
            headers={"Authorization": f"Bearer {token}"},
            allow_redirects=False,
            timeout=api.TIMEOUT,
        )
        _check_status(first, 302)
        with session.get(first.headers["Location"], stream=True, timeout=api.TIMEOUT) as second:
            _check_status(second, 200)
            parts = []
            for part in second.iter_content(65_536):
                room.download(len(part))
                parts.append(part)
    return b"".join(parts)


def _check_status(response: Any, status: int) -> None:
    if response.status_code != status:
        raise pygithub.GithubException(response.status_code, {"message": response.reason}, dict(response.headers))


def _rejection(why: str) -> str:
    return f"The results that the run left are not accepted: {why}."


def _reject(why: str) -> NoReturn:
    raise InvalidArtifact(
        _rejection(why),
        cause="They come from a change that somebody proposes, who may have changed what makes them.",
        remedy="Look at the run; nothing of them was shown.",
    )
