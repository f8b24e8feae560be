"""The results that runs for forks and Dependabot leave, because they may not comment.

Whoever proposes a change may have written them, and they are read as such: an archive in memory and within limits,
nothing written to disk, no path followed, and each file has to be what schemas/result-1.json allows.
https://docs.github.com/rest/actions/artifacts
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from s3c_actions.errors import OutsideError
from s3c_actions.github import api, trouble
from s3c_actions.github.run import Run

if TYPE_CHECKING:
    from github import Github
    from jsonschema.protocols import Validator

PREFIX = "s3c-comment-"
FILE = "result.json"
MOST_ARTIFACTS = 50
MOST_FILES = 20
ARCHIVE_BYTES = 2 * 1024 * 1024
RESULT_BYTES = 8 * 1024 * 1024
PERMISSION = "actions: read"
_SCHEMA = Path(__file__).parent.parent / "schemas" / "result-1.json"


class NotAccepted(OutsideError):
    """What lies there is no result."""


def results(client: Github, about: Run, token: str) -> list[Mapping[str, Any]]:
    """The results that a run left for its comment.

    Args:
        client: of the repository's GitHub.
        about: the run that ended.
        token: what the archives are downloaded with.

    Raises:
        GitHubError: they could not be downloaded.
        NotAccepted: an archive or a file is not what it has to be.
    """
    where = f"/repos/{about.repository}/actions/runs/{about.id}/artifacts"
    with trouble.told("The results of the run could not be listed", permission=PERMISSION):
        _, answer = client.requester.requestJsonAndCheck("GET", where, parameters={"per_page": 100})
    found = [one for one in answer["artifacts"] if str(one["name"]).startswith(PREFIX) and not one["expired"]]
    if len(found) > MOST_ARTIFACTS:
        _refuse(f"the run left {len(found)} of them, and {MOST_ARTIFACTS} are read at most")
    documents = []
    for one in sorted(found, key=lambda artifact: int(artifact["id"])):
        if int(one["size_in_bytes"]) > ARCHIVE_BYTES:
            _refuse(f"one is of {int(one['size_in_bytes']):,} bytes, and {ARCHIVE_BYTES:,} are read at most")
        documents += unpacked(_download(client, about.repository, int(one["id"]), token))
    return documents


def unpacked(archive: bytes) -> list[Mapping[str, Any]]:
    """The results in an archive (zip).

    Raises:
        NotAccepted: it is not an archive of results.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            members = [one for one in opened.infolist() if not one.is_dir()]
            if not members or len(members) > MOST_FILES:
                _refuse(f"an archive has {len(members)} files, and 1 to {MOST_FILES} are read")
            if any(one.filename.rpartition("/")[2] != FILE for one in members):
                _refuse(f"an archive has a file of another name than {FILE}")
            return [document(_read(opened, one)) for one in members]
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        raise NotAccepted(_what("an archive cannot be read"), original=str(error)[:200]) from error


def document(data: bytes) -> Mapping[str, Any]:
    """A result that has the shape of one.

    Args:
        data: JSON.

    Raises:
        NotAccepted: it has not.
    """
    if len(data) > RESULT_BYTES:
        _refuse(f"one is over {RESULT_BYTES:,} bytes")
    try:
        made = json.loads(data, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise NotAccepted(_what("one is not JSON"), original=str(error)[:200]) from error
    # The path in it alone: what stands there is untrusted, and may be long.
    for problem in _validator().iter_errors(made):
        _refuse(f"one is not as schemas/result-1.json has it, at {problem.json_path[:100]}")
    return made  # type: ignore[no-any-return]


@cache
def _validator() -> Validator:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(json.loads(_SCHEMA.read_text(encoding="utf-8")))


def _read(opened: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    # The size that an archive claims is its maker's word: no more is unpacked, whatever it says.
    with opened.open(member) as file:
        return file.read(RESULT_BYTES + 1)


def _download(client: Github, repository: str, artifact: int, token: str) -> bytes:
    import requests

    address = f"{client.requester.base_url}/repos/{repository}/actions/artifacts/{artifact}/zip"
    with trouble.told("A result of the run could not be downloaded", permission=PERMISSION):
        # GitHub sends us on to its storage, to an address that is signed: the token is for GitHub alone.
        first = requests.get(
            address,
            headers={"Authorization": f"Bearer {token}"},
            allow_redirects=False,
            timeout=api.TIMEOUT,
        )
        _hold(first, 302)
        with requests.get(first.headers["Location"], stream=True, timeout=api.TIMEOUT) as second:
            _hold(second, 200)
            data = b"".join(_bounded(second))
    return data


def _bounded(response: Any) -> Any:
    total = 0
    for part in response.iter_content(65_536):
        total += len(part)
        if total > ARCHIVE_BYTES:
            _refuse(f"one is over {ARCHIVE_BYTES:,} bytes")
        yield part


def _hold(response: Any, status: int) -> None:
    from github import GithubException

    if response.status_code != status:
        raise GithubException(response.status_code, {"message": response.reason}, dict(response.headers))


def _what(why: str) -> str:
    return f"The results that the run left are not accepted: {why}."


def _refuse(why: str) -> NoReturn:
    raise NotAccepted(
        _what(why),
        cause="They come from a change that somebody proposes, who may have changed what makes them.",
        remedy="Look at the run; nothing of them was shown.",
    )
