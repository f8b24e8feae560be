"""The results that runs for forks and Dependabot leave, because they may not comment.

Whoever proposes a change may have written them, and they are read as such: archives in memory and within limits that
hold for all of a run together, nothing written to disk, no path followed, and each file has to be what
`report.document` allows. https://docs.github.com/rest/actions/artifacts
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
from s3c_actions.github.run import WorkflowRun
from s3c_actions.report.document import ResultDocument

if TYPE_CHECKING:
    from github import Github

PREFIX = "s3c-comment-"
RESULT_FILE = "result.json"
MAX_ARTIFACTS = 50
MAX_FILES = 20
PACKED_BYTES = 16 * 1024 * 1024
"""Of all archives of a run."""
RESULT_BYTES = 64 * 1024 * 1024
"""Of all results of a run, unpacked: one of 30,000 findings is 13 MB, and 0.9 MB packed."""
MOST_DIGITS = 18
"""Of a whole number: more than any size in bytes has, and no more than can be divided."""
_PAGES = 10
PERMISSION = "actions: read"
_PLACE = re.compile(r" - at `(\$[A-Za-z0-9_.\[\]]*)`$")


class InvalidArtifact(OutsideError):
    """What lies there is no result."""


class SizeBudget(msgspec.Struct):
    """What may still be read of a run, in bytes: of archives as they are downloaded, and of what is in them."""

    packed: int = PACKED_BYTES
    unpacked: int = RESULT_BYTES

    def download(self, size: int) -> None:
        """Take room for a part of an archive.

        Raises:
            NotAccepted: there is not as much.
        """
        self.packed -= size
        if self.packed < 0:
            _refuse(f"they are over {PACKED_BYTES:,} bytes")

    def unpack(self, size: int) -> None:
        """Take room for a file. Raises as `download` does."""
        self.unpacked -= size
        if self.unpacked < 0:
            _refuse(f"they are over {RESULT_BYTES:,} bytes when unpacked")


def save_results(results: Sequence[bytes], environment: Mapping[str, str]) -> Path:
    """Put results into a new folder, as the artifact has them that `results` reads.

    Args:
        results: `result.json` files.
        environment: has RUNNER_TEMP on a runner.
    """
    folder = Path(tempfile.mkdtemp(prefix="s3c-comment-", dir=environment.get("RUNNER_TEMP") or None))
    for number, data in enumerate(results, 1):
        place = folder if len(results) == 1 else folder / f"{number:03}"
        place.mkdir(exist_ok=True)
        (place / RESULT_FILE).write_bytes(data)
    return folder


def download_results(client: Github, about: WorkflowRun, token: str) -> list[ResultDocument]:
    """The results that a run left for its comment.

    Args:
        client: of the repository's GitHub.
        about: the run that ended.
        token: what the archives are downloaded with.

    Raises:
        GitHubError: they could not be downloaded.
        NotAccepted: an archive or a file is not what it has to be.
    """
    found = _listed(client, about)
    if len(found) > MAX_ARTIFACTS:
        _refuse(f"the run left {len(found)} of them, and {MAX_ARTIFACTS} are read at most")
    # The sizes in the list are looked at before anything is downloaded.
    SizeBudget().download(sum(one["size_in_bytes"] for one in found))
    room = SizeBudget()
    documents = []
    for one in sorted(found, key=lambda artifact: artifact["id"]):
        documents += unpack_results(_download(client, about.repository, one["id"], token, room), room)
    return documents


def _listed(client: Github, about: WorkflowRun) -> list[Mapping[str, int]]:
    """Id and size in bytes of those of a run that are ours by name; others may be many."""
    where = f"/repos/{about.repository}/actions/runs/{about.id}/artifacts"
    found: list[Mapping[str, int]] = []
    seen = page = 0
    while True:
        page += 1
        with errors.translate_errors("The results of the run could not be listed", permission=PERMISSION):
            _, answer = client.requester.requestJsonAndCheck("GET", where, parameters={"per_page": 100, "page": page})
            listed, total = answer["artifacts"], int(answer["total_count"])
            found += [
                {"id": int(one["id"]), "size_in_bytes": int(one["size_in_bytes"])}
                for one in listed
                if str(one["name"]).startswith(PREFIX) and not one["expired"]
            ]
        seen += len(listed)
        if not listed or seen >= total:
            return found
        if page == _PAGES:
            _refuse(f"the run left over {_PAGES * 100} artifacts")


def unpack_results(archive: bytes, room: SizeBudget) -> list[ResultDocument]:
    """The results in an archive (zip).

    Args:
        archive: its bytes.
        room: for what is in it.

    Raises:
        NotAccepted: it is not an archive of results.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            members = [one for one in opened.infolist() if not one.is_dir()]
            if not members or len(members) > MAX_FILES:
                _refuse(f"an archive has {len(members)} files, and 1 to {MAX_FILES} are read")
            if any(one.filename.rpartition("/")[2] != RESULT_FILE for one in members):
                _refuse(f"an archive has a file of another name than {RESULT_FILE}")
            return [decode_result(_read(opened, one, room)) for one in members]
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        raise InvalidArtifact(_what("an archive cannot be read"), original=str(error)[:200]) from error


def decode_result(data: bytes) -> ResultDocument:
    """A result, read strictly.

    Args:
        data: JSON.

    Raises:
        NotAccepted: it is none.
    """
    try:
        value = reading.parse_json(data, parse_constant=_refuse, parse_int=_integer, parse_float=_finite)
    except ValueError as error:
        raise InvalidArtifact(_what("one is not JSON"), original=str(error)[:200]) from error
    try:
        return msgspec.convert(value, ResultDocument)
    except msgspec.ValidationError as error:
        # The place in it alone: what stands there, also as a key, is untrusted, and may be long.
        place = _PLACE.search(str(error))
        _refuse(f"one is not as schemas/result-1.json has it, at {place[1][:100] if place else '$'}")


def _integer(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        _refuse(f"a number in one has more than {MOST_DIGITS} digits")
    return int(digits)


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        _refuse("a number in one is larger than numbers are")
    return number


def _read(opened: zipfile.ZipFile, member: zipfile.ZipInfo, room: SizeBudget) -> bytes:
    # The size that an archive claims is its maker's word: no more is unpacked, whatever it says.
    with opened.open(member) as file:
        data = file.read(room.unpacked + 1)
    room.unpack(len(data))
    return data


def _download(client: Github, repository: str, artifact: int, token: str, room: SizeBudget) -> bytes:
    address = f"{client.requester.base_url}/repos/{repository}/actions/artifacts/{artifact}/zip"
    with (
        errors.translate_errors("A result of the run could not be downloaded", permission=PERMISSION),
        web.create_session() as session,
    ):
        # GitHub sends us on to its storage, to an address that is signed: the token is for GitHub alone.
        first = session.get(
            address,
            headers={"Authorization": f"Bearer {token}"},
            allow_redirects=False,
            timeout=api.TIMEOUT,
        )
        _hold(first, 302)
        with session.get(first.headers["Location"], stream=True, timeout=api.TIMEOUT) as second:
            _hold(second, 200)
            parts = []
            for part in second.iter_content(65_536):
                room.download(len(part))
                parts.append(part)
    return b"".join(parts)


def _hold(response: Any, status: int) -> None:
    from github import GithubException

    if response.status_code != status:
        raise GithubException(response.status_code, {"message": response.reason}, dict(response.headers))


def _what(why: str) -> str:
    return f"The results that the run left are not accepted: {why}."


def _refuse(why: str) -> NoReturn:
    raise InvalidArtifact(
        _what(why),
        cause="They come from a change that somebody proposes, who may have changed what makes them.",
        remedy="Look at the run; nothing of them was shown.",
    )
